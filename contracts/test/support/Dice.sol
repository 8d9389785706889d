// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice Many small choices out of one random number, each as likely as the next whatever number a fuzzer favours.
struct Dice {
    uint256 state;
}

using {roll, oneIn} for Dice global;

/// @dev From 0 to `sides - 1`.
function roll(Dice memory dice, uint256 sides) pure returns (uint256) {
    dice.state = uint256(keccak256(abi.encode(dice.state)));
    return dice.state % sides;
}

function oneIn(Dice memory dice, uint256 sides) pure returns (bool) {
    return roll(dice, sides) == 0;
}
