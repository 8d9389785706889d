"""EIP-712 hashing and signatures of the Volens types: the one hashing rule of the whole system.

Written for a fixed set of types, so a message costs microseconds instead of the hundreds a general library
needs; eth-account is the oracle in the tests and the signer in the wallet.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from coincurve import PublicKey

from ledger.errors import BadSignature, InvalidMessage
from ledger.model import (
    MESSAGES,
    Address,
    Grant,
    Hash,
    Message,
    address,
    camel,
    integer,
    keccak,
    to_hash,
)

TYPES: dict[str, tuple[tuple[str, str], ...]] = {
    "Item": (
        ("string", "name"), ("string", "mediaType"), ("uint64", "size"), ("bytes32", "sha256"), ("bytes32", "salt"),
    ),
    "Record": (
        ("address", "controller"), ("address", "subject"), ("address[]", "stewards"), ("string", "title"),
        ("bytes32[]", "items"), ("uint64", "createdAt"), ("bytes32", "salt"),
    ),
    "Grant": (
        ("string", "summary"), ("bytes32", "record"), ("address", "recipient"), ("string[]", "items"),
        ("string[]", "purposes"), ("string[]", "channels"), ("string", "onward"), ("uint64", "validFrom"),
        ("uint64", "validUntil"), ("bytes32", "form"), ("bytes32", "salt"),
    ),
    "Consent": (("address", "subject"), ("Grant[]", "grants"), ("uint64", "deadline")),
    "Revocation": (("address", "subject"), ("Grant[]", "grants")),
    "RevokeAll": (("address", "subject"), ("uint64", "before")),
    "Suspension": (("address", "subject"), ("bool", "suspended"), ("uint64", "at")),
    "Closure": (("address", "subject"),),
    "Delegation": (
        ("address", "subject"), ("address", "delegate"), ("uint8", "rights"), ("uint64", "validUntil"),
        ("uint64", "at"),
    ),
    "Witness": (("address", "subject"), ("Grant[]", "grants"), ("string", "role"), ("uint64", "at")),
    "Approval": (
        ("bytes32", "record"), ("address", "recipient"), ("string", "purpose"), ("uint64", "validUntil"),
        ("bytes32", "salt"),
    ),
    "ReleaseRequest": (
        ("address", "recipient"), ("bytes32", "record"), ("string[]", "items"), ("string", "purpose"),
        ("string", "channel"), ("bytes", "encryptionKey"), ("uint64", "at"), ("bytes32", "nonce"),
    ),
}  # fmt: skip

DOMAIN_NAME = "Volens"
DOMAIN_VERSION = "1"
SIGNATURE_SIZE = 65
_SIGNATURE = re.compile(r"0x(?:[0-9a-fA-F]{2}){1,4096}")
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


def encode_type(name: str) -> str:
    """The EIP-712 type string: the type, then the types it refers to, sorted by name."""

    def one(type_name: str) -> str:
        return f"{type_name}({','.join(f'{kind} {member}' for kind, member in TYPES[type_name])})"

    referred = sorted({kind.removesuffix("[]") for kind, _ in TYPES[name]} & TYPES.keys())
    return one(name) + "".join(one(type_name) for type_name in referred)


TYPE_HASHES: dict[str, bytes] = {name: keccak(encode_type(name).encode()) for name in TYPES}


def _encode(kind: str, value: Any) -> bytes:
    match kind:
        case "string":
            return keccak(value.encode())
        case "bytes":
            return keccak(value)
        case "bytes32":
            return bytes.fromhex(value[2:])
        case "address":
            return b"\0" * 12 + bytes.fromhex(value[2:])
        case "Grant":
            return hash_struct(value)
        case "bool" | "uint8" | "uint64":
            return int(value).to_bytes(32)
        case _:
            member = kind.removesuffix("[]")
            return keccak(b"".join([_encode(member, entry) for entry in value]))


# Field access prepared once: hashing is on the path of every question.
_PLANS: dict[str, tuple[tuple[str, str], ...]] = {
    name: tuple(
        (kind, next(f for f in MESSAGES[name].__dataclass_fields__ if camel(f) == member))  # type: ignore[attr-defined]
        for kind, member in members
    )
    for name, members in TYPES.items()
}


def hash_struct(message: Message) -> bytes:
    """EIP-712 ``hashStruct``: 32 bytes that name exactly this message, on every chain and in every language."""
    name = message.TYPE
    return keccak(
        TYPE_HASHES[name] + b"".join([_encode(kind, getattr(message, attribute)) for kind, attribute in _PLANS[name]])
    )


def struct_hash(message: Message) -> Hash:
    """`hash_struct` as text, the way hashes appear on the wire and as keys."""
    return to_hash(hash_struct(message))


def commitment_hash(
    type_name: str, subject: Address, grant_hashes: tuple[Hash, ...], deadline: int | None = None
) -> bytes:
    """``hashStruct`` of a Consent or Revocation of which only the grants' hashes are known, as the contract sees it."""
    encoded = TYPE_HASHES[type_name] + _encode("address", subject) + _encode("bytes32[]", grant_hashes)
    return keccak(encoded + (b"" if deadline is None else _encode("uint64", deadline)))


