"""Allowing less than is asked, and never more."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidInput
from ledger.model import ONWARD, ZERO_HASH, Grant, address
from ledger.summary import matches, with_summary
from wallet.choices import DAY, Choice, narrow

JOURNAL = address("0x" + "11" * 20)
NAMES = {JOURNAL: "The Journal"}
PARTS = ("narrative.md", "ct.dcm", "photo.jpg")
ASKED = with_summary(
    Grant(
        summary="",
        record=ZERO_HASH,
        recipient=JOURNAL,
        items=("narrative.md", "ct.dcm"),
        purposes=("case-report", "teaching"),
        channels=("journal", "social:x"),
        onward="quote",
        valid_from=1_795_428_000,
        valid_until=1_803_859_200,
        form=ZERO_HASH,
        salt=ZERO_HASH,
    ),
    NAMES,
    "en",
)
WHOLE = with_summary(replace(ASKED, items=("*",)), NAMES, "en")
RESEARCH = with_summary(replace(ASKED, purposes=("DUO:0000042", "DUO:0000046"), channels=()), NAMES, "en")


def choose(grant=ASKED, language="en", **choice):
    return narrow([grant], Choice(**choice), PARTS, NAMES, language)[0]


def test_less_of_everything_has_its_own_sentence_and_salt():
    until = ASKED.valid_until - 30 * DAY
    made = choose(
        items=frozenset({"ct.dcm"}), purposes=frozenset({"teaching"}), channels=frozenset({"journal"}), onward="none",
        valid_until=until,
    )  # fmt: skip
    assert (made.items, made.purposes, made.channels) == (("ct.dcm",), ("teaching",), ("journal",))
    assert (made.onward, made.valid_until) == ("none", until)
    assert matches(made, NAMES) == "en"
    assert made.summary != ASKED.summary
    assert made.salt != ASKED.salt
    untouched = {"summary", "salt", "items", "purposes", "channels", "onward", "valid_until"}
    assert {n for n in Grant.__dataclass_fields__ if getattr(made, n) != getattr(ASKED, n)} == untouched


def test_nothing_chosen_leaves_what_is_asked_as_it_is():
    assert choose() is ASKED
    assert choose(items=frozenset(ASKED.items), channels=frozenset(ASKED.channels), onward="quote") is ASKED
    assert choose(WHOLE, items=frozenset(PARTS)) is WHOLE


def test_the_sentence_is_in_her_language():
    for language in ("de", "es", "ar"):
        made = choose(language=language)
        assert matches(made, NAMES) == language
        assert (made.items, made.channels, made.valid_until) == (ASKED.items, ASKED.channels, ASKED.valid_until)


def test_of_the_whole_record_its_parts_can_be_named():
    assert choose(WHOLE, items=frozenset({"photo.jpg"})).items == ("photo.jpg",)
    with pytest.raises(InvalidInput, match=r"the part “secret\.md”"):
        choose(WHOLE, items=frozenset({"secret.md"}))


def test_a_condition_cannot_be_left_out():
    made = choose(RESEARCH, purposes=frozenset({"DUO:0000042"}))
    assert made.purposes == RESEARCH.purposes
    with pytest.raises(InvalidInput, match="nothing would be left"):
        choose(RESEARCH, purposes=frozenset({"DUO:0000046"}))


def test_a_day_in_whose_course_it_ends_is_not_too_long():
    asked = with_summary(replace(ASKED, valid_until=ASKED.valid_until - 3600), NAMES, "en")
    assert choose(asked, valid_until=ASKED.valid_until) is asked
    with pytest.raises(InvalidInput, match="Nobody asks for so long"):
        choose(asked, valid_until=ASKED.valid_until + DAY)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"items": frozenset({"photo.jpg"})}, "the part “photo.jpg”"),
        ({"items": frozenset({"*"})}, "the part"),
        ({"purposes": frozenset({"press"})}, "the use “press”"),
        ({"channels": frozenset({"journal", "social:facebook"})}, "the place “social:facebook”"),
        ({"onward": "reshare"}, "pass on so much"),
        ({"onward": "everywhere"}, "one of none, quote, reshare"),
        ({"valid_until": ASKED.valid_from}, "end before it begins"),
    ],
)
def test_more_than_is_asked_or_nothing_is_refused(choice, said):
    with pytest.raises(InvalidInput, match=said):
        choose(**choice)


def test_of_several_sentences_each_keeps_what_it_has_of_what_was_chosen():
    other = with_summary(replace(ASKED, items=("photo.jpg", "ct.dcm"), channels=()), NAMES, "en")
    chosen = Choice(items=frozenset({"ct.dcm"}), channels=frozenset({"journal"}))
    first, second = narrow([ASKED, other], chosen, PARTS, NAMES, "en")
    assert (first.items, first.channels) == (("ct.dcm",), ("journal",))
    assert (second.items, second.channels) == (("ct.dcm",), ())
    with pytest.raises(InvalidInput, match="--only"):  # nothing of the first would be left
        narrow([ASKED, other], Choice(items=frozenset({"photo.jpg"})), PARTS, NAMES, "en")


SOME = st.sets(st.sampled_from([*PARTS, "case-report", "teaching", "press", "journal", "social:x", "blog"])).map(
    frozenset
)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    st.sampled_from([ASKED, WHOLE, RESEARCH]),
    st.builds(
        Choice,
        items=SOME,
        purposes=SOME,
        channels=SOME,
        onward=st.sampled_from([None, *ONWARD]),
        valid_until=st.none() | st.integers(ASKED.valid_from - DAY, ASKED.valid_until + 2 * DAY),
    ),
)
def test_whatever_is_chosen_nothing_becomes_wider(asked, choice):
    try:
        (made,) = narrow([asked], choice, PARTS, NAMES, "en")
    except InvalidInput:
        return
    assert set(made.items) <= set(asked.items) | (set(PARTS) if asked.items == ("*",) else set())
    assert set(made.purposes) <= set(asked.purposes)
    assert set(made.channels) <= set(asked.channels)
    assert bool(made.channels) == bool(asked.channels)
    assert ONWARD.index(made.onward) <= ONWARD.index(asked.onward)
    assert asked.valid_from < made.valid_until <= asked.valid_until
    assert matches(made, NAMES) == "en"


VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "wallet.json").read_text())


def test_the_offer_that_both_wallets_know_can_be_narrowed():
    grant = Grant.from_json(VECTOR["offer"]["grants"][0])
    parts = list(VECTOR["files"])
    made = narrow([grant], Choice(items=frozenset({parts[0]})), parts, VECTOR["names"], "de")[0]
    assert made.items == (parts[0],)
    assert matches(made, VECTOR["names"]) == "de"
