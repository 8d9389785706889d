"""What the suites share: no sockets, and a ready world with everybody in it over an in-memory chain."""

import hashlib
import signal
import threading
import warnings
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import pytest
import pytest_socket

from api.app import assemble, create_app
from api.services import Services
from api.settings import Settings
from ledger import invitations, sealing, siwe
from ledger.adapters.keys import SqlKeys
from ledger.adapters.memory import Faults, MemoryChain, MemoryVault
from ledger.adapters.store import SqlStore, open_engine
from ledger.documents import Profile, channel_terms, document_hash
from ledger.errors import Unavailable, Untrusted, VolensError
from ledger.events import LedgerEvent, Published, Registered
from ledger.model import Consent, Grant, Hash, Message, ReleaseRequest, Revocation, to_hash
from ledger.ports import Store, StoredItem
from ledger.sealing import EncryptionKey, Secret
from ledger.services.questions import Answer
from ledger.services.records import Deposit
from ledger.services.release import Release
from ledger.services.trust import GOOD_HEADS
from ledger.state import ROLE_CONTROLLER, ROLE_RECIPIENT
from ledger.typed_data import Domain, parse_signature, struct_hash
from scripts.vector_sources.world import CHAIN_ID, CHANNELS, DAY, START, World, key, phrase
from wallet.keys import SigningKey

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that httpx is to be replaced one day
    from fastapi.testclient import TestClient

URL = "https://consent.example"
TITLE = "An example case"
CONFIRMATIONS = 2
MAX_AGE = 36
RATES = ("rate_per_address", "rate_per_party", "rate_signatures", "rate_withdrawals", "heavy_at_once")
"""No limits, unless a test is about them."""


def pytest_configure() -> None:
    """Ctrl-C counts, also for what the tests start, where a shell that started them in the background took it away."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if not any(item.get_closest_marker(name) for name in ("node", "browser")):
        # An event loop wakes itself through a pair of Unix sockets; nothing else is opened.
        pytest_socket.disable_socket(allow_unix_socket=True)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    pytest_socket.enable_socket()


def encryption_key(name: str) -> EncryptionKey:
    return EncryptionKey.from_seed(phrase(f"{name} x-wing"))


class Deaf:
    """A store, or a transaction of one, whose access log cannot be written."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def begin(self) -> Any:
        return Deaf(self._real.begin())

    def __enter__(self) -> Any:
        return Deaf(self._real.__enter__())

    def __exit__(self, *problem: Any) -> Any:
        return self._real.__exit__(*problem)

    def append_log(self, *_: Any) -> None:
        raise Unavailable("The disk is full.")

    append_logs = append_log


class CopiedStore(SqlStore):
    """A store in memory that begins as a copy of another."""

    def __init__(self, other: SqlStore) -> None:
        self._engine, self._lock, self._elections = open_engine("sqlite://"), threading.Lock(), []
        theirs, ours = (engine.raw_connection() for engine in (other._engine, self._engine))
        theirs.driver_connection.backup(ours.driver_connection)


class CopiedKeys(SqlKeys):
    """A key store in memory that begins as a copy of another."""

    def __init__(self, other: SqlKeys) -> None:
        super().__init__("sqlite://")
        theirs, ours = (engine.raw_connection() for engine in (other._engine, self._engine))
        theirs.driver_connection.backup(ours.driver_connection)


