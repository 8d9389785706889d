"""The source of tests/vectors/wallet.json: what the Python wallet and the page must write, read and refuse alike.

Sealing draws fresh randomness, so what is sealed is recorded once and kept while it still opens; the rest is computed.
Delete the file to record anew.
"""

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import invitations, sealing, siwe
from ledger.consent_record import consent_record
from ledger.deployment import Contract, Deployment
from ledger.documents import channel_terms, document_hash
from ledger.errors import VolensError
from ledger.events import DEPLOYED
from ledger.model import Closure, Consent, Delegation, Hash, Item, Message, Revocation, RevokeAll, Suspension, to_hash
from ledger.receipts import RelayReceipt, sign_receipt
from ledger.sealing import Secret
from ledger.signed_message import SignedMessage
from ledger.typed_data import parse_signature, struct_hash
from scripts.vector_sources.world import CHAIN_ID, START, World, key, phrase
from wallet.book import BOOK, Book, Case, Handed
from wallet.keys import PatientKeys, entropy_to_words

_ROOT = Path(__file__).resolve().parents[2]
_FILE = _ROOT / "tests" / "vectors" / "wallet.json"
_WORDS = entropy_to_words(phrase("the words of the page"))
_KEYS = PatientKeys.from_words(_WORDS)
_INDEX = 3
_SUBJECT = _KEYS.subject(_INDEX)
_URL = "https://volens.example:8380"
_HOST = "volens.example:8380"
_NONCE = "a1b2c3d4e5f6"
_TOKEN = "kJx_-9"  # noqa: S105 (known to everybody)
_RECEIPT_KEY = Ed25519PrivateKey.from_private_bytes(phrase("receipts"))
_PAGE = """
import { openBook, sealBook } from "./wallet/web/src/core/book.ts";
const [key, sealed] = process.argv.slice(1).map((hex) => Uint8Array.from(Buffer.from(hex, "hex")));
console.log(Buffer.from(sealBook(key, openBook(key, sealed))).toString("hex"));
"""


class _World(World):
    """The world, its patient a pseudonym of the words."""

    patient = _SUBJECT

    @property
    def deployment(self) -> Deployment:
        """Where it is deployed."""
        places = {**self.contracts, "ConsentCheck": key("ConsentCheck").address}
        contracts = {
            name: Contract(places[name], to_hash(phrase(f"code of {name}")), block)
            for block, name in enumerate(DEPLOYED, 1)
        }
        return Deployment(CHAIN_ID, to_hash(phrase("genesis")), contracts)


_WORLD = _World()
_GRANTS = (_WORLD.grant(), _WORLD.research_grant)


def vectors() -> object:
    """The content of the file."""
    recorded: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8")) if _FILE.exists() else {}
    messages = [_signed(message) for message in _messages()]
    items = _items(recorded)
    books = recorded.get("books", {})
    kept = _kept(books.get("python"), lambda: _written(messages), _current)
    return {
        "about": "The words are known to everybody; subject is the pseudonym of index, offer what a service answers.",
        "words": _WORDS,
        "index": _INDEX,
        "subject": _SUBJECT.address,
        "url": _URL,
        "deployment": _WORLD.deployment.to_json(),
        "signIns": _sign_ins(),
        "answer": _answer(),
        "documents": [
            {"document": document.to_json(), "hash": document_hash(document)}
            for document in (_WORLD.form, channel_terms("social:mastodon", key("hospital").address))
        ],
        "names": _WORLD.names,
        "files": {name: content.decode() for name, content in _WORLD.files.items()},
        "items": items,
        "offer": _offer(items),
        "signed": [
            {"type": m.message.TYPE, "file": m.file().decode(), "digest": to_hash(m.domain.digest(m.message))}
            for m in messages
        ],
        "receiptKey": _RECEIPT_KEY.public_key().public_bytes_raw().hex(),
        "receipts": [_receipt(message) for message in messages],
        "records": _records(),
        "books": {
            "python": kept,
            "page": _kept(books.get("page"), lambda: _page(kept), _current),
        },
    }


