"""Two verifiers, written twice in two languages: they agree about every honest bundle and every bent one."""

import base64
import copy
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from ledger.bundles import decision_json, verify_bundle
from ledger.decisions import Reason
from ledger.deployment import Deployment
from ledger.documents import canonical
from ledger.errors import InvalidProof
from ledger.model import RIGHT_GRANT, ZERO_ADDRESS, Delegation
from ledger.slots import delegation_slot
from scripts.vector_sources.world import DAY, key

DEEP = os.environ.get("VOLENS_TEST_PROFILE") == "deep"
ROOT = Path(__file__).parents[2]
WITHOUT_BUNDLE = {Reason.UNKNOWN_RECORD, Reason.LEDGER_UNAVAILABLE}
"""Nobody is party to a record that is not known; and without a ledger there is nothing to prove."""


def first(case, data=None, **limits):
    """What our own verifier says, in the form of the second's answer."""
    try:
        found = verify_bundle(case.data if data is None else data, case.block, case.deployment, **limits)
    except InvalidProof:
        return {"holds": False}
    told = {"signers": dict(found.signers), "checkedOnChain": sorted(found.checked_on_chain)}
    return {"holds": True, "decision": decision_json(found.decision), **told}


def without_why(answer):
    return {name: value for name, value in answer.items() if name not in ("why", "crashed")}


def agree(second, asked):
    """Ask both about (case, bytes, name) and return the answers, which must be the same."""
    asked = list(asked)
    answers = second([case.question(data) for case, data, _ in asked])
    outcomes = Counter()
    for (case, data, name), answer in zip(asked, answers, strict=True):
        ours = first(case, data)
        assert without_why(answer) == ours, (case.name, name, answer)
        outcomes[name, ours["holds"]] += 1
    return outcomes


# Honest bundles


def test_there_is_a_bundle_of_every_reason(cases):
    reasons = {json.loads(case.data)["decision"]["reason"] for case in cases.values()}
    assert reasons == {str(reason) for reason in Reason} - {str(reason) for reason in WITHOUT_BUNDLE}


def test_both_verify_every_honest_bundle(cases, second):
    for case, answer in zip(cases.values(), second([case.question() for case in cases.values()]), strict=True):
        assert answer.get("holds"), (case.name, answer)
        assert answer["decision"] == json.loads(case.data)["decision"]
        assert without_why(answer) == first(case)


@pytest.mark.parametrize("name", ["bundle", "cohort_bundle", "code_bundle"])
def test_evidence_of_the_past_verifies_for_ever(second, name):
    """Recorded once, never again: whoever changes the format or the decision must still read what was kept."""
    recorded = json.loads((ROOT / "tests" / "vectors" / f"{name}.json").read_text())
    data, facts = canonical(recorded["bundle"]), Deployment.from_json(recorded["deployment"])
    assert verify_bundle(data, recorded["block"], facts).decision.permitted
    question = {"bundle": base64.b64encode(data).decode(), "block": recorded["block"]}
    (answer,) = second([question | {"deployment": recorded["deployment"]}])
    assert answer["decision"] == recorded["bundle"]["decision"]


def test_both_keep_the_verifiers_own_limits(cases, second):
    case = cases["permitted"]  # two confirmations, a block of at most 36 seconds
    limits = [{"confirmations": confirmations, "maxAge": age} for confirmations in (1, 2, 3) for age in (35, 36, 3600)]
    answers = second([case.question(**limit) for limit in limits])
    for limit, answer in zip(limits, answers, strict=True):
        assert answer["holds"] == (limit["confirmations"] <= 2 and limit["maxAge"] >= 36)
        ours = first(case, confirmations=limit["confirmations"], max_age=limit["maxAge"])
        assert ours["holds"] == answer["holds"]


