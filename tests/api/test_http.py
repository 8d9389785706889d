"""Every route over HTTP: what it answers, to whom, and how it says no."""

import json
import logging
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute

from ledger import siwe
from ledger.bundles import verify_bundle
from ledger.clear_signing import descriptor
from ledger.documents import channel_terms
from ledger.errors import LedgerUnavailable
from ledger.events import Published, Superseded
from ledger.model import Approval, Closure, Consent, Delegation, Record, Revocation, RevokeAll, Suspension, to_hash
from ledger.state import LedgerState
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import CHAIN_ID, phrase

URL = "https://consent.example"
NOWHERE = to_hash(phrase("a record that does not exist"))


@pytest.fixture
def w(web):
    return web.forge.world


def problem(answer, status, code):
    """An answer in the house style; returns it."""
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert {"type", "title", "status", "detail", "instance"} <= body.keys()
    assert (body["type"], body["status"]) == (f"urn:volens:error:{code}", status)
    assert body["instance"] == f"urn:volens:request:{answer.headers['x-request-id']}"
    return body


def signed(forge, message, by):
    return {"message": message.to_json(), "signature": by.sign_typed(forge.domain, message)}


# Everywhere


PUBLIC = {
    ("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics"), ("GET", "/v1/ledger"),
    ("GET", "/v1/ledger/digest"), ("GET", "/v1/parties"),
    ("GET", "/v1/parties/{party}"), ("POST", "/v1/auth/nonce"), ("POST", "/v1/auth/verify"),
    ("GET", "/v1/log"), ("GET", "/v1/log/checkpoint"), ("GET", "/v1/log/proof"), ("GET", "/v1/log/leaves"),
    ("GET", "/v1/clear-signing"), ("POST", "/v1/documents"), ("GET", "/v1/documents/{document}"),
    # a secret token in the path, or a signature in the body, is the authorisation
    ("GET", "/v1/invitations/{token}"), ("POST", "/v1/invitations/{token}/claim"), ("GET", "/v1/offers/{token}"),
    ("POST", "/v1/consents"), ("POST", "/v1/revocations"), ("POST", "/v1/revocations/all"),
    ("POST", "/v1/suspensions"), ("POST", "/v1/closures"), ("POST", "/v1/delegations"),
    ("GET", "/v1/relays/{relay}"), ("POST", "/v1/releases"), ("POST", "/v1/approvals"),
    ("GET", "/.well-known/authzen-configuration"),
    # what a reference says names no patient
    ("GET", "/v1/verify/{reference}"), ("GET", "/v1/badge/{reference}.svg"), ("GET", "/v1/qr/{reference}.svg"),
}  # fmt: skip


def routes(web):
    """(method, path) of everything that is served, from the description it gives of itself."""
    description = web.get("/openapi.json").json()
    return {(method.upper(), path) for path, entry in description["paths"].items() for method in entry}


def filled(path):
    values = {"{record}": NOWHERE, "{sealed}": NOWHERE, "{name}": "x", "{decision}": "dec_x", "{token}": "x"}
    for name, value in values.items():
        path = path.replace(name, value)
    return path


def test_whatever_is_not_meant_for_everybody_needs_a_token(web):
    guarded = routes(web) - PUBLIC
    assert guarded >= {("POST", "/v1/records"), ("POST", "/access/v1/evaluation"), ("GET", "/v1/bundles/{decision}")}
    assert routes(web) >= PUBLIC
    body = {"title": "x", "record": NOWHERE, "grants": [{}], "message": {}, "signature": "0x00", "deposits": [{}]}
    for method, path in sorted(guarded):
        for headers in (
            {},
            {"Authorization": "Bearer nonsense"},
            {"Authorization": "Basic eDp5"},
            {"Authorization": "Bearer"},
        ):
            content = {"json": body} if method == "POST" else {}
            answer = web.client.request(method, filled(path), headers=headers, **content)
            assert answer.status_code == 401, (method, path, answer.text)
            assert answer.headers["www-authenticate"] == 'Bearer realm="volens"'
            if path.startswith("/access/"):
                assert answer.headers["content-type"].startswith("text/plain")
            else:
                assert problem(answer, 401, "not_authorised")["reason"] == "not_signed_in"


