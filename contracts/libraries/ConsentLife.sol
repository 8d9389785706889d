// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice When a signed consent was given, read from its deadline.
/// @dev The message has no other instant, and whoever holds it chooses when it is recorded or anchored, and how often. So
/// no deadline further away than LONGEST is accepted, and a consent counts as given LONGEST before its deadline: the
/// earliest instant at which it could be used at all. What revokes everything up to that instant ends it, however it
/// reaches the chain, and whenever.
library ConsentLife {
    uint64 internal constant LONGEST = 30 days;

    /// @return The instant at which a consent with this deadline was given; zero for a deadline before there were any.
    function givenAt(uint64 deadline) internal pure returns (uint64) {
        return deadline > LONGEST ? deadline - LONGEST : 0;
    }
}
