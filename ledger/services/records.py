"""Records: inviting a patient, registering sealed material, offering a consent, and what the subject may read."""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ledger.decisions import Reason, form_current, standing, successor
from ledger.deployment import Deployment
from ledger.documents import Form, Terms
from ledger.errors import BadSignature, Conflict, Erased, Expired, InvalidMessage, NotAuthorised, NotFound
from ledger.evidence import Evidence, Moment, Opening, authenticate
from ledger.model import MAX_TITLE, Address, Approval, Grant, Hash, Item, Record, text
from ledger.ports import Invitation, Offer, OfferMessage, Store, StoredItem, StoredRecord, Transaction, Vault
from ledger.services import access_log
from ledger.services.consents import check_grant
from ledger.services.custody import Custodian, check_sealed
from ledger.services.evidence import denials, gather
from ledger.services.index import Index
from ledger.services.integrity import Integrity
from ledger.state import ROLE_CONTROLLER, LedgerState
from ledger.typed_data import struct_hash, verify

MAX_SEALED = 4 * 2**30
"""Bytes of the largest sealed item."""
INVITATION_LIFE = 14 * 86400
OFFER_LIFE = 30 * 86400
MAX_MESSAGES = 64
"""Messages about one offer, from both sides together."""
_ONE_RECORD = "This pseudonym has a record already. Every record needs a fresh one."


def token_hash(token: str) -> str:
    """What the store keeps of a token: whoever reads the database cannot use it."""
    return "0x" + hashlib.sha256(token.encode()).hexdigest()


def new_token(prefix: str) -> str:
    """A secret token that tells what it is for."""
    return f"{prefix}_{secrets.token_urlsafe(24)}"


@dataclass(frozen=True)
class Deposit:
    """What a controller hands in for one item: its opening, the digest of the uploaded bytes, the wrapped key."""

    item: Item
    sealed: Hash
    wrapped: bytes


@dataclass(frozen=True)
class GrantView:
    """A grant as its subject sees it.

    Attributes:
        standing: whether it stands for this signer; once it does, whatever else keeps everybody from using it: the
            record, its controller, the recipient, its form on every channel, somebody else who has to agree.
        ended_channels: those of its channels for which its form, or the form's terms, are not current any more.
        new_form: what took the form's place last and still holds; None where nothing did.
        new_terms: by channel, what took the place of the terms that the form names for it, and still holds.
    """

    grant: Grant
    hash: Hash
    subject: Address
    standing: Reason
    ended_channels: tuple[str, ...] = ()
    new_form: Hash | None = None
    new_terms: Mapping[str, Hash] = field(default_factory=dict)


