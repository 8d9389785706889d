"""Two users on every route: nobody sees, changes or even notices what is another's.

Each route of the OpenAPI document has a row that says how to ask it about an object, and who may. Everybody else asks
twice, about somebody's object and about one that does not exist, and must get the same answer, byte for byte.

A new route fails `test_every_route_has_a_row` until it has one here.
"""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import MagicMock

import pytest

from api.app import create_app
from ledger import sealing
from ledger.documents import Profile
from ledger.events import Registered
from ledger.model import (
    Approval,
    Closure,
    Consent,
    Delegation,
    Hash,
    Item,
    Message,
    Record,
    Revocation,
    RevokeAll,
    Suspension,
    address,
    to_hash,
)
from ledger.services.records import Deposit
from ledger.state import ROLE_CONTROLLER, ROLE_RECIPIENT
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import CHAIN_ID, key, phrase
from wallet.keys import SigningKey

OTHERS = ("other patient", "other steward", "other hospital", "other journal", "stranger")
NOWHERE = to_hash(phrase("a record that does not exist"))
UNKNOWN = address("0x" + "77" * 20)


@dataclass(frozen=True)
class Case:
    """What somebody asks about: an object that is there, or one that is not."""

    web: Any
    caller: SigningKey
    record: Hash
    subject: str
    sealed: str
    decision: str
    relay: str
    root: str

    @property
    def world(self) -> Any:
        return self.web.forge.world

    @property
    def now(self) -> int:
        return int(self.web.forge.chain.now)

    def signed(self, message: Message, **more: Any) -> dict[str, Any]:
        """A message as the caller signs it."""
        return {
            "message": message.to_json(),
            "signature": self.caller.sign_typed(self.web.forge.domain, message),
            **more,
        }

    def relayed(self, message: Message) -> dict[str, Any]:
        return self.signed(message, signer=self.caller.address)


@dataclass(frozen=True)
class Row:
    """How a route is asked about an object.

    Attributes:
        path, body: of the request, for a case.
        may: who gets an answer; the object's existence is proved by it.
        refused: the statuses others may get. 404 unless the route says no before it looks at any object.
        open: whether it is asked without a token too; otherwise that is 401.
    """

    path: Callable[[Case], str]
    body: Callable[[Case], Any] | None = None
    may: tuple[str, ...] = ()
    refused: tuple[int, ...] = (404,)
    open: bool = False


def fixed(path: str) -> Row:
    """A route about nobody's object: everybody gets the same."""
    return Row(lambda _: path, refused=(200,), open=True)


def question(case: Case) -> dict[str, Any]:
    return {
        "subject": {"type": "recipient", "id": case.web.forge.deployment.did(case.caller.address)},
        "action": {
            "name": "view",
            "properties": {"purpose": "case-report", "channel": "journal", "items": ["narrative.md"]},
        },
        "resource": {"type": "record", "id": case.record},
    }


def message(make: Callable[[Case], Message]) -> Callable[[Case], dict[str, Any]]:
    return lambda case: case.relayed(make(case))


def grant_of(case: Case) -> Any:
    return case.world.grant(record=case.record)


def cohort(case: Case) -> dict[str, Any]:
    """A consent that the patient signed, and that somebody has."""
    w = case.world
    consent = Consent(w.patient.address, (w.grant(record=case.record, salt=to_hash(phrase("cohort"))),), case.now + 900)
    signature = w.patient.sign_typed(case.web.forge.domain, consent)
    return {"consents": [{"message": consent.to_json(), "signer": w.patient.address, "signature": signature}]}


SIGNED_FOR: dict[str, Any] = {"may": ("patient",), "refused": (403,), "open": True}
"""Whoever signed it counts, so a stranger's signature is refused before anything is looked up."""
PARTIES = ("patient", "hospital")

