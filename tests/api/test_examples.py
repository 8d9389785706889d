"""Every request and answer of the OpenAPI document has an example, and the examples are what is said today.

A whole story is told to the service: `make examples` writes down what was asked and answered. The tests tell it again
and compare, so an answer that changes its form fails here until the examples are written anew, all of one story.
"""

import json
import os
import re

import pytest
from conftest import Web
from json_schema import check

from api.description import EXAMPLES
from api.routes import changes
from ledger import siwe
from ledger.model import MESSAGES, Approval, Closure, Consent, Delegation, Revocation, RevokeAll, Suspension, to_hash
from ledger.typed_data import Domain, recover
from scripts.vector_sources.world import DAY, phrase

AGE_HEADER = re.compile(rb"\A[^\n]*\n(->[^\n]*\n[^\n]*\n)?")
"""The readable beginning of sealed bytes."""


class Recorded(Web):
    """The service, and what was asked and answered first of each kind.

    Attributes:
        examples: by operation its parameters, its body and its answers by status.
    """

    def __init__(self, forge):
        super().__init__(forge)
        self.examples = {}
        templates = sorted(self.app.openapi()["paths"], key=lambda path: path.count("{"))
        self._paths = {path: re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", path)) for path in templates}

    def call(self, method, path, body=None, by=None, **options):
        answer = super().call(method, path, body, by, **options)
        assert answer.status_code < 300, (method, path, answer.text)
        url = answer.request.url
        template, found = next((t, m) for t, shape in self._paths.items() if (m := shape.fullmatch(url.path)))
        entry = self.examples.setdefault(f"{method} {template}", {"answers": {}})
        query = {name: int(value) if value.isdigit() else value for name, value in url.params.items()}
        if parameters := found.groupdict() | query:
            entry.setdefault("parameters", parameters)
        if body is not None or "content" in options:
            entry.setdefault("request", written(options["content"]) if body is None else body)
        entry["answers"].setdefault(str(answer.status_code), said(answer))
        return answer


def said(answer):
    """An answer as it stands in the document."""
    kind = answer.headers["content-type"]
    if kind.endswith("json"):
        return answer.json()
    return written(answer.content) if kind == "application/octet-stream" else answer.text


def written(data):
    return AGE_HEADER.match(data)[0].decode()


def story(web, monkeypatch):
    """Every route once, from the first sign-in to the end of everything."""
    forge, w = web.forge, web.forge.world
    patient, now = w.patient.address, forge.chain.now
    for path in (
        "/healthz",
        "/metrics",
        "/readyz",
        "/v1/ledger",
        "/v1/ledger/digest",
        "/v1/clear-signing",
        "/.well-known/authzen-configuration",
    ):
        web.get(path)
    web.get("/v1/parties")
    web.get(f"/v1/parties/{w.journal.address}")
    nonce = web.post("/v1/auth/nonce").json()["nonce"]
    text = siwe.SignIn(
        "consent.example", w.hospital.address, "Sign in to Volens.", "https://consent.example", forge.domain.chain_id,
        nonce, now, now + 300,
    ).text()  # fmt: skip
    web.post("/v1/auth/verify", {"message": text, "signature": w.hospital.sign(siwe.personal_digest(text))})
    form = web.post("/v1/documents", w.form.to_json()).json()["id"]
    web.get(f"/v1/documents/{form}")

    # a record
    invitation = web.post("/v1/invitations", {"title": w.record.title}, w.hospital).json()["token"]
    web.get(f"/v1/invitations/{invitation}")
    text = forge.answer(invitation).text()
    body = {"message": text, "signature": w.patient.sign(siwe.personal_digest(text))}
    web.post(f"/v1/invitations/{invitation}/claim", body)
    deposits = [forge.deposit(name) for name in w.files]
    for deposit in deposits:
        path = f"/v1/records/{w.record_hash}/items/{deposit.item.name}"
        web.call("PUT", path, by=w.hospital, content=forge.vault.contents[deposit.sealed])
    body = signed(web, w.record, w.hospital) | {
        "deposits": [
            {"item": d.item.to_json(), "sealed": d.sealed, "wrapped": "0x" + d.wrapped.hex()} for d in deposits
        ]
    }
    web.post("/v1/records", body, w.hospital)
    web.get("/v1/records", w.patient)
    web.get(f"/v1/records/{w.record_hash}", w.patient)
    sealed = f"/v1/items/{deposits[0].sealed}"
    web.get(sealed, w.journal)
    web.get(sealed, w.journal, headers={"Range": "bytes=0-21"})

    # a consent
    body = {"record": w.record_hash, "grants": [grant.to_json() for grant in forge.grants()], "language": "en"}
    offer = web.post("/v1/offers", body, w.hospital).json()["token"]
    web.get(f"/v1/offers/{offer}")
    web.post(f"/v1/offers/{offer}/messages", {"kind": "question", "text": "Will my face be seen?"}, w.patient)
    web.post(f"/v1/offers/{offer}/messages", {"kind": "answer", "text": "No, only the slice."}, w.hospital)
    web.get(f"/v1/offers/{offer}/messages", w.patient)
    relay = web.send("/v1/consents", forge.consent_to(), w.patient).json()["id"]
    forge.settle()
    web.get(f"/v1/relays/{relay}")
    web.get(f"/v1/records/{w.record_hash}/grants", w.patient)
    approval = Approval(w.record_hash, w.research.address, "HRESCH", now + DAY, to_hash(phrase("approval")))
    web.post("/v1/approvals", signed(web, approval, w.hospital))
    late = Consent(patient, (w.grant(salt=to_hash(phrase("one of many"))),), forge.chain.now + DAY)
    consents = [signed(web, late, w.patient) | {"signer": patient}]
    cohort = web.post("/v1/cohorts", {"consents": consents}, w.hospital).json()["root"]
    forge.settle()
    web.get(f"/v1/cohorts/{cohort}", w.hospital)

    # questions, and what is handed over
    subject = {"type": "recipient", "id": forge.deployment.did(w.journal.address)}
    resource = {"type": "record", "id": w.record_hash}
    properties = {"purpose": "case-report", "channel": "journal"}
    question = {
        "subject": subject,
        "action": {"name": "publish", "properties": properties | {"items": ["narrative.md", "ct.dcm"]}},
        "resource": resource,
    }
    social = {"name": "publish", "properties": properties | {"channel": "social:instagram", "items": ["ct.dcm"]}}
    web.post("/access/v1/evaluation", question, w.journal)
    web.post("/access/v1/evaluations", question | {"evaluations": [{}, {"action": social}]}, w.journal)
    web.post("/access/v1/search/subject", question | {"subject": {"type": "recipient"}}, w.hospital)
    web.post("/access/v1/search/resource", question | {"resource": {"type": "record"}}, w.journal)
    web.post("/access/v1/search/action", {"subject": subject, "resource": resource}, w.journal)
    released = web.post("/v1/releases", signed(web, forge.request(), w.journal)).json()["id"]
    web.get(f"/v1/bundles/{released}", w.journal)
    web.get(f"/v1/records/{w.record_hash}/accesses", w.patient)
    references = f"/v1/records/{w.record_hash}/references"
    code = web.post(references, {"recipient": w.journal.address}, w.journal).json()["reference"]
    web.get(references, w.hospital)
    for path in (f"/v1/verify/{code}", f"/v1/badge/{code}.svg", f"/v1/qr/{code}.svg"):
        web.get(path)

    # what happened
    for _ in range(2):
        forge.services.log.anchor()
        forge.mine(3)
    for path in ("", "/checkpoint", "/proof?index=0&size=2", "/leaves?first=0&limit=2"):
        web.get(f"/v1/log{path}")
    web.get("/v1/changes", w.journal)
    clock = iter(range(10_000))
    monkeypatch.setattr(changes, "monotonic", lambda: next(clock))
    monkeypatch.setattr(changes, "LIFE", 2)
    web.get("/v1/events", w.journal)
    monkeypatch.undo()

    # the end
    for path, message in (
        ("/v1/delegations", Delegation(patient, w.mother.address, 1, now + DAY, now)),
        ("/v1/revocations", Revocation(patient, (w.grant(),))),
        ("/v1/suspensions", Suspension(patient, True, now)),
        ("/v1/revocations/all", RevokeAll(patient, now)),
        ("/v1/closures", Closure(patient)),
    ):
        web.send(path, message, w.patient)
    return web.examples


def signed(web, message, by):
    return {"message": message.to_json(), "signature": by.sign_typed(web.forge.domain, message)}


def form_of(value):
    """What stays the same when the story is told again: names and types, not values."""
    if isinstance(value, dict):
        return {name: form_of(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [json.loads(text) for text in sorted({json.dumps(form_of(entry)) for entry in value})]
    return type(value).__name__


@pytest.fixture(scope="module")
def document(shared_web):
    return shared_web.get("/openapi.json").json()


def test_the_examples_are_what_is_asked_and_answered_today(make_forge, monkeypatch):
    told = story(Recorded(make_forge(stage="listed")), monkeypatch)
    if os.environ.get("VOLENS_WRITE_EXAMPLES"):
        EXAMPLES.write_text(json.dumps(told, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    kept = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    assert kept.keys() == told.keys()
    for operation, example in told.items():
        assert form_of(kept[operation]) == form_of(example), f"{operation}: run make examples"


def test_every_request_and_every_success_has_an_example_that_fits_its_schema(document):
    for path, entry in document["paths"].items():
        for method, operation in entry.items():
            places = [("request", operation["requestBody"])] if "requestBody" in operation else []
            places += [(status, answer) for status, answer in operation["responses"].items() if status < "4"]
            for place, described in places:
                for content in described.get("content", {}).values():
                    assert "example" in content, f"{method} {path} has no example of its {place}"
                    wrong = check(content["example"], content.get("schema", {}), document)
                    assert not wrong, f"{method} {path}, {place}: {wrong}"
            for parameter in operation.get("parameters", ()):
                assert not parameter["required"] or "example" in parameter, f"{method} {path}: {parameter['name']}"
                if "example" in parameter:
                    assert not check(parameter["example"], parameter["schema"], document)


def test_what_is_signed_in_the_examples_was_signed(document):
    """A changed type would leave signatures behind that nobody made."""
    examples = json.loads(EXAMPLES.read_text(encoding="utf-8"))
    facts = examples["GET /v1/ledger"]["answers"]["200"]["deployment"]
    domain = Domain(facts["chainId"], facts["contracts"]["ConsentRegistry"]["address"])
    types = {
        "/v1/consents": "Consent", "/v1/delegations": "Delegation", "/v1/revocations": "Revocation",
        "/v1/revocations/all": "RevokeAll", "/v1/suspensions": "Suspension", "/v1/closures": "Closure",
    }  # fmt: skip
    for path, name in types.items():
        body = examples[f"POST {path}"]["request"]
        digest = domain.digest(MESSAGES[name].from_json(body["message"]))
        assert recover(digest, bytes.fromhex(body["signature"][2:])) == body["signer"]
