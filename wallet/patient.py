"""What the patient does: answer an invitation, open what is hers, agree, take back, see who looked."""

import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from client.http import Client, part, reading
from client.log import verify_entries, watch
from client.recipient import fetch
from ledger import sealing, siwe
from ledger.documents import Form, Terms
from ledger.errors import Conflict, InvalidInput, InvalidMessage, InvalidProof, NotAuthorised, WrongChain
from ledger.evidence import AuthenticRecord, authenticate
from ledger.invitations import answer
from ledger.model import (
    CLOCKS_APART,
    LONGEST_CONSENT,
    ZERO_ADDRESS,
    Address,
    Closure,
    Consent,
    Delegation,
    Grant,
    Hash,
    Item,
    Message,
    Record,
    Revocation,
    Suspension,
    address,
    integer,
)
from ledger.receipts import require_receipt_of, verify_receipt
from ledger.sealing import Secret
from ledger.signed_message import PATHS, SignedMessage
from ledger.summary import matches, summary
from ledger.typed_data import parse_signature, struct_hash
from wallet.book import Book, Case, Handed
from wallet.choices import Choice, narrow
from wallet.stops import everything, revocations, sign

GAP = 5
"""How many unused pseudonyms in a row end the search for cases."""
CONSENT_LIFE = 15 * 60
"""Seconds a signed consent may wait to be recorded."""


@dataclass(frozen=True)
class OpenedOffer:
    """A checked offer: what it says was verified.

    Attributes:
        names: the Directory's names of the recipients.
        together: somebody else has to sign the same words, so they cannot be changed.
    """

    case: Case
    record: Hash
    title: str
    controller: str
    items: tuple[dict[str, Any], ...]
    grants: tuple[Grant, ...]
    language: str
    forms: tuple[Form, ...]
    names: dict[Address, str]
    together: bool
    deadline_from: int = 0

    @property
    def sentences(self) -> tuple[str, ...]:
        """What each grant says, as it will be signed."""
        return tuple(grant.summary for grant in self.grants)

    def read(self, language: str) -> tuple[str, ...]:
        """What each grant says, in a language: as it will be signed once `narrowed` to it."""
        return self.sentences if self.together else tuple(summary(g, self.names, language) for g in self.grants)

    def narrowed(self, chosen: Sequence[int], choice: Choice, language: str) -> "OpenedOffer":
        """The offer with the chosen grants made narrower and their sentences in a language.

        Raises:
            InvalidInput: it would not be narrower, nothing would be left, or somebody else must sign the same words.
        """
        if self.together:
            if choice != Choice():
                raise InvalidInput(
                    "Somebody else has to agree to the same words, so they can only be taken as they are."
                )
            return self
        parts = [entry["item"]["name"] for entry in self.items]
        made = narrow([self.grants[position] for position in chosen], choice, parts, self.names, language)
        changed = dict(zip(chosen, made, strict=True))
        return replace(self, grants=tuple(changed.get(at, grant) for at, grant in enumerate(self.grants)))


