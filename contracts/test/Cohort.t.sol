// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Cohort} from "../libraries/Cohort.sol";
import {vm} from "./support/Vm.sol";

/// @notice Every cohort in tests/vectors/merkle.json, made by OpenZeppelin's own library.
contract CohortTest {
    string private _json;

    function setUp() public {
        _json = vm.readFile("tests/vectors/merkle.json");
    }

    function test_vectors() public view {
        uint256 proofs = 0;
        for (uint256 i = 0; vm.keyExistsJson(_json, at(".cohorts", i)); ++i) {
            bytes32 root = vm.parseJsonBytes32(_json, string.concat(at(".cohorts", i), ".root"));
            string memory list = string.concat(at(".cohorts", i), ".proofs");
            for (uint256 j = 0; vm.keyExistsJson(_json, at(list, j)); ++j) {
                checkProof(at(".cohorts", i), at(list, j), root);
                ++proofs;
            }
        }
        vm.assertEq(proofs > 5, true, "proofs read");
    }

    function checkProof(string memory cohort, string memory key, bytes32 root) internal view {
        uint256 index = vm.parseJsonUint(_json, string.concat(key, ".index"));
        string memory pair = at(string.concat(cohort, ".pairs"), index);
        address subject = vm.parseJsonAddress(_json, string.concat(pair, "[0]"));
        bytes32 grantHash = vm.parseJsonBytes32(_json, string.concat(pair, "[1]"));
        bytes32[] memory proof = vm.parseJsonBytes32Array(_json, string.concat(key, ".proof"));
        vm.assertEq(this.contains(root, subject, grantHash, proof), true, key);
        vm.assertEq(this.contains(root, address(this), grantHash, proof), false, key);
        vm.assertEq(this.contains(root, subject, ~grantHash, proof), false, key);
        if (proof.length == 0) return;
        proof[0] = ~proof[0];
        vm.assertEq(this.contains(root, subject, grantHash, proof), false, key);
    }

    function contains(
        bytes32 root,
        address subject,
        bytes32 grantHash,
        bytes32[] calldata proof
    ) external pure returns (bool) {
        return Cohort.contains(root, subject, grantHash, proof);
    }

    function at(string memory key, uint256 index) internal pure returns (string memory) {
        return string.concat(key, "[", vm.toString(index), "]");
    }
}
