"""The signed types of Volens as frozen values that cannot hold a wrong value.

Signing libraries disagree about bad input: one pads a short ``bytes32``, one reads the text "false" as true,
most ignore extra fields. So every message is checked here, field by field, before it is hashed or signed, and
read from JSON only by `from_json`, which refuses what it does not know.

JSON uses the EIP-712 names (``validUntil``), Python the same names in snake case (``valid_until``).
"""

import re
import unicodedata
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, ClassVar, NewType, Self

import sha3

from ledger.errors import InvalidMessage

Address = NewType("Address", str)
"""An Ethereum address, ``0x`` and 40 hex digits, in the mixed-case checksum of ERC-55."""

Hash = NewType("Hash", str)
"""32 bytes as ``0x`` and 64 lower-case hex digits."""

ZERO_ADDRESS = Address("0x" + "0" * 40)
ZERO_HASH = Hash("0x" + "0" * 64)
MAX_INTEGER = 2**53 - 1
"""The largest integer JavaScript holds exactly. No larger number is valid on the wire."""

ANY_ITEM = "*"
ONWARD = ("none", "quote", "reshare")
ENCRYPTION_KEY_SIZE = 1216
"""Bytes of an X-Wing public key: ML-KEM-768 (1,184) then X25519 (32)."""
MAX_TEXT = 2000
MAX_TITLE = 500
MAX_LIST = 256

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_HASH = re.compile(r"0x[0-9a-f]{64}")
_HEX = re.compile(r"0x(?:[0-9a-f]{2})*")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,63}")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
# Characters that make text read differently from what is stored: bidirectional controls, and the invisible ones that
# no script needs (joiners U+200C and U+200D are needed).
_DECEPTIVE = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_ISOLATES = re.compile("[\u2066-\u2069]")


