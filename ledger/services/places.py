"""What only so many threads do at a time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ledger.errors import TooManyRequests


@contextmanager
def place(among: threading.Semaphore, what: str) -> Iterator[None]:
    """Hold one of a few places for what costs much, or takes as long as somebody else likes. Nobody waits for one.

    Args:
        what: is being done in all of them, for whoever is refused.

    Raises:
        TooManyRequests: none is free.
    """
    if not among.acquire(blocking=False):
        raise TooManyRequests(f"{what} Ask again in a moment.")
    try:
        yield
    finally:
        among.release()
