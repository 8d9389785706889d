"""The decision: may this be shared, by them, here, for this, now?

`decide` is a pure function of the question, the evidence and the moment. It opens no socket, reads no clock and
keeps no state. Deny is what it answers unless every step passes, and a permit is constructed in one place only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ledger.documents import Form
from ledger.evidence import AuthenticRecord, Evidence, Moment, Opening, Question
from ledger.merkle import verify_cohort
from ledger.model import ANY_ITEM, ZERO_ADDRESS, Address, Approval, Grant, Hash, given_at
from ledger.state import ROLE_CONTROLLER, ROLE_RECIPIENT, DocumentStatus, Facts
from ledger.vocabulary import Coverage, covers_channel, covers_purpose

MAX_SUCCESSORS = 32
"""How many times a document may have been superseded before it counts as ended (as in PolicyRegistry)."""


class Reason(StrEnum):
    """Why a decision came out as it did. Stable strings; their order is that of ConsentCheck's enum."""

    PERMITTED = "permitted"
    UNKNOWN_RECORD = "unknown_record"
    CONTROLLER_NOT_LISTED = "controller_not_listed"
    RECORD_RETRACTED = "record_retracted"
    NO_CONSENT = "no_consent"
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    CLOSED = "closed"
    RECIPIENT_NOT_COVERED = "recipient_not_covered"
    RECIPIENT_SUSPENDED = "recipient_suspended"
    PURPOSE_NOT_COVERED = "purpose_not_covered"
    NEEDS_REVIEW = "needs_review"
    CHANNEL_NOT_COVERED = "channel_not_covered"
    ITEM_NOT_COVERED = "item_not_covered"
    CONTENT_CHANGED = "content_changed"
    FORM_SUPERSEDED = "form_superseded"
    FURTHER_CONSENT_NEEDED = "further_consent_needed"
    AWAITING_CONFIRMATIONS = "awaiting_confirmations"
    STALE_LEDGER = "stale_ledger"
    LEDGER_UNAVAILABLE = "ledger_unavailable"


@dataclass(frozen=True)
class Decision:
    """Permit or deny, and why.

    Attributes:
        grant: the grant that permits, or the one that got furthest.
        until: the earliest Unix second at which a permit could lapse by time alone.
        obligations: what the recipient must do or leave, as stable codes.
    """

    permitted: bool
    reason: Reason
    moment: Moment
    grant: Hash | None = None
    until: int | None = None
    obligations: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.permitted


def deny(reason: Reason, moment: Moment, grant: Hash | None = None) -> Decision:
    """A denial. There is no function that makes a permit."""
    return Decision(False, reason, moment, grant)


def party_to(address: Address, evidence: Evidence) -> bool:
    """Whether an address may learn why: the controller, the subject, a steward, or a recipient a grant names.

    To anybody else every denial must read `no_consent`, so that nobody can find out which records exist.
    """
    if evidence.record is None:
        return False
    record = evidence.record.record
    named = {record.controller, record.subject, *record.stewards, *(o.grant.recipient for o in evidence.grants)}
    return address in named | {a.recipient for a in evidence.approvals} and address != ZERO_ADDRESS


def decide(question: Question, evidence: Evidence, at: Moment) -> Decision:
    """Answer a question from evidence, as of one moment.

    Steps (DESIGN, section 5):
        1. the record is authentic, its controller listed and not suspended, and it is not retracted
        2. candidate grants are those of this record
        3. each stands on chain, `confirmations` deep
        4. it is neither not yet valid nor expired, on the block's clock and the wall clock
        5. the recipient is the one asking (or holds the controller's approval), listed, not suspended
        6. the purpose is covered
        7. the channel is covered
        8. every item asked for is covered; a digest that is in no item means changed content
        9. the form, and the channel's terms in it, are current
        10. every steward of the record has the same grant standing
    The first grant that passes them all permits. Otherwise the answer is the reason of the one that got furthest,
    where a grant that names somebody else counts as less far than any that names the asker: a journal whose consent
    was revoked reads `revoked`, also while another recipient's consent stands (docs/adr/0003).
    """
    if not at.fresh:
        return deny(Reason.STALE_LEDGER, at)
    # 1
    if evidence.record is None or evidence.record.hash != question.record:
        return deny(Reason.UNKNOWN_RECORD, at)
    controller = evidence.record.record.controller
    if not evidence.facts.party(controller).has(ROLE_CONTROLLER):
        return deny(Reason.CONTROLLER_NOT_LISTED, at)
    if evidence.facts.document(controller, question.record).retracted_at:
        return deny(Reason.RECORD_RETRACTED, at)
    # 2
    candidates = [opening for opening in evidence.grants if opening.grant.record == question.record]
    furthest, refusal = (False, 0), deny(Reason.NO_CONSENT, at)
    for opening in sorted(candidates, key=lambda opening: opening.hash):
        step, reason = _examine(opening, question, evidence, at)
        if reason is Reason.PERMITTED:
            return Decision(
                True, reason, at, opening.hash, _until(opening, question, evidence, at), _obligations(opening.grant)
            )
        progress = opening.grant.recipient in (question.recipient, ZERO_ADDRESS), step
        if progress > furthest:
            furthest, refusal = progress, deny(reason, at, opening.hash)
    return refusal


