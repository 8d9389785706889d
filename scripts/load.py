"""Requests of a benchmark: plain HTTP/1.1 over kept connections, so that asking costs the machine little."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Answer:
    """What a service said."""

    status: int
    body: bytes

    def json(self, *expected: int) -> Any:
        """What it said, if it answered as expected; a benchmark of failures would be worth nothing."""
        if self.status not in (expected or (200,)):
            raise SystemExit(f"The service answered {self.status}: {self.body[:300]!r}")
        return json.loads(self.body)


def request(path: str, body: bytes | None = None, token: str = "") -> bytes:
    """A request as it goes over the wire: POST of JSON, or GET where there is no body."""
    head = f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\nHost: bench\r\n"
    head += f"Authorization: Bearer {token}\r\n" if token else ""
    if body is None:
        return f"{head}\r\n".encode()
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class Connection:
    """One kept connection to a port of this machine. Use it in an ``async with`` statement."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(HOST, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def send(self, written: bytes) -> Answer:
        """Send a request, wait for its answer."""
        self._writer.write(written)
        head = await self._reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return Answer(int(head[9:12]), await self._reader.readexactly(size))


async def spread(port: int, jobs: Sequence[bytes], connections: int, done: Callable[[int, Answer], None]) -> None:
    """Send each request once, over so many connections, each as fast as it is answered.

    Args:
        done: told the place of each job and its answer.
    """
    left = iter(enumerate(jobs))

    async def client() -> None:
        async with Connection(port) as link:
            for place, job in left:
                done(place, await link.send(job))

    work: list[Awaitable[None]] = [client() for _ in range(connections)]
    await asyncio.gather(*work)


def quantile(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def processor(pid: int) -> float:
    """Seconds of processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
