"""What routes depend on. A signature that names `Caller` is its own authorisation."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.services import Services
from ledger.errors import NotAuthorised
from ledger.model import Address, Hash, hash32


def services(request: Request) -> Services:
    """The use cases."""
    found: Services = request.app.state.services
    return found


def signed_in(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
    use: Annotated[Services, Depends(services)],
) -> Address:
    """The address behind the bearer token of this request.

    Raises:
        NotAuthorised: no token, or one that is unknown or expired (401).
        TooManyRequests: this party asks too often (429).
    """
    if bearer is None or not bearer.credentials:
        raise NotAuthorised("Sign in first and send the token as a bearer token.", "not_signed_in")
    caller = use.sign_ins.who(bearer.credentials)
    use.limits.party(caller)
    return caller


def maybe_signed_in(
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
    use: Annotated[Services, Depends(services)],
) -> Address | None:
    """The address behind the bearer token, or None for a request without one."""
    return signed_in(bearer, use) if bearer is not None else None


async def heavy(use: Annotated[Services, Depends(services)]) -> AsyncIterator[None]:
    """A place among what costs much, see `Limits.heavy`; given back before the answer is sent."""
    with use.limits.heavy():
        yield


def record_id(record: str) -> Hash:
    """A record hash in a path."""
    return hash32(record, "record")


Use = Annotated[Services, Depends(services)]
Caller = Annotated[Address, Depends(signed_in)]
MaybeCaller = Annotated[Address | None, Depends(maybe_signed_in)]
Heavy = Depends(heavy, scope="function")
RecordId = Annotated[Hash, Depends(record_id)]
