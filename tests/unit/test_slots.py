"""Proven storage slots say what the replayed state says, and a decision made from them is the same decision."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import slots
from ledger.decisions import MAX_SUCCESSORS, decide
from ledger.errors import InvalidProof
from ledger.events import WITH_HEAD, Superseded
from ledger.model import ZERO_HASH, to_hash
from ledger.proofs import mapping_slot, slot_key
from ledger.slots import (
    POSITIONS,
    ProvenFacts,
    Slot,
    anchor_slot,
    document_slots,
    entry_slot,
    head_slot,
    needed,
    party_slot,
    subject_slot,
)
from ledger.state import DocumentStatus, Entry, Party, SubjectState
from scripts.vector_sources.decisions import read_case
from scripts.vector_sources.world import START, World, key, phrase

ROOT = Path(__file__).parents[2]
ABI = ROOT / "ledger" / "adapters" / "abi"
VECTORS = json.loads((ROOT / "tests" / "vectors" / "decisions.json").read_text())
settings.register_profile("slots", derandomize=True, deadline=None, max_examples=80)
some = settings.get_profile("slots")

W = World()
PEOPLE = [key(name).address for name in ("a", "b", "c")]
NAMES = [to_hash(phrase(name)) for name in "xyz"]


def packed(*members):
    """(value, bits) members as Solidity packs them: the first one lowest."""
    word, shift = 0, 0
    for value, bits in members:
        assert 0 <= value < 1 << bits
        word |= int(value) << shift
        shift += bits
    return word


def stored(state):
    """The storage of the contracts that hold this state, written from the structs in contracts/interfaces/."""
    words = {}

    def put(slot, word):
        words[slot.contract, slot.key] = word

    for name, head in state.heads.items():
        put(head_slot(name), int(head, 16))
    for (subject, name), entry in state.entries.items():
        put(entry_slot(subject, name), packed((entry.granted_at, 64), (entry.revoked_at, 64)))
    for subject, s in state.subjects.items():
        word = packed((s.revoked_before, 64), (s.suspension_at, 64), (s.suspended, 8), (s.closed, 8))
        put(subject_slot(subject), word)
    for root, at in state.anchors.items():
        put(anchor_slot(root), at)
    for party, p in state.parties.items():
        # `since` and the rest of the Directory's struct do not matter to a decision.
        put(party_slot(party), packed((p.roles, 8), (p.suspended, 8), (START, 64), (START, 64)))
    for (issuer, name), d in state.documents.items():
        times, successor = document_slots(issuer, name)
        put(times, packed((d.published_at, 64), (d.superseded_at, 64), (d.retracted_at, 64), (d.material, 8)))
        put(successor, int(d.successor, 16))
    return words


class Storage(dict):
    """What a contract holds: every slot nobody wrote is zero."""

    def __missing__(self, key):
        return 0


# Where things are -------------------------------------------------------------------------------------


@pytest.mark.parametrize("contract", POSITIONS)
def test_positions_are_those_of_the_compiler(contract):
    layout = json.loads((ABI / f"{contract}.json").read_text())["storageLayout"]
    assert POSITIONS[contract].items() <= layout.items()


def test_every_contract_with_a_head_is_known():
    assert {contract for contract, positions in POSITIONS.items() if "_head" in positions} == set(WITH_HEAD)


def test_structs_are_packed_as_their_interfaces_declare():
    """Widths come from the Solidity sources, so a member added there is noticed here."""
    sizes = {"uint64": 64, "uint8": 8, "bool": 8, "bytes32": 256}
    declared = {}
    for file in ("IConsentRecords", "IDirectory", "IPolicyRegistry"):
        text = (ROOT / "contracts" / "interfaces" / f"{file}.sol").read_text()
        for part in text.split("struct ")[1:]:
            name, body = part.split("{", 1)
            members = [line.split("//")[0].split() for line in body.split("}")[0].split(";")]
            declared[name.strip()] = tuple(sizes.get(m[0]) for m in members if m)
    assert declared["Entry"] == slots._ENTRY
    assert declared["Subject"] == slots._SUBJECT
    assert declared["Party"][: len(slots._PARTY)] == slots._PARTY
    assert declared["Document"][: len(slots._DOCUMENT)] == slots._DOCUMENT
    assert declared["Document"][len(slots._DOCUMENT) :] == (256,), "the successor has a slot of its own"


def test_keys_follow_the_rule_for_mappings():
    subject, name = PEOPLE[0], NAMES[0]
    assert entry_slot(subject, name).key == mapping_slot(name, mapping_slot(subject, 0))
    assert subject_slot(subject).key == mapping_slot(subject, 1)
    times, successor = document_slots(subject, name)
    assert int(successor.key, 16) == int(times.key, 16) + 1
    assert head_slot("PolicyRegistry").key == slot_key(0)


def test_no_two_facts_share_a_slot():
    every = [head_slot(name) for name in WITH_HEAD]
    for person in PEOPLE:
        every += [subject_slot(person), party_slot(person)]
        for name in NAMES:
            every += [entry_slot(person, name), *document_slots(person, name)]
    every += [anchor_slot(name) for name in NAMES]
    assert len(set(every)) == len(every)
    assert len({slot.label for slot in every if slot.label != "head"}) == len(every) - len(WITH_HEAD)


# What they say ----------------------------------------------------------------------------------------

uint64 = st.integers(0, 2**64 - 1)
people, names = st.sampled_from(PEOPLE), st.sampled_from(NAMES)


@st.composite
def states(draw):
    state = W.state()
    state.heads |= {name: draw(st.binary(min_size=32, max_size=32).map(to_hash)) for name in WITH_HEAD}
    state.entries |= draw(st.dictionaries(st.tuples(people, names), st.builds(Entry, uint64, uint64)))
    state.subjects |= draw(
        st.dictionaries(people, st.builds(SubjectState, uint64, uint64, st.booleans(), st.booleans()))
    )
    state.anchors |= draw(st.dictionaries(names, uint64))
    state.parties |= draw(st.dictionaries(people, st.builds(Party, st.integers(0, 255), st.booleans())))
    superseded = st.builds(DocumentStatus, uint64, st.integers(1, 2**64 - 1), uint64, st.booleans(), names)
    current = st.builds(DocumentStatus, uint64, st.just(0), uint64, st.just(False))
    state.documents |= draw(st.dictionaries(st.tuples(people, names), superseded | current))
    return state


@some
@given(states())
def test_proven_facts_say_what_the_state_says(state):
    facts = ProvenFacts(Storage(stored(state)))
    for name in WITH_HEAD:
        assert facts.head(name) == state.heads[name]
    for name in NAMES:
        assert facts.anchored_at(name) == state.anchored_at(name)
    for person in PEOPLE:
        assert facts.subject(person) == state.subject(person)
        assert facts.party(person) == state.party(person)
        for name in NAMES:
            assert facts.entry(person, name) == state.entry(person, name)
            assert facts.document(person, name) == state.document(person, name)


@pytest.mark.parametrize(
    ("slot", "width", "ask"),
    [
        (entry_slot(PEOPLE[0], NAMES[0]), 128, lambda facts: facts.entry(PEOPLE[0], NAMES[0])),
        (subject_slot(PEOPLE[0]), 144, lambda facts: facts.subject(PEOPLE[0])),
        (party_slot(PEOPLE[0]), 144, lambda facts: facts.party(PEOPLE[0])),
        (document_slots(PEOPLE[0], NAMES[0])[0], 200, lambda facts: facts.document(PEOPLE[0], NAMES[0])),
    ],
    ids=["entry", "subject", "party", "document"],
)
def test_a_slot_that_holds_more_than_its_struct_is_refused(slot, width, ask):
    ask(ProvenFacts(Storage({(slot.contract, slot.key): (1 << width) - 1})))
    with pytest.raises(InvalidProof):
        ask(ProvenFacts(Storage({(slot.contract, slot.key): 1 << width})))


@pytest.mark.parametrize(
    "ask",
    [
        lambda facts: facts.head("Directory"),
        lambda facts: facts.entry(PEOPLE[0], NAMES[0]),
        lambda facts: facts.subject(PEOPLE[0]),
        lambda facts: facts.anchored_at(NAMES[0]),
        lambda facts: facts.party(PEOPLE[0]),
        lambda facts: facts.document(PEOPLE[0], NAMES[0]),
    ],
    ids=["head", "entry", "subject", "anchor", "party", "document"],
)
def test_a_fact_that_was_not_proven_is_an_error(ask):
    with pytest.raises(InvalidProof, match="was not proven"):
        ask(ProvenFacts({}))


def test_a_successor_must_be_proven_when_there_is_one():
    state = W.state(Superseded(START, PEOPLE[0], NAMES[0], NAMES[1], False))
    words = stored(state)
    del words["PolicyRegistry", document_slots(PEOPLE[0], NAMES[0])[1].key]
    with pytest.raises(InvalidProof):
        ProvenFacts(words).document(PEOPLE[0], NAMES[0])


# What a decision needs --------------------------------------------------------------------------------


def proven(question, evidence):
    """The evidence with exactly the slots that `needed` names, and nothing else, proven."""
    storage = Storage(stored(evidence.facts))
    wanted = needed(question, evidence.record, evidence.grants, evidence.forms, evidence.facts)
    return replace(evidence, facts=ProvenFacts({(s.contract, s.key): storage[s.contract, s.key] for s in wanted}))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
def test_needed_is_enough_for(case):
    question, evidence, at = read_case(VECTORS["base"], case)
    assert decide(question, proven(question, evidence), at) == decide(question, evidence, at)


def test_an_index_that_lies_can_only_make_the_decision_fail():
    """`needed` follows successors by the index; were that wrong, a slot is missing and nothing is decided."""
    document = W.grant().form
    truth = W.evidence(Superseded(START, W.hospital.address, document, NAMES[0], True))
    index = W.evidence().facts
    wanted = needed(W.question(), truth.record, truth.grants, truth.forms, index)
    storage = Storage(stored(truth.facts))
    facts = ProvenFacts({(s.contract, s.key): storage[s.contract, s.key] for s in wanted})
    assert not decide(W.question(), replace(truth, facts=facts), W.moment()).permitted
    hidden = W.evidence(Superseded(START, W.hospital.address, document, NAMES[0], False))
    storage = Storage(stored(hidden.facts))
    facts = ProvenFacts({(s.contract, s.key): storage[s.contract, s.key] for s in wanted})
    with pytest.raises(InvalidProof):
        decide(W.question(), replace(hidden, facts=facts), W.moment())


def test_a_circle_of_successors_needs_no_endless_list():
    events = [
        Superseded(START, W.hospital.address, W.grant().form, NAMES[0], False),
        Superseded(START, W.hospital.address, NAMES[0], W.grant().form, False),
    ]
    evidence = W.evidence(*events)
    wanted = needed(W.question(), evidence.record, evidence.grants, evidence.forms, evidence.facts)
    assert len(wanted) < 30 + 2 * MAX_SUCCESSORS
    found = decide(W.question(), proven(W.question(), evidence), W.moment())
    assert found == decide(W.question(), evidence, W.moment())


def test_the_list_has_one_order_and_no_repetitions():
    evidence = W.evidence()
    wanted = needed(W.question(), evidence.record, evidence.grants, evidence.forms, evidence.facts)
    turned = needed(W.question(), evidence.record, evidence.grants[::-1], evidence.forms, evidence.facts)
    assert list(wanted) == sorted(set(wanted)) == list(turned)


def test_of_an_unknown_record_nothing_is_asked_but_who_asks():
    wanted = needed(W.question(), None, (), {}, W.state())
    assert set(wanted) == {*(head_slot(name) for name in WITH_HEAD), party_slot(W.journal.address)}


def test_slots_are_the_same_whatever_they_are_called():
    assert Slot("Directory", ZERO_HASH, "one") == Slot("Directory", ZERO_HASH, "two")