@dataclass
class Forge:
    """A ready world: listed parties, published documents, a registered record, two recorded grants.

    What it makes is valid; a test takes one thing from it, breaks that, and looks at what happens. Each kind of
    world is made once and then copied, which takes a tenth of the time.
    """

    stage: str = "consented"  # or: listed, registered
    stewards: tuple[str, ...] = ()
    confirmations: int = CONFIRMATIONS
    limits: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(RATES, 0))

    _originals: ClassVar[dict[Any, "Forge"]] = {}

    def __post_init__(self) -> None:
        self.world = World(stewards=self.stewards)
        kind = self.stage, self.stewards, self.confirmations
        if kind not in self._originals:
            original = self._originals[kind] = copy(self)
            original._make()
        self._copy(self._originals[kind])

    def _make(self) -> None:
        self.store: Store = self.new_store()
        self.chain = MemoryChain(CHAIN_ID, World.contracts, START - 3 * DAY)
        self.vault, self.keys = MemoryVault(), SqlKeys("sqlite://")
        self.deployment = self.chain.deployment
        self.restart()
        self.chain.emit(*self.listings())
        self.chain.now = START
        self.mine()
        self.deposits = self.register() if self.stage != "listed" else []
        if self.stage == "consented":
            self.consent()
            self.settle()

    def _copy(self, original: "Forge") -> None:
        self.store, self.vault, self.chain = self.copied_store(original.store), MemoryVault(), copy(original.chain)
        self.vault.contents |= original.vault.contents
        self.keys = CopiedKeys(original.keys)
        for name in ("_blocks", "_pending", "_emitted", "_prepared"):
            setattr(self.chain, name, copy(getattr(original.chain, name)))
        self.chain.faults = Faults()
        self.deployment = replace(original.deployment, contracts=dict(original.deployment.contracts))
        self.deposits = list(original.deposits)
        self.restart()

    def new_store(self) -> Store:
        return SqlStore("sqlite://")

    def copied_store(self, other: Any) -> Store:
        return CopiedStore(other)

    @property
    def domain(self) -> Domain:
        return self.deployment.domain

    # the world

    def restart(self, store: Store | None = None, **changes: Any) -> Services:
        """Services as a new process would make them, on the same (or another) store."""
        settings = Settings(
            public_url=URL, confirmations=self.confirmations, max_head_age=MAX_AGE, head_reuse=0, **self.limits
        )
        master = Secret(phrase("custodian"))
        parts: dict[str, Any] = {
            "chain": self.chain,
            "sender": self.chain,
            "store": store or self.store,
            "vault": self.vault,
            "keys": self.keys,
            "masters": lambda: [master],
            "log_key": Secret(phrase("log")),
        } | changes
        self.services = assemble(settings, self.deployment, **parts, clock=self.chain.clock)
        return self.services

    def deafen(self) -> Services:
        """From now on the access log cannot be written."""
        return self.restart(store=Deaf(self.store))

    def listings(self) -> list[LedgerEvent]:
        w, hospital = self.world, self.world.hospital.address
        kinds = {hospital: ("hospital", ROLE_CONTROLLER)}
        events: list[LedgerEvent] = []
        for party, name in w.names.items():
            kind, role = kinds.get(party, ("journal", ROLE_RECIPIENT))
            profile = Profile(1, name, kind)
            events.append(Registered(0, party, role, profile.hash, profile.data_uri()))
        documents = [*(terms.terms for terms in w.form.channels.values()), document_hash(w.form)]
        return [*events, *(Published(0, hospital, document) for document in documents)]

    def mine(self, blocks: int = 1) -> None:
        self.chain.mine(blocks)

    def recover(self) -> None:
        """Let the nodes answer well so often that they are believed again after they did not."""
        for _ in range(GOOD_HEADS):
            with suppress(Unavailable, Untrusted):
                self.services.index.follow()

    def settle(self) -> None:
        """Let what waits in the outbox become final."""
        for _ in range(self.confirmations + 2):
            self.services.relays.pump()
            self.mine()
        self.services.relays.pump()

    def signature(self, message: Message, by: SigningKey) -> bytes:
        return parse_signature(by.sign_typed(self.domain, message))

    # the hospital and the patient

    def invite(self, title: str = TITLE) -> str:
        return self.services.records.invite(self.world.hospital.address, title)

    def answer(self, token: str, by: SigningKey | None = None) -> siwe.SignIn:
        """The message with which a pseudonym answers an invitation."""
        subject = by or self.world.patient
        return invitations.answer(
            domain=URL.removeprefix("https://"),
            url=URL,
            token=token,
            chain_id=CHAIN_ID,
            nonce=self.services.sign_ins.nonce()[0],
            subject=subject.address,
            encryption_key=encryption_key("patient").public,
            at=self.chain.now,
        )

    def claim(self, token: str, by: SigningKey | None = None, name: str = "patient") -> None:
        """Answer an invitation; `name` is whose encryption key it is."""
        subject = by or self.world.patient
        self.services.records.claim(token, subject.address, encryption_key(name).public)

    def opened(self, reader: SigningKey, name: str, record: Hash | None = None) -> list[bytes]:
        """The files of a record, opened with the key that somebody (`name`) holds for them."""
        records, wanted = self.services.records, record or self.world.record_hash
        return [
            self.unseal(entry, wrap, wanted, reader, name)
            for entry, wrap in zip(
                records.record(reader.address, wanted).items, records.wraps(reader.address, wanted), strict=True
            )
        ]

    def unseal(self, entry: StoredItem, wrap: bytes, record: Hash, reader: SigningKey, name: str) -> bytes:
        """One file, opened with its key as it was wrapped to a reader."""
        info = sealing.subject_info(
            chain_id=CHAIN_ID,
            registry=self.domain.registry,
            record=record,
            item=struct_hash(entry.item),
            subject=reader.address,
        )
        with self.vault.open(entry.sealed) as sealed:
            return sealing.unseal_bytes(sealed.read(), encryption_key(name).open(wrap, info), entry.item.sha256)

    def deposit(self, name: str, sealed: bytes | None = None) -> Deposit:
        """Seal and upload one file, with its key wrapped to the custodian."""
        item = next(item for item in self.world.items if item.name == name)
        found, data = sealing.seal_bytes(self.world.files[name])
        digest, _ = self.services.records.upload(self.world.hospital.address, [sealed or data])
        info = sealing.deposit_info(
            chain_id=CHAIN_ID,
            registry=self.domain.registry,
            item=struct_hash(item),
            controller=self.world.hospital.address,
        )
        return Deposit(item, digest, sealing.hpke_wrap(found.identity, self.services.custodian.public_key, info))

    def register(self) -> list[Deposit]:
        self.claim(self.invite())
        for name in self.stewards:
            self.claim(self.invite(), key(name), name)
        deposits = [self.deposit(name) for name in self.world.files]
        self.services.records.register(
            self.world.hospital.address, self.world.record, self.signature(self.world.record, self.world.hospital),
            deposits,
        )  # fmt: skip
        self.services.records.publish(self.world.form)
        for code in CHANNELS:
            self.services.records.publish(channel_terms(code, self.world.hospital.address))
        return deposits

    def grants(self) -> tuple[Grant, Grant]:
        return self.world.grant(), self.world.research_grant

    def consent_to(self, *grants: Grant, by: SigningKey | None = None, deadline: int = 900) -> Consent:
        return Consent((by or self.world.patient).address, grants or self.grants(), self.chain.now + deadline)

    def accept(self, message: Any, by: SigningKey | None = None, signer: SigningKey | None = None) -> Any:
        """Hand a message in, signed by the patient or somebody else."""
        key = by or self.world.patient
        return self.services.intake.accept(message, (signer or key).address, self.signature(message, key))

    def consent(self, *grants: Grant, by: SigningKey | None = None) -> Any:
        return self.accept(self.consent_to(*grants, by=by), by=by)

    def revoke(self, *grants: Grant) -> Any:
        return self.accept(Revocation(self.world.patient.address, grants or (self.world.grant(),)))

    # the journal

    def ask(self, by: SigningKey | None = None, **changes: Any) -> Answer:
        question = self.world.question(**changes)
        return self.services.questions.ask((by or self.world.journal).address, question)

    def reason(self, by: SigningKey | None = None, **changes: Any) -> str:
        return str(self.ask(by, **changes).decision.reason)

    def request(self, by: SigningKey | None = None, nonce: str = "1", **changes: Any) -> ReleaseRequest:
        fields: dict[str, Any] = {
            "recipient": (by or self.world.journal).address,
            "record": self.world.record_hash,
            "items": ("narrative.md", "ct.dcm"),
            "purpose": "case-report",
            "channel": "journal",
            "encryption_key": encryption_key("journal").public,
            "at": self.chain.now,
            "nonce": to_hash(hashlib.sha256(nonce.encode()).digest()),
        } | changes
        return ReleaseRequest(**fields)

    def release(self, request: ReleaseRequest | None = None, by: SigningKey | None = None) -> Release:
        wanted = request or self.request()
        return self.services.gate.release(wanted, self.signature(wanted, by or self.world.journal))

    # looking

    def log(self, record: Hash | None = None) -> list[dict[str, Any]]:
        """The access log as the patient reads it."""
        return self.services.records.accesses(self.world.patient.address, record or self.world.record_hash)

    def refusal(self, act: Any) -> str:
        """Why something was not released."""
        try:
            act()
        except VolensError as error:
            return getattr(error, "reason", error.code)
        raise AssertionError("it was not refused")


