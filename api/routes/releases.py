"""Wrapped keys on a signed request, and the evidence of decisions."""

from fastapi import APIRouter, BackgroundTasks, Response

from api.deps import Caller, Heavy, Use
from api.schemas import ReleasedItemJson, ReleaseView, Signed
from ledger.model import ReleaseRequest
from ledger.typed_data import parse_signature, struct_hash

router = APIRouter(tags=["release"])


@router.post("/v1/releases", dependencies=[Heavy])
def release(body: Signed, use: Use, after: BackgroundTasks) -> ReleaseView:
    """Hand over the keys of items, wrapped to the key in the request, if the gate lets them through."""
    request = ReleaseRequest.from_json(body.message)
    released = use.gate.release(request, parse_signature(body.signature))
    use.metrics.releases.inc()
    after.add_task(use.gate.delivered, released, request)
    return ReleaseView(
        id=released.id,
        grant=str(released.decision.grant),
        until=released.decision.until,
        block=released.decision.moment.number,
        items=[
            ReleasedItemJson(
                name=entry.item.name,
                mediaType=entry.item.media_type,
                size=entry.item.size,
                sha256=entry.item.sha256,
                salt=entry.item.salt,
                item=struct_hash(entry.item),
                sealed=entry.sealed,
                sealedSize=entry.sealed_size,
                wrapped="0x" + entry.wrapped.hex(),
            )
            for entry in released.items
        ],
    )


@router.get("/v1/bundles/{decision}", dependencies=[Heavy])
def bundle(decision: str, caller: Caller, use: Use) -> Response:
    """Everything needed to verify a decision offline, for whoever asked and was told the reason."""
    return Response(use.bundling.bundle(caller, decision), media_type="application/json")
