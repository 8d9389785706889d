// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The floor: one slot and one event for each grant, and nothing else
/// @notice Nobody's word is checked but the sender's, nothing is refused, there is no running head. Whatever keeps a grant
/// in a slot of its own and tells about it cannot cost less.
contract Floor {
    mapping(address subject => mapping(bytes32 grantHash => uint256)) private _entries;

    event Granted(address indexed subject, bytes32 indexed grantHash);
    event Revoked(address indexed subject, bytes32 indexed grantHash);

    function grant(bytes32 grantHash) external {
        _entries[msg.sender][grantHash] = block.timestamp;
        emit Granted(msg.sender, grantHash);
    }

    function revoke(bytes32 grantHash) external {
        _entries[msg.sender][grantHash] |= block.timestamp << 64;
        emit Revoked(msg.sender, grantHash);
    }

    function grantList(bytes32[] calldata grantHashes) external {
        mapping(bytes32 grantHash => uint256) storage own = _entries[msg.sender];
        for (uint256 i = 0; i < grantHashes.length; ++i) {
            own[grantHashes[i]] = block.timestamp;
            emit Granted(msg.sender, grantHashes[i]);
        }
    }

    function revokeList(bytes32[] calldata grantHashes) external {
        mapping(bytes32 grantHash => uint256) storage own = _entries[msg.sender];
        for (uint256 i = 0; i < grantHashes.length; ++i) {
            own[grantHashes[i]] |= block.timestamp << 64;
            emit Revoked(msg.sender, grantHashes[i]);
        }
    }
}
