"""Gathering evidence: what the store and the documents say about one record, ready for `decide`."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import msgspec

from ledger.documents import Form
from ledger.errors import BadSignature
from ledger.evidence import Anchor, AuthenticRecord, Denials, Evidence, Opening, SignedConsent, authenticate
from ledger.model import Address, Approval, Grant, Hash, Item, Record, address
from ledger.ports import Material, StoredRecord, Transaction
from ledger.state import Facts
from ledger.typed_data import Domain, struct_hash, verify


@dataclass(frozen=True)
class Openings:
    """Everything off chain about one record that a decision needs."""

    stored: StoredRecord | None
    record: AuthenticRecord | None
    grants: tuple[Opening, ...]
    forms: dict[Hash, Form]
    approvals: tuple[tuple[Approval, bytes], ...]

    def subjects(self) -> tuple[Address, ...]:
        """The subject and the stewards."""
        return (self.record.record.subject, *self.record.record.stewards) if self.record else ()

    @cached_property
    def named(self) -> frozenset[Address]:
        """Everybody whom the record, a grant or an approval names."""
        others = (*(o.grant.recipient for o in self.grants), *(approval.recipient for approval, _ in self.approvals))
        return frozenset((self.record.record.controller, *self.subjects(), *others) if self.record else ())

    @cached_property
    def item_hashes(self) -> dict[str, Hash]:
        """The hashes of the items at hand by name."""
        return {name: struct_hash(item) for name, item in self.record.items.items()} if self.record else {}

    def evidence(self, facts: Facts, denials: Denials) -> Evidence:
        """The openings together with what the chain and the deny list say."""
        approvals = tuple(approval for approval, _ in self.approvals)
        return Evidence(facts, self.record, self.grants, self.forms, approvals, denials)


def gather(tx: Transaction, record: Hash, domain: Domain) -> Openings:
    """Read the openings of a record; all signatures that it stands on are checked again here, on every reading."""
    stored = tx.record(record)
    if stored is None:
        return Openings(None, None, (), {}, ())
    authentic = authenticate(stored.record, (entry.item for entry in stored.items), stored.signature, domain)
    held: dict[Hash, list[Anchor]] = {}
    for one in tx.held_of(record):
        held.setdefault(one.grant, []).append(one.consent.anchor(domain))
    grants = tuple(_opening(grant, held) for grant in tx.grants_of(record))
    forms = {}
    for name in {opening.grant.form for opening in grants}:
        if isinstance(document := tx.document(name), Form):
            forms[name] = document
    approvals = tuple(tx.approvals_of(record))
    for approval, signature in approvals:
        verify(domain.digest(approval), signature, stored.record.controller)
    return Openings(stored, authentic, grants, forms, approvals)


def _opening(grant: Grant, held: Mapping[Hash, Sequence[Anchor]]) -> Opening:
    """A grant with the cohorts that hold it."""
    alone = Opening(grant)
    return replace(alone, anchors=tuple(held[alone.hash])) if alone.hash in held else alone


def denials(tx: Transaction, subjects: Iterable[Address]) -> Denials:
    """The local deny list, as far as it concerns these subjects."""
    return Denials.of(tx.denials(subjects))


MEMORY = 10_000
"""Things of one kind that are remembered at a time."""
MEMORY_SECONDS = 60
"""For which they are: what was erased must not stay readable in a process for long."""


class Memory:
    """Openings that were read and checked before, each under everything that was read of its record, to the byte.

    Whether a record, a grant or an approval is still there, and what it says, is read from the store for every
    question; only the parsing and the controller's signature are not gone through again for the very same bytes. No
    decision, and nothing the chain says, is ever kept.
    """

    def __init__(self, domain: Domain, steady: Callable[[], float] = time.monotonic) -> None:
        self.domain, self._steady = domain, steady
        self._clear()

    def _clear(self) -> None:
        self._since = self._steady()
        self._opened: dict[Material, Openings] = {}
        self._forms: dict[Hash, Form | None] = {}

    def tidy(self) -> None:
        """Forget everything from time to time, and when it is too much."""
        if self._steady() - self._since > MEMORY_SECONDS or max(len(self._opened), len(self._forms)) > MEMORY:
            self._clear()

    def get(self, material: Material) -> Openings | None:
        """What was opened before from the very same bytes."""
        return self._opened.get(material)

    def keep(self, material: Material, openings: Openings) -> None:
        """Remember what was opened, unless a form is missing that may still come."""
        if openings.forms.keys() >= {opening.grant.form for opening in openings.grants}:
            self._opened[material] = openings

    def forms(self, tx: Transaction, names: set[Hash]) -> dict[Hash, Form]:
        """The forms of some grants; one query, whether there is anything to ask for or not."""
        stored = tx.documents(names - self._forms.keys())
        for name, value in stored.items():
            self._forms[name] = Form.from_json(value) if value["type"] == Form.TYPE else None
        return {name: form for name in names if (form := self._forms.get(name)) is not None}


def gather_many(tx: Transaction, asked: Iterable[tuple[Hash, Address]], memory: Memory) -> list[Openings]:
    """Read the openings of the records that are asked about, in the same number of queries whatever is known.

    For an asker whom the record does not name nothing remembered is used: the record is parsed and its signature
    checked anew, and so is a decoy for a record that does not exist. The work does not tell whether it does. It is done
    once however often the same is asked, or asking often enough would.

    Args:
        asked: record and asker of each question.

    Returns:
        The openings for each question, in order.

    Raises:
        BadSignature, InvalidMessage: a stored record is not what it was.
    """
    pairs = list(asked)
    memory.tidy()
    found = tx.material({record for record, _ in pairs})
    known: dict[Hash, Openings] = {}
    opened = dict.fromkeys(pairs, _NOTHING)
    for name, asker in opened:
        if (material := found.get(name)) is None:
            _pretend(memory.domain)
        else:
            held = known.get(name) or memory.get(material)
            openings = held if held and asker in held.named else _open(material, memory.domain)
            if asker in openings.named:
                known[name] = openings
            elif not material.held:
                _pretend_held(memory.domain)
            opened[name, asker] = openings
    forms = memory.forms(tx, {o.grant.form for one in opened.values() if not one.forms for o in one.grants})
    for (name, asker), openings in opened.items():
        if openings.grants and not openings.forms:
            own = {o.grant.form: forms[o.grant.form] for o in openings.grants if o.grant.form in forms}
            opened[name, asker] = whole = replace(openings, forms=own)
            if asker in whole.named:
                memory.keep(found[name], whole)
    return [opened[pair] for pair in pairs]


def _open(material: Material, domain: Domain) -> Openings:
    """Parse what is stored of a record and check the signatures it stands on; its forms are still missing."""
    items = (Item.from_json(msgspec.json.decode(item)) for item in material.items)
    record = authenticate(Record.from_json(msgspec.json.decode(material.record)), items, material.signature, domain)
    held: dict[Hash, list[Anchor]] = {}
    for name, consent in material.held:
        held.setdefault(name, []).append(SignedConsent.from_json(msgspec.json.decode(consent)).anchor(domain))
    grants = tuple(_opening(Grant.from_json(msgspec.json.decode(grant)), held) for _, grant in material.grants)
    approvals = []
    for _, value, signature in material.approvals:
        approval = Approval.from_json(msgspec.json.decode(value))
        verify(domain.digest(approval), signature, record.record.controller)
        approvals.append((approval, signature))
    return Openings(None, record, grants, {}, tuple(approvals))


def _decoy() -> Material:
    """Something shaped like a record of three items and two grants, under a well-formed signature that is nobody's."""
    items = [Item(name, "image/png", 1, _ONE, _ONE) for name in ("a", "b", "c")]
    record = Record(_NOBODY, _NOBODY, (), "A decoy", tuple(map(struct_hash, items)), 1, _ONE)
    grant = Grant("A decoy.", _ONE, _NOBODY, ("*",), ("case-report",), ("journal",), "none", 1, 2, _ONE, _ONE)
    text, *texts = (msgspec.json.encode(value.to_json()).decode() for value in (record, grant, *items))
    return Material(text, _SIGNATURE, tuple(texts[1:]), ((_ONE, texts[0]),) * 2, ())


def _pretend(domain: Domain) -> None:
    """The work that a record would be; its signature fails before its grants are looked at, so they come first."""
    for _, grant in _DECOY.grants:
        Opening(Grant.from_json(msgspec.json.decode(grant)))
    with suppress(BadSignature):
        _open(_DECOY, domain)
    _pretend_held(domain)


def _pretend_held(domain: Domain) -> None:
    """The work that a consent in a cohort would be: whether a record has one is not told by the time either."""
    with suppress(BadSignature):
        SignedConsent.from_json(msgspec.json.decode(_HELD)).anchor(domain)


_NOTHING = Openings(None, None, (), {}, ())
_ONE = Hash("0x" + "11" * 32)
_NOBODY = address("0x" + "11" * 20)
_X = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"  # of secp256k1's generator
_SIGNATURE = bytes.fromhex(_X + "00" * 31 + "01" + "1b")
_DECOY = _decoy()
_HELD = msgspec.json.encode(SignedConsent(_NOBODY, (_ONE,) * 2, 1, _NOBODY, _SIGNATURE, _ONE, (_ONE,) * 8).to_json())
