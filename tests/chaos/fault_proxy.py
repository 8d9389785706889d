"""An HTTP proxy between service and node that does one thing wrong at a time."""

import http.client
import itertools
import json
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from ledger.model import keccak
from ledger.proofs import header_rlp

PATIENCE = 0.12
"""Seconds that the service under test waits for a node that hangs."""


def _flip(text):
    """Another hexadecimal string of the same length."""
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def refuse(proxy, method, result):
    raise ConnectionError


def hang(proxy, method, result):
    time.sleep(2 * PATIENCE)
    raise ConnectionError


def slow(proxy, method, result):
    time.sleep(0.004)
    proxy.bent += 1
    return result


def stale_head(proxy, method, result):
    return proxy.ask("eth_getBlockByNumber", [hex(max(int(result["number"], 16) - 2, 0)), False]) or result


def head_going_back(proxy, method, result):
    back = 1 + next(proxy.count) % 4
    return proxy.ask("eth_getBlockByNumber", [hex(max(int(result["number"], 16) - back, 0)), False]) or result


def another_head(proxy, method, result):
    """A block that hashes to its name, and is on no chain."""
    made = result | {"extraData": "0xdead"}
    return made | {"hash": "0x" + keccak(header_rlp(made)).hex()}


def empty_logs(proxy, method, result):
    return []


def one_log_omitted(proxy, method, result):
    return result[:-1]


def forged_log(proxy, method, result):
    """What she suspended was resumed, says the node."""
    return [log | {"data": _flip(log["data"])} if len(log["data"]) > 66 else log for log in result]


def forged_proof(proxy, method, result):
    """A value, or a node of its path, is another."""
    slots = [dict(slot) for slot in result["storageProof"]]
    for slot in slots:
        if next(proxy.count) % 2 and slot["proof"]:
            slot["proof"] = [*slot["proof"][:-1], _flip(slot["proof"][-1])]
        else:
            slot["value"] = _flip(slot["value"])
            slot["proof"] = slot["proof"][:-1] or ["0x80"]
    return result | {"storageProof": slots}


def wrong_code(proxy, method, result):
    path = result["accountProof"]
    code = _flip(result["codeHash"])
    return result | {
        "codeHash": code,
        "accountProof": [*path[:-1], path[-1].replace(result["codeHash"][2:], code[2:])],
    }


def wrong_chain_id(proxy, method, result):
    return "0x1"


HEAD, LOGS, PROOF, ANY = "head", "eth_getLogs", "eth_getProof", ""
MODES = {
    "refuse": (ANY, refuse),
    "hang": (ANY, hang),
    "slow": (ANY, slow),
    "500": (ANY, None),
    "truncated JSON": (ANY, None),
    "wrong id": (ANY, None),
    "stale head": (HEAD, stale_head),
    "head going back": (HEAD, head_going_back),
    "empty logs": (LOGS, empty_logs),
    "one log omitted": (LOGS, one_log_omitted),
    "forged log": (LOGS, forged_log),
    "forged proof": (PROOF, forged_proof),
    "wrong code": (PROOF, wrong_code),
    "wrong chain id": ("eth_chainId", wrong_chain_id),
    "two nodes disagree": (HEAD, another_head),
    "flapping": (ANY, refuse),
}
"""By name: which answers, and what becomes of the result; None where it happens to the bytes."""


class FaultProxy:
    """Use it in a ``with`` statement; set `mode` to a name in MODES, or None to be honest.

    Attributes:
        url: where it answers.
        bent: how many answers were not the node's.
    """

    def __init__(self, upstream):
        self.mode, self.bent, self.count = None, 0, itertools.count(1)
        self._upstream = urlsplit(upstream)
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet an answer: two would wait for each other

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    status, answer, short = proxy.handle(body)
                except ConnectionError:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer[: len(answer) // 2] if short else answer)
                self.close_connection = short

            def log_message(self, *_):
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # the service hung up first

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _forward(self, body):
        link = http.client.HTTPConnection(self._upstream.hostname, self._upstream.port)
        with closing(link):
            link.request("POST", "/", body, {"Content-Type": "application/json"})
            return link.getresponse().read()

    def ask(self, method, params):
        """What the node says itself."""
        body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": method, "params": params}).encode()
        return json.loads(self._forward(body)).get("result")

    def handle(self, body):
        mode = self.mode
        if mode is None or (mode == "flapping" and next(self.count) % 5):
            return 200, self._forward(body), False
        wanted, bend = MODES[mode]
        if mode in ("refuse", "hang", "flapping"):
            self.bent += 1
            bend(self, "", None)
        if mode == "500":
            self.bent += 1
            return 500, b'{"error": "internal"}', False
        calls, answers = json.loads(body), json.loads(self._forward(body))
        if mode == "truncated JSON":
            self.bent += 1
            return 200, json.dumps(answers).encode(), True
        pairs = zip(calls, answers, strict=True) if isinstance(calls, list) else [(calls, answers)]
        for call, answer in pairs:
            kind = HEAD if call["params"][:1] == ["latest"] else call["method"]
            if mode == "wrong id":
                answer["id"] += 1
                self.bent += 1
            elif wanted in (kind, ANY) and answer.get("result") is not None:
                result = bend(self, call["method"], answer["result"])
                self.bent += result != answer["result"]
                answer["result"] = result
        return 200, json.dumps(answers).encode(), False
