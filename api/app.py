"""The service: the composition root, and the FastAPI application around it.

The only module in api/ that names adapters.
"""

import json
import logging
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from api import errors, page, public
from api.description import describe
from api.edge import Edge
from api.gathering import Gatherer
from api.idempotency import Idempotency
from api.limits import Limits
from api.metrics import Metrics
from api.readings import readings
from api.routes import (
    access,
    access_log,
    changes,
    cohorts,
    consents,
    documents,
    ledger,
    records,
    references,
    releases,
    sign_in,
)
from api.services import MOST_GRANTS, MOST_QUESTIONS, Services
from api.settings import Settings, master_keys, read_key, vault_secret
from ledger.adapters.chain import Web3Chain, Web3Sender, address_of
from ledger.adapters.keys import SqlKeys
from ledger.adapters.node import Node
from ledger.adapters.objects import ObjectVault
from ledger.adapters.store import SqlStore
from ledger.adapters.vault import FileVault
from ledger.deployment import DEVELOPMENT_ACCOUNTS, DEVELOPMENT_CHAINS, Deployment
from ledger.errors import Conflict, InvalidInput, Unavailable, VolensError
from ledger.ports import Chain, Keys, Sender, Store, Vault
from ledger.sealing import Secret
from ledger.services.access_log import AccessLog
from ledger.services.bundling import Bundling
from ledger.services.changes import Feed
from ledger.services.cohorts import Cohorts
from ledger.services.custody import Custodian
from ledger.services.digests import Digests
from ledger.services.erasure import Erasure
from ledger.services.index import Index
from ledger.services.intake import Intake
from ledger.services.integrity import Integrity
from ledger.services.questions import Questions
from ledger.services.records import Records
from ledger.services.references import References
from ledger.services.relay import Relays
from ledger.services.release import Gate
from ledger.services.sending import Outgoing
from ledger.services.sign_in import SignIns
from ledger.services.trust import Trust

_log = logging.getLogger(__name__)


HOUSEKEEPING = 1.0
"""Seconds between two rounds of what nobody waits for."""
SWITCH = 0.0005
"""Seconds for which a busy thread keeps the others waiting; Python's own 5 ms would be felt in every answer."""


GWEI = 10**9


def wall_clock() -> int:
    """Unix seconds now."""
    return int(time.time())


def free_space(folder: Path) -> float:
    """The share of a folder's disk that is free."""
    usage = shutil.disk_usage(folder)
    return usage.free / usage.total


def read_deployment(settings: Settings) -> Deployment:
    """The deployment facts the settings name.

    Raises:
        InvalidInput: no such file, or not deployment facts.
    """
    try:
        value = json.loads(settings.deployment.read_text())
    except FileNotFoundError:
        raise InvalidInput(f"There are no deployment facts at {settings.deployment}. Run `volens deploy`.") from None
    except (OSError, ValueError, RecursionError):
        raise InvalidInput(f"{settings.deployment} cannot be read as deployment facts.") from None
    return Deployment.from_json(value)


def build(settings: Settings) -> Services:
    """Open everything the settings name and check that the chain is the pinned one.

    Raises:
        VolensError: something is missing, unreachable or not what it should be; nothing was changed.
    """
    deployment = read_deployment(settings)
    masters = master_keys(settings)
    relayer = read_key(settings.relayer_key, "The relayer's key")
    log_key = read_key(settings.log_key, "The access log's key")
    if deployment.chain_id not in DEVELOPMENT_CHAINS:
        for key in (*masters, relayer, log_key):
            if address_of(key.reveal()) in DEVELOPMENT_ACCOUNTS:
                raise InvalidInput("A key is one that every development node prints. Make keys of your own.")
    nodes = [Node(url, settings.rpc_timeout) for url in settings.rpc_urls]
    chain, *witnesses = (Web3Chain(node, deployment) for node in nodes)
    sender = Web3Sender(nodes[0], deployment, relayer.reveal())
    store, vault, keys = open_stores(settings)
    services = assemble(
        settings, deployment, chain, sender, store, vault, keys, lambda: master_keys(settings), log_key,
        witnesses=witnesses, steady=time.monotonic, space=lambda: free_space(settings.state_dir),
        rest=time.sleep,
    )  # fmt: skip
    services.index.check_chain()
    try:
        services.erasure.resume()
    except (Conflict, Unavailable) as error:
        _log.warning("an erasure waits for the next start: %s", error)
    return services