@dataclass(frozen=True)
class Domain:
    """The EIP-712 domain: one chain and one ConsentRegistry. A signature is worth nothing in any other."""

    chain_id: int
    registry: Address
    separator: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        integer(self.chain_id, "chainId")
        object.__setattr__(self, "registry", address(self.registry, "verifyingContract"))
        type_hash = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        separator = keccak(
            type_hash
            + keccak(DOMAIN_NAME.encode())
            + keccak(DOMAIN_VERSION.encode())
            + self.chain_id.to_bytes(32)
            + _encode("address", self.registry)
        )
        object.__setattr__(self, "separator", separator)

    def digest(self, message: Message) -> bytes:
        """The 32 bytes that are signed for this message in this domain."""
        return self.digest_of(hash_struct(message))

    def digest_of(self, struct: bytes) -> bytes:
        """The 32 bytes that are signed for a ``hashStruct``."""
        return keccak(b"\x19\x01" + self.separator + struct)

    def to_json(self) -> dict[str, Any]:
        """The domain as ``eth_signTypedData_v4`` and ERC-5267 name its fields."""
        return {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": self.chain_id,
            "verifyingContract": self.registry,
        }

    def typed_data(self, message: Message) -> dict[str, Any]:
        """The message as ``eth_signTypedData_v4`` takes it: domain, types, primary type and message."""
        used = {message.TYPE} | ({Grant.TYPE} if "Grant[]" in {kind for kind, _ in TYPES[message.TYPE]} else set())
        types: dict[str, Any] = {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ]
        }
        for name in sorted(used):
            types[name] = [{"name": member, "type": kind} for kind, member in TYPES[name]]
        return {
            "domain": self.to_json(),
            "types": types,
            "primaryType": message.TYPE,
            "message": message.to_json(),
        }


def parse_signature(value: object, field_name: str = "signature") -> bytes:
    """Read a signature from ``0x`` hex.

    Raises:
        InvalidMessage: not hex, or longer than any contract account's signature we relay (4,096 bytes).
    """
    if isinstance(value, str) and _SIGNATURE.fullmatch(value):
        return bytes.fromhex(value[2:])
    raise InvalidMessage(field_name, "must be 0x and the signature in hexadecimal")


def recover(digest: bytes, signature: bytes) -> Address:
    """The address that signed a digest.

    Args:
        digest: the 32 bytes that were signed.
        signature: 65 bytes r ‖ s ‖ v with low s and v 27 or 28, as OpenZeppelin's ECDSA demands (EIP-2).

    Raises:
        BadSignature: any other signature, also the malleable twin of a good one.
    """
    if len(signature) != SIGNATURE_SIZE or signature[64] not in (27, 28):
        raise BadSignature("The signature must be 65 bytes and end in 27 or 28.")
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        raise BadSignature("The signature is the malleable twin of a valid one (high s).")
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes([signature[64] - 27]), digest, hasher=None)
    except ValueError:
        raise BadSignature("The signature does not belong to any key.") from None
    return address("0x" + keccak(key.format(compressed=False)[1:])[12:].hex())


def verify(digest: bytes, signature: bytes, signer: Address) -> None:
    """Check that `signer` signed `digest` with its own key (no contract accounts here).

    Raises:
        BadSignature: anybody else did, or nobody.
    """
    if recover(digest, signature) != signer:
        raise BadSignature("The signature was made by another key.")
