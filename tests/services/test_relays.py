"""Nothing that was acknowledged is lost, withdrawals deny at once, and what does not hold is not taken."""

import threading
from dataclasses import replace

import pytest

from ledger.adapters.memory import Faults
from ledger.adapters.store import SqlStore
from ledger.errors import (
    BadSignature,
    Conflict,
    Expired,
    InvalidMessage,
    LedgerUnavailable,
    NotFound,
    Refused,
    UnknownCode,
)
from ledger.events import Delegated, Granted, Revoked, Suspended, SuspensionChanged
from ledger.model import (
    CLOCKS_APART,
    FUTURE,
    LONGEST_CONSENT,
    RIGHT_GRANT,
    RIGHT_REVOKE,
    ZERO_HASH,
    Closure,
    Consent,
    Delegation,
    Revocation,
    RevokeAll,
    Suspension,
    to_hash,
)
from ledger.services import intake as intake_module
from ledger.services import relay as relay_module
from ledger.services.messages import call_of
from ledger.summary import with_summary
from ledger.typed_data import Domain, parse_signature, struct_hash
from scripts.vector_sources.world import CHAIN_ID, DAY, phrase


def status(forge, relay):
    with forge.store.begin() as tx:
        return tx.relay(relay.id)


def waiting(forge):
    with forge.store.begin() as tx:
        return [type(relay.message).__name__ for relay in tx.open_relays()]


def denials(forge, *people):
    with forge.store.begin() as tx:
        return tx.denials([person.address for person in people or (forge.world.patient,)])


def another(forge, name="another", **changes):
    """A grant that was never recorded."""
    return forge.world.grant(salt=to_hash(phrase(name)), **changes)


def names(forge):
    """What the chain recorded from the outbox, in order."""
    return [type(entry.event).__name__ for entry in forge.chain.events_between(3, forge.chain.head().number)]


# Acknowledged is durable


def test_an_acknowledged_message_survives_a_crash_before_it_is_sent(make_forge):
    forge = make_forge(stage="registered")
    relay = forge.consent()
    assert relay.status == "accepted"
    forge.restart()
    forge.settle()
    assert status(forge, relay).status == "final"
    assert forge.reason() == "permitted"


def test_a_prepared_transaction_is_stored_before_it_is_sent(make_forge):
    """Otherwise a crash in between would send another one for the same message."""
    forge = make_forge(stage="registered")
    relay = forge.consent()
    forge.chain.faults.refuse = True
    with pytest.raises(LedgerUnavailable):
        forge.services.relays.pump()
    kept = status(forge, relay)
    assert (kept.status, kept.transaction is not None) == ("sent", True)
    with forge.store.begin() as tx:
        assert [sent.hash for sent in tx.attempts(kept.transaction)] == [kept.transaction]
    forge.chain.faults.refuse = False
    forge.restart()
    forge.settle()
    assert names(forge).count("Granted") == 2, "sent once, as one consent of two grants"


def test_the_states_of_a_relay(make_forge):
    forge = make_forge(stage="registered", confirmations=3)
    relay = forge.consent()
    pump = forge.services.relays.pump
    assert (pump(), status(forge, relay).status) == (1, "sent")
    forge.mine()
    assert (pump(), status(forge, relay).status) == (1, "recorded")
    block = forge.chain.head()
    forge.mine()
    assert (pump(), status(forge, relay).status) == (1, "recorded")
    forge.mine()
    assert (pump(), status(forge, relay).status) == (0, "final")
    assert (status(forge, relay).block_number, status(forge, relay).block_hash) == (block.number, block.hash)
    assert pump() == 0


def test_the_node_is_asked_nothing_about_consents_that_only_wait_for_more_blocks(make_forge, monkeypatch):
    """Of hundreds a second there are thousands, and a withdrawal must not wait for a look at each."""
    forge = make_forge(stage="registered", confirmations=4)
    relay, asked = forge.consent(), []
    pump, receipt = forge.services.relays.pump, forge.chain.receipt
    pump(), forge.mine(), pump()
    monkeypatch.setattr(forge.chain, "receipt", lambda name: asked.append(name) or receipt(name))
    for _ in range(2):
        forge.mine()
        assert pump() == 1
    assert (asked, status(forge, relay).status) == ([], "recorded")
    forge.mine()
    assert pump() == 0
    assert (asked, status(forge, relay).status) == ([status(forge, relay).transaction], "final")


def test_a_consent_whose_block_is_replaced_is_brought_there_again_long_before_it_would_be_final(make_forge):
    forge = make_forge(stage="registered", confirmations=4)
    relay = forge.consent()
    forge.services.relays.pump(), forge.mine(), forge.services.relays.pump()
    assert status(forge, relay).status == "recorded"
    forge.reason()
    forge.chain.reorganise(1)
    forge.mine()
    forge.reason()
    forge.services.relays.pump()
    assert status(forge, relay).status == "sent"
    forge.settle()
    assert status(forge, relay).status == "final"
    assert names(forge) == ["Granted"] * 2, "its two grants, once"