def open_stores(settings: Settings) -> tuple[Store, Vault, Keys]:
    """The database, the sealed bytes and the record keys that the settings name.

    Raises:
        Unavailable: one of them cannot be opened. InvalidInput: two of them are one database.
    """
    settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not settings.key_store_url:
        (settings.state_dir / "keys").mkdir(exist_ok=True, mode=0o700)
    return SqlStore(settings.database), open_vault(settings), SqlKeys(settings.key_store)


def open_vault(settings: Settings) -> Vault:
    """The sealed bytes: files, or object storage.

    Raises:
        Unavailable: the bucket cannot be opened. InvalidInput: its secret cannot be read.
    """
    if not settings.vault_url.startswith("s3://"):
        return FileVault(Path(settings.vault_url) if settings.vault_url else settings.state_dir / "vault")
    bucket, _, prefix = settings.vault_url.removeprefix("s3://").partition("/")
    return ObjectVault(
        bucket,
        prefix.strip("/") + "/" if prefix.strip("/") else "",
        settings.state_dir,
        endpoint=settings.vault_endpoint,
        region=settings.vault_region,
        key_id=settings.vault_key_id,
        secret=vault_secret(settings),
    )


def assemble(
    settings: Settings,
    deployment: Deployment,
    chain: Chain,
    sender: Sender,
    store: Store,
    vault: Vault,
    keys: Keys,
    masters: Callable[[], Sequence[Secret[bytes]]],
    log_key: Secret[bytes],
    clock: Callable[[], int] = wall_clock,
    witnesses: Sequence[Chain] = (),
    steady: Callable[[], float] | None = None,
    space: Callable[[], float] | None = None,
    rest: Callable[[float], None] | None = None,
) -> Services:
    """The use cases over given implementations of the ports.

    Args:
        witnesses: further nodes, which must agree with `chain`.
        steady, space: a clock that nobody can set, and the share of the disk that is free; see `Trust`.
        rest: how to wait; see `Bundling`.
    """
    limits = Limits(
        per_address=settings.rate_per_address,
        per_party=settings.rate_per_party,
        signatures=settings.rate_signatures,
        withdrawals=settings.rate_withdrawals,
        heavy=settings.heavy_at_once,
        proxies=settings.trusted_proxies,
    )
    custodian = Custodian(masters, keys, deployment.domain)
    index = Index(
        chain,
        store,
        deployment,
        settings.confirmations,
        settings.reorganisation_limit,
        witnesses=witnesses,
        trust=Trust(settings.confirmations, clock, steady, space),
    )
    integrity = Integrity(vault)
    shared: dict[str, Any] = {"index": index, "store": store, "deployment": deployment, "clock": clock}
    relayer = store.election("relayer")
    questions = Questions(**shared, max_age=settings.max_head_age, reuse=settings.head_reuse)
    most = int(settings.relay_max_fee * GWEI)
    outgoing = Outgoing(store, sender, clock, settings.relay_patience, most, relayer)
    intake = Intake(**shared, chain=chain, key=log_key)
    return Services(
        settings=settings,
        clock=clock,
        deployment=deployment,
        custodian=custodian,
        store=store,
        vault=vault,
        index=index,
        digests=Digests(index),
        questions=questions,
        asked=Gatherer(questions.answer, MOST_QUESTIONS, lambda one: len(one.questions)),
        consented=Gatherer(intake.take, MOST_GRANTS, lambda given: len(given[0].grants)),
        gate=Gate(**shared, integrity=integrity, custodian=custodian, max_age=settings.max_head_age),
        intake=intake,
        relays=Relays(
            **shared,
            sender=sender,
            outgoing=outgoing,
            chain=chain,
            confirmations=settings.confirmations,
            alarm=settings.relay_alarm,
            election=relayer,
            wake=intake.waiting,
        ),
        cohorts=Cohorts(**shared, intake=intake),
        records=Records(**shared, vault=vault, integrity=integrity, custodian=custodian),
        feed=Feed(**shared, max_age=settings.max_head_age, reuse=settings.head_reuse),
        references=References(**shared, max_age=settings.max_head_age, reuse=settings.head_reuse),
        bundling=Bundling(index, store, deployment, rest=rest),
        sign_ins=SignIns(store, chain, deployment, clock, settings.url),
        erasure=Erasure(store, vault, keys, clock),
        keys=keys,
        limits=limits,
        metrics=Metrics(),
        log=AccessLog(
            **shared,
            sender=sender,
            outgoing=outgoing,
            key=log_key,
            confirmations=settings.confirmations,
            interval=settings.anchor_interval,
            election=relayer,
        ),
    )


