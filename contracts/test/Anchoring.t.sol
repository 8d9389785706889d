// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ConsentRegistry} from "../ConsentRegistry.sol";
import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {IConsentRegistry} from "../interfaces/IConsentRegistry.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @notice anchor; and what the registry says about itself: its domain, its interfaces, its first head, its slots.
contract AnchoringTest is RegistryTest {
    bytes32 internal constant ROOT = keccak256("root");

    function test_anchor_recordsEventAndHead() public {
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Anchored(ROOT, 100_000);
        vm.prank(stranger);
        registry.anchor(ROOT, 100_000);
        vm.assertEq(registry.anchoredAt(ROOT), START, "anchoredAt");
        bytes32 value = keccak256(abi.encode(ROOT, uint32(100_000)));
        vm.assertEq(registry.head(), fold(head, 7, address(0), value), "head");
    }

    function test_anchor_againLeavesNoTrace() public {
        registry.anchor(ROOT, 3);
        vm.warp(START + 1);
        bytes32 head = watch();
        registry.anchor(ROOT, 3);
        registry.anchor(ROOT, 4);
        assertNoTrace(head);
        vm.assertEq(registry.anchoredAt(ROOT), START, "the first time counts");
    }

    function test_anchor_refusesNothing() public {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.InvalidAnchor.selector, bytes32(0), 1));
        registry.anchor(0, 1);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.InvalidAnchor.selector, ROOT, 0));
        registry.anchor(ROOT, 0);
    }

    function testFuzz_anchor(bytes32 root, uint32 size, bool again) public {
        if (again && root != 0) registry.anchor(root, 7);
        vm.warp(START + 1);
        bytes32 head = watch();
        bool refused = root == 0 || size == 0;
        if (refused) vm.expectRevert(abi.encodeWithSelector(IConsentRecords.InvalidAnchor.selector, root, size));
        registry.anchor(root, size);
        bool recorded = again && root != 0;
        vm.assertEq(registry.anchoredAt(root), recorded ? START : refused ? 0 : START + 1, "anchoredAt");
        if (refused || recorded) return assertNoTrace(head);
        Vm.Log memory expected;
        expected.topics = list(IConsentRecords.Anchored.selector, root);
        (expected.data, expected.emitter) = (abi.encode(size), address(registry));
        assertOnly(expected, foldAt(START + 1, head, 7, address(0), keccak256(abi.encode(root, size))));
    }

    function test_head_startsWithChainAndContract() public {
        vm.assertEq(registry.head(), keccak256(abi.encode(block.chainid, address(registry))), "head");
        vm.chainId(5);
        ConsentRegistry other = new ConsentRegistry();
        vm.assertEq(other.head(), keccak256(abi.encode(uint256(5), address(other))), "on another chain");
    }

    function test_eip712Domain_isWhatWalletsAsk() public view {
        (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        ) = registry.eip712Domain();
        vm.assertEq(bytes32(fields), bytes32(hex"0f"), "fields");
        vm.assertEq(name, "Volens", "name");
        vm.assertEq(version, "1", "version");
        vm.assertEq(chainId, block.chainid, "chainId");
        vm.assertEq(verifyingContract, address(registry), "verifyingContract");
        vm.assertEq(salt, 0, "salt");
        vm.assertEq(extensions.length, 0, "extensions");
    }

    function test_supportsInterface_saysWhatItIs() public view {
        vm.assertEq(registry.supportsInterface(type(IConsentRegistry).interfaceId), true, "IConsentRegistry");
        vm.assertEq(registry.supportsInterface(type(IERC5267).interfaceId), true, "ERC-5267");
        vm.assertEq(registry.supportsInterface(type(IERC165).interfaceId), true, "ERC-165");
        vm.assertEq(registry.supportsInterface(0x01ffc9a7), true, "ERC-165 by number");
        vm.assertEq(registry.supportsInterface(0x84b0196e), true, "ERC-5267 by number");
        vm.assertEq(registry.supportsInterface(0xffffffff), false, "nothing else");
    }

    function testFuzz_supportsInterface_nothingElse(bytes4 id) public view {
        bool known = id == 0x01ffc9a7 || id == 0x84b0196e || id == type(IConsentRegistry).interfaceId;
        vm.assertEq(registry.supportsInterface(id), known, "supportsInterface");
    }

    /// @dev A storage proof reads these slots, so where they are is part of the interface.
    function test_slots_areWhereProofsReadThem() public {
        bytes32 a = keccak256("grant a");
        grantAs(patient, a);
        vm.warp(START + 7);
        vm.prank(patient);
        registry.revoke(list(a));
        vm.prank(patient);
        registry.revokeAll(START + 1);
        vm.prank(patient);
        registry.suspend(true);
        vm.prank(patient);
        registry.close();
        delegateAs(patient, guardian, 3);
        registry.anchor(ROOT, 2);

        bytes32 entry = keccak256(abi.encode(a, keccak256(abi.encode(patient, 0))));
        assertSlot(entry, (uint256(START + 7) << 64) | START, "entry");
        uint256 subject = (uint256(1) << 136) | (uint256(1) << 128) | (uint256(START + 7) << 64) | (START + 1);
        assertSlot(keccak256(abi.encode(patient, 1)), subject, "subject");
        bytes32 delegation = keccak256(abi.encode(guardian, keccak256(abi.encode(patient, 2))));
        assertSlot(delegation, (uint256(START + 7) << 72) | (uint256(START + 7 + 365 days) << 8) | 3, "delegation");
        assertSlot(keccak256(abi.encode(ROOT, 3)), START + 7, "anchoredAt");
        assertSlot(bytes32(uint256(4)), uint256(registry.head()), "head");
    }

    function assertSlot(bytes32 slot, uint256 value, string memory what) internal view {
        vm.assertEq(uint256(vm.load(address(registry), slot)), value, what);
    }
}
