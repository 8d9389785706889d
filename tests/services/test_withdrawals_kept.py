"""Found by an attack on the relay: what was taken in is not given up while it can still be recorded, and what was taken
back here is not brought to the chain by ourselves."""

import pytest

from ledger.adapters.store import SqlStore
from ledger.decisions import decide
from ledger.errors import Conflict
from ledger.evidence import Denials
from ledger.model import (
    CLOCKS_APART,
    FUTURE,
    LONGEST_CONSENT,
    RIGHT_GRANT,
    RIGHT_REVOKE,
    Closure,
    Consent,
    Delegation,
    Revocation,
    RevokeAll,
    Suspension,
)
from ledger.services.evidence import gather
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import DAY


def status(forge, relay):
    with forge.store.begin() as tx:
        found = tx.relay(relay.id)
    return found.status, found.problem


def entry(forge, grant):
    return forge.chain.state.entry(forge.world.patient.address, struct_hash(grant))


def delegate(forge, rights, until=DAY):
    w, now = forge.world, forge.chain.now
    return forge.accept(Delegation(w.patient.address, w.mother.address, rights, now + until, now))


def test_a_delegates_withdrawal_waits_for_her_right_to_come_back(forge):
    """A reorganisation took the block that made her a delegate, and for one round the contract refuses her."""
    w = forge.world
    delegate(forge, RIGHT_REVOKE)
    forge.services.relays.pump()
    forge.mine()
    relay = forge.accept(Revocation(w.patient.address, (w.grant(),)), by=w.mother)
    forge.chain.reorganise(1)
    forge.services.relays.pump()
    forge.settle()
    assert status(forge, relay) == ("final", None)
    assert entry(forge, w.grant()).revoked_at


def test_a_withdrawal_that_the_contract_refused_is_tried_again_when_it_is_handed_in_again(forge):
    """Her right ran out on the way, and the patient named her again. A closure is the same message each time."""
    w, now = forge.world, forge.chain.now
    delegate(forge, RIGHT_REVOKE, until=20)
    forge.settle()
    closure = Closure(w.patient.address)
    relay = forge.accept(closure, by=w.mother)
    forge.chain.now = now + 3600
    forge.mine()
    forge.settle()
    assert status(forge, relay) == ("failed", "NotAuthorised"), "not for ever: she may have no right any more"
    delegate(forge, RIGHT_REVOKE)
    forge.settle()
    assert forge.accept(closure, by=w.mother).status == "accepted"
    forge.settle()
    assert status(forge, relay) == ("final", None)
    assert forge.chain.state.subject(w.patient.address).closed


@pytest.mark.parametrize(
    "message",
    [
        lambda w, now: Revocation(w.mother.address, (w.grant(),)),
        lambda w, now: RevokeAll(w.mother.address, now),
        lambda w, now: Suspension(w.mother.address, True, now),
        lambda w, now: Closure(w.mother.address),
    ],
    ids=["revocation", "everything", "pause", "closure"],
)
def test_a_steward_ends_a_consent_that_is_held_back(make_forge, message):
    """She signed, and whoever has it has not handed it in: the service knows her by the record alone."""
    forge = make_forge(stage="registered", stewards=("mother",))
    forge.reason()
    assert forge.accept(message(forge.world, forge.chain.now), by=forge.world.mother).status == "accepted"
    forge.settle()
    forge.consent(forge.world.grant())
    forge.settle()
    assert forge.reason() != "permitted"


def test_a_service_that_knows_a_subject_by_the_chain_alone_takes_her_withdrawals(make_forge):
    forge = make_forge(stage="registered")
    delegate(forge, RIGHT_GRANT)
    forge.settle()
    forge.restart(SqlStore("sqlite://"))
    forge.reason()
    assert forge.accept(Closure(forge.world.patient.address)).status == "accepted"


