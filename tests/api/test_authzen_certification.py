"""The certification scenario published with AuthZEN (Basic, Batch, Search, Discovery), under a test policy.

The policy is real consent: each of the scenario's rules is a grant. Its users are two recipients, its records two
records, and what it calls read, write, delete is the purpose. Only these names are translated on their way in and out;
what is missing, unknown or of the wrong kind goes through as it is.
"""

import json
from dataclasses import replace

import pytest

from ledger.model import to_hash
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import CHAIN_ID, key, phrase

ACTIONS = {"read": "case-report", "write": "teaching", "delete-soft": "conference", "delete-hard": "press"}
RULES = [("alice", "record-1", "read"), ("alice", "record-1", "write"), ("alice", "record-1", "delete-soft"),
         ("bob", "record-1", "read"), ("bob", "record-2", "write")]  # fmt: skip
"""Alice reads and writes an active record, bob reads it; the archived one only an admin, bob, may write."""


@pytest.fixture(scope="module")
def pdp(shared_web):
    return Scenario(shared_web)


class Scenario:
    """The scenario's side of the service."""

    def __init__(self, web):
        forge, w = web.forge, web.forge.world
        second = key("second patient")
        forge.claim(forge.invite(), by=second)
        archived = replace(w.record, subject=second.address, salt=to_hash(phrase("archived")))
        forge.services.records.register(
            w.hospital.address, archived, forge.signature(archived, w.hospital), forge.deposits
        )
        users = {"alice": w.journal.address, "bob": w.research.address}
        records = {"record-1": (w.record_hash, w.patient), "record-2": (struct_hash(archived), second)}
        for user, record, action in RULES:
            name, patient = records[record]
            grant = w.grant(
                record=name, recipient=users[user], purposes=(ACTIONS[action],), items=("*",), channels=("journal",),
                salt=to_hash(phrase(f"{user} {record} {action}")),
            )  # fmt: skip
            forge.consent(grant, by=patient)
        forge.settle()
        self.web, self.token = web, web.token(w.hospital)  # the enforcement point is the institution's
        dids = {f"did:pkh:eip155:{CHAIN_ID}:{at}": user for user, at in users.items()}
        self.back = dids | {name: record for record, (name, _) in records.items()}
        self.there = {ours: theirs for theirs, ours in self.back.items()}

    def translated(self, body):
        """A request in our words."""
        body = dict(body)
        for entity, kind, ours in (("subject", "user", "recipient"), ("resource", "record", "record")):
            if isinstance(found := body.get(entity), dict):
                found = dict(found)
                if found.get("type") == kind:
                    found["type"] = ours
                if found.get("id") in self.there:
                    found["id"] = self.there[found["id"]]
                body[entity] = found
        if isinstance(found := body.get("action"), dict) and found.get("name") in ("read", "write", "delete"):
            name = found["name"]
            if name == "delete":
                name += "-soft" if found.get("properties", {}).get("soft") else "-hard"
            body["action"] = {"name": "use", "properties": {"purpose": ACTIONS[name], "channel": "journal"}}
        if isinstance(body.get("evaluations"), list):
            body["evaluations"] = [self.translated(one) for one in body["evaluations"]]
        return body

    def post(self, path, body=None, content=None, kind="application/json"):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind, "X-Request-ID": "scenario-1"}
        data = json.dumps(self.translated(body)).encode() if content is None else content
        answer = self.web.client.post("/access/v1/" + path, content=data, headers=headers)
        assert answer.headers["x-request-id"] == "scenario-1"
        return answer

    def search(self, target, body):
        answer = self.post("search/" + target, body)
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        if target == "action":
            purposes = {purpose: name for name, purpose in ACTIONS.items()}
            found = [purposes.get(one["properties"]["purpose"]) for one in results]
            return {name.split("-")[0] for name in found if name}  # research is not in the scenario
        return {self.back[one["id"]] for one in results}


def asked(user="alice", action="read", record="record-1", **properties):
    more = {"properties": properties} if properties else {}
    return {
        "subject": {"type": "user", "id": user},
        "action": {"name": action, **more},
        "resource": {"type": "record", "id": record},
    }


EXPECTED = [
    (asked(), True),
    (asked(action="write"), True),
    (asked("bob"), True),
    (asked("bob", "write"), False),
    (asked("alice", "write", "record-2"), False),
    (asked("bob", "write", "record-2"), True),
    (asked(action="delete", soft=True), True),
    (asked(action="delete", soft=False), False),
]


# Basic


@pytest.mark.parametrize(("body", "expected"), EXPECTED)
def test_basic_decisions_and_again(pdp, body, expected):
    for _ in range(2):
        answer = pdp.post("evaluation", body)
        assert (answer.status_code, answer.json()["decision"]) == (200, expected)


