"""The simulated chain keeps its promises: real headers, real proofs, the contract's rules, and faults on demand."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.adapters.memory import MemoryChain
from ledger.adapters.rules import storage_of
from ledger.errors import InvalidProof, LedgerUnavailable
from ledger.events import (
    WITH_HEAD,
    Anchored,
    Delegated,
    Granted,
    Published,
    Registered,
    Retracted,
    Revoked,
    RevokedAll,
    Superseded,
    Suspended,
    SuspensionChanged,
)
from ledger.model import LONGEST_CONSENT, Closure, Consent, Delegation, Revocation, RevokeAll, Suspension, to_hash
from ledger.ports import Fees
from ledger.proofs import EMPTY_CODE, verify_account
from ledger.services.index import facts_of
from ledger.services.messages import call_of
from ledger.slots import (
    Proven,
    anchor_slot,
    document_slots,
    entry_slot,
    head_slot,
    party_slot,
    subject_slot,
)
from ledger.state import LedgerState, replay
from ledger.typed_data import parse_signature, struct_hash
from scripts.vector_sources.world import CHAIN_ID, START, World, phrase

W = World()
PATIENT, MOTHER = W.patient.address, W.mother.address
GRANT, OTHER = W.grant(), W.research_grant
NAMES = [to_hash(phrase(f"name {n}")) for n in range(3)]
PEOPLE = [PATIENT, MOTHER, W.journal.address]


@pytest.fixture
def chain():
    return MemoryChain(CHAIN_ID, World.contracts, START)


def call(message, signer=W.patient):
    return call_of(message, signer.address, parse_signature(signer.sign_typed(W.domain, message)))


FEES = Fees(2 * 10**9, 10**9)


def prepare(chain, wanted, nonce=None, fees=FEES):
    """A transaction with the next number, or another: its hash and its bytes."""
    prepared = chain.prepare(wanted, chain.mined() if nonce is None else nonce, fees)
    return prepared.hash, prepared.raw


def send(chain, message, signer=W.patient):
    transaction, raw = prepare(chain, call(message, signer))
    chain.send(raw)
    chain.mine()
    return chain.receipt(transaction)


def consent(*grants, deadline=START + 900):
    return Consent(PATIENT, grants or (GRANT,), deadline)


def proven(chain, *slots):
    """Facts from the chain's proofs at its head, verified."""
    found = {}
    head = chain.head()
    for contract in {slot.contract for slot in slots}:
        wanted = [slot for slot in slots if slot.contract == contract]
        account, proofs = chain.proof(head.hash, contract, [slot.key for slot in wanted])
        verified = account.verify(head)
        values = [(slot, proof.verify(verified), proof) for slot, proof in zip(wanted, proofs, strict=True)]
        found[contract] = Proven(account, tuple(values))
    return facts_of(found)


# Headers and proofs


def test_headers_are_linked_by_hashes_that_are_recomputed(chain):
    chain.mine(5)
    for number in range(1, chain.head().number + 1):
        assert chain.header(number).parent_hash == chain.header(number - 1).hash
        assert chain.header(number).timestamp > chain.header(number - 1).timestamp
    assert chain.header(0).hash == chain.deployment.genesis


def test_contracts_are_proven_with_their_code_from_block_one_on(chain):
    head = chain.head()
    for name, contract in chain.deployment.contracts.items():
        account, _ = chain.proof(head.hash, name, ())
        assert account.verify(head).code_hash == contract.code_hash
        before, _ = chain.proof(chain.header(0).hash, name, ())
        assert before.verify(chain.header(0)).code_hash == EMPTY_CODE


def test_an_address_that_is_not_there_is_proven_absent(chain):
    account, _ = chain.proof(chain.head().hash, "Directory", ())
    with pytest.raises(InvalidProof):
        verify_account(chain.head().state_root, PATIENT, account.nodes)


def test_whether_an_account_has_code_is_proven(chain):
    chain._contracts = replace(chain._contracts, wallets={MOTHER: lambda digest, signature: True})
    before = chain.head()
    chain.mine()
    for header, expected in ((before, set()), (chain.head(), {MOTHER})):
        proofs = [chain.account_proof(header.hash, account) for account in (MOTHER, PATIENT)]
        assert {one.address for one in proofs if one.verify(header).code_hash != EMPTY_CODE} == expected