def test_the_same_message_twice_is_one_relay_and_one_transaction(make_forge):
    forge = make_forge(stage="registered")
    consent = forge.consent_to()
    assert forge.accept(consent).id == forge.accept(consent).id
    forge.settle()
    assert forge.accept(consent).status == "final"
    forge.settle()
    assert names(forge) == ["Granted", "Granted"]


def test_withdrawals_go_before_grants(make_forge):
    forge = make_forge(stage="registered")
    forge.consent()
    forge.revoke(forge.world.research_grant)
    forge.accept(Suspension(forge.world.patient.address, True, forge.chain.now))
    assert waiting(forge) == ["Revocation", "Suspension", "Consent"]
    forge.settle()
    assert names(forge) == ["Revoked", "Suspended"], "the consent came after both and was refused"


def test_a_withdrawal_of_a_consent_on_its_way_keeps_it_from_ever_standing(make_forge):
    forge = make_forge(stage="registered")
    relay = forge.consent()
    forge.revoke(*forge.grants())
    forge.settle()
    assert status(forge, relay).problem == "AlreadyRevoked"
    assert forge.reason() == "revoked"


# Taken in together


def taken(forge, *consents, by=None):
    """What became of consents that were handed in together."""
    key = by or forge.world.patient
    return forge.services.intake.take([(one, one.subject, forge.signature(one, key)) for one in consents])


def test_of_consents_that_come_together_each_is_taken_or_refused_by_itself(make_forge):
    forge = make_forge(stage="registered")
    good, other = (forge.consent_to(another(forge, name)) for name in ("one", "other"))
    late = forge.consent_to(another(forge, "late"), deadline=-1)
    first, refused, second = taken(forge, good, late, other)
    assert isinstance(refused, Expired)
    assert {status(forge, relay).status for relay in (first, second)} == {"accepted"}
    assert waiting(forge) == ["Consent", "Consent"]
    assert taken(forge, forge.consent_to(another(forge, "forged")), by=forge.world.stranger) == [None], (
        "code may say so"
    )
    assert waiting(forge) == ["Consent", "Consent"]


def test_a_defect_in_one_of_them_is_not_the_others_problem(make_forge, monkeypatch):
    forge = make_forge(stage="registered")
    check, broken = intake_module.check_consent, forge.consent_to(another(forge, "broken"))

    def breaks(tx, consent, *others):
        if consent == broken:
            raise ZeroDivisionError
        return check(tx, consent, *others)

    monkeypatch.setattr(intake_module, "check_consent", breaks)
    first, defect, second = taken(
        forge, forge.consent_to(another(forge, "one")), broken, forge.consent_to(another(forge, "other"))
    )
    assert isinstance(defect, ZeroDivisionError)
    assert {status(forge, relay).status for relay in (first, second)} == {"accepted"}


def test_a_node_that_does_not_answer_is_asked_once_for_all_of_them(make_forge):
    forge = make_forge(stage="registered")
    forge.chain.faults.unreachable = True
    asked, forge.chain.with_code = [], lambda whom: asked.append(whom) or unanswered()
    consents = [forge.consent_to(another(forge, f"grant {number}")) for number in range(3)]
    assert all(isinstance(one, LedgerUnavailable) for one in taken(forge, *consents))
    assert len(asked) == 1
    assert waiting(forge) == []


def unanswered():
    raise LedgerUnavailable("silence")


# Sent together


def consents(forge, count):
    """Consents that were accepted, a grant each, none of them sent."""
    return [forge.consent(another(forge, f"grant {number}")) for number in range(count)]


def transactions(forge, relays):
    return {status(forge, relay).transaction for relay in relays}


def test_consents_that_wait_together_go_in_one_transaction(make_forge):
    forge = make_forge(stage="registered")
    relays = consents(forge, 5)
    assert forge.services.relays.pump() == 5
    assert len(transactions(forge, relays)) == 1
    forge.settle()
    assert {status(forge, relay).status for relay in relays} == {"final"}
    assert names(forge) == ["Granted"] * 5


def test_a_consent_that_does_not_hold_sinks_no_other(make_forge):
    forge = make_forge(stage="registered")
    first = consents(forge, 2)
    late = forge.accept(forge.consent_to(another(forge, "late"), deadline=20))
    last = [forge.consent(another(forge, f"after {number}")) for number in range(2)]
    forge.chain.now += 30
    forge.settle()
    assert (status(forge, late).status, status(forge, late).problem) == ("failed", "DeadlinePassed")
    assert {status(forge, relay).status for relay in (*first, *last)} == {"final"}
    assert names(forge) == ["Granted"] * 4


