// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What a party of the Directory may be. Bits, so that they combine.
library Roles {
    uint8 internal constant CONTROLLER = 1;
    uint8 internal constant RECIPIENT = 2;
    uint8 internal constant CUSTODIAN = 4;
    uint8 internal constant WITNESS = 8;
    uint8 internal constant ALL = CONTROLLER | RECIPIENT | CUSTODIAN | WITNESS;
}
