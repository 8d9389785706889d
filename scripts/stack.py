"""The embedded ledger: a devnet, the contracts, keys, and the service, in one folder and one process tree."""

import fcntl
import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import uvicorn

from api.app import build, create_app, read_deployment
from api.services import Services
from api.settings import Settings, read_key, read_settings
from ledger.adapters.node import Node
from ledger.deployment import Deployment
from ledger.errors import Conflict, InvalidInput, Unavailable, Untrusted, VolensError
from ledger.model import Address
from scripts.deploy import check_chain, check_deployment, deploy, write
from scripts.devnet import Devnet, Kind, set_balance
from scripts.workers import Workers
from wallet.keys import PartyKeys, SigningKey
from wallet.keystore import write_private

BLOCK_TIME = 1.0
STAKE = 10**21
"""Wei that the devnet gives to the accounts which pay for transactions."""
Progress = Callable[[str], None]


def make_key(path: Path) -> bytes:
    """The key in a file, made on first use."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, PartyKeys.new().secret.reveal().hex() + "\n")
    return read_key(path, "The key").reveal()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket, so that a port in use is said before anything is started.

    Raises:
        InvalidInput: the port is in use, or the address is not ours.
    """
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        why = error.strerror if isinstance(error, OSError) else "ports go from 0 to 65535"
        raise InvalidInput(
            f"Port {port} on {host} cannot be used: {why}. Stop what uses it, or choose another with --port."
        ) from None
    return bound


def claim(state: Path) -> IO[bytes]:
    """Hold a state folder: no second ledger can run on it until the file that is returned is closed.

    Raises:
        Conflict: another process holds it.
    """
    state.mkdir(parents=True, exist_ok=True, mode=0o700)
    held = (state / "lock").open("ab")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        held.close()
        raise Conflict(
            f"Another `volens up` runs on {state}. Stop it, or choose another folder with --state."
        ) from None
    return held


def configure(services: Services) -> uvicorn.Config:
    """How the service is served."""
    return uvicorn.Config(
        create_app(services),
        log_config=None,
        access_log=False,
        lifespan="on",
        proxy_headers=False,  # whose X-Forwarded-For is believed, api/limits.py says
        timeout_graceful_shutdown=services.settings.shutdown_deadline,
    )


