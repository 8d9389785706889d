"""What answers is not a service, or answers without the form that an answer has: one sentence, and what to do."""

import json

import httpx
import pytest

from cli.test_bad_input import FACTS, HASH
from client.http import Client

CODE = "ABCD2-345EF-GH672-32222"
KEY = ("--key", "party.json", "--passphrase-file", "passphrase")
UNREADABLE = "The service answered with something that cannot be read."
ANSWERS = {
    ("party", "list"): [
        5,
        {"a": 1},
        [5],
        [{"name": "A"}],
        [{"name": "A", "address": 1, "roles": 5, "suspended": True}],
    ],
    ("reference", "list", "--record", HASH, *KEY): [5, ["a"], [{"reference": "a"}]],
    ("reference", "make", "--record", HASH, *KEY): [5, [], {"reference": "a"}],
    ("reference", "look", CODE): [5, {}, {"recipientName": "A"}, {"recipientName": "A", "uses": [{}]}],
    ("cohort", "show", HASH, *KEY): [5, {}, {"root": HASH, "size": 1, "consents": [{}]}],
    ("record", "messages", "off_0123456789", *KEY): [5, ["a"], [{"kind": "question"}]],
}


@pytest.mark.parametrize("command", ANSWERS, ids=lambda command: " ".join(command[:2]))
@pytest.mark.parametrize("as_json", [False, True])
def test_an_answer_without_its_form_is_one_sentence(volens, party, passphrase_file, monkeypatch, command, as_json):
    monkeypatch.setattr(Client, "sign_in", lambda self, _: self)
    for answer in ANSWERS[command]:
        monkeypatch.setattr(Client, "request", lambda *_, answer=answer, **__: answer)
        ran = volens(*command, "--url", "http://127.0.0.1:1", *(["--json"] if as_json else []))
        ran.refused(4, UNREADABLE)
        if as_json:
            assert ran.json == {"error": "unavailable", "message": UNREADABLE}


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize("command", [("party", "list"), ("audit", "log", "--deployment", "facts.json")])
def test_the_address_of_a_node_is_not_taken_for_that_of_a_service(volens, tmp_path, monkeypatch, command, status):
    monkeypatch.setattr(httpx.Client, "request", lambda *_, **__: httpx.Response(status, text="<h1>Not Found</h1>"))
    (tmp_path / "facts.json").write_text(json.dumps(FACTS.to_json()))
    ran = volens(*command, "--url", "http://127.0.0.1:8545")
    ran.refused(2, f"http://127.0.0.1:8545 is not a Volens service: it says {status}", "not of a node")
