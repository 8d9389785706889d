// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentCheck} from "../ConsentCheck.sol";
import {Directory} from "../Directory.sol";
import {PolicyRegistry} from "../PolicyRegistry.sol";
import {IConsentCheck, Reason} from "../interfaces/IConsentCheck.sol";
import {OpeningTypes} from "../libraries/OpeningTypes.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {vm} from "./support/Vm.sol";

/// @notice One permitted opening, and every way to break it. This test is the consortium and the issuer of forms.
contract ConsentCheckTest is RegistryTest {
    address internal constant hospital = address(0xa0501a1);
    address internal constant journal = address(0x10a57a1);
    bytes32 internal constant FORM = keccak256("form");
    bytes32 internal constant TERMS = keccak256("terms of the channel");
    uint64 internal constant FROM = START - 10;
    uint64 internal constant UNTIL = START + 10 days;

    Directory internal directory;
    PolicyRegistry internal policies;
    ConsentCheck internal checker;

    function setUp() public override {
        super.setUp();
        directory = new Directory(address(this));
        policies = new PolicyRegistry();
        checker = new ConsentCheck(registry, directory, policies);
        directory.register(hospital, 1, 0, "");
        directory.register(journal, 2, 0, "");
        policies.publish(FORM);
        policies.publish(TERMS);
    }

    /// @dev An opening that would be permitted as soon as its grant stands.
    function forgeOpening() internal view returns (IConsentCheck.Opening memory o) {
        o.record.controller = hospital;
        o.record.subject = patient;
        o.record.title = "Case report";
        o.record.items = list(keccak256("item"));
        o.record.createdAt = START - 100;
        o.record.salt = keccak256("salt of the record");
        o.grant.summary = "Allows the journal to publish the case.";
        o.grant.recipient = journal;
        o.grant.items = new string[](1);
        o.grant.items[0] = "*";
        o.grant.onward = "none";
        o.grant.validFrom = FROM;
        o.grant.validUntil = UNTIL;
        o.grant.form = FORM;
        o.grant.salt = keccak256("salt of the grant");
        o.recipient = journal;
        o.formIssuer = address(this);
        o.terms = IConsentCheck.Terms(address(this), TERMS);
        seal(o);
    }

    function seal(IConsentCheck.Opening memory o) internal pure {
        o.recordHash = OpeningTypes.hash(o.record);
        o.grant.record = o.recordHash;
    }

    function hashOf(IConsentCheck.Opening memory o) internal pure returns (bytes32) {
        return OpeningTypes.hash(o.grant);
    }

    /// @dev The same, and the patient granted it.
    function forgeGranted() internal returns (IConsentCheck.Opening memory o) {
        o = forgeOpening();
        grantAs(patient, hashOf(o));
    }

    function assertReason(IConsentCheck.Opening memory o, Reason expected, string memory why) internal view {
        vm.assertEq(uint256(checker.check(o, START)), uint256(expected), why);
    }

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
        IConsentCheck.Opening memory o = forgeGranted();
        o.record.title = "Another case";
        assertReason(o, Reason.unknown_record, "the opening is of another record");
        o = forgeOpening();
        directory.setSuspended(hospital, true);
        assertReason(o, Reason.controller_not_listed, "suspended");
        directory.setSuspended(hospital, false);
        directory.register(hospital, 2, 0, "");
        assertReason(o, Reason.controller_not_listed, "in another role");
        directory.register(hospital, 1, 0, "");
        policies.retract(o.recordHash);
        assertReason(o, Reason.permitted, "somebody else retracted it");
        vm.prank(hospital);
        policies.retract(o.recordHash);
        assertReason(o, Reason.record_retracted, "retracted");
    }

    function test_2_grantOfThisRecord() public {
        IConsentCheck.Opening memory o = forgeOpening();
        o.grant.record = keccak256("another record");
        grantAs(patient, hashOf(o));
        assertReason(o, Reason.no_consent, "for another record");
    }

    function test_3_standing() public {
        IConsentCheck.Opening memory o = forgeOpening();
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
        IConsentCheck.Opening memory o = forgeGranted();
        vm.assertEq(uint256(checker.check(o, FROM - 1)), uint256(Reason.not_yet_valid), "the time asked is too early");
        vm.assertEq(uint256(checker.check(o, FROM)), 0, "at its first second");
        vm.assertEq(uint256(checker.check(o, UNTIL - 1)), 0, "in its last second");
        vm.assertEq(uint256(checker.check(o, UNTIL)), uint256(Reason.expired), "the time asked is too late");
        vm.warp(UNTIL);
        assertReason(o, Reason.expired, "the block is too late");
        vm.warp(FROM - 1);
        assertReason(o, Reason.not_yet_valid, "the block is too early");
    }

    function test_5_recipient() public {
        IConsentCheck.Opening memory o = forgeGranted();
        o.recipient = stranger;
        assertReason(o, Reason.recipient_not_covered, "another one asks");
        o.recipient = journal;
        directory.setSuspended(journal, true);
        assertReason(o, Reason.recipient_suspended, "suspended");
        directory.setSuspended(journal, false);
        directory.register(journal, 1, 0, "");
        assertReason(o, Reason.recipient_not_covered, "in another role");
    }

    function test_5_anyListedRecipient() public {
        IConsentCheck.Opening memory o = forgeOpening();
        o.grant.recipient = address(0);
        grantAs(patient, hashOf(o));
        assertReason(o, Reason.permitted, "listed");
        o.recipient = stranger;
        assertReason(o, Reason.recipient_not_covered, "not listed");
    }

    function test_9_formAndTerms() public {
        IConsentCheck.Opening memory o = forgeGranted();
        policies.supersede(FORM, keccak256("form 2"), false);
        assertReason(o, Reason.permitted, "an immaterial change");
        policies.supersede(keccak256("form 2"), keccak256("form 3"), true);
        assertReason(o, Reason.form_superseded, "a material change");
    }

    function test_9_termsOfTheChannel() public {
        IConsentCheck.Opening memory o = forgeGranted();
        policies.retract(TERMS);
        assertReason(o, Reason.form_superseded, "retracted");
        o.terms.hash = 0;
        assertReason(o, Reason.permitted, "the form names none");
        o.formIssuer = stranger;
        assertReason(o, Reason.form_superseded, "another issuer never published the form");
    }

    function test_10_stewards() public {
        IConsentCheck.Opening memory o = forgeOpening();
        o.record.stewards = new address[](2);
        (o.record.stewards[0], o.record.stewards[1]) = (guardian, stranger);
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

    // A cohort of two: the patient and a sibling leaf.

    function leafOf(address subject, bytes32 grantHash) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(subject, grantHash))));
    }

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function forgeAnchored() internal returns (IConsentCheck.Opening memory o) {
        o = forgeOpening();
        o.anchorings = new IConsentCheck.Anchoring[](1);
        o.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        registry.anchor(o.anchorings[0].root, 2);
    }

    function anchoringOf(
        address subject,
        uint256 key,
        bytes32 hash
    ) internal view returns (IConsentCheck.Anchoring memory a) {
        bytes32 sibling = keccak256("sibling leaf");
        a.root = pair(leafOf(subject, hash), sibling);
        a.proof = list(sibling);
        a.grantHashes = list(keccak256("another grant"), hash);
        a.deadline = START;
        a.signature = sign(key, consentHash(subject, a.grantHashes, a.deadline));
    }

    function test_cohort_permits() public {
        assertReason(forgeAnchored(), Reason.permitted, "anchored and signed");
    }

    function test_cohort_everyPartIsNeeded() public {
        IConsentCheck.Opening memory o = forgeAnchored();
        o.anchorings[0].root = keccak256("never anchored");
        assertReason(o, Reason.no_consent, "root");
        o.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        o.anchorings[0].proof[0] = keccak256("another sibling");
        assertReason(o, Reason.no_consent, "proof");
        o.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        o.anchorings[0].grantHashes = list(keccak256("another grant"));
        assertReason(o, Reason.no_consent, "grant hashes");
        o.anchorings[0] = anchoringOf(patient, STRANGER_KEY, hashOf(o));
        assertReason(o, Reason.no_consent, "signature");
        o.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        o.anchorings[0].deadline = START - 1;
        assertReason(o, Reason.no_consent, "deadline");
    }

    function test_cohort_signedInTimeCountsAsTheConsentSays() public {
        IConsentCheck.Opening memory o = forgeOpening();
        o.anchorings = new IConsentCheck.Anchoring[](1);
        o.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        vm.warp(START + 1);
        registry.anchor(o.anchorings[0].root, 2);
        assertReason(o, Reason.no_consent, "anchored after the deadline");
    }

    function test_cohort_isWithdrawnOneByOne() public {
        IConsentCheck.Opening memory o = forgeAnchored();
        vm.prank(patient);
        registry.revoke(list(hashOf(o)));
        assertReason(o, Reason.revoked, "revoked");
    }

    function test_cohort_isWithdrawnByRevokeAll() public {
        IConsentCheck.Opening memory o = forgeAnchored();
        vm.prank(patient);
        registry.revokeAll(START);
        assertReason(o, Reason.revoked, "everything revoked");
    }

    function test_cohort_holdsForStewardsToo() public {
        IConsentCheck.Opening memory o = forgeOpening();
        o.record.stewards = new address[](1);
        o.record.stewards[0] = guardian;
        seal(o);
        grantAs(patient, hashOf(o));
        o.anchorings = new IConsentCheck.Anchoring[](2);
        o.anchorings[1] = anchoringOf(guardian, GUARDIAN_KEY, hashOf(o));
        assertReason(o, Reason.further_consent_needed, "not anchored");
        registry.anchor(o.anchorings[1].root, 2);
        assertReason(o, Reason.permitted, "anchored");
    }
}