class Stack:
    """A running ledger. Use it in a ``with`` statement.

    Attributes:
        url, rpc_url: where the service and the node answer.
        deployment: the facts to pin.
        services: the use cases, for tests and for saying what was found; closed where workers have their own.
    """

    def __init__(
        self, settings: Settings, devnet: Devnet | None, bound: socket.socket, services: Services, held: IO[bytes]
    ) -> None:
        self.settings, self.devnet, self.services = settings, devnet, services
        self.url, self.rpc_url, self.deployment = settings.url, settings.rpc_urls[0], services.deployment
        self._bound, self._held = bound, held
        self._workers = Workers(settings, bound) if settings.workers > 1 else None
        self._server = uvicorn.Server(configure(services))
        self._thread: threading.Thread | None = None
        if self._workers is not None:  # they have their own
            services.store.close()
            services.keys.close()

    @classmethod
    def start(
        cls,
        state: Path,
        *,
        chain: Kind = "anvil",
        rpc_url: str | None = None,
        host: str = "127.0.0.1",
        port: int = 8380,
        node_port: int = 0,
        workers: int = 1,
        block_time: float = BLOCK_TIME,
        progress: Progress = lambda _: None,
        read: Callable[[int, int], None] | None = None,
    ) -> Self:
        """Start everything that is not there yet, from what the state folder holds.

        Args:
            state: keys, database, sealed files and anvil's chain are kept here.
            chain: which devnet to run; none is run when `rpc_url` names a node.
            port: of the service; 0 for any free one.
            workers: how many processes answer requests; with one, it is this process.
            block_time: seconds between blocks of the devnet.

        Raises:
            InvalidInput: a port is in use. Conflict: another ledger runs on the folder.
            WrongChain: the state belongs to another chain.
            VolensError: the node or the database does not start; what was started is stopped.
        """
        bound = listen(host, port)
        devnet: Devnet | None = None
        held: IO[bytes] | None = None
        try:
            held = claim(state)
            if rpc_url is None:
                saved = state / "anvil.json" if chain == "anvil" else None
                devnet = Devnet.start(chain, port=node_port, state=saved, block_time=block_time, log=state / "node.log")
                progress(f"{chain} at {devnet.rpc_url}")
            settings = read_settings(
                state_dir=state,
                rpc_url=devnet.rpc_url if devnet else rpc_url,
                host=host,
                port=bound.getsockname()[1],
                workers=workers,
            )
            _prepare(settings, devnet, progress)
            services = build(settings)
            if devnet is not None and (lost := services.index.accept_loss()):
                logging.getLogger(__name__).warning("the devnet lost %d blocks; what was relayed is sent again", lost)
            services.index.progress = read
            with suppress(Unavailable, Untrusted):  # the service itself says what is wrong
                services.index.follow()
            services.index.progress = None
            return cls(settings, devnet, bound, services, held)
        except BaseException:
            bound.close()
            if devnet is not None:
                devnet.stop()
            if held is not None:
                held.close()
            raise

    def serve(self) -> None:
        """Serve until stopped by a signal, in this thread."""
        if self._workers is not None:
            return self._workers.run()
        return self._server.run(sockets=[self._bound])

    def serve_in_background(self) -> Self:
        """Serve from a thread of its own; returns when the service answers."""
        self._thread = threading.Thread(target=self.serve, name="service", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + 20
        while not self._answers():
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise VolensError("The service did not start.")
            time.sleep(0.01)
        return self

    def _answers(self) -> bool:
        if self._workers is None:
            return self._server.started
        with suppress(OSError):
            socket.create_connection((self.settings.host, self.settings.port), timeout=1).close()
            return True
        return False

    def stop(self) -> None:
        """Stop the service, then the devnet, which saves its chain."""
        if self._thread is not None:
            self._server.should_exit = True
            if self._workers is not None:
                self._workers.stop()
            self._thread.join(timeout=self.settings.shutdown_deadline + 15)
        self._bound.close()
        if self.devnet is not None:
            self.devnet.stop()
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def operator_key(state: Path) -> Path:
    """The file of the key that owns the Directory of an embedded ledger."""
    return state / "keys" / "operator.key"


def _prepare(settings: Settings, devnet: Devnet | None, progress: Progress) -> Deployment:
    """Make missing keys, give the devnet's payers something to pay with, deploy what is missing.

    What is deployed elsewhere and told by deployment facts is used as it is, whoever owns it: nothing is sent.
    """
    known = read_deployment(settings) if settings.deployment.exists() else None
    if known is not None:
        (check_deployment if devnet is None else check_chain)(settings.rpc_urls[0], known)
    relayer = SigningKey.from_secret(make_key(settings.relayer_key))
    if settings.master_key is None:
        make_key(settings.master_key_path)
    make_key(settings.log_key)
    if devnet is None and not balance(settings.rpc_urls[0], relayer.address):
        progress(f"The relayer {relayer.address} has no ether: send it some, or nothing can be recorded.")
    if devnet is None and known is not None:
        return known
    secret = make_key(operator_key(settings.state_dir))
    operator = SigningKey.from_secret(secret)
    if devnet is not None:
        for account in (operator.address, relayer.address):
            if balance(settings.rpc_urls[0], account) < STAKE // 2:
                set_balance(settings.rpc_urls[0], account, STAKE)
    deployment = deploy(settings.rpc_urls[0], secret, operator.address, progress, known)
    if devnet is not None and known is None:
        devnet.save()  # before the facts: they must never outlive the chain they are about
    write(deployment, settings.deployment)
    return deployment


def balance(rpc_url: str, account: Address) -> int:
    """Wei an account holds."""
    return int(Node(rpc_url).request("eth_getBalance", account, "latest"), 16)
