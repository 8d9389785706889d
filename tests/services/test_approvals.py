"""A grant that names nobody: any listed recipient may use the record once its controller has approved it."""

import json

import pytest

from ledger.bundles import verify_bundle
from ledger.errors import InvalidProof, NotFound
from ledger.model import ZERO_ADDRESS, Approval, to_hash
from scripts.vector_sources.world import DAY, phrase


@pytest.fixture
def opened(make_forge):
    """A forge in which the patient agreed to any approved recipient, and to nobody by name."""
    forge = make_forge(stage="registered")
    forge.consent(forge.world.grant(recipient=ZERO_ADDRESS, salt=to_hash(phrase("open grant"))))
    forge.settle()
    return forge


def approval(forge, **changes):
    fields = {
        "record": forge.world.record_hash,
        "recipient": forge.world.journal.address,
        "purpose": "case-report",
        "valid_until": forge.chain.now + 30 * DAY,
        "salt": to_hash(phrase("approval")),
    } | changes
    return Approval(**fields)


def approve(forge, by=None, **changes):
    message = approval(forge, **changes)
    return forge.services.records.approve(message, forge.signature(message, by or forge.world.hospital))


def test_nobody_may_use_it_before_an_approval(opened):
    assert opened.reason() == "no_consent", "the journal is not party to it yet, so it learns nothing"


def test_an_approved_recipient_may_and_the_evidence_verifies_offline(opened):
    approve(opened)
    answer = opened.ask()
    assert answer.decision.permitted
    assert answer.decision.until == opened.chain.now + 30 * DAY
    bundle = opened.services.bundling.bundle(opened.world.journal.address, answer.id)
    block = opened.chain.header(answer.decision.moment.number).hash
    assert verify_bundle(bundle, block, opened.deployment).decision.permitted


def test_evidence_without_the_approval_does_not_verify(opened):
    approve(opened)
    answer = opened.ask()
    value = json.loads(opened.services.bundling.bundle(opened.world.journal.address, answer.id))
    value["openings"]["approvals"], value["signatures"]["approvals"] = [], []
    from ledger.documents import canonical

    with pytest.raises(InvalidProof):
        verify_bundle(canonical(value), opened.chain.header(answer.decision.moment.number).hash, opened.deployment)


def test_keys_are_released_to_an_approved_recipient(opened):
    approve(opened)
    assert opened.release().items


def test_another_recipient_stays_outside(opened):
    approve(opened, recipient=opened.world.research.address)
    assert opened.reason() == "no_consent"


def test_an_approval_is_for_one_purpose(opened):
    approve(opened, purpose="teaching")
    assert opened.reason() == "recipient_not_covered"


@pytest.mark.parametrize("who", ["journal", "patient", "stranger"])
def test_only_the_controller_approves_and_nobody_else_learns_that_the_record_exists(opened, who):
    with pytest.raises(NotFound) as refused:
        approve(opened, by=getattr(opened.world, who))
    with pytest.raises(NotFound) as unknown:
        approve(opened, record=to_hash(phrase("no record")))
    assert str(refused.value) == str(unknown.value)
    assert opened.reason() == "no_consent"
