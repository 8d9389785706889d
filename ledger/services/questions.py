"""Answering questions: gather the evidence at a fresh block, decide, write it down, answer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger.bundles import decision_json, question_json
from ledger.decisions import Decision, Reason, decide, deny, party_to
from ledger.deployment import Deployment
from ledger.documents import canonical
from ledger.errors import InvalidMessage, Unavailable, Untrusted
from ledger.evidence import Denials, Moment, Question
from ledger.model import ZERO_HASH, Address, Hash, code
from ledger.ports import Store, Transaction
from ledger.services import access_log
from ledger.services.evidence import Openings, denials, gather
from ledger.services.index import Index, Snapshot
from ledger.typed_data import struct_hash

MAX_QUESTION = 64 * 1024
"""Bytes of the largest question: every item of the largest record with its digest."""


@dataclass(frozen=True)
class Answer:
    """A decision as one asker may see it, under the name by which its bundle can be had."""

    id: str
    decision: Decision


class Questions:
    """The use case behind every AuthZEN evaluation.

    Args:
        clock: Unix seconds on the wall.
        max_age: how many seconds old the newest block may be.
        reuse: seconds for which a verified block is used again without asking the node.
    """

    def __init__(
        self,
        index: Index,
        store: Store,
        deployment: Deployment,
        clock: Callable[[], int],
        max_age: int,
        reuse: float = 0,
    ) -> None:
        self._index, self._store, self._deployment = index, store, deployment
        self._clock, self._max_age, self._reuse = clock, max_age, reuse

    def ask(self, asker: Address, question: Question) -> Answer:
        """Answer one question.

        The answer is durable in the access log before it is returned. An asker who is not party to a grant of the
        record reads `no_consent` whatever the true reason is, so that nobody learns which records exist; the
        subject reads the true reason in her log.

        Raises:
            InvalidInput: it could not be written down; whether the record exists was not looked at.
        """
        _require_writable(question)
        identifier = access_log.new_id("dec")
        try:
            with self._index.at_head(self._reuse) as snapshot, self._store.begin() as tx:
                return self._answer(tx, identifier, asker, question, snapshot)
        except (Unavailable, Untrusted):
            # Nothing is known about the present, so there is nothing to tell apart for any asker.
            decision = deny(Reason.LEDGER_UNAVAILABLE, Moment(0, ZERO_HASH, 0, 0, self._clock(), self._max_age))
            with self._store.begin() as tx:
                openings = gather(tx, question.record, self._deployment.domain)
                items, known = item_hashes(openings, question), openings.record is not None
                access_log.note(tx, "decision", identifier, asker, question, items, decision, known)
            return Answer(identifier, decision)

    def _answer(
        self, tx: Transaction, identifier: str, asker: Address, question: Question, snapshot: Snapshot
    ) -> Answer:
        moment = snapshot.moment(self._clock(), self._max_age)
        openings = gather(tx, question.record, self._deployment.domain)
        denied = denials(tx, openings.subjects())
        evidence = openings.evidence(snapshot.state, denied)
        decision = decide(question, evidence, moment)
        party = party_to(asker, evidence) and asker in (question.recipient, *_holders(openings))
        told = decision if party else _uniform(decision)
        items = item_hashes(openings, question)
        access_log.note(tx, "decision", identifier, asker, question, items, decision, openings.record is not None)
        if party:  # nobody else may have a bundle
            tx.add_decision(identifier, remember(asker, question, decision, snapshot, denied))
        return Answer(identifier, told)


def _require_writable(question: Question) -> None:
    """Refuse what the access log or a bundle could not hold, before it can tell a known record from an unknown one."""
    for name, value in (("purpose", question.purpose), ("channel", question.channel)):
        if value:
            code(value, name)
    if len(canonical(question_json(question))) > MAX_QUESTION:
        raise InvalidMessage("question", f"must not be larger than {MAX_QUESTION} bytes")


def _holders(openings: Openings) -> tuple[Address, ...]:
    """Who may ask on behalf of any recipient: the controller and the subjects."""
    return (openings.record.record.controller, *openings.subjects()) if openings.record else ()


def _uniform(decision: Decision) -> Decision:
    """What an outsider is told. A permit can only be a recipient's, so it is hidden from others as well."""
    reason = Reason.STALE_LEDGER if decision.reason is Reason.STALE_LEDGER else Reason.NO_CONSENT
    return deny(reason, decision.moment)


def item_hashes(openings: Openings, question: Question) -> list[Hash]:
    """The hashes of the items a question names, as far as the record has them; all when it names none."""
    if openings.record is None:
        return []
    names = {*question.items, *question.digests}
    digests = set(question.digests.values())
    items = openings.record.items.values()
    return [struct_hash(item) for item in items if not names or item.name in names or item.sha256 in digests]


def remember(
    asker: Address,
    question: Question,
    decision: Decision,
    snapshot: Snapshot,
    denials: Denials,
) -> dict[str, Any]:
    """What a bundle of this decision will need beside the openings and the chain's own history.

    Args:
        denials: the part of the local deny list that was looked at.
    """
    return {
        "asker": asker,
        "question": question_json(question),
        "decision": decision_json(decision),
        "headers": ["0x" + header.rlp.hex() for header in snapshot.confirmed],
        "denials": [list(row) for row in denials.rows()],
    }