class Records:
    """Everything about records except deciding and releasing."""

    def __init__(
        self,
        index: Index,
        store: Store,
        vault: Vault,
        integrity: Integrity,
        custodian: Custodian,
        deployment: Deployment,
        clock: Callable[[], int],
    ) -> None:
        self._index, self._store, self._vault, self._custodian = index, store, vault, custodian
        self._integrity = integrity
        self._deployment, self._clock = deployment, clock

    def require_controller(self, caller: Address) -> None:
        """Refuse whoever the Directory does not list as a controller.

        Raises:
            NotAuthorised: not listed, or suspended.
        """
        with self._index.at_head() as snapshot:
            _require(snapshot.state, caller)

    def invite(self, controller: Address, title: str) -> str:
        """A new invitation; returns its secret token, of which only a hash is kept."""
        self.require_controller(controller)
        token = new_token("inv")
        text(title, "title", limit=MAX_TITLE)
        with self._store.begin() as tx:
            tx.add_invitation(token_hash(token), Invitation(controller, title, self._clock() + INVITATION_LIFE))
        return token

    def invitation(self, token: str) -> Invitation:
        """The invitation behind a token.

        Raises:
            NotFound: no such invitation. Expired: it has not been answered in time.
        """
        with self._store.begin() as tx:
            invitation = tx.invitation(token_hash(token))
        if invitation is None:
            raise NotFound("There is no such invitation.")
        if invitation.subject is None and invitation.expires_at <= self._clock():
            raise Expired("The invitation has expired. Ask for a new one.")
        return invitation

    def claim(self, token: str, subject: Address, encryption_key: bytes) -> Invitation:
        """Bind an invitation to the fresh pseudonym that answers it; answering twice with the same is harmless.

        Raises:
            NotFound, Expired: see `invitation`. Conflict: somebody else answered, or the pseudonym is in use.
        """
        invitation = self.invitation(token)
        with self._store.begin() as tx:
            other = tx.claim_of(subject)
            if not tx.claim_invitation(token_hash(token), subject, encryption_key):
                answered = tx.invitation(token_hash(token))
                if answered is None or answered.subject != subject or answered.encryption_key != encryption_key:
                    raise Conflict("Somebody has answered this invitation already.")
            elif other is not None:
                raise Conflict("This pseudonym has been used before. Every record needs a fresh one.")
        return invitation

    def upload(self, controller: Address, content: Iterable[bytes]) -> tuple[Hash, int]:
        """Take sealed bytes in; returns their SHA-256 and size."""
        self.require_controller(controller)
        digest, size = self._vault.put(content, MAX_SEALED)
        with self._store.begin() as tx:
            tx.add_upload(digest, size, controller, self._clock())
        return digest, size

    def register(self, controller: Address, record: Record, signature: bytes, deposits: Sequence[Deposit]) -> Hash:
        """Register a record: everything about it is checked, down to the sealed bytes, before it is kept.

        Raises:
            NotAuthorised: the caller is not the record's controller, or not listed.
            BadSignature, InvalidMessage, InvalidFile, Refused: something does not hold; nothing is kept.
            Conflict: the record is registered already with other content.
        """
        if record.controller != controller:
            raise NotAuthorised("Only its controller can register a record.", "controller_not_listed")
        self.require_controller(controller)
        authenticate(record, (deposit.item for deposit in deposits), signature, self._deployment.domain)
        if tuple(struct_hash(deposit.item) for deposit in deposits) != record.items:
            raise InvalidMessage("items", "must open every item of the record, in its order")
        with self._store.begin() as tx:
            claims = {reader: tx.claim_of(reader) for reader in (record.subject, *record.stewards)}
            sizes = [tx.upload(deposit.sealed, controller) for deposit in deposits]
            others = tx.records_of(record.subject)
            if struct_hash(record) in others:
                return struct_hash(record)
        if others:
            raise Conflict(_ONE_RECORD)
        readers = _readers(record, claims)
        if record.subject not in readers:
            raise InvalidMessage("subject", "has not answered an invitation of this controller")
        kept = [self._deposit(record, deposit, size, readers) for deposit, size in zip(deposits, sizes, strict=True)]
        stored = StoredRecord(record, struct_hash(record), signature, tuple(item for item, _ in kept))
        wraps = {reader: [of[reader] for _, of in kept] for reader in readers}
        with self._store.begin() as tx:
            others = tx.records_of(record.subject)
            if not others:
                tx.add_record(stored, wraps, self._clock())
        if others not in ([], [struct_hash(record)]):
            raise Conflict(_ONE_RECORD)  # registered while the files of this one were checked
        return struct_hash(record)

    def _deposit(
        self, record: Record, deposit: Deposit, size: int | None, readers: Mapping[Address, bytes]
    ) -> tuple[StoredItem, dict[Address, bytes]]:
        """Check one item; gives what is kept of it, and its key wrapped to each reader."""
        if size is None:
            raise NotFound(f"The sealed bytes of “{deposit.item.name}” were not uploaded.")
        item, name = struct_hash(deposit.item), struct_hash(record)
        identity = self._custodian.accept(deposit.wrapped, item, record.controller)
        with self._vault.open(deposit.sealed) as sealed:
            check_sealed(sealed, identity, deposit.item.sha256, deposit.item.size)
        self._integrity.require(deposit.sealed)
        wraps = {
            reader: self._custodian.wrap_for_reader(identity, name, item, reader, key)
            for reader, key in readers.items()
        }
        return StoredItem(deposit.item, deposit.sealed, size, self._custodian.keep(identity, name, item)), wraps

    def publish(self, document: Form | Terms) -> Hash:
        """Keep a document whose hash its issuer has published on chain.

        Raises:
            NotFound: the PolicyRegistry does not list it for its issuer.
        """
        with self._index.at_head() as snapshot:
            if not snapshot.state.document(document.issuer, document.hash).published_at:
                raise NotFound("This document is not published in the PolicyRegistry by its issuer.")
        with self._store.begin() as tx:
            return tx.add_document(document)

    def document(self, name: Hash) -> Form | Terms:
        """A form or terms by hash."""
        with self._store.begin() as tx:
            document = tx.document(name)
        if not isinstance(document, Form | Terms):
            raise NotFound("There is no such document.")
        return document

    def offer(self, controller: Address, record: Hash, grants: tuple[Grant, ...], language: str) -> str:
        """Propose a consent for a record; returns the secret token of the offer.

        Raises:
            NotFound: no such record of this controller.
            InvalidMessage, UnknownCode: a grant is about another record, or the patient's yes to it would count for
                nothing: see `check_grant`.
            LedgerUnavailable: what the chain says of forms and recipients cannot be read now.
        """
        with self._store.begin() as tx:
            stored = tx.record(record)
        if stored is None or stored.record.controller != controller:
            raise NotFound("There is no such record of yours.")
        with self._index.at_head() as snapshot, self._store.begin() as tx:
            for position, grant in enumerate(grants):
                if grant.record != record:
                    raise InvalidMessage(f"grants[{position}].record", "must be the record that is offered")
                try:
                    check_grant(tx, stored.record.subject, grant, snapshot.state, self._clock())
                except InvalidMessage as error:
                    raise error.within(f"grants[{position}]") from None
            token = new_token("off")
            tx.add_offer(token_hash(token), Offer(record, grants, language, self._clock() + OFFER_LIFE))
        return token

    def offered(self, token: str) -> tuple[Offer, StoredRecord]:
        """The offer behind a token, and the record it is about.

        Raises:
            NotFound: no such offer. Expired: too late.
        """
        with self._store.begin() as tx:
            offer = tx.offer(token_hash(token))
            stored = tx.record(offer.record) if offer else None
        if offer is None or stored is None:
            raise NotFound("There is no such offer.")
        if offer.expires_at <= self._clock():
            raise Expired("The offer has expired. Ask for a new one.")
        return offer, stored

    def say(self, caller: Address, token: str, kind: str, words: str) -> list[OfferMessage]:
        """Ask about an offer or decline it (subject, steward), or answer (controller); gives all that was said.

        Raises:
            NotFound: no such offer, or not the caller's. Expired: too late.
            InvalidMessage: the words cannot be kept, or this is not the caller's to say. Conflict: too much was said.
        """
        offer, stored = self._talking(caller, token)
        kinds = ("answer",) if caller == stored.record.controller else ("question", "decline")
        if kind not in kinds:
            raise InvalidMessage("kind", f"must be {' or '.join(kinds)}")
        said = text(words, "text", empty=kind == "decline")
        name = token_hash(token)
        with self._store.begin() as tx:
            if len(tx.offer_messages(name)) >= MAX_MESSAGES:
                raise Conflict("Too much was said about this offer already. Talk to each other in another way.")
            tx.add_offer_message(name, OfferMessage(offer.record, kind, caller, said, self._clock()))
            return tx.offer_messages(name)

    def said(self, caller: Address, token: str) -> list[OfferMessage]:
        """What was said about an offer, for its two sides. Raises what `say` raises."""
        self._talking(caller, token)
        with self._store.begin() as tx:
            return tx.offer_messages(token_hash(token))

    def _talking(self, caller: Address, token: str) -> tuple[Offer, StoredRecord]:
        offer, stored = self.offered(token)
        record = stored.record
        if caller not in (record.controller, record.subject, *record.stewards):
            raise NotFound("There is no such offer.")
        return offer, stored

    def approve(self, approval: Approval, signature: bytes) -> Hash:
        """Keep the controller's approval of a recipient, for grants that name none.

        Raises:
            NotFound: there is no such record, or its controller did not sign the approval.
        """
        with self._store.begin() as tx:
            stored = tx.record(approval.record)
            if stored is None:
                raise NotFound("There is no such record of yours.")
            try:
                verify(self._deployment.domain.digest(approval), signature, stored.record.controller)
            except BadSignature:
                # A stranger must not learn from the refusal that the record exists.
                raise NotFound("There is no such record of yours.") from None
            tx.add_approval(approval, signature)
        return struct_hash(approval)

    def record(self, caller: Address, record: Hash) -> StoredRecord:
        """A record, for its subject, stewards and controller. To anybody else it does not exist.

        Raises:
            NotFound: no such record, or none of the caller's.
        """
        with self._store.begin() as tx:
            return own_record(tx, caller, record)

    def wraps(self, caller: Address, record: Hash) -> tuple[bytes, ...]:
        """The keys of a record's items that are wrapped to the caller, in order; none when they are not.

        To the subject they always are. To a steward they are if she had answered an invitation when the record was
        registered: an account of code cannot, and a record from before stewards could read was not locked for them.
        """
        with self._store.begin() as tx:
            return tx.wraps(record, caller)

    def of(self, subject: Address) -> list[StoredRecord]:
        """The records of a subject, and those she agreed to as a steward: how a restored wallet finds its cases."""
        with self._store.begin() as tx:
            found = [tx.record(record) for record in sorted(tx.records_touched([subject], (), ()))]
        return [one for one in found if one is not None and subject in (one.record.subject, *one.record.stewards)]

    def grants(self, caller: Address, record: Hash, max_age: int) -> list[GrantView]:
        """The grants of a record with their standing now, for whom `record` answers."""
        with self._index.at_head() as snapshot, self._store.begin() as tx:
            stored = own_record(tx, caller, record)
            openings = gather(tx, record, self._deployment.domain)
            evidence = openings.evidence(snapshot.state, denials(tx, openings.subjects()))
            moment = snapshot.moment(self._clock(), max_age)
            subjects = (stored.record.subject, *stored.record.stewards)
            return [_view(opening, subject, evidence, moment) for opening in openings.grants for subject in subjects]

    def accesses(self, caller: Address, record: Hash) -> list[dict[str, Any]]:
        """The access log of a record, for whom `record` answers."""
        with self._store.begin() as tx:
            erased = tx.erased(record)
            if erased is None or caller not in erased.parties:
                own_record(tx, caller, record)
            return [access_log.read(entry) for entry in tx.log_of(record)]


