"""What changed for the caller's records: page by page, or as a stream of server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from time import monotonic
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.deps import Caller, Use
from api.schemas import ChangesView, ChangeView
from api.services import Services
from ledger.errors import Unavailable, Untrusted
from ledger.model import Address
from ledger.tokens import make_token, read_token

router = APIRouter(prefix="/v1", tags=["changes"])

HEARTBEAT = 15
"""Seconds after which a stream says that it is alive."""
LIFE = 300
"""Seconds that a stream lasts; whoever listens comes back with the last id. A token cannot outlive its end by more."""
RETRY = 2000
"""Milliseconds after which whoever listens should come back."""
Since = Annotated[str, Query(max_length=400, description="The consistency token up to which all is known.")]


@router.get("/changes")
def changes(caller: Caller, use: Use, since: Since = "") -> ChangesView:
    """What changed after `since` (all there ever was, without it) for the records that the caller is party to.

    Ask again with `next`. After `corrected` what was told before counts no more: a reorganisation replaced the block
    of `since`, and the changes begin anew from the first.
    """
    return _page(use, caller, since)


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"description": "Server-sent events.", "content": {"text/event-stream": {}}}},
)
def events(
    request: Request,
    caller: Caller,
    use: Use,
    since: Since = "",
    last_event_id: Annotated[str, Header(max_length=400)] = "",
) -> StreamingResponse:
    """The same as they happen. The id of an event is its `next`; `Last-Event-ID` resumes after it.

    Ends after five minutes: come back with the last id. One party may have four streams at a time, one address forty.
    """
    start = last_event_id or since
    if start:
        read_token(use.deployment, start)
    whose = caller, use.limits.client(request.scope)
    use.limits.listen(*whose)
    return _Stream(_stream(use, caller, start), lambda: use.limits.leave(*whose))


class _Stream(StreamingResponse):
    """A stream that gives its place back however it ends, even before its first word."""

    def __init__(self, content: AsyncIterator[str], end: Callable[[], None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._end()


async def _stream(use: Services, caller: Address, token: str) -> AsyncIterator[str]:
    """Nothing is queued: what is next is read when what came before has been sent."""
    began = said = monotonic()
    yield f"retry: {RETRY}\n\n"
    while monotonic() - began < LIFE:
        try:
            page = await to_thread.run_sync(_page, use, caller, token)
        except (Unavailable, Untrusted):
            return  # whoever listens comes back, and hears then why there is nothing
        if page.changes or page.corrected or not token:
            said = monotonic()
            yield f"id: {page.next}\nevent: changes\ndata: {json.dumps(page.model_dump())}\n\n"
        elif monotonic() - said >= HEARTBEAT:
            said = monotonic()
            yield ": alive\n\n"
        token = page.next
        if not page.more:
            await asyncio.sleep(use.settings.head_interval)


def _page(use: Services, caller: Address, since: str) -> ChangesView:
    found = use.feed.since(caller, read_token(use.deployment, since) if since else None)

    def view(change: Any) -> ChangeView:
        return ChangeView(**vars(change))

    return ChangesView(
        changes=[view(change) for change in found.changes],
        corrected=found.corrected,
        next=make_token(use.deployment, *found.upto),
        more=found.more,
    )
