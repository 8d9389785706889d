"""What shuts the gate, and what opens it again: every row of the table in docs/operations.md."""

import itertools
from collections.abc import Callable
from copy import copy
from types import SimpleNamespace

import pytest
from conftest import Deaf

from ledger.adapters.memory import Faults
from ledger.adapters.store import SqlStore
from ledger.errors import LedgerUnavailable, StaleLedger, Unavailable, Untrusted, VolensError, WrongChain
from ledger.events import Revoked
from ledger.model import to_hash
from ledger.ports import Chain
from ledger.proofs import Header
from ledger.services.index import CLOSED, Index
from ledger.services.trust import FEW_PROOFS, GOOD_HEADS, PROOF_WINDOW, SANE_SECONDS, Trust
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import phrase

COUNT = itertools.count()


def twin(chain):
    """Another node of the same chain: what is mined on one from now on is not on the other."""
    other = copy(chain)
    for name in ("_blocks", "_pending", "_emitted", "_prepared"):
        setattr(other, name, copy(getattr(chain, name)))
    other.faults = Faults()
    return other


class Behind:
    """A node that shows the chain as it was some blocks ago."""

    def __init__(self, chain, blocks):
        self.chain, self.blocks = chain, blocks

    def __getattr__(self, name):
        return getattr(self.chain, name)

    def head(self):
        return self.chain.header(self.chain.head().number - self.blocks)


def outcome(forge):
    """What asking and releasing come to: one word each."""
    try:
        forge.release(forge.request(nonce=f"outcome {next(COUNT)}"))
        released = "released"
    except VolensError as error:
        released = error.code
    return forge.reason(), released


def permitted(forge):
    return outcome(forge) == ("permitted", "released")


# Out of reach


@pytest.mark.parametrize("failing", ["head", "header", "events"])
def test_no_node_answers_until_three_good_heads(forge, failing):
    assert permitted(forge)
    forge.mine()
    real = getattr(forge.chain, failing)

    def broken(*_):
        raise LedgerUnavailable("out of reach")

    setattr(forge.chain, failing, broken)
    assert outcome(forge) == ("ledger_unavailable", "ledger_unavailable")
    assert forge.revoke(forge.world.research_grant).status == "accepted"
    setattr(forge.chain, failing, real)
    for _ in range(GOOD_HEADS - 1):
        assert forge.reason() == "ledger_unavailable"
    assert permitted(forge)


def test_a_failure_between_good_heads_begins_the_count_again(forge):
    forge.chain.faults.unreachable = True
    forge.reason()
    for unreachable in (False, False, True, False, False):
        forge.chain.faults.unreachable = unreachable
        assert forge.reason() == "ledger_unavailable"
    assert forge.reason() == "permitted"


# Behind


def test_logs_that_do_not_add_up_shut_the_gate_until_they_do(forge):
    forge.chain.emit(*forge.listings()[:1])
    forge.chain.faults.logs = lambda found: []
    assert outcome(forge) == ("ledger_unavailable", "ledger_unavailable")
    forge.chain.faults.logs = list
    assert permitted(forge)


def test_an_old_head_shuts_the_gate_until_a_fresh_one(forge):
    forge.chain.now += 37
    assert outcome(forge) == ("stale_ledger", "stale_ledger")
    forge.mine()
    assert permitted(forge)


# Backwards, or elsewhere: an operator must act


def regress(forge):
    forge.chain.regress(2)


def deep(forge):
    forge.chain.reorganise(6)


def chain_id(forge):
    forge.chain.faults.chain_id = 1


def code(forge):
    forge.chain.faults.code["ConsentRegistry"] = to_hash(phrase("other code"))
    forge.mine()


@pytest.mark.parametrize("happens", [regress, deep, chain_id, code])
def test_only_an_operator_opens_what_is_closed(forge, happens):
    index = forge.services.index
    index._limit = 4
    forge.mine(6)
    assert permitted(forge)
    happens(forge)
    if happens is chain_id:
        forge.mine()
        with pytest.raises(WrongChain):
            index.follow()
    assert outcome(forge) == ("ledger_unavailable", "wrong_chain")
    forge.chain.faults = Faults()
    forge.mine(8)
    assert outcome(forge) == ("ledger_unavailable", "wrong_chain"), "time alone opens nothing"
    forge.restart()
    assert outcome(forge) == ("ledger_unavailable", "wrong_chain"), "nor does a restart"
    assert forge.revoke(forge.world.research_grant).status == "accepted"
    # The operator's command runs in a process of its own, beside the service.
    Index(forge.chain, forge.store, forge.deployment, forge.confirmations, 4).accept_loss()
    forge.settle()
    assert permitted(forge)
    patient, withdrawn = forge.world.patient.address, struct_hash(forge.world.research_grant)
    with forge.store.begin() as tx:
        assert ("revoked", patient, withdrawn) in tx.denials([patient])