class Worker:
    """A thread that does some steps again and again, until it is stopped.

    Args:
        interval: seconds of rest between two rounds.
        wake: set by whoever has work that should not wait for the next round.
    """

    def __init__(
        self, name: str, interval: float, *steps: Callable[[], object], wake: threading.Event | None = None
    ) -> None:
        self._steps, self._interval, self._wake = steps, interval, wake or threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start working."""
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """Stop after the step at hand, waiting so many seconds for it; what is not sent stays stored."""
        self._stop.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=deadline)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait(self._interval)
            self._wake.clear()  # before looking: what comes while looking is looked at again
            self.work()

    def work(self) -> None:
        """One round of the steps. One that fails holds up no other."""
        for step in self._steps:
            if self._stop.is_set():
                return
            try:
                step()
            except VolensError as error:
                _log.warning("%s waits: %s", step.__qualname__, error)
            except Exception:  # noqa: BLE001
                # The work must go on whatever one message does; it stays stored and is tried again.
                _log.exception("%s failed", step.__qualname__)


class Service(FastAPI):
    """The framework, and before it what is asked most: its own layers cost as much as the rest of such an answer.

    Attributes:
        edge: takes the POST requests for `quick` paths.
    """

    edge: Edge
    quick: Mapping[str, ASGIApp]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self.quick:
            scope["app"] = self
            await self.edge(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(services: Services) -> FastAPI:
    """The HTTP application over a set of use cases."""
    settings = services.settings
    indexer, evidence = services.store.election("indexer"), services.store.election("evidence")

    def follow() -> None:
        if indexer.won():
            services.index.follow()
        else:
            services.index.stand_by()

    def capture() -> None:
        if evidence.won():
            services.bundling.capture()

    workers = (
        Worker("follower", settings.head_interval, follow),
        Worker("housekeeper", HOUSEKEEPING, services.store.tidy),
        Worker(
            "worker",
            settings.relay_interval,
            services.relays.pump,
            services.log.anchor,
            wake=services.intake.waiting,
        ),
        # By itself: evidence costs many proofs, and a withdrawal must not wait for them.
        Worker("evidence", settings.relay_interval, capture),
    )
    services.metrics.read_from(lambda: readings(services))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        sys.setswitchinterval(SWITCH)
        for worker in workers:
            worker.start()
        yield
        for worker in workers:
            worker.stop(settings.shutdown_deadline)
        services.store.close()
        services.keys.close()

    app = Service(
        title="Volens",
        docs_url=None,  # it would load scripts from elsewhere; the description is at /openapi.json
        redoc_url=None,
        version=version("volens"),
        summary="May this be shared, here, now? A dynamic consent ledger for patients.",
        lifespan=lifespan,
    )
    app.state.services = services

    app.add_middleware(Idempotency, services=services)
    app.quick = access.QUICK | {path: Idempotency(one, services) for path, one in consents.QUICK.items()}
    around: dict[str, Any] = {"limits": services.limits, "metrics": services.metrics, "quick": app.quick}
    app.edge = Edge(app, **around)
    app.add_middleware(Edge, **around)
    errors.install(app)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    for module in (
        ledger,
        sign_in,
        documents,
        records,
        consents,
        cohorts,
        access,
        releases,
        access_log,
        references,
        changes,
        public,
        page,
    ):
        app.include_router(module.router)
    return app
