// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Directory} from "../Directory.sol";
import {IDirectory} from "../interfaces/IDirectory.sol";
import {Vm, vm} from "./support/Vm.sol";

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

    // For all arguments.

    /// @dev Since `vm.recordLogs` this directory emitted this and nothing else.
    function assertOnly(bytes32 signature, address party, bytes memory data) internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1, "events");
        vm.assertEq(logs[0].emitter, address(directory), "emitter");
        bytes memory topics = abi.encodePacked(signature, uint256(uint160(party)));
        vm.assertEq(abi.encodePacked(logs[0].topics), topics, "topics");
        vm.assertEq(logs[0].data, data, "data");
    }

    function testFuzz_register(
        address party,
        uint8 roles,
        bytes32 profile,
        string calldata uri,
        uint64 time,
        bool owner
    ) public {
        vm.assume(time > START);
        if (roles % 3 == 0) directory.register(party == address(0) ? hospital : party, 1, 0, "before");
        uint64 since = roles % 3 == 0 && party != address(0) ? START : time;
        vm.warp(time);
        vm.recordLogs();
        bytes32 head = directory.head();
        bool done = owner && party != address(0) && roles != 0 && roles < 16;
        if (!owner) expectNotOwner();
        else if (party == address(0)) {
            vm.expectRevert(abi.encodeWithSelector(IDirectory.InvalidParty.selector, party));
        } else if (!done) vm.expectRevert(abi.encodeWithSelector(IDirectory.InvalidRoles.selector, roles));
        directory.register(party, roles, profile, uri);
        if (!done) {
            vm.assertEq(directory.head(), head, "head");
            vm.assertEq(vm.getRecordedLogs().length, 0, "events");
            return;
        }
        assertOnly(IDirectory.Registered.selector, party, abi.encode(roles, profile, uri));
        bytes32 value = keccak256(abi.encode(roles, profile, uri));
        vm.assertEq(directory.head(), keccak256(abi.encode(head, 16, party, value, time)), "head");
        IDirectory.Party memory expected = IDirectory.Party(roles, false, since, time, profile, uri);
        vm.assertEq(abi.encode(directory.partyOf(party)), abi.encode(expected), "party");
    }

    function testFuzz_setSuspended(bool first, bool second, uint64 time, uint8 roles) public {
        vm.assume(time > START);
        roles = 1 + (roles % 15);
        register(hospital, roles);
        directory.setSuspended(hospital, first);
        vm.warp(time);
        vm.recordLogs();
        bytes32 head = directory.head();
        directory.setSuspended(hospital, second);
        uint64 changedAt = first == second ? START : time;
        IDirectory.Party memory expected = IDirectory.Party(roles, second, START, changedAt, PROFILE, URI);
        vm.assertEq(abi.encode(directory.partyOf(hospital)), abi.encode(expected), "party");
        if (first == second) {
            vm.assertEq(vm.getRecordedLogs().length, 0, "events");
            vm.assertEq(directory.head(), head, "head");
            return;
        }
        assertOnly(IDirectory.SuspensionChanged.selector, hospital, abi.encode(second));
        bytes32 value = bytes32(uint256(second ? 1 : 0));
        vm.assertEq(directory.head(), keccak256(abi.encode(head, 17, hospital, value, time)), "head");
    }

    function testFuzz_hasRole(uint8 roles, uint8 asked, bool suspended) public {
        roles = 1 + (roles % 15);
        register(hospital, roles);
        directory.setSuspended(hospital, suspended);
        bool every = asked != 0;
        for (uint256 bit = 0; bit < 8; ++bit) {
            if ((asked >> bit) & 1 == 1 && (roles >> bit) & 1 == 0) every = false;
        }
        vm.assertEq(directory.hasRole(hospital, asked), every && !suspended, "hasRole");
        vm.assertEq(directory.hasRole(journal, asked), false, "not listed");
    }

    function testFuzz_onlyTheOwner(address sender, bool suspended) public {
        // Nobody sends from the zero address, which OpenZeppelin takes for the owner to come.
        vm.assume(sender != address(this) && sender != address(0));
        register(hospital, CONTROLLER);
        bytes memory refusal = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, sender);
        vm.expectRevert(refusal);
        vm.prank(sender);
        directory.register(journal, RECIPIENT, 0, "");
        vm.expectRevert(refusal);
        vm.prank(sender);
        directory.setSuspended(hospital, suspended);
        vm.expectRevert(refusal);
        vm.prank(sender);
        directory.transferOwnership(sender);
        vm.expectRevert(refusal);
        vm.prank(sender);
        directory.acceptOwnership();
        vm.expectRevert(refusal);
        vm.prank(sender);
        directory.renounceOwnership();
        vm.assertEq(directory.owner(), address(this), "owner");
    }

    function test_constructor_needsAnOwner() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableInvalidOwner.selector, address(0)));
        new Directory(address(0));
    }

    function test_setSuspended_refusesTheUnknownEitherWay() public {
        vm.expectRevert(abi.encodeWithSelector(IDirectory.UnknownParty.selector, journal));
        directory.setSuspended(journal, false);
    }
}