def test_a_token_ends(web, w):
    headers = {"Authorization": f"Bearer {web.token(w.patient)}"}
    path = f"/v1/records/{w.record_hash}"
    assert web.client.get(path, headers=headers).status_code == 200
    web.forge.chain.now += 900
    web.forge.mine()
    problem(web.client.get(path, headers=headers), 401, "not_authorised")


def test_the_request_id_comes_back_and_is_made_where_it_is_missing_or_odd(web):
    assert web.get("/healthz", headers={"X-Request-ID": "my-id-1"}).headers["x-request-id"] == "my-id-1"
    body = problem(web.get("/v1/relays/none", headers={"X-Request-ID": "my-id-2"}), 404, "not_found")
    assert body["instance"].endswith("my-id-2")
    made = {web.get("/healthz", headers=h).headers["x-request-id"] for h in ({}, {}, {"X-Request-ID": "x" * 65})}
    assert len(made) == 3
    assert all(len(name) == 16 for name in made)


def test_nothing_is_kept_by_anybody_in_between(web, w):
    for answer in (web.get("/v1/ledger"), web.get(f"/v1/records/{w.record_hash}", w.patient), web.get("/v1/none")):
        assert answer.headers["cache-control"] == "no-store"


def test_an_unknown_path_and_a_wrong_method_are_problems(web):
    problem(web.get("/v1/nothing"), 404, "not_found")
    wrong = web.call("DELETE", "/v1/consents")
    assert "does not take this method" in problem(wrong, 405, "method_not_allowed")["detail"]
    assert wrong.headers["allow"] == "POST"
    assert web.get("/docs").status_code == 404


JSON_ROUTES = [
    "/v1/auth/verify", "/v1/invitations/x/claim", "/v1/consents", "/v1/revocations", "/v1/revocations/all",
    "/v1/suspensions", "/v1/closures", "/v1/delegations", "/v1/releases",
    "/v1/approvals", "/v1/records", "/v1/offers", "/v1/invitations",
]  # fmt: skip


@pytest.mark.parametrize("path", JSON_ROUTES)
@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff\xfe", b'{"message": 1}', b'{"message": {}, "extra": 1}',
        b"[" * 200_000,
    ],
    ids=["nothing", "half", "list", "null", "text", "number", "not UTF-8", "wrong type", "unknown field", "nested"],
)  # fmt: skip
def test_what_is_no_request_is_the_callers_fault(shared_web, path, content):
    by = shared_web.forge.world.hospital if path in JSON_ROUTES[-3:] else None
    answer = shared_web.call("POST", path, by=by, content=content, headers={"Content-Type": "application/json"})
    problem(answer, 400, "invalid_input")


def test_an_unknown_field_is_refused(web, w):
    body = signed(web.forge, Closure(w.patient.address), w.patient) | {"signer": w.patient.address}
    found = problem(web.post("/v1/closures", body | {"more": 1}), 400, "invalid_input")
    assert found["errors"] == [{"field": "more", "problem": "Extra inputs are not permitted"}]
    body["message"]["more"] = 1
    found = problem(web.post("/v1/closures", body), 400, "invalid_message")
    assert found["errors"] == [{"field": "more", "problem": "is not a field of Closure"}]
    assert web.forge.reason() == "permitted"


def test_an_unexpected_failure_says_nothing_about_itself(web, w, monkeypatch, caplog):
    secret = "sword" + "fish"

    def broken(*_):
        raise RuntimeError(secret)

    monkeypatch.setattr(web.forge.services.records, "record", broken)
    monkeypatch.setattr(web.forge.services.questions, "ask", broken)
    answer = web.get(f"/v1/records/{w.record_hash}", w.patient, headers={"X-Request-ID": "my-id"})
    assert secret not in answer.text + caplog.text
    assert "RuntimeError" in caplog.text
    assert problem(answer, 500, "internal")["instance"].endswith("my-id")


def test_nested_json_cannot_overrun_the_stack():
    """A library raises Python's limit a hundredfold; a request of 100 kB would then kill the process."""
    shown = "import api.app, sys; print(sys.getrecursionlimit())"
    run = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True, timeout=60)
    assert int(run.stdout) <= 1000


# Ledger


