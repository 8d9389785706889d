"""What is answered, to whom, and what is written down before."""

import json
from dataclasses import replace

import pytest

from ledger.errors import InvalidInput, Unavailable
from ledger.events import Granted, Published, Retracted, Superseded, SuspensionChanged
from ledger.model import Closure, Suspension, to_hash
from ledger.services import evidence
from ledger.services.questions import Asked
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import DAY, phrase

NOWHERE = to_hash(phrase("a record that does not exist"))
CHANGED = to_hash(phrase("other bytes"))


def shape(answer):
    """Everything an asker can see of an answer but its name."""
    return answer.decision


def grant_on_chain(forge, grant):
    """A grant that stands, by consent that the service has on file."""
    forge.consent(grant)
    forge.settle()


# Every reason


def test_permitted_says_until_when_and_what_must_be_done(forge):
    decision = forge.ask().decision
    assert (decision.permitted, str(decision.reason)) == (True, "permitted")
    assert decision.until == forge.world.grant().valid_until
    assert decision.grant == struct_hash(forge.world.grant())
    assert decision.obligations == ("onward:quote", "stop-new-use-when-revoked")


def unlisted(forge):
    forge.chain.emit(SuspensionChanged(0, forge.world.hospital.address, True))


def retracted(forge):
    forge.chain.emit(Retracted(0, forge.world.hospital.address, forge.world.record_hash))


def expired(forge):
    forge.chain.now = forge.world.grant().valid_until - 1
    forge.mine()


def suspended(forge):
    forge.accept(Suspension(forge.world.patient.address, True, forge.chain.now))


def closed(forge):
    forge.accept(Closure(forge.world.patient.address))


def recipient_suspended(forge):
    forge.chain.emit(SuspensionChanged(0, forge.world.journal.address, True))


def superseded(forge):
    forge.chain.emit(Superseded(0, forge.world.hospital.address, forge.world.form.hash, CHANGED, True))


def terms_superseded(forge):
    terms = forge.world.form.channels["journal"]
    forge.chain.emit(Superseded(0, terms.issuer, terms.terms, CHANGED, True))


def form_retracted(forge):
    forge.chain.emit(Retracted(0, forge.world.hospital.address, forge.world.form.hash))


def stale(forge):
    forge.chain.now += 37


def ahead(forge):
    forge.chain.now -= 16


def unreachable(forge):
    forge.chain.faults.unreachable = True


REASONS = {
    "controller_not_listed": (unlisted, {}),
    "record_retracted": (retracted, {}),
    "revoked": (lambda forge: forge.revoke(), {}),
    "expired": (expired, {}),
    "suspended": (suspended, {}),
    "closed": (closed, {}),
    "recipient_suspended": (recipient_suspended, {}),
    "purpose_not_covered": (None, {"purpose": "teaching"}),
    "needs_review": (None, {"purpose": "curiosity"}),
    "channel_not_covered": (None, {"channel": "social:instagram"}),
    "item_not_covered": (None, {"items": ("photo.jpg",)}),
    "content_changed": (None, {"digests": {"narrative.md": CHANGED}}),
    "form_superseded": (superseded, {}),
    "stale_ledger": (stale, {}),
    "ledger_unavailable": (unreachable, {}),
}


@pytest.mark.parametrize("reason", REASONS)
def test_every_denial_says_why_to_the_one_it_concerns(forge, reason):
    change, question = REASONS[reason]
    if change:
        change(forge)
    answer = forge.ask(**question)
    assert (answer.decision.permitted, str(answer.decision.reason)) == (False, reason)
    assert (answer.decision.until, answer.decision.obligations) == (None, ())


@pytest.mark.parametrize("change", [terms_superseded, form_retracted])
def test_terms_and_retractions_end_a_form_too(forge, change):
    change(forge)
    assert forge.reason() == "form_superseded"


def test_a_block_from_the_future_is_not_answered_from(forge):
    ahead(forge)
    assert forge.reason() == "stale_ledger"


def test_an_immaterial_change_of_the_form_ends_nothing(forge):
    forge.chain.emit(Superseded(0, forge.world.hospital.address, forge.world.form.hash, CHANGED, False))
    assert forge.reason() == "permitted"


def test_a_grant_waits_for_its_time(make_forge):
    forge = make_forge(stage="registered")
    grant_on_chain(forge, forge.world.grant(valid_from=forge.chain.now + DAY))
    assert forge.reason() == "not_yet_valid"
    forge.chain.now += DAY
    forge.mine()
    assert forge.reason() == "permitted"


def test_a_grant_counts_when_it_is_deep_enough(make_forge):
    forge = make_forge(stage="registered", confirmations=3)
    forge.consent()
    assert forge.reason() == "no_consent"
    forge.services.relays.pump()
    for _ in range(2):
        forge.mine()
        assert forge.reason() == "awaiting_confirmations"
    forge.mine()
    assert forge.reason() == "permitted"


