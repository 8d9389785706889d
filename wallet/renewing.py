"""Agreeing again when a form has changed: what changed, the consent under the new form, then the end of the old one.

In this order, so that an interruption never leaves her with less than before, nor with a yes that she does not know
of: the new consent is kept in the wallet before it is sent; the old one is ended only once `old_may_end`. Until then
both say the same; going on is asking again.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ledger.documents import Form, Terms
from ledger.errors import InvalidInput
from ledger.model import LONGEST_CONSENT, Address, Grant, Hash, RevokeAll, hash32
from ledger.summary import matches
from ledger.typed_data import struct_hash
from wallet.book import Case
from wallet.choices import Choice, narrow
from wallet.patient import Patient
from wallet.renewal import renewed, renews
from wallet.standing import ENDED, own

_OVER = ENDED | {"expired"}


@dataclass(frozen=True)
class ChangedTerms:
    """The terms of a channel as they were agreed to and as they are."""

    channel: str
    before: Terms
    after: Terms


@dataclass(frozen=True)
class ChangedConsent:
    """A consent whose form, or the terms in it, were replaced.

    Attributes:
        state: of this consent, as `wallet.standing` says it.
        ended: its channels for which it does not count any more.
        before, after: the form it was given under, and what took its place; None where nothing did.
        renewal: the consent that was given in its place already, with its state; None where there is none.
        names: the Directory's name of the recipient, by address.
    """

    case: Case
    grant: Grant
    state: str
    ended: tuple[str, ...]
    before: Form
    after: Form | None
    terms: tuple[ChangedTerms, ...]
    renewal: tuple[Grant, str] | None
    names: Mapping[Address, str]


def look(patient: Patient, name: Hash) -> ChangedConsent:
    """What changed for a consent. The texts are those of their hashes; what took whose place is the service's word.

    Raises:
        InvalidInput: the wallet knows no such consent, it has ended, nothing changed, or what would take the place of
            a text is not from who wrote the old one.
    """
    for case, grant in patient.book.consents(name):
        states = {
            Hash(view["id"]): (view, state)
            for view, state in own(patient.standings(case), case.subject, int(time.time()))
        }
        view, state = states.get(name, (None, ""))
        if view is None or state in _OVER or state == "no_consent":
            continue
        made = [(g, states.get(struct_hash(g), (None, "no_consent"))[1]) for g in case.grants if renews(g, grant)]
        renewal = next((one for one in reversed(made) if one[1] not in (*_OVER, "no_consent")), None)
        before, new, newer = patient.form(grant.form), view.get("newForm"), view.get("newTerms") or {}
        if new is None and not newer and not view.get("endedChannels"):
            raise InvalidInput("The form of this consent has not changed. There is nothing to renew.")
        after = patient.form(hash32(new, "newForm")) if new is not None else None
        if after is not None and after.issuer != before.issuer:
            raise InvalidInput(
                "The new form is not from who made the old one. Do not agree to it; ask your institution."
            )
        recipient = patient.name_of(grant.recipient)
        return ChangedConsent(
            case, grant, state, tuple(view.get("endedChannels") or ()), before, after,
            _terms(patient, grant, before, after, newer), renewal, {grant.recipient: recipient} if recipient else {},
        )  # fmt: skip
    raise InvalidInput("This consent has ended, or was never recorded. There is nothing to renew.")


def _terms(
    patient: Patient, grant: Grant, before: Form, after: Form | None, newer: Mapping[str, str]
) -> tuple[ChangedTerms, ...]:
    found = []
    for channel in grant.channels:
        named, now = before.terms_of(channel), after.terms_of(channel) if after else None
        name = now.terms if now else None if after else newer.get(channel)
        if named is None or name is None or name == named.terms:
            continue
        terms = ChangedTerms(channel, patient.terms_named(named.terms), patient.terms_named(hash32(name, "newTerms")))
        if after is None and terms.after.issuer != terms.before.issuer:
            raise InvalidInput("The new terms are not from who made the old ones. Ask your institution.")
        found.append(terms)
    return tuple(found)


def propose(patient: Patient, changed: ChangedConsent, choice: Choice, language: str) -> Grant:
    """The same consent, or less of it, under the new form, as it will be signed.

    Args:
        language: of the sentence; empty for that of the old one.

    Raises:
        InvalidInput: there is no new form, it says nothing of a place, it would not be narrower, or somebody else has
            to sign the same words.
    """
    if changed.after is None:
        raise InvalidInput(
            "There is no new form yet under which you can agree to the same. Ask the institution for one."
        )
    record = patient.record(changed.case)
    made = renewed(changed.grant, changed.after.hash, changed.names, language or "en")
    if record.record.stewards:
        if choice != Choice():
            raise InvalidInput("Somebody else has to agree to the same words, so they can only be taken as they are.")
    elif choice != Choice() or language:
        spoken = language or matches(made, changed.names) or "en"
        (less,) = narrow([made], choice, sorted(record.items), changed.names, spoken)
        made = replace(less, salt=made.salt)  # known as the renewal of the old one by its salt
    for code in made.channels:
        if changed.after.terms_of(code) is None:
            raise InvalidInput(f"The new form says nothing of {code}. Name the places to keep with --channel.")
    return made


def agree(patient: Patient, changed: ChangedConsent, proposed: Grant) -> str:
    """Sign the consent under the new form and send it; returns the relay's id. The old one is left as it is."""
    return patient.agree_to(changed.case, [proposed], _deadline_from(patient, changed.case))


def state_of(patient: Patient, case: Case, grant: Grant) -> str:
    """The state of a consent, as the service sees it now."""
    name, found = struct_hash(grant), own(patient.standings(case), case.subject, int(time.time()))
    return next((state for view, state in found if view["id"] == name), "no_consent")


def _deadline_from(patient: Patient, case: Case) -> int:
    """As an offer would say it: what she took back all at once is known from what she handed in."""
    said = [entry.sent.message for entry in patient.book.handed]
    taken = [m.before for m in said if isinstance(m, RevokeAll) and m.subject == case.subject]
    return max(taken) + LONGEST_CONSENT + 1 if taken else 0
