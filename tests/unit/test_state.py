"""The state is the fold of its events: nothing more, nothing less, in their order only."""

import random
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.events import (
    WITH_HEAD,
    Anchored,
    Checkpointed,
    Closed,
    Delegated,
    Granted,
    LedgerEvent,
    Published,
    Registered,
    Retracted,
    Revoked,
    RevokedAll,
    Superseded,
    Suspended,
    SuspensionChanged,
    first_head,
)
from ledger.model import ZERO_HASH, to_hash
from ledger.state import (
    ROLE_CONTROLLER,
    ROLE_RECIPIENT,
    DelegationState,
    DocumentStatus,
    Entry,
    LedgerState,
    Party,
    SubjectState,
    replay,
)
from scripts.vector_sources.world import CHAIN_ID, World, key, phrase

settings.register_profile("state", derandomize=True, deadline=None, max_examples=80)
some = settings.get_profile("state")

W = World()
A, B, C = (key(name).address for name in ("a", "b", "c"))
X, Y, Z = (to_hash(phrase(name)) for name in "xyz")
EMPTY = LedgerState.empty(CHAIN_ID, W.contracts)

people, names, times = st.sampled_from([A, B, C]), st.sampled_from([X, Y, Z]), st.integers(1, 2**40)
uris = st.sampled_from(["", "data:,x"])
PARTS = {
    Granted: (people, names, people),
    Revoked: (people, names, people),
    RevokedAll: (people, times, people),
    Suspended: (people, st.booleans(), times, people),
    Closed: (people, people),
    Delegated: (people, people, st.integers(0, 3), times, times),
    Anchored: (names, st.integers(1, 99)),
    Registered: (people, st.integers(0, 15), names, uris),
    SuspensionChanged: (people, st.booleans()),
    Published: (people, names),
    Superseded: (people, names, names, st.booleans()),
    Retracted: (people, names),
    Checkpointed: (people, names, times, names),
}
any_event = st.one_of([st.builds(kind, times, *parts) for kind, parts in PARTS.items()])
histories = st.lists(any_event, max_size=12)


def after(*events):
    return replay(EMPTY, events)


# One event at a time ----------------------------------------------------------------------------------


def test_an_empty_ledger_knows_nothing():
    assert EMPTY.entry(A, X) == Entry(0, 0)
    assert EMPTY.subject(A) == SubjectState(0, 0, False, False)
    assert EMPTY.anchored_at(X) == 0
    assert EMPTY.party(A) == Party(0, False)
    assert EMPTY.document(A, X) == DocumentStatus(0, 0, 0, False, ZERO_HASH)
    assert EMPTY.heads == {name: first_head(CHAIN_ID, W.contracts[name]) for name in WITH_HEAD}
    assert EMPTY.operations == 0


def test_granted():
    state = after(Granted(7, A, X, B))
    assert state.entry(A, X) == Entry(granted_at=7)
    assert state.entry(B, X) == state.entry(A, Y) == Entry()


def test_revoked_keeps_when_it_was_granted():
    assert after(Granted(7, A, X, A), Revoked(9, A, X, A)).entry(A, X) == Entry(7, 9)
    assert after(Revoked(9, A, X, A)).entry(A, X) == Entry(0, 9)
    assert after(Granted(7, A, X, A), Revoked(9, B, X, B)).entry(A, X) == Entry(7, 0)


def test_revoked_all_suspended_and_closed_are_one_slot():
    state = after(RevokedAll(9, A, 8, A), Suspended(10, A, True, 6, A), Closed(11, A, A))
    assert state.subject(A) == SubjectState(revoked_before=8, suspension_at=6, suspended=True, closed=True)
    assert state.subject(B) == SubjectState()


def test_resumed():
    state = after(Suspended(10, A, True, 10, A), Suspended(12, A, False, 12, A))
    assert state.subject(A) == SubjectState(suspension_at=12)


