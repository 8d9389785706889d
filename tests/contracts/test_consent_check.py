"""ConsentCheck, on a real node, gives the reason that `decide` gives, wherever the chain alone can know it.

The contracts' code stands at the addresses of the vectors' world, a case's facts are laid into storage for one call,
and the block of that call is of the case's second. What a vector's answer owes to anything besides chain facts is found
by taking that away and deciding again, not listed here.

``VOLENS_TEST_PROFILE=deep`` looks at 20,000 situations that are new each time, instead of 1,500 that are always the
same. ``VOLENS_TEST_SEED`` repeats what a deep run reported.
"""

import http.client
import itertools
import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import decode, encode
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from ledger.adapters.logs import artifact
from ledger.decisions import Reason, decide
from ledger.events import Anchored
from ledger.evidence import Denials, Evidence, Moment, Opening, Question, anchored
from ledger.merkle import CohortTree
from ledger.model import (
    LONGEST_CONSENT,
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Approval,
    Consent,
    Grant,
    Hash,
    to_hash,
)
from ledger.slots import anchor_slot, document_slots, entry_slot, party_slot, subject_slot
from ledger.state import DocumentStatus, Entry, LedgerState, Party, SubjectState
from ledger.typed_data import struct_hash
from scripts.devnet import Devnet
from scripts.vector_sources.decisions import read_case
from scripts.vector_sources.world import DAY, START, World, phrase

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "decisions.json").read_text())
CASES = [VECTORS["base"] | case for case in VECTORS["cases"]]
ABI = artifact("ConsentCheck")["abi"]
CHECK = next(entry for entry in ABI if entry.get("name") == "check")
CHECKER = "0x" + "c4ec" * 10
REASONS = tuple(Reason)
DEEP = os.environ.get("VOLENS_TEST_PROFILE") == "deep"
SEED = int(os.environ.get("VOLENS_TEST_SEED", secrets.randbelow(2**32) if DEEP else 0))
SITUATIONS = 20_000 if DEEP else 1_500
pytestmark = pytest.mark.node


# The contract -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cohort:
    """How one address's consent reached the chain with many others."""

    consent: Consent
    signature: bytes
    root: Hash
    proof: tuple[Hash, ...]


class Checker:
    """The deployed contract. Facts and time are given with each call, so no call leaves anything behind."""

    def __init__(self, node: Devnet) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=30)
        self._ids = itertools.count()
        self.places = World.contracts
        for name in ("ConsentRegistry", "Directory", "PolicyRegistry"):
            self._rpc("anvil_setCode", self.places[name], artifact(name)["deployedBytecode"])
        parts = [self.places[name] for name in ("ConsentRegistry", "Directory", "PolicyRegistry")]
        creation = artifact("ConsentCheck")["bytecode"] + encode(["address"] * 3, parts).hex()
        sender = self._rpc("eth_accounts")[0]
        made = self._rpc("eth_sendTransactionSync", {"from": sender, "data": creation})
        self._rpc("anvil_setCode", CHECKER, self._rpc("eth_getCode", made["contractAddress"], "latest"))

    def _rpc(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params})
        self._connection.request("POST", "/", body, {"content-type": "application/json"})
        answer = json.loads(self._connection.getresponse().read())
        assert "error" not in answer, f"the node refused {method}: {answer['error']}"
        return answer["result"]

    def check(self, asked: tuple[Any, ...], facts: LedgerState, at: Moment) -> Reason:
        """What it answers, in a block of the moment's time, asked for the moment's wall clock."""
        data = function_abi_to_4byte_selector(CHECK) + encode(get_abi_input_types(CHECK), [*asked, at.wall])
        overrides = {self.places[name]: {"stateDiff": words} for name, words in storage(facts).items()}
        call = {"to": CHECKER, "data": "0x" + data.hex()}
        returned = self._rpc("eth_call", call, "latest", overrides, {"time": hex(at.timestamp)})
        return REASONS[decode(["uint8"], bytes.fromhex(returned[2:]))[0]]

    def close(self) -> None:
        self._connection.close()


