"""Accounts with code sign by what their code says (ERC-1271), which is its author's to change and costs us gas."""

import json
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from chaos.real_world import RealForge

from ledger.adapters.rules import Contracts, Reverted
from ledger.bundles import verify_bundle
from ledger.errors import BadSignature, LedgerUnavailable, NotFound, Refused, TooManyRequests
from ledger.events import Suspended
from ledger.model import (
    RIGHT_GRANT,
    RIGHT_REVOKE,
    Closure,
    Consent,
    Delegation,
    Revocation,
    RevokeAll,
    Suspension,
    to_hash,
)
from ledger.services.messages import most_gas
from ledger.services.places import ASKED_AT_ONCE
from ledger.typed_data import struct_hash
from scripts.devnet import Devnet, rpc
from scripts.vector_sources.world import DAY, phrase

YES = b"the owners have agreed"


def yes(digest, signature):
    return signature == YES


def no(digest, signature):
    return False


def give_code(forge, who, code):
    """From now on an account has code, which answers ERC-1271."""
    wallets = {**forge.chain._contracts.wallets, who.address: code}
    forge.chain._contracts = replace(forge.chain._contracts, wallets=wallets)


def watch_mining(forge):
    """A list that is empty but while a block is made."""
    mining, make = [], forge.chain._next

    def following():
        mining.append(True)
        try:
            return make()
        finally:
            mining.pop()

    forge.chain._next = following
    return mining


def turncoat(forge, who):
    """Code that says yes to whoever asks, and no in every block."""
    mining = watch_mining(forge)
    give_code(forge, who, lambda digest, signature: not mining)


def hand_in(forge, message, signature=YES, signer=None):
    return forge.services.intake.accept(message, (signer or forge.world.patient).address, signature)


def another(forge, name="another"):
    return forge.world.grant(salt=to_hash(phrase(name)))


def stored(forge, relay):
    with forge.store.begin() as tx:
        return tx.relay(relay.id)


def kept(forge):
    """What is stored of messages: the outbox and the deny list."""
    with forge.store.begin() as tx:
        return [*tx.open_relays(), *tx.denials([forge.world.patient.address])]


def sent(forge):
    """Everything the relayer paid for."""
    return forge.chain.mined()


def messages(forge):
    patient, now = forge.world.patient.address, forge.chain.now
    return {
        "consent": forge.consent_to(another(forge)),
        "revocation": Revocation(patient, (forge.world.grant(),)),
        "revoke all": RevokeAll(patient, now),
        "suspension": Suspension(patient, True, now),
        "resume": Suspension(patient, False, now),
        "closure": Closure(patient),
        "delegation": Delegation(patient, forge.world.mother.address, 3, now + DAY, now),
        "end of a delegation": Delegation(patient, forge.world.mother.address, 0, 0, now),
    }


NAMES = ("consent", "revocation", "revoke all", "suspension", "resume", "closure", "delegation", "end of a delegation")
WITHDRAWALS = ("revocation", "revoke all", "suspension", "closure")


@pytest.mark.parametrize("name", NAMES)
def test_what_the_code_of_an_account_says_yes_to_is_recorded(forge, name):
    give_code(forge, forge.world.patient, yes)
    relay = hand_in(forge, messages(forge)[name])
    forge.settle()
    assert stored(forge, relay).status == "final"


@pytest.mark.parametrize("signature", [b"", b"garbage", b"\1" * 65, YES[:-1]])
def test_what_it_does_not_say_yes_to_is_not_taken(forge, signature):
    give_code(forge, forge.world.patient, yes)
    for message in messages(forge).values():
        with pytest.raises(BadSignature):
            hand_in(forge, message, signature)
    assert kept(forge) == []
    assert forge.reason() == "permitted"


@pytest.mark.parametrize("name", NAMES)
def test_her_own_key_takes_back_whatever_her_code_says_and_widens_nothing(forge, name):
    """An EIP-7702 account whose code is not hers any more: the same rule as in the contract."""
    give_code(forge, forge.world.patient, no)
    message, before = messages(forge)[name], sent(forge)
    if name in (*WITHDRAWALS, "end of a delegation"):
        relay = forge.accept(message)
        forge.settle()
        assert stored(forge, relay).status == "final"
        return
    with pytest.raises(BadSignature, match="has code"):
        forge.accept(message)
    forge.settle()
    assert sent(forge) == before


@pytest.mark.parametrize("name", WITHDRAWALS)
def test_a_withdrawal_by_code_denies_before_it_is_mined_and_for_ever(forge, name):
    give_code(forge, forge.world.patient, yes)
    hand_in(forge, messages(forge)[name])
    assert forge.reason() in ("revoked", "suspended", "closed")
    forge.restart()
    assert forge.reason() in ("revoked", "suspended", "closed")


