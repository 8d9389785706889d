"""What threads do together, next, and what only so many of them do at a time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ledger.errors import TooManyRequests, Unavailable, Untrusted

MOST = 32
"""Things worked on at a time: nobody waits long for the others."""
WAIT = 2.0
"""Seconds to wait for those who came before; whoever has waited so long is told to come again."""


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


Given = TypeVar("Given")
Made = TypeVar("Made")


@dataclass(eq=False)
class _Waiting(Generic[Given, Made]):
    given: Given
    made: list[Made | Exception] = field(default_factory=list)


class Together(Generic[Given, Made]):
    """Hands things on in groups, one group at a time.

    Args:
        work: does a group in one unit of work; returns for each what was made of it, or why nothing was. When it
            raises, nothing was done.
    """

    def __init__(self, work: Callable[[Sequence[Given]], Sequence[Made | Exception]]) -> None:
        self._work = work
        self._waiting: list[_Waiting[Given, Made]] = []
        self._working = threading.Lock()

    def hand(self, given: Given) -> Made:
        """What was made of it.

        Raises:
            VolensError: why nothing was.
            Unavailable: those before it took too long. It may be done all the same: only hand in what may be repeated.
        """
        mine: _Waiting[Given, Made] = _Waiting(given)
        self._waiting.append(mine)
        if not self._working.acquire(timeout=WAIT):
            with suppress(ValueError):
                self._waiting.remove(mine)
            raise Unavailable("Too much is waiting. Ask again shortly.")
        try:
            while not mine.made:  # unless whoever was here before took it along
                group = self._waiting[:MOST]
                del self._waiting[: len(group)]
                if not group:
                    raise Unavailable("This was not done. Ask again shortly.")  # who took it along was stopped
                for one, made in zip(group, self._do([one.given for one in group]), strict=True):
                    one.made.append(made)
        finally:
            self._working.release()
        (made,) = mine.made
        if isinstance(made, Exception):
            raise made
        return made

    def _do(self, group: Sequence[Given]) -> Sequence[Made | Exception]:
        try:
            return self._work(group)
        except (Unavailable, Untrusted) as error:  # of the node or the store: it is so for all of them
            return [error for _ in group]
        except Exception as error:  # noqa: BLE001 (whoever handed it in gets it)
            if len(group) == 1:
                return [error]
            return [made for one in group for made in self._do([one])]  # what is wrong with one is its own problem
