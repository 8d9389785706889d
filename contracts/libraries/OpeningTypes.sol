// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice One file of a record.
/// @param name what grants call it
/// @param mediaType of the sealed plaintext, as in a Content-Type header
/// @param size of the sealed plaintext, in bytes
/// @param sha256 of the sealed plaintext
/// @param salt random, so that nobody can guess the hash
struct Item {
    string name;
    string mediaType;
    uint64 size;
    bytes32 sha256;
    bytes32 salt;
}

/// @notice One version of one case. New content is a new record.
/// @param controller the institution that signs it and holds the material
/// @param subject the patient, under an address of this record alone
/// @param stewards who must grant the same besides the subject
/// @param title what people call it
/// @param items the hashes of its items, in order
/// @param createdAt in Unix seconds
/// @param salt random, so that nobody can guess the hash
struct Record {
    address controller;
    address subject;
    address[] stewards;
    string title;
    bytes32[] items;
    uint64 createdAt;
    bytes32 salt;
}

/// @notice One answerable permission.
/// @param summary the other fields as a sentence, in the subject's language
/// @param record the hash of the record
/// @param recipient whom it names; zero for any listed one that holds the controller's Approval
/// @param items names of items, or `*` alone for all
/// @param purposes codes of the vocabulary
/// @param channels codes of the vocabulary
/// @param onward what the recipient may let others do: `none`, `quote` or `reshare`
/// @param validFrom the first instant at which it is good
/// @param validUntil the first instant at which it no longer is
/// @param form the hash of the form the subject agreed to
/// @param salt random, so that nobody can guess the hash
struct Grant {
    string summary;
    bytes32 record;
    address recipient;
    string[] items;
    string[] purposes;
    string[] channels;
    string onward;
    uint64 validFrom;
    uint64 validUntil;
    bytes32 form;
    bytes32 salt;
}

/// @notice What somebody signs who was there when consent was explained.
/// @param subject whose consent it was
/// @param grants the hashes of the grants the witness countersigned
/// @param role as what the witness was there
/// @param at when, in Unix seconds
struct Witness {
    address subject;
    bytes32[] grants;
    string role;
    uint64 at;
}

/// @notice What a controller signs so that a grant that names no recipient covers one.
/// @param record the hash of the record
/// @param recipient who may use the grant
/// @param purpose for what
/// @param validUntil the first instant at which it is no longer good
/// @param salt random, so that nobody can guess the hash
struct Approval {
    bytes32 record;
    address recipient;
    string purpose;
    uint64 validUntil;
    bytes32 salt;
}

/// @notice What a recipient signs to be given the keys of items.
/// @param recipient who asks
/// @param record the hash of the record
/// @param items names of the items
/// @param purpose for what
/// @param channel where; empty for none
/// @param encryptionKey the public key to which keys are wrapped
/// @param at when, in Unix seconds
/// @param nonce random, so that a request works once
struct ReleaseRequest {
    address recipient;
    bytes32 record;
    string[] items;
    string purpose;
    string channel;
    bytes encryptionKey;
    uint64 at;
    bytes32 nonce;
}

/// @notice The EIP-712 structs that stay off chain and whose hashes everything else refers to: the openings.
/// @dev `grantHash` is `hash(Grant)`, a record is named by `hash(Record)`, an item in it by `hash(Item)`.
library OpeningTypes {
    bytes32 internal constant ITEM_TYPEHASH =
        keccak256("Item(string name,string mediaType,uint64 size,bytes32 sha256,bytes32 salt)");

    function hash(Item memory item) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(ITEM_TYPEHASH, _hash(item.name), _hash(item.mediaType), item.size, item.sha256, item.salt)
            );
    }

    bytes32 internal constant RECORD_TYPEHASH =
        keccak256(
            "Record(address controller,address subject,address[] stewards,string title,bytes32[] items,"
            "uint64 createdAt,bytes32 salt)"
        );

    function hash(Record memory record) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    RECORD_TYPEHASH,
                    record.controller,
                    record.subject,
                    keccak256(abi.encodePacked(record.stewards)),
                    _hash(record.title),
                    keccak256(abi.encodePacked(record.items)),
                    record.createdAt,
                    record.salt
                )
            );
    }

    bytes32 internal constant GRANT_TYPEHASH =
        keccak256(
            "Grant(string summary,bytes32 record,address recipient,string[] items,string[] purposes,string[] channels,"
            "string onward,uint64 validFrom,uint64 validUntil,bytes32 form,bytes32 salt)"
        );

    function hash(Grant memory grant) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    GRANT_TYPEHASH,
                    _hash(grant.summary),
                    grant.record,
                    grant.recipient,
                    _hash(grant.items),
                    _hash(grant.purposes),
                    _hash(grant.channels),
                    _hash(grant.onward),
                    grant.validFrom,
                    grant.validUntil,
                    grant.form,
                    grant.salt
                )
            );
    }

    bytes32 internal constant WITNESS_TYPEHASH =
        keccak256(
            "Witness(address subject,Grant[] grants,string role,uint64 at)"
            "Grant(string summary,bytes32 record,address recipient,string[] items,string[] purposes,string[] channels,"
            "string onward,uint64 validFrom,uint64 validUntil,bytes32 form,bytes32 salt)"
        );

    function hash(Witness memory witness) internal pure returns (bytes32) {
        bytes32 grants = keccak256(abi.encodePacked(witness.grants));
        return keccak256(abi.encode(WITNESS_TYPEHASH, witness.subject, grants, _hash(witness.role), witness.at));
    }

    bytes32 internal constant APPROVAL_TYPEHASH =
        keccak256("Approval(bytes32 record,address recipient,string purpose,uint64 validUntil,bytes32 salt)");

    function hash(Approval memory approval) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    APPROVAL_TYPEHASH,
                    approval.record,
                    approval.recipient,
                    _hash(approval.purpose),
                    approval.validUntil,
                    approval.salt
                )
            );
    }

    bytes32 internal constant RELEASE_REQUEST_TYPEHASH =
        keccak256(
            "ReleaseRequest(address recipient,bytes32 record,string[] items,string purpose,string channel,"
            "bytes encryptionKey,uint64 at,bytes32 nonce)"
        );

    function hash(ReleaseRequest memory request) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    RELEASE_REQUEST_TYPEHASH,
                    request.recipient,
                    request.record,
                    _hash(request.items),
                    _hash(request.purpose),
                    _hash(request.channel),
                    keccak256(request.encryptionKey),
                    request.at,
                    request.nonce
                )
            );
    }

    function _hash(string memory text) private pure returns (bytes32) {
        return keccak256(bytes(text));
    }

    function _hash(string[] memory texts) private pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](texts.length);
        for (uint256 i = 0; i < texts.length; ++i) hashes[i] = _hash(texts[i]);
        return keccak256(abi.encodePacked(hashes));
    }
}
