// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IConsentCheck, Reason} from "./interfaces/IConsentCheck.sol";
import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {IDirectory} from "./interfaces/IDirectory.sol";
import {IPolicyRegistry} from "./interfaces/IPolicyRegistry.sol";
import {Cohort} from "./libraries/Cohort.sol";
import {ConsentLife} from "./libraries/ConsentLife.sol";
import {ConsentTypes} from "./libraries/ConsentTypes.sol";
import {Grant, OpeningTypes, Record} from "./libraries/OpeningTypes.sol";
import {Roles} from "./libraries/Roles.sol";
import {SignatureVerification} from "./libraries/SignatureVerification.sol";

/// @title Consent check
contract ConsentCheck is IConsentCheck {
    using OpeningTypes for Record;
    using OpeningTypes for Grant;
    using SignatureVerification for bytes32;

    IConsentRegistry public immutable registry;
    IDirectory public immutable directory;
    IPolicyRegistry public immutable policies;

    constructor(IConsentRegistry registry_, IDirectory directory_, IPolicyRegistry policies_) {
        registry = registry_;
        directory = directory_;
        policies = policies_;
    }

    /// @inheritdoc IConsentCheck
    function check(
        Question calldata question,
        Evidence calldata evidence,
        uint64 time
    ) external view returns (Reason reason) {
        Record memory record = evidence.record;
        Grant memory grant = evidence.grant;

        // 1: the record is the one asked about, its controller is listed, and has not retracted it
        if (record.hash() != question.record) return Reason.unknown_record;
        if (!directory.hasRole(record.controller, Roles.CONTROLLER)) return Reason.controller_not_listed;
        if (policies.documentOf(record.controller, question.record).retractedAt != 0) return Reason.record_retracted;

        // 2: the grant is for this record
        if (grant.record != question.record) return Reason.no_consent;

        // 3: it stands
        bytes32 grantHash = grant.hash();
        reason = _standing(evidence.anchorings, 0, record.subject, grantHash);
        if (reason != Reason.permitted) return reason;

        // 4: on the block's clock and at the time asked
        if (block.timestamp < grant.validFrom || time < grant.validFrom) return Reason.not_yet_valid;
        if (block.timestamp >= grant.validUntil || time >= grant.validUntil) return Reason.expired;

        // 5: the recipient is the one asking, listed, not suspended
        reason = _recipient(grant.recipient, question.recipient);
        if (reason != Reason.permitted) return reason;

        // 9: the form is the one that counts, and with the channel's terms in it current
        if (grant.form != question.form.hash || !_isCurrent(question.form)) return Reason.form_superseded;
        if (question.terms.hash != 0 && !_isCurrent(question.terms)) return Reason.form_superseded;

        // 10: every steward has the same grant standing
        for (uint256 i = 0; i < record.stewards.length; ++i) {
            reason = _standing(evidence.anchorings, i + 1, record.stewards[i], grantHash);
            if (reason != Reason.permitted) return Reason.further_consent_needed;
        }
        return Reason.permitted;
    }

    /// @dev A grant recorded by itself counts by its own time, any other by the time its consent was given.
    function _standing(
        Anchoring[] calldata anchorings,
        uint256 index,
        address subject,
        bytes32 grantHash
    ) private view returns (Reason) {
        (IConsentRegistry.Entry memory entry, IConsentRegistry.Subject memory state) = registry.standingOf(
            subject,
            grantHash
        );
        if (entry.revokedAt != 0) return Reason.revoked;
        if (state.closed) return Reason.closed;
        uint64 givenAt = entry.grantedAt;
        if (givenAt == 0) {
            if (index >= anchorings.length || !_liesInCohort(anchorings[index], subject, grantHash)) {
                return Reason.no_consent;
            }
            givenAt = ConsentLife.givenAt(anchorings[index].deadline);
        }
        if (givenAt <= state.revokedBefore) return Reason.revoked;
        if (state.suspended) return Reason.suspended;
        return Reason.permitted;
    }

    /// @dev The leaf lies under a root that was anchored while the Consent its subject signed was good: anyone can anchor
    /// anything, so a proof alone says nothing.
    function _liesInCohort(
        Anchoring calldata anchoring,
        address subject,
        bytes32 grantHash
    ) private view returns (bool) {
        uint64 time = registry.anchoredAt(anchoring.root);
        if (time == 0 || time > anchoring.deadline || time < ConsentLife.givenAt(anchoring.deadline)) return false;
        if (!Cohort.contains(anchoring.root, subject, grantHash, anchoring.proof)) return false;
        if (!_contains(anchoring.grantHashes, grantHash)) return false;
        bytes32 message = ConsentTypes.hashConsent(subject, anchoring.grantHashes, anchoring.deadline);
        bytes32 separator = ConsentTypes.domainSeparator(address(registry));
        return MessageHashUtils.toTypedDataHash(separator, message).signedByKey(subject, anchoring.signature);
    }

    function _contains(bytes32[] calldata hashes, bytes32 hash) private pure returns (bool) {
        for (uint256 i = 0; i < hashes.length; ++i) {
            if (hashes[i] == hash) return true;
        }
        return false;
    }

    function _isCurrent(Document calldata document) private view returns (bool) {
        return policies.isCurrent(document.issuer, document.hash);
    }

    /// @dev A grant that names no recipient covers any listed one; the Approval it needs is checked off chain.
    function _recipient(address granted, address asking) private view returns (Reason) {
        if (granted != address(0) && granted != asking) return Reason.recipient_not_covered;
        IDirectory.Party memory party = directory.partyOf(asking);
        if (party.suspended) return Reason.recipient_suspended;
        return party.roles & Roles.RECIPIENT != 0 ? Reason.permitted : Reason.recipient_not_covered;
    }
}
