"""What is handed in or asked together, and what is large, holds up nobody: least of all a withdrawal."""

import asyncio
import logging
from dataclasses import replace

import pytest

from api.errors import MOST_NAMED
from api.quick import LARGE
from api.routes import access, consents
from api.services import LARGE_AT_ONCE, MOST_GRANTS, MOST_WAITING
from ledger.adapters import store
from ledger.errors import InvalidMessage
from ledger.model import Revocation, to_hash
from ledger.services import questions
from ledger.typed_data import struct_hash


def many(forge, count):
    """A consent with so many grants."""
    grants = [replace(forge.world.grant(), salt=to_hash(number.to_bytes(32))) for number in range(count)]
    return forge.consent_to(*grants)


def in_the_event_loop():
    try:
        return bool(asyncio.get_running_loop())
    except RuntimeError:
        return False


@pytest.fixture
def web(make_forge, web_over):
    return web_over(make_forge(stage="registered"))


def test_a_large_consent_is_read_and_taken_beside_everything_else(web, monkeypatch):
    forge, read, where = web.forge, consents.read_body, []
    monkeypatch.setattr(consents, "read_body", lambda *given: where.append(in_the_event_loop()) or read(*given))
    assert web.send("/v1/consents", many(forge, 1), forge.world.patient).status_code == 202
    answer = web.send("/v1/consents", many(forge, 40), forge.world.patient)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert where == [True, False]
    assert answer.json().keys() == web.send("/v1/consents", many(forge, 1), forge.world.patient).json().keys()


def test_a_large_revocation_is_read_beside_the_others(web, monkeypatch):
    """Anybody may send one, and those that end everything are small."""
    forge, read, where = web.forge, Revocation.from_json, []
    monkeypatch.setattr(Revocation, "from_json", lambda value: where.append(in_the_event_loop()) or read(value))
    for count in (1, 40):
        grants = many(forge, count).grants
        answer = web.send("/v1/revocations", Revocation(forge.world.patient.address, grants), forge.world.patient)
        assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    assert where == [True, False]
    with forge.store.begin() as tx:
        assert {value for _, _, value in tx.denials([forge.world.patient.address])} == set(map(struct_hash, grants))


def test_what_is_wrong_with_a_large_consent_is_said_like_that_of_a_small_one(web):
    forge = web.forge
    for count in (1, 40):
        late = replace(many(forge, count), deadline=forge.chain.now - 1)
        answers = [
            web.send("/v1/consents", late, forge.world.patient),
            web.send("/v1/consents", many(forge, count), forge.world.stranger, signer=forge.world.patient),
            web.post("/v1/consents", {"message": many(forge, count).to_json(), "signer": "0x", "signature": "0x00"}),
            web.post("/v1/consents", {"message": [0] * 10_000 * count, "signer": "0x", "signature": "0x00"}),
        ]
        assert [answer.status_code for answer in answers] == [410, 403, 400, 400]
        assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


def test_large_consents_that_wait_are_no_more_than_memory_holds(web):
    body = b" " * (LARGE + 1)

    async def hand_in():
        said, headers = [], [(b"content-type", b"application/json")]
        asked = {"type": "http", "method": "POST", "path": "/v1/consents", "query_string": b"", "headers": headers}

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            said.append(message)

        await web.app({**asked, "scheme": "https", "server": ("x", 443), "client": ("192.0.2.1", 1)}, receive, send)
        return said[0]["status"]

    async def all_at_once():
        holders, large = [object() for _ in range(LARGE_AT_ONCE)], web.forge.services.large
        for holder in holders:
            await large.acquire_on_behalf_of(holder)
        waiting = [asyncio.create_task(hand_in()) for _ in range(MOST_WAITING)]
        while large.statistics().tasks_waiting < MOST_WAITING:
            await asyncio.sleep(0)
        refused = await hand_in()
        for holder in holders:
            large.release_on_behalf_of(holder)
        return [refused, *await asyncio.gather(*waiting)]

    assert asyncio.run(all_at_once()) == [429] + [400] * MOST_WAITING


def test_a_record_is_read_once_for_all_grants_of_a_consent(make_forge, monkeypatch):
    """While it is checked the ledger and the store are held, and a withdrawal waits for the store."""
    forge, parse, read = make_forge(stage="registered"), store.Record.from_json, []
    monkeypatch.setattr(store.Record, "from_json", lambda value: read.append(1) or parse(value))
    forge.accept(many(forge, 40))
    assert len(read) == 1


