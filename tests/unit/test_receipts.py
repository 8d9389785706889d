"""A relay receipt holds for one message, one ledger and one key; a signed message's file has one form."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.documents import canonical
from ledger.errors import InvalidFile, InvalidProof, WrongChain
from ledger.model import Closure, Revocation, RevokeAll
from ledger.receipts import RelayReceipt, parse_receipt, require_receipt_of, sign_receipt, verify_receipt
from ledger.signed_message import SignedMessage
from ledger.typed_data import Domain, parse_signature
from scripts.vector_sources.world import CHAIN_ID, World, phrase

W = World()
DOMAIN = Domain(CHAIN_ID, W.contracts["ConsentRegistry"])
KEY = Ed25519PrivateKey.from_private_bytes(phrase("log"))
OTHER = Ed25519PrivateKey.from_private_bytes(phrase("another log"))
PUBLIC = KEY.public_key().public_bytes_raw()
MESSAGE = Revocation(W.patient.address, (W.grant(),))
RECEIPT = RelayReceipt.of(MESSAGE, W.patient.address, DOMAIN, "rly_" + "0f" * 16, 1_800_000_000)


def signed():
    return sign_receipt(RECEIPT, KEY)


def test_a_receipt_says_what_was_received():
    found = verify_receipt(parse_receipt(canonical(signed())), PUBLIC, DOMAIN)
    assert found == RECEIPT
    require_receipt_of(found, MESSAGE, W.patient.address, DOMAIN)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("v", 2), ("v", True), ("chainId", 1), ("registry", W.hospital.address), ("type", "Consent"), ("type", "Item"),
        ("digest", "0x" + "11" * 32), ("subject", W.mother.address), ("signer", W.mother.address),
        ("id", "rly_" + "00" * 16), ("id", "x"), ("receivedAt", 1_800_000_001), ("receivedAt", -1),
        ("subject", W.patient.address.lower()), ("more", 1),
    ],
)  # fmt: skip
def test_nothing_in_a_receipt_can_be_changed(name, value):
    changed = signed()
    changed["receipt"][name] = value
    with pytest.raises(InvalidProof):
        verify_receipt(changed, PUBLIC, DOMAIN)


@pytest.mark.parametrize("name", [*RECEIPT.to_json(), "receipt", "key", "signature"])
def test_nothing_of_a_receipt_can_be_left_out(name):
    changed = signed()
    (changed if name in changed else changed["receipt"]).pop(name)
    with pytest.raises(InvalidProof):
        verify_receipt(changed, PUBLIC, DOMAIN)


def test_another_keys_word_is_not_the_operators():
    with pytest.raises(InvalidProof, match="another key"):
        verify_receipt(sign_receipt(RECEIPT, OTHER), PUBLIC, DOMAIN)
    with pytest.raises(InvalidProof, match="signature is wrong"):
        verify_receipt(sign_receipt(RECEIPT, OTHER) | {"key": "0x" + PUBLIC.hex()}, PUBLIC, DOMAIN)


def test_a_signature_of_the_key_over_the_bare_json_is_no_receipt():
    """Whatever else the key comes to sign, a receipt begins with words of its own."""
    bare = signed() | {"signature": "0x" + KEY.sign(canonical(RECEIPT.to_json())).hex()}
    with pytest.raises(InvalidProof, match="signature is wrong"):
        verify_receipt(bare, PUBLIC, DOMAIN)


def test_a_receipt_of_another_ledger_is_refused():
    with pytest.raises(InvalidProof, match="another ledger"):
        verify_receipt(signed(), PUBLIC, Domain(1, DOMAIN.registry))


@pytest.mark.parametrize("message", [Closure(W.patient.address), RevokeAll(W.patient.address, 5)])
def test_a_receipt_of_another_message_is_told_apart(message):
    with pytest.raises(InvalidProof, match="another message"):
        require_receipt_of(RECEIPT, message, W.patient.address, DOMAIN)
    with pytest.raises(InvalidProof, match="another message"):
        require_receipt_of(RECEIPT, MESSAGE, W.mother.address, DOMAIN)


@pytest.mark.parametrize("value", [None, [], "x", 1, {}, {"receipt": 1, "key": 2, "signature": 3}])
def test_what_is_no_receipt_is_said_to_be_none(value):
    with pytest.raises(InvalidProof):
        verify_receipt(value, PUBLIC, DOMAIN)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 5000, b'{"a":1, "b":2}', b" " * 5000])
def test_a_file_that_holds_no_receipt_is_refused(data):
    with pytest.raises(InvalidProof, match="does not hold a relay receipt"):
        parse_receipt(data)


# Signed messages


def message_file():
    signature = parse_signature(W.patient.sign_typed(DOMAIN, MESSAGE))
    return SignedMessage(DOMAIN, MESSAGE, W.patient.address, signature)


def test_a_signed_message_comes_back_from_its_file():
    written = message_file()
    read = SignedMessage.from_file(written.file())
    assert read == written
    assert read.check(DOMAIN)
    assert read.subject == W.patient.address


def test_a_signed_message_is_for_one_ledger():
    with pytest.raises(WrongChain, match="another ledger"):
        message_file().check(Domain(1, DOMAIN.registry))


def test_a_signature_that_is_not_its_signers_own_is_noticed():
    other = SignedMessage(DOMAIN, MESSAGE, W.patient.address, b"\1" * 65)
    assert not other.check(DOMAIN)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.pop("signature"), lambda value: value.update(more=1), lambda value: value.update(v=2),
        lambda value: value.update(type="Item"), lambda value: value.update(type=[]),
        lambda value: value.update(type="Closure"), lambda value: value["message"].pop("subject"),
        lambda value: value.update(signature="0x"), lambda value: value.update(chainId="1"),
        lambda value: value.update(message=[]),
    ],
)  # fmt: skip
def test_a_file_that_holds_no_signed_message_is_refused(change):
    value = message_file().to_json()
    change(value)
    with pytest.raises(InvalidFile, match="does not hold a signed message"):
        SignedMessage.from_file(canonical(value))


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 10**6, b"null", message_file().file() + b"\n"])
def test_a_file_in_another_form_is_refused(data):
    with pytest.raises(InvalidFile, match="does not hold a signed message"):
        SignedMessage.from_file(data)
