// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../../interfaces/IConsentRecords.sol";
import {Actors} from "./Actors.sol";

/// @notice What one says to a registry: a word, how it gets there, and what is wrong with its signature.
abstract contract Spoken is Actors {
    enum Kind {
        Grant,
        Revoke,
        RevokeAll,
        Suspend,
        Close,
        Delegate
    }

    /// @dev How a word reaches the registry: the subject's own function; `...For`, sent by the signer itself; `...For`,
    /// signed and sent by somebody else.
    enum Way {
        Own,
        BySigner,
        Relayed
    }

    /// @dev What is wrong with the signature of a relayed word.
    enum Fault {
        None,
        Missing,
        OfAStranger,
        ForAnotherSubject,
        OfAnotherMessage,
        ForAnotherContract,
        ForAnotherChain,
        Mirrored
    }

    struct Word {
        Kind kind;
        Way way;
        Fault fault;
        bool byKey;
        address subject;
        address signer;
        bytes32[] hashes;
        uint64 instant; // deadline, before, at
        bool suspended;
        address to;
        uint8 rights;
        uint64 validUntil;
    }

    function _sender(Word memory word) internal view returns (address) {
        if (word.way == Way.Own) return word.subject;
        return word.way == Way.BySigner ? word.signer : relayer;
    }

    function _ownCall(Word memory word) internal view returns (bytes memory) {
        if (word.kind == Kind.Grant) return abi.encodeCall(registry.grant, (word.hashes));
        if (word.kind == Kind.Revoke) return abi.encodeCall(registry.revoke, (word.hashes));
        if (word.kind == Kind.RevokeAll) return abi.encodeCall(registry.revokeAll, (word.instant));
        if (word.kind == Kind.Suspend) return abi.encodeCall(registry.suspend, (word.suspended));
        if (word.kind == Kind.Close) return abi.encodeCall(registry.close, ());
        return abi.encodeCall(registry.delegate, (word.to, word.rights, word.validUntil));
    }

    function _callFor(Word memory w) internal view returns (bytes memory) {
        bytes memory signature = _signature(w);
        if (w.kind == Kind.Grant) {
            return abi.encodeCall(registry.grantFor, (w.subject, w.hashes, w.instant, w.signer, signature));
        }
        if (w.kind == Kind.Revoke) {
            return abi.encodeCall(registry.revokeFor, (w.subject, w.hashes, w.signer, signature));
        }
        if (w.kind == Kind.RevokeAll) {
            return abi.encodeCall(registry.revokeAllFor, (w.subject, w.instant, w.signer, signature));
        }
        if (w.kind == Kind.Suspend) {
            return abi.encodeCall(registry.suspendFor, (w.subject, w.suspended, w.instant, w.signer, signature));
        }
        if (w.kind == Kind.Close) return abi.encodeCall(registry.closeFor, (w.subject, w.signer, signature));
        return
            abi.encodeCall(
                registry.delegateFor,
                (w.subject, w.to, w.rights, w.validUntil, w.instant, signature)
            );
    }

    function _consentCall(Word memory w) internal view returns (IConsentRecords.ConsentCall memory) {
        return IConsentRecords.ConsentCall(w.subject, w.hashes, w.instant, w.signer, _signature(w));
    }

    function _signature(Word memory word) internal view returns (bytes memory) {
        if (word.way == Way.BySigner || word.fault == Fault.Missing) return "";
        bytes32 message = _message(word, word.subject);
        if (word.fault == Fault.None) return signed(word.signer, word.byKey, message);
        if (word.fault == Fault.OfAStranger) return sign(STRANGER_KEY, message);
        if (word.fault == Fault.ForAnotherSubject) return signed(word.signer, true, _message(word, relayer));
        if (word.fault == Fault.OfAnotherMessage) return signed(word.signer, true, _otherMessage(word));
        if (word.fault == Fault.Mirrored) return mirrored(signed(word.signer, true, message));
        bool here = word.fault == Fault.ForAnotherChain;
        bytes32 digest = here
            ? digestFor(address(registry), block.chainid + 1, message)
            : digestFor(address(this), block.chainid, message);
        return signedDigest(word.signer, digest);
    }

    function _message(Word memory word, address subject) internal pure returns (bytes32) {
        if (word.kind == Kind.Grant) return consentHash(subject, word.hashes, word.instant);
        if (word.kind == Kind.Revoke) return revocationHash(subject, word.hashes);
        if (word.kind == Kind.RevokeAll) return revokeAllHash(subject, word.instant);
        if (word.kind == Kind.Suspend) return suspensionHash(subject, word.suspended, word.instant);
        if (word.kind == Kind.Close) return closureHash(subject);
        return delegationHash(subject, word.to, word.rights, word.validUntil, word.instant);
    }

    /// @dev A message the signer may well have signed, which says something else.
    function _otherMessage(Word memory word) internal pure returns (bytes32) {
        if (word.kind == Kind.Grant) return revocationHash(word.subject, word.hashes);
        if (word.kind == Kind.Revoke) return consentHash(word.subject, word.hashes, type(uint64).max);
        if (word.kind == Kind.RevokeAll) return revokeAllHash(word.subject, word.instant ^ 1);
        if (word.kind == Kind.Suspend) return suspensionHash(word.subject, !word.suspended, word.instant);
        if (word.kind == Kind.Close) return suspensionHash(word.subject, true, 0);
        return delegationHash(word.subject, word.to, word.rights ^ 1, word.validUntil, word.instant);
    }
}