ROWS: dict[tuple[str, str], Row] = {
    ("GET", "/healthz"): fixed("/healthz"),
    ("GET", "/readyz"): fixed("/readyz"),
    ("GET", "/v1/ledger"): fixed("/v1/ledger"),
    ("GET", "/v1/ledger/digest"): fixed("/v1/ledger/digest"),
    ("GET", "/v1/clear-signing"): fixed("/v1/clear-signing"),
    ("GET", "/v1/parties"): fixed("/v1/parties"),
    ("GET", "/.well-known/authzen-configuration"): fixed("/.well-known/authzen-configuration"),
    ("GET", "/v1/log"): fixed("/v1/log"),
    ("GET", "/v1/log/checkpoint"): fixed("/v1/log/checkpoint"),
    ("GET", "/v1/log/proof"): fixed("/v1/log/proof?index=0&size=1"),
    ("GET", "/v1/log/leaves"): fixed("/v1/log/leaves"),
    # counts change with every request; that they name nobody is in test_operations.py
    ("GET", "/metrics"): Row(lambda _: "/metrics", refused=(200,), open=True),
    ("POST", "/v1/auth/nonce"): Row(lambda _: "/v1/auth/nonce", lambda _: None, refused=(200,), open=True),
    ("POST", "/v1/auth/verify"): Row(
        lambda _: "/v1/auth/verify",
        lambda case: {"message": f"I am {case.subject}", "signature": "0x" + "11" * 65},
        refused=(400,),
        open=True,
    ),
    # the Directory and the documents are public on chain
    ("GET", "/v1/parties/{party}"): Row(lambda case: f"/v1/parties/{case.subject}", open=True),
    ("POST", "/v1/documents"): Row(
        lambda _: "/v1/documents",
        lambda case: replace(case.world.form, issuer=case.caller.address).to_json(),
        open=True,
    ),
    ("GET", "/v1/documents/{document}"): Row(lambda case: f"/v1/documents/{case.record}", open=True),
    # a token in the path is a secret: whoever does not have it can only guess
    ("GET", "/v1/invitations/{token}"): Row(lambda case: "/v1/invitations/inv_guessed", open=True),
    ("POST", "/v1/invitations/{token}/claim"): Row(
        lambda _: "/v1/invitations/inv_guessed/claim",
        lambda case: {"message": "x", "signature": "0x" + "11" * 65},
        refused=(400,),
        open=True,
    ),
    ("GET", "/v1/offers/{token}"): Row(lambda _: "/v1/offers/off_guessed", open=True),
    ("GET", "/v1/offers/{token}/messages"): Row(lambda _: "/v1/offers/off_guessed/messages"),
    ("POST", "/v1/offers/{token}/messages"): Row(
        lambda _: "/v1/offers/off_guessed/messages", lambda _: {"kind": "question", "text": "Who?"}
    ),
    # the digest of encrypted bytes is known only to who was told it, and the bytes are of no use without a key
    ("GET", "/v1/items/{sealed}"): Row(lambda case: "/v1/items/" + NOWHERE, refused=(404,)),
    # records
    ("POST", "/v1/invitations"): Row(
        lambda _: "/v1/invitations", lambda case: {"title": case.record}, may=("hospital",), refused=(201, 403)
    ),
    ("GET", "/v1/records"): Row(lambda _: "/v1/records", may=("patient",), refused=(200,)),
    ("GET", "/v1/records/{record}"): Row(lambda case: f"/v1/records/{case.record}", may=PARTIES),
    ("GET", "/v1/records/{record}/grants"): Row(lambda case: f"/v1/records/{case.record}/grants", may=PARTIES),
    ("GET", "/v1/records/{record}/accesses"): Row(lambda case: f"/v1/records/{case.record}/accesses", may=PARTIES),
    ("PUT", "/v1/records/{record}/items/{name}"): Row(
        lambda case: f"/v1/records/{case.record}/items/narrative.md", may=("hospital",), refused=(201, 403)
    ),
    ("POST", "/v1/records"): Row(
        lambda _: "/v1/records",
        lambda case: {
            "message": replace(case.world.record, subject=case.subject).to_json(),
            "signature": "0x" + "11" * 65,
            "deposits": [
                {"item": item.to_json(), "sealed": case.sealed, "wrapped": "0x00"} for item in case.world.items
            ],
        },
        refused=(403,),
    ),
    ("POST", "/v1/offers"): Row(
        lambda _: "/v1/offers",
        lambda case: {"record": case.record, "grants": [grant_of(case).to_json()], "language": "en"},
        may=("hospital",),
    ),
    ("POST", "/v1/approvals"): Row(
        lambda _: "/v1/approvals",
        lambda case: case.signed(
            Approval(case.record, case.world.research.address, "HRESCH", case.now + 900, to_hash(phrase("approval")))
        ),
        may=("hospital",),
        open=True,
    ),
    # references: whoever holds a code may look; that a code nobody made reads the same is in test_references.py
    ("POST", "/v1/records/{record}/references"): Row(
        lambda case: f"/v1/records/{case.record}/references",
        lambda case: {"recipient": case.world.journal.address},
        may=("journal", *PARTIES),
    ),
    ("GET", "/v1/records/{record}/references"): Row(
        lambda case: f"/v1/records/{case.record}/references", may=("journal", *PARTIES)
    ),
    ("GET", "/v1/verify/{reference}"): fixed("/v1/verify/guessed"),
    ("GET", "/v1/badge/{reference}.svg"): fixed("/v1/badge/guessed.svg"),
    ("GET", "/v1/qr/{reference}.svg"): fixed("/v1/qr/00000-00000-00000-00000.svg"),
    # changes: a list of one's own, which is empty for others; what is in it is in test_changes.py
    ("GET", "/v1/changes"): Row(lambda _: "/v1/changes", may=("journal", *PARTIES), refused=(200,)),
    ("GET", "/v1/events"): Row(lambda _: "/v1/events?since=nothing", refused=(400,)),
    # signed messages
    ("POST", "/v1/consents"): Row(
        lambda _: "/v1/consents",
        message(lambda case: Consent(case.caller.address, (grant_of(case),), case.now + 900)),
        may=("patient",),
        open=True,
    ),
    ("POST", "/v1/revocations"): Row(
        lambda _: "/v1/revocations", message(lambda case: Revocation(case.subject, (grant_of(case),))), **SIGNED_FOR
    ),
    ("POST", "/v1/revocations/all"): Row(
        lambda _: "/v1/revocations/all", message(lambda case: RevokeAll(case.subject, case.now)), **SIGNED_FOR
    ),
    ("POST", "/v1/suspensions"): Row(
        lambda _: "/v1/suspensions", message(lambda case: Suspension(case.subject, True, case.now)), **SIGNED_FOR
    ),
    ("POST", "/v1/closures"): Row(lambda _: "/v1/closures", message(lambda case: Closure(case.subject)), **SIGNED_FOR),
    ("POST", "/v1/delegations"): Row(
        lambda _: "/v1/delegations",
        message(lambda case: Delegation(case.subject, case.world.mother.address, 1, case.now + 900, case.now)),
        **SIGNED_FOR,
    ),
    # its name is the hash of a message with its salts; it says how far that is, and nothing of what it is
    # by a listed controller, or it is not looked at
    ("POST", "/v1/cohorts"): Row(lambda _: "/v1/cohorts", cohort, may=("hospital",), refused=(403, 404)),
    ("GET", "/v1/cohorts/{root}"): Row(lambda case: f"/v1/cohorts/{case.root}", may=("hospital",)),
    ("GET", "/v1/relays/{relay}"): Row(lambda _: "/v1/relays/rly_guessed", open=True),
    # questions
    ("POST", "/access/v1/evaluation"): Row(
        lambda _: "/access/v1/evaluation", question, may=("journal",), refused=(200,)
    ),
    ("POST", "/access/v1/evaluations"): Row(
        lambda _: "/access/v1/evaluations",
        lambda case: question(case) | {"evaluations": [{}, {"action": {"name": "view"}}]},
        may=("journal",),
        refused=(200,),
    ),
    ("POST", "/access/v1/search/subject"): Row(
        lambda _: "/access/v1/search/subject", question, may=("journal", "hospital", "patient"), refused=(200,)
    ),
    ("POST", "/access/v1/search/resource"): Row(
        lambda _: "/access/v1/search/resource", question, may=("journal",), refused=(200,)
    ),
    ("POST", "/access/v1/search/action"): Row(
        lambda _: "/access/v1/search/action", question, may=("journal",), refused=(200,)
    ),
    ("POST", "/v1/releases"): Row(
        lambda _: "/v1/releases",
        lambda case: case.signed(
            case.web.forge.request(case.caller, record=case.record, nonce=case.record + case.caller.address)
        ),
        may=("journal",),
        refused=(403,),
        open=True,
    ),
    ("GET", "/v1/bundles/{decision}"): Row(lambda case: f"/v1/bundles/{case.decision}", may=("journal",)),
}


