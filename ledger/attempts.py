"""A request that names itself, and its answer kept so that only who asks the same again can read it."""

import hashlib
from dataclasses import dataclass, field
from typing import Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ledger.model import Hash, to_hash


@dataclass(frozen=True)
class Attempt:
    """One request with a key of its caller's.

    Attributes:
        name: of the key, for this caller.
        fingerprint: of what was asked.
        secret: opens the answer; follows from the key and what was asked, and is kept nowhere.
    """

    name: Hash
    fingerprint: Hash
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, key: str, caller: str, path: str, body: bytes) -> Self:
        """Name a request.

        Args:
            key: what the caller calls it.
            caller: whose key it is.
            path, body: what is asked.
        """
        asked = hashlib.sha256(body).digest() + path.encode()
        name = hashlib.sha256(b"volens/attempt-key\n" + caller.encode() + b"\n" + key.encode()).digest()
        fingerprint = hashlib.sha256(b"volens/attempt-request\n" + asked).digest()
        secret = HKDF(SHA256(), 32, salt=name, info=b"volens/attempt-answer").derive(key.encode() + b"\n" + asked)
        return cls(to_hash(name), to_hash(fingerprint), secret)

    def seal(self, answer: bytes, nonce: bytes) -> bytes:
        """Encrypt an answer.

        Args:
            nonce: 12 random bytes, new each time: an attempt that is made again has another answer.
        """
        return nonce + AESGCM(self.secret).encrypt(nonce, answer, self.fingerprint.encode())

    def open(self, sealed: bytes) -> bytes:
        """Decrypt the answer to this very request."""
        return AESGCM(self.secret).decrypt(sealed[:12], sealed[12:], self.fingerprint.encode())
