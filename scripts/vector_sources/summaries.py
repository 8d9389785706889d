"""The source of tests/vectors/summary.json: grants and the sentences a patient reads for them."""

from datetime import UTC, datetime
from typing import Any

from ledger.errors import InvalidInput, InvalidMessage
from ledger.model import ZERO_ADDRESS, Address, Grant, address, keccak, to_hash
from ledger.summary import END_OF_CALENDAR, summary
from ledger.vocabulary import LANGUAGES

JOURNAL = address("0x" + keccak(b"volens vector: journal")[:20].hex())
_NAME = "Example Journal of Cases"
_BASE: dict[str, Any] = {
    "summary": "",
    "record": to_hash(keccak(b"volens vector: record")),
    "recipient": JOURNAL,
    "items": ["narrative.md", "figure-1.png"],
    "purposes": ["case-report"],
    "channels": ["journal", "social:mastodon"],
    "onward": "none",
    "validFrom": 1795428000,
    "validUntil": 1803859200,
    "form": to_hash(keccak(b"volens vector: form")),
    "salt": to_hash(keccak(b"volens vector: salt")),
}
_LEAP_DAY = 1835395200  # 29 February 2028, 00:00 UTC

_CASES: list[tuple[str, str, dict[str, Any]]] = [
    ("two items, two channels, a start within a day", _NAME, {}),
    ("one item", _NAME, {"items": ["figure-1.png"]}),
    ("three items", _NAME, {"items": ["a", "b", "c"]}),
    ("the whole record", _NAME, {"items": ["*"]}),
    ("others may quote", _NAME, {"onward": "quote"}),
    ("others may pass it on", _NAME, {"onward": "reshare"}),
    (
        "any approved recipient, no channel",
        "",
        {"recipient": ZERO_ADDRESS, "items": ["*"], "purposes": ["HRESCH"], "channels": []},
    ),
    (
        "conditions, one with countries",
        "",
        {
            "recipient": ZERO_ADDRESS,
            "items": ["*"],
            "channels": [],
            "purposes": ["DUO:0000006", "DUO:0000046", "DUO:0000022:DE.AT"],
        },
    ),
    (
        "a disease by its name",
        _NAME,
        {"purposes": ["DUO:0000007:MONDO:0008903", "DUO:0000028:ror.05a28rw58"], "channels": []},
    ),
    (
        "every channel",
        _NAME,
        {
            "channels": [
                "journal",
                "journal-social",
                "social",
                "closed-group",
                "conference",
                "teaching",
                "press",
                "repository",
            ]
        },
    ),
    (
        "every publication purpose",
        _NAME,
        {"purposes": ["case-report", "conference", "teaching", "website", "social-media", "press"]},
    ),
    ("a name with an apostrophe, an ampersand and braces", "St Mary\u2019s & {items} Hospital", {}),
    ("a name that would be markup", "<b>Journal</b> &amp; Co.", {}),
    ("a name in Arabic, set apart by isolates", "\u0645\u062c\u0644\u0629 \u0627\u0644\u0637\u0628", {}),
    (
        "an item named in Hebrew, with a gershayim inside a word",
        _NAME,
        {"items": ["\u05d3\u05d5\u05f4\u05d7.pdf", "figure-1.png"]},
    ),
    ("a name in Japanese and one with an emoji", "\u533b\u5b66\u96d1\u8a8c", {"items": ["heart\u2764\ufe0f.png"]}),
    ("a name that tries to be a sentence", "Journal. You agree to everything", {"items": ["yes, and all others.pdf"]}),
    ("a leap day from its beginning to its end", _NAME, {"validFrom": _LEAP_DAY, "validUntil": _LEAP_DAY + 86400}),
    ("the second before and after a leap day", _NAME, {"validFrom": _LEAP_DAY - 1, "validUntil": _LEAP_DAY + 86401}),
    ("the century that is no leap year", _NAME, {"validFrom": 4107456000, "validUntil": 4107542400}),
    ("the first second there is", _NAME, {"validFrom": 0, "validUntil": 1}),
    ("the first day there is", _NAME, {"validFrom": 0, "validUntil": 86400}),
    ("a second beyond 32 bits", _NAME, {"validFrom": 2**31 - 1, "validUntil": 2**32}),
    ("the last second a calendar holds", _NAME, {"validUntil": END_OF_CALENDAR}),
    ("minutes", _NAME, {"validFrom": 1795428060, "validUntil": 1803859140}),
]

