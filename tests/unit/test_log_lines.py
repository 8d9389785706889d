"""What a line of the log may hold, and what it never does."""

import io
import json
import logging

import pytest

from api.logs import JsonLines, Text, request_id, set_up

SECRET = "Ada Lovelace, HIV positive"


def record(name, message, *arguments, error=None, **extra):
    made = logging.LogRecord(name, logging.ERROR, "file.py", 1, message, arguments, error)
    made.__dict__.update(extra)
    return made


def failure():
    try:
        int(SECRET)
    except ValueError as error:
        return (ValueError, error, error.__traceback__)


@pytest.mark.parametrize("form", [JsonLines(), Text()])
@pytest.mark.parametrize(
    "logged",
    [
        record("sqlalchemy.engine", "parameters: %s", SECRET),
        record("some.library", f"cannot handle {SECRET}"),
        record("ledger.services.relay", "failed", error=failure()),
        record("uvicorn.error", "Exception in ASGI application", error=failure()),
        record("api.edge", "request", body=SECRET, path=SECRET, authorization=SECRET),
    ],
)
def test_words_of_strangers_and_fields_that_are_not_listed_are_left_out(form, logged):
    assert "Lovelace" not in form.format(logged)


def test_a_line_is_an_object_with_the_request_and_the_place_of_an_error():
    token = request_id.set("req-1")
    try:
        logged = record("api.edge", "request", error=failure(), status=500, route="/v1/records/{record}")
        said = json.loads(JsonLines().format(logged))
    finally:
        request_id.reset(token)
    assert said["request"] == "req-1"
    assert (said["status"], said["route"], said["error"]) == (500, "/v1/records/{record}", "ValueError")
    assert said["place"][0].startswith("test_log_lines.py:")
    assert said.keys() <= {"time", "level", "logger", "message", "request", "status", "route", "error", "place"}


def test_everything_goes_through_the_one_form():
    root = logging.getLogger()
    before, level, out = root.handlers[:], root.level, io.StringIO()
    library = logging.getLogger("some.library.with.its.own.handler")
    library.addHandler(logging.StreamHandler(out))
    try:
        set_up("json", "info", out)
        library.warning("about %s", SECRET)
        logging.getLogger("ledger.x").info("ours")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    lines = [json.loads(text) for text in out.getvalue().splitlines()]
    assert [entry["logger"] for entry in lines] == ["some.library.with.its.own.handler", "ledger.x"]
    assert "Lovelace" not in out.getvalue()
