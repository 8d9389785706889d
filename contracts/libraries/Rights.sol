// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What a subject may let a delegate do. Bits, so that they combine.
library Rights {
    /// @dev revoke, revokeAll, suspend(true), close: everything that only narrows.
    uint8 internal constant WITHDRAW = 1;

    /// @dev grant and suspend(false): everything that widens.
    uint8 internal constant GRANT = 2;

    uint8 internal constant ALL = WITHDRAW | GRANT;
}
