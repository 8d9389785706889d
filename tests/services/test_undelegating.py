"""Taking a delegate's rights away is a withdrawal: it counts from the acknowledgement, and nothing brings the rights
back but a later word of the subject."""

import pytest

from ledger.errors import BadSignature, Conflict, NotFound
from ledger.events import Delegated, Granted, Suspended
from ledger.model import FUTURE, RIGHT_GRANT, RIGHT_REVOKE, Delegation, Revocation, Suspension, to_hash
from ledger.receipts import verify_receipt
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import DAY, key, phrase

BOTH = RIGHT_REVOKE | RIGHT_GRANT


def delegate(forge, rights=BOTH, at=None):
    w, at = forge.world, forge.chain.now if at is None else at
    return forge.accept(Delegation(w.patient.address, w.mother.address, rights, forge.chain.now + DAY, at))


def undelegate(forge, at=None):
    return delegate(forge, 0, at)


def another(forge, name="another"):
    return forge.world.grant(salt=to_hash(phrase(name)))


def status(forge, relay):
    with forge.store.begin() as tx:
        found = tx.relay(relay.id)
    return found.status, found.problem


def may_nothing(forge):
    """Whether the mother is refused, whatever she signs."""
    w = forge.world
    for message in (
        forge.consent_to(another(forge, "too late")),
        Revocation(w.patient.address, (another(forge, "too late"),)),
        Suspension(w.patient.address, False, forge.chain.now),
    ):
        with pytest.raises(BadSignature, match="may not"):
            forge.accept(message, by=w.mother)
    return True


def entry(forge, grant):
    return forge.chain.state.entry(forge.world.patient.address, struct_hash(grant))


@pytest.fixture
def named(make_forge):
    """A patient who has granted nothing yet, and whose mother may act for her."""
    forge = make_forge(stage="registered")
    delegate(forge)
    forge.settle()
    forge.chain.now += 10
    forge.mine()
    return forge


# It counts from the acknowledgement


def test_it_is_acknowledged_while_the_chain_is_out_of_reach(named):
    named.chain.faults.unreachable = True
    relay = undelegate(named)
    assert relay.status == "accepted"
    assert verify_receipt(relay.receipt, named.services.intake.public_key, named.domain)
    with pytest.raises(BadSignature, match="may not"):  # she was known before, so her withdrawals were taken
        named.accept(Revocation(named.world.patient.address, (another(named),)), by=named.world.mother)
    named.restart()
    named.chain.faults.unreachable = False
    named.recover()
    assert may_nothing(named), "before it is on chain"
    named.settle()
    assert status(named, relay) == ("final", None)
    assert may_nothing(named)


def test_a_stranger_takes_nobodys_rights_away(named):
    w = named.world
    end = Delegation(w.patient.address, w.mother.address, 0, 0, named.chain.now)
    for by, signer in ((w.stranger, w.patient), (w.stranger, w.stranger), (w.mother, w.mother)):
        with pytest.raises(BadSignature):
            named.accept(end, by=by, signer=signer)
    named.accept(named.consent_to(), by=w.mother)
    named.settle()
    assert named.reason() == "permitted"


@pytest.mark.parametrize("reachable", [True, False])
@pytest.mark.parametrize("rights", [0, BOTH])
def test_of_keys_that_somebody_made_up_nothing_is_taken(named, rights, reachable):
    named.reason()
    w = named.world
    if not reachable and rights:
        return  # that needs the chain anyway
    named.chain.faults.unreachable = not reachable
    with pytest.raises(NotFound, match="Nothing is known"):
        named.accept(Delegation(w.stranger.address, w.mother.address, rights, 0, named.chain.now), by=w.stranger)


# What the delegate has signed


def test_a_consent_that_waits_is_not_brought_to_the_chain(named):
    consent = named.accept(named.consent_to(), by=named.world.mother)
    undelegate(named)
    named.settle()
    assert status(named, consent) == ("failed", "AlreadyRevoked")
    assert not entry(named, named.world.grant()).granted_at


