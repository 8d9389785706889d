// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Directory of parties
/// @notice Who takes part, in which roles, under which name. Kept by the consortium that owns it; wallets show names from
/// here and never from a request. A party is never removed: it is suspended, and its history stays.
interface IDirectory {
    /// @notice What the consortium vouches for. `since` is zero for an address that was never listed.
    /// @param roles bit 0 (1) controller, bit 1 (2) recipient, bit 2 (4) custodian, bit 3 (8) witness
    /// @param suspended the party may not act in any role until this is lifted
    /// @param since when it was first listed
    /// @param changedAt when anything about it last changed
    /// @param profile the hash of the document `uri` points to
    /// @param uri where the profile can be read
    struct Party {
        uint8 roles;
        bool suspended;
        uint64 since;
        uint64 changedAt;
        bytes32 profile;
        string uri;
    }

    /// @notice `party` was listed, or its entry replaced.
    event Registered(address indexed party, uint8 roles, bytes32 profile, string uri);

    /// @notice `party` was suspended, or is no longer.
    event SuspensionChanged(address indexed party, bool suspended);

    /// @notice The zero address stands for "any recipient" in a grant, so it cannot be a party.
    error InvalidParty(address party);

    /// @notice A party has at least one role, and only roles that exist.
    error InvalidRoles(uint8 roles);

    /// @notice `party` was never listed.
    error UnknownParty(address party);

    /// @notice A directory without an owner could never suspend anyone again.
    error OwnerRequired();

    /// @notice Lists `party`, or replaces roles, profile and uri of one that is listed. A suspension stays as it was.
    /// @dev Only the owner.
    function register(address party, uint8 roles, bytes32 profile, string calldata uri) external;

    /// @notice Suspends `party`, or lifts the suspension. No effect when it is so already.
    /// @dev Only the owner.
    function setSuspended(address party, bool suspended) external;

    /// @notice Everything recorded about `party`; all zero when it was never listed.
    function partyOf(address party) external view returns (Party memory);

    /// @notice `party` is listed with every role in `role` (one bit, or several) and is not suspended.
    function hasRole(address party, uint8 role) external view returns (bool);

    /// @notice The running hash over every accepted operation; see RunningHead.
    function head() external view returns (bytes32);
}
