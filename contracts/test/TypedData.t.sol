// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentTypes} from "../libraries/ConsentTypes.sol";
import {Approval, Grant, Item, OpeningTypes, Record, ReleaseRequest, Witness} from "../libraries/OpeningTypes.sol";
import {SignatureVerification} from "../libraries/SignatureVerification.sol";
import {vm} from "./support/Vm.sol";

/// @notice Every hash and signature in tests/vectors/typed_data.json, which Python and TypeScript read too.
contract TypedDataTest {
    string private _json;

    function setUp() public {
        _json = vm.readFile("tests/vectors/typed_data.json");
    }

    function test_typeHashes() public view {
        assertTypeHash("Item", OpeningTypes.ITEM_TYPEHASH);
        assertTypeHash("Record", OpeningTypes.RECORD_TYPEHASH);
        assertTypeHash("Grant", OpeningTypes.GRANT_TYPEHASH);
        assertTypeHash("Witness", OpeningTypes.WITNESS_TYPEHASH);
        assertTypeHash("Approval", OpeningTypes.APPROVAL_TYPEHASH);
        assertTypeHash("ReleaseRequest", OpeningTypes.RELEASE_REQUEST_TYPEHASH);
        assertTypeHash("Consent", ConsentTypes.CONSENT_TYPEHASH);
        assertTypeHash("Revocation", ConsentTypes.REVOCATION_TYPEHASH);
        assertTypeHash("RevokeAll", ConsentTypes.REVOKE_ALL_TYPEHASH);
        assertTypeHash("Suspension", ConsentTypes.SUSPENSION_TYPEHASH);
        assertTypeHash("Closure", ConsentTypes.CLOSURE_TYPEHASH);
        assertTypeHash("Delegation", ConsentTypes.DELEGATION_TYPEHASH);
    }

    function assertTypeHash(string memory name, bytes32 typeHash) internal view {
        vm.assertEq(typeHash, vm.parseJsonBytes32(_json, string.concat(".typeHashes.", name)), name);
    }

    function test_domainSeparator() public {
        vm.chainId(vm.parseJsonUint(_json, ".domain.chainId"));
        address registry = vm.parseJsonAddress(_json, ".domain.verifyingContract");
        bytes32 expected = vm.parseJsonBytes32(_json, ".domainSeparator");
        vm.assertEq(ConsentTypes.domainSeparator(registry), expected, "domainSeparator");
        vm.assertEq(vm.parseJsonString(_json, ".domain.name"), ConsentTypes.NAME, "name");
        vm.assertEq(vm.parseJsonString(_json, ".domain.version"), ConsentTypes.VERSION, "version");
    }

    function test_structs() public view {
        uint256 count = 0;
        for (; vm.keyExistsJson(_json, at(".structs", count)); ++count) {
            string memory at_ = at(".structs", count);
            bytes32 expected = vm.parseJsonBytes32(_json, string.concat(at_, ".hash"));
            string memory kind = vm.parseJsonString(_json, string.concat(at_, ".type"));
            vm.assertEq(hashOf(kind, string.concat(at_, ".value")), expected, at_);
        }
        vm.assertEq(count, 6, "structs read");
    }

    function test_messages() public view {
        bytes32 separator = vm.parseJsonBytes32(_json, ".domainSeparator");
        uint256 count = 0;
        for (; vm.keyExistsJson(_json, at(".messages", count)); ++count) {
            string memory at_ = at(".messages", count);
            string memory kind = vm.parseJsonString(_json, string.concat(at_, ".primaryType"));
            bytes32 structHash = hashOf(kind, string.concat(at_, ".message"));
            vm.assertEq(structHash, vm.parseJsonBytes32(_json, string.concat(at_, ".structHash")), at_);
            bytes32 digest = keccak256(abi.encodePacked(hex"1901", separator, structHash));
            vm.assertEq(digest, vm.parseJsonBytes32(_json, string.concat(at_, ".digest")), at_);
            address signer = vm.parseJsonAddress(_json, string.concat(at_, ".signer"));
            bytes memory signature = vm.parseJsonBytes(_json, string.concat(at_, ".signature"));
            vm.assertEq(this.signedBy(digest, signer, signature), true, at_);
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(vm.parseJsonUint(_json, string.concat(at_, ".privateKey")), digest);
            vm.assertEq(abi.encodePacked(r, s, v), signature, at_);
        }
        vm.assertEq(count, 11, "messages read");
    }

    function signedBy(bytes32 digest, address signer, bytes calldata signature) external view returns (bool) {
        return SignatureVerification.signedBy(digest, signer, signature);
    }

    function at(string memory key, uint256 index) internal pure returns (string memory) {
        return string.concat(key, "[", vm.toString(index), "]");
    }

    function hashOf(string memory kind, string memory key) internal view returns (bytes32) {
        bytes32 name = keccak256(bytes(kind));
        if (name == keccak256("Item")) return OpeningTypes.hash(readItem(key));
        if (name == keccak256("Record")) return OpeningTypes.hash(readRecord(key));
        if (name == keccak256("Grant")) return OpeningTypes.hash(readGrant(key));
        if (name == keccak256("Witness")) return OpeningTypes.hash(readWitness(key));
        if (name == keccak256("Approval")) return OpeningTypes.hash(readApproval(key));
        if (name == keccak256("ReleaseRequest")) return OpeningTypes.hash(readReleaseRequest(key));
        return this.hashMessage(name, key, readGrants(key));
    }

    /// @dev External, because the registry's messages are hashed from calldata.
    function hashMessage(bytes32 name, string memory key, bytes32[] calldata grants) external view returns (bytes32) {
        address subject = addressAt(key, "subject");
        if (name == keccak256("Consent")) return ConsentTypes.hashConsent(subject, grants, uint64At(key, "deadline"));
        if (name == keccak256("Revocation")) return ConsentTypes.hashRevocation(subject, grants);
        if (name == keccak256("RevokeAll")) return ConsentTypes.hashRevokeAll(subject, uint64At(key, "before"));
        if (name == keccak256("Closure")) return ConsentTypes.hashClosure(subject);
        uint64 instant = uint64At(key, "at");
        if (name == keccak256("Suspension")) {
            bool suspended = vm.parseJsonBool(_json, string.concat(key, ".suspended"));
            return ConsentTypes.hashSuspension(subject, suspended, instant);
        }
        require(name == keccak256("Delegation"), "a type this test does not know");
        uint8 rights = uint8(uint64At(key, "rights"));
        address to = addressAt(key, "delegate");
        return ConsentTypes.hashDelegation(subject, to, rights, uint64At(key, "validUntil"), instant);
    }

    function readGrants(string memory key) internal view returns (bytes32[] memory hashes) {
        string memory grants = string.concat(key, ".grants");
        uint256 count = 0;
        while (vm.keyExistsJson(_json, at(grants, count))) ++count;
        hashes = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) hashes[i] = OpeningTypes.hash(readGrant(at(grants, i)));
    }

    function readItem(string memory key) internal view returns (Item memory) {
        bytes32 digest = bytes32At(key, "sha256");
        return Item(stringAt(key, "name"), stringAt(key, "mediaType"), uint64At(key, "size"), digest, bytes32At(key, "salt"));
    }

    function readRecord(string memory key) internal view returns (Record memory record) {
        record.controller = addressAt(key, "controller");
        record.subject = addressAt(key, "subject");
        record.stewards = vm.parseJsonAddressArray(_json, string.concat(key, ".stewards"));
        record.title = stringAt(key, "title");
        record.items = vm.parseJsonBytes32Array(_json, string.concat(key, ".items"));
        record.createdAt = uint64At(key, "createdAt");
        record.salt = bytes32At(key, "salt");
    }

    function readGrant(string memory key) internal view returns (Grant memory grant) {
        grant.summary = stringAt(key, "summary");
        grant.record = bytes32At(key, "record");
        grant.recipient = addressAt(key, "recipient");
        grant.items = vm.parseJsonStringArray(_json, string.concat(key, ".items"));
        grant.purposes = vm.parseJsonStringArray(_json, string.concat(key, ".purposes"));
        grant.channels = vm.parseJsonStringArray(_json, string.concat(key, ".channels"));
        grant.onward = stringAt(key, "onward");
        grant.validFrom = uint64At(key, "validFrom");
        grant.validUntil = uint64At(key, "validUntil");
        grant.form = bytes32At(key, "form");
        grant.salt = bytes32At(key, "salt");
    }

    function readWitness(string memory key) internal view returns (Witness memory) {
        return Witness(addressAt(key, "subject"), readGrants(key), stringAt(key, "role"), uint64At(key, "at"));
    }

    function readApproval(string memory key) internal view returns (Approval memory approval) {
        approval.record = bytes32At(key, "record");
        approval.recipient = addressAt(key, "recipient");
        approval.purpose = stringAt(key, "purpose");
        approval.validUntil = uint64At(key, "validUntil");
        approval.salt = bytes32At(key, "salt");
    }

    function readReleaseRequest(string memory key) internal view returns (ReleaseRequest memory request) {
        request.recipient = addressAt(key, "recipient");
        request.record = bytes32At(key, "record");
        request.items = vm.parseJsonStringArray(_json, string.concat(key, ".items"));
        request.purpose = stringAt(key, "purpose");
        request.channel = stringAt(key, "channel");
        request.encryptionKey = vm.parseJsonBytes(_json, string.concat(key, ".encryptionKey"));
        request.at = uint64At(key, "at");
        request.nonce = bytes32At(key, "nonce");
    }

    function stringAt(string memory key, string memory field) internal view returns (string memory) {
        return vm.parseJsonString(_json, string.concat(key, ".", field));
    }

    function bytes32At(string memory key, string memory field) internal view returns (bytes32) {
        return vm.parseJsonBytes32(_json, string.concat(key, ".", field));
    }

    function addressAt(string memory key, string memory field) internal view returns (address) {
        return vm.parseJsonAddress(_json, string.concat(key, ".", field));
    }

    function uint64At(string memory key, string memory field) internal view returns (uint64) {
        return uint64(vm.parseJsonUint(_json, string.concat(key, ".", field)));
    }
}