def test_a_consent_that_comes_to_the_outbox_meanwhile_is_not_brought_to_the_chain(named, monkeypatch):
    """Another process took it in the same moment, and did not see the withdrawal."""
    monkeypatch.setattr("ledger.evidence.Denials.ends", lambda *_: False)
    consent = named.accept(named.consent_to(), by=named.world.mother)
    monkeypatch.undo()
    with named.store.begin() as tx:
        tx.add_denial("undelegated", named.world.patient.address, f"{named.world.mother.address} {named.chain.now}", 0)
    named.settle()
    assert status(named, consent) == ("failed", "NotAuthorised")
    assert not entry(named, named.world.grant()).granted_at


@pytest.mark.parametrize("way", ["sent", "handed on"])
def test_a_consent_that_is_recorded_before_the_withdrawal_is_denied(named, way):
    """The chain cannot know better, the service does."""
    consent = named.consent_to()
    named.accept(consent, by=named.world.mother)
    if way == "sent":
        named.services.relays.pump()
    undelegate(named)
    if way == "handed on":  # by whoever holds it
        signer = named.world.mother.address
        named.chain.emit(*(Granted(0, consent.subject, struct_hash(grant), signer) for grant in consent.grants))
    named.mine()
    named.settle()
    assert entry(named, named.world.grant()).granted_at
    assert named.reason() == "revoked"


@pytest.mark.parametrize("known", [True, False], ids=["chain known", "chain never seen"])
def test_what_was_recorded_before_stands_and_what_was_not_does_not(named, known):
    """Also where the service was started again and no node answers: what it has read of the chain is stored."""
    w = named.world
    named.accept(named.consent_to(), by=w.mother)
    named.settle()
    waits = named.accept(named.consent_to(another(named)), by=w.mother)
    assert named.reason() == "permitted"
    if not known:
        named.restart()
    named.chain.faults.unreachable = True
    undelegate(named)
    named.chain.faults.unreachable = False
    named.recover()
    named.settle()
    assert named.reason() == "permitted"
    assert status(named, waits) == ("failed", "AlreadyRevoked")


def test_what_she_said_herself_as_well_stands(named):
    w = named.world
    named.accept(named.consent_to(w.grant()), by=w.mother)
    named.accept(named.consent_to(w.grant(), deadline=901))
    undelegate(named)
    named.settle()
    assert named.reason() == "permitted"


@pytest.mark.parametrize("sent", [True, False])
def test_a_pause_that_the_delegate_ends_meanwhile_goes_on(named, sent):
    w = named.world
    named.consent()
    named.settle()
    named.accept(Suspension(w.patient.address, True, named.chain.now))
    named.settle()
    named.chain.now += 10
    named.mine()
    resume = named.accept(Suspension(w.patient.address, False, named.chain.now), by=w.mother)
    if sent:
        named.services.relays.pump()
    undelegate(named)
    if sent:
        named.mine()
    named.settle()
    assert named.chain.state.subject(w.patient.address).suspended is not sent
    assert sent or status(named, resume) == ("failed", "NotAuthorised")
    assert named.reason() == "suspended"
    named.accept(Suspension(w.patient.address, False, named.chain.now))
    named.settle()
    assert named.reason() == "permitted"


@pytest.fixture
def decided_by_two(make_forge):
    """As `named`, of a record that the father decides about too; he has agreed."""
    forge = make_forge(stage="registered", stewards=("father",))
    delegate(forge)
    forge.consent(forge.world.grant(), by=key("father"))
    forge.settle()
    forge.chain.now += 10
    forge.mine()
    return forge


@pytest.mark.parametrize("ahead", [0, FUTURE])
def test_a_consent_that_was_never_handed_in_counts_for_nothing_afterwards(decided_by_two, ahead):
    """Her delegate signs straight to the chain, which does not know yet; what it says is known from somebody else."""
    forge, w = decided_by_two, decided_by_two.world
    undelegate(forge, forge.chain.now + ahead)
    forge.chain.now += 1
    forge.chain.emit(Granted(0, w.patient.address, struct_hash(w.grant()), w.mother.address))
    forge.mine()
    forge.settle()
    assert entry(forge, w.grant()).granted_at
    assert forge.reason() == "revoked"