def test_neither_trusts_another_block_or_deployment(cases, second):
    case, other = cases["permitted"], cases["revoked on chain"]
    facts = case.deployment.to_json()

    def changed(path, value):
        bent = copy.deepcopy(facts)
        parent = bent
        for name in path[:-1]:
            parent = parent[name]
        parent[path[-1]] = value
        return {"deployment": bent}

    wrong = [
        {"block": other.block},
        changed(("chainId",), 1),
        changed(("genesis",), other.block),
        *(changed(("contracts", name, "codeHash"), other.block) for name in ("ConsentRegistry", "Directory")),
        *(changed(("contracts", name, "address"), ZERO_ADDRESS) for name in ("ConsentRegistry", "PolicyRegistry")),
    ]
    assert not any(answer["holds"] for answer in second([case.question(**change) for change in wrong]))


# Bent bundles


def slots(value):
    return [slot for proven in value["contracts"].values() for slot in proven["slots"]]


def flip(text, place=-1):
    """Another hexadecimal digit at a place."""
    digits = list(text)
    digits[place] = "0" if digits[place] != "0" else "1"
    return "".join(digits)


def cohort_of(value):
    return value["signatures"]["consents"][0]["cohort"]


def swap(container, one, other):
    container[one], container[other] = container[other], container[one]


def turn(value):
    decision = value["decision"]
    if decision["permitted"]:
        decision.update(permitted=False, reason="revoked", until=None, obligations=[])
    else:
        grant = value["openings"]["grant"] or {"validUntil": 2**40, "onward": "none"}
        obligations = [f"onward:{grant['onward']}", "stop-new-use-when-revoked"]
        decision.update(permitted=True, reason="permitted", until=grant["validUntil"], obligations=obligations)


def forged_value(value):
    """The slot of the grant says that it was never revoked, its proof does not."""
    slot = next(slot for slot in slots(value) if slot["label"].startswith("entries["))
    slot["value"] = hex(int(slot["value"], 16) & (2**64 - 1) ^ 1)


def proof_of_another(value):
    found = [slot for slot in slots(value) if slot["label"].startswith(("entries[", "subjects["))]
    found[0]["proof"], found[1]["proof"] = found[1]["proof"], found[0]["proof"]