def _sign_ins() -> list[dict[str, Any]]:
    plain = siwe.SignIn(_HOST, _SUBJECT.address, "Sign in to Volens.", _URL, CHAIN_ID, _NONCE, START, START + 300)
    return [_sign_in(plain), _sign_in(replace(plain, resources=("urn:one", "https://two.example/")))]


def _sign_in(message: siwe.SignIn) -> dict[str, Any]:
    text = message.text()
    said = {
        "domain": message.domain,
        "address": message.address,
        "statement": message.statement,
        "uri": message.uri,
        "chainId": message.chain_id,
        "nonce": message.nonce,
        "issuedAt": message.issued_at,
        "expiresAt": message.expires_at,
        "resources": list(message.resources),
    }
    digest = siwe.personal_digest(text)
    return {"said": said, "text": text, "digest": to_hash(digest), "signature": _SUBJECT.sign(digest)}


def _answer() -> dict[str, Any]:
    message = invitations.answer(
        domain=_HOST,
        url=_URL,
        token=_TOKEN,
        chain_id=CHAIN_ID,
        nonce=_NONCE,
        subject=_SUBJECT.address,
        encryption_key=_SUBJECT.encryption_key.public,
        at=START,
    )
    return {"token": _TOKEN, "nonce": _NONCE, "at": START, "text": message.text()}


def _items(recorded: dict[str, Any]) -> list[dict[str, Any]]:
    """The sealed items, each with its bytes, and with its key wrapped to her."""
    old = recorded.get("items") or [None] * len(_WORLD.items)
    return [
        _kept(one, partial(_sealed, item), partial(_opens, item)) for one, item in zip(old, _WORLD.items, strict=True)
    ]


def _offer(items: list[dict[str, Any]]) -> dict[str, Any]:
    """What `GET /v1/offers/{token}` answers."""
    return {
        "id": _WORLD.record_hash,
        "record": _WORLD.record.to_json(),
        "signature": _WORLD.record_signature,
        "controllerName": "a name the page does not read",
        "items": [{name: entry[name] for name in ("item", "sealed", "sealedSize")} for entry in items],
        "grants": [grant.to_json() for grant in _GRANTS],
        "language": "en",
        "expiresAt": START + 86_400,
        "names": {_WORLD.journal.address: "a name the page does not read"},
    }


def _sealed(item: Item) -> dict[str, Any]:
    found, sealed = sealing.seal_bytes(_WORLD.files[item.name])
    wrap = sealing.hpke_wrap(found.identity, _SUBJECT.encryption_key.public, _info(item))
    named = hashlib.sha256(sealed).digest()
    return {
        "item": item.to_json(),
        "sealed": to_hash(named),
        "sealedSize": len(sealed),
        "wrap": "0x" + wrap.hex(),
        "bytes": sealed.hex(),
    }


def _info(item: Item) -> sealing.Info:
    return sealing.subject_info(
        chain_id=CHAIN_ID,
        registry=_WORLD.domain.registry,
        record=_WORLD.record_hash,
        item=struct_hash(item),
        subject=_SUBJECT.address,
    )


def _opens(item: Item, view: dict[str, Any]) -> bool:
    identity: Secret[str] = sealing.hpke_unwrap(parse_signature(view["wrap"]), _SUBJECT.encryption_key, _info(item))
    plain = sealing.unseal_bytes(bytes.fromhex(view["bytes"]), identity, item.sha256)
    return view["item"] == item.to_json() and plain == _WORLD.files[item.name]


def _messages() -> tuple[Message, ...]:
    subject = _SUBJECT.address
    return (
        Consent(subject, _GRANTS, START + 900),
        Revocation(subject, _GRANTS[:1]),
        RevokeAll(subject, START + 60),
        Suspension(subject, True, START + 60),
        Closure(subject),
        Delegation(subject, key("mother").address, 1, START + 86_400, START),
    )


