// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Policy registry
/// @notice Documents by hash, each issuer's in a space of its own: forms, the terms of a channel and, for retraction only,
/// records. What is written here can end what was granted under a document; it can never allow anything.
interface IPolicyRegistry {
    /// @notice What an issuer said about a document. Zero means: not said.
    /// @param publishedAt when it was published
    /// @param supersededAt when `successor` replaced it
    /// @param retractedAt when it was retracted, which is final
    /// @param material the replacement ends what was granted under this document until the subject agrees again
    /// @param successor the document that replaced it
    struct Document {
        uint64 publishedAt;
        uint64 supersededAt;
        uint64 retractedAt;
        bool material;
        bytes32 successor;
    }

    /// @notice `issuer` published `hash`.
    event Published(address indexed issuer, bytes32 indexed hash);

    /// @notice `issuer` published `replacement` and replaced `hash` by it: one operation, no `Published` besides.
    event Superseded(address indexed issuer, bytes32 indexed hash, bytes32 replacement, bool material);

    /// @notice `issuer` ended `hash`, published by it or not.
    event Retracted(address indexed issuer, bytes32 indexed hash);

    /// @notice Zero stands for "no document".
    error InvalidDocument(bytes32 hash);

    /// @notice `issuer` never published `hash`, so it cannot supersede it.
    error NotPublished(address issuer, bytes32 hash);

    /// @notice `issuer` published `hash` before; a document is published once.
    error AlreadyPublished(address issuer, bytes32 hash);

    /// @notice `issuer` superseded `hash` by `successor` before; supersede that one instead.
    error AlreadySuperseded(address issuer, bytes32 hash, bytes32 successor);

    /// @notice `issuer` retracted `hash`, and that is final.
    error AlreadyRetracted(address issuer, bytes32 hash);

    /// @notice The sender publishes `hash`, which is new to it.
    function publish(bytes32 hash) external;

    /// @notice The sender publishes `replacement`, which is new to it, and replaces `hash` by it.
    /// @param material what was granted under `hash` ends until the subject agrees again; otherwise this only notifies
    function supersede(bytes32 hash, bytes32 replacement, bool material) external;

    /// @notice The sender ends `hash`: a document, or a record it signed, which is never published. Again changes nothing.
    function retract(bytes32 hash) external;

    /// @notice What `issuer` said about `hash`.
    function documentOf(address issuer, bytes32 hash) external view returns (Document memory);

    /// @notice What was granted under `hash` still counts: it and every successor are published and not retracted, and no
    /// supersession among them is material.
    /// @dev A chain of more than 32 documents is not current.
    function isCurrent(address issuer, bytes32 hash) external view returns (bool);

    /// @notice The running hash over every accepted operation; see RunningHead.
    function head() external view returns (bytes32);
}
