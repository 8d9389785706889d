"""The wallet on disk: the words under a passphrase, everything else under a key that follows from the words.

Two files in one folder, both private to the user. `keystore.json` holds the words (Web3 Secret Storage v3).
`book.sealed` holds what the patient agreed to; when it is lost, `Patient.restore` finds it again with the words, and
reading it without them is impossible.
"""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from client.log import SeenLog
from ledger.deployment import Deployment
from ledger.errors import Conflict, InvalidFile, InvalidInput, InvalidProof
from ledger.model import Address, Grant, Hash, hash32
from ledger.signed_message import SignedMessage
from ledger.typed_data import struct_hash
from wallet.keys import PatientKeys, SubjectKeys, entropy_to_words, words_to_entropy
from wallet.keystore import lock, unlock, write_private

KEYSTORE = "keystore.json"
BOOK = "book.sealed"
_BEGINNING = re.compile("0x[0-9a-f]{8,63}")
_NO_SUCH = "This wallet has no such consent. `volens wallet show` lists them."
_CONTEXT = b"volens/wallet-book/v1"


@dataclass(frozen=True)
class Handed:
    """A signed message that was handed to the service, and the service's signed receipt of it."""

    sent: SignedMessage
    receipt: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {"sent": self.sent.to_json(), "receipt": self.receipt}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Handed":
        """As it was kept."""
        return cls(SignedMessage.from_json(value["sent"]), value["receipt"])


@dataclass
class Case:
    """One record the patient takes part in, under one pseudonym."""

    index: int
    subject: Address
    title: str
    controller: Address
    record: Hash | None = None
    grants: list[Grant] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "index": self.index,
            "subject": self.subject,
            "title": self.title,
            "controller": self.controller,
            "record": self.record,
            "grants": [grant.to_json() for grant in self.grants],
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Case":
        """As it was kept."""
        return cls(**(value | {"grants": [Grant.from_json(grant) for grant in value["grants"]]}))


