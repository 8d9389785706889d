// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentRegistry} from "../ConsentRegistry.sol";
import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {Campaign} from "./support/Campaign.sol";
import {Handler} from "./support/Handler.sol";
import {vm} from "./support/Vm.sol";

/// @notice What holds of the registry whoever does whatever to it, in whatever order; `docs/invariants.md` says it in words.
contract InvariantsTest is Campaign {
    /// @dev What one withdrawal of everything, or of one grant in a list, may cost inside the transaction.
    uint256 private constant WITHDRAWAL_GAS = 60_000;

    Handler internal handler;
    ConsentRegistry internal registry;
    mapping(uint256 eventuality => uint256) private _happened;

    function setUp() public {
        handler = new Handler{value: 1 ether}();
        registry = handler.ledger();
        _target = address(handler);
        _actions = [
            handler.grant.selector,
            handler.grant.selector,
            handler.grantForMany.selector,
            handler.revoke.selector,
            handler.revokeAll.selector,
            handler.suspend.selector,
            handler.close.selector,
            handler.delegate.selector,
            handler.delegate.selector,
            handler.anchor.selector,
            handler.replayed.selector,
            handler.wait.selector,
            handler.wait.selector,
            handler.changeCode.selector,
            handler.pay.selector
        ];
    }

    function invariant_whatEndedNeverStandsAgain() public view {
        forEveryGrant(isNotBack, "a grant that ended stands");
    }

    function invariant_nothingIsGrantedWithoutConsent() public view {
        forEveryGrant(isAgreed, "a grant is recorded to which nobody entitled agreed");
    }

    function invariant_onlyTheSubjectAndItsDelegatesChangeIt() public view {
        none(Handler.Finding.UnauthorisedChange);
        vm.assertEq(handler.isAsReplayed(handler.whoseTurn()), true, "state changed without an event");
    }

    /// @dev Whatever was done before, in each way there is, and for no more gas than in the first block.
    function invariant_theSubjectCanAlwaysWithdrawInOneCall() public {
        (bool allEnded, uint256 cost) = tried(handler.whoseTurn(), handler.whichWithdrawal());
        string memory how = vm.toString(handler.whichWithdrawal());
        if (handler.whichWithdrawal() < 2) cost /= handler.allGrants().length;
        vm.assertEq(allEnded, true, string.concat("after withdrawal ", how));
        vm.assertEq(cost <= WITHDRAWAL_GAS, true, string.concat("gas of withdrawal ", how, ": ", vm.toString(cost)));
    }

    function invariant_validCallsSucceedAndDoWhatTheySay() public view {
        none(Handler.Finding.ValidCallRefused);
        none(Handler.Finding.EffectNotAsAsked);
    }

    function invariant_hostileCallsAreRefused() public view {
        none(Handler.Finding.HostileCallAccepted);
        none(Handler.Finding.HostileCallHadAnEffect);
    }

    function invariant_sendingAgainHasNoEffect() public view {
        none(Handler.Finding.ReplayHadAnEffect);
    }

    function invariant_headIsTheFoldOfTheEvents() public view {
        vm.assertEq(registry.head(), handler.replayedHead(), "head");
    }

    function invariant_timeNeverGoesBack() public view {
        none(Handler.Finding.TimeWentBack);
    }

    function invariant_closingIsFinal() public view {
        none(Handler.Finding.ChangeAfterClosing);
        address subject = handler.whoseTurn();
        vm.assertEq(registry.subjects(subject).closed, handler.closed(subject), "closed");
    }

    function invariant_revokeAllReachesUpToTheLatestOne() public view {
        address subject = handler.whoseTurn();
        uint64 recorded = registry.subjects(subject).revokedBefore;
        vm.assertEq(recorded, handler.revokedBefore(subject), "revokedBefore");
        vm.assertEq(recorded <= handler.clock(), true, "not in the future");
    }

    function invariant_theLatestWordAboutSuspensionCounts() public view {
        address subject = handler.whoseTurn();
        IConsentRecords.Subject memory recorded = registry.subjects(subject);
        (uint64 at, bool suspended, , ) = handler.suspension(subject);
        vm.assertEq(recorded.suspended, suspended, "suspended");
        vm.assertEq(recorded.suspensionAt, at, "suspensionAt");
    }

    function invariant_theLatestWordAboutADelegateCounts() public view {
        address subject = handler.whoseTurn();
        address[] memory delegates = handler.allDelegates();
        for (uint256 i = 0; i < delegates.length; ++i) {
            IConsentRecords.Delegation memory recorded = registry.delegations(subject, delegates[i]);
            (uint64 at, , uint64 validUntil, uint8 rights) = handler.delegation(subject, delegates[i]);
            vm.assertEq(recorded.rights, rights, "rights");
            vm.assertEq(recorded.validUntil, validUntil, "validUntil");
            vm.assertEq(recorded.at, at, "at");
        }
    }

    function invariant_theFirstAnchoringCounts() public view {
        for (uint256 root = 0; root <= handler.ROOTS(); ++root) {
            vm.assertEq(registry.anchoredAt(bytes32(root)), handler.anchoredFirst(bytes32(root)), "anchoredAt");
        }
    }

    function invariant_noEtherIsHeld() public view {
        none(Handler.Finding.EtherTaken);
        vm.assertEq(address(registry).balance, 0, "balance");
    }

    /// @dev The runner did call the handler.
    function afterInvariant() public view {
        vm.assertEq(handler.calls() > 0, true, "nothing was called");
    }

    /// @dev The same campaigns every time, enough of them that no invariant can hold for want of anything that happened.
    function test_campaignReachesEverything() public {
        for (uint256 round = 0; round < 40; ++round) {
            setUp();
            play(200, round);
            for (uint256 i = 0; i < handler.EVENTUALITIES(); ++i) _happened[i] += handler.happened(i);
        }
        for (uint256 i = 0; i < handler.EVENTUALITIES(); ++i) {
            bool met = _happened[i] > 0 || !handler.isExpected(i);
            vm.assertEq(met, true, string.concat("never happened: ", vm.toString(i)));
        }
    }

    /// @dev The same call of two patients, of whom one has granted more.
    function testFuzz_revoking_costsTheSameHoweverMuchWasGranted(uint8 more, uint8 how) public {
        (uint256 few, uint256 many) = handler.costsOfWithdrawal(1, 2 + uint256(more) % 60, how % 4);
        vm.assertEq(many < few + 100, true, "gas");
    }

    // what one subject or one grant must fulfil

    function isNotBack(address subject, bytes32 grantHash) private view returns (bool) {
        return !handler.ended(subject, grantHash) || !handler.stands(subject, grantHash);
    }

    function isAgreed(address subject, bytes32 grantHash) private view returns (bool) {
        return handler.agreed(subject, grantHash) || registry.entries(subject, grantHash).grantedAt == 0;
    }

    /// @dev Subjects take turns, since what is wrong stays wrong until it is noticed.
    function forEveryGrant(
        function(address, bytes32) internal view returns (bool) holds,
        string memory what
    ) private view {
        address subject = handler.whoseTurn();
        bytes32[] memory grants = handler.allGrants();
        for (uint256 i = 0; i < grants.length; ++i) vm.assertEq(holds(subject, grants[i]), true, what);
    }

    function none(Handler.Finding what) private view {
        vm.assertEq(handler.findings(what), 0, vm.toString(uint256(what)));
    }

    function tried(address subject, uint256 how) private returns (bool allEnded, uint256 cost) {
        try handler.tryToWithdraw(subject, how) {} catch (bytes memory answer) {
            bytes4 selector = bytes4(answer);
            vm.assertEq(bytes32(selector), bytes32(Handler.Tried.selector), "the try itself failed");
            assembly ("memory-safe") {
                allEnded := mload(add(answer, 0x24))
                cost := mload(add(answer, 0x44))
            }
        }
    }
}
