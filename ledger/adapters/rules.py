"""The rules of the contracts in Python: what each function does, and where what it did is stored.

For the in-memory chain, and the specification the deployed contracts are tested against. The service never runs it:
what a contract did is read from its events and proofs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.errors import BadSignature
from ledger.events import (
    WITH_HEAD,
    Anchored,
    Checkpointed,
    Closed,
    Delegated,
    Granted,
    LedgerEvent,
    Published,
    Registered,
    Retracted,
    Revoked,
    RevokedAll,
    Superseded,
    Suspended,
    SuspensionChanged,
)
from ledger.model import (
    LONGEST_CONSENT,
    RIGHT_GRANT,
    RIGHT_REVOKE,
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Hash,
    given_at,
    keccak,
    to_hash,
)
from ledger.ports import Call
from ledger.slots import anchor_slot, delegation_slot, document_slots, entry_slot, head_slot, party_slot, subject_slot
from ledger.state import ROLES, DelegationState, LedgerState
from ledger.typed_data import TYPE_HASHES, Domain, commitment_hash, verify

CLOCK_DRIFT = 15 * 60
_ALL_RIGHTS = RIGHT_REVOKE | RIGHT_GRANT
_ALL_ROLES = sum(ROLES.values())
_NO_DELEGATION = DelegationState()

Wallet = Callable[[bytes, bytes], bool]
"""How the code of an account answers ERC-1271: (digest, signature) → whether it says yes, cleanly."""


class Reverted(Exception):
    """The contract refuses the call; the message is the name of its error."""


@dataclass(frozen=True)
class Contracts:
    """What the contracts do: (state, call, time, sender) in, events out, in their check order.

    Attributes:
        domain: that of the ConsentRegistry.
        owner: of the Directory.
        wallets: every account with code, an EIP-7702 account among them, and what that code answers.
    """

    domain: Domain
    owner: Address = ZERO_ADDRESS
    wallets: Mapping[Address, Wallet] = field(default_factory=dict)

    def execute(
        self, state: LedgerState, call: Call, now: int, sender: Address = ZERO_ADDRESS
    ) -> Sequence[LedgerEvent]:
        """The events of one call. The state is not changed.

        Raises:
            Reverted: the contract refuses it.
        """
        match call.contract:
            case "ConsentRegistry":
                return _Registry(self, state, now, sender).execute(call.function, *call.arguments)
            case "Directory":
                return _directory(self.owner, state, now, sender, call.function, *call.arguments)
            case "PolicyRegistry":
                return _policies(state, now, sender, call.function, *call.arguments)
            case "CheckpointLog":
                return _checkpoints(state, now, sender, call.function, *call.arguments)
            case _:
                raise Reverted("an unknown contract")


@dataclass(frozen=True)
class _Registry:
    """One call of ConsentRegistry. The sender speaks for itself, or hands in what somebody signed."""

    contracts: Contracts
    state: LedgerState
    now: int
    sender: Address

    def execute(self, function: str, *arguments: Any) -> Sequence[LedgerEvent]:
        match function, arguments:
            case "grant", (hashes,):
                self._may_grant(self.sender, self.now)
                return self._grant(self.sender, hashes, self.sender)
            case "grantFor", _:
                return self._grant_for(*arguments)
            case "grantForMany", (calls,):
                _require(bool(calls), "EmptyList")
                registry, events = self, list[LedgerEvent]()
                for each in calls:
                    events += (found := registry._grant_for(*each))
                    registry = registry._after(found)
                return events
            case "revoke", (hashes,):
                return self._revoke(self.sender, hashes, self.sender)
            case "revokeFor", (subject, hashes, signer, signature):
                message = commitment_hash("Revocation", subject, _names(hashes))
                self._authorise(subject, signer, RIGHT_REVOKE, message, signature)
                return self._revoke(subject, hashes, signer)
            case "revokeAll", (before,):
                return self._revoke_all(self.sender, before, self.sender)
            case "revokeAllFor", (subject, before, signer, signature):
                self._authorise(subject, signer, RIGHT_REVOKE, message_hash("RevokeAll", subject, before), signature)
                return self._revoke_all(subject, before, signer)
            case "suspend", (suspended,):
                news = self._suspension_news(self.sender, suspended, self.now)
                return [Suspended(self.now, self.sender, suspended, self.now, self.sender)] if news else []
            case "suspendFor", (subject, suspended, at, signer, signature):
                _require(at <= self._latest(suspended), "TooFarAhead")
                news = self._suspension_news(subject, suspended, at)
                right = RIGHT_REVOKE if suspended else RIGHT_GRANT
                self._authorise(subject, signer, right, message_hash("Suspension", subject, suspended, at), signature)
                return [Suspended(self.now, subject, suspended, at, signer)] if news else []
            case "close", ():
                return self._close(self.sender, self.sender)
            case "closeFor", (subject, signer, signature):
                self._authorise(subject, signer, RIGHT_REVOKE, message_hash("Closure", subject), signature)
                return self._close(subject, signer)
            case "delegate", (delegate, rights, until):
                self._check_delegation(self.sender, delegate, rights)
                news = self._delegation_news(self.sender, delegate, rights, self.now)
                return [Delegated(self.now, self.sender, delegate, rights, until, self.now)] if news else []
            case "delegateFor", (subject, delegate, rights, until, at, signature):
                _require(at <= self._latest(rights == 0), "TooFarAhead")
                self._check_delegation(subject, delegate, rights)
                news = self._delegation_news(subject, delegate, rights, at)
                message = message_hash("Delegation", subject, delegate, rights, until, at)
                self._authorise(subject, subject, RIGHT_GRANT if rights else RIGHT_REVOKE, message, signature)
                return [Delegated(self.now, subject, delegate, rights, until, at)] if news else []
            case "anchor", (root, size):
                _require(any(root) and size > 0, "InvalidAnchor")
                known = self.state.anchored_at(to_hash(root))
                return [] if known else [Anchored(self.now, to_hash(root), size)]
            case _:
                raise Reverted("an unknown function")

    def _after(self, events: Sequence[LedgerEvent]) -> "_Registry":
        """The same call when it has done this much."""
        state = self.state.copy()
        for event in events:
            state.apply(event)
        return _Registry(self.contracts, state, self.now, self.sender)

    def _may_grant(self, subject: Address, given: int) -> None:
        current = self.state.subject(subject)
        _require(not current.closed, "SubjectClosed")
        _require(not current.suspended, "SubjectSuspended")
        _require(given > current.revoked_before, "RevokedUntil")

    def _grant_for(
        self, subject: Address, hashes: Sequence[bytes], deadline: int, signer: Address, signature: bytes
    ) -> Sequence[LedgerEvent]:
        _require(self.now <= deadline, "DeadlinePassed")
        _require(deadline <= self.now + LONGEST_CONSENT, "DeadlineTooFar")
        self._may_grant(subject, given_at(deadline))
        message = commitment_hash("Consent", subject, _names(hashes), deadline)
        self._authorise(subject, signer, RIGHT_GRANT, message, signature)
        return self._grant(subject, hashes, signer)

    def _grant(self, subject: Address, hashes: Sequence[bytes], signer: Address) -> Sequence[LedgerEvent]:
        _require(bool(hashes), "EmptyList")
        granted: dict[Hash, LedgerEvent] = {}
        for name in _names(hashes):
            entry = self.state.entry(subject, name)
            _require(not entry.revoked_at, "AlreadyRevoked")
            _require(not entry.granted_at and name not in granted, "AlreadyGranted")
            granted[name] = Granted(self.now, subject, name, signer)
        return list(granted.values())

    def _revoke(self, subject: Address, hashes: Sequence[bytes], signer: Address) -> Sequence[LedgerEvent]:
        _require(bool(hashes), "EmptyList")
        new = [name for name in dict.fromkeys(_names(hashes)) if not self.state.entry(subject, name).revoked_at]
        return [Revoked(self.now, subject, name, signer) for name in new]

    def _revoke_all(self, subject: Address, before: int, signer: Address) -> Sequence[LedgerEvent]:
        clamped = min(before, self.now)
        news = clamped > self.state.subject(subject).revoked_before
        return [RevokedAll(self.now, subject, clamped, signer)] if news else []

    def _close(self, subject: Address, signer: Address) -> Sequence[LedgerEvent]:
        return [] if self.state.subject(subject).closed else [Closed(self.now, subject, signer)]

    def _suspension_news(self, subject: Address, suspended: bool, at: int) -> bool:
        current = self.state.subject(subject)
        _require(suspended or not current.closed, "SubjectClosed")
        return _is_news(at, current.suspension_at, suspended, current.suspended)

    def _delegation(self, subject: Address, delegate: Address) -> DelegationState:
        return self.state.delegations.get((subject, delegate), _NO_DELEGATION)

    def _delegation_news(self, subject: Address, delegate: Address, rights: int, at: int) -> bool:
        known = self._delegation(subject, delegate)
        return _is_news(at, known.at, rights == 0, known.rights == 0)

    @staticmethod
    def _check_delegation(subject: Address, delegate: Address, rights: int) -> None:
        _require(delegate not in (ZERO_ADDRESS, subject), "InvalidDelegate")
        _require(not rights & ~_ALL_RIGHTS, "InvalidRights")

    def _latest(self, narrows: bool) -> int:
        """How late a relayed word may be dated: only one that narrows ahead of the block."""
        return self.now + CLOCK_DRIFT if narrows else self.now

    def _authorise(self, subject: Address, signer: Address, right: int, message: bytes, signature: bytes) -> None:
        if signer != subject:
            delegation = self._delegation(subject, signer)
            _require(delegation.valid_until > self.now and bool(delegation.rights & right), "NotAuthorised")
        if not signature and signer == self.sender:
            return
        digest = self.contracts.domain.digest_of(message)
        wallet = self.contracts.wallets.get(signer)
        by_key = (wallet is None or right == RIGHT_REVOKE) and _signed(digest, signature, signer)
        _require(by_key or (wallet is not None and wallet(digest, signature)), "SignatureInvalid")


def _directory(
    owner: Address, state: LedgerState, now: int, sender: Address, function: str, *arguments: Any
) -> Sequence[LedgerEvent]:
    _require(sender == owner, "OwnableUnauthorizedAccount")
    match function, arguments:
        case "register", (party, roles, profile, uri):
            _require(party != ZERO_ADDRESS, "InvalidParty")
            _require(roles != 0 and not roles & ~_ALL_ROLES, "InvalidRoles")
            return [Registered(now, party, roles, to_hash(profile), uri)]
        case "setSuspended", (party, suspended):
            _require(party in state.profiles, "UnknownParty")
            news = state.party(party).suspended != suspended
            return [SuspensionChanged(now, party, suspended)] if news else []
        case "renounceOwnership", ():
            raise Reverted("OwnerRequired")
        case _:
            raise Reverted("an unknown function")


def _policies(state: LedgerState, now: int, sender: Address, function: str, *arguments: Any) -> Sequence[LedgerEvent]:
    name = to_hash(arguments[0])
    current = state.document(sender, name)
    match function, arguments:
        case "publish", _:
            _require_new(state, sender, name)
            return [Published(now, sender, name)]
        case "supersede", (_, replacement, material):
            _require(current.published_at != 0, "NotPublished")
            _require(not current.retracted_at, "AlreadyRetracted")
            _require(not current.superseded_at, "AlreadySuperseded")
            _require_new(state, sender, to_hash(replacement))
            return [Superseded(now, sender, name, to_hash(replacement), material)]
        case "retract", _:
            _require(name != ZERO_HASH, "InvalidDocument")
            return [] if current.retracted_at else [Retracted(now, sender, name)]
        case _:
            raise Reverted("an unknown function")


def _require_new(state: LedgerState, issuer: Address, document: Hash) -> None:
    _require(document != ZERO_HASH, "InvalidDocument")
    _require(not state.document(issuer, document).retracted_at, "AlreadyRetracted")
    _require(not state.document(issuer, document).published_at, "AlreadyPublished")


def _checkpoints(
    state: LedgerState, now: int, sender: Address, function: str, *arguments: Any
) -> Sequence[LedgerEvent]:
    _require(function == "checkpoint", "an unknown function")
    log_id, size, root = arguments
    _require(any(root), "InvalidRoot")
    last_size, last_root = state.checkpoints.get((sender, to_hash(log_id)), (0, ZERO_HASH))
    _require(size >= last_size, "Shrunk")
    _require(size > last_size or to_hash(root) == last_root, "Forked")
    return [Checkpointed(now, sender, to_hash(log_id), size, to_hash(root))] if size > last_size else []


def message_hash(type_name: str, *values: Address | int) -> bytes:
    """``hashStruct`` of a message of addresses and numbers: any uint64, where `Message` knows only sensible ones."""
    words = [int(value, 16) if isinstance(value, str) else int(value) for value in values]
    return keccak(TYPE_HASHES[type_name] + b"".join(word.to_bytes(32) for word in words))


def _require(holds: bool, error: str) -> None:
    if not holds:
        raise Reverted(error)


def _is_news(at: int, last: int, narrows: bool, narrowed: bool) -> bool:
    if at > last or (narrows and not narrowed and at == last):
        return True
    _require(narrows and narrowed, "NotNewer")
    return False


def _names(hashes: Sequence[bytes]) -> tuple[Hash, ...]:
    return tuple(to_hash(name) for name in hashes)


def _signed(digest: bytes, signature: bytes, signer: Address) -> bool:
    try:
        verify(digest, signature, signer)
    except BadSignature:
        return False
    return True


def _pack(*members: tuple[int, int]) -> int:
    """Members of (value, bits), the first lowest, as Solidity packs them."""
    word, place = 0, 0
    for value, bits in members:
        word, place = word | value << place, place + bits
    return word


def storage_of(state: LedgerState) -> dict[str, dict[Hash, int]]:
    """The storage of each contract with a head, as far as decisions read it: slot key → word.

    Not there: checkpoints, profiles, and when a party was listed. Nobody reads those from proofs.
    """
    words: dict[str, dict[Hash, int]] = {name: {} for name in WITH_HEAD}
    for name in WITH_HEAD:
        words[name][head_slot(name).key] = int(state.heads[name], 16)
    registry, parties, documents = (words[name] for name in WITH_HEAD)
    for (subject, name_), entry in state.entries.items():
        registry[entry_slot(subject, name_).key] = _pack((entry.granted_at, 64), (entry.revoked_at, 64))
    for subject, s in state.subjects.items():
        word = _pack((s.revoked_before, 64), (s.suspension_at, 64), (s.suspended, 8), (s.closed, 8))
        registry[subject_slot(subject).key] = word
    for (subject, delegate), given in state.delegations.items():
        word = _pack((given.rights, 8), (given.valid_until, 64), (given.at, 64))
        registry[delegation_slot(subject, delegate).key] = word
    for root, at in state.anchors.items():
        registry[anchor_slot(root).key] = at
    for party, p in state.parties.items():
        parties[party_slot(party).key] = _pack((p.roles, 8), (p.suspended, 8))
    for (issuer, document), d in state.documents.items():
        times, successor = document_slots(issuer, document)
        documents[times.key] = _pack((d.published_at, 64), (d.superseded_at, 64), (d.retracted_at, 64), (d.material, 8))
        documents[successor.key] = int(d.successor, 16)
    return words
