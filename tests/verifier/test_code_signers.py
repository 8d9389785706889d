"""Consents that an account with code signed: the contract checked them, no verifier can, and both say so.

What they let through rests on the recorded grant alone. So an account without code must sign, a grant must be recorded,
and nothing in a cohort may rest on code: each has a twin here that is refused.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from cli.running import run
from json_schema import check

from ledger.documents import canonical
from ledger.errors import InvalidMessage
from ledger.events import Delegated, Granted
from ledger.evidence import SignedConsent
from ledger.model import RIGHT_GRANT
from ledger.slots import delegation_slot
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import DAY, key
from verifier.conftest import Case, by_cohort
from verifier.test_second_verifier import HARMLESS, ROOT, TAMPER, agree, bent

YES = b"the owners have agreed"


def give_code(forge, *accounts):
    """From now on these accounts have code, which says yes to one signature."""
    wallets = dict.fromkeys((one.address for one in accounts), lambda digest, signature: signature == YES)
    forge.chain._contracts = replace(forge.chain._contracts, wallets=wallets)


def evidence(forge, name="permitted"):
    forge.settle()
    answer = forge.ask(by=forge.world.hospital if name == "no_consent" else forge.world.journal)
    assert str(answer.decision.reason) == name
    asker = forge.world.hospital if name == "no_consent" else forge.world.journal
    data = forge.services.bundling.bundle(asker.address, answer.id)
    return Case(name, data, forge.chain.header(answer.decision.moment.number).hash, forge.deployment)


def consent_by_code(forge, signer=None, **options):
    signer = signer or forge.world.patient
    return forge.services.intake.accept(forge.consent_to(forge.world.grant(), **options), signer.address, YES)


@pytest.fixture
def coded(make_forge):
    """A permit whose consent the patient's code signed, and the world around it."""
    forge = make_forge(stage="registered")
    give_code(forge, forge.world.patient)
    consent_by_code(forge)
    return forge, evidence(forge)


def nodes(forge, case, account):
    return ["0x" + node.hex() for node in forge.chain.account_proof(case.block, account).nodes]


def shown(value):
    return value["signatures"]["consents"][0]


def outcome(second, case, change=None):
    """Whether it holds, for both, after a change."""
    data = case.data
    if change is not None:
        value = json.loads(data)
        change(value)
        data = canonical(value)
    ((_, holds),) = agree(second, [(case, data, "")])
    return holds


def test_a_permit_by_code_verifies_and_says_who_checked_it(coded, second):
    forge, case = coded
    patient = forge.world.patient.address
    (answer,) = second([case.question()])
    assert (answer["holds"], answer["signers"], answer["checkedOnChain"]) == (True, {}, [patient])
    assert outcome(second, case)
    assert check(json.loads(case.data), json.loads((ROOT / "docs" / "bundle.schema.json").read_text())) == []
    read = SignedConsent.from_json(shown(json.loads(case.data)))
    assert SignedConsent.from_json(read.to_json()) == read


def test_a_permit_by_a_delegate_with_code_verifies(make_forge, second):
    forge, guardian = make_forge(stage="registered"), key("guardian")
    forge.chain.emit(Delegated(0, forge.world.patient.address, guardian.address, RIGHT_GRANT, 2**40, forge.chain.now))
    give_code(forge, guardian)
    consent_by_code(forge, guardian)
    case = evidence(forge)
    assert outcome(second, case)
    assert not outcome(second, case, lambda v: shown(v).update(signer=key("aunt").address))

    label = delegation_slot(forge.world.patient.address, guardian.address).label

    def delegation(value):
        slots = value["contracts"]["ConsentRegistry"]["slots"]
        return slots, next(slot for slot in slots if slot["label"] == label)

    assert not outcome(second, case, lambda v: delegation(v)[0].remove(delegation(v)[1]))
    assert not outcome(second, case, lambda v: delegation(v)[1].update(label="something else"))


def test_a_steward_signs_with_a_key_and_the_patient_by_code(make_forge, second):
    forge = make_forge(stage="registered", stewards=("mother",))
    w = forge.world
    give_code(forge, w.patient)
    consent_by_code(forge)
    forge.consent(w.grant(), by=w.mother)
    case = evidence(forge)
    (answer,) = second([case.question()])
    assert (answer["signers"], answer["checkedOnChain"]) == ({w.mother.address: w.mother.address}, [w.patient.address])
    assert outcome(second, case)
    for position in (0, 1):
        assert not outcome(second, case, lambda v, at=position: v["signatures"]["consents"].pop(at))


def test_both_refuse_whatever_was_bent_but_for_the_signature_that_they_do_not_check(coded, second):
    _, case = coded
    found = agree(second, [(case, data, name) for name, change in TAMPER.items() if (data := bent(case, change))])
    assert {name for name, holds in found if holds} - HARMLESS == {"a consent's signature"}
    assert sum(not holds for _, holds in found) > 40


# Twins


def test_an_account_without_code_cannot_hide_that_it_did_not_sign(make_forge, second):
    """Were it let through, any bundle could be stripped of the signature it rests on."""
    forge = make_forge()
    case = evidence(forge)
    patient = forge.world.patient.address
    proofs = {
        "its own": nodes(forge, case, patient),
        "a contract's": nodes(forge, case, forge.domain.registry),
        "none": [],
    }
    for name, proof in proofs.items():
        for signature in ("0x" + YES.hex(), shown(json.loads(case.data))["signature"]):
            change = {"signature": signature, "accountProof": proof}
            assert not outcome(second, case, lambda v, more=change: shown(v).update(more)), name
    assert outcome(second, case)


