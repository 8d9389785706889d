"""What grants and the Directory refer to by hash: forms, channel terms and the profiles of parties.

A document is hashed as Keccak-256 of its canonical JSON (RFC 8785), so any language computes the same name for it.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from functools import cached_property
from importlib import resources
from types import MappingProxyType
from typing import Any, ClassVar, Self, TypeVar

import rfc8785

from ledger import vocabulary
from ledger.errors import InvalidMessage, UnknownCode
from ledger.model import ZERO_ADDRESS, Address, Hash, address, camel, code, hash32, integer, keccak, text, to_hash
from ledger.summary import quotable

MAX_DOCUMENT = 64 * 1024
MAX_DATA_URI = 8 * 1024
MAX_TERMS = 16 * 1024
PROFILE_KINDS = (
    "authority", "charity", "collective", "company", "hospital", "institution", "journal", "person", "publisher",
    "research-group", "university",
)  # fmt: skip

_DATA_URI = "data:application/json;base64,"
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_WEBSITE = re.compile(
    r"https://(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9](?::[0-9]{1,5})?"
    r"(?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?"
)


def canonical(value: Any) -> bytes:
    """JSON-ready values as the one sequence of bytes RFC 8785 gives them.

    Raises:
        InvalidMessage: JSON or JavaScript cannot carry it exactly (bytes, NaN, integers above 2^53-1, lone surrogates).
    """
    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as error:
        raise InvalidMessage("json", f"cannot be written as canonical JSON: {error}") from None


def parse_canonical(data: bytes, limit: int = MAX_DOCUMENT) -> Any:
    """Read JSON that is already canonical, so that equal values always have equal bytes and equal hashes.

    Raises:
        InvalidMessage: it is too large, not JSON, or not in canonical form (also: a key twice, NaN, a float as 1.0).
    """
    if len(data) > limit:
        raise InvalidMessage("json", f"must not be larger than {limit} bytes")
    try:
        value = json.loads(data.decode())
    except (ValueError, RecursionError):
        raise InvalidMessage("json", "is not JSON in UTF-8") from None
    if canonical(value) != data:
        raise InvalidMessage("json", "is not in canonical form (RFC 8785)")
    return value


@dataclass(frozen=True)
class Document:
    """A versioned text with a hash. Subclasses check themselves on construction; `version` counts from 1."""

    TYPE: ClassVar[str]
    OPTIONAL: ClassVar[frozenset[str]] = frozenset()
    version: int

    @classmethod
    def from_json(cls, value: object) -> Self:
        """Read a document from parsed JSON, strictly: its type, every field, no other field.

        Raises:
            InvalidMessage: naming the first field that is missing, unknown or wrong.
        """
        known = {camel(f.name): f.name for f in fields(cls)}
        found = _object(value, cls.TYPE, {"type", *known}, cls.OPTIONAL)
        if found["type"] != cls.TYPE:
            raise InvalidMessage("type", f"must be {cls.TYPE}")
        return cls(**{known[name]: entry for name, entry in found.items() if name != "type"})

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a document from its canonical bytes; raises what `parse_canonical` and `from_json` raise."""
        return cls.from_json(parse_canonical(data))

    def to_json(self) -> dict[str, Any]:
        """The document as JSON-ready values, its type included. Optional fields that are empty are left out."""
        members = {camel(f.name): _plain(getattr(self, f.name)) for f in fields(self)}
        return {"type": self.TYPE} | {k: v for k, v in members.items() if v != ""}

    def to_bytes(self) -> bytes:
        """The canonical bytes, which are what is stored, served and hashed."""
        return canonical(self.to_json())

    @cached_property
    def hash(self) -> Hash:
        """The name of this document on chain. Documents never change, so it is computed once."""
        return document_hash(self)

    def _set(self, **checked: object) -> None:
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        if len(self.to_bytes()) > MAX_DOCUMENT:
            raise InvalidMessage(self.TYPE, f"must not be larger than {MAX_DOCUMENT} bytes")


def document_hash(document: Document | Mapping[str, Any]) -> Hash:
    """Keccak-256 of a document's canonical bytes."""
    return to_hash(keccak(canonical(document.to_json() if isinstance(document, Document) else document)))


