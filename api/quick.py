"""What is asked most, answered without the framework's layers, which cost more than such an answer does."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from api import errors
from ledger.errors import InvalidInput, VolensError

MAX_BODY = 2**20
LARGE = 2**14
"""Bytes of the largest body that is read in the event loop. A larger one, whoever sent it, is read in a thread:
everything else, withdrawals too, would have to wait for it."""
Body = TypeVar("Body", bound=BaseModel)
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class Plain(APIRoute):
    """A route whose endpoint takes the request as it is: no dependency is solved, no model is built.

    What it declares is for the OpenAPI document; the endpoint checks by itself.
    """

    def get_route_handler(self) -> Endpoint:
        """The endpoint itself."""
        return self.endpoint


def quick(endpoint: Endpoint) -> ASGIApp:
    """The same endpoint as an application, which answers failures like the framework's handlers."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            found = await endpoint(request)
        except VolensError as error:
            found = errors.ours(request, error)
        except RequestValidationError as error:
            found = errors.form(request, error)
        except HTTPException as error:
            found = errors.http(request, error)
        await found(scope, receive, send)

    return answer


async def receive_json(request: Request) -> bytes:
    """A request's body, which is said to be JSON.

    Raises:
        InvalidInput: it is not, or it is larger than `MAX_BODY`, or whoever sent it went away.
    """
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise InvalidInput("Content-Type must be application/json.")
    data = bytearray()
    try:
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BODY:
                raise InvalidInput("The request must not be larger than 1 MiB.")
    except ClientDisconnect:  # no failure of ours: it must not look like one in the log
        raise InvalidInput("The request ended before all of it was here.") from None
    return bytes(data)


def parse_json(data: bytes) -> Any:
    """JSON.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidInput("The request is not JSON.") from None


def json_response(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def read_body(model: type[Body], value: Any) -> Body:
    """A value as one of the shapes on the wire.

    Raises:
        RequestValidationError: it is not; said as the framework says it.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("body", *one["loc"])} for one in error.errors()]) from None
