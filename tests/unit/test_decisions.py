"""What `decide` answers: the vectors, and what must hold for every question, whatever is asked."""

import ast
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.decisions import Reason, decide, deny, party_to
from ledger.errors import BadSignature, InvalidMessage
from ledger.events import (
    Closed,
    Registered,
    Retracted,
    Revoked,
    RevokedAll,
    Superseded,
    Suspended,
    SuspensionChanged,
)
from ledger.evidence import Denials, Moment, Opening, Question, anchored, authenticate, undelegation
from ledger.model import RIGHT_GRANT, RIGHT_REVOKE, ZERO_ADDRESS, ZERO_HASH, Approval, Consent, to_hash
from ledger.state import LedgerState
from ledger.typed_data import struct_hash
from scripts.vector_sources.decisions import decision_json, read_case
from scripts.vector_sources.world import DAY, START, World, digest, phrase

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((ROOT / "tests" / "vectors" / "decisions.json").read_text())
CASES = [pytest.param(case, id=case["name"]) for case in VECTORS["cases"]]
settings.register_profile("decisions", derandomize=True, deadline=None, max_examples=100)
some = settings.get_profile("decisions")

W = World()
PATIENT, HOSPITAL, JOURNAL, RESEARCH = (key.address for key in (W.patient, W.hospital, W.journal, W.research))
GRANT, RESEARCH_GRANT = W.grant(), W.research_grant
HASH, FORM = struct_hash(GRANT), GRANT.form
RECORD = W.record_hash
NEW = to_hash(phrase("a new version"))


# The vectors ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_vector(case):
    found = decide(*read_case(VECTORS["base"], case))
    assert decision_json(found) == case["decision"]
    assert bool(found) is found.permitted is (found.reason is Reason.PERMITTED)


def test_every_reason_has_a_vector():
    seen = {case["decision"]["reason"] for case in VECTORS["cases"]}
    assert {str(reason) for reason in Reason} - seen == {"ledger_unavailable"}


def test_names_of_the_vectors_are_unique():
    names = [case["name"] for case in VECTORS["cases"]]
    assert len(set(names)) == len(names)


def test_a_denial_promises_nothing():
    for case in VECTORS["cases"]:
        found = decide(*read_case(VECTORS["base"], case))
        assert (found.until is not None) is (found.obligations != ()) is found.permitted


# Everything that can be asked, and everything that can be known -----------------------------------------

GRANTS = (
    GRANT,
    RESEARCH_GRANT,
    W.grant(items=("*",), salt=to_hash(phrase("every item"))),
    W.grant(items=("photo.jpg",), channels=("social:instagram",), salt=to_hash(phrase("photograph"))),
    W.grant(valid_from=START + 10 * DAY, salt=to_hash(phrase("later"))),
    W.grant(valid_until=START + 2 * DAY, salt=to_hash(phrase("short"))),
    W.grant(recipient=ZERO_ADDRESS, salt=to_hash(phrase("anybody approved"))),
    replace(GRANT, recipient=W.stranger.address),  # somebody not listed
)
HASHES = [struct_hash(grant) for grant in GRANTS]
SECONDS = st.sampled_from([START, START + 1, START + DAY, START + 2 * DAY, START + 10 * DAY, START + 364 * DAY])
FILES = {name: digest(content) for name, content in W.files.items()}

