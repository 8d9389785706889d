"""A real server told to stop: what is under way is answered, what was accepted is kept, the worker ends its step."""

import http.client
import json
import socket
import threading

import pytest
import uvicorn
from conftest import RATES, TestClient

from api.app import Worker, create_app
from ledger.model import Revocation
from scripts.stack import configure

pytestmark = pytest.mark.node

PATIENCE = 20


@pytest.fixture
def server(forge):
    """The service on a socket, and a way to hold a request in the middle."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    running = uvicorn.Server(configure(forge.services))
    thread = threading.Thread(target=lambda: running.run(sockets=[bound]), daemon=True)
    thread.start()
    try:
        while not running.started:
            assert thread.is_alive()
            thread.join(0.01)
        running.port, running.thread = bound.getsockname()[1], thread
        yield running
    finally:
        running.should_exit = True
        thread.join(PATIENCE)
        bound.close()
    assert not thread.is_alive()


def ask(server, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    try:
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def test_a_request_under_way_is_answered_and_a_withdrawal_in_it_is_kept(server, forge, monkeypatch):
    w, inside, go_on = forge.world, threading.Event(), threading.Event()
    accept = forge.services.intake.accept

    def slow(*arguments):
        inside.set()
        assert go_on.wait(PATIENCE)
        return accept(*arguments)

    monkeypatch.setattr(forge.services.intake, "accept", slow)
    kept = []
    close = forge.services.store.close

    def look_then_close():
        with forge.store.begin() as tx:
            kept.extend(tx.denials([w.patient.address]))
        close()

    monkeypatch.setattr(forge.services.store, "close", look_then_close)
    message = Revocation(w.patient.address, (w.grant(),))
    body = {
        "message": message.to_json(),
        "signer": w.patient.address,
        "signature": w.patient.sign_typed(forge.domain, message),
    }
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(server, "POST", "/v1/revocations", body)))
    asking.start()
    assert inside.wait(PATIENCE)
    server.should_exit = True
    while server.servers and any(listening.is_serving() for listening in server.servers):
        server.thread.join(0.01)
    go_on.set()
    asking.join(PATIENCE)
    server.thread.join(PATIENCE)
    assert answers[0][0] == 202
    assert [kind for kind, *_ in kept] == ["revoked"], "it was there before the store was closed"


def test_the_worker_ends_its_step_and_begins_no_other():
    inside, go_on, done = threading.Event(), threading.Event(), []

    def step():
        inside.set()
        assert go_on.wait(PATIENCE)
        done.append("first")

    worker = Worker("test", 0, step, lambda: done.append("second"))
    worker.start()
    assert inside.wait(PATIENCE)
    stopping = threading.Thread(target=worker.stop, args=(PATIENCE,))
    stopping.start()
    while not worker._stop.is_set():
        stopping.join(0.01)
    go_on.set()
    stopping.join(PATIENCE)
    assert not worker._thread.is_alive()
    assert done == ["first"]


def test_the_worker_acts_when_it_is_woken():
    wake, acted = threading.Event(), threading.Event()
    worker = Worker("test", 3600, acted.set, wake=wake)
    worker.start()
    wake.set()
    assert acted.wait(PATIENCE)
    worker.stop(PATIENCE)


def test_a_message_is_sent_when_it_is_taken_however_rarely_the_outbox_is_looked_at(make_forge):
    forge = make_forge(limits=dict.fromkeys(RATES, 0) | {"relay_interval": 60})
    sent = threading.Event()
    send = forge.chain.send
    forge.chain.send = lambda raw: (send(raw), sent.set())
    forge.restart()
    with TestClient(create_app(forge.services)):
        forge.revoke()
        assert sent.wait(PATIENCE)


def test_nobody_can_write_his_own_address(server, forge, monkeypatch):
    """uvicorn would believe X-Forwarded-For from this machine; api/limits.py believes it from nobody by default."""
    seen = []
    monkeypatch.setattr(forge.services.limits, "_trusted", ())
    monkeypatch.setattr(forge.services.limits._addresses, "take", seen.append)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    connection.request("GET", "/v1/parties", headers={"X-Forwarded-For": "203.0.113.9"})
    connection.getresponse().read()
    connection.close()
    assert seen == ["127.0.0.1"]