TAMPER = {
    "turn the answer": turn,
    "another reason": lambda v: v["decision"].update(reason="closed"),
    "another grant named": lambda v: v["decision"].update(grant=v["openings"]["record"]["salt"]),
    "a later end": lambda v: v["decision"].update(until=(v["decision"]["until"] or 0) + 1),
    "an obligation less": lambda v: v["decision"].update(obligations=v["decision"]["obligations"][:-1] or ["none"]),
    "a number for a truth": lambda v: v["decision"].update(permitted=int(v["decision"]["permitted"])),
    "an earlier time": lambda v: v["decision"].update(at=v["decision"]["at"] - 100_000),
    "a block of any age": lambda v: v["decision"].update(maxAge=3601),
    "another recipient": lambda v: v["question"].update(recipient=v["openings"]["record"]["controller"]),
    "another purpose": lambda v: v["question"].update(purpose="press"),
    "another channel": lambda v: v["question"].update(channel="social:x"),
    "another record asked about": lambda v: v["question"].update(record=v["openings"]["record"]["salt"]),
    "another file": lambda v: v["question"].update(digests={"ct.dcm": v["openings"]["record"]["salt"]}),
    "a title": lambda v: v["openings"]["record"].update(title="Another"),
    "a further steward": lambda v: v["openings"]["record"]["stewards"].append(v["openings"]["record"]["controller"]),
    "another controller": lambda v: v["openings"]["record"].update(controller=v["openings"]["record"]["subject"]),
    "an item's digest": lambda v: v["openings"]["items"][0].update(sha256=v["openings"]["record"]["salt"]),
    "an item twice": lambda v: v["openings"]["items"].append(v["openings"]["items"][0]),
    "an item left out": lambda v: v["openings"]["items"].pop(),
    "a wider grant": lambda v: v["openings"]["grant"].update(channels=["journal", "social"]),
    "a longer grant": lambda v: v["openings"]["grant"].update(validUntil=2**52),
    "another recipient in the grant": lambda v: v["openings"]["grant"].update(recipient=ZERO_ADDRESS),
    "no grant": lambda v: v["openings"].update(grant=None),
    "another form": lambda v: v["openings"]["form"].update(version=9),
    "no form": lambda v: v["openings"].update(form=None),
    "the form's terms": lambda v: v["openings"]["form"]["channels"].popitem(),
    "no consents": lambda v: v["signatures"].update(consents=[]),
    "a consent's signature": lambda v: v["signatures"]["consents"][0].update(
        signature=flip(v["signatures"]["consents"][0]["signature"], 20)
    ),
    "the other parity": lambda v: v["signatures"].update(
        controller=v["signatures"]["controller"][:-2] + {"1b": "1c", "1c": "1b"}[v["signatures"]["controller"][-2:]]
    ),
    "the malleable twin": lambda v: v["signatures"].update(controller=twin(v["signatures"]["controller"])),
    "somebody else's signature": lambda v: v["signatures"].update(
        controller=v["signatures"]["consents"][0]["signature"]
    ),
    "a signer who is no delegate": lambda v: v["signatures"]["consents"][0].update(
        signer=v["openings"]["record"]["controller"]
    ),
    "an earlier deadline": lambda v: v["signatures"]["consents"][0].update(deadline=1),
    "a consent of somebody else": lambda v: v["signatures"]["consents"][0].update(subject=v["question"]["recipient"]),
    "a cohort's proof": lambda v: cohort_of(v)["proof"].__setitem__(0, flip(cohort_of(v)["proof"][0])),
    "a cohort's proof cut": lambda v: cohort_of(v)["proof"].pop(),
    "a cohort's proof of far too much": lambda v: cohort_of(v).update(proof=cohort_of(v)["proof"] * 99),
    "another cohort": lambda v: cohort_of(v).update(root=flip(cohort_of(v)["root"])),
    "no cohort": lambda v: v["signatures"]["consents"][0].pop("cohort"),
    "nothing for a cohort": lambda v: v["signatures"]["consents"][0].update(cohort=None),
    "a cohort made up": lambda v: v["signatures"]["consents"][0].update(
        cohort={"root": v["openings"]["record"]["salt"], "proof": []}
    ),
    "a member of a cohort nobody knows": lambda v: cohort_of(v).update(note="trust me"),
    "a later deadline in a cohort": lambda v: cohort_of(v)
    and v["signatures"]["consents"][0].update(deadline=v["signatures"]["consents"][0]["deadline"] + 1),
    "a denial added": lambda v: v["denials"].append(["closed", v["openings"]["record"]["subject"], ""]),
    "denials left out": lambda v: v.update(denials=[]) if v["denials"] else v.pop("denials"),
    "a denial nobody knows": lambda v: v["denials"].append(["paused", v["openings"]["record"]["subject"], ""]),
    "a denial that no bundle states": lambda v: v["denials"].append(
        ["undelegated", v["openings"]["record"]["subject"], f"{v['openings']['record']['controller']} 1"]
    ),
    "a denial's time in words": lambda v: v["denials"].append(
        ["suspended", v["openings"]["record"]["subject"], " 1_000"]
    ),
    "a slot's value": forged_value,
    "a slot's proof": lambda v: slots(v)[1]["proof"].__setitem__(-1, flip(slots(v)[1]["proof"][-1])),
    "a slot's proof cut": lambda v: slots(v)[1]["proof"].pop(),
    "a slot's proof without its head": lambda v: slots(v)[1]["proof"].pop(0),
    "a node too many": lambda v: slots(v)[1]["proof"].append(slots(v)[1]["proof"][0]),
    "a node twice": lambda v: slots(v)[1]["proof"].insert(0, slots(v)[1]["proof"][0]),
    "nodes the other way round": lambda v: slots(v)[1]["proof"].reverse() or slots(v)[1]["proof"].insert(1, "0x80"),
    "the proof of another slot": proof_of_another,
    "a slot's key": lambda v: slots(v)[1].update(key=flip(slots(v)[1]["key"])),
    "a slot's label": lambda v: slots(v)[1].update(label="head"),
    "a slot left out": lambda v: v["contracts"]["ConsentRegistry"]["slots"].pop(),
    "an account's proof": lambda v: v["contracts"]["Directory"]["accountProof"].__setitem__(
        0, flip(v["contracts"]["Directory"]["accountProof"][0])
    ),
    "accounts exchanged": lambda v: swap(v["contracts"], "Directory", "PolicyRegistry"),
    "proofs of accounts exchanged": lambda v: v["contracts"]["Directory"].update(
        accountProof=v["contracts"]["PolicyRegistry"]["accountProof"]
    ),
    "another code": lambda v: v["contracts"]["Directory"].update(codeHash=v["genesis"]),
    "a contract left out": lambda v: v["contracts"].pop("PolicyRegistry"),
    "a contract added": lambda v: v["contracts"].update(More={}),
    "a header": lambda v: v["block"].update(headerRlp=flip(v["block"]["headerRlp"])),
    "another block's number": lambda v: v["block"].update(number=v["block"]["number"] + 1),
    "an ancestor that is none": lambda v: v["ancestors"].append(v["block"]["headerRlp"]),
    "another chain": lambda v: v.update(chainId=1),
    "another version": lambda v: v.update(version=2),
    "a truth for a number": lambda v: v.update(version=True),
    "a member nobody knows": lambda v: v.update(note="trust me"),
    "a member of a slot nobody knows": lambda v: slots(v)[0].update(note="trust me"),
    "a member of the question nobody knows": lambda v: v["question"].update(note="trust me"),
    "a member less": lambda v: v["decision"].pop("until"),
}  # fmt: skip
HARMLESS = {
    "an item left out",  # of a denial that does not look at items
    "another recipient", "another purpose", "another channel", "another file",  # another question, the same answer
    "another record asked about",  # while the ledger is stale
    "no grant", "no form", "the form's terms", "another form", "no consents",
    "a denial added", "denials left out", "an earlier time",
    "a cohort's proof", "a cohort's proof cut", "a cohort's proof of far too much", "no cohort",  # anchored too late
}  # fmt: skip
"""May leave a true bundle: one of another question, or of a denial that rests on something else."""
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def twin(signature):
    data = bytes.fromhex(signature[2:])
    return "0x" + (data[:32] + (_ORDER - int.from_bytes(data[32:64])).to_bytes(32) + bytes([55 - data[64]])).hex()


