"""Words derive to the same keys everywhere, hardened all the way, and show nothing of themselves."""

import hashlib
import hmac
import json
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_account import Account
from eth_account.hdaccount.deterministic import HDPath
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import typed_data
from ledger.errors import InvalidInput
from ledger.model import Closure, RevokeAll
from ledger.sealing import EncryptionKey
from wallet import keys
from wallet.keys import PartyKeys, PatientKeys, SigningKey, check_words, new_words

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "keys.json").read_text())
WORDS = VECTORS["patients"][0]["words"]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DOMAIN = typed_data.Domain(31337, VECTORS["domain"]["verifyingContract"])
PATIENT = PatientKeys.from_words(WORDS)


def derive(seed, numbers):
    """BIP-32 with hardened steps only, a second time and from its text."""
    digest = hmac.new(b"Bitcoin seed", seed, "sha512").digest()
    for number in numbers:
        data = b"\0" + digest[:32] + (number + 2**31).to_bytes(4)
        child = hmac.new(digest[32:], data, "sha512").digest()
        key = (int.from_bytes(child[:32]) + int.from_bytes(digest[:32])) % ORDER
        digest = key.to_bytes(32) + child[32:]
    return digest[:32]


def bip39_seed(words):
    return hashlib.pbkdf2_hmac("sha512", words.encode(), b"mnemonic", 2048)


def address_of(key):
    return Account.from_key(key).address


# ------------------------------------------------------------------------------------------------- words


def test_new_words_are_24_and_fresh():
    words = {new_words() for _ in range(50)}
    assert len(words) == 50
    assert all(len(each.split()) == 24 and check_words(each) == each for each in words)


def test_words_come_from_the_operating_system(monkeypatch):
    asked = []
    monkeypatch.setattr(keys.secrets, "token_bytes", lambda size: asked.append(size) or bytes(size))
    assert new_words() == WORDS
    assert asked == [32]


def test_words_are_normalised():
    assert check_words("  ABANDON\n" + WORDS.upper()[8:].replace(" ", " \t ")) == WORDS
    assert PatientKeys.from_words(WORDS.title()).subject(0).address == PATIENT.subject(0).address


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("", "these are 0"),
        ("abandon " * 23, "these are 23"),
        ("abandon " * 15, "these are 15"),
        ("abandon " * 24, "checksum"),
        (WORDS.replace(" art", " zoo"), "checksum"),
        ("abandon " * 9 + "pasword " + "abandon " * 14, "Word 10 of 24"),
        (None, "these are 0"),
    ],
)
def test_wrong_words_are_explained_without_repeating_them(words, problem):
    with pytest.raises(InvalidInput, match=problem) as caught:
        check_words(words)
    assert not re.search("abandon|pasword|zoo", str(caught.value))


@settings(derandomize=True, deadline=None, max_examples=50)
@given(st.one_of(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16)))
def test_words_and_entropy_are_the_same_thing(entropy):
    words = keys.entropy_to_words(entropy)
    assert len(words.split()) == len(entropy) * 3 // 4
    assert keys.words_to_entropy(words) == entropy


def test_entropy_has_two_sizes():
    for entropy in (b"", bytes(20), bytes(33), "x" * 32, None):
        with pytest.raises(InvalidInput):
            keys.entropy_to_words(entropy)


# -------------------------------------------------------------------------------------------- derivation


def test_the_library_agrees_with_bip32():
    # BIP-32, test vector 1, chain m/0H
    seed = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
    known = "edb2e14f9ee77d26dd93b4ecede8d16ed408ce149b6cd80b0715a2d911a0afea"
    assert HDPath("m/0'").derive(seed).hex() == derive(seed, [0]).hex() == known


def test_words_agree_with_other_wallets():
    seed = bip39_seed("abandon " * 11 + "about")
    assert address_of(HDPath("m/44'/60'/0'/0/0").derive(seed)) == "0x9858EfFD232B4033E47d90003D41EC34EcaEda94"


@pytest.mark.parametrize("index", [0, 1, 7, 2**31 - 2])
def test_subjects_agree_with_a_second_derivation(index):
    seed, subject = bip39_seed(WORDS), PATIENT.subject(index)
    assert subject.index == index
    assert subject.address == address_of(derive(seed, [44, 60, index, 0, 0]))
    secret = derive(seed, [44, 60, index, 1, 0])
    expected = HKDF(SHA256(), 32, salt=None, info=b"volens/x-wing/v1").derive(secret)
    assert subject.encryption_key.public == EncryptionKey.from_seed(expected).public
    assert keys.encryption_seed(PATIENT, index).reveal() == expected


def test_the_vault_key_agrees_with_a_second_derivation():
    secret = derive(bip39_seed(WORDS), [44, 60, 2**31 - 1, 0, 0])
    assert PATIENT.vault_key().reveal() == HKDF(SHA256(), 32, salt=None, info=b"volens/wallet/v1").derive(secret)


