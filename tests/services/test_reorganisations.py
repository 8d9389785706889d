"""Reorganisations at random: the index equals a fresh replay, and what was once withdrawn stays withdrawn.

``VOLENS_TEST_PROFILE=deep`` makes 2,000 seeded runs instead of 60.
"""

import os
import random

import pytest

from ledger.adapters.store import SqlStore
from ledger.decisions import decide
from ledger.errors import WrongChain
from ledger.events import Anchored, Closed, Delegated, Granted, Revoked, RevokedAll, Suspended, SuspensionChanged
from ledger.evidence import Denials, takes_away, undelegation
from ledger.model import to_hash
from ledger.services.evidence import gather
from ledger.services.index import Index
from ledger.state import DelegationState, LedgerState, replay
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import phrase

DEEP = os.environ.get("VOLENS_TEST_PROFILE") == "deep"
SEEDS = range(2000 if DEEP else 60)
LIMIT = 8
STEPS = 14
NOBODY = DelegationState()


class Story:
    """A chain that grows and turns back, and an index that follows it."""

    def __init__(self, forge, seed):
        self.forge, self.rng = forge, random.Random(seed)
        self.index = Index(forge.chain, forge.store, forge.deployment, forge.confirmations, LIMIT)
        self.index.follow()
        self.seen = {}  # what the index was shown and must never forget: (kind, subject, value)
        self.grants = [to_hash(phrase(f"{seed} grant {number}")) for number in range(4)]
        self.root = self.hand_in(forge.world.grant(salt=self.grants[0]))

    def hand_in(self, grant):
        """A consent in a cohort; the story itself anchors the root."""
        forge = self.forge
        self.grants.append(struct_hash(grant))
        consent = forge.consent_to(grant)
        signed = consent, consent.subject, forge.signature(consent, forge.world.patient)
        return forge.services.cohorts.accept(forge.world.hospital.address, [signed]).cohort.root

    def highest(self):
        with self.forge.store.begin() as tx:
            return tx.fact("highest")

    def event(self):
        rng, w = self.rng, self.forge.world
        subject, state = rng.choice([w.patient.address, w.mother.address]), self.forge.chain.state
        grant = rng.choice([*self.grants, struct_hash(w.grant())])
        now = self.forge.chain.now
        entry, person = state.entry(subject, grant), state.subject(subject)
        match rng.randrange(9):
            case 0 if not entry.granted_at and not entry.revoked_at and not person.closed:
                return Granted(0, subject, grant, subject)
            case 1 if not entry.revoked_at:
                return Revoked(0, subject, grant, subject)
            case 2 if now > person.revoked_before and subject != w.patient.address:
                return RevokedAll(0, subject, now, subject)
            case 3 if now > person.suspension_at and not person.closed:
                return Suspended(0, subject, not person.suspended, now, subject)
            case 4 if not person.closed and subject != w.patient.address and rng.random() < 0.2:
                return Closed(0, subject, subject)
            case 5:
                return SuspensionChanged(0, w.journal.address, not state.party(w.journal.address).suspended)
            case 6 if not state.anchored_at(self.root):
                return Anchored(0, self.root, 1)
            case 7 if now > state.delegations.get((subject, aunt := w.stranger.address), NOBODY).at:
                return Delegated(0, subject, aunt, rng.choice((0, 3)), now + 1000, now)
        return None

    def grow(self):
        for event in filter(None, (self.event() for _ in range(self.rng.randrange(3)))):
            self.forge.chain.emit(event)
        self.forge.mine()

    def turn_back(self, depth):
        """Blocks are orphaned; of what was in them some comes back, in another order or another block."""
        chain, rng = self.forge.chain, self.rng
        orphaned = [entry.event for block in chain._blocks[-depth:] for entry in block.logged]
        chain.regress(depth)
        rng.shuffle(orphaned)
        again = [event for event in orphaned if rng.random() < 0.5 and isinstance(event, Granted | Revoked | Anchored)]
        for _ in range(depth + rng.randrange(3)):
            now, again = again[:1], again[1:]
            state = chain.state
            for event in now:
                if isinstance(event, Anchored):
                    chain.emit(event, mine=False)
                    continue
                entry = state.entry(event.subject, event.grant_hash)
                spoilt = entry.revoked_at or (isinstance(event, Granted) and entry.granted_at)
                if not spoilt and not state.subject(event.subject).closed:
                    chain.emit(event, mine=False)
            self.forge.mine()

    def show(self):
        """Let the index look, and remember what it was shown."""
        chain = self.forge.chain
        for logged in chain.events_between(0, chain.head().number):
            match event := logged.event:
                case Revoked():
                    self.seen["revoked", event.subject, event.grant_hash] = True
                case RevokedAll():
                    self.seen["revoked_before", event.subject, str(event.before)] = True
                case Suspended() if event.suspended:
                    self.seen["suspended", event.subject, str(event.suspension_at)] = True
                case Closed():
                    self.seen["closed", event.subject, ""] = True
                case Delegated() if kind := takes_away(event.rights):
                    self.seen[kind, event.subject, undelegation(event.delegate, event.delegation_at)] = True
        self.index.follow()

    def check(self):
        forge, w = self.forge, self.forge.world
        with self.index.at_head() as snapshot:
            fresh = replay(
                LedgerState.empty(forge.deployment.chain_id, forge.deployment.addresses),
                (entry.event for entry in forge.chain.events_between(0, forge.chain.head().number)),
            )
            assert snapshot.state.digest() == fresh.digest() == forge.chain.state.digest()
            with forge.store.begin() as tx:
                denied = tx.denials([w.patient.address, w.mother.address])
                assert self.seen.keys() <= set(denied), "a withdrawal was forgotten"
                openings = gather(tx, w.record_hash, forge.domain)
            moment = snapshot.moment(forge.chain.now, 36)
            decision = decide(w.question(), openings.evidence(snapshot.state, Denials.of(denied)), moment)
            if decision.permitted:
                assert ("revoked", w.patient.address, decision.grant) not in self.seen
                assert decide(w.question(), openings.evidence(fresh, Denials()), moment).permitted
            return decision.grant if decision.permitted else None


