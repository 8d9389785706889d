"""The first and last thing that touches a request: its id, its limits, its size, its line in log and metrics."""

import logging
import random
import re
import time
from collections.abc import Mapping

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.limits import Limits
from api.logs import request_id
from api.metrics import Metrics
from ledger.errors import TooManyRequests

_log = logging.getLogger(__name__)

MAX_BODY = 2**20
"""Bytes of the largest request, sealed items aside, and of what holds many things."""
MAX_MANY = 4 * 2**20
MANY = ("/v1/records", "/v1/cohorts")
_NAMES = random.Random()  # noqa: S311 (a name to find a line of the log by, no secret)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Edge:
    """Plain ASGI, around everything: costs little, and holds for routes of every kind.

    A request that comes too often is refused before its body is read; whatever goes wrong further in, the caller
    gets an answer and the log no content.

    Args:
        quick: by path, what answers POST itself, without the framework.
    """

    def __init__(self, app: ASGIApp, limits: Limits, metrics: Metrics, quick: Mapping[str, ASGIApp]) -> None:
        self._app, self._limits, self._metrics, self._quick = app, limits, metrics, quick

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
        name = given if _ID.fullmatch(given) else f"{_NAMES.getrandbits(64):016x}"
        scope.setdefault("state", {})["request_id"] = name
        reset, began, status, route = request_id.set(name), time.perf_counter(), 0, ""

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = [*message.get("headers", ()), (b"x-request-id", name.encode())]
                if not any(header == b"cache-control" for header, _ in headers):
                    headers.append((b"cache-control", b"no-store"))
            await send(message)

        self._metrics.working.inc()
        try:
            self._limits.address(scope)
            if scope["method"] == "POST" and (quick := self._quick.get(scope["path"])) is not None:
                route = scope["path"]
                await quick(scope, _sized(scope, receive), marked)
            else:
                await self._app(scope, _sized(scope, receive), marked)
        except TooManyRequests as error:
            await errors.ours(Request(scope), error)(scope, receive, marked)
        except Exception as error:
            answer = errors.unexpected(Request(scope), error)
            if status:
                raise  # an answer has begun: the connection is cut, so that nobody takes a part for the whole
            await answer(scope, receive, marked)
        finally:
            self._metrics.working.dec()
            self._note(scope, route, status, time.perf_counter() - began)
            request_id.reset(reset)

    def _note(self, scope: Scope, route: str, status: int, seconds: float) -> None:
        route = route or getattr(scope.get("route"), "path", "unmatched")  # a template: no hash or token of the path
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._metrics.answered(route, method, status, seconds)
        if _log.isEnabledFor(logging.INFO):
            said = {"method": method, "route": route, "status": status, "milliseconds": round(seconds * 1000, 1)}
            _log.info("request", extra=said)


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def _sized(scope: Scope, receive: Receive) -> Receive:
    """Refuses bodies that are larger than any honest one, before they are read into memory.

    Sealed bytes stream, and AuthZEN's endpoints have their own limit, since they answer 400.
    """
    if scope["method"] == "PUT" or scope["path"].startswith("/access/"):
        return receive
    left = MAX_MANY if scope["path"] in MANY else MAX_BODY

    async def counted() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise HTTPException(413, "The request is too large.")
        return message

    return counted
