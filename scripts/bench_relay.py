"""The speed of recording and of withdrawing: from a signature to the chain, and from a revocation to the first denial.

Everything is real: anvil and `volens up`, each in a process of its own, signed messages over HTTP. Only the records of
the patients, whose speed is not asked here, are put into the store directly. Two ways of mining: each transaction at
once (with an empty block every second, as the clock of a chain must go on), and one block a second.

Run as ``python -m scripts.bench_relay [--consents N] [--rounds N] [--write]``.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from api.settings import read_settings
from client.http import Client
from client.institution import fresh_salt
from ledger.adapters.chain import Web3Sender
from ledger.adapters.node import Node
from ledger.adapters.store import SqlStore
from ledger.deployment import Deployment
from ledger.documents import Profile
from ledger.errors import VolensError
from ledger.model import Consent, Grant, Hash, Item, Message, Record, Revocation, keccak, to_hash
from ledger.ports import Call, StoredItem, StoredRecord
from ledger.services.records import token_hash
from ledger.summary import with_summary
from ledger.typed_data import parse_signature, struct_hash
from scripts.bench_release import service
from scripts.console import load_deployment, table
from scripts.demo import CHANNELS, ETHER, PARTIES
from scripts.devnet import Devnet, mine, resume_mining, set_balance
from scripts.figures import HEADINGS, Figure, record
from scripts.load import Answer, Connection, processor, quantile, request, spread
from scripts.parties import publish, registration, transact
from scripts.stack import STAKE, make_key, operator_key
from wallet.keys import PartyKeys, SigningKey

CONNECTIONS = 16
TOKEN = "bench"  # noqa: S105 (of a service that lives for seconds)
DAY = 86_400
PATIENCE = 120.0
"""Seconds after which something that should have been recorded counts as lost."""
BLOCK = 1.0
"""Seconds between blocks where they do not come at once."""


@dataclass(frozen=True)
class Case:
    """One patient, her record, and the grant she is asked for."""

    patient: PartyKeys
    grant: Grant

    @property
    def hash(self) -> Hash:
        """Of the grant."""
        return struct_hash(self.grant)


@dataclass(frozen=True)
class World:
    """A running service, its node, its facts, and who takes part."""

    url: str
    rpc_url: str
    pid: int
    facts: Deployment
    state: Path
    parties: dict[str, PartyKeys]

    @property
    def port(self) -> int:
        """Of the service."""
        return int(self.url.rpartition(":")[2])

    def signed(self, message: Message, patient: PartyKeys) -> bytes:
        """A message as it is sent to the service."""
        signature = patient.sign(self.facts.domain.digest(message))
        return json.dumps({"message": message.to_json(), "signer": patient.address, "signature": signature}).encode()

    def consent(self, case: Case) -> bytes:
        """The request by which a patient agrees, signed now."""
        consent = Consent(case.patient.address, (case.grant,), int(time.time()) + 900)
        return request("/v1/consents", self.signed(consent, case.patient))

    def question(self, case: Case) -> bytes:
        """May the journal print the narrative of a case?"""
        did = self.facts.did(self.parties["journal"].address)
        asked = {
            "subject": {"type": "recipient", "id": did},
            "action": {"name": "publish", "properties": {"purpose": "case-report", "channel": "journal"}},
            "resource": {"type": "record", "id": case.grant.record},
        }
        return request("/access/v1/evaluation", json.dumps(asked).encode(), TOKEN)


class Watch:
    """When what happened to a grant was told by the node: by its hash and the name of the event."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, Hash], float] = {}
        self._names = {to_hash(keccak(f"{n}(address,bytes32,address)".encode())): n for n in ("Granted", "Revoked")}

    def _listen(self, link: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            for message in link:
                log = json.loads(message)["params"]["result"]
                if (name := self._names.get(log["topics"][0])) is not None:
                    self.seen[name, Hash(log["topics"][2])] = time.perf_counter()

    @contextmanager
    def listening(self, world: World) -> Iterator[None]:
        """Subscribe, and listen until the block ends."""
        where = {"address": world.facts.addresses["ConsentRegistry"]}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["logs", where]}
        with connect(world.rpc_url.replace("http", "ws", 1), max_size=None) as link:
            link.send(json.dumps(asked))
            link.recv(timeout=10)
            thread = threading.Thread(target=self._listen, args=(link,), daemon=True)
            thread.start()
            yield
        thread.join()

    async def wait(self, name: str, grants: Sequence[Hash]) -> list[float]:
        """When each of them happened, as soon as all have."""
        until = time.perf_counter() + PATIENCE
        while missing := sum((name, grant) not in self.seen for grant in grants):
            if time.perf_counter() > until:
                raise VolensError(f"{missing} of {len(grants)} are not recorded.")
            await asyncio.sleep(0.002)
        return [self.seen[name, grant] for grant in grants]