@pytest.fixture
def make_forge():
    made = []

    def make(**options: Any) -> Forge:
        made.append(Forge(**options))
        return made[-1]

    yield make
    for forge in made:
        forge.store.close()
        forge.keys.close()


@pytest.fixture
def forge(make_forge):
    return make_forge()


@pytest.fixture(scope="module")
def shared_forge():
    """A world that the tests of a module share; they only read it."""
    made = Forge()
    yield made
    made.store.close()
    made.keys.close()


class Web:
    """The HTTP service over a forge, without a socket: one call a line."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self.app = create_app(forge.services)
        self.client = TestClient(self.app, base_url=URL, raise_server_exceptions=False)

    def token(self, by: SigningKey) -> str:
        """A bearer token."""
        now = self.forge.chain.now
        said = siwe.SignIn(
            URL.removeprefix("https://"), by.address, "Sign in to Volens.", URL, CHAIN_ID,
            self.client.post("/v1/auth/nonce").json()["nonce"], now, now + 300,
        ).text()  # fmt: skip
        body = {"message": said, "signature": by.sign(siwe.personal_digest(said))}
        return str(self.client.post("/v1/auth/verify", json=body).json()["access_token"])

    def call(self, method: str, path: str, body: Any = None, by: SigningKey | None = None, **options: Any) -> Any:
        """The response to a request, signed in as somebody."""
        headers = {"Authorization": f"Bearer {self.token(by)}"} if by else {}
        headers |= options.pop("headers", {})
        content = {} if body is None else {"json": body}
        return self.client.request(method, path, headers=headers, **content, **options)

    def get(self, path: str, by: SigningKey | None = None, **options: Any) -> Any:
        return self.call("GET", path, by=by, **options)

    def post(self, path: str, body: Any = None, by: SigningKey | None = None, **options: Any) -> Any:
        return self.call("POST", path, body, by, **options)

    def send(self, path: str, message: Message, by: SigningKey, signer: SigningKey | None = None) -> Any:
        """Hand a signed message in."""
        body = {
            "message": message.to_json(),
            "signer": (signer or by).address,
            "signature": by.sign_typed(self.forge.domain, message),
        }
        return self.post(path, body)


@pytest.fixture
def make_web(make_forge):
    return lambda **options: Web(make_forge(**options))


@pytest.fixture
def web(make_web):
    return make_web()


@pytest.fixture(scope="module")
def shared_web(shared_forge):
    return Web(shared_forge)


@pytest.fixture
def web_over():
    return Web