def test_an_operator_cannot_open_onto_another_chain(forge):
    forge.mine(3)
    forge.reason()
    regress(forge)
    forge.reason()
    forge.chain.faults.chain_id = 1
    with pytest.raises(WrongChain):
        forge.services.index.accept_loss()
    forge.chain.faults = Faults()
    assert outcome(forge) == ("ledger_unavailable", "wrong_chain")


def test_what_one_process_closes_is_closed_for_all(forge):
    first, second = forge.services, forge.restart()
    for services in (first, second):
        services.index.follow()
    forge.mine(2)
    first.index.follow()
    forge.chain.regress(1)
    with pytest.raises(WrongChain):
        first.index.follow()
    forge.mine(3)
    with pytest.raises(WrongChain):
        second.index.follow()


# Several nodes


def with_witness(forge, *witnesses: Chain):
    forge.restart(witnesses=witnesses)
    return forge


def test_nodes_that_disagree_shut_the_gate_until_they_agreed_for_long_enough(forge):
    other = twin(forge.chain)
    with_witness(forge, other)
    assert permitted(forge)
    forge.mine()
    other._fork += 1
    other.mine(1)
    assert outcome(forge) == ("ledger_unavailable", "ledger_unavailable")
    height = forge.chain.head().number
    other._blocks = forge.chain._blocks  # they agree again
    assert outcome(forge) == ("ledger_unavailable", "ledger_unavailable"), "too short a time ago"
    while forge.chain.head().number < height + forge.confirmations:
        assert not permitted(forge)
        forge.mine()
    assert permitted(forge)


def test_a_node_that_is_one_block_behind_agrees_and_one_that_lags_more_does_not(forge):
    for blocks, answer in ((1, "permitted"), (2, "ledger_unavailable"), (0, "permitted")):
        with_witness(forge, Behind(forge.chain, blocks))
        assert forge.reason() == answer


def test_a_node_one_block_behind_must_have_the_parent(forge):
    other = twin(forge.chain)
    other._fork += 1
    other.mine()
    forge.mine(2)
    with_witness(forge, other)
    assert forge.reason() == "ledger_unavailable"


@pytest.mark.parametrize("preferred", [True, False])
def test_the_freshest_node_is_read_from(forge, preferred):
    """A node that lags hides a withdrawal that is on the chain; the other does not."""
    w = forge.world
    assert forge.reason() == "permitted"
    forge.chain.emit(Revoked(0, w.patient.address, struct_hash(w.grant()), w.patient.address))
    lagging = Behind(forge.chain, 1)
    chains = (lagging, forge.chain) if preferred else (forge.chain, lagging)
    forge.restart(chain=chains[0], witnesses=chains[1:], store=SqlStore("sqlite://"))
    with forge.services.index.at_head() as snapshot:
        assert snapshot.state.entry(w.patient.address, struct_hash(w.grant())).revoked_at


@pytest.mark.parametrize("down", [0, 1])
def test_one_of_two_nodes_down_is_passed_over_and_both_down_is_an_outage(forge, down):
    nodes = [forge.chain, twin(forge.chain)]
    nodes[1]._blocks = forge.chain._blocks
    with_witness(forge, nodes[1])
    nodes[down].faults.unreachable = True
    forge.mine()
    assert permitted(forge)
    nodes[1 - down].faults.unreachable = True
    assert outcome(forge) == ("ledger_unavailable", "ledger_unavailable")


def test_a_node_that_fails_half_way_is_passed_over(forge):
    other = twin(forge.chain)
    other._blocks = forge.chain._blocks
    forge.restart(chain=other, witnesses=(forge.chain,))
    forge.mine()
    other.proof = forge.chain.faults.logs and (lambda *_: (_ for _ in ()).throw(LedgerUnavailable("gone")))
    assert permitted(forge)


# Proofs


def trust(**changes):
    now = SimpleNamespace(wall=1_000_000, steady=0.0, space=1.0)
    made = Trust(2, lambda: int(now.wall), lambda: now.steady, lambda: now.space)
    return made, now


def head(number: int, timestamp: int) -> Header:
    return SimpleNamespace(number=number, timestamp=timestamp)  # type: ignore[return-value]


def test_a_proof_that_does_not_hold_is_a_no_and_the_next_that_holds_a_yes(forge):
    forge.reason()
    forge.mine()
    forge.chain.faults.forge_proofs = -1
    assert outcome(forge) == ("ledger_unavailable", "ledger_unavailable")
    forge.chain.faults.forge_proofs = 0
    assert permitted(forge)


