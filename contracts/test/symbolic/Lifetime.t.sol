// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {vm} from "../support/Vm.sol";
import {SymbolicTest} from "./SymbolicTest.sol";

/// @notice What one transaction, whatever it is, can do to what is recorded, whatever that is.
contract Lifetime is SymbolicTest {
    /// @notice A revoked grant stays as it is recorded for ever.
    function check_revocationIsTerminal(address subject, bytes32 grantHash) public {
        uint256 old = entryOf(subject, grantHash);
        vm.assume(revokedAt(old) != 0);
        anyCall();
        assert(entryOf(subject, grantHash) == old);
    }

    /// @notice A grant that is not revoked stays too.
    function check_revocationIsTerminal_twin(address subject, bytes32 grantHash) public {
        uint256 old = entryOf(subject, grantHash);
        vm.assume(revokedAt(old) == 0);
        anyCall();
        assert(entryOf(subject, grantHash) == old);
    }

    /// @notice A grant is recorded once, with the block's time, by `grant`, `grantFor` or `grantForMany`, when nothing
    /// was recorded of it.
    function check_grantsAreNew(address subject, bytes32 grantHash) public {
        uint256 old = entryOf(subject, grantHash);
        (bytes4 selector, ) = anyCall();
        uint256 new_ = entryOf(subject, grantHash);
        bool recordable = both(old == 0, new_ == block.timestamp);
        bool stays = grantedAt(old) == grantedAt(new_);
        bool granting = selector == registry.grant.selector ||
            selector == registry.grantFor.selector ||
            selector == registry.grantForMany.selector;
        assert(granting ? either(new_ == old, recordable) : stays);
    }

    /// @notice No grant is ever recorded.
    function check_grantsAreNew_twin(address subject, bytes32 grantHash) public {
        uint256 old = entryOf(subject, grantHash);
        anyCall();
        assert(grantedAt(entryOf(subject, grantHash)) == grantedAt(old));
    }

    /// @notice A grant is recorded when its subject is open, not suspended and has not revoked everything up to now.
    function check_onlyTheOpenAreGranted(address subject, bytes32 grantHash) public {
        (uint256 old, uint256 state) = (entryOf(subject, grantHash), subjectOf(subject));
        anyCall();
        bool grantable = both(revokedBefore(state) < block.timestamp, (state >> 128) & 0xffff == 0);
        assert(either(grantedAt(entryOf(subject, grantHash)) == grantedAt(old), grantable));
    }

    /// @notice A grant is recorded when its subject is open, not suspended and has never revoked everything.
    function check_onlyTheOpenAreGranted_twin(address subject, bytes32 grantHash) public {
        (uint256 old, uint256 state) = (entryOf(subject, grantHash), subjectOf(subject));
        anyCall();
        bool grantable = both(revokedBefore(state) == 0, (state >> 128) & 0xffff == 0);
        assert(either(grantedAt(entryOf(subject, grantHash)) == grantedAt(old), grantable));
    }

    /// @notice A closed subject stays closed, is never resumed, and is never granted anything.
    function check_closedIsFinal(address subject, bytes32 grantHash) public {
        (uint256 old, uint256 state) = (entryOf(subject, grantHash), subjectOf(subject));
        vm.assume(isClosed(state));
        anyCall();
        (uint256 new_, uint256 now_) = (entryOf(subject, grantHash), subjectOf(subject));
        bool resumed = both(isSuspended(state), !isSuspended(now_));
        assert(both(both(isClosed(now_), !resumed), grantedAt(new_) == grantedAt(old)));
    }

    /// @notice A subject that is open stays open.
    function check_closedIsFinal_twin(address subject) public {
        vm.assume(!isClosed(subjectOf(subject)));
        anyCall();
        assert(!isClosed(subjectOf(subject)));
    }

    /// @notice What is revoked together only grows, and never reaches past the block's time.
    function check_revokedBeforeOnlyGrows(address subject) public {
        uint256 old = revokedBefore(subjectOf(subject));
        vm.assume(old <= block.timestamp);
        anyCall();
        uint256 new_ = revokedBefore(subjectOf(subject));
        assert(both(old <= new_, new_ <= block.timestamp));
    }

    /// @notice It never changes.
    function check_revokedBeforeOnlyGrows_twin(address subject) public {
        uint256 old = revokedBefore(subjectOf(subject));
        vm.assume(old <= block.timestamp);
        anyCall();
        assert(old == revokedBefore(subjectOf(subject)));
    }

    /// @notice Words about suspension are ordered by their instant, and at the same instant only one that suspends
    /// changes anything.
    function check_suspensionsAreOrdered(address subject) public {
        uint256 old = subjectOf(subject);
        anyCall();
        uint256 new_ = subjectOf(subject);
        bool narrower = both(suspensionAt(new_) == suspensionAt(old), either(isSuspended(new_), !isSuspended(old)));
        assert(either(suspensionAt(new_) > suspensionAt(old), narrower));
    }

    /// @notice At the same instant no word changes anything.
    function check_suspensionsAreOrdered_twin(address subject) public {
        uint256 old = subjectOf(subject);
        anyCall();
        uint256 new_ = subjectOf(subject);
        assert(either(suspensionAt(new_) > suspensionAt(old), isSuspended(new_) == isSuspended(old)));
    }

    /// @notice Words about a delegate are ordered by their instant, and at the same instant only one that takes all
    /// rights away changes anything.
    function check_delegationsAreOrdered(address subject, address delegate) public {
        uint256 old = delegationOf(subject, delegate);
        anyCall();
        uint256 new_ = delegationOf(subject, delegate);
        bool narrower = both(delegatedAt(new_) == delegatedAt(old), either(rightsOf(new_) == 0, new_ == old));
        assert(either(delegatedAt(new_) > delegatedAt(old), narrower));
    }

    /// @notice At the same instant no word changes anything.
    function check_delegationsAreOrdered_twin(address subject, address delegate) public {
        uint256 old = delegationOf(subject, delegate);
        anyCall();
        uint256 new_ = delegationOf(subject, delegate);
        assert(either(delegatedAt(new_) > delegatedAt(old), new_ == old));
    }

    /// @notice The first time a root is anchored counts, and it is the block's.
    function check_anchoringIsOnce(bytes32 root) public {
        uint256 old = registry.anchoredAt(root);
        anyCall();
        uint256 new_ = registry.anchoredAt(root);
        assert(either(new_ == old, both(old == 0, new_ == block.timestamp)));
    }

    /// @notice No root is ever anchored.
    function check_anchoringIsOnce_twin(bytes32 root) public {
        uint256 old = registry.anchoredAt(root);
        anyCall();
        assert(registry.anchoredAt(root) == old);
    }

    /// @notice What the other properties assume of the state stays true: no unused bit is set, nothing is revoked past
    /// the block's time, no instant is more than 15 minutes ahead of it, and none of a word that widens, no right is
    /// unknown.
    function check_representation(address subject, bytes32 grantHash, address delegate) public {
        vm.assume(sound(recorded(subject, grantHash, delegate, 0)));
        anyCall();
        assert(sound(recorded(subject, grantHash, delegate, 0)));
    }

    /// @notice No instant is ahead of the block at all.
    function check_representation_twin(address subject, bytes32 grantHash, address delegate) public {
        vm.assume(sound(recorded(subject, grantHash, delegate, 0)));
        vm.assume(suspensionAt(subjectOf(subject)) <= block.timestamp);
        anyCall();
        assert(suspensionAt(subjectOf(subject)) <= block.timestamp);
    }
}
