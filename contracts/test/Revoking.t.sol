// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @notice revoke, revokeFor, revokeAll, revokeAllFor: never refused for timing, and without effect when there is none.
contract RevokingTest is RegistryTest {
    bytes32 internal constant A = keccak256("grant a");
    bytes32 internal constant B = keccak256("grant b");

    function revokeAs(address subject, bytes32[] memory hashes) internal {
        vm.prank(subject);
        registry.revoke(hashes);
    }

    /// @dev The patient's own revocation, relayed.
    function sendRevocation(bytes32[] memory hashes) internal {
        bytes memory signature = sign(PATIENT_KEY, revocationHash(patient, hashes));
        vm.prank(relayer);
        registry.revokeFor(patient, hashes, patient, signature);
    }

    function sendRevokeAll(uint64 before) internal {
        bytes memory signature = sign(PATIENT_KEY, revokeAllHash(patient, before));
        vm.prank(relayer);
        registry.revokeAllFor(patient, before, patient, signature);
    }

    function test_revoke_recordsEventAndHead() public {
        grantAs(patient, A);
        vm.warp(START + 5);
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Revoked(patient, A, patient);
        revokeAs(patient, list(A));
        vm.assertEq(grantedAt(patient, A), START, "grantedAt stays");
        vm.assertEq(revokedAt(patient, A), START + 5, "revokedAt");
        vm.assertEq(registry.head(), fold(head, 2, patient, A), "head");
    }

    function test_revoke_touchesNobodyElse() public {
        grantAs(patient, A);
        revokeAs(stranger, list(A));
        vm.assertEq(revokedAt(patient, A), 0, "the patient's grant stands");
    }

    function test_revokeFor_recordsAListInOrder() public {
        grantAs(patient, A);
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Revoked(patient, A, patient);
        vm.expectEmit(address(registry));
        emit IConsentRecords.Revoked(patient, B, patient);
        sendRevocation(list(A, B));
        vm.assertEq(registry.head(), fold(fold(head, 2, patient, A), 2, patient, B), "head");
    }

    function test_revoke_takesWhatWasNeverRecorded() public {
        revokeAs(patient, list(A));
        vm.assertEq(grantedAt(patient, A), 0, "grantedAt");
        vm.assertEq(revokedAt(patient, A), START, "revokedAt");
    }

    function test_revoke_againLeavesNoTrace() public {
        revokeAs(patient, list(A));
        vm.warp(START + 1);
        bytes32 head = watch();
        revokeAs(patient, list(A));
        sendRevocation(list(A, A));
        assertNoTrace(head);
        vm.assertEq(revokedAt(patient, A), START, "the first time counts");
    }

    function test_revoke_skipsOnlyWhatIsRevoked() public {
        revokeAs(patient, list(A));
        bytes32 head = registry.head();
        revokeAs(patient, list(A, B));
        vm.assertEq(registry.head(), fold(head, 2, patient, B), "head");
    }

    function test_revoke_worksWhenSuspendedAndClosed() public {
        vm.prank(patient);
        registry.suspend(true);
        sendRevocation(list(A));
        vm.prank(patient);
        registry.close();
        sendRevocation(list(B));
        vm.assertEq(revokedAt(patient, A), START, "suspended");
        vm.assertEq(revokedAt(patient, B), START, "closed");
    }

    function test_revoke_refusesEmptyList() public {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.EmptyList.selector));
        revokeAs(patient, new bytes32[](0));
        bytes memory signature = sign(PATIENT_KEY, revocationHash(patient, new bytes32[](0)));
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.EmptyList.selector));
        registry.revokeFor(patient, new bytes32[](0), patient, signature);
    }

    function test_revokeAll_recordsEventAndHead() public {
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.RevokedAll(patient, START - 100, patient);
        vm.prank(patient);
        registry.revokeAll(START - 100);
        vm.assertEq(registry.subjects(patient).revokedBefore, START - 100, "revokedBefore");
        vm.assertEq(registry.head(), fold(head, 3, patient, bytes32(uint256(START - 100))), "head");
    }

    function test_revokeAllFor_clampsToTheBlock() public {
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.RevokedAll(patient, START, patient);
        sendRevokeAll(START + 1);
        vm.assertEq(registry.subjects(patient).revokedBefore, START, "revokedBefore");
        vm.assertEq(registry.head(), fold(head, 3, patient, bytes32(uint256(START))), "head");
    }

    function test_revokeAllFor_onlyGrows() public {
        sendRevokeAll(START);
        bytes32 head = watch();
        sendRevokeAll(START);
        sendRevokeAll(START - 1);
        sendRevokeAll(type(uint64).max);
        assertNoTrace(head);
        vm.assertEq(registry.subjects(patient).revokedBefore, START, "revokedBefore");
    }

    function test_revokeAllFor_worksWhenSuspendedAndClosed() public {
        vm.prank(patient);
        registry.suspend(true);
        sendRevokeAll(START - 1);
        vm.prank(patient);
        registry.close();
        sendRevokeAll(START);
        IConsentRecords.Subject memory subject = registry.subjects(patient);
        vm.assertEq(subject.revokedBefore, START, "revokedBefore");
        vm.assertEq(subject.suspended && subject.closed, true, "the rest of the slot stays");
    }

    function testFuzz_revokeAll_isClampedAndMonotone(uint64 first, uint64 second, uint32 wait) public {
        sendRevokeAll(first);
        uint64 recorded = registry.subjects(patient).revokedBefore;
        vm.assertEq(recorded, first < START ? first : START, "first");
        uint64 time = START + wait;
        vm.warp(time);
        sendRevokeAll(second);
        uint64 clamped = second < time ? second : time;
        vm.assertEq(registry.subjects(patient).revokedBefore, clamped > recorded ? clamped : recorded, "second");
    }

    /// @dev A list of any length in which some are revoked, some granted and some repeated: each that stands ends, once.
    function testFuzz_revoke_lists(bytes32 seed, uint8 length, uint256 granted, uint256 ended, bool relayed) public {
        bytes32[] memory hashes = new bytes32[](1 + (length % 12));
        for (uint256 i = 0; i < hashes.length; ++i) {
            hashes[i] = keccak256(abi.encode(seed, i));
            if ((granted >> i) & 1 == 1) grantAs(patient, hashes[i]);
            if ((ended >> i) & 1 == 1) revokeAs(patient, list(hashes[i]));
        }
        if (hashes.length > 1) hashes[hashes.length - 1] = hashes[0];
        vm.warp(START + 9);
        bytes32 head = watch();
        if (relayed) sendRevocation(hashes);
        else revokeAs(patient, hashes);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 events = 0;
        for (uint256 i = 0; i < hashes.length; ++i) {
            bool repeated = i != 0 && hashes[i] == hashes[0];
            bool before = (ended >> (repeated ? 0 : i)) & 1 == 1;
            vm.assertEq(revokedAt(patient, hashes[i]), before ? START : START + 9, "revokedAt");
            vm.assertEq(grantedAt(patient, hashes[i]), (granted >> (repeated ? 0 : i)) & 1 == 1 ? START : 0, "grantedAt");
            if (before || repeated) continue;
            assertLog(logs[events++], eventOf(IConsentRecords.Revoked.selector, patient, hashes[i], abi.encode(patient)));
            head = foldAt(START + 9, head, 2, patient, hashes[i]);
        }
        vm.assertEq(logs.length, events, "events");
        vm.assertEq(registry.head(), head, "head");
    }
}
