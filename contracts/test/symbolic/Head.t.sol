// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {vm} from "../support/Vm.sol";
import {svm} from "./Svm.sol";
import {Words} from "./Words.sol";

/// @notice The running head tells an auditor all that was recorded, and nothing else.
contract Head is Words {
    /// @notice The head moves exactly when something was recorded, and to the hash of the old head and of what was
    /// recorded.
    function check_headMovesWhenSomethingIsRecorded() public {
        (bytes32 before, bytes32 moved, bool unchanged) = _anyWordSaid();
        assert(registry.head() == (unchanged ? before : moved));
    }

    /// @notice The head moves with every call.
    function check_headMovesWhenSomethingIsRecorded_twin() public {
        (, bytes32 moved, ) = _anyWordSaid();
        assert(registry.head() == moved);
    }

    function _anyWordSaid() private returns (bytes32 before, bytes32 moved, bool unchanged) {
        Word memory w = anyWord();
        before = registry.head();
        Recorded memory old = recorded(w.subject, w.grantHash, w.delegate, w.root);
        vm.assume(sound(old));
        say(w);
        Recorded memory now_ = recorded(w.subject, w.grantHash, w.delegate, w.root);
        unchanged = same(old, now_);
        moved = fold(before, w.kind, w.subject, _value(w, now_));
    }

    function _value(Word memory w, Recorded memory now_) private pure returns (bytes32) {
        if (w.kind <= 2) return w.grantHash;
        if (w.kind == 3) return bytes32(revokedBefore(now_.subject));
        if (w.kind == 4) return keccak256(abi.encode(isSuspended(now_.subject), suspensionAt(now_.subject)));
        if (w.kind == 5) return 0;
        if (w.kind == 7) return keccak256(abi.encode(w.root, w.size));
        uint256 d = now_.delegation;
        return keccak256(abi.encode(w.delegate, rightsOf(d), validUntil(d), delegatedAt(d)));
    }

    /// @notice Of a list, the head counts each grant that was revoked now, in order, and none that was before.
    function check_headCountsEachOfAList(address subject, bytes32 a, bytes32 b) public {
        (bytes32 expected, bool first, bool second) = _revokeTwo(subject, a, b);
        if (first) expected = fold(expected, 2, subject, a);
        if (second) expected = fold(expected, 2, subject, b);
        assert(registry.head() == expected);
    }

    /// @notice It counts each grant of the list, whatever is recorded.
    function check_headCountsEachOfAList_twin(address subject, bytes32 a, bytes32 b) public {
        (bytes32 expected, , ) = _revokeTwo(subject, a, b);
        assert(registry.head() == fold(fold(expected, 2, subject, a), 2, subject, b));
    }

    function _revokeTwo(
        address subject,
        bytes32 a,
        bytes32 b
    ) private returns (bytes32 before, bool first, bool second) {
                before = registry.head();
        first = revokedAt(entryOf(subject, a)) == 0;
        second = both(a != b, revokedAt(entryOf(subject, b)) == 0);
        vm.prank(subject);
        registry.revoke(list(a, b));
    }

    function fold(bytes32 head, uint8 kind, address subject, bytes32 value) internal view returns (bytes32) {
        return keccak256(abi.encode(head, kind, subject, value, uint64(block.timestamp)));
    }
}
