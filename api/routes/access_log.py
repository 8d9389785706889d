"""The access log in public: its signed head, proofs, hashes of entries. What an entry says is for its subject only."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from api.deps import Use
from ledger.errors import InvalidInput
from ledger.model import MAX_INTEGER
from ledger.services.access_log import PAGE

router = APIRouter(prefix="/v1/log", tags=["access log"])
Size = Annotated[int | None, Query(ge=0, le=MAX_INTEGER)]


@router.get("")
def log(use: Use) -> dict[str, Any]:
    """The log's name and key to pin, what of it is anchored on chain, and for how many seconds the rest has waited."""
    anchor, behind = use.log.anchored()
    held = anchor if anchor and anchor.block is not None else None
    return {
        "origin": use.log.origin,
        "key": use.log.key,
        "id": use.log.id,
        "logger": use.log.logger,
        "anchored": {"size": held.size, "root": held.root, "block": held.block} if held else None,
        "behind": behind,
    }


@router.get("/checkpoint", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def checkpoint(use: Use) -> Response:
    """The log's length and root now, signed: a C2SP tlog-checkpoint."""
    return Response(use.log.checkpoint(), media_type="text/plain; charset=utf-8")


@router.get("/proof")
def proof(
    use: Use,
    index: Size = None,
    size: Size = None,
    first: Size = None,
    second: Size = None,
) -> dict[str, list[str]]:
    """RFC 6962: that entry `index` is in the log of `size`, or that the log of `second` begins with `first`."""
    if index is not None and size is not None and first is None and second is None:
        return {"proof": list(use.log.inclusion(index, size))}
    if first is not None and second is not None and index is None and size is None:
        return {"proof": list(use.log.consistency(first, second))}
    raise InvalidInput("Ask either with `index` and `size`, or with `first` and `second`.")


@router.get("/leaves")
def leaves(
    use: Use,
    first: Annotated[int, Query(ge=0, le=MAX_INTEGER)] = 0,
    limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
) -> dict[str, list[str]]:
    """The hashes of entries from `first` on: enough to recompute every root."""
    return {"leaves": list(use.log.hashes(first, limit))}
