"""What a controller does: strip and seal files, invite the patient, register the record, offer a consent."""

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

from client.cleaning import clean
from client.http import Client, part, reading
from ledger import sealing
from ledger.errors import Conflict, InvalidFile, InvalidInput, InvalidMessage
from ledger.model import Grant, Hash, Item, Record, address, item_name
from ledger.signed_message import SignedMessage
from ledger.summary import with_summary
from ledger.typed_data import parse_signature, struct_hash
from wallet.keys import PartyKeys

MANIFEST = "case.json"
REPORT = "report.json"
DAY = 86400


@dataclass(frozen=True)
class SealedFile:
    """One sealed item of a case folder: its opening, the age file, and its key wrapped to the custodian."""

    item: Item
    file: str
    wrapped: bytes


@dataclass(frozen=True)
class Removed:
    """What stripping one file took out, and what a person should look at."""

    name: str
    media_type: str
    removed: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def fresh_salt() -> Hash:
    """32 random bytes that make a hash unguessable."""
    return Hash("0x" + secrets.token_hex(32))


class Institution:
    """A controller at one service."""

    def __init__(self, client: Client, keys: PartyKeys) -> None:
        self._client, self._keys = client.sign_in(keys), keys

    @reading()
    def invite(self, title: str) -> str:
        """Invite a patient; the token goes to her by a private way."""
        return str(self._client.post("/v1/invitations", {"title": title})["token"])

    @reading()
    def seal(self, files: Sequence[Path], folder: Path) -> list[Removed]:
        """Strip and seal files into a new case folder. Nothing readable is written there.

        Raises:
            InvalidFile: a file is unreadable, empty or not what it claims to be; no folder is left behind.
            Conflict: the folder exists.
        """
        custodian = bytes.fromhex(self._client.get("/v1/ledger")["custodianKey"][2:])
        sealed: list[tuple[SealedFile, bytes]] = []
        removed: list[Removed] = []
        names = [path.name for path in files]
        if twice := {name for name in names if names.count(name) > 1}:
            raise InvalidInput(f"Two files are called “{min(twice)}”. Give each its own name.")
        for path in files:
            entry, data, report = self._seal_one(path, custodian)
            sealed.append((entry, data))
            removed.append(report)
        _write_folder(folder, sealed, removed)
        return removed

    def _seal_one(self, path: Path, custodian: bytes) -> tuple[SealedFile, bytes, Removed]:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InvalidFile(f"{path} cannot be read: {error.strerror}.") from None
        try:
            stripped = clean(path.name, content)
        except InvalidFile as error:
            raise InvalidFile(f"{path.name}: {error}") from None
        found, data = sealing.seal_bytes(stripped.data)
        item = Item(path.name, stripped.media_type, found.size, found.sha256, fresh_salt())
        domain = self._client.deployment.domain
        info = sealing.deposit_info(
            chain_id=domain.chain_id, registry=domain.registry, item=struct_hash(item), controller=self._keys.address
        )
        wrapped = sealing.hpke_wrap(found.identity, custodian, info)
        report = Removed(
            path.name,
            stripped.media_type,
            tuple((entry.what, entry.action) for entry in stripped.removed),
            stripped.warnings,
        )
        return SealedFile(item, f"{path.name}.age", wrapped), data, report

    @reading()
    def register(
        self,
        folder: Path,
        invitation: str,
        progress: Callable[[str], None] = lambda _: None,
        stewards: Sequence[str] = (),
    ) -> tuple[Record, Hash]:
        """Sign the record of a case folder for the patient who answered an invitation, upload, and register it.

        Args:
            stewards: the invitations, of the same title, that others answered who must agree too.

        Raises:
            InvalidInput: the folder is not a case folder, or somebody has not answered an invitation.
        """
        answered = self._client.get(f"/v1/invitations/{part(invitation)}")
        if answered["subject"] is None:
            raise InvalidInput("The patient has not answered the invitation yet.")
        others = [self._client.get(f"/v1/invitations/{part(steward)}") for steward in stewards]
        if any(other["subject"] is None for other in others):
            raise InvalidInput("Somebody else who must agree has not answered the invitation yet.")
        if any(other["title"] != answered["title"] for other in others):
            raise InvalidInput("The invitations of those who must agree have different titles.")
        entries = read_folder(folder)
        record = Record(
            controller=self._keys.address,
            subject=address(answered["subject"]),
            stewards=tuple(address(other["subject"]) for other in others),
            title=answered["title"],
            items=tuple(struct_hash(entry.item) for entry in entries),
            created_at=int(time.time()),
            salt=fresh_salt(),
        )
        name = struct_hash(record)
        deposits = []
        for entry in entries:
            progress(entry.item.name)
            with (folder / entry.file).open("rb") as file:
                path = f"/v1/records/{name}/items/{quote(entry.item.name, safe='')}"
                uploaded = self._client.request("PUT", path, content=_chunks(file))
            deposits.append(
                {"item": entry.item.to_json(), "sealed": uploaded["sealed"], "wrapped": "0x" + entry.wrapped.hex()}
            )
        signature = self._keys.sign_typed(self._client.deployment.domain, record)
        self._client.post("/v1/records", {"message": record.to_json(), "signature": signature, "deposits": deposits})
        return record, name

    @reading()
    def offer(self, record: Hash, grants: Iterable[Grant], language: str = "en") -> str:
        """Offer a consent to the record's subject; the token goes to her by a private way."""
        body = {"record": record, "grants": [grant.to_json() for grant in grants], "language": language}
        return str(self._client.post("/v1/offers", body)["token"])

    @reading()
    def record_together(self, consents: Sequence[SignedMessage]) -> dict[str, Any]:
        """Hand in signed consents of many patients, to be recorded by one root.

        Raises:
            InvalidInput: one is no consent, or not signed by its subject's own key. WrongChain: one is of elsewhere.
        """
        for position, signed in enumerate(consents):
            own = signed.check(self._client.deployment.domain) and signed.signer == signed.subject
            if signed.message.TYPE != "Consent" or not own:
                raise InvalidInput(f"Message {position + 1} is not a consent that its subject signed.")
        return dict(self._client.post("/v1/cohorts", {"consents": [signed.body() for signed in consents]}))

    @reading()
    def cohort(self, root: Hash) -> dict[str, Any]:
        """How far consents that were handed in together are."""
        return dict(self._client.get(f"/v1/cohorts/{root}"))

    @reading()
    def messages(self, offer: str) -> list[dict[str, Any]]:
        """What was said about an offer: the patient's questions, the answers, perhaps that she declines."""
        return list(self._client.get(f"/v1/offers/{part(offer)}/messages"))

    @reading()
    def answer(self, offer: str, words: str) -> list[dict[str, Any]]:
        """Answer a question about an offer; gives everything that was said."""
        return list(self._client.post(f"/v1/offers/{part(offer)}/messages", {"kind": "answer", "text": words}))

    def draft(self, record: Hash, form: Hash, proposal: Mapping[str, Any], language: str = "en") -> Grant:
        """A grant from a proposal, with its sentence.

        Args:
            proposal: ``recipient`` (address), ``items``, ``purposes``, ``channels``, ``onward`` (default none) and
                ``days`` (how long, from now).

        Raises:
            InvalidMessage: a field is missing, unknown or wrong.
        """
        known = {"recipient", "items", "purposes", "channels", "onward", "days"}
        for name in proposal:
            if name not in known:
                raise InvalidMessage(name, f"is not part of a proposal; its parts are {', '.join(sorted(known))}")
        days = proposal.get("days")
        if type(days) is not int or not 1 <= days <= 36500:
            raise InvalidMessage("days", "must be a whole number of days from 1 to 36500")
        recipient = address(proposal.get("recipient"), "recipient")
        now = int(time.time())
        grant = Grant(
            summary="",
            record=record,
            recipient=recipient,
            items=proposal.get("items", ()),
            purposes=proposal.get("purposes", ()),
            channels=proposal.get("channels", ()),
            onward=proposal.get("onward", "none"),
            valid_from=now - now % 60,
            valid_until=now - now % 60 + days * DAY,
            form=form,
            salt=fresh_salt(),
        )
        known_as = self._client.party_name(recipient)
        if known_as is None:
            raise InvalidMessage("recipient", "is not listed in the Directory")
        return with_summary(grant, {recipient: known_as}, language)

    @reading()
    def accesses(self, record: Hash) -> list[dict[str, Any]]:
        """Who asked about a record of this institution."""
        return list(self._client.get(f"/v1/records/{record}/accesses"))


