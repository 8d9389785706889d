"""Gathering evidence: what the store and the documents say about one record, ready for `decide`."""

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.documents import Form
from ledger.evidence import AuthenticRecord, Denials, Evidence, Opening, authenticate
from ledger.model import Address, Approval, Hash
from ledger.ports import StoredRecord, Transaction
from ledger.state import Facts
from ledger.typed_data import Domain, verify


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
