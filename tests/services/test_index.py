"""The index believes a node only what the proven heads confirm, and forgets no withdrawal."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from ledger.adapters.memory import MemoryChain
from ledger.adapters.store import SqlStore
from ledger.errors import InvalidInput, InvalidProof, LedgerUnavailable, TooManyRequests, Unavailable, WrongChain
from ledger.events import Granted, Revoked
from ledger.model import Revocation, RevokeAll, Suspension, to_hash
from ledger.services.index import STEP, Index
from ledger.services.trust import GOOD_HEADS
from ledger.slots import head_slot
from ledger.state import LedgerState, replay
from ledger.tokens import read_token, token_of
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import CHAIN_ID, START, World, phrase


def digest(forge):
    with forge.services.index.at_head() as snapshot:
        return snapshot.state.digest()


def fresh_replay(forge):
    """What an auditor computes from the chain alone."""
    logged = forge.chain.events_between(0, forge.chain.head().number)
    empty = LedgerState.empty(CHAIN_ID, forge.deployment.addresses)
    return replay(empty, [entry.event for entry in logged]).digest()


def forged_grant(forge):
    """A lying node adds the recording of a grant that never happened."""
    world, grant = forge.world, struct_hash(forge.world.grant(channels=("social:instagram",)))

    def add(found):
        head = forge.chain._blocks[-1].header
        event = Granted(head.timestamp, world.patient.address, grant, world.patient.address)
        entry = forge.chain._blocks[-1].logged
        made = replace(entry[0], event=event, log_index=99) if entry else None
        return [*found, *([made] if made and found and found[0].block_hash == head.hash else [])]

    return add


# Catching up


def test_the_state_is_that_of_a_fresh_replay(forge):
    assert digest(forge) == fresh_replay(forge)
    forge.revoke()
    forge.settle()
    assert digest(forge) == fresh_replay(forge)


def test_a_restart_at_any_point_equals_a_fresh_replay(make_forge):
    forge = make_forge(stage="registered")
    for act in (forge.consent, forge.mine, forge.settle, forge.revoke, forge.settle, lambda: forge.chain.reorganise(2)):
        act()
        kept = digest(forge)
        forge.restart()
        assert digest(forge) == kept == fresh_replay(forge)
        with Index(forge.chain, SqlStore("sqlite://"), forge.deployment).at_head() as snapshot:
            assert snapshot.state.digest() == kept


def test_two_processes_over_one_database_agree(forge):
    """Whichever reads a block first, the other finds it in the database and believes it only when it is proven."""
    first, second = forge.services, forge.restart()
    for act in (forge.mine, forge.revoke, forge.settle, lambda: forge.chain.reorganise(2), forge.settle):
        act()
        for services in (first, second, first):
            with services.index.at_head() as snapshot:
                assert snapshot.state.digest() == fresh_replay(forge)


def test_a_long_history_is_read_in_steps(make_forge):
    forge = make_forge()
    forge.mine(40)
    seen = []
    index = Index(
        forge.chain, SqlStore("sqlite://"), forge.deployment, 2, 8, progress=lambda done, total: seen.append(done)
    )
    with index.at_head() as snapshot:
        assert snapshot.state.digest() == fresh_replay(forge)
    assert seen
    assert max(seen) <= STEP


def test_an_unchanged_head_is_not_read_again(forge):
    before = digest(forge)

    def never(_):
        raise AssertionError("the node was asked for logs again")

    forge.chain.faults.logs = never
    assert digest(forge) == before


# A node that lies


def test_an_omitted_log_is_noticed(forge):
    forge.revoke()
    forge.services.relays.pump()
    forge.mine()
    forge.chain.faults.logs = lambda found: [entry for entry in found if not isinstance(entry.event, Revoked)]
    with pytest.raises(LedgerUnavailable, match="cannot be proven"), forge.services.index.at_head():
        pass
    assert forge.reason() == "ledger_unavailable"
    forge.chain.faults.logs = lambda found: found
    assert forge.reason() == "revoked"


def test_a_forged_log_is_noticed_and_forgotten(forge):
    honest = digest(forge)
    forge.chain.emit(*forge.listings()[:1])
    forge.chain.faults.logs = forged_grant(forge)
    with pytest.raises(LedgerUnavailable), forge.services.index.at_head():
        pass
    forge.chain.faults.logs = lambda found: found
    assert digest(forge) == fresh_replay(forge) != honest


def test_a_forged_log_does_not_linger_when_the_head_turns_back(forge):
    """The node forges a grant in a new block, is caught, and then shows the old head again."""
    question = {"channel": "social:instagram"}
    forge.accept(forge.consent_to(forge.world.grant(channels=("social:instagram",), onward="none")))
    grant = forge.world.grant(channels=("social:instagram",))
    with forge.store.begin() as tx:  # the opening is at hand, but nothing was ever recorded
        tx.add_consent(forge.consent_to(grant), forge.world.patient.address, b"\1" * 65, forge.chain.now)
    assert forge.reason(**question) == "channel_not_covered"
    old = forge.chain.head()
    forge.chain.emit(*forge.listings()[:1])
    forge.chain.faults.logs = forged_grant(forge)
    assert forge.reason(**question) == "ledger_unavailable"
    forge.chain.regress(1)
    assert forge.chain.head() == old
    assert forge.reason(**question) != "permitted"
    assert digest(forge) == fresh_replay(forge)


def test_what_was_last_proven_stays_as_it_was_while_a_node_lies(forge):
    """It is read without asking the node, when it must be decided at once who may withdraw."""
    forge.reason()
    proven = forge.services.index.last.state.digest()
    forge.chain.emit(*forge.listings()[:1])
    forge.chain.faults.logs = forged_grant(forge)
    assert forge.reason() == "ledger_unavailable"
    assert forge.services.index.last.state.digest() == proven


def test_a_log_that_is_listed_twice_is_noticed(forge):
    forge.chain.emit(*forge.listings()[:1])
    forge.chain.faults.logs = lambda found: found + found
    with pytest.raises(LedgerUnavailable), forge.services.index.at_head():
        pass
    assert forge.reason() == "ledger_unavailable"


def test_a_log_that_is_moved_to_another_block_is_noticed(forge):
    """Otherwise a reorganisation would not take it away again."""
    forge.chain.emit(*forge.listings()[:1])
    forge.chain.faults.logs = lambda found: [replace(entry, block_number=2) for entry in found]
    with pytest.raises(LedgerUnavailable), forge.services.index.at_head():
        pass


def test_logs_in_another_order_are_noticed(forge):
    forge.chain.emit(*forge.listings()[:2])
    forge.chain.faults.logs = lambda found: [
        replace(entry, log_index=len(found) - entry.log_index) for entry in reversed(found)
    ]
    with pytest.raises(LedgerUnavailable), forge.services.index.at_head():
        pass


def test_one_false_proof_is_asked_for_again_and_many_are_not_believed(forge):
    forge.mine()
    forge.chain.faults.forge_proofs = 1
    assert forge.reason() == "permitted"
    forge.mine()
    forge.chain.faults.forge_proofs = -1
    assert forge.reason() == "ledger_unavailable"
    with pytest.raises(InvalidProof):
        forge.services.index.prove(forge.chain.head(), [head_slot("Directory")])


# The wrong world


def test_the_state_of_another_chain_is_refused(forge):
    other = MemoryChain(CHAIN_ID, World.contracts, START + 1)  # a fresh devnet: the same id, another genesis
    assert other.deployment.chain_id == forge.deployment.chain_id
    with pytest.raises(WrongChain, match="another chain"):
        Index(other, forge.store, other.deployment)


def test_a_node_on_another_chain_is_refused(forge):
    forge.chain.faults.chain_id = 1
    with pytest.raises(WrongChain, match="on chain 1"):
        forge.services.index.check_chain()
    assert forge.reason() == "ledger_unavailable"


def test_a_node_with_another_genesis_is_refused(forge):
    other = MemoryChain(CHAIN_ID, World.contracts, START + 1)
    forge.restart(chain=other)
    with pytest.raises(WrongChain, match="genesis"):
        forge.services.index.check_chain()


def test_other_code_closes_the_gate_until_somebody_looks(forge):
    name = to_hash(phrase("other code"))
    forge.chain.faults.code["ConsentRegistry"] = name
    forge.mine()
    assert forge.reason() == "ledger_unavailable"
    forge.chain.faults.code.clear()
    forge.mine()
    assert forge.reason() == "ledger_unavailable"
    with pytest.raises(WrongChain), forge.services.index.at_head():
        pass


def test_missing_code_is_noticed_before_anything_is_served(forge):
    forge.chain.faults.code["ConsentCheck"] = to_hash(phrase("other code"))
    forge.mine()
    with pytest.raises(WrongChain, match="ConsentCheck"):
        forge.services.index.check_chain()


# Reorganisations


def test_a_grant_that_is_orphaned_no_longer_counts(make_forge):
    forge = make_forge(stage="registered")
    forge.consent()
    forge.services.relays.pump()
    forge.mine(2)
    assert forge.reason() == "permitted"
    forge.chain.reorganise(2)
    assert forge.reason() == "no_consent"
    forge.settle()
    assert forge.reason() == "permitted"


def test_a_revocation_that_is_orphaned_still_counts(forge):
    """Somebody revoked on the chain itself; the block is replaced; she did revoke."""
    w = forge.world
    forge.chain.emit(Revoked(0, w.patient.address, struct_hash(w.grant()), w.patient.address))
    assert forge.reason() == "revoked"
    forge.chain.reorganise(1)
    assert forge.chain.state.entry(w.patient.address, struct_hash(w.grant())).revoked_at == 0
    assert forge.reason() == "revoked"
    forge.restart()
    assert forge.reason() == "revoked"


@pytest.mark.parametrize(
    "message",
    [
        lambda w, now: Revocation(w.patient.address, (w.grant(),)),
        lambda w, now: RevokeAll(w.patient.address, now),
        lambda w, now: Suspension(w.patient.address, True, now),
    ],
)
def test_a_relayed_withdrawal_that_is_orphaned_counts_and_is_sent_again(forge, message):
    forge.accept(message(forge.world, forge.chain.now))
    forge.settle()
    denied = forge.reason()
    assert denied in ("revoked", "suspended")
    forge.chain.reorganise(4)
    assert forge.reason() == denied
    forge.settle()
    forge.restart(SqlStore("sqlite://"))  # the chain alone says so again
    assert forge.chain.state.subject(forge.world.patient.address).suspended or digest(forge) == fresh_replay(forge)
    kinds = {type(entry.event).__name__ for entry in forge.chain.events_between(0, forge.chain.head().number)}
    assert kinds & {"Revoked", "RevokedAll", "Suspended"}


def test_more_blocks_replaced_than_allowed_close_the_gate(make_forge):
    forge = make_forge()
    store = SqlStore("sqlite://")
    forge.mine(10)
    index = Index(forge.chain, store, forge.deployment, 2, 4)
    with index.at_head():
        pass
    forge.chain.reorganise(6)
    with pytest.raises(WrongChain, match="More than 4 blocks"), index.at_head():
        pass


def test_a_chain_that_changes_while_it_is_read_is_read_again_later(forge):
    forge.mine(3)
    header = forge.chain.header
    forge.chain.header = lambda number: (forge.chain.reorganise(2, 4), header(number))[1]
    with pytest.raises(Unavailable), forge.services.index.at_head():
        pass
    del forge.chain.header
    assert forge.reason() == "permitted"


def test_blocks_that_do_not_build_on_each_other_are_not_believed(forge):
    """A node that follows two forks at once: each block is real, together they are no chain."""
    forge.reason()
    forge.mine(2)
    middle = forge.chain.head()
    forge.chain.reorganise(1, 2)
    header, events = forge.chain.header, forge.chain.events
    forge.chain.header = lambda number: middle if number == middle.number else header(number)
    forge.chain.events = lambda block: [] if block == middle.hash else events(block)
    with pytest.raises(LedgerUnavailable), forge.services.index.at_head():
        pass
    with forge.store.begin() as tx:
        assert middle.hash not in [block for _, block in tx.blocks()]


def test_a_false_ancestor_does_not_confirm_a_grant(make_forge):
    """Depth is counted along parent hashes: other blocks of those heights have no say."""
    forge = make_forge(stage="registered", confirmations=3)
    forge.consent()
    forge.services.relays.pump()
    forge.mine(2)
    height = forge.chain.head().number
    later = MemoryChain(CHAIN_ID, World.contracts, forge.chain.now + 60)
    later.mine(height)
    header, asked = forge.chain.header, Counter()

    def lying(number):
        asked[number] += 1
        # The first look reads the block, the second asks how deep the grant is.
        return later.header(number) if asked[number] > 1 else header(number)

    forge.chain.header = lying
    assert forge.reason() == "ledger_unavailable"
    del forge.chain.header
    assert forge.reason() == "awaiting_confirmations"


# The head goes back


def test_a_head_that_turns_back_after_a_half_answer_is_noticed(forge):
    """The new block was read and proven, then the node failed; the old answer must not be given again."""
    assert forge.reason() == "permitted"
    forge.mine()
    parent = forge.chain.head().number - 1
    header, asked = forge.chain.header, Counter()

    def failing(number):
        asked[number] += 1
        if number == parent and asked[number] > 1:
            raise LedgerUnavailable("out of reach")
        return header(number)

    forge.chain.header = failing
    assert forge.reason() == "ledger_unavailable"
    del forge.chain.header
    forge.chain.regress(1)
    assert forge.reason() == "ledger_unavailable"
    with pytest.raises(WrongChain), forge.services.index.at_head():
        pass


def test_a_head_that_goes_back_closes_the_gate_but_not_the_intake(forge):
    forge.mine(3)
    assert forge.reason() == "permitted"
    forge.chain.regress(2)
    assert forge.reason() == "ledger_unavailable"
    assert forge.refusal(forge.release) == "wrong_chain"
    forge.mine(5)
    assert forge.reason() == "ledger_unavailable", "an operator must look, whatever comes after"
    assert forge.revoke().status == "accepted"


def test_after_an_operator_accepts_the_loss_everything_lost_is_sent_again(forge):
    w, research = forge.world, struct_hash(forge.world.research_grant)
    forge.revoke()
    forge.settle()
    assert forge.reason() == "revoked"
    forge.chain.regress(4)
    assert forge.reason() == "ledger_unavailable"
    assert forge.services.index.accept_loss() == 4
    assert forge.reason() == "revoked"
    forge.settle()
    assert forge.chain.state.entry(w.patient.address, struct_hash(w.grant())).revoked_at
    assert forge.chain.state.entry(w.patient.address, research).granted_at
    assert digest(forge) == fresh_replay(forge)


def test_grants_lost_with_the_chain_are_recorded_again(forge):
    forge.mine()
    assert forge.reason() == "permitted"
    forge.chain.regress(forge.chain.head().number - 3)
    forge.restart()
    assert forge.services.index.accept_loss() > 0
    assert forge.reason() == "no_consent"
    forge.settle()
    assert forge.reason() == "permitted"


def test_a_loss_is_accepted_also_after_the_chain_has_grown_past_it(forge):
    forge.mine(3)
    assert forge.reason() == "permitted"
    forge.chain.regress(2)
    assert forge.reason() == "ledger_unavailable"
    forge.mine(5)
    forge.services.index.accept_loss()
    assert forge.reason() == "permitted"


def test_a_loss_in_the_middle_of_a_reorganisation_is_accepted_too(forge):
    forge.mine(3)
    assert forge.reason() == "permitted"
    forge.chain.reorganise(2, 3)
    read, forge.chain.events = forge.chain.events, lambda _: (_ for _ in ()).throw(LedgerUnavailable("No answer."))
    assert forge.reason() == "ledger_unavailable"  # the blocks that were replaced are dropped, and none are read
    forge.chain.events = read
    forge.chain.regress(3)
    assert forge.reason() == "ledger_unavailable"
    assert forge.services.index.accept_loss() > 0
    assert [forge.reason() for _ in range(GOOD_HEADS)][-1] == "permitted"


def test_accepting_a_loss_does_not_reopen_a_gate_on_the_wrong_chain(forge):
    forge.chain.faults.chain_id = 1
    with pytest.raises(WrongChain):
        forge.services.index.check_chain()
    with pytest.raises(WrongChain):
        forge.services.index.accept_loss()
    assert forge.reason() == "ledger_unavailable"


def test_nothing_lost_is_nothing_to_accept(forge):
    before = digest(forge)
    assert forge.services.index.accept_loss() == 0
    assert digest(forge) == before


# Freshness


def test_a_token_holds_the_answer_to_a_block_or_refuses(forge):
    with forge.services.index.at_head() as snapshot:
        token = token_of(forge.deployment, snapshot.head)
    number, block = read_token(forge.deployment, token)
    forge.services.index.require(number, block)
    with pytest.raises(LedgerUnavailable, match="not seen"):
        forge.services.index.require(number + 1, block)
    forge.chain.reorganise(1)
    with pytest.raises(InvalidInput, match="not on this chain"):
        forge.services.index.require(number, block)


def test_a_stranger_to_the_chain_gets_no_stale_snapshot(forge):
    assert forge.reason() == "permitted"
    forge.chain.faults.unreachable = True
    assert forge.reason() == "ledger_unavailable"
    with pytest.raises(LedgerUnavailable), forge.services.index.at_head():
        pass


def test_what_was_verified_a_moment_ago_may_answer_again_and_nothing_older(forge):
    passed = [100.0]
    index = Index(forge.chain, forge.store, forge.deployment, steady=lambda: passed[0])
    with index.at_head() as first:
        pass
    forge.mine()
    passed[0] += 0.2
    with index.at_head(within=0.25) as again:
        assert again is first
    forge.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable), index.at_head():
        pass
    with pytest.raises(LedgerUnavailable), index.at_head(within=0.25):  # it was doubted since
        pass
    forge.chain.faults.unreachable = False
    for _ in range(GOOD_HEADS):
        with suppress(LedgerUnavailable), index.at_head():
            pass
    with index.at_head(within=0.25) as new:
        assert new.head == forge.chain.head()
    forge.mine()
    passed[0] += 0.25
    with index.at_head(within=0.25) as newest:
        assert newest.head == forge.chain.head()
    index.trust.close("for a test")
    with pytest.raises(WrongChain), index.at_head(within=0.25):
        pass


def test_a_release_asks_the_node_whatever_questions_may_reuse(forge):
    forge.services.questions._reuse = 1.0
    assert forge.reason() == "permitted"
    forge.chain.faults.unreachable = True
    assert forge.reason() == "permitted"
    assert forge.refusal(forge.release) in ("ledger_unavailable", "unavailable")
    assert forge.reason() == "ledger_unavailable"


def test_of_a_block_too_old_to_be_replaced_the_nodes_say_the_hash(forge):
    forge.mine(5)
    index = Index(forge.chain, SqlStore("sqlite://"), forge.deployment, reorganisation_limit=2)
    old = forge.chain.header(forge.chain.head().number - 5)
    then = index.as_of(old.number, old.hash)
    assert (then.head, then.state.digest()) == (old, forge.chain._block(old.number).state.digest())
    with pytest.raises(InvalidInput, match="not on this chain"):
        index.as_of(old.number, to_hash(phrase("no block")))


def test_one_block_of_the_past_is_replayed_at_a_time(forge, monkeypatch):
    """Each is as large as the ledger was, and anybody who signed in may ask for any of them."""
    index, heads = forge.services.index, [forge.chain.header(number) for number in (2, 3)]
    remembered, *others = [(head.number, head.hash) for head in heads]
    index.as_of(*remembered)
    copied, refused = LedgerState.copy, []

    def meanwhile(state):
        monkeypatch.setattr(LedgerState, "copy", copied)
        with pytest.raises(TooManyRequests):
            index.as_of(1, forge.chain.header(1).hash)
        assert index.as_of(*remembered)
        refused.append(True)
        return copied(state)

    monkeypatch.setattr(LedgerState, "copy", meanwhile)
    for block in others:
        assert index.as_of(*block)
    assert refused
    assert index.as_of(1, forge.chain.header(1).hash), "the place is given back"