def test_the_ledger_says_what_to_pin(web):
    forge, stated = web.forge, web.get("/v1/ledger").json()
    head = forge.chain.head()
    assert stated["deployment"] == forge.deployment.to_json()
    assert stated["block"] == {"number": head.number, "hash": head.hash}
    assert stated["heads"] == forge.chain.state.heads
    whole = {"block": stated["block"], "digest": forge.chain.state.digest()}
    assert web.get("/v1/ledger/digest").json() == web.get("/v1/ledger/digest").json() == whole
    assert stated["confirmations"] == 2
    assert bytes.fromhex(stated["custodianKey"][2:]) == forge.services.custodian.public_key
    assert stated["token"].startswith("cz1.")


def test_what_a_wallet_must_know_to_withdraw_is_said_without_a_node(web):
    open_gate = web.get("/v1/ledger").json()
    web.forge.chain.faults.unreachable = True
    answer = web.get("/v1/ledger")
    assert answer.status_code == 200
    assert set(open_gate) - set(answer.json()) == {"block", "heads", "operations", "token"}
    assert answer.json().items() <= open_gate.items()
    assert web.get("/readyz").status_code == 503


def test_nobody_waits_for_the_digest_of_a_large_ledger(web, monkeypatch):
    forge, found = web.forge, []

    def slow(_state):
        asked = threading.Thread(target=lambda: found.append((forge.reason(), web.get("/v1/ledger").status_code)))
        asked.start()
        asked.join(10)
        found.append(web.get("/v1/ledger/digest").status_code)
        return "sha256:00"

    monkeypatch.setattr(LedgerState, "digest", slow)
    assert web.get("/v1/ledger/digest").json()["digest"] == "sha256:00"
    assert found == [("permitted", 200), 429]
    forge.mine()
    assert web.get("/v1/ledger/digest").status_code == 200, "the place is given back"


def test_a_wallet_reads_how_to_show_what_a_patient_signs(web):
    answer = web.get("/v1/clear-signing")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.json() == descriptor(web.forge.domain)
    (deployment,) = answer.json()["context"]["eip712"]["deployments"]
    facts = web.get("/v1/ledger").json()["deployment"]
    assert deployment == {
        "chainId": facts["chainId"],
        "address": facts["contracts"]["ConsentRegistry"]["address"],
    }
    (operation,) = web.get("/openapi.json").json()["paths"]["/v1/clear-signing"].values()
    example = operation["responses"]["200"]["content"]["application/json"]["example"]
    assert example["display"] == answer.json()["display"]
    problem(web.post("/v1/clear-signing", {}), 405, "method_not_allowed")


def test_readiness_follows_the_chain_and_liveness_does_not(web):
    chain = web.forge.chain
    relays = {"late": 0, "oldest": 0}
    assert web.get("/readyz").json() == {
        "status": "ready", "gate": "open", "block": chain.head().number, "lag": 0, "relays": relays,
    }  # fmt: skip
    chain.now += 20
    assert web.get("/readyz").json()["lag"] == 20
    chain.now += 20
    answer = web.get("/readyz")
    problem(answer, 503, "stale_ledger")
    assert answer.headers["retry-after"]
    chain.faults.unreachable = True
    problem(web.get("/readyz"), 503, "ledger_unavailable")
    chain.faults.unreachable = False
    chain.regress(1)
    problem(web.get("/readyz"), 503, "wrong_chain")
    assert web.get("/healthz").json() == {"status": "ok"}


def test_parties_have_the_names_of_the_directory(web, w):
    by_address = {party["address"]: party for party in web.get("/v1/parties").json()}
    assert by_address.keys() == w.names.keys()
    journal = by_address[w.journal.address]
    assert journal == {
        "address": w.journal.address,
        "did": f"did:pkh:eip155:{CHAIN_ID}:{w.journal.address}",
        "name": "Example Journal",
        "roles": ["recipient"],
        "suspended": False,
    }
    assert web.get(f"/v1/parties/{w.journal.address}").json() == journal
    assert web.get(f"/v1/parties/{w.journal.address.lower()}").json() == journal
    problem(web.get(f"/v1/parties/{w.stranger.address}"), 404, "not_found")
    problem(web.get("/v1/parties/nobody"), 400, "invalid_message")


def test_the_description_lists_every_route(web):
    described = routes(web)
    assert {path for _, path in described} >= {path for _, path in PUBLIC}
    for route in web.app.routes:
        if isinstance(route, APIRoute):
            assert {(method, route.path) for method in route.methods} <= described


