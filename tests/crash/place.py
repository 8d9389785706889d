"""A devnet and services that are killed, everybody who uses them meanwhile, and what must hold after each kill."""

import contextlib
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from cli.running import PASSPHRASE
from cli.town import build
from waiting import eventually, free_port

from api.settings import Settings
from client.http import Client, read_deployment
from client.institution import Institution
from client.log import recompute, watch
from ledger import siwe
from ledger.adapters.chain import Web3Chain
from ledger.adapters.node import Node
from ledger.adapters.store import SqlStore
from ledger.errors import LedgerUnavailable, NotAuthorised, Unavailable, Untrusted, VolensError
from ledger.events import Anchored, Granted, Revoked
from ledger.model import Consent, Grant, ReleaseRequest, Revocation
from ledger.services.index import Index
from ledger.signed_message import SignedMessage
from ledger.summary import with_summary
from ledger.typed_data import parse_signature, struct_hash
from scripts.deploy import deploy, write
from scripts.devnet import Devnet, rpc, set_balance
from scripts.stack import STAKE, make_key, operator_key
from wallet.book import Book
from wallet.keys import SigningKey
from wallet.patient import Patient

PROGRAM = Path(__file__).with_name("service.py")
PATIENCE = 60
DAY = 86400
MOST = 400
"""Questions in one request."""
LOOKED_AT = 40
"""Items of which it is asked after each kill; at the end, of all."""
USE = {"purpose": "case-report", "channel": "journal"}
QUICK = {
    "VOLENS_RELAY_INTERVAL": "0.1",
    "VOLENS_HEAD_INTERVAL": "0.1",
    "VOLENS_ANCHOR_INTERVAL": "1",
    "VOLENS_RATE_PER_ADDRESS": "0",
    "VOLENS_RATE_PER_PARTY": "0",
    "VOLENS_RATE_SIGNATURES": "0",
    "VOLENS_RATE_WITHDRAWALS": "0",
    "VOLENS_HEAVY_AT_ONCE": "0",
}


class Starter:
    """Starts services as processes. Use it in a ``with`` statement; at its end none is left."""

    def __enter__(self):
        pipe = subprocess.PIPE
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VOLENS_")}
        self._program = subprocess.Popen([sys.executable, PROGRAM], stdin=pipe, stdout=pipe, text=True, env=environment)
        assert self._answer() == {"ready": True}
        return self

    def __exit__(self, *_):
        self._program.kill()  # and the kernel kills what it started
        self._program.communicate()

    def _answer(self):
        return json.loads(self._program.stdout.readline())

    def ask(self, **said):
        """Say one thing to the program."""
        print(json.dumps(said), file=self._program.stdin, flush=True)
        return self._answer()


class Service:
    """One process after the other on one port.

    Attributes:
        failpoint: the file in which a point's name stands once it is armed.
    """

    def __init__(self, starter, folder, number, variables):
        self._starter, self.port = starter, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.failpoint, self.log = folder / f"failpoint-{number}", folder / f"service-{number}.log"
        self._variables = variables | {"VOLENS_TEST_FAILPOINT": str(self.failpoint), "VOLENS_PORT": str(self.port)}
        self._pid, self.said = None, ""

    def start(self):
        self.failpoint.unlink(missing_ok=True)
        self._pid = self._starter.ask(start=self._variables, log=str(self.log))["pid"]

    def running(self):
        if self._pid is not None:
            status = self._starter.ask(ended=self._pid)["status"]
            if status is not None:
                assert status == -signal.SIGKILL, f"it ended by itself ({status}): {self.log.read_text()[-3000:]}"
                self._pid = None
        return self._pid is not None

    def arm(self, point):
        """From now on it dies at this point."""
        whole = self.failpoint.with_suffix(".new")
        whole.write_text(point)
        whole.rename(self.failpoint)

    def kill(self):
        if self.running():
            os.kill(self._pid, signal.SIGKILL)
        eventually(lambda: not self.running(), "the end of a killed process")

    def client(self, facts, timeout=10):
        return Client(self.url, facts, timeout=timeout)


