"""What the contracts record, as values: the only input from which the state of the ledger is computed.

Every event knows its operation: the ``(kind, subject, value)`` that its contract folded into the running `head`
(DESIGN, section 4), so whoever holds all events can recompute the head and whoever misses one cannot.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import ClassVar

from ledger.model import ZERO_ADDRESS, Address, Hash, keccak, to_hash


def _word(value: str | int | bool) -> bytes:
    if isinstance(value, str):
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    return int(value).to_bytes(32)


def _encode(*values: str | int | bool) -> bytes:
    """``abi.encode`` of static values."""
    return b"".join(_word(value) for value in values)


@dataclass(frozen=True)
class Operation:
    """One accepted operation as its contract folded it into `head`."""

    kind: int
    subject: Address
    value: bytes

    def fold(self, head: Hash, at: int) -> Hash:
        """The head after this operation: ``keccak256(abi.encode(head, kind, subject, value, uint64(at)))``."""
        words = f"{head[2:]}{self.kind:064x}{self.subject[2:]:0>64}"  # as `_encode`, several times faster
        return to_hash(keccak(bytes.fromhex(words) + self.value + at.to_bytes(32)))


def first_head(chain_id: int, contract: Address) -> Hash:
    """The head a contract starts with, before anything happened."""
    return to_hash(keccak(_encode(chain_id, contract)))


@dataclass(frozen=True)
class Event:
    """One event of one contract. `at` is the time of its block in Unix seconds."""

    CONTRACT: ClassVar[str]
    at: int

    def operation(self) -> Operation | None:
        """The operation behind the event, or None where the contract keeps no head."""
        return None


# ConsentRegistry


@dataclass(frozen=True)
class Granted(Event):
    """The subject granted; `signer` is the subject or a delegate."""

    CONTRACT: ClassVar[str] = "ConsentRegistry"
    subject: Address
    grant_hash: Hash
    signer: Address

    def operation(self) -> Operation:  # noqa: D102
        return Operation(1, self.subject, _word(self.grant_hash))


@dataclass(frozen=True)
class Revoked(Event):
    """A grant ended for ever, whether it had been recorded or not."""

    CONTRACT: ClassVar[str] = "ConsentRegistry"
    subject: Address
    grant_hash: Hash
    signer: Address

    def operation(self) -> Operation:  # noqa: D102
        return Operation(2, self.subject, _word(self.grant_hash))


@dataclass(frozen=True)
class RevokedAll(Event):
    """Everything the subject granted at or before `before` ended."""

    CONTRACT: ClassVar[str] = "ConsentRegistry"
    subject: Address
    before: int
    signer: Address

    def operation(self) -> Operation:  # noqa: D102
        return Operation(3, self.subject, _word(self.before))


@dataclass(frozen=True)
class Suspended(Event):
    """The subject paused (or resumed) everything; `suspension_at` is the time she put on it."""

    CONTRACT: ClassVar[str] = "ConsentRegistry"
    subject: Address
    suspended: bool
    suspension_at: int
    signer: Address

    def operation(self) -> Operation:  # noqa: D102
        return Operation(4, self.subject, keccak(_encode(self.suspended, self.suspension_at)))


@dataclass(frozen=True)
class Closed(Event):
    """The subject ended everything for ever."""

    CONTRACT: ClassVar[str] = "ConsentRegistry"
    subject: Address
    signer: Address

    def operation(self) -> Operation:  # noqa: D102
        return Operation(5, self.subject, bytes(32))


@dataclass(frozen=True)
class Delegated(Event):
    """The subject let somebody act for her, or ended that (rights 0)."""

    CONTRACT: ClassVar[str] = "ConsentRegistry"
    subject: Address
    delegate: Address
    rights: int
    valid_until: int
    delegation_at: int

    def operation(self) -> Operation:  # noqa: D102
        value = keccak(_encode(self.delegate, self.rights, self.valid_until, self.delegation_at))
        return Operation(6, self.subject, value)


@dataclass(frozen=True)
class Anchored(Event):
    """The Merkle root of a cohort's grants was recorded."""

    CONTRACT: ClassVar[str] = "ConsentRegistry"
    root: Hash
    size: int

    def operation(self) -> Operation:  # noqa: D102
        return Operation(7, ZERO_ADDRESS, keccak(_encode(self.root, self.size)))


