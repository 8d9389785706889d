"""The source of tests/vectors/keys.json: what words, indexes and secrets derive to, in every language."""

import hashlib
from typing import Any

from ledger.model import Closure
from ledger.typed_data import Domain
from wallet.keys import (
    ENCRYPTION_INFO,
    ENCRYPTION_PATH,
    MAX_INDEX,
    SIGNING_PATH,
    VAULT_INFO,
    VAULT_PATH,
    PartyKeys,
    PatientKeys,
    SubjectKeys,
    encryption_seed,
    words_to_entropy,
)

# Known to everybody; never to be used for anything but tests.
_WORDS = (
    " ".join(["abandon"] * 23 + ["art"]),
    "test test test test test test test test test test test junk",
)
_INDEXES = (0, 1, 2, MAX_INDEX)
_DOMAIN = Domain(31337, "0x496a7C1876125C9b2a8c95c8902A39b2011C2Df7")  # type: ignore[arg-type]


def vectors() -> object:
    """The content of the file."""
    return {
        "about": "Hardened BIP-32 paths; encryptionSeed is HKDF-SHA256(key at the encryption path, no salt, info); "
        "publicKeySha256 is of the 1,216 bytes of the X-Wing public key; closureSignature signs Closure(own address).",
        "paths": {"signing": SIGNING_PATH, "encryption": ENCRYPTION_PATH, "vault": VAULT_PATH},
        "infos": {"encryption": ENCRYPTION_INFO.decode(), "vault": VAULT_INFO.decode()},
        "domain": _DOMAIN.to_json(),
        "patients": [_patient(words) for words in _WORDS],
        "parties": [_party(bytes([number]) * 32) for number in (1, 0x42)],
        "invalidWords": [
            {"words": " ".join(["abandon"] * 24), "why": "wrong checksum"},
            {"words": " ".join(["abandon"] * 23), "why": "23 words"},
            {"words": " ".join(["abandon"] * 22 + ["abandun", "art"]), "why": "word 23 is unknown"},
            {"words": "", "why": "no words"},
        ],
    }


def _patient(words: str) -> dict[str, Any]:
    patient = PatientKeys.from_words(words)
    return {
        "words": words,
        "entropy": words_to_entropy(words).hex(),
        "vaultKey": patient.vault_key().reveal().hex(),
        "subjects": [_subject(patient, index) for index in _INDEXES],
    }


def _subject(patient: PatientKeys, index: int) -> dict[str, Any]:
    subject: SubjectKeys = patient.subject(index)
    return {
        "index": index,
        "address": subject.address,
        "encryptionSeed": encryption_seed(patient, index).reveal().hex(),
        "publicKeySha256": hashlib.sha256(subject.encryption_key.public).hexdigest(),
        "closureSignature": subject.sign_typed(_DOMAIN, Closure(subject.address)),
    }


def _party(secret: bytes) -> dict[str, Any]:
    party = PartyKeys.from_secret(secret)
    return {
        "secret": secret.hex(),
        "address": party.address,
        "publicKeySha256": hashlib.sha256(party.encryption_key.public).hexdigest(),
        "closureSignature": party.sign_typed(_DOMAIN, Closure(party.address)),
    }