def test_a_transaction_holds_no_more_grants_than_fit(make_forge, monkeypatch):
    monkeypatch.setattr(relay_module, "BATCH", 2)
    forge = make_forge(stage="registered")
    relays = [*consents(forge, 3), forge.consent(*(another(forge, f"one of three, {n}") for n in range(3)))]
    forge.services.relays.pump()
    assert [len(transactions(forge, some)) for some in (relays[:2], relays[2:3], relays[3:], relays)] == [1, 1, 1, 3]


def test_consents_sent_together_are_stored_before_they_are_sent(make_forge):
    forge = make_forge(stage="registered")
    relays = consents(forge, 3)
    forge.chain.faults.refuse = True
    with pytest.raises(LedgerUnavailable):
        forge.services.relays.pump()
    assert {status(forge, relay).status for relay in relays} == {"sent"}
    forge.chain.faults.refuse = False
    forge.restart()
    forge.settle()
    assert names(forge) == ["Granted"] * 3, "each once"


def test_a_reorganisation_takes_consents_away_together_and_they_come_back(make_forge):
    forge = make_forge(stage="registered")
    relays = consents(forge, 3)
    forge.settle()
    forge.chain.reorganise(4)
    assert forge.reason() == "no_consent"
    forge.settle()
    assert {status(forge, relay).status for relay in relays} == {"final"}
    assert names(forge) == ["Granted"] * 3


def test_a_withdrawal_is_sent_before_consents_that_wait_together(make_forge):
    forge = make_forge(stage="registered")
    consents(forge, 3)
    forge.revoke(another(forge, "grant 1"))
    forge.settle()
    assert names(forge) == ["Revoked", "Granted", "Granted"], "and the consent it was of never stands"


def test_whoever_pumps_is_told_that_something_waits(make_forge):
    forge = make_forge(stage="registered")
    waiting = forge.services.intake.waiting
    assert not waiting.is_set()
    with pytest.raises(BadSignature):
        forge.accept(forge.consent_to(), by=forge.world.journal, signer=forge.world.patient)
    assert not waiting.is_set(), "nothing was accepted"
    forge.consent()
    assert waiting.is_set()


# On the way


def test_a_dropped_transaction_is_sent_again(make_forge):
    forge = make_forge(stage="registered")
    relay = forge.consent()
    forge.services.relays.pump()
    transaction = status(forge, relay).transaction
    assert forge.chain.drop_pending() == 1
    forge.settle()
    assert status(forge, relay).status == "final"
    assert status(forge, relay).transaction == transaction, "the very same one: it cannot be mined twice"


def test_a_transaction_whose_nonce_was_used_up_is_replaced(make_forge):
    forge = make_forge(stage="registered")
    relay = forge.consent()
    forge.services.relays.pump()
    transaction = status(forge, relay).transaction
    forge.chain.drop_pending()
    revocation = forge.revoke(another(forge))  # goes first, and takes the nonce
    forge.services.relays.pump()
    forge.settle()
    assert status(forge, revocation).status == status(forge, relay).status == "final"
    assert status(forge, relay).transaction != transaction


def test_a_transaction_that_fails_in_its_block_says_why(make_forge):
    forge = make_forge(stage="registered")
    relay = forge.consent()
    forge.services.relays.pump()
    patient = forge.world.patient.address
    forge.chain.emit(Suspended(0, patient, True, forge.chain.now, patient))  # she was quicker than the relayer
    forge.services.relays.pump()
    assert (status(forge, relay).status, status(forge, relay).problem) == ("failed", "SubjectSuspended")


def test_a_consent_that_waited_too_long_fails(make_forge):
    forge = make_forge(stage="registered")
    relay = forge.consent()
    forge.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable):
        forge.services.relays.pump()
    forge.chain.faults = Faults()
    forge.chain.now += 1000
    forge.recover()
    forge.settle()
    assert (status(forge, relay).status, status(forge, relay).problem) == ("failed", "DeadlinePassed")
    assert forge.reason() == "no_consent"


def test_a_consent_somebody_else_recorded_is_final(make_forge):
    forge = make_forge(stage="registered")
    relay, patient = forge.consent(), forge.world.patient.address
    forge.chain.emit(*(Granted(0, patient, struct_hash(grant), patient) for grant in forge.grants()))
    forge.settle()
    assert status(forge, relay).status == "final"
    assert names(forge) == ["Granted", "Granted"]


def test_a_consent_that_is_only_partly_recorded_is_not_called_final(make_forge):
    """She agreed to one grant before, and now to it and another: the contract refuses the second consent."""
    forge = make_forge(stage="registered")
    forge.consent(forge.world.grant())
    forge.settle()
    relay = forge.consent(*forge.grants())
    forge.settle()
    assert (status(forge, relay).status, status(forge, relay).problem) == ("failed", "AlreadyGranted")


