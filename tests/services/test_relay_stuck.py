"""A transaction that is not mined holds up no withdrawal, and is offered more."""

import itertools

import pytest

from ledger.ports import Fees
from ledger.services.sending import raised
from scripts.devnet import Devnet, rpc

PRICE = 3 * 10**9
"""Wei per gas: more than a first offer in the simulated market, less than one that was raised a few times."""


def stored(forge, relay):
    with forge.store.begin() as tx:
        return tx.relay(relay.id)


def attempts(forge, relay):
    transaction = stored(forge, relay).transaction
    with forge.store.begin() as tx:
        return tx.attempts(transaction)


def pump(forge):
    forge.services.relays.pump()


def stuck(make_forge, **options):
    """A consent that was sent and is not mined for want of fees."""
    forge = make_forge(stage="registered", **options)
    consent = forge.consent()
    pump(forge)
    forge.chain.faults.price = PRICE
    forge.mine(2)
    assert stored(forge, consent).status == "sent"
    return forge, consent


def on_chain(forge, first=3):
    return [type(entry.event).__name__ for entry in forge.chain.events_between(first, forge.chain.head().number)]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_withdrawal_takes_the_place_of_a_consent_that_is_stuck(make_forge, restarted):
    forge, consent = stuck(make_forge)
    grant = forge.world.research_grant
    revocation = forge.revoke(grant)
    if restarted:
        forge.restart()
    pump(forge)
    forge.chain.faults.price = 2 * 10**9 + 1  # the consent's own offer stays too low
    forge.mine()
    pump(forge)
    assert on_chain(forge) == ["Revoked"]
    assert stored(forge, revocation).status == "recorded"
    forge.chain.faults.price = 0
    forge.mine()
    pump(forge)
    assert stored(forge, consent).problem == "AlreadyRevoked", "it went again, behind, and the contract refused it"


@pytest.mark.parametrize("lost", [True, False])
def test_a_chain_that_moves_while_it_is_looked_at_makes_nothing_go_twice(make_forge, lost):
    """Between counting what is mined and looking for a transaction, its block is replaced, or it gets into one."""
    forge = make_forge(stage="registered")
    consent = forge.consent()
    pump(forge)
    if lost:
        forge.mine()
    find = forge.chain.receipt

    def moved(transaction):
        forge.chain.receipt = find
        if lost:
            forge.chain.reorganise(1)
            return find(transaction)
        before = find(transaction)
        forge.mine()
        return before

    forge.chain.receipt = moved
    pump(forge)
    for _ in range(3):
        forge.mine()
        pump(forge)
    assert stored(forge, consent).status == "final"
    assert len(attempts(forge, consent)) == 1
    assert forge.chain.mined() == 1, "sent twice"


def test_the_consent_goes_again_behind_the_withdrawal(make_forge):
    forge, consent = stuck(make_forge)
    other = forge.world.grant(salt="0x" + "77" * 32)
    forge.revoke(other)
    forge.chain.faults.price = 0
    for _ in range(5):
        pump(forge)
        forge.mine()
    pump(forge)
    assert on_chain(forge) == ["Revoked", "Granted", "Granted"]
    assert stored(forge, consent).status == "final"


def test_a_stuck_transaction_is_offered_more_until_it_is_mined(make_forge):
    forge, consent = stuck(make_forge)
    for _ in range(6):
        forge.chain.now += 30
        pump(forge)
        forge.mine()
    pump(forge)
    assert on_chain(forge) == ["Granted", "Granted"], "once, whatever was offered"
    found = stored(forge, consent)
    assert found.status in ("recorded", "final")
    assert forge.chain.receipt(found.transaction), "the one that is in the block is named"
    offers = [sent.fees for sent in reversed(attempts(forge, consent))]
    assert len(offers) > 2
    for old, new in itertools.pairwise(offers):
        assert new.limit * 8 >= old.limit * 9
        assert new.tip * 8 >= old.tip * 9


def test_before_its_time_nothing_is_offered_more(make_forge):
    forge, consent = stuck(make_forge)
    forge.chain.now += 20
    pump(forge)
    assert len(attempts(forge, consent)) == 1


