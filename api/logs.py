"""Logs that can be shown to anybody: one line for each event, of fields from a list, and no message of a stranger.

What our own code says is written not to contain a secret, a name or the text of a consent (`ledger/errors.py`). What
a library says, or an exception's message, may quote anything: of those only kind and place are logged.
"""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

OURS = ("api", "ledger", "scripts", "client", "wallet")
FIELDS = ("method", "route", "status", "milliseconds")
"""What may stand in a line beside time, level, logger, message, request and the place of an error."""
MAX_MESSAGE = 500
Format = Literal["json", "text"]

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request at hand, in whatever thread it is worked on."""


def line(record: logging.LogRecord) -> dict[str, Any]:
    """What is logged of an event."""
    ours = record.name.split(".")[0] in OURS or record.name == "uvicorn.error"
    found: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage()[:MAX_MESSAGE] if ours else "(the words of a library are not logged)",
    }
    if (request := request_id.get()) is not None:
        found["request"] = request
    found |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
    if record.exc_info and record.exc_info[0] is not None:
        found["error"] = record.exc_info[0].__name__
        found["place"] = [
            f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(record.exc_info[2])
        ]
    return found


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of an event."""
        return json.dumps(line(record), ensure_ascii=True)


class Text(logging.Formatter):
    """The same for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of an event."""
        said = line(record)
        head = [said.pop(name) for name in ("time", "level", "logger", "message")]
        more = " ".join(f"{name}={value}" for name, value in said.items())
        return " ".join([*head, more]).rstrip()


class _ToStandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at the time, not what it was when logging was set up."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _: TextIO) -> None:
        pass


def set_up(form: Format, level: str, stream: TextIO | None = None) -> None:
    """Log everything in this process to standard error, or to a stream, in one form."""
    handler = logging.StreamHandler(stream) if stream else _ToStandardError()
    handler.setFormatter(JsonLines() if form == "json" else Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in list(logging.root.manager.loggerDict):
        if name.split(".")[0] not in OURS:
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
    for noisy in ("httpx", "httpcore", "alembic", "urllib3", "web3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