def routes() -> list[tuple[str, str]]:
    paths = create_app(MagicMock()).openapi()["paths"]
    return sorted((method.upper(), path) for path, entry in paths.items() for method in entry)


def test_every_route_has_a_row():
    assert sorted(ROWS) == routes(), "say in ROWS how the new route is asked about an object, and who may"


@pytest.fixture
def web(make_web):
    """Two hospitals, two journals, two patients; only the first of each has to do with the record.

    The others have a record of their own, about which a steward decides too.
    """
    made = make_web()
    forge, others = made.forge, []
    for name, kind, role in (
        ("other hospital", "hospital", ROLE_CONTROLLER),
        ("other journal", "journal", ROLE_RECIPIENT),
    ):
        profile = Profile(1, f"The {name}", kind)
        others.append(Registered(0, key(name).address, role, profile.hash, profile.data_uri()))
    forge.chain.emit(*others)
    made.other_record = record_of_others(forge)
    consent = forge.consent_to(forge.world.grant(salt=to_hash(phrase("in a cohort"))))
    signed = consent, consent.subject, forge.signature(consent, forge.world.patient)
    made.root = forge.services.cohorts.accept(forge.world.hospital.address, [signed]).cohort.root
    forge.settle()
    return made


def record_of_others(forge: Any) -> Hash:
    """A record of the other hospital, registered."""
    records, hospital, content = forge.services.records, key("other hospital"), b"A note about somebody else."
    people = key("other patient"), key("other steward")
    for person in people:
        forge.claim(records.invite(hospital.address, "Another case"), person)
    digest, salt = to_hash(hashlib.sha256(content).digest()), to_hash(phrase("another salt"))
    item = Item("note.md", "text/markdown", len(content), digest, salt)
    found, data = sealing.seal_bytes(content)
    sealed, _ = records.upload(hospital.address, [data])
    info = sealing.deposit_info(
        chain_id=CHAIN_ID, registry=forge.domain.registry, item=struct_hash(item), controller=hospital.address
    )
    deposit = Deposit(item, sealed, sealing.hpke_wrap(found.identity, forge.services.custodian.public_key, info))
    subject, steward = (person.address for person in people)
    record = Record(hospital.address, subject, (steward,), "Another case", (struct_hash(item),), 1, salt)
    name: Hash = records.register(hospital.address, record, forge.signature(record, hospital), [deposit])
    return name


