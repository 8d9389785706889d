// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IPolicyRegistry} from "./interfaces/IPolicyRegistry.sol";
import {RunningHead} from "./libraries/RunningHead.sol";

/// @title Policy registry
/// @dev No owner. Whoever reads it chooses whose word counts: the issuer named in the form the subject signed.
contract PolicyRegistry is IPolicyRegistry {
    using RunningHead for bytes32;

    /// @dev How many documents of a chain `isCurrent` looks at, so that its cost is bounded.
    uint256 private constant MAX_DOCUMENTS = 32;

    bytes32 private _head;
    mapping(address issuer => mapping(bytes32 hash => Document)) private _documents;

    constructor() {
        _head = RunningHead.genesis();
    }

    /// @inheritdoc IPolicyRegistry
    function publish(bytes32 hash) external {
        _publish(hash);
        _head = _head.fold(RunningHead.PUBLISHED, msg.sender, hash);
        emit Published(msg.sender, hash);
    }

    /// @inheritdoc IPolicyRegistry
    function supersede(bytes32 hash, bytes32 replacement, bool material) external {
        Document storage document = _documents[msg.sender][hash];
        if (document.publishedAt == 0) revert NotPublished(msg.sender, hash);
        if (document.retractedAt != 0) revert AlreadyRetracted(msg.sender, hash);
        if (document.supersededAt != 0) revert AlreadySuperseded(msg.sender, hash, document.successor);
        // A replacement is new to its issuer, so chains of successors never meet and never turn back.
        _publish(replacement);
        document.supersededAt = uint64(block.timestamp);
        document.material = material;
        document.successor = replacement;
        bytes32 value = keccak256(abi.encode(hash, replacement, material));
        _head = _head.fold(RunningHead.SUPERSEDED, msg.sender, value);
        emit Superseded(msg.sender, hash, replacement, material);
    }

    /// @inheritdoc IPolicyRegistry
    function retract(bytes32 hash) external {
        if (hash == 0) revert InvalidDocument(hash);
        Document storage document = _documents[msg.sender][hash];
        if (document.retractedAt != 0) return;
        document.retractedAt = uint64(block.timestamp);
        _head = _head.fold(RunningHead.RETRACTED, msg.sender, hash);
        emit Retracted(msg.sender, hash);
    }

    /// @inheritdoc IPolicyRegistry
    function documentOf(address issuer, bytes32 hash) external view returns (Document memory) {
        return _documents[issuer][hash];
    }

    /// @inheritdoc IPolicyRegistry
    function isCurrent(address issuer, bytes32 hash) external view returns (bool) {
        for (uint256 i = 0; i < MAX_DOCUMENTS; ++i) {
            Document memory document = _documents[issuer][hash];
            if (document.publishedAt == 0 || document.retractedAt != 0 || document.material) return false;
            if (document.supersededAt == 0) return true;
            hash = document.successor;
        }
        return false;
    }

    /// @inheritdoc IPolicyRegistry
    function head() external view returns (bytes32) {
        return _head;
    }

    function _publish(bytes32 hash) private {
        if (hash == 0) revert InvalidDocument(hash);
        Document storage document = _documents[msg.sender][hash];
        if (document.retractedAt != 0) revert AlreadyRetracted(msg.sender, hash);
        if (document.publishedAt != 0) revert AlreadyPublished(msg.sender, hash);
        document.publishedAt = uint64(block.timestamp);
    }
}
