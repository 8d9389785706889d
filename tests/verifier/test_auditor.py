"""An auditor who has the chain and the openings comes to the service's verdict, for any grant at any block."""

import base64
import contextlib
import json
import os
import random

from ledger.decisions import decide
from ledger.documents import document_hash
from ledger.errors import VolensError
from ledger.events import Retracted, Superseded, SuspensionChanged
from ledger.evidence import Evidence, Moment, Opening, authenticate
from ledger.model import Revocation, RevokeAll, Suspension, to_hash
from ledger.proofs import Header
from ledger.state import LedgerState, replay
from scripts.vector_sources.world import CHAIN_ID, DAY, World, phrase

DEEP = os.environ.get("VOLENS_TEST_PROFILE") == "deep"
PAIRS = 1_000 if DEEP else 120
TO_BE_SEEN = {"permitted", "revoked", "no_consent", "suspended"}


class History:
    """A life of some grants, and every answer the service gave in it."""

    def __init__(self, forge, chance):
        self.forge, self.chance, self.asked = forge, chance, []
        w = forge.world
        self.grants = [
            w.grant(
                salt=to_hash(phrase(f"history {number}")),
                channels=chance.choice((("journal",), ("journal", "social:mastodon"), ("social:instagram",))),
                items=chance.choice((("narrative.md",), ("narrative.md", "ct.dcm"), ("*",))),
                valid_until=forge.chain.now + chance.choice((1, 40, 365)) * DAY,
            )
            for number in range(6)
        ]  # fmt: skip

    def happens(self):
        """One thing, and all of it on the chain."""
        forge, w = self.forge, self.forge.world
        patient, now = w.patient.address, forge.chain.now
        match self.chance.randrange(12):
            case 0 | 1 | 2 | 3 | 4:
                unused = [g for g in self.grants if not forge.chain.state.entry(patient, Opening(g).hash).granted_at]
                if unused:
                    forge.consent(self.chance.choice(unused))
            case 5 | 6:
                forge.accept(Revocation(patient, (self.chance.choice(self.grants),)))
            case 7:
                suspended = forge.chain.state.subject(patient).suspended
                forge.accept(Suspension(patient, not suspended, now))
            case 8:
                party = self.chance.choice((w.hospital.address, w.journal.address))
                forge.chain.emit(SuspensionChanged(0, party, not forge.chain.state.party(party).suspended))
            case 9 if self.chance.random() < 0.2:
                forge.accept(RevokeAll(patient, now))
            case 10 if self.chance.random() < 0.1:
                forge.chain.emit(Superseded(0, w.hospital.address, w.form.hash, to_hash(phrase("next form")), True))
            case 11 if self.chance.random() < 0.1:
                forge.chain.emit(Retracted(0, w.hospital.address, w.record_hash))
            case _:
                forge.chain.now += self.chance.choice((60, DAY, 3 * DAY))
        forge.settle()

    def ask(self):
        """A question about a grant, and what the service said at which block."""
        chance = self.chance
        forge, grant = self.forge, chance.choice(self.grants)
        items = ("narrative.md",) if grant.items == ("*",) else grant.items
        channel = chance.choice((grant.channels[0], "journal"))
        answer = forge.ask(by=forge.world.hospital, items=items, channel=channel)
        with forge.store.begin() as tx:
            opened = tuple(Opening(grant) for grant in tx.grants_of(forge.world.record_hash))
        self.asked.append((answer, forge.world.question(items=items, channel=channel), opened))


def verdict(forge, question, opened, stated):
    """The auditor's own: events of the chain up to that block, the openings, nothing of the service."""
    w = World()
    block = next(h for n in range(10**6) if (h := forge.chain.header(n)).hash == stated.moment.hash)
    events = [entry.event for entry in forge.chain.events_between(0, block.number)]
    state = replay(LedgerState.empty(CHAIN_ID, w.contracts), events)
    record = authenticate(w.record, w.items, bytes.fromhex(w.record_signature[2:]), w.domain)
    headers = [Header(forge.chain.header(block.number - depth).rlp) for depth in range(forge.confirmations)]
    evidence = Evidence(state, record, opened, {document_hash(w.form): w.form})
    return decide(question, evidence, Moment.of(headers, stated.moment.wall, stated.moment.max_age))


def test_an_auditor_comes_to_the_same_verdicts_from_the_chain_alone(make_forge, second):
    seed = random.SystemRandom().randrange(2**32) if DEEP else 7
    chance, answers = random.Random(seed), []
    while len(answers) < PAIRS or (not set(answers) >= TO_BE_SEEN and len(answers) < 10 * PAIRS):
        history = History(make_forge(stage="registered"), chance)
        forge = history.forge
        for _ in range(25):
            with contextlib.suppress(VolensError):  # an expired grant, a suspended hospital: refused, which is fine
                history.happens()
            for _ in range(2):
                history.ask()
        questions = []
        for answer, question, opened in chance.sample(history.asked, 30):
            found = verdict(forge, question, opened, answer.decision)
            assert (found.reason, found.grant, found.until) == (
                answer.decision.reason, answer.decision.grant, answer.decision.until,
            ), (seed, question, answer)  # fmt: skip
            data = forge.services.bundling.bundle(forge.world.hospital.address, answer.id)
            assert json.loads(data)["decision"]["reason"] == found.reason
            facts = forge.deployment.to_json()
            encoded = base64.b64encode(data).decode()
            questions.append({"bundle": encoded, "block": answer.decision.moment.hash, "deployment": facts})
            answers.append(str(found.reason))
        for reason, said in zip(answers[-len(questions) :], second(questions), strict=True):
            assert said["holds"], (seed, reason, said)
            assert said["decision"]["reason"] == reason
    assert set(answers) >= TO_BE_SEEN
    assert len(set(answers)) >= 6
