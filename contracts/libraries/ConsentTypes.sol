// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CalldataWords} from "./CalldataWords.sol";

/// @notice The EIP-712 messages the registry accepts: a type hash and, beside it, the `hash` of the message.
/// @dev A struct array is encoded as the hash of its members' hashes, so the signer reads whole grants while the contract
/// receives only their hashes.
library ConsentTypes {
    using CalldataWords for bytes32[];

    string internal constant NAME = "Volens";
    string internal constant VERSION = "1";

    bytes32 internal constant DOMAIN_TYPEHASH =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

    /// @notice The separator of the domain of `registry` on this chain, for contracts that check what was signed for it.
    function domainSeparator(address registry) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(DOMAIN_TYPEHASH, keccak256(bytes(NAME)), keccak256(bytes(VERSION)), block.chainid, registry)
            );
    }

    bytes32 internal constant CONSENT_TYPEHASH =
        keccak256(
            "Consent(address subject,Grant[] grants,uint64 deadline)"
            "Grant(string summary,bytes32 record,address recipient,string[] items,string[] purposes,string[] channels,"
            "string onward,uint64 validFrom,uint64 validUntil,bytes32 form,bytes32 salt)"
        );

    /// @dev Gas: 130 less than with `abi.encode`, which takes new memory. So for `hashRevocation`.
    function hashConsent(
        address subject,
        bytes32[] calldata grantHashes,
        uint64 deadline
    ) internal pure returns (bytes32 result) {
        bytes32 typehash = CONSENT_TYPEHASH;
        bytes32 grants = grantHashes.hash();
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), subject)
            mstore(add(free, 0x40), grants)
            mstore(add(free, 0x60), deadline)
            result := keccak256(free, 0x80)
        }
    }

    bytes32 internal constant REVOCATION_TYPEHASH =
        keccak256(
            "Revocation(address subject,Grant[] grants)"
            "Grant(string summary,bytes32 record,address recipient,string[] items,string[] purposes,string[] channels,"
            "string onward,uint64 validFrom,uint64 validUntil,bytes32 form,bytes32 salt)"
        );

    function hashRevocation(
        address subject,
        bytes32[] calldata grantHashes
    ) internal pure returns (bytes32 result) {
        bytes32 typehash = REVOCATION_TYPEHASH;
        bytes32 grants = grantHashes.hash();
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, typehash)
            mstore(add(free, 0x20), subject)
            mstore(add(free, 0x40), grants)
            result := keccak256(free, 0x60)
        }
    }

    bytes32 internal constant REVOKE_ALL_TYPEHASH = keccak256("RevokeAll(address subject,uint64 before)");

    function hashRevokeAll(address subject, uint64 before) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOKE_ALL_TYPEHASH, subject, before));
    }

    bytes32 internal constant SUSPENSION_TYPEHASH = keccak256("Suspension(address subject,bool suspended,uint64 at)");

    function hashSuspension(address subject, bool suspended, uint64 at) internal pure returns (bytes32) {
        return keccak256(abi.encode(SUSPENSION_TYPEHASH, subject, suspended, at));
    }

    bytes32 internal constant CLOSURE_TYPEHASH = keccak256("Closure(address subject)");

    function hashClosure(address subject) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLOSURE_TYPEHASH, subject));
    }

    bytes32 internal constant DELEGATION_TYPEHASH =
        keccak256("Delegation(address subject,address delegate,uint8 rights,uint64 validUntil,uint64 at)");

    function hashDelegation(
        address subject,
        address delegate,
        uint8 rights,
        uint64 validUntil,
        uint64 at
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(DELEGATION_TYPEHASH, subject, delegate, rights, validUntil, at));
    }
}