def test_a_recorded_consent_whose_block_is_replaced_unseen_is_sent_again(make_forge):
    """Nobody asked anything while the block was there, so only the outbox knew of it."""
    forge = make_forge(stage="registered")
    relay = forge.consent()
    forge.settle()
    assert status(forge, relay).status == "final"
    forge.chain.reorganise(4)
    assert forge.reason() == "no_consent"
    forge.settle()
    assert status(forge, relay).status == "final"
    assert forge.reason() == "permitted"


def test_one_message_that_does_not_get_through_does_not_hold_up_the_others(make_forge):
    forge = make_forge(stage="registered")
    first, second = forge.revoke(another(forge, "first")), forge.revoke(another(forge, "second"))
    simulate = forge.chain.simulate

    def troubled(call, gas=None):
        if call.arguments[1] == [bytes.fromhex(struct_hash(first.message.grants[0])[2:])]:
            raise LedgerUnavailable("The node chokes on this one.")
        return simulate(call, gas)

    forge.chain.simulate = troubled
    with pytest.raises(LedgerUnavailable, match="chokes"):
        forge.services.relays.pump()
    assert (status(forge, first).status, status(forge, second).status) == ("accepted", "sent")


def test_a_suspension_ahead_of_an_idle_chain_waits_for_it(forge):
    """No block for a while: the contract finds the suspension too far ahead, but only for now."""
    clock = forge.chain.now
    forge.chain.now += 700
    relay = forge.accept(Suspension(forge.world.patient.address, True, forge.chain.now + 800))
    forge.chain.now = clock  # the node's clock
    forge.services.relays.pump()
    assert status(forge, relay).status == "accepted"
    forge.chain.now = clock + 700
    forge.settle()
    assert status(forge, relay).status == "final"


def test_withdrawals_are_sent_also_while_the_gate_is_closed(forge):
    forge.mine(2)
    assert forge.reason() == "permitted"
    forge.chain.regress(1)
    assert forge.reason() == "ledger_unavailable"
    relay = forge.revoke()
    forge.services.relays.pump()
    forge.mine()
    forge.services.relays.pump()
    assert status(forge, relay).status == "recorded", "on the chain, but not called final before somebody looks"


# Withdrawals are taken


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (lambda p, now, grant: Revocation(p, (grant,)), "revoked"),
        (lambda p, now, grant: RevokeAll(p, now), "revoked"),
        (lambda p, now, grant: RevokeAll(p, now + 10**6), "revoked"),
        (lambda p, now, grant: Suspension(p, True, now), "suspended"),
        (lambda p, now, grant: Closure(p), "closed"),
    ],
)
def test_a_withdrawal_denies_before_it_is_mined_and_with_the_chain_down(forge, message, reason):
    assert forge.reason() == "permitted"
    forge.chain.faults.unreachable = True
    forge.accept(message(forge.world.patient.address, forge.chain.now, forge.world.grant()))
    forge.chain.faults.unreachable = False
    assert forge.reason() == reason
    forge.restart()
    assert forge.reason() == reason
    assert forge.refusal(forge.release) == reason


def test_a_revocation_is_taken_while_a_question_waits_for_a_slow_node(forge):
    """A node that hangs must not keep a patient waiting."""
    forge.mine()
    proof, hanging, answered = forge.chain.proof, threading.Event(), threading.Event()

    def slow(*arguments):
        hanging.set()
        answered.wait(120)
        return proof(*arguments)

    forge.chain.proof = slow
    reasons = []
    question = threading.Thread(target=lambda: reasons.append(forge.reason()))
    question.start()
    assert hanging.wait(10)
    taken = threading.Thread(target=forge.revoke)
    taken.start()
    taken.join(60)
    on_time = not taken.is_alive()
    answered.set()
    question.join(10)
    taken.join(10)
    assert on_time, "the revocation had to wait for the node"
    assert reasons == ["revoked"], "the question was answered after it, so it was denied"


def test_revoking_everything_spares_what_is_granted_afterwards(forge):
    forge.accept(RevokeAll(forge.world.patient.address, forge.chain.now))
    forge.settle()
    consent_anew(forge)
    assert forge.reason() == "permitted"


def test_a_future_revoke_all_does_not_reach_into_the_future(forge):
    forge.accept(RevokeAll(forge.world.patient.address, forge.chain.now + 10**6))
    forge.settle()
    assert forge.reason() == "revoked"
    consent_anew(forge)
    assert forge.reason() == "permitted"


def consent_anew(forge):
    """With a deadline that says she gave it after she took everything back."""
    patient = forge.world.patient.address
    deadline = forge.services.intake.deadline_from(patient)
    forge.accept(Consent(patient, (another(forge),), deadline))
    forge.settle()


def test_what_counts_as_given_before_everything_was_revoked_is_refused(forge):
    patient = forge.world.patient.address
    forge.accept(RevokeAll(patient, forge.chain.now))
    earliest = forge.services.intake.deadline_from(patient)
    with pytest.raises(Conflict, match=str(earliest)):
        forge.accept(Consent(patient, (another(forge),), earliest - 1))
    assert waiting(forge) == ["RevokeAll"]