questions = st.builds(
    Question,
    recipient=st.sampled_from([JOURNAL, JOURNAL, JOURNAL, RESEARCH, W.stranger.address, HOSPITAL, PATIENT]),
    record=st.sampled_from([RECORD] * 9 + [NEW]),
    purpose=st.sampled_from(["case-report"] * 4 + ["DUO:0000006", "press", "unheard-of"]),
    channel=st.sampled_from(["journal"] * 4 + ["social:mastodon", "social:instagram", "social", ""]),
    items=st.lists(st.sampled_from([*W.files, "other.md"]), max_size=3, unique=True).map(tuple),
    digests=st.dictionaries(
        st.sampled_from([*W.files, "other.md"]), st.sampled_from([*FILES.values(), digest(b"other")]), max_size=3
    ),
)
asked_well = st.builds(
    Question,
    recipient=st.just(JOURNAL),
    record=st.just(RECORD),
    purpose=st.just("case-report"),
    channel=st.sampled_from(["journal", "social:mastodon"]),
    items=st.lists(st.sampled_from(["narrative.md", "ct.dcm"]), min_size=1, unique=True).map(tuple),
)
any_question = questions | asked_well
moments = st.builds(
    lambda at, behind, depth: W.moment(at, timestamp=at - behind, confirmed_at=at - behind - depth),
    SECONDS,
    st.sampled_from([0, 0, 0, 1, 36, -15]),
    st.sampled_from([0, 0, 12, DAY]),
)
approvals = st.lists(
    st.builds(
        Approval,
        record=st.just(RECORD),
        recipient=st.sampled_from([JOURNAL, RESEARCH]),
        purpose=st.sampled_from(["case-report", "press"]),
        valid_until=st.sampled_from([START + DAY, START + 5 * DAY, START + 400 * DAY]),
        salt=st.just(ZERO_HASH),
    ),
    max_size=3,
).map(tuple)
withdrawals = st.one_of(
    st.sampled_from(HASHES).map(lambda name: Revoked(START, PATIENT, name, PATIENT)),
    st.sampled_from([START - 1, START]).map(lambda before: RevokedAll(START, PATIENT, before, PATIENT)),
    st.just(Suspended(START, PATIENT, True, START, PATIENT)),
    st.just(Closed(START, PATIENT, PATIENT)),
    st.sampled_from([RECORD, FORM, *(terms.terms for terms in W.form.channels.values())]).map(
        lambda name: Retracted(START, HOSPITAL, name)
    ),
    st.sampled_from([HOSPITAL, JOURNAL, RESEARCH]).map(lambda party: SuspensionChanged(START, party, True)),
    st.just(Superseded(START, HOSPITAL, FORM, NEW, True)),
)
other_events = st.sampled_from(
    [
        Suspended(START, PATIENT, False, START, PATIENT),
        SuspensionChanged(START, JOURNAL, False),
        Superseded(START, HOSPITAL, FORM, NEW, False),
        Registered(START, W.stranger.address, 2, ZERO_HASH, ""),
    ]
)
denial_rows = st.one_of(
    st.sampled_from(HASHES).map(lambda name: ("revoked", PATIENT, name)),
    st.sampled_from([START - 1, START, START + 10**6]).map(lambda before: ("revoked_before", PATIENT, str(before))),
    st.sampled_from([START - 1, START, START + DAY]).map(lambda at: ("suspended", PATIENT, str(at))),
    st.just(("closed", PATIENT, "")),
    st.just(("closed", W.stranger.address, "")),
)


BASE = W.evidence(grants=())


@st.composite
def evidences(draw, most=1):
    grants = tuple(draw(st.lists(st.sampled_from(GRANTS), unique=True, max_size=4)))
    events = draw(st.lists(withdrawals | other_events, max_size=most))
    rows = draw(st.lists(denial_rows, max_size=most))
    openings = tuple(Opening(grant) for grant in grants)
    known = replace(BASE, grants=openings, approvals=draw(approvals), denials=Denials.of(rows))
    return also(known, *(W.granted(grant) for grant in grants), *events)


def also(evidence, *events):
    """The same evidence after more has happened on chain."""
    facts = evidence.facts.copy()
    for event in events:
        facts.apply(event)
    return replace(evidence, facts=facts)


def test_the_properties_are_about_both_answers():
    found = set()

    @some
    @given(any_question, evidences(), moments)
    def look(question, evidence, at):
        found.add(decide(question, evidence, at).reason)

    look()
    assert Reason.PERMITTED in found
    assert len(found) > 10


