"""What the patient reads says what the fields say: complete, in plain words, and impossible to imitate with a name."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidInput, InvalidMessage, UnknownCode
from ledger.model import ONWARD, ZERO_ADDRESS, ZERO_HASH, Grant, address
from ledger.summary import _PHRASES, END_OF_CALENDAR, matches, quotable, summary, with_summary
from ledger.vocabulary import CHANNELS, DUO_MODIFIER, LANGUAGES, PURPOSES

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "summary.json").read_text())
SETTINGS = settings(max_examples=100, derandomize=True, deadline=None)
JOURNAL = address("0x" + "11" * 20)
PARTIES = {JOURNAL: "Example Journal"}
GRANT = Grant(
    summary="",
    record=ZERO_HASH,
    recipient=JOURNAL,
    items=("narrative.md", "figure-1.png"),
    purposes=("case-report", "teaching"),
    channels=("journal", "social:x"),
    onward="none",
    valid_from=1795428000,
    valid_until=1803859200,
    form=ZERO_HASH,
    salt=ZERO_HASH,
)


def read(parties=PARTIES, **changes):
    return summary(replace(GRANT, **changes), parties, "en")


# -- what it says -----------------------------------------------------------------------------------------------------


def test_a_publication():
    assert read() == (
        "“Example Journal” may use only these parts of this record: “narrative.md” and “figure-1.png”. "
        "This is only for a medical case report and lessons about medicine. "
        "It may appear only in the journal and on X (Twitter). "
        "It may not be passed on. "
        "This holds from 23 November 2026, 10:00 UTC, until the end of 28 February 2027 (UTC)."
    )


WRITTEN = {
    "de": "„Example Journal“ darf nur diese Teile dieser Akte verwenden: „narrative.md“ und „figure-1.png“. "
    "Der Zweck ist nur: ein medizinischer Fallbericht und Unterricht über Medizin. "
    "Das darf nur hier erscheinen: in der Zeitschrift und auf X (Twitter). "
    "Das darf nicht weitergegeben werden. "
    "Das gilt ab 23. November 2026, 10:00 UTC, bis zum Ende des 28. Februar 2027 (UTC).",
    "es": "«Example Journal» puede usar solo estas partes de este expediente: «narrative.md» y «figure-1.png». "
    "Esto vale solo para un informe médico de un caso y clases de medicina. "
    "Puede aparecer solo en la revista y en X (Twitter). "
    "No se puede pasar a otros. "
    "Esto vale desde el 23 de noviembre de 2026, 10:00 UTC, hasta el final del 28 de febrero de 2027 (UTC).",
}


@pytest.mark.parametrize("language", WRITTEN)
def test_a_publication_in_other_languages(language):
    assert summary(GRANT, PARTIES, language) == WRITTEN[language]


def test_research_by_whoever_is_approved():
    assert read(
        recipient=ZERO_ADDRESS, items=("*",), purposes=("DUO:0000006", "DUO:0000046", "DUO:0000045"), channels=()
    ) == (
        "Any listed organisation that is approved for this purpose by the institution that holds this record may use "
        "all parts of this record. "
        "This is only for health or medical research but not research into ancestry. "
        "Condition: no commercial use. "
        "Condition: only organisations that do not work for profit. "
        "No public channel: it may not be published anywhere. "
        "It may not be passed on. "
        "This holds from 23 November 2026, 10:00 UTC, until the end of 28 February 2027 (UTC)."
    )


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"items": ("a",)}, "may use only this part of this record: “a”."),
        ({"items": ("a", "b", "c")}, "may use only these parts of this record: “a”, “b” and “c”."),
        ({"items": ("*",)}, "may use all parts of this record."),
        ({"onward": "quote"}, "Others may quote from it but may not pass it on as a whole."),
        ({"onward": "reshare"}, "Others may pass it on."),
        ({"valid_from": 0}, "from 1 January 1970 (UTC), until"),
        ({"valid_from": 1}, "from 1 January 1970, 00:00:01 UTC, until"),
        ({"valid_until": 1795428001}, "until 23 November 2026, 10:00:01 UTC."),
        ({"valid_until": 1835395200}, "until the end of 28 February 2028 (UTC)."),
        ({"valid_until": 1835395200 + 86400}, "until the end of 29 February 2028 (UTC)."),
        ({"valid_until": END_OF_CALENDAR}, "until the end of 31 December 9999 (UTC)."),
        ({"purposes": ("DUO:0000007:MONDO:0004992",)}, "This is only for research on cancer."),
        ({"purposes": ("HRESCH", "DUO:0000022:DE")}, "Condition: only in the countries with the codes DE."),
    ],
)
def test_single_sentences(changes, sentence):
    assert sentence in read(**changes)


@pytest.mark.parametrize("begin", [0, END_OF_CALENDAR, 2**53 - 2])
def test_no_period_goes_beyond_the_calendar(begin):
    with pytest.raises(InvalidMessage, match="9999"):
        read(valid_from=begin, valid_until=max(begin, END_OF_CALENDAR) + 1)


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda c: c["about"])
def test_vectors(case):
    grant = Grant.from_json(case["grant"])
    assert summary(grant, case["parties"], case["language"]) == case["summary"]
    signed = with_summary(grant, case["parties"], case["language"])
    assert signed.summary == case["summary"]
    assert signed.to_json() == case["grant"] | {"summary": case["summary"]}
    assert matches(signed, case["parties"]) == case["language"]
    assert len(case["summary"].encode()) <= 8000


def test_there_are_enough_vectors():
    assert len(VECTORS["cases"]) >= 12


@pytest.mark.parametrize("case", VECTORS["refused"], ids=lambda c: c["about"])
def test_refused_vectors(case):
    grant = Grant.from_json(case["grant"])
    with pytest.raises(InvalidInput) as caught:
        summary(grant, case["parties"], case["language"])
    assert isinstance(caught.value, UnknownCode) == (case["field"] == "")
    assert getattr(caught.value, "field", "") == case["field"]
    assert matches(replace(grant, summary="anything"), case["parties"]) is None


# -- what it must never do --------------------------------------------------------------------------------------------

names = st.from_regex(r"[A-Za-z0-9 .{}'’()&<>-]{1,30}", fullmatch=True).filter(
    lambda name: name.strip() and not re.search("['’]{2}", name)
)
items = st.lists(st.from_regex(r"[a-z0-9{}]{1,8}\.[a-z]{3}", fullmatch=True), min_size=1, max_size=4, unique=True)
uses = [code for code, p in PURPOSES.items() if p.kind != DUO_MODIFIER]
grants = st.builds(
    lambda items, purposes, modifiers, channels, onward, start, length: replace(
        GRANT,
        items=tuple(items),
        purposes=(*purposes, *modifiers),
        channels=tuple(channels),
        onward=onward,
        valid_from=start,
        valid_until=start + length,
    ),
    st.one_of(st.just(["*"]), items),
    st.lists(st.sampled_from(uses), min_size=1, max_size=3, unique=True),
    st.lists(st.sampled_from([c for c in PURPOSES if c not in uses]), max_size=2, unique=True),
    st.lists(st.sampled_from(sorted(CHANNELS)), max_size=3, unique=True),
    st.sampled_from(ONWARD),
    st.integers(0, END_OF_CALENDAR - 10**9),
    st.integers(1, 10**9),
)


languages = st.sampled_from(LANGUAGES)


@SETTINGS
@given(grants, names, languages)
def test_every_fact_is_said(grant, name, language):
    words, phrases = summary(grant, {JOURNAL: name}, language), _PHRASES[language]
    apart = ("\u2068", "\u2069") if language == "ar" else ("", "")
    quoted = [f"{phrases['open']}{apart[0]}{one}{apart[1]}{phrases['close']}" for one in (name, *grant.items)]
    if grant.items == ("*",):
        quoted.pop()
    assert all(one in words for one in quoted)
    assert all(PURPOSES[code].label(language) in words for code in grant.purposes)
    assert all(CHANNELS[code].label(language) in words for code in grant.channels)
    assert (phrases["noChannel"] in words) == (not grant.channels)
    start = datetime.fromtimestamp(grant.valid_from, UTC)
    assert all(str(part) in words for part in (start.day, phrases["months"][start.month - 1], start.year))
    assert words.count(phrases["open"]) == words.count(phrases["close"]) == len(quoted)


@SETTINGS
@given(grants, grants, names, names, languages)
def test_different_permissions_read_differently(one, other, name, other_name, language):
    """What is enforced is what is read: two grants with the same words have the same fields."""
    if summary(one, {JOURNAL: name}, language) == summary(other, {JOURNAL: other_name}, language):
        assert (one, name) == (other, other_name)


@SETTINGS
@given(grants, names, languages)
def test_the_words_say_their_language(grant, name, language):
    """Nobody says in which language a grant is written: its words are those of exactly one."""
    written = [summary(grant, {JOURNAL: name}, one) for one in LANGUAGES]
    assert len(set(written)) == len(LANGUAGES)
    signed = with_summary(grant, {JOURNAL: name}, language)
    assert matches(signed, {JOURNAL: name}) == language
    half = signed.summary.partition(". ")[0]
    mixed = replace(signed, summary=half + ". " + written[LANGUAGES.index(language) - 1].partition(". ")[2])
    assert matches(mixed, {JOURNAL: name}) is None


@SETTINGS
@given(grants, names)
def test_arabic_sets_every_name_apart(grant, name):
    """Isolates come in pairs and never one inside another, so no name can move the words around it (UAX #9)."""
    words = summary(grant, {JOURNAL: name}, "ar")
    assert all(len(part.split("\u2069")) == 2 for part in words.split("\u2068")[1:])
    outside = re.sub("\u2068[^\u2069]*\u2069", "", words)
    assert not re.search("[A-Za-z]", re.sub(r"COVID|DE|AT", "", outside))


CHANGES = [
    {"items": ("narrative.md",)},
    {"items": ("*",)},
    {"purposes": ("case-report",)},
    {"channels": ("journal", "social")},
    {"channels": ()},
    {"onward": "reshare"},
    {"valid_from": 1795428001},
    {"valid_until": 1803859201},
    {"recipient": ZERO_ADDRESS},
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_changed_field_no_longer_matches(change, language):
    signed = with_summary(GRANT, PARTIES, language)
    assert matches(signed, PARTIES) == language
    assert matches(replace(signed, **change), PARTIES) is None


@pytest.mark.parametrize("words", ["", " ", "“Example Journal” may read one word."])
def test_other_words_do_not_match(words):
    assert matches(replace(GRANT, summary=words), PARTIES) is None
    signed = with_summary(GRANT, PARTIES, "en")
    assert matches(replace(signed, summary=signed.summary + words), PARTIES) == (None if words else "en")


def test_another_name_does_not_match():
    assert matches(with_summary(GRANT, PARTIES, "en"), {JOURNAL: "Other Journal"}) is None
    assert matches(with_summary(GRANT, PARTIES, "en"), {}) is None


def test_the_summary_and_the_hashes_are_not_read():
    other = replace(GRANT, summary="x", record="0x" + "ab" * 32, form="0x" + "cd" * 32, salt="0x" + "ef" * 32)
    assert summary(other, PARTIES, "en") == read()


def test_no_name_is_needed_where_nobody_is_named():
    assert read(parties={}, recipient=ZERO_ADDRESS).startswith("Any listed organisation")


def test_a_name_for_the_zero_address_is_not_used():
    assert "Everybody" not in read(parties={ZERO_ADDRESS: "Everybody"}, recipient=ZERO_ADDRESS)


def test_what_is_put_in_is_not_read_as_a_phrase():
    assert "“{items}” may use only this part of this record: “{who}”." in read({JOURNAL: "{items}"}, items=("{who}",))


def test_long_lists_are_complete_or_refused():
    many = tuple(f"slice-{n:03}.dcm" for n in range(256))
    words = read(items=many)
    assert all(f"“{name}”" in words for name in many)
    with pytest.raises(InvalidMessage, match=r"^summary: "):
        read(items=tuple(f"{'n' * 60}-{n}" for n in range(256)))


def test_the_limit_is_that_of_a_grant():
    many = [f"{n:03}-{'n' * 60}" for n in range(104)]
    room = 8000 - len(read(items=(*many, "x")).encode())
    assert len(with_summary(replace(GRANT, items=(*many, "x" * (room + 1))), PARTIES, "en").summary.encode()) == 8000
    with pytest.raises(InvalidMessage, match=r"^summary: "):
        read(items=(*many, "x" * (room + 2)))


def test_names_in_right_to_left_scripts_are_set_apart():
    words = read({JOURNAL: "مجلة"})
    assert words.startswith("“\u2068مجلة\u2069” may use")
    assert Grant(**{**GRANT.__dict__, "summary": words}).summary == words
    assert "\u2068" not in read()


@pytest.mark.parametrize("quote", [*list('"«»“”„‟″‴‶❝❞〝〞〟＂˝ʺˮ״'), "''", "’’", "‘‘", "``", "′′", "'’", "´´", "ʹʹ"])
def test_nothing_that_looks_like_a_quotation_mark_may_stand_in_a_name(quote):
    with pytest.raises(InvalidMessage, match="quotation marks"):
        quotable(f"Journal{quote} may", "name")


@pytest.mark.parametrize(
    "name", ["St Mary’s", "L'Hôpital", "בי״ח", "O'Neill & Sons' Clinic", "‘Example’ Journal", "🏥"]
)
def test_ordinary_names_may(name):
    assert quotable(name, "name") == name


@pytest.mark.parametrize("name", [None, 7, "", "   ", "\u00a0", "a\nb", "a\u202eb", "\u2068a\u2069", "x" * 201])
def test_other_things_are_no_name(name):
    with pytest.raises(InvalidMessage):
        quotable(name, "name")


@pytest.mark.parametrize("language", ["", "EN", "fr", "__class__"])
def test_unknown_languages(language):
    with pytest.raises(UnknownCode, match="Known are en"):
        summary(GRANT, PARTIES, language)


# -- the phrases as data ----------------------------------------------------------------------------------------------


def slots(phrases):
    return {
        name: slots(phrase) if isinstance(phrase, dict) else set(re.findall(r"\{(\w+)\}", str(phrase)))
        for name, phrase in phrases.items()
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_phrases_of_english(language):
    assert slots(_PHRASES[language]) == slots(_PHRASES["en"])
    assert len(set(_PHRASES[language]["months"])) == 12
    assert set(_PHRASES[language]["onward"]) == set(ONWARD)


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_short(language):
    for sentence in re.split(r"(?<=\.) ", summary(GRANT, PARTIES, language)):
        assert len(sentence.replace(" de ", " ").split()) <= 20  # Spanish writes “23 de noviembre de 2026”
