"""The speed of an auditor's replay with the heads verified, of ingesting into the store, and of web3.py beside them.

Every job runs in a process of its own on the same anvil, whose events are grants that a real contract recorded,
several hundred in a transaction. With ``--ponder`` also Ponder reads them, which is installed first (200 MB).

Run as ``python -m scripts.bench_replay [--events N …] [--ponder] [--write]``; the sizes add up on one chain.
"""

import argparse
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from web3 import Web3

from ledger.adapters.chain import Web3Chain
from ledger.adapters.logs import artifact
from ledger.adapters.node import Node
from ledger.adapters.store import SqlStore
from ledger.deployment import Deployment
from ledger.errors import VolensError
from ledger.model import keccak
from ledger.services.index import Index
from scripts import ponder
from scripts.audit import LOGS_TIMEOUT, export_logs, replay_chain
from scripts.console import out, table
from scripts.deploy import deploy
from scripts.devnet import Devnet, rpc
from scripts.figures import HEADINGS, Figure, record
from scripts.vector_sources.world import key

GRANTS = 400
"""In one transaction, and"""
MANY = 20_000
"""where there are to be more than `FEW`: anvil takes longer for each block, the more is stored."""
FEW = 100_000
GAS = 34_000
"""For one grant, with what it costs to send it."""
PEER_EVENTS = 10_000
"""web3.py reads so many only: it takes as long for each of the others."""
PRICE = 10**15
"""Wei per gas; the fee rises with full blocks, and it is only a devnet."""


def grow(url: str, deployment: Deployment, sender: str, events: int) -> None:
    """Record so many grants more."""
    node = Node(url, LOGS_TIMEOUT)
    rpc(url, "hardhat_setBalance", [sender, hex(10**36)])
    many = MANY if events > FEW else GRANTS
    rpc(url, "evm_setBlockGasLimit", [hex(GAS * many * 2)])
    nonce = int(rpc(url, "eth_getTransactionCount", [sender, "latest"]), 16)
    last = nonce + events // many
    selector = keccak(b"grant(bytes32[])")[:4].hex()
    for number in range(nonce, last):
        data = f"0x{selector}{32:064x}{many:064x}{os.urandom(32 * many).hex()}"
        node.request(
            "eth_sendTransaction",
            {
                "from": sender, "to": deployment.addresses["ConsentRegistry"], "data": data, "nonce": hex(number),
                "gas": hex(GAS * many + 400_000), "gasPrice": hex(PRICE),
            },
        )  # fmt: skip
    until = time.monotonic() + 600
    while int(rpc(url, "eth_getTransactionCount", [sender, "latest"]), 16) < last:
        if time.monotonic() > until:
            raise VolensError("anvil did not mine the grants.")
        time.sleep(0.2)


