"""Answering questions: gather the evidence at a fresh block, decide, write it down, answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from ledger.bundles import decision_json, question_json
from ledger.decisions import Decision, Reason, decide, deny, party_to
from ledger.deployment import Deployment
from ledger.documents import canonical
from ledger.errors import InvalidMessage, LedgerUnavailable, Unavailable, Untrusted, VolensError
from ledger.evidence import Denials, Moment, Question
from ledger.model import ANY_ITEM, ZERO_ADDRESS, ZERO_HASH, Address, Hash, code
from ledger.ports import Store, Transaction
from ledger.services import access_log
from ledger.services.evidence import Memory, Openings, gather_many
from ledger.services.index import Index, Snapshot

MAX_QUESTION = 64 * 1024
"""Bytes of the largest question: every item of the largest record with its digest."""


@dataclass(frozen=True)
class Answer:
    """A decision as one asker may see it, under the name by which its bundle can be had.

    Attributes:
        question: that was answered.
    """

    id: str
    decision: Decision
    question: Question


@dataclass(frozen=True)
class Asked:
    """Questions of one asker that are answered together.

    Attributes:
        who: the asker, found out within the unit of work; raises what is then the outcome.
        stop: after an answer that permits (or does not), the rest is not answered; None answers all.
        fresh: blocks (number, hash) that answers must not be older than.
    """

    who: Callable[[Transaction], Address]
    questions: tuple[Question, ...]
    stop: bool | None = None
    fresh: tuple[tuple[int, Hash], ...] = ()


class Questions:
    """The use case behind every AuthZEN evaluation and search.

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
        self._memory = Memory(deployment.domain)

    def ask(self, asker: Address, question: Question) -> Answer:
        """Answer one question; see `answer`.

        Raises:
            InvalidInput: it could not be written down; whether the record exists was not looked at.
        """
        require_writable(question)
        return told(self.answer([Asked(lambda _: asker, (question,))])[0])[0]

    def answer(self, asked: Sequence[Asked]) -> list[list[Answer] | VolensError]:
        """Answer what several askers want to know, in one unit of work and as of one block.

        Every answer is durable in the access log before any is returned. An asker who is not party to a grant of the
        record reads `no_consent` whatever the true reason is, so that nobody learns which records exist; the subject
        reads the true reason in her log. Questions must be writable, see `require_writable`.

        Returns:
            For each, the answers in order, as many as `stop` lets through; or why there are none.
        """
        try:
            return self._answer_all(asked)
        except Exception as error:
            if isinstance(error, Unavailable):  # of the store: it is so for all of them
                return [error for _ in asked]
            if len(asked) > 1:  # what is wrong with one must not be the others' problem
                return [outcome for one in asked for outcome in self.answer([one])]
            if isinstance(error, VolensError):
                return [error]
            raise

    def _answer_all(self, asked: Sequence[Asked]) -> list[list[Answer] | VolensError]:
        newest = max((number for one in asked for number, _ in one.fresh), default=0)
        last = self._index.last
        within = self._reuse if last is not None and newest <= last.head.number else 0
        try:
            with self._index.at_head(within) as snapshot, self._store.begin() as tx:
                return self._work(tx, asked, snapshot, snapshot.moment(self._clock(), self._max_age))
        except (Unavailable, Untrusted):
            # Nothing is known about the present, so there is nothing to tell apart for any asker.
            moment = Moment(0, ZERO_HASH, 0, 0, self._clock(), self._max_age)
            with self._store.begin() as tx:
                return self._work(tx, asked, None, moment)

    def _work(
        self,
        tx: Transaction,
        asked: Sequence[Asked],
        snapshot: Snapshot | None,
        moment: Moment,
        kind: str = "decision",
        at: int | None = None,
    ) -> list[list[Answer] | VolensError]:
        """Decide and write down, in one unit of work; see `access_log.leaf_of` for `kind` and `at`.

        Args:
            snapshot: None when nothing is known about the present.
        """
        admitted = [self._admit(tx, one, snapshot) for one in asked]
        pairs = [
            (question.record, asker)
            for one, asker in zip(asked, admitted, strict=True)
            if not isinstance(asker, VolensError)
            for question in one.questions
        ]
        gathered = iter(gather_many(tx, pairs, self._memory))
        opened = [
            [next(gathered) for _ in one.questions] if not isinstance(asker, VolensError) else []
            for one, asker in zip(asked, admitted, strict=True)
        ]
        subjects = {subject for openings in opened for found in openings for subject in found.subjects()}
        withdrawn: dict[Address, list[tuple[str, Address, str]]] = {}
        for row in tx.denials(subjects):
            withdrawn.setdefault(row[1], []).append(row)
        erased = tx.erased_of({record for record, _ in pairs})
        leaves: list[tuple[bytes, Hash | None]] = []
        kept: list[tuple[str, dict[str, Any]]] = []
        outcomes: list[list[Answer] | VolensError] = []
        for one, asker, found in zip(asked, admitted, opened, strict=True):
            if isinstance(asker, VolensError):
                outcomes.append(asker)
                continue
            answers: list[Answer] = []
            for question, openings in zip(one.questions, found, strict=True):
                identifier = access_log.new_id("dec")
                denied = Denials.of(row for subject in openings.subjects() for row in withdrawn.get(subject, ()))
                decision, party = _decide(asker, question, openings, snapshot, denied, moment)
                leaf = access_log.leaf_of(
                    kind, identifier, asker, question, item_hashes(openings, question), decision, at
                )
                hers = openings.record is not None or question.record in erased  # its subject will read it
                leaves.append((leaf, question.record if hers else None))
                if party and snapshot is not None and kind == "decision":  # nobody else may have a bundle
                    kept.append((identifier, remember(asker, question, decision, snapshot, denied)))
                seen = decision if party or snapshot is None else _uniform(decision)
                answers.append(Answer(identifier, seen, question))
                if one.stop is seen.permitted:
                    break
            outcomes.append(answers)
        tx.append_logs(leaves)
        tx.add_decisions(kept)
        return outcomes

    def _admit(self, tx: Transaction, one: Asked, snapshot: Snapshot | None) -> Address | VolensError:
        try:
            asker = one.who(tx)
            for block in one.fresh:
                if snapshot is None:
                    raise LedgerUnavailable("The ledger cannot be reached. Ask again shortly.")
                self._index.require_known(tx, snapshot, *block)
        except VolensError as error:
            return error
        return asker

    def history(self, asked: Asked, block: tuple[int, Hash]) -> list[Answer]:
        """Answer as of a block of the past, from the events up to it. There is no bundle of such an answer.

        What the service knows of withdrawals since then still denies: an old block must not make a new permit.

        Raises:
            InvalidInput: no such block. LedgerUnavailable: the node has not got that far, or does not answer.
        """
        snapshot = self._index.as_of(*block)
        moment = Moment.of(snapshot.confirmed, snapshot.head.timestamp, self._max_age)
        with self._store.begin() as tx:
            return told(self._work(tx, [asked], snapshot, moment, "history", self._clock())[0])

    def recipients(self, asker: Address, question: Question) -> list[Address]:
        """Who may do now what a question asks, whoever it names; only those the asker may know of.

        The controller, the subject and the stewards may know of all, a recipient of itself, others of nobody.
        """
        with self._store.begin() as tx:
            openings = gather_many(tx, [(question.record, asker)], self._memory)[0]
        named = {opening.grant.recipient for opening in openings.grants}
        named |= {approval.recipient for approval, _ in openings.approvals}
        visible = sorted(named - {ZERO_ADDRESS}) if asker in _holders(openings) else sorted(named & {asker})
        answers = self._search(asker, [replace(question, recipient=one) for one in visible or [asker]])
        return [answer.question.recipient for answer in answers if answer.decision]

    def records(self, asker: Address, question: Question, after: str, limit: int) -> tuple[list[Hash], str]:
        """Which records a recipient may use now as a question asks, whatever record it names.

        The recipient itself may know of all, others of those whose controller or subject they are.

        Args:
            after, limit: a page of candidates: behind which hash, how many.

        Returns:
            The records, and the hash to go on from; "" at the end.
        """
        holder_only = None if asker == question.recipient else asker
        with self._store.begin() as tx:
            names = tx.records_naming(question.recipient, holder_only, after, limit + 1)
        page = names[:limit]
        answers = self._search(asker, [replace(question, record=name) for name in page])
        return [a.question.record for a in answers if a.decision], page[-1] if len(names) > limit else ""

    def uses(self, asker: Address, question: Question) -> list[Question]:
        """What a recipient may do with a record now: a question for each purpose and channel its grants name."""
        with self._store.begin() as tx:
            openings = gather_many(tx, [(question.record, asker)], self._memory)[0]
        asked: dict[tuple[Any, ...], Question] = {}
        if asker in (question.recipient, *_holders(openings)):
            for opening in openings.grants:
                grant = opening.grant
                if grant.recipient in (question.recipient, ZERO_ADDRESS):
                    items = () if grant.items == (ANY_ITEM,) else grant.items
                    for purpose in grant.purposes:
                        for channel in grant.channels or ("",):
                            one = replace(question, purpose=purpose, channel=channel, items=items)
                            asked.setdefault((purpose, channel, items), one)
        answers = self._search(asker, list(asked.values()) or [question])
        return [answer.question for answer in answers if answer.decision and (answer.question.purpose)]

    def _search(self, asker: Address, questions: Sequence[Question]) -> list[Answer]:
        """Decide candidates now; what is looked at is logged like any question.

        Raises:
            Unavailable, Untrusted: nothing is known about the present.
        """
        if not questions:
            return []
        with self._index.at_head(self._reuse) as snapshot, self._store.begin() as tx:
            moment = snapshot.moment(self._clock(), self._max_age)
            asked = Asked(lambda _: asker, tuple(questions))
            return told(self._work(tx, [asked], snapshot, moment, "search")[0])


