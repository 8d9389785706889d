// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Dice} from "./Dice.sol";
import {Specification} from "./Specification.sol";

/// @notice Words at random, with a taste for edges.
abstract contract Drawing is Specification {
    function _draw(Kind kind, Dice memory dice) internal view returns (Word memory word) {
        word.kind = kind;
        word.subject = subjects[dice.roll(subjects.length)];
        word.signer = word.subject;
        if (kind != Kind.Delegate && dice.oneIn(2)) {
            word.signer = dice.oneIn(6) ? stranger : delegates[dice.roll(delegates.length)];
            if (dice.oneIn(4) && newest.subject != address(0)) {
                (word.subject, word.signer) = (newest.subject, newest.delegate);
            }
        }
        word.way = Way(dice.roll(3));
        if (word.way == Way.Own && word.signer != word.subject) word.way = Way.Relayed;
        if (word.way == Way.Relayed && dice.oneIn(3)) word.fault = Fault(1 + dice.roll(7));
        word.byKey = dice.oneIn(2);
        if (kind == Kind.Grant || kind == Kind.Revoke) _drawHashes(word, dice);
        // A consent that came right after everything was revoked, and any other.
        uint64 newest_ = revokedBefore[word.subject] > clock - 5 ? revokedBefore[word.subject] + 1 : clock;
        if (kind == Kind.Grant) word.instant = _near(dice.oneIn(2) ? newest_ + 30 days : clock, dice);
        if (kind == Kind.RevokeAll) word.instant = dice.oneIn(2) ? clock : _near(clock, dice);
        if (kind == Kind.Suspend) {
            word.suspended = dice.oneIn(2);
            word.instant = _near(dice.oneIn(2) ? clock : suspension[word.subject].at, dice);
            if (dice.oneIn(4)) word.instant = clock + 15 minutes;
        }
        if (kind == Kind.Delegate) _drawDelegation(word, dice);
    }

    function _drawHashes(Word memory word, Dice memory dice) internal view {
        uint256 length = dice.oneIn(20) ? 0 : dice.oneIn(3) ? 2 + dice.roll(2) : 1;
        uint256 first = dice.roll(grants.length);
        uint256 step = dice.oneIn(10) ? 0 : 1;
        word.hashes = new bytes32[](length);
        for (uint256 i = 0; i < length; ++i) word.hashes[i] = grants[(first + i * step) % grants.length];
    }

    function _drawDelegation(Word memory word, Dice memory dice) internal view {
        word.to = delegates[dice.roll(delegates.length)];
        if (dice.oneIn(20)) word.to = dice.oneIn(2) ? address(0) : word.subject;
        word.rights = uint8(dice.oneIn(20) ? 4 + dice.roll(252) : dice.roll(4));
        word.validUntil = dice.oneIn(2) ? clock + 50 days : _near(clock, dice);
        word.instant = _near(dice.oneIn(2) ? clock : delegation[word.subject][word.to].at, dice);
    }

    /// @dev An instant on either side of every edge that `time` has.
    function _near(uint64 time, Dice memory dice) internal pure returns (uint64) {
        uint256 side = dice.roll(12);
        if (side == 0) return 0;
        if (side == 1) return type(uint64).max;
        if (side == 2) return time == 0 ? 0 : time - 1;
        if (side == 3) return time + 1;
        if (side == 4) return time + 15 minutes;
        if (side == 5) return time + 15 minutes + 1;
        if (side == 6) return time + uint64(dice.roll(10 days));
        if (side == 7) return time < 100 ? 0 : time - uint64(dice.roll(100));
        return time;
    }
}
