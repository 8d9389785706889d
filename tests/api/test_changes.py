"""What changed, to whom it is told, and what a reorganisation does to it; the same as a stream."""

import json
from dataclasses import replace

import pytest

from api.routes import changes as routes
from ledger.errors import TooManyRequests
from ledger.events import Closed, Granted, Published, Retracted, Revoked, RevokedAll, Superseded, Suspended
from ledger.model import Address, Revocation, to_hash
from ledger.services import changes as feed
from ledger.tokens import make_token
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import key, phrase


def page(web, by, since=""):
    answer = web.get(f"/v1/changes?since={since}", by)
    assert answer.status_code == 200, answer.text
    return answer.json()


def kinds(found):
    return [one["kind"] for one in found["changes"]]


def told(web, by, since=""):
    return kinds(page(web, by, since))


def emit(web, *events):
    web.forge.chain.emit(*events)
    web.forge.mine()


def test_everybody_hears_of_what_is_theirs_and_of_nothing_else(web):
    w = web.forge.world
    journal, research = struct_hash(w.grant()), struct_hash(w.research_grant)
    for party in (w.patient, w.hospital):
        assert {one["grant"] for one in page(web, party)["changes"]} == {journal, research}
    assert [one["grant"] for one in page(web, w.journal)["changes"]] == [journal]
    assert page(web, key("stranger"))["changes"] == []
    assert page(web, w.mother)["changes"] == []
    assert web.get("/v1/changes").status_code == 401


def test_a_steward_hears_of_her_record_and_for_a_stranger_none_is_opened(make_web, monkeypatch):
    """Opening one costs a signature or two, and everybody else waits meanwhile, withdrawals too."""
    web = make_web(stewards=("father",))
    opened, gather = [], feed.gather_many

    def counted(tx, asked, memory):
        opened.extend(asked)
        return gather(tx, asked, memory)

    monkeypatch.setattr(feed, "gather_many", counted)
    assert told(web, key("stranger")) == [] == opened
    assert told(web, key("father"))
    assert {record for record, _ in opened} == {web.forge.world.record_hash}


def test_what_is_next_is_told_once(web):
    w = web.forge.world
    first = page(web, w.journal)
    assert (kinds(first), first["more"], first["corrected"]) == (["granted"], False, False)
    assert told(web, w.journal, first["next"]) == []
    assert web.send("/v1/revocations", Revocation(w.patient.address, (w.grant(),)), w.patient).status_code == 202
    web.forge.settle()
    second = page(web, w.journal, first["next"])
    change = second["changes"][0]
    assert (kinds(second), change["record"], change["grant"]) == (["revoked"], w.record_hash, struct_hash(w.grant()))
    assert told(web, w.journal, second["next"]) == []


def test_every_kind(web):
    w, now = web.forge.world, web.forge.chain.now
    subject, hospital = w.patient.address, w.hospital.address
    since = page(web, w.journal)["next"]
    terms = next(iter(w.form.channels.values())).terms
    emit(web, Suspended(0, subject, True, now, subject), Suspended(0, subject, False, now + 1, subject))
    emit(web, RevokedAll(0, subject, now, subject), Closed(0, subject, subject))
    emit(web, Superseded(0, hospital, w.form.hash, to_hash(phrase("next")), True), Retracted(0, hospital, terms))
    emit(web, Retracted(0, key("stranger").address, w.record_hash), Retracted(0, hospital, w.record_hash))
    every = ["suspended", "resumed", "revoked_all", "closed", "document_superseded", "document_retracted"]
    for party in (w.journal, w.research, w.patient, w.hospital):
        assert told(web, party, since) == [*every, "record_retracted"]
    assert told(web, key("stranger"), since) == every[4:]  # documents are public
    # anybody can publish the hash of another's document, and end that
    other, since = key("stranger").address, page(web, w.journal)["next"]
    emit(web, Published(0, other, w.form.hash), Superseded(0, other, w.form.hash, to_hash(phrase("x")), True))
    emit(web, Retracted(0, other, w.form.hash))
    assert told(web, w.journal, since) == []
    # the same of another patient, whom nobody here knows
    other = key("other patient").address
    since = page(web, w.journal)["next"]
    emit(web, Closed(0, other, other), Granted(0, other, struct_hash(w.grant()), other))
    assert told(web, w.hospital, since) == told(web, w.journal, since) == []


