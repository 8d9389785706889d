"""`volens up` as a process of its own: started, stopped, killed, and started again on the same folder."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from cli.town import build
from waiting import alive, eventually, free_port

from client.http import read_deployment
from ledger.typed_data import struct_hash
from scripts.audit import replay_chain
from scripts.devnet import hold_mining

pytestmark = pytest.mark.node

ROOT = Path(__file__).parents[2]
SECONDS = 40


def children(pid):
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *children(child)]
    return found


def saved_since(state, moment):
    """Wait until the node saved twice since a moment: what it began to save before, while ether was given, is over."""
    seen = set()

    def twice():
        with contextlib.suppress(FileNotFoundError):
            seen.add(state.stat().st_mtime_ns)
        return len([when for when in seen if when > moment]) >= 2

    eventually(twice)


class Up:
    """One run of `volens up`."""

    def __init__(self, state, port, *more):
        self.state, self.port, self.url = state, port, f"http://127.0.0.1:{port}"
        self.log = state.parent / f"up-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "scripts.cli", "up", "--state", str(state), "--port", str(port)]
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--node-port", "0", *more],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={k: v for k, v in os.environ.items() if not k.startswith("VOLENS_")} | {"PYTHONUNBUFFERED": "1"},
            )

    def ready(self):
        def answers():
            assert self.process.poll() is None, self.said()
            try:
                return httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200
            except httpx.HTTPError:
                return False

        eventually(answers)
        self.pids = [self.process.pid, *children(self.process.pid)]
        assert len(self.pids) > 1, "the node is a child"
        return self

    def said(self):
        return self.log.read_text()

    @property
    def rpc_url(self):
        return re.search(r"^Node +(\S+)$", self.said(), re.MULTILINE)[1]

    def stop(self, number=signal.SIGINT):
        os.kill(self.process.pid, number)
        code = self.process.wait(SECONDS)
        eventually(lambda: not any(map(alive, self.pids)))
        return code

    def kill(self):
        """As a power cut would: everything at once, nothing saved."""
        for pid in self.pids:
            os.kill(pid, signal.SIGSTOP)
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
        self.process.wait(SECONDS)
        eventually(lambda: not any(map(alive, self.pids)))

    def stack(self):
        facts = self.state / "deployment.json"
        return SimpleNamespace(
            url=self.url,
            rpc_url=self.rpc_url,
            deployment=read_deployment(facts.read_text()),
            settings=SimpleNamespace(state_dir=self.state, deployment=facts),
        )


@pytest.fixture
def place(tmp_path):
    """Starts `volens up` on one folder and one port, as often as wanted; whatever still runs at the end is ended."""
    port, runs = free_port(), []

    def start(*more):
        runs.append(Up(tmp_path / "state", port, *more))
        return runs[-1]

    yield start
    for run in runs:
        if run.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(run.process.pid, signal.SIGINT)
            run.process.wait(SECONDS)


def reason(town, record):
    return town.recipient().ask(record, "case-report", "journal", ["narrative.md"]).reason


def test_what_was_granted_is_there_after_a_stop(place, tmp_path):
    up = place().ready()
    with build(tmp_path, up.stack()) as town:
        record, _ = town.consented()
        assert reason(town, record) == "permitted"
    assert up.stop() == 0
    assert "Traceback" not in up.said()
    assert up.said().rstrip().endswith("Stopped.")

    again = place().ready()
    town.stack = again.stack()
    with town:
        assert town.stack.deployment == up.stack().deployment, "the same chain"
        eventually(lambda: reason(town, record) == "permitted")
        replayed = replay_chain(again.rpc_url, town.stack.deployment)
        assert replayed.heads_match
    # A service manager says SIGTERM.
    assert again.stop(signal.SIGTERM) == 0
    assert "Traceback" not in again.said()


def test_a_revocation_survives_being_killed_right_after_its_acknowledgement(place, tmp_path):
    up = place().ready()
    with build(tmp_path, up.stack()) as town:
        record, grant = town.consented()
        assert reason(town, record) == "permitted"
        saved_since(tmp_path / "state" / "anvil.json", time.time_ns())
        hold_mining(up.rpc_url)
        (relay,) = town.patient().revoke([struct_hash(grant)])  # returns when the service has answered 202
        up.kill()

    again = place().ready()
    town.stack = again.stack()
    with town:
        assert reason(town, record) == "revoked", "denied by the very first answer"
        found = town.client().wait_for(relay)
        assert found["block"] is not None
        subject = next(case.subject for case in town.patient().book.cases if case.record == record)
        replayed = replay_chain(again.rpc_url, town.stack.deployment, with_state=True)
        on_chain = replayed.state.entry(subject, struct_hash(grant))
        assert on_chain.revoked_at, "sent again, and recorded"
        assert reason(town, record) == "revoked"
        case = town.patient().book.case_of(record)
        assert next(entry["reason"] for entry in town.patient().accesses(case)) == "permitted", "the log is whole"
    assert again.stop() == 0
    assert "Traceback" not in again.said()


def test_killed_in_its_first_second_it_starts_again(place):
    place().ready().kill()
    again = place().ready()
    assert again.stop() == 0


def programs(pid, name):
    return [child for child in children(pid) if name in Path(f"/proc/{child}/cmdline").read_text().split("\0")]


def test_several_workers_serve_one_port_and_one_that_dies_is_replaced(place, tmp_path):
    up = place("--workers", "2").ready()
    workers = programs(up.process.pid, "scripts.workers")
    assert len(workers) == 2
    with build(tmp_path, up.stack()) as town:
        record, _ = town.consented()
        assert reason(town, record) == "permitted"
        os.kill(workers[0], signal.SIGKILL)
        eventually(lambda: not alive(workers[0]))
        assert reason(town, record) == "permitted", "the other one answers"
        eventually(lambda: len(programs(up.process.pid, "scripts.workers")) == 2)
        counted = httpx.get(f"{up.url}/metrics").text
        assert 'volens_decisions_total{reason="permitted"} 2.0' in counted, "whoever is asked counts for all"
    up.pids = [up.process.pid, *children(up.process.pid)]
    assert up.stop(signal.SIGTERM) == 0
    assert "Traceback" not in up.said()
    up = place("--workers", "2").ready()
    up.pids = [up.process.pid, *children(up.process.pid)]
    os.kill(up.process.pid, signal.SIGKILL)
    up.process.wait(SECONDS)
    eventually(lambda: not any(map(alive, up.pids)), 20)


def test_another_chain_under_the_same_state_is_refused(place, tmp_path):
    up = place().ready()
    assert up.stop() == 0
    state = tmp_path / "state"
    for name in ("anvil.json", "anvil.json.saved"):
        (state / name).unlink(missing_ok=True)
    before = {path.name: path.read_bytes() for path in state.iterdir() if path.suffix in (".db", ".json")}
    other = place()
    assert other.process.wait(SECONDS) == 5
    last = other.said().strip().splitlines()[-1]
    assert last.startswith("✗ ")
    assert "another chain" in last
    assert "Traceback" not in other.said()
    assert before.items() <= {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}.items()