def test_delegated():
    state = after(Delegated(5, A, B, 3, 99, 4), Delegated(6, A, C, 1, 50, 5), Delegated(7, A, B, 0, 0, 6))
    assert state.delegations == {(A, B): DelegationState(0, 0, 6), (A, C): DelegationState(1, 50, 5)}


def test_anchored():
    assert after(Anchored(8, X, 3)).anchored_at(X) == 8


def test_registered_and_suspended_parties():
    state = after(Registered(5, A, ROLE_CONTROLLER, X, "one"), SuspensionChanged(6, A, True))
    assert state.party(A) == Party(ROLE_CONTROLLER, True)
    assert not state.party(A).has(ROLE_CONTROLLER)
    state.apply(Registered(7, A, ROLE_CONTROLLER | ROLE_RECIPIENT, Y, "two"))
    assert state.party(A) == Party(3, True), "new roles do not lift a suspension"
    state.apply(SuspensionChanged(8, A, False))
    assert state.party(A).has(ROLE_RECIPIENT)
    assert not state.party(B).has(ROLE_RECIPIENT)
    assert state.profiles == {A: (Y, "two")}


def test_published_superseded_and_retracted():
    state = after(Published(3, A, X), Superseded(5, A, X, Y, True), Retracted(6, A, Y))
    assert state.document(A, X) == DocumentStatus(3, 5, 0, True, Y)
    assert state.document(A, Y) == DocumentStatus(published_at=5, retracted_at=6)
    assert state.document(B, X) == state.document(B, Y) == DocumentStatus()


def test_a_record_can_be_retracted_without_being_published():
    assert after(Retracted(6, A, Z)).document(A, Z) == DocumentStatus(retracted_at=6)


def test_checkpointed():
    state = after(Checkpointed(3, A, X, 4, Y), Checkpointed(4, A, X, 9, Z), Checkpointed(4, B, X, 1, Y))
    assert state.checkpoints == {(A, X): (9, Z), (B, X): (1, Y)}
    assert state.heads == EMPTY.heads
    assert state.operations == 0


@pytest.mark.parametrize("kind", get_args(LedgerEvent), ids=lambda kind: kind.__name__)
def test_every_event_is_taken_and_moves_its_own_head_only(kind):
    zero = {people: A, names: X, times: 5, uris: ""}
    event = kind(5, *(zero.get(part, 1) for part in PARTS[kind]))
    state = after(event)
    assert state.digest() != EMPTY.digest()
    moved = {name for name in WITH_HEAD if state.heads[name] != EMPTY.heads[name]}
    assert moved == ({kind.CONTRACT} & set(WITH_HEAD))
    assert state.operations == len(moved)
    if operation := event.operation():
        assert state.heads[kind.CONTRACT] == operation.fold(EMPTY.heads[kind.CONTRACT], 5)


def test_what_is_no_event_is_an_error():
    with pytest.raises(AssertionError):
        EMPTY.copy().apply("something else")


# Histories --------------------------------------------------------------------------------------------


@some
@given(histories)
def test_replay_is_applying_one_by_one(events):
    state = EMPTY.copy()
    for event in events:
        state.apply(event)
    assert state == after(*events)
    assert state.digest() == after(*events).digest()
    assert LedgerState.empty(CHAIN_ID, W.contracts) == EMPTY, "replay leaves what it starts from alone"


@some
@given(histories, histories)
def test_replay_goes_on_where_it_stopped(first, second):
    assert replay(after(*first), second) == after(*first, *second)


@some
@given(histories, any_event)
def test_one_more_event_changes_the_digest(events, event):
    """Even one that changes no fact: the head has moved, so a repeated operation does not go unseen."""
    state = after(*events)
    before = state.digest()
    state.apply(event)
    unchanged = isinstance(event, Checkpointed) and after(*events).checkpoints == state.checkpoints
    assert (state.digest() == before) is unchanged


