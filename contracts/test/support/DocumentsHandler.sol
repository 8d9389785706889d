// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CheckpointLog} from "../../CheckpointLog.sol";
import {Directory} from "../../Directory.sol";
import {PolicyRegistry} from "../../PolicyRegistry.sol";
import {ICheckpointLog} from "../../interfaces/ICheckpointLog.sol";
import {IDirectory} from "../../interfaces/IDirectory.sol";
import {IPolicyRegistry} from "../../interfaces/IPolicyRegistry.sol";
import {Dice} from "./Dice.sol";
import {vm} from "./Vm.sol";

/// @notice Does to the directory, the policy registry and the checkpoint log whatever anybody can do, and remembers what
/// must hold from then on.
contract DocumentsHandler {
    uint256 public constant DOCUMENTS = 12;
    uint256 public constant PARTIES = 4;
    uint256 public constant LOGS = 2;

    Directory public immutable directory;
    PolicyRegistry public immutable policies = new PolicyRegistry();
    CheckpointLog public immutable checkpoints = new CheckpointLog();

    uint64 public clock = 1_795_000_000;
    uint256 public calls;
    address[3] public actors = [address(0xa1), address(0xa2), address(0xa3)];
    address public owner = address(0xa1);
    address public invited;

    bytes32 public headOfPolicies = keccak256(abi.encode(block.chainid, policies));
    bytes32 public headOfDirectory;
    mapping(bytes32 what => uint256) public happened;
    /// @dev What somebody could do that it must not be able to.
    mapping(bytes32 what => uint256) public findings;

    mapping(address issuer => mapping(bytes32 hash => IPolicyRegistry.Document)) private _documents;
    mapping(address issuer => mapping(bytes32 hash => bool)) public retracted;
    mapping(address issuer => mapping(bytes32 hash => bool)) public superseded;
    mapping(address party => IDirectory.Party) private _parties;
    mapping(address logger => mapping(bytes32 logId => ICheckpointLog.Checkpoint)) private _checkpoints;

    constructor() {
        vm.warp(clock);
        directory = new Directory(owner);
        headOfDirectory = keccak256(abi.encode(block.chainid, directory));
    }

    // documents

    function publish(uint256 seed) external {
        (address issuer, Dice memory dice) = _begin(seed);
        bytes32 hash = _document(dice);
        IPolicyRegistry.Document storage document = _documents[issuer][hash];
        bool valid = hash != 0 && document.publishedAt == 0 && document.retractedAt == 0;
        _send("publish", address(policies), issuer, abi.encodeCall(policies.publish, (hash)), valid, valid ? 1 : 0);
        if (!valid) return;
        document.publishedAt = clock;
        headOfPolicies = _fold(headOfPolicies, 32, issuer, hash);
    }

    function supersede(uint256 seed) external {
        (address issuer, Dice memory dice) = _begin(seed);
        bytes32 old = _document(dice);
        bytes32 next = _document(dice);
        bool material = dice.oneIn(2);
        IPolicyRegistry.Document storage document = _documents[issuer][old];
        IPolicyRegistry.Document storage successor = _documents[issuer][next];
        bool valid = document.publishedAt != 0 && document.retractedAt == 0 && document.supersededAt == 0;
        valid = valid && next != 0 && successor.publishedAt == 0 && successor.retractedAt == 0;
        bytes memory call = abi.encodeCall(policies.supersede, (old, next, material));
        _send("supersede", address(policies), issuer, call, valid, valid ? 1 : 0);
        if (!valid) return;
        (document.supersededAt, document.material, document.successor) = (clock, material, next);
        successor.publishedAt = clock;
        if (material) superseded[issuer][old] = true;
        headOfPolicies = _fold(headOfPolicies, 33, issuer, keccak256(abi.encode(old, next, material)));
    }

    function retract(uint256 seed) external {
        (address issuer, Dice memory dice) = _begin(seed);
        if (!dice.oneIn(3)) return;
        bytes32 hash = _document(dice);
        bool news = hash != 0 && _documents[issuer][hash].retractedAt == 0;
        bytes memory call = abi.encodeCall(policies.retract, (hash));
        _send("retract", address(policies), issuer, call, hash != 0, news ? 1 : 0);
        if (!news) return;
        _documents[issuer][hash].retractedAt = clock;
        retracted[issuer][hash] = true;
        headOfPolicies = _fold(headOfPolicies, 34, issuer, hash);
    }

    function documentIsAsSaid(address issuer, bytes32 hash) external view returns (bool) {
        bytes32 recorded = keccak256(abi.encode(policies.documentOf(issuer, hash)));
        return recorded == keccak256(abi.encode(_documents[issuer][hash]));
    }

    // parties

    function register(uint256 seed) external {
        (address sender, Dice memory dice) = _begin(seed);
        address party = _party(dice);
        uint8 roles = uint8(dice.oneIn(10) ? dice.roll(256) : dice.roll(16));
        bool valid = sender == owner && party != address(0) && roles != 0 && roles < 16;
        bytes memory call = abi.encodeCall(directory.register, (party, roles, bytes32(seed), "uri"));
        _send("register", address(directory), sender, call, valid, valid ? 1 : 0);
        if (!valid) return;
        IDirectory.Party storage entry = _parties[party];
        if (entry.since == 0) entry.since = clock;
        (entry.changedAt, entry.roles, entry.profile, entry.uri) = (clock, roles, bytes32(seed), "uri");
        bytes32 value = keccak256(abi.encode(roles, bytes32(seed), "uri"));
        headOfDirectory = _fold(headOfDirectory, 16, party, value);
    }

    function suspendParty(uint256 seed) external {
        (address sender, Dice memory dice) = _begin(seed);
        address party = _party(dice);
        bool suspended = dice.oneIn(2);
        IDirectory.Party storage entry = _parties[party];
        bool valid = sender == owner && entry.since != 0;
        bool news = valid && entry.suspended != suspended;
        bytes memory call = abi.encodeCall(directory.setSuspended, (party, suspended));
        _send("suspend party", address(directory), sender, call, valid, news ? 1 : 0);
        if (!news) return;
        (entry.suspended, entry.changedAt) = (suspended, clock);
        headOfDirectory = _fold(headOfDirectory, 17, party, bytes32(uint256(suspended ? 1 : 0)));
    }

    function handOver(uint256 seed) external {
        (address sender, Dice memory dice) = _begin(seed);
        if (dice.oneIn(4)) {
            bytes memory renounce = abi.encodeCall(directory.renounceOwnership, ());
            _send("renounce", address(directory), sender, renounce, false, 0);
        } else if (dice.oneIn(2)) {
            address next = actors[dice.roll(3)];
            bytes memory transfer = abi.encodeCall(directory.transferOwnership, (next));
            _send("invite owner", address(directory), sender, transfer, sender == owner, 1);
            if (sender == owner) invited = next;
        } else {
            bool valid = sender == invited;
            bytes memory accept = abi.encodeCall(directory.acceptOwnership, ());
            _send("accept ownership", address(directory), sender, accept, valid, 1);
            if (valid) (owner, invited) = (sender, address(0));
        }
    }

    function partyIsAsSaid(address party) external view returns (bool) {
        return keccak256(abi.encode(directory.partyOf(party))) == keccak256(abi.encode(_parties[party]));
    }

    /// @dev A party has a role exactly when it was given, and nobody suspended it.
    function rolesAreAsSaid(address party) external view returns (bool) {
        for (uint8 role = 0; role < 16; ++role) {
            bool has = role != 0 && _parties[party].roles & role == role && !_parties[party].suspended;
            if (directory.hasRole(party, role) != has) return false;
        }
        return true;
    }

    // logs

    function checkpoint(uint256 seed) external {
        (address logger, Dice memory dice) = _begin(seed);
        bytes32 logId = bytes32(dice.roll(LOGS));
        ICheckpointLog.Checkpoint storage last = _checkpoints[logger][logId];
        uint64 size = last.size + uint64(dice.roll(3));
        if (dice.oneIn(4) && size > 1) size -= 2;
        bytes32 root = dice.oneIn(3) ? last.root : bytes32(dice.roll(5));
        bool valid = root != 0 && (size > last.size || (size == last.size && root == last.root));
        bool news = valid && size > last.size;
        bytes memory call = abi.encodeCall(checkpoints.checkpoint, (logId, size, root));
        _send("checkpoint", address(checkpoints), logger, call, valid, news ? 1 : 0);
        if (news) _checkpoints[logger][logId] = ICheckpointLog.Checkpoint(size, clock, root);
    }

    function checkpointIsAsSaid(address logger, bytes32 logId) external view returns (bool) {
        bytes32 recorded = keccak256(abi.encode(checkpoints.checkpointOf(logger, logId)));
        return recorded == keccak256(abi.encode(_checkpoints[logger][logId]));
    }

    // common to all

    function wait(uint256 seed) external {
        clock += uint64(1 + (seed % 1000));
        ++calls;
    }

    function _begin(uint256 seed) private returns (address sender, Dice memory dice) {
        vm.warp(clock);
        ++calls;
        dice = Dice(seed);
        sender = actors[dice.roll(3)];
    }

    function _send(
        bytes32 what,
        address target,
        address sender,
        bytes memory call,
        bool valid,
        uint256 effects
    ) private {
        vm.recordLogs();
        vm.prank(sender);
        (bool success, ) = target.call(call);
        uint256 events = vm.getRecordedLogs().length;
        if (success != valid) ++findings[valid ? bytes32("refused") : bytes32("accepted")];
        if (success && valid && events != effects) ++findings["effect"];
        ++happened[keccak256(abi.encode(what, success))];
    }

    function _document(Dice memory dice) private pure returns (bytes32) {
        return dice.oneIn(8) ? bytes32(0) : bytes32(1 + dice.roll(DOCUMENTS));
    }

    function _party(Dice memory dice) private pure returns (address) {
        return address(uint160(dice.roll(PARTIES + 1)));
    }

    function _fold(bytes32 head, uint8 kind, address subject, bytes32 value) private view returns (bytes32) {
        return keccak256(abi.encode(head, kind, subject, value, clock));
    }
}