@some
@given(any_question, evidences(), moments, denial_rows)
def test_a_further_denial_never_permits(question, evidence, at, row):
    more = replace(evidence, denials=Denials.of([*evidence.denials.rows(), row]))
    assert decide(question, evidence, at).permitted or not decide(question, more, at).permitted


@some
@given(any_question, evidences(), moments, withdrawals)
def test_a_further_withdrawal_on_chain_never_permits(question, evidence, at, event):
    assert decide(question, evidence, at).permitted or not decide(question, also(evidence, event), at).permitted


@some
@given(any_question, evidences(), moments, st.data())
def test_fewer_grants_never_permit(question, evidence, at, data):
    kept = tuple(opening for opening in evidence.grants if data.draw(st.booleans()))
    if decide(question, replace(evidence, grants=kept), at).permitted:
        assert decide(question, evidence, at).permitted


@some
@given(any_question, evidences(), moments)
def test_less_known_never_permits(question, evidence, at):
    """Forms, approvals, the record and the chain itself: without any of them there is no permit that was none."""
    if not decide(question, evidence, at).permitted:
        for less in (
            replace(evidence, forms={}),
            replace(evidence, approvals=()),
            replace(evidence, record=None),
            replace(evidence, facts=W.state()),
        ):
            assert not decide(question, less, at).permitted


@some
@given(asked_well | any_question, evidences(most=0), moments)
def test_until_is_the_first_second_the_grant_no_longer_permits(question, evidence, at):
    found = decide(question, evidence, at)
    if not found.permitted:
        return
    later = decide(question, evidence, W.moment(found.until))
    assert later.grant != found.grant or later.reason in (Reason.EXPIRED, Reason.RECIPIENT_NOT_COVERED)
    for clock in (W.moment(found.until - 1), W.moment(found.until - 1, timestamp=found.until - 5)):
        before = decide(question, evidence, clock)
        assert before.permitted
        assert before.until >= found.until
    # One clock is enough to end it.
    one_clock = decide(question, evidence, W.moment(found.until, timestamp=found.until - 1))
    assert not one_clock.permitted or one_clock.grant != found.grant


def test_the_approval_that_lasts_longest_says_until_when():
    ends = (START + 5 * DAY, START + 9 * DAY, START + 2 * DAY)
    given_approvals = tuple(Approval(RECORD, JOURNAL, "case-report", end, ZERO_HASH) for end in ends)
    grant = W.grant(recipient=ZERO_ADDRESS)
    evidence = W.evidence(grants=(grant,), approvals=given_approvals)
    assert decide(W.question(), evidence, W.moment()).until == START + 9 * DAY
    assert decide(W.question(), evidence, W.moment(START + 9 * DAY - 1)).permitted
    assert decide(W.question(), evidence, W.moment(START + 9 * DAY)).reason is Reason.RECIPIENT_NOT_COVERED


@some
@given(any_question, evidences(), moments, st.randoms(use_true_random=False))
def test_order_of_grants_and_approvals_does_not_matter(question, evidence, at, random):
    grants, given_approvals = list(evidence.grants), list(evidence.approvals)
    random.shuffle(grants)
    random.shuffle(given_approvals)
    shuffled = replace(evidence, grants=tuple(grants), approvals=tuple(given_approvals))
    assert decide(question, shuffled, at) == decide(question, evidence, at)


@some
@given(asked_well, evidences(), moments, st.booleans())
def test_grants_of_others_do_not_change_the_answer(question, evidence, at, revoked):
    """Neither do they permit, nor does their end tell the asker anything."""
    others = [W.grant(recipient=RESEARCH, items=("*",), salt=to_hash(phrase(f"other {n}"))) for n in range(3)]
    mine = tuple(o for o in evidence.grants if o.grant.recipient in (JOURNAL, ZERO_ADDRESS))
    if not mine:
        return
    alone = replace(evidence, grants=mine)
    happened = [W.granted(grant) for grant in others]
    if revoked:
        happened += [Revoked(START, PATIENT, struct_hash(grant), PATIENT) for grant in others]
    crowded = also(replace(alone, grants=(*mine, *(Opening(grant) for grant in others))), *happened)
    assert decide(question, crowded, at) == decide(question, alone, at)


