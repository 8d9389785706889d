// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {AnswersHandler} from "./support/AnswersHandler.sol";
import {Campaign} from "./support/Campaign.sol";
import {vm} from "./support/Vm.sol";

/// @notice What holds of the answers of the consent check, for grants recorded alone and in cohorts.
contract InvariantsOfAnswersTest is Campaign {
    AnswersHandler internal handler;

    function setUp() public {
        handler = new AnswersHandler();
        _target = address(handler);
        _actions = [
            handler.grantAlone.selector,
            handler.joinCohort.selector,
            handler.joinCohort.selector,
            handler.forgeCohort.selector,
            handler.forgeCohort.selector,
            handler.anchor.selector,
            handler.joinAgain.selector,
            handler.record.selector,
            handler.revoke.selector,
            handler.revokeAll.selector,
            handler.suspend.selector,
            handler.suspend.selector,
            handler.suspendParty.selector,
            handler.wait.selector,
            handler.ask.selector,
            handler.ask.selector,
            handler.ask.selector,
            handler.ask.selector
        ];
    }

    function invariant_onlyWhatStandsWithASignatureIsPermitted() public view {
        vm.assertEq(handler.wronglyPermitted(), 0, "permitted");
    }

    /// @dev Whoever holds a signed consent can use it when, how and as often as they like: once everything given up to its
    /// signing was revoked, it brings nothing back.
    function invariant_whatWasRevokedNeverReturns() public view {
        vm.assertEq(handler.returned(), 0, "returned");
    }

    function invariant_whatStandsIsPermitted() public view {
        vm.assertEq(handler.wronglyDenied(), 0, "denied");
    }

    /// @dev The same campaigns every time, enough of them that both answers were given, and for cohorts too.
    function test_campaignReachesEveryAnswer() public {
        uint256[5] memory sums;
        for (uint256 round = 0; round < 30; ++round) {
            setUp();
            play(60, round);
            sums[0] += handler.permitted();
            sums[1] += handler.denied();
            sums[2] += handler.permittedByCohort();
            sums[3] += handler.forged();
            sums[4] += handler.heldBack();
        }
        for (uint256 i = 0; i < 5; ++i) vm.assertEq(sums[i] > 10, true, string.concat("sum ", vm.toString(i)));
    }
}
