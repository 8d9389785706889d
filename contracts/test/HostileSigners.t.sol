// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IConsentRecords} from "../interfaces/IConsentRecords.sol";
import {SignatureVerification} from "../libraries/SignatureVerification.sol";
import {RegistryTest} from "./support/RegistryTest.sol";
import {vm} from "./support/Vm.sol";
import {BurningWallet, GarbageWallet, OwnedWallet, ReentrantWallet} from "./support/Wallets.sol";

/// @notice Signatures nobody should have made, and contracts that answer with anything but a clean yes.
contract HostileSignersTest is RegistryTest {
    bytes32 internal constant A = keccak256("grant a");
    bytes4 internal constant YES = IERC1271.isValidSignature.selector;
    uint256 internal constant ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;

    function signedBy(bytes32 digest, address signer, bytes calldata signature) external view returns (bool) {
        return SignatureVerification.signedBy(digest, signer, signature);
    }

    function signedByEither(bytes32 digest, address signer, bytes calldata signature) external view returns (bool) {
        return SignatureVerification.signedByEither(digest, signer, signature);
    }

    /// @dev Both rules, which agree on all accounts without code.
    function assertSigned(bytes32 digest, address signer, bytes memory signature, bool expected) internal view {
        vm.assertEq(this.signedBy(digest, signer, signature), expected, "signedBy");
        vm.assertEq(this.signedByEither(digest, signer, signature), expected, "signedByEither");
    }

    /// @dev The registry's own refusal, of a grant and of a revocation.
    function assertRefused(address signer, bytes memory signature) internal {
        expectInvalidSignature(signer, consentHash(signer, list(A), START));
        vm.prank(relayer);
        registry.grantFor(signer, list(A), START, signer, signature);
        expectInvalidSignature(signer, revocationHash(signer, list(A)));
        vm.prank(relayer);
        registry.revokeFor(signer, list(A), signer, signature);
    }

    // ECDSA

    function testFuzz_key_signsForItsAddressOnly(uint256 key, bytes32 digest, address other) public view {
        key = 1 + (key % (ORDER - 1));
        address signer = vm.addr(key);
        vm.assume(other != signer && other.code.length == 0);
        bytes memory signature = signDigest(key, digest);
        assertSigned(digest, signer, signature, true);
        assertSigned(digest, other, signature, false);
        assertSigned(~digest, signer, signature, false);
    }

    function testFuzz_key_everyOtherVIsRefused(bytes32 digest, uint8 v) public view {
        (uint8 good, bytes32 r, bytes32 s) = vm.sign(PATIENT_KEY, digest);
        assertSigned(digest, patient, abi.encodePacked(r, s, v), v == good);
        assertSigned(digest, address(0), abi.encodePacked(r, s, v), false);
    }

    /// @dev For any r on the curve somebody is recovered, so the bound itself can be tried from both sides.
    function testFuzz_key_sUpToHalfTheOrder(bytes32 digest, uint256 s, bool odd) public view {
        (, bytes32 r, ) = vm.sign(PATIENT_KEY, keccak256(abi.encode(digest)));
        uint8 v = odd ? 27 : 28;
        uint256 most = ORDER / 2;
        uint256[4] memory tried = [most, most + 1, 1 + (s % most), most + 1 + (s % (ORDER - most - 1))];
        for (uint256 i = 0; i < tried.length; ++i) {
            address signer = ecrecover(digest, v, r, bytes32(tried[i]));
            vm.assertEq(signer != address(0), true, "somebody is recovered");
            assertSigned(digest, signer, abi.encodePacked(r, tried[i], v), tried[i] <= most);
        }
    }

    function testFuzz_key_onlyOf65Bytes(bytes32 digest, uint8 length) public view {
        bytes memory signature = signDigest(PATIENT_KEY, digest);
        bytes memory cut = new bytes(length % 100);
        for (uint256 i = 0; i < cut.length; ++i) cut[i] = i < 65 ? signature[i] : bytes1(0);
        assertSigned(digest, patient, cut, cut.length == 65);
    }

    /// @dev ERC-2098, and what of it a careless reader would take for 65 bytes: the word behind it in the calldata.
    function testFuzz_key_compactSignaturesAreRefused(bytes32 digest) public view {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PATIENT_KEY, digest);
        assertSigned(digest, patient, abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255))), false);
        assertSigned(digest, patient, abi.encodePacked(r, s), false);
    }

    function testFuzz_key_noPointOnTheCurve(bytes32 digest, uint256 r, uint256 s, uint8 v) public view {
        address nobody = ecrecover(digest, v, bytes32(r), bytes32(s));
        assertSigned(digest, address(0), abi.encodePacked(r, s, v), false);
        assertSigned(digest, patient, abi.encodePacked(r, s, v), nobody == patient);
        assertSigned(digest, patient, new bytes(65), false);
        assertSigned(digest, address(0), new bytes(65), false);
    }

    function testFuzz_registry_refusesWhatIsNotAKeysSignature(bytes32 r, bytes32 s, uint8 v) public {
        assertRefused(patient, abi.encodePacked(r, s, v));
        assertRefused(patient, new bytes(65));
        assertRefused(address(0), abi.encodePacked(r, s, v));
        assertRefused(address(0), new bytes(65));
    }

    function testFuzz_registry_refusesAnyOtherBytes(bytes calldata signature) public {
        vm.assume(signature.length != 0);
        assertRefused(patient, signature);
        // The patient may send what she likes without signing it, but not with a bad signature.
        expectInvalidSignature(patient, revocationHash(patient, list(A)));
        vm.prank(patient);
        registry.revokeFor(patient, list(A), patient, signature);
        assertRefused(patient, "");
    }

    // ERC-1271

    /// @dev Anything but a word that is exactly the selector, whatever follows it.
    function testFuzz_contract_answers(bytes memory answer) public {
        assertAnswer(answer, answer.length >= 32 && bytes32(answer) == bytes32(YES));
    }

    function testFuzz_contract_dirtyAnswers(uint8 bit, bytes memory tail) public {
        assertAnswer(bytes.concat(bytes32(YES) ^ bytes32(uint256(1) << bit), tail), false);
        assertAnswer(bytes.concat(bytes32(YES), tail), true);
    }

    function testFuzz_contract_shortAnswers(uint8 length) public {
        bytes memory answer = new bytes(length % 32);
        for (uint256 i = 0; i < answer.length && i < 4; ++i) answer[i] = YES[i];
        assertAnswer(answer, false);
    }

    function assertAnswer(bytes memory answer, bool yes) internal {
        address wallet = address(new GarbageWallet(answer));
        assertSigned(keccak256("digest"), wallet, "signature", yes);
        if (!yes) return assertRefused(wallet, "signature");
        vm.prank(relayer);
        registry.grantFor(wallet, list(A), START, wallet, "signature");
        vm.assertEq(grantedAt(wallet, A), START, "granted");
    }

    function test_contract_longAnswersCostNoMore() public {
        bytes memory answer = new bytes(100_000);
        address wallet = address(new GarbageWallet(answer));
        assertRefused(wallet, "signature");
    }

    /// @dev An empty signature is put to a contract like any other, unless it sends the transaction itself.
    function testFuzz_contract_isAskedAboutEmptySignatures(bool yes) public {
        address wallet = address(new GarbageWallet(abi.encode(yes ? YES : bytes4(0))));
        if (!yes) assertRefused(wallet, "");
        else registry.grantFor(wallet, list(A), START, wallet, "");
        vm.prank(wallet);
        registry.revokeFor(wallet, list(A), wallet, "");
        vm.assertEq(revokedAt(wallet, A), START, "revoked");
    }

    /// @dev Everything it could do to itself by calling the registry: each succeeds when it is not being asked.
    function everyCallOf(address wallet) internal view returns (bytes[] memory calls) {
        IConsentRecords.ConsentCall[] memory many = new IConsentRecords.ConsentCall[](1);
        many[0] = IConsentRecords.ConsentCall(wallet, list(keccak256("d")), START, wallet, "");
        calls = new bytes[](14);
        calls[0] = abi.encodeCall(registry.grant, (list(keccak256("b"))));
        calls[1] = abi.encodeCall(registry.grantFor, (wallet, list(keccak256("c")), START, wallet, ""));
        calls[2] = abi.encodeCall(registry.grantForMany, (many));
        calls[3] = abi.encodeCall(registry.revoke, (list(keccak256("e"))));
        calls[4] = abi.encodeCall(registry.revokeFor, (wallet, list(keccak256("f")), wallet, ""));
        calls[5] = abi.encodeCall(registry.delegate, (stranger, 3, START + 1));
        calls[6] = abi.encodeCall(registry.delegateFor, (wallet, guardian, 3, START + 1, START, ""));
        calls[7] = abi.encodeCall(registry.anchor, (A, 1));
        calls[8] = abi.encodeCall(registry.revokeAll, (START - 1));
        calls[9] = abi.encodeCall(registry.revokeAllFor, (wallet, START, wallet, ""));
        calls[10] = abi.encodeCall(registry.suspend, (true));
        calls[11] = abi.encodeCall(registry.suspendFor, (wallet, true, START + 1, wallet, ""));
        calls[12] = abi.encodeCall(registry.closeFor, (wallet, wallet, ""));
        calls[13] = abi.encodeCall(registry.close, ());
    }

    function test_contract_callsThatSucceedWhenItIsNotAsked() public {
        ReentrantWallet hostile = new ReentrantWallet(address(registry));
        address wallet = address(hostile);
        uint256 gas = hostile.GAS();
        bytes[] memory calls = everyCallOf(wallet);
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes32 head = registry.head();
            vm.prank(wallet);
            (bool done, ) = address(registry).call{gas: gas}(calls[i]);
            vm.assertEq(done, true, vm.toString(i));
            // The last says again what was said before it.
            vm.assertEq(registry.head() != head, i != 13, vm.toString(i));
        }
    }

    /// @dev While any function asks it, it can write nothing, not even about itself; what it says yes to is recorded once.
    function test_contract_cannotReenter() public {
        ReentrantWallet hostile = new ReentrantWallet(address(registry));
        address wallet = address(hostile);
        hostile.tryToCall(everyCallOf(wallet));
        IConsentRecords.ConsentCall[] memory many = new IConsentRecords.ConsentCall[](2);
        many[0] = IConsentRecords.ConsentCall(wallet, list(keccak256("x")), START, wallet, "anything");
        many[1] = forgeConsent(A);
        bytes32 head = registry.head();

        registry.grantFor(wallet, list(A), START, wallet, "anything");
        head = fold(head, 1, wallet, A);
        registry.grantForMany(many);
        head = fold(fold(head, 1, wallet, keccak256("x")), 1, patient, A);
        registry.revokeFor(wallet, list(A), wallet, "anything");
        head = fold(head, 2, wallet, A);
        registry.delegateFor(wallet, stranger, 1, START + 9, START, "anything");
        head = fold(head, 6, wallet, keccak256(abi.encode(stranger, 1, START + 9, START)));
        registry.delegateFor(wallet, stranger, 0, 0, START, "anything");
        head = fold(head, 6, wallet, keccak256(abi.encode(stranger, 0, 0, START)));
        registry.suspendFor(wallet, true, START - 1, wallet, "anything");
        head = fold(head, 4, wallet, keccak256(abi.encode(true, START - 1)));
        registry.suspendFor(wallet, false, START, wallet, "anything");
        head = fold(head, 4, wallet, keccak256(abi.encode(false, START)));
        registry.revokeAllFor(wallet, START - 2, wallet, "anything");
        head = fold(head, 3, wallet, bytes32(uint256(START - 2)));
        registry.closeFor(wallet, wallet, "anything");
        head = fold(head, 5, wallet, 0);
        vm.assertEq(registry.head(), head, "each was recorded once, and nothing else");
    }

    /// @dev It speaks for itself alone: saying yes to everything gives it nothing of others.
    function test_contract_liesOnlyAboutItself() public {
        address wallet = address(new ReentrantWallet(address(registry)));
        expectNotAuthorised(patient, wallet, GRANT);
        registry.grantFor(patient, list(A), START, wallet, "anything");
        expectNotAuthorised(patient, wallet, WITHDRAW);
        registry.revokeFor(patient, list(A), wallet, "anything");
        delegateAs(patient, wallet, WITHDRAW);
        expectNotAuthorised(patient, wallet, GRANT);
        registry.grantFor(patient, list(A), START, wallet, "anything");
        registry.revokeFor(patient, list(A), wallet, "anything");
        vm.assertEq(revokedAt(patient, A), START, "as a delegate it may");
    }

    /// @dev What it burns is what the sender gave; nothing is recorded, and nobody else is hindered.
    function test_contract_thatBurnsAllGas() public {
        address wallet = address(new BurningWallet());
        bytes32 head = registry.head();
        bytes memory call = abi.encodeCall(registry.grantFor, (wallet, list(A), START, wallet, "signature"));
        (bool done, ) = address(registry).call{gas: 2_000_000}(call);
        vm.assertEq(done, false, "refused");
        vm.assertEq(registry.head(), head, "head");
        send(forgeConsent(A));
    }

    /// @dev EIP-7702: the account's own key is tried first, so code that burns everything cannot even cost more.
    function test_delegatedAccount_ofBurningCodeWithdrawsWithItsKey() public {
        vm.etch(patient, abi.encodePacked(hex"ef0100", address(new BurningWallet())));
        bytes memory signature = sign(PATIENT_KEY, revocationHash(patient, list(A)));
        registry.revokeFor{gas: 120_000}(patient, list(A), patient, signature);
        vm.assertEq(revokedAt(patient, A), START, "revoked");
        signature = sign(PATIENT_KEY, consentHash(patient, list(keccak256("b")), START));
        bytes memory call = abi.encodeCall(registry.grantFor, (patient, list(keccak256("b")), START, patient, signature));
        (bool done, ) = address(registry).call{gas: 2_000_000}(call);
        vm.assertEq(done, false, "its code was asked");
        vm.prank(patient);
        registry.grant(list(keccak256("b")));
    }

    /// @dev A delegate that is such an account: the same two rules for what it says about another subject.
    function test_delegatedAccount_asDelegate() public {
        delegateAs(patient, guardian, WITHDRAW | GRANT);
        vm.etch(guardian, abi.encodePacked(hex"ef0100", address(new GarbageWallet(""))));
        bytes32 message = consentHash(patient, list(A), START);
        bytes memory signature = sign(GUARDIAN_KEY, message);
        expectInvalidSignature(guardian, message);
        registry.grantFor(patient, list(A), START, guardian, signature);
        signature = sign(GUARDIAN_KEY, revocationHash(patient, list(A)));
        registry.revokeFor(patient, list(A), guardian, signature);
        vm.assertEq(revokedAt(patient, A), START, "revoked");
    }

    /// @dev Without its code, before it is deployed or after it is gone, a contract's address signs nothing.
    function test_contract_thatIsGone() public {
        address wallet = address(new OwnedWallet(patient));
        bytes32 message = consentHash(wallet, list(A), START);
        bytes memory signature = sign(PATIENT_KEY, message);
        bytes memory code = wallet.code;
        vm.etch(wallet, "");
        expectInvalidSignature(wallet, message);
        registry.grantFor(wallet, list(A), START, wallet, signature);
        vm.etch(wallet, code);
        registry.grantFor(wallet, list(A), START, wallet, signature);
        vm.etch(wallet, "");
        assertRefused(wallet, "signature");
        vm.assertEq(grantedAt(wallet, A), START, "what it granted stands");
    }
}
