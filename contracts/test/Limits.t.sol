// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentCheck, Reason} from "../interfaces/IConsentCheck.sol";
import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {Asked} from "./support/Asked.sol";
import {CheckTest} from "./support/CheckTest.sol";
import {vm} from "./support/Vm.sol";

/// @notice What the contracts do not do, as docs/contracts.md tells it, and beside each limit what does help.
contract LimitsTest is CheckTest {
    /// @dev Her consent with this deadline, not recorded yet.
    function forgeSigned(Asked memory o, uint64 deadline) internal view returns (IConsentRecords.ConsentCall memory c) {
        c = forgeConsent(hashOf(o));
        c.deadline = deadline;
        sealConsent(c, PATIENT_KEY);
    }

    function forgeLong() internal view returns (Asked memory o) {
        o = forgeOpening();
        o.evidence.grant.validUntil = START + 100 days;
    }

    function test_pause_isNoEnd() public {
        Asked memory o = forgeOpening();
        o.evidence.anchorings = new IConsentCheck.Anchoring[](1);
        o.evidence.anchorings[0] = again(o, START + 60);
        vm.prank(patient);
        registry.suspend(true);
        registry.anchor(o.evidence.anchorings[0].root, 1);
        assertReason(o, Reason.suspended, "while she pauses");
        vm.warp(START + 60);
        vm.prank(patient);
        registry.suspend(false);
        assertReasonAt(o, START + 60, Reason.permitted, "when she goes on");
    }

    function test_revokeAll_endsWhatWasRecordedUpToItsInstant() public {
        Asked memory o = forgeOpening();
        uint64 before = START + 15 minutes;
        bytes memory signature = sign(PATIENT_KEY, revokeAllHash(patient, before));
        vm.warp(before + 12);
        send(forgeSigned(o, before + 12));
        registry.revokeAllFor(patient, before, patient, signature);
        assertReasonAt(o, before + 12, Reason.permitted, "recorded after its instant, before it landed");
        vm.prank(patient);
        registry.revoke(list(hashOf(o)));
        assertReasonAt(o, before + 12, Reason.revoked, "revoked by its hash");
    }

    function test_revokeAll_heldBackReachesForwardInCohorts() public {
        bytes memory signature = sign(PATIENT_KEY, revokeAllHash(patient, START));
        vm.warp(START + 5 days);
        Asked memory o = forgeLong();
        o.evidence.anchorings = new IConsentCheck.Anchoring[](1);
        o.evidence.anchorings[0] = again(o, START + 5 days + 15 minutes);
        registry.anchor(o.evidence.anchorings[0].root, 1);
        assertReasonAt(o, START + 5 days, Reason.permitted, "anchored");
        vm.prank(stranger);
        registry.revokeAllFor(patient, START, patient, signature);
        assertReasonAt(o, START + 5 days, Reason.revoked, "a short deadline counts as given 30 days before");
    }

    function test_deadline_furtherAheadIsAConsentFromTheFuture() public {
        Asked memory o = forgeLong();
        IConsentRecords.ConsentCall memory c = forgeSigned(o, START + 60 days);
        vm.warp(START + 20 days);
        vm.prank(patient);
        registry.revokeAll(START + 20 days);
        vm.warp(START + 30 days);
        send(c);
        assertReasonAt(o, START + 30 days, Reason.permitted, "counts as given after everything was revoked");
        vm.prank(patient);
        registry.revoke(list(hashOf(o)));
        assertReasonAt(o, START + 30 days, Reason.revoked, "revoked by its hash");
    }

    function test_deadline_furtherAheadIsRefusedForEverOnceRevokedByHash() public {
        Asked memory o = forgeLong();
        IConsentRecords.ConsentCall memory c = forgeSigned(o, START + 60 days);
        vm.prank(patient);
        registry.revoke(list(hashOf(o)));
        vm.warp(START + 30 days);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.AlreadyRevoked.selector, patient, hashOf(o)));
        send(c);
    }

    function test_resume_datedAheadCountsFromItsDate() public {
        Asked memory o = forgeGranted();
        uint64 ahead = START + 1 days;
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, false, ahead));
        vm.prank(patient);
        registry.suspend(true);
        vm.warp(ahead - 1);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.TooFarAhead.selector, ahead, ahead - 1));
        registry.suspendFor(patient, false, ahead, patient, signature);
        vm.warp(ahead);
        registry.suspendFor(patient, false, ahead, patient, signature);
        assertReasonAt(o, ahead, Reason.permitted, "at its date");
    }

    function test_delegation_datedAheadCountsFromItsDate() public {
        uint64 ahead = START + 14 minutes;
        bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, guardian, GRANT, UNTIL, ahead));
        vm.warp(START + 60);
        vm.prank(patient);
        registry.delegate(guardian, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.TooFarAhead.selector, ahead, START + 60));
        registry.delegateFor(patient, guardian, GRANT, UNTIL, ahead, signature);
        vm.warp(ahead);
        registry.delegateFor(patient, guardian, GRANT, UNTIL, ahead, signature);
        vm.assertEq(uint256(registry.delegations(patient, guardian).rights), GRANT, "at its date");
    }

    function test_pause_isRefusedAfterALaterResume() public {
        delegateAs(patient, guardian, GRANT);
        bytes memory signature = sign(PATIENT_KEY, suspensionHash(patient, true, START));
        vm.warp(START + 12);
        vm.prank(guardian);
        registry.suspendFor(patient, false, START + 12, guardian, "");
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotNewer.selector, START, START + 12));
        registry.suspendFor(patient, true, START, patient, signature);
        signature = sign(PATIENT_KEY, suspensionHash(patient, true, START + 12));
        registry.suspendFor(patient, true, START + 12, patient, signature);
        vm.assertEq(registry.subjects(patient).suspended, true, "signed again with the time of the resume");
    }

    function test_cohort_endedWithEverythingIsGrantedAnewByANewWord() public {
        Asked memory o = forgeAnchored();
        vm.prank(patient);
        registry.revokeAll(START);
        assertReason(o, Reason.revoked, "ended with everything");
        vm.warp(START + 60);
        send(forgeSigned(o, START + 60 + 30 days));
        assertReasonAt(o, START + 60, Reason.permitted, "a new word for the same grant");
    }

    function test_cohort_endedByItsHashIsNeverGrantedAgain() public {
        Asked memory o = forgeAnchored();
        vm.prank(patient);
        registry.revoke(list(hashOf(o)));
        vm.warp(START + 60);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.AlreadyRevoked.selector, patient, hashOf(o)));
        send(forgeSigned(o, START + 60 + 30 days));
    }

    function test_delegate_namedAgainSpeaksWithWhatItSignedBefore() public {
        Asked memory o = forgeOpening();
        IConsentRecords.ConsentCall memory c = forgeConsent(hashOf(o));
        c.deadline = START + 30 days;
        c.signer = guardian;
        delegateAs(patient, guardian, GRANT);
        sealConsent(c, GUARDIAN_KEY);
        vm.warp(START + 60);
        vm.prank(patient);
        registry.delegate(guardian, 0, 0);
        expectNotAuthorised(patient, guardian, GRANT);
        send(c);
        vm.warp(START + 5 days);
        delegateAs(patient, guardian, GRANT);
        send(c);
        assertReasonAt(o, START + 5 days, Reason.permitted, "named again");
    }

    function test_fewerRights_needALaterBlock() public {
        delegateAs(patient, guardian, WITHDRAW | GRANT);
        vm.warp(START + 60);
        vm.prank(patient);
        registry.delegate(guardian, 0, 0);
        vm.prank(patient);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotNewer.selector, START + 60, START + 60));
        registry.delegate(guardian, WITHDRAW, UNTIL);
        vm.warp(START + 61);
        vm.prank(patient);
        registry.delegate(guardian, WITHDRAW, UNTIL);
        vm.assertEq(uint256(registry.delegations(patient, guardian).rights), WITHDRAW, "a second later");
    }

    /// @dev Whatever the order of a recording and a RevokeAll in one block, and whatever the deadline.
    function testFuzz_revokeAll_theOrderInABlockIsNoWayOut(uint64 deadline, bool cohort, bool first) public {
        deadline = within(deadline, START, START + 30 days);
        Asked memory o = forgeOpening();
        IConsentRecords.ConsentCall memory c = forgeSigned(o, deadline);
        if (cohort) {
            o.evidence.anchorings = new IConsentCheck.Anchoring[](1);
            o.evidence.anchorings[0] = again(o, deadline);
        }
        if (first && cohort) registry.anchor(o.evidence.anchorings[0].root, 1);
        if (first && !cohort) send(c);
        vm.prank(patient);
        registry.revokeAll(START);
        if (!first && cohort) registry.anchor(o.evidence.anchorings[0].root, 1);
        if (!first && !cohort) {
            vm.expectRevert(abi.encodeWithSelector(IConsentRecords.RevokedUntil.selector, patient, START));
            send(c);
            assertReason(o, Reason.no_consent, "never recorded");
        } else {
            assertReason(o, Reason.revoked, "ended");
        }
    }
}
