"""Whether what was granted covers what is asked. Fails closed: what is not understood is never covered."""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from types import MappingProxyType

from ledger.errors import UnknownCode
from ledger.vocabulary.codes import CHANNELS, DISEASES, DUO_MODIFIER, DUO_PERMISSION, PURPOSES, Purpose, line, purpose

Facts = Mapping[str, object]
"""What is known about the asker and the use, by name:

`nonprofit`, `commercial`, `genetic`, `methods`, `ancestry`, `clinical_care`, `ethics_approval` (bool);
`country` (ISO 3166-1 alpha-2), `user`, `project`, `institution` (text);
`accepts` (the DUO codes whose obligations the asker accepts);
`diseases` (the Mondo codes under study) and `ancestors` (Mondo code to all its ancestors: from the operator's copy
of Mondo, never from the asker).
"""

_DS = "DUO:0000007"
_HMB = "DUO:0000006"
_ANCESTRY = ("DUO:0000011", "POARCH")


class Coverage(Enum):
    """The three answers, weakest first. Only `COVERED` is true in a condition: a review is not a yes."""

    NOT_COVERED = "not_covered"
    NEEDS_REVIEW = "needs_review"
    COVERED = "covered"

    def __bool__(self) -> bool:
        return self is Coverage.COVERED


def covers_channel(granted: Sequence[str], asked: str) -> bool:
    """Whether a grant's channels cover a use.

    Args:
        granted: the channels of the grant. None at all permits only uses without a channel, such as research.
        asked: the channel, or "" for a use without one. A grant for channels covers no use without one.
    """
    if not granted:
        return asked == ""
    broader = line(CHANNELS, asked)
    return any(code in broader for code in granted)


def covers_purpose(granted: Sequence[str], asked: str, facts: Facts = MappingProxyType({})) -> Coverage:
    """Whether a grant's purposes cover a use. The best permission counts, and every condition must hold.

    1. an unknown purpose needs review; a condition is no purpose
    2. a permission covers itself and what is narrower; disease research also needs its diseases covered
    3. every DUO modifier restricts every permission of the grant; without a DUO permission beside it, and where a
       fact is missing, it needs review
    4. a granted code nobody knows may permit or restrict: it needs review

    Args:
        granted: the purposes of the grant.
        asked: one purpose code.
        facts: see `Facts`. A missing fact never helps the asker.
    """
    return _covers_purpose(granted, asked, facts) if facts else _without_facts(tuple(granted), asked)


@lru_cache(maxsize=1024)
def _without_facts(granted: tuple[str, ...], asked: str) -> Coverage:
    """The tables never change, so that what they say of the same codes is found once."""
    return _covers_purpose(granted, asked, {})


def _covers_purpose(granted: Sequence[str], asked: str, facts: Facts) -> Coverage:
    try:
        wanted = purpose(asked)
    except UnknownCode:
        return Coverage.NEEDS_REVIEW
    if wanted.kind == DUO_MODIFIER:
        return Coverage.NOT_COVERED
    known, permits, restricts = _understood(granted)
    permissions = [p for p in known if p.kind != DUO_MODIFIER]
    modifiers = [p for p in known if p.kind == DUO_MODIFIER]

    broader = line(PURPOSES, wanted.entry)
    permits += [Coverage.COVERED for p in permissions if p.entry in broader and p.entry != _DS]
    if wanted.entry == _DS:
        permits.append(_diseases([p.value for p in permissions if p.entry == _DS], wanted, facts))

    restricts += [_RULES[m.entry](m, wanted, facts) for m in modifiers]
    if modifiers and not any(p.kind == DUO_PERMISSION for p in permissions):
        restricts.append(Coverage.NEEDS_REVIEW)
    return _weakest([_strongest(permits), *restricts])


def _understood(granted: Sequence[str]) -> tuple[list[Purpose], list[Coverage], list[Coverage]]:
    known: list[Purpose] = []
    doubts: list[Coverage] = []
    for code in granted:
        try:
            known.append(purpose(code))
        except UnknownCode:
            doubts.append(Coverage.NEEDS_REVIEW)
    return known, list(doubts), list(doubts)


def _strongest(answers: Sequence[Coverage]) -> Coverage:
    return max(answers, key=tuple(Coverage).index, default=Coverage.NOT_COVERED)


def _weakest(answers: Sequence[Coverage]) -> Coverage:
    return min(answers, key=tuple(Coverage).index)


