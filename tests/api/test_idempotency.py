"""A write with an Idempotency-Key is done once, answered the same, and belongs to whoever sent it."""

import threading

import pytest
from test_http import problem

from api.idempotency import CREATES, PROGRESS, read_key
from ledger.attempts import Attempt
from ledger.errors import InvalidInput, Unavailable
from ledger.model import Closure

KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}
INVITATION = {"title": "A title nobody else has"}


@pytest.fixture
def w(web):
    return web.forge.world


def invite(web, by, body=INVITATION, headers=KEY):
    return web.post("/v1/invitations", body, by, headers=headers)


def invitations(web):
    with web.forge.store.begin() as tx:
        return tx._db.exec_driver_sql("SELECT count(*) FROM invitations").scalar()


def test_the_same_request_twice_is_done_once_and_answered_the_same(web, w):
    before = invitations(web)
    first = invite(web, w.hospital)
    web.forge.restart()
    again = invite(web, w.hospital)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert (first.headers.get("idempotency-replayed"), again.headers["idempotency-replayed"]) == (None, "true")
    assert again.headers["content-type"] == first.headers["content-type"]
    assert invitations(web) == before + 1


def test_without_a_key_it_is_done_twice(web, w):
    assert invite(web, w.hospital, headers={}).content != invite(web, w.hospital, headers={}).content


def test_another_key_is_another_request(web, w):
    assert invite(web, w.hospital).content != invite(web, w.hospital, headers={"Idempotency-Key": '"2"'}).content


def test_the_same_key_for_another_request_is_refused(web, w):
    invite(web, w.hospital)
    before = invitations(web)
    problem(invite(web, w.hospital, {"title": "Another"}), 422, "idempotency_key_reused")
    problem(web.post("/v1/offers", INVITATION, w.hospital, headers=KEY), 422, "idempotency_key_reused")
    assert invitations(web) == before


def test_a_key_is_each_callers_own(web, w):
    """Otherwise whoever guesses a key reads what was answered to another."""
    first = invite(web, w.hospital)
    other = web.post("/v1/invitations", INVITATION, w.journal, headers=KEY)
    problem(other, 403, "not_authorised")
    anonymous = web.post("/v1/invitations", INVITATION, headers=KEY)
    problem(anonymous, 401, "not_authorised")
    ended = web.client.post("/v1/invitations", json=INVITATION, headers=KEY | {"Authorization": "Bearer nonsense"})
    problem(ended, 401, "not_authorised")
    assert invite(web, w.hospital).content == first.content


def test_a_refusal_is_not_remembered(web, w):
    problem(invite(web, w.hospital, {"title": 5}), 400, "invalid_input")
    assert invite(web, w.hospital).status_code == 201


def test_a_failure_is_not_remembered(web, w, monkeypatch):
    def broken(*_):
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(type(web.forge.services.records), "invite", broken)
        problem(invite(web, w.hospital), 500, "internal")
    assert invite(web, w.hospital).status_code == 201


def test_while_the_first_is_worked_on_the_second_waits_its_turn(web, w, monkeypatch):
    real, working, go = type(web.forge.services.records).invite, threading.Event(), threading.Event()

    def slow(*arguments):
        working.set()
        assert go.wait(10)
        return real(*arguments)

    monkeypatch.setattr(type(web.forge.services.records), "invite", slow)
    answers = []
    first = threading.Thread(target=lambda: answers.append(invite(web, w.hospital)))
    first.start()
    assert working.wait(10)
    problem(invite(web, w.hospital), 409, "in_progress")
    problem(invite(web, w.hospital, {"title": "Another"}), 422, "idempotency_key_reused")
    go.set()
    first.join(10)
    assert invite(web, w.hospital).content == answers[0].content


def die_before_answering(monkeypatch, send):
    """An attempt that was begun by a process that died before it could answer."""
    with monkeypatch.context() as patch:
        patch.setattr("api.idempotency.Idempotency._settle", lambda *_: None)
        send()


def test_an_attempt_that_died_gives_its_key_back(web, w, monkeypatch):
    die_before_answering(monkeypatch, lambda: invite(web, w.hospital))
    problem(invite(web, w.hospital), 409, "in_progress")
    web.forge.chain.now += PROGRESS
    assert invite(web, w.hospital).status_code == 201


def closure(web, headers=KEY):
    patient = web.forge.world.patient
    message = Closure(patient.address)
    signature = patient.sign_typed(web.forge.domain, message)
    body = {"message": message.to_json(), "signer": patient.address, "signature": signature}
    return web.post("/v1/closures", body, headers=headers)


