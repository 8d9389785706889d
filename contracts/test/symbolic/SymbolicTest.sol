// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {ConsentRegistry} from "../../ConsentRegistry.sol";
import {IConsentRecords} from "../../interfaces/IConsentRecords.sol";
import {vm} from "../support/Vm.sol";
import {svm} from "./Svm.sol";

/// @notice A smart account that answers each digest with anything.
contract AnyWallet {
    mapping(bytes32 digest => bytes32) private _answers;

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes32) {
        return _answers[digest];
    }

    function agreesTo(bytes32 digest) external view returns (bool) {
        return _answers[digest] == bytes32(bytes4(keccak256("isValidSignature(bytes32,bytes)")));
    }
}

/// @notice A registry in an arbitrary state, at an arbitrary time, beside a wallet that answers anything.
/// @dev What a property assumes is written in it. Besides: gas is never short, keccak256 has no collisions, and
/// ecrecover is some function of its arguments. A call that fails changes nothing, which is the machine's promise, so
/// only calls that succeed are looked at.
abstract contract SymbolicTest is IConsentRecords {
    uint64 internal constant DRIFT = 15 minutes;

    ConsentRegistry internal registry;
    AnyWallet internal wallet;

    /// @dev All that is recorded of one subject, one grant and one delegate of hers, and one root: the words as stored,
    /// so that nothing of them is out of sight, and comparing them is one step.
    struct Recorded {
        uint256 entry;
        uint256 subject;
        uint256 delegation;
        uint256 anchored;
    }

    function setUp() public virtual {
        registry = new ConsentRegistry();
        wallet = new AnyWallet();
        svm.enableSymbolicStorage(address(registry));
        svm.enableSymbolicStorage(address(wallet));
        uint256 time = svm.createUint(64, "time");
        vm.assume(both(time > 0, time < 2 ** 63));
        vm.warp(time);
    }

    /// @dev Any transaction to the registry that succeeds: any function, any arguments, any sender.
    function anyCall() internal returns (bytes4 selector, address sender) {
        bytes memory data = svm.createCalldata("ConsentRegistry");
        sender = svm.createAddress("sender");
        vm.prank(sender);
        (bool success, ) = address(registry).call(data);
        vm.assume(success);
        selector = bytes4(data);
    }

    function recorded(
        address subject,
        bytes32 grantHash,
        address delegate,
        bytes32 root
    ) internal view returns (Recorded memory) {
        bytes32 self = bytes32(uint256(uint160(subject)));
        bytes32 to = bytes32(uint256(uint160(delegate)));
        return
            Recorded(
                _load(_at(grantHash, _at(self, bytes32(uint256(0))))),
                _load(_at(self, bytes32(uint256(1)))),
                _load(_at(to, _at(self, bytes32(uint256(2))))),
                _load(_at(root, bytes32(uint256(3))))
            );
    }

    function _load(bytes32 slot) private view returns (uint256) {
        return uint256(vm.load(address(registry), slot));
    }

    function _at(bytes32 key, bytes32 slot) private pure returns (bytes32) {
        return keccak256(abi.encode(key, slot));
    }

    function entryOf(address subject, bytes32 grantHash) internal view returns (uint256) {
        return recorded(subject, grantHash, address(0), 0).entry;
    }

    function subjectOf(address subject) internal view returns (uint256) {
        return recorded(subject, 0, address(0), 0).subject;
    }

    function delegationOf(address subject, address delegate) internal view returns (uint256) {
        return recorded(subject, 0, delegate, 0).delegation;
    }

    // The fields, as the compiler lays out the structs.

    function grantedAt(uint256 entry) internal pure returns (uint256) {
        return uint64(entry);
    }

    function revokedAt(uint256 entry) internal pure returns (uint256) {
        return entry >> 64;
    }

    function revokedBefore(uint256 subject) internal pure returns (uint256) {
        return uint64(subject);
    }

    function suspensionAt(uint256 subject) internal pure returns (uint256) {
        return uint64(subject >> 64);
    }

    function isSuspended(uint256 subject) internal pure returns (bool) {
        return uint8(subject >> 128) != 0;
    }

    function isClosed(uint256 subject) internal pure returns (bool) {
        return uint8(subject >> 136) != 0;
    }

    function rightsOf(uint256 delegation) internal pure returns (uint256) {
        return uint8(delegation);
    }

    function validUntil(uint256 delegation) internal pure returns (uint256) {
        return uint64(delegation >> 8);
    }

    function delegatedAt(uint256 delegation) internal pure returns (uint256) {
        return uint64(delegation >> 72);
    }

    /// @dev What every reachable state has: `check_representation` proves that it stays so.
    function sound(Recorded memory r) internal view returns (bool) {
        uint256 latest = block.timestamp + DRIFT;
        bool entry = r.entry >> 128 == 0;
        bool subject = both(revokedBefore(r.subject) <= block.timestamp, suspensionAt(r.subject) <= latest);
        bool flags = uint256(uint128(r.subject >> 128)) & ~uint256(0x0101) == 0;
        bool delegation = both(delegatedAt(r.delegation) <= latest, rightsOf(r.delegation) <= 3);
        // Only a word that narrows is ever dated ahead.
        bool paused = either(suspensionAt(r.subject) <= block.timestamp, isSuspended(r.subject));
        bool none = either(delegatedAt(r.delegation) <= block.timestamp, rightsOf(r.delegation) == 0);
        return both(both(both(entry, subject), both(flags, delegation)), both(paused, none));
    }

    function same(Recorded memory a, Recorded memory b) internal pure returns (bool) {
        uint256 registered = (a.entry ^ b.entry) | (a.subject ^ b.subject) | (a.delegation ^ b.delegation);
        return registered | (a.anchored ^ b.anchored) == 0;
    }

    // `&&` and `||` make a path of their own for each outcome; these do not.

    function both(bool a, bool b) internal pure returns (bool result) {
        assembly ("memory-safe") {
            result := and(a, b)
        }
    }

    function either(bool a, bool b) internal pure returns (bool result) {
        assembly ("memory-safe") {
            result := or(a, b)
        }
    }
}
