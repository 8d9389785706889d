"""The shapes on the wire. Signed messages are parsed by the core itself, strictly, never by pydantic."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ledger.model import Address, Hash, address, hash32
from ledger.services.cohorts import LARGEST
from ledger.typed_data import parse_signature


def _bytes(value: str) -> str:
    parse_signature(value, "value")
    return value


AddressText = Annotated[Address, AfterValidator(lambda value: address(value))]  # noqa: PLW0108 (pydantic would pass a second argument)
HashText = Annotated[Hash, AfterValidator(lambda value: hash32(value))]  # noqa: PLW0108
HexText = Annotated[str, AfterValidator(_bytes)]
MessageJson = Annotated[dict[str, Any], Field(description="The EIP-712 message, every field under its EIP-712 name.")]


MOST_FIELDS = 64
"""More than any body has."""


class Wire(BaseModel):
    """A body we send or receive: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _has_few(cls, value: Any) -> Any:
        # Of each unknown one an error would be made: a megabyte of them kept everybody waiting for a second.
        if isinstance(value, dict) and len(value) > MOST_FIELDS:
            raise ValueError(f"has more than {MOST_FIELDS} fields")
        return value


class Signed(Wire):
    """A signed message."""

    message: MessageJson
    signature: HexText


class SignedFor(Signed):
    """A message signed by the subject or by a delegate of hers."""

    signer: AddressText


class RelayStatus(Wire):
    """How far a message is on its way to the chain."""

    id: str
    status: str = Field(description="accepted, sent, recorded, final or failed")
    token: str | None = Field(None, description="Consistency token of the newest block when it was answered.")
    transaction: str | None = None
    block: int | None = None
    problem: str | None = None


class RelayReceiptJson(Wire):
    """What the operator says it received; docs/receipts.md has the format."""

    v: int
    chainId: int
    registry: str
    type: str
    digest: str = Field(description="The EIP-712 digest: what the signer signed.")
    subject: str
    signer: str
    id: str
    receivedAt: int = Field(description="Unix seconds at which the message was stored durably.")


class SignedReceipt(Wire):
    """A receipt under the operator's Ed25519 key, which GET /v1/ledger names as `receiptKey`."""

    receipt: RelayReceiptJson
    key: str
    signature: str


class RelayAccepted(RelayStatus):
    """A message was stored durably; how far it is, and the operator's signed receipt."""

    receipt: SignedReceipt


class NewCohort(Wire):
    """Signed consents to be recorded together, each signed by its subject's own key."""

    consents: list[SignedFor] = Field(min_length=1, max_length=LARGEST)


class CohortMember(Wire):
    """One consent of a cohort: how far it is, and the operator's signed receipt to pass on to its subject."""

    id: str
    status: str = Field(description="accepted, sent, recorded, final or failed")
    problem: str | None = None
    receipt: SignedReceipt


class CohortView(Wire):
    """Consents that are recorded together."""

    root: str = Field(description="What is anchored on chain.")
    size: int = Field(description="How many grants lie under it.")
    receivedAt: int
    anchoredAt: int | None = Field(description="Unix seconds at which the root was anchored, null while it is not.")
    token: str | None = Field(None, description="Consistency token of the newest block when it was answered.")
    consents: list[CohortMember]


class SignInText(Wire):
    """An ERC-4361 message and its signature."""

    message: str = Field(max_length=8192)
    signature: HexText


class Nonce(Wire):
    """A nonce for one sign-in message."""

    nonce: str
    expires_at: int


class AccessToken(Wire):
    """A bearer token."""

    access_token: str
    token_type: str = "Bearer"  # noqa: S105 (the name of the scheme)
    expires_in: int


class NewInvitation(Wire):
    """A controller invites a patient."""

    title: str = Field(description="The title of the case, as it will stand in the record.")


class Token(Wire):
    """A secret token that names an invitation or an offer."""

    token: str


class InvitationView(Wire):
    """What the invited patient sees before she answers."""

    controller: str
    controllerName: str | None
    title: str
    expiresAt: int
    claimed: bool
    subject: str | None = None


class UploadView(Wire):
    """What was stored."""

    sealed: str
    size: int


class DepositJson(Wire):
    """One item of a record: its opening, the digest of its sealed bytes and its key, wrapped to the custodian."""

    item: MessageJson
    sealed: HashText
    wrapped: HexText


class NewRecord(Signed):
    """A record signed by its controller, with its items in order."""

    deposits: list[DepositJson] = Field(min_length=1, max_length=256)


class Id(Wire):
    """The hash that names what was stored."""

    id: str