def bent(case, change):
    """The bundle with one thing changed, or None where there is no such thing in it."""
    value = json.loads(case.data)
    try:
        change(value)
    except (IndexError, KeyError, AttributeError, TypeError, StopIteration):
        return None
    data = canonical(value)
    return data if data != case.data else None


def test_both_refuse_whatever_was_bent(cases, second):
    asked = [(case, bent(case, change), name) for name, change in TAMPER.items() for case in cases.values()]
    outcomes = agree(second, [entry for entry in asked if entry[1] is not None])
    for name in TAMPER:
        assert outcomes[name, False], f"{name}: never refused"
        assert not outcomes[name, True] or name in HARMLESS, name
    assert len(TAMPER) >= 20


def test_a_permit_by_cohort_rests_on_it(cases, second):
    bends = {name: change for name, change in TAMPER.items() if "cohort" in name}
    for case in (cases["permitted by a cohort"], cases["permitted by a cohort with a steward"]):
        outcomes = agree(second, [(case, bent(case, change), name) for name, change in bends.items()])
        assert set(outcomes) == {(name, False) for name in bends}


def test_a_delegates_word_does_not_count_in_a_cohort(make_forge, second):
    """Recorded by itself it would have: the contract looks at her rights then, and at nothing under a root."""
    forge, aunt = make_forge(stage="registered"), key("aunt")
    patient, journal = forge.world.patient.address, forge.world.journal.address
    forge.accept(Delegation(patient, aunt.address, RIGHT_GRANT, forge.chain.now + DAY, forge.chain.now))
    forge.settle()
    consent = forge.consent_to(forge.world.grant())
    signed = consent, patient, forge.signature(consent, forge.world.patient)
    forge.services.cohorts.accept(forge.world.hospital.address, [signed])
    forge.settle()
    answer = forge.ask()
    value = json.loads(forge.services.bundling.bundle(journal, answer.id))
    head = forge.chain.header(answer.decision.moment.number)
    ((slot, number, proof),) = forge.services.index.prove(head, [delegation_slot(patient, aunt.address)])[
        "ConsentRegistry"
    ].slots
    shown = {"label": slot.label, "key": slot.key, "value": hex(number), "proof": [f"0x{n.hex()}" for n in proof.nodes]}
    value["contracts"]["ConsentRegistry"]["slots"].append(shown)
    case = SimpleNamespace(block=head.hash, deployment=forge.deployment, data=canonical(value))
    assert first(case)["holds"]
    value["signatures"]["consents"][0].update(
        signer=aunt.address, signature="0x" + forge.signature(consent, aunt).hex()
    )
    bent = canonical(value)
    question = {"block": head.hash, "deployment": forge.deployment.to_json()}
    honest, refused = second([question | {"bundle": base64.b64encode(data).decode()} for data in (case.data, bent)])
    assert honest["holds"]
    assert not first(case, bent)["holds"]
    assert not refused["holds"]


