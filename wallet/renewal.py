"""A consent whose form was replaced: what the texts say differently, and the same consent under the new form.

Pure; the twin of the page's `core/renewal.ts`.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ledger.documents import Form
from ledger.model import Address, Grant, Hash, hash32, keccak, to_hash
from ledger.summary import matches, with_summary

_CONTEXT = b"volens/renewal/v1"
_MAX_CELLS = 4_000_000
"""Cells of the table in which two texts are compared; larger ones are taken as different throughout."""
_SPACES = "\t\n\v\f\r \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""What divides words: the same in both languages, whatever each takes for a space."""
_WORDS = re.compile(f"^[{_SPACES}]+|[^{_SPACES}]+[{_SPACES}]*")
_SPACE = re.compile(f"[{_SPACES}]+")


@dataclass(frozen=True)
class Piece:
    """A stretch of a text; `marked` where the other text does not have it."""

    text: str
    marked: bool


@dataclass(frozen=True)
class Change:
    """A text before and after, None where there is none.

    Attributes:
        languages: of the two texts: English where there are no words in the one that was asked for.
        same: no language says anything else.
    """

    id: str
    before: str | None
    after: str | None
    languages: tuple[str, str]
    same: bool


def compare(before: Form, after: Form, language: str) -> tuple[Change, ...]:
    """The statements of two forms: those of the new one in its order, then those that were taken out."""
    old = {statement.id: statement.text for statement in before.statements}
    kept = {statement.id for statement in after.statements}
    return (
        *(change(s.id, old.get(s.id), s.text, language) for s in after.statements),
        *(change(s.id, s.text, None, language) for s in before.statements if s.id not in kept),
    )


def change(name: str, before: Mapping[str, str] | None, after: Mapping[str, str] | None, language: str) -> Change:
    """What two texts say differently."""
    (old, spoken), (now, speaks) = _in(before, language), _in(after, language)
    same = before is not None and after is not None and dict(before) == dict(after)
    return Change(name, old, now, (spoken, speaks), same)


def _in(texts: Mapping[str, str] | None, language: str) -> tuple[str | None, str]:
    if texts is None:
        return None, "en"
    return (texts[language], language) if language in texts else (texts["en"], "en")


def difference(before: str, after: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Two texts, word by word: what of each the other does not have. The pieces together are the text itself."""
    whole, other = _WORDS.findall(before), _WORDS.findall(after)
    old, now = ([_SPACE.sub("", word) for word in words] for words in (whole, other))
    shortest, head, tail = min(len(old), len(now)), 0, 0
    while head < shortest and old[head] == now[head]:
        head += 1
    while tail < shortest - head and old[-1 - tail] == now[-1 - tail]:
        tail += 1
    pairs = [(at, at) for at in range(head)]
    pairs += [(len(old) - at, len(now) - at) for at in range(1, tail + 1)]
    middle = _common(old[head : len(old) - tail], now[head : len(now) - tail])
    pairs += [(head + i, head + j) for i, j in middle]
    return _pieces(whole, {i for i, _ in pairs}), _pieces(other, {j for _, j in pairs})


def _common(old: Sequence[str], now: Sequence[str]) -> list[tuple[int, int]]:
    """Where the longest common run of words is in each."""
    if len(old) * len(now) > _MAX_CELLS:
        return []
    # From the end: `longest[i][j]` is its length for what begins at i and j.
    longest = [array("H", bytes(2 * len(now) + 2)) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        row, below = longest[i], longest[i + 1]
        for j in reversed(range(len(now))):
            row[j] = below[j + 1] + 1 if old[i] == now[j] else max(below[j], row[j + 1])
    i, j, found = 0, 0, []
    while i < len(old) and j < len(now):
        if old[i] == now[j]:
            found.append((i, j))
            i, j = i + 1, j + 1
        elif longest[i + 1][j] >= longest[i][j + 1]:
            i += 1
        else:
            j += 1
    return found


def _pieces(words: Sequence[str], common: set[int]) -> tuple[Piece, ...]:
    found: list[Piece] = []
    for at, text in enumerate(words):
        marked = at not in common
        if found and found[-1].marked == marked:
            found[-1] = Piece(found[-1].text + text, marked)
        else:
            found.append(Piece(text, marked))
    return tuple(found)


def renewed(grant: Grant, form: Hash, names: Mapping[Address, str], language: str) -> Grant:
    """The same grant under another form, in the language of its sentence.

    Its salt follows from the old one, so that everybody who decides together signs the same grant, and asking twice
    makes one.

    Args:
        names: the Directory's names by address.
        language: of the sentence, where the old one was written with another name.

    Raises:
        InvalidMessage, UnknownCode: what it would say cannot be written.
    """
    made = replace(grant, form=hash32(form, "form"), salt=_salt(grant, form), summary="")
    return with_summary(made, names, matches(grant, names) or language)


def renews(new: Grant, old: Grant) -> bool:
    """Whether a grant was made by renewing another, as it was or narrower: its salt tells."""
    return (new.record, new.recipient) == (old.record, old.recipient) and new.salt == _salt(old, new.form)


def old_may_end(old: str, new: str) -> bool:
    """Whether an old consent may be ended, by its state and that of the one that took its place and was sent.

    Not before the new one counts, unless the old one does not count itself: what she allowed never stops in between.
    """
    return new == "granted" or old == "form_superseded"


def _salt(grant: Grant, form: Hash) -> Hash:
    return to_hash(keccak(_CONTEXT + bytes.fromhex(grant.salt[2:]) + bytes.fromhex(hash32(form, "form")[2:])))