@dataclass(frozen=True)
class Statement:
    """One sentence of a form that the patient acknowledges by itself."""

    id: str
    text: Mapping[str, str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", code(self.id, "id"))
        object.__setattr__(self, "text", _localised(self.text, "text"))


@dataclass(frozen=True)
class ChannelTerms:
    """Which terms document of which issuer a form relies on for a channel."""

    issuer: Address
    terms: Hash

    def __post_init__(self) -> None:
        object.__setattr__(self, "issuer", _issuer(self.issuer))
        object.__setattr__(self, "terms", hash32(self.terms, "terms"))


@dataclass(frozen=True)
class Form(Document):
    """A version of the text a patient agrees to, with the terms of each channel it names."""

    TYPE: ClassVar[str] = "VolensForm"
    issuer: Address
    title: Mapping[str, str]
    statements: tuple[Statement, ...]
    channels: Mapping[str, ChannelTerms]

    def __post_init__(self) -> None:
        if not isinstance(self.statements, (list, tuple)) or not 1 <= len(self.statements) <= 64:
            raise InvalidMessage("statements", "must be a list of 1 to 64 statements")
        if not isinstance(self.channels, Mapping):
            raise InvalidMessage("channels", "must be an object")
        statements = tuple(_part(Statement, s, f"statements[{i}]") for i, s in enumerate(self.statements))
        if len({s.id for s in statements}) != len(statements):
            raise InvalidMessage("statements", "must not use the same id twice")
        channels = {
            _known_channel(name): _part(ChannelTerms, terms, f"channels.{name}")
            for name, terms in self.channels.items()
        }
        self._set(
            version=_version(self.version),
            issuer=_issuer(self.issuer),
            title=_localised(self.title, "title", limit=500),
            statements=statements,
            channels=MappingProxyType(channels),
        )

    def terms_of(self, channel: str) -> ChannelTerms | None:
        """The terms it names for a channel, or for the nearest broader one that it names.

        Raises:
            UnknownCode: no vocabulary has this channel.
        """
        code: str | None = channel
        while code is not None and code not in self.channels:
            code = vocabulary.channel(code).broader
        return self.channels[code] if code is not None else None


@dataclass(frozen=True)
class Terms(Document):
    """What sharing on a channel means for the patient, as its terms of service stood on a day (``YYYY-MM-DD``)."""

    TYPE: ClassVar[str] = "VolensTerms"
    issuer: Address
    channel: str
    title: Mapping[str, str]
    as_of: str
    text: Mapping[str, str]

    def __post_init__(self) -> None:
        self._set(
            version=_version(self.version),
            issuer=_issuer(self.issuer),
            channel=_known_channel(self.channel, "channel"),
            title=_localised(self.title, "title", limit=500),
            as_of=_day(self.as_of),
            text=_localised(self.text, "text", limit=MAX_TERMS),
        )


@dataclass(frozen=True)
class Profile(Document):
    """Who a party is. The Directory holds the hash and the data URI, so names resolve from the chain alone."""

    TYPE: ClassVar[str] = "VolensProfile"
    OPTIONAL: ClassVar[frozenset[str]] = frozenset({"website"})
    name: str
    kind: str
    website: str = ""

    def __post_init__(self) -> None:
        if self.kind not in PROFILE_KINDS:
            raise InvalidMessage("kind", f"must be one of {', '.join(PROFILE_KINDS)}")
        website = text(self.website, "website", limit=200, empty=True)
        if website and not _WEBSITE.fullmatch(website):
            raise InvalidMessage("website", "must be an address such as https://journal.example/")
        self._set(version=_version(self.version), name=quotable(self.name, "name"), website=website)

    def data_uri(self) -> str:
        """The profile itself as a URI: its canonical bytes in base64."""
        return _DATA_URI + base64.b64encode(self.to_bytes()).decode()

    @classmethod
    def from_data_uri(cls, uri: object, expected: Hash | None = None) -> "Profile":
        """Read a profile from its data URI.

        Args:
            uri: what the Directory holds.
            expected: the hash the Directory holds beside it, where there is one to check.

        Raises:
            InvalidMessage: it is too long, of another form, not canonical, not a profile, or not the expected one.
        """
        if not isinstance(uri, str) or not uri.startswith(_DATA_URI):
            raise InvalidMessage("uri", f"must start with {_DATA_URI}")
        if len(uri) > MAX_DATA_URI:
            raise InvalidMessage("uri", f"must not be longer than {MAX_DATA_URI} characters")
        try:
            data = base64.b64decode(uri.removeprefix(_DATA_URI), validate=True)
        except (binascii.Error, ValueError):
            raise InvalidMessage("uri", "is not base64") from None
        profile = cls.from_bytes(data)
        if profile.data_uri() != uri:
            raise InvalidMessage("uri", "is not in canonical form")
        if expected is not None and profile.hash != expected:
            raise InvalidMessage("uri", "is not the profile the Directory names")
        return profile


TEMPLATES = ("publication-form", "terms-journal", "terms-social-mastodon", "terms-social-instagram")
_TEMPLATES: Mapping[str, str] = {
    name: resources.files("ledger").joinpath("templates", f"{name}.json").read_text(encoding="utf-8")
    for name in TEMPLATES
}


def load_template(name: str) -> dict[str, Any]:
    """A fresh copy of a template: a document without its issuer (and, for a form, without its channels).

    Raises:
        UnknownCode: there is no such template.
    """
    if name not in _TEMPLATES:
        raise UnknownCode(f"There is no such template. Known are {', '.join(TEMPLATES)}.")
    template: dict[str, Any] = json.loads(_TEMPLATES[name])
    return template


def publication_form(issuer: Address, channels: Mapping[str, ChannelTerms]) -> Form:
    """The form for publishing a case, for the channels given and under their terms."""
    return Form.from_json(load_template("publication-form") | {"issuer": issuer, "channels": _plain(channels)})


def channel_terms(channel: str, issuer: Address) -> Terms:
    """The terms template of a channel as a document of this issuer.

    Raises:
        UnknownCode: there is no template for this channel.
    """
    return Terms.from_json(load_template(f"terms-{channel.replace(':', '-')}") | {"issuer": issuer})


def _object(value: object, what: str, names: set[str], optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidMessage(what, "must be an object")
    for name in value:
        if name not in names:
            raise InvalidMessage(str(name)[:64], f"is not a field of {what}")
    for name in sorted(names - optional):
        if name not in value:
            raise InvalidMessage(name, f"is missing from {what}")
    return value


_Part = TypeVar("_Part", Statement, ChannelTerms)


def _part(kind: type[_Part], value: object, field: str) -> _Part:
    if isinstance(value, kind):
        return value
    try:
        return kind(**_object(value, field, {f.name for f in fields(kind)}))
    except InvalidMessage as error:
        raise (error if error.field == field else error.within(field)) from None


def _plain(value: object) -> Any:
    match value:
        case Statement() | ChannelTerms():
            return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
        case Mapping():
            return {name: _plain(entry) for name, entry in value.items()}
        case tuple():
            return [_plain(entry) for entry in value]
        case _:
            return value


def _localised(value: object, field: str, limit: int = 2000) -> Mapping[str, str]:
    if not isinstance(value, Mapping) or not 1 <= len(value) <= 64:
        raise InvalidMessage(field, "must be an object: language to text")
    for language in value:
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
            raise InvalidMessage(field, "must have language codes such as en or pt-BR as its names")
    if "en" not in value:
        raise InvalidMessage(f"{field}.en", "is missing; every text exists in English")
    return MappingProxyType({k: text(v, f"{field}.{k}", limit=limit, isolates=True) for k, v in value.items()})


def _version(value: object) -> int:
    if integer(value, "version") == 0:
        raise InvalidMessage("version", "must be a whole number from 1")
    return integer(value, "version")


def _issuer(value: object) -> Address:
    checked = address(value, "issuer")
    if checked == ZERO_ADDRESS:
        raise InvalidMessage("issuer", "must not be the zero address")
    return checked


def _known_channel(value: object, field: str = "channels") -> str:
    try:
        return vocabulary.channel(code(value, field)).code
    except UnknownCode as error:
        raise InvalidMessage(field, str(error)) from None


def _day(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value).isoformat()
        except ValueError:
            pass
    raise InvalidMessage("asOf", "must be a day such as 2026-11-23")
