// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ICheckpointLog} from "./interfaces/ICheckpointLog.sol";

/// @title Checkpoint log
contract CheckpointLog is ICheckpointLog {
    mapping(address logger => mapping(bytes32 logId => Checkpoint)) private _checkpoints;

    /// @inheritdoc ICheckpointLog
    function checkpoint(bytes32 logId, uint64 size, bytes32 root) external {
        if (root == 0) revert InvalidRoot();
        Checkpoint storage last = _checkpoints[msg.sender][logId];
        if (size < last.size) revert Shrunk(logId, size, last.size);
        if (size == last.size) {
            if (root != last.root) revert Forked(logId, size, root, last.root);
            return;
        }
        _checkpoints[msg.sender][logId] = Checkpoint(size, uint64(block.timestamp), root);
        emit Checkpointed(msg.sender, logId, size, root);
    }

    /// @inheritdoc ICheckpointLog
    function checkpointOf(address logger, bytes32 logId) external view returns (Checkpoint memory) {
        return _checkpoints[logger][logId];
    }
}
