// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {ConsentAuthority} from "./ConsentAuthority.sol";
import {IConsentRegistry} from "./interfaces/IConsentRegistry.sol";
import {ConsentLife} from "./libraries/ConsentLife.sol";
import {ConsentTypes} from "./libraries/ConsentTypes.sol";
import {Rights} from "./libraries/Rights.sol";

/// @title Consent registry
/// @dev Immutable: no owner, no proxy, no pause. Check order everywhere: deadline, subject state, signature, write, head,
/// emit. Own and relayed entry points meet in one private function.
contract ConsentRegistry is ConsentAuthority, ERC165 {
    /// @dev How far a word that narrows may be dated ahead of the block: clocks differ, but not by more. One that widens
    /// may not, or whoever says it could keep the next word that narrows from counting.
    uint64 private constant CLOCK_DRIFT = 15 minutes;

    /// @inheritdoc IConsentRegistry
    function grant(bytes32[] calldata grantHashes) external {
        _checkMayGrant(msg.sender, block.timestamp);
        _advance(_grant(head(), msg.sender, grantHashes, msg.sender));
    }

    /// @inheritdoc IConsentRegistry
    function grantFor(
        address subject,
        bytes32[] calldata grantHashes,
        uint64 deadline,
        address signer,
        bytes calldata signature
    ) external {
        _advance(_grantFor(head(), subject, grantHashes, deadline, signer, signature));
    }

    /// @inheritdoc IConsentRegistry
    function grantForMany(ConsentCall[] calldata calls) external {
        if (calls.length == 0) revert EmptyList();
        bytes32 running = head();
        for (uint256 i = 0; i < calls.length; ++i) {
            ConsentCall calldata c = calls[i];
            running = _grantFor(running, c.subject, c.grantHashes, c.deadline, c.signer, c.signature);
        }
        _advance(running);
    }

    /// @inheritdoc IConsentRegistry
    function revoke(bytes32[] calldata grantHashes) external {
        _revoke(msg.sender, grantHashes, msg.sender);
    }

    /// @inheritdoc IConsentRegistry
    function revokeFor(
        address subject,
        bytes32[] calldata grantHashes,
        address signer,
        bytes calldata signature
    ) external {
        bytes32 message = ConsentTypes.hashRevocation(subject, grantHashes);
        _authorise(subject, signer, Rights.WITHDRAW, message, signature);
        _revoke(subject, grantHashes, signer);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAll(uint64 before) external {
        _revokeAll(msg.sender, before, msg.sender);
    }

    /// @inheritdoc IConsentRegistry
    function revokeAllFor(address subject, uint64 before, address signer, bytes calldata signature) external {
        _authorise(subject, signer, Rights.WITHDRAW, ConsentTypes.hashRevokeAll(subject, before), signature);
        _revokeAll(subject, before, signer);
    }

    /// @inheritdoc IConsentRegistry
    function suspend(bool suspended) external {
        uint64 at = uint64(block.timestamp);
        if (_isSuspensionNews(msg.sender, suspended, at)) _suspend(msg.sender, suspended, at, msg.sender);
    }

    /// @inheritdoc IConsentRegistry
    function suspendFor(
        address subject,
        bool suspended,
        uint64 at,
        address signer,
        bytes calldata signature
    ) external {
        _checkClock(at, suspended);
        bool news = _isSuspensionNews(subject, suspended, at);
        uint8 right = suspended ? Rights.WITHDRAW : Rights.GRANT;
        _authorise(subject, signer, right, ConsentTypes.hashSuspension(subject, suspended, at), signature);
        if (news) _suspend(subject, suspended, at, signer);
    }

    /// @inheritdoc IConsentRegistry
    function close() external {
        _close(msg.sender, msg.sender);
    }

    /// @inheritdoc IConsentRegistry
    function closeFor(address subject, address signer, bytes calldata signature) external {
        _authorise(subject, signer, Rights.WITHDRAW, ConsentTypes.hashClosure(subject), signature);
        _close(subject, signer);
    }

    /// @inheritdoc IConsentRegistry
    function delegate(address delegate_, uint8 rights, uint64 validUntil) external {
        _checkDelegation(msg.sender, delegate_, rights);
        uint64 at = uint64(block.timestamp);
        if (_isDelegationNews(msg.sender, delegate_, rights, at)) {
            _delegate(msg.sender, delegate_, rights, validUntil, at);
        }
    }

    /// @inheritdoc IConsentRegistry
    function delegateFor(
        address subject,
        address delegate_,
        uint8 rights,
        uint64 validUntil,
        uint64 at,
        bytes calldata signature
    ) external {
        _checkClock(at, rights == 0);
        _checkDelegation(subject, delegate_, rights);
        bool news = _isDelegationNews(subject, delegate_, rights, at);
        bytes32 message = ConsentTypes.hashDelegation(subject, delegate_, rights, validUntil, at);
        _authorise(subject, subject, rights == 0 ? Rights.WITHDRAW : Rights.GRANT, message, signature);
        if (news) _delegate(subject, delegate_, rights, validUntil, at);
    }

    /// @inheritdoc IConsentRegistry
    function anchor(bytes32 root, uint32 size) external {
        if (root == 0 || size == 0) revert InvalidAnchor(root, size);
        _anchor(root, size);
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return
            interfaceId == type(IConsentRegistry).interfaceId ||
            interfaceId == type(IERC5267).interfaceId ||
            super.supportsInterface(interfaceId);
    }

    function _grantFor(
        bytes32 running,
        address subject,
        bytes32[] calldata grantHashes,
        uint64 deadline,
        address signer,
        bytes calldata signature
    ) private returns (bytes32) {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        uint64 givenAt = ConsentLife.givenAt(deadline);
        if (givenAt > block.timestamp) revert DeadlineTooFar(deadline, uint64(block.timestamp) + ConsentLife.LONGEST);
        _checkMayGrant(subject, givenAt);
        bytes32 message = ConsentTypes.hashConsent(subject, grantHashes, deadline);
        _authorise(subject, signer, Rights.GRANT, message, signature);
        return _grant(running, subject, grantHashes, signer);
    }

    function _checkClock(uint64 at, bool narrows) private view {
        uint64 latest = uint64(block.timestamp);
        if (narrows) latest += CLOCK_DRIFT;
        if (at > latest) revert TooFarAhead(at, latest);
    }

    function _checkDelegation(address subject, address delegate_, uint8 rights) private pure {
        if (delegate_ == address(0) || delegate_ == subject) revert InvalidDelegate(delegate_);
        if (rights & ~Rights.ALL != 0) revert InvalidRights(rights);
    }
}
