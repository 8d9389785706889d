// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IDirectory} from "./interfaces/IDirectory.sol";
import {Roles} from "./libraries/Roles.sol";
import {RunningHead} from "./libraries/RunningHead.sol";

/// @title Directory of parties
/// @dev The first slot of a Party holds all a decision needs, so one storage proof answers it.
contract Directory is IDirectory, Ownable2Step {
    using RunningHead for bytes32;

    bytes32 private _head;
    mapping(address party => Party) private _parties;

    /// @param owner_ the consortium: an account, or better a multisig
    constructor(address owner_) Ownable(owner_) {
        _head = RunningHead.genesis();
    }

    /// @inheritdoc IDirectory
    function register(address party, uint8 roles, bytes32 profile, string calldata uri) external onlyOwner {
        if (party == address(0)) revert InvalidParty(party);
        if (roles == 0 || roles & ~Roles.ALL != 0) revert InvalidRoles(roles);
        Party storage entry = _parties[party];
        if (entry.since == 0) entry.since = uint64(block.timestamp);
        entry.changedAt = uint64(block.timestamp);
        entry.roles = roles;
        entry.profile = profile;
        entry.uri = uri;
        _head = _head.fold(RunningHead.REGISTERED, party, keccak256(abi.encode(roles, profile, uri)));
        emit Registered(party, roles, profile, uri);
    }

    /// @inheritdoc IDirectory
    function setSuspended(address party, bool suspended) external onlyOwner {
        Party storage entry = _parties[party];
        if (entry.since == 0) revert UnknownParty(party);
        if (entry.suspended == suspended) return;
        entry.suspended = suspended;
        entry.changedAt = uint64(block.timestamp);
        _head = _head.fold(RunningHead.SUSPENSION_CHANGED, party, bytes32(uint256(suspended ? 1 : 0)));
        emit SuspensionChanged(party, suspended);
    }

    /// @inheritdoc IDirectory
    function partyOf(address party) external view returns (Party memory) {
        return _parties[party];
    }

    /// @inheritdoc IDirectory
    function hasRole(address party, uint8 role) external view returns (bool) {
        Party storage entry = _parties[party];
        return role != 0 && entry.roles & role == role && !entry.suspended;
    }

    /// @inheritdoc IDirectory
    function head() external view returns (bytes32) {
        return _head;
    }

    /// @dev Refused: see OwnerRequired.
    function renounceOwnership() public view override onlyOwner {
        revert OwnerRequired();
    }
}
