"""What must hold of a consent before the service takes it, to be recorded by itself or with a cohort."""

from collections.abc import Collection
from functools import lru_cache

from ledger.decisions import form_current
from ledger.documents import Form, Profile
from ledger.errors import Conflict, Expired, InvalidMessage, NotFound, UnknownCode
from ledger.evidence import Denials
from ledger.model import (
    ANY_ITEM,
    CLOCKS_APART,
    LONGEST_CONSENT,
    ZERO_ADDRESS,
    Address,
    Consent,
    Grant,
    Hash,
    RevokeAll,
    given_at,
)
from ledger.ports import StoredRecord, Transaction
from ledger.services.index import Snapshot
from ledger.state import ROLE_RECIPIENT, LedgerState
from ledger.summary import matches
from ledger.typed_data import struct_hash
from ledger.vocabulary import channel, purpose

ENDED = {
    "SubjectClosed": "The subject has ended everything for ever.",
    "SubjectSuspended": "The subject has paused everything. Hand the consent in again after she resumed.",
    "AlreadyRevoked": "This consent was taken back, and never returns. A new offer is needed.",
    "RevokedUntil": "The subject took everything back after this consent was given.",
}
"""Why the contract would not record a consent because of what its subject said, by the contract's own errors."""


def latest(now: int, head: int) -> int:
    """How late what widens may be dated: a little after now, or after the chain's time if that is ahead.

    Args:
        now: Unix seconds on the wall.
        head: the time of the newest block.
    """
    return max(now, head) + CLOCKS_APART


def check_consent(tx: Transaction, consent: Consent, snapshot: Snapshot, now: int) -> tuple[StoredRecord, ...]:
    """Check everything a consent says; its signature is another matter.

    Args:
        now: Unix seconds on the wall.

    Returns:
        The record of each grant.

    Raises:
        Expired, Conflict, NotFound, InvalidMessage, UnknownCode: something does not hold.
    """
    if consent.deadline < max(now, snapshot.head.timestamp):
        raise Expired("This consent was signed too long ago: its deadline has passed. Sign a new one.")
    last = latest(now, snapshot.head.timestamp) + LONGEST_CONSENT
    if consent.deadline > last:
        raise InvalidMessage("deadline", f"must be at most 30 days ahead, that is {last} at most")
    denied = Denials.of(tx.denials([consent.subject]))
    earliest = _earliest(consent.subject, snapshot.state, denied)
    if consent.deadline < earliest:
        raise Conflict(
            "Everything was taken back before this consent was given, which counts as 30 days before its deadline. "
            f"Sign it with a deadline of at least {earliest}."
        )
    if consent.subject in denied.revoked_before and _is_being_taken_back(tx, consent):
        raise Conflict(
            "Everything is being taken back, and that is not recorded yet: it would end this consent, too. "
            "Sign it when it is recorded."
        )
    records = []
    for position, grant in enumerate(consent.grants):
        try:
            records.append(check_grant(tx, consent.subject, grant, snapshot.state, now))
        except InvalidMessage as error:
            raise error.within(f"grants[{position}]") from None
    if problem := ended(consent, snapshot.state, denied):
        raise Conflict(ENDED[problem])
    return tuple(records)


def ended(consent: Consent, state: LedgerState, denied: Denials) -> str | None:
    """Whether the subject has said, on chain or to the service, what keeps a consent from being recorded.

    Returns:
        The contract's error for it (see `ENDED`), or None.
    """
    subject = state.subject(consent.subject)
    if subject.closed or consent.subject in denied.closed:
        return "SubjectClosed"
    if subject.suspended or denied.suspended_at.get(consent.subject, -1) >= subject.suspension_at:
        return "SubjectSuspended"
    keys = [(consent.subject, struct_hash(grant)) for grant in consent.grants]
    if any(state.entry(*key).revoked_at or key in denied.revoked for key in keys):
        return "AlreadyRevoked"
    before = taken_back_until(consent.subject, state, denied)
    return "RevokedUntil" if before and given_at(consent.deadline) <= before else None


def taken_back_until(subject: Address, state: LedgerState, denied: Denials) -> int:
    """Up to when a subject took everything back, on chain or to the service (Unix seconds); 0 when it never did."""
    return max(state.subject(subject).revoked_before, denied.revoked_before.get(subject, 0))


