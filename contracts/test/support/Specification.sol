// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../../interfaces/IConsentRecords.sol";
import {Ledger} from "./Ledger.sol";
import {Spoken} from "./Spoken.sol";

/// @notice What must come of a word, as the specification has it, and what is known from then on.
abstract contract Specification is Spoken {
    /// @dev The last word about something: the latest instant counts and, of two at the same instant, the narrowing one.
    struct Latest {
        uint64 at;
        bool narrows;
        uint64 validUntil;
        uint8 rights;
    }

    /// @dev The delegate most lately named, whose time may soon be over.
    struct Newest {
        address subject;
        address delegate;
        uint64 validUntil;
    }

    uint64 public clock = START;
    Newest internal newest;
    Ledger.Replay internal replay;

    /// @dev Who agreed to what, who ended what, and the latest words: from what was said, not from what is recorded.
    mapping(address subject => mapping(bytes32 grantHash => bool)) public agreed;
    mapping(address subject => mapping(bytes32 grantHash => bool)) public ended;
    mapping(address subject => bool) public closed;
    mapping(address subject => uint64) public revokedBefore;
    mapping(address subject => Latest) public suspension;
    mapping(address subject => mapping(address to => Latest)) public delegation;
    mapping(bytes32 root => uint64) public anchoredFirst;

    function _rightFor(Word memory word) internal pure returns (uint8) {
        if (word.kind == Kind.Grant) return GRANT;
        if (word.kind == Kind.Suspend) return word.suspended ? WITHDRAW : GRANT;
        if (word.kind == Kind.Delegate) return word.rights == 0 ? WITHDRAW : GRANT;
        return WITHDRAW;
    }

    /// @dev The word is that of the subject, or of one of its delegates within its rights and time.
    function _isAuthorised(Word memory word) internal view returns (bool) {
        uint8 right = _rightFor(word);
        if (word.signer != word.subject) {
            Latest memory given = delegation[word.subject][word.signer];
            if (given.rights & right == 0 || clock >= given.validUntil) return false;
        }
        if (word.way != Way.Relayed) return true;
        return word.fault == Fault.None && speaks(word.signer, word.byKey, right);
    }

    function _instantOf(Word memory word) internal view returns (uint64) {
        return word.way == Way.Own ? clock : word.instant;
    }

    function _isValid(Word memory word) internal view returns (bool) {
        if (!_isAuthorised(word)) return false;
        if (word.kind == Kind.Grant) return _mayGrant(word);
        if (word.kind == Kind.Revoke) return word.hashes.length != 0;
        if (word.kind == Kind.Suspend) {
            if (closed[word.subject] && !word.suspended) return false;
            return _isInTime(_instantOf(word), suspension[word.subject], word.suspended);
        }
        if (word.kind == Kind.Delegate) {
            if (word.to == address(0) || word.to == word.subject || word.rights > 3) return false;
            return _isInTime(_instantOf(word), delegation[word.subject][word.to], word.rights == 0);
        }
        return true;
    }

    function _mayGrant(Word memory word) internal view returns (bool) {
        address subject = word.subject;
        if (word.way != Way.Own && (word.instant < clock || word.instant > clock + 30 days)) return false;
        uint64 given = word.way == Way.Own ? clock : word.instant - 30 days;
        if (closed[subject] || suspension[subject].narrows || given <= revokedBefore[subject]) return false;
        for (uint256 i = 0; i < word.hashes.length; ++i) {
            IConsentRecords.Entry memory entry = replay.entries[subject][word.hashes[i]];
            if (entry.grantedAt != 0 || entry.revokedAt != 0) return false;
            for (uint256 j = 0; j < i; ++j) if (word.hashes[i] == word.hashes[j]) return false;
        }
        return word.hashes.length != 0;
    }

    function _isInTime(uint64 at, Latest memory last, bool narrows) internal view returns (bool) {
        if (at > clock + (narrows ? 15 minutes : 0)) return false;
        return at > last.at || (narrows && (last.narrows || at == last.at));
    }

    /// @dev How many events a valid word must bring about.
    function _effects(Word memory word) internal view returns (uint256 effects) {
        if (word.kind == Kind.Grant) return word.hashes.length;
        if (word.kind == Kind.RevokeAll) return _clamped(word) > revokedBefore[word.subject] ? 1 : 0;
        if (word.kind == Kind.Close) return closed[word.subject] ? 0 : 1;
        if (word.kind == Kind.Revoke) {
            for (uint256 i = 0; i < word.hashes.length; ++i) {
                bool again = replay.entries[word.subject][word.hashes[i]].revokedAt != 0;
                for (uint256 j = 0; j < i; ++j) if (word.hashes[i] == word.hashes[j]) again = true;
                if (!again) ++effects;
            }
            return effects;
        }
        Latest memory last = word.kind == Kind.Suspend
            ? suspension[word.subject]
            : delegation[word.subject][word.to];
        uint64 at = _instantOf(word);
        return at > last.at || (at == last.at && !last.narrows) ? 1 : 0;
    }

    function _clamped(Word memory word) internal view returns (uint64) {
        return word.instant < clock ? word.instant : clock;
    }

    /// @dev From here on it is known what the subject, or a delegate for it, has said.
    function _hear(Word memory word) internal {
        address subject = word.subject;
        if (word.kind == Kind.Grant) {
            for (uint256 i = 0; i < word.hashes.length; ++i) agreed[subject][word.hashes[i]] = true;
        } else if (word.kind == Kind.Revoke) {
            for (uint256 i = 0; i < word.hashes.length; ++i) ended[subject][word.hashes[i]] = true;
        } else if (word.kind == Kind.RevokeAll) {
            uint64 before = _clamped(word);
            if (before > revokedBefore[subject]) revokedBefore[subject] = before;
            for (uint256 i = 0; i < grants.length; ++i) {
                uint64 time = replay.entries[subject][grants[i]].grantedAt;
                if (time != 0 && time <= before) ended[subject][grants[i]] = true;
            }
        } else if (word.kind == Kind.Close) {
            closed[subject] = true;
            for (uint256 i = 0; i < grants.length; ++i) ended[subject][grants[i]] = true;
        } else if (word.kind == Kind.Suspend) {
            _hearLatest(suspension[subject], Latest(_instantOf(word), word.suspended, 0, 0));
        } else {
            Latest memory said = Latest(_instantOf(word), word.rights == 0, word.validUntil, word.rights);
            _hearLatest(delegation[subject][word.to], said);
            newest = Newest(subject, word.to, word.validUntil);
        }
    }

    function _hearLatest(Latest storage last, Latest memory said) internal {
        if (said.at < last.at || (said.at == last.at && (last.narrows || !said.narrows))) return;
        (last.at, last.narrows) = (said.at, said.narrows);
        (last.validUntil, last.rights) = (said.validUntil, said.rights);
    }
}
