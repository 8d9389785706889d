// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ConsentRegistry} from "../ConsentRegistry.sol";
import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {vm} from "./support/Vm.sol";
import {GarbageWallet, Mute, OwnedWallet, PasswordWallet, RevertingWallet, WritingWallet} from "./support/Wallets.sol";

/// @notice Every signed call, for every kind of signer: what widens follows the strict rule, what narrows either.
contract SigningTest is RegistryTest {
    bytes32 internal constant A = keccak256("grant a");
    uint256 internal constant SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    /// @dev Not read from the block: the compiler takes that for constant, whatever the cheatcode says.
    uint256 internal constant HOME = 31337;

    /// @dev The signed calls of `subject`: 0 to 4 narrow, 5 to 7 widen.
    uint256 internal constant CALLS = 8;
    uint256 internal constant WIDENING = 5;

    function callFor(address subject, uint256 call, bytes memory signature) public {
        if (call == 0) registry.revokeFor(subject, list(A), subject, signature);
        if (call == 1) registry.revokeAllFor(subject, START, subject, signature);
        if (call == 2) registry.suspendFor(subject, true, START, subject, signature);
        if (call == 3) registry.closeFor(subject, subject, signature);
        if (call == 4) registry.delegateFor(subject, guardian, 0, 0, START, signature);
        if (call == 5) registry.grantFor(subject, list(A), START, subject, signature);
        if (call == 6) registry.suspendFor(subject, false, START, subject, signature);
        if (call == 7) registry.delegateFor(subject, guardian, 3, START, START, signature);
    }

    function messageOf(address subject, uint256 call) internal view returns (bytes32) {
        if (call == 0) return revocationHash(subject, list(A));
        if (call == 1) return revokeAllHash(subject, START);
        if (call == 2) return suspensionHash(subject, true, START);
        if (call == 3) return closureHash(subject);
        if (call == 4) return delegationHash(subject, guardian, 0, 0, START);
        if (call == 5) return consentHash(subject, list(A), START);
        if (call == 6) return suspensionHash(subject, false, START);
        return delegationHash(subject, guardian, 3, START, START);
    }

    function assertAccepts(address subject, uint256 call, bytes memory signature) internal {
        bytes32 head = registry.head();
        vm.prank(relayer);
        callFor(subject, call, signature);
        vm.assertEq(registry.head() != head, true, string.concat("call ", vm.toString(call), " had no effect"));
    }

    function assertRefuses(address subject, uint256 call, bytes memory signature) internal {
        expectInvalidSignature(subject, messageOf(subject, call));
        vm.prank(relayer);
        callFor(subject, call, signature);
    }

    function test_ownKey() public {
        for (uint256 call = 0; call < CALLS; ++call) {
            setUp();
            bytes memory signature = sign(PATIENT_KEY, messageOf(patient, call));
            assertRefuses(patient, call, sign(STRANGER_KEY, messageOf(patient, call)));
            assertRefuses(patient, call, sign(PATIENT_KEY, keccak256("another message")));
            assertAccepts(patient, call, signature);
        }
    }

    function test_smartAccount() public {
        address wallet = address(new OwnedWallet(patient));
        for (uint256 call = 0; call < CALLS; ++call) {
            setUp();
            assertRefuses(wallet, call, sign(STRANGER_KEY, messageOf(wallet, call)));
            assertRefuses(wallet, call, "");
            assertAccepts(wallet, call, sign(PATIENT_KEY, messageOf(wallet, call)));
        }
    }

    function test_smartAccount_actsByItself() public {
        OwnedWallet wallet = new OwnedWallet(patient);
        wallet.execute(address(registry), abi.encodeCall(registry.grant, (list(A))));
        vm.assertEq(grantedAt(address(wallet), A), START, "granted");
        wallet.execute(address(registry), abi.encodeCall(registry.revokeFor, (address(wallet), list(A), address(wallet), "")));
        vm.assertEq(revokedAt(address(wallet), A), START, "revoked");
    }

    function test_twoAccountsOfOneOwnerDoNotShareSignatures() public {
        address one = address(new OwnedWallet(patient));
        address other = address(new OwnedWallet(patient));
        for (uint256 call = 0; call < CALLS; ++call) {
            assertRefuses(other, call, sign(PATIENT_KEY, messageOf(one, call)));
        }
    }

    function test_delegatedAccount_narrowsWithItsKeyAndWidensOnlyThroughItsCode() public {
        vm.etch(patient, abi.encodePacked(hex"ef0100", address(new PasswordWallet())));
        vm.assertEq(PasswordWallet(patient).isValidSignature(0, "password") != 0, true, "the account runs that code");
        for (uint256 call = 0; call < CALLS; ++call) {
            setUp();
            bytes memory signature = sign(PATIENT_KEY, messageOf(patient, call));
            if (call < WIDENING) assertAccepts(patient, call, signature);
            else assertRefuses(patient, call, signature);
            setUp();
            assertRefuses(patient, call, "not the password");
            assertAccepts(patient, call, "password");
        }
    }

    function test_delegatedAccount_ofHostileCodeCanStillWithdraw() public {
        vm.etch(patient, abi.encodePacked(hex"ef0100", address(new RevertingWallet())));
        for (uint256 call = 0; call < WIDENING; ++call) {
            setUp();
            assertRefuses(patient, call, sign(STRANGER_KEY, messageOf(patient, call)));
            assertAccepts(patient, call, sign(PATIENT_KEY, messageOf(patient, call)));
        }
    }

    function test_hostileContracts_areRefused() public {
        bytes4 yes = IERC1271.isValidSignature.selector;
        address[6] memory hostile = [
            address(new RevertingWallet()),
            address(new Mute()),
            address(new GarbageWallet("")),
            address(new GarbageWallet(abi.encodePacked(yes))),
            address(new GarbageWallet(abi.encode(uint256(uint32(yes))))),
            address(new GarbageWallet(abi.encodePacked(yes, uint224(1))))
        ];
        for (uint256 i = 0; i < hostile.length; ++i) {
            for (uint256 call = 0; call < CALLS; ++call) assertRefuses(hostile[i], call, "signature");
        }
    }

    function test_contractsCannotWriteWhileAsked() public {
        address wallet = address(new WritingWallet());
        for (uint256 call = 0; call < CALLS; ++call) assertRefuses(wallet, call, "signature");
    }

    function test_longAnswerThatStartsWithYesIsYes() public {
        bytes memory answer = abi.encode(bytes32(IERC1271.isValidSignature.selector), uint256(7));
        assertAccepts(address(new GarbageWallet(answer)), 5, "signature");
    }

    function test_malleableSignaturesAreRefused() public {
        for (uint256 call = 0; call < CALLS; ++call) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(PATIENT_KEY, digestOf(messageOf(patient, call)));
            bytes32 highS = bytes32(SECP256K1_ORDER - uint256(s));
            assertRefuses(patient, call, abi.encodePacked(r, highS, v == 27 ? uint8(28) : uint8(27)));
            assertRefuses(patient, call, abi.encodePacked(r, s, v - 27));
            assertRefuses(patient, call, abi.encodePacked(r, s, v, uint8(0)));
            assertRefuses(patient, call, abi.encodePacked(r, s));
            bytes32 compact = bytes32(uint256(s) | (uint256(v - 27) << 255));
            assertRefuses(patient, call, abi.encodePacked(r, compact));
        }
    }

    function test_nobodySignsForTheZeroAddress() public {
        bytes memory nonsense = abi.encodePacked(uint256(1), uint256(1), uint8(99));
        for (uint256 call = 0; call < CALLS; ++call) assertRefuses(address(0), call, nonsense);
    }

    function test_emptySignatureIsForTheSignerAlone() public {
        for (uint256 call = 0; call < CALLS; ++call) {
            setUp();
            assertRefuses(patient, call, "");
            vm.prank(patient);
            callFor(patient, call, "");
        }
    }

    function test_replayOnAnotherChainIsRefused() public {
        for (uint256 call = 0; call < CALLS; ++call) {
            setUp();
            bytes memory signature = sign(PATIENT_KEY, messageOf(patient, call));
            vm.chainId(99);
            assertRefuses(patient, call, signature);
            assertAccepts(patient, call, sign(PATIENT_KEY, messageOf(patient, call)));
            vm.chainId(HOME);
        }
    }

    function test_replayOnAnotherContractIsRefused() public {
        address old = address(registry);
        registry = new ConsentRegistry();
        for (uint256 call = 0; call < CALLS; ++call) {
            bytes32 digest = digestFor(old, block.chainid, messageOf(patient, call));
            assertRefuses(patient, call, signDigest(PATIENT_KEY, digest));
        }
    }

    function test_replayAsAnotherMessageIsRefused() public {
        for (uint256 signed = 0; signed < CALLS; ++signed) {
            bytes memory signature = sign(PATIENT_KEY, messageOf(patient, signed));
            for (uint256 call = 0; call < CALLS; ++call) {
                if (call != signed) assertRefuses(patient, call, signature);
            }
        }
    }

    function test_replayForAnotherSubjectIsRefused() public {
        for (uint256 call = 0; call < CALLS; ++call) {
            assertRefuses(stranger, call, sign(PATIENT_KEY, messageOf(patient, call)));
        }
    }

    /// @dev Every field of a consent is signed.
    function test_tamperedConsentIsRefused() public {
        for (uint256 field = 0; field < 4; ++field) {
            IConsentRecords.ConsentCall memory c = forgeConsent(A);
            if (field == 0) c.subject = c.signer = stranger;
            if (field == 1) c.grantHashes = list(keccak256("grant b"));
            if (field == 2) c.grantHashes = list(A, keccak256("grant b"));
            if (field == 3) ++c.deadline;
            expectInvalidSignature(c.signer, consentHash(c.subject, c.grantHashes, c.deadline));
            send(c);
        }
    }

    function test_whoeverSendsItHasTheSameEffect() public {
        IConsentRecords.ConsentCall memory c = forgeConsent(A);
        vm.prank(stranger);
        registry.grantFor(c.subject, c.grantHashes, c.deadline, c.signer, c.signature);
        vm.assertEq(grantedAt(patient, A), START, "granted");
        vm.expectRevert(abi.encodeWithSelector(IConsentRecords.AlreadyGranted.selector, patient, A));
        send(c);
    }

    function testFuzz_flippedBitIsRefused(uint256 bit, uint8 call) public {
        call %= uint8(CALLS);
        bytes memory signature = sign(PATIENT_KEY, messageOf(patient, call));
        bit %= 8 * 65;
        signature[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        assertRefuses(patient, call, signature);
    }
}