def cohort_problem(consent: Consent, anchored: int, snapshot: Snapshot, denied: Denials) -> str | None:
    """Why a consent of a cohort does not stand by it, or must not come to.

    The contract anchors any root: what it checks of a consent that is recorded by itself is checked here.

    Args:
        anchored: when the root was anchored, 0 while it is not.

    Returns:
        The contract's error for it, or None.
    """
    if (anchored or snapshot.head.timestamp) > consent.deadline:
        return "DeadlinePassed"
    if anchored:
        return "DeadlineTooFar" if anchored < given_at(consent.deadline) else None
    return ended(consent, snapshot.state, denied)


def deadline_from(tx: Transaction, subject: Address, state: LedgerState) -> int:
    """The earliest deadline a consent of a subject can have now; 0 when it never took everything back."""
    return _earliest(subject, state, Denials.of(tx.denials([subject])))


def _earliest(subject: Address, state: LedgerState, denied: Denials) -> int:
    before = taken_back_until(subject, state, denied)
    return before + LONGEST_CONSENT + 1 if before else 0


def _is_being_taken_back(tx: Transaction, consent: Consent) -> bool:
    """Whether what takes everything back is on its way: dated ahead, it is cut to the block in which it lands."""
    return any(
        isinstance(relay.message, RevokeAll)
        and relay.message.before >= given_at(consent.deadline)
        and relay.status != "recorded"
        for relay in tx.open_relays(consent.subject)
    )


def party_names(state: LedgerState, parties: Collection[Address] | None = None) -> dict[Address, str]:
    """The names of all parties, or of some, from the profiles the Directory itself carries."""
    wanted = state.profiles if parties is None else parties
    named = ((party, _name(*state.profiles[party])) for party in wanted if party in state.profiles)
    return {party: name for party, name in named if name is not None}


def check_grant(tx: Transaction, subject: Address, grant: Grant, state: LedgerState, now: int) -> StoredRecord:
    """Check that a grant could count for something, if its subject agreed to it now.

    Args:
        now: Unix seconds on the wall.

    Raises:
        NotFound, InvalidMessage, UnknownCode: it could not; says why.
    """
    stored = tx.record(grant.record)
    if stored is None or subject not in (stored.record.subject, *stored.record.stewards):
        raise NotFound("There is no such record of this subject.")
    names = [entry.item.name for entry in stored.items]
    for name in grant.items:
        if name != ANY_ITEM and name not in names:
            raise InvalidMessage("items", f"“{name}” is not in the record; it has {', '.join(names)}")
    for code in grant.purposes:
        purpose(code)
    for code in grant.channels:
        channel(code)
    if grant.recipient != ZERO_ADDRESS and not state.party(grant.recipient).has(ROLE_RECIPIENT):
        raise InvalidMessage("recipient", "is not listed in the Directory as a recipient")
    if grant.valid_until <= now:
        raise InvalidMessage("validUntil", "has passed already")
    form = tx.document(grant.form)
    if not isinstance(form, Form):
        raise InvalidMessage("form", "is not a form that this service knows")
    for code in grant.channels:
        if not any(narrower in form.channels for narrower in _line(code)):
            raise UnknownCode(f"The form has no terms for {code}; it names {', '.join(form.channels)}.")
    # What is signed under a form that has ended would count for nothing, and she would believe that it does.
    if not all(form_current(form, code, state) for code in grant.channels or ("",)):
        raise InvalidMessage("form", "has ended: its issuer replaced or retracted it, or the terms of a channel")
    if matches(grant, party_names(state, [grant.recipient])) is None:
        raise InvalidMessage("summary", "does not say what the other fields say")
    return stored


def _line(code: str) -> list[str]:
    """A channel and everything broader."""
    line, following = [], channel(code)
    while True:
        line.append(following.code)
        if following.broader is None:
            return line
        following = channel(following.broader)


@lru_cache(maxsize=4096)
def _name(profile_hash: Hash, uri: str) -> str | None:
    """The name in a profile; None where it is kept elsewhere, and so not vouched for by the chain alone."""
    try:
        profile = Profile.from_data_uri(uri)
    except InvalidMessage:
        return None
    return profile.name if profile.hash == profile_hash else None