def storage(facts: LedgerState) -> dict[str, dict[str, str]]:
    """The words in which the contracts keep facts, by contract and slot."""
    found: dict[str, dict[str, str]] = {}

    def keep(slot: Any, *members: tuple[int, int]) -> None:
        word = sum(int(value) << shift for shift, value in members)
        found.setdefault(slot.contract, {})[slot.key] = "0x" + word.to_bytes(32).hex()

    for key, entry in facts.entries.items():
        keep(entry_slot(*key), (0, entry.granted_at), (64, entry.revoked_at))
    for subject, state in facts.subjects.items():
        bits = (128, state.suspended), (136, state.closed)
        keep(subject_slot(subject), (0, state.revoked_before), (64, state.suspension_at), *bits)
    for root, time in facts.anchors.items():
        keep(anchor_slot(root), (0, time))
    for address, party in facts.parties.items():
        keep(party_slot(address), (0, party.roles), (8, party.suspended))
    for document, status in facts.documents.items():
        times, successor = document_slots(*document)
        members = (0, status.published_at), (64, status.superseded_at), (128, status.retracted_at)
        keep(times, *members, (192, status.material))
        keep(successor, (0, int(status.successor, 16)))
    return found


def fields(value: Any) -> tuple[Any, ...]:
    """A typed message as the ABI has it: the same members in the same order."""
    return tuple(
        bytes.fromhex(member[2:]) if isinstance(member, str) and key in _HASHES else _plain(key, member)
        for key, member in value.to_json().items()
    )


_HASHES = {"record", "form", "salt"}


def _plain(key: str, member: Any) -> Any:
    is_items = isinstance(member, list) and key == "items" and all(name.startswith("0x") for name in member)
    return [bytes.fromhex(name[2:]) for name in member] if is_items else member


NOTHING = bytes(32)
NO_RECORD = (ZERO_ADDRESS, ZERO_ADDRESS, [], "", [], 0, NOTHING)


def no_grant_of(record: Hash) -> tuple[Any, ...]:
    return "", bytes.fromhex(record[2:]), ZERO_ADDRESS, [], [], [], "", 0, 0, NOTHING, NOTHING


def opened(question: Question, evidence: Evidence, cohorts: Iterable[Cohort] = ()) -> tuple[Any, ...]:
    """The contract's question and evidence, from a question and evidence of at most one grant.

    Who has no opening of the record or of a grant sends an empty one.
    """
    record = evidence.record.record if evidence.record else None
    grant = evidence.grants[0].grant if evidence.grants else None
    form = evidence.forms.get(grant.form) if grant else None
    terms = form.channels[question.channel] if form and question.channel else None
    cohorts = list(cohorts)
    anchorings: list[tuple[Any, ...]] = []
    for subject in (record.subject, *record.stewards) if record else ():
        own = next((cohort for cohort in cohorts if cohort.consent.subject == subject), None)
        anchorings.append(
            (
                bytes.fromhex(own.root[2:]),
                [bytes.fromhex(node[2:]) for node in own.proof],
                [bytes.fromhex(struct_hash(granted)[2:]) for granted in own.consent.grants],
                own.consent.deadline,
                own.signature,
            )
            if own
            else (NOTHING, [], [], 0, b"")
        )
    documents = (
        (form.issuer, bytes.fromhex(form.hash[2:])) if form else (ZERO_ADDRESS, NOTHING),
        (terms.issuer, bytes.fromhex(terms.terms[2:])) if terms else (ZERO_ADDRESS, NOTHING),
    )
    return (
        (bytes.fromhex(question.record[2:]), question.recipient, *documents),
        (
            fields(record) if record else NO_RECORD,
            fields(grant) if grant else no_grant_of(question.record),
            anchorings if cohorts else [],
        ),
    )


@pytest.fixture(scope="module")
def checker():
    with Devnet.start("anvil") as node:
        made = Checker(node)
        yield made
        made.close()


# The vectors --------------------------------------------------------------------------------------------

Asked = tuple[Question, Evidence, Moment]