def test_what_a_delegate_said_in_time_or_was_named_anew_for_counts(decided_by_two):
    forge, w = decided_by_two, decided_by_two.world
    patient, mother, now = w.patient.address, w.mother.address, forge.chain.now
    undelegate(forge)
    forge.chain.emit(  # all of it in blocks that the service reads at once
        Delegated(0, patient, mother, 0, 0, now),
        Delegated(0, patient, mother, BOTH, now + DAY, now + 1),
        Granted(0, patient, struct_hash(w.grant()), mother),
    )
    forge.mine()
    forge.settle()
    assert forge.reason() == "permitted"


def test_what_a_delegate_said_long_before_stands_when_it_is_read_again(decided_by_two):
    forge, w = decided_by_two, decided_by_two.world
    forge.chain.emit(Granted(0, w.patient.address, struct_hash(w.grant()), w.mother.address))
    forge.mine(2)
    forge.chain.now += FUTURE + 60
    undelegate(forge)
    forge.settle()
    assert forge.reason() == "permitted"
    with forge.store.begin() as tx:
        tx.drop_blocks_above(0)
    forge.restart()
    assert forge.reason() == "permitted"


def test_a_delegate_does_not_end_a_pause_afterwards_on_the_chain(named):
    w = named.world
    named.consent()
    named.settle()
    named.accept(Suspension(w.patient.address, True, named.chain.now))
    named.settle()
    undelegate(named)
    named.chain.now += 10
    named.chain.emit(Suspended(0, w.patient.address, False, named.chain.now, w.mother.address))
    named.mine()
    named.settle()
    assert not named.chain.state.subject(w.patient.address).suspended
    assert named.reason() == "suspended"
    named.chain.now += 10
    named.mine()
    named.accept(Suspension(w.patient.address, False, named.chain.now))
    named.settle()
    assert named.reason() == "permitted"


# What brings the rights back, and what does not


def test_a_later_delegation_counts_again(named):
    undelegate(named)
    with pytest.raises(Conflict, match=str(named.chain.now + 1)):
        delegate(named)
    named.chain.now += 1
    delegate(named)
    assert may_nothing(named), "until it is recorded"
    named.settle()
    named.accept(named.consent_to(), by=named.world.mother)
    named.settle()
    assert named.reason() == "permitted"


def test_the_old_word_sent_again_takes_nothing_away(named):
    """Anybody can read it on the chain."""
    w = named.world
    end = Delegation(w.patient.address, w.mother.address, 0, 0, named.chain.now)
    named.accept(end)
    named.settle()
    named.chain.now += 1
    delegate(named)
    named.settle()
    named.accept(named.consent_to(), by=w.mother)
    assert named.accept(end).status == "final"
    named.settle()
    assert named.reason() == "permitted"


@pytest.mark.parametrize("direct", [True, False])
def test_a_reorganisation_does_not_bring_the_rights_back(named, direct):
    """Said to the service, or straight to the chain: the rights of before are on chain again, and count for nothing."""
    w, at = named.world, named.chain.now
    if direct:
        named.chain.emit(Delegated(0, w.patient.address, w.mother.address, 0, 0, at))
    else:
        undelegate(named)
        named.services.relays.pump()
        named.mine()
    named.reason()
    named.chain.reorganise(1)
    named.mine(2)
    assert named.chain.state.delegations[w.patient.address, w.mother.address].rights == BOTH
    assert may_nothing(named)
    with pytest.raises(Conflict, match=str(at + 1)):
        delegate(named, at=at - 1)
    named.chain.now = max(named.chain.now, at + 1)
    delegate(named, at=at + 1)
    named.settle()
    named.accept(named.consent_to(), by=w.mother)
    named.settle()
    assert named.reason() == "permitted"


def test_what_waits_is_not_sent_when_a_reorganisation_brings_the_rights_back(named):
    w = named.world
    named.accept(Suspension(w.patient.address, True, named.chain.now - 1))
    named.settle()
    resume = named.accept(Suspension(w.patient.address, False, named.chain.now), by=w.mother)
    named.chain.emit(Delegated(0, w.patient.address, w.mother.address, 0, 0, named.chain.now))
    named.reason()
    named.chain.reorganise(1)
    named.mine(2)
    named.settle()
    assert status(named, resume) == ("failed", "NotAuthorised")
    assert named.chain.state.subject(w.patient.address).suspended


