"""Bundles: what was decided can be checked by anybody with one block hash, and nothing in them can be bent."""

import json
import random
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from ledger.bundles import MAX_SIZE, verify_bundle
from ledger.deployment import Deployment
from ledger.documents import canonical
from ledger.errors import InvalidProof, LedgerUnavailable, NotFound, Refused
from ledger.events import Retracted, Superseded, SuspensionChanged
from ledger.model import Closure, RevokeAll, Suspension, to_hash
from ledger.proofs import Header
from ledger.services import bundling
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import DAY, phrase

OTHER = to_hash(phrase("something else"))


def bundle_of(forge, answer, by=None):
    return forge.services.bundling.bundle((by or forge.world.journal).address, answer.id)


def verified(forge, data, block=None):
    trusted = block or forge.chain.header(json.loads(data)["block"]["number"]).hash
    return verify_bundle(data, trusted, forge.deployment)


@pytest.fixture(scope="module")
def permit(shared_forge):
    """One permit, its bundle and the world around it; tests only read it."""
    return shared_forge, bundle_of(shared_forge, shared_forge.ask())


# What verifies


def test_a_permit_verifies_and_shows_whose_consent_it_rests_on(permit):
    forge, data = permit
    found = verified(forge, data)
    w = forge.world
    assert (found.decision.permitted, found.question) == (True, w.question())
    assert (found.record, found.grant) == (w.record, w.grant())
    assert found.signers == {w.patient.address: w.patient.address}


def test_a_bundle_needs_nothing_but_the_block_and_the_deployment(permit):
    forge, data = permit
    facts = Deployment.from_json(json.loads(json.dumps(forge.deployment.to_json())))
    header = Header.from_rlp(bytes.fromhex(json.loads(data)["block"]["headerRlp"][2:]))
    assert verify_bundle(data, header.hash, facts).decision.permitted


def test_a_bundle_opens_only_what_was_asked_about(permit):
    forge, data = permit
    value = json.loads(data)
    assert {item["name"] for item in value["openings"]["items"]} == {"narrative.md", "ct.dcm"}
    assert b"photo.jpg" not in data
    assert struct_hash(forge.world.research_grant) in data.decode(), "of the other grant only the hash is shown"
    assert forge.world.research_grant.salt not in data.decode()


DENIALS = {
    "no_consent": lambda f: None,
    "revoked": lambda f: f.revoke(),
    "revoked, all": lambda f: f.accept(RevokeAll(f.world.patient.address, f.chain.now)),
    "revoked on chain": lambda f: (f.revoke(), f.settle()),
    "suspended": lambda f: f.accept(Suspension(f.world.patient.address, True, f.chain.now)),
    "closed": lambda f: f.accept(Closure(f.world.patient.address)),
    "expired": lambda f: (setattr(f.chain, "now", f.world.grant().valid_until), f.mine()),
    "controller_not_listed": lambda f: f.chain.emit(SuspensionChanged(0, f.world.hospital.address, True)),
    "recipient_suspended": lambda f: f.chain.emit(SuspensionChanged(0, f.world.journal.address, True)),
    "record_retracted": lambda f: f.chain.emit(Retracted(0, f.world.hospital.address, f.world.record_hash)),
    "form_superseded": lambda f: f.chain.emit(Superseded(0, f.world.hospital.address, f.world.form.hash, OTHER, True)),
}
QUESTIONS = {
    "purpose_not_covered": {"purpose": "teaching"},
    "needs_review": {"purpose": "curiosity"},
    "channel_not_covered": {"channel": "social:instagram"},
    "item_not_covered": {"items": ("photo.jpg",)},
    "content_changed": {"digests": {"narrative.md": OTHER}},
}


