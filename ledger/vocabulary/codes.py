"""The vocabularies as data: codes, plain-language labels and the broader-than relation, read from the JSON here."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, TypeVar

from ledger.errors import UnknownCode

T = TypeVar("T")
LANGUAGES = ("en", "de", "es", "ar")
"""Languages in which every label and every phrase of a summary exists. Adding one is adding data."""

USE = "use"
DUO_PERMISSION = "duo-permission"
DUO_MODIFIER = "duo-modifier"

_VALUES = {
    "disease": re.compile(r"MONDO:[0-9]{7}"),
    "countries": re.compile(r"[A-Z]{2}(?:\.[A-Z]{2})*"),
    "identifier": re.compile(r"[A-Za-z0-9:._-]+"),
}


@dataclass(frozen=True)
class Term:
    """One entry of a vocabulary.

    Attributes:
        code: the code as it stands in a grant.
        broader: the entry above, which covers this one; None at the top.
        labels: language to the words a patient reads.
    """

    code: str
    broader: str | None
    labels: Mapping[str, str]

    def label(self, language: str) -> str:
        """The words for this entry.

        Raises:
            UnknownCode: there are no words in this language.
        """
        return _in_language(self.labels, language)


class Channel(Term):
    """A place where something may appear. Its label completes “It may appear only …”."""


class Disease(Term):
    """A disease that DUO:0000007 can name. Its label completes “research on …”."""


@dataclass(frozen=True)
class Purpose(Term):
    """A purpose, or a condition on purposes.

    Attributes:
        code: the full code, with the value where it has one (``DUO:0000022:DE.AT``).
        kind: `USE` and `DUO_PERMISSION` permit, and their label completes “This is only for …”;
            `DUO_MODIFIER` restricts, and its label completes “Condition: …”.
        entry: the code without the value (``DUO:0000022``).
        value: what follows the code, empty where nothing does.
        takes: the kind of value the code can carry: "disease", "countries", "identifier" or none.
    """

    kind: str
    entry: str
    value: str = ""
    takes: str = ""
    value_labels: Mapping[str, str] | None = None

    def label(self, language: str) -> str:
        """The words for this purpose, its value included.

        Raises:
            UnknownCode: there are no words in this language, or none for the disease it names.
        """
        if not self.value or self.value_labels is None:
            return super().label(language)
        shown = self.value.replace(".", ", ") if self.takes == "countries" else self.value
        if self.takes == "disease":
            shown = disease(self.value).label(language)
        return _in_language(self.value_labels, language).replace("{value}", shown)


def _in_language(labels: Mapping[str, T], language: str) -> T:
    try:
        return labels[language]
    except KeyError:
        raise UnknownCode(f"There are no words in this language. Known languages are {', '.join(LANGUAGES)}.") from None


def reason(code: str, language: str) -> str:
    """Why a use is allowed or not: the plain words for a decision's reason code.

    Raises:
        UnknownCode: there is no such reason, or there are no words in this language.
    """
    words = _in_language(_REASONS, language)
    if code not in words:
        raise UnknownCode(f"This is not a known reason: {code[:64]!r}.")
    return words[code]


def _read(name: str) -> list[dict[str, Any]]:
    text = resources.files(__package__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = json.loads(text)[name]
    return entries


CHANNELS: Mapping[str, Channel] = {
    e["code"]: Channel(e["code"], e["broader"], e["labels"]) for e in _read("channels")
}  # fmt: skip
DISEASES: Mapping[str, Disease] = {
    e["code"]: Disease(e["code"], e["broader"], e["labels"]) for e in _read("diseases")
}  # fmt: skip
PURPOSES: Mapping[str, Purpose] = {
    e["code"]: Purpose(
        e["code"], e["broader"], e["labels"], e["kind"], e["code"],
        takes=e.get("takes", ""), value_labels=e.get("valueLabels"),
    )
    for e in _read("purposes")
}  # fmt: skip

_REASONS: Mapping[str, Mapping[str, str]] = json.loads(
    resources.files(__package__).joinpath("reasons.json").read_text(encoding="utf-8")
)["reasons"]

PUBLICATION_PURPOSES = ("case-report", "conference", "teaching", "website", "social-media", "press")
_QUALIFIED = re.compile(r"(DUO:[0-9]{7}):(.+)")


def purpose(code: str) -> Purpose:
    """The purpose with this code. DUO codes that take a value carry it after a colon.

    Raises:
        UnknownCode: no vocabulary defines it, or its value has the wrong form.
    """
    found = PURPOSES.get(code)
    if found is not None:
        return found
    if qualified := _QUALIFIED.fullmatch(code):
        entry, value = qualified.groups()
        found = PURPOSES.get(entry)
        if found and found.takes and _VALUES[found.takes].fullmatch(value):
            return replace(found, code=code, value=value)
    permissions = [p.code for p in PURPOSES.values() if p.kind == DUO_PERMISSION]
    raise UnknownCode(
        f"This is not a known purpose: {code[:64]!r}. Known are {', '.join(PUBLICATION_PURPOSES)}, "
        f"{', '.join(permissions)} with the DUO modifiers, and the HL7 PurposeOfUse codes (HRESCH, TRAIN, TREAT, …)."
    )


def channel(code: str) -> Channel:
    """The channel with this code.

    Raises:
        UnknownCode: no vocabulary defines it.
    """
    try:
        return CHANNELS[code]
    except KeyError:
        raise UnknownCode(f"This is not a known channel: {code[:64]!r}. Known are {', '.join(CHANNELS)}.") from None


def disease(code: str) -> Disease:
    """The disease with this Mondo code.

    Raises:
        UnknownCode: we have no words for it.
    """
    try:
        return DISEASES[code]
    except KeyError:
        raise UnknownCode(
            f"There are no words for the disease {code[:64]!r}. Known are {', '.join(DISEASES)}."
        ) from None


def line(terms: Mapping[str, Term], code: str) -> tuple[str, ...]:
    """A code and everything broader than it, nearest first; nothing for an unknown code."""
    found: list[str] = []
    term = terms.get(code)
    while term is not None:
        found.append(term.code)
        term = terms.get(term.broader) if term.broader else None
    return tuple(found)
