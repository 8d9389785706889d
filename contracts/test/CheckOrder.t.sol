// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @notice Everything that can be wrong with a call, in every combination: the first fault in the order the registry
/// promises (deadline or clock, the subject's state, authority, signature, what is written) is the one it names, and without
/// a fault the call has exactly its effect.
contract CheckOrderTest is RegistryTest {
    bytes32 internal constant A = keccak256("grant a");

    /// @dev The call that was made, wrong in whatever `faults` says.
    IConsentRecords.ConsentCall private _call;

    function has(uint256 faults, uint256 fault) internal pure returns (bool) {
        return (faults >> fault) & 1 == 1;
    }

    function refusalOf(bytes4 selector, bytes memory arguments) internal pure returns (bytes memory) {
        return bytes.concat(selector, arguments);
    }

    /// @dev The faults of a subject and of one grant of it: 1 closed, 2 suspended, 3 everything revoked until now, 7 the
    /// grant revoked, 8 the grant recorded.
    function prepare(uint256 faults) internal {
        if (has(faults, 8)) grantAs(patient, A);
        if (has(faults, 7)) {
            vm.prank(patient);
            registry.revoke(list(A));
        }
        if (has(faults, 3)) {
            vm.prank(patient);
            registry.revokeAll(START);
        }
        if (has(faults, 2)) {
            vm.prank(patient);
            registry.suspend(true);
        }
        if (has(faults, 1)) {
            vm.prank(patient);
            registry.close();
        }
    }

    function refusalOfState(uint256 faults) internal view returns (bytes memory) {
        if (has(faults, 1)) return refusalOf(IConsentRecords.SubjectClosed.selector, abi.encode(patient));
        if (has(faults, 2)) return refusalOf(IConsentRecords.SubjectSuspended.selector, abi.encode(patient));
        if (has(faults, 3)) return refusalOf(IConsentRecords.RevokedUntil.selector, abi.encode(patient, START));
        return "";
    }

    function refusalOfWriting(uint256 faults) internal view returns (bytes memory) {
        if (has(faults, 6)) return refusalOf(IConsentRecords.EmptyList.selector, "");
        if (has(faults, 7)) return refusalOf(IConsentRecords.AlreadyRevoked.selector, abi.encode(patient, A));
        if (has(faults, 8)) return refusalOf(IConsentRecords.AlreadyGranted.selector, abi.encode(patient, A));
        return "";
    }

    function refusalOfAuthority(
        uint256 faults,
        uint8 right,
        bytes32 message
    ) internal view returns (bytes memory) {
        if (has(faults, 4)) {
            return refusalOf(IConsentRecords.NotAuthorised.selector, abi.encode(patient, guardian, right));
        }
        if (has(faults, 5)) {
            return refusalOf(IConsentRecords.SignatureInvalid.selector, abi.encode(guardian, digestOf(message)));
        }
        return "";
    }

    /// @dev The guardian has the right unless fault 4 says that it has only the other one.
    function authorise(uint256 faults, uint8 right) internal {
        delegateAs(patient, guardian, has(faults, 4) ? (WITHDRAW | GRANT) & ~right : right);
    }

    function testFuzz_grant(uint16 faults) public {
        prepare(faults);
        bytes32[] memory hashes = has(faults, 6) ? new bytes32[](0) : list(A);
        bytes memory refusal = refusalOfState(faults);
        if (refusal.length == 0) refusal = refusalOfWriting(faults);
        bytes32 head = watch();
        if (refusal.length != 0) vm.expectRevert(refusal);
        vm.prank(patient);
        registry.grant(hashes);
        assertGranted(refusal.length == 0, head, patient);
    }

    function testFuzz_grantFor(uint16 faults, bool batch) public {
        prepare(faults);
        authorise(faults, GRANT);
        _call.subject = patient;
        _call.grantHashes = has(faults, 6) ? new bytes32[](0) : list(A);
        _call.deadline = has(faults, 0) ? START - 1 : has(faults, 9) ? START + 30 days + 1 : START;
        _call.signer = guardian;
        bytes32 message = consentHash(patient, _call.grantHashes, _call.deadline);
        _call.signature = sign(has(faults, 5) ? STRANGER_KEY : GUARDIAN_KEY, message);

        bytes memory refusal = has(faults, 0)
            ? refusalOf(IConsentRecords.DeadlinePassed.selector, abi.encode(START - 1))
            : has(faults, 9)
            ? refusalOf(IConsentRecords.DeadlineTooFar.selector, abi.encode(_call.deadline, START + 30 days))
            : refusalOfState(faults);
        if (refusal.length == 0) refusal = refusalOfAuthority(faults, GRANT, message);
        if (refusal.length == 0) refusal = refusalOfWriting(faults);

        IConsentRecords.ConsentCall[] memory calls = new IConsentRecords.ConsentCall[](1);
        calls[0] = _call;
        bytes32 head = watch();
        if (refusal.length != 0) vm.expectRevert(refusal);
        if (batch) registry.grantForMany(calls);
        else registry.grantFor(patient, calls[0].grantHashes, _call.deadline, guardian, calls[0].signature);
        assertGranted(refusal.length == 0, head, guardian);
    }

    function assertGranted(bool done, bytes32 head, address signer) internal {
        if (!done) return assertNoTrace(head);
        assertOnly(
            eventOf(IConsentRecords.Granted.selector, patient, A, abi.encode(signer)),
            fold(head, 1, patient, A)
        );
        vm.assertEq(grantedAt(patient, A), START, "grantedAt");
        vm.assertEq(revokedAt(patient, A), 0, "revokedAt");
    }

    /// @dev No state of the subject is a fault here: revoking is never too early or too late.
    function testFuzz_revokeFor(uint16 faults) public {
        prepare(faults);
        authorise(faults, WITHDRAW);
        bytes32[] memory hashes = has(faults, 6) ? new bytes32[](0) : list(A);
        bytes32 message = revocationHash(patient, hashes);
        bytes memory signature = sign(has(faults, 5) ? STRANGER_KEY : GUARDIAN_KEY, message);
        bytes memory refusal = refusalOfAuthority(faults, WITHDRAW, message);
        if (refusal.length == 0 && has(faults, 6)) refusal = refusalOf(IConsentRecords.EmptyList.selector, "");
        bytes32 head = watch();
        if (refusal.length != 0) vm.expectRevert(refusal);
        registry.revokeFor(patient, hashes, guardian, signature);
        if (refusal.length != 0 || has(faults, 7)) return assertNoTrace(head);
        assertOnly(
            eventOf(IConsentRecords.Revoked.selector, patient, A, abi.encode(guardian)),
            fold(head, 2, patient, A)
        );
        vm.assertEq(revokedAt(patient, A), START, "revokedAt");
        vm.assertEq(grantedAt(patient, A), has(faults, 8) ? START : 0, "grantedAt");
    }

    /// @dev Fault 6: everything until then is revoked already.
    function testFuzz_revokeAllFor(uint16 faults) public {
        prepare(faults & ~uint16(8));
        authorise(faults, WITHDRAW);
        if (has(faults, 6)) {
            vm.prank(patient);
            registry.revokeAll(START - 5);
        }
        bytes32 message = revokeAllHash(patient, START - 5);
        bytes memory refusal = refusalOfAuthority(faults, WITHDRAW, message);
        bytes memory signature = sign(has(faults, 5) ? STRANGER_KEY : GUARDIAN_KEY, message);
        bytes32 head = watch();
        if (refusal.length != 0) vm.expectRevert(refusal);
        registry.revokeAllFor(patient, START - 5, guardian, signature);
        if (refusal.length != 0 || has(faults, 6)) return assertNoTrace(head);
        assertOnly(
            eventOf(IConsentRecords.RevokedAll.selector, patient, abi.encode(START - 5, guardian)),
            fold(head, 3, patient, bytes32(uint256(START - 5)))
        );
        assertState(START - 5, has(faults, 2) ? START : 0, has(faults, 2), has(faults, 1));
    }

    function testFuzz_closeFor(uint16 faults) public {
        prepare(faults);
        authorise(faults, WITHDRAW);
        bytes32 message = closureHash(patient);
        bytes memory refusal = refusalOfAuthority(faults, WITHDRAW, message);
        bytes memory signature = sign(has(faults, 5) ? STRANGER_KEY : GUARDIAN_KEY, message);
        bytes32 head = watch();
        if (refusal.length != 0) vm.expectRevert(refusal);
        registry.closeFor(patient, guardian, signature);
        if (refusal.length != 0 || has(faults, 1)) return assertNoTrace(head);
        assertOnly(
            eventOf(IConsentRecords.Closed.selector, patient, abi.encode(guardian)),
            fold(head, 5, patient, 0)
        );
        assertState(has(faults, 3) ? START : 0, has(faults, 2) ? START : 0, has(faults, 2), true);
    }

    function assertState(uint64 revokedBefore, uint64 suspensionAt, bool suspended, bool closed) internal view {
        IConsentRecords.Subject memory state = registry.subjects(patient);
        vm.assertEq(state.revokedBefore, revokedBefore, "revokedBefore");
        vm.assertEq(state.suspensionAt, suspensionAt, "suspensionAt");
        vm.assertEq(state.suspended, suspended, "suspended");
        vm.assertEq(state.closed, closed, "closed");
    }

    /// @dev Fault 0: too far ahead. Fault 6: not newer than the word recorded, which said the opposite.
    function testFuzz_suspendFor(uint16 faults, bool suspended) public {
        uint8 right = suspended ? WITHDRAW : GRANT;
        authorise(faults, right);
        uint64 latest = suspended ? START + 15 minutes : START;
        uint64 instant = has(faults, 0) ? latest + 1 : START - 5;
        if (has(faults, 6)) {
            uint64 recorded = suspended ? START - 4 : START - 5;
            bytes memory word = sign(PATIENT_KEY, suspensionHash(patient, !suspended, recorded));
            registry.suspendFor(patient, !suspended, recorded, patient, word);
        }
        prepare(faults & 2);
        bytes32 message = suspensionHash(patient, suspended, instant);
        bytes memory refusal = authorityAfterTime(faults, suspended, instant, right, message);
        bytes memory signature = sign(has(faults, 5) ? STRANGER_KEY : GUARDIAN_KEY, message);
        bytes32 head = watch();
        if (refusal.length != 0) vm.expectRevert(refusal);
        registry.suspendFor(patient, suspended, instant, guardian, signature);
        if (refusal.length != 0) return assertNoTrace(head);
        assertOnly(
            eventOf(IConsentRecords.Suspended.selector, patient, abi.encode(suspended, instant, guardian)),
            fold(head, 4, patient, keccak256(abi.encode(suspended, instant)))
        );
        assertState(0, instant, suspended, has(faults, 1));
    }

    function authorityAfterTime(
        uint256 faults,
        bool suspended,
        uint64 instant,
        uint8 right,
        bytes32 message
    ) internal view returns (bytes memory) {
        uint64 latest = suspended ? START + 15 minutes : START;
        if (has(faults, 0)) return refusalOf(IConsentRecords.TooFarAhead.selector, abi.encode(instant, latest));
        if (has(faults, 1) && !suspended) return refusalOf(IConsentRecords.SubjectClosed.selector, abi.encode(patient));
        if (has(faults, 6)) {
            return refusalOf(IConsentRecords.NotNewer.selector, abi.encode(instant, suspended ? START - 4 : START - 5));
        }
        return refusalOfAuthority(faults, right, message);
    }

    /// @dev 0 too far ahead, 1 no such delegate, 2 no such rights, 3 not newer, 5 not signed by the patient.
    function testFuzz_delegateFor(uint16 faults, uint8 rights) public {
        address to = has(faults, 1) ? (faults % 2 == 0 ? patient : address(0)) : stranger;
        rights = has(faults, 2) ? rights | 4 : 1 + (rights % 3);
        uint64 instant = has(faults, 0) ? START + 1 : START - 5;
        if (has(faults, 3)) {
            bytes memory word = sign(PATIENT_KEY, delegationHash(patient, stranger, 0, 0, START - 5));
            registry.delegateFor(patient, stranger, 0, 0, START - 5, word);
        }
        bytes32 message = delegationHash(patient, to, rights, START + 9, instant);
        bytes memory refusal;
        if (has(faults, 0)) {
            refusal = refusalOf(IConsentRecords.TooFarAhead.selector, abi.encode(instant, START));
        } else if (has(faults, 1)) {
            refusal = refusalOf(IConsentRecords.InvalidDelegate.selector, abi.encode(to));
        } else if (has(faults, 2)) {
            refusal = refusalOf(IConsentRecords.InvalidRights.selector, abi.encode(rights));
        } else if (has(faults, 3)) {
            refusal = refusalOf(IConsentRecords.NotNewer.selector, abi.encode(instant, START - 5));
        } else if (has(faults, 5)) {
            refusal = refusalOf(IConsentRecords.SignatureInvalid.selector, abi.encode(patient, digestOf(message)));
        }
        bytes memory signature = sign(has(faults, 5) ? STRANGER_KEY : PATIENT_KEY, message);
        bytes32 head = watch();
        if (refusal.length != 0) vm.expectRevert(refusal);
        registry.delegateFor(patient, to, rights, START + 9, instant, signature);
        if (refusal.length != 0) return assertNoTrace(head);
        bytes memory data = abi.encode(rights, START + 9, instant);
        assertOnly(
            eventOf(IConsentRecords.Delegated.selector, patient, bytes32(uint256(uint160(to))), data),
            fold(head, 6, patient, keccak256(abi.encode(to, rights, START + 9, instant)))
        );
        IConsentRecords.Delegation memory delegation = registry.delegations(patient, to);
        vm.assertEq(delegation.rights, rights, "rights");
        vm.assertEq(delegation.validUntil, START + 9, "validUntil");
        vm.assertEq(delegation.at, instant, "at");
    }

    /// @dev 1 no such delegate, 2 no such rights, 3 a word of this very second is recorded.
    function testFuzz_delegate(uint16 faults, uint8 rights) public {
        address to = has(faults, 1) ? (faults % 2 == 0 ? patient : address(0)) : stranger;
        rights = has(faults, 2) ? rights | 4 : 1 + (rights % 3);
        if (has(faults, 3)) delegateAs(patient, stranger, 1);
        bytes memory refusal;
        if (has(faults, 1)) refusal = refusalOf(IConsentRecords.InvalidDelegate.selector, abi.encode(to));
        else if (has(faults, 2)) refusal = refusalOf(IConsentRecords.InvalidRights.selector, abi.encode(rights));
        else if (has(faults, 3)) refusal = refusalOf(IConsentRecords.NotNewer.selector, abi.encode(START, START));
        bytes32 head = watch();
        if (refusal.length != 0) vm.expectRevert(refusal);
        vm.prank(patient);
        registry.delegate(to, rights, START + 9);
        if (refusal.length != 0) return assertNoTrace(head);
        bytes memory data = abi.encode(rights, START + 9, START);
        assertOnly(
            eventOf(IConsentRecords.Delegated.selector, patient, bytes32(uint256(uint160(to))), data),
            fold(head, 6, patient, keccak256(abi.encode(to, rights, START + 9, START)))
        );
    }

    /// @dev A word that changes nothing still needs its signature, so nobody learns by sending one what is recorded.
    function test_whatChangesNothingIsRefusedUnsigned() public {
        prepare(2 | 4 | 8 | 128);
        bytes memory bad = sign(STRANGER_KEY, keccak256("something else"));
        expectInvalidSignature(patient, revocationHash(patient, list(A)));
        registry.revokeFor(patient, list(A), patient, bad);
        expectInvalidSignature(patient, revokeAllHash(patient, START - 1));
        registry.revokeAllFor(patient, START - 1, patient, bad);
        expectInvalidSignature(patient, suspensionHash(patient, true, START));
        registry.suspendFor(patient, true, START, patient, bad);
        expectInvalidSignature(patient, closureHash(patient));
        registry.closeFor(patient, patient, bad);
        expectInvalidSignature(patient, delegationHash(patient, guardian, 0, 0, 0));
        registry.delegateFor(patient, guardian, 0, 0, 0, bad);
    }

    /// @dev Each right by itself, for every set of rights a delegate may have, and for the time left to it.
    function testFuzz_rights(uint8 rights, uint8 right, int8 left) public {
        rights %= 4;
        right = right % 2 == 0 ? WITHDRAW : GRANT;
        uint64 validUntil = uint64(uint256(int256(uint256(START)) + int256(left)));
        vm.prank(patient);
        registry.delegate(guardian, rights, validUntil);
        bool may = rights & right != 0 && validUntil > START;
        bytes32 head = watch();
        if (!may) expectNotAuthorised(patient, guardian, right);
        vm.prank(guardian);
        if (right == WITHDRAW) registry.revokeFor(patient, list(A), guardian, "");
        else registry.grantFor(patient, list(A), START, guardian, "");
        if (!may) return assertNoTrace(head);
        vm.assertEq(registry.head(), fold(head, right == WITHDRAW ? 2 : 1, patient, A), "head");
    }
}
