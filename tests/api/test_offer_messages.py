"""Talking about an offer before signing: the two sides, and nobody else."""

import pytest

from ledger.model import RIGHT_GRANT, RIGHT_REVOKE, Delegation, Suspension
from ledger.services.records import MAX_MESSAGES
from scripts.vector_sources.world import key


@pytest.fixture
def offered(web):
    world = web.forge.world
    token = web.forge.services.records.offer(world.hospital.address, world.record_hash, (world.grant(),), "en")
    return web, f"/v1/offers/{token}/messages"


def said(answer):
    return [(entry["kind"], entry["text"]) for entry in answer.json()]


def test_a_question_its_answer_and_a_refusal(offered):
    web, path = offered
    world = web.forge.world
    assert web.post(path, {"kind": "question", "text": "Who reads it?"}, by=world.patient).status_code == 201
    assert web.post(path, {"kind": "answer", "text": "Doctors."}, by=world.hospital).status_code == 201
    both = [("question", "Who reads it?"), ("answer", "Doctors.")]
    assert said(web.get(path, by=world.patient)) == said(web.get(path, by=world.hospital)) == both
    assert said(web.post(path, {"kind": "decline"}, by=world.patient)) == [*both, ("decline", "")]


def test_to_everybody_else_the_offer_does_not_exist(offered):
    web, path = offered
    web.post(path, {"kind": "question", "text": "Who?"}, by=web.forge.world.patient)
    unknown = "/v1/offers/off_guessed/messages"
    for who in (web.forge.world.journal, key("stranger")):
        for method, body in (("GET", None), ("POST", {"kind": "question", "text": "Who?"})):
            answers = [web.call(method, address, body, by=who) for address in (path, unknown)]
            assert [answer.status_code for answer in answers] == [404, 404]
            details = {answer.json()["detail"] for answer in answers}
            assert len(details) == 1
    assert web.get(path).status_code == 401


def test_a_delegate_with_every_right_may_speak_for_her_but_sees_nothing(offered):
    """She may withdraw, and agree by her signature; the record, the material and the talk stay the subject's."""
    web, path = offered
    forge, world = web.forge, web.forge.world
    subject, delegate, now = world.patient.address, key("delegate"), forge.chain.now
    forge.accept(Delegation(subject, delegate.address, RIGHT_REVOKE | RIGHT_GRANT, now + 1000, now))
    forge.settle()
    record = f"/v1/records/{world.record_hash}"
    for address in (path, record, f"{record}/grants", f"{record}/accesses"):
        assert web.get(address, by=world.patient).status_code == 200
        assert web.get(address, by=delegate).status_code == 404
    assert web.post(path, {"kind": "decline"}, by=delegate).status_code == 404
    assert web.get("/v1/records", by=delegate).json() == []
    message = Suspension(subject, True, now)
    body = {
        "message": message.to_json(),
        "signer": delegate.address,
        "signature": delegate.sign_typed(forge.domain, message),
    }
    assert web.post("/v1/suspensions", body).status_code == 202


@pytest.mark.parametrize(
    ("who", "body"),
    [
        ("hospital", {"kind": "question", "text": "Who?"}),
        ("hospital", {"kind": "decline", "text": ""}),
        ("patient", {"kind": "answer", "text": "Doctors."}),
        ("patient", {"kind": "question", "text": ""}),
        ("patient", {"kind": "question", "text": "x" * 2001}),
        ("patient", {"kind": "question", "text": "\u202eevil"}),
        ("patient", {"kind": "shout", "text": "Who?"}),
    ],
)
def test_nobody_speaks_for_the_other_side_or_too_much(offered, who, body):
    web, path = offered
    assert web.post(path, body, by=getattr(web.forge.world, who)).status_code == 400
    assert said(web.get(path, by=web.forge.world.patient)) == []


def test_there_is_an_end_to_talking(offered):
    web, path = offered
    for _ in range(MAX_MESSAGES):
        web.post(path, {"kind": "question", "text": "Who?"}, by=web.forge.world.patient)
    assert web.post(path, {"kind": "question", "text": "Who?"}, by=web.forge.world.patient).status_code == 409
    assert len(said(web.get(path, by=web.forge.world.patient))) == MAX_MESSAGES


def test_what_was_said_is_erased_with_the_record(offered):
    web, path = offered
    world = web.forge.world
    web.post(path, {"kind": "question", "text": "Is my neighbour a reader?"}, by=world.patient)
    with web.forge.store.begin() as tx:
        assert tx.erase(world.record_hash, web.forge.chain.now) is not None
    assert web.get(path, by=world.patient).status_code == 404
    assert b"neighbour" not in web.forge.store._engine.raw_connection().driver_connection.serialize()
