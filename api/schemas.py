"""The shapes on the wire. Signed messages are parsed by the core itself, strictly, never by pydantic."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ledger.model import Address, Hash, address, hash32
from ledger.typed_data import parse_signature


def _bytes(value: str) -> str:
    parse_signature(value, "value")
    return value


AddressText = Annotated[Address, AfterValidator(lambda value: address(value))]  # noqa: PLW0108 (pydantic would pass a second argument)
HashText = Annotated[Hash, AfterValidator(lambda value: hash32(value))]  # noqa: PLW0108
HexText = Annotated[str, AfterValidator(_bytes)]
MessageJson = Annotated[dict[str, Any], Field(description="The EIP-712 message, every field under its EIP-712 name.")]


class Wire(BaseModel):
    """A body we send or receive: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


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
    """An item as its subject or controller sees it."""

    item: MessageJson
    sealed: str
    sealedSize: int
    subjectWrap: str = Field(description="The item key, wrapped to the subject's own encryption key.")


class RecordView(Wire):
    """A record as its subject or controller sees it."""

    id: str
    record: MessageJson
    signature: str
    controllerName: str | None
    items: list[ItemView]


class OfferView(RecordView):
    """An offer: the record, the grants proposed, and the names the Directory gives the recipients."""

    grants: list[MessageJson]
    language: str
    expiresAt: int
    names: dict[str, str]


class GrantJson(Wire):
    """A grant and whether it stands."""

    id: str
    grant: MessageJson
    subject: str
    recipientName: str | None
    standing: str


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