# Sign-in


def test_signing_in(web, w):
    nonce = web.post("/v1/auth/nonce").json()
    assert nonce["expires_at"] == web.forge.chain.now + 300
    assert web.get(f"/v1/records/{w.record_hash}", w.patient).status_code == 200


def text_for(web, **changes):
    now = web.forge.chain.now
    fields = {
        "domain": "consent.example", "address": web.forge.world.journal.address, "statement": "Sign in to Volens.",
        "uri": URL, "chain_id": CHAIN_ID, "nonce": web.post("/v1/auth/nonce").json()["nonce"], "issued_at": now,
        "expires_at": now + 300,
    }  # fmt: skip
    return siwe.SignIn(**fields | changes).text()


def verify(web, text, by=None):
    signer = by or web.forge.world.journal
    return web.post("/v1/auth/verify", {"message": text, "signature": signer.sign(siwe.personal_digest(text))})


def test_who_does_not_sign_in(web, w):
    problem(verify(web, text_for(web), by=w.stranger), 403, "bad_signature")
    problem(verify(web, text_for(web, domain="evil.example")), 403, "refused")
    problem(verify(web, text_for(web, uri="https://evil.example")), 403, "refused")
    problem(verify(web, text_for(web, chain_id=1)), 403, "refused")
    problem(verify(web, text_for(web, nonce="inventedbyme")), 403, "refused")
    problem(verify(web, text_for(web, expires_at=web.forge.chain.now)), 410, "expired")
    problem(verify(web, "let me in"), 400, "invalid_input")
    problem(web.post("/v1/auth/verify", {"message": "x" * 9000, "signature": "0x00"}), 400, "invalid_input")
    problem(web.post("/v1/auth/verify", {"message": text_for(web), "signature": "sig"}), 400, "invalid_message")


# Documents


def test_documents_are_kept_when_they_are_published(web, w):
    assert web.get(f"/v1/documents/{w.form.hash}").json() == w.form.to_json()
    terms = channel_terms("journal", w.journal.address)
    problem(web.post("/v1/documents", terms.to_json()), 404, "not_found")
    web.forge.chain.emit(Published(0, w.journal.address, terms.hash))
    answer = web.post("/v1/documents", terms.to_json())
    assert (answer.status_code, answer.json()) == (201, {"id": terms.hash})
    problem(web.post("/v1/documents", {"type": "Novel"}), 400, "invalid_message")
    problem(web.post("/v1/documents", w.form.to_json() | {"more": 1}), 400, "invalid_message")
    problem(web.post("/v1/documents", [1]), 400, "invalid_input")
    problem(web.get(f"/v1/documents/{NOWHERE}"), 404, "not_found")
    problem(web.get("/v1/documents/x"), 400, "invalid_message")


# Records


def claim(web, token, by, uri_token=None):
    answer = web.forge.answer(uri_token or token, by)
    body = {"message": answer.text(), "signature": by.sign(siwe.personal_digest(answer.text()))}
    return web.post(f"/v1/invitations/{token}/claim", body)


def test_an_invitation_from_the_hospital_to_the_answer(web, w):
    answer = web.post("/v1/invitations", {"title": "Another case"}, w.hospital)
    assert answer.status_code == 201
    token = answer.json()["token"]
    seen = web.get(f"/v1/invitations/{token}").json()
    assert (seen["controllerName"], seen["title"], seen["claimed"]) == ("Example Hospital", "Another case", False)
    problem(claim(web, token, w.mother, uri_token="another"), 403, "refused")
    assert claim(web, token, w.mother).json()["subject"] == w.mother.address
    problem(claim(web, token, w.stranger), 409, "conflict")
    assert web.get(f"/v1/invitations/{token}").json()["claimed"] is True
    problem(web.get("/v1/invitations/none"), 404, "not_found")
    problem(claim(web, "none", w.mother), 404, "not_found")
    problem(web.post("/v1/invitations", {"title": "x"}, w.journal), 403, "not_authorised")