def _covered(question: Question, evidence: Evidence, at: Moment) -> Asked:
    """The same, asked for what the grant allows."""
    if not evidence.grants:
        return question, evidence, at
    grant = evidence.grants[0].grant
    changes = {"purpose": next(iter(grant.purposes), ""), "channel": next(iter(grant.channels), "")}
    items = () if grant.items == ("*",) else grant.items
    allowed = replace(question, items=items, digests={}, facts={"commercial": False})
    if question.channel in grant.channels:
        del changes["channel"]
    return replace(allowed, **changes), evidence, at


def _approved(question: Question, evidence: Evidence, at: Moment) -> Asked:
    approval = Approval(question.record, question.recipient, question.purpose, 2**53 - 1, ZERO_HASH)
    return question, replace(evidence, approvals=(approval,)), at


BESIDES: dict[str, Callable[[Question, Evidence, Moment], Asked]] = {
    "a withdrawal that is not mined": lambda q, e, at: (q, replace(e, denials=Denials()), at),
    "how deep a grant is buried": lambda q, e, at: (q, e, replace(at, confirmed_at=at.timestamp)),
    "how old the block is": lambda q, e, at: (q, e, at if at.fresh else replace(at, wall=at.timestamp)),
    "what is asked for": _covered,
    "an approval": _approved,
}
"""What a decision knows besides chain facts, and the question without it."""


def without_all(asked: Asked) -> Asked:
    for take_away in BESIDES.values():
        asked = take_away(*asked)
    return asked


def owes(asked: Asked) -> str:
    """To what besides chain facts an answer is owed; empty when to nothing."""
    answer = decide(*asked).reason
    if answer is decide(*without_all(asked)).reason:
        return ""
    return next(
        (name for name, take_away in BESIDES.items() if decide(*take_away(*asked)).reason is not answer), "several"
    )


def cohorts_of(case: dict[str, Any]) -> list[Cohort]:
    return [
        Cohort(Consent.from_json(a["consent"]), bytes.fromhex(a["signature"][2:]), Hash(a["root"]), tuple(a["proof"]))
        for a in case["anchors"]
    ]


def test_every_vector(checker):
    compared: Counter[str] = Counter()
    owed: Counter[str] = Counter()
    for case in CASES:
        question, evidence, at = read_case(VECTORS["base"], case)
        # The contract looks at one grant: each of a case's is put to it, and none where there is none.
        for one in evidence.grants or (None,):
            alone = replace(evidence, grants=(one,) if one else ())
            asked = question, alone, at
            chain_only = without_all(asked)
            expected = decide(*chain_only).reason
            found = checker.check(opened(*chain_only[:2], cohorts_of(case)), evidence.facts, chain_only[2])
            assert found is expected, f"{case['name']}: {found}, not {expected}"
            # The one the vector's answer is about.
            decision = case["decision"]
            if decision["grant"] not in (None, one and one.hash) or (
                decision["grant"] is None and one and one is not evidence.grants[0]
            ):
                continue
            why = owes(asked)
            if why:
                owed[why] += 1
                assert found is not Reason(decision["reason"]), case["name"]
                continue
            compared[decision["reason"]] += 1
            answer = checker.check(opened(question, alone, cohorts_of(case)), evidence.facts, at)
            assert answer == decision["reason"], f"{case['name']}: {answer}, not {decision['reason']}"
    assert compared.total() + owed.total() == len(CASES)
    assert owed == {
        "a withdrawal that is not mined": 6,
        "how deep a grant is buried": 1,
        "how old the block is": 2,
        "what is asked for": 14,
        "an approval": 4,
    }
    assert set(compared) == {str(reason) for reason in ON_CHAIN}
    assert compared.total() == 63


def foisted() -> tuple[Asked, Cohort]:
    """A grant that somebody else anchored in the patient's name, beside a Consent she did sign, to something else."""
    world = World()
    tree = CohortTree.of([(world.patient.address, struct_hash(world.grant())), (world.stranger.address, ZERO_HASH)])
    consent = Consent(world.patient.address, (world.research_grant,), START + DAY)
    signature = bytes.fromhex(world.patient.sign_typed(world.domain, consent)[2:])
    proof = tree.proof(world.patient.address, struct_hash(world.grant()))
    state = world.state(*world.listings, Anchored(START, tree.root, 2))
    anchor = anchored(consent, signature, tree.root, proof, world.domain)
    evidence = replace(world.evidence(grants=()), facts=state, grants=(Opening(world.grant(), (anchor,)),))
    return (world.question(), evidence, world.moment()), Cohort(consent, signature, tree.root, proof)