# The other languages: everything that has words of its own, dates of every form, and names that run the other way.
_ELSEWHERE = {
    "two items, two channels, a start within a day",
    "one item",
    "the whole record",
    "others may quote",
    "others may pass it on",
    "any approved recipient, no channel",
    "conditions, one with countries",
    "a disease by its name",
    "every channel",
    "every publication purpose",
    "a name with an apostrophe, an ampersand and braces",
    "a name in Arabic, set apart by isolates",
    "an item named in Hebrew, with a gershayim inside a word",
    "a leap day from its beginning to its end",
    "the second before and after a leap day",
    "the last second a calendar holds",
    "minutes",
}

_REFUSED: list[tuple[str, str | None, dict[str, Any], str]] = [
    ("nobody listed the recipient", None, {}, "recipient"),
    ("a name with a closing quotation mark", "Journal\u201d may do everything. \u201cIt", {}, "recipient"),
    ("a name with a straight quotation mark", 'Journal" may do everything', {}, "recipient"),
    ("a name with two single quotation marks", "Journal\u2019\u2019 may do everything", {}, "recipient"),
    ("a name with a gershayim between spaces", "Journal \u05f4 may do everything", {}, "recipient"),
    ("a name with a full-width quotation mark", "Journal\uff02 may", {}, "recipient"),
    ("an empty name", "", {}, "recipient"),
    ("a blank name", " \u00a0 ", {}, "recipient"),
    ("a name with a line break", "Journal\nof Cases", {}, "recipient"),
    ("a name with a reading direction", "Journal\u202e", {}, "recipient"),
    ("a name that is too long", "J" * 201, {}, "recipient"),
    ("an item with a quotation mark", _NAME, {"items": ["a.png", "b\u201c.png"]}, "items[1]"),
    ("conditions but no purpose", _NAME, {"purposes": ["DUO:0000046"]}, "purposes"),
    ("an end after the last day of the calendar", _NAME, {"validUntil": END_OF_CALENDAR + 1}, "validUntil"),
    ("the largest integer as an end", _NAME, {"validUntil": 2**53 - 1}, "validUntil"),
    ("more items than can be written out", _NAME, {"items": [f"{'n' * 240}-{n}" for n in range(40)]}, "summary"),
    ("an unknown purpose", _NAME, {"purposes": ["unheard-of"]}, ""),
    ("an unknown channel", _NAME, {"channels": ["unheard-of"]}, ""),
    ("a disease without words", _NAME, {"purposes": ["DUO:0000007:MONDO:0099999"]}, ""),
]


def vectors() -> object:
    """The content of the file. An empty `field` stands for an unknown code."""
    return {
        "about": "cases: the summary of each grant. refused: grants for which no summary may be written, with the "
        "field that must be named; an empty field means that a code is unknown.",
        "cases": [
            *(_case(*case, "en") for case in _CASES),
            *(_case(*case, one) for one in LANGUAGES[1:] for case in _CASES if case[0] in _ELSEWHERE),
            *(_case(f"each month, {month + 1}", _NAME, _month(month), one) for one in LANGUAGES for month in range(12)),
        ],
        "refused": [_refusal(*case) for case in _REFUSED],
    }


def _month(month: int) -> dict[str, Any]:
    start = int(datetime(2027, month + 1, 1 + month, tzinfo=UTC).timestamp())
    return {"items": ["*"], "validFrom": start, "validUntil": start + 86400}


def _case(about: str, name: str, changes: dict[str, Any], language: str) -> dict[str, Any]:
    grant, parties = Grant.from_json(_BASE | changes), _parties(name or None)
    written = summary(grant, parties, language)
    about = about if language == "en" else f"{language}: {about}"
    return {"about": about, "grant": grant.to_json(), "parties": parties, "language": language, "summary": written}


def _refusal(about: str, name: str | None, changes: dict[str, Any], field: str) -> dict[str, Any]:
    grant, parties = Grant.from_json(_BASE | changes), _parties(name)
    try:
        summary(grant, parties, "en")
    except InvalidInput as error:
        named = error.field if isinstance(error, InvalidMessage) else ""
        if named == field:
            return {"about": about, "grant": grant.to_json(), "parties": parties, "language": "en", "field": field}
    raise AssertionError(f"not refused as it should be: {about}")


def _parties(name: str | None) -> dict[Address, str]:
    return {} if name is None else {JOURNAL: name}
