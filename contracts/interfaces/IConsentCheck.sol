// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Grant, Record} from "../libraries/OpeningTypes.sol";

/// @notice Why a decision is what it is. The number is the position in the list of reasons of the decision outside the
/// chain, whose names these are; some of them only it can give.
enum Reason {
    permitted,
    unknown_record,
    controller_not_listed,
    record_retracted,
    no_consent,
    not_yet_valid,
    expired,
    revoked,
    suspended,
    closed,
    recipient_not_covered,
    recipient_suspended,
    purpose_not_covered,
    needs_review,
    channel_not_covered,
    item_not_covered,
    content_changed,
    form_superseded,
    further_consent_needed,
    awaiting_confirmations,
    stale_ledger,
    ledger_unavailable
}

/// @title Consent check
/// @notice Answers, for another contract or a threshold network, the part of the decision that the chain alone can answer.
///
/// ==== Whose word each part is
/// A `Question` is the caller's own, never the asker's: who is asked about, who asks, and which documents count, which the
/// caller reads from the form it opened. The `Evidence` may come from anybody: every member is checked against a hash, a
/// signature, or the chain.
///
/// ==== What it does not check
/// * that the controller signed the Record: whoever asks knows the record by its hash, and has checked this;
/// * that purposes, channels and items cover what is asked, nor any Approval of the controller for a grant that names no
///   recipient: these need vocabularies and documents that are not on chain;
/// * that `Grant.summary` says what the other fields say;
/// * that `form` and `terms` are what the form says they are: the caller has opened it;
/// * withdrawals that are signed but not mined, which the operator's service knows;
/// * how deep the grant is buried.
interface IConsentCheck {
    /// @notice A document, and the party whose word about it counts.
    /// @param issuer whose word
    /// @param hash of the document
    struct Document {
        address issuer;
        bytes32 hash;
    }

    /// @notice What is asked, in the caller's own words.
    /// @param record the hash of the record
    /// @param recipient who would receive it
    /// @param form the form under which consent may have been given, and the issuer it names
    /// @param terms of the channel asked, as the form names them for it or the next broader one; hash zero only when no
    /// channel is asked. Where the form names none, the reason is `form_superseded`, and there is nothing to ask.
    struct Question {
        bytes32 record;
        address recipient;
        Document form;
        Document terms;
    }

    /// @notice How a grant reached the chain, for one of the addresses that must have granted it.
    /// @dev All empty when it was recorded by itself. Otherwise it lies in a cohort, and is a grant because its subject
    /// signed a Consent in time, with its own key: neither a delegate nor a contract can sign one. Its answer could change
    /// after the cohort was anchored.
    /// @param root the anchored root
    /// @param proof from the leaf (address, grantHash) to the root
    /// @param grantHashes the hashes in the Consent, this grant's among them
    /// @param deadline of the Consent, not before the anchoring and at most 30 days after it
    /// @param signature of the Consent
    struct Anchoring {
        bytes32 root;
        bytes32[] proof;
        bytes32[] grantHashes;
        uint64 deadline;
        bytes signature;
    }

    /// @notice What the hashes on chain stand for.
    /// @param record opens the record asked about
    /// @param grant opens the grant relied on
    /// @param anchorings of the subject and then of each steward, in the record's order; those at the end may be left out
    struct Evidence {
        Record record;
        Grant grant;
        Anchoring[] anchorings;
    }

    /// @notice The reason for which `evidence` permits or denies what `question` asks at `time`, which counts besides the
    /// block's clock.
    /// @dev The steps of the decision, with its numbers: 1 record authentic, 2 grant for this record, 3 standing, 4 period,
    /// 5 recipient, 9 form and terms current, 10 stewards. The first that fails gives the reason.
    function check(Question calldata question, Evidence calldata evidence, uint64 time) external view returns (Reason);
}
