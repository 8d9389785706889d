// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Directory} from "../Directory.sol";
import {IDirectory} from "../interfaces/IDirectory.sol";
import {vm} from "./support/Vm.sol";

/// @notice Who is listed, in which roles; this test is the consortium that owns the directory.
contract DirectoryTest {
    uint64 internal constant START = 1_795_000_000;
    uint8 internal constant CONTROLLER = 1;
    uint8 internal constant RECIPIENT = 2;
    address internal constant hospital = address(0xa0501a1);
    address internal constant journal = address(0x10a57a1);
    address internal constant stranger = address(0x57a4e5);
    bytes32 internal constant PROFILE = keccak256("profile");
    string internal constant URI = "https://hospital.example/profile.json";

    Directory internal directory;

    function setUp() public {
        vm.warp(START);
        directory = new Directory(address(this));
    }

    function register(address party, uint8 roles) internal {
        directory.register(party, roles, PROFILE, URI);
    }

    function fold(bytes32 previous, uint8 kind, bytes32 value) internal view returns (bytes32) {
        return keccak256(abi.encode(previous, kind, hospital, value, uint64(block.timestamp)));
    }

    function expectNotOwner() internal {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, stranger));
        vm.prank(stranger);
    }

    function test_register_recordsEventAndHead() public {
        bytes32 head = directory.head();
        vm.assertEq(head, keccak256(abi.encode(block.chainid, address(directory))), "first head");
        vm.expectEmit(address(directory));
        emit IDirectory.Registered(hospital, CONTROLLER, PROFILE, URI);
        register(hospital, CONTROLLER);
        IDirectory.Party memory party = directory.partyOf(hospital);
        vm.assertEq(party.roles, CONTROLLER, "roles");
        vm.assertEq(party.suspended, false, "suspended");
        vm.assertEq(party.since, START, "since");
        vm.assertEq(party.changedAt, START, "changedAt");
        vm.assertEq(party.profile, PROFILE, "profile");
        vm.assertEq(party.uri, URI, "uri");
        bytes32 value = keccak256(abi.encode(CONTROLLER, PROFILE, URI));
        vm.assertEq(directory.head(), fold(head, 16, value), "head");
    }

    function test_register_replacesAndKeepsSinceAndSuspension() public {
        register(hospital, CONTROLLER);
        directory.setSuspended(hospital, true);
        vm.warp(START + 10);
        directory.register(hospital, RECIPIENT, keccak256("new"), "");
        IDirectory.Party memory party = directory.partyOf(hospital);
        vm.assertEq(party.roles, RECIPIENT, "roles");
        vm.assertEq(party.suspended, true, "suspended");
        vm.assertEq(party.since, START, "since");
        vm.assertEq(party.changedAt, START + 10, "changedAt");
        vm.assertEq(party.profile, keccak256("new"), "profile");
        vm.assertEq(party.uri, "", "uri");
    }

    function test_register_refusesTheZeroAddress() public {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.InvalidParty.selector, address(0)));
        register(address(0), CONTROLLER);
    }

    function test_register_refusesNoRolesAndUnknownRoles() public {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.InvalidRoles.selector, 0));
        register(hospital, 0);
        vm.expectRevert(abi.encodeWithSelector(IDirectory.InvalidRoles.selector, 16));
        register(hospital, 16);
        register(hospital, 15);
    }

    function test_register_isForTheOwner() public {
        expectNotOwner();
        register(hospital, CONTROLLER);
    }

    function test_setSuspended_recordsEventAndHead() public {
        register(hospital, CONTROLLER);
        vm.warp(START + 10);
        bytes32 head = directory.head();
        vm.expectEmit(address(directory));
        emit IDirectory.SuspensionChanged(hospital, true);
        directory.setSuspended(hospital, true);
        vm.assertEq(directory.partyOf(hospital).changedAt, START + 10, "changedAt");
        head = fold(head, 17, bytes32(uint256(1)));
        vm.assertEq(directory.head(), head, "head");
        vm.expectEmit(address(directory));
        emit IDirectory.SuspensionChanged(hospital, false);
        directory.setSuspended(hospital, false);
        vm.assertEq(directory.head(), fold(head, 17, 0), "head");
    }

    function test_setSuspended_againLeavesNoTrace() public {
        register(hospital, CONTROLLER);
        bytes32 head = directory.head();
        vm.warp(START + 1);
        vm.recordLogs();
        directory.setSuspended(hospital, false);
        vm.assertEq(vm.getRecordedLogs().length, 0, "events");
        vm.assertEq(directory.head(), head, "head");
        vm.assertEq(directory.partyOf(hospital).changedAt, START, "changedAt");
    }

    function test_setSuspended_refusesTheUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.UnknownParty.selector, journal));
        directory.setSuspended(journal, true);
    }

    function test_setSuspended_isForTheOwner() public {
        register(hospital, CONTROLLER);
        expectNotOwner();
        directory.setSuspended(hospital, true);
    }

    function test_hasRole_needsEveryRoleAndNoSuspension() public {
        register(hospital, CONTROLLER | RECIPIENT);
        vm.assertEq(directory.hasRole(hospital, CONTROLLER), true, "controller");
        vm.assertEq(directory.hasRole(hospital, CONTROLLER | RECIPIENT), true, "both");
        vm.assertEq(directory.hasRole(hospital, CONTROLLER | 4), false, "one is missing");
        vm.assertEq(directory.hasRole(hospital, 0), false, "no role is no role");
        vm.assertEq(directory.hasRole(journal, CONTROLLER), false, "unknown");
        directory.setSuspended(hospital, true);
        vm.assertEq(directory.hasRole(hospital, CONTROLLER), false, "suspended");
    }

    function test_ownership_passesInTwoStepsAndIsNeverLost() public {
        directory.transferOwnership(stranger);
        vm.assertEq(directory.owner(), address(this), "not yet");
        vm.prank(stranger);
        directory.acceptOwnership();
        vm.assertEq(directory.owner(), stranger, "owner");
        vm.expectRevert(abi.encodeWithSelector(IDirectory.OwnerRequired.selector));
        vm.prank(stranger);
        directory.renounceOwnership();
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, address(this)));
        directory.renounceOwnership();
    }

    /// @dev A storage proof reads these slots, so where they are is part of the interface.
    function test_slots_areWhereProofsReadThem() public {
        register(hospital, 5);
        vm.warp(START + 10);
        directory.setSuspended(hospital, true);
        uint256 expected = (uint256(START + 10) << 80) | (uint256(START) << 16) | (1 << 8) | 5;
        bytes32 slot = keccak256(abi.encode(hospital, 3));
        vm.assertEq(uint256(vm.load(address(directory), slot)), expected, "party");
        vm.assertEq(vm.load(address(directory), bytes32(uint256(2))), directory.head(), "head");
    }
}