def test_blocks_of_one_second_do_not_confirm_each_other(make_forge):
    """A devnet may give several blocks the same second; ours never does, so the clock is held by hand."""
    forge = make_forge(stage="registered", confirmations=2)
    forge.consent()
    forge.services.relays.pump()
    forge.chain.mine(seconds=0)
    assert forge.reason() == "awaiting_confirmations"


def test_a_consent_for_the_journal_covers_nobody_else(make_forge):
    forge = make_forge(stage="registered")
    grant_on_chain(forge, forge.world.grant())
    research = forge.world.research
    assert forge.reason(by=research, recipient=research.address) == "no_consent", "not a party to any grant"
    assert forge.reason(by=forge.world.hospital, recipient=research.address) == "recipient_not_covered"


def test_a_consent_that_was_never_recorded_is_no_consent(make_forge):
    forge = make_forge(stage="registered")
    assert forge.reason(by=forge.world.hospital) == "no_consent"
    forge.consent()
    assert forge.reason() == "no_consent"


def test_without_every_steward_further_consent_is_needed(make_forge):
    forge = make_forge(stage="registered", stewards=("mother",))
    forge.consent()
    forge.settle()
    assert forge.reason() == "further_consent_needed"
    forge.consent(by=forge.world.mother)
    forge.settle()
    assert forge.reason() == "permitted"
    forge.accept(Suspension(forge.world.mother.address, True, forge.chain.now), by=forge.world.mother)
    assert forge.reason() == "further_consent_needed"


def test_a_consent_without_its_form_on_file_permits_nothing(forge):
    with forge.store.begin() as tx:
        tx._db.exec_driver_sql("DELETE FROM documents")
    assert forge.reason() == "form_superseded"


# A withdrawal denies at once, and nothing that was permitted is remembered


def test_what_was_permitted_a_moment_ago_is_denied_in_the_same_block(forge):
    head = forge.chain.head()
    assert forge.reason() == "permitted"
    forge.revoke()
    assert forge.reason() == "revoked"
    assert forge.chain.head() == head


def test_a_withdrawal_reaches_only_what_it_names(forge):
    forge.revoke()
    research = forge.world.research
    question = {
        "recipient": research.address,
        "purpose": "DUO:0000006",
        "channel": "",
        "items": ("ct.dcm",),
    }
    assert forge.reason(by=research, **question) == "permitted"


# Strangers


def strangers_questions(forge, record):
    w = forge.world
    return [
        forge.ask(by=w.stranger, record=record),
        forge.ask(by=w.stranger, record=record, recipient=w.stranger.address),
        forge.ask(by=w.stranger, record=record, recipient=w.stranger.address, items=("photo.jpg",)),
        forge.ask(by=w.stranger, record=record, digests={"narrative.md": w.items[0].sha256}),
        forge.ask(by=w.stranger, record=record, purpose="curiosity", channel="nowhere"),
        forge.ask(by=w.research, record=record),  # a party to the record, but not to this question
    ]


STATES = {
    "permitted": lambda forge: None,
    "revoked": lambda forge: forge.revoke(),
    "closed": closed,
    "retracted": retracted,
    "suspended recipient": recipient_suspended,
    "superseded form": superseded,
    "expired": expired,
}


@pytest.mark.parametrize("state", STATES)
def test_a_stranger_cannot_tell_a_record_from_none(forge, state):
    STATES[state](forge)
    forge.mine()
    known = strangers_questions(forge, forge.world.record_hash)
    unknown = strangers_questions(forge, NOWHERE)
    for there, nowhere in zip(known, unknown, strict=True):
        assert shape(there) == shape(nowhere)
        assert str(there.decision.reason) == "no_consent"
        assert there.decision.grant is None


@pytest.mark.parametrize("state", STATES)
def test_a_party_asking_about_no_record_learns_nothing_either(forge, state):
    STATES[state](forge)
    answer = forge.ask(record=NOWHERE)
    assert str(answer.decision.reason) == "no_consent"


def test_the_subject_and_the_hospital_may_ask_for_the_journal(forge):
    w = forge.world
    for asker in (w.patient, w.hospital):
        assert forge.reason(by=asker) == "permitted"
    assert forge.reason(by=w.research) == "no_consent"


def test_a_stranger_with_a_stale_ledger_reads_the_same_as_everybody(forge):
    stale(forge)
    assert forge.reason(by=forge.world.stranger) == forge.reason() == "stale_ledger"
    assert forge.reason(by=forge.world.stranger, record=NOWHERE) == "stale_ledger"


# The log


