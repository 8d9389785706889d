// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

/// @notice Many grants under one anchored root: the tree of OpenZeppelin's `merkle-tree` over (address, bytes32).
library Cohort {
    /// @dev Hashed twice, so that no inner node can pass for a leaf.
    function leaf(address subject, bytes32 grantHash) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(subject, grantHash))));
    }

    /// @notice The grant of the subject lies under `root`.
    function contains(
        bytes32 root,
        address subject,
        bytes32 grantHash,
        bytes32[] calldata proof
    ) internal pure returns (bool) {
        return MerkleProof.verifyCalldata(proof, root, leaf(subject, grantHash));
    }
}