def test_a_consent_on_its_way_ends_with_everything_else(forge):
    """It may be recorded before the withdrawal is, and so after the instant that names."""
    forge.consent(another(forge))
    forge.accept(RevokeAll(forge.world.patient.address, forge.chain.now))
    granted = struct_hash(another(forge))
    assert ("revoked", forge.world.patient.address, granted) in denials(forge)
    forge.settle()
    assert forge.reason() == "revoked"


def test_a_consent_that_failed_and_could_be_recorded_by_anybody_ends_with_everything_else(make_forge):
    """Refused on chain while she paused; her word is good again afterwards, and whoever holds it may send it."""
    forge = make_forge(stage="registered")
    w = forge.world
    forge.consent()
    forge.chain.emit(Suspended(0, w.patient.address, True, forge.chain.now, w.patient.address))
    forge.settle()
    assert waiting(forge) == []
    forge.chain.now += 10
    forge.accept(Suspension(w.patient.address, False, forge.chain.now))
    forge.settle()
    forge.accept(RevokeAll(w.patient.address, forge.chain.now + FUTURE))
    forge.mine()
    forge.chain.emit(
        *(Granted(0, w.patient.address, struct_hash(grant), w.patient.address) for grant in forge.grants())
    )
    forge.mine(forge.confirmations + 2)
    assert forge.reason() == "revoked"


def test_a_consent_dated_by_a_fast_clock_ends_with_everything_that_is_taken_back_after_it(make_forge):
    forge = make_forge(stage="registered")
    forge.accept(forge.consent_to(deadline=LONGEST_CONSENT + CLOCKS_APART))
    forge.accept(RevokeAll(forge.world.patient.address, forge.chain.now + FUTURE))
    forge.settle()
    forge.chain.now += 2 * CLOCKS_APART
    forge.settle()
    assert forge.reason() == "revoked"
    assert waiting(forge) == []


def test_taking_everything_back_reaches_what_a_chain_with_a_faster_clock_has_recorded(forge):
    """The moment is cut to now, but the chain's now, if that is later."""
    patient = forge.world.patient.address
    recorded = forge.chain.head().timestamp
    forge.services.intake._clock = lambda: recorded - 5
    forge.accept(RevokeAll(patient, recorded + FUTURE))
    assert forge.reason() == "revoked"


def test_a_deadline_too_far_ahead_is_refused(forge):
    with pytest.raises(InvalidMessage, match="30 days"):
        forge.accept(forge.consent_to(another(forge), deadline=LONGEST_CONSENT + CLOCKS_APART + 1))


def test_a_consent_from_a_fast_clock_waits_until_the_chain_takes_it(forge):
    forge.accept(forge.consent_to(another(forge), deadline=LONGEST_CONSENT + 60))
    forge.settle()
    assert waiting(forge) == ["Consent"]
    forge.chain.mine(seconds=60)
    forge.settle()
    assert waiting(forge) == []


def test_a_pause_ends_when_she_says_so(forge):
    patient = forge.world.patient.address
    forge.accept(Suspension(patient, True, forge.chain.now))
    forge.settle()
    assert forge.reason() == "suspended"
    forge.accept(Suspension(patient, False, forge.chain.now))
    assert forge.reason() == "suspended", "resuming counts when it is recorded"
    forge.settle()
    assert forge.reason() == "permitted"


def test_a_grant_that_was_never_recorded_can_be_revoked(forge):
    """Her consent was withheld by whoever should have relayed it; it must not turn up later."""
    withheld = another(forge)
    consent = forge.consent_to(withheld)
    forge.revoke(withheld)
    forge.settle()
    with pytest.raises(Conflict):
        forge.accept(consent)
    call = call_of(consent, consent.subject, forge.signature(consent, forge.world.patient))
    assert forge.chain.simulate(call) == "AlreadyRevoked"


@pytest.mark.parametrize(
    ("suspended", "ahead", "said"), [(True, FUTURE, "15 minutes"), (False, CLOCKS_APART, "a minute")]
)
def test_a_pause_too_far_in_the_future_is_refused(forge, suspended, ahead, said):
    """What widens is held until its time comes; it must not undo a withdrawal that was signed in the meantime."""
    patient = forge.world.patient.address
    with pytest.raises(InvalidMessage, match=said):
        forge.accept(Suspension(patient, suspended, forge.chain.now + ahead + 1))
    assert denials(forge) == []
    assert forge.accept(Suspension(patient, suspended, forge.chain.now + ahead)).status == "accepted"


# Who may sign


def stranger_messages(forge):
    patient, now = forge.world.patient.address, forge.chain.now
    return [
        forge.consent_to(another(forge)),
        Revocation(patient, (forge.world.grant(),)),
        RevokeAll(patient, now),
        Suspension(patient, True, now),
        Suspension(patient, False, now),
        Closure(patient),
        Delegation(patient, forge.world.mother.address, 3, now + DAY, now),
    ]