def mutated(chance, value):
    """One member or entry, anywhere, dropped, doubled, exchanged or replaced."""
    places = []

    def walk(parent):
        for place in list(parent) if isinstance(parent, dict) else range(len(parent)):
            places.append((parent, place))
            if isinstance(parent[place], (dict, list)):
                walk(parent[place])

    walk(value)
    parent, place = chance.choice(places)
    kind = chance.randrange(5)
    if kind == 0:
        del parent[place]
    elif kind == 1 and isinstance(parent, list):
        parent.insert(place, parent[place])
    elif kind == 2:
        other, there = chance.choice(places)
        parent[place] = copy.deepcopy(other[there])
    elif kind == 3 and isinstance(parent[place], str) and parent[place]:
        text = list(parent[place])
        text[chance.randrange(len(text))] = chance.choice("0123456789abcdefABCDEF-:. \u00e9\u202e")
        parent[place] = "".join(text)
    else:
        parent[place] = chance.choice(
            [None, True, False, -1, 0, 1, 2**53 - 1, 1.5, "", "0x", "x", [], {}, [[]], [None]]
        )


def test_both_say_the_same_about_random_changes(cases, second):
    seed = random.SystemRandom().randrange(2**32) if DEEP else 20261125
    chance, everything = random.Random(seed), list(cases.values())
    asked = []
    for _ in range(20_000 if DEEP else 1_200):
        case = chance.choice(everything)
        if chance.random() < 0.7:
            value = json.loads(case.data)
            for _ in range(chance.choice((1, 1, 1, 2))):
                mutated(chance, value)
            data = canonical(value)
        else:
            raw = bytearray(case.data)
            raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
            data = bytes(raw)
        asked.append((case, data, f"seed {seed}"))
    outcomes = agree(second, asked)
    assert outcomes[f"seed {seed}", False] > len(asked) / 2


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"null", b"1", b'"\\ud800"', b"\xff", b"\xef\xbb\xbf{}", b"[" * 5000,
        b'{"type":"VolensBundle"}', b'{"__proto__":{},"constructor":1}', b"x" * (4 * 2**20 + 1),
    ],
)  # fmt: skip
def test_neither_takes_what_is_no_bundle(cases, second, data):
    agree(second, [(cases["permitted"], data, "no bundle")])


# On the command line


def test_it_is_a_command_with_exit_codes(cases, tmp_path):
    case = cases["permitted"]
    bundle, facts = tmp_path / "bundle.json", tmp_path / "deployment.json"
    facts.write_text(json.dumps(case.deployment.to_json()))
    program = [Path(sys.executable).parent / "node", ROOT / "verifier" / "verify-bundle.mjs"]

    def run(data, *more):
        bundle.write_bytes(data)
        command = [*program, bundle, "--trusted-block", case.block, "--deployment", facts, *more]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert "    at " not in done.stderr, "a traceback"
        return done.returncode, done.stdout + done.stderr

    code, said = run(case.data)
    assert code == 0
    assert "permit (permitted), 2 deep" in said
    assert run(case.data, "--confirmations", "3")[0] == 5
    assert run(bent(case, turn))[0] == 5
    assert run(case.data, "--max-age", "soon")[0] == 2
    assert run(case.data, "--nothing")[0] == 2
