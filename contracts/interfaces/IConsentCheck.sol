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
/// ==== What it does not check
/// * that the controller signed the Record: whoever asks knows the record by its hash, and has checked this;
/// * that purposes, channels and items cover what is asked, nor any Approval of the controller for a grant that names no
///   recipient: these need vocabularies and documents that are not on chain;
/// * that `terms` are those the form names for the channel asked, and `formIssuer` the issuer it names: whoever asks has
///   opened the form, whose hash the grant carries;
/// * how deep the grant is buried.
interface IConsentCheck {
    /// @notice How a grant reached the chain, for one of the addresses that must have granted it.
    /// @dev All empty when it was recorded by itself. Otherwise it lies in a cohort, and is a grant because its subject
    /// signed a Consent in time. Only the subject's own signature counts here, not that of a delegate.
    /// @param root the anchored root
    /// @param proof from the leaf (address, grantHash) to the root
    /// @param grantHashes the hashes in the Consent, this grant's among them
    /// @param deadline of the Consent, not before the anchoring
    /// @param signature of the Consent
    struct Anchoring {
        bytes32 root;
        bytes32[] proof;
        bytes32[] grantHashes;
        uint64 deadline;
        bytes signature;
    }

    /// @notice A document and the party whose word counts about it.
    struct Terms {
        address issuer;
        bytes32 hash;
    }

    /// @notice A question and what the hashes on chain stand for.
    /// @param recordHash the record asked about
    /// @param recipient the one asking
    /// @param record opens `recordHash`
    /// @param grant opens the grant relied on
    /// @param formIssuer the party that published `grant.form`
    /// @param terms of the channel asked, as the form names them for it or the next broader one; hash zero only when no
    /// channel is asked. Where the form names none, the reason is `form_superseded`, and there is nothing to ask.
    /// @param anchorings of the subject and then of each steward, in the record's order; those at the end may be left out
    struct Opening {
        bytes32 recordHash;
        address recipient;
        Record record;
        Grant grant;
        address formIssuer;
        Terms terms;
        Anchoring[] anchorings;
    }

    /// @notice The reason for which `opening` permits or denies at `time`, which counts besides the block's clock.
    /// @dev The steps of the decision, with its numbers: 1 record authentic, 2 grant for this record, 3 standing, 4 period,
    /// 5 recipient, 9 form and terms current, 10 stewards. The first that fails gives the reason.
    function check(Opening calldata opening, uint64 time) external view returns (Reason);
}
