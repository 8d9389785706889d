"""The patient's keys: 24 words she writes down, and everything derived from them.

Nothing here is stored and nothing leaves but addresses, public keys and signatures. Private keys are `Secret`s,
absent from every repr. CPython cannot wipe memory: the end of the process is the wipe.

One subject (one address) per record, derived with hardened steps only, so that no leaked child key and parent
public key together reveal another.
"""

import secrets
import sys
from dataclasses import dataclass, field
from typing import Final

from coincurve import PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from eth_account.hdaccount.deterministic import HDPath
from eth_account.hdaccount.mnemonic import Mnemonic

from ledger.errors import InvalidInput
from ledger.model import Address, Message, address, keccak
from ledger.sealing import EncryptionKey, Secret
from ledger.typed_data import Domain

sys.setrecursionlimit(1000)  # py_ecc, which eth-account brings, raises it: nested JSON would then overrun the stack

SIGNING_PATH = "m/44'/60'/{index}'/0'/0'"
ENCRYPTION_PATH = "m/44'/60'/{index}'/1'/0'"
VAULT_PATH = "m/44'/60'/2147483647'/0'/0'"
"""The account number no subject may have; see `PatientKeys.vault_key`."""
ENCRYPTION_INFO = b"volens/x-wing/v1"
PARTY_ENCRYPTION_INFO = b"volens/party/x-wing/v1"
VAULT_INFO = b"volens/wallet/v1"
MAX_INDEX = 2**31 - 2

_WORD_COUNTS = (12, 24)
_ENTROPY_SIZES = (16, 32)
_MNEMONIC: Final = Mnemonic()
_NUMBERS: Final = {word: number for number, word in enumerate(_MNEMONIC.wordlist)}
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def new_words() -> str:
    """24 fresh English BIP-39 words, separated by single spaces: 256 bits from the operating system."""
    return entropy_to_words(secrets.token_bytes(32))


def check_words(words: str) -> str:
    """Check words a person typed, and normalise them.

    Args:
        words: 12 or 24 English BIP-39 words, in any case, separated by any white space.

    Returns:
        The words in lower case, separated by single spaces.

    Raises:
        InvalidInput: how many words there are, at which position the first unknown one stands, or that the
            checksum is wrong. The words themselves are not repeated.
    """
    found = words.lower().split() if isinstance(words, str) else []
    if len(found) not in _WORD_COUNTS:
        raise InvalidInput(f"There must be 24 words (or 12); these are {len(found)}.")
    for position, word in enumerate(found, 1):
        if word not in _NUMBERS:
            raise InvalidInput(f"Word {position} of {len(found)} is not in the word list; was it mistyped?")
    normal = " ".join(found)
    if not _MNEMONIC.is_mnemonic_valid(normal):
        raise InvalidInput("Every word is known but the checksum is wrong; is a word missing, or two exchanged?")
    return normal


def entropy_to_words(entropy: bytes) -> str:
    """The words of 32 (or 16) bytes of entropy, as a `wallet.keystore` of kind ``words`` holds them.

    Raises:
        InvalidInput: another length.
    """
    if not isinstance(entropy, bytes) or len(entropy) not in _ENTROPY_SIZES:
        raise InvalidInput("The entropy of words must be 32 or 16 bytes.")
    return _MNEMONIC.to_mnemonic(entropy)


