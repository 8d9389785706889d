// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {RegistryTest} from "./RegistryTest.sol";
import {vm} from "./Vm.sol";
import {OwnedWallet, PasswordWallet, RevertingWallet} from "./Wallets.sol";

/// @notice Everybody who takes part in a campaign: patients of every kind of account, delegates, a stranger, a relayer.
abstract contract Actors is RegistryTest {
    /// @dev What code an account with a key of its own runs (EIP-7702).
    enum Code {
        None,
        AsksForAPassword,
        RefusesEverything
    }

    uint256 internal constant SISTER_KEY = uint256(keccak256("sister"));
    uint256 internal constant ACCOUNT_KEY = uint256(keccak256("account"));
    uint256 internal constant STUCK_KEY = uint256(keccak256("stuck"));
    uint256 internal constant OWNER_KEY = uint256(keccak256("owner"));
    uint256 internal constant CLINIC_KEY = uint256(keccak256("clinic"));

    /// @dev A patient who is a delegate of others too, and whose account gets and loses code on the way.
    address internal immutable sister = vm.addr(SISTER_KEY);
    /// @dev A patient whose account runs code that asks for a password.
    address internal immutable account = vm.addr(ACCOUNT_KEY);
    /// @dev A patient whose account runs code that refuses everything.
    address internal immutable stuck = vm.addr(STUCK_KEY);
    /// @dev A patient's contract wallet, and a delegate that is a contract.
    address internal immutable wallet = address(new OwnedWallet(vm.addr(OWNER_KEY)));
    address internal immutable clinic = address(new OwnedWallet(vm.addr(CLINIC_KEY)));

    address[5] internal subjects;
    address[4] internal delegates;
    bytes32[8] internal grants;

    mapping(address who => uint256) private _keys;
    mapping(address who => Code) private _codes;
    address private immutable _askingForAPassword = address(new PasswordWallet());
    address private immutable _refusingEverything = address(new RevertingWallet());

    function setUp() public virtual override {
        super.setUp();
        subjects = [patient, sister, wallet, account, stuck];
        delegates = [guardian, clinic, sister, account];
        for (uint256 i = 0; i < grants.length; ++i) grants[i] = keccak256(abi.encode("grant", i));
        _keys[patient] = PATIENT_KEY;
        _keys[guardian] = GUARDIAN_KEY;
        _keys[stranger] = STRANGER_KEY;
        _keys[sister] = SISTER_KEY;
        _keys[account] = ACCOUNT_KEY;
        _keys[stuck] = STUCK_KEY;
        _keys[wallet] = OWNER_KEY;
        _keys[clinic] = CLINIC_KEY;
        setCode(account, Code.AsksForAPassword);
        setCode(stuck, Code.RefusesEverything);
    }

    function setCode(address who, Code code) internal {
        _codes[who] = code;
        address target = code == Code.AsksForAPassword ? _askingForAPassword : _refusingEverything;
        vm.etch(who, code == Code.None ? bytes("") : abi.encodePacked(hex"ef0100", target));
    }

    function codeOf(address who) internal view returns (Code) {
        return _codes[who];
    }

    /// @dev What `who` hands a relayer: a signature by its key, or what its code asks for.
    function signed(address who, bool byKey, bytes32 message) internal view returns (bytes memory) {
        return byKey || _codes[who] == Code.None ? sign(_keys[who], message) : bytes("password");
    }

    function signedDigest(address who, bytes32 digest) internal view returns (bytes memory) {
        return signDigest(_keys[who], digest);
    }

    /// @dev That must be taken for the word of `who`: by its key always suffices to withdraw, and to grant only when no
    /// code has a say.
    function speaks(address who, bool byKey, uint8 right) internal view returns (bool) {
        Code code = _codes[who];
        if (code == Code.None || (byKey && right == WITHDRAW)) return true;
        return !byKey && code == Code.AsksForAPassword;
    }

    /// @dev The other signature (r, order - s, 55 - v) over the same message.
    function mirrored(bytes memory signature) internal pure returns (bytes memory other) {
        if (signature.length != 65) return signature;
        other = bytes.concat(signature);
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        assembly ("memory-safe") {
            let s := add(other, 0x40)
            mstore(s, sub(order, mload(s)))
            let v := add(other, 0x60)
            mstore8(v, sub(55, byte(0, mload(v))))
        }
    }
}
