"""What a wallet says of each of its own consents, from what a service knows of a record's grants.

Pure; the twin of the page's `core/standing.ts`.
"""

from collections.abc import Sequence
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
    stopped = {
        view["id"]
        for view in views
        if view["subject"] != subject and view["standing"] in _STOPPED and _stops(view, views)
    }
    mine = [view for view in views if view["subject"] == subject]
    replaced = {view["id"] for view in mine if view["standing"] == "revoked" and not _stops(view, views)}
    return [(view, _state(view, view["id"] in stopped, view["id"] in replaced, now)) for view in mine]


def _stops(stop: dict[str, Any], views: Sequence[dict[str, Any]]) -> bool:
    """Whether a signer ended a consent without having given it again under another form, however often it changed."""
    others = {view["id"]: view for view in views if view["subject"] == stop["subject"] and view["id"] != stop["id"]}
    ended = [stop]
    try:
        while ended:
            old = Grant.from_json(ended.pop()["grant"])
            for name, view in list(others.items()):
                if not renews(Grant.from_json(view["grant"]), old):
                    continue
                if view["standing"] not in _NOT_GIVEN:
                    return False
                ended.append(others.pop(name))  # ended as well: what was made of it may count
    except InvalidMessage:
        pass
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