def words_to_entropy(words: str) -> bytes:
    """The 32 bytes behind 24 words (16 behind 12): the words without their checksum.

    Raises:
        InvalidInput: what `check_words` says.
    """
    numbers = [_NUMBERS[word] for word in check_words(words).split()]
    bits = 0
    for number in numbers:
        bits = bits << 11 | number
    checksum = len(numbers) // 3
    return (bits >> checksum).to_bytes(len(numbers) * 4 // 3)


def _hkdf(key: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=info).derive(key)


@dataclass(frozen=True, eq=False)
class SigningKey:
    """A secp256k1 key that signs for one address."""

    address: Address
    _private: Secret[bytes] = field(repr=False)

    @classmethod
    def from_secret(cls, secret: bytes) -> "SigningKey":
        """The key of 32 secret bytes.

        Raises:
            InvalidInput: not 32 bytes, zero, or not below the order of the curve.
        """
        if not isinstance(secret, bytes) or len(secret) != 32 or not 0 < int.from_bytes(secret) < _ORDER:
            raise InvalidInput("A private key must be 32 bytes, above zero and below the order of secp256k1.")
        public = PrivateKey(secret).public_key.format(compressed=False)
        return cls(address("0x" + keccak(public[1:])[12:].hex()), Secret(secret))

    @property
    def secret(self) -> Secret[bytes]:
        """The 32 bytes of the private key, for a keystore of kind ``key``."""
        return self._private

    def sign(self, digest: bytes) -> str:
        """Sign 32 bytes, deterministically (RFC 6979).

        Returns:
            ``0x`` and 65 bytes in hex: r ‖ s ‖ v, with low s and v 27 or 28.

        Raises:
            InvalidInput: not 32 bytes.
        """
        if not isinstance(digest, bytes) or len(digest) != 32:
            raise InvalidInput("What is signed must be a digest of 32 bytes.")
        signature = PrivateKey(self._private.reveal()).sign_recoverable(digest, hasher=None)
        return "0x" + (signature[:64] + bytes([27 + signature[64]])).hex()

    def sign_typed(self, domain: Domain, message: Message) -> str:
        """Sign a message in a domain (EIP-712); returns what `sign` returns."""
        return self.sign(domain.digest(message))


@dataclass(frozen=True, eq=False)
class PartyKeys(SigningKey):
    """The keys of an institution, publisher or researcher: one stored secret, two uses.

    Attributes:
        encryption_key: X-Wing, seed HKDF-SHA256(secret, no salt, ``volens/party/x-wing/v1``, 32 bytes).
    """

    encryption_key: EncryptionKey

    @classmethod
    def from_secret(cls, secret: bytes) -> "PartyKeys":
        """The keys of 32 secret bytes, the signing key itself.

        Raises:
            InvalidInput: not a private key.
        """
        signing = SigningKey.from_secret(secret)
        return cls(signing.address, signing._private, EncryptionKey.from_seed(_hkdf(secret, PARTY_ENCRYPTION_INFO)))

    @classmethod
    def new(cls) -> "PartyKeys":
        """Fresh keys from the operating system's randomness."""
        return cls.from_secret(secrets.token_bytes(32))


@dataclass(frozen=True, eq=False)
class SubjectKeys(SigningKey):
    """The keys of one subject: who the patient is in one record.

    Attributes:
        index: which subject of her words this is.
        encryption_key: X-Wing, to which the keys of her own items are wrapped.
    """

    index: int
    encryption_key: EncryptionKey


@dataclass(frozen=True, eq=False)
class PatientKeys:
    """Everything that follows from the patient's words."""

    _seed: Secret[bytes] = field(repr=False)

    @classmethod
    def from_words(cls, words: str) -> "PatientKeys":
        """Derive from BIP-39 words, without BIP-39's optional passphrase (one more thing to lose for ever).

        Raises:
            InvalidInput: what `check_words` says.
        """
        return cls(Secret(_MNEMONIC.to_seed(check_words(words))))

    def subject(self, index: int) -> SubjectKeys:
        """The keys of one subject, by BIP-32 with hardened steps only:

        * signing key: ``m/44'/60'/{index}'/0'/0'``
        * encryption seed: HKDF-SHA256(private key at ``m/44'/60'/{index}'/1'/0'``, no salt,
          ``volens/x-wing/v1``, 32 bytes), expanded by `EncryptionKey.from_seed`

        Args:
            index: 0 to 2^31 - 2. A wallet counts up and never gives two records the same.

        Raises:
            InvalidInput: an index out of range.
        """
        if type(index) is not int or not 0 <= index <= MAX_INDEX:
            raise InvalidInput(f"The index of a subject must be a whole number from 0 to {MAX_INDEX}.")
        signing = SigningKey.from_secret(self._derive(SIGNING_PATH.format(index=index)))
        seed = encryption_seed(self, index).reveal()
        return SubjectKeys(signing.address, signing._private, index, EncryptionKey.from_seed(seed))

    def vault_key(self) -> Secret[bytes]:
        """The key (32 bytes) of the wallet's own file, which no service ever sees.

        HKDF-SHA256(private key at ``m/44'/60'/2147483647'/0'/0'``, no salt, ``volens/wallet/v1``, 32 bytes).
        Under a path of its own, not from the seed, so that a program that is to open the file need not be given
        what signs.
        """
        return Secret(_hkdf(self._derive(VAULT_PATH), VAULT_INFO))

    def _derive(self, path: str) -> bytes:
        return HDPath(path).derive(self._seed.reveal())


def encryption_seed(patient: PatientKeys, index: int) -> Secret[bytes]:
    """The X-Wing seed (32 bytes) of one subject, for vectors and for wallets in other languages."""
    return Secret(_hkdf(patient._derive(ENCRYPTION_PATH.format(index=index)), ENCRYPTION_INFO))