@pytest.mark.parametrize("seed", SEEDS)
def test_the_index_survives_reorganisations(make_forge, seed):
    story = Story(make_forge(), seed)
    for _ in range(STEPS):
        if story.rng.random() < 0.3:
            # never below what was there when the index began: that would be more than it knows
            story.turn_back(story.rng.randrange(1, min(LIMIT, len(story.forge.chain._blocks) - 2)))
        else:
            story.grow()
        if story.rng.random() < 0.7:
            before = story.forge.chain.head().number
            try:
                story.show()
            except WrongChain:
                assert before < story.highest()
                story.index.accept_loss()
                story.show()
            story.check()
        if story.rng.random() < 0.2:  # a restart at any instant
            story.index = Index(
                story.forge.chain, story.forge.store, story.forge.deployment, story.forge.confirmations, LIMIT
            )
    with Index(story.forge.chain, SqlStore("sqlite://"), story.forge.deployment, 2, LIMIT).at_head() as snapshot:
        assert snapshot.state.digest() == story.forge.chain.state.digest()


@pytest.mark.parametrize("depth", range(1, LIMIT + 3))
def test_every_depth_up_to_the_limit_and_no_further(make_forge, depth):
    story = Story(make_forge(), depth)
    for _ in range(LIMIT + 4):
        story.grow()
        story.show()
    story.turn_back(depth)
    while story.forge.chain.head().number < story.highest():
        story.forge.mine()
    if depth <= LIMIT:
        story.show()
        story.check()
    else:
        with pytest.raises(WrongChain):
            story.show()
        with pytest.raises(WrongChain), story.index.at_head():
            pass
