// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What a runner asks a test contract to know which calls it may make between two looks at the invariants.
abstract contract Campaign {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    address internal _target;
    bytes4[] internal _actions;

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = _target;
    }

    function targetSelectors() external view returns (FuzzSelector[] memory selectors) {
        selectors = new FuzzSelector[](1);
        selectors[0] = FuzzSelector(_target, _actions);
    }

    /// @dev The same as a runner does, but always the same: `calls` actions, drawn from `seed`.
    function play(uint256 calls, uint256 seed) internal {
        for (uint256 i = 0; i < calls; ++i) {
            uint256 drawn = uint256(keccak256(abi.encode(seed, i)));
            bytes4 action = _actions[drawn % _actions.length];
            (bool success, ) = _target.call(abi.encodeWithSelector(action, drawn >> 8));
            require(success, "an action of the handler failed");
        }
    }
}
