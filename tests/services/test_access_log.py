"""The access log's head: signed, provable, and anchored on chain at most an interval behind."""

import json

import pytest
import rfc8785
from sqlalchemy import delete, update

from ledger.adapters import tables as t
from ledger.checkpoint import verify_checkpoint
from ledger.errors import InvalidInput, LedgerUnavailable, Untrusted
from ledger.events import Checkpointed
from ledger.merkle import EMPTY_LOG, leaf_hash, verify_consistency, verify_inclusion
from ledger.services.access_log import log_id_of, origin_of

INTERVAL = 30


def checkpoint(forge):
    log = forge.services.log
    return verify_checkpoint(log.checkpoint(), log.origin, log._key.public_key().public_bytes_raw())


def on_chain(forge):
    """What reached CheckpointLog, in order."""
    return [
        (logged.event.size, logged.event.root)
        for number in range(forge.chain.head().number + 1)
        for logged in forge.chain.events(forge.chain.header(number).hash)
        if isinstance(logged.event, Checkpointed)
    ]


def work(forge, blocks=1):
    forge.services.log.anchor()
    forge.mine(blocks)


def test_the_name_says_who_anchors_it(forge):
    log = forge.services.log
    assert log.origin == origin_of(forge.deployment, forge.chain.address)
    assert log.id == log_id_of(log.origin)
    assert log.origin.startswith("eip155:31337:0x")


def test_a_checkpoint_covers_every_entry(forge):
    assert (checkpoint(forge).size, checkpoint(forge).root) == (0, EMPTY_LOG)
    for _ in range(3):
        forge.ask()
    found = checkpoint(forge)
    with forge.store.begin() as tx:
        leaves = tx.log_leaves()
    assert found.size == len(leaves) == 3
    for index, leaf in enumerate(leaves):
        verify_inclusion(leaf_hash(leaf), index, 3, forge.services.log.inclusion(index, 3), found.root)
    assert forge.services.log.hashes(0, 10) == [leaf_hash(leaf) for leaf in leaves]
    assert forge.services.log.hashes(2, 1) == [leaf_hash(leaves[2])]


def test_a_later_checkpoint_begins_with_an_earlier_one(forge):
    forge.ask()
    before = checkpoint(forge)
    forge.ask()
    after = checkpoint(forge)
    verify_consistency(1, 2, before.root, after.root, forge.services.log.consistency(1, 2))


@pytest.mark.parametrize(("first", "limit"), [(-1, 1), (0, 0), (0, 1001)])
def test_pages_have_bounds(forge, first, limit):
    with pytest.raises(InvalidInput):
        forge.services.log.hashes(first, limit)


def test_proofs_of_what_is_not_there_are_refused(forge):
    for act in (lambda log: log.inclusion(0, 0), lambda log: log.inclusion(1, 1), lambda log: log.consistency(0, 9)):
        with pytest.raises(InvalidInput):
            act(forge.services.log)


# Anchoring


def test_an_empty_log_is_not_anchored(forge):
    work(forge)
    assert on_chain(forge) == []


def test_what_was_logged_is_anchored_once(forge):
    forge.ask()
    assert forge.services.log.anchored() == (None, 0)
    for _ in range(4):
        work(forge)
    found = checkpoint(forge)
    assert on_chain(forge) == [(found.size, found.root)]
    anchor, behind = forge.services.log.anchored()
    assert (anchor.size, anchor.final, behind) == (1, True, 0)


def test_more_is_anchored_after_the_interval_and_not_before(forge):
    forge.ask()
    work(forge, 2)
    work(forge)
    forge.ask()
    work(forge)
    assert len(on_chain(forge)) == 1
    assert forge.services.log.anchored()[1] > 0
    forge.chain.mine(seconds=INTERVAL)
    work(forge)
    found = checkpoint(forge)
    assert on_chain(forge)[-1] == (found.size, found.root) == (2, found.root)


def test_what_is_anchored_already_does_not_wait_while_the_next_anchor_is_on_its_way(forge):
    forge.ask()
    for _ in range(4):
        work(forge)
    forge.chain.mine(seconds=INTERVAL)
    forge.ask()
    forge.services.log.anchor()  # sent, and in no block yet
    anchor, behind = forge.services.log.anchored()
    assert (anchor.size, anchor.block, anchor.held) == (2, None, 1)
    assert behind < INTERVAL, "the second entry has waited, not the first"
    work(forge)
    work(forge)
    assert forge.services.log.anchored()[1] == 0


def test_a_transaction_that_was_dropped_is_sent_again(forge):
    forge.chain.automine = False
    forge.ask()
    forge.services.log.anchor()
    assert forge.chain.drop_pending() == 1
    work(forge)
    assert len(on_chain(forge)) == 1


def test_one_whose_nonce_is_taken_is_made_anew(forge):
    forge.chain.automine = False
    forge.ask()
    forge.services.log.anchor()
    forge.chain.drop_pending()
    forge.consent()  # takes the nonce
    forge.services.relays.pump()
    forge.mine()
    for _ in range(3):
        work(forge)
    assert len(on_chain(forge)) == 1


def test_an_anchor_that_was_reorganised_away_is_sent_again(forge):
    forge.ask()
    work(forge)
    assert len(on_chain(forge)) == 1
    forge.services.log.anchor()
    forge.chain.reorganise(1, 2)
    assert on_chain(forge) == []
    for _ in range(3):
        work(forge)
    assert len(on_chain(forge)) == 1


def test_an_unreachable_node_is_asked_again(forge):
    forge.ask()
    forge.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable):
        forge.services.log.anchor()
    forge.chain.faults.unreachable = False
    work(forge)
    assert len(on_chain(forge)) == 1


def test_it_goes_on_after_a_restart(forge):
    forge.chain.automine = False
    forge.ask()
    forge.services.log.anchor()
    forge.restart()
    for _ in range(3):
        work(forge)
    assert len(on_chain(forge)) == 1


def test_a_log_that_is_not_what_was_anchored_is_noticed(forge):
    forge.ask()
    forge.ask()
    work(forge, 2)
    work(forge)
    engine = forge.store._engine
    with engine.begin() as connection:
        connection.execute(delete(t.log).where(t.log.c.index == 1))
    forge.chain.mine(seconds=INTERVAL)
    with pytest.raises(Untrusted, match="Shrunk"):
        forge.services.log.anchor()
    with engine.begin() as connection:
        connection.execute(delete(t.log_nodes))
    forge.ask()
    with engine.begin() as connection:
        connection.execute(update(t.facts).where(t.facts.c.name == "anchor").values(value=None))
        connection.execute(update(t.log).where(t.log.c.index == 1).values(leaf=b"{}"))
        connection.execute(delete(t.log_nodes))
        connection.execute(t.log_nodes.insert().values(height=1, position=0, hash=b"\1" * 32))
    with pytest.raises(Untrusted, match="Forked"):
        forge.services.log.anchor()


def test_an_entry_is_canonical_json(forge):
    forge.ask()
    forge.ask(by=forge.world.stranger, purpose="teaching", channel="social:x")
    with forge.store.begin() as tx:
        for leaf in tx.log_leaves():
            assert leaf == rfc8785.dumps(json.loads(leaf))