def test_nothing_is_derived_twice():
    subjects = [PATIENT.subject(index) for index in range(20)]
    assert len({subject.address for subject in subjects}) == 20
    assert len({subject.encryption_key.public for subject in subjects}) == 20


@pytest.mark.parametrize("index", [-1, 2**31 - 1, 2**31, 2**32, True, "0", 1.0, None])
def test_an_index_is_a_number_below_the_vault(index):
    with pytest.raises(InvalidInput, match="index"):
        PATIENT.subject(index)


def test_keys_are_in_no_repr():
    subject, party = PATIENT.subject(0), PartyKeys.from_secret(b"\x42" * 32)
    secrets = [derive(bip39_seed(WORDS), [44, 60, 0, 0, 0]), bip39_seed(WORDS), b"\x42" * 32]
    shown = " ".join(f"{each!r} {each}" for each in (PATIENT, subject, party, party.secret, PATIENT.vault_key()))
    for secret in secrets:
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    assert subject.address in shown


# ---------------------------------------------------------------------------------------------- signing


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.integers(1, ORDER - 1))
def test_signatures_are_canonical_and_recover(digest, key):
    signer = SigningKey.from_secret(key.to_bytes(32))
    signature = signer.sign(digest)
    raw = typed_data.parse_signature(signature)
    assert len(raw) == 65
    assert raw[64] in (27, 28)
    assert int.from_bytes(raw[32:64]) <= ORDER // 2
    assert typed_data.recover(digest, raw) == signer.address == address_of(key.to_bytes(32))
    assert signature == signer.sign(digest)


def test_typed_signatures_agree_with_eth_account():
    subject = PATIENT.subject(3)
    message = RevokeAll(subject.address, 1_700_000_000)
    key = derive(bip39_seed(WORDS), [44, 60, 3, 0, 0])
    expected = Account.sign_typed_data(key, full_message=DOMAIN.typed_data(message)).signature
    assert subject.sign_typed(DOMAIN, message) == "0x" + bytes(expected).hex()
    typed_data.verify(DOMAIN.digest(message), bytes(expected), subject.address)


@pytest.mark.parametrize("digest", [b"", bytes(31), bytes(33), "0x" + "00" * 32, None])
def test_only_digests_are_signed(digest):
    with pytest.raises(InvalidInput, match="32 bytes"):
        PATIENT.subject(0).sign(digest)


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\x01" * 31, ORDER.to_bytes(32), b"\xff" * 32, "1" * 32, None])
def test_what_is_no_private_key_is_refused(secret):
    for kind in (SigningKey, PartyKeys):
        with pytest.raises(InvalidInput, match="private key"):
            kind.from_secret(secret)


def test_parties_have_one_secret_with_two_uses():
    party = PartyKeys.from_secret(b"\x42" * 32)
    assert party.secret.reveal() == b"\x42" * 32
    assert party.address == address_of(b"\x42" * 32)
    seed = HKDF(SHA256(), 32, salt=None, info=b"volens/party/x-wing/v1").derive(b"\x42" * 32)
    assert party.encryption_key.public == EncryptionKey.from_seed(seed).public
    assert PartyKeys.new().address != PartyKeys.new().address


# ---------------------------------------------------------------------------------------------- vectors


@pytest.mark.parametrize("case", VECTORS["patients"], ids=lambda case: case["words"].split()[-1])
def test_patient_vectors(case):
    patient = PatientKeys.from_words(case["words"])
    assert keys.words_to_entropy(case["words"]).hex() == case["entropy"]
    assert patient.vault_key().reveal().hex() == case["vaultKey"]
    assert len(case["subjects"]) >= 3
    for expected in case["subjects"]:
        subject = patient.subject(expected["index"])
        assert subject.address == expected["address"]
        assert keys.encryption_seed(patient, expected["index"]).reveal().hex() == expected["encryptionSeed"]
        assert hashlib.sha256(subject.encryption_key.public).hexdigest() == expected["publicKeySha256"]
        assert subject.sign_typed(DOMAIN, Closure(subject.address)) == expected["closureSignature"]


def test_invalid_word_vectors():
    for case in VECTORS["invalidWords"]:
        with pytest.raises(InvalidInput):
            check_words(case["words"])


def test_the_vector_file_is_what_its_source_gives():
    from scripts.vector_sources import keys as source

    assert json.loads(json.dumps(source.vectors())) == VECTORS


def test_no_other_randomness():
    """Milk Sad (CVE-2023-39910) was a wallet that drew its words from a seedable generator."""
    root = Path(__file__).parents[2]
    for name in ("wallet/keys.py", "wallet/keystore.py", "ledger/sealing.py"):
        source = (root / name).read_text()
        assert not re.search(r"^\s*(?:import|from) (?:random|numpy)\b", source, re.MULTILINE), name