class NewOffer(Wire):
    """A consent a controller proposes."""

    record: HashText
    grants: list[MessageJson] = Field(min_length=1, max_length=256)
    language: str = Field("en", max_length=16)


class ItemView(Wire):
    """An item: its opening, and where its sealed bytes are."""

    item: MessageJson
    sealed: str
    sealedSize: int


class RecordView(Wire):
    """A record and its items."""

    id: str
    record: MessageJson
    signature: str
    controllerName: str | None
    items: list[ItemView]


class OwnRecordView(RecordView):
    """A record as its subject, a steward or its controller sees it."""

    wraps: list[str] = Field(
        description="The item keys, in the order of the items, each wrapped to the caller's own encryption key. "
        "Empty where the files were not locked for the caller."
    )


class OfferView(RecordView):
    """An offer: the record, the grants proposed, and the names the Directory gives the recipients."""

    grants: list[MessageJson]
    language: str
    expiresAt: int
    deadlineFrom: int = Field(
        description="The earliest deadline (Unix seconds) of a consent that can be recorded; 0 unless the subject took "
        "everything back before. A consent counts as given 30 days before its deadline."
    )
    names: dict[str, str]


class NewOfferMessage(Wire):
    """A question about an offer, an answer to one, or a refusal with or without a reason."""

    kind: Literal["question", "answer", "decline"]
    text: str = ""


class OfferMessageView(Wire):
    """What one side said about an offer."""

    kind: str
    text: str
    at: int


class GrantJson(Wire):
    """A grant and whether it stands."""

    id: str
    grant: MessageJson
    subject: str
    recipientName: str | None
    standing: str
    endedChannels: list[str] = Field(
        [], description="Its channels for which the form, or the form's terms, are not current any more."
    )
    newForm: str | None = Field(None, description="What took the form's place, by hash: to read, and to agree to.")
    newTerms: dict[str, str] = Field(
        {}, description="What took the place of the form's terms for a channel, by hash: to read."
    )


class PartyView(Wire):
    """A party as the Directory lists it."""

    address: str
    did: str
    name: str | None
    roles: list[str]
    suspended: bool


class ReleasedItemJson(Wire):
    """One released item: fetch the sealed bytes, unwrap the key, open with any age tool, compare the digest."""

    name: str
    mediaType: str
    size: int
    sha256: str
    salt: str
    item: str = Field(description="hashStruct of the Item that these five fields make")
    sealed: str
    sealedSize: int
    wrapped: str


class ReleaseView(Wire):
    """What is handed over."""

    id: str
    grant: str
    until: int | None
    block: int
    items: list[ReleasedItemJson]


class NewReference(Wire):
    """For whom a reference is wanted."""

    recipient: AddressText | None = Field(None, description="Whom a grant of the record names; default: the caller.")


class ReferenceView(Wire):
    """A reference and where it can be looked at."""

    reference: str = Field(description="The code, to be printed or said.")
    recipient: str
    page: str
    badge: str
    qr: str


class CoveredUse(Wire):
    """One use that is allowed now; all of it holds together."""

    purpose: str
    purposeText: str
    channel: str = Field(description="Empty for a use that is no publication.")
    channelText: str
    until: int = Field(description="Unix seconds: when it ends at the latest.")
    items: int = Field(description="How many parts of the record it is about,")
    itemsOf: int = Field(description="of how many.")
    onward: Literal["none", "quote", "reshare"]


class Verification(Wire):
    """What a reference says: nothing about the patient, and of a denial not why."""

    status: Literal["permitted", "no_consent"]
    recipientName: str | None = Field(description="Who may, by the name in the Directory; null when nobody may.")
    uses: list[CoveredUse]
    checkedAt: int = Field(description="Unix seconds.")
    block: int
    token: str = Field(description="Consistency token of that block.")


class ChangeView(Wire):
    """One thing that happened."""

    kind: Literal[
        "granted",
        "revoked",
        "revoked_all",
        "suspended",
        "resumed",
        "closed",
        "record_retracted",
        "document_superseded",
        "document_retracted",
    ]
    at: int = Field(description="The time of its block in Unix seconds.")
    record: str | None = None
    grant: str | None = None
    document: str | None = Field(None, description="A form or the terms of a channel; those are public.")
    material: bool | None = Field(None, description="Whether what was agreed to under the document ended.")


class ChangesView(Wire):
    """What changed, in the order in which it did."""

    changes: list[ChangeView]
    corrected: bool = Field(description="What was told before counts no more; the changes begin anew.")
    next: str = Field(description="Consistency token: ask again with it as `since`.")
    more: bool = Field(description="Whether there is more already.")
