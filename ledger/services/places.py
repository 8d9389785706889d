"""What only so many threads do at a time."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from ledger.errors import TooManyRequests

ASKED_AT_ONCE = 4
"""Questions of one kind that a node is asked at one time: a slow one must not take every thread."""


def asking(among: threading.Semaphore) -> AbstractContextManager[None]:
    """Hold one of the places for whoever has a node asked; see `place`."""
    return place(among, "The Ethereum node is being asked about too much.")


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
