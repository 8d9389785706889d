"""What a wallet says of each of its own consents, from what a service knows of a record's grants.

Pure; the twin of the page's `core/standing.ts`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from ledger.errors import InvalidMessage
from ledger.model import Address, Grant
from wallet.renewal import renews

STOPPED_BY_ANOTHER = "stopped_by_another"
"""Somebody who decides together with her has ended the same grant, which nobody can give again."""
REPLACED = "replaced"
"""She agreed again under a newer form, which ended this consent. She has not stopped what it allowed."""
ENDED = frozenset({"revoked", "closed", "record_retracted", STOPPED_BY_ANOTHER, REPLACED})
"""States that nothing follows, whatever the time."""
_STOPPED = frozenset({"revoked", "closed"})
_NOT_GIVEN = frozenset({"no_consent", "revoked", "closed", "record_retracted"})


def own(views: Sequence[dict[str, Any]], subject: Address, now: int) -> list[tuple[dict[str, Any], str]]:
    """The consents that one pseudonym gave, each with the state to say.

    A consent is what one signer gave to one grant. Several people sign the same grant where they decide together, so
    its hash alone does not say whose it is. Who agreed again under a new form and ended the old consent with that has
    not stopped it for the others.

    Args:
        views: every grant of the record for every signer, as `GET /v1/records/{record}/grants` answers.
        now: Unix seconds.
    """
    signed = _by_signer(views)
    stopped = {
        view["id"]
        for view in views
        if view["subject"] != subject and view["standing"] in _STOPPED and _stops(view, signed)
    }
    mine = [view for view in views if view["subject"] == subject]
    replaced = {view["id"] for view in mine if view["standing"] == "revoked" and not _stops(view, signed)}
    return [(view, _state(view, view["id"] in stopped, view["id"] in replaced, now)) for view in mine]


def _by_signer(views: Sequence[dict[str, Any]]) -> dict[str, dict[str, tuple[Grant, str]]]:
    """What each signer says: by the grants' hashes the grants that can be read, and their standings."""
    found: dict[str, dict[str, tuple[Grant, str]]] = {}
    for view in views:
        with suppress(InvalidMessage):
            found.setdefault(view["subject"], {})[view["id"]] = Grant.from_json(view["grant"]), view["standing"]
    return found


def _stops(stop: dict[str, Any], signed: Mapping[str, Mapping[str, tuple[Grant, str]]]) -> bool:
    """Whether a signer ended a consent without having given it again under another form, however often it changed."""
    others = dict(signed.get(stop["subject"], {}))
    ended = [others.pop(stop["id"])] if stop["id"] in others else []
    while ended:
        old, _ = ended.pop()
        for name, (grant, standing) in list(others.items()):
            if not renews(grant, old):
                continue
            if standing not in _NOT_GIVEN:
                return False
            ended.append(others.pop(name))  # ended as well: what was made of it may count
    return True


def _state(view: dict[str, Any], by_another: bool, replaced: bool, now: int) -> str:
    standing, grant = view["standing"], view["grant"]
    if replaced:
        return REPLACED
    if by_another and standing not in ENDED:
        return STOPPED_BY_ANOTHER
    if standing not in ENDED and grant["validUntil"] <= now:
        return "expired"
    return "not_yet_valid" if standing == "granted" and grant["validFrom"] > now else standing