def test_an_answer_without_a_key_is_refused(web, w):
    token = web.forge.invite("Another case")
    text = text_for(web, address=w.mother.address, uri=f"{URL}/v1/invitations/{token}/claim")
    body = {"message": text, "signature": w.mother.sign(siwe.personal_digest(text))}
    problem(web.post(f"/v1/invitations/{token}/claim", body), 400, "invalid_input")
    assert web.get(f"/v1/invitations/{token}").json()["claimed"] is False


def registration(web, record, deposits):
    return signed(web.forge, record, web.forge.world.hospital) | {
        "deposits": [
            {"item": d.item.to_json(), "sealed": d.sealed, "wrapped": "0x" + d.wrapped.hex()} for d in deposits
        ]
    }


def test_a_record_from_the_upload_to_the_reading(make_web):
    web = make_web(stage="listed")
    w, forge = web.forge.world, web.forge
    forge.claim(forge.invite())
    deposits = [forge.deposit(name) for name in w.files]
    sealed = forge.vault.contents[deposits[0].sealed]
    forge.vault.contents.clear()
    for deposit in deposits:
        path = f"/v1/records/{w.record_hash}/items/{deposit.item.name}"
        answer = web.call("PUT", path, by=w.hospital, content=sealed)
        assert answer.status_code == 201
    assert web.call("PUT", path, by=w.hospital, content=sealed).json() == {
        "sealed": deposits[0].sealed, "size": len(sealed),
    }  # fmt: skip
    problem(web.post("/v1/records", registration(web, w.record, deposits), w.hospital), 404, "not_found")
    deposits = [forge.deposit(name) for name in w.files]
    body = registration(web, w.record, deposits)
    problem(web.post("/v1/records", body, w.stranger), 403, "not_authorised")
    problem(web.post("/v1/records", body | {"signature": "0x" + "11" * 65}, w.hospital), 403, "bad_signature")
    answer = web.post("/v1/records", body, w.hospital)
    assert (answer.status_code, answer.json()) == (201, {"id": w.record_hash})
    for who in (w.patient, w.hospital):
        seen = web.get(f"/v1/records/{w.record_hash}", who).json()
        assert Record.from_json(seen["record"]) == w.record
        assert [entry["item"]["name"] for entry in seen["items"]] == list(w.files)
        assert seen["controllerName"] == "Example Hospital"
    data = web.get(f"/v1/items/{deposits[1].sealed}", w.stranger)
    assert data.content == forge.vault.contents[deposits[1].sealed], "anybody signed in may have sealed bytes"
    problem(web.get(f"/v1/items/{NOWHERE}", w.stranger), 404, "not_found")


def test_an_upload_under_an_odd_name_or_by_a_stranger_is_refused(web, w):
    path = f"/v1/records/{w.record_hash}/items"
    problem(web.call("PUT", f"{path}/a%3Ab", by=w.hospital, content=b"x"), 400, "invalid_message")
    problem(web.call("PUT", f"{path}/x.", by=w.hospital, content=b"x"), 400, "invalid_message")
    problem(web.call("PUT", f"{path}/x", by=w.stranger, content=b"x"), 403, "not_authorised")
    problem(web.call("PUT", "/v1/records/x/items/x", by=w.hospital, content=b"x"), 400, "invalid_message")
    assert b"x" not in web.forge.vault.contents.values()


@pytest.mark.parametrize("part", ["", "/grants", "/accesses"])
def test_a_record_of_somebody_else_is_not_there(web, w, part):
    for who in (w.journal, w.research, w.stranger):
        hers = problem(web.get(f"/v1/records/{w.record_hash}{part}", who), 404, "not_found")
        none = problem(web.get(f"/v1/records/{NOWHERE}{part}", who), 404, "not_found")
        assert {**hers, "instance": ""} == {**none, "instance": ""}
    problem(web.get(f"/v1/records/0x12{part}", w.patient), 400, "invalid_message")


def test_a_form_that_changed_is_told_with_the_grants(web, w):
    new = to_hash(phrase("the next form"))
    web.forge.chain.emit(Superseded(0, w.hospital.address, w.form.hash, new, True))
    web.forge.mine()
    for grant in web.get(f"/v1/records/{w.record_hash}/grants", w.patient).json():
        assert (grant["standing"], grant["newForm"]) == ("form_superseded", new)
        assert grant["endedChannels"] == grant["grant"]["channels"]
    fresh = Consent(w.patient.address, (w.grant(salt=to_hash(phrase("afresh"))),), web.forge.chain.now + 900)
    body = problem(web.send("/v1/consents", fresh, w.patient), 400, "invalid_message")
    assert "form" in json.dumps(body["errors"])