class Book:
    """An unlocked wallet. Changes are on disk when `change` ends.

    Attributes:
        service, deployment: where it belongs; pinned on first use.
        used: pseudonyms below this number may have been seen by a service.
        log: the service's access log as it was last seen.
        receipt_key: the Ed25519 key that signs the service's receipts; pinned on first use, the log's key.
        handed: what was handed to the service, with its receipts.
        to_restore: made again from its words; which pseudonyms were used is not known until `Patient.restore`.
    """

    def __init__(self, folder: Path, keys: PatientKeys) -> None:
        self._folder, self._keys = folder, keys
        self.service: str | None = None
        self.deployment: Deployment | None = None
        self.cases: list[Case] = []
        self.used = 0
        self.to_restore = False
        self.log: SeenLog | None = None
        self.receipt_key: bytes | None = None
        self.handed: list[Handed] = []
        self._rest: dict[str, Any] = {}  # what another wallet of these words keeps, such as the page; never lost here
        self._read()

    @classmethod
    def create(cls, folder: Path, words: str, passphrase: str, cost: int | None = None, again: bool = False) -> "Book":
        """Make a wallet of 24 words.

        Args:
            again: the words were used before.
            cost: scrypt's n; for tests only.

        Raises:
            Conflict: there is a wallet in the folder already; it is left as it is.
            InvalidInput: the words or the passphrase are not acceptable.
        """
        if (folder / KEYSTORE).exists():
            raise Conflict(f"There is a wallet in {folder} already. It was left as it is.")
        keystore = lock(words_to_entropy(words), passphrase, "words", **({"n": cost} if cost else {}))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(folder / KEYSTORE, json.dumps(keystore, indent=1) + "\n")
        book = cls(folder, PatientKeys.from_words(words))
        if again:
            with book.change():
                book.to_restore = True
        return book

    @classmethod
    def open(cls, folder: Path, passphrase: str) -> "Book":
        """Unlock a wallet.

        Raises:
            InvalidInput: there is none. InvalidFile: it is damaged. Refused: wrong passphrase.
        """
        return cls(folder, PatientKeys.from_words(entropy_to_words(cls.entropy(folder, passphrase))))

    @staticmethod
    def entropy(folder: Path, passphrase: str) -> bytes:
        """The entropy of a wallet's words, for shares; raises what `open` raises."""
        try:
            keystore = json.loads((folder / KEYSTORE).read_text())
        except FileNotFoundError:
            raise InvalidInput(f"There is no wallet in {folder}. Make one with `volens wallet new`.") from None
        except (OSError, ValueError, RecursionError):
            raise InvalidFile(f"{folder / KEYSTORE} cannot be read as a keystore.") from None
        kind, entropy = unlock(keystore, passphrase)
        if kind != "words":
            raise InvalidFile(f"{folder / KEYSTORE} holds a party's key, not a patient's words.")
        return entropy

    def keys(self, case: Case) -> SubjectKeys:
        """The keys of the pseudonym of a case."""
        return self._keys.subject(case.index)

    def at(self, index: int) -> SubjectKeys:
        """The keys of one pseudonym by its number."""
        return self._keys.subject(index)

    def fresh(self) -> SubjectKeys:
        """The keys of a pseudonym that was never used, nor asked about while restoring."""
        return self._keys.subject(max([self.used, *(case.index + 1 for case in self.cases)]))

    def case_of(self, record: Hash) -> Case:
        """The case of a record.

        Raises:
            InvalidInput: the wallet knows no such record.
        """
        for case in self.cases:
            if case.record == record:
                return case
        raise InvalidInput("This wallet has no such case. `volens wallet show` lists them.")

    def consents(self, name: Hash) -> list[tuple[Case, Grant]]:
        """The consents to a grant, by its hash: one for each pseudonym of hers that agreed to it.

        Raises:
            InvalidInput: the wallet knows no such grant.
        """
        found = [(case, grant) for case in self.cases for grant in case.grants if struct_hash(grant) == name]
        if not found:
            raise InvalidInput(_NO_SUCH)
        return found

    def named(self, typed: str) -> Hash:
        """The hash of a grant as a person types it: whole, or its beginning (eight digits and more), as tables show it.

        Raises:
            InvalidMessage: it is neither. InvalidInput: several grants begin like that, or none.
        """
        wanted = typed.strip().lower().rstrip("…")
        if not _BEGINNING.fullmatch(wanted):
            return hash32(wanted, "grant")
        names = {struct_hash(grant) for case in self.cases for grant in case.grants}
        found = {name for name in names if name.startswith(wanted)}
        if len(found) > 1:
            raise InvalidInput(f"{len(found)} of your consents begin with {wanted}. Give more of it.")
        if not found:
            raise InvalidInput(_NO_SUCH)
        return found.pop()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Change the book; it is on disk when the block ends, and unchanged there when the block raises."""
        yield
        self._write()

    def _read(self) -> None:
        try:
            data = (self._folder / BOOK).read_bytes()
        except FileNotFoundError:
            return
        try:
            plain = AESGCM(self._keys.vault_key().reveal()).decrypt(data[:12], data[12:], _CONTEXT)
            value = json.loads(plain)
            self.service = value["service"]
            self.deployment = Deployment.from_json(value["deployment"]) if value["deployment"] else None
            self.cases = [Case.from_json(case) for case in value["cases"]]
            self.used = value["used"]
            self.to_restore = value["toRestore"]
            self.log = SeenLog.from_json(value["log"]) if value.get("log") else None
            self.receipt_key = bytes.fromhex(value["receiptKey"]) if value.get("receiptKey") else None
            self.handed = [Handed.from_json(entry) for entry in value.get("handed", ())]
            self._rest = value
        except (InvalidTag, InvalidProof, ValueError, KeyError, TypeError):
            raise InvalidFile(f"{self._folder / BOOK} was changed, or belongs to other words.") from None

    def to_json(self) -> dict[str, Any]:
        """Everything the wallet holds but the words: as it is kept, and as it is exported."""
        return self._rest | {
            "service": self.service,
            "deployment": self.deployment.to_json() if self.deployment else None,
            "cases": [case.to_json() for case in self.cases],
            "used": self.used,
            "toRestore": self.to_restore,
            "log": self.log.to_json() if self.log else None,
            "receiptKey": self.receipt_key.hex() if self.receipt_key else None,
            "handed": [entry.to_json() for entry in self.handed],
        }

    def _write(self) -> None:
        value = self.to_json()
        nonce = secrets.token_bytes(12)
        sealed = nonce + AESGCM(self._keys.vault_key().reveal()).encrypt(nonce, json.dumps(value).encode(), _CONTEXT)
        write_private(self._folder / BOOK, sealed, overwrite=True)
