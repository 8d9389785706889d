"""Allowing less than is asked: proposed grants made narrower, never wider, each with its own sentence.

Pure; the twin of `narrow` in the page's `core/offer.ts`.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ledger import vocabulary
from ledger.errors import InvalidInput
from ledger.model import ANY_ITEM, ONWARD, Address, Grant, to_hash
from ledger.summary import matches, with_summary
from ledger.vocabulary import DUO_MODIFIER

DAY = 86_400


@dataclass(frozen=True)
class Choice:
    """What a patient keeps of what is asked; whatever is left out stays as asked.

    Attributes:
        valid_until: the end of the last day (Unix seconds); what ends earlier that day already is not changed by it.
    """

    items: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    onward: str | None = None
    valid_until: int | None = None


def narrow(
    grants: Sequence[Grant],
    choice: Choice,
    parts: Sequence[str],
    names: Mapping[Address, str],
    language: str,
) -> tuple[Grant, ...]:
    """Proposed grants as a patient chose, with their sentences in her language; what does not change is left as it is.

    Args:
        grants: of one checked offer.
        choice: kept of each grant is what both name.
        parts: the names of all items of the record, for a grant that covers the whole.
        names: the Directory's names of the recipients.

    Raises:
        InvalidInput: something was chosen that nobody asks for, or nothing of a grant would be left.
    """
    named = (
        (choice.items, {name for grant in grants for name in _items(grant, parts)}, "part"),
        (choice.purposes, {code for grant in grants for code in grant.purposes}, "use"),
        (choice.channels, {code for grant in grants for code in grant.channels}, "place"),
    )
    for chosen, asked, what in named:
        if foreign := sorted(chosen - asked):
            raise InvalidInput(f"Nobody asks for the {what} “{foreign[0]}”. `volens wallet open` shows what is asked.")
    if choice.onward is not None:
        if choice.onward not in ONWARD:
            raise InvalidInput(f"Passing on is one of {', '.join(ONWARD)}.")
        if all(_freedom(choice.onward) > _freedom(grant.onward) for grant in grants):
            raise InvalidInput("Nobody asks to pass on so much; you can only allow less than is asked.")
    if choice.valid_until is not None and all(choice.valid_until - DAY >= grant.valid_until for grant in grants):
        raise InvalidInput("Nobody asks for so long; you can only allow less than is asked.")
    return tuple(_narrow(grant, choice, parts, names, language) for grant in grants)


def _narrow(grant: Grant, choice: Choice, parts: Sequence[str], names: Mapping[Address, str], language: str) -> Grant:
    items = grant.items
    if choice.items and not choice.items.issuperset(_items(grant, parts)):
        items = tuple(name for name in _items(grant, parts) if name in choice.items)
    # A condition (such as “not for profit”) limits the rest: leaving one out would widen what is permitted.
    purposes = tuple(
        code for code in grant.purposes if not choice.purposes or code in choice.purposes or _is_condition(code)
    )
    channels = tuple(code for code in grant.channels if not choice.channels or code in choice.channels)
    # No channel means a use that has none (research): a grant must not come to mean that.
    if not items or all(map(_is_condition, purposes)) or (grant.channels and not channels):
        raise InvalidInput("Of one of these sentences nothing would be left. Choose the sentences with --only.")
    onward = grant.onward if choice.onward is None else min(choice.onward, grant.onward, key=_freedom)
    until = grant.valid_until if choice.valid_until is None else min(choice.valid_until, grant.valid_until)
    if until <= grant.valid_from:
        raise InvalidInput("One of these sentences would end before it begins.")
    chosen = replace(grant, items=items, purposes=purposes, channels=channels, onward=onward, valid_until=until)
    if chosen == grant and matches(grant, names) == language:
        return grant
    return with_summary(replace(chosen, summary="", salt=to_hash(secrets.token_bytes(32))), names, language)


def _items(grant: Grant, parts: Sequence[str]) -> Sequence[str]:
    return parts if grant.items == (ANY_ITEM,) else grant.items


def _is_condition(code: str) -> bool:
    return vocabulary.purpose(code).kind == DUO_MODIFIER


def _freedom(onward: str) -> int:
    return ONWARD.index(onward)