def test_a_resume_older_than_an_orphaned_pause_is_refused_rather_than_lost(forge):
    """The deny list remembers the pause, so the service would go on denying."""
    patient, at = forge.world.patient.address, forge.chain.now
    forge.chain.emit(Suspended(0, patient, True, at, patient))
    assert forge.reason() == "suspended"
    forge.chain.regress(1)
    forge.mine(3)
    forge.reason()
    with pytest.raises(Conflict, match=str(at + 1)):
        forge.accept(Suspension(patient, False, at))


# Taking only the right to grant away


def narrow(forge, at=None):
    """The mother may only stop from now on."""
    return delegate(forge, RIGHT_REVOKE, at)


def test_who_may_only_stop_from_now_on_gives_nothing_more_and_still_stops(named):
    w = named.world
    named.consent(another(named, "hers"))
    waits = named.accept(named.consent_to(), by=w.mother)
    narrow(named)
    for mined in (False, True):
        with pytest.raises(BadSignature, match="may not"):
            named.accept(named.consent_to(another(named, f"too late {mined}")), by=w.mother)
        stopped = named.accept(Revocation(w.patient.address, (another(named, f"stopped {mined}"),)), by=w.mother)
        assert stopped.status == "accepted", "what she may still do is never refused"
        named.settle()
    assert status(named, waits) == ("failed", "AlreadyRevoked")
    assert not entry(named, w.grant()).granted_at
    assert entry(named, another(named, "hers")).granted_at


def test_what_she_gives_straight_to_the_chain_before_it_knows_is_denied(decided_by_two):
    forge, w = decided_by_two, decided_by_two.world
    narrow(forge)
    forge.chain.now += 1
    forge.chain.emit(Granted(0, w.patient.address, struct_hash(w.grant()), w.mother.address))
    forge.mine()
    forge.settle()
    assert entry(forge, w.grant()).granted_at
    assert forge.reason() == "revoked"


def test_a_reorganisation_does_not_bring_the_right_to_grant_back(named):
    w, at = named.world, named.chain.now
    named.chain.emit(Delegated(0, w.patient.address, w.mother.address, RIGHT_REVOKE, at + DAY, at))
    named.reason()
    named.chain.reorganise(1)
    named.mine(2)
    assert named.chain.state.delegations[w.patient.address, w.mother.address].rights == BOTH
    with pytest.raises(BadSignature, match="may not"):
        named.accept(named.consent_to(), by=w.mother)
    assert named.accept(Revocation(w.patient.address, (another(named),)), by=w.mother).status == "accepted"
    named.chain.now = max(named.chain.now, at + 1)
    delegate(named, at=at + 1)
    named.settle()
    named.accept(named.consent_to(), by=w.mother)
    named.settle()
    assert named.reason() == "permitted"


def test_the_old_narrowing_sent_again_takes_nothing_away(named):
    w = named.world
    old = Delegation(w.patient.address, w.mother.address, RIGHT_REVOKE, named.chain.now + DAY, named.chain.now)
    named.accept(old)
    named.settle()
    named.chain.now += 1
    delegate(named)
    named.settle()
    named.accept(named.consent_to(), by=w.mother)
    assert named.accept(old).status == "final"
    named.settle()
    assert named.reason() == "permitted"


@pytest.mark.parametrize("gives", ["consent", "resume"])
def test_what_one_who_was_named_anew_gave_waits_while_nothing_is_known_of_the_chain(named, gives):
    """Sending goes on while the gate is closed; a new process has then seen no word of the subject's."""
    w = named.world
    undelegate(named)
    named.accept(Suspension(w.patient.address, gives == "resume", named.chain.now))
    named.settle()
    named.chain.now += 1
    delegate(named)
    named.settle()
    waits = named.accept(
        named.consent_to() if gives == "consent" else Suspension(w.patient.address, False, named.chain.now), by=w.mother
    )
    with named.store.begin() as tx:
        tx.set_fact("closed", "An operator must look at it.")
    named.restart()
    for _ in range(3):
        named.services.relays.pump()
        named.mine()
    assert status(named, waits)[0] != "failed"
    named.services.index.accept_loss()
    named.recover()
    named.settle()
    assert status(named, waits) == ("final", None)
