"""Our EIP-712 hashing equals the recorded vectors and eth-account, and our recovery accepts one signature only."""

import contextlib
import json
import unicodedata
from pathlib import Path

import pytest
from coincurve import PublicKey
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import BadSignature, InvalidMessage
from ledger.model import ENCRYPTION_KEY_SIZE, MESSAGES, ONWARD, Closure, address, keccak
from ledger.typed_data import (
    _HALF_ORDER,
    TYPE_HASHES,
    TYPES,
    Domain,
    commitment_hash,
    encode_type,
    hash_struct,
    parse_signature,
    recover,
    struct_hash,
    verify,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "typed_data.json").read_text())
DOMAIN = Domain(VECTORS["domain"]["chainId"], VECTORS["domain"]["verifyingContract"])
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
QUICK = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)  # fmt: skip

# -- the recorded vectors ---------------------------------------------------------------------------------------------


def test_the_types_are_the_recorded_ones():
    declared = {name: [(m["type"], m["name"]) for m in members] for name, members in VECTORS["types"].items()}
    assert {name: list(members) for name, members in TYPES.items()} == declared
    assert {name: "0x" + digest.hex() for name, digest in TYPE_HASHES.items()} == VECTORS["typeHashes"]


def test_the_domain_is_the_recorded_one():
    assert DOMAIN.to_json() == VECTORS["domain"]
    assert "0x" + DOMAIN.separator.hex() == VECTORS["domainSeparator"]


@pytest.mark.parametrize("case", VECTORS["structs"], ids=lambda c: c["type"])
def test_recorded_structs(case):
    assert struct_hash(MESSAGES[case["type"]].from_json(case["value"])) == case["hash"]


@pytest.mark.parametrize("case", VECTORS["messages"], ids=lambda c: c["primaryType"])
def test_recorded_messages(case):
    message = MESSAGES[case["primaryType"]].from_json(case["message"])
    assert struct_hash(message) == case["structHash"]
    assert "0x" + DOMAIN.digest(message).hex() == case["digest"]
    assert recover(DOMAIN.digest(message), parse_signature(case["signature"])) == case["signer"]
    verify(DOMAIN.digest(message), parse_signature(case["signature"]), case["signer"])


def test_a_type_string_carries_the_types_it_refers_to():
    assert encode_type("Closure") == "Closure(address subject)"
    assert encode_type("Revocation").startswith("Revocation(address subject,Grant[] grants)Grant(string summary,")


@pytest.mark.parametrize("kind", ["Consent", "Revocation"])
def test_the_contract_needs_only_the_hashes_of_the_grants(kind):
    for case in VECTORS["messages"]:
        if case["primaryType"] == kind:
            message = MESSAGES[kind].from_json(case["message"])
            hashes = tuple(struct_hash(grant) for grant in message.grants)
            blind = commitment_hash(kind, message.subject, hashes, getattr(message, "deadline", None))
            assert blind == hash_struct(message)


# -- eth-account as oracle --------------------------------------------------------------------------------------------

words = st.text(st.characters(categories=["Lu", "Ll", "Nd", "Lo"], max_codepoint=0x2FFF), min_size=1, max_size=12).map(
    lambda value: unicodedata.normalize("NFC", value)
)
hashes = st.binary(min_size=32, max_size=32).map(lambda b: "0x" + b.hex())
addresses = st.binary(min_size=20, max_size=20).filter(any).map(lambda b: address("0x" + b.hex()))
numbers = st.integers(0, 2**53 - 1)
codes = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9:._-]{0,20}", fullmatch=True)


def lists(of, least=1):
    return st.lists(of, min_size=least, max_size=3, unique=True)


@st.composite
def grants(draw):
    start = draw(st.integers(0, 2**53 - 2))
    return {
        "summary": draw(st.one_of(st.just(""), words)),
        "record": draw(hashes),
        "recipient": draw(addresses),
        "items": draw(st.one_of(st.just(["*"]), lists(words))),
        "purposes": draw(lists(codes)),
        "channels": draw(lists(codes, least=0)),
        "onward": draw(st.sampled_from(ONWARD)),
        "validFrom": start,
        "validUntil": draw(st.integers(start + 1, 2**53 - 1)),
        "form": draw(hashes),
        "salt": draw(hashes),
    }