def _examine(opening: Opening, question: Question, evidence: Evidence, at: Moment) -> tuple[int, Reason]:
    """The first of steps 3 to 10 that a grant fails, and why; (11, permitted) when it fails none."""
    grant, facts = opening.grant, evidence.facts
    assert evidence.record is not None  # noqa: S101 (step 1 passed)
    record = evidence.record
    # 3
    reason = standing(opening, record.record.subject, evidence, at)
    if reason is not Reason.PERMITTED:
        return 3, reason
    # 4
    if not at.within(grant.valid_from, grant.valid_until):
        return 4, Reason.NOT_YET_VALID if min(at.timestamp, at.wall) < grant.valid_from else Reason.EXPIRED
    # 5
    if grant.recipient != question.recipient and not (
        grant.recipient == ZERO_ADDRESS and _approval(question, evidence, at)
    ):
        return 5, Reason.RECIPIENT_NOT_COVERED
    recipient = facts.party(question.recipient)
    if recipient.suspended:
        return 5, Reason.RECIPIENT_SUSPENDED
    if not recipient.has(ROLE_RECIPIENT):
        return 5, Reason.RECIPIENT_NOT_COVERED
    # 6
    match covers_purpose(grant.purposes, question.purpose, question.facts):
        case Coverage.NEEDS_REVIEW:
            return 6, Reason.NEEDS_REVIEW
        case Coverage.NOT_COVERED:
            return 6, Reason.PURPOSE_NOT_COVERED
    # 7
    if not covers_channel(grant.channels, question.channel):
        return 7, Reason.CHANNEL_NOT_COVERED
    # 8
    reason = _content(grant, question, record)
    if reason is not Reason.PERMITTED:
        return 8, reason
    # 9
    if not _form_current(grant, question, evidence):
        return 9, Reason.FORM_SUPERSEDED
    # 10
    for steward in record.record.stewards:
        if standing(opening, steward, evidence, at) is not Reason.PERMITTED:
            return 10, Reason.FURTHER_CONSENT_NEEDED
    return 11, Reason.PERMITTED


def standing(opening: Opening, subject: Address, evidence: Evidence, at: Moment) -> Reason:
    """Whether a grant stands for one subject (step 3): `permitted`, or the reason why not.

    A withdrawal on the local deny list counts like one on chain. A grant stands when it was recorded by itself,
    or when it is a leaf under a cohort root anchored before its consent's deadline (DESIGN, section 4). By what was
    revoked all at once, the first is judged by the time it was recorded, the second by the time it was given: anybody
    can anchor it again.
    """
    entry, state, denials = (
        evidence.facts.entry(subject, opening.hash),
        evidence.facts.subject(subject),
        evidence.denials,
    )
    if entry.revoked_at or (subject, opening.hash) in denials.revoked:
        return Reason.REVOKED
    if state.closed or subject in denials.closed:
        return Reason.CLOSED
    recorded, given = (entry.granted_at,) * 2 if entry.granted_at else _cohort(opening, subject, evidence.facts)
    if not recorded:
        return Reason.NO_CONSENT
    if given <= max(state.revoked_before, min(denials.revoked_before.get(subject, 0), at.wall)):
        return Reason.REVOKED
    # Of two words of one instant the one that narrows comes last, on chain too.
    if state.suspended or denials.suspended_at.get(subject, -1) >= state.suspension_at:
        return Reason.SUSPENDED
    return Reason.PERMITTED if recorded <= at.confirmed_at else Reason.AWAITING_CONFIRMATIONS


