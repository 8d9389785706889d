"""Gathering evidence: what the store and the documents say about one record, ready for `decide`."""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ledger.documents import Form
from ledger.errors import BadSignature
from ledger.evidence import AuthenticRecord, Denials, Evidence, Opening, authenticate
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

    def evidence(self, facts: Facts, denials: Denials) -> Evidence:
        """The openings together with what the chain and the deny list say."""
        approvals = tuple(approval for approval, _ in self.approvals)
        return Evidence(facts, self.record, self.grants, self.forms, approvals, denials)


def gather(tx: Transaction, record: Hash, domain: Domain) -> Openings:
    """Read the openings of a record; the controller's signatures are checked again here, on every reading."""
    stored = tx.record(record)
    if stored is None:
        return Openings(None, None, (), {}, ())
    authentic = authenticate(stored.record, (entry.item for entry in stored.items), stored.signature, domain)
    grants = tuple(Opening(grant) for grant in tx.grants_of(record))
    forms = {}
    for name in {opening.grant.form for opening in grants}:
        if isinstance(document := tx.document(name), Form):
            forms[name] = document
    approvals = tuple(tx.approvals_of(record))
    for approval, signature in approvals:
        verify(domain.digest(approval), signature, stored.record.controller)
    return Openings(stored, authentic, grants, forms, approvals)


def denials(tx: Transaction, subjects: Iterable[Address]) -> Denials:
    """The local deny list, as far as it concerns these subjects."""
    return Denials.of(tx.denials(subjects))


MEMORY = 20_000
"""Things of one kind that are remembered at a time."""
MEMORY_SECONDS = 60
"""For which they are: what was erased must not stay readable in a process for long."""


class Memory:
    """Openings that were read and checked before, each under the hash of its whole content.

    Whether a record, a grant or an approval is still there is read from the store for every question; only the
    parsing and the controller's signature are not gone through again for the very same content. No decision, and
    nothing the chain says, is ever kept.
    """

    def __init__(self, domain: Domain, steady: Callable[[], float] = time.monotonic) -> None:
        self._domain, self._steady = domain, steady
        self._clear()

    def _clear(self) -> None:
        self._since = self._steady()
        self._records: dict[tuple[Hash, bytes, int], AuthenticRecord] = {}
        self._grants: dict[Hash, Opening] = {}
        self._forms: dict[Hash, Form | None] = {}
        self._approvals: dict[tuple[Hash, bytes, Address], Approval] = {}

    def tidy(self) -> None:
        """Forget everything from time to time, and when it is too much."""
        size = max(len(self._records), len(self._grants), len(self._forms), len(self._approvals))
        if self._steady() - self._since > MEMORY_SECONDS or size > MEMORY:
            self._clear()

    def anew(self) -> "Memory":
        """A memory of nothing."""
        return Memory(self._domain, self._steady)

    def record(self, name: Hash, material: Material) -> AuthenticRecord:
        """The record, its controller's signature checked.

        Raises:
            BadSignature, InvalidMessage: it is not what it was when it was registered.
        """
        key = name, material.signature, len(material.items)
        found = self._records.get(key)
        if found is None:
            record = Record.from_json(material.record)
            found = authenticate(record, map(Item.from_json, material.items), material.signature, self._domain)
            if found.hash == name:
                self._records[key] = found
        return found

    def grant(self, name: Hash, value: dict[str, Any]) -> Opening:
        """A grant with its hash."""
        found = self._grants.get(name)
        if found is None:
            found = Opening(Grant.from_json(value))
            if found.hash == name:
                self._grants[name] = found
        return found

    def approval(self, name: Hash, value: dict[str, Any], signature: bytes, controller: Address) -> Approval:
        """An approval, its controller's signature checked.

        Raises:
            BadSignature: it is not the controller's.
        """
        key = name, signature, controller
        found = self._approvals.get(key)
        if found is None:
            found = Approval.from_json(value)
            verify(self._domain.digest(found), signature, controller)
            if struct_hash(found) == name:
                self._approvals[key] = found
        return found

    def forms(self, tx: Transaction, names: set[Hash]) -> dict[Hash, Form]:
        """The forms of some grants; one query, whether there is anything to ask for or not."""
        stored = tx.documents(names - self._forms.keys())
        for name, value in stored.items():
            self._forms[name] = Form.from_json(value) if value["type"] == Form.TYPE else None
        return {name: form for name in names if (form := self._forms.get(name)) is not None}


def gather_many(tx: Transaction, asked: Iterable[tuple[Hash, Address]], memory: Memory) -> list[Openings]:
    """Read the openings of the records that are asked about, in the same number of queries whatever is known.

    For an asker whom the record does not name nothing remembered is used: the record is parsed and its signature
    checked anew, and so is a decoy for a record that does not exist. The work does not tell whether it does.

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
    forms = memory.forms(tx, {Hash(str(g["form"])) for m in found.values() for _, g in m.grants})
    opened: dict[Hash, Openings] = {}
    answers = []
    for name, asker in pairs:
        material = found.get(name)
        if material is None:
            _pretend(memory.anew())
            answers.append(Openings(None, None, (), {}, ()))
        elif asker not in _named(material):
            answers.append(_open(name, material, forms, memory.anew()))
        else:
            if name not in opened:
                opened[name] = _open(name, material, forms, memory)
            answers.append(opened[name])
    return answers


def _named(material: Material) -> set[object]:
    record = material.record
    others = (*(grant for _, grant in material.grants), *(approval for _, approval, _ in material.approvals))
    return {record["controller"], record["subject"], *record["stewards"], *(other["recipient"] for other in others)}


def _open(name: Hash, material: Material, forms: dict[Hash, Form], memory: Memory) -> Openings:
    record = memory.record(name, material)
    controller = record.record.controller
    grants = tuple(memory.grant(h, value) for h, value in material.grants)
    own = {opening.grant.form: forms[opening.grant.form] for opening in grants if opening.grant.form in forms}
    approvals = tuple((memory.approval(h, value, by, controller), by) for h, value, by in material.approvals)
    return Openings(None, record, grants, own, approvals)


def _decoy() -> Material:
    """Something shaped like a record, under a well-formed signature that is nobody's."""
    items = [Item(name, "image/png", 1, _ONE, _ONE) for name in ("a", "b", "c")]
    record = Record(_NOBODY, _NOBODY, (), "A decoy", tuple(map(struct_hash, items)), 1, _ONE)
    grant = Grant("A decoy.", _ONE, _NOBODY, ("*",), ("case-report",), ("journal",), "none", 1, 2, _ONE, _ONE)
    values = tuple(item.to_json() for item in items)
    return Material(record.to_json(), _SIGNATURE, values, ((_ONE, grant.to_json()),) * 2, ())


def _pretend(memory: Memory) -> None:
    """The work that a record of three items and two grants would be."""
    for name, value in _DECOY.grants:
        memory.grant(name, value)
    with suppress(BadSignature):
        memory.record(_ONE, _DECOY)


_ONE = Hash("0x" + "11" * 32)
_NOBODY = address("0x" + "11" * 20)
_X = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"  # of secp256k1's generator
_SIGNATURE = bytes.fromhex(_X + "00" * 31 + "01" + "1b")
_DECOY = _decoy()
