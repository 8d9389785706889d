"""Parsers of what a request, a service or a node says; what reads whole answers has nobody at its other end."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import httpx
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import HTTPException

from api.description import EXAMPLES
from api.idempotency import read_key
from api.ranges import chosen
from api.routes.access import Page, read_search, read_wanted
from client.http import _error_of
from client.institution import MANIFEST, Institution, read_folder
from client.log import SeenLog, verify_entries, watch
from client.recipient import Recipient
from ledger.adapters.chain import Web3Chain, Web3Sender
from ledger.adapters.logs import decode, event_topics
from ledger.adapters.node import Node
from ledger.checkpoint import Checkpoint, sign_checkpoint
from ledger.deployment import Deployment
from ledger.documents import canonical
from ledger.errors import InvalidInput, LedgerUnavailable
from ledger.evidence import SignedConsent
from ledger.invitations import encryption_key_of
from ledger.merkle import LogTree, leaf_hash
from ledger.model import MESSAGES, Hash, address
from ledger.ports import Call
from ledger.receipts import parse_receipt, verify_receipt
from ledger.sealing import EncryptionKey
from ledger.services.questions import require_writable
from ledger.signed_message import SignedMessage
from ledger.siwe import parse
from ledger.typed_data import parse_signature
from ledger.vocabulary import channel, covers_purpose, purpose
from scripts.vector_sources.world import World, phrase
from wallet import shares
from wallet.book import Case
from wallet.keys import PatientKeys
from wallet.patient import Patient

Parse = Callable[[bytes], object]
Row = tuple[str, tuple[bytes, ...], Parse]
"""Name, honest inputs, parser."""


class _Nobody:
    """A client whose service says what it is told to say.

    Args:
        answers: by the beginning of a path.
    """

    url = "https://consent.example"

    def __init__(self, deployment: Deployment, **answers: Any) -> None:
        self.deployment, self._answers = deployment, answers

    def get(self, path: str) -> Any:
        """What was told."""
        return next(told for name, told in self._answers.items() if path.removeprefix("/v1/").startswith(name))

    def text(self, path: str) -> str:
        """The same, as text."""
        return str(self.get(path))

    def post(self, path: str, _: Any = None) -> Any:
        """What was told."""
        return self.get(path)

    def party_name(self, party: str) -> str | None:
        """As the Directory has it."""
        return World().names.get(address(party))

    def sealed(self, _: str, limit: int) -> Any:
        """The bytes are another parser's."""
        raise _Enough(limit)


class _Enough(Exception):
    """Everything that this target is about was read."""


class _Told(Node):
    """A node that answers with given bytes."""

    def __init__(self, data: bytes) -> None:
        super().__init__("http://127.0.0.1:8545")
        self._data = data

    def _post(self, _: Any) -> bytearray:
        return bytearray(self._data)


class _Says(Node):
    """A node that answers each method with a given value."""

    def __init__(self, said: Any) -> None:
        super().__init__("http://127.0.0.1:8545")
        self._said = said if isinstance(said, dict) else {}

    def _post(self, body: Any) -> bytearray:
        asked = body if isinstance(body, list) else [body]
        told = [{"jsonrpc": "2.0", "id": one["id"], "result": self._said.get(one["method"])} for one in asked]
        return bytearray(_bytes(told if isinstance(body, list) else told[0]))


def rows() -> Iterator[Row]:
    """Every such parser."""
    told = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    ledger = told["GET /v1/ledger"]["answers"]["200"]
    facts = Deployment.from_json(ledger["deployment"])
    yield from _typed(told, facts)
    yield from _asked(told, facts)
    yield from _signed(told, facts, bytes.fromhex(ledger["receiptKey"][2:]))
    yield from _served(told, facts)
    yield from _logged(told, facts)
    yield from _node()
    yield from _chain(facts)


