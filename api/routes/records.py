"""Invitations, records, sealed items and offers."""

from collections.abc import Iterator
from typing import Any

from anyio import from_thread
from fastapi import APIRouter, Request, Response

from api.deps import Caller, Heavy, MaybeCaller, RecordId, Use
from api.ranges import ranged
from api.schemas import (
    GrantJson,
    Id,
    InvitationView,
    ItemView,
    NewInvitation,
    NewOffer,
    NewOfferMessage,
    NewRecord,
    OfferMessageView,
    OfferView,
    OwnRecordView,
    Signed,
    SignInText,
    Token,
    UploadView,
)
from api.services import Services
from ledger.invitations import encryption_key_of
from ledger.model import Address, Approval, Grant, Item, Record, hash32, item_name
from ledger.ports import Invitation, OfferMessage, StoredRecord
from ledger.services.consents import party_names
from ledger.services.records import Deposit
from ledger.typed_data import parse_signature

router = APIRouter(prefix="/v1", tags=["records"])


@router.post("/invitations", status_code=201)
def invite(body: NewInvitation, caller: Caller, use: Use) -> Token:
    """Invite a patient to answer with a fresh pseudonym; give her the token by a private way."""
    return Token(token=use.records.invite(caller, body.title))


@router.get("/invitations/{token}")
def invitation(token: str, caller: MaybeCaller, use: Use) -> InvitationView:
    """Who invites, by the name in the Directory, and to what. Who answered, only its controller may see."""
    return _invitation(use.records.invitation(token), use, caller)


@router.post("/invitations/{token}/claim")
def claim(token: str, body: SignInText, use: Use) -> InvitationView:
    """Answer with a fresh pseudonym and the key to which item keys are wrapped, signed with the pseudonym's key."""
    path = f"/v1/invitations/{token}/claim"
    signed = use.sign_ins.prove(body.message, parse_signature(body.signature), path)
    use.records.claim(token, signed.address, encryption_key_of(signed))
    return _invitation(use.records.invitation(token), use, signed.address)


@router.put(
    "/records/{record}/items/{name}",
    status_code=201,
    dependencies=[Heavy],
    openapi_extra={"requestBody": {"required": True, "content": {"application/octet-stream": {}}}},
)
def upload(record: RecordId, name: str, request: Request, caller: Caller, use: Use) -> UploadView:  # noqa: ARG001
    """Stream sealed bytes in, before the record is registered; registering checks them against it."""
    item_name(name, "name")
    digest, size = use.records.upload(caller, _chunks(request))
    return UploadView(sealed=digest, size=size)


@router.post("/records", status_code=201, dependencies=[Heavy])
def register(body: NewRecord, caller: Caller, use: Use) -> Id:
    """Register a record whose sealed items were uploaded. Everything is checked before anything is kept."""
    deposits = [
        Deposit(Item.from_json(entry.item), entry.sealed, parse_signature(entry.wrapped)) for entry in body.deposits
    ]
    record = Record.from_json(body.message)
    return Id(id=use.records.register(caller, record, parse_signature(body.signature), deposits))


@router.get("/records")
def own(caller: Caller, use: Use) -> list[OwnRecordView]:
    """The records of which the caller is the subject, or that she agreed to as a steward."""
    return [_own(stored, caller, use) for stored in use.records.of(caller)]


@router.get("/records/{record}")
def read(record: RecordId, caller: Caller, use: Use) -> OwnRecordView:
    """A record, for its subject, stewards and controller, with the item keys that are wrapped to the caller."""
    return _own(use.records.record(caller, record), caller, use)


@router.get("/records/{record}/grants")
def grants(record: RecordId, caller: Caller, use: Use) -> list[GrantJson]:
    """Every grant of a record, and whether it stands now."""
    names = _names(use)
    return [
        GrantJson(
            id=view.hash,
            grant=view.grant.to_json(),
            subject=view.subject,
            recipientName=names.get(view.grant.recipient),
            standing="granted" if view.standing == "permitted" else str(view.standing),
            endedChannels=list(view.ended_channels),
            newForm=view.new_form,
            newTerms=dict(view.new_terms),
        )
        for view in use.records.grants(caller, record, use.settings.max_head_age)
    ]


@router.get("/records/{record}/accesses")
def accesses(record: RecordId, caller: Caller, use: Use) -> list[dict[str, Any]]:
    """Who asked about a record and who received its keys, denials included."""
    names = _names(use)
    return [
        {**entry, "askerName": names.get(entry["asker"]), "recipientName": names.get(entry["recipient"])}
        for entry in use.records.accesses(caller, record)
    ]


