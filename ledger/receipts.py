"""Relay receipts: the operator's signed word that it received a message, and when. Verified without a network.

Whoever holds one, with the signed message, can show that a withdrawal reached the operator, whatever became of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ledger.documents import canonical, parse_canonical
from ledger.errors import InvalidMessage, InvalidProof
from ledger.model import Address, Hash, Message, address, hash32, integer, to_hash
from ledger.typed_data import Domain

MAX_RECEIPT = 4096
"""Bytes of the longest receipt we read."""
_CONTEXT = b"volens/relay-receipt/v1\n"
"""What is signed begins with this, so that no signature of the key over anything else passes for one."""
_HEX = re.compile(r"0x(?:[0-9a-f]{2})+")
_TYPES = ("Consent", "Revocation", "RevokeAll", "Suspension", "Closure", "Delegation")
_ID = re.compile(r"rly_[0-9a-f]{32}")
_FIELDS = {"v", "chainId", "registry", "type", "digest", "subject", "signer", "id", "receivedAt"}


@dataclass(frozen=True)
class RelayReceipt:
    """What the operator says it received.

    Attributes:
        type: of the message, for example ``Revocation``.
        digest: the EIP-712 digest of the message on this ledger: what the signer signed.
        id: of the relay; `GET /v1/relays/{id}` says how far it is.
        received_at: Unix seconds at which the message was stored durably.
    """

    chain_id: int
    registry: Address
    type: str
    digest: Hash
    subject: Address
    signer: Address
    id: str
    received_at: int

    @classmethod
    def of(cls, message: Message, signer: Address, domain: Domain, identifier: str, received_at: int) -> Self:
        """The receipt of a message that has a subject."""
        subject = address(getattr(message, "subject", None), "subject")
        digest = to_hash(domain.digest(message))
        return cls(domain.chain_id, domain.registry, message.TYPE, digest, subject, signer, identifier, received_at)

    def to_json(self) -> dict[str, Any]:
        """As it is signed, once it is canonical JSON (RFC 8785)."""
        return {
            "v": 1,
            "chainId": self.chain_id,
            "registry": self.registry,
            "type": self.type,
            "digest": self.digest,
            "subject": self.subject,
            "signer": self.signer,
            "id": self.id,
            "receivedAt": self.received_at,
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """A receipt in its one form.

        Raises:
            InvalidMessage: a field is missing, unknown or wrong.
        """
        if not isinstance(value, Mapping) or value.keys() != _FIELDS or type(value["v"]) is not int or value["v"] != 1:
            raise InvalidMessage("receipt", "is not a relay receipt of version 1")
        if value["type"] not in _TYPES:
            raise InvalidMessage("type", f"must be one of {', '.join(_TYPES)}")
        if not isinstance(value["id"], str) or not _ID.fullmatch(value["id"]):
            raise InvalidMessage("id", "is not the id of a relay")
        found = cls(
            integer(value["chainId"], "chainId"),
            address(value["registry"], "registry"),
            value["type"],
            hash32(value["digest"], "digest"),
            address(value["subject"], "subject"),
            address(value["signer"], "signer"),
            value["id"],
            integer(value["receivedAt"], "receivedAt"),
        )
        if found.to_json() != dict(value):
            raise InvalidMessage("receipt", "must have its addresses with their checksums and its hashes in lower case")
        return found


def sign_receipt(receipt: RelayReceipt, key: Ed25519PrivateKey) -> dict[str, Any]:
    """A receipt with the operator's signature (Ed25519, RFC 8032) and the public key that verifies it."""
    return {
        "receipt": receipt.to_json(),
        "key": "0x" + key.public_key().public_bytes_raw().hex(),
        "signature": "0x" + key.sign(_CONTEXT + canonical(receipt.to_json())).hex(),
    }


def verify_receipt(value: Any, public_key: bytes, domain: Domain) -> RelayReceipt:
    """The receipt in JSON values, once it is shown to be the operator's.

    Args:
        value: ``{receipt, key, signature}``.
        public_key: 32 bytes; the operator's key from a source that is trusted, never from the receipt itself.
        domain: the ledger the message was for.

    Raises:
        InvalidProof: malformed, of another ledger, or not signed by this key.
    """
    if not isinstance(value, Mapping) or value.keys() != {"receipt", "key", "signature"}:
        raise InvalidProof("This is not a signed relay receipt.")
    key, signature = value["key"], value["signature"]
    if not isinstance(key, str) or not isinstance(signature, str) or not _HEX.fullmatch(signature):
        raise InvalidProof("This is not a signed relay receipt.")
    if len(public_key) != 32 or key != "0x" + public_key.hex():
        raise InvalidProof("The receipt is signed with another key than the operator's.")
    try:
        receipt = RelayReceipt.from_json(value["receipt"])
        Ed25519PublicKey.from_public_bytes(public_key).verify(
            bytes.fromhex(signature[2:]), _CONTEXT + canonical(receipt.to_json())
        )
    except InvalidMessage as error:
        raise InvalidProof(f"The receipt is malformed. {error}.") from None
    except (InvalidSignature, ValueError):
        raise InvalidProof("The receipt's signature is wrong.") from None
    if (receipt.chain_id, receipt.registry) != (domain.chain_id, domain.registry):
        raise InvalidProof("The receipt is of another ledger.")
    return receipt


def require_receipt_of(receipt: RelayReceipt, message: Message, signer: Address, domain: Domain) -> None:
    """Check that a verified receipt is of this message.

    Raises:
        InvalidProof: it is of another.
    """
    if receipt != RelayReceipt.of(message, signer, domain, receipt.id, receipt.received_at):
        raise InvalidProof("The receipt is of another message than the one that was sent.")


def parse_receipt(data: bytes) -> Any:
    """The JSON values in a receipt's file, which is canonical JSON; unverified.

    Raises:
        InvalidProof: it is something else, or too long to be a receipt.
    """
    try:
        return parse_canonical(data, MAX_RECEIPT)
    except InvalidMessage as error:
        raise InvalidProof(f"This file does not hold a relay receipt. {error}.") from None