@contextmanager
def ticking(rpc_url: str) -> Iterator[None]:
    """Each transaction is mined at once, and a block every second: without one, every answer would be too old."""
    resume_mining(rpc_url)
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(BLOCK):
            mine(rpc_url)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def introduce(url: str, rpc_url: str, pid: int, state: Path) -> tuple[World, Hash]:
    """List the parties, publish the form; returns it, too."""
    world = World(
        url, rpc_url, pid, load_deployment(state / "deployment.json"), state, {who: PartyKeys.new() for who in PARTIES}
    )
    hospital = world.parties["hospital"]
    listings = [
        registration(world.parties[role].address, roles, Profile(1, name, kind))
        for role, (name, kind, roles) in PARTIES.items()
    ]
    transact(rpc_url, world.facts, make_key(operator_key(state)), *listings, (hospital.address, ETHER))
    with Client(url, world.facts) as client:
        form = publish(rpc_url, world.facts, hospital.secret.reveal(), hospital.address, CHANNELS, client)
    return world, form.hash


def cases(world: World, form: Hash, count: int) -> list[Case]:
    """So many patients, each with a record in the store."""
    hospital, journal = world.parties["hospital"], world.parties["journal"]
    name = PARTIES["journal"][0]
    now = int(time.time())
    store = SqlStore(read_settings(state_dir=world.state).database)
    made = []
    with store.begin() as tx:
        tx.add_token(token_hash(TOKEN), journal.address, now + DAY)
        for number in range(count):
            patient = PartyKeys.new()
            salt = fresh_salt()
            item = Item("narrative.md", "text/markdown", 9, to_hash(keccak(salt.encode())), salt)
            entry = Record(hospital.address, patient.address, (), f"Case {number}", (struct_hash(item),), now, salt)
            signature = parse_signature(hospital.sign(world.facts.domain.digest(entry)))
            kept = (StoredItem(item, item.sha256, item.size, ""),)
            tx.add_record(StoredRecord(entry, struct_hash(entry), signature, kept), {}, now)
            grant = Grant(
                "", struct_hash(entry), journal.address, (item.name,), ("case-report",), ("journal",), "none",
                now - 60, now + 30 * DAY, form, salt,
            )  # fmt: skip
            made.append(Case(patient, with_summary(grant, {journal.address: name}, "en")))
    store.close()
    return made


async def recorded(world: World, watch: Watch, given: Sequence[Case]) -> list[Figure]:
    """One patient after the other: from the signature to the block, and to the service's own word."""
    mined, said = [], []
    async with Connection(world.port) as link:
        for case in given:
            written = world.consent(case)
            began = time.perf_counter()
            relay = (await link.send(written)).json(202)["id"]
            (at,) = await watch.wait("Granted", [case.hash])
            mined.append(at - began)
            while (await link.send(request(f"/v1/relays/{relay}"))).json()["status"] in ("accepted", "sent"):
                await asyncio.sleep(0.002)
            said.append(time.perf_counter() - began)
    return [
        *latencies("signature to recorded, mined at once", mined, half=50),
        *latencies("signature to the service's word that it is recorded", said),
    ]


async def sustained(world: World, watch: Watch, given: Sequence[Case]) -> list[Figure]:
    """As many as the service takes, until the last one is in a block."""
    jobs = [world.consent(case) for case in given]
    accepted: list[float] = []
    used, began = processor(world.pid), time.perf_counter()

    def done(_: int, answer: Answer) -> None:
        answer.json(202)
        accepted.append(time.perf_counter())

    await spread(world.port, jobs, CONNECTIONS, done)
    times = await watch.wait("Granted", [case.hash for case in given])
    worked = processor(world.pid) - used
    count = len(given)
    return [
        Figure(f"consents accepted, {count:,} over {CONNECTIONS} connections", count / (accepted[-1] - began), "/s"),
        Figure("… and recorded on chain", count / (max(times) - began), "/s", 250, count / worked),
    ]


