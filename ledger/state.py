"""The state of the ledger: a pure fold over its events, equal to what the contracts store.

`LedgerState` answers the same questions as proven storage slots do (`Facts`), so a decision does not know
which of the two it stands on.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, assert_never

import rfc8785

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
    first_head,
)
from ledger.model import MAX_INTEGER, ZERO_HASH, Address, Hash

ROLE_CONTROLLER = 1
ROLE_RECIPIENT = 2
ROLE_CUSTODIAN = 4
ROLE_WITNESS = 8
ROLES = {
    "controller": ROLE_CONTROLLER,
    "recipient": ROLE_RECIPIENT,
    "custodian": ROLE_CUSTODIAN,
    "witness": ROLE_WITNESS,
}


@dataclass(frozen=True)
class Entry:
    """What is recorded of one grant of one subject; 0 means never."""

    granted_at: int = 0
    revoked_at: int = 0


@dataclass(frozen=True)
class SubjectState:
    """What is recorded of one subject as a whole."""

    revoked_before: int = 0
    suspension_at: int = 0
    suspended: bool = False
    closed: bool = False


@dataclass(frozen=True)
class DelegationState:
    """What one delegate may do for one subject, and until when (exclusive)."""

    rights: int = 0
    valid_until: int = 0
    at: int = 0


@dataclass(frozen=True)
class Party:
    """What the Directory says of a party. No roles means not listed."""

    roles: int = 0
    suspended: bool = False

    def has(self, role: int) -> bool:
        """Whether the party is listed with a role and not suspended."""
        return bool(self.roles & role) and not self.suspended


@dataclass(frozen=True)
class DocumentStatus:
    """What the PolicyRegistry says of one document (or record) of one issuer."""

    published_at: int = 0
    superseded_at: int = 0
    retracted_at: int = 0
    material: bool = False
    successor: Hash = ZERO_HASH


class Facts(Protocol):
    """What a decision may ask of the chain, as of one block. Unknown keys answer with the empty value."""

    def entry(self, subject: Address, grant_hash: Hash) -> Entry: ...  # noqa: D102
    def subject(self, subject: Address) -> SubjectState: ...  # noqa: D102
    def anchored_at(self, root: Hash) -> int: ...  # noqa: D102
    def party(self, party: Address) -> Party: ...  # noqa: D102
    def document(self, issuer: Address, document: Hash) -> DocumentStatus: ...  # noqa: D102


@dataclass
class LedgerState:
    """Everything the contracts hold, computed from their events. Grows by `apply` only."""

    heads: dict[str, Hash]
    entries: dict[tuple[Address, Hash], Entry] = field(default_factory=dict)
    subjects: dict[Address, SubjectState] = field(default_factory=dict)
    delegations: dict[tuple[Address, Address], DelegationState] = field(default_factory=dict)
    anchors: dict[Hash, int] = field(default_factory=dict)
    parties: dict[Address, Party] = field(default_factory=dict)
    profiles: dict[Address, tuple[Hash, str]] = field(default_factory=dict)
    documents: dict[tuple[Address, Hash], DocumentStatus] = field(default_factory=dict)
    checkpoints: dict[tuple[Address, Hash], tuple[int, Hash]] = field(default_factory=dict)
    operations: int = 0
    known: set[Address] = field(default_factory=set)
    """Subjects of whom anything is recorded, without reading all of it."""

    @classmethod
    def empty(cls, chain_id: int, contracts: Mapping[str, Address]) -> "LedgerState":
        """The state right after deployment.

        Args:
            chain_id: of the chain the contracts are on.
            contracts: name → address of the four contracts.
        """
        return cls({name: first_head(chain_id, contracts[name]) for name in WITH_HEAD})

    def entry(self, subject: Address, grant_hash: Hash) -> Entry:
        """What is recorded of a grant."""
        return self.entries.get((subject, grant_hash), _NO_ENTRY)

    def subject(self, subject: Address) -> SubjectState:
        """What is recorded of a subject as a whole."""
        return self.subjects.get(subject, _NO_SUBJECT)

    def anchored_at(self, root: Hash) -> int:
        """When a cohort root was anchored, or 0."""
        return self.anchors.get(root, 0)

    def party(self, party: Address) -> Party:
        """What the Directory says of a party."""
        return self.parties.get(party, _NO_PARTY)

    def document(self, issuer: Address, document: Hash) -> DocumentStatus:
        """What the PolicyRegistry says of a document of an issuer."""
        return self.documents.get((issuer, document), _NO_DOCUMENT)

    def apply(self, event: LedgerEvent) -> None:
        """Take one event into account, exactly as the contract did when it emitted it."""
        match event:
            case Granted():
                self.entries[event.subject, event.grant_hash] = Entry(granted_at=event.at)
                self.known.add(event.subject)
            case Revoked():
                key = event.subject, event.grant_hash
                self.entries[key] = replace(self.entry(*key), revoked_at=event.at)
                self.known.add(event.subject)
            case RevokedAll():
                self.subjects[event.subject] = replace(self.subject(event.subject), revoked_before=event.before)
                self.known.add(event.subject)
            case Suspended():
                self.subjects[event.subject] = replace(
                    self.subject(event.subject), suspended=event.suspended, suspension_at=event.suspension_at
                )
                self.known.add(event.subject)
            case Closed():
                self.subjects[event.subject] = replace(self.subject(event.subject), closed=True)
                self.known.add(event.subject)
            case Delegated():
                delegation = DelegationState(event.rights, event.valid_until, event.delegation_at)
                self.delegations[event.subject, event.delegate] = delegation
                self.known.add(event.subject)
            case Anchored():
                self.anchors[event.root] = event.at
            case Registered():
                self.parties[event.party] = replace(self.party(event.party), roles=event.roles)
                self.profiles[event.party] = event.profile, event.uri
            case SuspensionChanged():
                self.parties[event.party] = replace(self.party(event.party), suspended=event.suspended)
            case Published():
                self._document(event.issuer, event.document, published_at=event.at)
            case Superseded():
                self._document(
                    event.issuer,
                    event.document,
                    superseded_at=event.at,
                    material=event.material,
                    successor=event.replacement,
                )
                self._document(event.issuer, event.replacement, published_at=event.at)
            case Retracted():
                self._document(event.issuer, event.document, retracted_at=event.at)
            case Checkpointed():
                self.checkpoints[event.logger, event.log_id] = event.size, event.root
            case _:
                assert_never(event)
        operation = event.operation()
        if operation is not None:
            self.heads[event.CONTRACT] = operation.fold(self.heads[event.CONTRACT], event.at)
            self.operations += 1

    def _document(self, issuer: Address, document: Hash, **changes: Any) -> None:
        self.documents[issuer, document] = replace(self.document(issuer, document), **changes)

    def copy(self) -> "LedgerState":
        """An independent state with the same content."""
        own = {name: dict(value) for name, value in vars(self).items() if isinstance(value, dict)}
        return LedgerState(**own, operations=self.operations, known=set(self.known))

    def digest(self) -> str:
        """SHA-256 of the whole state in canonical JSON: two ledgers with the same digest hold the same facts."""

        def table(rows: Mapping[Any, Any]) -> list[Any]:
            return sorted([list(key) if isinstance(key, tuple) else [key], _row(value)] for key, value in rows.items())

        tables = {name: table(rows) for name, rows in vars(self).items() if isinstance(rows, dict)}
        return "sha256:" + hashlib.sha256(rfc8785.dumps(tables)).hexdigest()


def _row(value: Any) -> list[Any]:
    if isinstance(value, str | int):
        return [_number(value)]
    return [_number(entry) for entry in (value if isinstance(value, tuple) else asdict(value).values())]


def _number(value: Any) -> Any:
    """The contracts take any uint64 from anybody; canonical JSON writes only integers up to 2^53-1 exactly."""
    return str(value) if type(value) is int and value > MAX_INTEGER else value


_NO_ENTRY = Entry()
_NO_SUBJECT = SubjectState()
_NO_PARTY = Party()
_NO_DOCUMENT = DocumentStatus()


def replay(empty: LedgerState, events: Iterable[LedgerEvent]) -> LedgerState:
    """The state after all `events`, which must come in block and log order, starting from `empty`."""
    state = empty.copy()
    for event in events:
        state.apply(event)
    return state
