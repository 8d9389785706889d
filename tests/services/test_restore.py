"""A database restored from a backup permits nothing from what it remembers before the chain has been read again."""

import pytest
from conftest import CopiedStore

from ledger.errors import NotAuthorised, Unavailable, Untrusted, VolensError
from ledger.model import Revocation


@pytest.fixture
def backup(forge):
    forge.ask()
    store = CopiedStore(forge.store)
    yield store
    store.close()


def test_a_revocation_on_chain_since_the_backup_denies_from_the_first_question(forge, backup):
    forge.revoke()
    forge.settle()
    forge.restart(store=backup)
    assert forge.reason() == "revoked"
    with pytest.raises(NotAuthorised):
        forge.release()


def test_until_the_chain_can_be_read_the_answer_is_no_and_withdrawals_are_taken(forge, backup):
    forge.chain.faults.unreachable = True
    forge.restart(store=backup)
    assert forge.reason() == "ledger_unavailable"
    with pytest.raises(Unavailable):
        forge.release()
    message = Revocation(forge.world.patient.address, (forge.world.grant(),))
    assert forge.accept(message).status == "accepted"
    forge.chain.faults.unreachable = False
    reasons = []
    for _ in range(6):
        forge.mine()
        reasons.append(forge.reason())
    assert reasons[-1] == "revoked"
    assert set(reasons) == {"ledger_unavailable", "revoked"}


def test_a_node_that_withholds_what_happened_since_does_not_make_it_permit(forge, backup):
    forge.revoke()
    forge.settle()
    forge.chain.faults.logs = lambda logs: []
    forge.restart(store=backup)
    assert forge.reason() == "ledger_unavailable"
    with pytest.raises(VolensError):
        forge.release()


def test_an_access_log_shorter_than_its_anchor_is_noticed(forge, backup):
    forge.ask()
    anchor(forge)
    forge.restart(store=backup)
    forge.ask()
    with pytest.raises(Untrusted):
        anchor(forge)


def anchor(forge):
    """Anchor what is in the log, until that is final."""
    for _ in range(8):
        forge.services.log.anchor()
        forge.mine()
        forge.chain.now += 60


def test_a_proof_that_does_not_hold_is_asked_for_again_when_the_service_starts(forge, monkeypatch):
    """anvil's proofs sometimes do not match the block they were asked for; a start must not fail by that."""
    proof, tries = forge.chain.proof, []

    def late(block, contract, slots):
        tries.append(contract)
        return proof(genesis if len(tries) == 1 else block, contract, slots)

    genesis = forge.chain.header(0).hash
    monkeypatch.setattr(forge.chain, "proof", late)
    forge.restart()
    forge.services.index.check_chain()
    assert len(tries) > len(forge.deployment.contracts)


def test_proofs_that_never_hold_do_not_let_it_start(forge, monkeypatch):
    proof = forge.chain.proof
    first = forge.chain.header(0).hash
    monkeypatch.setattr(forge.chain, "proof", lambda _, contract, slots: proof(first, contract, slots))
    forge.restart()
    with pytest.raises((Unavailable, Untrusted)):
        forge.services.index.check_chain()