@pytest.mark.parametrize("ahead", [0, FUTURE])
def test_what_was_taken_back_here_is_not_brought_to_the_chain(make_forge, ahead):
    """The consent waits for the chain's clock; everything is taken back, and recorded, before that has come."""
    forge = make_forge(stage="registered")
    w = forge.world
    consent = forge.accept(forge.consent_to(deadline=LONGEST_CONSENT + CLOCKS_APART))
    forge.accept(RevokeAll(w.patient.address, forge.chain.now + ahead))
    forge.settle()
    forge.chain.now += CLOCKS_APART
    forge.mine()
    forge.settle()
    assert status(forge, consent) == ("failed", "AlreadyRevoked")
    assert not entry(forge, w.grant()).granted_at


def by_chain(forge):
    """What somebody answers who has the openings and reads the chain alone."""
    w = forge.world
    with forge.services.index.at_head() as snapshot, forge.store.begin() as tx:
        evidence = gather(tx, w.record_hash, forge.domain).evidence(snapshot.state, Denials())
        return str(decide(w.question(), evidence, snapshot.moment(forge.chain.now, 36)).reason)


def take_all_back(forge, ahead):
    """Everything is taken back, dated ahead, and final; when the block was that it is cut to."""
    message = RevokeAll(forge.world.patient.address, forge.chain.now + ahead)
    relay = forge.accept(message)
    forge.settle()
    assert status(forge, relay) == ("final", None)
    return message, forge.chain.state.subject(forge.world.patient.address).revoked_before


@pytest.mark.parametrize("given", [-1, 0])
def test_taking_everything_back_ahead_of_time_reaches_its_block(make_forge, given):
    forge = make_forge(stage="registered")
    message, block = take_all_back(forge, FUTURE)
    assert forge.chain.now < message.before
    with pytest.raises(Conflict, match=str(block + 1 + LONGEST_CONSENT)):
        forge.accept(Consent(message.subject, forge.grants(), block + given + LONGEST_CONSENT))


def test_taking_everything_back_ahead_of_time_does_not_reach_behind_its_block(make_forge):
    """She agreed anew after it was recorded, and before the time that it names: on chain that stands, and so here."""
    forge = make_forge(stage="registered")
    message, block = take_all_back(forge, FUTURE)
    forge.accept(Consent(message.subject, forge.grants(), block + 1 + LONGEST_CONSENT))
    forge.settle()
    assert block < entry(forge, forge.world.grant()).granted_at < message.before
    assert (forge.reason(), by_chain(forge)) == ("permitted", "permitted")
    forge.restart()
    assert forge.reason() == "permitted"


@pytest.mark.parametrize("ahead", [1, FUTURE])
def test_a_consent_is_not_taken_while_what_would_end_it_is_on_its_way(make_forge, ahead):
    """It is cut to the block in which it lands, which nobody knows yet; the consent could be recorded before."""
    forge = make_forge(stage="registered")
    w, now = forge.world, forge.chain.now
    forge.accept(RevokeAll(w.patient.address, now + ahead))
    consent = Consent(w.patient.address, forge.grants(), now + 1 + LONGEST_CONSENT)
    with pytest.raises(Conflict, match="not recorded yet"):
        forge.accept(consent)
    signed = consent, w.patient.address, forge.signature(consent, w.patient)
    with pytest.raises(Conflict, match="not recorded yet"):
        forge.services.cohorts.accept(w.hospital.address, [signed])
    forge.settle()
    forge.accept(Consent(w.patient.address, forge.grants(), forge.chain.now + LONGEST_CONSENT))
    forge.settle()
    assert (forge.reason(), by_chain(forge)) == ("permitted", "permitted")


def test_taking_everything_back_ahead_of_time_again_ends_what_was_given_since(make_forge):
    """Anybody may hand the same word in again until the time it names: here it then counts until now."""
    forge = make_forge(stage="registered")
    message, block = take_all_back(forge, FUTURE)
    forge.accept(Consent(message.subject, forge.grants(), block + 1 + LONGEST_CONSENT))
    forge.settle()
    assert forge.accept(message).status == "final"
    assert (forge.reason(), by_chain(forge)) == ("revoked", "permitted"), "the service denies more, never less"
