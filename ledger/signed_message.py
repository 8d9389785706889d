"""A signed message as a file: what a wallet writes and any relayer takes. docs/receipts.md has the format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from ledger.documents import canonical, parse_canonical
from ledger.errors import BadSignature, InvalidFile, InvalidMessage, VolensError, WrongChain
from ledger.model import MESSAGES, Address, Message, address, integer
from ledger.typed_data import Domain, parse_signature, verify

MAX_MESSAGE = 2**20
"""Bytes of the longest file we read: as long as the longest request a service takes."""
PATHS = {
    "Consent": "/v1/consents",
    "Revocation": "/v1/revocations",
    "RevokeAll": "/v1/revocations/all",
    "Suspension": "/v1/suspensions",
    "Closure": "/v1/closures",
    "Delegation": "/v1/delegations",
}
"""Where a service takes each of the messages that anybody may relay."""
_FIELDS = {"v", "chainId", "registry", "type", "message", "signer", "signature"}


@dataclass(frozen=True)
class SignedMessage:
    """A message of a subject for one ledger, and who signed it.

    Attributes:
        signer: the subject, or a delegate of hers.
    """

    domain: Domain
    message: Message
    signer: Address
    signature: bytes

    @property
    def subject(self) -> Address:
        """Whose message it is."""
        return address(getattr(self.message, "subject", None), "subject")

    def to_json(self) -> dict[str, Any]:
        """As it is kept and written."""
        return {
            "v": 1,
            "chainId": self.domain.chain_id,
            "registry": self.domain.registry,
            "type": self.message.TYPE,
            "message": self.message.to_json(),
            "signer": self.signer,
            "signature": "0x" + self.signature.hex(),
        }

    def body(self) -> dict[str, Any]:
        """As a service takes it."""
        whole = self.to_json()
        return {name: whole[name] for name in ("message", "signer", "signature")}

    def file(self) -> bytes:
        """The file: canonical JSON (RFC 8785)."""
        return canonical(self.to_json())

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """A signed message in its one form; whether the signature is right is not looked at.

        Raises:
            InvalidMessage, UnknownCode: a field is missing, unknown or wrong.
        """
        if not isinstance(value, Mapping) or value.keys() != _FIELDS or type(value["v"]) is not int or value["v"] != 1:
            raise InvalidMessage("file", "is not a signed message of version 1")
        if not isinstance(value["type"], str) or value["type"] not in PATHS:
            raise InvalidMessage("type", f"must be one of {', '.join(PATHS)}")
        domain = Domain(integer(value["chainId"], "chainId"), address(value["registry"], "registry"))
        message = MESSAGES[value["type"]].from_json(value["message"])
        return cls(domain, message, address(value["signer"], "signer"), parse_signature(value["signature"]))

    @classmethod
    def from_file(cls, data: bytes) -> Self:
        """Read a file.

        Raises:
            InvalidFile: it holds no signed message; says what is wrong.
        """
        try:
            return cls.from_json(parse_canonical(data, MAX_MESSAGE))
        except VolensError as error:
            raise InvalidFile(f"This file does not hold a signed message. {error}.") from None

    def check(self, domain: Domain) -> bool:
        """Check that this is for a ledger; whether its signer's own key signed it, rather than perhaps its contract.

        Raises:
            WrongChain: it is for another ledger.
        """
        if self.domain != domain:
            raise WrongChain("This message was signed for another ledger. It is worth nothing here.")
        try:
            verify(domain.digest(self.message), self.signature, self.signer)
        except BadSignature:
            return False
        return True