def _signed(message: Message) -> SignedMessage:
    signature = parse_signature(_SUBJECT.sign_typed(_WORLD.domain, message))
    return SignedMessage(_WORLD.domain, message, _SUBJECT.address, signature)


def _receipt(sent: SignedMessage, second: int = 61) -> dict[str, Any]:
    name = "rly_" + to_hash(phrase(sent.message.TYPE))[2:34]
    receipt = RelayReceipt.of(sent.message, sent.signer, sent.domain, name, START + second)
    return sign_receipt(receipt, _RECEIPT_KEY)


def _records() -> list[dict[str, Any]]:
    """Consent records of what was handed in, each message one second after the one before it."""
    subject, (first, second) = _SUBJECT.address, _GRANTS
    given = Consent(subject, _GRANTS, START + 900)
    later = Consent(subject, (second,), START + 900)
    stories: dict[str, tuple[tuple[Message, ...], int]] = {
        "given": ((given,), START + 60),
        "withdrawn": ((given, Revocation(subject, (first,))), START + 60),
        "another withdrawn": ((given, Revocation(subject, (second,))), START + 60),
        "everything withdrawn": ((given, RevokeAll(subject, START + 60)), START + 60),
        "everything from before withdrawn": ((RevokeAll(subject, START - 60), given), START + 60),
        "ended for ever": ((given, Closure(subject)), START + 60),
        "expired": ((given,), first.valid_until),
        "withdrawn before it was given": ((Revocation(subject, (first,)), given), START + 60),
        "unknown": ((later, Suspension(subject, True, START)), START + 60),
    }
    return [{"about": about, **_record(handed, at)} for about, (handed, at) in stories.items()]


def _record(messages: tuple[Message, ...], at: int) -> dict[str, Any]:
    sent = [_signed(message) for message in messages]
    receipts = [_receipt(message, second) for second, message in enumerate(sent)]
    handed = [
        (message, RelayReceipt.from_json(receipt["receipt"]))
        for message, receipt in zip(messages, receipts, strict=True)
    ]
    record = consent_record(
        _GRANTS[0],
        subject=_SUBJECT.address,
        domain=_WORLD.domain,
        controller=_WORLD.record.controller,
        names=_WORLD.names,
        handed=handed,
        service=_URL,
        language="en",
        at=at,
    )
    told = [{"sent": message.to_json(), "receipt": receipt} for message, receipt in zip(sent, receipts, strict=True)]
    return {"at": at, "handed": told, "record": record}


def _written(messages: list[SignedMessage]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        book = Book(Path(folder), _KEYS)
        with book.change():
            book.service, book.deployment, book.used = _URL, _WORLD.deployment, _INDEX
            record = Hash(_WORLD.record_hash)
            case = Case(_INDEX, _SUBJECT.address, _WORLD.record.title, _WORLD.record.controller, record, list(_GRANTS))
            book.cases = [case, Case(7, _KEYS.subject(7).address, "مرض نادر", key("hospital").address)]
            book.receipt_key = _RECEIPT_KEY.public_key().public_bytes_raw()
            book.handed = [Handed(message, _receipt(message)) for message in messages[:2]]
        return (Path(folder) / BOOK).read_bytes().hex()


def _read(sealed: str) -> Book:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / BOOK).write_bytes(bytes.fromhex(sealed))
        return Book(Path(folder), _KEYS)


def _current(sealed: str) -> bool:
    """Whether a sealed book holds the grants of today."""
    return _read(sealed).cases[0].grants == list(_GRANTS)


def _page(sealed: str) -> str:
    """The same book, as the page writes it."""
    command = ["node", "--input-type=module", "-e", _PAGE, _KEYS.vault_key().reveal().hex(), sealed]
    return subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603


def _kept(recorded: Any, make: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
    """What was recorded, unless it does not hold any more."""
    if recorded is not None:
        try:
            if holds(recorded):
                return recorded
        except (VolensError, LookupError):
            pass
    return make()
