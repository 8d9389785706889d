"""The speed and memory of release: the gate, and one item of gigabytes on its whole way.

Everything is real: a devnet, the service in a process of its own over HTTP, sealed bytes on disk. Beside it, what the
age library alone does with the same bytes on the same disk.

Run as ``python -m scripts.bench_release [--size MIB] [--releases N] [--json] [--write]``.
"""

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyrage

from client.http import Client
from client.institution import MANIFEST, Institution, fresh_salt
from client.recipient import Recipient
from ledger import sealing
from ledger.documents import Profile
from ledger.errors import Unavailable
from ledger.model import Hash, Item
from ledger.typed_data import struct_hash
from scripts.console import load_deployment, out, table
from scripts.demo import CHANNELS, ETHER, PARTIES
from scripts.figures import Figure
from scripts.figures import record as keep
from scripts.parties import publish, registration, transact
from scripts.stack import listen, make_key, operator_key
from wallet.book import Book
from wallet.keys import PartyKeys, new_words
from wallet.patient import Patient

SMALL, LARGE = "narrative.md", "volume.bin"
GATE = 50.0
"""Milliseconds that the gate may take, but for one in a hundred."""
SHARE = 0.8
"""Of what the age library alone opens in a second, how much must arrive."""
MIB = 2**20


class Stream:
    """So many bytes that do not compress, made as they are read."""

    def __init__(self, size: int) -> None:
        self._left, self._block = size, os.urandom(MIB)

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        data = self._block[: min(self._left, MIB if size < 0 else size, MIB)]
        self._left -= len(data)
        return data