def test_a_consent_to_something_else_is_none(checker):
    (question, evidence, at), cohort = foisted()
    assert checker.check(opened(question, evidence, [cohort]), evidence.facts, at) is Reason.NO_CONSENT


def test_a_consent_to_something_else_is_none_off_chain_either():
    asked, _ = foisted()
    assert decide(*asked).reason is Reason.NO_CONSENT


ON_CHAIN = set(Reason) - {
    Reason.PURPOSE_NOT_COVERED,
    Reason.NEEDS_REVIEW,
    Reason.CHANNEL_NOT_COVERED,
    Reason.ITEM_NOT_COVERED,
    Reason.CONTENT_CHANGED,
    Reason.AWAITING_CONFIRMATIONS,
    Reason.STALE_LEDGER,
    Reason.LEDGER_UNAVAILABLE,
}
"""The reasons the contract can give."""


def test_reasons_have_the_numbers_of_the_contract(checker):
    source = (Path(__file__).parents[2] / "contracts" / "interfaces" / "IConsentCheck.sol").read_text()
    names = source.partition("enum Reason {")[2].partition("}")[0].replace(",", " ").split()
    assert names == [str(reason) for reason in REASONS]


# Anything that can be on chain --------------------------------------------------------------------------

WORLDS = [World(), World(stewards=("mother",)), World(stewards=("mother", "stranger"))]
KEYS = {key.address: key for key in (World.patient, World.mother, World.stranger)}
PARTIES = (World.journal.address, World.research.address, World.stranger.address)
INSTANTS = [START + n for n in range(4)]


def mostly(good: Any, *others: Any, weight: int = 9) -> st.SearchStrategy[Any]:
    """One value, and now and then another."""
    return st.integers(0, weight).flatmap(lambda n: st.sampled_from(others) if n == weight else st.just(good))


@st.composite
def situations(draw: st.DrawFn) -> tuple[Asked, list[Cohort]]:
    """A question about one grant, what is on chain about it, and how it got there."""
    world = draw(st.sampled_from(WORLDS))
    record, form = world.record, world.form
    channel = draw(st.sampled_from(["", "journal", "social:mastodon"]))
    begins = draw(mostly(START - DAY, *INSTANTS, weight=5))
    granted = world.grant()
    grant = replace(
        granted,
        record=draw(mostly(world.record_hash, ZERO_HASH, weight=19)),
        recipient=draw(mostly(PARTIES[0], ZERO_ADDRESS, PARTIES[1], weight=4)),
        items=("*",),
        channels=(channel,) if channel else (),
        valid_from=begins,
        valid_until=max(begins + 1, draw(mostly(START + DAY, *INSTANTS, weight=5))),
        form=draw(mostly(granted.form, to_hash(phrase("no form")), weight=19)),
    )
    own = struct_hash(grant)
    state = world.state()
    state.parties[record.controller] = draw(mostly(Party(1), Party(), Party(1, True), Party(14), Party(15)))
    asking = draw(mostly(PARTIES[0], *PARTIES[1:]))
    state.parties[asking] = draw(mostly(Party(2), Party(), Party(2, True), Party(13), Party(15), Party(13, True)))
    state.documents[record.controller, world.record_hash] = DocumentStatus(
        retracted_at=draw(mostly(0, *INSTANTS, weight=19))
    )
    terms = [form.channels[channel]] if channel else []
    for issuer, document in [(form.issuer, granted.form), *((t.issuer, t.terms) for t in terms)]:
        draw_document(draw, state, issuer, document)

    cohorts = []
    for subject in (record.subject, *record.stewards):
        entry = draw(
            mostly(Entry(START), Entry(), Entry(START, START + 1), Entry(0, START), Entry(START + 1), weight=2)
        )
        state.entries[subject, own] = entry
        state.subjects[subject] = SubjectState(
            draw(mostly(0, *(start - 1 for start in INSTANTS), weight=5)),
            draw(st.sampled_from([0, START])),
            draw(mostly(False, True, weight=15)),
            draw(mostly(False, True, weight=15)),
        )
        if draw(st.booleans()):
            cohorts.append(draw_cohort(draw, world, state, subject, grant))
    at = Moment(1, ZERO_HASH, draw(st.sampled_from(INSTANTS)), 2**62, draw(st.sampled_from(INSTANTS)), 2**62)
    asked_for = draw(mostly(world.record_hash, to_hash(phrase("another record")), weight=29))
    question = Question(asking, asked_for, "case-report", channel)
    approval = Approval(asked_for, asking, "case-report", 2**53 - 1, ZERO_HASH)
    anchors = tuple(
        anchored(cohort.consent, cohort.signature, cohort.root, cohort.proof, world.domain)
        for cohort in cohorts
        if cohort.signature[-1] != 0
    )
    evidence = replace(
        world.evidence(grants=()),
        facts=state,
        grants=(Opening(grant, anchors),),
        approvals=(approval,),
    )
    return (question, evidence, at), cohorts


