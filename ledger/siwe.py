"""Sign-In with Ethereum: a strict reader and writer of ERC-4361 messages.

Ours because the libraries for it hold web3.py back; one regular expression, in the order of the standard's ABNF.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from ledger.errors import BadSignature, Expired, InvalidInput, Refused
from ledger.model import Address, address, keccak
from ledger.typed_data import recover

MAX_LENGTH = 8192
MAX_AHEAD = 60
"""Seconds a message may be issued in the future before its clock must be wrong."""

_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z"
_MESSAGE = re.compile(
    r"(?P<domain>[a-zA-Z0-9.:\[\]-]{1,255}) wants you to sign in with your Ethereum account:\n"
    r"(?P<address>0x[0-9a-fA-F]{40})\n\n"
    r"(?:(?P<statement>[ -~]{1,1000})\n)?\n"
    r"URI: (?P<uri>[!-~]{1,2048})\n"
    r"Version: 1\n"
    r"Chain ID: (?P<chain_id>[1-9][0-9]{0,15})\n"
    r"Nonce: (?P<nonce>[a-zA-Z0-9]{8,64})\n"
    rf"Issued At: (?P<issued_at>{_TIME})"
    rf"(?:\nExpiration Time: (?P<expiration>{_TIME}))?"
    rf"(?:\nNot Before: (?P<not_before>{_TIME}))?"
    r"(?:\nRequest ID: (?P<request_id>[!-~]{0,255}))?"
    r"(?:\nResources:(?P<resources>(?:\n- [!-~]{1,4096})*))?",
    re.ASCII,  # the digits of other scripts are no digits
)


@dataclass(frozen=True)
class SignIn:
    """What an ERC-4361 message says. Times are Unix seconds."""

    domain: str
    address: Address
    statement: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: int
    expires_at: int
    resources: tuple[str, ...] = ()

    def text(self) -> str:
        """The message as it is signed and sent."""
        lines = [
            f"{self.domain} wants you to sign in with your Ethereum account:",
            self.address,
            "",
            *([self.statement] if self.statement else []),
            "",
            f"URI: {self.uri}",
            "Version: 1",
            f"Chain ID: {self.chain_id}",
            f"Nonce: {self.nonce}",
            f"Issued At: {_rfc3339(self.issued_at)}",
            f"Expiration Time: {_rfc3339(self.expires_at)}",
        ]
        if self.resources:
            lines += ["Resources:", *(f"- {resource}" for resource in self.resources)]
        return "\n".join(lines)


def parse(text: str) -> SignIn:
    """Read a message.

    Raises:
        InvalidInput: it is not exactly an ERC-4361 message with an expiration time.
    """
    match = _MESSAGE.fullmatch(text) if isinstance(text, str) and len(text) <= MAX_LENGTH else None
    if match is None or match["expiration"] is None:
        raise InvalidInput("The sign-in message must follow ERC-4361 and carry an expiration time.")
    issued = _seconds(match["issued_at"])
    if match["not_before"] is not None:
        issued = max(issued, _seconds(match["not_before"]))
    resources = tuple(line.removeprefix("- ") for line in (match["resources"] or "").split("\n")[1:])
    return SignIn(
        match["domain"],
        address(match["address"]),
        match["statement"] or "",
        match["uri"],
        int(match["chain_id"]),
        match["nonce"],
        issued,
        _seconds(match["expiration"]),
        resources,
    )


def personal_digest(text: str) -> bytes:
    """The 32 bytes signed for a text by ``personal_sign`` (ERC-191, version 0x45)."""
    data = text.encode()
    return keccak(b"\x19Ethereum Signed Message:\n" + str(len(data)).encode() + data)


def check(text: str, *, domain: str, uri: str, chain_id: int, at: int) -> SignIn:
    """Read a message and check what it says. Who signed it and its nonce are not looked at: that costs more.

    Args:
        domain, uri, chain_id: what the message must name, exactly: our host, what it is for, our chain.
        at: Unix seconds now.

    Raises:
        InvalidInput: not such a message. Expired: too late.
        Refused: meant for another site or chain, or for the future.
    """
    message = parse(text)
    if message.domain != domain or message.uri != uri:
        raise Refused("The sign-in message is meant for another site.")
    if message.chain_id != chain_id:
        raise Refused("The sign-in message is meant for another chain.")
    if message.issued_at > at + MAX_AHEAD:
        raise Refused("The sign-in message comes from the future; check the clock.")
    if message.expires_at <= at:
        raise Expired("The sign-in message has expired; sign in again.")
    return message


def signed_by_key(text: str, signature: bytes, account: Address) -> bool:
    """Whether the key an account is named after signed a text."""
    try:
        return recover(personal_digest(text), signature) == account
    except BadSignature:
        return False


def _seconds(value: str) -> int:
    try:
        moment = datetime.strptime(value[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput("The sign-in message names a time that does not exist.") from None
    return int(moment.timestamp())


def _rfc3339(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