@pytest.mark.parametrize("case", [*DENIALS, *QUESTIONS])
def test_every_kind_of_denial_verifies(make_forge, case):
    forge = make_forge(stage="registered" if case == "no_consent" else "consented")
    if case in DENIALS:
        DENIALS[case](forge)
    asker = forge.world.hospital if case == "no_consent" else forge.world.journal
    answer = forge.ask(by=asker, **QUESTIONS.get(case, {}))
    reason = case.removesuffix(" on chain").removesuffix(", all")
    assert str(answer.decision.reason) == reason
    found = verified(forge, bundle_of(forge, answer, asker))
    assert (found.decision.permitted, str(found.decision.reason)) == (False, reason)


def test_a_grant_not_deep_enough_and_one_that_waits_for_its_time_verify(make_forge):
    forge = make_forge(stage="registered", confirmations=3)
    forge.consent(forge.world.grant(valid_from=forge.chain.now + DAY))
    forge.services.relays.pump()
    forge.mine()
    for reason in ("awaiting_confirmations", "not_yet_valid"):
        answer = forge.ask()
        assert str(answer.decision.reason) == reason
        assert str(verified(forge, bundle_of(forge, answer)).decision.reason) == reason
        forge.mine(3)


def test_a_permit_with_a_steward_shows_both_signatures(make_forge):
    forge = make_forge(stage="registered", stewards=("mother",))
    forge.consent()
    forge.consent(by=forge.world.mother)
    forge.settle()
    found = verified(forge, bundle_of(forge, forge.ask()))
    assert set(found.signers) == {forge.world.patient.address, forge.world.mother.address}


def test_a_consent_that_was_never_recorded_does_not_spoil_the_evidence_of_the_one_that_was(make_forge):
    """She signed while she was suspended, in vain; later she signed the same grant again."""
    forge = make_forge(stage="registered")
    patient, grant = forge.world.patient.address, forge.world.grant()
    forge.accept(Suspension(patient, True, forge.chain.now))
    forge.settle()
    first = forge.consent_to(grant, deadline=60)
    try:
        forge.accept(first)
    except Refused:  # or the relayer finds out
        with forge.store.begin() as tx:
            tx.add_consent(first, patient, forge.signature(first, forge.world.patient), forge.chain.now)
    forge.settle()
    forge.chain.now += 120
    forge.mine()
    forge.accept(Suspension(patient, False, forge.chain.now))
    forge.settle()
    forge.consent(grant)
    forge.settle()
    answer = forge.ask()
    assert answer.decision.permitted
    assert verified(forge, bundle_of(forge, answer)).decision.permitted


def test_a_release_has_a_bundle_too(forge):
    released = forge.release()
    found = verified(forge, forge.services.bundling.bundle(forge.world.journal.address, released.id))
    assert found.decision.permitted


def test_a_permit_still_verifies_after_she_revoked(forge):
    """Evidence of what was allowed then, not of what is allowed now."""
    answer = forge.ask()
    forge.revoke()
    forge.settle()
    assert verified(forge, bundle_of(forge, answer)).decision.permitted


def test_a_document_superseded_later_does_not_spoil_older_evidence(forge):
    answer, hospital = forge.ask(), forge.world.hospital.address
    forge.chain.emit(Superseded(0, hospital, forge.world.form.hash, OTHER, False))
    assert verified(forge, bundle_of(forge, answer)).decision.permitted
    again = forge.ask()
    assert verified(forge, bundle_of(forge, again)).decision.permitted


# Made in time, kept for years


def test_a_bundle_made_in_time_outlives_the_nodes_memory(forge):
    answer = forge.ask()
    forge.services.bundling.capture()
    data = bundle_of(forge, answer)
    forge.chain.faults.forge_proofs = -1
    assert bundle_of(forge, answer) == data
    later = forge.ask()
    with pytest.raises(LedgerUnavailable):
        bundle_of(forge, later)


def test_only_decisions_that_may_have_one_get_a_bundle(forge):
    forge.ask(by=forge.world.stranger)
    forge.ask()
    forge.services.bundling.capture()
    with forge.store.begin() as tx:
        rows = tx._db.exec_driver_sql("SELECT value, bundle FROM decisions ORDER BY position").fetchall()
    assert [(json.loads(value)["asker"], bundle is not None) for value, bundle in rows] == [
        (forge.world.journal.address, True)
    ]


