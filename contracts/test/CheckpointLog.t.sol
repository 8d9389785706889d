// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CheckpointLog} from "../CheckpointLog.sol";
import {ICheckpointLog} from "../interfaces/ICheckpointLog.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @notice Logs only grow; this test is the logger.
contract CheckpointLogTest {
    uint64 internal constant START = 1_795_000_000;
    address internal constant stranger = address(0x57a4e5);
    bytes32 internal constant LOG = keccak256("log");
    bytes32 internal constant ROOT = keccak256("root");

    CheckpointLog internal log;

    function setUp() public {
        vm.warp(START);
        log = new CheckpointLog();
    }

    function assertLast(address logger, uint64 size, uint64 time, bytes32 root) internal view {
        ICheckpointLog.Checkpoint memory last = log.checkpointOf(logger, LOG);
        vm.assertEq(last.size, size, "size");
        vm.assertEq(last.at, time, "at");
        vm.assertEq(last.root, root, "root");
    }

    function test_checkpoint_recordsAndEmits() public {
        vm.expectEmit(address(log));
        emit ICheckpointLog.Checkpointed(address(this), LOG, 1, ROOT);
        log.checkpoint(LOG, 1, ROOT);
        assertLast(address(this), 1, START, ROOT);
        vm.warp(START + 1);
        log.checkpoint(LOG, 2, keccak256("next"));
        assertLast(address(this), 2, START + 1, keccak256("next"));
    }

    function test_checkpoint_isKeptPerLogger() public {
        vm.prank(stranger);
        log.checkpoint(LOG, 100, ROOT);
        assertLast(address(this), 0, 0, 0);
        log.checkpoint(LOG, 1, ROOT);
        assertLast(stranger, 100, START, ROOT);
    }

    function test_checkpoint_againLeavesNoTrace() public {
        log.checkpoint(LOG, 1, ROOT);
        vm.warp(START + 1);
        vm.recordLogs();
        log.checkpoint(LOG, 1, ROOT);
        vm.assertEq(vm.getRecordedLogs().length, 0, "events");
        assertLast(address(this), 1, START, ROOT);
    }

    function test_checkpoint_refusesToShrink() public {
        log.checkpoint(LOG, 5, ROOT);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointLog.Shrunk.selector, LOG, 4, 5));
        log.checkpoint(LOG, 4, ROOT);
    }

    function test_checkpoint_refusesAFork() public {
        log.checkpoint(LOG, 5, ROOT);
        bytes32 other = keccak256("other");
        vm.expectRevert(abi.encodeWithSelector(ICheckpointLog.Forked.selector, LOG, 5, other, ROOT));
        log.checkpoint(LOG, 5, other);
    }

    function test_checkpoint_refusesNothing() public {
        vm.expectRevert(abi.encodeWithSelector(ICheckpointLog.InvalidRoot.selector));
        log.checkpoint(LOG, 1, 0);
        vm.expectRevert(abi.encodeWithSelector(ICheckpointLog.Forked.selector, LOG, 0, ROOT, 0));
        log.checkpoint(LOG, 0, ROOT);
    }

    /// @dev Two heads of a log, one after the other: all that can be between them.
    function testFuzz_checkpoint_everyPair(uint64 size, uint64 next, uint8 near, bool same, uint64 time) public {
        vm.assume(size != 0 && size != type(uint64).max && time > START);
        if (near < 200) next = size - 1 + (near % 3);
        log.checkpoint(LOG, size, ROOT);
        bytes32 root = same ? ROOT : keccak256("other");
        vm.warp(time);
        vm.recordLogs();
        if (next < size) {
            vm.expectRevert(abi.encodeWithSelector(ICheckpointLog.Shrunk.selector, LOG, next, size));
        } else if (next == size && !same) {
            vm.expectRevert(abi.encodeWithSelector(ICheckpointLog.Forked.selector, LOG, next, root, ROOT));
        }
        log.checkpoint(LOG, next, root);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, next > size ? 1 : 0, "events");
        if (next <= size) return assertLast(address(this), size, START, ROOT);
        assertLast(address(this), next, time, root);
        bytes memory topics = abi.encode(ICheckpointLog.Checkpointed.selector, address(this), LOG);
        vm.assertEq(abi.encodePacked(logs[0].topics), topics, "topics");
        vm.assertEq(logs[0].data, abi.encode(next, root), "data");
        vm.assertEq(logs[0].emitter, address(log), "emitter");
    }

    function testFuzz_checkpoint_isKeptPerLog(address logger, bytes32 logId, uint64 size, bytes32 root) public {
        vm.assume(size != 0 && (logger != address(this) || logId != LOG));
        log.checkpoint(LOG, 7, ROOT);
        vm.prank(logger);
        if (root == 0) vm.expectRevert(abi.encodeWithSelector(ICheckpointLog.InvalidRoot.selector));
        log.checkpoint(logId, size, root);
        assertLast(address(this), 7, START, ROOT);
        vm.assertEq(log.checkpointOf(logger, logId).size, root == 0 ? 0 : size, "size");
        vm.assertEq(log.checkpointOf(logger, logId).root, root, "root");
    }
}
