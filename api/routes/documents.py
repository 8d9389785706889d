"""Forms and channel terms by hash."""

from typing import Any

from fastapi import APIRouter

from api.deps import Use
from api.schemas import Id, MessageJson
from ledger.documents import Form, Terms
from ledger.errors import InvalidMessage
from ledger.model import hash32

router = APIRouter(prefix="/v1/documents", tags=["documents"])


@router.post("", status_code=201)
def publish(body: MessageJson, use: Use) -> Id:
    """Keep a form or terms document that its issuer has published on chain."""
    kinds: dict[Any, type[Form | Terms]] = {Form.TYPE: Form, Terms.TYPE: Terms}
    kind = kinds.get(str(body.get("type")))
    if kind is None:
        raise InvalidMessage("type", f"must be {Form.TYPE} or {Terms.TYPE}")
    return Id(id=use.records.publish(kind.from_json(body)))


@router.get("/{document}")
def read(document: str, use: Use) -> dict[str, Any]:
    """A form or terms document."""
    return use.records.document(hash32(document, "document")).to_json()