def test_every_question_is_written_down_with_the_true_reason(forge):
    w = forge.world
    forge.ask()
    forge.ask(by=w.stranger)
    forge.revoke()
    forge.ask()
    forge.ask(by=w.stranger, record=NOWHERE)
    entries = forge.log()
    assert [(entry["asker"], entry["permitted"], entry["reason"]) for entry in entries] == [
        (w.journal.address, True, "permitted"),
        (w.stranger.address, True, "permitted"),
        (w.journal.address, False, "revoked"),
    ]
    assert [entry["index"] for entry in entries] == [0, 1, 2]
    with forge.store.begin() as tx:
        leaves = [json.loads(leaf) for leaf in tx.log_leaves()]
    assert leaves[3]["record"] == NOWHERE
    assert leaves[3]["items"] == []


def test_a_question_nobody_could_answer_is_written_down(forge):
    unreachable(forge)
    answer = forge.ask()
    forge.chain.faults.unreachable = False
    (entry,) = forge.log()
    assert (entry["id"], entry["reason"], entry["permitted"]) == (answer.id, "ledger_unavailable", False)


def test_without_a_log_there_is_no_answer(forge):
    forge.deafen()
    with pytest.raises(Unavailable):
        forge.ask()


def test_the_log_names_no_person_no_file_and_no_content(forge):
    forge.ask(digests={"narrative.md": forge.world.items[0].sha256})
    forge.release()
    with forge.store.begin() as tx:
        text = b"".join(tx.log_leaves()).decode()
    for word in ("narrative", "ct.dcm", "Example", "hospital", forge.world.grant().summary[:20]):
        assert word not in text


# Questions that are not questions


@pytest.mark.parametrize(
    "change",
    [
        {"purpose": "\ud800"},
        {"channel": "\ud800"},
        {"facts": {"country": float("nan")}},
        {"facts": {"country": 2**60}},
        {"items": ("\ud800",)},
        {"purpose": "x" * 5000},
        {"items": tuple(f"item {n}" for n in range(10_000))},
        {"facts": {"country": "x" * 70_000}},
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_what_could_not_be_written_down_is_refused_before_anything_is_looked_up(forge, change, known):
    record = {} if known else {"record": NOWHERE}
    with pytest.raises(InvalidInput):
        forge.ask(**change, **record)
    assert forge.log() == []


def test_an_unknown_channel_is_denied_like_any_other(forge):
    assert forge.reason(channel="social:nowhere") == "channel_not_covered"
    assert forge.reason(by=forge.world.stranger, channel="social:nowhere") == "no_consent"


def test_what_the_asker_declares_is_heard_but_not_who_the_asker_is(forge):
    grant = replace(forge.world.research_grant, purposes=("DUO:0000006", "DUO:0000045"), salt=CHANGED)
    grant = forge.world.grant(**{name: getattr(grant, name) for name in (
        "recipient", "items", "purposes", "channels", "onward", "valid_until", "salt",
    )})  # fmt: skip
    forge.revoke(forge.world.research_grant)
    grant_on_chain(forge, grant)
    research = forge.world.research
    question = {"recipient": research.address, "purpose": "DUO:0000006", "channel": "", "items": ("ct.dcm",)}
    assert forge.reason(by=research, **question) == "needs_review"
    assert forge.reason(by=research, **question, facts={"nonprofit": False}) == "purpose_not_covered"
    assert forge.reason(by=research, **question, facts={"nonprofit": True}) == "permitted"


def test_a_grant_recorded_by_nobody_we_know_is_no_consent(forge):
    """Somebody records a hash under her address; without its opening it says nothing."""
    unopened = forge.world.grant(channels=("social:instagram",))
    patient = forge.world.patient.address
    forge.chain.emit(Granted(0, patient, struct_hash(unopened), patient))
    forge.mine(2)
    assert forge.reason(channel="social:instagram") == "channel_not_covered"


def test_a_published_document_of_somebody_else_does_not_replace_hers(forge):
    journal, form = forge.world.journal.address, forge.world.form.hash
    forge.chain.emit(Published(0, journal, form), Retracted(0, journal, form))
    assert forge.reason() == "permitted"


@pytest.mark.parametrize("known", [True, False])
def test_what_a_stranger_asks_many_times_at_once_is_opened_once(forge, monkeypatch, known):
    """Or the time would tell, asked often enough, whether there is such a record; and everybody else would wait."""
    stranger, opened, real = forge.world.stranger.address, [], evidence.authenticate

    def counted(*arguments):
        opened.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(evidence, "authenticate", counted)
    question = replace(forge.world.question(), **({} if known else {"record": NOWHERE}))
    (answers,) = forge.services.questions.answer([Asked(lambda _: stranger, (question,) * 50)])
    assert [str(answer.decision.reason) for answer in answers] == ["no_consent"] * 50
    assert len(opened) == 1
