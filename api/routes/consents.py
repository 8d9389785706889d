"""Signed messages in: consents and withdrawals, relayed for free."""

from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from api.deps import Use
from api.quick import LARGE, Plain, json_response, parse_json, quick, read_body, receive_json
from api.schemas import RelayAccepted, RelayStatus, SignedFor
from api.services import MOST_WAITING, Services
from ledger.errors import NotFound, TooManyRequests
from ledger.model import Closure, Consent, Delegation, Relayed, Revocation, RevokeAll, Suspension
from ledger.ports import Relay
from ledger.services.intake import HandedIn
from ledger.services.messages import withdraws
from ledger.tokens import token_of
from ledger.typed_data import parse_signature

router = APIRouter(prefix="/v1", tags=["consents"])


async def consent(request: Request) -> Response:
    """Record a signed consent. Checked in full before it is accepted; the subject pays nothing."""
    use: Services = request.app.state.services
    data = await receive_json(request)
    if len(data) > LARGE:
        if use.large.statistics().tasks_waiting >= MOST_WAITING:
            raise TooManyRequests("Too many large consents are being read. Hand it in again in a moment.")
        relay = await to_thread.run_sync(lambda: use.intake.accept(*_given(data)), limiter=use.large)
        return json_response(_accepted(relay, use), 202)
    given = _given(data)
    taken = await use.consented.hand(given)
    if taken is None:
        taken = await to_thread.run_sync(use.intake.accept_alone, *given)
    return json_response(_accepted(taken, use), 202)


router.add_api_route(
    "/consents",
    consent,
    methods=["POST"],
    status_code=202,
    response_model=RelayAccepted,
    route_class_override=Plain,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/SignedFor"}}},
        }
    },
)
QUICK = {"/v1/consents": quick(consent)}
"""What answers POST without the framework, by path; the route is there for its description."""


@router.post("/revocations", status_code=202)
async def revocation(request: Request, body: SignedFor, use: Use) -> RelayAccepted:
    """Revoke grants. Every question asked after this answer is denied, before the chain knows."""
    return await _withdraw(Revocation, request, body, use)


@router.post("/revocations/all", status_code=202)
async def revoke_all(request: Request, body: SignedFor, use: Use) -> RelayAccepted:
    """Revoke everything granted until a time."""
    return await _withdraw(RevokeAll, request, body, use)


@router.post("/suspensions", status_code=202)
async def suspension(request: Request, body: SignedFor, use: Use) -> RelayAccepted:
    """Pause everything, or resume."""
    return await _withdraw(Suspension, request, body, use)


@router.post("/closures", status_code=202)
async def closure(request: Request, body: SignedFor, use: Use) -> RelayAccepted:
    """End everything for ever."""
    return await _withdraw(Closure, request, body, use)


@router.post("/delegations", status_code=202)
async def delegation(request: Request, body: SignedFor, use: Use) -> RelayAccepted:
    """Let somebody act for the subject, or end that: taking all rights away counts from this answer on."""
    return await _withdraw(Delegation, request, body, use)


@router.get("/relays/{relay}")
def relay(relay: str, use: Use) -> RelayStatus:
    """How far a message is on its way to the chain."""
    with use.store.begin() as tx:
        found = tx.relay(relay)
    if found is None:
        raise NotFound("There is no such relay.")
    return RelayStatus.model_validate(_status(found, use))


def _given(data: bytes) -> HandedIn:
    body = read_body(SignedFor, parse_json(data))
    return Consent.from_json(body.message), body.signer, parse_signature(body.signature)


async def _withdraw(kind: type[Relayed], request: Request, body: SignedFor, use: Services) -> RelayAccepted:
    """Take a withdrawal in, in threads of its own: however many questions wait for a slow node, it gets through.

    So it does however many large ones are read.
    """
    if len(await request.body()) > LARGE:
        return await to_thread.run_sync(
            lambda: _accept(kind.from_json(body.message), body, use), limiter=use.large_withdrawals
        )
    message = kind.from_json(body.message)
    limiter = use.withdrawals if withdraws(message) else None
    return await to_thread.run_sync(lambda: _accept(message, body, use), limiter=limiter)


def _accept(message: Relayed, body: SignedFor, use: Services) -> RelayAccepted:
    found = use.intake.accept(message, body.signer, parse_signature(body.signature))
    return RelayAccepted.model_validate(_accepted(found, use))


def _accepted(found: Relay, use: Services) -> dict[str, Any]:
    return _status(found, use) | {"receipt": found.receipt}


def _status(found: Relay, use: Services) -> dict[str, Any]:
    # Never waits for the node: a withdrawal is acknowledged whether or not the chain can be reached.
    last = use.index.last
    return {
        "id": found.id,
        "status": found.status,
        "token": token_of(use.deployment, last.head) if last is not None else None,
        "transaction": found.transaction,
        "block": found.block_number,
        "problem": found.problem,
    }
