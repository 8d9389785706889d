"""The speed of decisions: in process, over HTTP one at a time and in batches, beside other engines and a bare route.

The service is the real one in a process of its own, on an SQLite file; the chain is in memory, so that what is measured
is the service and not a node. Every answer is durable in the access log. The load comes from this process.

Run as ``python -m scripts.bench_decisions [--grants N …] [--seconds S] [--json]``.
"""

import argparse
import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
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
from ledger.adapters.memory import MemoryChain, MemoryVault
from ledger.adapters.store import SqlStore
from ledger.documents import Profile, channel_terms, document_hash
from ledger.events import Granted, LedgerEvent, Published, Registered
from ledger.model import Consent, Hash, to_hash
from ledger.ports import StoredItem, StoredRecord
from ledger.sealing import Secret
from ledger.services.questions import Asked
from ledger.services.records import token_hash
from ledger.state import ROLE_CONTROLLER, ROLE_RECIPIENT
from ledger.typed_data import parse_signature, struct_hash
from scripts.console import out, table
from scripts.stack import configure
from scripts.vector_sources.world import CHAIN_ID, CHANNELS, DAY, START, World, key, phrase

TOKEN = "bench"  # noqa: S105 (of a service that lives for seconds)
CONNECTIONS = 32
BATCH = 100
HOT = 1000
"""Records that are asked about, spread over all."""


@dataclass(frozen=True)
class Load:
    """What came back in so many seconds."""

    rate: float
    p50: float
    p99: float


def fill(folder: Path, grants: int) -> tuple[Services, list[Hash]]:
    """A service whose ledger holds so many grants, each of a record and a patient of its own, put there directly."""
    world = World()
    store = SqlStore(f"sqlite:///{folder / 'bench.db'}")
    chain = MemoryChain(CHAIN_ID, World.contracts, START - 3 * DAY)
    hospital = world.hospital.address
    events: list[LedgerEvent] = []
    for party, name in world.names.items():
        profile = Profile(1, name, "institution")
        role = ROLE_CONTROLLER if party == hospital else ROLE_RECIPIENT
        events.append(Registered(0, party, role, profile.hash, profile.data_uri()))
    documents = [*(terms.terms for terms in world.form.channels.values()), document_hash(world.form)]
    events += [Published(0, hospital, document) for document in documents]
    names: list[Hash] = []
    with store.begin() as tx:
        tx.add_document(world.form)
        for code in CHANNELS:
            tx.add_document(channel_terms(code, hospital))
        tx.add_token(token_hash(TOKEN), world.journal.address, START + 365 * DAY)
        for n in range(grants):
            patient = key(f"bench {n}").address
            record = replace(world.record, subject=patient, salt=to_hash(phrase(f"bench {n}")))
            name = struct_hash(record)
            signature = parse_signature(world.hospital.sign_typed(world.domain, record))
            items = tuple(StoredItem(item, item.sha256, item.size, "", b"") for item in world.items)
            tx.add_record(StoredRecord(record, name, signature, items), START)
            grant = world.grant(record=name, salt=record.salt)
            tx.add_consent(Consent(patient, (grant,), START + 900), patient, bytes(65), START)
            events.append(Granted(0, patient, struct_hash(grant), patient))
            names.append(name)
    chain.emit(*events)
    chain.now = START
    chain.mine(2)
    settings = Settings(
        state_dir=folder,
        public_url="https://bench.example",
        rate_per_address=0,
        rate_per_party=0,
        heavy_at_once=0,
    )
    services = assemble(
        settings, chain.deployment, chain, chain, store, MemoryVault(), SqlKeys("sqlite://"),
        lambda: [Secret(phrase("custodian"))], Secret(phrase("log")), clock=lambda: START,
    )  # fmt: skip
    return services, names[:: max(len(names) // HOT, 1)]


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


async def _constant(request: Request) -> Response:
    msgspec.json.decode(await request.body())
    return Response(msgspec.json.encode({"decision": True}), media_type="application/json")


def _serve(grants: int, told: Connection, stop: Event) -> None:
    """The service, and the route that answers a constant, each on a port of its own, in this one process."""
    with tempfile.TemporaryDirectory() as folder:
        services, names = fill(Path(folder), grants)
        with services.index.at_head():
            pass
        bare = Starlette(routes=[Route("/constant", _constant, methods=["POST"])])
        configs = [configure(services), uvicorn.Config(bare, log_config=None, access_log=False)]

        async def run() -> None:
            servers = [uvicorn.Server(on_any_port(config)) for config in configs]
            tasks = [asyncio.create_task(server.serve()) for server in servers]
            while not all(server.started for server in servers):
                await asyncio.sleep(0.01)
            told.send(([server.servers[0].sockets[0].getsockname()[1] for server in servers], names))
            while not stop.is_set():
                await asyncio.sleep(0.1)
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*tasks)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run())


def on_any_port(config: uvicorn.Config) -> uvicorn.Config:
    """Any free port of this machine only."""
    config.host, config.port = "127.0.0.1", 0
    return config


