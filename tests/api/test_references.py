"""References: who may make one, what they say in public, that they tell nothing else, and that a revocation is seen."""

import re
from dataclasses import replace

import pytest

from ledger.documents import Profile
from ledger.events import Registered
from ledger.model import Revocation, Suspension, address
from ledger.references import ALPHABET, LENGTH, read_reference, written
from ledger.services.references import NOWHERE, new_reference
from ledger.state import ROLE_RECIPIENT
from scripts.vector_sources.world import key

NOBODYS = written("0" * LENGTH)


def make(web, by=None, recipient=None):
    w = web.forge.world
    body = {"recipient": recipient} if recipient else {}
    answer = web.post(f"/v1/records/{w.record_hash}/references", body, by or w.journal)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(web, reference):
    answer = web.get(f"/v1/verify/{reference}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def revoke(web):
    w = web.forge.world
    message = Revocation(w.patient.address, web.forge.grants())
    assert web.send("/v1/revocations", message, w.patient).status_code == 202


def without_moment(text):
    """An answer without the code it is about."""
    return re.sub(r"[0-9A-Z]{5}(-[0-9A-Z]{5}){3}", "CODE", text)


def test_a_reference_is_made_once_whoever_asks(web):
    w = web.forge.world
    first = make(web)
    assert make(web) == first == make(web, w.hospital, w.journal.address) == make(web, w.patient, w.journal.address)
    assert first["page"] == f"https://consent.example/verify/{first['reference']}"
    assert make(web, w.research)["reference"] != first["reference"]
    path = f"/v1/records/{w.record_hash}/references"
    assert web.get(path, w.journal).json() == [first]
    assert {one["recipient"] for one in web.get(path, w.hospital).json()} == {w.journal.address, w.research.address}


def test_others_cannot_make_or_read_one(web):
    w = web.forge.world
    path = f"/v1/records/{w.record_hash}/references"
    stranger = key("stranger")
    for recipient in ({}, {"recipient": w.journal.address}):
        assert web.post(path, recipient, stranger).status_code == 404
    assert web.get(path, stranger).status_code == 404
    # a recipient makes none for another one, and the hospital none for whom nobody named
    assert web.post(path, {"recipient": w.research.address}, w.journal).status_code == 404
    assert web.post(path, {"recipient": stranger.address}, w.hospital).status_code == 404
    assert web.post(path, {"recipient": address("0x" + "00" * 20)}, w.hospital).status_code == 404
    assert web.get(path, w.hospital).json() == []


def test_it_says_what_is_allowed_and_names_no_patient(web):
    w = web.forge.world
    code = make(web)["reference"]
    said = told(web, code)
    assert said["status"] == "permitted"
    assert said["recipientName"] == w.names[w.journal.address]
    grant = w.grant()
    assert {(one["purpose"], one["channel"]) for one in said["uses"]} == {
        (purpose, channel) for purpose in grant.purposes for channel in grant.channels
    }
    for one in said["uses"]:
        assert web.forge.ask(purpose=one["purpose"], channel=one["channel"]).decision.until == one["until"]
        assert (one["items"], one["itemsOf"]) == (len(grant.items), len(w.record.items))
    seen = [web.get(path.format(code)).text for path in ("/v1/verify/{}", "/verify/{}", "/v1/badge/{}.svg")]
    secret = [w.patient.address, w.hospital.address, w.names[w.hospital.address], w.record.title, w.record_hash]
    secret += [grant.summary, *(item.name for item in w.items), *(item.sha256 for item in w.items)]
    for text in seen:
        assert not [one for one in secret if one.lower() in text.lower()]


@pytest.mark.parametrize("ending", ["revoked", "suspended", "expired", "delisted", "erased", "content of nobody"])
def test_whatever_ended_it_reads_like_a_reference_that_never_was(web, ending):
    w, code = web.forge.world, make(web)["reference"]
    assert told(web, code)["status"] == "permitted"
    match ending:
        case "revoked":
            revoke(web)  # not mined: a withdrawal denies from when it was received
        case "suspended":
            message = Suspension(w.patient.address, True, web.forge.chain.now)
            assert web.send("/v1/suspensions", message, w.patient).status_code == 202
        case "expired":
            web.forge.chain.now = w.grant().valid_until
            web.forge.mine()
        case "delisted":
            listings = [e for e in web.forge.listings() if getattr(e, "party", "") == w.journal.address]
            web.forge.chain.emit(*(replace(event, roles=0) for event in listings))
            web.forge.mine()
        case "erased":
            revoke(web)
            web.forge.settle()
            web.forge.services.erasure.erase(w.record_hash)
        case _:
            code = written(new_reference())
    for path in ("/v1/verify/{}", "/verify/{}", "/v1/badge/{}.svg"):
        was, never = (web.get(path.format(one)) for one in (code, NOBODYS))
        assert was.status_code == never.status_code == 200
        assert without_moment(was.text) == without_moment(never.text), path
        assert {*was.headers} == {*never.headers}
    assert told(web, code)["uses"] == []
    assert told(web, code)["status"] == told(web, "no reference at all")["status"] == "no_consent"


def test_nothing_is_said_to_be_allowed_when_the_ledger_is_silent(web):
    code = make(web)["reference"]
    web.forge.chain.faults.unreachable = True
    answers = {path: web.get(path.format(code)) for path in ("/v1/verify/{}", "/verify/{}", "/v1/badge/{}.svg")}
    assert {answer.status_code for answer in answers.values()} == {503}
    assert answers["/v1/verify/{}"].headers["content-type"] == "application/problem+json"
    assert "cannot be checked right now" in answers["/verify/{}"].text
    assert "cannot be checked" in answers["/v1/badge/{}.svg"].text
    for answer in answers.values():
        assert answer.headers["cache-control"] == "no-store"
        assert "in force" not in answer.text
        assert "allowed now" not in answer.text


def test_no_answer_may_be_kept(web):
    code = make(web)["reference"]
    for path in (f"/v1/verify/{code}", f"/verify/{code}", f"/v1/badge/{code}.svg"):
        assert web.get(path).headers["cache-control"] == "no-store"


def test_the_page_runs_nothing_and_says_it_in_words(web):
    code = make(web)["reference"]
    answer = web.get(f"/verify/{code.lower()}")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script|<style| style=|\son\w+=|https?://", answer.text)
    assert "Yes: the patient’s consent is in force" in answer.text
    assert f"/v1/qr/{code}.svg" in answer.text
    assert web.get("/assets/verify.css").headers["content-type"].startswith("text/css")
    assert "set-cookie" not in answer.headers


def test_names_of_parties_are_text_and_never_markup(web):

    journal, code = web.forge.world.journal.address, make(web)["reference"]
    profile = Profile(1, "A <script>alert(1)</script> & Sons", "journal")
    web.forge.chain.emit(Registered(0, journal, ROLE_RECIPIENT, profile.hash, profile.data_uri()))
    web.forge.mine()
    page = web.get(f"/verify/{code}").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page


def test_the_code_drawn_is_the_page(web):
    answer = web.get(f"/v1/qr/{NOBODYS}.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert f"https://consent.example/verify/{NOBODYS}" in answer.text  # its title; drawn whether anybody made it or not
    assert web.get("/v1/qr/short.svg").status_code == 400


def test_a_reference_stands_for_the_record_in_a_question(web):
    w, code = web.forge.world, make(web)["reference"]
    body = {
        "subject": {"type": "recipient", "id": web.forge.deployment.did(w.journal.address)},
        "action": {"name": "publish", "properties": {"purpose": "case-report", "channel": "journal", "items": [
            "narrative.md"]}},
        "resource": {"type": "record", "id": code},
    }  # fmt: skip
    assert web.post("/access/v1/evaluation", body, w.journal).json()["decision"]
    many = {**body, "evaluations": [{}, {"resource": {"type": "record", "id": NOBODYS}}, {"resource": 3}]}
    answers = web.post("/access/v1/evaluations", many, w.journal).json()["evaluations"]
    assert [one["decision"] for one in answers] == [True, False, False]
    assert answers[1]["context"]["reason"] == "no_consent"
    found = web.post("/access/v1/search/subject", {**body, "subject": {"type": "recipient"}}, w.hospital).json()
    assert [one["id"] for one in found["results"]] == [body["subject"]["id"]]
    # to whoever merely holds the code the question is one about any record
    other = key("stranger")
    body["subject"]["id"] = web.forge.deployment.did(other.address)
    answers = [
        web.post("/access/v1/evaluation", {**body, "resource": {"type": "record", "id": one}}, other).json()
        for one in (code, NOBODYS, NOWHERE)
    ]
    assert {(one["decision"], one["context"]["reason"]) for one in answers} == {(False, "no_consent")}


def test_codes_are_read_as_people_write_them():
    code = "0123456789ABCDEFGHJK"
    assert written(code) == "01234-56789-ABCDE-FGHJK"
    for text in (written(code), code.lower(), "ol234 56789 abcde fghjk", "OI234-56789-abcde-FGHJK"):
        assert read_reference(text) == code
    for text in ("", code[1:], code + "0", "U" * LENGTH, "0x" + "11" * 32, "é" * LENGTH, "-" * 2000 + code):
        assert read_reference(text) is None
    made = {new_reference() for _ in range(1000)}
    assert len(made) == 1000
    assert all(read_reference(one) == one for one in made)
    assert {letter for one in made for letter in one} == set(ALPHABET)