def _readers(record: Record, claims: Mapping[Address, Invitation | None]) -> dict[Address, bytes]:
    """The encryption keys of the subject and stewards who answered an invitation of the record's controller.

    Raises:
        InvalidMessage: somebody's invitation has another title: she was invited to another case, and must not be able
            to read this one.
    """
    readers = {}
    for reader, claim in claims.items():
        if claim is None or claim.controller != record.controller or claim.encryption_key is None:
            continue
        if claim.title != record.title:
            raise InvalidMessage("title", "must be the one in the invitation that everybody who must agree answered")
        readers[reader] = claim.encryption_key
    return readers


def _view(opening: Opening, subject: Address, evidence: Evidence, moment: Moment) -> GrantView:
    grant, facts = opening.grant, evidence.facts
    form = evidence.forms.get(grant.form)
    asked = grant.channels or ("",)
    ended = tuple(code for code in asked if form is None or not form_current(form, code, facts))
    reason = _standing(opening, subject, evidence, moment)
    if reason is Reason.PERMITTED and len(ended) == len(asked):
        reason = Reason.FORM_SUPERSEDED
    if reason is Reason.PERMITTED and any(
        standing(opening, other, evidence, moment) is not Reason.PERMITTED for other in _signers(evidence)
    ):
        reason = Reason.FURTHER_CONSENT_NEEDED
    places = tuple(code for code in ended if code)
    if form is None:
        return GrantView(grant, opening.hash, subject, reason, places)
    named = {code: terms for code in grant.channels if (terms := form.terms_of(code))}
    newer = {code: successor(terms.issuer, terms.terms, facts) for code, terms in named.items()}
    return GrantView(
        grant, opening.hash, subject, reason, places, successor(form.issuer, form.hash, facts),
        {code: last for code, last in newer.items() if last},
    )  # fmt: skip


