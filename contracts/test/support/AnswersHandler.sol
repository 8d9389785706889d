// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentCheck} from "../../ConsentCheck.sol";
import {Directory} from "../../Directory.sol";
import {PolicyRegistry} from "../../PolicyRegistry.sol";
import {IConsentCheck, Reason} from "../../interfaces/IConsentCheck.sol";
import {Cohort} from "../../libraries/Cohort.sol";
import {OpeningTypes} from "../../libraries/OpeningTypes.sol";
import {Asked} from "./Asked.sol";
import {Dice} from "./Dice.sol";
import {RegistryTest} from "./RegistryTest.sol";
import {vm} from "./Vm.sol";

/// @notice Grants that reach the chain by themselves, in cohorts, or in cohorts that somebody made up, and what is answered
/// about them.
/// @dev One record has the guardian as a steward, who must have granted too.
contract AnswersHandler is RegistryTest {
    uint256 private constant GRANTS = 3;
    address private constant hospital = address(0xa0501a1);
    address private constant journal = address(0x10a57a1);
    bytes32 private constant FORM = keccak256("form");

    Directory private _directory;
    PolicyRegistry private _policies;
    ConsentCheck private _checker;

    /// @dev How one of the two may have granted, as whoever asks presents it.
    /// @param signedAt when the subject really signed; with honest evidence only
    struct Evidence {
        uint256 grant;
        address subject;
        bool honest;
        uint64 signedAt;
        IConsentCheck.Anchoring anchoring;
    }

    Evidence[] private _evidence;
    uint64 private _clock = START;
    uint256 public permitted;
    uint256 public denied;
    uint256 public wronglyPermitted;
    uint256 public wronglyDenied;
    uint256 public permittedByCohort;
    uint256 public returned;
    uint256 public heldBack;
    uint256 public forged;

    mapping(address subject => mapping(uint256 grant => uint64)) private _grantedAt;
    mapping(address subject => mapping(uint256 grant => bool)) private _revoked;
    mapping(address subject => uint64) private _revokedBefore;
    mapping(address subject => bool) private _suspended;
    mapping(bytes32 root => uint64) private _anchored;
    mapping(address party => bool) private _unlisted;

    constructor() {
        setUp();
        _directory = new Directory(address(this));
        _policies = new PolicyRegistry();
        _checker = new ConsentCheck(registry, _directory, _policies);
        _directory.register(hospital, 1, 0, "");
        _directory.register(journal, 2, 0, "");
        _policies.publish(FORM);
        Evidence storage none = _evidence.push();
        none.honest = true;
    }

    // actions

    function grantAlone(uint256 seed) external {
        (address subject, uint256 index, ) = _begin(seed);
        vm.prank(subject);
        try registry.grant(list(_hash(index))) {
            _grantedAt[subject][index] = _clock;
        } catch {}
    }

    /// @dev A signed consent, and a cohort in which it lies; anchored at once or later.
    function joinCohort(uint256 seed) external {
        (address subject, uint256 index, Dice memory dice) = _begin(seed);
        uint64[4] memory lives = [uint64(30 days), 30 days, 30 days - 2 hours, 0];
        uint64 deadline = _clock + lives[dice.roll(4)];
        _present(subject, index, deadline, subject == patient ? PATIENT_KEY : GUARDIAN_KEY, dice, true);
    }

    /// @dev Somebody who has a signed consent puts it into another cohort, at a time of their choice.
    function joinAgain(uint256 seed) external {
        (, , Dice memory dice) = _begin(seed);
        Evidence memory old = _evidence[dice.roll(_evidence.length)];
        if (old.subject == address(0)) return;
        bytes32 neighbour = keccak256(abi.encode(dice.roll(1000)));
        old.anchoring.root = _pair(Cohort.leaf(old.subject, _hash(old.grant)), neighbour);
        old.anchoring.proof = list(neighbour);
        _evidence.push(old);
        _anchor(old.anchoring.root);
    }

    /// @dev Somebody who has a signed consent records it by itself.
    function record(uint256 seed) external {
        (, , Dice memory dice) = _begin(seed);
        Evidence memory e = _evidence[dice.roll(_evidence.length)];
        IConsentCheck.Anchoring memory a = e.anchoring;
        try registry.grantFor(e.subject, a.grantHashes, a.deadline, e.subject, a.signature) {
            if (e.signedAt <= _revokedBefore[e.subject]) ++returned;
            if (e.honest) _grantedAt[e.subject][e.grant] = _clock;
        } catch {
            if (e.honest && e.signedAt <= _revokedBefore[e.subject]) ++heldBack;
        }
    }

    /// @dev The same cohort, but the subject did not sign, or signed something else.
    function forgeCohort(uint256 seed) external {
        (address subject, uint256 index, Dice memory dice) = _begin(seed);
        _present(subject, index, _clock + 1 days, STRANGER_KEY, dice, false);
        ++forged;
    }

    function anchor(uint256 seed) external {
        _begin(seed);
        _anchor(_evidence[seed % _evidence.length].anchoring.root);
    }

    function revoke(uint256 seed) external {
        (address subject, uint256 index, Dice memory dice) = _begin(seed);
        if (!dice.oneIn(3)) return;
        vm.prank(subject);
        registry.revoke(list(_hash(index)));
        _revoked[subject][index] = true;
    }

    function revokeAll(uint256 seed) external {
        (address subject, , Dice memory dice) = _begin(seed);
        if (!dice.oneIn(3)) return;
        vm.prank(subject);
        registry.revokeAll(_clock);
        _revokedBefore[subject] = _clock;
    }

    function suspend(uint256 seed) external {
        (address subject, , Dice memory dice) = _begin(seed);
        bool suspended = dice.oneIn(4);
        vm.prank(subject);
        try registry.suspend(suspended) {
            _suspended[subject] = suspended;
        } catch {}
    }

    function suspendParty(uint256 seed) external {
        (, , Dice memory dice) = _begin(seed);
        address party = dice.oneIn(2) ? hospital : journal;
        _unlisted[party] = dice.oneIn(6);
        _directory.setSuspended(party, _unlisted[party]);
    }

    function wait(uint256 seed) external {
        _clock += uint64(1 + (seed % (seed % 5 == 0 ? 20 days : 1 hours)));
    }

    /// @dev Whether the answer is yes exactly when it should be, with any two pieces of evidence.
    function ask(uint256 seed) external {
        (, uint256 index, Dice memory dice) = _begin(seed);
        Evidence memory own = _pick(dice, index, patient);
        Evidence memory other = _pick(dice, index, guardian);
        Asked memory o = _opening(index);
        o.evidence.anchorings = new IConsentCheck.Anchoring[](2);
        (o.evidence.anchorings[0], o.evidence.anchorings[1]) = (own.anchoring, other.anchoring);
        bool yes = _checker.check(o.question, o.evidence, _clock) == Reason.permitted;
        bool expected = _stands(patient, index, own) && (!_hasSteward(index) || _stands(guardian, index, other));
        expected = expected && !_unlisted[hospital] && !_unlisted[journal];
        if (yes && !expected) ++wronglyPermitted;
        if (yes && (_isOver(patient, index, own) || (_hasSteward(index) && _isOver(guardian, index, other)))) ++returned;
        if (!yes && expected) ++wronglyDenied;
        if (yes) ++permitted;
        else ++denied;
    }

    // what is so

    /// @dev The only word there is for it was said before everything was revoked, whatever somebody did with it since.
    function _isOver(address subject, uint256 index, Evidence memory evidence) private view returns (bool) {
        return _grantedAt[subject][index] == 0 && evidence.signedAt <= _revokedBefore[subject];
    }

    function _stands(address subject, uint256 index, Evidence memory evidence) private returns (bool) {
        uint64 time = _grantedAt[subject][index];
        if (time == 0 && evidence.honest && evidence.subject == subject && evidence.grant == index) {
            uint64 first = evidence.anchoring.deadline - 30 days;
            time = _anchored[evidence.anchoring.root];
            if (time > evidence.anchoring.deadline || time < first) time = 0;
            if (time != 0) (time, permittedByCohort) = (first, permittedByCohort + 1);
        }
        bool ended = _revoked[subject][index] || time <= _revokedBefore[subject];
        return time != 0 && !ended && !_suspended[subject];
    }

    function _pick(Dice memory dice, uint256 index, address subject) private view returns (Evidence memory found) {
        bytes32 root = _evidence[dice.roll(_evidence.length)].anchoring.root;
        uint256 first = dice.roll(_evidence.length);
        for (uint256 i = 0; i < _evidence.length; ++i) {
            found = _evidence[(first + i) % _evidence.length];
            if (found.subject == subject && found.grant == index) break;
        }
        // The same evidence, said to lie in another cohort.
        if (!dice.oneIn(6) || root == found.anchoring.root) return found;
        found.anchoring.root = root;
        found.honest = false;
    }

    function _present(
        address subject,
        uint256 index,
        uint64 deadline,
        uint256 key,
        Dice memory dice,
        bool honest
    ) private {
        bytes32 grantHash = _hash(index);
        bytes32 neighbour = keccak256(abi.encode(dice.roll(1000)));
        IConsentCheck.Anchoring memory a;
        a.proof = list(neighbour);
        bytes32 leaf = Cohort.leaf(subject, grantHash);
        a.root = _pair(leaf, neighbour);
        a.grantHashes = dice.oneIn(2) ? list(grantHash) : list(grantHash, neighbour);
        a.deadline = deadline;
        bytes32[] memory said = a.grantHashes;
        // Her own signature, of a consent to something else.
        if (!honest && dice.oneIn(2)) {
            said = list(neighbour);
            key = subject == patient ? PATIENT_KEY : GUARDIAN_KEY;
            if (dice.oneIn(2)) a.grantHashes = said;
        }
        a.signature = sign(key, consentHash(subject, said, deadline));
        Evidence storage evidence = _evidence.push();
        (evidence.grant, evidence.subject, evidence.honest, evidence.anchoring) = (index, subject, honest, a);
        evidence.signedAt = _clock;
        if (dice.oneIn(2)) _anchor(a.root);
    }

    function _pair(bytes32 a, bytes32 b) private pure returns (bytes32) {
        return a < b ? keccak256(abi.encode(a, b)) : keccak256(abi.encode(b, a));
    }

    function _anchor(bytes32 root) private {
        if (root == 0) return;
        registry.anchor(root, 2);
        if (_anchored[root] == 0) _anchored[root] = _clock;
    }

    function _begin(uint256 seed) private returns (address subject, uint256 index, Dice memory dice) {
        vm.warp(_clock);
        dice = Dice(seed);
        subject = dice.oneIn(2) ? patient : guardian;
        index = dice.roll(GRANTS);
    }

    function _opening(uint256 index) private view returns (Asked memory o) {
        o.evidence.record.controller = hospital;
        o.evidence.record.subject = patient;
        o.evidence.record.stewards = new address[](_hasSteward(index) ? 1 : 0);
        if (_hasSteward(index)) o.evidence.record.stewards[0] = guardian;
        o.question.record = OpeningTypes.hash(o.evidence.record);
        o.evidence.grant.record = o.question.record;
        o.evidence.grant.recipient = journal;
        o.evidence.grant.validUntil = type(uint64).max;
        o.evidence.grant.form = FORM;
        o.evidence.grant.salt = bytes32(index);
        o.question.recipient = journal;
        o.question.form = IConsentCheck.Document(address(this), FORM);
    }

    function _hasSteward(uint256 index) private pure returns (bool) {
        return index != 0;
    }

    function _hash(uint256 index) private view returns (bytes32) {
        return OpeningTypes.hash(_opening(index).evidence.grant);
    }
}