def read_folder(folder: Path) -> list[SealedFile]:
    """The sealed files of a case folder.

    Raises:
        InvalidInput: it is not one.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        return [
            SealedFile(
                Item.from_json(entry["item"]),
                item_name(entry["file"], "file"),
                parse_signature(entry["wrapped"], "wrapped"),
            )
            for entry in manifest["items"]
        ]
    except FileNotFoundError:
        raise InvalidInput(f"{folder} is not a case folder: run `volens record seal` first.") from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InvalidInput(f"{folder / MANIFEST} cannot be read as a case.") from None


def _write_folder(folder: Path, sealed: Sequence[tuple[SealedFile, bytes]], removed: Sequence[Removed]) -> None:
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}")
    if folder.exists():
        raise Conflict(f"{folder} exists already. Choose another name; nothing was changed.")
    try:
        aside.mkdir(parents=True, mode=0o700)
        for entry, data in sealed:
            (aside / entry.file).write_bytes(data)
        items = [
            {"item": entry.item.to_json(), "file": entry.file, "wrapped": "0x" + entry.wrapped.hex()}
            for entry, _ in sealed
        ]
        (aside / MANIFEST).write_text(json.dumps({"items": items}, indent=1))
        (aside / REPORT).write_text(json.dumps([report_json(report) for report in removed], indent=1))
        aside.rename(folder)
    except OSError as error:
        for file in aside.glob("*"):
            file.unlink()
        if aside.exists():
            aside.rmdir()
        raise InvalidInput(f"{folder} cannot be written: {error.strerror}.") from None


def report_json(report: Removed) -> dict[str, Any]:
    """What was removed from a file, without any value."""
    return {
        "name": report.name,
        "mediaType": report.media_type,
        "removed": [{"what": what, "action": action} for what, action in report.removed],
        "warnings": list(report.warnings),
    }


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(2**18):
        yield chunk
