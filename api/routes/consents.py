"""Signed messages in: consents and withdrawals, relayed for free."""

from fastapi import APIRouter

from api.deps import Use
from api.schemas import RelayStatus, SignedFor
from api.services import Services
from ledger.errors import NotFound, VolensError
from ledger.model import Closure, Consent, Delegation, Revocation, RevokeAll, Suspension
from ledger.ports import Relay
from ledger.services.relay import Relayed
from ledger.tokens import token_of
from ledger.typed_data import parse_signature

router = APIRouter(prefix="/v1", tags=["consents"])


@router.post("/consents", status_code=202)
def consent(body: SignedFor, use: Use) -> RelayStatus:
    """Record a signed consent. Checked in full before it is accepted; the subject pays nothing."""
    return _accept(Consent.from_json(body.message), body, use)


@router.post("/revocations", status_code=202)
def revocation(body: SignedFor, use: Use) -> RelayStatus:
    """Revoke grants. Every question asked after this answer is denied, before the chain knows."""
    return _accept(Revocation.from_json(body.message), body, use)


@router.post("/revocations/all", status_code=202)
def revoke_all(body: SignedFor, use: Use) -> RelayStatus:
    """Revoke everything granted until a time."""
    return _accept(RevokeAll.from_json(body.message), body, use)


@router.post("/suspensions", status_code=202)
def suspension(body: SignedFor, use: Use) -> RelayStatus:
    """Pause everything, or resume."""
    return _accept(Suspension.from_json(body.message), body, use)


@router.post("/closures", status_code=202)
def closure(body: SignedFor, use: Use) -> RelayStatus:
    """End everything for ever."""
    return _accept(Closure.from_json(body.message), body, use)


@router.post("/delegations", status_code=202)
def delegation(body: SignedFor, use: Use) -> RelayStatus:
    """Let somebody act for the subject, or end that."""
    return _accept(Delegation.from_json(body.message), body, use)


@router.get("/relays/{relay}")
def relay(relay: str, use: Use) -> RelayStatus:
    """How far a message is on its way to the chain."""
    with use.store.begin() as tx:
        found = tx.relay(relay)
    if found is None:
        raise NotFound("There is no such relay.")
    return _status(found, use)


def _accept(message: Relayed, body: SignedFor, use: Services) -> RelayStatus:
    return _status(use.relays.accept(message, body.signer, parse_signature(body.signature)), use)


def _status(found: Relay, use: Services) -> RelayStatus:
    try:
        with use.index.at_head() as snapshot:
            token = token_of(use.deployment, snapshot.head)
    except VolensError:
        token = None  # a revocation is acknowledged whether or not the chain can be reached
    return RelayStatus(
        id=found.id,
        status=found.status,
        token=token,
        transaction=found.transaction,
        block=found.block_number,
        problem=found.problem,
    )
