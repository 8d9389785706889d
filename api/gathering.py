"""Group commit: what arrives while other things are being worked on is done together, in one unit of work."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from anyio import to_thread

LINGER = 0.002
"""Seconds for which a group waits for as many as were in the last one; who comes alone is served at once."""
STEP = 0.0004
"""Seconds between two looks at who has come."""
Given = TypeVar("Given")
Made = TypeVar("Made")


class Gatherer(Generic[Given, Made]):
    """Hands things on in groups, one group at a time; what was made of a group is durable when it comes back.

    Used from one event loop.

    Args:
        work: called in a thread with a group; returns for each what was made of it, or why nothing was.
        most: the size of a group, unless one thing is larger: nobody waits long for the others.
        size: of one thing.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Given]], Sequence[Made | Exception]],
        most: int,
        size: Callable[[Given], int],
    ) -> None:
        self._work, self._most, self._size = work, most, size
        self._waiting: list[tuple[Given, asyncio.Future[Made | Exception]]] = []
        self._task: asyncio.Task[None] | None = None
        self._last = 1

    async def hand(self, given: Given) -> Made:
        """What was made of it; raises why nothing was."""
        future: asyncio.Future[Made | Exception] = asyncio.get_running_loop().create_future()
        self._waiting.append((given, future))
        if self._task is None:
            self._task = asyncio.create_task(self._serve())
        made = await future
        if isinstance(made, Exception):
            raise made
        return made

    async def _serve(self) -> None:
        try:
            while self._waiting:
                await self._linger()
                group = self._next()
                self._last = len(group)
                try:
                    outcomes = await to_thread.run_sync(self._work, [given for given, _ in group])
                except BaseException as error:
                    for _, future in group:
                        if not future.done():
                            future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
                    if not isinstance(error, Exception):
                        raise
                else:
                    for (_, future), outcome in zip(group, outcomes, strict=True):
                        if not future.done():  # whoever asked may have gone away
                            future.set_result(outcome)
        finally:
            self._task = None  # in the same step as the last result: nobody can be left waiting

    async def _linger(self) -> None:
        """Those who were just served are about to come again: each group costs the same, whatever its size."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LINGER
        while 1 < self._last > len(self._waiting) and loop.time() < until:
            await asyncio.sleep(STEP)

    def _next(self) -> list[tuple[Given, "asyncio.Future[Made | Exception]"]]:
        count = size = 0
        for given, _ in self._waiting:
            size += self._size(given)
            if count and size > self._most:
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group
