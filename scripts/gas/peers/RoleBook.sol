// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";

/// @title Permissions as roles of OpenZeppelin's AccessControl
/// @notice An administrator gives and takes roles: the way access is managed in most contracts.
contract RoleBook is AccessControl {
    constructor(address administrator) {
        _grantRole(DEFAULT_ADMIN_ROLE, administrator);
    }
}
