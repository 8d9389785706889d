"""A small world for vectors and tests: a hospital, a patient, a journal, a research group, one record, two grants.

Everything follows from fixed phrases, so it is the same on every run. Tests break one thing at a time with
`World.case`.
"""

import hashlib
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, ClassVar, get_args

from ledger.documents import ChannelTerms, Form, channel_terms, document_hash, publication_form
from ledger.events import CONTRACTS, Event, Granted, LedgerEvent, Published, Registered
from ledger.evidence import Denials, Evidence, Moment, Opening, Question, authenticate
from ledger.model import (
    ZERO_HASH,
    Address,
    Grant,
    Hash,
    Item,
    Record,
    address,
    keccak,
    to_hash,
)
from ledger.state import ROLE_CONTROLLER, ROLE_RECIPIENT, LedgerState, replay
from ledger.summary import with_summary
from ledger.typed_data import Domain, struct_hash
from wallet.keys import SigningKey

START = 1_795_428_000
DAY = 86_400
CHAIN_ID = 31337
CHANNELS = ("journal", "social:mastodon", "social:instagram")
EVENTS: dict[str, type[Event]] = {cls.__name__: cls for cls in get_args(LedgerEvent)}


def phrase(text: str) -> bytes:
    """32 bytes from a phrase."""
    return keccak(f"volens world: {text}".encode())


def key(name: str) -> SigningKey:
    """The key of somebody in this world."""
    return SigningKey.from_secret(phrase(name))


def digest(content: bytes) -> Hash:
    """SHA-256 as it stands in an item."""
    return Hash("0x" + hashlib.sha256(content).hexdigest())


@dataclass
class World:
    """The world, with the parts a case may exchange."""

    channels: tuple[str, ...] = ("journal", "social:mastodon")
    stewards: tuple[str, ...] = ()

    contracts: ClassVar[dict[str, Address]] = {
        name: address("0x" + keccak(f"volens world: {name}".encode())[:20].hex()) for name in CONTRACTS
    }
    domain = Domain(CHAIN_ID, contracts["ConsentRegistry"])
    hospital, patient, journal, research, stranger, mother = (
        key(name) for name in ("hospital", "patient", "journal", "research", "stranger", "mother")
    )
    files: ClassVar[dict[str, bytes]] = {
        "narrative.md": b"# A case",
        "ct.dcm": b"DICM slice",
        "photo.jpg": b"JPEG picture",
    }

    @cached_property
    def names(self) -> dict[Address, str]:
        """What the Directory calls everybody."""
        return {
            self.hospital.address: "Example Hospital",
            self.journal.address: "Example Journal",
            self.research.address: "Example Research Group",
        }

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The items of the record."""
        media = {"md": "text/markdown", "dcm": "application/dicom", "jpg": "image/jpeg"}
        return tuple(
            Item(name, media[name.rpartition(".")[2]], len(content), digest(content), to_hash(phrase(name)))
            for name, content in self.files.items()
        )

    @cached_property
    def record(self) -> Record:
        """The record."""
        return Record(
            self.hospital.address,
            self.patient.address,
            tuple(key(name).address for name in self.stewards),
            "An example case",
            tuple(struct_hash(item) for item in self.items),
            START - DAY,
            to_hash(phrase("record")),
        )

    @cached_property
    def record_hash(self) -> Hash:
        """Its hash."""
        return struct_hash(self.record)

    @cached_property
    def record_signature(self) -> str:
        """The hospital's signature on it."""
        return self.hospital.sign_typed(self.domain, self.record)

    @cached_property
    def form(self) -> Form:
        """The consent form."""
        issuer = self.hospital.address
        terms = {code: ChannelTerms(issuer, channel_terms(code, issuer).hash) for code in CHANNELS}
        return publication_form(issuer, terms)

    def grant(self, **changes: Any) -> Grant:
        """The journal's grant, with changes; its sentence always fits."""
        fields: dict[str, Any] = {
            "summary": "",
            "record": self.record_hash,
            "recipient": self.journal.address,
            "items": ("narrative.md", "ct.dcm"),
            "purposes": ("case-report",),
            "channels": self.channels,
            "onward": "quote",
            "valid_from": START,
            "valid_until": START + 365 * DAY,
            "form": document_hash(self.form),
            "salt": to_hash(phrase("journal grant")),
        } | changes
        return with_summary(Grant(**fields), self.names, "en")

    @cached_property
    def research_grant(self) -> Grant:
        """The research group's grant."""
        return self.grant(
            recipient=self.research.address,
            items=("ct.dcm",),
            purposes=("DUO:0000006",),
            channels=(),
            onward="none",
            valid_until=START + 182 * DAY,
            salt=to_hash(phrase("research grant")),
        )

    @cached_property
    def listings(self) -> tuple[LedgerEvent, ...]:
        """The events that list the parties and publish the documents."""
        at = START - 2 * DAY
        roles = {
            self.hospital.address: ROLE_CONTROLLER,
            self.journal.address: ROLE_RECIPIENT,
            self.research.address: ROLE_RECIPIENT,
        }
        documents = [*(terms.terms for terms in self.form.channels.values()), document_hash(self.form)]
        return (
            *(Registered(at, party, role, ZERO_HASH, "") for party, role in roles.items()),
            *(Published(at, self.hospital.address, document) for document in documents),
        )

    def granted(self, grant: Grant, at: int = START, by: SigningKey | None = None) -> Granted:
        """The event that records a grant."""
        subject = (by or self.patient).address
        return Granted(at, subject, struct_hash(grant), subject)

    def question(self, **changes: Any) -> Question:
        """May the journal print narrative and CT slice?"""
        fields: dict[str, Any] = {
            "recipient": self.journal.address,
            "record": self.record_hash,
            "purpose": "case-report",
            "channel": "journal",
            "items": ("narrative.md", "ct.dcm"),
        } | changes
        return Question(**fields)

    def moment(self, at: int = START + DAY, **changes: Any) -> Moment:
        """A day later."""
        fields: dict[str, Any] = {
            "number": 100,
            "hash": to_hash(phrase("block")),
            "timestamp": at,
            "confirmed_at": at - 12,
            "wall": at,
            "max_age": 36,
        } | changes
        return Moment(**fields)

    def state(self, *events: LedgerEvent) -> LedgerState:
        """What the contracts hold after events."""
        return replay(LedgerState.empty(CHAIN_ID, self.contracts), events)

    def evidence(
        self, *events: LedgerEvent, grants: tuple[Grant, ...] | None = None, listed: bool = True, **changes: Any
    ) -> Evidence:
        """Evidence for a decision: both grants recorded, then `events`; any part may be exchanged."""
        given = (self.grant(), self.research_grant) if grants is None else grants
        recorded = tuple(self.granted(grant) for grant in given)
        fields: dict[str, Any] = {
            "facts": self.state(*(self.listings if listed else ()), *recorded, *events),
            "record": authenticate(self.record, self.items, bytes.fromhex(self.record_signature[2:]), self.domain),
            "grants": tuple(Opening(grant) for grant in given),
            "forms": {document_hash(self.form): self.form},
            "approvals": (),
            "denials": Denials(),
        } | changes
        return Evidence(**fields)


def event_json(event: LedgerEvent) -> dict[str, Any]:
    """An event as it stands in vectors."""
    return {"name": type(event).__name__, **asdict(event)}


def event_from_json(value: dict[str, Any]) -> LedgerEvent:
    """An event from a vector."""
    fields = dict(value)
    event: LedgerEvent = EVENTS[fields.pop("name")](**fields)  # type: ignore[assignment]
    return event
