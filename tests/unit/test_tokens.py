"""Consistency tokens: exactly one text for each block, and none for what is not one."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.deployment import Contract, Deployment
from ledger.errors import InvalidInput
from ledger.events import DEPLOYED
from ledger.model import ZERO_HASH, address, to_hash
from ledger.tokens import PREFIX, make_token, read_token

settings.register_profile("tokens", derandomize=True, deadline=None, max_examples=80)
some = settings.get_profile("tokens")


def deployment(chain_id=31337, first=1):
    contracts = {
        name: Contract(address(f"0x{number:040x}"), ZERO_HASH, 0) for number, name in enumerate(DEPLOYED, first)
    }
    return Deployment(chain_id, ZERO_HASH, contracts)


HERE = deployment()
BLOCK = to_hash(bytes(range(32)))
TOKEN = make_token(HERE, 7, BLOCK)


def encoded(value, **options):
    text = value if isinstance(value, bytes) else json.dumps(value, **options).encode()
    return PREFIX + base64.urlsafe_b64encode(text).rstrip(b"=").decode()


CONTENT = {"a": HERE.contracts["ConsentRegistry"].address, "c": 31337, "h": BLOCK, "n": 7}
COMPACT = {"separators": (",", ":")}


def test_a_token_is_canonical_json_of_chain_registry_number_and_hash():
    assert encoded(CONTENT, **COMPACT) == TOKEN


@some
@given(st.integers(0, 2**53 - 1), st.binary(min_size=32, max_size=32).map(to_hash))
def test_a_token_reads_back(number, block):
    assert read_token(HERE, make_token(HERE, number, block)) == (number, block)


@pytest.mark.parametrize("other", [deployment(chain_id=1), deployment(first=2)], ids=["chain", "registry"])
def test_a_token_of_another_ledger_is_refused(other):
    with pytest.raises(InvalidInput, match="not a consistency token of this ledger"):
        read_token(HERE, make_token(other, 7, BLOCK))


@pytest.mark.parametrize(
    "token",
    [
        None,
        7,
        b"cz1.",
        "",
        "cz1.",
        "cz2." + TOKEN[4:],
        TOKEN + "=",
        TOKEN + "A",
        TOKEN[:-1],
        " " + TOKEN,
        TOKEN + "\n",
        "cz1." + "A" * 500,
        "cz1.é",
        encoded([]),
        encoded(7),
        encoded(b"\xff\xfe"),
        encoded(b"[" * 200),
        encoded(CONTENT),
        encoded(CONTENT | {"n": -1}, **COMPACT),
        encoded(CONTENT | {"n": 2**53}, **COMPACT),
        encoded(CONTENT | {"n": 7.0}, **COMPACT),
        encoded(CONTENT | {"n": True}, **COMPACT),
        encoded(CONTENT | {"h": "0x12"}, **COMPACT),
        encoded(CONTENT | {"h": BLOCK.upper()}, **COMPACT),
        encoded(CONTENT | {"x": 1}, **COMPACT),
        encoded({"a": CONTENT["a"], "c": 31337, "n": 7}, **COMPACT),
        encoded(b'{"a":"x","a":"' + CONTENT["a"].encode() + f'","c":31337,"h":"{BLOCK}","n":7}}'.encode()),
    ],
)
def test_what_is_not_exactly_a_token_is_refused(token):
    with pytest.raises(InvalidInput, match="not a consistency token"):
        read_token(HERE, token)


@some
@given(st.text(max_size=60))
def test_nothing_else_is_ever_raised(text):
    for token in (text, PREFIX + text):
        with pytest.raises(InvalidInput):
            read_token(HERE, token)


@some
@given(st.integers(len(PREFIX), len(TOKEN) - 1), st.sampled_from("ABCxyz019-_+/"))
def test_one_character_changed_is_another_block_or_no_token(place, character):
    changed = TOKEN[:place] + character + TOKEN[place + 1 :]
    try:
        found = read_token(HERE, changed)
    except InvalidInput:
        return
    assert (changed == TOKEN) is (found == (7, BLOCK))
