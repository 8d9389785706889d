"""Sealed items and wrapped item keys (DESIGN.md, section 7).

An item is sealed as an age v1 file to a fresh X25519 identity, its *item key*. The item key leaves this module
only as a `Secret`, and is stored or sent only wrapped:

* for the custodian at rest, AES-256-GCM under a master key (`custody_wrap`);
* for one person, HPKE to an X-Wing public key, post-quantum and classical at once (`hpke_wrap`).

Every wrap is bound to a context and opens in no other. Hostile bytes raise `InvalidInput` or `Refused`, and no
error carries key material.
"""

import base64
import hashlib
import io
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, Generic, NoReturn, Self, TypeVar

import pyrage
import rfc8785
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)

from ledger.errors import InvalidFile, InvalidInput, InvalidMessage, Refused
from ledger.model import ENCRYPTION_KEY_SIZE, Address, Hash, address, hash32, integer, to_hash

KEY_SIZE = 32
"""Bytes of a custodian's master key and of an encryption seed."""
AGE_HEADER = b"age-encryption.org/v1\n"
CONTEXT_VERSION = 1

_MLKEM_PUBLIC_SIZE = 1184
_NONCE_SIZE = 12
# Nonce (12), identity (74) and tag (16) are 102 bytes: 136 characters with no padding and no spare bits.
_CUSTODY = re.compile(r"cw1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{136})")
_RECORD_KEY = re.compile(r"rk1\.([0-9a-f]{16})\.([A-Za-z0-9_-]{80})")
_IDENTITY = re.compile(r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}")
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)

S = TypeVar("S", bound=str | bytes)


class Secret(Generic[S]):
    """A value that shows itself to nobody who does not ask with `reveal`: not in logs, reprs, JSON or pickles."""

    __slots__ = ("_value",)

    def __init__(self, value: S) -> None:
        self._value: S = value

    def reveal(self) -> S:
        """The value itself. Hand it on at once; do not keep it in a variable that outlives the call."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        mine, theirs = (value.encode() if isinstance(value, str) else value for value in (self._value, other._value))
        return type(self._value) is type(other._value) and secrets.compare_digest(mine, theirs)

    __hash__ = None  # type: ignore[assignment]  # a hash of a secret is a way to look it up

    def __copy__(self) -> "Secret[S]":
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> "Secret[S]":
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is never pickled")


# ---------------------------------------------------------------------------------------------- sealed items


@dataclass(frozen=True)
class Sealed:
    """What sealing found out: `size` (bytes) and `sha256` of the plaintext, and `identity`, its item key."""

    size: int
    sha256: Hash
    identity: Secret[str]


class _Tap:
    """A stream on the way into or out of age: counts, hashes and remembers the fault age would rewrite.

    pyrage turns an exception of a stream into the text of one of its own, so a full disk could not be told from
    a forged file. `fault` keeps the original.
    """

    def __init__(self, stream: BinaryIO, digest: bool = False) -> None:
        self._stream = stream
        self._digest = hashlib.sha256() if digest else None
        self.size = 0
        self.head = b""
        self.fault: Exception | None = None

    def _take(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        if self._digest:
            self._digest.update(data)
        if len(self.head) < len(AGE_HEADER):
            self.head += bytes(data[: len(AGE_HEADER) - len(self.head)])

    @property
    def sha256(self) -> Hash:
        assert self._digest  # noqa: S101  # only asked of a tap that hashes
        return to_hash(self._digest.digest())

    def read(self, size: int = -1) -> bytes:
        try:
            data = self._stream.read(size)
        except Exception as error:
            self.fault = error
            raise
        self._take(data)
        return data

    def write(self, data: bytes) -> int:
        try:
            written = self._stream.write(data)
        except Exception as error:
            self.fault = error
            raise
        self._take(memoryview(data)[:written])
        return written

    def flush(self) -> None:
        """age asks for it; the stream's owner flushes."""