def test_a_withdrawal_never_waits_for_an_attempt_that_may_be_dead(web, w, monkeypatch):
    die_before_answering(monkeypatch, lambda: closure(web))
    answer = closure(web)
    assert answer.status_code == 202
    assert closure(web).content == answer.content


def test_a_withdrawal_is_answered_the_same(web, w):
    first = closure(web)
    web.forge.settle()
    assert closure(web).content == first.content, "though it is final by now"
    assert closure(web, {}).json()["status"] == "final"
    assert web.forge.reason() == "closed"


def test_a_key_is_forgotten_in_time(web, w):
    first = invite(web, w.hospital)
    web.forge.chain.now += web.forge.services.settings.idempotency_life - 1
    assert invite(web, w.hospital).content == first.content
    web.forge.chain.now += 1
    assert invite(web, w.hospital).content != first.content


def test_the_database_does_not_hold_what_was_answered(web, w):
    """An invitation's token is kept as a hash only; what is remembered of the answer must not undo that."""
    token = invite(web, w.hospital).json()["token"]
    with web.forge.store.begin() as tx:
        rows = tx._db.exec_driver_sql("SELECT * FROM answers").all()
    assert rows
    kept = b"".join(value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row)
    for secret in (token.encode(), INVITATION["title"].encode(), KEY["Idempotency-Key"].strip('"').encode()):
        assert secret not in kept


def test_an_answer_that_cannot_be_remembered_is_given_all_the_same(web, w, monkeypatch):
    def full(*_):
        raise Unavailable("The disk is full.")

    monkeypatch.setattr("ledger.adapters.store.SqlTransaction.set_answer", full)
    assert invite(web, w.hospital).status_code == 201


def test_no_permit_is_repeated_from_memory(web, w):
    request = web.forge.request()
    body = {"message": request.to_json(), "signature": w.journal.sign_typed(web.forge.domain, request)}
    assert web.post("/v1/releases", body, headers=KEY).status_code == 200
    problem(web.post("/v1/releases", body, headers=KEY), 409, "conflict")
    web.forge.revoke()
    assert web.post("/v1/releases", body, headers=KEY).status_code in (403, 409)
    assert not [path for path in CREATES if path.startswith(("/v1/releases", "/access", "/v1/auth"))]


def test_every_write_that_creates_something_takes_a_key(web):
    described = web.get("/openapi.json").json()["paths"]
    writes = {path for path, entry in described.items() if "post" in entry and path.startswith("/v1/")}
    left_out = {"/v1/auth/nonce", "/v1/auth/verify", "/v1/releases"}
    below = {"/v1/invitations/{token}/claim", "/v1/offers/{token}/messages", "/v1/records/{record}/references"}
    assert writes - left_out == {*CREATES, *below}
    for path in writes - left_out:
        (named,) = [entry for entry in described[path]["post"]["parameters"] if entry["in"] == "header"]
        assert named["name"] == "Idempotency-Key"
        assert {"409", "422"} <= described[path]["post"]["responses"].keys()
    for path in left_out:
        assert "422" not in described[path]["post"]["responses"]


def test_a_body_that_is_too_large_is_refused_with_a_key_too(web, w):
    problem(invite(web, w.hospital, {"title": "x" * 2**20}), 413, "invalid_input")


@pytest.mark.parametrize("header", ["", '""', '"a', 'a"b', '"a\\b"', '"ä"', "a b", "x" * 256, "a,b"])
def test_a_key_that_is_none_is_refused(header):
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        read_key(header)


@pytest.mark.parametrize(("header", "key"), [('"a b"', "a b"), ("abc-1", "abc-1"), (' "a" ', "a"), ('"a;b"', "a;b")])
def test_a_key_is_read_with_and_without_quotation_marks(header, key):
    assert read_key(header) == key


def test_a_key_that_is_none_is_refused_before_anything_is_done(web, w):
    before = invitations(web)
    problem(invite(web, w.hospital, headers={"Idempotency-Key": "a b"}), 400, "invalid_input")
    assert invitations(web) == before


def test_addresses_do_not_share_keys(web):
    """Those who need not sign in are told apart by where they come from."""
    first, second = (
        Attempt.of("key", web.forge.services.limits.client(scope(host)), "/v1/closures", b"") for host in HOSTS
    )
    assert first.name != second.name
    assert first.fingerprint == second.fingerprint


HOSTS = ("192.0.2.1", "192.0.2.2")


def scope(host):
    return {"headers": [], "client": (host, 1)}
