"""Checkpoints: the signed head of the access log, as a text that other people's tools can check.

Formats of C2SP: the body is a ``tlog-checkpoint``, the envelope a ``signed-note`` with Ed25519 keys. Witnesses sign
by adding a line, so lines of keys we do not know are carried along and prove nothing.
"""

import base64
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.errors import InvalidMessage, InvalidProof
from ledger.merkle import EMPTY_LOG
from ledger.model import Hash, hash32, integer, to_hash

MAX_NOTE = 16384
"""Bytes of the longest checkpoint we read."""
MAX_SIGNATURES = 16
_ED25519 = b"\x01"
_NAME = re.compile(r"[!-*,-~]{1,255}")
"""Printable ASCII without space and plus: what a key name and an origin may be (C2SP allows more of Unicode)."""
_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")
_LINE = re.compile("\u2014 ([^ +]+) ([A-Za-z0-9+/]+={0,2})")


def _name(value: object, field: str) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InvalidMessage(field, "must be 1 to 255 printable characters without spaces and plus signs")
    return value


def _unbase64(text: str) -> bytes:
    """Base64 in its one canonical form, so that a text cannot be changed without being changed."""
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if not data or base64.b64encode(data).decode() != text:
        raise InvalidProof("The checkpoint has a line that is not base64.")
    return data


@dataclass(frozen=True)
class Checkpoint:
    """How long a log is and what its root is.

    Attributes:
        origin: the log's name, unique in the world, for example ``volens.example/log``.
    """

    origin: str
    size: int
    root: Hash

    def __post_init__(self) -> None:
        _name(self.origin, "origin")
        integer(self.size, "size")
        hash32(self.root, "root")
        if self.size == 0 and self.root != EMPTY_LOG:
            raise InvalidMessage("root", "must be the root of the empty log, as the size is 0")

    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(bytes.fromhex(self.root[2:])).decode()}\n"


@dataclass(frozen=True)
class NoteSignature:
    """One signature line: who claims to have signed. Verified by `verify_checkpoint` only."""

    name: str
    key_id: bytes
    signature: bytes


def key_id(name: str, public_key: bytes) -> bytes:
    """The four bytes by which a signature line names an Ed25519 key. A hint, not an identity."""
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def verifier_key(name: str, public_key: bytes) -> str:
    """A public key as other tools take it: ``name+keyid+base64``."""
    encoded = base64.b64encode(_ED25519 + public_key).decode()
    return f"{_name(name, 'name')}+{key_id(name, public_key).hex()}+{encoded}"


def sign_checkpoint(checkpoint: Checkpoint, private_key: Ed25519PrivateKey, name: str | None = None) -> str:
    """Sign a checkpoint.

    Args:
        checkpoint: the head of the log.
        private_key: the log's.
        name: of the key; the origin of the log unless a witness signs.

    Raises:
        InvalidMessage: not a name.
    """
    name = _name(checkpoint.origin if name is None else name, "name")
    body = checkpoint.body()
    line = key_id(name, private_key.public_key().public_bytes_raw()) + private_key.sign(body.encode())
    return f"{body}\n\u2014 {name} {base64.b64encode(line).decode()}\n"


def parse_checkpoint(text: str) -> tuple[Checkpoint, tuple[NoteSignature, ...]]:
    """Read a checkpoint without verifying anything. Its one form is accepted: three lines, no extensions.

    Raises:
        InvalidProof: any other text.
    """
    if not isinstance(text, str) or not text.replace("\n", "").isprintable():
        raise InvalidProof("A checkpoint must be plain text.")
    if len(text.encode()) > MAX_NOTE:
        raise InvalidProof(f"A checkpoint must not be longer than {MAX_NOTE} bytes.")
    body, separator, note = text.partition("\n\n")
    lines = body.split("\n")
    if not separator or len(lines) != 3 or not note.endswith("\n"):
        raise InvalidProof("A checkpoint must be three lines, an empty one, and signatures.")
    if not _SIZE.fullmatch(lines[1]):
        raise InvalidProof("The size of a checkpoint must be a whole number.")
    signatures: list[NoteSignature] = []
    for line in note[:-1].split("\n"):
        match = _LINE.fullmatch(line)
        if not match or len(signatures) == MAX_SIGNATURES:
            raise InvalidProof(f"A checkpoint must end in at most {MAX_SIGNATURES} lines of signatures.")
        data = _unbase64(match[2])
        if len(data) < 5:
            raise InvalidProof("A signature of the checkpoint is too short.")
        signatures.append(NoteSignature(match[1], data[:4], data[4:]))
    root = _unbase64(lines[2])
    try:
        return Checkpoint(lines[0], int(lines[1]), to_hash(root)), tuple(signatures)
    except InvalidMessage as error:
        raise InvalidProof(f"The checkpoint is malformed. {error}.") from None


def verify_checkpoint(text: str, name: str, public_key: bytes) -> Checkpoint:
    """The checkpoint in a text, once it is shown to be signed.

    Args:
        text: the signed note.
        name: of the key that must have signed: the log's origin, or a witness.
        public_key: the 32 bytes of that key.

    Returns:
        The checkpoint. Whether its origin is the log that was meant is for the caller to compare.

    Raises:
        InvalidProof: malformed, not signed by this key, or with a line that claims so and is wrong.
    """
    checkpoint, signatures = parse_checkpoint(text)
    if not isinstance(public_key, bytes) or len(public_key) != 32:
        raise InvalidProof("A checkpoint key must be 32 bytes.")
    wanted = (name, key_id(name, public_key))
    mine = [line for line in signatures if (line.name, line.key_id) == wanted]
    if not mine:
        raise InvalidProof("The checkpoint is not signed by the expected key.")
    for line in mine:
        try:
            Ed25519PublicKey.from_public_bytes(public_key).verify(line.signature, checkpoint.body().encode())
        except (InvalidSignature, ValueError):
            raise InvalidProof("The checkpoint's signature is wrong.") from None
    return checkpoint
