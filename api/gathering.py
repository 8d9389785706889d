"""Group commit: questions that arrive while others are being answered are answered together, in one unit of work."""

import asyncio
from collections.abc import Callable, Sequence

from anyio import to_thread

from ledger.errors import VolensError
from ledger.services.questions import Answer, Asked, told

LINGER = 0.002
"""Seconds for which a group waits for as many as were in the last one; who asks alone is answered at once."""
STEP = 0.0004
"""Seconds between two looks at who has come."""
MOST = 512
"""Questions in one unit of work, unless one asker has more: nobody waits long for the others."""


class Gatherer:
    """Hands questions on in groups, one group at a time; each group's answers are durable when it comes back.

    Used from one event loop.

    Args:
        answer: see `Questions.answer`; called in a thread.
    """

    def __init__(self, answer: Callable[[Sequence[Asked]], list[list[Answer] | VolensError]]) -> None:
        self._answer = answer
        self._waiting: list[tuple[Asked, asyncio.Future[list[Answer] | VolensError]]] = []
        self._task: asyncio.Task[None] | None = None
        self._last = 1

    async def ask(self, asked: Asked) -> list[Answer]:
        """The answers for one asker.

        Raises:
            VolensError: why there are none.
        """
        future: asyncio.Future[list[Answer] | VolensError] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return told(await future)

    async def _work(self) -> None:
        try:
            while self._waiting:
                await self._linger()
                group = self._next()
                self._last = len(group)
                try:
                    outcomes = await to_thread.run_sync(self._answer, [asked for asked, _ in group])
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
        """Those who were just answered are about to ask again: each group costs the same, whatever its size."""
        loop = asyncio.get_running_loop()
        until = loop.time() + LINGER
        while 1 < self._last > len(self._waiting) and loop.time() < until:
            await asyncio.sleep(STEP)

    def _next(self) -> list[tuple[Asked, "asyncio.Future[list[Answer] | VolensError]"]]:
        count = size = 0
        for asked, _ in self._waiting:
            size += len(asked.questions)
            if count and size > MOST:
                break
            count += 1
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        return group
