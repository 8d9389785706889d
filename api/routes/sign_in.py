"""Sign-In with Ethereum (ERC-4361)."""

from fastapi import APIRouter

from api.deps import Use
from api.schemas import AccessToken, Nonce, SignInText
from ledger.typed_data import parse_signature

router = APIRouter(prefix="/v1/auth", tags=["sign-in"])


@router.post("/nonce")
def nonce(use: Use) -> Nonce:
    """A nonce, good for one sign-in message within five minutes."""
    value, expires_at = use.sign_ins.nonce()
    return Nonce(nonce=value, expires_at=expires_at)


@router.post("/verify")
def verify(body: SignInText, use: Use) -> AccessToken:
    """Trade a signed message for a short bearer token, bound to the address that signed."""
    token = use.sign_ins.sign_in(body.message, parse_signature(body.signature))
    return AccessToken(access_token=token.value, expires_in=token.expires_in)