@pytest.mark.parametrize("position", range(7))
def test_a_stranger_can_neither_sign_nor_pass_for_her(forge, position):
    message = stranger_messages(forge)[position]
    for signer in (forge.world.patient, forge.world.stranger):
        with pytest.raises(BadSignature):
            forge.accept(message, by=forge.world.stranger, signer=signer)
    assert denials(forge, forge.world.patient, forge.world.stranger) == []
    assert waiting(forge) == []
    assert forge.reason() == "permitted"


def test_a_signature_for_another_ledger_is_worth_nothing(forge):
    message, patient = Revocation(forge.world.patient.address, (forge.world.grant(),)), forge.world.patient
    for domain in (Domain(1, forge.domain.registry), Domain(CHAIN_ID, forge.world.hospital.address)):
        with pytest.raises(BadSignature):
            forge.services.intake.accept(message, patient.address, parse_signature(patient.sign_typed(domain, message)))
    assert denials(forge) == []


def test_somebody_may_withdraw_only_for_himself(forge):
    """A revocation of her grant under his own pseudonym is valid, and touches nothing of hers."""
    w = forge.world
    forge.claim(forge.invite(), by=w.stranger)
    forge.accept(Revocation(w.stranger.address, (w.grant(),)), by=w.stranger)
    forge.accept(Closure(w.stranger.address), by=w.stranger)
    forge.settle()
    assert forge.reason() == "permitted"


@pytest.mark.parametrize("reachable", [True, False])
def test_nobody_spends_the_relayers_gas_on_keys_he_made_up(forge, reachable):
    w = forge.world
    forge.reason()
    forge.chain.faults.unreachable = not reachable
    for message in (Revocation(w.stranger.address, (w.grant(),)), Closure(w.stranger.address)):
        with pytest.raises(NotFound, match="Nothing is known"):
            forge.accept(message, by=w.stranger)
    assert denials(forge) == []
    with forge.store.begin() as tx:
        assert tx.open_relays() == []


def test_a_subject_known_only_from_the_chain_is_relayed(make_forge):
    """Any second relayer works: it has no record of hers, but the ledger has."""
    forge = make_forge()
    w = forge.world
    forge.restart(SqlStore("sqlite://"))
    forge.accept(Revocation(w.patient.address, (w.grant(),)))
    forge.settle()
    assert forge.chain.state.entry(w.patient.address, struct_hash(w.grant())).revoked_at


def test_without_any_view_of_the_chain_a_withdrawal_is_believed(make_forge):
    forge = make_forge()
    w = forge.world
    forge.restart(SqlStore("sqlite://"))
    forge.chain.faults.unreachable = True
    assert forge.accept(Revocation(w.patient.address, (w.grant(),))).status == "accepted"


def delegate(forge, rights, until=DAY):
    w = forge.world
    forge.accept(Delegation(w.patient.address, w.mother.address, rights, forge.chain.now + until, forge.chain.now))
    forge.settle()


def test_a_delegate_may_do_what_she_was_given(forge):
    w = forge.world
    revocation = Revocation(w.patient.address, (w.grant(),))
    consent = forge.consent_to(another(forge))
    with pytest.raises(BadSignature, match="may not"):
        forge.accept(revocation, by=w.mother)
    delegate(forge, RIGHT_GRANT)
    with pytest.raises(BadSignature, match="may not"):
        forge.accept(revocation, by=w.mother)
    assert forge.reason() == "permitted"
    forge.accept(consent, by=w.mother)
    forge.chain.now += 1
    delegate(forge, RIGHT_REVOKE)
    with pytest.raises(BadSignature, match="may not"):
        forge.accept(forge.consent_to(another(forge, "more")), by=w.mother)
    forge.accept(revocation, by=w.mother)
    forge.settle()
    entry = forge.chain.state.entry(w.patient.address, struct_hash(w.grant()))
    assert entry.revoked_at
    revoked = [e.event for e in forge.chain.events_between(0, 99) if isinstance(e.event, Revoked)]
    assert [event.signer for event in revoked] == [w.mother.address]


def test_a_delegation_ends(forge):
    w = forge.world
    delegate(forge, RIGHT_REVOKE | RIGHT_GRANT, until=100)
    forge.chain.now += 100
    forge.mine()
    with pytest.raises(BadSignature, match="may not"):
        forge.accept(Revocation(w.patient.address, (w.grant(),)), by=w.mother)


def test_a_delegate_cannot_appoint_another(forge):
    w = forge.world
    delegate(forge, RIGHT_REVOKE | RIGHT_GRANT)
    onward = Delegation(w.patient.address, w.stranger.address, 3, forge.chain.now + DAY, forge.chain.now)
    with pytest.raises(BadSignature):
        forge.accept(onward, by=w.mother)


