"""What a wallet says of each of its own consents, from what a service knows of a record's grants.

Pure; the twin of the page's `core/standing.ts`.
"""

from collections.abc import Sequence
from typing import Any

from ledger.model import Address

STOPPED_BY_ANOTHER = "stopped_by_another"
"""Somebody who decides together with her has ended the same grant, which nobody can give again."""
ENDED = frozenset({"revoked", "closed", "record_retracted", STOPPED_BY_ANOTHER})
"""States that nothing follows, whatever the time."""
_STOPPED = frozenset({"revoked", "closed"})


def own(views: Sequence[dict[str, Any]], subject: Address, now: int) -> list[tuple[dict[str, Any], str]]:
    """The consents that one pseudonym gave, each with the state to say.

    A consent is what one signer gave to one grant. Several people sign the same grant where they decide together, so
    its hash alone does not say whose it is.

    Args:
        views: every grant of the record for every signer, as `GET /v1/records/{record}/grants` answers.
        now: Unix seconds.
    """
    stopped = {(view["id"], view["subject"]) for view in views if view["standing"] in _STOPPED}
    found = []
    for view in views:
        if view["subject"] == subject:
            by_another = any(grant == view["id"] and signer != subject for grant, signer in stopped)
            found.append((view, _state(view["standing"], by_another, view["grant"], now)))
    return found


def _state(standing: str, by_another: bool, grant: dict[str, Any], now: int) -> str:
    if by_another and standing not in ENDED:
        return STOPPED_BY_ANOTHER
    if standing not in ENDED and grant["validUntil"] <= now:
        return "expired"
    return "not_yet_valid" if standing == "granted" and grant["validFrom"] > now else standing
