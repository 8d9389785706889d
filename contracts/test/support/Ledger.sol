// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {IConsentRecords} from "../../interfaces/IConsentRecords.sol";
import {Vm} from "./Vm.sol";

/// @notice What an auditor knows who has only the events of a registry, each with the time of its block.
library Ledger {
    struct Replay {
        bytes32 head;
        mapping(address subject => mapping(bytes32 grantHash => IConsentRecords.Entry)) entries;
        mapping(address subject => IConsentRecords.Subject) subjects;
        mapping(address subject => mapping(address to => IConsentRecords.Delegation)) delegations;
        mapping(bytes32 root => uint64) anchoredAt;
    }

    function start(Replay storage self, address registry) internal {
        self.head = keccak256(abi.encode(block.chainid, registry));
    }

    function add(Replay storage self, Vm.Log memory log) internal {
        bytes32 topic = log.topics[0];
        address subject = _address(log.topics[1]);
        uint64 time = uint64(block.timestamp);
        if (topic == IConsentRecords.Granted.selector) {
            self.entries[subject][log.topics[2]].grantedAt = time;
            _fold(self, 1, subject, log.topics[2]);
        } else if (topic == IConsentRecords.Revoked.selector) {
            self.entries[subject][log.topics[2]].revokedAt = time;
            _fold(self, 2, subject, log.topics[2]);
        } else if (topic == IConsentRecords.RevokedAll.selector) {
            (uint64 before, ) = abi.decode(log.data, (uint64, address));
            self.subjects[subject].revokedBefore = before;
            _fold(self, 3, subject, bytes32(uint256(before)));
        } else if (topic == IConsentRecords.Suspended.selector) {
            (bool suspended, uint64 at, ) = abi.decode(log.data, (bool, uint64, address));
            self.subjects[subject].suspended = suspended;
            self.subjects[subject].suspensionAt = at;
            _fold(self, 4, subject, keccak256(abi.encode(suspended, at)));
        } else if (topic == IConsentRecords.Closed.selector) {
            self.subjects[subject].closed = true;
            _fold(self, 5, subject, 0);
        } else if (topic == IConsentRecords.Delegated.selector) {
            address to = _address(log.topics[2]);
            (uint8 rights, uint64 validUntil, uint64 at) = abi.decode(log.data, (uint8, uint64, uint64));
            self.delegations[subject][to] = IConsentRecords.Delegation(rights, validUntil, at);
            _fold(self, 6, subject, keccak256(abi.encode(to, rights, validUntil, at)));
        } else if (topic == IConsentRecords.Anchored.selector) {
            self.anchoredAt[log.topics[1]] = time;
            uint32 size = abi.decode(log.data, (uint32));
            _fold(self, 7, address(0), keccak256(abi.encode(log.topics[1], size)));
        } else {
            revert("an event nobody knows");
        }
    }

    /// @dev Who spoke, as the event says; of delegations only the subject can.
    function signerOf(Vm.Log memory log) internal pure returns (address signer) {
        bytes32 topic = log.topics[0];
        if (topic == IConsentRecords.Delegated.selector) return _address(log.topics[1]);
        if (topic == IConsentRecords.RevokedAll.selector) (, signer) = abi.decode(log.data, (uint64, address));
        else if (topic != IConsentRecords.Suspended.selector) signer = abi.decode(log.data, (address));
        else (, , signer) = abi.decode(log.data, (bool, uint64, address));
    }

    /// @dev It would set an instant that was set already, make one smaller, or put one that the registry gives in the
    /// future.
    function goesBack(Replay storage self, Vm.Log memory log) internal view returns (bool) {
        bytes32 topic = log.topics[0];
        address subject = _address(log.topics[1]);
        if (topic == IConsentRecords.Granted.selector) return self.entries[subject][log.topics[2]].grantedAt != 0;
        if (topic == IConsentRecords.Revoked.selector) return self.entries[subject][log.topics[2]].revokedAt != 0;
        if (topic == IConsentRecords.RevokedAll.selector) {
            (uint64 before, ) = abi.decode(log.data, (uint64, address));
            return before <= self.subjects[subject].revokedBefore || before > block.timestamp;
        }
        if (topic == IConsentRecords.Suspended.selector) {
            (, uint64 at, ) = abi.decode(log.data, (bool, uint64, address));
            return at < self.subjects[subject].suspensionAt || at > block.timestamp + 15 minutes;
        }
        if (topic == IConsentRecords.Delegated.selector) {
            (, , uint64 at) = abi.decode(log.data, (uint8, uint64, uint64));
            return at < self.delegations[subject][_address(log.topics[2])].at || at > block.timestamp + 15 minutes;
        }
        return topic == IConsentRecords.Anchored.selector && self.anchoredAt[log.topics[1]] != 0;
    }

    /// @dev It would add a grant to a closed subject, resume it, or close it again.
    function isAfterClosing(Replay storage self, Vm.Log memory log) internal view returns (bool) {
        if (!self.subjects[_address(log.topics[1])].closed) return false;
        bytes32 topic = log.topics[0];
        if (topic == IConsentRecords.Granted.selector || topic == IConsentRecords.Closed.selector) return true;
        if (topic != IConsentRecords.Suspended.selector) return false;
        (bool suspended, , ) = abi.decode(log.data, (bool, uint64, address));
        return !suspended;
    }

    function sameEntry(
        Replay storage self,
        address subject,
        bytes32 grantHash,
        IConsentRecords.Entry memory recorded
    ) internal view returns (bool) {
        IConsentRecords.Entry memory own = self.entries[subject][grantHash];
        return own.grantedAt == recorded.grantedAt && own.revokedAt == recorded.revokedAt;
    }

    function sameSubject(
        Replay storage self,
        address subject,
        IConsentRecords.Subject memory recorded
    ) internal view returns (bool) {
        return keccak256(abi.encode(self.subjects[subject])) == keccak256(abi.encode(recorded));
    }

    function sameDelegation(
        Replay storage self,
        address subject,
        address to,
        IConsentRecords.Delegation memory recorded
    ) internal view returns (bool) {
        return keccak256(abi.encode(self.delegations[subject][to])) == keccak256(abi.encode(recorded));
    }

    function _fold(Replay storage self, uint8 kind, address subject, bytes32 value) private {
        self.head = keccak256(abi.encode(self.head, kind, subject, value, uint64(block.timestamp)));
    }

    function _address(bytes32 topic) private pure returns (address) {
        return address(uint160(uint256(topic)));
    }
}
