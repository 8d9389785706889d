"""OpenID AuthZEN 1.0: 400 for what cannot be understood, 200 for permit and deny, nothing learned by outsiders."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.model import Revocation, to_hash
from ledger.tokens import make_token
from ledger.vocabulary import DISEASES
from scripts.vector_sources.world import CHAIN_ID, phrase

PATH = "/access/v1/evaluation"
NOWHERE = to_hash(phrase("a record that does not exist"))


@pytest.fixture
def w(web):
    return web.forge.world


def question(world, **changes):
    """May the journal print narrative and CT slice? Changes by path, as `action__properties__channel`."""
    value = {
        "subject": {"type": "recipient", "id": f"did:pkh:eip155:{CHAIN_ID}:{world.journal.address}"},
        "action": {
            "name": "publish",
            "properties": {"purpose": "case-report", "channel": "journal", "items": ["narrative.md"]},
        },
        "resource": {"type": "record", "id": world.record_hash},
    }
    for path, entry in changes.items():
        *parents, last = path.split("__")
        place = value
        for name in parents:
            place = place.setdefault(name, {})
        if entry is ...:
            place.pop(last)
        else:
            place[last] = entry
    return value


def ask(web, by=None, **changes):
    world = web.forge.world
    return web.post(PATH, question(world, **changes), by or world.journal)


def refused(answer, words=""):
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8"), answer.text
    assert words in answer.text
    assert answer.text.strip()
    assert answer.headers["x-request-id"]


# Answers


def test_a_permit_has_the_form_of_the_standard(web, w):
    answer = ask(web)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    body = answer.json()
    assert body["decision"] is True
    context = body["context"]
    head = web.forge.chain.head()
    assert (context["reason"], context["block"], context["until"]) == ("permitted", head.number, w.grant().valid_until)
    assert set(context["reason_user"]) == {"en", "de", "es", "ar"}
    assert context["token"] == make_token(web.forge.deployment, head.number, head.hash)
    assert web.get(f"/v1/bundles/{context['evaluation']}", w.journal).status_code == 200


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"action__properties__channel": "social:instagram"}, "channel_not_covered"),
        ({"action__properties__purpose": "teaching"}, "purpose_not_covered"),
        ({"action__properties__purpose": ...}, "needs_review"),
        ({"action__properties": ...}, "needs_review"),
        ({"action__properties__items": ["photo.jpg"]}, "item_not_covered"),
        ({"action__properties__items": ...}, "item_not_covered"),
        ({"action__properties__digests": {"narrative.md": "sha256:" + "0" * 64}}, "content_changed"),
        ({"resource__id": NOWHERE}, "no_consent"),
        ({"resource__type": "something"}, "permitted"),
    ],
)
def test_a_denial_is_an_answer_not_an_error(web, changes, reason):
    answer = ask(web, **changes)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["context"]["reason"], body["decision"]) == (reason, reason == "permitted")
    assert ("until" in body["context"]) == body["decision"]


def test_the_digest_of_the_file_at_hand_is_looked_at(web, w):
    digest = "sha256:" + w.items[0].sha256[2:]
    assert ask(web, action__properties__digests={"narrative.md": digest}).json()["decision"]
    assert ask(web, action__properties__digests={"whatever.md": digest}).json()["decision"]


def test_a_revocation_denies_the_very_next_question(web, w):
    assert ask(web).json()["decision"]
    web.send("/v1/revocations", Revocation(w.patient.address, (w.grant(),)), w.patient)
    body = ask(web).json()
    assert (body["decision"], body["context"]["reason"]) == (False, "revoked")


def test_a_chain_out_of_reach_is_a_denial(web):
    token = web.token(web.forge.world.journal)
    web.forge.chain.faults.unreachable = True
    answer = web.client.post(PATH, json=question(web.forge.world), headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert (answer.json()["decision"], answer.json()["context"]["reason"]) == (False, "ledger_unavailable")


def test_a_stranger_cannot_tell_a_record_from_none(web, w):
    def told(**changes):
        answer = ask(web, by=w.stranger, **changes)
        body = answer.json()
        body["context"].pop("evaluation")
        return answer.status_code, body

    for changes in (
        {},
        {"subject__id": f"did:pkh:eip155:{CHAIN_ID}:{w.stranger.address}"},
        {"action__properties__purpose": "curiosity"},
        {"action__properties__channel": "nowhere"},
        {"action__properties__items": ["no-such-file"]},
    ):
        known, unknown = told(**changes), told(resource__id=NOWHERE, **changes)
        assert known == unknown
        assert known[1]["context"]["reason"] == "no_consent"


@pytest.mark.parametrize(
    "changes",
    [
        {"action__properties__purpose": "a b"},
        {"action__properties__channel": "x" * 65},
        {"action__properties__purpose": "\ud800"},
        {"subject__properties": {"country": 2**60}},
        {"action__properties__items": ["\ud800"]},
        {"action__properties__digests": {"\ud800": "sha256:" + "0" * 64}},
    ],
)
def test_what_could_not_be_written_down_is_refused_for_known_and_unknown_records_alike(web, w, changes):
    answers = []
    for record in (w.record_hash, NOWHERE):
        body = json.dumps(question(w, **changes, resource__id=record))
        answer = web.call("POST", PATH, by=w.stranger, content=body, headers={"Content-Type": "application/json"})
        refused(answer)
        answers.append(answer.text)
    assert answers[0] == answers[1]


def test_the_standard_demands_that_unknown_members_are_ignored(web):
    answer = ask(
        web,
        more=1,
        context={"time": "2026-01-01T00:00:00Z", "more": [1]},
        subject__properties={"more": 1},
        subject__more=1,
        action__more=1,
        action__properties__more=1,
        resource__properties={"more": 1},
    )
    assert answer.json()["decision"] is True


def test_an_asker_does_not_say_which_disease_is_a_kind_of_which(web, w):
    granted, studied = sorted(DISEASES)[0], "MONDO:9999999"
    grant = w.grant(purposes=(f"DUO:0000007:{granted}",), salt=NOWHERE)
    web.forge.consent(grant)
    web.forge.settle()
    asked = {"action__properties__purpose": "DUO:0000007", "subject__properties": {"diseases": [granted]}}
    assert ask(web, **asked).json()["context"]["reason"] == "permitted"
    asked["subject__properties"] = {"diseases": [studied], "ancestors": {studied: [granted]}}
    assert ask(web, **asked).json()["context"]["reason"] == "needs_review"


# Consistency


def test_an_answer_can_be_asked_for_that_is_no_older_than_another(web, w):
    token = ask(web).json()["context"]["token"]
    web.forge.mine()
    assert ask(web, context={"consistency": {"at_least_as_fresh": token}}).json()["decision"] is True
    head = web.forge.chain.head()
    ahead = make_token(web.forge.deployment, head.number + 1, NOWHERE)
    answer = ask(web, context={"consistency": {"at_least_as_fresh": ahead}})
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/plain; charset=utf-8")
    assert answer.headers["retry-after"]
    other = make_token(web.forge.deployment, head.number, NOWHERE)
    refused(ask(web, context={"consistency": {"at_least_as_fresh": other}}), "not on this chain")
    for odd in ("cz1.x", "", 1, None, token[:-2], "cz2." + token[4:]):
        refused(ask(web, context={"consistency": {"at_least_as_fresh": odd}}))


# Questions that cannot be understood


REQUIRED = [
    "subject",
    "subject__type",
    "subject__id",
    "action",
    "action__name",
    "resource",
    "resource__type",
    "resource__id",
]


@pytest.mark.parametrize("path", REQUIRED)
def test_what_the_standard_requires_must_be_there_and_be_right(shared_web, path):
    refused(ask(shared_web, **{path: ...}), path.split("__")[-1])
    for odd in (None, 1, [], "" if "__" in path else "x", {"a": 1} if "__" in path else [1]):
        refused(ask(shared_web, **{path: odd}))


@pytest.mark.parametrize(
    "changes",
    [
        {"action__name": "delete"},
        {"subject__id": "did:pkh:eip155:1:0x0000000000000000000000000000000000000001"},
        {"subject__id": "0x0000000000000000000000000000000000000001"},
        {"subject__id": f"did:pkh:eip155:{CHAIN_ID}:nobody"},
        {"resource__id": "0x12"},
        {"resource__id": NOWHERE.upper()},
        {"action__properties": []},
        {"action__properties__purpose": 1},
        {"action__properties__channel": None},
        {"action__properties__items": "narrative.md"},
        {"action__properties__items": [1]},
        {"action__properties__digests": []},
        {"action__properties__digests": {"x": "md5:00"}},
        {"action__properties__digests": {"x": "sha256:00"}},
        {"subject__properties": 1},
        {"context": 1},
        {"context": {"consistency": 1}},
    ],
)
def test_what_is_of_the_wrong_kind_is_refused(shared_web, changes):
    refused(ask(shared_web, **changes))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"null", b"[]", b"1", b'"x"', b"\xff", b"{}", b"[" * 200_000, b'{"a":' * 200_000]
)
def test_what_is_no_json_object_is_refused(shared_web, content):
    journal = shared_web.forge.world.journal
    refused(shared_web.call("POST", PATH, by=journal, content=content, headers={"Content-Type": "application/json"}))


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonp"])
def test_another_content_type_is_refused(web, w, kind):
    content = json.dumps(question(w)).encode()
    refused(web.call("POST", PATH, by=w.journal, content=content, headers={"Content-Type": kind}), "Content-Type")


def test_a_content_type_may_name_its_encoding(web, w):
    content = json.dumps(question(w)).encode()
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert web.call("POST", PATH, by=w.journal, content=content, headers=headers).json()["decision"] is True


def test_a_request_that_is_too_large_is_refused(web, w):
    content = json.dumps(question(w, more="x" * 2**20)).encode()
    refused(
        web.call("POST", PATH, by=w.journal, content=content, headers={"Content-Type": "application/json"}), "1 MiB"
    )


def test_without_a_token_a_sentence_says_so(web, w):
    answer = web.post(PATH, question(w))
    assert (answer.status_code, answer.headers["content-type"]) == (401, "text/plain; charset=utf-8")
    assert "Sign in" in answer.text
    assert answer.headers["www-authenticate"]
    assert web.call("GET", PATH).status_code == 405


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PARTS = [
    *REQUIRED, "action__properties", "action__properties__items", "action__properties__purpose", "context",
    "action__properties__digests", "action__properties__channel", "subject__properties", "subject__properties__country",
    "context__consistency", "context__consistency__at_least_as_fresh",
]  # fmt: skip


@pytest.fixture(scope="module")
def signed_in(shared_web):
    return shared_web, shared_web.token(shared_web.forge.world.journal)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(part=st.sampled_from(PARTS), value=JSON)
def test_whatever_is_asked_is_answered_or_refused(signed_in, part, value):
    web, token = signed_in
    content = json.dumps(question(web.forge.world, **{part: value}))
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = web.client.post(PATH, content=content.encode(), headers=headers)
    assert answer.status_code in (200, 400), answer.text


# Metadata


def test_the_service_says_where_to_ask(web):
    found = web.get("/.well-known/authzen-configuration").json()
    assert found["policy_decision_point"] == "https://consent.example"
    assert found["access_evaluation_endpoint"] == "https://consent.example/access/v1/evaluation"
    served = {path for path, entry in web.get("/openapi.json").json()["paths"].items() if path.startswith("/access/")}
    named = {value for name, value in found.items() if name.endswith("_endpoint")}
    assert {"https://consent.example" + path for path in served} == named
