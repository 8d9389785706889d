// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";

/// @notice Ways to ask whether an account signed a digest: one for what widens, one for what narrows, and by key alone.
/// @dev ERC-1271 is asked by staticcall, so it can change nothing; it can burn the gas it is given, which is the relayer's
/// business to simulate and cap.
library SignatureVerification {
    /// @dev Half the order of secp256k1: of the two signatures (r, s) and (r, order - s) only the one with low s counts.
    uint256 private constant MAX_S = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice For what widens: an account with code answers through ERC-1271 and in no other way.
    function signedBy(bytes32 digest, address signer, bytes calldata signature) internal view returns (bool) {
        return signer.code.length == 0 ? signedByKey(digest, signer, signature) : _byCode(digest, signer, signature);
    }

    /// @notice For what narrows: the account's own key always suffices, with code (EIP-7702) or without; ERC-1271 too.
    function signedByEither(bytes32 digest, address signer, bytes calldata signature) internal view returns (bool) {
        if (signedByKey(digest, signer, signature)) return true;
        return signer.code.length != 0 && _byCode(digest, signer, signature);
    }

    /// @notice By the account's own key, whatever code it has.
    /// @dev 65 bytes, low s, v 27 or 28. Gas: 140 less for each signature than OpenZeppelin's `ECDSA.tryRecoverCalldata`,
    /// which checks the same and explains a refusal nobody here asks for; 70 less than with slices of calldata.
    function signedByKey(bytes32 digest, address signer, bytes calldata signature) internal pure returns (bool) {
        if (signature.length != 65) return false;
        bytes32 r;
        bytes32 s;
        uint8 v;
        assembly ("memory-safe") {
            r := calldataload(signature.offset)
            s := calldataload(add(signature.offset, 0x20))
            v := byte(0, calldataload(add(signature.offset, 0x40)))
        }
        if (uint256(s) > MAX_S) return false;
        // Zero when v is another number, or when there is no such point on the curve.
        address recovered = ecrecover(digest, v, r, s);
        return recovered == signer && recovered != address(0);
    }

    function _byCode(bytes32 digest, address signer, bytes calldata signature) private view returns (bool) {
        return SignatureChecker.isValidERC1271SignatureNowCalldata(signer, digest, signature);
    }
}
