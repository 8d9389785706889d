// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice The cheatcodes of halmos these properties use: values that stand for every value.
interface Svm {
    function createUint(uint256 bits, string calldata name) external pure returns (uint256);
    function createBool(string calldata name) external pure returns (bool);
    function createAddress(string calldata name) external pure returns (address);
    function createBytes32(string calldata name) external pure returns (bytes32);
    function createCalldata(string calldata contract_) external pure returns (bytes memory);
    function enableSymbolicStorage(address account) external;
}

Svm constant svm = Svm(address(uint160(uint256(keccak256("svm cheat code")))));