def draw_document(draw: st.DrawFn, state: LedgerState, issuer: Address, document: Hash) -> None:
    """A chain of successors, as long as `isCurrent` looks or longer, with something wrong now and then."""
    length = draw(mostly(1, 2, 3, 31, 32, 33))
    broken = draw(mostly(None, "material", "retracted", "unpublished", weight=7))
    where = draw(st.integers(0, length - 1))
    for at in range(length):
        last = at == length - 1
        following = ZERO_HASH if last else to_hash(phrase(f"{document} {at}"))
        state.documents[issuer, document] = DocumentStatus(
            published_at=0 if broken == "unpublished" and at == where else START - 9,
            superseded_at=0 if last else START,
            retracted_at=START if broken == "retracted" and at == where else 0,
            material=broken == "material" and at == where and not last,
            successor=following,
        )
        document = following


def draw_cohort(draw: st.DrawFn, world: World, state: LedgerState, subject: Address, grant: Grant) -> Cohort:
    """A consent anchored with others: in time or not, in the tree or not, signed or not."""
    pairs = [(subject, struct_hash(grant)), (subject, ZERO_HASH), (ZERO_ADDRESS, struct_hash(grant))]
    tree = CohortTree.of(pairs)
    # In time, and given before anything was revoked or as late as may be.
    given = st.sampled_from([START + n - 1 + LONGEST_CONSENT for n in range(4)])
    deadline = draw(st.one_of(mostly(START + 2, *INSTANTS, weight=3), given, given))
    consent = Consent(subject, (world.research_grant, grant), deadline)
    signature = bytes.fromhex(KEYS[subject].sign_typed(world.domain, consent)[2:])
    if draw(mostly(False, True)):
        signature = signature[:-1] + b"\0"
    anchored_at = draw(mostly(START + 1, 0, *INSTANTS, weight=3))
    # One root can be anchored once.
    state.anchors[tree.root] = anchored_at
    return Cohort(consent, signature, tree.root, tree.proof(*draw(mostly(pairs[0], *pairs[1:]))))


def test_any_situation(checker, capsys):
    seen: Counter[Reason] = Counter()

    @seed(SEED)
    @settings(
        max_examples=SITUATIONS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(situations())
    def compare(situation):
        (question, evidence, at), cohorts = situation
        expected = decide(question, evidence, at).reason
        found = checker.check(opened(question, evidence, cohorts), evidence.facts, at)
        assert found is expected, f"the contract says {found}, the model {expected}"
        seen[expected] += 1

    try:
        compare()
    except BaseException as error:
        error.add_note(f"VOLENS_TEST_SEED={SEED} finds this.")
        raise
    with capsys.disabled():
        print(f"\n{seen.total()} situations compared, seed {SEED}")
    assert seen.total() >= SITUATIONS * 2 // 3
    assert set(seen) == ON_CHAIN
    assert min(seen.values()) >= 10
    assert seen[Reason.PERMITTED] >= 100