def test_a_delegate_who_was_seen_before_may_withdraw_while_the_chain_is_out_of_reach(forge):
    w = forge.world
    delegate(forge, RIGHT_REVOKE)
    forge.reason()
    forge.chain.faults.unreachable = True
    forge.accept(Revocation(w.patient.address, (w.grant(),)), by=w.mother)
    assert ("revoked", w.patient.address, struct_hash(w.grant())) in denials(forge)


def test_a_delegate_whose_right_was_taken_away_does_not_get_there_first(forge):
    """Nobody has asked anything since, so the service has not seen it yet; what is denied stays denied."""
    w = forge.world
    delegate(forge, RIGHT_REVOKE)
    forge.reason()
    forge.chain.emit(Delegated(0, w.patient.address, w.mother.address, 0, 0, forge.chain.now))
    with pytest.raises(BadSignature, match="may not"):
        forge.accept(Revocation(w.patient.address, (w.grant(),)), by=w.mother)
    assert forge.reason() == "permitted"


def test_a_delegate_nobody_has_seen_waits_for_the_chain(forge):
    w = forge.world
    forge.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable):
        forge.accept(Revocation(w.patient.address, (w.grant(),)), by=w.mother)
    assert denials(forge) == []


def test_a_suspension_that_would_change_nothing_is_not_accepted_in_vain(forge):
    w, now = forge.world, forge.chain.now
    forge.accept(Suspension(w.patient.address, False, now))
    forge.settle()
    assert forge.reason() == "permitted"
    with pytest.raises(Conflict, match=str(now)):
        forge.accept(Suspension(w.patient.address, True, now - 5))
    forge.accept(Suspension(w.patient.address, True, now))
    assert forge.reason() == "suspended"


def test_a_resume_in_the_second_of_a_pause_is_refused_rather_than_lost(forge):
    """At one instant the pause counts, so the contract would refuse the resume after it was acknowledged."""
    w, now = forge.world, forge.chain.now
    forge.accept(Suspension(w.patient.address, True, now))
    with pytest.raises(Conflict, match=str(now + 1)):
        forge.accept(Suspension(w.patient.address, False, now))
    assert waiting(forge) == ["Suspension"]
    forge.accept(Suspension(w.patient.address, False, now + 1))
    forge.settle()
    assert forge.reason() == "permitted"


def test_rights_in_the_second_in_which_they_were_taken_are_refused_rather_than_lost(forge):
    w, now = forge.world, forge.chain.now
    end = Delegation(w.patient.address, w.mother.address, 0, 0, now)
    forge.accept(end)
    for state in ("waiting", "recorded"):
        with pytest.raises(Conflict, match=str(now + 1)):
            forge.accept(Delegation(w.patient.address, w.mother.address, 1, now + DAY, now))
        assert state == "recorded" or waiting(forge) == ["Delegation"]
        forge.settle()
    forge.accept(Delegation(w.patient.address, w.mother.address, 1, now + DAY, now + 1))
    assert forge.accept(end).status == "final", "handed in again, it is answered as the first time"
    other = Delegation(w.patient.address, w.stranger.address, 1, now + DAY, now)
    assert forge.accept(other), "another delegate has a time of its own"


@pytest.mark.parametrize(("rights", "ahead", "said"), [(0, FUTURE, "15 minutes"), (1, CLOCKS_APART, "a minute")])
def test_a_delegation_too_far_in_the_future_is_refused(forge, rights, ahead, said):
    w, now = forge.world, forge.chain.now
    with pytest.raises(InvalidMessage, match=said):
        forge.accept(Delegation(w.patient.address, w.mother.address, rights, now + DAY, now + ahead + 1))
    assert forge.accept(Delegation(w.patient.address, w.mother.address, rights, now + DAY, now + ahead))


# What a consent says must hold


def refused(forge, grant, kind, match):
    with pytest.raises(kind, match=match):
        forge.accept(forge.consent_to(grant))
    with forge.store.begin() as tx:
        assert tx.grant(struct_hash(grant)) is None, "nothing is kept of what was refused"
    assert waiting(forge) == []


def test_a_summary_that_says_something_else_is_refused(forge):
    grant = another(forge)
    told = replace(grant, summary=grant.summary.replace("Example Journal", "Somebody Nice"))
    refused(forge, told, InvalidMessage, r"grants\[0\]\.summary")
    refused(forge, replace(grant, summary=""), InvalidMessage, "summary")


def test_a_summary_under_another_name_than_the_directorys_is_refused(forge):
    w = forge.world
    grant = replace(another(forge), summary="")
    told = with_summary(grant, {**w.names, w.journal.address: "Another Journal"}, "en")
    refused(forge, told, InvalidMessage, "summary")