grant_lists = st.lists(grants(), min_size=1, max_size=2, unique_by=str)
two = st.lists(addresses, min_size=2, max_size=2, unique=True)
MESSAGE_STRATEGIES = {
    "Item": st.fixed_dictionaries(
        {"name": words, "mediaType": st.just("image/png"), "size": numbers, "sha256": hashes, "salt": hashes}
    ),
    "Record": two.flatmap(
        lambda pair: st.fixed_dictionaries(
            {
                "controller": addresses,
                "subject": st.just(pair[0]),
                "stewards": st.sampled_from([[], [pair[1]]]),
                "title": words,
                "items": lists(hashes),
                "createdAt": numbers,
                "salt": hashes,
            }
        )
    ),
    "Grant": grants(),
    "Consent": st.fixed_dictionaries({"subject": addresses, "grants": grant_lists, "deadline": numbers}),
    "Revocation": st.fixed_dictionaries({"subject": addresses, "grants": grant_lists}),
    "RevokeAll": st.fixed_dictionaries({"subject": addresses, "before": numbers}),
    "Suspension": st.fixed_dictionaries({"subject": addresses, "suspended": st.booleans(), "at": numbers}),
    "Closure": st.fixed_dictionaries({"subject": addresses}),
    "Delegation": two.flatmap(
        lambda pair: st.fixed_dictionaries(
            {
                "subject": st.just(pair[0]),
                "delegate": st.just(pair[1]),
                "rights": st.integers(0, 3),
                "validUntil": numbers,
                "at": numbers,
            }
        )
    ),
    "Witness": st.fixed_dictionaries({"subject": addresses, "grants": grant_lists, "role": words, "at": numbers}),
    "Approval": st.fixed_dictionaries(
        {"record": hashes, "recipient": addresses, "purpose": codes, "validUntil": numbers, "salt": hashes}
    ),
    "ReleaseRequest": st.fixed_dictionaries(
        {
            "recipient": addresses,
            "record": hashes,
            "items": lists(words),
            "purpose": codes,
            "channel": st.one_of(st.just(""), codes),
            "encryptionKey": st.binary(min_size=16, max_size=16).map(
                lambda b: "0x" + (b * (ENCRYPTION_KEY_SIZE // 16)).hex()
            ),
            "at": numbers,
            "nonce": hashes,
        }
    ),
}
random_messages = st.one_of(
    [st.tuples(st.just(name), strategy) for name, strategy in MESSAGE_STRATEGIES.items()]
).map(lambda pair: MESSAGES[pair[0]].from_json(pair[1]))  # fmt: skip


def test_every_type_is_tried():
    assert set(MESSAGE_STRATEGIES) == set(MESSAGES)


@QUICK
@given(random_messages, st.integers(0, 2**53 - 1), addresses)
def test_random_messages_hash_as_eth_account_hashes_them(message, chain_id, registry):
    domain = Domain(chain_id, registry)
    signable = encode_typed_data(full_message=domain.typed_data(message))
    assert signable.header == domain.separator
    assert signable.body == hash_struct(message)
    assert _hash_eip191_message(signable) == domain.digest(message)


@settings(QUICK, max_examples=20)
@given(random_messages, st.integers(1, ORDER - 1))
def test_what_eth_account_signs_we_recover(message, secret):
    signer = Account.from_key(secret.to_bytes(32))
    signed = Account.sign_typed_data(signer.key, full_message=DOMAIN.typed_data(message))
    assert recover(DOMAIN.digest(message), bytes(signed.signature)) == signer.address


@QUICK
@given(random_messages, random_messages)
def test_different_messages_have_different_hashes(one, other):
    assert (hash_struct(one) == hash_struct(other)) == (one == other)


# -- one signature only -----------------------------------------------------------------------------------------------

SIGNED = VECTORS["messages"][0]
DIGEST = bytes.fromhex(SIGNED["digest"][2:])
GOOD = bytes.fromhex(SIGNED["signature"][2:])


def test_the_good_signature_is_good():
    assert recover(DIGEST, GOOD) == SIGNED["signer"]


def test_the_twin_with_high_s_is_refused():
    s = int.from_bytes(GOOD[32:64])
    twin = GOOD[:32] + (ORDER - s).to_bytes(32) + bytes([55 - GOOD[64]])
    # The twin is a true signature of the same key: only the rule refuses it.
    assert Account._recover_hash(DIGEST, signature=twin) == SIGNED["signer"]
    with pytest.raises(BadSignature, match="malleable"):
        recover(DIGEST, twin)


def test_half_the_order_is_the_limit():
    assert _HALF_ORDER == ORDER // 2
    recover(DIGEST, GOOD[:32] + _HALF_ORDER.to_bytes(32) + GOOD[64:])
    with pytest.raises(BadSignature, match="malleable"):
        recover(DIGEST, GOOD[:32] + (_HALF_ORDER + 1).to_bytes(32) + GOOD[64:])


def test_the_recovery_values_29_and_30_are_refused_although_the_curve_knows_them():
    def known(small_r):
        try:
            return PublicKey.from_signature_and_message(small_r + GOOD[32:64] + b"\x02", DIGEST, hasher=None)
        except ValueError:
            return None

    small_r = next(r for r in ((n).to_bytes(32) for n in range(1, 100)) if known(r))
    with pytest.raises(BadSignature, match="27 or 28"):
        recover(DIGEST, small_r + GOOD[32:64] + bytes([29]))


@pytest.mark.parametrize("v", [0, 1, 2, 26, 29, 35, 255])
def test_other_recovery_values_are_refused(v):
    with pytest.raises(BadSignature):
        recover(DIGEST, GOOD[:64] + bytes([v]))


@pytest.mark.parametrize("signature", [b"", GOOD[:64], GOOD[:-1], GOOD + b"\x00", GOOD * 2], ids=len)
def test_other_lengths_are_refused(signature):
    with pytest.raises(BadSignature):
        recover(DIGEST, signature)


def test_the_compact_form_of_erc_2098_is_refused():
    flipped = int.from_bytes(GOOD[32:64]) | ((GOOD[64] - 27) << 255)
    with pytest.raises(BadSignature):
        recover(DIGEST, GOOD[:32] + flipped.to_bytes(32))


@pytest.mark.parametrize(
    "signature",
    [
        bytes(64) + b"\x1b",
        bytes(32) + GOOD[32:],
        GOOD[:32] + bytes(32) + GOOD[64:],
        b"\xff" * 32 + GOOD[32:],
        ORDER.to_bytes(32) + GOOD[32:],
        (5).to_bytes(32) + GOOD[32:],  # no point of the curve has this x
    ],
    ids=["zero", "r zero", "s zero", "r too large", "r the order", "r on no point"],
)
def test_signatures_of_nobody_are_refused(signature):
    with pytest.raises(BadSignature):
        recover(DIGEST, signature)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.binary(min_size=64, max_size=65), st.sampled_from([27, 28]))
def test_random_bytes_raise_nothing_else(junk, v):
    with contextlib.suppress(BadSignature):
        assert recover(DIGEST, junk[:64] + bytes([v])) != SIGNED["signer"]


def test_another_key_another_domain_another_message():
    message = Closure(address("0x" + "11" * 20))
    account = Account.from_key(keccak(b"volens test"))
    signature = bytes(account.unsafe_sign_hash(DOMAIN.digest(message)).signature)
    verify(DOMAIN.digest(message), signature, account.address)
    with pytest.raises(BadSignature):
        verify(DOMAIN.digest(message), signature, address("0x" + "22" * 20))
    for other in (Domain(1, DOMAIN.registry), Domain(DOMAIN.chain_id, address("0x" + "33" * 20))):
        with pytest.raises(BadSignature):
            verify(other.digest(message), signature, account.address)
    with pytest.raises(BadSignature):
        verify(DOMAIN.digest(Closure(address("0x" + "44" * 20))), signature, account.address)


@pytest.mark.parametrize(
    "value",
    [None, 7, b"0x00", "", "0x", "0x0", "00", "0xzz", "0x" + "00" * 4097, "0x 00", "0x00 00", "0x00\n", "0X00"],
    ids=lambda v: repr(v)[:12],
)
def test_other_things_are_no_signature(value):
    with pytest.raises(InvalidMessage):
        parse_signature(value)


def test_signatures_of_contract_accounts_may_be_long():
    assert parse_signature("0x" + "00" * 4096) == bytes(4096)
    assert parse_signature("0xABab") == b"\xab\xab"


def test_a_domain_demands_a_chain_and_an_address():
    for chain_id, registry in ((-1, DOMAIN.registry), (True, DOMAIN.registry), (1, "0x00")):
        with pytest.raises(InvalidMessage):
            Domain(chain_id, registry)
