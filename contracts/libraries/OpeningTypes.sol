// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

struct Item {
    string name;
    string mediaType;
    uint64 size;
    bytes32 sha256;
    bytes32 salt;
}

struct Record {
    address controller;
    address subject;
    address[] stewards;
    string title;
    bytes32[] items;
    uint64 createdAt;
    bytes32 salt;
}

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

struct Witness {
    address subject;
    bytes32[] grants; // the hashes of the grants the witness countersigned
    string role;
    uint64 at;
}

struct Approval {
    bytes32 record;
    address recipient;
    string purpose;
    uint64 validUntil;
    bytes32 salt;
}

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