def test_grants_and_accesses_as_the_patient_reads_them(web, w):
    web.forge.ask()
    web.forge.ask(by=w.stranger, recipient=w.stranger.address)
    grants = web.get(f"/v1/records/{w.record_hash}/grants", w.patient).json()
    assert {(g["recipientName"], g["standing"]) for g in grants} == {
        ("Example Journal", "granted"),
        ("Example Research Group", "granted"),
    }
    accesses = web.get(f"/v1/records/{w.record_hash}/accesses", w.patient).json()
    assert [(a["askerName"], a["permitted"], a["reason"]) for a in accesses] == [
        ("Example Journal", True, "permitted"),
        (None, False, "recipient_not_covered"),
    ]


def test_an_offer_reaches_who_has_its_token(web, w):
    body = {"record": w.record_hash, "grants": [w.grant().to_json()], "language": "en"}
    answer = web.post("/v1/offers", body, w.hospital)
    assert answer.status_code == 201
    offer = web.get(f"/v1/offers/{answer.json()['token']}").json()
    assert offer["grants"] == [w.grant().to_json()]
    assert offer["names"] == {w.journal.address: "Example Journal"}
    assert offer["id"] == w.record_hash
    problem(web.post("/v1/offers", body, w.journal), 404, "not_found")
    problem(web.post("/v1/offers", body | {"record": NOWHERE}, w.hospital), 404, "not_found")
    problem(web.post("/v1/offers", body | {"grants": []}, w.hospital), 400, "invalid_input")
    problem(web.post("/v1/offers", body | {"grants": [{}]}, w.hospital), 400, "invalid_message")
    problem(web.get("/v1/offers/none"), 404, "not_found")


def test_an_approval_is_kept_when_the_controller_signed_it(web, w):
    approval = Approval(w.record_hash, w.journal.address, "case-report", web.forge.chain.now + 900, NOWHERE)
    answer = web.post("/v1/approvals", signed(web.forge, approval, w.hospital))
    assert (answer.status_code, answer.json()) == (201, {"id": struct_hash(approval)})
    theirs = problem(web.post("/v1/approvals", signed(web.forge, approval, w.stranger)), 404, "not_found")
    elsewhere = replace(approval, record=NOWHERE)
    none = problem(web.post("/v1/approvals", signed(web.forge, elsewhere, w.stranger)), 404, "not_found")
    assert {**theirs, "instance": ""} == {**none, "instance": ""}


# Signed messages


def test_every_signed_message_is_taken_and_followed(make_web):
    web = make_web(stage="registered")
    forge, w = web.forge, web.forge.world
    now, patient = forge.chain.now, w.patient.address
    messages = [
        ("/v1/consents", forge.consent_to()),
        ("/v1/delegations", Delegation(patient, w.mother.address, 3, now + 900, now)),
        ("/v1/revocations", Revocation(patient, (w.grant(),))),
        ("/v1/revocations/all", RevokeAll(patient, now)),
        ("/v1/suspensions", Suspension(patient, True, now)),
        ("/v1/closures", Closure(patient)),
    ]
    names = []
    for path, message in messages:
        answer = web.send(path, message, w.patient)
        assert answer.status_code == 202, answer.text
        assert answer.json()["status"] == "accepted"
        assert answer.json()["token"].startswith("cz1.")
        names.append(answer.json()["id"])
        assert web.send(path, message, w.patient).json()["id"] == names[-1]
        forge.settle()
    for name in names:
        found = web.get(f"/v1/relays/{name}").json()
        assert (found["status"], found["problem"]) == ("final", None)
        assert found["block"] > 0
        assert found["transaction"].startswith("0x")
    problem(web.get("/v1/relays/none"), 404, "not_found")


def test_a_failed_relay_says_why(make_web):
    web = make_web(stage="registered")
    w, forge = web.forge.world, web.forge
    name = web.send("/v1/consents", forge.consent_to(), w.patient).json()["id"]
    web.send("/v1/closures", Closure(w.patient.address), w.patient)
    forge.settle()
    found = web.get(f"/v1/relays/{name}").json()
    assert (found["status"], found["problem"]) == ("failed", "SubjectClosed")


