"""What a patient signs to take consent back. It needs no service: saved, anybody can bring it to the chain."""

from collections.abc import Iterable, Sequence

from ledger.errors import InvalidInput
from ledger.model import Grant, Hash, Message, Revocation, RevokeAll
from ledger.signed_message import SignedMessage
from ledger.typed_data import parse_signature
from wallet.book import Book, Case
from wallet.renewal import renews

AT_ONCE = 100
"""How many grants are revoked by one message."""
REVOKE_AHEAD = 15 * 60
"""Seconds ahead that everything is revoked: what is recorded until the message lands, which cuts this, ends too."""


def revocations(book: Book, names: Sequence[Hash]) -> list[tuple[Case, Revocation]]:
    """What takes some grants back, for every pseudonym of hers that agreed to them.

    Where a form changed and she agreed again, who says stop means the consents under both forms.

    Raises:
        InvalidInput: the wallet knows no such grant.
    """
    by_case: dict[int, tuple[Case, list[Grant]]] = {}
    for name in dict.fromkeys(names):
        for case, grant in book.consents(name):
            by_case.setdefault(case.index, (case, []))[1].extend(_same(case, grant))
    return [(case, message) for case, grants in by_case.values() for message in _revocations(case, grants)]


def _same(case: Case, grant: Grant) -> list[Grant]:
    """A grant, those that took its place under other forms, and those whose place it took."""
    found, to_look = [], [grant]
    while to_look:
        one = to_look.pop()
        found.append(one)
        others = [other for other in case.grants if other not in found and other not in to_look]
        to_look += [other for other in others if renews(other, one) or renews(one, other)]
    return found


def _revocations(case: Case, grants: Iterable[Grant]) -> list[Revocation]:
    own = list(dict.fromkeys(grants))
    return [Revocation(case.subject, tuple(own[start : start + AT_ONCE])) for start in range(0, len(own), AT_ONCE)]


def everything(case: Case, now: int) -> list[Message]:
    """What takes back everything in a case, also what was signed but is not yet recorded.

    Args:
        now: Unix seconds.
    """
    return [RevokeAll(case.subject, now + REVOKE_AHEAD), *_revocations(case, case.grants)]


def sign(book: Book, case: Case, message: Message) -> SignedMessage:
    """Sign a message of a case, for the ledger that the wallet belongs to.

    Raises:
        InvalidInput: the wallet has met no service yet, so it belongs to none.
    """
    if book.deployment is None:
        raise InvalidInput("This wallet has been used with no service yet, so there is nothing to take back.")
    domain = book.deployment.domain
    signature = parse_signature(book.keys(case).sign_typed(domain, message))
    return SignedMessage(domain, message, case.subject, signature)