def json_of(data: bytes) -> Any:
    """As HTTP layers read it; what is not JSON never reaches a parser."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def text_of(data: bytes) -> str:
    """As a header, an argument or a field may hold it."""
    return data.decode(errors="surrogateescape")


def _bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


def _typed(told: Any, facts: Deployment) -> Iterator[Row]:
    """What a person or a header says in one line."""
    world = World()
    claim = told["POST /v1/invitations/{token}/claim"]["request"]["message"].encode()
    parts = [share.encode() for share in shares.make(phrase("shares")[:16], 2, 3)]

    def part_of_file(data: bytes) -> object:
        try:
            return chosen(text_of(data), 1000)
        except HTTPException as refused:
            if refused.status_code != 416:
                raise
            return None

    def code(data: bytes) -> object:
        return (channel if data[:1].islower() else purpose)(text_of(data))

    yield "did", (facts.did(world.journal.address).encode(),), lambda data: facts.party(text_of(data))
    yield "code", (b"HRESCH", b"DUO:0000042", b"social:x"), code
    yield "words", (b"abandon " * 11 + b"about",), lambda data: PatientKeys.from_words(text_of(data))
    yield "shares", (b"\n".join(parts[:2]),), lambda data: shares.restore(text_of(data).splitlines())
    yield "range", (b"bytes=0-21", b"bytes=-5", b"bytes=1-2, 4-6"), part_of_file
    yield "idempotency-key", (b'"8e03978e-40d5"', b"bare"), lambda data: read_key(text_of(data))
    yield "answer-to-invitation", (claim,), lambda data: encryption_key_of(parse(text_of(data)))


def _asked(told: Any, facts: Deployment) -> Iterator[Row]:
    """Questions."""
    use: Any = SimpleNamespace(deployment=facts)

    def read(data: bytes) -> Any:
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return None

    def search(data: bytes) -> object:
        body = read(data)
        if not isinstance(body, dict):
            return None
        page = Page.read(body, str(read_search(body, use)))
        return page.cut([{"type": "recipient", "id": facts.did(World().journal.address)}])

    def duo(data: bytes) -> object:
        asked = read(data)
        if not isinstance(asked, dict) or not isinstance(asked.get("facts"), dict):
            return None
        require_writable(World().question(facts=asked["facts"]))
        return covers_purpose(("DUO:0000007", "DUO:0000020", "DUO:0000024"), "DUO:0000007", asked["facts"])

    question = told["POST /access/v1/evaluation"]["request"]
    declared = {"disease": ["MONDO:0005015"], "ethicsApproval": True, "collaboration": 1, "moratorium": "2030-01-01"}
    paged = question | {"page": {"limit": 3}, "context": {"consistency": {}, "supported_obligations": ["custom"]}}
    yield "question", (_bytes(question), _bytes(paged)), lambda data: read_wanted(read(data), use)
    yield "search", (_bytes(paged),), search
    yield "declared-facts", (_bytes({"facts": declared}),), duo


def _signed(told: Any, facts: Deployment, key: bytes) -> Iterator[Row]:
    """Files that anybody may bring."""
    files = []
    for path, kind in (("POST /v1/closures", "Closure"), ("POST /v1/revocations", "Revocation")):
        body = told[path]["request"]
        message = MESSAGES[kind].from_json(body["message"])
        signer, signature = address(body["signer"]), parse_signature(body["signature"])
        files.append(SignedMessage(facts.domain, message, signer, signature).file())
    receipt = canonical(told["POST /v1/closures"]["answers"]["202"]["receipt"])
    vectors = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "cohort_bundle.json"
    bundle = json.loads(vectors.read_text())
    consents = bundle["bundle"]["signatures"]["consents"]
    domain = Deployment.from_json(bundle["deployment"]).domain
    yield "signed-message", tuple(files), SignedMessage.from_file
    yield "receipt", (receipt,), lambda data: verify_receipt(parse_receipt(data), key, facts.domain)
    anchored = lambda data: SignedConsent.from_json(json_of(data)).anchor(domain)  # noqa: E731
    yield "signed-consent", tuple(_bytes(one) for one in consents if "cohort" in one), anchored


def _served(told: Any, facts: Deployment) -> Iterator[Row]:
    """Answers of a service, as its clients read them."""
    offer = told["GET /v1/offers/{token}"]["answers"]["200"]
    form = told["GET /v1/documents/{document}"]["answers"]["200"]
    record = offer["record"]
    folder = Path(tempfile.mkdtemp(prefix="volens-fuzz-"))

    class Book:
        """A wallet with one case."""

        cases = (Case(0, record["subject"], record["title"], record["controller"]),)

        @contextmanager
        def change(self) -> Iterator[Self]:
            """Nothing is kept."""
            yield self
            self.cases[0].record = None

    def opened(data: bytes) -> object:
        patient = Patient.__new__(Patient)
        client: Any = _Nobody(facts, offers=json_of(data), documents=form)
        patient.book, patient._client = Book(), client  # type: ignore[assignment]
        return patient.offer("off_x")

    journal = SimpleNamespace(
        address=World().journal.address, encryption_key=EncryptionKey.from_seed(phrase("journal x-wing"))
    )
    asked = told["POST /v1/releases"]["request"]

    def released(data: bytes) -> object:
        recipient = Recipient.__new__(Recipient)
        recipient._client, recipient._keys = _Nobody(facts, releases=json_of(data)), journal  # type: ignore[assignment]
        try:
            return recipient.release(asked, folder)
        except _Enough:
            return None

    def case_folder(data: bytes) -> object:
        (folder / MANIFEST).write_bytes(data)
        return read_folder(folder)

    def proposal(data: bytes) -> object:
        given = json_of(data)
        institution = Institution.__new__(Institution)
        institution._client = _Nobody(facts)  # type: ignore[assignment]
        return institution.draft(offer["id"], World().form.hash, given) if isinstance(given, dict) else None

    grant = {name: offer["grants"][0][name] for name in ("recipient", "items", "purposes", "channels", "onward")}
    items = [
        {"item": entry["item"], "file": "a.age", "wrapped": entry["wrapped"]}
        for entry in told["POST /v1/records"]["request"]["deposits"]
    ]
    refused = {"type": "urn:volens:error:invalid_message", "detail": "No.", "errors": [{"field": "a", "problem": "b"}]}
    yield "offer", (_bytes(offer),), opened
    yield "release", (_bytes(told["POST /v1/releases"]["answers"]["200"]),), released
    yield "refusal", (_bytes(refused),), lambda data: str(_error_of(httpx.Response(400, content=data)))
    yield "case-folder", (_bytes({"items": items}),), case_folder
    yield "proposal", (_bytes(grant | {"days": 30}),), proposal


def _logged(told: Any, facts: Deployment) -> Iterator[Row]:
    """The access log, as a client watches it."""
    state, note = told["GET /v1/log"]["answers"]["200"], told["GET /v1/log/checkpoint"]["answers"]["200"]
    key, tree = Ed25519PrivateKey.from_private_bytes(phrase("log")), LogTree()
    entries = told["GET /v1/records/{record}/accesses"]["answers"]["200"][:5]
    for entry in entries:
        leaf = {name: value for name, value in entry.items() if name not in ("index", "askerName", "recipientName")}
        tree.append(leaf_hash(canonical(leaf)))
    seen = SeenLog(
        "a/b", key.public_key().public_bytes_raw(), sign_checkpoint(Checkpoint("a/b", 5, tree.root()), key, "a/b")
    )
    shown = [{"entry": entry, "proof": list(tree.inclusion_proof(at, 5))} for at, entry in enumerate(entries)]

    def first_seen(data: bytes) -> object:
        said = json_of(data)
        said = said if isinstance(said, dict) else {}
        return watch(_Nobody(facts, **{"log/checkpoint": said.get("note"), "log": said.get("facts")}), None)  # type: ignore[arg-type]

    def entered(data: bytes) -> object:
        said = json_of(data)
        said = said if isinstance(said, dict) else {}
        return verify_entries(_Nobody(facts, log=said), seen, [said.get("entry")])  # type: ignore[arg-type, list-item]

    yield "log-first-seen", (_bytes({"facts": state, "note": note}),), first_seen
    yield "log-entry", tuple(map(_bytes, shown)), entered


def _node() -> Iterator[Row]:
    """Answers of an Ethereum node."""
    topics = {name: (contract, topic) for (contract, topic), name in event_topics().items()}
    who, word = "0" * 24 + World.patient.address[2:].lower(), "ab" * 32
    uri = b"data:application/json;base64,e30="

    def log(name: str, indexed: list[str], data: str) -> bytes:
        contract, topic = topics[name]
        return _bytes({"contract": contract, "topics": [topic, *("0x" + one for one in indexed)], "data": "0x" + data})

    registered = f"{1:064x}{word}{96:064x}{len(uri):064x}{uri.hex():0<128}"
    logs = (log("Granted", [who, word], who), log("Registered", [who], registered))

    def event(data: bytes) -> object:
        said = json_of(data)
        return decode(str(said.get("contract")), said, 1) if isinstance(said, dict) else None

    def answered(data: bytes) -> object:
        found = None
        for ask in (
            lambda: _Told(data).request("eth_call"),
            lambda: _Told(data).request_as(dict[str, str], "eth_call"),
            lambda: _Told(data).batch("eth_call", [(), ()]),
        ):
            try:
                found = ask()
            except LedgerUnavailable as error:
                found = found or error
        if isinstance(found, Exception):
            raise found
        return found

    result = {"jsonrpc": "2.0", "id": 1, "result": {"number": "0x1"}}
    failed = {"jsonrpc": "2.0", "id": 1, "error": {"code": 3, "message": "out of gas", "data": "0x08c379a0"}}
    yield "event-log", logs, event
    yield "json-rpc", (_bytes(result), _bytes([result, failed | {"id": 2}]), _bytes(failed)), answered


def _chain(facts: Deployment) -> Iterator[Row]:
    """What the answers of a node mean. Whatever is wrong with them is the node's fault, never the caller's."""
    vectors = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "proofs.json"
    node = json.loads(vectors.read_text())["nodes"]["anvil"]
    block = node["block"]
    contract = facts.contracts["ConsentRegistry"].address
    topic = next(topic for (_, topic), name in event_topics().items() if name == "Granted")
    who = "0x" + "0" * 24 + World.patient.address[2:].lower()
    place = {"blockHash": block["hash"], "blockNumber": block["number"], "transactionHash": "0x" + "ab" * 32}
    log = {"address": contract, "topics": [topic, who, "0x" + "cd" * 32], "data": who, "logIndex": "0x0"}
    receipt = place | {"status": "0x1"}
    said = {
        "eth_chainId": "0x1", "eth_getBlockByNumber": block, "eth_getLogs": [log | place], "eth_getCode": "0x",
        "eth_getProof": node["sender"], "eth_getTransactionReceipt": receipt, "eth_getTransactionCount": "0x2",
        "eth_getTransactionByHash": {}, "eth_call": "0x", "eth_estimateGas": "0x5208",
    }  # fmt: skip
    timed = said | {"eth_getLogs": [log | place | {"blockTimestamp": block["timestamp"]}]}

    def understood(data: bytes) -> object:
        told = _Says(json_of(data))
        chain, sender = Web3Chain(told, facts), Web3Sender(told, facts, phrase("sender"))
        name, call = Hash("0x" + "ab" * 32), Call("ConsentRegistry", "close", ())
        refused: LedgerUnavailable | None = None
        for ask in (
            chain.chain_id,
            chain.head,
            lambda: chain.events(name),
            lambda: chain.proof(name, "ConsentRegistry", []),
            lambda: chain.with_code([World.patient.address]),
            lambda: chain.contract_signed(World.patient.address, bytes(32), bytes(65)),
            sender.mined,
            sender.fees,
            lambda: sender.simulate(call),
            lambda: sender.prepare(call),
            lambda: sender.knows(name),
            lambda: sender.receipt(name),
        ):
            try:
                ask()
            except LedgerUnavailable as error:
                refused = error
            except InvalidInput as error:
                raise AssertionError("the caller is blamed for what a node says") from error
        if refused:
            raise refused
        return None

    yield "chain", (_bytes(said), _bytes(timed)), understood
