// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentRegistry} from "../ConsentRegistry.sol";
import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {vm} from "./support/Vm.sol";

/// @notice Each field of each signed message, exchanged for any other value after it was signed: refused, whoever sends it,
/// even where the signer may speak for both the subject it named and the one the sender names.
contract TamperingTest is RegistryTest {
    uint64 internal constant UNTIL = START + 30 days;

    function setUp() public override {
        super.setUp();
        // What the patient signs for herself must not count for those who trust her with everything.
        delegateAs(guardian, patient, WITHDRAW | GRANT);
        delegateAs(stranger, patient, WITHDRAW | GRANT);
    }

    function expectRefusal(bytes32 message) internal {
        expectInvalidSignature(patient, message);
        vm.prank(relayer);
    }

    /// @dev The patient's hashes, of which one is exchanged, doubled, dropped, added, or moved.
    function tampered(bytes32[] memory hashes, uint256 how, bytes32 other) internal pure returns (bytes32[] memory) {
        uint256 length = hashes.length;
        if (how % 4 == 0) {
            bytes32[] memory more = new bytes32[](length + 1);
            for (uint256 i = 0; i < length; ++i) more[i] = hashes[i];
            more[length] = other;
            return more;
        }
        if (how % 4 == 1) {
            bytes32[] memory fewer = new bytes32[](length - 1);
            for (uint256 i = 0; i < fewer.length; ++i) fewer[i] = hashes[i + 1];
            return fewer;
        }
        bytes32[] memory copy = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) copy[i] = hashes[i];
        uint256 where = (how / 4) % length;
        if (how % 4 == 2) copy[where] = other;
        else (copy[where], copy[(where + 1) % length]) = (copy[(where + 1) % length], copy[where]);
        return copy;
    }

    function some(bytes32 seed, uint256 length) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) hashes[i] = keccak256(abi.encode(seed, i));
    }

    function testFuzz_consent_subject(bytes32 seed, uint64 deadline, bool who) public {
        bytes32[] memory hashes = some(seed, 2);
        deadline = within(deadline, START, START + 30 days);
        address other = who ? guardian : stranger;
        bytes memory signature = sign(PATIENT_KEY, consentHash(patient, hashes, deadline));
        expectRefusal(consentHash(other, hashes, deadline));
        registry.grantFor(other, hashes, deadline, patient, signature);
        registry.grantFor(patient, hashes, deadline, patient, signature);
    }

    function testFuzz_consent_grants(bytes32 seed, uint8 length, uint256 how, bytes32 other) public {
        bytes32[] memory hashes = some(seed, 2 + (length % 6));
        bytes memory signature = sign(PATIENT_KEY, consentHash(patient, hashes, UNTIL));
        bytes32[] memory wrong = tampered(hashes, how, other);
        expectRefusal(consentHash(patient, wrong, UNTIL));
        registry.grantFor(patient, wrong, UNTIL, patient, signature);
        registry.grantFor(patient, hashes, UNTIL, patient, signature);
    }

    function testFuzz_consent_deadline(uint64 signed, uint64 sent) public {
        sent = within(sent, START, START + 30 days);
        vm.assume(signed != sent);
        bytes memory signature = sign(PATIENT_KEY, consentHash(patient, list(0), signed));
        expectRefusal(consentHash(patient, list(0), sent));
        registry.grantFor(patient, list(0), sent, patient, signature);
    }

    /// @dev Whose signature it is said to be is not signed; it must be the signer's all the same.
    function testFuzz_consent_signer(bytes32 seed) public {
        bytes32[] memory hashes = some(seed, 1);
        bytes memory signature = sign(PATIENT_KEY, consentHash(patient, hashes, UNTIL));
        expectNotAuthorised(patient, stranger, GRANT);
        registry.grantFor(patient, hashes, UNTIL, stranger, signature);
        delegateAs(patient, stranger, GRANT);
        expectInvalidSignature(stranger, consentHash(patient, hashes, UNTIL));
        registry.grantFor(patient, hashes, UNTIL, stranger, signature);
        // Where the delegate itself sends it, the signature must be its own or absent.
        expectInvalidSignature(stranger, consentHash(patient, hashes, UNTIL));
        vm.prank(stranger);
        registry.grantFor(patient, hashes, UNTIL, stranger, signature);
        vm.prank(stranger);
        registry.grantFor(patient, hashes, UNTIL, stranger, "");
    }

    function testFuzz_consent_inABatch(bytes32 seed, uint8 which) public {
        IConsentRecords.ConsentCall[] memory calls = new IConsentRecords.ConsentCall[](3);
        for (uint256 i = 0; i < 3; ++i) calls[i] = forgeConsent(keccak256(abi.encode(seed, i)));
        IConsentRecords.ConsentCall memory c = calls[which % 3];
        c.signature = calls[(uint256(which) + 1) % 3].signature;
        bytes32 head = registry.head();
        expectInvalidSignature(patient, consentHash(patient, c.grantHashes, c.deadline));
        registry.grantForMany(calls);
        vm.assertEq(registry.head(), head, "head");
        sealConsent(c, PATIENT_KEY);
        registry.grantForMany(calls);
    }

    function testFuzz_revocation_subject(bytes32 seed, bool who) public {
        bytes32[] memory hashes = some(seed, 2);
        address other = who ? guardian : stranger;
        bytes memory signature = sign(PATIENT_KEY, revocationHash(patient, hashes));
        expectRefusal(revocationHash(other, hashes));
        registry.revokeFor(other, hashes, patient, signature);
        registry.revokeFor(patient, hashes, patient, signature);
    }

    function testFuzz_revocation_grants(bytes32 seed, uint8 length, uint256 how, bytes32 other) public {
        bytes32[] memory hashes = some(seed, 2 + (length % 6));
        bytes memory signature = sign(PATIENT_KEY, revocationHash(patient, hashes));
        bytes32[] memory wrong = tampered(hashes, how, other);
        expectRefusal(revocationHash(patient, wrong));
        registry.revokeFor(patient, wrong, patient, signature);
        registry.revokeFor(patient, hashes, patient, signature);
    }

    function testFuzz_revokeAll(uint64 signed, uint64 sent, bool who) public {
        address other = who ? guardian : stranger;
        bytes memory signature = sign(PATIENT_KEY, revokeAllHash(patient, signed));
        expectRefusal(revokeAllHash(other, signed));
        registry.revokeAllFor(other, signed, patient, signature);
        vm.assume(signed != sent);
        expectRefusal(revokeAllHash(patient, sent));
        registry.revokeAllFor(patient, sent, patient, signature);
        registry.revokeAllFor(patient, signed, patient, signature);
    }

    function testFuzz_suspension(bool suspended, uint64 signed, uint64 sent, bool who) public {
        (signed, sent) = (within(signed, 1, START), within(sent, 1, START));
        address other = who ? guardian : stranger;
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, suspended, signed));
        expectRefusal(suspensionHash(other, suspended, signed));
        registry.suspendFor(other, suspended, signed, patient, signature);
        expectRefusal(suspensionHash(patient, !suspended, signed));
        registry.suspendFor(patient, !suspended, signed, patient, signature);
        if (sent != signed) {
            expectRefusal(suspensionHash(patient, suspended, sent));
            registry.suspendFor(patient, suspended, sent, patient, signature);
        }
        registry.suspendFor(patient, suspended, signed, patient, signature);
        vm.assertEq(registry.subjects(patient).suspended, suspended, "suspended");
    }

    function testFuzz_closure(bool who) public {
        address other = who ? guardian : stranger;
        bytes memory signature = sign(PATIENT_KEY, closureHash(patient));
        expectRefusal(closureHash(other));
        registry.closeFor(other, patient, signature);
        registry.closeFor(patient, patient, signature);
    }

    function testFuzz_delegation(uint8 rights, uint8 sentRights, uint64 until, uint64 sentUntil, uint64 sent) public {
        (rights, sentRights, sent) = (rights % 4, sentRights % 4, within(sent, 1, START));
        bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, guardian, rights, until, START));
        // For another subject the patient cannot even be named as the one who signs.
        expectInvalidSignature(stranger, delegationHash(stranger, guardian, rights, until, START));
        registry.delegateFor(stranger, guardian, rights, until, START, signature);
        expectRefusal(delegationHash(patient, stranger, rights, until, START));
        registry.delegateFor(patient, stranger, rights, until, START, signature);
        if (sentRights != rights) {
            expectRefusal(delegationHash(patient, guardian, sentRights, until, START));
            registry.delegateFor(patient, guardian, sentRights, until, START, signature);
        }
        if (sentUntil != until) {
            expectRefusal(delegationHash(patient, guardian, rights, sentUntil, START));
            registry.delegateFor(patient, guardian, rights, sentUntil, START, signature);
        }
        if (sent != START) {
            expectRefusal(delegationHash(patient, guardian, rights, until, sent));
            registry.delegateFor(patient, guardian, rights, until, sent, signature);
        }
        registry.delegateFor(patient, guardian, rights, until, START, signature);
        vm.assertEq(registry.delegations(patient, guardian).at, START, "at");
    }

    /// @dev Every part of the domain: another name, version, chain or contract, or none.
    function testFuzz_domain(uint8 part, bytes32 salt, uint64 chainId, address contract_) public {
        vm.assume(chainId != block.chainid && contract_ != address(registry));
        vm.assume(salt != keccak256("Volens") && salt != keccak256("1")); // constants of ours, which forge likes to try
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                part % 4 == 0 ? salt : keccak256("Volens"),
                part % 4 == 1 ? salt : keccak256("1"),
                part % 4 == 2 ? chainId : block.chainid,
                part % 4 == 3 ? contract_ : address(registry)
            )
        );
        bytes32 message = consentHash(patient, list(salt), UNTIL);
        bytes memory signature = signDigest(PATIENT_KEY, keccak256(abi.encodePacked(hex"1901", separator, message)));
        expectRefusal(message);
        registry.grantFor(patient, list(salt), UNTIL, patient, signature);
        // Nor the message without its domain, nor as a text that wallets sign.
        signature = signDigest(PATIENT_KEY, message);
        expectRefusal(message);
        registry.grantFor(patient, list(salt), UNTIL, patient, signature);
        bytes32 text = keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", digestOf(message)));
        signature = signDigest(PATIENT_KEY, text);
        expectRefusal(message);
        registry.grantFor(patient, list(salt), UNTIL, patient, signature);
    }

    /// @dev What was signed for this chain is refused on any other, and there its own domain counts.
    function testFuzz_chain(uint64 chainId, bytes32 salt) public {
        chainId = within(chainId, 1, type(uint64).max - 1);
        vm.assume(chainId != 31337);
        bytes32 message = consentHash(patient, list(salt), UNTIL);
        bytes memory signature = signDigest(PATIENT_KEY, digestFor(address(registry), 31337, message));
        vm.chainId(chainId);
        bytes32 there = digestFor(address(registry), chainId, message);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.SignatureInvalid.selector, patient, there));
        registry.grantFor(patient, list(salt), UNTIL, patient, signature);
        registry.grantFor(patient, list(salt), UNTIL, patient, signDigest(PATIENT_KEY, there));
        vm.chainId(31337);
        vm.assertEq(grantedAt(patient, salt), START, "granted");
    }

    function testFuzz_contract(bytes32 salt) public {
        ConsentRegistry other = new ConsentRegistry();
        bytes32 message = consentHash(patient, list(salt), UNTIL);
        bytes memory signature = sign(PATIENT_KEY, message);
        bytes32 there = digestFor(address(other), 31337, message);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.SignatureInvalid.selector, patient, there));
        other.grantFor(patient, list(salt), UNTIL, patient, signature);
        registry.grantFor(patient, list(salt), UNTIL, patient, signature);
    }

    /// @dev Arguments with bits where their type has none are refused before anything is looked at: the messages are hashed
    /// from words that lie as they were sent.
    function testFuzz_dirtyWords(uint8 which, uint8 bit) public {
        bytes memory data = abi.encodeCall(registry.delegateFor, (patient, guardian, 1, UNTIL, START, ""));
        uint256 width = [160, 160, 8, 64, 64][which % 5];
        uint256 dirt = 1 << (width + (bit % (256 - width)));
        assembly ("memory-safe") {
            let word := add(add(data, 0x24), mul(0x20, mod(which, 5)))
            mstore(word, or(mload(word), dirt))
        }
        vm.prank(patient);
        (bool done, bytes memory answer) = address(registry).call(data);
        vm.assertEq(done, false, "refused");
        vm.assertEq(answer, "", "without a word");
    }
}