def test_without_the_node_nobody_knows_what_code_says(forge):
    """Taken unseen, anybody could end anybody's consents for ever. It is not acknowledged; her own key is not asked."""
    give_code(forge, forge.world.patient, yes)
    forge.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable):
        hand_in(forge, Closure(forge.world.patient.address))
    assert kept(forge) == []
    assert forge.accept(Closure(forge.world.patient.address)).status == "accepted"


def test_code_speaks_as_a_delegate_as_far_as_it_was_given_a_right(forge):
    w, now = forge.world, forge.chain.now
    give_code(forge, w.mother, yes)
    revocation, consent = Revocation(w.patient.address, (w.grant(),)), forge.consent_to(another(forge))
    for message in (revocation, consent):
        with pytest.raises(BadSignature, match="may not"):
            hand_in(forge, message, signer=w.mother)
    forge.accept(Delegation(w.patient.address, w.mother.address, RIGHT_REVOKE, now + DAY, now))
    forge.settle()
    with pytest.raises(BadSignature, match="may not"):
        hand_in(forge, consent, signer=w.mother)
    relay = hand_in(forge, revocation, signer=w.mother)
    forge.settle()
    assert stored(forge, relay).status == "final"
    assert forge.reason() == "revoked"


def test_the_evidence_of_a_permit_by_code_verifies(forge):
    """Both verifiers are held to it in tests/verifier/test_code_signers.py."""
    w = forge.world
    give_code(forge, w.patient, yes)
    hand_in(forge, forge.consent_to(another(forge)))
    forge.revoke(w.grant())
    forge.settle()
    answer = forge.ask()
    assert answer.decision.grant == struct_hash(another(forge))
    data = forge.services.bundling.bundle(w.journal.address, answer.id)
    found = verify_bundle(data, answer.decision.moment.hash, forge.deployment)
    assert (found.signers, found.checked_on_chain) == ({}, {w.patient.address})


# What hostile code may cost


@pytest.mark.parametrize("name", NAMES)
def test_code_that_says_no_in_the_block_costs_one_transaction(forge, name):
    turncoat(forge, forge.world.patient)
    before = sent(forge)
    relay = hand_in(forge, messages(forge)[name])
    for _ in range(5):
        forge.settle()
    assert sent(forge) == before + 1
    assert (stored(forge, relay).status, stored(forge, relay).problem) == ("failed", "RefusedInBlock")


@pytest.mark.parametrize("name", WITHDRAWALS)
def test_what_was_acknowledged_denies_also_when_code_takes_it_back(forge, name):
    """Her code said so once, and she was told that it counts."""
    turncoat(forge, forge.world.patient)
    relay = hand_in(forge, messages(forge)[name])
    forge.settle()
    assert stored(forge, relay).receipt is not None
    forge.restart()
    assert forge.reason() in ("revoked", "suspended", "closed")


@pytest.mark.parametrize("name", NAMES)
def test_code_that_says_no_afterwards_costs_nothing(forge, name):
    give_code(forge, forge.world.patient, yes)
    before = sent(forge)
    relay = hand_in(forge, messages(forge)[name])
    give_code(forge, forge.world.patient, no)
    forge.settle()
    assert sent(forge) == before
    assert (stored(forge, relay).status, stored(forge, relay).problem) == ("failed", "SignatureInvalid")


def test_code_that_says_no_when_the_gas_is_estimated_costs_nothing(forge):
    give_code(forge, forge.world.patient, yes)
    before, relay = sent(forge), hand_in(forge, Closure(forge.world.patient.address))

    def prepare(*_):
        raise Refused("The contract refuses the call now.")

    forge.chain.prepare = prepare
    assert forge.services.relays.pump() == 0
    assert (sent(forge), stored(forge, relay).status) == (before, "failed")


def test_gas_is_limited_where_code_is_asked_and_only_there(forge):
    give_code(forge, forge.world.mother, yes)
    w, limits, simulate = forge.world, [], forge.chain.simulate
    forge.chain.simulate = lambda call, gas=None: limits.append(gas) or simulate(call, gas)
    now = forge.chain.now
    forge.accept(Delegation(w.patient.address, w.mother.address, RIGHT_REVOKE | RIGHT_GRANT, now + DAY, now))
    forge.settle()
    assert limits == [None]
    revocation = Revocation(w.patient.address, (another(forge, "1"), another(forge, "2")))
    relay = hand_in(forge, revocation, signer=w.mother)
    forge.services.relays.pump()
    with forge.store.begin() as tx:
        (transaction,) = tx.attempts(tx.relay(relay.id).transaction)
    assert limits[1:] == [json.loads(transaction.raw)[-1]] == [most_gas(revocation)]
    assert most_gas(revocation) - most_gas(Closure(w.patient.address)) == 60_000


