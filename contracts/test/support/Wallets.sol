// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A smart account with one owner, which signs for it.
contract OwnedWallet is IERC1271 {
    address private immutable _owner;

    constructor(address owner) {
        _owner = owner;
    }

    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        (address recovered, , ) = ECDSA.tryRecoverCalldata(digest, signature);
        return recovered == _owner ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    function execute(address target, bytes calldata call) external {
        (bool success, ) = target.call(call);
        require(success, "call failed");
    }
}

/// @notice The code of an EIP-7702 account whose owner asks for a password instead of a signature.
contract PasswordWallet is IERC1271 {
    function isValidSignature(bytes32, bytes calldata signature) external pure returns (bytes4) {
        bool known = keccak256(signature) == keccak256("password");
        return known ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @notice Refuses by reverting.
contract RevertingWallet {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) {
        revert("no");
    }
}

/// @notice Answers with anything but a clean yes.
contract GarbageWallet {
    bytes private _answer;

    constructor(bytes memory answer) {
        _answer = answer;
    }

    fallback() external {
        bytes memory answer = _answer;
        assembly ("memory-safe") {
            return(add(answer, 0x20), mload(answer))
        }
    }
}

/// @notice Tries to change state while it is asked.
contract WritingWallet is IERC1271 {
    uint256 private _asked;

    function isValidSignature(bytes32, bytes calldata) external view returns (bytes4) {
        (bool success, ) = address(this).staticcall(abi.encodeCall(this.write, ()));
        require(success, "cannot write");
        return IERC1271.isValidSignature.selector;
    }

    function write() external {
        ++_asked;
    }
}

/// @notice Says yes to everything and, while it is asked, calls `target` with each of `calls`.
contract ReentrantWallet {
    uint256 public constant GAS = 200_000;
    address private immutable _target;
    bytes[] private _calls;

    constructor(address target) {
        _target = target;
    }

    function tryToCall(bytes[] memory calls) external {
        _calls = calls;
    }

    function isValidSignature(bytes32, bytes calldata) external returns (bytes4) {
        for (uint256 i = 0; i < _calls.length; ++i) {
            // Enough, and not all: to write while one may only read takes all the gas there is.
            (bool done, ) = _target.call{gas: GAS}(_calls[i]);
            require(!done, "it wrote while it was asked");
        }
        return IERC1271.isValidSignature.selector;
    }
}

/// @notice Burns all the gas it is given.
contract BurningWallet {
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

/// @notice Has code and knows nothing of ERC-1271.
contract Mute {}
