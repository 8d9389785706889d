"""The second verifier as a function, and a bundle of every kind of decision."""

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.deployment import Deployment
from ledger.events import Retracted, RevokedAll, Superseded, SuspensionChanged
from ledger.model import (
    RIGHT_GRANT,
    ZERO_ADDRESS,
    Approval,
    Closure,
    Delegation,
    Hash,
    Revocation,
    RevokeAll,
    Suspension,
    to_hash,
)
from scripts.vector_sources.world import DAY, key, phrase

OTHER = to_hash(phrase("something else"))


@pytest.fixture(scope="session")
def second():
    """Ask the second verifier many questions in one process (see lines.mjs)."""

    def ask(questions):
        program = [Path(sys.executable).parent / "node", Path(__file__).with_name("lines.mjs")]
        said = "\n".join(map(json.dumps, questions))
        done = subprocess.run(program, input=said, capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(questions)
        crashes = [answer for answer in answers if answer.get("crashed")]
        assert not crashes, crashes[:3]
        return answers

    return ask


@pytest.fixture(scope="module")
def cases(shared_forge):
    """A bundle of every reason that can have one, and of every way to be permitted, by name."""
    made = []

    def make_forge(**options):
        made.append(type(shared_forge)(**options))
        return made[-1]

    yield {case.name: case for case in make_cases(make_forge)}
    for forge in made:
        forge.store.close()


@dataclass(frozen=True)
class Case:
    """One bundle and what is needed to verify it."""

    name: str
    data: bytes
    block: Hash
    deployment: Deployment

    def question(self, data=None, **changes):
        """For the second verifier."""
        return {
            "bundle": base64.b64encode(self.data if data is None else data).decode(),
            "block": self.block,
            "deployment": self.deployment.to_json(),
        } | changes


def approved(forge):
    forge.consent(forge.world.grant(recipient=ZERO_ADDRESS))
    approval = Approval(
        forge.world.record_hash, forge.world.journal.address, "case-report", forge.chain.now + 30 * DAY, OTHER
    )
    forge.services.records.approve(approval, forge.signature(approval, forge.world.hospital))


def by_a_delegate(forge):
    aunt, patient = key("aunt"), forge.world.patient.address
    forge.accept(Delegation(patient, aunt.address, RIGHT_GRANT, forge.chain.now + DAY, forge.chain.now))
    forge.settle()
    forge.accept(forge.consent_to(), by=aunt)


def by_cohort(forge, *more, deadline=900):
    """Consents that are recorded together; others are in the cohort, too."""
    salted = (forge.world.grant(salt=to_hash(phrase(f"in a cohort {number}"))) for number in range(5))
    grants = (forge.world.grant(), *salted)
    consents = [*(forge.consent_to(grant, deadline=deadline) for grant in grants), *more]
    keys = {forge.world.patient.address: forge.world.patient, forge.world.mother.address: forge.world.mother}
    signed = [(one, one.subject, forge.signature(one, keys[one.subject])) for one in consents]
    return forge.services.cohorts.accept(forge.world.hospital.address, signed)


def by_cohort_and_revoked(forge):
    by_cohort(forge)
    forge.settle()
    patient = forge.world.patient.address
    forge.chain.emit(RevokedAll(0, patient, forge.chain.now, patient))
    forge.mine()


def by_cohort_too_late(forge):
    by_cohort(forge, deadline=20)
    forge.services.relays.pump()
    forge.chain.now += 30
    forge.mine(3)


def superseded(forge, *materials):
    """The form gets a successor, that one another, and so on."""
    document = forge.world.form.hash
    for number, material in enumerate(materials):
        successor = to_hash(phrase(f"successor {number}"))
        forge.chain.emit(Superseded(0, forge.world.hospital.address, document, successor, material))
        document = successor


def stale(forge):
    forge.chain.now += 37


PATIENT = {
    "permitted": lambda f: None,
    "permitted, form superseded in passing": lambda f: superseded(f, False, False, False),
    "revoked": lambda f: f.revoke(),
    "revoked, all": lambda f: f.accept(RevokeAll(f.world.patient.address, f.chain.now)),
    "revoked on chain": lambda f: (f.revoke(), f.settle()),
    "suspended": lambda f: f.accept(Suspension(f.world.patient.address, True, f.chain.now)),
    "suspended on chain": lambda f: (f.accept(Suspension(f.world.patient.address, True, f.chain.now)), f.settle()),
    "closed": lambda f: f.accept(Closure(f.world.patient.address)),
    "expired": lambda f: (setattr(f.chain, "now", f.world.grant().valid_until), f.mine()),
    "stale_ledger": stale,
    "controller_not_listed": lambda f: f.chain.emit(SuspensionChanged(0, f.world.hospital.address, True)),
    "recipient_suspended": lambda f: f.chain.emit(SuspensionChanged(0, f.world.journal.address, True)),
    "record_retracted": lambda f: f.chain.emit(Retracted(0, f.world.hospital.address, f.world.record_hash)),
    "form_superseded": lambda f: superseded(f, False, True),
}
"""What happened after the consents were recorded; the name begins with the reason."""
CONDITIONS = "DUO:0000007:MONDO:0004992", "DUO:0000018", "DUO:0000022:DE.AT", "DUO:0000019", "DUO:0000044"
GIVEN = {
    "permitted by approval": approved,
    "permitted by a delegate": by_a_delegate,
    "permitted by a cohort": by_cohort,
    "revoked, of a cohort": by_cohort_and_revoked,
    "permitted, research": lambda f: f.consent(
        f.world.grant(recipient=f.world.research.address, purposes=CONDITIONS, channels=())
    ),
    "no_consent": lambda f: None,
    "no_consent, revoked before": lambda f: f.accept(Revocation(f.world.patient.address, (f.world.research_grant,))),
}  # fmt: skip
"""What is consented to, where it is not the world's usual."""
QUESTIONS = {
    "permitted": {"items": ("ct.dcm",)},
    "purpose_not_covered": {"purpose": "teaching"},
    "needs_review": {"purpose": "curiosity"},
    "channel_not_covered": {"channel": "social:instagram"},
    "item_not_covered": {"items": ("photo.jpg",)},
    "item_not_covered, whole record": {"items": ()},
    "content_changed": {"digests": {"narrative.md": OTHER}},
}
RESEARCH = {
    "permitted": {
        "nonprofit": True,
        "commercial": False,
        "country": "AT",
        "accepts": ["DUO:0000019"],
        "ancestry": False,
    },
    "purpose_not_covered": {
        "nonprofit": True,
        "commercial": True,
        "country": "AT",
        "accepts": ["DUO:0000019"],
        "ancestry": False,
    },
    "needs_review": {"country": "DE", "accepts": "DUO:0000019"},
}


def make_cases(make_forge):

    def case(name, forge, asker, answer):
        data = forge.services.bundling.bundle(asker.address, answer.id)
        block = forge.chain.header(answer.decision.moment.number).hash
        assert str(answer.decision.reason) == name.split(",")[0].split(" ")[0], (name, answer.decision)
        return Case(name, data, block, forge.deployment)

    for name, happens in PATIENT.items():
        forge = make_forge()
        happens(forge)
        yield case(name, forge, forge.world.journal, forge.ask())
    for name, happens in GIVEN.items():
        forge = make_forge(stage="registered")
        happens(forge)
        forge.settle()
        asker, changes = forge.world.journal, {}
        if name == "permitted, research":
            asker = forge.world.research
            changes = {"recipient": asker.address, "purpose": "DUO:0000007:MONDO:0007254", "channel": ""}
            for reason, facts in RESEARCH.items():
                asked = forge.ask(by=asker, **changes, facts=facts)
                yield case(f"{reason}, conditions", forge, asker, asked)
            changes["facts"] = RESEARCH["permitted"]
        if name.startswith("no_consent"):
            asker = forge.world.hospital  # to the journal, a record without consents does not exist
        yield case(name, forge, asker, forge.ask(by=asker, **changes))
    forge = make_forge()
    for name, changes in QUESTIONS.items():
        yield case(name, forge, forge.world.journal, forge.ask(**changes))
    hospital, stranger = forge.world.hospital, forge.world.stranger.address
    yield case("recipient_not_covered", forge, hospital, forge.ask(by=hospital, recipient=stranger))
    yield case("permitted in a release", forge, forge.world.journal, forge.release())
    forge = make_forge(stage="registered", stewards=("mother",))
    forge.consent()
    forge.settle()
    yield case("further_consent_needed", forge, forge.world.journal, forge.ask())
    forge.consent(by=forge.world.mother)
    forge.settle()
    yield case("permitted with a steward", forge, forge.world.journal, forge.ask())
    forge = make_forge(stage="registered", stewards=("mother",))
    by_cohort(forge, forge.consent_to(forge.world.grant(), by=forge.world.mother))
    forge.settle()
    yield case("permitted by a cohort with a steward", forge, forge.world.journal, forge.ask())
    forge = make_forge(stage="registered")
    by_cohort_too_late(forge)
    yield case("no_consent, anchored too late", forge, forge.world.journal, forge.ask())
    forge = make_forge(stage="registered", confirmations=3)
    forge.consent(forge.world.grant(valid_from=forge.chain.now + DAY))
    forge.services.relays.pump()
    forge.mine()
    for reason in ("awaiting_confirmations", "not_yet_valid"):
        yield case(reason, forge, forge.world.journal, forge.ask())
        forge.mine(3)