def test_a_revocation_is_taken_while_the_chain_is_down(web, w):
    web.forge.chain.faults.unreachable = True
    answer = web.send("/v1/revocations", Revocation(w.patient.address, (w.grant(),)), w.patient)
    assert (answer.status_code, answer.json()["status"], answer.json()["token"]) == (202, "accepted", None)
    for path, message in (
        ("/v1/revocations/all", RevokeAll(w.patient.address, web.forge.chain.now)),
        ("/v1/suspensions", Suspension(w.patient.address, True, web.forge.chain.now)),
        ("/v1/closures", Closure(w.patient.address)),
    ):
        assert web.send(path, message, w.patient).status_code == 202
    problem(web.send("/v1/consents", web.forge.consent_to(), w.patient), 503, "ledger_unavailable")
    web.forge.chain.faults.unreachable = False
    web.forge.recover()
    assert web.forge.reason() == "revoked"


def test_a_revocation_is_taken_while_the_gate_is_closed(web, w):
    web.forge.mine()
    web.forge.reason()
    web.forge.chain.regress(1)
    problem(web.get("/readyz"), 503, "wrong_chain")
    answer = web.send("/v1/revocations", Revocation(w.patient.address, (w.grant(),)), w.patient)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")


def test_a_message_sent_to_the_wrong_place_is_refused(web, w):
    problem(web.send("/v1/revocations", Closure(w.patient.address), w.patient), 400, "invalid_message")
    problem(web.send("/v1/closures", RevokeAll(w.patient.address, 1), w.patient), 400, "invalid_message")
    assert web.forge.reason() == "permitted"


def test_somebody_elses_signature_is_refused(web, w):
    message = Revocation(w.patient.address, (w.grant(),))
    for signer in (w.patient, w.stranger):
        problem(web.send("/v1/revocations", message, w.stranger, signer), 403, "bad_signature")
    assert web.forge.reason() == "permitted"


def test_a_consent_that_does_not_hold_says_where(web, w):
    grant = w.grant(salt=NOWHERE)
    body = web.forge.consent_to(grant).to_json()
    for change, status, code, field in (
        ({"summary": "Nothing much."}, 400, "invalid_message", "grants[0].summary"),
        ({"validUntil": 1, "validFrom": 0}, 400, "invalid_message", "grants[0].validUntil"),
        ({"salt": "0x12"}, 400, "invalid_message", "grants[0].salt"),
        ({"purposes": ["curiosity"]}, 400, "unknown_code", None),
        ({"record": NOWHERE}, 404, "not_found", None),
    ):
        changed = {**body, "grants": [{**body["grants"][0], **change}]}
        try:
            signature = w.patient.sign_typed(web.forge.domain, type(web.forge.consent_to(grant)).from_json(changed))
        except Exception:  # noqa: BLE001 (it cannot even be signed)
            signature = "0x" + "11" * 65
        found = problem(
            web.post("/v1/consents", {"message": changed, "signer": w.patient.address, "signature": signature}),
            status,
            code,
        )
        assert not field or found["errors"][0]["field"] == field
    problem(web.send("/v1/consents", web.forge.consent_to(grant, deadline=-1), w.patient), 410, "expired")


# Releases and evidence


def test_a_release_over_http_and_its_evidence(web, w):
    forge = web.forge
    answer = web.post("/v1/releases", signed(forge, forge.request(), w.journal))
    assert answer.status_code == 200, answer.text
    released = answer.json()
    assert [item["name"] for item in released["items"]] == ["narrative.md", "ct.dcm"]
    assert released["grant"] == struct_hash(w.grant())
    assert [entry["kind"] for entry in forge.log()] == ["release", "outcome"], "the hand-over is written down after it"
    data = web.get(f"/v1/bundles/{released['id']}", w.journal)
    assert data.headers["content-type"] == "application/json"
    assert verify_bundle(data.content, forge.chain.head().hash, forge.deployment).decision.permitted
    problem(web.get(f"/v1/bundles/{released['id']}", w.stranger), 404, "not_found")
    problem(web.get("/v1/bundles/none", w.journal), 404, "not_found")