def seal(plain: BinaryIO, sealed: BinaryIO) -> Sealed:
    """Encrypt a file to a fresh item key, in one pass and constant memory.

    Args:
        plain: the file, read from its current position to its end.
        sealed: receives an age v1 file that any age tool opens with the identity.

    Returns:
        Size and SHA-256 of what was read, for the `Item`, and the item key.

    Raises:
        OSError: a stream failed; what `sealed` received until then is worthless.
    """
    identity = pyrage.x25519.Identity.generate()
    source, target = _Tap(plain, digest=True), _Tap(sealed)
    try:
        pyrage.encrypt_io(source, target, [identity.to_public()])
    except (pyrage.EncryptError, OSError):
        raise (source.fault or target.fault or OSError("The file could not be sealed.")) from None
    return Sealed(source.size, source.sha256, Secret(str(identity)))


def unseal(sealed: BinaryIO, plain: BinaryIO, identity: Secret[str], expected_sha256: Hash | None = None) -> int:
    """Decrypt a sealed item, in one pass and constant memory.

    age authenticates 64 KiB at a time and the digest is known only at the end, so plaintext reaches `plain`
    before the whole is verified. Give a temporary file and rename it when this returns. On failure a seekable
    `plain` is cut back to where it began; nothing that another kind of stream received may be used.

    Args:
        sealed: an age v1 file.
        plain: receives the plaintext.
        identity: the item key, ``AGE-SECRET-KEY-1…``.
        expected_sha256: the digest the record vouches for (`Item.sha256`). Without it only age's own
            authentication is checked, which proves that the holder of the item key wrote the file, not what it is.

    Returns:
        The size of the plaintext in bytes.

    Raises:
        InvalidInput: `identity` is not an item key.
        InvalidFile: not a sealed item, cut short, changed, or not the content the digest names.
        Refused: the key does not open it.
        OSError: a stream failed.
    """
    key = _identity(identity)
    digest = None if expected_sha256 is None else hash32(expected_sha256, "sha256")
    start = plain.tell() if plain.seekable() else None
    source, target = _Tap(sealed), _Tap(plain, digest=True)
    try:
        _decrypt(source, target, key, digest)
    except BaseException:
        if start is not None:
            plain.seek(start)
            plain.truncate()
        raise
    return target.size


def _decrypt(source: _Tap, target: _Tap, key: Any, digest: Hash | None) -> None:
    try:
        pyrage.decrypt_io(source, target, [key])
    except (pyrage.DecryptError, OSError) as error:
        if fault := source.fault or target.fault:
            raise fault from None
        if source.head != AGE_HEADER:
            raise InvalidFile("The file is not a sealed item (age v1).") from None
        if isinstance(error, pyrage.DecryptError):
            raise Refused("The key does not open this sealed file, or the file's header was changed.") from None
        raise InvalidFile("The sealed file is cut short or was changed.") from None
    if digest is not None and target.sha256 != digest:
        raise InvalidFile("The sealed file opens, but its content is not what the record names.")


def seal_bytes(plain: bytes) -> tuple[Sealed, bytes]:
    """`seal` for content in memory: what was found out, and the age file."""
    sealed = io.BytesIO()
    found = seal(io.BytesIO(plain), sealed)
    return found, sealed.getvalue()


def unseal_bytes(sealed: bytes, identity: Secret[str], expected_sha256: Hash | None = None) -> bytes:
    """`unseal` for content in memory; returns only verified plaintext."""
    plain = io.BytesIO()
    unseal(io.BytesIO(sealed), plain, identity, expected_sha256)
    return plain.getvalue()


def _identity(identity: Secret[str]) -> Any:
    text = identity.reveal()
    try:
        if isinstance(text, str) and _IDENTITY.fullmatch(text):
            return pyrage.x25519.Identity.from_str(text)
    except pyrage.IdentityError:
        pass
    raise InvalidInput("The item key must be an age identity (AGE-SECRET-KEY-1 and 58 characters).")


# -------------------------------------------------------------------------------------------------- contexts


def _constant(expected: object) -> Callable[[object, str], object]:
    def check(value: object, name: str) -> object:
        if type(value) is not type(expected) or value != expected:
            raise InvalidMessage(name, f"must be {expected!r}")
        return value

    return check