def _diseases(targets: Sequence[str], wanted: Purpose, facts: Facts) -> Coverage:
    """Every disease under study must be a granted one or lie below one."""
    if not targets:
        return Coverage.NOT_COVERED
    declared = facts.get("diseases", ())
    if not isinstance(declared, (list, tuple)) or not (wanted.value or declared):
        return Coverage.NEEDS_REVIEW
    studied = [wanted.value, *declared] if wanted.value else declared
    return _weakest([_strongest([_disease(target, one, facts) for target in targets]) for one in studied])


def _disease(target: str, studied: object, facts: Facts) -> Coverage:
    if not target or not isinstance(studied, str):
        return Coverage.NEEDS_REVIEW
    if target == studied or target in line(DISEASES, studied):
        return Coverage.COVERED
    ancestors = facts.get("ancestors")
    listed = ancestors.get(studied) if isinstance(ancestors, Mapping) else None
    if isinstance(listed, (list, tuple, set, frozenset)):
        return Coverage.COVERED if target in listed else Coverage.NOT_COVERED
    # Our own table is small: its silence means no only about two diseases that are both in it.
    return Coverage.NOT_COVERED if {target, studied} <= DISEASES.keys() else Coverage.NEEDS_REVIEW


_Rule = Callable[[Purpose, Purpose, Facts], Coverage]


def _flag(fact: str, needed: bool) -> _Rule:
    """The fact must be known, and be `needed`."""

    def rule(_modifier: Purpose, _wanted: Purpose, facts: Facts) -> Coverage:
        value = facts.get(fact)
        if not isinstance(value, bool):
            return Coverage.NEEDS_REVIEW
        return Coverage.COVERED if value is needed else Coverage.NOT_COVERED

    return rule


def _accepted(modifier: Purpose, _wanted: Purpose, facts: Facts) -> Coverage:
    """An obligation: the asker must have accepted it."""
    accepts = facts.get("accepts", ())
    accepted = isinstance(accepts, (list, tuple, set, frozenset)) and modifier.code in accepts
    return Coverage.COVERED if accepted else Coverage.NEEDS_REVIEW


def _among(fact: str) -> _Rule:
    """The fact must be (one of) the modifier's value."""

    def rule(modifier: Purpose, _wanted: Purpose, facts: Facts) -> Coverage:
        value = facts.get(fact)
        if not modifier.value or not isinstance(value, str) or not value:
            return Coverage.NEEDS_REVIEW
        allowed = modifier.value.split(".") if modifier.takes == "countries" else [modifier.value]
        return Coverage.COVERED if value in allowed else Coverage.NOT_COVERED

    return rule


def _both(*rules: _Rule) -> _Rule:
    return lambda modifier, wanted, facts: _weakest([rule(modifier, wanted, facts) for rule in rules])


def _not_ancestry(modifier: Purpose, wanted: Purpose, facts: Facts) -> Coverage:
    if wanted.entry in _ANCESTRY:
        return Coverage.NOT_COVERED
    if facts.get("ancestry") is None and wanted.entry in (_HMB, _DS):
        return Coverage.COVERED  # these two exclude ancestry by definition
    return _flag("ancestry", False)(modifier, wanted, facts)


def _review(_modifier: Purpose, _wanted: Purpose, _facts: Facts) -> Coverage:
    return Coverage.NEEDS_REVIEW


_RULES: Mapping[str, _Rule] = {
    "DUO:0000012": _review,  # RS research specific restrictions
    "DUO:0000015": _flag("methods", False),  # NMDS
    "DUO:0000016": _flag("genetic", True),  # GSO
    "DUO:0000018": _both(_flag("nonprofit", True), _flag("commercial", False)),  # NPUNCU
    "DUO:0000019": _accepted,  # PUB
    "DUO:0000020": _accepted,  # COL
    "DUO:0000021": _flag("ethics_approval", True),  # IRB
    "DUO:0000022": _among("country"),  # GS
    "DUO:0000024": _accepted,  # MOR
    "DUO:0000025": _review,  # TS: a grant's own end date says it better
    "DUO:0000026": _among("user"),  # US
    "DUO:0000027": _among("project"),  # PS
    "DUO:0000028": _among("institution"),  # IS
    "DUO:0000029": _accepted,  # RTN
    "DUO:0000043": _flag("clinical_care", True),  # CC
    "DUO:0000044": _not_ancestry,  # NPOA
    "DUO:0000045": _flag("nonprofit", True),  # NPU
    "DUO:0000046": _flag("commercial", False),  # NCU
}
