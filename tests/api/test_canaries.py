"""A whole case with everything that goes wrong, and planted words: none turns up in logs, metrics, answers or database.

The search is that of `scripts/canary.py`: raw, hexadecimal, base64, decimal.
"""

import io
import logging
import sqlite3

import pytest

from api.app import Worker
from api.logs import set_up
from ledger import sealing
from ledger.errors import Unavailable
from ledger.model import Closure, Revocation, to_hash
from ledger.services.custody import Master
from ledger.typed_data import struct_hash
from scripts.canary import encodings, search
from scripts.vector_sources.world import phrase

NAME = "Ottilie Canary-Featherstone, born 31.02.1907, HIV positive"
"""What a patient's name, a diagnosis or a careless person's typing looks like."""
MASTER = sealing.Secret(phrase("custodian"))


@pytest.fixture
def logged():
    """Everything this process logs, at its most talkative, as the service would write it."""
    root, out = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    disabled = {name: logging.getLogger(name).disabled for name in logging.root.manager.loggerDict}
    set_up("json", "debug", out)
    yield out
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in disabled.items():
        logging.getLogger(name).disabled = was


def everything_goes_wrong(web, monkeypatch):
    """What people and nodes get wrong, with the planted name wherever somebody could put it. Returns the answers."""
    forge, w = web.forge, web.forge.world
    answers = [
        web.get(f"/v1/{NAME}"),
        web.get("/v1/records", headers={"X-Request-ID": NAME, "Authorization": f"Bearer {NAME}", "User-Agent": NAME}),
        web.get("/v1/log/proof", params={"index": NAME}),
        web.post("/v1/auth/verify", {"message": NAME, "signature": "0x" + "11" * 65}),
        web.post("/v1/consents", {"message": {"summary": 1, "note": NAME}, "signer": NAME, "signature": "0x"}),
        web.post("/access/v1/evaluation", {"resource": {"id": NAME}, "action": {"name": NAME}}, w.journal),
        web.call("PUT", f"/v1/records/{w.record_hash}/items/{NAME}", by=w.hospital, content=NAME.encode()),
        web.call("POST", "/v1/releases", by=None, content=NAME.encode()),
        web.send("/v1/closures", Closure(w.patient.address), w.stranger),
        web.post("/v1/releases", signed(forge, forge.request(nonce="x", items=("photo.jpg",)), w.journal)),
    ]
    for broken in (RuntimeError(NAME), Unavailable("The disk is full."), KeyError(NAME)):

        def fails(*_, problem=broken):
            raise problem

        with monkeypatch.context() as patch:
            patch.setattr(forge.services.records, "of", fails)
            answers.append(web.get("/v1/records", w.patient))
    # a database that quotes what was written to it
    with monkeypatch.context() as patch:

        def quoting(*_):
            with forge.store.begin() as tx:
                tx._db.exec_driver_sql("INSERT INTO nowhere VALUES (?)", (NAME,))

        patch.setattr(forge.services.records, "of", quoting)
        answers.append(web.get("/v1/records", w.patient))
    forge.chain.faults.unreachable = True
    answers += [web.get("/readyz"), web.get("/v1/ledger"), web.get(f"/v1/records/{w.record_hash}/grants", w.patient)]
    forge.chain.faults.unreachable = False
    with monkeypatch.context() as patch:
        patch.setattr(forge.services.relays, "pump", fails)
        work(web)
    return answers


def work(web):
    """One round of the worker."""
    use = web.forge.services
    Worker("test", 0, use.relays.pump, use.bundling.capture, use.log.anchor).work()


def signed(forge, message, by):
    return {"message": message.to_json(), "signature": by.sign_typed(forge.domain, message)}


def everything_goes_well(web):
    forge, w = web.forge, web.forge.world
    token = web.post("/v1/invitations", {"title": NAME}, w.hospital).json()["token"]
    offer = {"record": w.record_hash, "grants": [w.grant(salt=to_hash(phrase("s"))).to_json()], "language": "en"}
    offered = web.post("/v1/offers", offer, w.hospital).json()["token"]
    web.get(f"/v1/offers/{offered}")
    bearer = web.token(w.journal)
    released = web.post("/v1/releases", signed(forge, forge.request(), w.journal))
    assert released.status_code == 200
    for sealed in forge.vault.contents:
        web.get(f"/v1/items/{sealed}", w.journal)
    web.get(f"/v1/records/{w.record_hash}/accesses", w.patient)
    web.send("/v1/revocations", Revocation(w.patient.address, (w.grant(),)), w.patient)
    forge.settle()
    work(web)
    return [token, offered, bearer]


def test_what_was_planted_turns_up_nowhere(make_web, logged, monkeypatch, tmp_path):
    web = make_web()
    forge, w = web.forge, web.forge.world
    with forge.store.begin() as tx:
        stored = tx.record(w.record_hash)
    record_key = Master.of(MASTER).open(forge.keys.get(w.record_hash), w.record_hash)
    identities = [
        sealing.custody_unwrap(record_key.reveal(), entry.custody_wrap, w.record_hash, struct_hash(entry.item))
        for entry in stored.items
    ]
    tokens = everything_goes_well(web)
    answers = everything_goes_wrong(web, monkeypatch)
    assert {answer.status_code for answer in answers} >= {400, 401, 403, 404, 500, 503}

    keys = {
        "master key": MASTER.reveal(),
        "wrapping key": Master.of(MASTER).custody.reveal(),
        "record key": record_key.reveal(),
        "log key": phrase("log"),
        "patient's key": w.patient.secret.reveal(),
        "journal's key": phrase("journal x-wing"),
        **{f"item key {n}": identity.reveal().encode() for n, identity in enumerate(identities)},
        **{f"token {n}": token.encode() for n, token in enumerate(tokens)},
    }
    words = {
        "name": NAME.encode(),
        "title": w.record.title.encode(),
        "summary": w.grant().summary.encode(),
        "file name": b"narrative.md",
        "record": w.record_hash[2:].encode(),
        "patient": w.patient.address[2:].encode(),
        "journal": w.journal.address[2:].encode(),
        "digest": w.items[0].sha256[2:].encode(),
        "salt": w.record.salt[2:].encode(),
    }
    metrics = web.client.get("/metrics").text
    shown = {"logs": logged.getvalue(), "metrics": metrics}
    assert "RuntimeError" in shown["logs"]
    assert len(shown["logs"].splitlines()) > 30, "there is something to look through"
    for place, text in shown.items():
        folder = tmp_path / place
        folder.mkdir()
        (folder / place).write_text(text + text.lower())
        assert search(folder, encodings(keys) | words | {f"{n}, lower": v.lower() for n, v in words.items()}) == []

    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / "answers").write_text("\n".join(answer.text + str(answer.headers) for answer in answers))
    assert search(folder, encodings(keys) | {"name": NAME.encode()}) == []

    folder = tmp_path / "databases"
    folder.mkdir()
    for name, source in (("volens.db", forge.store), ("records.db", forge.keys)):
        file = sqlite3.connect(folder / name)
        source._engine.raw_connection().driver_connection.backup(file)
        file.close()
    assert search(folder, {"title": words["title"]}), "the search finds what is there"
    assert search(folder, encodings(keys)) == []