# Directory


UNREADABLE = "not-utf-8:"
"""With what the text of a `uri` begins that is not UTF-8; its bytes follow in hexadecimal."""


def uri_text(data: bytes) -> str:
    """The `uri` of an entry as text. The Directory takes any bytes, and no two of them give the same text.

    One entry that its owner got wrong is in the log for ever, and must not keep anybody from reading on.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return UNREADABLE + data.hex()
    return UNREADABLE + data.hex() if text.startswith(UNREADABLE) else text


def uri_bytes(text: str) -> bytes:
    """What `uri_text` was given."""
    if text.startswith(UNREADABLE):
        with suppress(ValueError):
            return bytes.fromhex(text.removeprefix(UNREADABLE))
    return text.encode()


def _encode_profile(roles: int, profile: Hash, uri: str) -> bytes:
    data = uri_bytes(uri)
    padded = data.ljust(-(-len(data) // 32) * 32, b"\0")
    return _encode(roles, profile, 96, len(data)) + padded


@dataclass(frozen=True)
class Registered(Event):
    """A party was listed, or its roles or profile changed."""

    CONTRACT: ClassVar[str] = "Directory"
    party: Address
    roles: int
    profile: Hash
    uri: str

    def operation(self) -> Operation:  # noqa: D102
        return Operation(16, self.party, keccak(_encode_profile(self.roles, self.profile, self.uri)))


@dataclass(frozen=True)
class SuspensionChanged(Event):
    """The consortium suspended a party, or lifted that."""

    CONTRACT: ClassVar[str] = "Directory"
    party: Address
    suspended: bool

    def operation(self) -> Operation:  # noqa: D102
        return Operation(17, self.party, _word(self.suspended))


# PolicyRegistry


@dataclass(frozen=True)
class Published(Event):
    """A party published a form or terms."""

    CONTRACT: ClassVar[str] = "PolicyRegistry"
    issuer: Address
    document: Hash

    def operation(self) -> Operation:  # noqa: D102
        return Operation(32, self.issuer, _word(self.document))


@dataclass(frozen=True)
class Superseded(Event):
    """A party replaced a document. A material change ends what was granted under the old one."""

    CONTRACT: ClassVar[str] = "PolicyRegistry"
    issuer: Address
    document: Hash
    replacement: Hash
    material: bool

    def operation(self) -> Operation:  # noqa: D102
        return Operation(33, self.issuer, keccak(_encode(self.document, self.replacement, self.material)))


@dataclass(frozen=True)
class Retracted(Event):
    """A party withdrew a document it published, or a record it signed."""

    CONTRACT: ClassVar[str] = "PolicyRegistry"
    issuer: Address
    document: Hash

    def operation(self) -> Operation:  # noqa: D102
        return Operation(34, self.issuer, _word(self.document))


# CheckpointLog


@dataclass(frozen=True)
class Checkpointed(Event):
    """A logger anchored the size and root of its log."""

    CONTRACT: ClassVar[str] = "CheckpointLog"
    logger: Address
    log_id: Hash
    size: int
    root: Hash


LedgerEvent = (
    Granted
    | Revoked
    | RevokedAll
    | Suspended
    | Closed
    | Delegated
    | Anchored
    | Registered
    | SuspensionChanged
    | Published
    | Superseded
    | Retracted
    | Checkpointed
)
"""Any event Volens knows. An event it does not know is an error, never skipped."""

CONTRACTS = ("ConsentRegistry", "Directory", "PolicyRegistry", "CheckpointLog")
"""The contracts that record something."""
DEPLOYED = (*CONTRACTS, "ConsentCheck")
"""Every contract of a deployment; ConsentCheck only reads the others."""
WITH_HEAD = ("ConsentRegistry", "Directory", "PolicyRegistry")
"""The contracts that keep a running head."""
