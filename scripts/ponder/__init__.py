"""Ponder, an indexer that others use, over the same events on the same node: a peer of `scripts.bench_replay`."""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from ledger.deployment import Deployment
from ledger.errors import VolensError
from scripts.devnet import real_node, rpc

HERE = Path(__file__).parent
ABI = HERE.parents[1] / "ledger" / "adapters" / "abi" / "ConsentRegistry.json"
PATIENCE = 900
"""Seconds."""
UNFINISHED = 64
"""Blocks mined first: what is not final yet it reads only later, one block after the other."""


def install() -> None:
    """Install the locked version into its own folder; what the product needs has nothing of it."""
    if not (HERE / "node_modules" / "ponder").is_dir():
        subprocess.run(["npm", "ci", "--no-progress", "--loglevel", "error"], cwd=HERE, check=True)  # noqa: S607


def index(url: str, deployment: Deployment, events: int) -> tuple[float, int]:
    """Let Ponder read all grants into its own database (PGlite): events a second, and its most memory in MiB.

    Its start, some seconds, is left out: it says itself when it begins to read and when it is done.

    Raises:
        VolensError: it did not read so many events, or ended.
    """
    for _ in range(UNFINISHED):  # each by itself: anvil takes longer for a block, the more is stored
        rpc(url, "evm_mine", [])
    with tempfile.TemporaryDirectory() as folder:
        said = Path(folder) / "said"
        variables = {
            "ABI": str(ABI),
            "ADDRESS": deployment.addresses["ConsentRegistry"],
            "CHAIN_ID": str(deployment.chain_id),
            "DATABASE": str(Path(folder) / "database"),
            "FIRST_BLOCK": str(deployment.first_block),
            "RPC_URL": url,
            "PONDER_TELEMETRY_DISABLED": "1",
        }
        command = [str(real_node()), "node_modules/ponder/dist/esm/bin/ponder.js", "start"]
        with said.open("wb") as file:
            program = subprocess.Popen(  # noqa: S603
                [*command, "--hostname", "127.0.0.1", "--port", "0", "--schema", "grants", "--log-format", "json"],
                cwd=HERE, stdout=file, stderr=subprocess.STDOUT, env=variables,
            )  # fmt: skip
        until, ended = time.monotonic() + PATIENCE, False
        try:
            while not (ended := bool(os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT))):
                if _times(lines := _read(said)) or time.monotonic() > until:
                    break
                time.sleep(0.1)
        finally:
            os.kill(program.pid, signal.SIGKILL)  # not `kill`, which would reap it, and its memory be unknown
            _, program.returncode, used = os.wait4(program.pid, 0)
        lines = _read(said)
        times, count = _times(lines), sum(line.get("event_count", 0) for line in lines)
        if ended or times is None or count != events:
            raise VolensError(f"Ponder read {count} of {events} events. It said at the end: {lines[-1:]}")
        return events / (times[1] - times[0]), used.ru_maxrss // 1024


def _read(file: Path) -> list[dict[str, Any]]:
    found = []
    for line in file.read_text().splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue  # not yet whole
    return found


def _times(lines: list[dict[str, Any]]) -> tuple[float, float] | None:
    """When it began to read and when it was done, in seconds."""
    began = [line["time"] for line in lines if line["msg"].startswith("Started backfill indexing")]
    done = [line["time"] for line in lines if line["msg"].startswith("Completed backfill indexing")]
    return (began[0] / 1000, done[0] / 1000) if began and done else None
