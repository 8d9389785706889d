"""Waiting for what happens, never for time to pass; and what processes of the tests' own need."""

import socket
import time
from pathlib import Path

PATIENCE = 90
"""Seconds; as long as a busy machine may need. Only what never happens takes all of it."""


def eventually(check, what="what was expected", seconds=PATIENCE):
    """The first true answer of a check; `what` is what is waited for, or says so when asked at the end."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < deadline, f"waited in vain for {what() if callable(what) else what}"
        time.sleep(0.02)
    return found


def free_port():
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def alive(pid):
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
