// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @notice Every comparison of the registry with time, a second before, at and after the instant that decides, wherever
/// that instant lies.
contract BoundariesTest is RegistryTest {
    /// @dev Far enough from both ends of uint64 for the instants beside it.
    function instant(uint256 seed) internal pure returns (uint64) {
        return within(seed, 31 days, type(uint64).max - 31 days);
    }

    function testFuzz_deadline(uint256 seed) public {
        uint64 deadline = instant(seed);
        for (uint64 time = deadline - 1; time <= deadline + 1; ++time) {
            bytes32 grantHash = bytes32(uint256(time));
            IConsentRecords.ConsentCall memory c = forgeConsent(grantHash);
            c.deadline = deadline;
            sealConsent(c, PATIENT_KEY);
            vm.warp(time);
            bool passed = time > deadline;
            if (passed) vm.expectRevert(abi.encodeWithSelector(IConsentRecords.DeadlinePassed.selector, deadline));
            send(c);
            vm.assertEq(grantedAt(patient, grantHash), passed ? 0 : time, "grantedAt");
        }
    }

    /// @dev A deadline lies 30 days ahead at most, and the consent can be recorded when that has come true.
    function testFuzz_deadline_upTo30DaysAhead(uint256 seed, bool batch) public {
        uint64 time = instant(seed);
        IConsentRecords.ConsentCall[] memory calls = new IConsentRecords.ConsentCall[](1);
        calls[0] = forgeConsent(bytes32(seed));
        calls[0].deadline = time + 30 days;
        sealConsent(calls[0], PATIENT_KEY);
        for (uint64 mined = time - 1; mined <= time; ++mined) {
            vm.warp(mined);
            bytes memory why = abi.encode(time + 30 days, mined + 30 days);
            if (mined < time) vm.expectRevert(bytes.concat(IConsentRecords.DeadlineTooFar.selector, why));
            if (batch) registry.grantForMany(calls);
            else send(calls[0]);
        }
        vm.assertEq(grantedAt(patient, bytes32(seed)), time, "grantedAt");
    }

    function testFuzz_deadline_ofEachConsentInABatch(uint256 seed, uint8 late) public {
        uint64 deadline = instant(seed);
        IConsentRecords.ConsentCall[] memory calls = new IConsentRecords.ConsentCall[](3);
        for (uint256 i = 0; i < calls.length; ++i) {
            calls[i] = forgeConsent(bytes32(i));
            calls[i].deadline = i == late % 3 ? deadline : deadline + 1;
            sealConsent(calls[i], PATIENT_KEY);
        }
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.DeadlinePassed.selector, deadline));
        registry.grantForMany(calls);
        vm.warp(deadline);
        registry.grantForMany(calls);
        for (uint256 i = 0; i < calls.length; ++i) vm.assertEq(grantedAt(patient, bytes32(i)), deadline, "grantedAt");
    }

    /// @dev A grant is refused up to the instant before which everything was revoked, sent by oneself or relayed: then
    /// what counts is when it was given.
    function testFuzz_revokedBefore(uint256 seed, bool relayed) public {
        uint64 before = instant(seed);
        vm.warp(before);
        vm.prank(patient);
        registry.revokeAll(before);
        for (uint64 time = before; time <= before + 1; ++time) {
            vm.warp(time);
            bytes32 grantHash = bytes32(uint256(time));
            IConsentRecords.ConsentCall memory c = forgeConsent(grantHash);
            c.deadline = time + 30 days;
            sealConsent(c, PATIENT_KEY);
            bool never = time <= before;
            if (never) {
                vm.expectRevert(abi.encodeWithSelector(IConsentRecords.RevokedUntil.selector, patient, before));
            }
            if (relayed) send(c);
            else grantAs(patient, grantHash);
            vm.assertEq(grantedAt(patient, grantHash), never ? 0 : time, "grantedAt");
        }
    }

    /// @dev However late a consent is recorded, what was revoked after it was given ends it.
    function testFuzz_revokedBefore_endsWhatWasHeldBack(uint256 seed, uint32 late, int8 side) public {
        uint64 before = instant(seed);
        vm.warp(before);
        vm.prank(patient);
        registry.revokeAll(before);
        IConsentRecords.ConsentCall memory c = forgeConsent(bytes32(seed));
        uint64 given = uint64(uint256(int256(uint256(before)) + int256(side)));
        c.deadline = given + 30 days;
        sealConsent(c, PATIENT_KEY);
        uint64 time = (given > before ? given : before) + (late % 29 days);
        vm.warp(time);
        bytes memory why = abi.encodeWithSelector(IConsentRecords.RevokedUntil.selector, patient, before);
        if (given <= before) vm.expectRevert(why);
        send(c);
        vm.assertEq(grantedAt(patient, bytes32(seed)), given > before ? time : 0, "grantedAt");
    }

    /// @dev A block never lies before the one that revoked everything, but a node may answer for one that does.
    function testFuzz_revokedBefore_refusesEarlierBlocksToo(uint256 seed, uint256 earlier) public {
        uint64 before = instant(seed);
        vm.warp(before);
        vm.prank(patient);
        registry.revokeAll(before);
        vm.warp(within(earlier, 1, before - 1));
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.RevokedUntil.selector, patient, before));
        grantAs(patient, keccak256("grant"));
    }

    function testFuzz_revokeAll_isClampedToTheBlock(uint256 seed, bool relayed) public {
        uint64 time = instant(seed);
        vm.warp(time);
        for (uint64 before = time - 1; before <= time + 1; ++before) {
            bytes32 head = watch();
            revokeAll(before, relayed);
            uint64 recorded = before < time ? before : time;
            vm.assertEq(registry.subjects(patient).revokedBefore, recorded, "revokedBefore");
            if (before > time) {
                assertNoTrace(head);
                continue;
            }
            bytes memory data = abi.encode(recorded, patient);
            assertOnly(
                eventOf(IConsentRecords.RevokedAll.selector, patient, data),
                foldAt(time, head, 3, patient, bytes32(uint256(recorded)))
            );
        }
    }

    function revokeAll(uint64 before, bool relayed) internal {
        bytes memory signature = sign(PATIENT_KEY, revokeAllHash(patient, before));
        vm.prank(relayed ? relayer : patient);
        if (relayed) registry.revokeAllFor(patient, before, patient, signature);
        else registry.revokeAll(before);
    }

    /// @dev What narrows may be dated ahead of the block, by 15 minutes; what widens may not.
    function testFuzz_suspension_upTo15MinutesAhead(uint256 seed, bool suspended) public {
        uint64 time = instant(seed);
        uint64 latest = suspended ? time + 15 minutes : time;
        vm.warp(time);
        for (uint64 moment = latest - 1; moment <= latest + 1; ++moment) {
            bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, suspended, moment));
            if (moment > latest) expectTooFarAhead(moment, latest);
            registry.suspendFor(patient, suspended, moment, patient, signature);
            vm.assertEq(registry.subjects(patient).suspensionAt, moment > latest ? latest : moment, "suspensionAt");
            vm.assertEq(registry.subjects(patient).suspended, suspended, "suspended");
        }
    }

    function expectTooFarAhead(uint64 moment, uint64 latest) internal {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.TooFarAhead.selector, moment, latest));
    }

    function testFuzz_delegation_upTo15MinutesAhead(uint256 seed, uint8 rights) public {
        rights %= 4;
        uint64 time = instant(seed);
        uint64 latest = rights == 0 ? time + 15 minutes : time;
        vm.warp(time);
        // Something to take away.
        registry.delegateFor(patient, guardian, 3, 0, 1, sign(PATIENT_KEY, delegationHash(patient, guardian, 3, 0, 1)));
        for (uint64 moment = latest - 1; moment <= latest + 1; ++moment) {
            if (rights == 0 && moment == latest) continue;
            bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, guardian, rights, 7, moment));
            if (moment > latest) expectTooFarAhead(moment, latest);
            registry.delegateFor(patient, guardian, rights, 7, moment, signature);
        }
        IConsentRecords.Delegation memory delegation = registry.delegations(patient, guardian);
        vm.assertEq(delegation.at, rights == 0 ? latest - 1 : latest, "at");
        vm.assertEq(delegation.rights, rights, "rights");
        vm.assertEq(delegation.validUntil, 7, "validUntil");
    }

    /// @dev A right holds strictly before its end, for a word that is signed and for one that is sent.
    function testFuzz_delegation_endsAtValidUntil(uint256 seed, bool sent) public {
        uint64 end = instant(seed);
        vm.warp(end - 1 hours);
        vm.prank(patient);
        registry.delegate(guardian, WITHDRAW | GRANT, end);
        for (uint64 time = end - 1; time <= end + 1; ++time) {
            vm.warp(time);
            bytes32[] memory hashes = list(bytes32(uint256(time)));
            bytes memory yes = sent ? bytes("") : sign(GUARDIAN_KEY, consentHash(patient, hashes, time));
            if (time >= end) expectNotAuthorised(patient, guardian, GRANT);
            vm.prank(sent ? guardian : relayer);
            registry.grantFor(patient, hashes, time, guardian, yes);
            bytes memory no = sent ? bytes("") : sign(GUARDIAN_KEY, revocationHash(patient, hashes));
            if (time >= end) expectNotAuthorised(patient, guardian, WITHDRAW);
            vm.prank(sent ? guardian : relayer);
            registry.revokeFor(patient, hashes, guardian, no);
            vm.assertEq(grantedAt(patient, hashes[0]), time < end ? time : 0, "grantedAt");
            vm.assertEq(revokedAt(patient, hashes[0]), time < end ? time : 0, "revokedAt");
        }
    }

    /// @dev Two words about suspension, each either way and at each of three instants: the specification, written out.
    function test_suspensions_everyPairOfWords() public {
        for (uint256 i = 0; i < 36; ++i) {
            setUp();
            (bool first, bool second) = (i % 2 == 1, (i / 2) % 2 == 1);
            uint64 one = START - uint64((i / 4) % 3);
            uint64 two = START - uint64(i / 12);
            sendSuspension(first, one, "");
            bytes32 head = watch();
            bool late = two < one || (two == one && !second);
            bool nothing = second && first && two <= one;
            bool refused = !nothing && (second ? two < one : late);
            sendSuspension(
                second,
                two,
                refused ? abi.encodeWithSelector(IConsentRecords.NotNewer.selector, two, one) : bytes("")
            );
            bool changed = !nothing && !refused;
            vm.assertEq(registry.subjects(patient).suspended, changed ? second : first, "suspended");
            vm.assertEq(registry.subjects(patient).suspensionAt, changed ? two : one, "suspensionAt");
            if (!changed) {
                assertNoTrace(head);
                continue;
            }
            bytes memory data = abi.encode(second, two, patient);
            assertOnly(
                eventOf(IConsentRecords.Suspended.selector, patient, data),
                fold(head, 4, patient, keccak256(abi.encode(second, two)))
            );
        }
    }

    function sendSuspension(bool suspended, uint64 moment, bytes memory refusal) internal {
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, suspended, moment));
        if (refusal.length != 0) vm.expectRevert(refusal);
        vm.prank(relayer);
        registry.suspendFor(patient, suspended, moment, patient, signature);
    }

    /// @dev The same for delegations: taking all rights away is what narrows.
    function test_delegations_everyPairOfWords() public {
        for (uint256 i = 0; i < 36; ++i) {
            setUp();
            (uint8 first, uint8 second) = (i % 2 == 1 ? 0 : 1, (i / 2) % 2 == 1 ? 0 : 2);
            uint64 one = START - uint64((i / 4) % 3);
            uint64 two = START - uint64(i / 12);
            sendDelegation(first, 11, one, "");
            bytes32 head = watch();
            bool nothing = first == 0 && second == 0 && two <= one;
            bool refused = !nothing && (two < one || (two == one && second != 0));
            sendDelegation(
                second,
                22,
                two,
                refused ? abi.encodeWithSelector(IConsentRecords.NotNewer.selector, two, one) : bytes("")
            );
            bool changed = !nothing && !refused;
            IConsentRecords.Delegation memory delegation = registry.delegations(patient, guardian);
            vm.assertEq(delegation.rights, changed ? second : first, "rights");
            vm.assertEq(delegation.validUntil, changed ? 22 : 11, "validUntil");
            vm.assertEq(delegation.at, changed ? two : one, "at");
            if (!changed) {
                assertNoTrace(head);
                continue;
            }
            assertOnly(delegatedEvent(second, 22, two), delegatedHead(START, head, second, 22, two));
        }
    }

    function sendDelegation(uint8 rights, uint64 validUntil, uint64 moment, bytes memory refusal) internal {
        bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, guardian, rights, validUntil, moment));
        if (refusal.length != 0) vm.expectRevert(refusal);
        vm.prank(relayer);
        registry.delegateFor(patient, guardian, rights, validUntil, moment, signature);
    }

    function delegatedEvent(uint8 rights, uint64 validUntil, uint64 moment) internal view returns (Vm.Log memory) {
        bytes32 to = bytes32(uint256(uint160(guardian)));
        return eventOf(IConsentRecords.Delegated.selector, patient, to, abi.encode(rights, validUntil, moment));
    }

    function delegatedHead(
        uint64 time,
        bytes32 head,
        uint8 rights,
        uint64 validUntil,
        uint64 moment
    ) internal view returns (bytes32) {
        return foldAt(time, head, 6, patient, keccak256(abi.encode(guardian, rights, validUntil, moment)));
    }

    // What the sender says itself has the instant of the block. Only what narrows can be recorded with a later one, so
    // what narrows is never late.

    function testFuzz_suspend_takesTheBlocksTime(uint256 seed, int8 ahead, bool first, bool suspended) public {
        uint64 time = instant(seed);
        uint64 last = uint64(uint256(int256(uint256(time)) + int256(ahead)));
        if (last > time) first = true;
        vm.warp(time);
        sendSuspension(first, last, "");
        bytes32 head = watch();
        if (!suspended && last >= time) {
            vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotNewer.selector, time, last));
        }
        vm.prank(patient);
        registry.suspend(suspended);
        vm.assertEq(registry.subjects(patient).suspended, suspended || (first && last >= time), "suspended");
        if (last >= time && (!suspended || first)) return assertNoTrace(head);
        bytes memory data = abi.encode(suspended, time, patient);
        assertOnly(
            eventOf(IConsentRecords.Suspended.selector, patient, data),
            foldAt(time, head, 4, patient, keccak256(abi.encode(suspended, time)))
        );
        vm.assertEq(registry.subjects(patient).suspensionAt, time, "suspensionAt");
    }

    function testFuzz_delegate_takesTheBlocksTime(uint256 seed, int8 ahead, bool none, uint8 rights) public {
        rights %= 4;
        uint64 time = instant(seed);
        uint64 last = uint64(uint256(int256(uint256(time)) + int256(ahead)));
        if (last > time) none = true;
        vm.warp(time);
        sendDelegation(none ? 0 : 1, 11, last, "");
        bytes32 head = watch();
        if (rights != 0 && last >= time) {
            vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotNewer.selector, time, last));
        }
        vm.prank(patient);
        registry.delegate(guardian, rights, 22);
        if (last >= time && (rights != 0 || none)) return assertNoTrace(head);
        assertOnly(delegatedEvent(rights, 22, time), delegatedHead(time, head, rights, 22, time));
        vm.assertEq(registry.delegations(patient, guardian).at, time, "at");
        vm.assertEq(registry.delegations(patient, guardian).rights, rights, "rights");
    }

    /// @dev Before any word the instant is zero and nothing is suspended or delegated.
    function test_theFirstWordAtInstantZero() public {
        sendSuspension(false, 0, abi.encodeWithSelector(IConsentRecords.NotNewer.selector, 0, 0));
        bytes32 head = watch();
        sendDelegation(0, 7, 0, "");
        assertNoTrace(head);
        sendDelegation(1, 7, 0, abi.encodeWithSelector(IConsentRecords.NotNewer.selector, 0, 0));
        sendSuspension(true, 0, "");
        vm.assertEq(registry.subjects(patient).suspended, true, "suspended");
        // A removal comes before a delegation that is withheld, also when there is nothing to remove yet.
        sendDelegation(0, 7, 1, "");
        vm.assertEq(registry.delegations(patient, guardian).at, 1, "at");
    }
}
