// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentCheck, Reason} from "../interfaces/IConsentCheck.sol";
import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {Asked} from "./support/Asked.sol";
import {CheckTest} from "./support/CheckTest.sol";
import {vm} from "./support/Vm.sol";
import {OwnedWallet} from "./support/Wallets.sol";

/// @notice One permitted opening, and every way to break it.
contract ConsentCheckTest is CheckTest {
    function test_permits() public {
        assertReason(forgeGranted(), Reason.permitted, "everything in place");
    }

    function test_reasonsAreNumberedAsInTheDecision() public pure {
        vm.assertEq(uint256(Reason.permitted), 0, "first");
        vm.assertEq(uint256(Reason.revoked), 7, "revoked");
        vm.assertEq(uint256(Reason.form_superseded), 17, "form_superseded");
        vm.assertEq(uint256(Reason.ledger_unavailable), 21, "last");
    }

    function test_1_record() public {
        Asked memory o = forgeGranted();
        o.evidence.record.title = "Another case";
        assertReason(o, Reason.unknown_record, "the opening is of another record");
        o = forgeOpening();
        directory.setSuspended(hospital, true);
        assertReason(o, Reason.controller_not_listed, "suspended");
        directory.setSuspended(hospital, false);
        directory.register(hospital, 2, 0, "");
        assertReason(o, Reason.controller_not_listed, "in another role");
        directory.register(hospital, 1, 0, "");
        policies.retract(o.question.record);
        assertReason(o, Reason.permitted, "somebody else retracted it");
        vm.prank(hospital);
        policies.retract(o.question.record);
        assertReason(o, Reason.record_retracted, "retracted");
    }

    function test_2_grantOfThisRecord() public {
        Asked memory o = forgeOpening();
        o.evidence.grant.record = keccak256("another record");
        grantAs(patient, hashOf(o));
        assertReason(o, Reason.no_consent, "for another record");
    }

    function test_3_standing() public {
        Asked memory o = forgeOpening();
        assertReason(o, Reason.no_consent, "not recorded");
        grantAs(stranger, hashOf(o));
        assertReason(o, Reason.no_consent, "recorded by somebody else");
        grantAs(patient, hashOf(o));
        vm.prank(patient);
        registry.suspend(true);
        assertReason(o, Reason.suspended, "suspended");
        vm.prank(patient);
        registry.revokeAll(START);
        assertReason(o, Reason.revoked, "everything revoked");
        vm.prank(patient);
        registry.close();
        assertReason(o, Reason.closed, "closed");
        vm.prank(patient);
        registry.revoke(list(hashOf(o)));
        assertReason(o, Reason.revoked, "revoked");
    }

    function test_3_standsWhenGrantedAfterWhatWasRevoked() public {
        vm.prank(patient);
        registry.revokeAll(START - 1);
        assertReason(forgeGranted(), Reason.permitted, "granted later");
    }

    function test_4_periodOnBothClocks() public {
        Asked memory o = forgeGranted();
        assertReasonAt(o, FROM - 1, Reason.not_yet_valid, "the time asked is too early");
        assertReasonAt(o, FROM, Reason.permitted, "at its first second");
        assertReasonAt(o, UNTIL - 1, Reason.permitted, "in its last second");
        assertReasonAt(o, UNTIL, Reason.expired, "the time asked is too late");
        vm.warp(UNTIL);
        assertReason(o, Reason.expired, "the block is too late");
        vm.warp(FROM - 1);
        assertReason(o, Reason.not_yet_valid, "the block is too early");
    }

    function test_5_recipient() public {
        Asked memory o = forgeGranted();
        o.question.recipient = stranger;
        assertReason(o, Reason.recipient_not_covered, "another one asks");
        o.question.recipient = journal;
        directory.setSuspended(journal, true);
        assertReason(o, Reason.recipient_suspended, "suspended");
        directory.setSuspended(journal, false);
        directory.register(journal, 1, 0, "");
        assertReason(o, Reason.recipient_not_covered, "in another role");
    }

    function test_5_anyListedRecipient() public {
        Asked memory o = forgeOpening();
        o.evidence.grant.recipient = address(0);
        grantAs(patient, hashOf(o));
        assertReason(o, Reason.permitted, "listed");
        o.question.recipient = stranger;
        assertReason(o, Reason.recipient_not_covered, "not listed");
    }

    function test_9_formAndTerms() public {
        Asked memory o = forgeGranted();
        policies.supersede(FORM, keccak256("form 2"), false);
        assertReason(o, Reason.permitted, "an immaterial change");
        policies.supersede(keccak256("form 2"), keccak256("form 3"), true);
        assertReason(o, Reason.form_superseded, "a material change");
    }

    function test_9_onlyTheFormThatWasSigned() public {
        Asked memory o = forgeGranted();
        bytes32[2] memory others = [bytes32(uint256(FORM) - 1), bytes32(uint256(FORM) + 1)];
        for (uint256 i; i < others.length; i++) {
            policies.publish(others[i]);
            o.question.form.hash = others[i];
            assertReason(o, Reason.form_superseded, "a current form, but another");
        }
    }

    function test_9_termsOfTheChannel() public {
        Asked memory o = forgeGranted();
        policies.retract(TERMS);
        assertReason(o, Reason.form_superseded, "retracted");
        o.question.terms.hash = 0;
        assertReason(o, Reason.permitted, "the form names none");
        o.question.form.issuer = stranger;
        assertReason(o, Reason.form_superseded, "another issuer never published the form");
    }

    function test_10_stewards() public {
        Asked memory o = forgeOpening();
        o.evidence.record.stewards = new address[](2);
        (o.evidence.record.stewards[0], o.evidence.record.stewards[1]) = (guardian, stranger);
        seal(o);
        bytes32 hash = hashOf(o);
        grantAs(patient, hash);
        assertReason(o, Reason.further_consent_needed, "none agreed");
        grantAs(guardian, hash);
        assertReason(o, Reason.further_consent_needed, "one agreed");
        grantAs(stranger, hash);
        assertReason(o, Reason.permitted, "both agreed");
        vm.prank(guardian);
        registry.suspend(true);
        assertReason(o, Reason.further_consent_needed, "one is suspended");
    }

    function test_cohort_permits() public {
        assertReason(forgeAnchored(), Reason.permitted, "anchored and signed");
    }

    function test_cohort_everyPartIsNeeded() public {
        Asked memory o = forgeAnchored();
        o.evidence.anchorings[0].root = keccak256("never anchored");
        assertReason(o, Reason.no_consent, "root");
        o.evidence.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        o.evidence.anchorings[0].proof[0] = keccak256("another sibling");
        assertReason(o, Reason.no_consent, "proof");
        o.evidence.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        o.evidence.anchorings[0].grantHashes = list(keccak256("another grant"));
        assertReason(o, Reason.no_consent, "grant hashes");
        o.evidence.anchorings[0] = anchoringOf(patient, STRANGER_KEY, hashOf(o));
        assertReason(o, Reason.no_consent, "signature");
        o.evidence.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        o.evidence.anchorings[0].deadline = START - 1;
        assertReason(o, Reason.no_consent, "deadline");
    }

    function test_cohort_signedInTimeCountsAsTheConsentSays() public {
        Asked memory o = forgeOpening();
        o.evidence.anchorings = new IConsentCheck.Anchoring[](1);
        o.evidence.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        vm.warp(START + 1);
        registry.anchor(o.evidence.anchorings[0].root, 2);
        assertReason(o, Reason.no_consent, "anchored after the deadline");
    }

    function test_cohort_isWithdrawnOneByOne() public {
        Asked memory o = forgeAnchored();
        vm.prank(patient);
        registry.revoke(list(hashOf(o)));
        assertReason(o, Reason.revoked, "revoked");
    }

    function test_cohort_isWithdrawnByRevokeAll() public {
        Asked memory o = forgeAnchored();
        vm.prank(patient);
        registry.revokeAll(START);
        assertReason(o, Reason.revoked, "everything revoked");
    }

    function test_cohort_holdsForStewardsToo() public {
        Asked memory o = forgeOpening();
        o.evidence.record.stewards = new address[](1);
        o.evidence.record.stewards[0] = guardian;
        seal(o);
        grantAs(patient, hashOf(o));
        o.evidence.anchorings = new IConsentCheck.Anchoring[](2);
        o.evidence.anchorings[1] = anchoringOf(guardian, GUARDIAN_KEY, hashOf(o));
        assertReason(o, Reason.further_consent_needed, "not anchored");
        registry.anchor(o.evidence.anchorings[1].root, 2);
        assertReason(o, Reason.permitted, "anchored");
    }

    function test_cohort_ofAStewardAtItsOwnPlace() public {
        Asked memory o = forgeOpening();
        o.evidence.record.stewards = new address[](2);
        (o.evidence.record.stewards[0], o.evidence.record.stewards[1]) = (guardian, stranger);
        seal(o);
        bytes32 hash = hashOf(o);
        o.evidence.anchorings = new IConsentCheck.Anchoring[](3);
        o.evidence.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hash);
        o.evidence.anchorings[1] = anchoringOf(guardian, GUARDIAN_KEY, hash);
        o.evidence.anchorings[2] = anchoringOf(stranger, STRANGER_KEY, hash);
        for (uint256 i = 0; i < 3; ++i) registry.anchor(o.evidence.anchorings[i].root, 2);
        assertReason(o, Reason.permitted, "each at its place");
        (o.evidence.anchorings[1], o.evidence.anchorings[2]) = (o.evidence.anchorings[2], o.evidence.anchorings[1]);
        assertReason(o, Reason.further_consent_needed, "exchanged");
    }

    /// @dev One recorded by itself needs no anchoring, and its own time counts even where one is given.
    function test_cohort_recordedByItselfAsWell() public {
        Asked memory o = forgeAnchored();
        vm.warp(START + 5);
        vm.prank(patient);
        registry.revokeAll(START);
        assertReasonAt(o, START + 5, Reason.revoked, "the cohort ended");
        grantAs(patient, hashOf(o));
        assertReasonAt(o, START + 5, Reason.permitted, "granted later by itself");
    }

    /// @dev Only the subject's own key counts: what a contract answers today says nothing of the day of the cohort.
    function test_cohort_signers() public {
        Asked memory o = forgeOpening();
        address wallet = address(new OwnedWallet(stranger));
        o.evidence.record.subject = wallet;
        seal(o);
        o.evidence.anchorings = new IConsentCheck.Anchoring[](1);
        o.evidence.anchorings[0] = anchoringOf(wallet, STRANGER_KEY, hashOf(o));
        registry.anchor(o.evidence.anchorings[0].root, 2);
        assertReason(o, Reason.no_consent, "signed by a contract");
        o = forgeAnchored();
        vm.etch(patient, wallet.code);
        assertReason(o, Reason.permitted, "by her key, whatever code the account has now");
        vm.etch(patient, "");
        delegateAs(patient, guardian, GRANT);
        o.evidence.anchorings[0] = anchoringOf(patient, GUARDIAN_KEY, hashOf(o));
        assertReason(o, Reason.no_consent, "signed by a delegate");
        o.evidence.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        o.evidence.anchorings[0].signature = "";
        vm.prank(patient);
        assertReason(o, Reason.no_consent, "asked by herself, unsigned");
    }

    /// @dev Whoever holds her signed consent can anchor it again, alone or in other company, and record it by itself.
    function test_cohort_endedByRevokeAllStaysEnded() public {
        Asked memory o = forgeAnchored();
        IConsentCheck.Anchoring memory a = o.evidence.anchorings[0];
        vm.warp(START + 1);
        o.evidence.anchorings[0] = a = again(o, START + 1 days);
        registry.anchor(a.root, 1);
        assertReason(o, Reason.permitted, "before");
        vm.prank(patient);
        registry.revokeAll(START + 1);
        assertReason(o, Reason.revoked, "ended");
        vm.warp(START + 2);
        bytes32 sibling = keccak256("a new sibling");
        a.root = pair(a.root, sibling);
        a.proof = list(sibling);
        registry.anchor(a.root, 2);
        assertReason(o, Reason.revoked, "in another cohort");
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.RevokedUntil.selector, patient, START + 1));
        registry.grantFor(patient, a.grantHashes, a.deadline, patient, a.signature);
        assertReason(o, Reason.revoked, "by itself");
    }

    /// @dev The same when it was held back until everything had been revoked.
    function test_cohort_heldBackUntilAllWasRevoked() public {
        Asked memory o = forgeOpening();
        o.evidence.anchorings = new IConsentCheck.Anchoring[](1);
        IConsentCheck.Anchoring memory a = o.evidence.anchorings[0] = again(o, START + 30 days);
        vm.prank(patient);
        registry.revokeAll(START);
        vm.warp(START + 30 days);
        registry.anchor(a.root, 1);
        o.evidence.grant.validUntil = UNTIL;
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.RevokedUntil.selector, patient, START));
        registry.grantFor(patient, a.grantHashes, a.deadline, patient, a.signature);
        vm.warp(START + 1);
        assertReason(o, Reason.revoked, "anchored later");
    }

    /// @dev A deadline so long ago that no time lies before it says nothing of a root that was never anchored.
    function test_cohort_neverAnchoredWithADeadlineOfThePast() public {
        Asked memory o = forgeOpening();
        o.evidence.anchorings = new IConsentCheck.Anchoring[](1);
        o.evidence.anchorings[0] = again(o, 5);
        assertReason(o, Reason.no_consent, "never anchored");
    }

    /// @dev Whoever asks can bring any evidence, but not say which form counts.
    function test_9_theAskerDoesNotChooseTheForm() public {
        Asked memory o = forgeOpening();
        bytes32 own = keccak256("a form the asker published");
        vm.prank(stranger);
        policies.publish(own);
        o.evidence.grant.form = own;
        grantAs(patient, hashOf(o));
        assertReason(o, Reason.form_superseded, "the asker's form");
        policies.publish(own);
        assertReason(o, Reason.form_superseded, "another form of the same issuer");
    }

    /// @dev An anchoring counts from 30 days before the deadline of its Consent up to and including it, and however late
    /// it is, a `revokeAll` of an instant after the first of these has ended it.
    function testFuzz_cohort_times(uint8 given, uint32 delay, uint8 before) public {
        delay %= 31 days;
        Asked memory o = forgeOpening();
        o.evidence.grant.validUntil = START + 40 days;
        o.evidence.anchorings = new IConsentCheck.Anchoring[](1);
        o.evidence.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        uint64 deadline = START + given + 30 days;
        o.evidence.anchorings[0].deadline = deadline;
        bytes32 message = consentHash(patient, o.evidence.anchorings[0].grantHashes, deadline);
        o.evidence.anchorings[0].signature = sign(PATIENT_KEY, message);
        vm.warp(START + delay);
        registry.anchor(o.evidence.anchorings[0].root, 2);
        vm.warp(START + 31 days);
        vm.prank(patient);
        registry.revokeAll(START + before);
        Reason expected = given <= before ? Reason.revoked : Reason.permitted;
        if (delay < given || delay > given + 30 days) expected = Reason.no_consent;
        assertReasonAt(o, START, expected, "reason");
        vm.chainId(99);
        uint256 elsewhere = uint256(checker.check(o.question, o.evidence, START));
        vm.chainId(31337);
        vm.assertEq(elsewhere, uint256(Reason.no_consent), "the Consent was signed for one chain");
    }

    /// @dev The grant may stand anywhere in the Consent, and nowhere means nowhere.
    function testFuzz_cohort_placeInTheConsent(bytes32 seed, uint8 length, uint256 where) public {
        bytes32[] memory hashes = new bytes32[](1 + (length % 9));
        for (uint256 i = 0; i < hashes.length; ++i) hashes[i] = keccak256(abi.encode(seed, i));
        Asked memory o = forgeAnchored();
        for (uint256 i = 0; i < 2; ++i) {
            o.evidence.anchorings[0].grantHashes = hashes;
            bytes32 message = consentHash(patient, hashes, START);
            o.evidence.anchorings[0].signature = sign(PATIENT_KEY, message);
            assertReason(o, i == 0 ? Reason.no_consent : Reason.permitted, "place");
            hashes[where % hashes.length] = hashOf(o);
        }
    }

    function test_knowsWhomItAsks() public view {
        vm.assertEq(address(checker.registry()), address(registry), "registry");
        vm.assertEq(address(checker.directory()), address(directory), "directory");
        vm.assertEq(address(checker.policies()), address(policies), "policies");
    }

    /// @dev Both clocks at, before and after both ends: two by two.
    function testFuzz_4_everyPairOfClocks(uint32 length, uint8 pair_) public {
        uint64 until = FROM + 2 + length;
        Asked memory o = forgeOpening();
        o.evidence.grant.validUntil = until;
        grantAs(patient, hashOf(o));
        uint64[6] memory instants = [FROM - 1, FROM, FROM + 1, until - 1, until, until + 1];
        (uint64 mined, uint64 asked) = (instants[(pair_ / 6) % 6], instants[pair_ % 6]);
        vm.warp(mined);
        Reason expected = Reason.permitted;
        if (mined >= until || asked >= until) expected = Reason.expired;
        if (mined < FROM || asked < FROM) expected = Reason.not_yet_valid;
        assertReasonAt(o, asked, expected, "reason");
    }

    /// @dev A listed recipient, asked for by name or as any: named, suspended and its role, in this order.
    function testFuzz_5_recipients(uint8 roles, bool suspended, uint8 named) public {
        Asked memory o = forgeOpening();
        o.evidence.grant.recipient = [journal, address(0), stranger][named % 3];
        grantAs(patient, hashOf(o));
        roles = 1 + (roles % 15);
        directory.register(journal, roles, 0, "");
        directory.setSuspended(journal, suspended);
        Reason expected = Reason.permitted;
        if (roles & 2 == 0) expected = Reason.recipient_not_covered;
        if (suspended) expected = Reason.recipient_suspended;
        if (named % 3 == 2) expected = Reason.recipient_not_covered;
        assertReason(o, expected, "reason");
    }

    /// @dev Every field of the two openings is hashed, so none can be exchanged after the record was made or granted.
    function testFuzz_openings_areWhatWasHashed(uint8 field, bytes32 other) public {
        Asked memory o = forgeOpening();
        o.evidence.record.stewards = new address[](1);
        o.evidence.record.stewards[0] = guardian;
        o.evidence.grant.purposes = new string[](1);
        o.evidence.grant.channels = new string[](1);
        seal(o);
        grantAs(patient, hashOf(o));
        grantAs(guardian, hashOf(o));
        assertReason(o, Reason.permitted, "as it was hashed");
        field %= 17;
        string memory text = string(abi.encode(other));
        address party = address(uint160(uint256(other)));
        vm.assume(party != hospital && party != patient && party != guardian && party != journal);
        vm.assume(uint64(uint256(other)) > START - 100 && other != FORM && other != o.evidence.record.items[0]);
        vm.assume(other != o.evidence.record.salt && other != o.evidence.grant.salt);
        if (field == 0) o.evidence.record.controller = party;
        if (field == 1) o.evidence.record.subject = party;
        if (field == 2) o.evidence.record.stewards[0] = party;
        if (field == 3) o.evidence.record.stewards = new address[](0);
        if (field == 4) o.evidence.record.title = text;
        if (field == 5) o.evidence.record.items[0] = other;
        if (field == 6) o.evidence.record.createdAt = uint64(uint256(other));
        if (field == 7) o.evidence.record.salt = other;
        if (field == 8) o.evidence.grant.summary = text;
        if (field == 9) o.evidence.grant.items[0] = text;
        if (field == 10) o.evidence.grant.purposes[0] = text;
        if (field == 11) o.evidence.grant.channels[0] = text;
        if (field == 12) o.evidence.grant.onward = text;
        if (field == 13) o.evidence.grant.validFrom = START - 11;
        if (field == 14) o.evidence.grant.validUntil = UNTIL + 1;
        if (field == 15) o.evidence.grant.form = other;
        if (field == 16) o.evidence.grant.salt = other;
        assertReason(o, field < 8 ? Reason.unknown_record : Reason.no_consent, "exchanged");
    }

    /// @dev Every combination of what can be wrong: the first in the order of the decision gives the reason.
    function testFuzz_theFirstFaultGivesTheReason(uint256 faults) public {
        // Few faults at a time, or the first of them would always be one of the first.
        faults &= uint256(keccak256(abi.encode(faults))) & uint256(keccak256(abi.encode(~faults)));
        Asked memory o = forgeOpening();
        o.evidence.record.stewards = new address[](1);
        o.evidence.record.stewards[0] = guardian;
        seal(o);
        if (has(faults, 4)) o.evidence.grant.record = keccak256("another record");
        if (has(faults, 10)) o.evidence.grant.validFrom = START + 1;
        if (has(faults, 11)) o.evidence.grant.validUntil = START;
        if (has(faults, 12)) o.question.recipient = relayer;
        bytes32 hash = hashOf(o);
        if (!has(faults, 7)) grantAs(patient, hash);
        if (!has(faults, 17)) grantAs(guardian, hash);
        breakState(faults, o.question.record, hash);
        if (has(faults, 0)) o.evidence.record.title = "Another case";
        assertReason(o, reasonOf(faults), "the first fault");
    }

    function has(uint256 faults, uint256 fault) internal pure returns (bool) {
        return (faults >> fault) & 1 == 1;
    }

    function breakState(uint256 faults, bytes32 record, bytes32 hash) internal {
        if (has(faults, 1)) directory.setSuspended(hospital, true);
        if (has(faults, 2)) directory.register(hospital, 14, 0, "");
        if (has(faults, 3)) {
            vm.prank(hospital);
            policies.retract(record);
        }
        if (has(faults, 5)) {
            vm.prank(patient);
            registry.revoke(list(hash));
        }
        if (has(faults, 8)) {
            vm.prank(patient);
            registry.revokeAll(START);
        }
        if (has(faults, 9)) {
            vm.prank(patient);
            registry.suspend(true);
        }
        if (has(faults, 6)) {
            vm.prank(patient);
            registry.close();
        }
        address asking = has(faults, 12) ? relayer : journal;
        if (has(faults, 12)) directory.register(relayer, 2, 0, "");
        if (has(faults, 14)) directory.register(asking, 13, 0, "");
        if (has(faults, 13)) directory.setSuspended(asking, true);
        if (has(faults, 15)) policies.supersede(FORM, keccak256("form 2"), true);
        if (has(faults, 16)) policies.retract(TERMS);
    }

    function reasonOf(uint256 faults) internal pure returns (Reason) {
        Reason[18] memory reasons = [
            Reason.unknown_record,
            Reason.controller_not_listed,
            Reason.controller_not_listed,
            Reason.record_retracted,
            Reason.no_consent,
            Reason.revoked,
            Reason.closed,
            Reason.no_consent,
            Reason.revoked,
            Reason.suspended,
            Reason.not_yet_valid,
            Reason.expired,
            Reason.recipient_not_covered,
            Reason.recipient_suspended,
            Reason.recipient_not_covered,
            Reason.form_superseded,
            Reason.form_superseded,
            Reason.further_consent_needed
        ];
        for (uint256 fault = 0; fault < reasons.length; ++fault) {
            if (has(faults, fault)) return reasons[fault];
        }
        return Reason.permitted;
    }
}
