"""The signed types refuse every wrong value, and what they accept survives the way through JSON."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidMessage
from ledger.model import (
    ENCRYPTION_KEY_SIZE,
    MESSAGES,
    ZERO_ADDRESS,
    ZERO_HASH,
    Consent,
    Grant,
    address,
    code,
    hash32,
    integer,
    item_name,
    text,
    to_hash,
)

VECTORS = Path(__file__).parents[1] / "vectors"
INVALID = json.loads((VECTORS / "invalid.json").read_text())["cases"]
TYPED_DATA = json.loads((VECTORS / "typed_data.json").read_text())
VALID = [(s["type"], s["value"]) for s in TYPED_DATA["structs"]] + [
    (m["primaryType"], m["message"]) for m in TYPED_DATA["messages"]
]
BY_TYPE = dict(VALID)


@pytest.mark.parametrize("case", INVALID, ids=lambda case: f"{case['type']}-{case['why']}"[:80])
def test_invalid_vectors_are_refused(case):
    with pytest.raises(InvalidMessage) as caught:
        MESSAGES[case["type"]].from_json(case["value"])
    assert caught.value.field == case["field"]


def test_invalid_vectors_cover_every_type():
    assert len(INVALID) >= 60
    assert {case["type"] for case in INVALID} == set(MESSAGES) == set(BY_TYPE)


@pytest.mark.parametrize(("name", "value"), VALID, ids=[name for name, _ in VALID])
def test_valid_messages_survive_json(name, value):
    message = MESSAGES[name].from_json(value)
    assert message.to_json() == value
    assert MESSAGES[name].from_json(json.loads(json.dumps(message.to_json()))) == message
    assert hash(message) == hash(MESSAGES[name].from_json(value))


def test_a_message_cannot_be_changed():
    grant = Grant.from_json(BY_TYPE["Grant"])
    with pytest.raises(AttributeError):
        grant.onward = "reshare"


def test_lists_are_copied_so_that_nobody_can_append_later():
    value = dict(BY_TYPE["Grant"], items=["a.png"])
    grant = Grant.from_json(value)
    value["items"].append("b.png")
    assert grant.items == ("a.png",)


def test_a_consent_may_be_made_of_grants():
    grant = Grant.from_json(BY_TYPE["Grant"])
    subject = BY_TYPE["Consent"]["subject"]
    assert Consent(subject, (grant,), 1) == Consent.from_json(
        {"subject": subject, "grants": [grant.to_json()], "deadline": 1}
    )


def test_an_error_inside_a_grant_names_its_place():
    grants = [BY_TYPE["Grant"], dict(BY_TYPE["Grant"], salt="0x00")]
    with pytest.raises(InvalidMessage, match=r"^grants\[1\]\.salt: "):
        Consent.from_json(dict(BY_TYPE["Consent"], grants=grants))


def test_lower_case_addresses_are_normalised():
    checksummed = BY_TYPE["Closure"]["subject"]
    assert address(checksummed.lower()) == checksummed
    assert address(ZERO_ADDRESS) == ZERO_ADDRESS


# EIP-55's own examples.
@pytest.mark.parametrize(
    "checksummed",
    [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    ],
)
def test_checksums_follow_erc_55(checksummed):
    assert address(checksummed.lower()) == checksummed


@pytest.mark.parametrize("value", [None, 7, b"0x", "", "0x", ["0x"], "0x" + "g" * 40])
def test_other_things_are_no_address(value):
    with pytest.raises(InvalidMessage):
        address(value)


@pytest.mark.parametrize("value", [None, 7, b"a" * 32, "", "0X" + "0" * 64, ZERO_HASH + "\n"])
def test_other_things_are_no_hash(value):
    with pytest.raises(InvalidMessage):
        hash32(value)


def test_to_hash_demands_32_bytes():
    assert to_hash(bytes(32)) == ZERO_HASH
    with pytest.raises(InvalidMessage):
        to_hash(bytes(31))


def test_integer_limits():
    assert integer(2**53 - 1, "n") == 2**53 - 1
    assert integer(0, "n") == 0
    for wrong in (2**53, -1, True, 1.0, "1", None):
        with pytest.raises(InvalidMessage):
            integer(wrong, "n")


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text(max_size=40))
def test_text_that_is_accepted_reads_as_it_is_stored(value):
    try:
        accepted = text(value, "title")
    except InvalidMessage:
        return
    assert accepted == value
    assert accepted.encode().decode() == value
    assert accepted.isprintable() or not accepted.isascii()
    assert not set(accepted) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\n\r\0")


def test_joiners_that_scripts_need_are_kept():
    for needed in ("می\u200cخواهم", "क्\u200dष", "❤️"):
        assert text(needed, "title") == needed


def test_isolates_only_where_a_sentence_needs_them():
    assert text("\u2068name\u2069", "summary", isolates=True)
    with pytest.raises(InvalidMessage):
        text("\u2068name\u2069", "title")
    with pytest.raises(InvalidMessage):
        text("\u2068\u202ename\u2069", "summary", isolates=True)


@pytest.mark.parametrize("name", ["image.jpg", ".hidden", "a b.png", "médecin.txt", "報告.pdf", "x" * 255])
def test_item_names(name):
    assert item_name(name, "name") == name


@pytest.mark.parametrize("value", ["case-report", "social:x", "DUO:0000006", "DUO:0000007:MONDO:0004992", "a" * 64])
def test_codes(value):
    assert code(value, "purpose") == value


@pytest.mark.parametrize("value", ["", "-a", "a b", "a\n", "é", "a" * 65, None, 7])
def test_other_things_are_no_code(value):
    with pytest.raises(InvalidMessage):
        code(value, "purpose")


def test_a_key_may_be_given_as_bytes_but_only_of_the_right_size():
    values = dict(BY_TYPE["ReleaseRequest"], encryptionKey=bytes(ENCRYPTION_KEY_SIZE))
    assert MESSAGES["ReleaseRequest"].from_json(values).encryption_key == bytes(ENCRYPTION_KEY_SIZE)
    with pytest.raises(InvalidMessage):
        MESSAGES["ReleaseRequest"].from_json(dict(values, encryptionKey=bytes(ENCRYPTION_KEY_SIZE - 1)))


def test_an_error_repeats_at_most_64_characters_of_an_unknown_field():
    with pytest.raises(InvalidMessage) as caught:
        Grant.from_json({"x" * 1000: 1})
    assert len(caught.value.field) == 64