def test_code_that_was_there_in_another_block_counts_for_nothing(make_forge, second):
    """The proof is held against the block that the decision stands on."""
    forge = make_forge(stage="registered")
    give_code(forge, forge.world.patient)
    consent_by_code(forge)
    with_code = evidence(forge)
    proof = nodes(forge, with_code, forge.world.patient.address)
    forge.chain._contracts = replace(forge.chain._contracts, wallets={})
    forge.mine()
    case = evidence(forge)
    assert json.loads(case.data)["signatures"]["consents"] == [], "what nobody can check is not shown"
    consent = shown(json.loads(with_code.data))
    for given in (proof, nodes(forge, case, forge.world.patient.address)):
        put = consent | {"accountProof": given}
        assert not outcome(second, case, lambda v, one=put: v["signatures"]["consents"].append(one))
    assert not outcome(second, case), "the consent is missing"


def test_code_must_be_proven(coded, second):
    _, case = coded
    assert not outcome(second, case, lambda v: shown(v).pop("accountProof"))
    assert not outcome(second, case, lambda v: shown(v).update(accountProof=[]))
    assert not outcome(second, case, lambda v: shown(v).update(accountProof=None))
    assert not outcome(second, case, lambda v: shown(v)["accountProof"].reverse())
    assert not outcome(second, case, lambda v: shown(v)["accountProof"].pop())
    assert not outcome(second, case, lambda v: shown(v).update(signature="0x"))
    root = json.loads(case.data)["openings"]["record"]["salt"]
    assert not outcome(second, case, lambda v: shown(v).update(cohort={"root": root, "proof": []}))


def test_whoever_verifies_it_in_a_terminal_is_told(tmp_path):
    recorded = json.loads((ROOT / "tests" / "vectors" / "code_bundle.json").read_text())
    bundle, facts = tmp_path / "bundle.json", tmp_path / "deployment.json"
    bundle.write_bytes(canonical(recorded["bundle"]))
    facts.write_text(json.dumps(recorded["deployment"]))
    subject = recorded["bundle"]["openings"]["record"]["subject"]
    said = run("audit", "verify-bundle", bundle, "--trusted-block", recorded["block"], "--deployment", facts, "--json")
    assert (said.code, said.json["checkedOnChain"]) == (0, [subject])
    told = run("audit", "verify-bundle", bundle, "--trusted-block", recorded["block"], "--deployment", facts).out
    assert "The contract checked it, this does not" in " ".join(told.split())
    node = Path(sys.executable).parent / "node"
    options = ["--trusted-block", recorded["block"], "--deployment", facts]
    program = [node, ROOT / "verifier" / "verify-bundle.mjs", bundle, *options]
    second = subprocess.run(program, capture_output=True, text=True, check=True)
    assert f"{subject} was signed by an account with code" in second.stdout


def test_what_code_signed_and_nobody_recorded_counts_for_nothing(make_forge, second):
    """It was handed in after the question; and nobody but the contract asks code about a grant."""
    forge = make_forge(stage="registered")
    give_code(forge, forge.world.patient)
    forge.mine()
    forge.services.relays.pump()
    consent_by_code(forge)
    answer = forge.ask(by=forge.world.hospital)
    assert str(answer.decision.reason) == "no_consent"
    data = forge.services.bundling.bundle(forge.world.hospital.address, answer.id)
    case = Case("", data, forge.chain.header(answer.decision.moment.number).hash, forge.deployment)
    assert json.loads(data)["signatures"]["consents"] == []
    assert outcome(second, case)
    forge.settle()
    consent = shown(json.loads(evidence(forge).data)) | {
        "accountProof": nodes(forge, case, forge.world.patient.address)
    }
    opened = forge.world.grant().to_json()

    def shows_it(value):
        value["openings"]["grant"] = opened
        value["signatures"]["consents"].append(consent)

    assert not outcome(second, case, shows_it)


@pytest.mark.parametrize("keeps", [True, False], ids=["with its cohort", "without it"])
def test_nothing_in_a_cohort_rests_on_code(make_forge, second, keeps):
    """There the contract looks at no signature. Her key signed, and she has code by now, as EIP-7702 gives it."""
    forge = make_forge(stage="registered")
    by_cohort(forge)
    forge.settle()
    give_code(forge, forge.world.patient)
    patient, grant = forge.world.patient.address, forge.ask().decision.grant
    if keeps:  # even if the grant is recorded by itself, too
        forge.chain.emit(Granted(0, patient, grant, patient))
    forge.mine()
    case = evidence(forge)
    assert outcome(second, case)
    proof = nodes(forge, case, patient)

    def by_code(value):
        shown(value).update(accountProof=proof)
        if not keeps:
            del shown(value)["cohort"]

    assert not outcome(second, case, by_code)
    value = shown(json.loads(case.data)) | {"accountProof": proof}
    with pytest.raises(InvalidMessage):
        SignedConsent.from_json(value)
    del value["accountProof"]
    assert SignedConsent.from_json(value).root


def test_what_a_contract_account_granted_without_a_word_has_no_consent_to_show(make_forge, second):
    """Its own transaction: the service knows the grant from elsewhere, and no signed message of hers."""
    forge = make_forge(stage="registered")
    w = forge.world
    give_code(forge, w.patient)
    consent_by_code(forge, deadline=20)
    forge.chain.now += DAY
    forge.chain.emit(Granted(0, w.patient.address, struct_hash(w.grant()), w.patient.address))
    forge.mine(2)
    assert not outcome(second, evidence(forge))