@router.head("/items/{sealed}", include_in_schema=False)
@router.get(
    "/items/{sealed}",
    response_class=Response,
    responses={
        200: {"description": "All of them.", "content": {"application/octet-stream": {}}},
        206: {"description": "The range that was asked for.", "content": {"application/octet-stream": {}}},
        304: {"description": "The caller has them."},
        416: {"description": "There is no such range, or there were several."},
    },
)
def item(sealed: str, request: Request, caller: Caller, use: Use) -> Response:  # noqa: ARG001 (anybody signed in may)
    """Sealed bytes by their SHA-256, or one range of them: useless without the item key."""
    digest = hash32(sealed, "sealed")
    return ranged(request, use.vault.open(digest), digest)


@router.post("/approvals", status_code=201)
def approve(body: Signed, use: Use) -> Id:
    """The controller lets a listed recipient use a record whose grant names nobody, for one purpose."""
    return Id(id=use.records.approve(Approval.from_json(body.message), parse_signature(body.signature)))


@router.post("/offers", status_code=201)
def offer(body: NewOffer, caller: Caller, use: Use) -> Token:
    """Propose a consent for a registered record; give the token to the patient."""
    proposed = tuple(Grant.from_json(grant) for grant in body.grants)
    return Token(token=use.records.offer(caller, body.record, proposed, body.language))


@router.get("/offers/{token}")
def offered(token: str, use: Use) -> OfferView:
    """A proposed consent: the sealed items, the grants, and the recipients' names from the Directory.

    The item keys are not in it: each who must agree gets hers with the record, when she has signed in.
    """
    found, stored = use.records.offered(token)
    names = _names(use)
    recipients = {grant.recipient for grant in found.grants}
    return OfferView(
        **_record(stored, use),
        grants=[grant.to_json() for grant in found.grants],
        language=found.language,
        expiresAt=found.expires_at,
        deadlineFrom=max(map(use.intake.deadline_from, (stored.record.subject, *stored.record.stewards))),
        names={party: name for party, name in names.items() if party in recipients},
    )


@router.post("/offers/{token}/messages", status_code=201)
def say(token: str, body: NewOfferMessage, caller: Caller, use: Use) -> list[OfferMessageView]:
    """Ask about an offer, answer, or decline it; gives everything that was said. For its two sides only."""
    return [_message(entry) for entry in use.records.say(caller, token, body.kind, body.text)]


@router.get("/offers/{token}/messages")
def said(token: str, caller: Caller, use: Use) -> list[OfferMessageView]:
    """What was said about an offer, for its two sides only."""
    return [_message(entry) for entry in use.records.said(caller, token)]


def _message(entry: OfferMessage) -> OfferMessageView:
    return OfferMessageView(kind=entry.kind, text=entry.text, at=entry.at)


def _names(use: Services) -> dict[Any, str]:
    with use.index.at_head() as snapshot:
        return party_names(snapshot.state)


def _invitation(found: Invitation, use: Services, caller: Address | None) -> InvitationView:
    return InvitationView(
        controller=found.controller,
        controllerName=_names(use).get(found.controller),
        title=found.title,
        expiresAt=found.expires_at,
        claimed=found.subject is not None,
        subject=found.subject if caller in (found.controller, found.subject) else None,
    )


def _own(stored: StoredRecord, caller: Address, use: Services) -> OwnRecordView:
    wraps = use.records.wraps(caller, stored.hash)
    return OwnRecordView(**_record(stored, use), wraps=["0x" + wrap.hex() for wrap in wraps])


def _record(stored: StoredRecord, use: Services) -> dict[str, Any]:
    return {
        "id": stored.hash,
        "record": stored.record.to_json(),
        "signature": "0x" + stored.signature.hex(),
        "controllerName": _names(use).get(stored.record.controller),
        "items": [
            ItemView(item=entry.item.to_json(), sealed=entry.sealed, sealedSize=entry.sealed_size)
            for entry in stored.items
        ],
    }


def _chunks(request: Request) -> Iterator[bytes]:
    """The body of a request, piece by piece, for code that runs in a worker thread."""
    stream = request.stream()
    while True:
        try:
            chunk = from_thread.run(stream.__anext__)
        except StopAsyncIteration:
            return
        yield chunk
