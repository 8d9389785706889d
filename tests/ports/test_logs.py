"""Logs are read as web3.py reads them, and not at all when they are not exactly what a contract emits."""

import json
from contextlib import suppress

import pytest
from eth_abi import encode
from hypothesis import example, given
from hypothesis import strategies as st
from web3 import Web3

from ledger.adapters.logs import _FIELDS, artifact, decode
from ledger.errors import LedgerUnavailable
from ledger.events import CONTRACTS, UNREADABLE, uri_bytes
from ledger.model import keccak, to_hash

EVENTS = [
    (contract, entry)
    for contract in CONTRACTS
    for entry in artifact(contract)["abi"]
    if entry["type"] == "event" and entry["name"] in _FIELDS
]
VALUES = {
    "address": st.binary(min_size=20, max_size=20).map(Web3.to_checksum_address),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bool": st.booleans(),
    "string": st.text(max_size=100),
    **{f"uint{bits}": st.integers(0, 2**bits - 1) for bits in (8, 32, 64)},
}


def signature(entry):
    return f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})"


def raw(entry, values):
    """The log a contract emits."""
    indexed = [i for i in entry["inputs"] if i["indexed"]]
    plain = [i for i in entry["inputs"] if not i["indexed"]]
    topics = ["0x" + keccak(signature(entry).encode()).hex()]
    topics += ["0x" + encode([i["type"]], [values[i["name"]]]).hex() for i in indexed]
    data = "0x" + encode([i["type"] for i in plain], [values[i["name"]] for i in plain]).hex()
    return {"topics": topics, "data": data}


def drawn(data, entry):
    return {i["name"]: data.draw(VALUES[i["type"]]) for i in entry["inputs"]}


def test_every_event_of_ours_is_known():
    assert {entry["name"] for _, entry in EVENTS} == set(_FIELDS)


@pytest.mark.parametrize(("contract", "entry"), EVENTS, ids=[entry["name"] for _, entry in EVENTS])
@given(st.data())
def test_read_as_web3_reads_it(contract, entry, data):
    values = drawn(data, entry)
    log = raw(entry, values)
    event = decode(contract, log, 7)
    oracle = Web3().eth.contract(abi=artifact(contract)["abi"]).events[entry["name"]]()
    full = log | {
        "address": "0x" + "11" * 20, "blockNumber": 1, "blockHash": b"\0" * 32, "transactionHash": b"\0" * 32,
        "transactionIndex": 0, "logIndex": 0,
    }  # fmt: skip
    full["topics"] = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
    full["data"] = bytes.fromhex(log["data"][2:])
    theirs = oracle.process_log(full)["args"]
    cls, names = _FIELDS[entry["name"]]
    assert type(event) is cls
    assert event.at == 7
    for ours, name in names.items():
        expected = theirs[name]
        assert getattr(event, ours) == (to_hash(expected) if isinstance(expected, bytes) else expected)


@pytest.mark.parametrize(("contract", "entry"), EVENTS, ids=[entry["name"] for _, entry in EVENTS])
@given(st.data())
def test_what_is_not_exactly_a_log_is_refused(contract, entry, data):
    log = raw(entry, drawn(data, entry))
    size = len(log["data"])
    changes = [
        {"topics": log["topics"][:-1]},
        {"topics": [*log["topics"], "0x" + "00" * 32]},
        {"topics": [log["topics"][0], *("0x" + "1" * 63 for _ in log["topics"][1:])]},
        {"topics": [log["topics"][0], *(topic.upper() for topic in log["topics"][1:])]} if size > 66 else {"data": "0"},
        {"data": log["data"][:-2]} if size > 2 else {"data": "0x00"},
        {"data": log["data"][: max(2, size - 64)]} if size > 2 else {"data": "0x" + "00" * 32},
        {"data": log["data"].replace("0", " ", 2)[:size]} if size > 3 else {"data": "0x_0"},
        {"data": None},
        {"topics": None},
    ]
    change = data.draw(st.sampled_from(changes))
    with pytest.raises(LedgerUnavailable):
        decode(contract, log | change, 7)


@example({"topics": [], "data": "0x"})
@given(st.recursive(st.none() | st.text() | st.integers(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_rubbish_is_refused_or_ignored(value):
    with suppress(LedgerUnavailable):
        assert decode("ConsentRegistry", value, 7) is None


def test_what_openzeppelin_emits_is_passed_over():
    for entry in artifact("Directory")["abi"]:
        if entry["type"] == "event" and entry["name"] not in _FIELDS:
            assert (
                decode("Directory", {"topics": ["0x" + keccak(signature(entry).encode()).hex()], "data": "0x"}, 7)
                is None
            )


@given(st.binary(max_size=100) | st.text().map(lambda text: (UNREADABLE + text).encode()))
@example(b"\xff\xfe")
@example((UNREADABLE + "fffe").encode())
def test_any_bytes_in_the_place_of_a_uri_are_read_and_count_in_the_head(data):
    """The contract takes what is no UTF-8, and a log cannot be taken back: not to read it would end all reading."""
    words = [(2).to_bytes(32), bytes(32), (96).to_bytes(32), len(data).to_bytes(32)]
    body = b"".join(words) + data + bytes(-len(data) % 32)
    (entry,) = [e for c, e in EVENTS if e["name"] == "Registered"]
    topics = ["0x" + keccak(signature(entry).encode()).hex(), "0x" + "00" * 12 + "11" * 20]
    event = decode("Directory", {"topics": topics, "data": "0x" + body.hex()}, 7)
    assert event.operation().value == keccak(encode(["uint8", "bytes32", "bytes"], [2, bytes(32), data]))
    assert uri_bytes(event.uri) == data
    assert event.uri.encode().decode() == event.uri, "it can be stored"


def test_numbers_too_large_for_their_type_are_refused():
    (entry,) = [e for c, e in EVENTS if e["name"] == "RevokedAll"]
    good = raw(entry, {"subject": "0x" + "11" * 20, "before": 5, "signer": "0x" + "22" * 20})
    assert decode("ConsentRegistry", good, 7).before == 5
    words = [good["data"][2:66], good["data"][66:]]
    for broken in ("f" * 64 + words[1], words[0] + "f" * 64):
        with pytest.raises(LedgerUnavailable):
            decode("ConsentRegistry", {**good, "data": "0x" + broken}, 7)


def test_builds_are_read_once():
    assert artifact("Directory") is artifact("Directory")
    assert json.dumps(artifact("Directory"))
