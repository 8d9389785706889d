"""The OpenAPI document: what FastAPI reads from the routes, the failures as they are served, and an example of each
request and answer.

The examples are requests that were really made and what was answered, written down by `make examples`.
"""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import errors
from api.idempotency import KEY_PARAMETER, takes_key

EXAMPLES = Path(__file__).parent / "examples.json"


def describe(app: FastAPI) -> dict[str, Any]:
    """The document: problem+json for failures, and 400 where FastAPI says 422."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                operation["responses"].pop("422", None)
                _illustrate(operation, examples.get(f"{method.upper()} {path}", {}))
                operation["responses"].update(errors.failures(path))
                if method == "post" and takes_key(path):
                    operation["responses"].update(errors.key_failures())
                    operation["parameters"] = [*operation.get("parameters", ()), KEY_PARAMETER]
        app.openapi_schema = document
    return app.openapi_schema


def _illustrate(operation: dict[str, Any], example: dict[str, Any]) -> None:
    """Put what was asked and answered where it belongs."""
    for parameter in operation.get("parameters", ()):
        if parameter["name"] in example.get("parameters", {}):
            parameter["example"] = example["parameters"][parameter["name"]]
    places = [(operation.get("requestBody", {}), example.get("request"))]
    places += [(operation["responses"].get(status, {}), told) for status, told in example.get("answers", {}).items()]
    for place, told in places:
        for content in place.get("content", {}).values():
            content["example"] = told
