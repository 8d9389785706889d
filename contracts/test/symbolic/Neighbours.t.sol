// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CheckpointLog} from "../../CheckpointLog.sol";
import {Directory} from "../../Directory.sol";
import {PolicyRegistry} from "../../PolicyRegistry.sol";
import {ICheckpointLog} from "../../interfaces/ICheckpointLog.sol";
import {IPolicyRegistry} from "../../interfaces/IPolicyRegistry.sol";
import {vm} from "../support/Vm.sol";
import {svm} from "./Svm.sol";

/// @notice The contracts beside the registry, each in an arbitrary state, at an arbitrary time.
abstract contract Neighbour {
    uint64 internal time;

    function setUp() public virtual {
        time = uint64(svm.createUint(64, "time"));
        vm.assume(time > 0);
        vm.warp(time);
    }

    function send(address target, bytes memory data) internal returns (address sender) {
        sender = svm.createAddress("sender");
        vm.prank(sender);
        (bool success, ) = target.call(data);
        vm.assume(success);
    }
}

/// @notice Logs.
contract Logs is Neighbour {
    CheckpointLog private _log;

    function setUp() public override {
        super.setUp();
        _log = new CheckpointLog();
        svm.enableSymbolicStorage(address(_log));
    }

    /// @notice A checkpoint never shrinks, never changes while its size stays, and is its logger's alone.
    function check_checkpointsOnlyGrow(address logger, bytes32 logId) public {
        ICheckpointLog.Checkpoint memory old = _log.checkpointOf(logger, logId);
        address sender = send(address(_log), svm.createCalldata("CheckpointLog"));
        ICheckpointLog.Checkpoint memory now_ = _log.checkpointOf(logger, logId);
        assert(now_.size >= old.size);
        bool unchanged = now_.size == old.size && now_.root == old.root && now_.at == old.at;
        assert(unchanged || (sender == logger && now_.size > old.size && now_.at == time && now_.root != 0));
    }

    /// @notice A checkpoint never grows either.
    function check_checkpointsOnlyGrow_twin(address logger, bytes32 logId) public {
        uint64 size = _log.checkpointOf(logger, logId).size;
        send(address(_log), svm.createCalldata("CheckpointLog"));
        assert(_log.checkpointOf(logger, logId).size == size);
    }
}

/// @notice Documents.
contract Documents is Neighbour {
    PolicyRegistry private _policies;

    function setUp() public override {
        super.setUp();
        _policies = new PolicyRegistry();
        svm.enableSymbolicStorage(address(_policies));
    }

    /// @notice What an issuer said of a document stays: published, superseded and retracted are said once, by the
    /// issuer.
    function check_documentsAreSaidOnce(address issuer, bytes32 hash) public {
        IPolicyRegistry.Document memory old = _policies.documentOf(issuer, hash);
        address sender = send(address(_policies), svm.createCalldata("PolicyRegistry"));
        IPolicyRegistry.Document memory now_ = _policies.documentOf(issuer, hash);
        assert(now_.publishedAt == old.publishedAt || (old.publishedAt == 0 && now_.publishedAt == time));
        assert(now_.retractedAt == old.retractedAt || (old.retractedAt == 0 && now_.retractedAt == time));
        bool successorStays = now_.supersededAt == old.supersededAt &&
            now_.successor == old.successor &&
            now_.material == old.material;
        assert(successorStays || (old.supersededAt == 0 && now_.supersededAt == time && now_.successor != 0));
        bool stays = now_.publishedAt == old.publishedAt && now_.retractedAt == old.retractedAt && successorStays;
        assert(stays || sender == issuer);
    }

    /// @notice Nothing is ever said of a document again.
    function check_documentsAreSaidOnce_twin(address issuer, bytes32 hash) public {
        IPolicyRegistry.Document memory old = _policies.documentOf(issuer, hash);
        vm.assume(old.publishedAt != 0);
        send(address(_policies), svm.createCalldata("PolicyRegistry"));
        IPolicyRegistry.Document memory now_ = _policies.documentOf(issuer, hash);
        assert(now_.supersededAt == old.supersededAt && now_.retractedAt == old.retractedAt);
    }

    /// @notice A published document that is not current, by itself or by its successor, never is again.
    /// @custom:halmos --loop 6
    function check_policyOnlyNarrows(address issuer, bytes32 hash) public {
        vm.assume(_chain(issuer, hash) && !_policies.isCurrent(issuer, hash));
        send(address(_policies), svm.createCalldata("PolicyRegistry"));
        assert(!_policies.isCurrent(issuer, hash));
    }

    /// @notice One that is current stays so.
    /// @custom:halmos --loop 6
    function check_policyOnlyNarrows_twin(address issuer, bytes32 hash) public {
        vm.assume(_chain(issuer, hash) && _policies.isCurrent(issuer, hash));
        send(address(_policies), svm.createCalldata("PolicyRegistry"));
        assert(_policies.isCurrent(issuer, hash));
    }

    /// @dev The document is published, and it or its successor, which is another, is the last of its chain.
    function _chain(address issuer, bytes32 hash) private view returns (bool) {
        IPolicyRegistry.Document memory document = _policies.documentOf(issuer, hash);
        if (document.publishedAt == 0) return false;
        if (document.supersededAt == 0) return !document.material;
        if (document.successor == hash) return false;
        IPolicyRegistry.Document memory next = _policies.documentOf(issuer, document.successor);
        return next.publishedAt != 0 && next.supersededAt == 0 && !next.material;
    }
}

/// @notice Parties.
contract Parties is Neighbour {
    Directory private _directory;

    function setUp() public override {
        super.setUp();
        _directory = new Directory(address(this));
        svm.enableSymbolicStorage(address(_directory));
    }

    /// @notice Nobody but the owner changes what the directory says of a party; ownership passes only from the owner to
    /// whom the owner named.
    function check_onlyTheOwnerLists(address party, uint8 role) public {
        (address owner, address pending) = (_directory.owner(), _directory.pendingOwner());
        (bool had, bytes32 head) = (_directory.hasRole(party, role), _directory.head());
        address sender = svm.createAddress("sender");
        vm.assume(sender != owner);
        vm.prank(sender);
        (bool success, ) = address(_directory).call(svm.createCalldata("Directory"));
        vm.assume(success);
        assert(_directory.hasRole(party, role) == had && _directory.head() == head);
        assert(_directory.owner() == owner || (sender == pending && _directory.owner() == sender));
    }

    /// @notice Not even the owner does.
    function check_onlyTheOwnerLists_twin(address party, uint8 role) public {
        bool had = _directory.hasRole(party, role);
        vm.prank(_directory.owner());
        _directory.setSuspended(svm.createAddress("party"), svm.createBool("suspended"));
        assert(_directory.hasRole(party, role) == had);
    }
}