def test_consents_of_code_go_alone(make_forge):
    forge = make_forge(stage="registered")
    w, now = forge.world, forge.chain.now
    forge.accept(Delegation(w.patient.address, w.mother.address, RIGHT_GRANT, now + DAY, now))
    forge.settle()
    give_code(forge, w.mother, yes)
    by_key = [forge.consent(another(forge, f"{number}")) for number in range(3)]
    by_code = [hand_in(forge, forge.consent_to(another(forge, f"code {n}")), signer=w.mother) for n in range(2)]
    forge.services.relays.pump()
    together = {stored(forge, relay).transaction for relay in by_key}
    alone = {stored(forge, relay).transaction for relay in by_code}
    assert (len(together), len(alone), together & alone) == (1, 2, set())
    forge.settle()
    assert {stored(forge, relay).status for relay in (*by_key, *by_code)} == {"final"}


def test_an_account_that_has_code_only_while_blocks_are_made_sinks_no_other_twice(make_forge):
    """Signed by a key without code, so sent together with others; then the account is delegated (EIP-7702) in time."""
    forge = make_forge(stage="registered")
    w, now = forge.world, forge.chain.now
    forge.accept(Delegation(w.patient.address, w.mother.address, RIGHT_GRANT, now + DAY, now))
    forge.settle()
    honest = [forge.consent(another(forge, f"{number}")) for number in range(3)]
    hostile = forge.accept(forge.consent_to(another(forge, "hostile")), by=w.mother)
    before = sent(forge)
    for _ in range(6):
        forge.services.relays.pump()
        give_code(forge, w.mother, no)
        forge.mine()
        forge.chain._contracts = replace(forge.chain._contracts, wallets={})
    forge.settle()
    assert {stored(forge, relay).status for relay in honest} == {"final"}
    assert (stored(forge, hostile).status, stored(forge, hostile).problem) == ("failed", "RefusedInBlock")
    assert sent(forge) == before + 1 + len(honest) + 1, "one together, then each alone, the hostile one as well"


def test_a_withdrawal_by_her_key_is_never_given_up(forge):
    """It cannot fail through anybody's code; should it fail for another reason, it goes again."""
    relay, refusals = forge.revoke(), [True] * 3
    mining = watch_mining(forge)

    class Failing(Contracts):
        def execute(self, *arguments):
            if mining and refusals:
                refusals.pop()
                raise Reverted("out of gas")
            return super().execute(*arguments)

    forge.chain._contracts = Failing(forge.domain)
    forge.settle()
    forge.settle()
    assert refusals == []
    assert (stored(forge, relay).status, stored(forge, relay).problem) == ("final", None)


@pytest.mark.parametrize("signature", [b"junk", b""])
def test_junk_that_code_called_a_signature_is_not_in_the_way_of_her_key(forge, signature):
    """Code that is not hers any more says yes to anything here, and no on chain: to keep her from withdrawing."""
    w = forge.world
    revocation = Revocation(w.patient.address, (w.grant(),))
    turncoat(forge, w.patient)
    junk = hand_in(forge, revocation, signature)
    forge.settle()
    assert stored(forge, junk).status == "failed"
    hers = forge.accept(revocation)
    assert hers.id != junk.id
    forge.settle()
    assert stored(forge, hers).status == "final"
    assert forge.chain.state.entry(w.patient.address, struct_hash(w.grant())).revoked_at


def test_the_same_word_of_code_twice_is_one_relay(forge):
    give_code(forge, forge.world.patient, yes)
    first, second = (hand_in(forge, Closure(forge.world.patient.address)) for _ in range(2))
    assert first.id == second.id


def test_a_consent_of_code_that_is_refused_for_another_reason_says_so(forge):
    w = forge.world
    give_code(forge, w.patient, yes)
    relay = hand_in(forge, forge.consent_to(another(forge)))
    forge.services.relays.pump()
    forge.chain.emit(Suspended(0, w.patient.address, True, forge.chain.now, w.patient.address))
    forge.services.relays.pump()
    assert (stored(forge, relay).status, stored(forge, relay).problem) == ("failed", "SubjectSuspended")


