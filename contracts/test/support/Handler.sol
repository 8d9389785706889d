// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentRegistry} from "../../ConsentRegistry.sol";
import {IConsentRecords} from "../../interfaces/IConsentRecords.sol";
import {Dice} from "./Dice.sol";
import {Drawing} from "./Drawing.sol";
import {Ledger} from "./Ledger.sol";
import {Vm, vm} from "./Vm.sol";

/// @notice Does to a registry whatever anybody can do, says beforehand what must come of it, and remembers what did.
/// @dev It never reverts on a finding: it counts it under a name in `findings`, so that the invariant of that name fails.
contract Handler is Drawing {
    using Ledger for Ledger.Replay;

    enum Outcome {
        Refused,
        WithoutEffect,
        Done
    }

    /// @dev What else can happen; the first are refusals of words that had one fault only.
    enum Else {
        OtherRefusal,
        RefusedForFault1,
        RefusedForFault2,
        RefusedForFault3,
        RefusedForFault4,
        RefusedForFault5,
        RefusedForFault6,
        RefusedForFault7,
        BatchGranted,
        BatchRefused,
        ReplayRefused,
        ReplayWithoutEffect,
        Anchored,
        AnchoredAgain,
        AnchorRefused,
        Waited,
        CodeChanged,
        PaymentRefused,
        ByAnAccountWithCode,
        ByAContractWallet,
        ByADelegate,
        ByAContractDelegate
    }

    enum Finding {
        ValidCallRefused,
        HostileCallAccepted,
        HostileCallHadAnEffect,
        EffectNotAsAsked,
        UnauthorisedChange,
        TimeWentBack,
        ChangeAfterClosing,
        ReplayHadAnEffect,
        EtherTaken
    }

    uint256 private constant WORDS = 6 * 3 * 3;
    uint256 public constant EVENTUALITIES = WORDS + uint256(type(Else).max) + 1;

    uint256 public constant ROOTS = 12;
    uint256 public calls;
    /// @dev Relayed calls that had their effect, to be sent again.
    bytes[] internal history;

    mapping(Finding what => uint256) public findings;
    mapping(uint256 eventuality => uint256) public happened;

    mapping(address subject => bytes) private _withdrawal;
    mapping(address subject => bytes) private _withdrawalOfAll;
    mapping(address subject => bytes) private _closure;

    constructor() payable {
        setUp();
        replay.start(address(registry));
        for (uint256 i = 0; i < subjects.length; ++i) {
            address subject = subjects[i];
            for (uint256 j = 0; j < delegates.length; ++j) delegation[subject][delegates[j]].narrows = true;
            _withdrawal[subject] = signed(subject, true, revocationHash(subject, allGrants()));
            _withdrawalOfAll[subject] = signed(subject, true, revokeAllHash(subject, type(uint64).max));
            _closure[subject] = signed(subject, true, closureHash(subject));
        }
    }

    // actions

    function grant(uint256 seed) external {
        _act(Kind.Grant, seed);
    }

    function revoke(uint256 seed) external {
        _act(Kind.Revoke, seed);
    }

    function revokeAll(uint256 seed) external {
        _act(Kind.RevokeAll, seed);
    }

    function suspend(uint256 seed) external {
        _act(Kind.Suspend, seed);
    }

    /// @dev Rarer than the others, so that there is somebody left to do the others.
    function close(uint256 seed) external {
        _act(seed % 3 == 0 ? Kind.Close : Kind.Grant, seed);
    }

    function delegate(uint256 seed) external {
        _act(Kind.Delegate, seed);
    }

    /// @dev One to three consents of different subjects in one transaction, sometimes one of them twice.
    function grantForMany(uint256 seed) external {
        vm.warp(clock);
        ++calls;
        Dice memory dice = Dice(seed);
        uint256 count = dice.roll(4);
        bool twice = count > 1 && dice.oneIn(6);
        Word[] memory words = new Word[](count);
        IConsentRecords.ConsentCall[] memory batch = new IConsentRecords.ConsentCall[](count);
        bool valid = count != 0 && !twice;
        uint256 first = dice.roll(subjects.length);
        for (uint256 i = 0; i < count; ++i) {
            words[i] = _draw(Kind.Grant, dice);
            words[i].way = Way.Relayed;
            words[i].subject = subjects[(first + i) % subjects.length];
            if (words[i].fault == Fault.None && dice.roll(4) != 0) words[i].signer = words[i].subject;
            if (twice && i == 1) words[i] = words[0];
            batch[i] = _consentCall(words[i]);
            if (!_isValid(words[i])) valid = false;
        }
        uint256 effects = 0;
        for (uint256 i = 0; i < count; ++i) effects += words[i].hashes.length;
        _perform(relayer, abi.encodeCall(registry.grantForMany, (batch)), words, valid, effects);
        _note(valid ? Else.BatchGranted : Else.BatchRefused);
    }

    /// @dev Somebody sends a relayed call again that had its effect: nothing may come of it, in whatever state.
    function replayed(uint256 seed) external {
        vm.warp(clock);
        ++calls;
        if (history.length == 0) return;
        bytes32 head = registry.head();
        vm.recordLogs();
        vm.prank(stranger);
        (bool success, ) = address(registry).call(history[seed % history.length]);
        if (registry.head() != head || _logs(success).length != 0) ++findings[Finding.ReplayHadAnEffect];
        _note(success ? Else.ReplayWithoutEffect : Else.ReplayRefused);
    }

    function anchor(uint256 seed) external {
        vm.warp(clock);
        ++calls;
        Dice memory dice = Dice(seed);
        bytes32 root = dice.oneIn(8) ? bytes32(0) : bytes32(1 + dice.roll(ROOTS));
        uint32 size = dice.oneIn(8) ? 0 : uint32(1 + dice.roll(3));
        bool valid = root != 0 && size != 0;
        bool news = anchoredFirst[root] == 0;
        if (valid && news) anchoredFirst[root] = clock;
        bytes memory call = abi.encodeCall(registry.anchor, (root, size));
        bool success = _perform(dice.oneIn(2) ? stranger : relayer, call, new Word[](0), valid, news ? 1 : 0);
        _note(!success ? Else.AnchorRefused : news ? Else.Anchored : Else.AnchoredAgain);
    }

    function wait(uint256 seed) external {
        Dice memory dice = Dice(seed);
        uint32[6] memory lengths = [uint32(1), 1, 12, 14 minutes, 1 hours, 40 days];
        bool soon = newest.validUntil > clock && newest.validUntil <= clock + 60 days;
        clock = soon && dice.oneIn(4) ? newest.validUntil : clock + lengths[dice.roll(6)];
        ++calls;
        _note(Else.Waited);
    }

    /// @dev The sister's account gets code through EIP-7702, other code, or none again.
    function changeCode(uint256 seed) external {
        setCode(sister, Code(seed % 3));
        ++calls;
        _note(Else.CodeChanged);
    }

    /// @dev Ether sent to the registry, with and without a call, comes back.
    function pay(uint256 seed) external {
        vm.warp(clock);
        ++calls;
        bytes[4] memory data = [
            bytes(""),
            abi.encodeCall(registry.close, ()),
            abi.encodeCall(registry.revokeAll, (clock)),
            abi.encodeCall(registry.anchor, (bytes32(seed), 1))
        ];
        (bool success, ) = address(registry).call{value: 1}(data[seed % 4]);
        if (success) ++findings[Finding.EtherTaken];
        _note(Else.PaymentRefused);
    }

    // one word, from drawing it to judging what came of it

    function _act(Kind kind, uint256 seed) private {
        vm.warp(clock);
        ++calls;
        Word[] memory words = new Word[](1);
        words[0] = _draw(kind, Dice(seed));
        Word memory word = words[0];
        bool valid = _isValid(word);
        uint256 effects = valid ? _effects(word) : 0;
        bytes memory call = word.way == Way.Own ? _ownCall(word) : _callFor(word);
        bool success = _perform(_sender(word), call, words, valid, effects);
        Outcome outcome = !success ? Outcome.Refused : effects == 0 ? Outcome.WithoutEffect : Outcome.Done;
        ++happened[_eventuality(kind, word.way, outcome)];
        if (!success && _isAuthorised(_without(word))) _note(Else(uint256(word.fault)));
        // A `before` in the future ends, each time it is sent, what was granted until then: so it is documented.
        bool repeats = kind == Kind.RevokeAll && word.instant > clock;
        if (word.way == Way.Relayed && effects != 0 && !repeats) history.push(call);
        if (!success) return;
        if (word.signer != word.subject) _note(word.signer == clinic ? Else.ByAContractDelegate : Else.ByADelegate);
        else if (word.subject == wallet) _note(Else.ByAContractWallet);
        else if (codeOf(word.subject) != Code.None) _note(Else.ByAnAccountWithCode);
    }

    function _note(Else what) private {
        ++happened[WORDS + uint256(what)];
    }

    function _eventuality(Kind kind, Way way, Outcome outcome) private pure returns (uint256) {
        return (uint256(kind) * 3 + uint256(way)) * 3 + uint256(outcome);
    }

    /// @dev The same word, properly signed.
    function _without(Word memory word) private pure returns (Word memory sound) {
        sound = abi.decode(abi.encode(word), (Word));
        sound.fault = Fault.None;
    }

    // what came of it

    /// @dev Runners keep the events of a call that failed too.
    function _logs(bool success) private returns (Vm.Log[] memory logs) {
        logs = vm.getRecordedLogs();
        if (!success) delete logs;
    }

    function _perform(
        address sender,
        bytes memory call,
        Word[] memory words,
        bool valid,
        uint256 effects
    ) private returns (bool success) {
        bytes32 head = registry.head();
        vm.recordLogs();
        vm.prank(sender);
        (success, ) = address(registry).call(call);
        Vm.Log[] memory logs = _logs(success);
        if (valid && !success) ++findings[Finding.ValidCallRefused];
        if (!valid && success) ++findings[Finding.HostileCallAccepted];
        if (!valid && registry.head() != head) ++findings[Finding.HostileCallHadAnEffect];
        if (valid && success && logs.length != effects) ++findings[Finding.EffectNotAsAsked];
        if (valid) for (uint256 i = 0; i < words.length; ++i) _hear(words[i]);
        for (uint256 i = 0; i < logs.length; ++i) {
            if (!_answersTo(logs[i], words)) ++findings[Finding.UnauthorisedChange];
            if (replay.goesBack(logs[i])) ++findings[Finding.TimeWentBack];
            if (replay.isAfterClosing(logs[i])) ++findings[Finding.ChangeAfterClosing];
            replay.add(logs[i]);
        }
    }

    /// @dev The event is the effect of one of the words, and of one that was authorised.
    function _answersTo(Vm.Log memory log, Word[] memory words) private view returns (bool) {
        if (words.length == 0) return log.topics[0] == IConsentRecords.Anchored.selector;
        for (uint256 i = 0; i < words.length; ++i) {
            Word memory word = words[i];
            bytes32 subject = bytes32(uint256(uint160(word.subject)));
            if (log.topics[0] != _topicOf(word.kind) || log.topics[1] != subject) continue;
            if (Ledger.signerOf(log) != word.signer) continue;
            // What was said has been heard by now: a delegate's rights are not changed by its own word.
            if (_isAuthorised(word)) return true;
        }
        return false;
    }

    function _topicOf(Kind kind) private pure returns (bytes32) {
        if (kind == Kind.Grant) return IConsentRecords.Granted.selector;
        if (kind == Kind.Revoke) return IConsentRecords.Revoked.selector;
        if (kind == Kind.RevokeAll) return IConsentRecords.RevokedAll.selector;
        if (kind == Kind.Suspend) return IConsentRecords.Suspended.selector;
        if (kind == Kind.Close) return IConsentRecords.Closed.selector;
        return IConsentRecords.Delegated.selector;
    }

    // questions of the invariants

    function stands(address subject, bytes32 grantHash) public view returns (bool) {
        (IConsentRecords.Entry memory entry, IConsentRecords.Subject memory state) = registry.standingOf(
            subject,
            grantHash
        );
        if (entry.grantedAt == 0 || entry.revokedAt != 0) return false;
        return entry.grantedAt > state.revokedBefore && !state.suspended && !state.closed;
    }

    /// @dev The registry says of the subject what an auditor makes of the events.
    function isAsReplayed(address subject) external view returns (bool) {
        if (!replay.sameSubject(subject, registry.subjects(subject))) return false;
        for (uint256 i = 0; i < grants.length; ++i) {
            if (!replay.sameEntry(subject, grants[i], registry.entries(subject, grants[i]))) return false;
        }
        for (uint256 i = 0; i < delegates.length; ++i) {
            address to = delegates[i];
            if (!replay.sameDelegation(subject, to, registry.delegations(subject, to))) return false;
        }
        return true;
    }

    function replayedHead() external view returns (bytes32) {
        return replay.head;
    }

    // one call of a subject, tried out and undone

    error Tried(bool allEnded, uint256 gas);

    /// @dev Reverts with what came of it.
    function tryToWithdraw(address subject, uint256 how) external {
        vm.warp(clock);
        bytes memory call = _withdrawalCall(subject, how);
        vm.prank(how % 2 == 0 ? subject : relayer);
        uint256 gas = gasleft();
        (bool success, ) = address(registry).call(call);
        gas -= gasleft();
        for (uint256 i = 0; i < grants.length; ++i) if (stands(subject, grants[i])) success = false;
        revert Tried(success, gas);
    }

    /// @dev Even numbers are sent by the subject itself. All signatures but the last are from before anything happened; a
    /// pause must be at least as new as the last word about it, so it is signed when it is tried.
    function _withdrawalCall(address subject, uint256 how) private view returns (bytes memory) {
        uint64 most = type(uint64).max;
        if (how == 0) return abi.encodeCall(registry.revoke, (allGrants()));
        if (how == 1) return abi.encodeCall(registry.revokeFor, (subject, allGrants(), subject, _withdrawal[subject]));
        if (how == 2) return abi.encodeCall(registry.revokeAll, (most));
        if (how == 3) return abi.encodeCall(registry.revokeAllFor, (subject, most, subject, _withdrawalOfAll[subject]));
        if (how == 4) return abi.encodeCall(registry.close, ());
        if (how == 5) return abi.encodeCall(registry.closeFor, (subject, subject, _closure[subject]));
        if (how == 6) return abi.encodeCall(registry.suspend, (true));
        uint64 at = suspension[subject].at > clock ? suspension[subject].at : clock;
        bytes memory signature = signed(subject, true, suspensionHash(subject, true, at));
        return abi.encodeCall(registry.suspendFor, (subject, true, at, subject, signature));
    }

    function allGrants() public view returns (bytes32[] memory all) {
        all = new bytes32[](grants.length);
        for (uint256 i = 0; i < grants.length; ++i) all[i] = grants[i];
    }

    function allDelegates() external view returns (address[] memory all) {
        all = new address[](delegates.length);
        for (uint256 i = 0; i < delegates.length; ++i) all[i] = delegates[i];
    }

    function ledger() external view returns (ConsentRegistry) {
        return registry;
    }

    /// @dev Everybody in turn.
    function whoseTurn() external view returns (address) {
        return subjects[calls % subjects.length];
    }

    function whichWithdrawal() external view returns (uint256) {
        return (calls / subjects.length) % 8;
    }

    /// @dev Nothing is granted without an effect; a subject's own revokeAll and close are never refused; and its own
    /// second word about a delegate in one block is too rare to wait for.
    function isExpected(uint256 eventuality) external pure returns (bool) {
        if (eventuality >= WORDS) return true;
        Outcome outcome = Outcome(eventuality % 3);
        Kind kind = Kind(eventuality / 9);
        bool own = Way((eventuality / 3) % 3) == Way.Own;
        if (outcome == Outcome.WithoutEffect) return kind != Kind.Grant && !(kind == Kind.Delegate && own);
        return outcome == Outcome.Done || !own || (kind != Kind.RevokeAll && kind != Kind.Close);
    }

    /// @dev The gas of the same withdrawal of a patient who granted `few` times, and of one who did so `many` times.
    function costsOfWithdrawal(uint256 few, uint256 many, uint256 how) external returns (uint256, uint256) {
        return (_costOfWithdrawal(patient, few, how), _costOfWithdrawal(sister, many, how));
    }

    function _costOfWithdrawal(address subject, uint256 count, uint256 how) private returns (uint256 cost) {
        for (uint256 i = 0; i < count; ++i) grantAs(subject, i == 0 ? grants[0] : keccak256(abi.encode("more", i)));
        bytes32[] memory one = list(grants[0]);
        bytes memory call = _withdrawalCall(subject, how);
        if (how == 0) call = abi.encodeCall(registry.revoke, (one));
        if (how == 1) {
            bytes memory signature = signed(subject, true, revocationHash(subject, one));
            call = abi.encodeCall(registry.revokeFor, (subject, one, subject, signature));
        }
        vm.prank(how % 2 == 0 ? subject : relayer);
        cost = gasleft();
        (bool success, ) = address(registry).call(call);
        cost -= gasleft();
        require(success, "the withdrawal failed");
    }
}
