// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentRegistry} from "../../ConsentRegistry.sol";
import {IConsentRecords} from "../../interfaces/IConsentRecords.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice Actors, time, and valid signed calls of which a test breaks one thing.
/// @dev Every hash here is written out by hand, so that the tests do not ask the libraries they test.
abstract contract RegistryTest {
    string internal constant GRANT_TYPE =
        "Grant(string summary,bytes32 record,address recipient,string[] items,string[] purposes,string[] channels,"
        "string onward,uint64 validFrom,uint64 validUntil,bytes32 form,bytes32 salt)";

    uint64 internal constant START = 1_795_000_000;

    uint256 internal constant PATIENT_KEY = uint256(keccak256("patient"));
    uint256 internal constant GUARDIAN_KEY = uint256(keccak256("guardian"));
    uint256 internal constant STRANGER_KEY = uint256(keccak256("stranger"));
    address internal immutable patient = vm.addr(PATIENT_KEY);
    address internal immutable guardian = vm.addr(GUARDIAN_KEY);
    address internal immutable stranger = vm.addr(STRANGER_KEY);
    address internal immutable relayer = address(0x4e1a7e4);

    uint8 internal constant WITHDRAW = 1;
    uint8 internal constant GRANT = 2;

    ConsentRegistry internal registry;

    function setUp() public virtual {
        vm.warp(START);
        registry = new ConsentRegistry();
        vm.label(patient, "patient");
        vm.label(guardian, "guardian");
        vm.label(stranger, "stranger");
        vm.label(relayer, "relayer");
    }

    /// @dev A consent of the patient to one grant, signed by her, valid for 15 minutes.
    function forgeConsent(bytes32 grantHash) internal view returns (IConsentRecords.ConsentCall memory c) {
        c.subject = patient;
        c.grantHashes = list(grantHash);
        c.deadline = uint64(block.timestamp) + 15 minutes;
        c.signer = patient;
        sealConsent(c, PATIENT_KEY);
    }

    function sealConsent(IConsentRecords.ConsentCall memory c, uint256 key) internal view {
        c.signature = sign(key, consentHash(c.subject, c.grantHashes, c.deadline));
    }

    function send(IConsentRecords.ConsentCall memory c) internal {
        vm.prank(relayer);
        registry.grantFor(c.subject, c.grantHashes, c.deadline, c.signer, c.signature);
    }

    function grantAs(address subject, bytes32 grantHash) internal {
        vm.prank(subject);
        registry.grant(list(grantHash));
    }

    function delegateAs(address subject, address to, uint8 rights) internal {
        vm.prank(subject);
        registry.delegate(to, rights, uint64(block.timestamp) + 365 days);
    }

    function consentHash(address subject, bytes32[] memory hashes, uint64 deadline) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            bytes.concat("Consent(address subject,Grant[] grants,uint64 deadline)", bytes(GRANT_TYPE))
        );
        return keccak256(abi.encode(typeHash, subject, keccak256(abi.encodePacked(hashes)), deadline));
    }

    function revocationHash(address subject, bytes32[] memory hashes) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(bytes.concat("Revocation(address subject,Grant[] grants)", bytes(GRANT_TYPE)));
        return keccak256(abi.encode(typeHash, subject, keccak256(abi.encodePacked(hashes))));
    }

    function revokeAllHash(address subject, uint64 before) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("RevokeAll(address subject,uint64 before)"), subject, before));
    }

    function suspensionHash(address subject, bool suspended, uint64 instant) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256("Suspension(address subject,bool suspended,uint64 at)");
        return keccak256(abi.encode(typeHash, subject, suspended, instant));
    }

    function closureHash(address subject) internal pure returns (bytes32) {
        return keccak256(abi.encode(keccak256("Closure(address subject)"), subject));
    }

    function delegationHash(
        address subject,
        address to,
        uint8 rights,
        uint64 validUntil,
        uint64 instant
    ) internal pure returns (bytes32) {
        bytes32 typeHash = keccak256(
            "Delegation(address subject,address delegate,uint8 rights,uint64 validUntil,uint64 at)"
        );
        return keccak256(abi.encode(typeHash, subject, to, rights, validUntil, instant));
    }

    function digestOf(bytes32 message) internal view returns (bytes32) {
        return digestFor(address(registry), block.chainid, message);
    }

    function digestFor(address contract_, uint256 chainId, bytes32 message) internal pure returns (bytes32) {
        bytes32 separator = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Volens"),
                keccak256("1"),
                chainId,
                contract_
            )
        );
        return keccak256(abi.encodePacked(hex"1901", separator, message));
    }

    function sign(uint256 key, bytes32 message) internal view returns (bytes memory) {
        return signDigest(key, digestOf(message));
    }

    function signDigest(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev The head after one operation on top of `previous`, as an auditor computes it.
    function fold(bytes32 previous, uint8 kind, address subject, bytes32 value) internal view returns (bytes32) {
        return keccak256(abi.encode(previous, kind, subject, value, uint64(block.timestamp)));
    }

    /// @dev The same at a time of which the compiler cannot think that it is that of the test's first line.
    function foldAt(
        uint64 time,
        bytes32 previous,
        uint8 kind,
        address subject,
        bytes32 value
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(previous, kind, subject, value, time));
    }

    /// @dev One of the instants from `from` to `to`.
    function within(uint256 seed, uint64 from, uint64 to) internal pure returns (uint64) {
        return from + uint64(seed % (uint256(to) - from + 1));
    }

    /// @dev A list no longer than `most`: the fuzzers like to make long ones.
    function firstOf(bytes32[] memory hashes, uint256 most) internal pure returns (bytes32[] memory) {
        if (hashes.length > most) {
            assembly ("memory-safe") {
                mstore(hashes, most)
            }
        }
        return hashes;
    }

    /// @dev What an operation on one subject emits; `second` is the other indexed word.
    function eventOf(
        bytes32 signature,
        address subject,
        bytes32 second,
        bytes memory data
    ) internal view returns (Vm.Log memory log) {
        log.topics = new bytes32[](3);
        (log.topics[0], log.topics[1], log.topics[2]) = (signature, bytes32(uint256(uint160(subject))), second);
        log.data = data;
        log.emitter = address(registry);
    }

    function eventOf(
        bytes32 signature,
        address subject,
        bytes memory data
    ) internal view returns (Vm.Log memory log) {
        log.topics = new bytes32[](2);
        (log.topics[0], log.topics[1]) = (signature, bytes32(uint256(uint160(subject))));
        log.data = data;
        log.emitter = address(registry);
    }

    /// @dev Since `watch` this was emitted and nothing else, and the head is `head`.
    function assertOnly(Vm.Log memory expected, bytes32 head) internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1, "events");
        assertLog(logs[0], expected);
        vm.assertEq(registry.head(), head, "head");
    }

    function assertLog(Vm.Log memory log, Vm.Log memory expected) internal pure {
        vm.assertEq(log.emitter, expected.emitter, "emitter");
        vm.assertEq(abi.encode(log.topics), abi.encode(expected.topics), "topics");
        vm.assertEq(log.data, expected.data, "data");
    }

    function list(bytes32 a) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](1);
        hashes[0] = a;
    }

    function list(bytes32 a, bytes32 b) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](2);
        (hashes[0], hashes[1]) = (a, b);
    }

    function grantedAt(address subject, bytes32 grantHash) internal view returns (uint64) {
        return registry.entries(subject, grantHash).grantedAt;
    }

    function revokedAt(address subject, bytes32 grantHash) internal view returns (uint64) {
        return registry.entries(subject, grantHash).revokedAt;
    }

    /// @dev What follows must leave no trace: call before, and `assertNoTrace` after.
    function watch() internal returns (bytes32) {
        vm.recordLogs();
        return registry.head();
    }

    function assertNoTrace(bytes32 before) internal {
        vm.assertEq(registry.head(), before, "head moved");
        vm.assertEq(vm.getRecordedLogs().length, 0, "an event was emitted");
    }

    function expectInvalidSignature(address signer, bytes32 message) internal {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.SignatureInvalid.selector, signer, digestOf(message)));
    }

    function expectNotAuthorised(address subject, address signer, uint8 right) internal {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotAuthorised.selector, subject, signer, right));
    }
}
