// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Campaign} from "./support/Campaign.sol";
import {DocumentsHandler} from "./support/DocumentsHandler.sol";
import {vm} from "./support/Vm.sol";

/// @notice What holds of the directory, the policy registry and the checkpoint log whoever does whatever to them.
contract InvariantsOfDocumentsTest is Campaign {
    DocumentsHandler internal handler;

    function setUp() public {
        handler = new DocumentsHandler();
        _target = address(handler);
        _actions = [
            handler.publish.selector,
            handler.supersede.selector,
            handler.retract.selector,
            handler.register.selector,
            handler.suspendParty.selector,
            handler.handOver.selector,
            handler.checkpoint.selector,
            handler.wait.selector
        ];
    }

    function invariant_callsOfDocumentsDoWhatTheySayOrAreRefused() public view {
        vm.assertEq(handler.findings("refused"), 0, "a valid call was refused");
        vm.assertEq(handler.findings("accepted"), 0, "a call was accepted that must not be");
        vm.assertEq(handler.findings("effect"), 0, "a call had another effect");
    }

    /// @dev What was retracted or materially superseded is never current again, nor any document of which it became the
    /// successor.
    function invariant_documentsOnlyNarrow() public view {
        address issuer = whoseTurn();
        for (uint256 i = 1; i <= handler.DOCUMENTS(); ++i) {
            bytes32 hash = bytes32(i);
            bool dead = handler.retracted(issuer, hash) || handler.superseded(issuer, hash);
            if (dead) vm.assertEq(handler.policies().isCurrent(issuer, hash), false, "current again");
        }
    }

    function invariant_nobodyTouchesTheDocumentsOfAnother() public view {
        address issuer = whoseTurn();
        for (uint256 i = 0; i <= handler.DOCUMENTS(); ++i) {
            vm.assertEq(handler.documentIsAsSaid(issuer, bytes32(i)), true, "document");
        }
    }

    function invariant_onlyItsOwnerChangesTheDirectory() public view {
        vm.assertEq(handler.directory().owner(), handler.owner(), "owner");
        vm.assertEq(handler.directory().owner() != address(0), true, "there is an owner");
        for (uint256 i = 0; i <= handler.PARTIES(); ++i) {
            vm.assertEq(handler.partyIsAsSaid(address(uint160(i))), true, "party");
            vm.assertEq(handler.rolesAreAsSaid(address(uint160(i))), true, "roles");
        }
    }

    function invariant_logsOnlyGrow() public view {
        address logger = whoseTurn();
        for (uint256 i = 0; i < handler.LOGS(); ++i) {
            vm.assertEq(handler.checkpointIsAsSaid(logger, bytes32(i)), true, "checkpoint");
        }
    }

    function invariant_headsAreTheFoldsOfWhatWasDone() public view {
        vm.assertEq(handler.policies().head(), handler.headOfPolicies(), "policies");
        vm.assertEq(handler.directory().head(), handler.headOfDirectory(), "directory");
    }

    /// @dev The same campaign every time, long enough that no invariant can hold for want of anything that happened.
    function test_campaignReachesEverythingOfDocuments() public {
        play(1500, 1);
        bytes32[8] memory names = [
            bytes32("publish"),
            "supersede",
            "retract",
            "register",
            "suspend party",
            "invite owner",
            "accept ownership",
            "checkpoint"
        ];
        for (uint256 i = 0; i < names.length; ++i) {
            vm.assertEq(times(names[i], true) > 3, true, string.concat("done: ", string(abi.encode(names[i]))));
            vm.assertEq(times(names[i], false) > 3, true, string.concat("refused: ", string(abi.encode(names[i]))));
        }
        vm.assertEq(times("renounce", false) > 3, true, "renounce");
    }

    function times(bytes32 what, bool success) private view returns (uint256) {
        return handler.happened(keccak256(abi.encode(what, success)));
    }

    function whoseTurn() private view returns (address) {
        return handler.actors(handler.calls() % 3);
    }
}