Info = dict[str, Any]
"""What an item key is wrapped for, as JSON. Addresses carry the ERC-55 checksum, hashes are lower case."""

_PLACE: dict[str, Callable[[Any, str], object]] = {
    "v": _constant(CONTEXT_VERSION),
    "chainId": integer,
    "registry": address,
    "item": hash32,
}
# One set of fields per purpose, so that a wrap made for one can never be taken for another. The release has
# exactly the fields of DESIGN.md, section 7; the others name their use.
_CONTEXTS: tuple[dict[str, Callable[[Any, str], object]], ...] = (
    {**_PLACE, "record": hash32, "recipient": address, "grantHash": hash32, "request": hash32},
    {**_PLACE, "use": _constant("subject"), "record": hash32, "subject": address},
    {**_PLACE, "use": _constant("deposit"), "controller": address},
)


def release_info(
    *, chain_id: int, registry: Address, record: Hash, item: Hash, recipient: Address, grant_hash: Hash, request: Hash
) -> Info:
    """The context of an item key released to a recipient.

    Args:
        chain_id, registry: the EIP-712 domain (`Domain`).
        record, item, grant_hash, request: struct hashes of the Record, Item, Grant and ReleaseRequest.
        recipient: who asked.

    Raises:
        InvalidMessage: naming the field that is wrong.
    """
    return _info(
        chainId=chain_id, registry=registry, record=record, item=item, recipient=recipient, grantHash=grant_hash,
        request=request,
    )  # fmt: skip


def subject_info(*, chain_id: int, registry: Address, record: Hash, item: Hash, subject: Address) -> Info:
    """The context of an item key kept for who must agree, so that she can always read what she agrees to.

    Args:
        subject: whose consent it is: the record's subject, or a steward, who consents under her own address.

    Raises:
        InvalidMessage: naming the field that is wrong.
    """
    return _info(use="subject", chainId=chain_id, registry=registry, record=record, item=item, subject=subject)


def deposit_info(*, chain_id: int, registry: Address, item: Hash, controller: Address) -> Info:
    """The context of an item key the controller deposits with the custodian, before the record is signed.

    Raises:
        InvalidMessage: naming the field that is wrong.
    """
    return _info(use="deposit", chainId=chain_id, registry=registry, item=item, controller=controller)


def _info(**values: object) -> Info:
    info = {"v": CONTEXT_VERSION, **values}
    canonical_info(info)
    return info


def canonical_info(info: Mapping[str, Any]) -> bytes:
    """The bytes a wrap is bound to: RFC 8785 canonical JSON of one of the three contexts, nothing more or less.

    Raises:
        InvalidMessage: not one of the contexts, or a field is wrong or not in its one spelling.
    """
    fields = next((fields for fields in _CONTEXTS if fields.keys() == info.keys()), None)
    if fields is None:
        raise InvalidMessage("info", "must be the context of a release, of a subject's key or of a deposit")
    for name, check in fields.items():
        if check(info[name], name) != info[name]:
            raise InvalidMessage(name, "must be written with its ERC-55 checksum")
    return _canonical(info)


def _canonical(value: Mapping[str, Any]) -> bytes:
    encoded: bytes = rfc8785.dumps(dict(value))
    return encoded


# -------------------------------------------------------------------------------------- the custodian's wraps


def custody_key_id(master: bytes) -> str:
    """The name of a master key, 16 hex digits: what is stored beside a wrap so that the key can be rotated.

    Raises:
        InvalidInput: not 32 bytes.
    """
    return hashlib.sha256(b"volens/custody-key-id" + _key(master, "master key")).digest()[:8].hex()


def custody_wrapped_with(wrapped: str) -> str:
    """The `custody_key_id` of the master key a wrap was made with.

    Raises:
        InvalidInput: not a wrap of this module.
    """
    return _custody_parts(wrapped)[0]


