"""A node that hangs, lies about what it answers, or answers rubbish is a node that does not answer."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ledger.adapters.node import AT_ONCE, Node, OutOfGas, Reverted
from ledger.errors import InvalidInput, LedgerUnavailable

pytestmark = pytest.mark.node


class Liar:
    """An HTTP server on loopback that answers what a test tells it to."""

    def __init__(self):
        self.answer = lambda body: {"jsonrpc": "2.0", "id": body["id"], "result": "0x1"}
        self.requests = 0
        self.release = threading.Event()
        liar = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                liar.requests += 1
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                liar.handle(self, liar.answer(body))

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def handle(self, handler, answer):
        if callable(answer):
            answer(handler)
            return
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def stop(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def liar():
    made = Liar()
    yield made
    made.stop()


def broken_status(handler):
    handler.send_response(500)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def cut_short(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"jsonrpc"')
    handler.close_connection = True


ANSWERS = {
    "status 500": lambda _: broken_status,
    "cut short": lambda _: cut_short,
    "not JSON": lambda _: b"<html>",
    "nothing": lambda _: b"",
    "too deep": lambda _: b"[" * 100_000,
    "a list": lambda _: [],
    "null": lambda _: None,
    "another question's": lambda body: {"id": body["id"] + 1, "result": "0x1"},
    "no id": lambda _: {"result": "0x1"},
    "neither result nor error": lambda body: {"id": body["id"]},
    "an error": lambda body: {"id": body["id"], "error": {"code": -32000, "message": "secret stuff"}},
    "a strange error": lambda body: {"id": body["id"], "error": "no"},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_every_failure_is_the_same_failure(liar, name):
    liar.answer = ANSWERS[name]
    with pytest.raises(LedgerUnavailable) as said:
        Node(liar.url).request("eth_chainId")
    assert not isinstance(said.value, Reverted)
    assert "secret" not in str(said.value)
    assert liar.requests == 1, "nothing is sent twice behind our back"


def test_a_node_that_never_answers_is_left(liar):
    liar.answer = lambda body: lambda handler: liar.release.wait(20)
    with pytest.raises(LedgerUnavailable):
        Node(liar.url, timeout=0.2).request("eth_chainId")


def test_a_node_that_answers_drop_by_drop_is_left(liar):
    def dripping(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while not liar.release.wait(0.05):
            try:
                handler.wfile.write(b"1\r\n \r\n")
            except OSError:
                return

    liar.answer = lambda body: dripping
    with pytest.raises(LedgerUnavailable):
        Node(liar.url, timeout=0.3).request("eth_chainId")


def test_nobody_there():
    with pytest.raises(LedgerUnavailable):
        Node("http://127.0.0.1:1").request("eth_chainId")


@pytest.mark.parametrize("url", [
    "", "volens", "ftp://127.0.0.1", "127.0.0.1:8545", "http://", "http://:8545", "http://127.0.0.1:port",
    "http://127.0.0.1:99999", "http://127.0.0.1:0", "http://[::1",
])  # fmt: skip
def test_a_url_that_names_no_node(url):
    with pytest.raises(InvalidInput, match="should look like"):
        Node(url)


@pytest.mark.parametrize(
    ("error", "data"),
    [
        ({"code": 3, "message": "execution reverted", "data": "0x12345678"}, "0x12345678"),
        ({"code": 3, "message": "execution reverted"}, "0x"),
        ({"code": -32603, "message": "x", "data": {"message": "x", "data": "0x12345678"}}, "0x12345678"),
    ],
)
def test_what_a_contract_says_when_it_refuses(liar, error, data):
    liar.answer = lambda body: {"id": body["id"], "error": error}
    with pytest.raises(Reverted) as said:
        Node(liar.url).request("eth_call")
    assert said.value.data == data


def test_many_calls_at_once_come_back_in_order(liar):
    liar.answer = lambda bodies: [{"id": b["id"], "result": b["params"][0]} for b in reversed(bodies)]
    calls = [(n,) for n in range(2 * AT_ONCE + 1)]
    assert Node(liar.url).batch("echo", calls) == [n for (n,) in calls]
    assert liar.requests == 3
    assert Node(liar.url).batch("echo", []) == []


@pytest.mark.parametrize(
    "answer",
    [
        lambda bodies: [{"id": b["id"], "result": 1} for b in bodies[1:]],
        lambda bodies: {"id": bodies[0]["id"], "result": 1},
        lambda bodies: [None for _ in bodies],
        lambda bodies: [{"id": b["id"], "error": {"code": 1}} for b in bodies],
    ],
)
def test_a_batch_is_answered_whole_or_not_at_all(liar, answer):
    liar.answer = answer
    with pytest.raises(LedgerUnavailable):
        Node(liar.url).batch("echo", [(1,), (2,)])


@pytest.mark.parametrize(
    "message",
    [
        "out of gas",
        "EVM error OutOfGas",
        "EVM error ReentrancySentryOOG",
        "Transaction ran out of gas",
        "Out of gas: gas required exceeds allowance: 100000",
        "not enough gas for reentrancy sentry",
    ],
)
def test_a_call_that_ends_for_want_of_gas_is_no_outage(liar, message):
    liar.answer = lambda body: {"jsonrpc": "2.0", "id": body["id"], "error": {"code": -32000, "message": message}}
    with pytest.raises(OutOfGas):
        Node(liar.url).request("eth_call", {}, "latest")
