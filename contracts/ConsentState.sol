// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {CalldataWords} from "./libraries/CalldataWords.sol";
import {RunningHead} from "./libraries/RunningHead.sol";

/// @title What the consent registry remembers, and how it changes
/// @dev The rules of state, without any question of who may: ConsentRegistry asks that first. Every effect is in the
/// order write, head, emit.
abstract contract ConsentState is IConsentRegistry {
    using CalldataWords for bytes32[];
    using RunningHead for bytes32;

    /// @dev Each an Entry, `grantedAt` in the low 64 bits and `revokedAt` in the next, as the compiler lays out the struct.
    /// Gas: 140 less for each grant than with the struct.
    mapping(address subject => mapping(bytes32 grantHash => uint256)) private _entries;
    mapping(address subject => Subject) private _subjects;
    mapping(address subject => mapping(address delegate => Delegation)) private _delegations;
    mapping(bytes32 root => uint64) private _anchoredAt;
    bytes32 private _head;

    constructor() {
        _head = RunningHead.genesis();
    }

    /// @inheritdoc IConsentRegistry
    function standingOf(address subject, bytes32 grantHash) external view returns (Entry memory, Subject memory) {
        return (entries(subject, grantHash), _subjects[subject]);
    }

    /// @inheritdoc IConsentRegistry
    function entries(address subject, bytes32 grantHash) public view returns (Entry memory) {
        uint256 packed = _entries[subject][grantHash];
        return Entry(uint64(packed), uint64(packed >> 64));
    }

    /// @inheritdoc IConsentRegistry
    function subjects(address subject) public view returns (Subject memory) {
        return _subjects[subject];
    }

    /// @inheritdoc IConsentRegistry
    function delegations(address subject, address delegate_) public view returns (Delegation memory) {
        return _delegations[subject][delegate_];
    }

    /// @inheritdoc IConsentRegistry
    function anchoredAt(bytes32 root) external view returns (uint64) {
        return _anchoredAt[root];
    }

    /// @inheritdoc IConsentRegistry
    function head() public view returns (bytes32) {
        return _head;
    }

    /// @dev A grant given at this instant, and recorded now, could stand.
    function _checkMayGrant(address subject, uint256 givenAt) internal view {
        Subject storage state = _subjects[subject];
        if (state.closed) revert SubjectClosed(subject);
        if (state.suspended) revert SubjectSuspended(subject);
        // One that is recorded is never given later than now, so this also sees to grantedAt > revokedBefore.
        if (givenAt <= state.revokedBefore) revert RevokedUntil(subject, state.revokedBefore);
    }

    /// @dev Takes and returns the head so that a transaction with many operations stores it once, with `_advance`.
    function _grant(
        bytes32 running,
        address subject,
        bytes32[] calldata grantHashes,
        address signer
    ) internal returns (bytes32) {
        if (grantHashes.length == 0) revert EmptyList();
        mapping(bytes32 grantHash => uint256) storage own = _entries[subject];
        for (uint256 i = 0; i < grantHashes.length; ++i) {
            bytes32 grantHash = grantHashes.word(i);
            uint256 packed = own[grantHash];
            // A revoked grant never returns, and one that was granted is never granted again.
            if (packed >> 64 != 0) revert AlreadyRevoked(subject, grantHash);
            if (packed != 0) revert AlreadyGranted(subject, grantHash);
            own[grantHash] = block.timestamp;
            running = running.fold(RunningHead.GRANTED, subject, grantHash);
            emit Granted(subject, grantHash, signer);
        }
        return running;
    }

    function _advance(bytes32 running) internal {
        _head = running;
    }

    function _revoke(address subject, bytes32[] calldata grantHashes, address signer) internal {
        if (grantHashes.length == 0) revert EmptyList();
        bytes32 running = _head;
        mapping(bytes32 grantHash => uint256) storage own = _entries[subject];
        for (uint256 i = 0; i < grantHashes.length; ++i) {
            bytes32 grantHash = grantHashes.word(i);
            uint256 packed = own[grantHash];
            // The first revocation counts.
            if (packed >> 64 != 0) continue;
            own[grantHash] = packed | (block.timestamp << 64);
            running = running.fold(RunningHead.REVOKED, subject, grantHash);
            emit Revoked(subject, grantHash, signer);
        }
        _head = running;
    }

    function _revokeAll(address subject, uint64 before, address signer) internal {
        // What does not exist yet cannot be revoked: the subject could sign away its own future.
        if (before > block.timestamp) before = uint64(block.timestamp);
        if (before <= _subjects[subject].revokedBefore) return;
        _subjects[subject].revokedBefore = before;
        _head = _head.fold(RunningHead.REVOKED_ALL, subject, bytes32(uint256(before)));
        emit RevokedAll(subject, before, signer);
    }

    /// @dev False when there is nothing to do; reverts when the word must be refused.
    function _isSuspensionNews(address subject, bool suspended, uint64 at) internal view returns (bool) {
        Subject memory state = _subjects[subject];
        if (state.closed && !suspended) revert SubjectClosed(subject);
        return _isNews(at, state.suspensionAt, suspended, state.suspended);
    }

    function _suspend(address subject, bool suspended, uint64 at, address signer) internal {
        _subjects[subject].suspended = suspended;
        _subjects[subject].suspensionAt = at;
        _head = _head.fold(RunningHead.SUSPENDED, subject, keccak256(abi.encode(suspended, at)));
        emit Suspended(subject, suspended, at, signer);
    }

    function _close(address subject, address signer) internal {
        if (_subjects[subject].closed) return;
        _subjects[subject].closed = true;
        _head = _head.fold(RunningHead.CLOSED, subject, 0);
        emit Closed(subject, signer);
    }

    /// @dev False when there is nothing to do; reverts when the word must be refused.
    function _isDelegationNews(
        address subject,
        address delegate_,
        uint8 rights,
        uint64 at
    ) internal view returns (bool) {
        Delegation memory current = _delegations[subject][delegate_];
        return _isNews(at, current.at, rights == 0, current.rights == 0);
    }

    function _delegate(address subject, address delegate_, uint8 rights, uint64 validUntil, uint64 at) internal {
        _delegations[subject][delegate_] = Delegation(rights, validUntil, at);
        _head = _head.fold(
            RunningHead.DELEGATED,
            subject,
            keccak256(abi.encode(delegate_, rights, validUntil, at))
        );
        emit Delegated(subject, delegate_, rights, validUntil, at);
    }

    function _anchor(bytes32 root, uint32 size) internal {
        if (_anchoredAt[root] != 0) return;
        _anchoredAt[root] = uint64(block.timestamp);
        _head = _head.fold(RunningHead.ANCHORED, address(0), keccak256(abi.encode(root, size)));
        emit Anchored(root, size);
    }

    /// @dev Words are ordered by their instant and, at the same instant, the one that narrows comes last. So the order in
    /// which signed words arrive does not matter, and narrowing at the present instant is never too late.
    /// @param narrows the new word narrows
    /// @param narrowed the recorded word did: a late one that narrows too asks for nothing more
    function _isNews(uint64 at, uint64 last, bool narrows, bool narrowed) private pure returns (bool) {
        if (at > last) return true;
        if (narrows && narrowed) return false;
        if (narrows && at == last) return true;
        revert NotNewer(at, last);
    }
}
