"""What proven storage says of each message, before it is recorded, after, and after a later word."""

import pytest

from ledger.model import Closure, Delegation, Revocation, RevokeAll, Suspension
from ledger.recorded import is_recorded, slots_of
from ledger.slots import ProvenFacts
from scripts.vector_sources.world import DAY


def recorded(forge, message):
    head = forge.chain.head()
    account, proofs = forge.chain.proof(head.hash, "ConsentRegistry", [slot.key for slot in slots_of(message)])
    found = account.verify(head)
    facts = ProvenFacts({("ConsentRegistry", proof.key): proof.verify(found) for proof in proofs})
    return is_recorded(message, facts, head.timestamp)


def messages(forge):
    w, now = forge.world, forge.chain.now
    patient, mother = w.patient.address, w.mother.address
    return {
        "consent": forge.consent_to(w.grant(salt="0x" + "11" * 32), w.grant(salt="0x" + "12" * 32)),
        "revocation": Revocation(patient, forge.grants()),
        "revocation of what is not recorded": Revocation(patient, (w.grant(salt="0x" + "13" * 32),)),
        "revoke all": RevokeAll(patient, now),
        "suspension": Suspension(patient, True, now),
        "resume": Suspension(patient, False, now),
        "closure": Closure(patient),
        "delegation": Delegation(patient, mother, 3, now + DAY, now),
        "end of a delegation": Delegation(patient, mother, 0, 0, now),
    }


@pytest.mark.parametrize("name", [
    "consent", "revocation", "revocation of what is not recorded", "revoke all", "suspension", "resume", "closure",
    "delegation", "end of a delegation",
])  # fmt: skip
def test_a_message_is_recorded_once_the_chain_says_so(forge, name):
    message = messages(forge)[name]
    assert not recorded(forge, message)
    forge.accept(message)
    forge.settle()
    assert recorded(forge, message)


def test_half_of_it_is_not_recorded(forge):
    both = Revocation(forge.world.patient.address, forge.grants())
    forge.revoke(both.grants[0])
    forge.settle()
    assert not recorded(forge, both)


def test_everything_up_to_a_later_moment_is_cut_to_the_block(forge):
    message = RevokeAll(forge.world.patient.address, forge.chain.now + 900)
    forge.accept(message)
    forge.services.relays.pump()
    forge.mine()
    assert recorded(forge, message)
    forge.mine()
    assert not recorded(forge, message), "what was granted since is not meant yet, so it can be said again"


def test_a_pause_that_a_later_word_ended_is_not_recorded(forge):
    """To say yes would be to say that she is paused."""
    patient, now = forge.world.patient.address, forge.chain.now
    pause, resume = Suspension(patient, True, now), Suspension(patient, False, now + 1)
    for message in (pause, resume):
        forge.accept(message)
        forge.settle()
    assert (recorded(forge, pause), recorded(forge, resume)) == (False, True)
    assert not recorded(forge, Suspension(patient, True, now + 1)), "the narrower of one moment still counts"


def test_rights_that_a_later_word_changed_are_not_recorded(forge):
    patient, mother, now = forge.world.patient.address, forge.world.mother.address, forge.chain.now
    given, less = Delegation(patient, mother, 3, now + DAY, now), Delegation(patient, mother, 1, now + DAY, now + 1)
    for message in (given, less):
        forge.accept(message)
        forge.settle()
    assert (recorded(forge, given), recorded(forge, less)) == (False, True)
    assert not recorded(forge, Delegation(patient, mother, 1, now + 2 * DAY, now + 1))