@some
@given(any_question, evidences(), moments, st.integers(-10 * DAY, 10 * DAY))
def test_clocks_that_disagree_deny(question, evidence, at, off):
    shifted = replace(at, wall=at.timestamp + off)
    found = decide(question, evidence, shifted)
    if -15 <= off <= at.max_age:
        assert found.reason is not Reason.STALE_LEDGER
    else:
        assert found == deny(Reason.STALE_LEDGER, shifted)


@some
@given(any_question, evidences(), moments)
def test_nothing_recorded_after_the_confirmed_block_permits(question, evidence, at):
    assert not decide(question, evidence, replace(at, confirmed_at=START - 1)).permitted


@some
@given(any_question, evidences(), moments)
def test_a_permit_is_for_nothing_but_what_the_grant_names(question, evidence, at):
    """Every name asked for, and every file by its bytes, is in the grant that permits."""
    found = decide(question, evidence, at)
    if not found.permitted:
        return
    grant = next(opening.grant for opening in evidence.grants if opening.hash == found.grant)
    assert grant.recipient in (question.recipient, ZERO_ADDRESS)
    covered = set(W.files) if grant.items == ("*",) else set(grant.items)
    assert set(question.items) <= covered
    assert set(question.digests.values()) <= {FILES[name] for name in covered}
    assert question.items or question.digests or covered == set(W.files)
    assert found.until == min(
        [grant.valid_until]
        + (
            [max(a.valid_until for a in evidence.approvals if fits(a, question))]
            if not int(grant.recipient, 16)
            else []
        )
    )
    assert found.obligations == (f"onward:{grant.onward}", "stop-new-use-when-revoked")


def fits(approval, question):
    return (approval.recipient, approval.purpose) == (question.recipient, question.purpose)


@some
@given(any_question, evidences(), moments)
def test_the_same_question_gets_the_same_answer(question, evidence, at):
    before = evidence.facts.digest()
    assert decide(question, evidence, at) == decide(question, evidence, at)
    assert evidence.facts.digest() == before


# Particular attacks -------------------------------------------------------------------------------------


def test_exchanged_names_do_not_hide_a_file():
    """Two files that each carry the other's name are both looked at, in whatever order they come."""
    swapped = {"narrative.md": FILES["photo.jpg"], "photo.jpg": FILES["narrative.md"]}
    for names in (["narrative.md", "photo.jpg"], ["photo.jpg", "narrative.md"]):
        question = W.question(items=(), digests={name: swapped[name] for name in names})
        assert decide(question, W.evidence(), W.moment()).reason is Reason.ITEM_NOT_COVERED


def test_a_covered_file_does_not_stand_for_an_item_asked_by_name():
    question = W.question(items=("photo.jpg",), digests={"photo.jpg": FILES["narrative.md"]})
    assert decide(question, W.evidence(), W.moment()).reason is Reason.ITEM_NOT_COVERED


def test_two_items_of_the_same_bytes_are_each_covered_by_name():
    """The bytes may be shared if either name is covered; an item asked for by name must itself be."""

    class Twins(World):
        files = World.files | {"copy.md": World.files["narrative.md"]}

    world = Twins()
    for covered, other in (("narrative.md", "copy.md"), ("copy.md", "narrative.md")):
        evidence = world.evidence(grants=(world.grant(items=(covered,)),))
        by_bytes = world.question(items=(), digests={"a.md": FILES["narrative.md"]})
        assert decide(by_bytes, evidence, world.moment()).permitted
        assert decide(world.question(items=(covered,)), evidence, world.moment()).permitted
        by_name = world.question(items=(other,), digests={other: FILES["narrative.md"]})
        assert decide(by_name, evidence, world.moment()).reason is Reason.ITEM_NOT_COVERED