def test_too_many_proofs_that_do_not_hold_close_the_gate(forge):
    forge.reason()
    forge.chain.faults.forge_proofs = -1
    for _ in range(2 * FEW_PROOFS):
        forge.mine()
        forge.reason()
    forge.chain.faults.forge_proofs = 0
    assert outcome(forge) == ("ledger_unavailable", "wrong_chain")


def test_one_in_a_hundred_proofs_may_fail_and_old_failures_are_forgotten():
    made, now = trust()
    for number in range(5000):
        now.steady += 0.01
        made.proof(number % 100 != 99)
    now.steady += PROOF_WINDOW + 1
    for _ in range(FEW_PROOFS - 1):
        made.proof(False)
    with pytest.raises(WrongChain):
        made.proof(False)


# Clocks


def test_clocks_that_disagreed_must_agree_for_a_minute():
    made, now = trust()
    made.admit(head(1, 1_000_000))
    made.admit(head(2, 1_000_016))  # the moment of the answer says `stale_ledger` itself
    now.wall, now.steady = now.wall + 1, now.steady + 1
    for _ in range(SANE_SECONDS - 1):
        with pytest.raises(StaleLedger):
            made.admit(head(3, now.wall))
        now.wall, now.steady = now.wall + 1, now.steady + 1
    made.admit(head(4, now.wall))


@pytest.mark.parametrize("jump", [-3600, -3, 3, 3600])
def test_a_wall_clock_that_jumps_shuts_the_gate(jump):
    made, now = trust()
    made.admit(head(1, now.wall))
    now.wall += jump
    with pytest.raises(StaleLedger):
        made.admit(head(2, now.wall))
    now.wall, now.steady = now.wall + SANE_SECONDS, now.steady + SANE_SECONDS
    made.admit(head(3, now.wall))


def test_a_head_from_the_future_shuts_the_gate_for_a_minute_after(forge):
    forge.mine()
    assert permitted(forge)
    wall = forge.chain.now
    forge.chain.mine(1, 20)
    forge.chain.now = wall
    assert outcome(forge) == ("stale_ledger", "stale_ledger")
    forge.chain.now += 21
    assert outcome(forge)[1] == "stale_ledger"
    for _ in range(SANE_SECONDS):
        forge.mine()
    assert permitted(forge)


# What the service itself needs


def test_a_full_disk_and_a_log_that_cannot_be_written_shut_the_gate(forge):
    made, now = trust()
    now.space = 0.049
    with pytest.raises(LedgerUnavailable, match="disk"):
        made.ready()
    forge.deafen()
    with pytest.raises(Unavailable):
        forge.release()


def test_a_hand_over_that_cannot_be_written_down_shuts_the_gate_until_an_operator_acts(forge, monkeypatch):
    request, gate = forge.request(), forge.services.gate
    released = forge.release(request)
    with monkeypatch.context() as broken:
        broken.setattr(gate, "_store", Deaf(forge.store))
        gate.delivered(released, request)
    with pytest.raises(Untrusted, match=released.id):
        forge.release(forge.request(nonce="2"))
    with forge.store.begin() as tx:
        assert released.id in tx.fact(CLOSED), "it stays shut when the service is started again"
    assert [entry["kind"] for entry in forge.log()] == ["release"]
    forge.services.index.accept_loss()
    forge.release(forge.request(nonce="3"))


def test_a_database_that_cannot_be_used_shuts_the_gate(forge):
    forge.reason()

    def broken():
        raise Unavailable("The database cannot be used.")

    real, forge.store.begin = forge.store.begin, broken
    with pytest.raises(Unavailable):
        forge.release()
    forge.store.begin = real
    assert permitted(forge)


def test_whatever_goes_wrong_in_the_gate_is_no_permit(forge, monkeypatch):
    def broken(*_: object) -> None:
        raise RuntimeError("nobody foresaw this")

    raising: Callable[..., None] = broken
    monkeypatch.setattr("ledger.services.release.decide", raising)
    with pytest.raises(RuntimeError):
        forge.release()
    assert not any(entry["kind"] == "outcome" for entry in forge.log() if "kind" in entry)


# Following


def test_a_withdrawal_on_the_chain_denies_without_anybody_asking(forge):
    """Only the follower looks; then every node is gone, and a service that starts knows of it all the same."""
    w = forge.world
    forge.chain.emit(Revoked(0, w.patient.address, struct_hash(w.grant()), w.patient.address))
    forge.services.index.follow()
    forge.chain.regress(1)
    forge.chain.mine(2)
    with forge.store.begin() as tx:
        assert ("revoked", w.patient.address, struct_hash(w.grant())) in tx.denials([w.patient.address])
    forge.restart()
    assert forge.reason() == "revoked"
