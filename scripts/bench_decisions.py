"""The speed of decisions: in process, over HTTP one at a time and in batches, beside other engines and a bare route.

The service is the real one in processes of its own; the chain is in memory, so that what is measured is the service
and not a node. Every answer is durable in the access log. The load comes from this process.

Run as ``python -m scripts.bench_decisions [--grants N …] [--workers N …] [--databases …] [--write | --add]``.
"""

import argparse
import asyncio
import importlib
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection as Pipe
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import casbin  # type: ignore[import-untyped]
import cedarpy
import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from api.app import assemble
from api.services import Services
from api.settings import Settings
from ledger.adapters.keys import SqlKeys
from ledger.adapters.memory import MemoryVault
from ledger.adapters.store import SqlStore
from ledger.model import Hash
from ledger.sealing import Secret
from ledger.services.questions import Asked
from scripts.bench_ledger import TOKEN, Chain, asked, fill
from scripts.console import out, table
from scripts.figures import HEADINGS, Figure, record
from scripts.figures import load as kept_figures
from scripts.load import HOST, Connection, processor, quantile, request
from scripts.stack import configure
from scripts.vector_sources.world import CHAIN_ID, START, World, phrase

CONNECTIONS = 32
BATCH = 100
BATCH_CONNECTIONS = 4
PEERS = ("pycasbin", "cedarpy")
RULES = 100
"""Of the peers: pycasbin goes through all of them for each question."""
STARTING = 900.0
"""Seconds that reading a large ledger may take."""
TESTS = Path(__file__).resolve().parents[1] / "tests"
Peer = Callable[[str], bool]
"""Whether the journal may use a record."""


@dataclass(frozen=True)
class Load:
    """What came back in so many seconds.

    Attributes:
        rate, own: answers a second, by the clock and by the processor time of the processes that answered.
        p50, p99: milliseconds.
    """

    rate: float
    own: float
    p50: float
    p99: float


def open_service(url: str, folder: Path, grants: int) -> Services:
    """The service on a filled store, with the chain read."""
    chain = Chain(grants)
    settings = Settings(
        state_dir=folder,
        database_url=url,
        public_url="https://bench.example",
        rate_per_address=0,
        rate_per_party=0,
        heavy_at_once=0,
    )
    services = assemble(
        settings, chain.deployment, chain, chain, SqlStore(url), MemoryVault(), SqlKeys("sqlite://"),
        lambda: [Secret(phrase("custodian"))], Secret(phrase("log")), clock=lambda: START, rest=time.sleep,
    )  # fmt: skip
    with services.index.at_head():
        pass
    return services


def question(world: World, record: Hash) -> dict[str, Any]:
    """May the journal print the narrative of this record?"""
    return {
        "subject": {"type": "recipient", "id": f"did:pkh:eip155:{CHAIN_ID}:{world.journal.address}"},
        "action": {
            "name": "publish",
            "properties": {"purpose": "case-report", "channel": "journal", "items": ["narrative.md"]},
        },
        "resource": {"type": "record", "id": record},
    }


def peers(names: Sequence[Hash]) -> dict[str, Peer]:
    """pycasbin and cedarpy with a rule for each of some records: they decide only, and write nothing down."""
    model = casbin.Model()
    model.load_model_from_text(
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n"
        "[matchers]\nm = r.sub == p.sub && r.obj == p.obj && r.act == p.act\n"
    )
    enforcer = casbin.Enforcer(model)
    enforcer.add_policies([["journal", name, "case-report"] for name in names])
    policies = "".join(
        f'permit(principal == User::"journal", action == Action::"case-report", resource == Record::"{name}");'
        for name in names
    )

    def cedar(name: str) -> bool:
        asked = {
            "principal": 'User::"journal"',
            "action": 'Action::"case-report"',
            "resource": f'Record::"{name}"',
            "context": {},
        }
        return bool(cedarpy.is_authorized(asked, policies, []).allowed)

    return {"pycasbin": lambda name: bool(enforcer.enforce("journal", name, "case-report")), "cedarpy": cedar}


async def _by_peer(peer: Peer, request: Request) -> Response:
    body = msgspec.json.decode(await request.body())
    answer = {"decision": peer(body["resource"]["id"])}
    return Response(msgspec.json.encode(answer), media_type="application/json")


def beside(grants: int) -> Starlette:
    """Routes on the same server that answer the same questions: always yes, by pycasbin, by cedarpy."""
    by: dict[str, Peer] = {"constant": lambda _: True, **peers(asked(grants)[:RULES])}
    return Starlette(routes=[Route(f"/{name}", partial(_by_peer, peer), methods=["POST"]) for name, peer in by.items()])