def test_a_suspension_of_the_second_she_resumed_counts():
    """Of two words of one instant the narrowing one comes last (ConsentState), so it is still on its way."""
    resumed = Suspended(START + 5, PATIENT, False, START + 5, PATIENT)
    for at, reason in ((START + 4, Reason.PERMITTED), (START + 5, Reason.SUSPENDED), (START + 6, Reason.SUSPENDED)):
        denials = Denials.of([("suspended", PATIENT, str(at))])
        assert decide(W.question(), W.evidence(resumed, denials=denials), W.moment()).reason is reason


def test_revoking_everything_in_the_future_spares_what_is_yet_to_come():
    """A revocation of everything counts up to now: nobody can sign away her own future."""
    denials = Denials.of([("revoked_before", PATIENT, str(START + 10 * DAY))])
    assert decide(W.question(), W.evidence(denials=denials), W.moment()).reason is Reason.REVOKED
    late = W.grant(salt=to_hash(phrase("late")))
    evidence = W.evidence(W.granted(late, at=START + 20 * DAY), grants=(), denials=denials)
    evidence = replace(evidence, grants=(Opening(late),))
    assert decide(W.question(), evidence, W.moment(START + 20 * DAY + 20)).permitted


def test_a_grant_for_another_record_is_no_candidate():
    foreign = W.grant(record=NEW, items=("*",))
    found = decide(W.question(), W.evidence(grants=(foreign,)), W.moment())
    assert (found.reason, found.grant) == (Reason.NO_CONSENT, None)


def test_successors_without_end_are_not_followed():
    chain = [FORM, *(to_hash(phrase(f"version {n}")) for n in range(40))]
    for length, reason in ((31, Reason.PERMITTED), (32, Reason.FORM_SUPERSEDED), (39, Reason.FORM_SUPERSEDED)):
        events = [Superseded(START, HOSPITAL, old, new, False) for old, new in pairwise(chain[: length + 1])]
        assert decide(W.question(), W.evidence(*events), W.moment()).reason is reason
    circle = [Superseded(START, HOSPITAL, FORM, NEW, False), Superseded(START, HOSPITAL, NEW, FORM, False)]
    assert decide(W.question(), W.evidence(*circle), W.moment()).reason is Reason.FORM_SUPERSEDED


# What evidence is made of -------------------------------------------------------------------------------


def signature(signer, message):
    return bytes.fromhex(signer.sign_typed(W.domain, message)[2:])


def test_a_record_is_authentic_only_with_its_controllers_signature():
    good = signature(W.hospital, W.record)
    assert authenticate(W.record, W.items, good, W.domain).hash == RECORD
    for forged in (signature(W.journal, W.record), good[:-1] + bytes([good[-1] ^ 7]), b"", bytes(65)):
        with pytest.raises(BadSignature):
            authenticate(W.record, W.items, forged, W.domain)
    elsewhere = replace(W.domain, chain_id=1)
    with pytest.raises(BadSignature):
        authenticate(W.record, W.items, good, elsewhere)


def test_items_must_belong_to_the_record():
    good = signature(W.hospital, W.record)
    assert authenticate(W.record, W.items[:1], good, W.domain).items.keys() == {"narrative.md"}
    for wrong in (replace(W.items[0], size=9), replace(W.items[0], salt=ZERO_HASH)):
        with pytest.raises(InvalidMessage, match="belong to the record"):
            authenticate(W.record, [wrong], good, W.domain)
    with pytest.raises(InvalidMessage, match="different names"):
        authenticate(W.record, [W.items[0], W.items[0]], good, W.domain)