def _peak(job: Callable[..., int], arguments: tuple[Any, ...], answer: Any) -> None:
    began, used = time.perf_counter(), time.process_time()
    count = job(*arguments)
    seconds, worked = time.perf_counter() - began, time.process_time() - used
    answer.put((count / seconds, count / worked, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


def measure(job: Callable[..., int], *arguments: Any) -> tuple[float, float, int]:
    """Events a second, the same by its own processor time, and the most memory (MiB) of a process for it alone."""
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    process = context.Process(target=_peak, args=(job, arguments, answer))
    process.start()
    process.join()
    if process.exitcode:
        raise VolensError(f"{job.__name__} failed.")
    found: tuple[float, float, int] = answer.get()
    return found


def from_node(url: str, deployment: Deployment, with_state: bool = False) -> int:
    """`volens audit replay`."""
    found = replay_chain(url, deployment, with_state=with_state)
    if not found.heads_match:
        raise VolensError("The heads differ.")
    found.digest()
    return found.events


def from_parquet(url: str, deployment: Deployment, file: Path) -> int:
    """`volens audit replay --parquet`."""
    found = replay_chain(url, deployment, file=file)
    if not found.heads_match:
        raise VolensError("The heads differ.")
    return found.events


def to_parquet(url: str, deployment: Deployment, file: Path) -> int:
    """`volens audit export`."""
    return export_logs(url, deployment, file)[1]


def ingest(url: str, deployment: Deployment, file: Path) -> int:
    """What a service does that starts with an empty store: read, verify, store, build its state."""
    store = SqlStore(f"sqlite:///{file}")
    index = Index(Web3Chain(Node(url, LOGS_TIMEOUT), deployment), store, deployment)
    with index.at_head() as snapshot:
        return snapshot.state.operations


def restart(url: str, deployment: Deployment, file: Path) -> int:
    """The same with a store that has everything."""
    return ingest(url, deployment, file)


def by_web3(url: str, deployment: Deployment) -> int:
    """web3.py's own loop over the newest blocks: it verifies nothing."""
    w3 = Web3(Web3.HTTPProvider(url, request_kwargs={"timeout": LOGS_TIMEOUT}))
    where = Web3.to_checksum_address(deployment.addresses["ConsentRegistry"])
    granted = w3.eth.contract(address=where, abi=artifact("ConsentRegistry")["abi"]).events.Granted()
    last, count = int(w3.eth.block_number), 0
    while count < PEER_EVENTS and last:
        for log in w3.eth.get_logs({"address": where, "fromBlock": last, "toBlock": last}):
            granted.process_log(log)
            count += 1
        last -= 1
    return count


def _figure(what: str, found: tuple[float, float, int], goal: float | None, peer: tuple[float, float, int]) -> Figure:
    return Figure(what, found[0], "events/s", goal, *found[1:], found[0] / peer[0])


def run(sizes: list[int], with_ponder: bool) -> list[Figure]:
    """All figures, at every size."""
    figures: list[Figure] = []
    with Devnet.start("anvil") as node, tempfile.TemporaryDirectory() as folder:
        url, owner = node.rpc_url, key("bench replay")
        rpc(url, "hardhat_setBalance", [owner.address, hex(10**20)])
        deployment = deploy(url, owner.secret.reveal(), owner.address)
        sender, made = rpc(url, "eth_accounts")[0], 0
        for size in sizes:
            grow(url, deployment, sender, size - made)
            made = size
            parquet, store = Path(folder) / f"{size}.parquet", Path(folder) / f"{size}.db"
            peer = measure(by_web3, url, deployment)

            def add(what: str, found: tuple[float, float, int], goal: float | None = None) -> None:
                figures.append(_figure(f"{what}, {size:,} events", found, goal, peer))  # noqa: B023 (called here only)

            add("replayed from the node", measure(from_node, url, deployment), 40_000)
            add("… with the digest of the whole state", measure(from_node, url, deployment, True))
            add("exported to Parquet", measure(to_parquet, url, deployment, parquet))
            add("replayed from Parquet", measure(from_parquet, url, deployment, parquet), 100_000)
            add("web3.py, `get_logs` and `process_log`", peer)
            if with_ponder:
                try:
                    rate, memory = ponder.index(url, deployment, size)
                except VolensError as error:  # the others' figures are not lost for it
                    out.print(f"{size:,} events: {error}")
                else:
                    add("Ponder, into PGlite", (rate, 0, memory))
            add("ingested into SQLite", measure(ingest, url, deployment, store), 20_000)
            add("read again from SQLite at a start", measure(restart, url, deployment, store))
    return figures


def main(arguments: list[str]) -> int:
    """Measure, print, and keep if told to."""
    parser = argparse.ArgumentParser(prog="python -m scripts.bench_replay")
    parser.add_argument("--events", type=int, nargs="+", default=[20_000, 100_000], help="sizes, growing")
    parser.add_argument("--ponder", action="store_true", help="measure Ponder beside it")
    parser.add_argument("--write", action="store_true", help="keep the figures in docs/")
    options = parser.parse_args(arguments)
    if options.ponder:
        ponder.install()
    figures = run(sorted(options.events), options.ponder)
    table(HEADINGS, [figure.cells() for figure in figures])
    if options.write:
        record("replay", figures)
        out.print("Written to docs/benchmarks.json, docs/benchmarks.md and docs/benchmarks-replay.svg.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