def test_an_unknown_item_is_named_with_the_known_ones(forge):
    grant = replace(another(forge), items=("narrative.md", "x-ray.dcm"))
    refused(forge, grant, InvalidMessage, r"x-ray\.dcm.*narrative\.md, ct\.dcm, photo\.jpg")


def test_an_unknown_purpose_is_answered_with_the_known_ones(forge):
    refused(forge, replace(another(forge), purposes=("curiosity",)), UnknownCode, "case-report")


def test_an_unknown_channel_is_answered_with_the_known_ones(forge):
    refused(forge, replace(another(forge), channels=("social:nowhere",)), UnknownCode, "social:mastodon")


def test_a_channel_without_terms_in_the_form_is_refused(forge):
    refused(forge, replace(another(forge), channels=("social:x",)), UnknownCode, "no terms for social:x")


def test_a_grant_that_has_ended_already_is_refused(forge):
    now = forge.chain.now
    refused(forge, another(forge, valid_from=now - DAY, valid_until=now), InvalidMessage, "passed already")


def test_an_unlisted_recipient_is_refused(forge):
    grant = replace(another(forge), recipient=forge.world.stranger.address)
    refused(forge, grant, InvalidMessage, "not listed")


def test_a_suspended_recipient_is_refused(forge):
    forge.chain.emit(SuspensionChanged(0, forge.world.journal.address, True))
    refused(forge, another(forge), InvalidMessage, "not listed")


def test_an_unknown_form_is_refused(forge):
    refused(forge, replace(another(forge), form=to_hash(phrase("no form"))), InvalidMessage, "form")


def test_a_record_of_somebody_else_does_not_exist(forge):
    consent = forge.consent_to(another(forge), by=forge.world.stranger)
    with pytest.raises(NotFound, match="of this subject"):
        forge.accept(consent, by=forge.world.stranger)
    refused(forge, replace(another(forge), record=ZERO_HASH), NotFound, "of this subject")


def test_a_consent_past_its_deadline_is_refused(forge):
    grant = another(forge)
    with pytest.raises(Expired, match="too long ago"):
        forge.accept(forge.consent_to(grant, deadline=-1))
    assert waiting(forge) == []


def test_a_consent_past_its_deadline_on_the_chains_clock_is_refused(forge):
    consent = forge.consent_to(another(forge), deadline=0)
    forge.mine()
    forge.chain.now -= 1
    with pytest.raises(Expired):
        forge.accept(consent)


def test_a_revoked_grant_never_returns(forge):
    forge.revoke()
    forge.settle()
    with pytest.raises(Conflict, match="never returns"):
        forge.consent()


def test_one_bad_grant_spoils_the_whole_consent(forge):
    good, bad = another(forge, "good"), another(forge, "bad", valid_until=forge.chain.now, valid_from=1)
    with pytest.raises(InvalidMessage, match=r"grants\[1\]\.validUntil"):
        forge.consent(good, bad)
    with forge.store.begin() as tx:
        assert tx.grant(struct_hash(good)) is None


def test_a_consent_is_not_taken_without_the_chain(forge):
    forge.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable):
        forge.consent(another(forge))
    forge.chain.faults.unreachable = False
    forge.settle()
    with forge.store.begin() as tx:
        assert tx.grant(struct_hash(another(forge))) is None


def test_a_closed_subject_grants_nothing_more(forge):
    forge.accept(Closure(forge.world.patient.address))
    with pytest.raises(Conflict, match="ended everything"):  # also before the chain has it
        forge.consent(another(forge))
    forge.settle()
    with pytest.raises(Conflict, match="ended everything"):
        forge.consent(another(forge))
    assert forge.reason() == "closed"


def test_what_was_taken_back_or_is_paused_is_not_taken_to_fail_later(forge):
    """The service knows at once what the contract would say only once it has heard of it."""
    patient, grant = forge.world.patient.address, another(forge)
    forge.accept(Revocation(patient, (grant,)))
    with pytest.raises(Conflict, match="never returns"):
        forge.consent(grant)
    forge.accept(Suspension(patient, True, forge.chain.now))
    with pytest.raises(Conflict, match="paused everything"):
        forge.consent(another(forge, "one more"))
    forge.settle()
    forge.accept(Suspension(patient, False, forge.chain.now))
    forge.settle()
    assert forge.consent(another(forge, "one more")).status == "accepted"


@pytest.mark.parametrize("kind", [Consent, Revocation])
def test_the_malleable_twin_of_a_signature_is_refused(forge, kind):
    grant, w = another(forge), forge.world
    message = forge.consent_to(grant) if kind is Consent else Revocation(w.patient.address, (grant,))
    signature = forge.signature(message, w.patient)
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    twin = signature[:32] + (order - int.from_bytes(signature[32:64])).to_bytes(32) + bytes([55 - signature[64]])
    with pytest.raises(Refused, match="malleable"):
        forge.services.intake.accept(message, w.patient.address, twin)