def test_a_reorganisation_is_said_and_what_it_left_is_told_anew(web):
    w, grant = web.forge.world, struct_hash(web.forge.world.grant())
    subject = w.patient.address
    emit(web, Revoked(0, subject, grant, subject))
    since = page(web, w.journal)["next"]
    web.forge.chain.reorganise(2, instead=3)
    again = page(web, w.journal, since)
    assert again["corrected"]
    # whatever the new chain holds is told from its first block, as to somebody who hears it for the first time
    assert again["changes"] == page(web, w.journal)["changes"]
    assert not page(web, w.journal, again["next"])["corrected"]


def test_long_histories_come_in_pages(web, monkeypatch):
    w = web.forge.world
    whole = page(web, w.hospital)
    monkeypatch.setattr(feed, "BLOCKS", 2)
    found, since, pages = [], "", 0
    while True:
        one = page(web, w.hospital, since)
        found, since, pages = found + one["changes"], one["next"], pages + 1
        assert not one["corrected"]
        if not one["more"]:
            break
    assert (found, since) == (whole["changes"], whole["next"])
    assert pages > 2


@pytest.mark.parametrize("since", ["nonsense", "cz1.AAAA", "7", "cz1." + "A" * 600])
def test_only_tokens_of_this_ledger(web, since):
    for path in ("changes", "events"):
        assert web.get(f"/v1/{path}?since={since}", web.forge.world.journal).status_code == 400


def test_a_block_that_is_not_there_yet_is_a_correction(web):
    token = make_token(web.forge.deployment, 10_000, to_hash(phrase("tomorrow")))
    assert page(web, web.forge.world.journal, token)["corrected"]


def test_nothing_is_told_when_the_ledger_is_silent(web):
    token = web.token(web.forge.world.journal)
    web.forge.chain.faults.unreachable = True
    assert web.get("/v1/changes", headers={"Authorization": f"Bearer {token}"}).status_code == 503


def streamed(web, by, monkeypatch, rounds=3, **options):
    """The events of a stream that ends after some looks."""
    clock = iter(range(10_000))
    monkeypatch.setattr(routes, "monotonic", lambda: next(clock))
    monkeypatch.setattr(routes, "LIFE", rounds * 2)
    monkeypatch.setattr(routes, "HEARTBEAT", 2)
    web.forge.services = replace(
        web.forge.services, settings=web.forge.services.settings.model_copy(update={"head_interval": 0})
    )
    web.app.state.services = web.forge.services
    answer = web.get("/v1/events", by, **options)
    monkeypatch.undo()
    return answer


def test_a_stream_tells_the_same_and_resumes(web, monkeypatch):
    w = web.forge.world
    answer = streamed(web, w.journal, monkeypatch)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    lines = answer.text.split("\n")
    assert json.loads(next(line for line in lines if line.startswith("data: "))[6:]) == page(web, w.journal)
    last = next(line for line in lines if line.startswith("id: "))[4:]
    quiet = streamed(web, w.journal, monkeypatch, headers={"Last-Event-ID": last})
    assert "data:" not in quiet.text
    assert ": alive" in quiet.text
    emit(web, Revoked(0, w.patient.address, struct_hash(w.grant()), w.patient.address))
    more = streamed(web, w.journal, monkeypatch, headers={"Last-Event-ID": last})
    assert '"revoked"' in more.text
    assert '"granted"' not in more.text
    assert "revoked" not in streamed(web, key("stranger"), monkeypatch).text


def test_streams_are_counted_and_given_back(web, monkeypatch):
    limits, journal = web.forge.services.limits, web.forge.world.journal
    for _ in range(4):
        limits.listen(journal.address, "192.0.2.1")
    with pytest.raises(TooManyRequests):
        limits.listen(journal.address, "192.0.2.1")
    assert web.get("/v1/events", journal).status_code == 429
    limits.leave(journal.address, "192.0.2.1")
    for _ in range(6):  # each gives its place back when it ends
        assert streamed(web, journal, monkeypatch, rounds=1).status_code == 200


def test_whoever_makes_many_keys_leaves_streams_for_others(web):
    limits = web.forge.services.limits
    places = [(Address(f"0x{number:040x}"), "192.0.2.1") for number in range(1, 41)]
    for place in places:
        limits.listen(*place)
    with pytest.raises(TooManyRequests):
        limits.listen(web.forge.world.stranger.address, "192.0.2.1")
    limits.listen(web.forge.world.stranger.address, "192.0.2.2")
    for place in places:
        limits.leave(*place)
    limits.listen(web.forge.world.stranger.address, "192.0.2.1")


def test_all_together_have_so_many_streams(web):
    limits = web.forge.services.limits
    for number in range(200):
        limits.listen(Address(f"0x{number + 1:040x}"), f"192.0.2.{number}")
    with pytest.raises(TooManyRequests):
        limits.listen(web.forge.world.journal.address, "198.51.100.1")