def _standing(opening: Opening, subject: Address, evidence: Evidence, moment: Moment) -> Reason:
    """What one signer's consent is, without its form and without the others who sign."""
    reason = standing(opening, subject, evidence, moment)
    if evidence.record is None or reason in (Reason.REVOKED, Reason.CLOSED, Reason.NO_CONSENT):
        return reason
    facts, controller = evidence.facts, evidence.record.record.controller
    if facts.document(controller, evidence.record.hash).retracted_at:
        return Reason.RECORD_RETRACTED
    if reason is not Reason.PERMITTED:
        return reason
    if not facts.party(controller).has(ROLE_CONTROLLER):
        return Reason.CONTROLLER_NOT_LISTED
    return Reason.RECIPIENT_SUSPENDED if facts.party(opening.grant.recipient).suspended else reason


def _signers(evidence: Evidence) -> tuple[Address, ...]:
    return (evidence.record.record.subject, *evidence.record.record.stewards) if evidence.record else ()


def own_record(tx: Transaction, caller: Address, record: Hash) -> StoredRecord:
    """A record, for its parties: subject, stewards and controller.

    Raises:
        NotFound: no such record, or none of the caller's. Erased: it was, and is nobody else's business.
    """
    stored = tx.record(record)
    erased = tx.erased(record) if stored is None else None
    if erased is not None and caller in erased.parties:
        day = datetime.fromtimestamp(erased.at, UTC).date()
        raise Erased(f"This record was erased on {day}. Nothing can open it any more.")
    if stored is None or caller not in (stored.record.controller, stored.record.subject, *stored.record.stewards):
        raise NotFound("There is no such record.")
    return stored


def _require(state: LedgerState, caller: Address) -> None:
    if not state.party(caller).has(ROLE_CONTROLLER):
        raise NotAuthorised("Only an institution listed in the Directory as a controller may do this.", "not_listed")
