// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentCheck} from "../../ConsentCheck.sol";
import {Directory} from "../../Directory.sol";
import {PolicyRegistry} from "../../PolicyRegistry.sol";
import {IConsentCheck, Reason} from "../../interfaces/IConsentCheck.sol";
import {OpeningTypes} from "../../libraries/OpeningTypes.sol";
import {Asked} from "./Asked.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {vm} from "./Vm.sol";

/// @notice A consent check and openings to ask it about. This test is the consortium and the issuer of forms.
abstract contract CheckTest is RegistryTest {
    address internal constant hospital = address(0xa0501a1);
    address internal constant journal = address(0x10a57a1);
    bytes32 internal constant FORM = keccak256("form");
    bytes32 internal constant TERMS = keccak256("terms of the channel");
    uint64 internal constant FROM = START - 10;
    uint64 internal constant UNTIL = START + 10 days;

    Directory internal directory;
    PolicyRegistry internal policies;
    ConsentCheck internal checker;

    function setUp() public virtual override {
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
    function forgeOpening() internal view returns (Asked memory o) {
        o.evidence.record.controller = hospital;
        o.evidence.record.subject = patient;
        o.evidence.record.title = "Case report";
        o.evidence.record.items = list(keccak256("item"));
        o.evidence.record.createdAt = START - 100;
        o.evidence.record.salt = keccak256("salt of the record");
        o.evidence.grant.summary = "Allows the journal to publish the case.";
        o.evidence.grant.recipient = journal;
        o.evidence.grant.items = new string[](1);
        o.evidence.grant.items[0] = "*";
        o.evidence.grant.onward = "none";
        o.evidence.grant.validFrom = FROM;
        o.evidence.grant.validUntil = UNTIL;
        o.evidence.grant.form = FORM;
        o.evidence.grant.salt = keccak256("salt of the grant");
        o.question.recipient = journal;
        o.question.form = IConsentCheck.Document(address(this), FORM);
        o.question.terms = IConsentCheck.Document(address(this), TERMS);
        seal(o);
    }

    function seal(Asked memory o) internal pure {
        o.question.record = OpeningTypes.hash(o.evidence.record);
        o.evidence.grant.record = o.question.record;
    }

    function hashOf(Asked memory o) internal pure returns (bytes32) {
        return OpeningTypes.hash(o.evidence.grant);
    }

    /// @dev The same, and the patient granted it.
    function forgeGranted() internal returns (Asked memory o) {
        o = forgeOpening();
        grantAs(patient, hashOf(o));
    }

    function assertReason(Asked memory o, Reason expected, string memory why) internal view {
        assertReasonAt(o, START, expected, why);
    }

    function assertReasonAt(Asked memory o, uint64 time, Reason expected, string memory why) internal view {
        vm.assertEq(uint256(checker.check(o.question, o.evidence, time)), uint256(expected), why);
    }

    // A cohort of two: the patient and a sibling leaf.

    function leafOf(address subject, bytes32 grantHash) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(subject, grantHash))));
    }

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function forgeAnchored() internal returns (Asked memory o) {
        o = forgeOpening();
        o.evidence.anchorings = new IConsentCheck.Anchoring[](1);
        o.evidence.anchorings[0] = anchoringOf(patient, PATIENT_KEY, hashOf(o));
        registry.anchor(o.evidence.anchorings[0].root, 2);
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

    /// @dev Her consent in a cohort of which it is the only leaf.
    function again(Asked memory o, uint64 deadline) internal view returns (IConsentCheck.Anchoring memory a) {
        a.root = leafOf(patient, hashOf(o));
        a.grantHashes = list(hashOf(o));
        a.deadline = deadline;
        a.signature = sign(PATIENT_KEY, consentHash(patient, a.grantHashes, deadline));
    }
}
