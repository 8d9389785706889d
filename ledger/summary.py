"""What a patient reads before she signs: a grant in plain words, rendered from the fields that are enforced.

A pure function of the grant, the names of the parties and the language, with a twin in TypeScript. The words are
data (``vocabulary/phrases.json`` and the labels of the vocabularies); this file only puts them together.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from typing import Any

from ledger import vocabulary
from ledger.errors import InvalidInput, InvalidMessage, UnknownCode
from ledger.model import ANY_ITEM, MAX_TEXT, ZERO_ADDRESS, Address, Grant, text
from ledger.vocabulary import DUO_MODIFIER, LANGUAGES

MAX_NAME = 200
END_OF_CALENDAR = 253_402_300_800
"""1 January 10000, 00:00 UTC. A permission without an end a person can read is none."""

_PHRASES: Mapping[str, Mapping[str, Any]] = json.loads(
    resources.files("ledger.vocabulary").joinpath("phrases.json").read_text(encoding="utf-8")
)["phrases"]
_DAY = 86_400
_SLOT = re.compile(r"\{(\w+)\}")
# Whatever looks like a double quotation mark could end a quoted name early. Hebrew writes U+05F4 inside words.
_QUOTES = re.compile(
    '["\u00ab\u00bb\u02ba\u02dd\u02ee\u201c-\u201f\u2033\u2034\u2036\u2037\u2057\u275d\u275e\u2760\u301d-\u301f\uff02]'
    "|['`\u00b4\u02b9\u02bb-\u02bd\u02ca\u02cb\u2018-\u201b\u2032\u2035\uff07]{2}"
    "|(?<![\u05d0-\u05ea])\u05f4|\u05f4(?![\u05d0-\u05ea])"
)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_ISOLATE, _POP = "\u2068", "\u2069"


def summary(grant: Grant, parties: Mapping[Address, str], language: str) -> str:
    """The grant in plain words, one short sentence per fact.

    Args:
        grant: every field but `summary` is read.
        parties: the names the Directory gives to addresses; only the recipient's is read.
        language: one of `LANGUAGES`.

    Raises:
        InvalidMessage: the recipient has no name, a name cannot be quoted, nothing is permitted, the period ends after
            the year 9999, or the sentences are longer than a grant may hold.
        UnknownCode: the language, a purpose or a channel is unknown.
    """
    if language not in LANGUAGES:
        raise UnknownCode(f"Summaries cannot be written in this language. Known are {', '.join(LANGUAGES)}.")
    words = _PHRASES[language]
    purposes = [vocabulary.purpose(code) for code in grant.purposes]
    permissions = [p.label(language) for p in purposes if p.kind != DUO_MODIFIER]
    if not permissions:
        raise InvalidMessage("purposes", "must name a purpose, not only conditions")

    sentences = [
        _items(grant, _who(grant, parties, words), words),
        _fill(words["purposes"], purposes=_list(permissions, words)),
        *(_fill(words["condition"], condition=p.label(language)) for p in purposes if p.kind == DUO_MODIFIER),
        _channels(grant, words, language),
        words["onward"][grant.onward],
        _fill(words["period"], until=_end(grant.valid_until, words), **{"from": _start(grant.valid_from, words)}),
    ]
    written = " ".join(sentences)
    if len(written.encode()) > 4 * MAX_TEXT:
        raise InvalidMessage("summary", "would be too long to read; name fewer items, or grant the whole record")
    return written


def matches(grant: Grant, parties: Mapping[Address, str]) -> str | None:
    """The language in which the grant's summary says what its fields say, or None where it does not.

    `parties` must name the recipient as it was named when the grant was made.
    """
    for language in LANGUAGES:
        try:
            if summary(grant, parties, language) == grant.summary:
                return language
        except InvalidInput:
            continue
    return None


def with_summary(grant: Grant, parties: Mapping[Address, str], language: str) -> Grant:
    """The same grant with its summary written; raises what `summary` raises."""
    return replace(grant, summary=summary(grant, parties, language))


def quotable(name: object, field: str, limit: int = MAX_NAME) -> str:
    """Check that a name can stand between quotation marks without seeming to end them.

    Raises:
        InvalidMessage: it is not plain text, is blank, or contains what looks like a double quotation mark.
    """
    checked = text(name, field, limit=limit)
    if not checked.strip():
        raise InvalidMessage(field, "must not be blank")
    if _QUOTES.search(checked):
        raise InvalidMessage(field, "must not contain quotation marks")
    return checked


def _who(grant: Grant, parties: Mapping[Address, str], words: Mapping[str, Any]) -> str:
    if grant.recipient == ZERO_ADDRESS:
        return str(words["anyRecipient"])
    if grant.recipient not in parties:
        raise InvalidMessage("recipient", "is not listed, so nobody can say who it is")
    return _quote(quotable(parties[grant.recipient], "recipient"), words)


def _items(grant: Grant, who: str, words: Mapping[str, Any]) -> str:
    if grant.items == (ANY_ITEM,):
        return _fill(words["allItems"], who=who)
    names = [_quote(quotable(name, f"items[{i}]", limit=255), words) for i, name in enumerate(grant.items)]
    return _fill(words["oneItem" if len(names) == 1 else "someItems"], who=who, items=_list(names, words))


def _channels(grant: Grant, words: Mapping[str, Any], language: str) -> str:
    if not grant.channels:
        return str(words["noChannel"])
    labels = [vocabulary.channel(code).label(language) for code in grant.channels]
    return _fill(words["channels"], channels=_list(labels, words))


def _start(seconds: int, words: Mapping[str, Any]) -> str:
    return _fill(words["startOfDay"], date=_date(seconds, words)) if seconds % _DAY == 0 else _moment(seconds, words)


def _end(seconds: int, words: Mapping[str, Any]) -> str:
    """A period ends before `seconds`: at midnight its last day is the day before."""
    if seconds > END_OF_CALENDAR:
        raise InvalidMessage("validUntil", "must not be later than the year 9999")
    return _fill(words["endOfDay"], date=_date(seconds - 1, words)) if seconds % _DAY == 0 else _moment(seconds, words)


def _moment(seconds: int, words: Mapping[str, Any]) -> str:
    hours, minutes, rest = seconds % _DAY // 3600, seconds % 3600 // 60, seconds % 60
    time = f"{hours:02}:{minutes:02}" + (f":{rest:02}" if rest else "")
    return _fill(words["moment"], date=_date(seconds, words), time=time)


def _date(seconds: int, words: Mapping[str, Any]) -> str:
    day = datetime.fromtimestamp(seconds, UTC)
    return _fill(words["date"], day=str(day.day), month=words["months"][day.month - 1], year=str(day.year))


def _quote(name: str, words: Mapping[str, Any]) -> str:
    """A name runs in its own direction: nothing in it can move words of the sentence around it (UAX #9, 6.3)."""
    apart = words["rightToLeft"] or _RIGHT_TO_LEFT.search(name)
    shown = f"{_ISOLATE}{name}{_POP}" if apart else name
    return f"{words['open']}{shown}{words['close']}"


def _list(entries: Sequence[str], words: Mapping[str, Any]) -> str:
    *first, last = entries
    return f"{words['between'].join(first)}{words['last']}{last}" if first else last


def _fill(phrase: str, **values: str) -> str:
    return _SLOT.sub(lambda slot: values[slot[1]], phrase)