def test_a_group_is_no_longer_than_its_grants(forge):
    consented, groups = forge.services.consented, []
    half = many(forge, MOST_GRANTS // 2 + 1), forge.world.patient.address, b""
    consented._work = lambda group: groups.append(len(group)) or [None] * len(group)

    async def hand_in():
        await asyncio.gather(*(consented.hand(half) for _ in range(3)))

    asyncio.run(hand_in())
    assert groups == [1, 1, 1]


@pytest.mark.parametrize("path", ["/v1/consents", "/access/v1/evaluation"])
def test_whoever_goes_away_in_the_middle_is_no_failure_of_ours(web, path, caplog):
    said = []
    heard = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])

    async def receive():
        return next(heard)

    async def send(message):
        said.append(message)

    headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer x")]
    asked = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    with caplog.at_level(logging.ERROR):
        asyncio.run(
            web.app({**asked, "scheme": "https", "server": ("x", 443), "client": ("192.0.2.1", 1)}, receive, send)
        )
    assert caplog.records == []
    assert said[0]["status"] < 500


def shared(count, size):
    """Questions that leave out what is said once, and is large."""
    return {"subject": {"properties": {"diseases": ["x" * 10] * (size // 13)}}, "evaluations": [{}] * count}


def test_what_is_said_once_for_many_questions_is_read_as_often_as_it_counts(web):
    """A megabyte that five hundred questions leave out took minutes, in which nobody could withdraw anything."""
    answer = web.call("POST", "/access/v1/evaluations", shared(500, 900_000), headers={"Authorization": "Bearer x"})
    assert answer.status_code == 401
    answer = web.post("/access/v1/evaluations", shared(500, 900_000), by=web.forge.world.journal)
    assert (answer.status_code, "counted once for each" in answer.text) == (400, True)
    answer = web.post("/access/v1/evaluations", shared(500, 1_500), by=web.forge.world.journal)
    assert (answer.status_code, len(answer.json()["evaluations"])) == (200, 500)


def test_many_questions_are_read_beside_everything_else(web, monkeypatch):
    read, where = access.read_wanted, []
    monkeypatch.setattr(access, "read_wanted", lambda *given: where.append(in_the_event_loop()) or read(*given))
    assert web.post("/access/v1/evaluations", shared(2, 100), by=web.forge.world.journal).status_code == 200
    assert where == [False, False]


@pytest.mark.parametrize("path", ["evaluation", "search/subject", "search/resource", "search/action"])
def test_a_large_question_is_read_beside_everything_else(web, monkeypatch, path):
    read, where, w = access.read_question, [], web.forge.world
    monkeypatch.setattr(access, "read_question", lambda *given: where.append(in_the_event_loop()) or read(*given))
    subject = {"type": "recipient", "id": web.forge.deployment.did(w.journal.address)}
    asked = {"action": {"name": "view"}, "resource": {"type": "record", "id": w.record_hash}}
    for size in (10, 20_000):
        properties = {"diseases": ["x" * size]}
        body = {"subject": subject | {"properties": properties}, **asked}
        assert web.post(f"/access/v1/{path}", body, by=w.journal).status_code == 200
    assert where == [True, False]


def test_a_question_that_is_too_large_is_not_written_down_to_find_that_out(forge, monkeypatch):
    monkeypatch.setattr(questions, "canonical", lambda _: 1 / 0)
    with pytest.raises(InvalidMessage, match="larger"):
        questions.require_writable(forge.world.question(facts={"diseases": ["x" * 10] * 10_000}))


@pytest.mark.parametrize("path", ["/v1/consents", "/v1/revocations", "/v1/auth/verify"])
def test_of_a_thousand_unknown_fields_not_each_is_named(web, path):
    answer = web.post(path, {f"field {number}": 0 for number in range(1000)})
    assert (answer.status_code, "64 fields" in answer.text, len(answer.json()["errors"])) == (400, True, 1)


def test_of_many_mistakes_the_first_are_named(web):
    answer = web.post("/v1/cohorts", {"consents": [{}] * 100}, by=web.forge.world.hospital)
    assert (answer.status_code, len(answer.json()["errors"])) == (400, MOST_NAMED)