def custody_wrap(master: bytes, identity: Secret[str], record: Hash, item: Hash) -> str:
    """Wrap an item key for storage at the custodian.

    AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D: at most 2^32 wraps under one master key) and the
    canonical JSON of ``{v, record, item}`` as associated data, so a wrap moved to another row does not open.

    Args:
        master: 32 random bytes.
        identity: the item key.
        record, item: struct hashes of the Record and the Item.

    Returns:
        ``cw1.<key id>.<base64url of nonce ‖ ciphertext ‖ tag>``, 157 characters.

    Raises:
        InvalidInput: a key or a hash is not well formed.
    """
    _identity(identity)
    key_id = custody_key_id(master)
    nonce = secrets.token_bytes(_NONCE_SIZE)
    sealed = nonce + AESGCM(master).encrypt(nonce, identity.reveal().encode(), _custody_context(record, item))
    return f"cw1.{key_id}.{base64.urlsafe_b64encode(sealed).decode()}"


def custody_unwrap(master: bytes, wrapped: str, record: Hash, item: Hash) -> Secret[str]:
    """The item key of a wrap made by `custody_wrap` for the same record and item.

    Raises:
        InvalidInput: not a wrap of this module, or a key or hash is not well formed.
        Refused: made with another master key or for another record or item, or changed.
    """
    key_id, sealed = _custody_parts(wrapped)
    if key_id != custody_key_id(master):
        raise Refused(f"The item key was wrapped with another master key ({key_id}).")
    context = _custody_context(record, item)
    try:
        identity = AESGCM(master).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], context)
    except InvalidTag:
        raise Refused("The wrapped item key belongs to another record or item, or was changed.") from None
    return _opened(identity)


def record_key_wrapped_with(wrapped: str) -> str:
    """The `custody_key_id` of the key a record key was wrapped with.

    Raises:
        InvalidInput: not a wrap of this module.
    """
    return _record_key_parts(wrapped)[0]


def record_key_wrap(master: bytes, key: Secret[bytes], record: Hash) -> str:
    """Wrap the key of a record: as `custody_wrap`, with ``{v, record}`` as associated data.

    Args:
        master: 32 random bytes.
        key: 32 random bytes, which wrap the item keys of the record.
        record: struct hash of the Record.

    Returns:
        ``rk1.<key id>.<base64url of nonce ‖ ciphertext ‖ tag>``, 101 characters.

    Raises:
        InvalidInput: a key or the hash is not well formed.
    """
    key_id, nonce = custody_key_id(master), secrets.token_bytes(_NONCE_SIZE)
    plain = _key(key.reveal(), "record key")
    sealed = nonce + AESGCM(master).encrypt(nonce, plain, _record_key_context(record))
    return f"rk1.{key_id}.{base64.urlsafe_b64encode(sealed).decode()}"


def record_key_unwrap(master: bytes, wrapped: str, record: Hash) -> Secret[bytes]:
    """The record key of a wrap made by `record_key_wrap` for the same record.

    Raises:
        InvalidInput: not a wrap of this module, or a key or hash is not well formed.
        Refused: made with another master key or for another record, or changed.
    """
    key_id, sealed = _record_key_parts(wrapped)
    if key_id != custody_key_id(master):
        raise Refused(f"The record key was wrapped with another master key ({key_id}).")
    try:
        return Secret(AESGCM(master).decrypt(sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:], _record_key_context(record)))
    except InvalidTag:
        raise Refused("The wrapped record key belongs to another record, or was changed.") from None


def _record_key_context(record: Hash) -> bytes:
    return _canonical({"v": CONTEXT_VERSION, "record": hash32(record, "record")})


def _record_key_parts(wrapped: str) -> tuple[str, bytes]:
    match = _RECORD_KEY.fullmatch(wrapped) if isinstance(wrapped, str) else None
    if match is None:
        raise InvalidInput("The wrapped record key must look like rk1.<key id>.<base64url>.")
    return match[1], base64.urlsafe_b64decode(match[2])


def _custody_context(record: Hash, item: Hash) -> bytes:
    return _canonical({"v": CONTEXT_VERSION, "record": hash32(record, "record"), "item": hash32(item, "item")})


