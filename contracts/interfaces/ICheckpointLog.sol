// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Checkpoint log
/// @notice Anchors the signed heads of access logs. Each logger has a space of its own, so nobody can take another's name
/// or write to its log.
interface ICheckpointLog {
    /// @notice The last head of a log.
    /// @param size how many entries it has
    /// @param at when it was anchored
    /// @param root its Merkle tree root
    struct Checkpoint {
        uint64 size;
        uint64 at;
        bytes32 root;
    }

    /// @notice The log `logId` of `logger` has grown to `size` entries under `root`.
    event Checkpointed(address indexed logger, bytes32 indexed logId, uint64 size, bytes32 root);

    /// @notice A tree has a root.
    error InvalidRoot();

    /// @notice A log only grows: it has `current` entries already.
    error Shrunk(bytes32 logId, uint64 size, uint64 current);

    /// @notice Another root, `current`, is anchored for this size: the log was forked.
    error Forked(bytes32 logId, uint64 size, bytes32 root, bytes32 current);

    /// @notice The sender anchors the head of its log `logId`. The same head again changes nothing.
    function checkpoint(bytes32 logId, uint64 size, bytes32 root) external;

    /// @notice The last head of the log `logId` of `logger`; all zero if there is none.
    function checkpointOf(address logger, bytes32 logId) external view returns (Checkpoint memory);
}