@some
@given(histories, st.data())
def test_a_withheld_or_reordered_operation_changes_a_head(events, data):
    operations = [event for event in events if event.operation()]
    if len(operations) < 2:
        return
    missing = data.draw(st.integers(0, len(operations) - 1))
    assert after(*operations[:missing], *operations[missing + 1 :]).heads != after(*operations).heads
    first, second = operations[0], operations[1]
    swapped = after(second, first, *operations[2:])
    same = first.CONTRACT != second.CONTRACT or (first.operation(), first.at) == (second.operation(), second.at)
    assert (swapped.heads == after(*operations).heads) is same


@some
@given(histories, st.randoms(use_true_random=False))
def test_the_digest_does_not_depend_on_the_order_of_insertion(events, shuffler):
    state = after(*events)
    shuffled = state.copy()
    for name, rows in vars(state).items():
        if isinstance(rows, dict):
            pairs = list(rows.items())
            shuffler.shuffle(pairs)
            setattr(shuffled, name, dict(pairs))
    assert shuffled.digest() == state.digest()


@some
@given(histories.filter(len), st.data())
def test_the_digest_changes_with_any_fact(events, data):
    state = after(*events)
    tables = [name for name, rows in vars(state).items() if isinstance(rows, dict) and rows]
    rows = getattr(state, data.draw(st.sampled_from(tables)))
    chosen = data.draw(st.sampled_from(sorted(rows, key=repr)))
    before = state.digest()
    kept = rows.pop(chosen)
    assert state.digest() != before
    rows[chosen] = kept
    assert state.digest() == before


def test_the_digest_tells_facts_apart_that_differ_in_one_number():
    digests = {
        after(event).digest()
        for event in (
            Granted(7, A, X, A),
            Granted(8, A, X, A),
            Granted(7, B, X, A),
            Granted(7, A, Y, A),
            Revoked(7, A, X, A),
            Published(7, A, X),
            Retracted(7, A, X),
        )
    }
    assert len(digests) == 7
    # Who handed an operation in is not a fact of the ledger.
    assert after(Granted(7, A, X, A)).digest() == after(Granted(7, A, X, B)).digest()


def test_the_digest_is_fixed():
    """Auditors compare it between versions of the software, so it must never change by accident."""
    assert after(*W.listings, W.granted(W.grant()), W.granted(W.research_grant)).digest() == DIGEST


DIGEST = "sha256:965c68472d5272721f994f40f46b6c20644f8d7a7d6b5650700f66f9c6857ccd"


@some
@given(histories, any_event)
def test_a_copy_is_independent(events, event):
    state = after(*events)
    before = state.digest()
    copied = state.copy()
    assert copied == state
    assert copied is not state
    copied.apply(event)
    copied.entries[C, Z] = Entry(1, 1)
    copied.known.add("somebody")
    assert "somebody" not in state.known
    assert state.digest() == before


@some
@given(histories)
def test_known_are_those_of_whom_something_is_recorded(events):
    state = after(*events)
    assert state.known == {subject for subject, _ in (*state.entries, *state.delegations)} | set(state.subjects)


def test_ledgers_of_other_chains_or_contracts_never_share_a_digest():
    other = dict(W.contracts, Directory=A)
    assert len({LedgerState.empty(*of).digest() for of in ((1, W.contracts), (2, W.contracts), (1, other))}) == 3


def test_copy_forgets_no_table():
    """A table added to the state later must be copied and digested too."""
    filled = after(*random_history())
    assert all(getattr(filled, name) for name in vars(filled))
    assert vars(filled.copy()) == vars(filled)
    assert replace(filled) == filled.copy()


def random_history():
    chooser = random.Random(1)
    pick = {people: (A, B, C), names: (X, Y, Z), times: (3, 4, 5), uris: ("", "data:,x")}
    for kind, parts in PARTS.items():
        yield kind(9, *(chooser.choice(pick.get(part, (1, 0))) for part in parts))
