// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {vm} from "../support/Vm.sol";
import {svm} from "./Svm.sol";
import {Words} from "./Words.sol";

/// @notice Who can change what is recorded of a subject.
contract Authority is Words {
    /// @notice A word about one subject changes nothing that is recorded of another; one about nobody changes nothing
    /// at all.
    function check_subjectsAreIsolated(address subject, bytes32 grantHash, address delegate) public {
        Word memory w = anyWord();
        vm.assume(either(w.right == 0, w.subject != subject));
        _leaves(w, subject, grantHash, delegate);
    }

    /// @notice Nor does a word about her.
    function check_subjectsAreIsolated_twin(address subject, bytes32 grantHash, address delegate) public {
        Word memory w = anyWord();
        vm.assume(w.subject == subject);
        _leaves(w, subject, grantHash, delegate);
    }

    function _leaves(Word memory w, address subject, bytes32 grantHash, address delegate) private {
        Recorded memory before = recorded(subject, grantHash, delegate, 0);
        say(w);
        assert(same(before, recorded(subject, grantHash, delegate, 0)));
    }

    /// @notice A word about a subject changes nothing unless she, or a delegate whom she lets do this now, said it:
    /// sent it or signed it.
    function check_onlyWhoMaySpeakIsHeard() public {
        (bool said, bool unchanged) = _anyWordSaid();
        assert(either(said, unchanged));
    }

    /// @notice Not even then.
    function check_onlyWhoMaySpeakIsHeard_twin() public {
        (bool said, bool unchanged) = _anyWordSaid();
        assert(either(!said, unchanged));
    }

    function _anyWordSaid() private returns (bool said, bool unchanged) {
        Word memory w = anyWord();
        uint256 given = delegationOf(w.subject, w.signer);
        Recorded memory before = recorded(w.subject, w.grantHash, w.delegate, 0);
        say(w);
        unchanged = same(before, recorded(w.subject, w.grantHash, w.delegate, 0));
        said = spoken(w, given);
    }

    /// @notice What was revoked all at once does not come back late: a consent is recorded only when it was given, 30 days
    /// before its deadline, after the instant up to which everything was revoked.
    function check_whatWasHeldBackIsNotRecorded(address subject, bytes32 grantHash, uint64 deadline) public {
        uint256 before = revokedBefore(subjectOf(subject));
        bool late = uint256(deadline) <= before + 30 days;
        assert(either(!late, !_record(subject, grantHash, deadline)));
    }

    /// @notice Nothing given later is recorded either.
    function check_whatWasHeldBackIsNotRecorded_twin(address subject, bytes32 grantHash, uint64 deadline) public {
        uint256 before = revokedBefore(subjectOf(subject));
        bool late = uint256(deadline) <= before + 31 days;
        assert(either(!late, !_record(subject, grantHash, deadline)));
    }

    function _record(address subject, bytes32 grantHash, uint64 deadline) private returns (bool success) {
        address signer = svm.createAddress("signer");
        bytes memory signature = anySignature();
        vm.prank(svm.createAddress("sender"));
        (success, ) = address(registry).call(
            abi.encodeCall(registry.grantFor, (subject, list(grantHash), deadline, signer, signature))
        );
    }

    /// @notice In a batch each consent counts for its own subject only: a grant is recorded when its subject, or a
    /// delegate who may grant, agreed to this very grant before the deadline.
    function check_batchesGrantOnlyWhatWasSaid(address subject, bytes32 grantHash) public {
        (bool said, bool unchanged) = _anyTwo(subject, grantHash);
        assert(either(said, unchanged));
    }

    /// @notice Not even then.
    function check_batchesGrantOnlyWhatWasSaid_twin(address subject, bytes32 grantHash) public {
        (bool said, bool unchanged) = _anyTwo(subject, grantHash);
        assert(either(!said, unchanged));
    }

    function _anyTwo(address subject, bytes32 grantHash) private returns (bool said, bool unchanged) {
        ConsentCall[] memory calls = new ConsentCall[](2);
        calls[0] = _anyConsent();
        calls[1] = _anyConsent();
        uint256 first = delegationOf(calls[0].subject, calls[0].signer);
        uint256 second = delegationOf(calls[1].subject, calls[1].signer);
        uint256 before = entryOf(subject, grantHash);
        Word memory batch;
        batch.sender = svm.createAddress("sender");
        batch.data = abi.encodeCall(registry.grantForMany, (calls));
        say(batch);
        unchanged = entryOf(subject, grantHash) == before;
        said = either(
            _agrees(calls[0], batch.sender, first, subject, grantHash),
            _agrees(calls[1], batch.sender, second, subject, grantHash)
        );
    }

    function _anyConsent() private view returns (ConsentCall memory c) {
        (c.subject, c.signer) = (svm.createAddress("subject"), svm.createAddress("signer"));
        c.grantHashes = list(svm.createBytes32("grant"));
        c.deadline = uint64(svm.createUint(64, "deadline"));
        c.signature = signature65();
    }

    function _agrees(
        ConsentCall memory c,
        address sender,
        uint256 given,
        address subject,
        bytes32 grantHash
    ) private view returns (bool) {
        Word memory w;
        (w.sender, w.subject, w.signer, w.right) = (sender, c.subject, c.signer, GRANT);
        (w.message, w.signature) = (consent(c.subject, c.grantHashes[0], c.deadline), c.signature);
        bool meant = both(c.subject == subject, c.grantHashes[0] == grantHash);
        bool inTime = both(block.timestamp <= c.deadline, c.deadline <= block.timestamp + 30 days);
        return both(both(meant, inTime), spoken(w, given));
    }
}
