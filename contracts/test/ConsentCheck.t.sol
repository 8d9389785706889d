// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentCheck} from "../ConsentCheck.sol";
import {Directory} from "../Directory.sol";
import {PolicyRegistry} from "../PolicyRegistry.sol";
import {IConsentCheck, Reason} from "../interfaces/IConsentCheck.sol";
import {OpeningTypes} from "../libraries/OpeningTypes.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {vm} from "./support/Vm.sol";
import {OwnedWallet} from "./support/Wallets.sol";

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

    function test_cohort_ofAStewardAtItsOwnPlace() public {
        IConsentCheck.Opening memory o = forgeOpening();
        o.record.stewards = new address[](2);
        (o.record.stewards[0], o.record.stewards[1]) = (guardian, stranger);
        seal(o);
        bytes32 hash = hashOf(o);
        o.anchorings = new IConsentCheck.Anchoring[](3);
        o.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hash);
        o.anchorings[1] = anchoringOf(guardian, GUARDIAN_KEY, hash);
        o.anchorings[2] = anchoringOf(stranger, STRANGER_KEY, hash);
        for (uint256 i = 0; i < 3; ++i) registry.anchor(o.anchorings[i].root, 2);
        assertReason(o, Reason.permitted, "each at its place");
        (o.anchorings[1], o.anchorings[2]) = (o.anchorings[2], o.anchorings[1]);
        assertReason(o, Reason.further_consent_needed, "exchanged");
    }

    /// @dev One recorded by itself needs no anchoring, and its own time counts even where one is given.
    function test_cohort_recordedByItselfAsWell() public {
        IConsentCheck.Opening memory o = forgeAnchored();
        vm.warp(START + 5);
        vm.prank(patient);
        registry.revokeAll(START);
        vm.assertEq(uint256(checker.check(o, START + 5)), uint256(Reason.revoked), "the cohort ended");
        grantAs(patient, hashOf(o));
        vm.assertEq(uint256(checker.check(o, START + 5)), uint256(Reason.permitted), "granted later by itself");
    }

    /// @dev The subject may be a contract, which is asked as for any grant; only the subject's own word counts.
    function test_cohort_signers() public {
        IConsentCheck.Opening memory o = forgeOpening();
        address wallet = address(new OwnedWallet(stranger));
        o.record.subject = wallet;
        seal(o);
        o.anchorings = new IConsentCheck.Anchoring[](1);
        o.anchorings[0] = anchoringOf(wallet, STRANGER_KEY, hashOf(o));
        registry.anchor(o.anchorings[0].root, 2);
        assertReason(o, Reason.permitted, "signed by its owner");
        o.anchorings[0] = anchoringOf(wallet, PATIENT_KEY, hashOf(o));
        assertReason(o, Reason.no_consent, "signed by another");
        o = forgeAnchored();
        delegateAs(patient, guardian, GRANT);
        o.anchorings[0] = anchoringOf(patient, GUARDIAN_KEY, hashOf(o));
        assertReason(o, Reason.no_consent, "signed by a delegate");
        o.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        o.anchorings[0].signature = "";
        vm.prank(patient);
        vm.assertEq(uint256(checker.check(o, START)), uint256(Reason.no_consent), "asked by herself, unsigned");
    }

    /// @dev An anchoring counts up to and including the deadline of its Consent, and by its own time.
    function testFuzz_cohort_times(uint8 delay, uint8 before) public {
        IConsentCheck.Opening memory o = forgeOpening();
        o.anchorings = new IConsentCheck.Anchoring[](1);
        o.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        o.anchorings[0].deadline = START + 128;
        bytes32 message = consentHash(patient, o.anchorings[0].grantHashes, START + 128);
        o.anchorings[0].signature = sign(PATIENT_KEY, message);
        vm.warp(START + delay);
        registry.anchor(o.anchorings[0].root, 2);
        vm.warp(START + 300);
        vm.prank(patient);
        registry.revokeAll(START + before);
        Reason expected = delay > 128 ? Reason.no_consent : delay <= before ? Reason.revoked : Reason.permitted;
        vm.assertEq(uint256(checker.check(o, START)), uint256(expected), "reason");
        vm.chainId(99);
        uint256 elsewhere = uint256(checker.check(o, START));
        vm.chainId(31337);
        vm.assertEq(elsewhere, uint256(Reason.no_consent), "the Consent was signed for one chain");
    }

    /// @dev The grant may stand anywhere in the Consent, and nowhere means nowhere.
    function testFuzz_cohort_placeInTheConsent(bytes32 seed, uint8 length, uint256 where) public {
        bytes32[] memory hashes = new bytes32[](1 + (length % 9));
        for (uint256 i = 0; i < hashes.length; ++i) hashes[i] = keccak256(abi.encode(seed, i));
        IConsentCheck.Opening memory o = forgeAnchored();
        for (uint256 i = 0; i < 2; ++i) {
            o.anchorings[0].grantHashes = hashes;
            bytes32 message = consentHash(patient, hashes, START);
            o.anchorings[0].signature = sign(PATIENT_KEY, message);
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
        IConsentCheck.Opening memory o = forgeOpening();
        o.grant.validUntil = until;
        grantAs(patient, hashOf(o));
        uint64[6] memory instants = [FROM - 1, FROM, FROM + 1, until - 1, until, until + 1];
        (uint64 mined, uint64 asked) = (instants[(pair_ / 6) % 6], instants[pair_ % 6]);
        vm.warp(mined);
        Reason expected = Reason.permitted;
        if (mined >= until || asked >= until) expected = Reason.expired;
        if (mined < FROM || asked < FROM) expected = Reason.not_yet_valid;
        vm.assertEq(uint256(checker.check(o, asked)), uint256(expected), "reason");
    }

    /// @dev A listed recipient, asked for by name or as any: named, suspended and its role, in this order.
    function testFuzz_5_recipients(uint8 roles, bool suspended, uint8 named) public {
        IConsentCheck.Opening memory o = forgeOpening();
        o.grant.recipient = [journal, address(0), stranger][named % 3];
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
        IConsentCheck.Opening memory o = forgeOpening();
        o.record.stewards = new address[](1);
        o.record.stewards[0] = guardian;
        o.grant.purposes = new string[](1);
        o.grant.channels = new string[](1);
        seal(o);
        grantAs(patient, hashOf(o));
        grantAs(guardian, hashOf(o));
        assertReason(o, Reason.permitted, "as it was hashed");
        field %= 17;
        string memory text = string(abi.encode(other));
        address party = address(uint160(uint256(other)));
        vm.assume(party != hospital && party != patient && party != guardian && party != journal);
        vm.assume(uint64(uint256(other)) > START - 100 && other != o.record.salt && other != o.grant.salt);
        if (field == 0) o.record.controller = party;
        if (field == 1) o.record.subject = party;
        if (field == 2) o.record.stewards[0] = party;
        if (field == 3) o.record.stewards = new address[](0);
        if (field == 4) o.record.title = text;
        if (field == 5) o.record.items[0] = other;
        if (field == 6) o.record.createdAt = uint64(uint256(other));
        if (field == 7) o.record.salt = other;
        if (field == 8) o.grant.summary = text;
        if (field == 9) o.grant.items[0] = text;
        if (field == 10) o.grant.purposes[0] = text;
        if (field == 11) o.grant.channels[0] = text;
        if (field == 12) o.grant.onward = text;
        if (field == 13) o.grant.validFrom = START - 11;
        if (field == 14) o.grant.validUntil = UNTIL + 1;
        if (field == 15) o.grant.form = other;
        if (field == 16) o.grant.salt = other;
        assertReason(o, field < 8 ? Reason.unknown_record : Reason.no_consent, "exchanged");
    }

    /// @dev Every combination of what can be wrong: the first in the order of the decision gives the reason.
    function testFuzz_theFirstFaultGivesTheReason(uint256 faults) public {
        // Few faults at a time, or the first of them would always be one of the first.
        faults &= uint256(keccak256(abi.encode(faults))) & uint256(keccak256(abi.encode(~faults)));
        IConsentCheck.Opening memory o = forgeOpening();
        o.record.stewards = new address[](1);
        o.record.stewards[0] = guardian;
        seal(o);
        if (has(faults, 4)) o.grant.record = keccak256("another record");
        if (has(faults, 10)) o.grant.validFrom = START + 1;
        if (has(faults, 11)) o.grant.validUntil = START;
        if (has(faults, 12)) o.recipient = relayer;
        bytes32 hash = hashOf(o);
        if (!has(faults, 7)) grantAs(patient, hash);
        if (!has(faults, 17)) grantAs(guardian, hash);
        breakState(faults, o.recordHash, hash);
        if (has(faults, 0)) o.record.title = "Another case";
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
