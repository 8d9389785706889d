"""References: made for a record and a recipient; what they say in public is in api/public.py."""

from fastapi import APIRouter

from api.deps import Caller, RecordId, Use
from api.schemas import NewReference, ReferenceView
from api.services import Services
from ledger.references import written

router = APIRouter(prefix="/v1/records", tags=["references"])


@router.post("/{record}/references")
def make(record: RecordId, body: NewReference, caller: Caller, use: Use) -> ReferenceView:
    """The short code that names this record and a recipient to the outside; asking again gives the same one.

    For the recipient itself and for the record's parties.
    """
    recipient = body.recipient or caller
    return _view(use, recipient, use.references.make(caller, record, recipient))


@router.get("/{record}/references")
def made(record: RecordId, caller: Caller, use: Use) -> list[ReferenceView]:
    """The references of a record: all for its parties, its own for a recipient."""
    return [_view(use, recipient, code) for recipient, code in sorted(use.references.of(caller, record).items())]


def _view(use: Services, recipient: str, code: str) -> ReferenceView:
    shown = written(code)
    url = use.settings.url
    return ReferenceView(
        reference=shown,
        recipient=recipient,
        page=f"{url}/verify/{shown}",
        badge=f"{url}/v1/badge/{shown}.svg",
        qr=f"{url}/v1/qr/{shown}.svg",
    )
