// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ConsentState} from "./ConsentState.sol";
import {ConsentTypes} from "./libraries/ConsentTypes.sol";
import {Rights} from "./libraries/Rights.sol";
import {SignatureVerification} from "./libraries/SignatureVerification.sol";

/// @title Who may speak for a subject, and how the consent registry knows
abstract contract ConsentAuthority is ConsentState, EIP712 {
    using SignatureVerification for bytes32;

    uint256 private immutable _chainId = block.chainid;
    bytes32 private immutable _domainSeparator;

    constructor() EIP712(ConsentTypes.NAME, ConsentTypes.VERSION) {
        _domainSeparator = _domainSeparatorV4();
    }

    /// @dev The right that is needed decides how strictly the signature is checked: granting widens, withdrawing narrows.
    function _authorise(
        address subject,
        address signer,
        uint8 right,
        bytes32 message,
        bytes calldata signature
    ) internal view {
        if (signer != subject) {
            Delegation memory delegation = delegations(subject, signer);
            bool lapsed = delegation.validUntil <= block.timestamp;
            if (lapsed || delegation.rights & right == 0) revert NotAuthorised(subject, signer, right);
        }
        // Sending the transaction oneself is as strong as signing a message for someone else to send.
        if (signature.length == 0 && signer == msg.sender) return;
        bytes32 digest = _digest(message);
        bool signed = right == Rights.WITHDRAW
            ? digest.signedByEither(signer, signature)
            : digest.signedBy(signer, signature);
        if (!signed) revert SignatureInvalid(signer, digest);
    }

    /// @dev The domain's, on whatever chain this now is. Gas: 70 less than `_hashTypedDataV4`, which also asks whether it
    /// runs behind a proxy.
    function _digest(bytes32 message) private view returns (bytes32 digest) {
        bytes32 separator = block.chainid == _chainId ? _domainSeparator : _domainSeparatorV4();
        return MessageHashUtils.toTypedDataHash(separator, message);
    }
}
