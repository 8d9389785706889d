// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "./IConsentRecords.sol";

/// @title Consent registry
/// @notice A ledger of hashes: what each subject granted, and what it ended. Nothing readable reaches it.
///
/// Every `...For` function, and `grantForMany`, may be sent by anyone. It acts on the word of `signer` (in `delegateFor`: of
/// the subject), who is the subject or one of its delegates with the right bit, and who either signed the EIP-712 message
/// that the function names or is itself the sender, in which case the signature is empty. The domain is what
/// `eip712Domain()` (ERC-5267) says; the types are in ConsentTypes.
///
/// * What widens (grant, suspend(false), giving rights) follows the strict rule: an account with code is asked through
///   ERC-1271 only, any other by ECDSA.
/// * What narrows (revoke, revokeAll, suspend(true), close, taking rights away) accepts ECDSA or ERC-1271, so an account
///   that got code through EIP-7702 can always withdraw with its own key.
/// * ECDSA means 65 bytes, low s, v 27 or 28.
/// * What narrows has no nonce and no deadline, and what changes nothing succeeds without effect: no event, same head.
///
/// ==== Limits
/// The registry does not know what a grant says, whether it has expired, or for whom it is. A standing entry is not a
/// permission: see `ConsentCheck` and the decision outside the chain.
interface IConsentRegistry is IConsentRecords {
    /// @notice The sender grants `grantHashes`, each the EIP-712 `hashStruct` of a Grant.
    /// @dev All or nothing. Refused when the subject is closed, suspended, or has revoked everything up to this block, and
    /// when one of the hashes was granted or revoked before.
    function grant(bytes32[] calldata grantHashes) external;

    /// @notice Records `Consent(subject, grants, deadline)`. Valid up to and including `deadline`, which is at most 30 days
    /// ahead. It counts as given 30 days before its deadline: a `revokeAll` up to that instant has ended it.
    function grantFor(
        address subject,
        bytes32[] calldata grantHashes,
        uint64 deadline,
        address signer,
        bytes calldata signature
    ) external;

    /// @notice Records many `Consent` messages, all or none: whoever sends it simulates first and drops what would fail.
    /// @dev ==== Security Considerations
    /// A signer that is a contract can answer differently when mined than when simulated, and can burn gas: a relayer
    /// should cap the gas it spends on one, and not put it in a batch with others.
    function grantForMany(ConsentCall[] calldata calls) external;

    /// @notice The sender revokes `grantHashes`, recorded or not.
    function revoke(bytes32[] calldata grantHashes) external;

    /// @notice Records `Revocation(subject, grants)`: never too early, never too late, whatever the subject's state. A hash
    /// never recorded can then never be granted.
    function revokeFor(
        address subject,
        bytes32[] calldata grantHashes,
        address signer,
        bytes calldata signature
    ) external;

    /// @notice The sender revokes everything it granted at or before `before`.
    function revokeAll(uint64 before) external;

    /// @notice Records `RevokeAll(subject, before)`; `before` is clamped to the block's time and only ever grows.
    /// @dev It ends what was recorded at or before `before`, and every consent given until then that is not recorded yet or
    /// lies in a cohort. A consent recorded after `before` and before this message stands. So wallets name an instant some
    /// minutes ahead, and revoke by hash as well what they know to be under way; until that instant anybody can send the
    /// message again, and end what was granted in between. A consent signed with a deadline more than 30 days ahead counts as
    /// given in the future, and can be recorded then.
    function revokeAllFor(address subject, uint64 before, address signer, bytes calldata signature) external;

    /// @notice The sender suspends or resumes itself, now. Suspending never fails: only a word that suspends too can be
    /// recorded with a later instant.
    function suspend(bool suspended) external;

    /// @notice Records `Suspension(subject, suspended, at)`. The latest `at` counts, and of two words with the same `at`
    /// the one that suspends.
    /// @dev Refused: suspending with `at` more than 15 minutes ahead of the block, resuming with `at` ahead of it; a word
    /// that came too late and would change something; resuming a closed subject.
    function suspendFor(
        address subject,
        bool suspended,
        uint64 at,
        address signer,
        bytes calldata signature
    ) external;

    /// @notice The sender closes itself for good: no grant stands, none can be added.
    function close() external;

    /// @notice Records `Closure(subject)`.
    function closeFor(address subject, address signer, bytes calldata signature) external;

    /// @notice The sender gives `delegate_` the `rights` until `validUntil`, now. Zero takes all away, and never fails.
    function delegate(address delegate_, uint8 rights, uint64 validUntil) external;

    /// @notice Records `Delegation(subject, delegate, rights, validUntil, at)`, which only the subject itself can sign. Per
    /// delegate the latest `at` counts, and of two words with the same `at` the one that takes all rights away.
    /// @dev Refused: taking all rights away with `at` more than 15 minutes ahead of the block, any other with `at` ahead of
    /// it; a word that came too late and would change something; unknown rights; the zero address or the subject itself as
    /// delegate. Of two words with the same `at` that give rights the first counts: to take some away at once, take all
    /// away and then give fewer.
    function delegateFor(
        address subject,
        address delegate_,
        uint8 rights,
        uint64 validUntil,
        uint64 at,
        bytes calldata signature
    ) external;

    /// @notice Anchors a cohort: `root` of an OpenZeppelin Merkle tree over (address subject, bytes32 grantHash), of `size`
    /// leaves. The first time counts; again changes nothing.
    /// @dev Anyone may anchor anything, also while the subject is suspended. What makes a leaf a grant is the Consent its
    /// subject signed; it counts from the instant that was given, under whatever root it is shown.
    function anchor(bytes32 root, uint32 size) external;

    /// @notice What is recorded about a grant and its subject. It claims nothing about validity.
    function standingOf(address subject, bytes32 grantHash) external view returns (Entry memory, Subject memory);

    /// @notice What is recorded about one grant.
    function entries(address subject, bytes32 grantHash) external view returns (Entry memory);

    /// @notice What is recorded about a subject.
    function subjects(address subject) external view returns (Subject memory);

    /// @notice What `subject` lets `delegate_` do.
    function delegations(address subject, address delegate_) external view returns (Delegation memory);

    /// @notice When `root` was first anchored; zero if never.
    function anchoredAt(bytes32 root) external view returns (uint64);

    /// @notice The running hash over every accepted operation; see RunningHead.
    function head() external view returns (bytes32);
}
