// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {vm} from "./support/Vm.sol";

/// @notice delegate, delegateFor, and what each right lets the guardian do.
contract DelegatingTest is RegistryTest {
    bytes32 internal constant A = keccak256("grant a");
    uint64 internal constant UNTIL = START + 30 days;

    function sendDelegation(address to, uint8 rights, uint64 validUntil, uint64 instant) internal {
        bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, to, rights, validUntil, instant));
        vm.prank(relayer);
        registry.delegateFor(patient, to, rights, validUntil, instant, signature);
    }

    function assertDelegation(uint8 rights, uint64 validUntil, uint64 instant) internal view {
        IConsentRecords.Delegation memory delegation = registry.delegations(patient, guardian);
        vm.assertEq(delegation.rights, rights, "rights");
        vm.assertEq(delegation.validUntil, validUntil, "validUntil");
        vm.assertEq(delegation.at, instant, "at");
    }

    function test_delegate_recordsEventAndHead() public {
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Delegated(patient, guardian, 3, UNTIL, START);
        vm.prank(patient);
        registry.delegate(guardian, 3, UNTIL);
        assertDelegation(3, UNTIL, START);
        bytes32 value = keccak256(abi.encode(guardian, uint8(3), UNTIL, START));
        vm.assertEq(registry.head(), fold(head, 6, patient, value), "head");
    }

    function test_delegateFor_recordsEventAndHead() public {
        bytes32 head = registry.head();
        vm.expectEmit(address(registry));
        emit IConsentRecords.Delegated(patient, guardian, 1, UNTIL, START - 60);
        sendDelegation(guardian, 1, UNTIL, START - 60);
        assertDelegation(1, UNTIL, START - 60);
        bytes32 value = keccak256(abi.encode(guardian, uint8(1), UNTIL, START - 60));
        vm.assertEq(registry.head(), fold(head, 6, patient, value), "head");
    }

    function test_delegateFor_refusesTooFarAhead() public {
        for (uint8 rights = 0; rights < 4; ++rights) {
            uint64 latest = rights == 0 ? START + 15 minutes : START;
            bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, guardian, rights, UNTIL, latest + 1));
            vm.expectRevert(abi.encodeWithSelector(IConsentRecords.TooFarAhead.selector, latest + 1, latest));
            registry.delegateFor(patient, guardian, rights, UNTIL, latest + 1, signature);
        }
        sendDelegation(guardian, 1, UNTIL, START);
        sendDelegation(guardian, 0, UNTIL, START + 15 minutes);
    }

    function test_delegateFor_refusesWhatIsNotNewer() public {
        sendDelegation(guardian, 1, UNTIL, START);
        for (uint64 instant = START - 1; instant <= START; ++instant) {
            bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, guardian, 3, UNTIL, instant));
            vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotNewer.selector, instant, START));
            registry.delegateFor(patient, guardian, 3, UNTIL, instant, signature);
        }
        vm.warp(START + 1);
        sendDelegation(guardian, 3, UNTIL, START + 1);
        assertDelegation(3, UNTIL, START + 1);
    }

    function test_delegateFor_isOrderedPerDelegate() public {
        sendDelegation(guardian, 1, UNTIL, START);
        sendDelegation(stranger, 1, UNTIL, START - 5);
    }

    function test_delegateFor_atTheSameInstantRemovalWins() public {
        sendDelegation(guardian, 3, UNTIL, START);
        sendDelegation(guardian, 0, 0, START);
        assertDelegation(0, 0, START);
        bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, guardian, 3, UNTIL, START));
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotNewer.selector, START, START));
        registry.delegateFor(patient, guardian, 3, UNTIL, START, signature);
    }

    function test_delegate_removalNeverFails() public {
        sendDelegation(guardian, 3, UNTIL, START);
        vm.prank(patient);
        registry.delegate(guardian, 0, 0);
        assertDelegation(0, 0, START);
        sendDelegation(guardian, 0, 0, START + 15 minutes);
        assertDelegation(0, 0, START + 15 minutes);
        bytes32 head = watch();
        vm.prank(patient);
        registry.delegate(guardian, 0, 0);
        sendDelegation(guardian, 0, 0, START);
        assertNoTrace(head);
    }

    function test_delegate_removalComesBeforeAWithheldDelegation() public {
        bytes memory withheld = sign(PATIENT_KEY, delegationHash(patient, guardian, 3, UNTIL, START));
        vm.prank(patient);
        registry.delegate(guardian, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotNewer.selector, START, START));
        registry.delegateFor(patient, guardian, 3, UNTIL, START, withheld);
    }

    function test_delegate_givingIsRefusedTwiceInTheSameSecond() public {
        delegateAs(patient, guardian, WITHDRAW);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.NotNewer.selector, START, START));
        delegateAs(patient, guardian, GRANT);
    }

    function test_delegate_refusesNobodyAndOneself() public {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.InvalidDelegate.selector, address(0)));
        delegateAs(patient, address(0), WITHDRAW);
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.InvalidDelegate.selector, patient));
        delegateAs(patient, patient, WITHDRAW);
        bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, address(0), 1, UNTIL, START));
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.InvalidDelegate.selector, address(0)));
        registry.delegateFor(patient, address(0), 1, UNTIL, START, signature);
    }

    function test_delegate_refusesUnknownRights() public {
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.InvalidRights.selector, 4));
        delegateAs(patient, guardian, 4);
        bytes memory signature = sign(PATIENT_KEY, delegationHash(patient, guardian, 255, UNTIL, START));
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.InvalidRights.selector, 255));
        registry.delegateFor(patient, guardian, 255, UNTIL, START, signature);
    }

    function test_delegateFor_onlyTheSubjectDelegates() public {
        delegateAs(patient, guardian, WITHDRAW | GRANT);
        bytes32 message = delegationHash(patient, stranger, 3, UNTIL, START);
        bytes memory signature = sign(GUARDIAN_KEY, message);
        expectInvalidSignature(patient, message);
        registry.delegateFor(patient, stranger, 3, UNTIL, START, signature);
        expectInvalidSignature(patient, message);
        vm.prank(guardian);
        registry.delegateFor(patient, stranger, 3, UNTIL, START, "");
    }

    function test_delegateFor_worksWhenClosed() public {
        vm.prank(patient);
        registry.close();
        sendDelegation(guardian, 1, UNTIL, START);
        assertDelegation(1, UNTIL, START);
    }

    // What a guardian may do. Each call is made with the right alone, then with the other right alone.

    function callAs(uint256 call, bytes memory signature) internal {
        if (call == 0) registry.revokeFor(patient, list(A), guardian, signature);
        if (call == 1) registry.revokeAllFor(patient, START, guardian, signature);
        if (call == 2) registry.suspendFor(patient, true, START, guardian, signature);
        if (call == 3) registry.closeFor(patient, guardian, signature);
        if (call == 4) registry.grantFor(patient, list(A), START, guardian, signature);
        if (call == 5) registry.suspendFor(patient, false, START, guardian, signature);
    }

    function messageOf(uint256 call) internal view returns (bytes32) {
        if (call == 0) return revocationHash(patient, list(A));
        if (call == 1) return revokeAllHash(patient, START);
        if (call == 2) return suspensionHash(patient, true, START);
        if (call == 3) return closureHash(patient);
        if (call == 4) return consentHash(patient, list(A), START);
        return suspensionHash(patient, false, START);
    }

    function test_rights_signedByTheGuardian() public {
        for (uint256 call = 0; call < 6; ++call) {
            setUp();
            uint8 needed = call < 4 ? WITHDRAW : GRANT;
            bytes memory signature = sign(GUARDIAN_KEY, messageOf(call));
            expectNotAuthorised(patient, guardian, needed);
            callAs(call, signature);
            delegateAs(patient, guardian, needed == WITHDRAW ? GRANT : WITHDRAW);
            expectNotAuthorised(patient, guardian, needed);
            callAs(call, signature);
            setUp();
            delegateAs(patient, guardian, needed);
            bytes32 head = registry.head();
            callAs(call, sign(GUARDIAN_KEY, messageOf(call)));
            vm.assertEq(registry.head() != head, true, "it had its effect");
        }
    }

    function test_rights_sentByTheGuardian() public {
        for (uint256 call = 0; call < 6; ++call) {
            setUp();
            delegateAs(patient, guardian, call < 4 ? WITHDRAW : GRANT);
            bytes32 head = registry.head();
            expectInvalidSignature(guardian, messageOf(call));
            callAs(call, "");
            vm.prank(guardian);
            callAs(call, "");
            vm.assertEq(registry.head() != head, true, "it had its effect");
        }
    }

    function test_rights_namesTheGuardianInTheEvent() public {
        delegateAs(patient, guardian, GRANT);
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        c.signer = guardian;
        sealConsent(c, GUARDIAN_KEY);
        vm.expectEmit(address(registry));
        emit IConsentRecords.Granted(patient, A, guardian);
        send(c);
    }

    function test_rights_endWithTheirTime() public {
        vm.prank(patient);
        registry.delegate(guardian, WITHDRAW, UNTIL);
        vm.warp(UNTIL);
        expectNotAuthorised(patient, guardian, WITHDRAW);
        vm.prank(guardian);
        registry.closeFor(patient, guardian, "");
        vm.warp(UNTIL - 1);
        vm.prank(guardian);
        registry.closeFor(patient, guardian, "");
    }

    function test_rights_endWhenTakenAway() public {
        delegateAs(patient, guardian, WITHDRAW);
        delegateAs(patient, guardian, 0);
        expectNotAuthorised(patient, guardian, WITHDRAW);
        vm.prank(guardian);
        registry.closeFor(patient, guardian, "");
    }

    function test_rights_areForOneSubject() public {
        delegateAs(patient, guardian, WITHDRAW);
        expectNotAuthorised(stranger, guardian, WITHDRAW);
        vm.prank(guardian);
        registry.closeFor(stranger, guardian, "");
    }
}
