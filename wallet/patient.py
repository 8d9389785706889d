"""What the patient does: answer an invitation, open what is hers, agree, take back, see who looked."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.http import Client, part
from client.log import verify_entries, watch
from client.recipient import fetch
from ledger import sealing, siwe
from ledger.documents import Form
from ledger.errors import InvalidInput, InvalidMessage, NotAuthorised, WrongChain
from ledger.evidence import authenticate
from ledger.invitations import answer
from ledger.model import Address, Consent, Grant, Hash, Item, Message, Record, Revocation, RevokeAll, address, hash32
from ledger.sealing import Secret
from ledger.summary import matches
from ledger.typed_data import parse_signature, struct_hash
from wallet.book import Book, Case

GAP = 5
"""How many unused pseudonyms in a row end the search for cases."""
AT_ONCE = 100
"""How many grants are revoked by one message."""
CONSENT_LIFE = 15 * 60
"""Seconds a signed consent may wait to be recorded."""


@dataclass(frozen=True)
class OpenedOffer:
    """A checked offer: what it says was verified, and the items can be opened."""

    case: Case
    record: Hash
    title: str
    controller: str
    items: tuple[dict[str, Any], ...]
    grants: tuple[Grant, ...]
    language: str
    forms: tuple[Form, ...]

    @property
    def sentences(self) -> tuple[str, ...]:
        """What each grant says, as it will be signed."""
        return tuple(grant.summary for grant in self.grants)


class Patient:
    """A patient at one service, with an unlocked wallet."""

    def __init__(self, book: Book, client: Client) -> None:
        self.book, self._client = book, client
        if book.deployment is None:
            with book.change():
                book.service, book.deployment = client.url, client.deployment
        elif book.deployment != client.deployment:
            raise WrongChain("The service is on another ledger than the one this wallet knows. Nothing was signed.")

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
        if record.subject != subject or any(case.record == name for case in self.book.cases):
            return False
        views = self._client.get(f"/v1/records/{name}/grants")
        grants = dict.fromkeys(Grant.from_json(view["grant"]) for view in views if view["subject"] == subject)
        own = [grant for grant in grants if grant.record == name]
        self.book.cases.append(Case(index, subject, record.title, record.controller, name, own))
        return True

    def offer(self, token: str) -> OpenedOffer:
        """Read an offer and check everything in it before anything is shown.

        Raises:
            InvalidInput: it is for somebody else, or says in its sentence what its fields do not.
            BadSignature: the institution did not sign the record.
        """
        offered = self._client.get(f"/v1/offers/{part(token)}")
        record = Record.from_json(offered["record"])
        case = next((case for case in self.book.cases if case.subject == record.subject), None)
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
        grants = tuple(self._checked(grant, authentic.hash, authentic.items) for grant in offered["grants"])
        forms = tuple(self._form(name) for name in sorted({grant.form for grant in grants}))
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
        )

    def _checked(self, value: Any, record: Hash, items: Any) -> Grant:
        grant = Grant.from_json(value)
        if grant.record != record:
            raise InvalidInput("The offer mixes records.")
        if unknown := [name for name in grant.items if name != "*" and name not in items]:
            raise InvalidInput(f"The offer names “{unknown[0]}”, which is not part of the record.")
        # The name comes from the Directory, not from the offer.
        name = self._client.party_name(grant.recipient)
        if name is None:
            raise InvalidMessage("recipient", "is not listed in the Directory")
        if matches(grant, {grant.recipient: name}) is None:
            raise InvalidInput("The sentence of this offer does not say what would be signed. Do not sign it.")
        return grant

    def _form(self, name: Hash) -> Form:
        form = Form.from_json(self._client.get(f"/v1/documents/{name}"))
        if form.hash != name:
            raise InvalidInput("The service shows another form than the one that would be signed.")
        return form

    def open_items(self, offer: OpenedOffer, folder: Path) -> list[Path]:
        """Open the sealed items with her own key, so that she sees exactly what would be shared."""
        keys = self.book.keys(offer.case)
        self._client.sign_in(keys)
        return [self._open(entry, offer.record, offer.case, folder) for entry in offer.items]

    def _open(self, entry: dict[str, Any], record: Hash, case: Case, folder: Path) -> Path:
        item = Item.from_json(entry["item"])
        domain = self._client.deployment.domain
        info = sealing.subject_info(
            chain_id=domain.chain_id,
            registry=domain.registry,
            record=record,
            item=struct_hash(item),
            subject=case.subject,
        )
        identity: Secret[str] = sealing.hpke_unwrap(
            parse_signature(entry["subjectWrap"]), self.book.keys(case).encryption_key, info
        )
        described = {**item.to_json(), "sealed": entry["sealed"], "sealedSize": entry["sealedSize"]}
        return fetch(self._client, described, identity, folder)

    def agree(self, offer: OpenedOffer, chosen: Sequence[int]) -> str:
        """Sign one consent with the chosen grants and send it; returns the relay's id."""
        grants = tuple(offer.grants[position] for position in chosen)
        consent = Consent(offer.case.subject, grants, int(time.time()) + CONSENT_LIFE)
        # Kept before it is sent: what was signed can always be revoked.
        with self.book.change():
            offer.case.grants.extend(grant for grant in grants if grant not in offer.case.grants)
        return self._send("/v1/consents", consent, offer.case)

    def revoke(self, names: Sequence[Hash]) -> list[str]:
        """Take grants back; returns the relays' ids, one per case."""
        by_case: dict[int, tuple[Case, list[Grant]]] = {}
        for name in dict.fromkeys(names):
            case, grant = self.book.grant(name)
            by_case.setdefault(case.index, (case, []))[1].append(grant)
        return [relay for case, grants in by_case.values() for relay in self._revoke(case, grants)]

    def revoke_all(self, case: Case) -> str:
        """Take back everything in one case, also what was signed but is not yet recorded; returns the relay's id."""
        relay = self._send("/v1/revocations/all", RevokeAll(case.subject, int(time.time())), case)
        self._revoke(case, case.grants)
        return relay

    def _revoke(self, case: Case, grants: Sequence[Grant]) -> list[str]:
        own = list(dict.fromkeys(grants))
        lists = [tuple(own[start : start + AT_ONCE]) for start in range(0, len(own), AT_ONCE)]
        return [self._send("/v1/revocations", Revocation(case.subject, chunk), case) for chunk in lists]

    def _send(self, path: str, message: Message, case: Case) -> str:
        keys = self.book.keys(case)
        signature = keys.sign_typed(self._client.deployment.domain, message)
        body = {"message": message.to_json(), "signer": case.subject, "signature": signature}
        return str(self._client.post(path, body)["id"])

    def standings(self, case: Case) -> list[dict[str, Any]]:
        """Every grant of a case and whether it stands, as the service sees it now."""
        if case.record is None:
            return []
        self._client.sign_in(self.book.keys(case))
        return list(self._client.get(f"/v1/records/{case.record}/grants"))

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


def grant_name(text: str) -> Hash:
    """A grant's hash typed by a person."""
    return hash32(text.strip().lower(), "grant")