async def withdrawn(world: World, given: Sequence[Case]) -> list[Figure]:
    """From handing a revocation to the service, to the answer that denies."""
    found = []
    async with Connection(world.port) as link:
        for case in given:
            await permitted(link, world, case)
            written = request(
                "/v1/revocations", world.signed(Revocation(case.patient.address, (case.grant,)), case.patient)
            )
            began = time.perf_counter()
            (await link.send(written)).json(202)
            found.append(await denied(link, world, case, 0) - began)
    return latencies("revocation to denial, through the service", found, late=50)


async def withdrawn_on_chain(world: World, watch: Watch, given: Sequence[Case]) -> list[Figure]:
    """From sending a revocation straight to the chain, past the service, to the answer that denies."""
    found, after = [], []
    node = Node(world.rpc_url)
    async with Connection(world.port) as link:
        for case in given:
            await permitted(link, world, case)
            sender = Web3Sender(node, world.facts, case.patient.secret.reveal())
            call = Call("ConsentRegistry", "revoke", ([bytes.fromhex(case.hash[2:])],))
            prepared = sender.prepare(call)
            await asyncio.sleep(random.random() * BLOCK)  # noqa: S311 (any moment between two blocks)
            began = time.perf_counter()
            sender.send(prepared.raw)
            at = await denied(link, world, case, 0.005)
            found.append(at - began)
            after.append(at - (await watch.wait("Revoked", [case.hash]))[0])
    most = (BLOCK + 1) * 1000
    return [
        *latencies(f"revocation to denial, straight to the chain, a block every {BLOCK:g} s", found, late=most),
        *latencies("… from the block that has it", after),
    ]


async def permitted(link: Connection, world: World, case: Case) -> None:
    """Wait until the case may be shared: otherwise a denial would say nothing."""
    until = time.perf_counter() + PATIENCE
    while not (answer := (await link.send(world.question(case))).json())["decision"]:
        if time.perf_counter() > until:
            raise VolensError(f"A case is not permitted: {answer['context']['reason']}.")
        await asyncio.sleep(0.05)


async def denied(link: Connection, world: World, case: Case, pause: float) -> float:
    """When the first answer came that denies the case because it was revoked."""
    question = world.question(case)
    while (answer := (await link.send(question)).json())["decision"]:
        await asyncio.sleep(pause)
    now = time.perf_counter()
    if answer["context"]["reason"] != "revoked":
        raise VolensError(f"Denied because of {answer['context']['reason']}.")
    return now


def latencies(
    what: str, seconds: Sequence[float], half: float | None = None, late: float | None = None
) -> list[Figure]:
    """p50 and p99 in milliseconds, with the most they should be."""
    return [
        Figure(f"{what}, p{share:.0f}", quantile(seconds, share / 100) * 1000, "ms", goal, most=True)
        for share, goal in ((50.0, half), (99.0, late))
    ]


def measure(consents: int, rounds: int) -> list[Figure]:
    """All figures.

    Args:
        consents: how many are recorded for the rate.
        rounds: how often each latency is measured; straight to the chain a fifth of it.
    """
    slow = max(rounds // 5, 2)
    with ExitStack() as ending:
        state = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="volens-bench-"))) / "state"
        node = ending.enter_context(Devnet.start("anvil"))
        for file in (operator_key(state), read_settings(state_dir=state).relayer_key):
            set_balance(node.rpc_url, SigningKey.from_secret(make_key(file)).address, STAKE)
        world, form = introduce(*ending.enter_context(service(state, node.rpc_url)), state)
        single, many = cases(world, form, rounds), cases(world, form, max(consents, rounds + slow))
        payer, watch = make_key(operator_key(world.state)), Watch()
        ether = ((case.patient.address, ETHER // 100) for case in many[:slow])
        with watch.listening(world):
            with ticking(world.rpc_url):
                transact(world.rpc_url, world.facts, payer, *ether)
                found = asyncio.run(recorded(world, watch, single))
                found += asyncio.run(sustained(world, watch, many))
                found += asyncio.run(withdrawn(world, many[slow : slow + rounds]))
            resume_mining(world.rpc_url, BLOCK)
            found += asyncio.run(withdrawn_on_chain(world, watch, many[:slow]))
    return found


def main(arguments: list[str]) -> int:
    """Measure, print, and keep if told to."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench_relay")
    parser.add_argument("--consents", type=int, default=500, help="recorded for the rate")
    parser.add_argument("--rounds", type=int, default=50, help="of each latency")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/")
    options = parser.parse_args(arguments)
    found = measure(options.consents, options.rounds)
    table(HEADINGS, [figure.cells() for figure in found])
    if options.write:
        record("relay", found)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