class Patient:
    """A patient at one service, with an unlocked wallet.

    Attributes:
        doubts: what the service took without a receipt that holds: it can deny later that it did.
    """

    def __init__(self, book: Book, client: Client) -> None:
        self.book, self._client = book, client
        self.doubts: list[str] = []
        if book.deployment is None:
            with book.change():
                book.service, book.deployment = client.url, client.deployment
        elif book.deployment != client.deployment:
            raise WrongChain("The service is on another ledger than the one this wallet knows. Nothing was signed.")

    @reading()
    def join(self, token: str) -> Case:
        """Answer an invitation with a fresh pseudonym, used for this record only.

        Raises:
            NotFound, Expired, Conflict: the invitation cannot be answered.
        """
        if self.book.to_restore:
            raise InvalidInput("This wallet was made again from its words. Run `volens wallet restore` first.")
        invitation = self._client.get(f"/v1/invitations/{part(token)}")
        keys = self.book.fresh()
        case = Case(keys.index, keys.address, invitation["title"], address(invitation["controller"]))
        # Remembered before it is sent: a pseudonym that may have been seen is never used again.
        with self.book.change():
            self.book.cases.append(case)
        message = answer(
            domain=self._client.domain,
            url=self._client.url,
            token=token,
            chain_id=self._client.deployment.chain_id,
            nonce=self._client.nonce(),
            subject=keys.address,
            encryption_key=keys.encryption_key.public,
            at=int(time.time()),
        ).text()
        signature = keys.sign(siwe.personal_digest(message))
        self._client.post(f"/v1/invitations/{token}/claim", {"message": message, "signature": signature})
        return case

    @reading()
    def restore(self) -> int:
        """Find the cases of a wallet that was made again from its words; returns how many were found.

        Asks as one pseudonym after the other, until `GAP` in a row have no record. The service can tell from this
        that they belong together.
        """
        found, index, empty = 0, 0, 0
        while empty < GAP:
            keys = self.book.at(index)
            self._client.sign_in(keys)
            records = self._client.get("/v1/records")
            empty = 0 if records else empty + 1
            with self.book.change():
                for entry in records:
                    found += self._remember(index, keys.address, entry)
                self.book.used = max(self.book.used, index + 1)
            index += 1
        with self.book.change():
            self.book.to_restore = False
        return found

    def _remember(self, index: int, subject: Address, entry: dict[str, Any]) -> bool:
        record, items = Record.from_json(entry["record"]), [Item.from_json(view["item"]) for view in entry["items"]]
        name = authenticate(record, items, parse_signature(entry["signature"]), self._client.deployment.domain).hash
        if subject not in (record.subject, *record.stewards) or any(case.record == name for case in self.book.cases):
            return False
        views = self._client.get(f"/v1/records/{name}/grants")
        grants = dict.fromkeys(Grant.from_json(view["grant"]) for view in views if view["subject"] == subject)
        own = [grant for grant in grants if grant.record == name]
        self.book.cases.append(Case(index, subject, record.title, record.controller, name, own))
        return True

    @reading()
    def offer(self, token: str) -> OpenedOffer:
        """Read an offer and check everything in it before anything is shown.

        Raises:
            InvalidInput: it is for somebody else, or says in its sentence what its fields do not.
            BadSignature: the institution did not sign the record.
        """
        offered = self._client.get(f"/v1/offers/{part(token)}")
        record = Record.from_json(offered["record"])
        people = (record.subject, *record.stewards)
        case = next((case for case in self.book.cases if case.subject in people), None)
        if case is None:
            raise InvalidInput("This offer is for another wallet.")
        if record.controller != case.controller or record.title != case.title:
            raise InvalidInput("This offer is not from the institution whose invitation was answered.")
        openings = [Item.from_json(entry["item"]) for entry in offered["items"]]
        authentic = authenticate(
            record, openings, parse_signature(offered["signature"]), self._client.deployment.domain
        )
        if len(authentic.items) != len(record.items):
            raise InvalidInput("The offer does not show every part of the record.")
        names: dict[Address, str] = {}
        grants = tuple(self._checked(grant, authentic.hash, authentic.items, names) for grant in offered["grants"])
        forms = tuple(self.form(name) for name in sorted({grant.form for grant in grants}))
        if case.record not in (None, authentic.hash):
            raise InvalidInput(
                "This offer is about another record than the one of this case. Every record is its own case."
            )
        with self.book.change():
            case.record = authentic.hash
        return OpenedOffer(
            case,
            authentic.hash,
            record.title,
            self._client.party_name(record.controller) or record.controller,
            tuple(offered["items"]),
            grants,
            offered["language"],
            forms,
            names,
            bool(record.stewards),
            integer(offered.get("deadlineFrom", 0), "deadlineFrom"),
        )

    def _checked(self, value: Any, record: Hash, items: Any, names: dict[Address, str]) -> Grant:
        grant = Grant.from_json(value)
        if grant.record != record:
            raise InvalidInput("The offer mixes records.")
        if unknown := [name for name in grant.items if name != "*" and name not in items]:
            raise InvalidInput(f"The offer names “{unknown[0]}”, which is not part of the record.")
        if grant.recipient not in (ZERO_ADDRESS, *names):
            # The name comes from the Directory, not from the offer.
            name = self._client.party_name(grant.recipient)
            if name is None:
                raise InvalidMessage("recipient", "is not listed in the Directory")
            names[grant.recipient] = name
        if matches(grant, names) is None:
            raise InvalidInput("The sentence of this offer does not say what would be signed. Do not sign it.")
        return grant

    def form(self, name: Hash) -> Form:
        """A form by its hash; raises InvalidInput where the service shows another."""
        form = Form.from_json(self._client.get(f"/v1/documents/{name}"))
        if form.hash != name:
            raise InvalidInput("The service shows another form than the one that would be signed.")
        return form

    @reading()
    def terms(self, offer: OpenedOffer) -> list[Terms]:
        """What sharing at each place that is asked for means, as the forms name it."""
        asked = {(grant.form, channel) for grant in offer.grants for channel in grant.channels}
        named = dict.fromkeys(
            terms.terms
            for form in offer.forms
            for channel, terms in form.channels.items()
            if (form.hash, channel) in asked
        )
        return [self.terms_named(name) for name in named]

    def terms_named(self, name: Hash) -> Terms:
        """The terms of a channel by their hash; raises InvalidInput where the service shows others."""
        terms = Terms.from_json(self._client.get(f"/v1/documents/{name}"))
        if terms.hash != name:
            raise InvalidInput("The service shows other terms than those that the form names.")
        return terms

    def name_of(self, party: Address) -> str | None:
        """A party's name in the Directory."""
        return self._client.party_name(party)

    def record(self, case: Case) -> AuthenticRecord:
        """The record of a case, as its institution signed it.

        Raises:
            NotAuthorised: it has none yet. InvalidInput: the service shows another.
        """
        if case.record is None:
            raise NotAuthorised("This case has no record yet.", "no_consent")
        self._client.sign_in(self.book.keys(case))
        entry = self._client.get(f"/v1/records/{case.record}")
        record, items = Record.from_json(entry["record"]), [Item.from_json(view["item"]) for view in entry["items"]]
        found = authenticate(record, items, parse_signature(entry["signature"]), self._client.deployment.domain)
        if found.hash != case.record:
            raise InvalidInput("The service shows another record than the one of this case.")
        return found

    @reading()
    def messages(self, token: str, offer: OpenedOffer) -> list[dict[str, Any]]:
        """What was said about an offer: her questions, the answers, perhaps that it was declined."""
        self._client.sign_in(self.book.keys(offer.case))
        return list(self._client.get(f"/v1/offers/{part(token)}/messages"))

    @reading()
    def say(self, token: str, offer: OpenedOffer, kind: str, words: str) -> list[dict[str, Any]]:
        """Ask the institution about an offer (`question`), or `decline` it; gives everything that was said.

        Raises:
            InvalidMessage: the words cannot be kept. Conflict: too much was said already.
        """
        self._client.sign_in(self.book.keys(offer.case))
        # What is said travels as one line, as from the page.
        body = {"kind": kind, "text": " ".join(unicodedata.normalize("NFC", words).split())}
        return list(self._client.post(f"/v1/offers/{part(token)}/messages", body))

    @reading()
    def open_items(self, offer: OpenedOffer, folder: Path) -> list[Path]:
        """Open the sealed items with her own key, so that she sees exactly what would be shared.

        Returns:
            The files; none where they were not locked for her, a steward who answered too late or long ago.
        """
        self._client.sign_in(self.book.keys(offer.case))
        wraps = self._client.get(f"/v1/records/{offer.record}")["wraps"]
        if not wraps:
            return []
        if len(wraps) != len(offer.items):
            raise InvalidMessage("wraps", "must be one for each item")
        return [
            self._open(entry, wrap, offer.record, offer.case, folder)
            for entry, wrap in zip(offer.items, wraps, strict=True)
        ]

    def _open(self, entry: dict[str, Any], wrap: str, record: Hash, case: Case, folder: Path) -> Path:
        item = Item.from_json(entry["item"])
        domain = self._client.deployment.domain
        info = sealing.subject_info(
            chain_id=domain.chain_id,
            registry=domain.registry,
            record=record,
            item=struct_hash(item),
            subject=case.subject,
        )
        identity: Secret[str] = sealing.hpke_unwrap(parse_signature(wrap), self.book.keys(case).encryption_key, info)
        described = {**item.to_json(), "sealed": entry["sealed"], "sealedSize": entry["sealedSize"]}
        return fetch(self._client, described, identity, folder)

    def agree(self, offer: OpenedOffer, chosen: Sequence[int]) -> str:
        """Sign one consent with the chosen grants and send it; returns the relay's id."""
        return self.agree_to(offer.case, [offer.grants[at] for at in chosen], offer.deadline_from)

    def agree_to(self, case: Case, grants: Sequence[Grant], deadline_from: int) -> str:
        """Sign one consent to checked grants of a case and send it; returns the relay's id.

        Args:
            deadline_from: the earliest deadline of a consent that would be recorded; 0 unless all was taken back.
        """
        now = int(time.time())
        # Later only where everything was taken back within the last 30 days, and never later than would be recorded.
        deadline = max(now + CONSENT_LIFE, min(deadline_from, now + LONGEST_CONSENT + CLOCKS_APART))
        return self._send(self._consent(case, grants, deadline), case)

    def sign(self, offer: OpenedOffer, chosen: Sequence[int]) -> SignedMessage:
        """Sign one consent with the chosen grants and do not send it: the institution has it recorded with others'.

        It may be recorded within 30 days, the longest that a consent may wait. Whatever she takes back, pauses or ends
        before then counts against it.
        """
        return self.sign_for_later(offer.case, [offer.grants[at] for at in chosen])

    def sign_for_later(self, case: Case, grants: Sequence[Grant]) -> SignedMessage:
        """Sign one consent to checked grants of a case and do not send it, as `sign`."""
        return sign(self.book, case, self._consent(case, grants, int(time.time()) + LONGEST_CONSENT))

    def _consent(self, case: Case, grants: Sequence[Grant], deadline: int) -> Consent:
        # Kept before it leaves: what was signed can always be revoked.
        with self.book.change():
            case.grants.extend(grant for grant in grants if grant not in case.grants)
        return Consent(case.subject, tuple(grants), deadline)

    def revoke_in(self, case: Case, grant: Grant) -> str:
        """Take one grant of a case back; returns the relay's id."""
        return self._send(Revocation(case.subject, (grant,)), case)

    def revoke(self, names: Sequence[Hash]) -> list[str]:
        """Take grants back; returns the relays' ids, one per case."""
        return [self._send(message, case) for case, message in revocations(self.book, names)]

    def revoke_all(self, case: Case) -> str:
        """Take back everything in one case, also what was signed but is not yet recorded; returns the relay's id."""
        relay, *_ = [self._send(message, case) for message in everything(case, int(time.time()))]
        return relay

    def suspend(self, case: Case, suspended: bool) -> str:
        """Pause everything in a case, or go on with it; returns the relay's id."""
        return self._say(lambda at: Suspension(case.subject, suspended, at), case, narrows=suspended)

    def close(self, case: Case) -> str:
        """End a case for ever: no consent can be given in it again; returns the relay's id."""
        return self._send(Closure(case.subject), case)

    def delegate(self, case: Case, delegate: Address, rights: int, valid_until: int) -> str:
        """Let somebody act in a case until a time (Unix seconds); `rights` of 0 ends it. Returns the relay's id."""
        return self._say(
            lambda at: Delegation(case.subject, delegate, rights, valid_until, at), case, narrows=rights == 0
        )

    def _say(self, word: Callable[[int], Message], case: Case, narrows: bool) -> str:
        """Say something that counts from now on.

        Of two words of one second the one that takes away counts, so one that gives and comes in the same second is
        refused, and said once more in the next.
        """
        try:
            return self._send(word(int(time.time())), case)
        except Conflict:
            if narrows:
                raise
        time.sleep(1)
        return self._send(word(int(time.time())), case)

    @reading()
    def _send(self, message: Message, case: Case) -> str:
        signed = sign(self.book, case, message)
        answer = self._client.post(PATHS[message.TYPE], signed.body())
        self._keep_receipt(signed, answer.get("receipt"))
        return str(answer["id"])

    def _keep_receipt(self, signed: SignedMessage, receipt: Any) -> None:
        """Check and keep a receipt. One that does not hold stops nothing: what was sent was sent."""
        try:
            key = self._receipt_key()
            found = verify_receipt(receipt, key, signed.domain)
            require_receipt_of(found, signed.message, signed.signer, signed.domain)
        except InvalidProof as error:
            self.doubts.append(str(error))
            return
        if all(entry.receipt != receipt for entry in self.book.handed):
            with self.book.change():
                self.book.receipt_key = key
                self.book.handed.append(Handed(signed, receipt))

    def require_receipts(self) -> None:
        """Raises InvalidProof where the service took something without a receipt that holds."""
        if self.doubts:
            raise InvalidProof(f"It was sent, but without a receipt that holds: {self.doubts[0]}")

    def _receipt_key(self) -> bytes:
        """The operator's key: as it was pinned, or else the service's word, once."""
        pinned = self.book.receipt_key or (self.book.log.public_key if self.book.log else None)
        return pinned or self._client.receipt_key

    @reading()
    def standings(self, case: Case) -> list[dict[str, Any]]:
        """Every grant of a case and whether it stands, as the service sees it now.

        What was agreed to elsewhere, by a delegate or with the same words on a page, is remembered, so that it can be
        taken back here.
        """
        if case.record is None:
            return []
        self._client.sign_in(self.book.keys(case))
        found = list(self._client.get(f"/v1/records/{case.record}/grants"))
        hers = [view for view in found if view["subject"] == case.subject and view["standing"] != "no_consent"]
        named = {view["id"]: Grant.from_json(view["grant"]) for view in hers}
        others = [grant for name, grant in named.items() if grant.record == case.record and struct_hash(grant) == name]
        if unknown := [grant for grant in others if grant not in case.grants]:
            with self.book.change():
                case.grants.extend(unknown)
        return found

    @reading()
    def accesses(self, case: Case) -> list[dict[str, Any]]:
        """Who asked about a case and who received its keys.

        Raises:
            InvalidProof: the access log shrank or was rewritten since this wallet last looked, or an entry is not in
                it. What was seen before is kept as evidence.
        """
        if case.record is None:
            raise NotAuthorised("This case has no record yet.", "no_consent")
        self._client.sign_in(self.book.keys(case))
        entries = list(self._client.get(f"/v1/records/{case.record}/accesses"))
        seen = watch(self._client, self.book.log)
        verify_entries(self._client, seen, entries)
        with self.book.change():
            self.book.log = seen
        return entries