def _custody_parts(wrapped: str) -> tuple[str, bytes]:
    match = _CUSTODY.fullmatch(wrapped) if isinstance(wrapped, str) else None
    if match is None:
        raise InvalidInput("The wrapped item key must look like cw1.<key id>.<base64url>.")
    return match[1], base64.urlsafe_b64decode(match[2])


# ------------------------------------------------------------------------------------- wraps for one person


@dataclass(frozen=True, eq=False)
class EncryptionKey:
    """An X-Wing key pair (ML-KEM-768 with X25519). `public` is 1,216 bytes: ML-KEM (1,184) ‖ X25519 (32)."""

    public: bytes = field(repr=False)
    _private: MLKEM768X25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> Self:
        """Expand a private key as draft-connolly-cfrg-xwing-kem does (npm ``@hpke/hybridkem-x-wing`` agrees).

        Args:
            seed: 32 secret bytes; ``SHAKE256(seed, 96)`` is the ML-KEM seed (64) ‖ the X25519 key (32).

        Raises:
            InvalidInput: not 32 bytes.
        """
        expanded = hashlib.shake_256(_key(seed, "encryption seed")).digest(96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        public = mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()
        return cls(public, MLKEM768X25519PrivateKey(mlkem, x25519))

    def open(self, wrapped: bytes, info: Mapping[str, Any]) -> Secret[str]:
        """`hpke_unwrap` with this key."""
        return hpke_unwrap(wrapped, self, info)


def hpke_wrap(identity: Secret[str], public_key: bytes, info: Mapping[str, Any]) -> bytes:
    """Wrap an item key so that one person, in one context, can open it.

    HPKE base mode (RFC 9180), KEM X-Wing, HKDF-SHA256, ChaCha20-Poly1305; the context is HPKE's ``info``. It does
    not say who made the wrap: what proves the sender is the signed receipt beside it.

    Args:
        identity: the item key.
        public_key: 1,216 bytes (`EncryptionKey.public`).
        info: `release_info`, `subject_info` or `deposit_info`.

    Returns:
        1,210 bytes: encapsulation (1,120) ‖ ciphertext of the identity's 74 characters ‖ tag (16).

    Raises:
        InvalidInput: a key or the context is not well formed.
    """
    _identity(identity)
    context = canonical_info(info)
    problem = "The encryption key must be a valid X-Wing public key of 1,216 bytes."
    if not isinstance(public_key, bytes) or len(public_key) != ENCRYPTION_KEY_SIZE:
        raise InvalidInput(problem)
    try:
        public = MLKEM768X25519PublicKey(
            MLKEM768PublicKey.from_public_bytes(public_key[:_MLKEM_PUBLIC_SIZE]),
            X25519PublicKey.from_public_bytes(public_key[_MLKEM_PUBLIC_SIZE:]),
        )
        return _SUITE.encrypt(identity.reveal().encode(), public, info=context)
    except ValueError:  # coefficients out of range, or an X25519 point of small order
        raise InvalidInput(problem) from None


def hpke_unwrap(wrapped: bytes, key: EncryptionKey | bytes, info: Mapping[str, Any]) -> Secret[str]:
    """The item key of a wrap made by `hpke_wrap` for this key and context.

    Args:
        wrapped: what `hpke_wrap` returned.
        key: the key pair, or its 32-byte seed.
        info: the same context, field for field.

    Raises:
        InvalidInput: the seed or the context is not well formed.
        Refused: made for another key or context, or changed.
    """
    pair = key if isinstance(key, EncryptionKey) else EncryptionKey.from_seed(key)
    context = canonical_info(info)
    try:
        identity = _SUITE.decrypt(wrapped, pair._private, info=context)
    except (InvalidTag, ValueError, TypeError):
        raise Refused("The wrapped item key was made for another key or context, or was changed.") from None
    return _opened(identity)


def _opened(identity: bytes) -> Secret[str]:
    opened = Secret(identity.decode("ascii", "replace"))
    _identity(opened)
    return opened


def _key(value: bytes, name: str) -> bytes:
    if not isinstance(value, bytes) or len(value) != KEY_SIZE:
        raise InvalidInput(f"The {name} must be {KEY_SIZE} bytes.")
    return value