def _serve(url: str, folder: Path, grants: int, bound: list[socket.socket], told: Pipe, stop: Event) -> None:
    """One process: the service on the first socket; on a second one, if there is one, what it is compared with."""
    services = open_service(url, folder, grants)
    configs = [configure(services)]
    if len(bound) > 1:
        configs.append(uvicorn.Config(beside(grants), log_config=None, access_log=False))

    async def run() -> None:
        servers = [uvicorn.Server(config) for config in configs]
        tasks = [
            asyncio.create_task(server.serve(sockets=[place])) for server, place in zip(servers, bound, strict=True)
        ]
        while not all(server.started for server in servers):
            await asyncio.sleep(0.01)
        told.send("ready")
        while not stop.is_set():
            await asyncio.sleep(0.1)
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*tasks)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


@contextmanager
def serving(url: str, folder: Path, grants: int, workers: int) -> Iterator[tuple[int, int, list[int]]]:
    """So many workers: their port, that of what they are compared with, and their process ids."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with ExitStack() as ending:
        bound = [ending.enter_context(socket.socket()) for _ in range(2)]
        for one in bound:
            one.bind((HOST, 0))
            one.listen(512)
        processes, pipes = [], []
        for number in range(workers):
            ours, theirs = context.Pipe()
            places = bound if number == 0 else bound[:1]
            processes.append(context.Process(target=_serve, args=(url, folder, grants, places, theirs, stop)))
            pipes.append(ours)
            processes[-1].start()
        try:
            for process, pipe in zip(processes, pipes, strict=True):
                until = time.monotonic() + STARTING
                while not pipe.poll(0.2):
                    if not process.is_alive() or time.monotonic() > until:
                        raise SystemExit("The service did not start.")
            port, other = (one.getsockname()[1] for one in bound)
            yield port, other, [process.pid or 0 for process in processes]
        finally:
            stop.set()
            for process in processes:
                process.join(20)
                if process.is_alive():
                    process.kill()


async def _load(
    port: int, pids: Sequence[int], jobs: Sequence[bytes], seconds: float, connections: int, pace: float
) -> Load:
    """Ask over so many kept connections, each as fast as it is answered, or together `pace` times a second."""
    times: list[float] = []
    used, began = sum(map(processor, pids)), time.perf_counter()
    end = began + seconds

    async def client(first: int) -> None:
        n = first
        async with Connection(port) as link:
            while (now := time.perf_counter()) < end:
                if pace and (wait := began + (n / pace) - now) > 0:
                    await asyncio.sleep(wait)
                    now = time.perf_counter()
                answer = await link.send(jobs[n % len(jobs)])
                times.append(time.perf_counter() - now)
                if answer.status != 200 or b'"decision":true' not in answer.body:
                    raise SystemExit(f"The service answered {answer.status}: {answer.body[:200]!r}.")
                n += connections

    await asyncio.gather(*(client(n) for n in range(connections)))
    passed, worked = time.perf_counter() - began, sum(map(processor, pids)) - used
    return Load(
        len(times) / passed, len(times) / max(worked, 0.01), quantile(times, 0.5) * 1000, quantile(times, 0.99) * 1000
    )


def over_http(url: str, folder: Path, grants: int, workers: int, seconds: float) -> dict[str, Load]:
    """So many workers on a filled store, asked by this process."""
    world, names = World(), asked(grants)
    questions = [question(world, name) for name in names]
    batches = [questions[n : n + BATCH] for n in range(0, len(questions), BATCH)]

    def written(path: str, values: Sequence[Any]) -> list[bytes]:
        return [request(path, msgspec.json.encode(value), TOKEN) for value in values]

    found = {}
    with serving(url, folder, grants, workers) as (port, other, pids):

        def load(at: int, jobs: Sequence[bytes], connections: int = CONNECTIONS, pace: float = 0) -> Load:
            return asyncio.run(_load(at, pids if at == port else pids[:1], jobs, seconds, connections, pace))

        single = written("/access/v1/evaluation", questions)
        load(port, single)  # warm
        for name in ("constant", *PEERS):
            found[name] = load(other, written(f"/{name}", questions[:RULES]))
        found["single"] = load(port, single)
        found["half"] = load(port, single, pace=found["single"].rate / 2)
        some = written("/access/v1/evaluations", [{"evaluations": batch} for batch in batches])
        found["batches"] = load(port, some, BATCH_CONNECTIONS)
    return found


def in_process(url: str, folder: Path, grants: int, seconds: float) -> dict[str, float]:
    """Decisions a second without HTTP, with evidence from the store and durable in the log; and two other engines."""
    services, names, world = open_service(url, folder, grants), asked(grants), World()
    journal = world.journal.address
    questions = [replace(world.question(items=("narrative.md",)), record=name) for name in names]
    groups = [tuple(questions[n : n + BATCH]) for n in range(0, len(questions), BATCH)]

    def group(n: int) -> int:
        (answers,) = services.questions.answer([Asked(lambda _: journal, groups[n % len(groups)])])
        if isinstance(answers, Exception) or not all(answer.decision for answer in answers):
            raise SystemExit("A question was not permitted.")
        return len(answers)

    def single(n: int) -> int:
        return int(services.questions.ask(journal, questions[n % len(questions)]).decision.permitted)

    found = {"batches": _rate(group, seconds), "single": _rate(single, seconds)}
    for name, peer in peers(names[:RULES]).items():

        def by_peer(n: int, peer: Peer = peer) -> int:
            return int(peer(names[n % RULES % len(names)]))

        found[name] = _rate(by_peer, seconds)
    services.store.close()
    return found


def _rate(act: Callable[[int], int], seconds: float) -> float:
    rounds = []
    n = 0
    for _ in range(3):
        began, count = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds / 3:
            count += act(n)
            n += 1
        rounds.append(count / passed)
    return statistics.median(rounds)


@contextmanager
def store(kind: str, grants: int) -> Iterator[tuple[str, Path]]:
    """The URL of a filled store, and a folder for the rest."""
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="volens-bench-")))
        url = f"sqlite:///{folder / 'bench.db'}"
        if kind == "postgresql":
            sys.path.insert(0, str(TESTS))
            server = ending.enter_context(importlib.import_module("postgres").Postgres(durable=True))
            url = server.database()
        fill(url, grants)
        yield url, folder


def figures(kind: str, grants: int, workers: int, found: dict[str, Load]) -> list[Figure]:
    """What was found over HTTP, with the goals, which are for one worker."""
    where = f"{kind}, {grants:,} grants, {workers} worker{'s' if workers > 1 else ''}"
    goals: tuple[float | None, ...] = (5000, 60, 10, 20_000) if workers == 1 else (None,) * 4
    constant, single, half, batches = (found[name] for name in ("constant", "single", "half", "batches"))
    share = single.rate / constant.rate * 100
    return [
        Figure(f"HTTP, one by one: {where}", single.rate, "/s", goals[0], single.own),
        Figure("… as a share of the constant route", share, "%", goals[1], single.own / constant.own * 100),
        Figure("… p50", single.p50, "ms"),
        Figure("… p99 at half load", half.p99, "ms", goals[2], most=True),
        Figure("… in batches of 100", batches.rate * BATCH, "/s", goals[3], batches.own * BATCH),
    ]


def run(sizes: Sequence[int], workers: Sequence[int], kinds: Sequence[str], seconds: float) -> list[Figure]:
    """All figures."""
    found: list[Figure] = []
    for grants in sizes:
        for kind in kinds:
            with store(kind, grants) as (url, folder):
                alone = in_process(url, folder, grants, seconds)
                if not found:
                    found += [
                        Figure(f"{name}, {RULES} rules, in process", alone[name], "/s")
                        for name in ("pycasbin", "cedarpy")
                    ]
                found.append(
                    Figure(f"in process, in batches of 100: {kind}, {grants:,} grants", alone["batches"], "/s")
                )
                found.append(Figure("… one by one", alone["single"], "/s"))
                for count in workers:
                    served = over_http(url, folder, grants, count, seconds)
                    if not any(figure.what.startswith("a route") for figure in found):
                        one = served["constant"]
                        found.insert(0, Figure("a route with a constant answer, HTTP", one.rate, "/s", None, one.own))
                        found[1:1] = [
                            Figure(f"{name}, {RULES} rules, HTTP", served[name].rate, "/s", None, served[name].own)
                            for name in PEERS
                        ]
                    found += figures(kind, grants, count, served)
    return found


def main(arguments: list[str]) -> int:
    """Measure, print, and keep if told to."""
    parser = argparse.ArgumentParser(description="The speed of decisions.")
    parser.add_argument("--grants", type=int, nargs="+", default=[1000], help="how many grants the ledger holds")
    parser.add_argument("--workers", type=int, nargs="+", default=[1], help="processes that answer")
    parser.add_argument("--databases", nargs="+", default=["sqlite"], choices=["sqlite", "postgresql"])
    parser.add_argument("--seconds", type=float, default=3, help="for each figure")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/")
    parser.add_argument("--add", action="store_true", help="keep them below those that are there")
    options = parser.parse_args(arguments)
    found = run(options.grants, options.workers, options.databases, options.seconds)
    table(HEADINGS, [figure.cells() for figure in found])
    out.print("decisions a second; the load generator shares the machine's cores with the service")
    if options.write or options.add:
        record("decisions", [*(kept_figures().get("decisions", []) if options.add else []), *found])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
