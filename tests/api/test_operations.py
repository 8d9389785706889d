"""Limits, readiness and metrics as they are over HTTP."""

import logging

import pytest
from prometheus_client.parser import text_string_to_metric_families

from api.metrics import Metrics
from ledger.decisions import Reason
from ledger.model import Delegation, Revocation


def numbers(web):
    """Every sample that /metrics gives: {(name, label values in the order of their names): value}."""
    answer = web.client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


# Limits


def limited(make_web, **changes):
    rates = {"rate_per_address": 0, "rate_per_party": 0, "rate_signatures": 0, "rate_withdrawals": 0}
    return make_web(limits=rates | changes)


def test_who_asks_too_often_is_told_when_to_come_back(make_web):
    web = limited(make_web, rate_per_address=0.1)
    assert web.get("/v1/parties").status_code == 200
    answer = web.get("/v1/parties")
    body = answer.json()
    assert (answer.status_code, body["type"]) == (429, "urn:volens:error:too_many_requests")
    assert answer.headers["content-type"] == "application/problem+json"
    assert 1 <= int(answer.headers["retry-after"]) <= 10
    assert body["instance"].endswith(answer.headers["x-request-id"])
    assert web.get("/healthz").status_code == 200


def test_a_party_has_one_bucket_however_many_tokens_it_has(make_web):
    web = limited(make_web, rate_per_party=0.3)  # three at once
    journal, hospital = web.forge.world.journal, web.forge.world.hospital
    assert [web.get("/v1/records", journal).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert web.get("/v1/records", hospital).status_code == 200


def test_under_access_the_refusal_is_a_sentence(make_web):
    web = limited(make_web, rate_per_party=0.1)
    headers = {"Authorization": f"Bearer {web.token(web.forge.world.journal)}"}
    codes = [web.client.post("/access/v1/evaluation", json={}, headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in codes] == [400, 429]
    assert codes[1].headers["content-type"].startswith("text/plain")


def test_an_unpleasant_neighbour_does_not_keep_a_withdrawal_out(make_web):
    web = limited(make_web, rate_per_address=0.1, rate_signatures=0.1, rate_withdrawals=1)
    w = web.forge.world
    while web.get("/v1/parties").status_code != 429:
        pass
    assert web.send("/v1/consents", web.forge.consent_to(), w.patient).status_code == 429
    revocation = Revocation(w.patient.address, (w.grant(),))
    end = Delegation(w.patient.address, w.mother.address, 0, 0, web.forge.chain.now)
    for path, message in (("/v1/revocations", revocation), ("/v1/delegations", end)):
        assert web.send(path, message, w.patient).status_code == 202
    assert web.forge.reason() == "revoked"


def test_signatures_are_counted_before_they_are_checked(make_web, monkeypatch):
    web = limited(make_web, rate_signatures=0.1)
    checked = []
    monkeypatch.setattr("ledger.siwe.recover", lambda *_: checked.append(1))
    body = {"message": "x", "signature": "0x" + "11" * 65}
    codes = [web.post("/v1/auth/verify", body).status_code for _ in range(5)]
    assert codes == [400, 429, 429, 429, 429]
    assert len(checked) <= 1


# Readiness


def test_ready_says_that_the_gate_is_open(web):
    body = web.get("/readyz").json()
    assert (body["status"], body["gate"]) == ("ready", "open")


@pytest.mark.parametrize(
    ("fault", "gate"),
    [
        (lambda chain: setattr(chain.faults, "unreachable", True), "waiting"),
        (lambda chain: setattr(chain, "now", chain.now + 3600), "waiting"),
        (lambda chain: chain.faults.code.update(Directory="0x" + "11" * 32), "closed"),
    ],
)
def test_not_ready_says_why_in_words_safe_for_all(web, fault, gate):
    assert web.get("/readyz").status_code == 200
    fault(web.forge.chain)
    if gate == "closed":
        web.forge.mine()
    answer = web.get("/readyz")
    body = answer.json()
    assert (answer.status_code, body["gate"]) == (503, gate), body
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["detail"]
    assert isinstance(body["lag"], int)
    seen = numbers(web)
    assert seen["volens_gate_closed",] == (gate == "closed")
    if gate == "closed":
        assert seen["volens_gate_open",] == 0


# Metrics


def test_what_happens_is_counted(web):
    w, before = web.forge.world, numbers(web)
    question = {
        "subject": {"type": "recipient", "id": web.forge.deployment.did(w.journal.address)},
        "action": {
            "name": "publish",
            "properties": {"purpose": "case-report", "channel": "journal", "items": ["narrative.md"]},
        },
        "resource": {"type": "record", "id": w.record_hash},
    }
    assert web.post("/access/v1/evaluation", question, w.journal).json()["decision"]
    request = web.forge.request()
    body = {"message": request.to_json(), "signature": w.journal.sign_typed(web.forge.domain, request)}
    assert web.post("/v1/releases", body).status_code == 200
    web.get("/v1/nothing")
    web.send("/v1/revocations", Revocation(w.patient.address, (w.grant(),)), w.patient)
    after = numbers(web)

    def more(*key):
        return after.get(key, 0) - before.get(key, 0)

    assert more("volens_decisions_total", "permitted") == 1
    assert more("volens_releases_total") == 1
    assert more("volens_requests_total", "POST", "/v1/releases", "200") == 1
    assert more("volens_requests_total", "GET", "unmatched", "404") == 1
    assert more("volens_relays", "accepted") == 1
    assert more("volens_log_entries") == 3
    assert after["volens_gate_open",] == 1
    assert after["volens_request_seconds_count", "/v1/releases"] == 1


def test_an_outsiders_question_is_counted_by_what_he_was_told(web):
    """The counts are open to all: a true reason in them would tell an outsider whether a record exists."""
    w = web.forge.world
    for record in (w.record_hash, "0x" + "77" * 32):
        question = {
            "subject": {"type": "recipient", "id": web.forge.deployment.did(w.stranger.address)},
            "action": {"name": "view"},
            "resource": {"type": "record", "id": record},
        }
        web.post("/access/v1/evaluation", question, w.stranger)
    told = {key[1]: value for key, value in numbers(web).items() if key[0] == "volens_decisions_total"}
    assert told == {"no_consent": 2}


def test_metrics_name_nobody(web):
    w = web.forge.world
    web.get(f"/v1/records/{w.record_hash}", w.patient)
    web.get(f"/v1/parties/{w.journal.address}")
    web.client.request("NONSENSE", "/v1/" + w.patient.address)
    text = web.client.get("/metrics").text.lower()
    assert "0x" not in text
    assert w.patient.address[2:].lower() not in text
    assert "nonsense" not in text


def test_metrics_are_there_while_the_database_is_not(web, monkeypatch):
    from ledger.errors import Unavailable

    def broken():
        raise Unavailable("The disk is full.")

    monkeypatch.setattr(web.forge.services.store, "begin", broken)
    assert ("volens_gate_open",) in numbers(web)


def test_every_reason_is_a_label_that_exists():
    metrics = Metrics()
    for reason in Reason:
        metrics.decided(reason)
    assert b'reason="permitted"' in metrics.text()


# Logs


def test_a_request_leaves_one_line_without_its_path(web, caplog):
    caplog.set_level(logging.INFO, "api.edge")
    w = web.forge.world
    web.get(f"/v1/records/{w.record_hash}", w.patient)
    lines = [entry for entry in caplog.records if entry.name == "api.edge"]
    last = lines[-1]
    assert (last.method, last.route, last.status) == ("GET", "/v1/records/{record}", 200)
    assert w.record_hash not in caplog.text