def test_releases_that_are_refused(web, w):
    forge = web.forge
    body = signed(forge, forge.request(), w.journal)
    assert web.post("/v1/releases", body).status_code == 200
    problem(web.post("/v1/releases", body), 409, "conflict")
    problem(web.post("/v1/releases", signed(forge, forge.request(nonce="2"), w.stranger)), 403, "bad_signature")
    problem(web.post("/v1/releases", signed(forge, forge.request(at=1), w.journal)), 410, "expired")
    refused = signed(forge, forge.request(nonce="3", items=("photo.jpg",)), w.journal)
    assert problem(web.post("/v1/releases", refused), 403, "not_authorised")["reason"] == "item_not_covered"
    by_stranger = forge.request(by=w.stranger, nonce="4")
    nowhere = forge.request(by=w.stranger, nonce="5", record=NOWHERE)
    found = [problem(web.post("/v1/releases", signed(forge, r, w.stranger)), 403, "not_authorised")
             for r in (by_stranger, nowhere)]  # fmt: skip
    assert {**found[0], "instance": ""} == {**found[1], "instance": ""}
    assert found[0]["reason"] == "no_consent"
    problem(web.post("/v1/releases", body | {"message": {**body["message"], "items": []}}), 400, "invalid_message")
    forge.chain.now += 37
    late = web.post("/v1/releases", signed(forge, forge.request(nonce="6"), w.journal))
    problem(late, 503, "stale_ledger")
    assert late.headers["retry-after"]
    forge.chain.faults.unreachable = True
    problem(web.post("/v1/releases", signed(forge, forge.request(nonce="7"), w.journal)), 503, "ledger_unavailable")


def test_a_full_disk_is_not_the_callers_fault(forge, web_over):
    forge.deafen()
    web = web_over(forge)
    problem(web.post("/v1/releases", signed(forge, forge.request(), forge.world.journal)), 503, "unavailable")


# What the logs say


def test_no_secret_and_nothing_readable_is_logged(make_web, caplog):
    for name in ("ledger", "api", "client", "wallet"):
        caplog.set_level(logging.DEBUG, name)
    web = make_web()
    forge, w = web.forge, web.forge.world
    token = web.post("/v1/invitations", {"title": "A title like no other"}, w.hospital).json()["token"]
    bearer = web.token(w.journal)
    claim(web, token, w.mother)
    web.post("/v1/releases", signed(forge, forge.request(), w.journal))
    web.post("/v1/releases", signed(forge, forge.request(nonce="2", items=("photo.jpg",)), w.journal))
    web.send("/v1/revocations", Revocation(w.patient.address, (w.grant(),)), w.patient)
    web.send("/v1/consents", forge.consent_to(w.grant(salt=NOWHERE)), w.patient)
    forge.settle()
    forge.chain.reorganise(3)
    forge.reason()
    forge.chain.faults.forge_proofs = -1
    forge.mine()
    forge.reason()
    forge.chain.faults.forge_proofs = 0

    def broken(*_):
        raise LedgerUnavailable("out of reach")

    forge.services.relays._sender = type("Broken", (), {"simulate": broken})()
    web.send("/v1/closures", Closure(w.patient.address), w.patient)
    forge.chain.regress(1)
    forge.reason()
    with forge.store.begin() as tx:
        kept = [str(row) for row in tx._db.exec_driver_sql("SELECT custody_wrap FROM items").scalars()]
    text = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    assert caplog.records, "there is something to look through"
    secrets = [
        "A title like no other", "An example case", token, bearer, w.grant().summary, "narrative.md", "Example",
        w.patient.secret.reveal().hex(), phrase("custodian").hex(), *kept,
    ]  # fmt: skip
    for secret in secrets:
        assert secret not in text


def test_the_answers_never_hold_custody_wraps_or_database_words(web, w):
    with web.forge.store.begin() as tx:
        kept = list(tx._db.exec_driver_sql("SELECT custody_wrap FROM items").scalars())
    answers = [
        web.get(f"/v1/records/{w.record_hash}", w.patient).text,
        web.post("/v1/releases", signed(web.forge, web.forge.request(), w.journal)).text,
        json.dumps(web.get(f"/v1/records/{w.record_hash}/accesses", w.patient).json()),
    ]
    for answer in answers:
        assert all(wrap not in answer for wrap in kept)
        assert "custody" not in answer