@contextmanager
def service(state: Path, rpc_url: str = "") -> Iterator[tuple[str, str, int]]:
    """A running `volens up`: its address, its node's, and its process id.

    Args:
        rpc_url: a node that runs already; by default it starts one.
    """
    ports = []
    for _ in range(2):
        bound = listen("127.0.0.1", 0)
        ports.append(bound.getsockname()[1])
        bound.close()
    command = [sys.executable, "-m", "scripts.cli", "up", "--state", str(state)]
    command += ["--port", str(ports[0])]
    command += ["--rpc-url", rpc_url] if rpc_url else ["--node-port", str(ports[1])]
    unlimited = {f"VOLENS_RATE_{name}": "0" for name in ("PER_ADDRESS", "PER_PARTY", "SIGNATURES")}
    with (state.parent / "up.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | unlimited)  # noqa: S603
    try:
        url, deadline = f"http://127.0.0.1:{ports[0]}", time.monotonic() + 60
        while True:
            try:
                with Client(url) as client:
                    client.get("/v1/ledger")
                break
            except Unavailable:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        yield url, rpc_url or f"http://127.0.0.1:{ports[1]}", process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


class Memory:
    """The most resident memory (MiB) a process had since the last `mark`."""

    def __init__(self, pid: int) -> None:
        self._status, self._most, self._stop = Path(f"/proc/{pid}/status"), 0.0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now(self) -> float:
        """Resident at this moment."""
        line = next(line for line in self._status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            self._most = max(self._most, self.now())

    def mark(self) -> float:
        """The most since the last mark."""
        most, self._most = max(self._most, self.now()), 0.0
        return most

    def stop(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()


def timed(act: Callable[[], object]) -> float:
    """Seconds it took."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def age_alone(folder: Path, size: int) -> tuple[float, float]:
    """MB/s of the age library without us: a file sealed, and opened, on this disk."""
    identity = pyrage.x25519.Identity.generate()
    sealed, opened = folder / "alone.age", folder / "alone"
    with sealed.open("wb") as target:
        sealing_ = timed(lambda: pyrage.encrypt_io(Stream(size), target, [identity.to_public()]))
    with sealed.open("rb") as source, opened.open("wb") as target:
        opening = timed(lambda: pyrage.decrypt_io(source, target, [identity]))
    sealed.unlink()
    opened.unlink()
    return size / 1e6 / sealing_, size / 1e6 / opening


def case(folder: Path, client: Client, hospital: PartyKeys, size: int) -> float:
    """A case folder with one small and one large item; MB/s of sealing the large one."""
    folder.mkdir()
    custodian = bytes.fromhex(client.get("/v1/ledger")["custodianKey"][2:])
    entries, speed, domain = [], 0.0, client.deployment.domain
    for name, length in ((SMALL, 2000), (LARGE, size)):
        with (folder / f"{name}.age").open("wb") as file:
            started = time.perf_counter()
            found = sealing.seal(cast(BinaryIO, Stream(length)), file)
            speed = length / 1e6 / (time.perf_counter() - started)
        item = Item(name, "application/octet-stream", found.size, found.sha256, fresh_salt())
        info = sealing.deposit_info(
            chain_id=domain.chain_id, registry=domain.registry, item=struct_hash(item), controller=hospital.address
        )
        wrapped = sealing.hpke_wrap(found.identity, custodian, info)
        entries.append({"item": item.to_json(), "file": f"{name}.age", "wrapped": "0x" + wrapped.hex()})
    (folder / MANIFEST).write_text(json.dumps({"items": entries}))
    return speed


def measure(size: int, rounds: int) -> dict[str, float]:
    """All figures, by name.

    Args:
        size: bytes of the large item.
        rounds: how often the gate is asked for each item.
    """
    found: dict[str, float] = {"size (MiB)": size / MIB}
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="volens-bench-")))
        alone = age_alone(folder, size)
        found["age alone, sealing (MB/s)"], found["age alone, opening (MB/s)"] = alone
        url, rpc_url, pid = ending.enter_context(service(folder / "state"))
        facts = load_deployment(folder / "state" / "deployment.json")

        def client() -> Client:
            return ending.enter_context(Client(url, facts, timeout=600))

        keys = {name: PartyKeys.new() for name in PARTIES}
        listings = [
            registration(keys[role].address, roles, Profile(version=1, name=name, kind=kind))
            for role, (name, kind, roles) in PARTIES.items()
        ]
        hospital = keys["hospital"]
        owner = make_key(operator_key(folder / "state"))
        transact(rpc_url, facts, owner, *listings, (hospital.address, ETHER))
        form = publish(rpc_url, facts, hospital.secret.reveal(), hospital.address, CHANNELS, client())
        institution = Institution(client(), hospital)
        patient = Patient(Book.create(folder / "wallet", new_words(), "a passphrase for a benchmark"), client())
        invitation = institution.invite("A large case")
        patient.join(invitation)
        memory = Memory(pid)
        ending.callback(memory.stop)

        found["sealing with digest (MB/s)"] = case(folder / "case", client(), hospital, size)
        memory.mark()
        found["service before (MiB)"] = memory.now()
        started = time.perf_counter()
        _, record = institution.register(folder / "case", invitation)
        found["upload and registration (MB/s)"] = size / 1e6 / (time.perf_counter() - started)
        found["service at upload and registration, most (MiB)"] = memory.mark()
        for file in (folder / "case").iterdir():
            file.unlink()
        proposal = {
            "recipient": keys["journal"].address, "items": [SMALL, LARGE], "purposes": ["case-report"],
            "channels": ["journal"], "days": 30,
        }  # fmt: skip
        offer = patient.offer(institution.offer(record, [institution.draft(record, form.hash, proposal)]))
        client().wait_for(patient.agree(offer, [0]), ("final",))
        link = client().sign_in(keys["journal"])
        found |= releases(Recipient(client(), keys["journal"]), link, record, folder, size, rounds, memory)
    found["download against age opening"] = found["download (MB/s)"] / alone[1]
    return found


def releases(
    journal: Recipient, link: Client, record: Hash, folder: Path, size: int, rounds: int, memory: Memory
) -> dict[str, float]:
    """The gate again and again, then the large item's bytes.

    Args:
        link: another connection of the journal's, for what `journal` does not do by itself.
    """
    found: dict[str, float] = {}

    def released(name: str) -> tuple[float, Any]:
        asked = journal.request(record, [name], "case-report", "journal")
        started = time.perf_counter()
        answer = link.post("/v1/releases", asked)
        return (time.perf_counter() - started) * 1000, answer

    memory.mark()
    found["gate, first release of the large item (ms)"] = released(LARGE)[0]
    for name in (SMALL, LARGE):
        times = sorted(released(name)[0] for _ in range(rounds))
        found[f"gate p50, {name} (ms)"] = statistics.median(times)
        found[f"gate p99, {name} (ms)"] = times[int(len(times) * 0.99)]
    found["service at the gate, most (MiB)"] = memory.mark()
    entry = released(LARGE)[1]["items"][0]
    digest = hashlib.sha256()
    for what, act in (("download, hashed by the receiver (MB/s)", digest.update), ("download (MB/s)", len)):
        started = time.perf_counter()
        arriving = link.sealed(entry["sealed"], 2 * size + MIB)
        while piece := arriving.read(MIB):
            act(piece)
        found[what] = size / 1e6 / (time.perf_counter() - started)
    found["service at download, most (MiB)"] = memory.mark()
    asked = journal.request(record, [LARGE], "case-report", "journal")
    started = time.perf_counter()
    journal.release(asked, folder / "received")
    found["released, downloaded, opened and compared (MB/s)"] = size / 1e6 / (time.perf_counter() - started)
    found["service in the end, most (MiB)"] = memory.mark()
    return found


def figures(found: Mapping[str, float]) -> list[Figure]:
    """What was found, with its goals; the unit stands at the end of a name."""
    kept = []
    for name, value in found.items():
        what, _, unit = name.rstrip(")").rpartition(" (")
        if "p99" in name:
            kept.append(Figure(what, value, unit, GATE, most=True))
        elif what == "download":
            kept.append(Figure(what, value, unit, SHARE * found["age alone, opening (MB/s)"]))
        elif what:
            kept.append(Figure(what, value, unit))
    return kept


def main() -> int:
    """Measure, print, and keep if told to."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--size", type=int, default=2048, help="of the large item in MiB")
    parser.add_argument("--releases", type=int, default=200, help="how often the gate is asked for each item")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/")
    arguments = parser.parse_args()
    found = measure(arguments.size * MIB, arguments.releases)
    if arguments.write:
        keep("release", figures(found))
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        table(("what", "figure"), [(name, f"{value:,.1f}") for name, value in found.items()])
        out.print(f"one run on {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main())