def test_no_more_is_offered_than_the_operator_allows(make_forge):
    forge, consent = stuck(make_forge, limits={"relay_max_fee": 2.6})
    for _ in range(10):
        forge.chain.now += 30
        pump(forge)
    assert max(sent.fees.limit for sent in attempts(forge, consent)) <= 2.6 * 10**9 * 8 / 9
    revocation = forge.revoke(forge.world.grant(salt="0x" + "77" * 32))
    pump(forge)
    (sent,) = attempts(forge, revocation)
    assert sent.nonce == forge.chain.mined(), "what a consent may offer leaves room to replace it"
    assert sent.fees.limit <= 2.6 * 10**9


def test_a_withdrawal_pushes_out_no_other_withdrawal(make_forge):
    forge, _ = stuck(make_forge)
    first = forge.revoke(forge.world.grant(salt="0x" + "77" * 32))
    pump(forge)
    second = forge.revoke(forge.world.grant(salt="0x" + "78" * 32))
    pump(forge)
    one, two = (attempts(forge, relay)[0].nonce for relay in (first, second))
    assert (one, two) == (forge.chain.mined(), forge.chain.mined() + 1)


def test_a_stuck_anchor_holds_up_no_withdrawal(forge):
    forge.ask()
    forge.services.log.anchor()
    forge.chain.faults.price = PRICE
    forge.mine()
    revocation = forge.revoke()
    pump(forge)
    assert attempts(forge, revocation)[0].nonce == forge.chain.mined()
    forge.chain.faults.price = 0
    for _ in range(4):
        pump(forge)
        forge.services.log.anchor()
        forge.mine()
    assert stored(forge, revocation).status == "final"
    assert forge.services.log.anchored()[0].block is not None, "the anchor went again"


def test_a_reorganisation_brings_everything_back(make_forge):
    forge, consent = stuck(make_forge)
    revocation = forge.revoke(forge.world.grant(salt="0x" + "77" * 32))
    forge.chain.faults.price = 0
    for _ in range(3):
        pump(forge)
        forge.mine()
    forge.chain.reorganise(3)
    forge.chain.drop_pending()
    forge.restart()
    for _ in range(6):
        pump(forge)
        forge.mine()
    pump(forge)
    assert {stored(forge, relay).status for relay in (consent, revocation)} == {"final"}
    assert sorted(set(on_chain(forge))) == ["Granted", "Revoked"]


def test_a_number_nobody_uses_any_more_is_used_first(make_forge):
    """Otherwise everything behind the gap waits for ever."""
    forge, consent = stuck(make_forge)
    with forge.store.begin() as tx:
        tx.forget_transactions(forge.chain.address, 10**6, 2**50)
    forge.chain.drop_pending()
    pump(forge)
    assert stored(forge, consent).status == "sent"
    assert attempts(forge, consent)[0].nonce == forge.chain.mined()


@pytest.mark.parametrize("limit", [1, 7, 8, 9, 10**9, 3 * 10**9 + 1])
def test_a_raise_is_an_eighth_at_least_and_never_above_the_cap(limit):
    old, market = Fees(limit, limit), Fees(1, 1)
    found = raised(old, market, 10**12)
    assert found.limit * 8 >= limit * 9
    assert found.tip * 8 >= limit * 9
    assert raised(old, market, limit) is None
    assert raised(old, Fees(10**10, 5), 10**10) == Fees(10**10, max(5, found.tip))


@pytest.mark.node
def test_a_real_node_mines_the_withdrawal_before_the_stuck_consent():
    """Mining is held, as when blocks are full: what is mined first is decided by who replaces whom."""
    from chaos.real_world import RealForge

    with Devnet.start("anvil") as node:
        forge = RealForge(node)
        grant = forge.world.grant(salt="0x" + "66" * 32)
        rpc(node.rpc_url, "evm_setAutomine", [False])
        consent = forge.consent(grant)
        pump(forge)
        before = stored(forge, consent)
        revocation = forge.revoke(grant)
        pump(forge)
        assert rpc(node.rpc_url, "eth_getTransactionByHash", [before.transaction]) is None, "the node dropped it"
        rpc(node.rpc_url, "anvil_mine", [hex(1)])
        pump(forge)
        assert stored(forge, revocation).status == "recorded"
        assert stored(forge, consent).status in ("failed", "accepted", "sent")
        rpc(node.rpc_url, "anvil_mine", [hex(4)])
        pump(forge)
        pump(forge)
        assert (stored(forge, consent).status, stored(forge, consent).problem) == ("failed", "AlreadyRevoked")