def test_one_decision_without_evidence_does_not_hold_up_the_others(forge):
    first, second = forge.ask(), forge.ask()
    with forge.store.begin() as tx:  # as a version of the service without `MAX_QUESTION` may have left it
        value = tx.decision(first.id).value
        value["question"]["facts"] = {"country": 2**60}
        tx._db.exec_driver_sql("UPDATE decisions SET value = ? WHERE id = ?", (json.dumps(value), first.id))
    forge.services.bundling.capture()
    with forge.store.begin() as tx:
        assert tx.decision(second.id).bundle
        assert tx.decisions_without_bundle(9) == []


def test_what_is_too_old_to_prove_is_given_up_and_what_is_not_is_tried_again(forge):
    forge.ask()
    forge.mine()
    forge.reason()
    forge.chain.faults.forge_proofs = -1
    with pytest.raises(LedgerUnavailable):
        forge.services.bundling.capture()
    with forge.store.begin() as tx:
        assert len(tx.decisions_without_bundle(9)) == 2
    forge.chain.faults.forge_proofs = 0
    forge.services.bundling.capture()
    with forge.store.begin() as tx:
        assert tx.decisions_without_bundle(9) == []


def test_making_bundles_leaves_time_for_those_who_ask_until_time_runs_out(forge):
    rests, seconds = [], iter(range(1000))
    use = forge.services
    maker = bundling.Bundling(use.index, use.store, use.deployment, rests.append, lambda: next(seconds) / 64)
    forge.ask(), forge.ask()
    maker.capture()
    assert rests == [4 / 64, 4 / 64]
    forge.ask()
    forge.chain.mine(bundling.HISTORY // 2 + 1)
    maker.capture()
    assert rests == [4 / 64, 4 / 64]
    with forge.store.begin() as tx:
        assert tx.decisions_without_bundle(9) == []


def test_a_decision_whose_block_was_replaced_does_not_hold_up_the_others(forge):
    orphaned = forge.ask()
    forge.chain.reorganise(1, 2)
    second = forge.ask()
    with pytest.raises(LedgerUnavailable):
        forge.services.bundling.capture()
    with forge.store.begin() as tx:
        assert tx.decision(second.id).bundle
        assert tx.decision(orphaned.id).bundle is None


def test_many_decisions_whose_block_was_replaced_hold_up_the_others_for_one_look(forge, monkeypatch):
    monkeypatch.setattr(bundling, "CAPTURE", 2)
    orphaned = [forge.ask() for _ in range(3)]
    forge.chain.reorganise(1, 2)
    later = [forge.ask() for _ in range(3)]
    for _ in range(4):
        with suppress(LedgerUnavailable):
            forge.services.bundling.capture()
    with forge.store.begin() as tx:
        assert all(tx.decision(answer.id).bundle for answer in later)
        assert not any(tx.decision(answer.id).bundle for answer in orphaned)


# For whom


@pytest.mark.parametrize("who", ["stranger", "research", "patient", "hospital"])
def test_somebody_elses_decision_has_no_bundle(forge, who):
    answer = forge.ask()
    with pytest.raises(NotFound):
        bundle_of(forge, answer, getattr(forge.world, who))
    with pytest.raises(NotFound):
        forge.services.bundling.bundle(forge.world.journal.address, "dec_unknown")


def test_an_outsider_gets_no_evidence_of_what_was_hidden(forge):
    for answer in (forge.ask(by=forge.world.stranger), forge.ask(by=forge.world.stranger, record=OTHER)):
        with pytest.raises(NotFound):
            bundle_of(forge, answer, forge.world.stranger)


# What does not verify


def test_another_block_is_not_the_trusted_one(permit):
    forge, data = permit
    number = json.loads(data)["block"]["number"]
    for block in (forge.chain.header(number - 1).hash, forge.chain.header(0).hash, OTHER):
        with pytest.raises(InvalidProof):
            verified(forge, data, block)


def test_another_deployment_is_not_the_trusted_one(permit):
    forge, data = permit
    facts = forge.deployment
    registry = facts.contracts["ConsentRegistry"]
    for other in (
        replace(facts, chain_id=1),
        replace(facts, genesis=OTHER),
        replace(facts, contracts={**facts.contracts, "ConsentRegistry": replace(registry, code_hash=OTHER)}),
        replace(facts, contracts={**facts.contracts, "ConsentRegistry": facts.contracts["Directory"]}),
        replace(facts, contracts={n: c for n, c in facts.contracts.items() if n != "Directory"}),
    ):  # fmt: skip
        with pytest.raises(InvalidProof):
            verify_bundle(data, forge.chain.header(json.loads(data)["block"]["number"]).hash, other)


UNSIGNED = {("decision", "at"), ("decision", "maxAge")}
"""What only the service can know: its own clock, and how old a block it accepted."""


def without_the_clock(found):
    moment = replace(found.decision.moment, wall=0, max_age=0)
    return replace(found, decision=replace(found.decision, moment=moment))


def test_a_byte_changed_anywhere_is_noticed(permit):
    """What may be bent unnoticed: the case of hexadecimal letters, and the service's statement about its own clock."""
    forge, data = permit
    trusted = forge.chain.header(json.loads(data)["block"]["number"]).hash
    honest = without_the_clock(verified(forge, data))
    chance = random.Random(20260101)
    places = sorted({chance.randrange(len(data)) for _ in range(600)} | set(range(0, len(data), 97)))
    assert len(places) >= 300
    outcomes = Counter()
    for place in places:
        changed = bytearray(data)
        changed[place] ^= chance.choice((1, 2, 4, 16, 128))
        try:
            found = verify_bundle(bytes(changed), trusted, forge.deployment)
        except InvalidProof:
            outcomes["refused"] += 1
            continue
        assert without_the_clock(found) == honest
        value, before = json.loads(changed), json.loads(data)
        assert any(value[part][name] != before[part][name] for part, name in UNSIGNED), place
    assert outcomes["refused"] >= len(places) - 5


def test_a_letter_in_another_case_means_the_same_or_is_refused(permit):
    forge, data = permit
    trusted = forge.chain.header(json.loads(data)["block"]["number"]).hash
    honest = verified(forge, data)
    chance = random.Random(5)
    letters = [place for place in range(len(data)) if chr(data[place]).isalpha()]
    for place in chance.sample(letters, 200):
        changed = bytearray(data)
        changed[place] ^= 32
        try:
            found = verify_bundle(bytes(changed), trusted, forge.deployment)
        except InvalidProof:
            continue
        assert found == honest


def members(value, path=()):
    """The path of every member and list entry."""
    if isinstance(value, dict):
        for name, entry in value.items():
            yield (*path, name)
            yield from members(entry, (*path, name))
    elif isinstance(value, list):
        for position, entry in enumerate(value):
            yield (*path, position)
            yield from members(entry, (*path, position))


def dropped(data, path):
    value = json.loads(data)
    parent = value
    for name in path[:-1]:
        parent = parent[name]
    del parent[path[-1]]
    return canonical(value)


def test_nothing_can_be_left_out(permit):
    forge, data = permit
    trusted = forge.chain.header(json.loads(data)["block"]["number"]).hash
    for path in members(json.loads(data)):
        left = dropped(data, path)
        try:
            found = verify_bundle(left, trusted, forge.deployment)
        except InvalidProof:
            continue
        if path[0] == "contracts":  # of no weight: running heads, and successors of what was not superseded
            label = json.loads(data)["contracts"][path[1]]["slots"][path[3]]["label"]
            assert label == "head" or label.endswith(".successor"), label
            assert found == verified(forge, data)
        elif path[0] == "question":  # another question, smaller, that has the same answer
            assert set(found.question.items) < set(forge.world.question().items)
        else:  # how many confirmations were demanded is the service's own rule, like `maxAge`
            assert path == ("ancestors", 0)


@pytest.mark.parametrize(
    "bend",
    [
        lambda v: v["question"].update(channel="social:instagram"),
        lambda v: v["question"].update(items=["photo.jpg"]),
        lambda v: v["decision"].update(permitted=False, reason="revoked", until=None, obligations=[]),
        lambda v: v["decision"].update(until=v["decision"]["until"] + 1),
        lambda v: v["decision"].update(at=v["decision"]["at"] + 100_000),
        lambda v: v["openings"]["grant"].update(channels=["journal", "social:instagram"]),
        lambda v: v["openings"]["grant"].update(validUntil=v["openings"]["grant"]["validUntil"] + DAY),
        lambda v: v["openings"]["record"].update(title="Another"),
        lambda v: v["openings"]["items"][0].update(size=1),
        lambda v: v["openings"]["form"].update(version=2),
        lambda v: v["signatures"].update(consents=[]),
        lambda v: v["signatures"]["consents"][0].update(signature=v["signatures"]["controller"]),
        lambda v: v["signatures"].update(controller=v["signatures"]["consents"][0]["signature"]),
        lambda v: v["contracts"]["ConsentRegistry"]["slots"][0].update(value="0x1"),
        lambda v: v["contracts"]["ConsentRegistry"]["slots"][0].update(label="something else"),
        lambda v: v["contracts"].pop("Directory"),
        lambda v: v["denials"].append(["closed", v["openings"]["record"]["subject"], ""]),
        *(
            lambda v, kind=kind: v["denials"].append(
                [kind, v["openings"]["record"]["subject"], f"{v['genesis'][:42]} 1"]
            )
            for kind in ("undelegated", "narrowed")
        ),
        lambda v: v.update(version=2),
        lambda v: v["contracts"].update(More={}),
    ],
)
def test_a_bundle_that_says_something_else_does_not_verify(permit, bend):
    forge, data = permit
    value = json.loads(data)
    bend(value)
    with pytest.raises(InvalidProof):
        verified(forge, canonical(value))


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"null", b"1", b'"x"', b"\xff", b"[" * 100_000, b" {}", b'{"type":"VolensBundle"}',
        b'{"type":"VolensBundle","version":1}', b"x" * (MAX_SIZE + 1),
    ],
)  # fmt: skip
def test_what_is_no_bundle_is_refused(permit, data):
    forge, _ = permit
    with pytest.raises(InvalidProof):
        verify_bundle(data, OTHER, forge.deployment)