def events():
    who, name, at = st.sampled_from(PEOPLE), st.sampled_from(NAMES), st.just(0)
    time, flag = st.integers(1, 2**40), st.booleans()
    return st.one_of(
        st.builds(Granted, at, who, name, who),
        st.builds(Revoked, at, who, name, who),
        st.builds(RevokedAll, at, who, time, who),
        st.builds(Suspended, at, who, flag, time, who),
        st.builds(Delegated, at, who, who, st.integers(0, 3), time, time),
        st.builds(Anchored, at, name, st.integers(1, 2**32 - 1)),
        st.builds(Registered, at, who, st.integers(1, 15), name, st.sampled_from(["", "data:x"])),
        st.builds(SuspensionChanged, at, who, flag),
        st.builds(Published, at, who, name),
        st.builds(Superseded, at, who, name, name, flag),
        st.builds(Retracted, at, who, name),
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(st.lists(events(), max_size=4), max_size=4))
def test_proofs_say_what_the_events_say(blocks):
    chain = MemoryChain(CHAIN_ID, World.contracts, START)
    for block in blocks:
        chain.emit(*block)
    last = chain.head().number
    logged = chain.events_between(0, last)
    state = replay(LedgerState.empty(CHAIN_ID, chain.deployment.addresses), [entry.event for entry in logged])
    assert state.digest() == chain.state.digest()
    slots = [head_slot(name) for name in WITH_HEAD]
    slots += [entry_slot(who, name) for who in PEOPLE for name in NAMES]
    slots += [make(who) for who in PEOPLE for make in (subject_slot, party_slot)]
    slots += [anchor_slot(name) for name in NAMES]
    slots += [slot for who in PEOPLE for name in NAMES for slot in document_slots(who, name)]
    facts = proven(chain, *slots)
    for name in WITH_HEAD:
        assert facts.head(name) == state.heads[name]
    for who in PEOPLE:
        assert facts.subject(who) == state.subject(who)
        assert facts.party(who) == state.party(who)
        for name in NAMES:
            assert facts.entry(who, name) == state.entry(who, name)
            found, known = facts.document(who, name), state.document(who, name)
            assert found == (known if known.superseded_at else replace(known, successor=found.successor))
    for name in NAMES:
        assert facts.anchored_at(name) == state.anchored_at(name)
    for entry in logged:
        assert (entry.block_hash, entry.event.at) == (
            chain.header(entry.block_number).hash,
            chain.header(entry.block_number).timestamp,
        )


def test_an_old_block_is_proven_as_it_was(chain):
    send(chain, consent())
    before = chain.head()
    send(chain, Revocation(PATIENT, (GRANT,)))
    slot = entry_slot(PATIENT, struct_hash(GRANT))
    account, (proof,) = chain.proof(before.hash, "ConsentRegistry", [slot.key])
    assert proof.verify(account.verify(before)) == before.timestamp


# The registry's rules


def test_every_signed_message_is_recorded(chain):
    messages = [
        (consent(), "Granted"),
        (Revocation(PATIENT, (GRANT, OTHER)), "Revoked"),
        (RevokeAll(PATIENT, START), "RevokedAll"),
        (Suspension(PATIENT, True, START), "Suspended"),
        (Delegation(PATIENT, MOTHER, 3, START + 900, START), "Delegated"),
        (Closure(PATIENT), "Closed"),
    ]
    for message, name in messages:
        assert send(chain, message).succeeded
        assert {type(entry.event).__name__ for entry in chain.events(chain.head().hash)} == {name}


@pytest.mark.parametrize(
    ("message", "prior", "error"),
    [
        (consent(deadline=START), (), "DeadlinePassed"),
        (consent(), (Closure(PATIENT),), "SubjectClosed"),
        (consent(), (Suspension(PATIENT, True, START),), "SubjectSuspended"),
        (consent(OTHER, GRANT), (consent(),), "AlreadyGranted"),
        (consent(), (Revocation(PATIENT, (GRANT,)),), "AlreadyRevoked"),
        (Suspension(PATIENT, True, START + 1000), (), "TooFarAhead"),
        (Suspension(PATIENT, False, START + 60), (), "TooFarAhead"),
        (Suspension(PATIENT, False, START), (Closure(PATIENT),), "SubjectClosed"),
        (Suspension(PATIENT, False, START), (Suspension(PATIENT, True, START),), "NotNewer"),
        (Delegation(PATIENT, MOTHER, 3, START, START + 1000), (), "TooFarAhead"),
        (Delegation(PATIENT, MOTHER, 1, START, START), (Delegation(PATIENT, MOTHER, 3, START, START),), "NotNewer"),
    ],
)
def test_the_registry_refuses_by_name_and_a_sent_one_fails(chain, message, prior, error):
    for earlier in prior:
        assert send(chain, earlier).succeeded
    assert chain.simulate(call(message)) == error
    assert not send(chain, message).succeeded
    assert chain.events(chain.head().hash) == []


def test_what_narrows_again_succeeds_without_effect(chain):
    narrowing = [
        Revocation(PATIENT, (GRANT,)),
        RevokeAll(PATIENT, START),
        Suspension(PATIENT, True, START),
        Delegation(PATIENT, MOTHER, 0, START, START),
        Closure(PATIENT),
    ]
    for message in narrowing:
        send(chain, message)
        before = chain.state.digest()
        assert send(chain, message).succeeded
        assert chain.state.digest() == before


def test_revoking_all_is_clamped_to_the_present(chain):
    send(chain, RevokeAll(PATIENT, START + 10**6))
    assert chain.state.subject(PATIENT).revoked_before == chain.head().timestamp
    assert chain.simulate(call(consent(deadline=chain.head().timestamp + LONGEST_CONSENT + 1))) is None