async def _load(port: int, path: str, bodies: Sequence[bytes], seconds: float, connections: int, pace: float) -> Load:
    """Ask over so many kept connections, each as fast as it is answered, or together `pace` times a second."""
    times: list[float] = []
    heads = [
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
        for body in bodies
    ]
    began = time.perf_counter()
    end = began + seconds

    async def client(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        n = first
        while (now := time.perf_counter()) < end:
            if pace and (wait := began + (n / pace) - now) > 0:
                await asyncio.sleep(wait)
                now = time.perf_counter()
            writer.write(heads[n % len(heads)])
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"The service answered {answer[:200]!r}.")
            size = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(size)
            times.append(time.perf_counter() - now)
            n += connections
        writer.close()

    await asyncio.gather(*(client(n) for n in range(connections)))
    passed = time.perf_counter() - began
    ordered = sorted(times)
    return Load(len(times) / passed, ordered[len(times) // 2] * 1000, ordered[int(len(times) * 0.99)] * 1000)


def in_process(grants: int, seconds: float) -> dict[str, float]:
    """Decisions a second without HTTP, with evidence from the store and durable in the log; and two other engines."""
    with tempfile.TemporaryDirectory() as folder:
        services, names = fill(Path(folder), grants)
        world = World()
        journal = world.journal.address
        questions = [replace(world.question(items=("narrative.md",)), record=name) for name in names]
        groups = [tuple(questions[n : n + BATCH]) for n in range(0, len(questions), BATCH)]

        def group(n: int) -> int:
            asked = Asked(lambda _: journal, groups[n % len(groups)])
            (answers,) = services.questions.answer([asked])
            if isinstance(answers, Exception) or not all(answer.decision for answer in answers):
                raise SystemExit("A question was not permitted.")
            return len(answers)

        def single(n: int) -> int:
            return int(services.questions.ask(journal, questions[n % len(questions)]).decision.permitted)

        found = {"in process, batches of 100": _rate(group, seconds), "in process, one by one": _rate(single, seconds)}
        found |= _peers(names[:100], seconds)
        services.store.close()
        return found


def _rate(act: Any, seconds: float) -> float:
    rounds = []
    n = 0
    for _ in range(3):
        began, count = time.perf_counter(), 0
        while (passed := time.perf_counter() - began) < seconds / 3:
            count += act(n)
            n += 1
        rounds.append(count / passed)
    return statistics.median(rounds)


def _peers(names: Sequence[Hash], seconds: float) -> dict[str, float]:
    """pycasbin and cedarpy on as many rules as records given: they decide only, and write nothing down."""
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

    def cedar(n: int) -> int:
        request = {
            "principal": 'User::"journal"',
            "action": 'Action::"case-report"',
            "resource": f'Record::"{names[n % len(names)]}"',
            "context": {},
        }
        return int(cedarpy.is_authorized(request, policies, []).allowed)

    return {
        f"pycasbin, {len(names)} rules": _rate(
            lambda n: int(enforcer.enforce("journal", names[n % len(names)], "case-report")), seconds
        ),
        f"cedarpy, {len(names)} rules": _rate(cedar, seconds),
    }


def over_http(grants: int, seconds: float) -> dict[str, Load]:
    """One worker, asked by this process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    stop = context.Event()
    process = context.Process(target=_serve, args=(grants, theirs, stop))
    process.start()
    try:
        if not ours.poll(600):
            raise SystemExit("The service did not start.")
        (port, bare), names = ours.recv()
        world = World()
        asked = [question(world, name) for name in names]
        single = [msgspec.json.encode(one) for one in asked]
        batches = [
            msgspec.json.encode({"evaluations": asked[n : n + BATCH]}) for n in range(0, len(asked) - BATCH + 1, BATCH)
        ]

        def load(path: str, bodies: Sequence[bytes], connections: int, at: int = port, pace: float = 0) -> Load:
            return asyncio.run(_load(at, path, bodies, seconds, connections, pace))

        load("/access/v1/evaluation", single, CONNECTIONS)  # warm
        found = {"constant route": load("/constant", single, CONNECTIONS, bare)}
        found["evaluation"] = load("/access/v1/evaluation", single, CONNECTIONS)
        half = found["evaluation"].rate / 2
        found["evaluation at half load"] = load("/access/v1/evaluation", single, CONNECTIONS, pace=half)
        found["batches of 100"] = load("/access/v1/evaluations", batches, 4)
        return found
    finally:
        stop.set()
        process.join(20)
        if process.is_alive():
            process.kill()


def main(arguments: list[str]) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The speed of decisions.")
    parser.add_argument("--grants", type=int, nargs="+", default=[1000], help="how many grants the ledger holds")
    parser.add_argument("--seconds", type=float, default=3, help="for each figure")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    found: dict[int, Any] = {
        grants: {
            "in_process": in_process(grants, options.seconds),
            "http": {name: vars(load) for name, load in over_http(grants, options.seconds).items()},
        }
        for grants in options.grants
    }
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    for grants, both in found.items():
        rows: list[tuple[Any, ...]] = [(what, f"{rate:,.0f} /s", "", "") for what, rate in both["in_process"].items()]
        for what, load in both["http"].items():
            per = BATCH if what.startswith("batches") else 1
            rate = f"{load['rate'] * per:,.0f} /s"
            rows.append((f"HTTP, one worker: {what}", rate, f"{load['p50']:.1f} ms", f"{load['p99']:.1f} ms"))
        table((f"{grants:,} grants", "rate", "p50", "p99"), rows)
    out.print("decisions a second; the load generator shares the machine's cores with the service")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
