"""`Idempotency-Key`: a write that is asked for twice is done once, and answered twice the same.

As the IETF draft draft-ietf-httpapi-idempotency-key-header has it: the same key with the same request gets the same
answer; with another request 422; while the first is being worked on 409. Keys are each caller's own. Only successes are
remembered, since a refused request did nothing. Releases and questions are left out: no permit is ever repeated from
memory. What is remembered is encrypted under the key and the request, which the database does not hold: an answer may
contain an invitation's token.
"""

import json
import logging
import re
import secrets
from collections.abc import Callable
from typing import Any

from anyio import CapacityLimiter, to_thread
from fastapi import HTTPException, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import errors
from api.limits import WITHDRAWALS
from api.services import Services
from ledger.attempts import Attempt
from ledger.errors import InvalidInput, NotAuthorised, Unavailable, VolensError

_log = logging.getLogger(__name__)

SIGNED = (*WITHDRAWALS, "/v1/consents")
"""Named by what they say: handing one in twice is one relay anyway, so nobody waits for an attempt that may be dead."""
CREATES = (*SIGNED, "/v1/cohorts", "/v1/invitations", "/v1/records", "/v1/offers", "/v1/documents", "/v1/approvals")
_BELOW = re.compile(r"/v1/(invitations/[^/]+/claim|offers/[^/]+/messages|records/[^/]+/references)")
PROGRESS = 60
"""Seconds after which an attempt that was never answered counts as dead."""
_QUOTED = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]{1,255})"')
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]{1,255}")
"""A string of RFC 8941 without escapes; many clients leave the quotation marks out."""
REPLAYED = "Idempotency-Replayed"
KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A new string for every request: sent again with it, the request is not done again.",
    "schema": {"type": "string", "maxLength": 257},
    "example": '"8e03978e-40d5-43dd-bc93-6894a57f9324"',
}


def takes_key(path: str) -> bool:
    """Whether POST to a path, or to its template, heeds the header."""
    return path in CREATES or _BELOW.fullmatch(path) is not None


def read_key(header: str) -> str:
    """The key in a header.

    Raises:
        InvalidInput: it is not one of 1 to 255 printable characters.
    """
    found = _QUOTED.fullmatch(header.strip())
    if found:
        return found[1]
    if _BARE.fullmatch(header.strip()):
        return header.strip()
    raise InvalidInput("Idempotency-Key must be a string of 1 to 255 printable characters in quotation marks.")


class Idempotency:
    """Plain ASGI, around the routes."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app, self._use = app, services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        given = _header(scope, b"idempotency-key")
        creates = scope.get("method") == "POST" and takes_key(scope["path"])
        if scope["type"] != "http" or given is None or not creates:
            await self._app(scope, receive, send)
            return
        try:
            await self._once(given, scope, receive, send)
        except VolensError as error:
            await errors.ours(Request(scope), error)(scope, receive, send)
        except HTTPException as error:  # the body was too large
            await errors.problem(Request(scope), error.status_code, "invalid_input", str(error.detail))(
                scope, receive, send
            )

    async def _once(self, given: str, scope: Scope, receive: Receive, send: Send) -> None:
        limiter = self._use.withdrawals if scope["path"] in WITHDRAWALS else None
        key, body = read_key(given), await _read(receive)
        caller = await self._caller(scope, limiter)
        if caller is None:  # not signed in with what says so: the route answers that
            await self._app(scope, _again(body, receive), send)
            return
        asked = f"{scope['path']}?{scope['query_string'].decode('latin-1')}"
        attempt = Attempt.of(key, caller, asked, body)
        answer = await _thread(limiter, self._claim, attempt, scope)
        if answer is not None:
            await answer(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        try:
            await self._app(scope, _again(body, receive), hold)
        except Exception:
            await _thread(limiter, self._settle, attempt, held[:0])
            raise
        await _thread(limiter, self._settle, attempt, held)  # remembered before it is sent
        for message in held:
            await send(message)

    async def _caller(self, scope: Scope, limiter: CapacityLimiter | None) -> str | None:
        """Whose key it is: the signed-in party's or, for those who need not sign in, the network address's."""
        bearer = _header(scope, b"authorization")
        if bearer is None:
            return "address " + self._use.limits.client(scope)
        try:
            return f"party {await _thread(limiter, self._use.sign_ins.who, bearer.partition(' ')[2])}"
        except NotAuthorised:
            return None

    def _claim(self, attempt: Attempt, scope: Scope) -> Response | None:
        """None if this attempt is the first; otherwise the answer."""
        now = self._use.clock()
        with self._use.store.begin() as tx:
            found = tx.claim_answer(attempt.name, attempt.fingerprint, now, now + PROGRESS)
        if found is None:
            return None
        if found.fingerprint != attempt.fingerprint:
            said = "This Idempotency-Key was used for another request. Use a new one for every request."
            return errors.problem(Request(scope), 422, "idempotency_key_reused", said)
        if found.status is not None:
            value = json.loads(attempt.open(found.sealed))
            return Response(value["body"], found.status, {REPLAYED: "true"}, value["type"])
        if scope["path"] in SIGNED:
            return None
        said = "A request with this Idempotency-Key is being worked on. Ask again in a moment."
        return errors.problem(Request(scope), 409, "in_progress", said)

    def _settle(self, attempt: Attempt, messages: list[Message]) -> None:
        """Remember a success; forget anything else."""
        status = messages[0]["status"] if messages else 0
        body = b"".join(message.get("body", b"") for message in messages[1:])
        try:
            with self._use.store.begin() as tx:
                if not 200 <= status < 300:
                    tx.drop_answer(attempt.name)
                    return
                media = _header(messages[0], b"content-type")
                sealed = attempt.seal(
                    json.dumps({"type": media, "body": body.decode()}).encode(), secrets.token_bytes(12)
                )
                tx.set_answer(attempt.name, status, sealed, self._use.clock() + self._use.settings.idempotency_life)
        except Unavailable as error:  # what was done was done: the caller must be told
            _log.warning("an answer is not remembered: %s", error)


def _header(scope: Scope | Message, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in scope.get("headers", ()) if name == wanted), None)


async def _thread(limiter: CapacityLimiter | None, do: Callable[..., Any], *arguments: Any) -> Any:
    return await to_thread.run_sync(do, *arguments, limiter=limiter)


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, for the routes; then whatever comes."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> Message:
        return waiting.pop() if waiting else await receive()

    return read
