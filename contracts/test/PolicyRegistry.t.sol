// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {PolicyRegistry} from "../PolicyRegistry.sol";
import {IPolicyRegistry} from "../interfaces/IPolicyRegistry.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @notice What an issuer says about its documents; this test is the issuer.
contract PolicyRegistryTest {
    uint64 internal constant START = 1_795_000_000;
    address internal constant stranger = address(0x57a4e5);
    bytes32 internal constant FORM = keccak256("form 1");
    bytes32 internal constant NEXT = keccak256("form 2");

    PolicyRegistry internal policies;

    function setUp() public {
        vm.warp(START);
        policies = new PolicyRegistry();
    }

    function fold(bytes32 previous, uint8 kind, bytes32 value) internal view returns (bytes32) {
        return keccak256(abi.encode(previous, kind, address(this), value, uint64(block.timestamp)));
    }

    function documentOf(bytes32 hash) internal view returns (IPolicyRegistry.Document memory) {
        return policies.documentOf(address(this), hash);
    }

    function assertCurrent(bytes32 hash, bool current, string memory why) internal view {
        vm.assertEq(policies.isCurrent(address(this), hash), current, why);
    }

    function test_publish_recordsEventAndHead() public {
        bytes32 head = policies.head();
        vm.assertEq(head, keccak256(abi.encode(block.chainid, address(policies))), "first head");
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.Published(address(this), FORM);
        policies.publish(FORM);
        vm.assertEq(documentOf(FORM).publishedAt, START, "publishedAt");
        vm.assertEq(policies.head(), fold(head, 32, FORM), "head");
    }

    function test_publish_isKeptPerIssuer() public {
        policies.publish(FORM);
        vm.assertEq(policies.isCurrent(stranger, FORM), false, "the stranger published nothing");
        vm.prank(stranger);
        policies.retract(FORM);
        assertCurrent(FORM, true, "the stranger's word counts for the stranger");
    }

    function test_publish_refusesZeroAndWhatIsNotNew() public {
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.InvalidDocument.selector, bytes32(0)));
        policies.publish(0);
        policies.publish(FORM);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.AlreadyPublished.selector, address(this), FORM));
        policies.publish(FORM);
        policies.retract(NEXT);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.AlreadyRetracted.selector, address(this), NEXT));
        policies.publish(NEXT);
    }

    function test_supersede_recordsEventAndHead() public {
        policies.publish(FORM);
        vm.warp(START + 10);
        bytes32 head = policies.head();
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.Superseded(address(this), FORM, NEXT, true);
        policies.supersede(FORM, NEXT, true);
        IPolicyRegistry.Document memory old = documentOf(FORM);
        vm.assertEq(old.publishedAt, START, "publishedAt");
        vm.assertEq(old.supersededAt, START + 10, "supersededAt");
        vm.assertEq(old.material, true, "material");
        vm.assertEq(old.successor, NEXT, "successor");
        vm.assertEq(documentOf(NEXT).publishedAt, START + 10, "the replacement is published");
        vm.assertEq(policies.head(), fold(head, 33, keccak256(abi.encode(FORM, NEXT, true))), "head");
    }

    function test_supersede_isOneOperation() public {
        policies.publish(FORM);
        vm.recordLogs();
        policies.supersede(FORM, NEXT, false);
        vm.assertEq(vm.getRecordedLogs().length, 1, "no event besides Superseded");
    }

    function test_supersede_refusesWhatWasNotPublished() public {
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.NotPublished.selector, address(this), FORM));
        policies.supersede(FORM, NEXT, false);
        policies.publish(FORM);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.NotPublished.selector, stranger, FORM));
        vm.prank(stranger);
        policies.supersede(FORM, NEXT, false);
    }

    function test_supersede_refusesWhatIsRetractedOrSuperseded() public {
        policies.publish(FORM);
        policies.supersede(FORM, NEXT, false);
        vm.expectRevert(
            abi.encodeWithSelector(IPolicyRegistry.AlreadySuperseded.selector, address(this), FORM, NEXT)
        );
        policies.supersede(FORM, keccak256("form 3"), false);
        policies.retract(NEXT);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.AlreadyRetracted.selector, address(this), NEXT));
        policies.supersede(NEXT, keccak256("form 3"), false);
    }

    function test_supersede_refusesAReplacementThatIsNotNew() public {
        policies.publish(FORM);
        policies.publish(NEXT);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.AlreadyPublished.selector, address(this), NEXT));
        policies.supersede(FORM, NEXT, false);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.AlreadyPublished.selector, address(this), FORM));
        policies.supersede(FORM, FORM, false);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.InvalidDocument.selector, bytes32(0)));
        policies.supersede(FORM, 0, false);
        bytes32 ended = keccak256("ended");
        policies.retract(ended);
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.AlreadyRetracted.selector, address(this), ended));
        policies.supersede(FORM, ended, false);
    }

    function test_retract_recordsEventAndHead() public {
        policies.publish(FORM);
        vm.warp(START + 10);
        bytes32 head = policies.head();
        vm.expectEmit(address(policies));
        emit IPolicyRegistry.Retracted(address(this), FORM);
        policies.retract(FORM);
        vm.assertEq(documentOf(FORM).retractedAt, START + 10, "retractedAt");
        vm.assertEq(policies.head(), fold(head, 34, FORM), "head");
    }

    function test_retract_takesWhatWasNeverPublished() public {
        policies.retract(FORM);
        vm.assertEq(documentOf(FORM).retractedAt, START, "retractedAt");
        vm.assertEq(documentOf(FORM).publishedAt, 0, "publishedAt");
    }

    function test_retract_againLeavesNoTrace() public {
        policies.retract(FORM);
        vm.warp(START + 1);
        bytes32 head = policies.head();
        vm.recordLogs();
        policies.retract(FORM);
        vm.assertEq(vm.getRecordedLogs().length, 0, "events");
        vm.assertEq(policies.head(), head, "head");
        vm.assertEq(documentOf(FORM).retractedAt, START, "the first time counts");
    }

    function test_retract_refusesZero() public {
        vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.InvalidDocument.selector, bytes32(0)));
        policies.retract(0);
    }

    function test_isCurrent_untilRetractedOrMateriallySuperseded() public {
        assertCurrent(FORM, false, "not published");
        policies.publish(FORM);
        assertCurrent(FORM, true, "published");
        policies.supersede(FORM, NEXT, false);
        assertCurrent(FORM, true, "an immaterial supersession only notifies");
        assertCurrent(NEXT, true, "the replacement");
        bytes32 third = keccak256("form 3");
        policies.supersede(NEXT, third, true);
        assertCurrent(FORM, false, "a material one ends what came before");
        assertCurrent(NEXT, false, "and what it replaced");
        assertCurrent(third, true, "not what it brought");
        policies.retract(third);
        assertCurrent(third, false, "retracted");
    }

    function test_isCurrent_endsWithTheRetractionOfASuccessor() public {
        policies.publish(FORM);
        policies.supersede(FORM, NEXT, false);
        policies.retract(NEXT);
        assertCurrent(FORM, false, "its present wording was retracted");
    }

    function test_isCurrent_looksAt32Documents() public {
        policies.publish(bytes32(uint256(1)));
        for (uint256 i = 1; i < 32; ++i) policies.supersede(bytes32(i), bytes32(i + 1), false);
        assertCurrent(bytes32(uint256(1)), true, "32 documents");
        policies.supersede(bytes32(uint256(32)), bytes32(uint256(33)), false);
        assertCurrent(bytes32(uint256(1)), false, "33 documents");
        assertCurrent(bytes32(uint256(2)), true, "32 documents from the second");
    }

    /// @dev A storage proof reads these slots, so where they are is part of the interface.
    function test_slots_areWhereProofsReadThem() public {
        policies.publish(FORM);
        vm.warp(START + 1);
        policies.supersede(FORM, NEXT, true);
        vm.warp(START + 2);
        policies.retract(FORM);
        uint256 slot = uint256(keccak256(abi.encode(FORM, keccak256(abi.encode(address(this), 1)))));
        uint256 expected = (uint256(1) << 192) | (uint256(START + 2) << 128) | (uint256(START + 1) << 64) | START;
        vm.assertEq(uint256(vm.load(address(policies), bytes32(slot))), expected, "document");
        vm.assertEq(vm.load(address(policies), bytes32(slot + 1)), NEXT, "successor");
        vm.assertEq(vm.load(address(policies), 0), policies.head(), "head");
    }

    // Any words about four documents, against what they must come to, written out once more.

    /// @dev What was said about document n, which is bytes32(n).
    mapping(bytes32 => IPolicyRegistry.Document) private _said;

    uint64 private _time;

    function testFuzz_anyWords(uint256 seed) public {
        _time = START;
        for (uint256 i = 0; i < 12; ++i) {
            _time += uint64(seed % 3);
            vm.warp(_time);
            (bytes32 hash, bytes32 other) = (bytes32((seed / 3) % 5), bytes32((seed / 15) % 5));
            uint256 word = (seed / 75) % 4;
            bytes32 head = policies.head();
            vm.recordLogs();
            if (word == 0) publish(hash, head);
            if (word == 1) retract(hash, head);
            if (word > 1) supersede(hash, other, word == 2, head);
            seed = uint256(keccak256(abi.encode(seed)));
        }
        for (uint256 n = 0; n < 5; ++n) {
            bytes32 hash = bytes32(n);
            vm.assertEq(abi.encode(documentOf(hash)), abi.encode(_said[hash]), "document");
            bool current = true;
            // With four documents there are no chains of more than four.
            while (current) {
                IPolicyRegistry.Document memory document = _said[hash];
                if (document.publishedAt == 0 || document.retractedAt != 0 || document.material) current = false;
                if (!current || document.supersededAt == 0) break;
                hash = document.successor;
            }
            assertCurrent(bytes32(n), current, "isCurrent");
            vm.assertEq(policies.isCurrent(stranger, bytes32(n)), false, "the stranger's");
        }
    }

    /// @dev Why a document cannot be published; empty when it can.
    function refusalOf(bytes32 hash) internal view returns (bytes memory) {
        if (hash == 0) return abi.encodeWithSelector(IPolicyRegistry.InvalidDocument.selector, hash);
        if (_said[hash].retractedAt != 0) {
            return abi.encodeWithSelector(IPolicyRegistry.AlreadyRetracted.selector, address(this), hash);
        }
        if (_said[hash].publishedAt != 0) {
            return abi.encodeWithSelector(IPolicyRegistry.AlreadyPublished.selector, address(this), hash);
        }
        return "";
    }

    function publish(bytes32 hash, bytes32 head) internal {
        bytes memory refusal = refusalOf(hash);
        if (refusal.length != 0) vm.expectRevert(refusal);
        policies.publish(hash);
        if (refusal.length != 0) return assertUnchanged(head);
        _said[hash].publishedAt = _time;
        assertWord(IPolicyRegistry.Published.selector, hash, "", fold(head, 32, hash));
    }

    function retract(bytes32 hash, bytes32 head) internal {
        if (hash == 0) vm.expectRevert(abi.encodeWithSelector(IPolicyRegistry.InvalidDocument.selector, hash));
        policies.retract(hash);
        if (hash == 0 || _said[hash].retractedAt != 0) return assertUnchanged(head);
        _said[hash].retractedAt = _time;
        assertWord(IPolicyRegistry.Retracted.selector, hash, "", fold(head, 34, hash));
    }

    function supersede(bytes32 hash, bytes32 other, bool material, bytes32 head) internal {
        IPolicyRegistry.Document storage old = _said[hash];
        bytes memory refusal = refusalOf(other);
        if (old.supersededAt != 0) {
            refusal = abi.encodeWithSelector(
                IPolicyRegistry.AlreadySuperseded.selector,
                address(this),
                hash,
                old.successor
            );
        }
        if (old.retractedAt != 0) {
            refusal = abi.encodeWithSelector(IPolicyRegistry.AlreadyRetracted.selector, address(this), hash);
        }
        if (old.publishedAt == 0) {
            refusal = abi.encodeWithSelector(IPolicyRegistry.NotPublished.selector, address(this), hash);
        }
        if (refusal.length != 0) vm.expectRevert(refusal);
        policies.supersede(hash, other, material);
        if (refusal.length != 0) return assertUnchanged(head);
        (old.supersededAt, old.material, old.successor) = (_time, material, other);
        _said[other].publishedAt = _time;
        bytes32 value = keccak256(abi.encode(hash, other, material));
        assertWord(IPolicyRegistry.Superseded.selector, hash, abi.encode(other, material), fold(head, 33, value));
    }

    function assertUnchanged(bytes32 head) internal {
        vm.assertEq(policies.head(), head, "head");
        vm.assertEq(vm.getRecordedLogs().length, 0, "events");
    }

    function assertWord(bytes32 signature, bytes32 hash, bytes memory data, bytes32 head) internal {
        Vm.Log[] memory logs = vm.getRecordedLogs();
        vm.assertEq(logs.length, 1, "events");
        vm.assertEq(logs[0].emitter, address(policies), "emitter");
        vm.assertEq(abi.encodePacked(logs[0].topics), abi.encode(signature, address(this), hash), "topics");
        vm.assertEq(logs[0].data, data, "data");
        vm.assertEq(policies.head(), head, "head");
    }
}
