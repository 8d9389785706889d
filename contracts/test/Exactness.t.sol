// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {vm} from "./support/Vm.sol";

/// @notice What only a very small fault would break, and no other test noticed when one was put in.
contract ExactnessTest is RegistryTest {
    bytes32 internal constant A = keccak256("grant a");

    /// @dev The smallest time there is still counts as a time.
    function test_aRevocationInTheFirstSecondIsOne() public {
        vm.warp(1);
        vm.prank(patient);
        registry.revoke(list(A));
        bytes32 head = watch();
        vm.prank(patient);
        registry.revoke(list(A));
        assertNoTrace(head);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.AlreadyRevoked.selector, patient, A));
        grantAs(patient, A);
        vm.assertEq(revokedAt(patient, A), 1, "revokedAt");
    }

    /// @dev Its last byte lies behind its end, where it should be padded with zeros.
    function test_aSignatureEndsWhereItSays() public {
        bytes memory signature = sign(PATIENT_KEY, revocationHash(patient, list(A)));
        bytes memory data = abi.encodeCall(registry.revokeFor, (patient, list(A), patient, signature));
        assembly ("memory-safe") {
            mstore(add(data, sub(mload(data), 0x60)), 64)
        }
        (bool done, bytes memory answer) = address(registry).call(data);
        bytes32 digest = digestOf(revocationHash(patient, list(A)));
        bytes memory refusal = abi.encodeWithSelector(IConsentRecords.SignatureInvalid.selector, patient, digest);
        vm.assertEq(done, false, "refused");
        vm.assertEq(answer, refusal, "for its signature");
    }
}