def test_a_consent_counts_as_given_30_days_before_its_deadline(chain):
    send(chain, RevokeAll(PATIENT, START))
    now = chain.head().timestamp + 1
    assert chain.simulate(call(consent(deadline=START + LONGEST_CONSENT))) == "RevokedUntil"
    assert chain.simulate(call(consent(deadline=START + LONGEST_CONSENT + 1))) is None
    assert chain.simulate(call(consent(deadline=now + LONGEST_CONSENT + 60))) == "DeadlineTooFar"


def test_only_a_delegate_with_the_right_may_sign(chain):
    revocation = Revocation(PATIENT, (GRANT,))
    assert chain.simulate(call(revocation, W.mother)) == "NotAuthorised"
    send(chain, Delegation(PATIENT, MOTHER, 1, START + 10, START))
    assert chain.simulate(call(revocation, W.mother)) is None
    assert chain.simulate(call(consent(), W.mother)) == "NotAuthorised"
    chain.now = START + 10
    assert chain.simulate(call(revocation, W.mother)) == "NotAuthorised"


def test_another_key_or_another_message_is_no_signature(chain):
    stolen = call_of(consent(), PATIENT, parse_signature(W.stranger.sign_typed(W.domain, consent())))
    assert chain.simulate(stolen) == "SignatureInvalid"
    other = call_of(consent(OTHER), PATIENT, parse_signature(W.patient.sign_typed(W.domain, consent())))
    assert chain.simulate(other) == "SignatureInvalid"


# Transactions


def test_a_transaction_waits_until_it_is_mined_and_sending_again_is_harmless(chain):
    transaction, raw = prepare(chain, call(consent()))
    assert not chain.knows(transaction)
    chain.send(raw)
    chain.send(raw)
    assert chain.knows(transaction)
    assert chain.receipt(transaction) is None
    chain.mine()
    assert chain.receipt(transaction).block_hash == chain.head().hash
    chain.send(raw)
    chain.mine()
    assert chain.receipt(transaction).block_number == chain.head().number - 1


def test_a_nonce_is_used_once(chain):
    (_, first), (dropped, second) = prepare(chain, call(consent())), prepare(chain, call(consent(OTHER)))
    chain.send(first)
    with pytest.raises(LedgerUnavailable):
        chain.send(second)
    assert not chain.knows(dropped)


def test_a_dropped_transaction_is_unknown_and_can_be_sent_again(chain):
    transaction, raw = prepare(chain, call(consent()))
    chain.send(raw)
    assert chain.drop_pending() == 1
    chain.mine()
    assert not chain.knows(transaction)
    chain.send(raw)
    chain.mine()
    assert chain.receipt(transaction).succeeded


# Reorganisations and faults


def test_a_reorganisation_takes_blocks_and_what_was_in_them(chain):
    kept = chain.head()
    receipt = send(chain, consent())
    transaction = chain.events(chain.head().hash)[0].transaction
    chain.reorganise(1)
    assert chain.header(receipt.block_number).hash != receipt.block_hash
    assert chain.header(receipt.block_number).parent_hash == kept.hash
    assert chain.receipt(transaction) is None
    assert chain.state.entries == {}
    with pytest.raises(LedgerUnavailable):
        chain.events(receipt.block_hash)


def test_the_head_can_go_back(chain):
    chain.mine(3)
    height = chain.head().number
    chain.regress(2)
    assert chain.head().number == height - 2


def test_an_unreachable_node_answers_nothing(chain):
    transaction, raw = prepare(chain, call(consent()))
    chain.faults.unreachable = True
    head = chain._blocks[-1].header.hash
    for ask in (
        chain.chain_id,
        chain.head,
        lambda: chain.header(0),
        lambda: chain.events(head),
        lambda: chain.events_between(0, 1),
        lambda: chain.proof(head, "Directory", ()),
        lambda: chain.account_proof(head, PATIENT),
        lambda: chain.simulate(call(consent())),
        lambda: chain.prepare(call(consent()), 0, FEES),
        lambda: chain.send(raw),
        lambda: chain.knows(transaction),
        lambda: chain.receipt(transaction),
    ):
        with pytest.raises(LedgerUnavailable):
            ask()


def test_a_forged_proof_does_not_verify(chain):
    chain.emit(Registered(0, PATIENT, 1, NAMES[0], ""))
    chain.faults.forge_proofs = 1
    with pytest.raises(InvalidProof):
        proven(chain, party_slot(PATIENT))
    assert proven(chain, party_slot(PATIENT)).party(PATIENT).roles == 1


def test_other_code_shows_in_the_account_proof(chain):
    chain.faults.code["ConsentRegistry"] = NAMES[0]
    chain.mine()
    account, _ = chain.proof(chain.head().hash, "ConsentRegistry", ())
    assert account.verify(chain.head()).code_hash == NAMES[0]


def test_storage_is_empty_but_for_the_heads_at_first(chain):
    assert {name: len(words) for name, words in storage_of(chain.state).items()} == dict.fromkeys(WITH_HEAD, 1)