def _decide(
    asker: Address,
    question: Question,
    openings: Openings,
    snapshot: Snapshot | None,
    denied: Denials,
    moment: Moment,
) -> tuple[Decision, bool]:
    """The true decision, and whether the asker may read it."""
    if snapshot is None:
        return deny(Reason.LEDGER_UNAVAILABLE, moment), False
    evidence = openings.evidence(snapshot.state, denied)
    party = party_to(asker, evidence) and asker in (question.recipient, *_holders(openings))
    return decide(question, evidence, moment), party


def told(outcome: list[Answer] | VolensError) -> list[Answer]:
    """The answers, or the reason why there are none, raised."""
    if isinstance(outcome, VolensError):
        raise outcome
    return outcome


def require_writable(question: Question) -> None:
    """Refuse what the access log or a bundle could not hold, before it can tell a known record from an unknown one."""
    for name, value in (("purpose", question.purpose), ("channel", question.channel)):
        if value:
            code(value, name)
    written = question_json(question)
    try:  # without facts there are only texts in it, and the quick way refuses what the strict one does
        size = len(msgspec.json.encode(written))
        if question.facts and size <= MAX_QUESTION:  # the strict one takes long for what is too large anyway
            size = len(canonical(written))
    except UnicodeEncodeError:
        raise InvalidMessage("question", "must be text that can be written in UTF-8") from None
    if size > MAX_QUESTION:
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
    items, hashes = openings.record.items.values(), openings.item_hashes
    return [hashes[item.name] for item in items if not names or item.name in names or item.sha256 in digests]


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
        "headers": snapshot.written,
        "denials": [list(row) for row in denials.rows()],
    }
