"""Consents that are recorded by cohort stand as long as ones recorded by themselves, and not a moment longer."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from json_schema import check
from sqlalchemy import update

from ledger import evidence as evidence_of_record
from ledger.adapters import tables
from ledger.bundles import verify_bundle
from ledger.documents import canonical
from ledger.errors import (
    BadSignature,
    Conflict,
    Expired,
    InvalidInput,
    InvalidMessage,
    InvalidProof,
    LedgerUnavailable,
    NotAuthorised,
    NotFound,
)
from ledger.events import Anchored, Closed, Granted, Revoked, RevokedAll, Suspended
from ledger.evidence import Denials, SignedConsent
from ledger.merkle import CohortTree
from ledger.model import (
    CLOCKS_APART,
    LONGEST_CONSENT,
    RIGHT_GRANT,
    ZERO_HASH,
    Closure,
    Delegation,
    Revocation,
    RevokeAll,
    Suspension,
    to_hash,
)
from ledger.ports import Receipt
from ledger.receipts import verify_receipt
from ledger.services import cohorts
from ledger.services import evidence as evidence_services
from ledger.services.consents import ended
from ledger.state import LedgerState
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import DAY, key, phrase

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def forge(make_forge):
    return make_forge(stage="registered")


def signed(forge, *grants, by=None, signer=None, deadline=900):
    """A consent as a controller hands it in: with its signer and the signature."""
    subject = by or forge.world.patient
    consent = forge.consent_to(*grants or (forge.world.grant(),), by=subject, deadline=deadline)
    return consent, subject.address, forge.signature(consent, signer or subject)


def hand_in(forge, *consents, by=None):
    return forge.services.cohorts.accept((by or forge.world.hospital).address, consents or (signed(forge),))


def found(forge, view):
    return forge.services.cohorts.find(forge.world.hospital.address, view.cohort.root)


def outcomes(forge, view):
    return [(relay.status, relay.problem) for relay in found(forge, view).members]


def recorded(forge, *consents):
    """A cohort that is anchored and confirmed."""
    view = hand_in(forge, *consents)
    forge.settle()
    assert outcomes(forge, view) == [("final", None)] * len(view.members)
    return view


def again(forge, name):
    return forge.world.grant(salt=to_hash(phrase(name)))


def events(forge, kind):
    return [e.event for e in forge.chain.events_between(3, forge.chain.head().number) if isinstance(e.event, kind)]


# Recorded


def test_a_grant_of_a_cohort_is_permitted_when_its_root_is_confirmed(forge):
    view = hand_in(forge)
    assert forge.reason() == "no_consent"
    forge.services.relays.pump()
    forge.mine()
    assert forge.reason() == "awaiting_confirmations"
    forge.settle()
    assert outcomes(forge, view) == [("final", None)]
    assert forge.reason() == "permitted"
    (anchored,) = events(forge, Anchored)
    assert (anchored.root, anchored.size, found(forge, view).anchored_at) == (view.cohort.root, 1, anchored.at)
    assert not events(forge, Granted), "only a root reaches the chain"


def test_keys_are_released_on_it_and_only_with_it(forge):
    assert forge.refusal(forge.release) == "no_consent"
    recorded(forge)
    assert len(forge.release(forge.request(nonce="2")).items) == 2


def test_a_cohort_survives_a_crash_before_it_is_sent(forge):
    view = hand_in(forge)
    forge.restart()
    forge.settle()
    assert outcomes(forge, view) == [("final", None)]
    assert forge.reason() == "permitted"


def test_an_anchoring_is_stored_before_it_is_sent(forge):
    view = hand_in(forge)
    forge.chain.faults.refuse = True
    with pytest.raises(LedgerUnavailable):
        forge.services.relays.pump()
    assert outcomes(forge, view) == [("sent", None)]
    once = sent(forge)
    forge.chain.faults.refuse = False
    forge.restart()
    forge.settle()
    assert (outcomes(forge, view), sent(forge)) == ([("final", None)], once)


def test_a_cohort_that_a_withdrawal_pushed_out_is_looked_at_again_before_it_goes(forge):
    """The withdrawal took its number; it is of somebody in the cohort, who is then left out."""
    view = hand_in(forge, signed(forge), signed(forge, again(forge, "company")))
    forge.services.relays.pump()
    forge.chain.drop_pending()
    forge.revoke()
    forge.settle()
    assert outcomes(forge, view) == [("failed", "AlreadyRevoked"), ("final", None)]
    assert forge.reason() == "permitted"  # by the company
    forge.revoke(again(forge, "company"))
    assert forge.reason() == "revoked"


def test_the_same_cohort_again_is_one_cohort_and_one_transaction(forge):
    consents = signed(forge), signed(forge, again(forge, "second"))
    first = hand_in(forge, *consents)
    assert hand_in(forge, *consents) == first
    forge.settle()
    assert hand_in(forge, *reversed(consents)).members == found(forge, first).members
    forge.chain.now += LONGEST_CONSENT  # too late for any of them to be new
    forge.mine()
    assert hand_in(forge, *consents).cohort == first.cohort
    forge.settle()
    assert len(events(forge, Anchored)) == 1


def test_everybody_in_it_has_a_receipt_for_exactly_what_she_signed(forge):
    view = hand_in(forge, signed(forge), signed(forge, again(forge, "second")))
    for relay in view.members:
        verify_receipt(relay.receipt, forge.services.intake.public_key, forge.domain)
        assert relay.receipt["receipt"]["digest"] == "0x" + forge.domain.digest(relay.message).hex()


def test_withdrawals_go_before_a_cohort(forge):
    hand_in(forge)
    forge.revoke(again(forge, "something else"))
    forge.services.relays.pump()
    with forge.store.begin() as tx:
        sent = tx.transactions(forge.chain.address, 0)
    assert [one.urgent for one in sent][-2:] == [True, False], "by number"


def test_a_root_that_somebody_else_anchored_is_not_sent_again(forge):
    view = hand_in(forge)
    forge.chain.emit(Anchored(0, view.cohort.root, 1))
    forge.settle()
    assert outcomes(forge, view) == [("final", None)]
    assert len(events(forge, Anchored)) == 1
    assert forge.reason() == "permitted"


def sent(forge):
    with forge.store.begin() as tx:
        return [one.hash for one in tx.transactions(forge.chain.address, 0)]


def test_a_root_whose_block_only_the_senders_node_has_seen_is_not_sent_twice(forge):
    view = hand_in(forge)
    forge.services.relays.pump()
    once = sent(forge)
    forge.chain.receipt = lambda _: Receipt(forge.chain.head().number + 1, ZERO_HASH, True)
    forge.services.relays.pump()
    assert sent(forge) == once
    assert outcomes(forge, view) == [("sent", None)]


def test_the_states_of_a_cohort(make_forge):
    forge = make_forge(stage="registered", confirmations=3)
    view = hand_in(forge, signed(forge), signed(forge, again(forge, "second")))
    pump = forge.services.relays.pump
    assert (pump(), outcomes(forge, view)) == (2, [("sent", None)] * 2)
    assert pump() == 2
    forge.mine()
    assert (pump(), outcomes(forge, view)) == (2, [("recorded", None)] * 2)
    block = forge.chain.head()
    forge.mine()
    assert (pump(), outcomes(forge, view)) == (2, [("recorded", None)] * 2)
    forge.mine()
    assert (pump(), outcomes(forge, view)) == (0, [("final", None)] * 2)
    assert {(relay.block_number, relay.block_hash) for relay in found(forge, view).members} == {
        (block.number, block.hash)
    }
    assert (pump(), len(sent(forge))) == (0, 1)


def test_whoever_pumps_is_told_that_a_cohort_waits(forge):
    forge.services.intake.waiting.clear()
    with pytest.raises(InvalidMessage):
        forge.services.cohorts.accept(forge.world.hospital.address, ())
    assert not forge.services.intake.waiting.is_set()
    hand_in(forge)
    assert forge.services.intake.waiting.is_set()


def test_its_recipients_hear_of_it_when_it_is_anchored(forge):
    hand_in(forge)
    journal = forge.world.journal.address
    assert not forge.services.feed.since(journal, None).changes
    forge.settle()
    (change,) = forge.services.feed.since(journal, None).changes
    assert (change.kind, change.grant) == ("granted", struct_hash(forge.world.grant()))
    assert not forge.services.feed.since(forge.world.stranger.address, None).changes


def test_nobody_hears_of_what_was_anchored_too_late(forge):
    hand_in(forge, signed(forge, deadline=20))
    forge.services.relays.pump()
    forge.chain.now += 30
    forge.mine()
    assert not forge.services.feed.since(forge.world.hospital.address, None).changes


def test_every_steward_may_agree_by_cohort(make_forge):
    forge = make_forge(stage="registered", stewards=("mother",))
    recorded(forge, signed(forge))
    assert forge.reason() == "further_consent_needed"
    recorded(forge, signed(forge, by=forge.world.mother))
    assert forge.reason() == "permitted"


# Ended


ENDS = {
    "revoked": lambda f: Revocation(f.world.patient.address, (f.world.grant(),)),
    "revoked, all": lambda f: RevokeAll(f.world.patient.address, f.chain.now),
    "suspended": lambda f: Suspension(f.world.patient.address, True, f.chain.now),
    "closed": lambda f: Closure(f.world.patient.address),
}


@pytest.mark.parametrize("name", ENDS)
def test_what_the_subject_says_ends_it_at_once_and_for_good(forge, name):
    recorded(forge)
    assert forge.reason() == "permitted"
    forge.accept(ENDS[name](forge))
    reason = name.split(",")[0]
    assert forge.reason() == reason, "from the deny list"
    assert forge.refusal(forge.release) == reason
    forge.settle()
    assert forge.reason() == reason, "on chain too"
    forge.chain.reorganise(3)
    assert forge.reason() == reason, "whatever becomes of the block it was in"


@pytest.mark.parametrize("name", ENDS)
def test_what_the_subject_says_before_it_is_anchored_keeps_it_from_standing(forge, name):
    view = hand_in(forge)
    forge.accept(ENDS[name](forge))
    forge.settle()
    ((status, problem),) = outcomes(forge, view)
    assert (status, problem) == (
        "failed",
        {
            "revoked": "AlreadyRevoked",
            "revoked, all": "AlreadyRevoked",
            "suspended": "SubjectSuspended",
            "closed": "SubjectClosed",
        }[name],
    )
    assert not events(forge, Anchored), "nothing in it was left to record"
    forge.chain.emit(Anchored(0, view.cohort.root, 1))  # by somebody else
    forge.mine(3)
    assert forge.reason() != "permitted"


def test_a_pause_that_came_before_the_anchoring_keeps_it_from_standing_after_she_goes_on(forge):
    """As with a consent that is recorded by itself, which the contract would have refused."""
    view = hand_in(forge)
    patient = forge.world.patient.address
    forge.accept(Suspension(patient, True, forge.chain.now))
    forge.settle()
    forge.chain.now += 10
    forge.mine()
    forge.accept(Suspension(patient, False, forge.chain.now))
    forge.settle()
    forge.chain.emit(Anchored(0, view.cohort.root, 1))
    forge.mine(3)
    assert forge.reason() == "no_consent"


def test_what_was_taken_back_on_chain_does_not_come_back_by_another_cohort(forge):
    """The root of the same consent in other company, anchored after everything was taken back."""
    consent = signed(forge)
    recorded(forge, consent)
    forge.chain.emit(RevokedAll(0, forge.world.patient.address, forge.chain.now, forge.world.patient.address))
    forge.mine(3)
    assert forge.reason() == "revoked"
    with pytest.raises(Conflict):
        hand_in(forge, consent, signed(forge, again(forge, "company")))


def test_a_new_word_after_everything_was_taken_back_on_chain_counts(forge):
    patient = forge.world.patient.address
    recorded(forge)
    forge.chain.emit(RevokedAll(0, patient, forge.chain.now, patient))
    forge.mine(3)
    assert forge.reason() == "revoked"
    deadline = forge.services.intake.deadline_from(patient) - forge.chain.now
    with pytest.raises(Conflict, match="taken back"):
        hand_in(forge, signed(forge, deadline=deadline - 1), signed(forge, again(forge, "company"), deadline=deadline))
    forge.chain.now += 15
    forge.mine()
    with pytest.raises(Conflict, match="already"):
        hand_in(forge, signed(forge, deadline=deadline))  # the same root, whose first anchoring came before
    recorded(
        forge, *(signed(forge, grant, deadline=deadline) for grant in (forge.world.grant(), again(forge, "company")))
    )
    assert forge.reason() == "permitted"


def test_a_reorganisation_takes_it_away_and_it_comes_back(forge):
    view = recorded(forge)
    assert forge.reason() == "permitted"
    forge.chain.reorganise(4)
    assert forge.reason() == "no_consent"
    assert forge.refusal(forge.release) == "no_consent"
    forge.settle()
    assert outcomes(forge, view) == [("final", None)]
    assert forge.reason() == "permitted"


def test_a_reorganisation_that_lasts_beyond_the_deadline_ends_it(forge):
    view = recorded(forge)
    forge.chain.reorganise(4)
    assert forge.reason() == "no_consent"
    forge.chain.drop_pending()
    forge.chain.now += 1000
    forge.mine()
    forge.settle()
    assert outcomes(forge, view) == [("failed", "DeadlinePassed")]
    assert forge.reason() == "no_consent"


def test_what_was_taken_back_on_chain_before_the_anchoring_is_not_recorded(forge):
    view, patient = hand_in(forge), forge.world.patient.address
    forge.chain.emit(RevokedAll(0, patient, forge.chain.now, patient))
    forge.settle()
    assert outcomes(forge, view) == [("failed", "RevokedUntil")]
    assert not events(forge, Anchored)


# What the chain says, and what the service was told: either is enough.


def said(forge, *events):
    state = LedgerState.empty(forge.deployment.chain_id, forge.deployment.addresses)
    for event in events:
        state.apply(event)
    return state


def test_either_ends_a_consent_that_is_under_way(forge):
    who, grant, at = forge.world.patient.address, struct_hash(forge.world.grant()), forge.chain.now
    consent = forge.consent_to(forge.world.grant())
    known = {
        "SubjectClosed": (Closed(at, who, who), ("closed", who, "")),
        "SubjectSuspended": (Suspended(at, who, True, at, who), ("suspended", who, str(at))),
        "AlreadyRevoked": (Revoked(at, who, grant, who), ("revoked", who, grant)),
        "RevokedUntil": (RevokedAll(at, who, at, who), ("revoked_before", who, str(at))),
    }
    assert ended(consent, said(forge), Denials()) is None
    for problem, (event, denial) in known.items():
        assert ended(consent, said(forge, event), Denials()) == problem
        assert ended(consent, said(forge), Denials.of([denial])) == problem
    resumed = said(forge, Suspended(at, who, True, at, who), Suspended(at, who, False, at + 1, who))
    assert ended(consent, resumed, Denials.of([("suspended", who, str(at))])) is None


# Not taken


def test_only_the_subjects_own_key_counts(forge):
    aunt, patient = key("aunt"), forge.world.patient.address
    forge.accept(Delegation(patient, aunt.address, RIGHT_GRANT, forge.chain.now + DAY, forge.chain.now))
    forge.settle()
    with pytest.raises(BadSignature, match=r"consents\[0\]"):
        hand_in(forge, signed(forge, signer=forge.world.journal))
    consent = forge.consent_to(forge.world.grant())
    with pytest.raises(BadSignature, match=r"consents\[1\].*own key"):
        hand_in(forge, signed(forge, again(forge, "fine")), (consent, aunt.address, forge.signature(consent, aunt)))
    forge.settle()
    assert not events(forge, Anchored)


def test_only_their_controller_hands_consents_in(forge):
    w = forge.world
    with pytest.raises(NotAuthorised):
        hand_in(forge, by=w.journal)
    other = replace(forge.listings()[0], party=key("other hospital").address)
    forge.chain.emit(other)
    forge.mine()
    with pytest.raises(NotFound):
        hand_in(forge, by=key("other hospital"))
    view = hand_in(forge)
    with pytest.raises(NotFound):
        forge.services.cohorts.find(key("other hospital").address, view.cohort.root)
    with pytest.raises(NotFound):
        hand_in(forge, by=key("other hospital"))


WRONG = {
    "deadline passed": (Expired, lambda f: signed(f, deadline=-1)),
    "deadline too far": (InvalidMessage, lambda f: signed(f, deadline=LONGEST_CONSENT + CLOCKS_APART + 1)),
    "not her record": (NotFound, lambda f: signed(f, by=key("somebody else"))),
    "unknown record": (NotFound, lambda f: signed(f, f.world.grant(record=to_hash(phrase("no record"))))),
    "unknown item": (InvalidMessage, lambda f: signed(f, f.world.grant(items=("other.png",)))),
    "not listed": (InvalidMessage, lambda f: signed(f, replace(f.world.grant(), recipient=f.world.stranger.address))),
    "ended already": (InvalidMessage, lambda f: signed(f, f.world.grant(valid_from=1, valid_until=2))),
    "unknown form": (InvalidMessage, lambda f: signed(f, f.world.grant(form=to_hash(phrase("no form"))))),
    "another summary": (InvalidMessage, lambda f: signed(f, replace(f.world.grant(), summary="Everything."))),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_would_not_be_relayed_by_itself_is_not_taken_and_none_of_its_company(forge, name):
    error, make = WRONG[name]
    with pytest.raises(error, match=r"consents\[1\]"):
        hand_in(forge, signed(forge, again(forge, "company")), make(forge))
    forge.settle()
    assert not events(forge, Anchored)
    with forge.store.begin() as tx:
        assert not tx.grants_of(forge.world.record_hash)
        assert not tx.open_cohorts()


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("settled", [False, True])
def test_what_the_subject_has_ended_is_not_taken(forge, name, settled):
    consent = signed(forge)
    forge.accept(ENDS[name](forge))
    if settled:
        forge.settle()
    with pytest.raises(Conflict):
        hand_in(forge, consent)


def test_what_was_ended_on_chain_only_is_not_taken(forge):
    patient = forge.world.patient.address
    forge.chain.emit(Suspended(0, patient, True, forge.chain.now, patient))
    with pytest.raises(Conflict, match="paused"):
        hand_in(forge)


def test_a_consent_is_recorded_once_by_itself_or_in_one_cohort(forge):
    consent = signed(forge)
    forge.services.intake.accept(*consent)
    with pytest.raises(Conflict, match="handed in before"):
        hand_in(forge, consent)
    forge.settle()
    with pytest.raises(Conflict, match="recorded already"):
        hand_in(forge, signed(forge, deadline=1000))
    other = signed(forge, again(forge, "other"))
    hand_in(forge, other)
    with pytest.raises(Conflict, match=r"consents\[0\].*another cohort"):
        hand_in(forge, other, signed(forge, again(forge, "company")))
    with pytest.raises(Conflict, match="another cohort"):
        hand_in(forge, signed(forge, again(forge, "other"), deadline=1000), signed(forge, again(forge, "company")))
    with pytest.raises(InvalidInput, match="twice"):
        hand_in(forge, *[signed(forge, again(forge, "twice"), deadline=days) for days in (500, 600)])


def test_a_cohort_has_a_size(forge, monkeypatch):
    monkeypatch.setattr(cohorts, "LARGEST", 1)
    with pytest.raises(InvalidMessage, match="consents: must be from 1 to 1"):
        hand_in(forge, signed(forge), signed(forge, again(forge, "one too many")))


def test_a_record_that_is_erased_meanwhile_leaves_nothing(forge, monkeypatch):
    intake = forge.services.intake
    receive = intake.receive

    def erase(*arguments, **options):
        forge.services.erasure.erase(forge.world.record_hash)
        return receive(*arguments, **options)

    monkeypatch.setattr(intake, "receive", erase)
    with pytest.raises(NotFound):
        hand_in(forge)
    with forge.store.begin() as tx:
        assert not tx.grants_of(forge.world.record_hash)


def test_nothing_is_taken_while_the_chain_is_out_of_reach(forge):
    forge.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable):
        hand_in(forge)


# Time


def test_a_consent_given_a_moment_ahead_of_the_chain_is_anchored_when_it_counts(forge):
    """Anchored before it counts as given, its root would be of no use for ever: the first anchoring is the only one."""
    view = hand_in(forge, signed(forge, deadline=LONGEST_CONSENT + CLOCKS_APART))
    forge.services.relays.pump()
    forge.mine()
    forge.services.relays.pump()
    assert outcomes(forge, view) == [("accepted", None)]
    forge.chain.now += CLOCKS_APART
    forge.mine()
    forge.settle()
    assert outcomes(forge, view) == [("final", None)]
    assert forge.reason() == "permitted"


def test_a_root_that_somebody_anchored_too_early_is_of_no_use(forge):
    view = hand_in(forge, signed(forge, deadline=LONGEST_CONSENT + CLOCKS_APART))
    forge.chain.emit(Anchored(0, view.cohort.root, 1))
    forge.mine()
    assert forge.reason() == "no_consent"
    forge.settle()
    assert outcomes(forge, view) == [("failed", "DeadlineTooFar")]
    forge.chain.now += CLOCKS_APART
    forge.mine(3)
    assert forge.reason() == "no_consent"


def test_one_that_waited_too_long_fails_and_sinks_no_other(forge):
    late, kept = signed(forge, deadline=20), signed(forge, again(forge, "kept"))
    view = hand_in(forge, late, kept)
    forge.chain.now += 30
    forge.mine()
    forge.settle()
    assert outcomes(forge, view) == [("failed", "DeadlinePassed"), ("final", None)]
    assert forge.reason() == "permitted"
    forge.revoke(again(forge, "kept"))
    assert forge.reason() != "permitted"


def test_one_anchored_after_its_deadline_never_stands(forge):
    view = hand_in(forge, signed(forge, deadline=20))
    forge.services.relays.pump()
    forge.chain.now += 30
    forge.mine(3)
    assert forge.reason() == "no_consent"
    forge.settle()
    assert outcomes(forge, view) == [("failed", "DeadlinePassed")]


# Forged


def bend(forge, change):
    """Change what the store says of the consent, as who can write to the database might."""
    with forge.store.begin() as tx:
        ((value,),) = tx._db.execute(tables.held.select().with_only_columns(tables.held.c.consent)).all()
        tx._db.execute(update(tables.held).values(consent=change(json.loads(json.dumps(value)))))
    forge.restart()


FORGED = {
    "a proof": lambda v: v | {"cohort": v["cohort"] | {"proof": [to_hash(phrase("sibling"))]}},
    "another root": lambda v: v | {"cohort": v["cohort"] | {"root": to_hash(phrase("root"))}},
    "a later deadline": lambda v: v | {"deadline": v["deadline"] + 1},
    "a signature": lambda v: v | {"signature": v["signature"][:-4] + "001b"},
    "another's key": lambda v: v | {"signer": "0x" + "11" * 20},
    "another subject": lambda v: v | {"subject": "0x" + "11" * 20, "signer": "0x" + "11" * 20},
    "more grants": lambda v: v | {"grantHashes": [*v["grantHashes"], to_hash(phrase("grant"))]},
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_in_the_store_permits_nothing(forge, name):
    recorded(forge)
    bend(forge, FORGED[name])
    with suppress(BadSignature):
        assert forge.reason() == "no_consent"
    assert forge.refusal(forge.release) in ("no_consent", "bad_signature")


def test_a_delegates_signature_is_not_evidence_in_a_cohort(forge):
    aunt, consent = key("aunt"), forge.consent_to(forge.world.grant())
    alone = SignedConsent.of(consent, aunt.address, forge.signature(consent, aunt))
    alone.check(forge.domain)  # recorded by itself, the contract had looked at her rights
    with pytest.raises(BadSignature, match="subject itself"):
        replace(alone, root=struct_hash(forge.world.grant())).check(forge.domain)
    with pytest.raises(InvalidMessage):
        alone.anchor(forge.domain)


@pytest.mark.parametrize("change", [
    {"cohort": None}, {"cohort": {"root": ZERO_HASH}}, {"cohort": {"root": ZERO_HASH, "proof": "x"}}, {"more": 1},
    {"deadline": True}, {"grantHashes": ["0x12"]}, {"cohort": {"root": ZERO_HASH, "proof": [], "more": 1}},
])  # fmt: skip
def test_what_is_stored_is_read_strictly(forge, change):
    consent = forge.consent_to(forge.world.grant())
    value = SignedConsent.of(consent, consent.subject, forge.signature(consent, forge.world.patient)).to_json()
    assert SignedConsent.from_json(value).to_json() == value
    with pytest.raises(InvalidMessage):
        SignedConsent.from_json(value | change)


def test_for_a_stranger_a_record_with_a_cohort_is_as_much_work_as_none(forge, make_forge, monkeypatch):
    """Checking signatures is what takes time."""
    recorded(forge)
    plain = make_forge()
    work = []
    for module in (evidence_of_record, evidence_services):
        monkeypatch.setattr(module, "verify", lambda *arguments, real=module.verify: work.append(1) or real(*arguments))
    done = []
    for place, changes in ((forge, {}), (forge, {"record": to_hash(phrase("none"))}), (plain, {})):
        work.clear()
        assert place.reason(place.world.stranger, recipient=place.world.stranger.address, **changes) == "no_consent"
        done.append(len(work))
    assert done == [2, 2, 2]


def test_a_root_over_her_grant_without_her_signature_is_worth_nothing(forge):
    """Anybody may anchor any root: here one over a grant of hers that she signed nothing for."""
    w = forge.world
    wider = w.grant(salt=to_hash(phrase("wider")), channels=("journal", "social:x"))
    recorded(forge)
    tree = CohortTree.of([(w.patient.address, struct_hash(wider))])
    forge.chain.emit(Anchored(0, tree.root, 1))
    forge.mine(3)
    assert forge.reason(channel="social:x") == "channel_not_covered"


# Many, and evidence


def test_a_few_hundred_subjects_in_one(make_forge):
    """All of them must agree, each by a key of her own, and each can end it."""
    stewards = tuple(f"steward {number}" for number in range(200))
    forge = make_forge(stage="registered", stewards=stewards)
    people = [forge.world.patient, *map(key, stewards)]
    view = recorded(forge, *(signed(forge, by=person) for person in people))
    assert (view.cohort.size, len(events(forge, Anchored))) == (201, 1)
    assert forge.reason() == "permitted"
    last = people[-1]
    forge.accept(Revocation(last.address, (forge.world.grant(),)), by=last)
    assert forge.reason() == "further_consent_needed"


def test_a_permit_by_cohort_is_verified_offline(forge):
    recorded(forge, signed(forge), signed(forge, again(forge, "company")))
    answer = forge.ask()
    data = forge.services.bundling.bundle(forge.world.journal.address, answer.id)
    head = forge.chain.header(answer.decision.moment.number).hash
    found = verify_bundle(data, head, forge.deployment, confirmations=2)
    assert found.decision.permitted
    assert found.signers == {forge.world.patient.address: forge.world.patient.address}
    value = json.loads(data)
    assert check(value, json.loads((DOCS / "bundle.schema.json").read_text())) == []
    (consent,) = value["signatures"]["consents"]
    assert consent["cohort"]["proof"]
    del consent["cohort"]
    with pytest.raises(InvalidProof, match="support"):
        verify_bundle(canonical(value), head, forge.deployment)


def test_an_erased_record_leaves_nothing_of_it(forge):
    view = recorded(forge)
    forge.services.erasure.erase(forge.world.record_hash)
    with forge.store.begin() as tx:
        assert not tx.held_of(forge.world.record_hash)
        assert not tx.members(view.cohort.root)
