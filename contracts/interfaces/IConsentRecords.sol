// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title The words of the consent registry
/// @notice What it stores, what it says happened, and why it refuses.
interface IConsentRecords {
    /// @notice What is recorded about one grant of one subject. A value of zero means: not recorded.
    /// @param grantedAt when it was granted
    /// @param revokedAt when it was first revoked, which is final
    struct Entry {
        uint64 grantedAt;
        uint64 revokedAt;
    }

    /// @notice What is recorded about a subject as a whole.
    /// @param revokedBefore every grant recorded, and every consent given, at or before this instant is revoked
    /// @param suspensionAt the instant of the last word about suspension
    /// @param suspended no grant stands while this is true
    /// @param closed no grant stands and none can be added, ever
    struct Subject {
        uint64 revokedBefore;
        uint64 suspensionAt;
        bool suspended;
        bool closed;
    }

    /// @notice What a subject lets a delegate do.
    /// @param rights bit 0 (1) revoke, revokeAll, suspend(true), close; bit 1 (2) grant, suspend(false)
    /// @param validUntil the delegate may act strictly before this instant
    /// @param at the instant of the last word about this delegate
    struct Delegation {
        uint8 rights;
        uint64 validUntil;
        uint64 at;
    }

    /// @notice One signed consent among many in `grantForMany`; the fields are the arguments of `grantFor`.
    /// @param subject who consents
    /// @param grantHashes the hashes of the grants in it
    /// @param deadline of the Consent
    /// @param signer the subject, or a delegate that may grant for it
    /// @param signature of the Consent by the signer
    struct ConsentCall {
        address subject;
        bytes32[] grantHashes;
        uint64 deadline;
        address signer;
        bytes signature;
    }

    /// @notice `subject` granted `grantHash`. `signer` is the subject or the delegate that agreed for it.
    event Granted(address indexed subject, bytes32 indexed grantHash, address signer);

    /// @notice `grantHash` of `subject` ended, or was ended before it was ever recorded.
    event Revoked(address indexed subject, bytes32 indexed grantHash, address signer);

    /// @notice Everything `subject` granted at or before `before` ended. `before` is what was recorded, after clamping.
    event RevokedAll(address indexed subject, uint64 before, address signer);

    /// @notice `subject` was suspended, or resumed, as of `at`.
    event Suspended(address indexed subject, bool suspended, uint64 at, address signer);

    /// @notice `subject` was closed for good.
    event Closed(address indexed subject, address signer);

    /// @notice `subject`, who alone may, gave `delegate` these rights until `validUntil`; none when `rights` is zero.
    event Delegated(address indexed subject, address indexed delegate, uint8 rights, uint64 validUntil, uint64 at);

    /// @notice A cohort was anchored under `root`. `size` is what the sender said; the leaves can be counted only off chain.
    event Anchored(bytes32 indexed root, uint32 size);

    /// @notice The list names nothing; a wallet that sends it has lost something on the way.
    error EmptyList();

    /// @notice The consent was valid up to and including `deadline`. A new one must be signed.
    error DeadlinePassed(uint64 deadline);

    /// @notice A consent lives for 30 days at most, and this one's `deadline` lies after `latest`. It can be recorded when
    /// the block's time has come that close to its deadline.
    error DeadlineTooFar(uint64 deadline, uint64 latest);

    /// @notice The subject closed itself; nothing can be granted or resumed under it.
    error SubjectClosed(address subject);

    /// @notice The subject is suspended; it must resume before it grants.
    error SubjectSuspended(address subject);

    /// @notice Everything given up to `revokedBefore` is revoked: this grant could never stand, or was signed before. A
    /// consent counts as given 30 days before its deadline; one with a deadline more than 30 days after `revokedBefore`, or
    /// a grant sent by the subject itself in a later block, can be recorded.
    error RevokedUntil(address subject, uint64 revokedBefore);

    /// @notice The grant is recorded already. Whoever relays it may take this as success.
    error AlreadyGranted(address subject, bytes32 grantHash);

    /// @notice The grant was revoked, perhaps before it was recorded; a revoked grant never returns.
    error AlreadyRevoked(address subject, bytes32 grantHash);

    /// @notice `signer` is neither the subject nor a delegate that now has the right `right` (one bit of its rights).
    error NotAuthorised(address subject, address signer, uint8 right);

    /// @notice `signer` did not sign `digest`, as far as its key or its contract can tell.
    error SignatureInvalid(address signer, bytes32 digest);

    /// @notice `at` lies after `latest`, the most the block's clock allows.
    error TooFarAhead(uint64 at, uint64 latest);

    /// @notice A word with the instant `last` is recorded, so one with the instant `at` comes too late.
    error NotNewer(uint64 at, uint64 last);

    /// @notice The zero address and the subject itself cannot be delegates.
    error InvalidDelegate(address delegate);

    /// @notice `rights` has bits that mean nothing.
    error InvalidRights(uint8 rights);

    /// @notice A cohort needs a root and at least one grant.
    error InvalidAnchor(bytes32 root, uint32 size);
}