class Place:
    """A ledger that is used while its processes are killed.

    Each item has a grant of its own, so what is denied is denied because of that one.

    Attributes:
        rng: whatever is left to chance.
        size: items of a record.
        standing, revoked: grants by item whose consent, or whose revocation, was acknowledged.
        doubtful: items whose revocation was sent and not acknowledged: it may or may not be kept.
        released: the names of items whose keys were handed out.
        did: how often what was acknowledged.
    """

    def __init__(self, folder, starter, seed, database="", services=1, items=120):
        self.rng, self.folder, self._ending = random.Random(seed), folder, contextlib.ExitStack()
        self.size = items
        self.state = folder / "state"
        self.chain_file = self.state / "anvil.json"
        self.node_port = free_port()
        self.start_node()
        self.rpc_url = self.node.rpc_url
        self._prepare()
        variables = QUICK | {"VOLENS_STATE_DIR": str(self.state), "VOLENS_RPC_URL": self.rpc_url}
        variables |= {"VOLENS_DATABASE_URL": database} if database else {}
        self.url = f"http://127.0.0.1:{free_port()}"  # of what would stand before them; what is signed names it
        variables |= {"VOLENS_PUBLIC_URL": self.url} if services > 1 else {}
        self.settings = Settings(state_dir=self.state, rpc_url=self.rpc_url, database_url=database)
        self.services = [Service(starter, folder, number, variables) for number in range(services)]
        self.url = self.url if services > 1 else self.services[0].url
        self.facts = read_deployment(self.settings.deployment.read_text())
        self.patients, self.waiting = {}, []
        self.standing, self.revoked, self.doubtful, self.seen_permitted = {}, {}, set(), set()
        self.releases, self.relays, self.roots, self.registered = set(), {}, {}, []
        self.did, self.told, self.entries, self.seen_log = Counter(), [], {}, None
        self.kept = self._ending.enter_context(contextlib.closing(SqlStore(self.settings.database)))
        self._lock = threading.Lock()

    # the node

    def start_node(self):
        self.node = Devnet.start("anvil", port=self.node_port, state=self.chain_file, block_time=1)

    def _prepare(self):
        settings = Settings(state_dir=self.state, rpc_url=self.rpc_url)
        secret = make_key(operator_key(self.state))
        for path in (settings.relayer_key, settings.master_key_path, settings.log_key):
            make_key(path)
        operator = SigningKey.from_secret(secret).address
        for account in (operator, SigningKey.from_secret(make_key(settings.relayer_key)).address):
            set_balance(self.rpc_url, account, STAKE)
        write(deploy(self.rpc_url, secret, operator), settings.deployment)

    # everybody

    def settle(self):
        """Let a hospital register records, and a patient consent to some of their items."""
        service = self.services[0]
        self.start()
        stack = SimpleNamespace(
            url=service.url,
            rpc_url=self.rpc_url,
            deployment=self.facts,
            settings=SimpleNamespace(state_dir=self.state, deployment=self.settings.deployment),
        )
        self.town = self._ending.enter_context(build(self.folder, stack))
        self.journal, self.hospital = self.town.keys["journal"], self.town.keys["hospital"]
        with service.client(self.facts) as client:
            self.sign_in(client)
            self.seen_log = watch(client, None)
            self.more(client)
            self.consent(client, self.size // 4)
            self.final(client)

    def more(self, client):
        """Another record with items that can be consented to, each by a grant of its own."""
        number = len(self.patients)
        names = [f"item-{number}-{place}.md" for place in range(self.size)]
        record, keys = self._registered(client, f"record-{number}", names)
        self.patients[record] = keys
        self.waiting += [(record, name) for name in reversed(names)]

    def _registered(self, client, folder, names):
        source, case = self.folder / f"{folder}-files", self.folder / folder
        source.mkdir()
        for name in names:
            (source / name).write_text(f"# {name}\n")
        with self.client(client.url) as other, self.client(client.url) as hers:
            institution, patient = Institution(other, self.hospital), Patient(self.book(), hers)
            institution.seal([source / name for name in names], case)
            invitation = institution.invite("A case")
            joined = patient.join(invitation)
            _, record = institution.register(case, invitation)
        return record, patient.book.keys(joined)

    def client(self, url):
        """A connection to one process, which signs for the URL under which all are reached."""
        client = Client(url, self.facts)
        client.url, client.domain = self.url, self.url.removeprefix("http://")
        return client

    def book(self):
        return Book.open(self.town.folder / "wallet", PASSPHRASE)

    def close(self):
        for service in self.services:
            service.kill()
        self._ending.close()
        self.node.stop()

    def start(self):
        """Start what does not run, and wait until it is ready."""
        for service in self.services:
            if not service.running():
                service.start()
        for service in self.services:
            eventually(lambda service=service: self.ready(service), lambda service=service: service.said)

    def ready(self, service):
        assert service.running(), f"it died while starting: {service.log.read_text()[-3000:]}"
        try:
            with service.client(self.facts, 5) as client:
                return client.get("/readyz")["gate"] == "open"
        except VolensError as error:
            service.said = str(error)
            return False

    def grant(self, item):
        now, (record, name) = int(time.time()), item
        grant = Grant("", record, self.journal.address, (name,), ("case-report",), ("journal",), "none",
                      now - 60, now + 30 * DAY, self.town.form, "0x" + secrets.token_hex(32))  # fmt: skip
        return with_summary(grant, {self.journal.address: "The Journal"}, "en")

    def _hand_in(self, client, path, make, grant):
        keys = self.patients[grant.record]
        message = make(keys.address, (grant,))
        body = {
            "message": message.to_json(),
            "signer": keys.address,
            "signature": keys.sign_typed(self.facts.domain, message),
        }
        key = {"Idempotency-Key": secrets.token_hex(8)}
        relay = client.request("POST", path, body, headers=key)["id"]
        self.relays[relay] = message

    # what they do; each is written down only once it was acknowledged

    def consent(self, client, count=1):
        with self._lock:
            items = [self.waiting.pop() for _ in range(min(count, len(self.waiting)))]
        for item in items:
            grant, deadline = self.grant(item), int(time.time()) + 900
            self._hand_in(client, "/v1/consents", partial(Consent, deadline=deadline), grant)
            self.standing[item] = grant
            self.did["consent"] += 1

    def together(self, client):
        """Two consents that the hospital has recorded by one root."""
        with self._lock:
            items = [self.waiting.pop() for _ in range(min(2, len(self.waiting)))]
        if not items:
            return
        grants = {item: self.grant(item) for item in items}
        signed = []
        for grant in grants.values():
            keys = self.patients[grant.record]
            consent = Consent(keys.address, (grant,), int(time.time()) + 900)
            signature = parse_signature(keys.sign_typed(self.facts.domain, consent))
            signed.append(SignedMessage(self.facts.domain, consent, keys.address, signature))
        with self.client(client.url) as other:
            answer = Institution(other, self.hospital).record_together(signed)
        for one, entry in zip(signed, answer["consents"], strict=True):
            self.relays[entry["id"]], self.roots[entry["id"]] = one.message, answer["root"]
        self.standing |= grants
        self.did["together"] += 1

    def revoke(self, client, item=None):
        with self._lock:
            # Rather one that is known to be permitted, so that a lost revocation would show.
            possible = sorted(self.standing.keys() & self.seen_permitted) or sorted(self.standing)
            if len(possible) < 3:
                return
            item = item or self.rng.choice(possible)
            grant = self.standing.pop(item)
            self.doubtful.add(item)
        self._hand_in(client, "/v1/revocations", Revocation, grant)
        self.doubtful.discard(item)
        self.revoked[item] = grant
        self.did["revoke"] += 1

    def ask(self, client, items):
        """By item, whether the journal may publish it, and why not."""
        client._http.headers["Authorization"] = self.token
        body = {
            "subject": {"type": "recipient", "id": self.facts.did(self.journal.address)},
            "evaluations": [
                {
                    "action": {"name": "publish", "properties": USE | {"items": [name]}},
                    "resource": {"type": "record", "id": record},
                }
                for record, name in items
            ],
        }
        answers = client.post("/access/v1/evaluations", body)["evaluations"]
        self.did["ask"] += 1
        self.told += [answer["context"]["evaluation"] for answer in answers]
        return {item: (a["decision"], a["context"]["reason"]) for item, a in zip(items, answers, strict=True)}

    def release(self, client):
        item = self.rng.choice(self.items())
        denied, (record, name) = item in self.revoked, item
        request = ReleaseRequest(
            self.journal.address, record, (name,), *USE.values(),
            self.journal.encryption_key.public, int(time.time()), "0x" + secrets.token_hex(32),
        )  # fmt: skip
        body = {"message": request.to_json(), "signature": self.journal.sign_typed(self.facts.domain, request)}
        try:
            answer = client.post("/v1/releases", body)
        except NotAuthorised:
            return
        assert not denied, f"{item} was revoked, and its key was handed out"
        self.releases.add(answer["id"])
        self.did["release"] += 1

    def items(self):
        return list(self.standing) + list(self.revoked)

    def sign_in(self, client):
        """With a nonce of one process and a token of another, where there are several."""
        with self.rng.choice(self.services).client(self.facts) as other:
            nonce = client.nonce()
            now = int(time.time())
            host, key = self.url.removeprefix("http://"), self.journal
            said = siwe.SignIn(host, key.address, "Hello.", self.url, self.facts.chain_id, nonce, now, now + 300).text()
            body = {"message": said, "signature": key.sign(siwe.personal_digest(said))}
            self.token = f"Bearer {other.post('/v1/auth/verify', body)['access_token']}"
        self.did["sign in"] += 1

    def register(self, client):
        """Another record, of one item."""
        name = secrets.token_hex(4)
        record, _ = self._registered(client, f"record-{name}", [f"{name}.md"])
        self.registered.append(record)
        self.did["register"] += 1

    # what must hold

    def look(self, service):
        """Everything that can be asked of a service that was just started."""
        with service.client(self.facts) as client:
            if len(self.waiting) < self.size // 4:
                self.more(client)
            self.seen_log = watch(client, self.seen_log)
            items = self.items()
            if len(items) > LOOKED_AT:  # the newest withdrawals, and some of all the others
                items = list(self.revoked)[-20:] + self.rng.sample(items, LOOKED_AT)
            told = self.ask(client, items)
        for item in self.revoked.keys() & told.keys():
            assert not told[item][0], f"the revocation of {item} was acknowledged, and it is permitted again"
        for item in self.seen_permitted & self.standing.keys() & told.keys():
            assert told[item][0], f"{item} was permitted, and nobody took it back: {told[item]}"
        self.seen_permitted |= {item for item, (permitted, _) in told.items() if permitted}
        self.read_log()

    def read_log(self):
        """What was told and handed out stands in the log that is kept."""
        with self.kept.begin() as tx:
            leaves = [json.loads(leaf) for leaf in tx.log_leaves(len(self.entries))]
        for leaf in leaves:
            entry = leaf["kind"], leaf["id"]
            assert entry not in self.entries, "an entry is in the log twice"
            assert leaf["kind"] != "outcome" or ("release", leaf["id"]) in self.entries, "an outcome before its release"
            self.entries[entry] = leaf["permitted"]
        assert all(self.entries.get(("release", name)) for name in self.releases), "a key without an entry in the log"
        assert all(("decision", name) in self.entries for name in self.told), "an answer without an entry in the log"

    def final(self, client, seconds=PATIENCE):
        """Wait until everything that was acknowledged is recorded."""

        def empty():
            with self.kept.begin() as tx:
                return not tx.open_relays() and not tx.open_cohorts()

        eventually(empty, "the outbox to become empty", seconds)

    # killing

    @contextlib.contextmanager
    def used(self):
        """While the block lasts, everybody uses every service, whatever becomes of it."""
        stop, problems = threading.Event(), []
        steps = {self.consent: 3, self.together: 1, self.revoke: 2, self.some: 2, self.release: 3, self.sign_in: 1}

        def use(service, steps):
            with service.client(self.facts, 5) as client:
                while not stop.is_set():
                    step = self.rng.choices(list(steps), list(steps.values()))[0]
                    try:
                        step(client)
                    except (Unavailable, Untrusted):
                        stop.wait(0.02)
                    except BaseException as error:
                        problems.append(error)
                        raise

        uses = [(service, steps) for service in self.services] + [(self.services[0], {self.register: 1})]
        threads = [threading.Thread(target=use, args=one, daemon=True) for one in uses]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(PATIENCE)
                assert not thread.is_alive()
        assert not problems, problems

    def some(self, client):
        """A few questions, and a look at the log."""
        items = self.items()
        before = set(self.revoked)
        told = self.ask(client, self.rng.sample(items, min(4, len(items))))
        wrong = [item for item, (permitted, _) in told.items() if permitted and item in before]
        assert not wrong, f"{wrong} was revoked and is permitted"

    def reached(self, service, point):
        """Kill a service at a point while it is used; whether it got there."""
        service.arm(point)
        deadline = time.monotonic() + PATIENCE
        with self.used():
            while service.running() and time.monotonic() < deadline:
                time.sleep(0.005)
        found = not service.running()
        service.kill()
        return found

    def reorganise(self, depth):
        """Replace the newest blocks with empty ones."""
        rpc(self.rpc_url, "anvil_reorg", [depth, []])
        self.seen_permitted.clear()  # until what was in them is recorded again

    def kill_node(self):
        """End the node; what it did not save is lost."""
        self.node.kill()
        self.seen_permitted.clear()

    def rest(self, longest):
        time.sleep(self.rng.uniform(0, longest))

    def withdraw_without_a_node(self, service):
        """A withdrawal is taken while there is no node, and denies."""
        with service.client(self.facts) as client:
            before = set(self.revoked)
            self.revoke(client)
            for item in set(self.revoked) - before:
                assert not self.ask(client, [item])[item][0]

    def nothing_revoked_is_permitted(self, service):
        """Whatever the node has forgotten."""
        with service.client(self.facts) as client, contextlib.suppress(Unavailable, Untrusted):
            assert not any(permitted for permitted, _ in self.answers(client, self.revoked).values())

    def accept_loss(self):
        """What `volens gate open` does."""
        index = Index(Web3Chain(Node(self.rpc_url), self.facts), self.kept, self.facts, self.settings.confirmations)

        def accepted():
            with contextlib.suppress(LedgerUnavailable):
                return index.accept_loss() is not None

        eventually(accepted, "the node's word on its chain")

    def settled(self):
        """Nothing was lost and nothing was done twice, by the chain's own word."""
        with self.services[0].client(self.facts) as client:
            self.final(client)
            eventually(lambda: self.all_permitted(client), "everything that stands to be permitted")
            assert not any(permitted for permitted, _ in self.answers(client, self.revoked).values())
            for service in self.services:
                self.look(service)
            checkpoint = self.seen_log.checkpoint
            self.anchors(client, checkpoint)
        chain = Web3Chain(Node(self.rpc_url), self.facts)
        fresh, kept = SqlStore("sqlite://"), self.kept
        with Index(chain, fresh, self.facts, self.settings.confirmations).at_head() as snapshot:
            head = snapshot.head.number
        eventually(lambda: _newest(kept) >= head, "the index")
        with fresh.begin() as mine, kept.begin() as theirs:
            events = list(mine.events(upto=head))
            assert events == list(theirs.events(upto=head)), "the index is not what the chain says"
            assert all(theirs.record(record) for record in self.registered), "a registered record is gone"
            failed = [name for name in self.relays if theirs.relay(name).status != "final"]
        done = Counter((type(event), event.grant_hash) for event in events if isinstance(event, Granted | Revoked))
        anchored = Counter(event.root for event in events if isinstance(event, Anchored))
        assert max([*done.values(), *anchored.values()]) == 1
        withdrawn = self.revoked.keys() | self.doubtful
        for name, message in self.relays.items():
            kind = Granted if isinstance(message, Consent) else Revoked
            (grant,) = message.grants
            recorded = done[kind, struct_hash(grant)] == 1
            if root := self.roots.get(name):
                recorded = anchored[root] == 1 and name not in failed
            # A revocation that overtakes its consent ends it before it is recorded.
            assert recorded or (kind is Granted and (grant.record, grant.items[0]) in withdrawn), (name, message)
            assert recorded or name in failed
        unrecorded = [name for name in failed if isinstance(self.relays[name], Consent)]
        return SimpleNamespace(events=len(events), wasted=self.wasted(head), overtaken=len(unrecorded))

    def all_permitted(self, client):
        return all(permitted for permitted, _ in self.answers(client, self.standing).values())

    def answers(self, client, items):
        """As `ask`, however many there are."""
        items, told = list(items), {}
        for first in range(0, len(items), MOST):
            told |= self.ask(client, items[first : first + MOST])
        return told

    def anchors(self, client, checkpoint):
        """What is anchored on chain is what the log was: each longer than the one before, each with its root."""
        found = logs_of(self.rpc_url, self.facts.contracts["CheckpointLog"].address)
        sizes = [int(log["data"][2:66], 16) for log in found]
        assert sizes == sorted(set(sizes))
        assert sizes
        roots = recompute(client, checkpoint, [size for size in sizes if size <= checkpoint.size])
        for log, size in zip(found, sizes, strict=True):
            assert roots[size] == "0x" + log["data"][66:130], "the anchored root is not the log's"

    def wasted(self, head):
        """The transactions of the relayer that the contracts refused: block, place in it, contract and selector."""
        relayer = SigningKey.from_secret(make_key(self.settings.relayer_key)).address.lower()
        names = {contract.address.lower(): name for name, contract in self.facts.contracts.items()}
        found = []
        for number in range(1, head + 1):
            block = rpc(self.rpc_url, "eth_getBlockByNumber", [hex(number), True])
            for place, transaction in enumerate(block["transactions"]):
                if transaction["from"].lower() == relayer:
                    receipt = rpc(self.rpc_url, "eth_getTransactionReceipt", [transaction["hash"]])
                    if receipt["status"] != "0x1":
                        found.append((number, place, names[transaction["to"].lower()], transaction["input"][:10]))
        return found


def logs_of(rpc_url, address):
    return rpc(rpc_url, "eth_getLogs", [{"address": address, "fromBlock": "0x0"}])


def _newest(store):
    with store.begin() as tx:
        return tx.blocks()[-1][0]