def test_a_bundle_in_another_spelling_is_refused(permit):
    forge, data = permit
    for other in (json.dumps(json.loads(data)).encode(), data + b"\n", data.replace(b'"version":1', b'"version":1.0')):
        with pytest.raises(InvalidProof):
            verified(forge, other)


def test_values_of_other_types_are_refused_and_never_crash(permit):
    forge, data = permit
    trusted = forge.chain.header(json.loads(data)["block"]["number"]).hash
    chance = random.Random(7)
    paths = list(members(json.loads(data)))
    for _ in range(400):
        value = json.loads(data)
        path = chance.choice(paths)
        parent = value
        for name in path[:-1]:
            parent = parent[name]
        before = parent[path[-1]]
        parent[path[-1]] = chance.choice([None, True, -1, 0, 1.5, "", "0x", "x", [], {}, [[]], [None], {"a": 1}])
        if parent[path[-1]] == before or path[:1] + path[1:2] in UNSIGNED:
            continue
        try:
            verify_bundle(canonical(value), trusted, forge.deployment)
        except InvalidProof:
            continue
        # No ancestors: fewer confirmations than were demanded. Other items or facts: another question.
        assert path[0] == "ancestors" or path[:2] in {("question", "items"), ("question", "facts")}, path


def test_stored_bundles_are_compressed(forge):
    answer = forge.ask()
    data = bundle_of(forge, answer)
    with forge.store.begin() as tx:
        kept = tx.decision(answer.id).bundle
    assert zlib.decompress(kept) == data
    assert len(kept) < len(data)
