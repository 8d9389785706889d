"""A form that changed, word by word, and the same consent under the new one; the page reads the same vectors."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.documents import Form
from ledger.model import Grant
from ledger.typed_data import struct_hash
from wallet.renewal import compare, difference, old_may_end, renewed, renews

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "renewal.json").read_text())


@pytest.mark.parametrize("case", VECTORS["differences"], ids=lambda case: case["before"][:20])
def test_two_texts_differ_word_by_word(case):
    found = difference(case["before"], case["after"])
    assert [[[piece.text, piece.marked] for piece in side] for side in found] == case["pieces"]


@settings(max_examples=200, derandomize=True, deadline=None)
@given(*[st.lists(st.sampled_from(["a", "b", "c", " ", "\n", "  ", "dé"]), max_size=24).map("".join)] * 2)
def test_nothing_is_lost_and_what_is_not_marked_is_in_both(before, after):
    found = difference(before, after)
    assert ["".join(piece.text for piece in side) for side in found] == [before, after]
    kept = ["".join(piece.text for piece in side if not piece.marked) for side in found]
    assert re.sub(r"\s", "", kept[0]) == re.sub(r"\s", "", kept[1])


def test_texts_that_are_very_long_are_not_compared_for_ever():
    before, after = (" ".join(f"{word}{number}" for number in range(8000)) for word in "ab")
    found = difference(f"same {before} end", f"same {after} end")
    assert [[piece.marked for piece in side] for side in found] == [[False, True, False]] * 2


@pytest.mark.parametrize("case", VECTORS["forms"], ids=lambda case: case["language"])
def test_two_forms_differ_in_what_is_new_other_and_gone(case):
    found = compare(Form.from_json(case["before"]), Form.from_json(case["after"]), case["language"])
    told = [
        {"id": one.id, "before": one.before, "after": one.after, "same": one.same,
         "languages": dict(zip(("before", "after"), one.languages, strict=True))}
        for one in found
    ]  # fmt: skip
    assert told == case["changes"]


@pytest.mark.parametrize("case", VECTORS["channels"], ids=lambda case: case["channel"])
def test_a_form_has_terms_for_a_channel_or_what_is_broader(case):
    named = Form.from_json(case["form"]).terms_of(case["channel"])
    assert (named.terms if named else None) == case["terms"]


@pytest.mark.parametrize("case", VECTORS["grants"], ids=lambda case: case["about"])
def test_the_grant_under_the_new_form(case):
    made = renewed(Grant.from_json(case["grant"]), case["form"], VECTORS["names"], case["language"])
    assert (made.to_json(), struct_hash(made)) == (case["renewed"], case["hash"])


def test_a_renewal_is_known_by_its_salt():
    for case in VECTORS["renews"]:
        assert renews(Grant.from_json(case["new"]), Grant.from_json(case["old"])) is case["renews"]


@pytest.mark.parametrize("case", VECTORS["ends"], ids=lambda case: f"{case['old']} {case['new']}")
def test_the_old_consent_ends_only_once_the_new_one_counts(case):
    assert old_may_end(case["old"], case["new"]) is case["ends"]