def _cohort(opening: Opening, subject: Address, facts: Facts) -> tuple[int, int]:
    """When the consent given last was anchored and given, of those in a cohort; twice 0 when there is none."""
    found = [(0, 0)]
    for anchor in opening.anchors:
        anchored, given = facts.anchored_at(anchor.root), given_at(anchor.deadline)
        if (
            anchor.subject == subject
            and opening.hash in anchor.grants
            and anchored
            and given <= anchored <= anchor.deadline
            and verify_cohort(anchor.root, subject, opening.hash, anchor.proof)
        ):
            found.append((anchored, given))
    return max(found, key=lambda times: times[1])


def _approval(question: Question, evidence: Evidence, at: Moment) -> Approval | None:
    """The approval that lasts longest of those that hold now."""
    fitting = (
        approval
        for approval in evidence.approvals
        if approval.record == question.record
        and approval.recipient == question.recipient
        and approval.purpose == question.purpose
        and at.within(0, approval.valid_until)
    )
    return max(fitting, key=lambda approval: approval.valid_until, default=None)


def _content(grant: Grant, question: Question, record: AuthenticRecord) -> Reason:
    every = grant.items == (ANY_ITEM,)
    if not question.items and not question.digests:
        return Reason.PERMITTED if every else _covers_all(grant, record)
    covered = {name: item.sha256 for name, item in record.items.items() if every or name in grant.items}
    digests = set(question.digests.values())
    if not digests <= {item.sha256 for item in record.items.values()}:
        return Reason.CONTENT_CHANGED
    # A file is what its bytes are, whatever it is called; an item asked for by name must itself be covered.
    permitted = set(question.items) <= covered.keys() and digests <= set(covered.values())
    return Reason.PERMITTED if permitted else Reason.ITEM_NOT_COVERED


def _covers_all(grant: Grant, record: AuthenticRecord) -> Reason:
    whole = len(record.items) == len(record.record.items) and record.items.keys() <= set(grant.items)
    return Reason.PERMITTED if whole else Reason.ITEM_NOT_COVERED


def _form_current(grant: Grant, question: Question, evidence: Evidence) -> bool:
    form = evidence.forms.get(grant.form)
    return form is not None and form.hash == grant.form and form_current(form, question.channel, evidence.facts)


def form_current(form: Form, asked: str, facts: Facts) -> bool:
    """Whether a form is current, and its terms of a channel too (step 9); of no channel when `asked` is empty."""
    if not _current(form.issuer, form.hash, facts):
        return False
    if not asked:
        return True
    terms = form.terms_of(asked)
    return terms is not None and _current(terms.issuer, terms.terms, facts)


def successors(issuer: Address, document: Hash, facts: Facts) -> Iterator[tuple[Hash, DocumentStatus]]:
    """A document and what took its place, one after the other, each with its status; `MAX_SUCCESSORS` at most."""
    for _ in range(MAX_SUCCESSORS):
        status = facts.document(issuer, document)
        yield document, status
        if not status.superseded_at:
            return
        document = status.successor


def successor(issuer: Address, document: Hash, facts: Facts) -> Hash | None:
    """What took a document's place last and still holds; None where nothing did."""
    *before, (last, status) = successors(issuer, document, facts)
    holds = status.published_at and not status.retracted_at and not status.superseded_at
    return last if before and holds else None


def _current(issuer: Address, document: Hash, facts: Facts) -> bool:
    for _, status in successors(issuer, document, facts):
        if not status.published_at or status.retracted_at or (status.superseded_at and status.material):
            return False
        if not status.superseded_at:
            return True
    return False


def _until(opening: Opening, question: Question, evidence: Evidence, at: Moment) -> int:
    approval = _approval(question, evidence, at) if opening.grant.recipient == ZERO_ADDRESS else None
    return min(opening.grant.valid_until, approval.valid_until if approval else opening.grant.valid_until)


def _obligations(grant: Grant) -> tuple[str, ...]:
    return f"onward:{grant.onward}", "stop-new-use-when-revoked"