def test_only_so_many_accounts_are_asked_at_once_and_a_key_never_waits(forge):
    """A node that hangs over hostile code must not take every thread; consents must not take those of withdrawals."""
    give_code(forge, forge.world.patient, yes)
    go_on, ask = threading.Event(), forge.chain.contract_signed
    asked = threading.Semaphore(0)

    def slow(*arguments):
        asked.release()
        go_on.wait(10)
        return ask(*arguments)

    forge.chain.contract_signed = slow
    consents = [forge.consent_to(another(forge, f"{number}")) for number in range(ASKED_AT_ONCE)]
    everything = RevokeAll(forge.world.patient.address, 1)  # which ends none of the consents
    threads = [
        threading.Thread(target=hand_in, args=(forge, message))
        for message in (*consents, *[everything] * ASKED_AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    try:
        assert all(asked.acquire(timeout=10) for _ in threads)
        for message in (Consent(forge.world.patient.address, (another(forge),), forge.chain.now + 9), everything):
            with pytest.raises(TooManyRequests):
                hand_in(forge, message)
        assert forge.accept(messages(forge)["revocation"]).status == "accepted"
    finally:
        go_on.set()
        for thread in threads:
            thread.join(10)
    forge.chain.contract_signed = ask
    assert hand_in(forge, everything).status == "accepted", "every place was given back"


@pytest.mark.parametrize("kind", ["key that nobody knows", "delegate that is none"])
def test_withdrawals_of_strangers_do_not_take_every_thread_while_a_node_hangs(forge, monkeypatch, kind):
    w = forge.world
    mother = Delegation(w.patient.address, w.mother.address, RIGHT_REVOKE, forge.chain.now + DAY, forge.chain.now)
    forge.accept(mother)
    forge.settle()
    forge.reason()
    go_on, asked = threading.Event(), threading.Semaphore(0)

    @contextmanager
    def hangs(_within=0):
        asked.release()
        go_on.wait(10)
        raise LedgerUnavailable("It does not answer.")
        yield

    monkeypatch.setattr(forge.services.index, "at_head", hangs)

    def hand_one_in():
        whose = w.stranger.address if kind == "key that nobody knows" else w.patient.address
        with suppress(NotFound, BadSignature, TooManyRequests):
            forge.accept(Closure(whose), by=w.stranger)

    threads = [threading.Thread(target=hand_one_in) for _ in range(ASKED_AT_ONCE)]
    for thread in threads:
        thread.start()
    try:
        assert all(asked.acquire(timeout=10) for _ in threads)
        hand_one_in()
        assert not asked.acquire(blocking=False), "nobody waits for the node any more"
        assert forge.accept(Revocation(w.patient.address, (another(forge),)), by=w.mother).status == "accepted"
        assert forge.accept(messages(forge)["revocation"]).status == "accepted"
    finally:
        go_on.set()
        for thread in threads:
            thread.join(10)


# On a real node, where code burns real gas

YES_TO_ALL = "631626ba7e60e01b60005260206000f3"
COSTS = {
    "honest": (YES_TO_ALL, "final", "final", 1_500_000),
    "an endless loop where gas has a price": (
        f"3a601457{YES_TO_ALL}5b601456",
        "RefusedInBlock",
        "RefusedInBlock",
        150_000,
    ),
    "burns what it is given": (f"5b5a61138810600057{YES_TO_ALL}", "OutOfGas", "final", 1_500_000),
}
"""Code that says yes when it is asked; what becomes of a revocation, and of all of them; the most gas that may cost."""


@pytest.mark.node
def test_code_that_burns_gas_costs_one_transaction_within_its_limit():
    with Devnet.start("anvil") as node:
        forge = RealForge(node)
        patient = forge.world.patient.address
        for code, first, second, most in COSTS.values():
            rpc(node.rpc_url, "anvil_setCode", [patient, "0x" + code])
            revocation, everything = Revocation(patient, (another(forge, code),)), RevokeAll(patient, forge.chain.now)
            for message, expected in ((revocation, first), (everything, second)):
                before, relay = sent(forge), hand_in(forge, message, b"junk")
                for _ in range(3):
                    forge.settle()
                found = stored(forge, relay)
                assert (found.problem or found.status) == expected
                assert sent(forge) == before + (expected != "OutOfGas")
                if found.transaction:
                    receipt = rpc(node.rpc_url, "eth_getTransactionReceipt", [found.transaction])
                    assert int(receipt["gasUsed"], 16) < most
        rpc(node.rpc_url, "anvil_setCode", [patient, "0x5b600056"])
        with pytest.raises(BadSignature):
            hand_in(forge, Closure(patient), b"an endless loop")
