// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {vm} from "../support/Vm.sol";
import {svm} from "./Svm.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// @notice Any call of any entry point of the registry, taken apart: who speaks, for whom, and what was signed.
/// @dev `anyCall` covers the same calls and more, but does not know what is in them. Lists hold one hash here. Hashes
/// are written out by hand, so that the properties do not ask the libraries they are about.
abstract contract Words is SymbolicTest {
    uint8 internal constant WITHDRAW = 1;
    uint8 internal constant GRANT = 2;
    uint256 private constant MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    bytes32 private constant CONSENT =
        keccak256(
            "Consent(address subject,Grant[] grants,uint64 deadline)"
            "Grant(string summary,bytes32 record,address recipient,string[] items,string[] purposes,string[] channels,"
            "string onward,uint64 validFrom,uint64 validUntil,bytes32 form,bytes32 salt)"
        );
    bytes32 private constant REVOCATION =
        keccak256(
            "Revocation(address subject,Grant[] grants)"
            "Grant(string summary,bytes32 record,address recipient,string[] items,string[] purposes,string[] channels,"
            "string onward,uint64 validFrom,uint64 validUntil,bytes32 form,bytes32 salt)"
        );
    bytes32 private constant REVOKE_ALL = keccak256("RevokeAll(address subject,uint64 before)");
    bytes32 private constant SUSPENSION = keccak256("Suspension(address subject,bool suspended,uint64 at)");
    bytes32 private constant CLOSURE = keccak256("Closure(address subject)");
    bytes32 private constant DELEGATION =
        keccak256("Delegation(address subject,address delegate,uint8 rights,uint64 validUntil,uint64 at)");

    bytes32 private _separator;

    function setUp() public override {
        super.setUp();
        _separator = keccak256(
            abi.encode(DOMAIN, keccak256("Volens"), keccak256("1"), block.chainid, address(registry))
        );
    }

    /// @param kind what the running head calls it
    /// @param right which right it takes; none does for anchoring, which speaks of nobody
    /// @param message the `hashStruct` of what is signed
    struct Word {
        uint8 kind;
        uint8 right;
        address sender;
        address subject;
        address signer;
        bytes32 grantHash;
        address delegate;
        bytes32 root;
        uint32 size;
        bytes32 message;
        bytes signature;
        bytes data;
    }

    /// @dev A word that its subject sends herself, or one that someone relays.
    function anyWord() internal view returns (Word memory w) {
        w.sender = svm.createAddress("sender");
        return svm.createBool("relayed") ? _relayed(w) : _own(w);
    }

    function _own(Word memory w) private view returns (Word memory) {
        uint256 which = svm.createUint(8, "entry point");
        (w.subject, w.signer, w.right) = (w.sender, w.sender, WITHDRAW);
        if (which == 0) {
            (w.kind, w.right, w.grantHash) = (1, GRANT, svm.createBytes32("grant"));
            w.data = abi.encodeCall(registry.grant, list(w.grantHash));
        } else if (which == 1) {
            (w.kind, w.grantHash) = (2, svm.createBytes32("grant"));
            w.data = abi.encodeCall(registry.revoke, list(w.grantHash));
        } else if (which == 2) {
            w.kind = 3;
            w.data = abi.encodeCall(registry.revokeAll, (_instant("before")));
        } else if (which == 3) {
            w.kind = 4;
            w.data = abi.encodeCall(registry.suspend, (svm.createBool("suspended")));
        } else if (which == 4) {
            w.kind = 5;
            w.data = abi.encodeCall(registry.close, ());
        } else if (which == 5) {
            (w.kind, w.delegate) = (6, svm.createAddress("delegate"));
            w.data = abi.encodeCall(registry.delegate, (w.delegate, _rights(), _instant("until")));
        } else {
            (w.kind, w.right, w.subject) = (7, 0, address(0));
            (w.root, w.size) = (svm.createBytes32("root"), uint32(svm.createUint(32, "size")));
            w.data = abi.encodeCall(registry.anchor, (w.root, w.size));
        }
        return w;
    }

    function _relayed(Word memory w) private view returns (Word memory) {
        uint256 which = svm.createUint(8, "entry point");
        (w.subject, w.signer) = (svm.createAddress("subject"), svm.createAddress("signer"));
        (w.right, w.signature) = (WITHDRAW, anySignature());
        if (which == 0) {
            (w.kind, w.right, w.grantHash) = (1, GRANT, svm.createBytes32("grant"));
            uint64 deadline = _instant("deadline");
            w.message = consent(w.subject, w.grantHash, deadline);
            w.data = abi.encodeCall(
                registry.grantFor,
                (w.subject, list(w.grantHash), deadline, w.signer, w.signature)
            );
        } else if (which == 1) {
            (w.kind, w.grantHash) = (2, svm.createBytes32("grant"));
            w.message = revocation(w.subject, w.grantHash);
            w.data = abi.encodeCall(registry.revokeFor, (w.subject, list(w.grantHash), w.signer, w.signature));
        } else if (which == 2) {
            w.kind = 3;
            uint64 before = _instant("before");
            w.message = revokeAll(w.subject, before);
            w.data = abi.encodeCall(registry.revokeAllFor, (w.subject, before, w.signer, w.signature));
        } else if (which == 3) {
            w.kind = 4;
            (bool suspended, uint64 at) = (svm.createBool("suspended"), _instant("at"));
            if (!suspended) w.right = GRANT;
            w.message = suspension(w.subject, suspended, at);
            w.data = abi.encodeCall(registry.suspendFor, (w.subject, suspended, at, w.signer, w.signature));
        } else if (which == 4) {
            w.kind = 5;
            w.message = closure(w.subject);
            w.data = abi.encodeCall(registry.closeFor, (w.subject, w.signer, w.signature));
        } else {
            // Only the subject itself can delegate.
            (w.kind, w.signer, w.delegate) = (6, w.subject, svm.createAddress("delegate"));
            (uint8 rights, uint64 until, uint64 at) = (_rights(), _instant("until"), _instant("at"));
            if (rights != 0) w.right = GRANT;
            w.message = delegation(w.subject, w.delegate, rights, until, at);
            w.data = abi.encodeCall(registry.delegateFor, (w.subject, w.delegate, rights, until, at, w.signature));
        }
        return w;
    }

    function _instant(string memory name) private pure returns (uint64) {
        return uint64(svm.createUint(64, name));
    }

    function _rights() private pure returns (uint8) {
        return uint8(svm.createUint(8, "rights"));
    }

    /// @dev None, or 65 bytes: no other length is ever an account's own, and to a wallet all lengths are alike.
    function anySignature() internal pure returns (bytes memory) {
        return svm.createBool("unsigned") ? bytes("") : signature65();
    }

    function signature65() internal pure returns (bytes memory) {
        return abi.encodePacked(svm.createBytes32("r"), svm.createBytes32("s"), uint8(svm.createUint(8, "v")));
    }

    /// @dev Sends it; only calls that succeed are looked at.
    function say(Word memory w) internal {
        vm.prank(w.sender);
        (bool success, ) = address(registry).call(w.data);
        vm.assume(success);
    }

    /// @notice The subject, or a delegate whom she lets do this now, said it: sent it, signed it, or its wallet agrees.
    /// What widens, an account with code says through its code only.
    /// @param given what was recorded of the signer as a delegate before the call; only of calls that succeed this is
    /// asked
    function spoken(Word memory w, uint256 given) internal view returns (bool) {
        if (w.right == 0) return false;
        bool delegated = both(rightsOf(given) & w.right != 0, block.timestamp < validUntil(given));
        return both(either(w.signer == w.subject, delegated), _said(w));
    }

    function _said(Word memory w) private view returns (bool) {
        if (w.signature.length == 0 && w.signer == w.sender) return true;
        bytes32 digest_ = digest(w.message);
        bool hasCode = w.signer.code.length != 0;
        bool byCode = both(w.signer == address(wallet), wallet.agreesTo(digest_));
        bool byKey = isSignedBy(w.signer, digest_, w.signature);
        return either(byCode, both(byKey, either(!hasCode, w.right == WITHDRAW)));
    }

    function isSignedBy(address signer, bytes32 digest_, bytes memory signature) internal pure returns (bool) {
        if (signature.length != 65) return false;
        (bytes32 r, bytes32 s, uint8 v) = split(signature);
        bool recovered = ecrecover(digest_, v, r, s) == signer;
        return both(both(signer != address(0), uint256(s) <= MAX_S), recovered);
    }

    function split(bytes memory signature) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly ("memory-safe") {
            r := mload(add(signature, 0x20))
            s := mload(add(signature, 0x40))
            v := byte(0, mload(add(signature, 0x60)))
        }
    }

    function digest(bytes32 message) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", _separator, message));
    }

    function consent(address subject, bytes32 grantHash, uint64 deadline) internal pure returns (bytes32) {
        return keccak256(abi.encode(CONSENT, subject, keccak256(abi.encode(grantHash)), deadline));
    }

    function revocation(address subject, bytes32 grantHash) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOCATION, subject, keccak256(abi.encode(grantHash))));
    }

    function revokeAll(address subject, uint64 before) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOKE_ALL, subject, before));
    }

    function suspension(address subject, bool suspended, uint64 at) internal pure returns (bytes32) {
        return keccak256(abi.encode(SUSPENSION, subject, suspended, at));
    }

    function closure(address subject) internal pure returns (bytes32) {
        return keccak256(abi.encode(CLOSURE, subject));
    }

    function delegation(
        address subject,
        address delegate,
        uint8 rights,
        uint64 until,
        uint64 at
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(DELEGATION, subject, delegate, rights, until, at));
    }

    function list(bytes32 a) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](1);
        hashes[0] = a;
    }

    function list(bytes32 a, bytes32 b) internal pure returns (bytes32[] memory hashes) {
        hashes = new bytes32[](2);
        (hashes[0], hashes[1]) = (a, b);
    }
}
