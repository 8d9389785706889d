// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A running hash over every accepted operation of one contract.
/// @dev Who recomputes it from the events, in log order, and finds it in the proven `head` slot knows that no event
/// was withheld, added or reordered. It starts at a value that depends on the chain and the contract, never at zero, so
/// that the first user does not pay for the slot and two deployments never share a head.
library RunningHead {
    /// @dev ConsentRegistry: what `value` holds is in parentheses.
    uint8 internal constant GRANTED = 1; // (grantHash)
    uint8 internal constant REVOKED = 2; // (grantHash)
    uint8 internal constant REVOKED_ALL = 3; // (the `before` recorded, as a number)
    uint8 internal constant SUSPENDED = 4; // (keccak256(abi.encode(suspended, at)))
    uint8 internal constant CLOSED = 5; // (zero)
    uint8 internal constant DELEGATED = 6; // (keccak256(abi.encode(delegate, rights, validUntil, at)))
    uint8 internal constant ANCHORED = 7; // (keccak256(abi.encode(root, size))), subject is zero

    /// @dev Directory: subject is the party.
    uint8 internal constant REGISTERED = 16; // (keccak256(abi.encode(roles, profile, uri)))
    uint8 internal constant SUSPENSION_CHANGED = 17; // (1 suspended, 0 not)

    /// @dev PolicyRegistry: subject is the issuer.
    uint8 internal constant PUBLISHED = 32; // (hash)
    uint8 internal constant SUPERSEDED = 33; // (keccak256(abi.encode(old, replacement, material)))
    uint8 internal constant RETRACTED = 34; // (hash)

    /// @notice The head of a contract that has accepted nothing yet.
    function genesis() internal view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this)));
    }

    /// @notice `keccak256(abi.encode(head, kind, subject, value, uint64(block.timestamp)))`: the head after one more
    /// operation, in this block.
    /// @dev Gas: 140 less for each operation than the expression above, which takes new memory every time.
    function fold(bytes32 head, uint8 kind, address subject, bytes32 value) internal view returns (bytes32 result) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, head)
            mstore(add(free, 0x20), kind)
            mstore(add(free, 0x40), subject)
            mstore(add(free, 0x60), value)
            mstore(add(free, 0x80), timestamp())
            result := keccak256(free, 0xa0)
        }
    }
}
