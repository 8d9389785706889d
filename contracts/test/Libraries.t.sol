// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CalldataWords} from "../libraries/CalldataWords.sol";
import {Cohort} from "../libraries/Cohort.sol";
import {ConsentLife} from "../libraries/ConsentLife.sol";
import {ConsentTypes} from "../libraries/ConsentTypes.sol";
import {Approval, Grant, Item, OpeningTypes, Record, ReleaseRequest, Witness} from "../libraries/OpeningTypes.sol";
import {Rights} from "../libraries/Rights.sol";
import {Roles} from "../libraries/Roles.sol";
import {RunningHead} from "../libraries/RunningHead.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {vm} from "./support/Vm.sol";

/// @notice Each hash of the libraries is the expression that their documentation names, for all arguments.
contract LibrariesTest is RegistryTest {
    function test_constants_areThoseOfTheSpecification() public pure {
        vm.assertEq(Rights.WITHDRAW, 1, "Rights.WITHDRAW");
        vm.assertEq(Rights.GRANT, 2, "Rights.GRANT");
        vm.assertEq(Rights.ALL, 3, "Rights.ALL");
        vm.assertEq(Roles.CONTROLLER, 1, "Roles.CONTROLLER");
        vm.assertEq(Roles.RECIPIENT, 2, "Roles.RECIPIENT");
        vm.assertEq(Roles.CUSTODIAN, 4, "Roles.CUSTODIAN");
        vm.assertEq(Roles.WITNESS, 8, "Roles.WITNESS");
        vm.assertEq(Roles.ALL, 15, "Roles.ALL");
    }

    // Calldata is read where it lies, so each is called from outside.

    function wordsOf(bytes32[] calldata words) external pure returns (bytes32 hash, bytes32[] memory each) {
        each = new bytes32[](words.length);
        for (uint256 i = 0; i < words.length; ++i) each[i] = CalldataWords.word(words, i);
        hash = CalldataWords.hash(words);
    }

    function hashConsent(address s, bytes32[] calldata hashes, uint64 d) external pure returns (bytes32, bytes memory) {
        bytes memory before = abi.encode("memory is left as it was");
        bytes32 hash = ConsentTypes.hashConsent(s, hashes, d);
        return (hash, before);
    }

    function hashRevocation(address s, bytes32[] calldata hashes) external pure returns (bytes32) {
        return ConsentTypes.hashRevocation(s, hashes);
    }

    function contains(bytes32 root, address s, bytes32 hash, bytes32[] calldata proof) external pure returns (bool) {
        return Cohort.contains(root, s, hash, proof);
    }

    function testFuzz_words(bytes32[] memory words) public view {
        (bytes32 hash, bytes32[] memory each) = this.wordsOf(words);
        vm.assertEq(hash, keccak256(abi.encodePacked(words)), "hash");
        vm.assertEq(abi.encode(each), abi.encode(words), "word");
    }

    function testFuzz_messages(address s, bytes32[] memory hashes, uint64 a, uint64 b, bool yes) public view {
        (bytes32 hash, bytes memory other) = this.hashConsent(s, hashes, a);
        vm.assertEq(hash, consentHash(s, hashes, a), "Consent");
        vm.assertEq(other, abi.encode("memory is left as it was"), "memory");
        vm.assertEq(this.hashRevocation(s, hashes), revocationHash(s, hashes), "Revocation");
        vm.assertEq(ConsentTypes.hashRevokeAll(s, a), revokeAllHash(s, a), "RevokeAll");
        vm.assertEq(ConsentTypes.hashSuspension(s, yes, a), suspensionHash(s, yes, a), "Suspension");
        vm.assertEq(ConsentTypes.hashClosure(s), closureHash(s), "Closure");
        bytes32 delegation = ConsentTypes.hashDelegation(s, address(this), uint8(b), a, b);
        vm.assertEq(delegation, delegationHash(s, address(this), uint8(b), a, b), "Delegation");
    }

    function testFuzz_domain(address contract_, uint64 chainId) public {
        vm.chainId(1 + (chainId % (type(uint64).max - 1)));
        bytes32 separator = ConsentTypes.domainSeparator(contract_);
        bytes32 expected = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Volens"),
                keccak256("1"),
                1 + (chainId % (type(uint64).max - 1)),
                contract_
            )
        );
        vm.chainId(31337);
        vm.assertEq(separator, expected, "separator");
    }

    function testFuzz_head(bytes32 head, uint8 kind, address subject, bytes32 value, uint64 time) public {
        vm.warp(time);
        bytes32 next = RunningHead.fold(head, kind, subject, value);
        vm.assertEq(next, keccak256(abi.encode(head, kind, subject, value, time)), "fold");
        vm.assertEq(RunningHead.genesis(), keccak256(abi.encode(uint256(31337), address(this))), "genesis");
    }

    function test_head_kindsAreThoseOfTheEvents() public pure {
        uint8[12] memory kinds = [
            RunningHead.GRANTED,
            RunningHead.REVOKED,
            RunningHead.REVOKED_ALL,
            RunningHead.SUSPENDED,
            RunningHead.CLOSED,
            RunningHead.DELEGATED,
            RunningHead.ANCHORED,
            RunningHead.REGISTERED,
            RunningHead.SUSPENSION_CHANGED,
            RunningHead.PUBLISHED,
            RunningHead.SUPERSEDED,
            RunningHead.RETRACTED
        ];
        uint8[12] memory expected = [1, 2, 3, 4, 5, 6, 7, 16, 17, 32, 33, 34];
        for (uint256 i = 0; i < kinds.length; ++i) vm.assertEq(kinds[i], expected[i], "kind");
    }

    /// @dev A path up from a leaf: each node of the proof, wherever it sorts, is needed, and so is their number.
    function testFuzz_cohort(address subject, bytes32 grantHash, bytes32[] memory proof, uint256 where) public view {
        proof = firstOf(proof, 20);
        bytes32 root = keccak256(bytes.concat(keccak256(abi.encode(subject, grantHash))));
        vm.assertEq(Cohort.leaf(subject, grantHash), root, "leaf");
        for (uint256 i = 0; i < proof.length; ++i) {
            bytes32 node = proof[i];
            root = root < node ? keccak256(abi.encode(root, node)) : keccak256(abi.encode(node, root));
        }
        vm.assertEq(this.contains(root, subject, grantHash, proof), true, "a leaf");
        vm.assertEq(this.contains(~root, subject, grantHash, proof), false, "root");
        vm.assertEq(this.contains(root, address(uint160(subject) ^ 1), grantHash, proof), false, "subject");
        vm.assertEq(this.contains(root, subject, ~grantHash, proof), false, "grant");
        if (proof.length == 0) return;
        proof[where % proof.length] ^= bytes32(uint256(1));
        vm.assertEq(this.contains(root, subject, grantHash, proof), false, "proof");
    }

    // Openings: every member, texts and lists of any length.

    function texts(string[] memory values) internal pure returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](values.length);
        for (uint256 i = 0; i < values.length; ++i) hashes[i] = keccak256(bytes(values[i]));
        return keccak256(abi.encodePacked(hashes));
    }

    function text(string memory value) internal pure returns (bytes32) {
        return keccak256(bytes(value));
    }

    function testFuzz_item(Item memory o) public pure {
        bytes32 typeHash = keccak256("Item(string name,string mediaType,uint64 size,bytes32 sha256,bytes32 salt)");
        bytes32 expected = keccak256(abi.encode(typeHash, text(o.name), text(o.mediaType), o.size, o.sha256, o.salt));
        vm.assertEq(OpeningTypes.hash(o), expected, "Item");
    }

    function testFuzz_record(Record memory o) public pure {
        bytes32 typeHash = keccak256(
            "Record(address controller,address subject,address[] stewards,string title,bytes32[] items,"
            "uint64 createdAt,bytes32 salt)"
        );
        bytes32[] memory stewards = new bytes32[](o.stewards.length);
        for (uint256 i = 0; i < stewards.length; ++i) stewards[i] = bytes32(uint256(uint160(o.stewards[i])));
        bytes32 all = keccak256(abi.encodePacked(stewards));
        bytes memory head = abi.encode(typeHash, o.controller, o.subject, all, text(o.title));
        bytes memory rest = abi.encode(keccak256(abi.encodePacked(o.items)), o.createdAt, o.salt);
        vm.assertEq(OpeningTypes.hash(o), keccak256(bytes.concat(head, rest)), "Record");
    }

    function testFuzz_grant(Grant memory o) public pure {
        bytes memory head = abi.encode(keccak256(bytes(GRANT_TYPE)), text(o.summary), o.record, o.recipient);
        bytes memory lists = abi.encode(texts(o.items), texts(o.purposes), texts(o.channels), text(o.onward));
        bytes memory rest = abi.encode(o.validFrom, o.validUntil, o.form, o.salt);
        vm.assertEq(OpeningTypes.hash(o), keccak256(bytes.concat(head, lists, rest)), "Grant");
    }

    function testFuzz_witness(Witness memory o) public pure {
        bytes memory own = "Witness(address subject,Grant[] grants,string role,uint64 at)";
        bytes32 typeHash = keccak256(bytes.concat(own, bytes(GRANT_TYPE)));
        bytes32 grants = keccak256(abi.encodePacked(o.grants));
        bytes32 expected = keccak256(abi.encode(typeHash, o.subject, grants, text(o.role), o.at));
        vm.assertEq(OpeningTypes.hash(o), expected, "Witness");
    }

    function testFuzz_approval(Approval memory o) public pure {
        bytes32 typeHash = keccak256(
            "Approval(bytes32 record,address recipient,string purpose,uint64 validUntil,bytes32 salt)"
        );
        bytes memory all = abi.encode(typeHash, o.record, o.recipient, text(o.purpose), o.validUntil, o.salt);
        vm.assertEq(OpeningTypes.hash(o), keccak256(all), "Approval");
    }

    function testFuzz_givenAt(uint64 deadline) public pure {
        vm.assertEq(ConsentLife.givenAt(deadline), deadline < 30 days ? 0 : deadline - 30 days, "any");
        vm.assertEq(ConsentLife.givenAt(0), 0, "none");
        vm.assertEq(ConsentLife.givenAt(30 days), 0, "30 days");
        vm.assertEq(ConsentLife.givenAt(30 days + 1), 1, "a second more");
    }

    function testFuzz_releaseRequest(ReleaseRequest memory o) public pure {
        bytes32 typeHash = keccak256(
            "ReleaseRequest(address recipient,bytes32 record,string[] items,string purpose,string channel,"
            "bytes encryptionKey,uint64 at,bytes32 nonce)"
        );
        bytes memory head = abi.encode(typeHash, o.recipient, o.record, texts(o.items), text(o.purpose));
        bytes memory rest = abi.encode(text(o.channel), keccak256(o.encryptionKey), o.at, o.nonce);
        vm.assertEq(OpeningTypes.hash(o), keccak256(bytes.concat(head, rest)), "ReleaseRequest");
    }
}
