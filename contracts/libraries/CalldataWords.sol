// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Lists of hashes, read where they lie in the calldata.
/// @dev Gas: hashing 100 and reading 50 for each word less than `abi.encodePacked` and `words[i]`, which take memory and
/// check bounds that the caller's loop has checked.
library CalldataWords {
    /// @notice `keccak256(abi.encodePacked(words))`.
    function hash(bytes32[] calldata words) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            let size := shl(5, words.length)
            calldatacopy(free, words.offset, size)
            result := keccak256(free, size)
        }
    }

    /// @notice `words[i]`, for `i` below `words.length`.
    function word(bytes32[] calldata words, uint256 i) internal pure returns (bytes32 result) {
        assembly ("memory-safe") {
            result := calldataload(add(words.offset, shl(5, i)))
        }
    }
}
