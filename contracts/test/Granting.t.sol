// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @notice grant, grantFor, grantForMany.
contract GrantingTest is RegistryTest {
    bytes32 internal constant A = keccak256("grant a");
    bytes32 internal constant B = keccak256("grant b");

    function test_grant_recordsEventAndHead() public {
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Granted(patient, A, patient);
        grantAs(patient, A);
        vm.assertEq(grantedAt(patient, A), START, "grantedAt");
        vm.assertEq(revokedAt(patient, A), 0, "revokedAt");
        vm.assertEq(registry.head(), fold(head, 1, patient, A), "head");
    }

    function test_grant_isKeptPerSubject() public {
        grantAs(patient, A);
        vm.assertEq(grantedAt(stranger, A), 0, "the stranger granted nothing");
        grantAs(stranger, A);
        vm.assertEq(grantedAt(stranger, A), START, "the stranger can grant the same hash");
    }

    function test_grant_refusesEmptyList() public {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.EmptyList.selector));
        registry.grant(new bytes32[](0));
    }

    function test_grantFor_recordsEventAndHead() public {
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Granted(patient, A, patient);
        send(forgeConsent(A));
        vm.assertEq(grantedAt(patient, A), START, "grantedAt");
        vm.assertEq(registry.head(), fold(head, 1, patient, A), "head");
    }

    function test_grantFor_recordsAListInOrder() public {
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        c.grantHashes = list(A, B);
        sealConsent(c, PATIENT_KEY);
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Granted(patient, A, patient);
        vm.expectEmit(address(registry));
        emit IConsentRecords.Granted(patient, B, patient);
        send(c);
        vm.assertEq(registry.head(), fold(fold(head, 1, patient, A), 1, patient, B), "head");
    }

    function test_grantFor_refusesEmptyList() public {
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        c.grantHashes = new bytes32[](0);
        sealConsent(c, PATIENT_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.EmptyList.selector));
        send(c);
    }

    function test_grantFor_acceptsAtTheDeadline() public {
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        vm.warp(c.deadline);
        send(c);
        vm.assertEq(grantedAt(patient, A), c.deadline, "grantedAt");
    }

    function test_grantFor_refusesAfterTheDeadline() public {
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        vm.warp(c.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.DeadlinePassed.selector, c.deadline));
        send(c);
    }

    function test_grantFor_refusesTwice() public {
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        send(c);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.AlreadyGranted.selector, patient, A));
        send(c);
    }

    function test_grantFor_refusesTwiceInOneList() public {
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        c.grantHashes = list(A, A);
        sealConsent(c, PATIENT_KEY);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.AlreadyGranted.selector, patient, A));
        send(c);
    }

    function test_grantFor_refusesWhatWasRevoked() public {
        send(forgeConsent(A));
        vm.prank(patient);
        registry.revoke(list(A));
        vm.warp(START + 1);
        IConsentRecords.ConsentCall memory again = forgeConsent(A);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.AlreadyRevoked.selector, patient, A));
        send(again);
    }

    function test_grantFor_refusesWhatWasRevokedBeforeItCame() public {
        IConsentRecords.ConsentCall memory withheld = forgeConsent(A);
        vm.prank(patient);
        registry.revoke(list(A));
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.AlreadyRevoked.selector, patient, A));
        send(withheld);
    }

    function test_grantFor_refusesTheClosed() public {
        vm.prank(patient);
        registry.close();
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.SubjectClosed.selector, patient));
        send(c);
    }

    function test_grant_refusesTheClosed() public {
        vm.prank(patient);
        registry.close();
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.SubjectClosed.selector, patient));
        grantAs(patient, A);
    }

    function test_grantFor_refusesTheSuspendedUntilResumed() public {
        vm.prank(patient);
        registry.suspend(true);
        vm.warp(START + 1);
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.SubjectSuspended.selector, patient));
        send(c);
        vm.prank(patient);
        registry.suspend(false);
        send(c);
        vm.assertEq(grantedAt(patient, A), START + 1, "grantedAt");
    }

    function test_grantFor_refusesWhatCouldNeverStand() public {
        vm.prank(patient);
        registry.revokeAll(START);
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        c.deadline = START + 30 days;
        sealConsent(c, PATIENT_KEY);
        for (uint64 time = START; time <= START + 1; ++time) {
            vm.warp(time);
            vm.expectRevert(abi.encodeWithSelector(IConsentRecords.RevokedUntil.selector, patient, START));
            send(c);
        }
        ++c.deadline;
        sealConsent(c, PATIENT_KEY);
        send(c);
        vm.assertEq(grantedAt(patient, A), START + 1, "given one second later it can");
    }

    function test_grantForMany_recordsAll() public {
        IConsentRecords.ConsentCall[] memory calls = new IConsentRecords.ConsentCall[](2);
        calls[0] = forgeConsent(A);
        calls[1] = forgeConsent(B);
        calls[1].subject = calls[1].signer = stranger;
        sealConsent(calls[1], STRANGER_KEY);
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Granted(patient, A, patient);
        vm.expectEmit(address(registry));
        emit IConsentRecords.Granted(stranger, B, stranger);
        vm.prank(relayer);
        registry.grantForMany(calls);
        vm.assertEq(registry.head(), fold(fold(head, 1, patient, A), 1, stranger, B), "head");
    }

    function test_grantForMany_isAllOrNothing() public {
        IConsentRecords.ConsentCall[] memory calls = new IConsentRecords.ConsentCall[](2);
        calls[0] = forgeConsent(A);
        calls[1] = forgeConsent(A);
        bytes32 head = registry.head();
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.AlreadyGranted.selector, patient, A));
        registry.grantForMany(calls);
        vm.assertEq(registry.head(), head, "head");
        vm.assertEq(grantedAt(patient, A), 0, "the first was not recorded either");
    }

    function test_grantForMany_refusesNoCalls() public {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.EmptyList.selector));
        registry.grantForMany(new IConsentRecords.ConsentCall[](0));
    }

    function test_standingOf_saysWhatIsRecorded() public {
        grantAs(patient, A);
        vm.prank(patient);
        registry.suspend(true);
        (IConsentRecords.Entry memory entry, IConsentRecords.Subject memory subject) = registry.standingOf(patient, A);
        vm.assertEq(entry.grantedAt, START, "grantedAt");
        vm.assertEq(subject.suspended, true, "suspended");
        vm.assertEq(subject.closed, false, "closed");
    }

    function testFuzz_grantFor_everyDeadline(uint64 deadline, uint64 time) public {
        time = within(time, 31 days, type(uint64).max - 31 days);
        vm.warp(time);
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        c.deadline = deadline;
        sealConsent(c, PATIENT_KEY);
        bytes memory far = abi.encodeWithSelector(IConsentRecords.DeadlineTooFar.selector, deadline, time + 30 days);
        if (deadline < time) vm.expectRevert(abi.encodeWithSelector(IConsentRecords.DeadlinePassed.selector, deadline));
        if (deadline > time + 30 days) vm.expectRevert(far);
        send(c);
        bool inTime = time <= deadline && deadline <= time + 30 days;
        vm.assertEq(grantedAt(patient, A), inTime ? time : 0, "grantedAt");
    }

    /// @dev A list of any length, whoever sends it: each hash once, in order, under one subject, and one head over all.
    function testFuzz_grant_lists(bytes32 seed, uint8 length, uint8 way, uint64 time) public {
        time = within(time, 31 days, type(uint64).max);
        vm.warp(time);
        bytes32[] memory hashes = new bytes32[](1 + (length % 12));
        for (uint256 i = 0; i < hashes.length; ++i) hashes[i] = keccak256(abi.encode(seed, i));
        bytes32 head = watch();
        address sender = way % 3 == 0 ? patient : relayer;
        bytes memory signature = sign(PATIENT_KEY, consentHash(patient, hashes, time));
        IConsentRecords.ConsentCall[] memory calls = new IConsentRecords.ConsentCall[](1);
        calls[0] = IConsentRecords.ConsentCall(patient, hashes, time, patient, signature);
        vm.prank(sender);
        if (way % 3 == 0) registry.grant(hashes);
        if (way % 3 == 1) registry.grantFor(patient, hashes, time, patient, signature);
        if (way % 3 == 2) registry.grantForMany(calls);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, hashes.length, "events");
        for (uint256 i = 0; i < hashes.length; ++i) {
            assertLog(logs[i], eventOf(IConsentRecords.Granted.selector, patient, hashes[i], abi.encode(patient)));
            head = foldAt(time, head, 1, patient, hashes[i]);
            vm.assertEq(grantedAt(patient, hashes[i]), time, "grantedAt");
            vm.assertEq(revokedAt(patient, hashes[i]), 0, "revokedAt");
            vm.assertEq(grantedAt(sender == patient ? stranger : sender, hashes[i]), 0, "of nobody else");
        }
        vm.assertEq(registry.head(), head, "head");
    }

    /// @dev One bad hash anywhere in a list, and none of it is recorded.
    function testFuzz_grant_listsAreAllOrNothing(bytes32 seed, uint8 length, uint8 where, bool revoked) public {
        bytes32[] memory hashes = new bytes32[](1 + (length % 12));
        for (uint256 i = 0; i < hashes.length; ++i) hashes[i] = keccak256(abi.encode(seed, i));
        bytes32 bad = hashes[where % hashes.length];
        grantAs(patient, bad);
        if (revoked) {
            vm.prank(patient);
            registry.revoke(list(bad));
        }
        bytes4 why = revoked ? IConsentRecords.AlreadyRevoked.selector : IConsentRecords.AlreadyGranted.selector;
        bytes32 head = registry.head();
        vm.expectRevert(abi.encodeWithSelector(why, patient, bad));
        vm.prank(patient);
        registry.grant(hashes);
        vm.assertEq(registry.head(), head, "head");
        for (uint256 i = 0; i < hashes.length; ++i) {
            vm.assertEq(grantedAt(patient, hashes[i]), hashes[i] == bad ? START : 0, "grantedAt");
        }
    }
}
