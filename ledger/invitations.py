"""How a patient answers an invitation: a sign-in message that carries the encryption key of her fresh pseudonym."""

import base64
import binascii

from ledger.errors import InvalidInput
from ledger.model import ENCRYPTION_KEY_SIZE, Address
from ledger.siwe import SignIn

_RESOURCE = "urn:volens:x-wing:"
STATEMENT = "Answer an invitation with a fresh pseudonym for one record."
LIFE = 300


def answer(
    *, domain: str, url: str, token: str, chain_id: int, nonce: str, subject: Address, encryption_key: bytes, at: int
) -> SignIn:
    """The message with which a pseudonym answers an invitation.

    Args:
        url: the service, without a trailing slash; domain: its host and port.
        token: of the invitation.
        encryption_key: 1,216 bytes, the X-Wing public key to which item keys will be wrapped.
        at: Unix seconds now.
    """
    resource = _RESOURCE + base64.urlsafe_b64encode(encryption_key).rstrip(b"=").decode()
    uri = f"{url}/v1/invitations/{token}/claim"
    return SignIn(domain, subject, STATEMENT, uri, chain_id, nonce, at, at + LIFE, (resource,))


def encryption_key_of(message: SignIn) -> bytes:
    """The encryption key in an answer.

    Raises:
        InvalidInput: none, more than one, or not an X-Wing public key.
    """
    keys = [r.removeprefix(_RESOURCE) for r in message.resources if r.startswith(_RESOURCE)]
    try:
        (encoded,) = keys
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != ENCRYPTION_KEY_SIZE:
        raise InvalidInput("The answer must carry exactly one encryption key (X-Wing, 1,216 bytes).")
    return key