def who(web: Any, name: str) -> SigningKey:
    """Somebody of the world, or of the others."""
    return key(name) if name in OTHERS or name == "nobody" else getattr(web.forge.world, name)


def cases(web: Any, name: str) -> tuple[Case, Case]:
    """About somebody's object, and about one that is not there, as somebody."""
    w, caller = web.forge.world, who(web, name)
    decision = web.forge.ask().id
    there = Case(
        web, caller, w.record_hash, w.patient.address, web.forge.deposits[0].sealed, decision, "rly_x", web.root
    )
    nothing = {"record": NOWHERE, "subject": UNKNOWN, "sealed": NOWHERE, "decision": "dec_" + "0" * 32, "root": NOWHERE}
    return there, replace(there, **nothing)


def ask(row: Row, route: tuple[str, str], case: Case, signed_in: bool) -> Any:
    method, path = route[0], row.path(case)
    if method == "PUT":
        return case.web.call(method, path, by=case.caller if signed_in else None, content=b"something of one's own")
    body = row.body(case) if row.body else None
    return case.web.call(method, path, body, case.caller if signed_in else None)


def heard(answer: Any, case: Case) -> tuple[int, str, Any]:
    """An answer without what differs between any two answers: names of requests and decisions, tokens, the object."""
    text = re.sub(r"[0-9a-f]{16}(?=\"\})|req_\w+|(dec|inv|off)_[\w-]+|cz1\.[\w-]+", "#", answer.text)
    for name, value in (("record", case.record), ("subject", case.subject), ("root", case.root)):
        text = text.replace(value, name)
    text = re.sub(r'"(instance|nonce|expires_at|access_token)": ?"?[^",}]*', r'"\1"', text)
    headers = {name for name in answer.headers if name != "content-length"}
    return answer.status_code, answer.headers.get("content-type"), (text, sorted(headers))


