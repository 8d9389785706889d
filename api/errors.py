"""One table from our errors to HTTP, and one handler that applies it: RFC 9457 everywhere but under /access."""

import logging
import math
import traceback
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from ledger import errors

_log = logging.getLogger(__name__)

# Checked in this order: a class before its base.
STATUS: tuple[tuple[type[errors.VolensError], int], ...] = (
    (errors.InvalidInput, 400),
    (errors.BadSignature, 403),
    (errors.NotAuthorised, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Erased, 410),
    (errors.Expired, 410),
    (errors.Refused, 403),
    (errors.TooManyRequests, 429),
    (errors.Unavailable, 503),
    (errors.Untrusted, 503),
)
RETRY_AFTER = "2"
MOST_NAMED = 16
"""Mistakes that are named in one answer."""
_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not take this method; Allow says which it takes.",
}
"""For what the framework refuses by itself, in two words."""


def problem_type(code: str) -> str:
    """The stable name of a kind of problem; docs/errors.md lists them."""
    return f"urn:volens:error:{code}"


def problem(request: Request, status: int, code: str, detail: str, **more: Any) -> Response:
    """A problem+json answer; under /access a plain sentence, as AuthZEN wants it."""
    headers = {"Retry-After": RETRY_AFTER} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="volens"'
    if request.url.path.startswith("/access/"):
        return PlainTextResponse(detail, status, headers)
    body = {
        "type": problem_type(code),
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": f"urn:volens:request:{request.state.request_id}",
        **more,
    }
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def status_of(error: errors.VolensError) -> int:
    """The HTTP status of one of our errors."""
    if isinstance(error, errors.NotAuthorised) and error.reason == "not_signed_in":
        return 401
    return next(status for family, status in STATUS if isinstance(error, family))


def key_failures() -> dict[str, Any]:
    """The failures of an Idempotency-Key for the OpenAPI document; 409 is what it always is, or this."""
    text = "This Idempotency-Key was used for another request."
    example = {
        "type": problem_type("idempotency_key_reused"),
        "title": HTTPStatus(422).phrase,
        "status": 422,
        "detail": text,
    }
    return {"422": {"description": text, "content": {"application/problem+json": {"example": example}}}}


def failures(path: str) -> dict[str, Any]:
    """The failures of a path for the OpenAPI document, with an example each."""
    said = {
        400: ("The request is not acceptable; the answer says what is wrong.", "invalid_message"),
        401: ("Sign in first.", "not_authorised"),
        403: ("Understood, and refused.", "not_authorised"),
        404: ("No such object, or not yours.", "not_found"),
        409: ("It contradicts what is stored.", "conflict"),
        410: ("Too late.", "expired"),
        429: ("Too many requests; Retry-After says when there is room.", "too_many_requests"),
        503: ("The ledger cannot be reached or trusted right now; try again.", "unavailable"),
    }
    found: dict[str, Any] = {}
    for status, (text, code) in said.items():
        example = {"type": problem_type(code), "title": HTTPStatus(status).phrase, "status": status, "detail": text}
        content: dict[str, Any] = {"application/problem+json": {"example": example}}
        if path.startswith("/access/"):
            content = {"text/plain": {"example": text}}
        found[str(status)] = {"description": text, "content": content}
    return found


def install(app: FastAPI) -> None:
    """Make the app answer every failure in the house style."""

    app.exception_handler(errors.VolensError)(ours)
    app.exception_handler(RequestValidationError)(form)
    app.exception_handler(HTTPException)(http)


def form(request: Request, error: RequestValidationError) -> Response:
    """The answer to a body or a query of the wrong form."""
    found = [
        {"field": ".".join(map(str, e["loc"][1:])) or "body", "problem": e["msg"]} for e in error.errors()[:MOST_NAMED]
    ]
    detail = "; ".join(f"{e['field']}: {e['problem']}" for e in found)[:500]
    return problem(request, 400, "invalid_input", detail, errors=found)


def http(request: Request, error: HTTPException) -> Response:
    """The answer to what the framework refuses by itself."""
    status = error.status_code
    code = "invalid_input" if status == 400 else HTTPStatus(status).name.lower()
    answer = problem(request, status, code, _SENTENCES.get(status, str(error.detail)))
    answer.headers.update(error.headers or {})  # Allow, for a wrong method
    return answer


def ours(request: Request, error: errors.VolensError) -> Response:
    """The answer to an error raised on purpose."""
    more: dict[str, Any] = {}
    if isinstance(error, errors.InvalidMessage):
        more["errors"] = [{"field": error.field, "problem": error.problem}]
    if isinstance(error, errors.NotAuthorised):
        more["reason"] = error.reason
    answer = problem(request, status_of(error), error.code, str(error), **more)
    if isinstance(error, errors.TooManyRequests):
        answer.headers["Retry-After"] = str(max(1, math.ceil(error.retry_after)))
    return answer


def unexpected(request: Request, error: Exception) -> Response:
    """The answer to a failure nobody foresaw. Its message may quote anything, so only its place is logged."""
    place = "".join(traceback.format_tb(error.__traceback__))
    _log.error("unexpected %s in request %s\n%s", type(error).__name__, request.state.request_id, place)
    return problem(request, 500, "internal", "Something went wrong on our side; nothing was released.")
