"""Every event's operation, and the running head, as Solidity's abi.encode has them."""

from dataclasses import fields
from typing import get_args

import pytest
from eth_abi.abi import encode
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import events
from ledger.events import (
    CONTRACTS,
    DEPLOYED,
    WITH_HEAD,
    Anchored,
    Checkpointed,
    Closed,
    Delegated,
    Event,
    Granted,
    LedgerEvent,
    Operation,
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
from ledger.model import address, to_hash

settings.register_profile("events", derandomize=True, deadline=None, max_examples=60)
some = settings.get_profile("events")

HEAD = to_hash(bytes(range(32)))
addresses = st.binary(min_size=20, max_size=20).map(lambda data: address("0x" + data.hex()))
hashes = st.binary(min_size=32, max_size=32).map(to_hash)
uint64 = st.integers(0, 2**64 - 1)
uint32 = st.integers(0, 2**32 - 1)
uint8 = st.integers(0, 255)
uris = st.text(st.characters(exclude_categories=["Cs"]), max_size=100)
ALL_ZERO = "0x" + "00" * 20


def raw(value):
    return bytes.fromhex(value[2:])


def hashed(types, *values):
    return keccak(encode(types, [raw(v) if t == "bytes32" else v for t, v in zip(types, values, strict=True)]))


# What contracts/libraries/RunningHead.sol says each kind holds: class, its fields, (kind, subject, value).
KINDS = {
    Granted: ((addresses, hashes, addresses), lambda e: (1, e.subject, raw(e.grant_hash))),
    Revoked: ((addresses, hashes, addresses), lambda e: (2, e.subject, raw(e.grant_hash))),
    RevokedAll: ((addresses, uint64, addresses), lambda e: (3, e.subject, e.before.to_bytes(32))),
    Suspended: (
        (addresses, st.booleans(), uint64, addresses),
        lambda e: (4, e.subject, hashed(["bool", "uint64"], e.suspended, e.suspension_at)),
    ),
    Closed: ((addresses, addresses), lambda e: (5, e.subject, bytes(32))),
    Delegated: (
        (addresses, addresses, uint8, uint64, uint64),
        lambda e: (
            6,
            e.subject,
            hashed(["address", "uint8", "uint64", "uint64"], e.delegate, e.rights, e.valid_until, e.delegation_at),
        ),
    ),
    Anchored: ((hashes, uint32), lambda e: (7, ALL_ZERO, hashed(["bytes32", "uint32"], e.root, e.size))),
    Registered: (
        (addresses, uint8, hashes, uris),
        lambda e: (16, e.party, hashed(["uint8", "bytes32", "string"], e.roles, e.profile, e.uri)),
    ),
    SuspensionChanged: ((addresses, st.booleans()), lambda e: (17, e.party, int(e.suspended).to_bytes(32))),
    Published: ((addresses, hashes), lambda e: (32, e.issuer, raw(e.document))),
    Superseded: (
        (addresses, hashes, hashes, st.booleans()),
        lambda e: (33, e.issuer, hashed(["bytes32", "bytes32", "bool"], e.document, e.replacement, e.material)),
    ),
    Retracted: ((addresses, hashes), lambda e: (34, e.issuer, raw(e.document))),
}


def test_every_event_is_covered_here():
    assert {*KINDS, Checkpointed} == set(get_args(LedgerEvent)) == set(Event.__subclasses__())


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_folds_as_its_contract_does(kind):
    parts, oracle = KINDS[kind]

    @some
    @given(uint64, hashes, st.tuples(*parts))
    def folds(at, head, values):
        event = kind(at, *values)
        number, subject, value = oracle(event)
        operation = event.operation()
        assert operation == Operation(number, subject, value)
        expected = hashed(
            ["bytes32", "uint8", "address", "bytes32", "uint64"], head, number, subject, "0x" + value.hex(), at
        )
        assert operation.fold(head, at) == to_hash(expected)

    folds()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_word_of_an_operation_can_be_changed_unseen(kind):
    """Every field but `signer` is bound by the head; who relayed or signed is not part of the state."""
    parts, _ = KINDS[kind]

    @settings(some, max_examples=15)
    @given(uint64, st.tuples(*parts), st.tuples(*parts), st.data())
    def bound(at, values, others, data):
        names = [field.name for field in fields(kind)][1:]
        chosen = data.draw(st.integers(0, len(names) - 1))
        changed = [*values]
        changed[chosen] = others[chosen]
        heads = {kind(at, *v).operation().fold(HEAD, at) for v in (values, changed)}
        assert len(heads) == (1 if names[chosen] == "signer" or values[chosen] == others[chosen] else 2)
        assert kind(at, *values).operation().fold(HEAD, at + 1) not in heads

    bound()


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 64, 1000])
def test_a_profile_address_of_any_length_is_padded_as_solidity_does(size):
    event = Registered(1, ALL_ZERO, 3, HEAD, "é" * (size // 2) + "x" * (size % 2))
    assert event.operation().value == hashed(["uint8", "bytes32", "string"], 3, HEAD, event.uri)


def test_checkpoints_are_not_part_of_a_head():
    assert Checkpointed(1, ALL_ZERO, HEAD, 1, HEAD).operation() is None


@some
@given(uint64, addresses)
def test_the_first_head_depends_on_chain_and_contract(chain_id, contract):
    assert first_head(chain_id, contract) == to_hash(hashed(["uint256", "address"], chain_id, contract))
    assert first_head(chain_id, contract) != first_head(chain_id + 1, contract)


def test_kinds_are_those_of_the_contracts():
    numbers = {}
    source = (events_root() / "contracts" / "libraries" / "RunningHead.sol").read_text()
    for line in source.splitlines():
        if "uint8 internal constant" in line:
            name, number = line.split("constant ")[1].split(";")[0].split(" = ")
            numbers[name] = int(number)
    zero = {addresses: ALL_ZERO, hashes: HEAD, uris: ""}
    for kind, (parts, _) in KINDS.items():
        found = kind(1, *(zero.get(part, 0) for part in parts)).operation().kind
        name = "".join("_" + c if c.isupper() else c.upper() for c in kind.__name__).lstrip("_").upper()
        assert numbers.pop(name) == found
    assert not numbers


def events_root():
    from pathlib import Path

    return Path(events.__file__).parents[1]


def test_each_event_names_a_contract_that_is_deployed():
    assert {kind.CONTRACT for kind in get_args(LedgerEvent)} == set(CONTRACTS)
    assert {kind.CONTRACT for kind in KINDS} == set(WITH_HEAD)
    assert set(CONTRACTS) < set(DEPLOYED)