def test_an_anchor_needs_the_subjects_own_signature():
    consent = Consent(PATIENT, (GRANT,), START)
    assert anchored(consent, signature(W.patient, consent), NEW, (), W.domain).deadline == START
    with pytest.raises(BadSignature):
        anchored(consent, signature(W.mother, consent), NEW, (), W.domain)


@some
@given(st.lists(denial_rows, max_size=6))
def test_the_deny_list_survives_being_written_down(rows):
    read = Denials.of(rows)
    assert Denials.of(read.rows()) == read
    assert Denials.of(reversed(rows)) == read
    assert read.rows() == sorted(read.rows())


def test_the_deny_list_keeps_who_may_no_longer_act_to_itself():
    aunt = W.stranger.address
    read = Denials.of([("undelegated", PATIENT, undelegation(aunt, at)) for at in (START, START - 1)])
    assert read.rows() == []
    for right in (RIGHT_REVOKE, RIGHT_GRANT):
        assert [read.ends(PATIENT, aunt, right, at) for at in (START - 1, START, START + 1)] == [True, True, False]
        assert not read.ends(aunt, PATIENT, right, 0)


def test_who_may_no_longer_grant_may_still_revoke():
    aunt = W.stranger.address
    read = Denials.of(
        [("narrowed", PATIENT, undelegation(aunt, START)), ("undelegated", PATIENT, undelegation(aunt, 5))]
    )
    assert read.ends(PATIENT, aunt, RIGHT_GRANT, START)
    assert not read.ends(PATIENT, aunt, RIGHT_GRANT, START + 1)
    assert read.ends(PATIENT, aunt, RIGHT_REVOKE, 5)
    assert not read.ends(PATIENT, aunt, RIGHT_REVOKE, 6)
    assert read.rows() == []


def test_an_unknown_kind_of_denial_is_an_error():
    with pytest.raises(ValueError, match="unknown denial"):
        Denials.of([("forgiven", PATIENT, "")])


def test_who_may_learn_why():
    mother = World(stewards=("mother",))
    evidence = mother.evidence()
    may = [mother.hospital, mother.patient, mother.mother, mother.journal, mother.research]
    assert all(party_to(key.address, evidence) for key in may)
    assert not party_to(mother.stranger.address, evidence)
    assert not party_to(ZERO_ADDRESS, mother.evidence(grants=(mother.grant(recipient=ZERO_ADDRESS),)))
    approval = Approval(mother.record_hash, mother.stranger.address, "press", START, ZERO_HASH)
    assert party_to(mother.stranger.address, replace(evidence, approvals=(approval,)))
    assert not any(party_to(key.address, replace(evidence, record=None)) for key in may)


# The permit is made in one place ------------------------------------------------------------------------


def makes_decisions(path):
    """Where `Decision(...)` is called: (line, whether the answer is anything but a literal False)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "Decision":
            answer = node.args[0] if node.args else next(k.value for k in node.keywords if k.arg == "permitted")
            yield node.lineno, ast.unparse(answer)


def test_a_permit_is_constructed_once():
    found = {
        str(path.relative_to(ROOT)): [answer for _, answer in makes_decisions(path)]
        for package in ("ledger", "api", "client", "wallet", "scripts")
        for path in (ROOT / package).rglob("*.py")
    }
    made = {name: answers for name, answers in found.items() if answers}
    assert made == {
        "ledger/decisions.py": ["False", "True"],
        # Writes down again what was decided; whoever verifies the bundle decides anew.
        "ledger/services/bundling.py": ["answer['permitted']"],
    }


def test_no_decision_is_changed_after_it_was_made():
    for package in ("ledger", "api"):
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            assert "permitted=True" not in text, path
            assert ".permitted = " not in text, path


def test_decisions_are_frozen():
    found = decide(W.question(), W.evidence(), W.moment())
    with pytest.raises(AttributeError):
        found.permitted = False
    assert isinstance(W.evidence().facts, LedgerState)
    assert Moment.MAX_AHEAD == 15
