// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {vm} from "./support/Vm.sol";

/// @notice suspend, suspendFor, close, closeFor.
contract SuspendingTest is RegistryTest {
    function suspendAs(address subject, bool suspended) internal {
        vm.prank(subject);
        registry.suspend(suspended);
    }

    function sendSuspension(bool suspended, uint64 instant) internal {
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, suspended, instant));
        vm.prank(relayer);
        registry.suspendFor(patient, suspended, instant, patient, signature);
    }

    function assertState(bool suspended, uint64 instant) internal view {
        vm.assertEq(registry.subjects(patient).suspended, suspended, "suspended");
        vm.assertEq(registry.subjects(patient).suspensionAt, instant, "suspensionAt");
    }

    function expectNotNewer(uint64 instant, uint64 last) internal {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotNewer.selector, instant, last));
    }

    function test_suspend_recordsEventAndHead() public {
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Suspended(patient, true, START, patient);
        suspendAs(patient, true);
        assertState(true, START);
        vm.assertEq(registry.head(), fold(head, 4, patient, keccak256(abi.encode(true, START))), "head");
    }

    function test_suspendFor_resumesWithEventAndHead() public {
        suspendAs(patient, true);
        bytes32 head = registry.head();
        vm.warp(START + 1);
        vm.expectEmit(address(registry));
        emit IConsentRecords.Suspended(patient, false, START + 1, patient);
        sendSuspension(false, START + 1);
        assertState(false, START + 1);
        bytes32 value = keccak256(abi.encode(false, START + 1));
        vm.assertEq(registry.head(), foldAt(START + 1, head, 4, patient, value), "head");
    }

    function test_suspendFor_refusesTooFarAhead() public {
        uint64 latest = START + 15 minutes;
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, true, latest + 1));
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.TooFarAhead.selector, latest + 1, latest));
        registry.suspendFor(patient, true, latest + 1, patient, signature);
        sendSuspension(true, latest);
        assertState(true, latest);
    }

    function test_suspendFor_refusesAnOldResumption() public {
        sendSuspension(true, START);
        for (uint64 instant = START - 1; instant <= START; ++instant) {
            bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, false, instant));
            expectNotNewer(instant, START);
            registry.suspendFor(patient, false, instant, patient, signature);
        }
        vm.warp(START + 1);
        sendSuspension(false, START + 1);
    }

    function test_suspendFor_refusesAnOldSuspensionAfterResuming() public {
        sendSuspension(true, START - 2);
        sendSuspension(false, START);
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, true, START - 1));
        expectNotNewer(START - 1, START);
        registry.suspendFor(patient, true, START - 1, patient, signature);
    }

    function test_suspendFor_atTheSameInstantSuspendingWins() public {
        sendSuspension(false, START);
        sendSuspension(true, START);
        assertState(true, START);
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, false, START));
        expectNotNewer(START, START);
        registry.suspendFor(patient, false, START, patient, signature);
    }

    function test_suspendFor_whatIsSuspendedAlreadyLeavesNoTrace() public {
        sendSuspension(true, START);
        bytes32 head = watch();
        sendSuspension(true, START);
        sendSuspension(true, START - 1);
        suspendAs(patient, true);
        assertNoTrace(head);
        assertState(true, START);
    }

    function test_suspendFor_aLaterSuspensionMovesTheInstant() public {
        sendSuspension(true, START);
        sendSuspension(true, START + 1);
        assertState(true, START + 1);
    }

    function test_suspend_neverFails() public {
        // In the second of a resumption, and with a suspension recorded ahead of the block.
        suspendAs(patient, true);
        vm.warp(START + 1);
        suspendAs(patient, false);
        suspendAs(patient, true);
        assertState(true, START + 1);
        sendSuspension(true, START + 15 minutes);
        suspendAs(patient, true);
        assertState(true, START + 15 minutes);
    }

    /// @dev A delegate that may resume cannot do so ahead of time and so keep her from pausing.
    function test_suspendFor_resumingIsNotDatedAhead() public {
        suspendAs(patient, true);
        delegateAs(patient, guardian, GRANT);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.TooFarAhead.selector, START + 1, START));
        vm.prank(guardian);
        registry.suspendFor(patient, false, START + 1, guardian, "");
    }

    function test_suspend_resumingIsRefusedInTheSameSecond() public {
        suspendAs(patient, true);
        expectNotNewer(START, START);
        suspendAs(patient, false);
        vm.warp(START + 1);
        suspendAs(patient, false);
        assertState(false, START + 1);
    }

    function test_suspend_touchesNobodyElse() public {
        suspendAs(stranger, true);
        assertState(false, 0);
    }

    function test_close_recordsEventAndHead() public {
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Closed(patient, patient);
        vm.prank(patient);
        registry.close();
        vm.assertEq(registry.subjects(patient).closed, true, "closed");
        vm.assertEq(registry.head(), fold(head, 5, patient, 0), "head");
    }

    function test_closeFor_recordsEventAndHead() public {
        bytes32 head = registry.head();
        bytes memory signature = sign(PATIENT_KEY, closureHash(patient));
        vm.expectEmit(address(registry));
        emit IConsentRecords.Closed(patient, patient);
        vm.prank(relayer);
        registry.closeFor(patient, patient, signature);
        vm.assertEq(registry.head(), fold(head, 5, patient, 0), "head");
    }

    function test_close_againLeavesNoTrace() public {
        vm.prank(patient);
        registry.close();
        bytes32 head = watch();
        vm.prank(patient);
        registry.close();
        registry.closeFor(patient, patient, sign(PATIENT_KEY, closureHash(patient)));
        assertNoTrace(head);
    }

    function test_close_isForGood() public {
        suspendAs(patient, true);
        vm.prank(patient);
        registry.close();
        vm.warp(START + 1);
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, false, START + 1));
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.SubjectClosed.selector, patient));
        registry.suspendFor(patient, false, START + 1, patient, signature);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.SubjectClosed.selector, patient));
        suspendAs(patient, false);
        sendSuspension(true, START + 1);
        assertState(true, START + 1);
    }

    /// @dev Of two words the later one counts, and of two at the same instant the one that suspends, whichever comes first.
    function testFuzz_suspendFor_orderOfArrivalDoesNotMatter(uint16 first, bool one, uint16 second, bool other) public {
        vm.warp(START + type(uint16).max);
        this.tryToSend(one, START + first);
        this.tryToSend(other, START + second);
        bool last = first == second ? one || other : first > second ? one : other;
        vm.assertEq(registry.subjects(patient).suspended, last, "suspended");
    }

    function tryToSend(bool suspended, uint64 instant) external {
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, suspended, instant));
        try registry.suspendFor(patient, suspended, instant, patient, signature) {} catch {}
    }
}