def keccak(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it (not FIPS 202 SHA3-256)."""
    digest: bytes = sha3.keccak_256(data).digest()
    return digest


@lru_cache(maxsize=4096)
def _checksum(lower: str) -> Address:
    digits = lower[2:]
    nibbles = keccak(digits.encode()).hex()
    return Address("0x" + "".join(c.upper() if int(n, 16) >= 8 else c for c, n in zip(digits, nibbles, strict=False)))


def address(value: object, field: str = "address") -> Address:
    """Check and normalise an Ethereum address.

    Args:
        value: ``0x`` and 40 hex digits, all lower case or with a correct ERC-55 checksum.
        field: the name used in the error.

    Raises:
        InvalidMessage: not an address, or a mixed-case one whose checksum is wrong (a mistyped address).
    """
    if not isinstance(value, str) or not _ADDRESS.fullmatch(value):
        raise InvalidMessage(field, "must be an address: 0x and 40 hexadecimal digits")
    checksummed = _checksum(value.lower())
    if value not in (checksummed, value.lower()):
        raise InvalidMessage(field, "has a wrong checksum; was it mistyped?")
    return checksummed


def hash32(value: object, field: str = "hash") -> Hash:
    """Check a 32-byte value: ``0x`` and exactly 64 lower-case hex digits. Nothing is padded.

    Raises:
        InvalidMessage: anything else.
    """
    if not isinstance(value, str) or not _HASH.fullmatch(value):
        raise InvalidMessage(field, "must be 32 bytes: 0x and 64 lower-case hexadecimal digits")
    return Hash(value)


def to_hash(data: bytes) -> Hash:
    """32 raw bytes as a `Hash`.

    Raises:
        InvalidMessage: they are not 32.
    """
    if len(data) != 32:
        raise InvalidMessage("hash", "must be 32 bytes")
    return Hash("0x" + data.hex())


def text(value: object, field: str, limit: int = MAX_TEXT, empty: bool = False, isolates: bool = False) -> str:
    """Check a piece of human-readable text.

    Args:
        value: a str in Unicode normal form C, without control or deceptive formatting characters.
        limit: the largest number of UTF-8 bytes.
        empty: whether the empty text is allowed.
        isolates: whether U+2066 to U+2069 are allowed (right-to-left sentences set names apart with them).

    Raises:
        InvalidMessage: anything else.
    """
    if not isinstance(value, str):
        raise InvalidMessage(field, "must be text")
    if not value and not empty:
        raise InvalidMessage(field, "must not be empty")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidMessage(field, "is not valid Unicode") from None
    if size > limit:
        raise InvalidMessage(field, f"must not be longer than {limit} bytes")
    if not value.isascii():
        if not unicodedata.is_normalized("NFC", value):
            raise InvalidMessage(field, "must be in Unicode normal form C")
        if _DECEPTIVE.search(_ISOLATES.sub("", value) if isolates else value):
            raise InvalidMessage(
                field, "must not contain invisible characters or ones that change the reading direction"
            )
    if not value.isprintable() and any(unicodedata.category(c) in ("Cc", "Zl", "Zp") for c in value):
        raise InvalidMessage(field, "must not contain control characters or line breaks")
    return value


def integer(value: object, field: str, largest: int = MAX_INTEGER) -> int:
    """Check a whole number from 0 to `largest`. True and False are not numbers here.

    Raises:
        InvalidMessage: anything else.
    """
    if type(value) is not int or not 0 <= value <= largest:
        raise InvalidMessage(field, f"must be a whole number from 0 to {largest}")
    return value


def code(value: object, field: str) -> str:
    """Check the form of a vocabulary code, for example ``social:x`` or ``DUO:0000006``.

    Raises:
        InvalidMessage: not a code. Whether a vocabulary defines it is asked elsewhere.
    """
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise InvalidMessage(field, "must be a code such as case-report, social:x or DUO:0000006")
    return value


def item_name(value: object, field: str) -> str:
    """Check the name of an item: a plain file name, usable on every system.

    Raises:
        InvalidMessage: a path, a name some system cannot store, or text that `text` refuses.
    """
    name = text(value, field, limit=255)
    if any(c in name for c in '/\\:*?"<>|') or name[0] == " " or name[-1] in " .":
        raise InvalidMessage(field, 'must be a plain file name, without / \\ : * ? " < > | and not ending in a dot')
    return name


def _list(value: object, field: str, check: Any, least: int = 1, **options: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise InvalidMessage(field, "must be a list")
    if not least <= len(value) <= MAX_LIST:
        raise InvalidMessage(field, f"must have {least} to {MAX_LIST} entries")
    entries = tuple(check(entry, f"{field}[{i}]", **options) for i, entry in enumerate(value))
    if len(set(entries)) != len(entries):
        raise InvalidMessage(field, "must not name the same thing twice")
    return entries


def _hex(value: object, field: str) -> bytes:
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise InvalidMessage(field, "must be bytes: 0x and an even number of lower-case hexadecimal digits")
    return bytes.fromhex(value[2:])


def _flag(value: object, field: str) -> bool:
    if type(value) is not bool:
        raise InvalidMessage(field, "must be true or false")
    return value


def _nonzero(value: object, field: str) -> Address:
    checked = address(value, field)
    if checked == ZERO_ADDRESS:
        raise InvalidMessage(field, "must not be the zero address")
    return checked


def camel(name: str) -> str:
    """The EIP-712 and JSON name of a field: ``valid_until`` becomes ``validUntil``."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


class Message:
    """A value of one EIP-712 type. Subclasses check themselves on construction."""

    TYPE: ClassVar[str]

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a message from parsed JSON, strictly: every field there, no other field.

        Raises:
            InvalidMessage: naming the first field that is missing, unknown or wrong.
        """
        if not isinstance(value, dict):
            raise InvalidMessage(cls.TYPE, "must be an object")
        names = {camel(f.name): f.name for f in fields(cls)}  # type: ignore[arg-type]
        for name in value:
            if name not in names:
                raise InvalidMessage(ascii(name)[1:65].removesuffix("'"), f"is not a field of {cls.TYPE}")
        for name in names:
            if name not in value:
                raise InvalidMessage(name, f"is missing from {cls.TYPE}")
        return cls(**{names[name]: entry for name, entry in value.items()})

    def to_json(self) -> dict[str, Any]:
        """The message as JSON-ready values, under the names of the EIP-712 type."""
        return {camel(f.name): _plain(getattr(self, f.name)) for f in fields(self)}  # type: ignore[arg-type]

    def _set(self, **checked: object) -> None:
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def _plain(value: object) -> Any:
    match value:
        case Message():
            return value.to_json()
        case tuple():
            return [_plain(entry) for entry in value]
        case bytes():
            return "0x" + value.hex()
        case _:
            return value


@dataclass(frozen=True)
class Item(Message):
    """One file of a record. `sha256` is the digest of the sealed plaintext, `size` its bytes."""

    TYPE: ClassVar[str] = "Item"
    name: str
    media_type: str
    size: int
    sha256: Hash
    salt: Hash

    def __post_init__(self) -> None:
        if not isinstance(self.media_type, str) or not _MEDIA_TYPE.fullmatch(self.media_type):
            raise InvalidMessage("mediaType", "must be a media type such as image/jpeg")
        self._set(
            name=item_name(self.name, "name"),
            size=integer(self.size, "size"),
            sha256=hash32(self.sha256, "sha256"),
            salt=hash32(self.salt, "salt"),
        )


@dataclass(frozen=True)
class Record(Message):
    """One version of a case or data set: its controller, its subject, and the hashes of its items in order."""

    TYPE: ClassVar[str] = "Record"
    controller: Address
    subject: Address
    stewards: tuple[Address, ...]
    title: str
    items: tuple[Hash, ...]
    created_at: int
    salt: Hash

    def __post_init__(self) -> None:
        self._set(
            controller=_nonzero(self.controller, "controller"),
            subject=_nonzero(self.subject, "subject"),
            stewards=_list(self.stewards, "stewards", _nonzero, least=0),
            title=text(self.title, "title", limit=MAX_TITLE),
            items=_list(self.items, "items", hash32),
            created_at=integer(self.created_at, "createdAt"),
            salt=hash32(self.salt, "salt"),
        )
        if self.subject in self.stewards:
            raise InvalidMessage("stewards", "must not name the subject again")


@dataclass(frozen=True)
class Grant(Message):
    """One answerable permission. Valid while ``valid_from <= t < valid_until`` (Unix seconds)."""

    TYPE: ClassVar[str] = "Grant"
    summary: str
    record: Hash
    recipient: Address
    items: tuple[str, ...]
    purposes: tuple[str, ...]
    channels: tuple[str, ...]
    onward: str
    valid_from: int
    valid_until: int
    form: Hash
    salt: Hash

    def __post_init__(self) -> None:
        every = self.items in ((ANY_ITEM,), [ANY_ITEM])
        self._set(
            summary=text(self.summary, "summary", limit=4 * MAX_TEXT, empty=True, isolates=True),
            record=hash32(self.record, "record"),
            recipient=address(self.recipient, "recipient"),
            items=(ANY_ITEM,) if every else _list(self.items, "items", item_name),
            purposes=_list(self.purposes, "purposes", code),
            channels=_list(self.channels, "channels", code, least=0),
            valid_from=integer(self.valid_from, "validFrom"),
            valid_until=integer(self.valid_until, "validUntil"),
            form=hash32(self.form, "form"),
            salt=hash32(self.salt, "salt"),
        )
        if self.onward not in ONWARD:
            raise InvalidMessage("onward", f"must be one of {', '.join(ONWARD)}")
        if self.valid_from >= self.valid_until:
            raise InvalidMessage("validUntil", "must be later than validFrom")


def _grant(value: object, field: str) -> Grant:
    if isinstance(value, Grant):
        return value
    if not isinstance(value, dict):
        raise InvalidMessage(field, "must be an object")
    try:
        return Grant.from_json(value)
    except InvalidMessage as error:
        raise error.within(field) from None


LONGEST_CONSENT = 30 * 86_400
"""Seconds that a signed consent may wait to be recorded at most (docs/adr/0012)."""
CLOCKS_APART = 60
"""Seconds that a device's clock may be ahead of the chain's; what says yes waits so long, and no longer."""
FUTURE = 15 * 60
"""Seconds a Suspension or Delegation that narrows may be ahead of now; the contract refuses more."""


def given_at(deadline: int) -> int:
    """When a consent with this deadline counts as given: as long before it as it may wait at most.

    Whoever holds a signed consent chooses when it is recorded or anchored, and how often. What revokes everything up to
    this instant ends it, however it reaches the chain (ConsentLife.sol).
    """
    return max(0, deadline - LONGEST_CONSENT)


@dataclass(frozen=True)
class Consent(Message):
    """What the subject signs to permit. `deadline` bounds how long it may wait to be recorded."""

    TYPE: ClassVar[str] = "Consent"
    subject: Address
    grants: tuple[Grant, ...]
    deadline: int

    def __post_init__(self) -> None:
        self._set(
            subject=_nonzero(self.subject, "subject"),
            grants=_list(self.grants, "grants", _grant),
            deadline=integer(self.deadline, "deadline"),
        )


@dataclass(frozen=True)
class Revocation(Message):
    """Ends the grants it names, for ever. No deadline and no nonce: replaying it is harmless."""

    TYPE: ClassVar[str] = "Revocation"
    subject: Address
    grants: tuple[Grant, ...]

    def __post_init__(self) -> None:
        self._set(subject=_nonzero(self.subject, "subject"), grants=_list(self.grants, "grants", _grant))


@dataclass(frozen=True)
class RevokeAll(Message):
    """Ends everything the subject granted at or before `before` (Unix seconds)."""

    TYPE: ClassVar[str] = "RevokeAll"
    subject: Address
    before: int

    def __post_init__(self) -> None:
        self._set(subject=_nonzero(self.subject, "subject"), before=integer(self.before, "before"))


@dataclass(frozen=True)
class Suspension(Message):
    """Pauses (or resumes) everything of the subject. `at` only ever increases."""

    TYPE: ClassVar[str] = "Suspension"
    subject: Address
    suspended: bool
    at: int

    def __post_init__(self) -> None:
        self._set(
            subject=_nonzero(self.subject, "subject"),
            suspended=_flag(self.suspended, "suspended"),
            at=integer(self.at, "at"),
        )


@dataclass(frozen=True)
class Closure(Message):
    """Ends everything of the subject for ever and refuses every later grant."""

    TYPE: ClassVar[str] = "Closure"
    subject: Address

    def __post_init__(self) -> None:
        self._set(subject=_nonzero(self.subject, "subject"))


RIGHT_REVOKE = 1
RIGHT_GRANT = 2


@dataclass(frozen=True)
class Delegation(Message):
    """Lets `delegate` act for the subject. Rights: bit 0 withdraw, bit 1 grant; 0 ends the delegation."""

    TYPE: ClassVar[str] = "Delegation"
    subject: Address
    delegate: Address
    rights: int
    valid_until: int
    at: int

    def __post_init__(self) -> None:
        self._set(
            subject=_nonzero(self.subject, "subject"),
            delegate=_nonzero(self.delegate, "delegate"),
            rights=integer(self.rights, "rights", RIGHT_REVOKE | RIGHT_GRANT),
            valid_until=integer(self.valid_until, "validUntil"),
            at=integer(self.at, "at"),
        )
        if self.subject == self.delegate:
            raise InvalidMessage("delegate", "must be somebody other than the subject")


@dataclass(frozen=True)
class Witness(Message):
    """Countersigns that the consent was explained to the subject."""

    TYPE: ClassVar[str] = "Witness"
    subject: Address
    grants: tuple[Grant, ...]
    role: str
    at: int

    def __post_init__(self) -> None:
        self._set(
            subject=_nonzero(self.subject, "subject"),
            grants=_list(self.grants, "grants", _grant),
            role=text(self.role, "role", limit=200),
            at=integer(self.at, "at"),
        )


@dataclass(frozen=True)
class Approval(Message):
    """The controller lets one listed recipient use a record whose grant names nobody, for one purpose."""

    TYPE: ClassVar[str] = "Approval"
    record: Hash
    recipient: Address
    purpose: str
    valid_until: int
    salt: Hash

    def __post_init__(self) -> None:
        self._set(
            record=hash32(self.record, "record"),
            recipient=_nonzero(self.recipient, "recipient"),
            purpose=code(self.purpose, "purpose"),
            valid_until=integer(self.valid_until, "validUntil"),
            salt=hash32(self.salt, "salt"),
        )


@dataclass(frozen=True)
class ReleaseRequest(Message):
    """A recipient asks for the keys of items. `channel` is empty where the use has none (research)."""

    TYPE: ClassVar[str] = "ReleaseRequest"
    recipient: Address
    record: Hash
    items: tuple[str, ...]
    purpose: str
    channel: str
    encryption_key: bytes
    at: int
    nonce: Hash

    def __post_init__(self) -> None:
        key = _hex(self.encryption_key, "encryptionKey")
        if len(key) != ENCRYPTION_KEY_SIZE:
            raise InvalidMessage("encryptionKey", f"must be an X-Wing public key of {ENCRYPTION_KEY_SIZE} bytes")
        self._set(
            recipient=_nonzero(self.recipient, "recipient"),
            record=hash32(self.record, "record"),
            items=_list(self.items, "items", item_name),
            purpose=code(self.purpose, "purpose"),
            channel=code(self.channel, "channel") if self.channel != "" else "",
            encryption_key=key,
            at=integer(self.at, "at"),
            nonce=hash32(self.nonce, "nonce"),
        )


MESSAGES: dict[str, type[Message]] = {
    cls.TYPE: cls
    for cls in (
        Item, Record, Grant, Consent, Revocation, RevokeAll, Suspension, Closure, Delegation, Witness, Approval,
        ReleaseRequest,
    )
}  # fmt: skip

Relayed = Consent | Revocation | RevokeAll | Suspension | Closure | Delegation
"""What a subject signs and anybody may relay."""