@pytest.mark.parametrize("path", ["evaluation", "evaluations"])
@pytest.mark.parametrize(
    ("entity", "member"),
    [("subject", None), ("subject", "type"), ("subject", "id"), ("action", None), ("action", "name"),
     ("resource", None), ("resource", "type"), ("resource", "id")],
)  # fmt: skip
def test_basic_what_is_missing_or_of_the_wrong_type_is_400(pdp, path, entity, member):
    for odd in (None, 7):
        body = asked()
        if member is None:
            body |= {entity: odd}
        else:
            body[entity] = body[entity] | {member: odd}
        if odd is None:
            (body if member is None else body[entity]).pop(entity if member is None else member)
        assert pdp.post(path, body).status_code == 400


@pytest.mark.parametrize("path", ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"])
def test_basic_malformed_empty_and_other_content_is_400(pdp, path):
    assert pdp.post(path, content=b"{").status_code == 400
    assert pdp.post(path, content=b"").status_code == 400
    assert pdp.post(path, asked(), kind="text/plain").status_code == 400


def test_basic_unknown_members_are_ignored(pdp):
    assert pdp.post("evaluation", asked() | {"more": 1, "context": {"more": 1}}).json()["decision"] is True


# Batch


def test_batch_all_in_order(pdp):
    said = pdp.post("evaluations", {"evaluations": [body for body, _ in EXPECTED]}).json()["evaluations"]
    assert [one["decision"] for one in said] == [expected for _, expected in EXPECTED]


def test_batch_defaults_are_overridden(pdp):
    items = [{}, {"action": {"name": "write"}}, {"subject": {"type": "user", "id": "bob"}}]
    said = pdp.post("evaluations", asked("bob", "write") | {"evaluations": items}).json()["evaluations"]
    assert [one["decision"] for one in said] == [False, False, False]
    said = pdp.post("evaluations", asked() | {"evaluations": items}).json()["evaluations"]
    assert [one["decision"] for one in said] == [True, True, True]


@pytest.mark.parametrize(
    ("semantic", "expected"),
    [("execute_all", [True, False, True]), ("deny_on_first_deny", [True, False]), ("permit_on_first_permit", [True])],
)
def test_batch_semantics(pdp, semantic, expected):
    items = [{}, {"subject": {"type": "user", "id": "bob"}, "action": {"name": "write"}}, {}]
    body = asked() | {"evaluations": items, "options": {"evaluations_semantic": semantic}}
    said = pdp.post("evaluations", body).json()["evaluations"]
    assert [one["decision"] for one in said] == expected


def test_batch_one_bad_item_is_a_denial_of_its_own(pdp):
    answer = pdp.post("evaluations", asked() | {"evaluations": [{}, {"resource": {"type": "record"}}, {}]})
    assert (answer.status_code, [one["decision"] for one in answer.json()["evaluations"]]) == (200, [True, False, True])


def test_batch_without_items_is_a_single_evaluation(pdp):
    assert pdp.post("evaluations", asked()).json()["decision"] is True
    assert pdp.post("evaluations", asked() | {"evaluations": []}).json()["decision"] is True


# Search


def test_search_subject(pdp):
    assert pdp.search("subject", asked() | {"subject": {"type": "user"}}) == {"alice", "bob"}
    assert pdp.search("subject", asked("whoever", "write")) == {"alice"}
    assert pdp.search("subject", asked(record="record-9") | {"subject": {"type": "user"}}) == set()


def test_search_resource(pdp):
    assert pdp.search("resource", asked() | {"resource": {"type": "record"}}) == {"record-1"}
    assert pdp.search("resource", asked("bob", "write", "ignored")) == {"record-2"}
    assert pdp.search("resource", asked("carol") | {"resource": {"type": "record"}}) == set()
    assert pdp.search("resource", asked() | {"resource": {"type": "house"}}) == set()


def test_search_action(pdp):
    body = asked()
    del body["action"]
    assert pdp.search("action", body) == {"read", "write", "delete"}
    bob = body | {"subject": {"type": "user", "id": "bob"}}
    assert pdp.search("action", bob) == {"read"}
    assert pdp.search("action", body | {"resource": {"type": "record", "id": "record-9"}}) == set()


# Discovery


def test_discovery_names_endpoints_that_answer(pdp):
    answer = pdp.web.client.get("/.well-known/authzen-configuration")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    found = answer.json()
    assert found["policy_decision_point"] == str(pdp.web.client.base_url).rstrip("/")
    for name, url in found.items():
        if name.endswith("_endpoint"):
            path = url.removeprefix(found["policy_decision_point"] + "/access/v1/")
            assert pdp.post(path, asked()).status_code == 200, name