def readable(web: Any) -> list[str]:
    """What of the record nobody else may read."""
    w = web.forge.world
    texts = [w.record.title, *(grant.summary for grant in web.forge.grants()), *(item.salt for item in w.items)]
    return [*texts, w.record.salt, w.patient.address]


@pytest.mark.parametrize("route", sorted(ROWS), ids=" ".join)
def test_to_others_it_does_not_exist(web, route):
    row = ROWS[route]
    for name in (*OTHERS, "nobody"):
        signed_in = name != "nobody"
        if not signed_in and not row.open:
            there, nothing = cases(web, name)
            answers = [ask(row, route, case, False) for case in (there, nothing)]
            assert [answer.status_code for answer in answers] == [401, 401]
            continue
        there, nothing = cases(web, name)
        one, two = (ask(row, route, case, signed_in) for case in (there, nothing))
        assert one.status_code in row.refused, (name, one.text)
        if route != ("GET", "/metrics"):
            assert heard(one, there) == heard(two, nothing), name
            if route[1].startswith("/v1/records/") or route[1].startswith(("/v1/releases", "/access/")):
                assert len(one.content) == len(two.content), name
        for text in readable(web):
            assert text not in one.text.replace(json.dumps(row.path(there)), ""), (name, text)


@pytest.mark.parametrize("route", [route for route in sorted(ROWS) if ROWS[route].may], ids=" ".join)
def test_whose_it_is_gets_an_answer(web, route):
    """Without this a row that asks nonsense would pass the test above."""
    row = ROWS[route]
    for name in row.may:
        there, _ = cases(web, name)
        answer = ask(row, route, there, True)
        assert answer.status_code < 300, (name, answer.text)
        if route == ("POST", "/access/v1/evaluation"):
            assert answer.json()["decision"]
        if route == ("GET", "/v1/records"):
            assert [entry["id"] for entry in answer.json()] == [there.record]


def test_each_is_given_the_item_keys_that_are_wrapped_to_her_and_no_others(web):
    w, records = web.forge.world, web.forge.services.records
    readers = {"patient": w.record_hash, "other patient": web.other_record, "other steward": web.other_record}
    own = {name: records.wraps(who(web, name).address, record) for name, record in readers.items()}
    assert [len(wraps) for wraps in own.values()] == [len(w.files), 1, 1]
    told = {name: ["0x" + wrap.hex() for wrap in wraps] for name, wraps in own.items()}
    for name, record in readers.items():
        one = web.get(f"/v1/records/{record}", who(web, name)).json()
        assert one["wraps"] == told[name]
        listed = web.get("/v1/records", who(web, name)).json()  # a steward's, once she has agreed
        assert [entry["wraps"] for entry in listed] == ([] if name == "other steward" else [told[name]])
    for name, record in (("hospital", w.record_hash), ("other hospital", web.other_record)):
        assert web.get(f"/v1/records/{record}", who(web, name)).json()["wraps"] == []
    # Whoever has the link of an offer reads it without signing in.
    offer = records.offer(w.hospital.address, w.record_hash, web.forge.grants(), "en")
    for by in (None, w.patient):
        assert "wraps" not in web.get(f"/v1/offers/{offer}", by).json()


def test_what_others_tried_changed_nothing(web):
    before = web.forge.chain.state.digest(), web.forge.reason()
    for route, row in sorted(ROWS.items()):
        for name in OTHERS:
            ask(row, route, cases(web, name)[0], True)
    web.forge.settle()
    assert (web.forge.chain.state.digest(), web.forge.reason()) == before
    assert before[1] == "permitted"
