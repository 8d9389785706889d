"""The custodian's secrets: a master key that never leaves, and under it one key for each record.

Item keys are wrapped with the key of their record. Record keys are wrapped with the master key and kept in a store of
their own: destroying one ends a record wherever its bytes were copied to, and rotating the master key touches nothing
else.
"""

import io
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, Self, cast

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from typing_extensions import Buffer

from ledger import sealing
from ledger.errors import Conflict, InvalidInput, Refused, Untrusted
from ledger.model import Address, Hash
from ledger.ports import Keys
from ledger.sealing import EncryptionKey, Secret
from ledger.typed_data import Domain

MASTER_KEY_SIZE = 32


@dataclass(frozen=True)
class Master:
    """What is derived from one master key: the key that wraps record keys, and the one that deposits are sent to."""

    id: str
    custody: Secret[bytes]
    deposit: EncryptionKey

    @classmethod
    def of(cls, key: Secret[bytes]) -> Self:
        """Derive them.

        Raises:
            InvalidInput: the master key is not 32 bytes.
        """
        if len(key.reveal()) != MASTER_KEY_SIZE:
            raise InvalidInput(f"The custodian's master key must be {MASTER_KEY_SIZE} bytes.")
        custody = _derive(key, b"volens/custody/v1")
        deposit = EncryptionKey.from_seed(_derive(key, b"volens/deposit/v1"))
        return cls(sealing.custody_key_id(custody), Secret(custody), deposit)

    def wrap(self, key: Secret[bytes], record: Hash) -> str:
        """Wrap a record key."""
        return sealing.record_key_wrap(self.custody.reveal(), key, record)

    def open(self, wrapped: str, record: Hash) -> Secret[bytes]:
        """Unwrap a record key.

        Raises:
            Refused: it was wrapped with another master key, for another record, or changed.
        """
        return sealing.record_key_unwrap(self.custody.reveal(), wrapped, record)


class Custodian:
    """Wraps and unwraps item keys.

    Args:
        masters: reads the master keys, 32 random bytes each, kept outside the databases: the one in use and, while it
            is rotated, the next one. Asked again when the key store was rotated meanwhile.
        keys: where record keys are kept.
        domain: binds every wrap to one chain and registry.

    Raises:
        InvalidInput: a master key has another size, or none of them is the one the key store was last rotated to.
    """

    def __init__(self, masters: Callable[[], Sequence[Secret[bytes]]], keys: Keys, domain: Domain) -> None:
        self._read, self._keys, self._domain = masters, keys, domain
        self._masters = self._load()
        if keys.master() is None:
            keys.set_master(next(iter(self._masters)))
        if keys.master() not in self._masters:
            raise InvalidInput("The master key is not the one the key store was rotated to. An old key is refused.")

    def _load(self) -> dict[str, Master]:
        made = (Master.of(key) for key in self._read())
        return {master.id: master for master in made}

    def _master(self, name: str | None) -> Master:
        if name not in self._masters:
            self._masters = self._load()
        if name is None or name not in self._masters:
            raise Untrusted("The master key is not the one the key store is used with. An operator must look at it.")
        return self._masters[name]

    def _record_key(self, record: Hash) -> Secret[bytes] | None:
        wrapped = self._keys.get(record)
        return None if wrapped is None else self._open(wrapped, record)

    def _open(self, wrapped: str, record: Hash) -> Secret[bytes]:
        return self._master(sealing.record_key_wrapped_with(wrapped)).open(wrapped, record)

    def _new_record_key(self, record: Hash) -> Secret[bytes]:
        for _ in range(2):
            master = self._master(self._keys.master())
            made = master.wrap(Secret(secrets.token_bytes(sealing.KEY_SIZE)), record)
            try:
                return self._open(self._keys.add(record, master.id, made), record)
            except Conflict as error:  # rotated in between: again, with the new one
                problem = error
        raise problem

    @property
    def public_key(self) -> bytes:
        """The X-Wing key to which controllers wrap the item keys they deposit."""
        return self._master(self._keys.master()).deposit.public

    def accept(self, deposit: bytes, item: Hash, controller: Address) -> Secret[str]:
        """Unwrap the key of an item that a controller deposits.

        Raises:
            Refused: it was wrapped for another custodian, item or controller.
        """
        info = sealing.deposit_info(
            chain_id=self._domain.chain_id, registry=self._domain.registry, item=item, controller=controller
        )
        first, *others = (master.deposit for master in self._masters.values())
        for key in others:  # the next master key, while it is rotated
            with suppress(Refused):
                return sealing.hpke_unwrap(deposit, key, info)
        return sealing.hpke_unwrap(deposit, first, info)

    def keep(self, identity: Secret[str], record: Hash, item: Hash) -> str:
        """Wrap an item key for the store, with the key of its record, which is durable when this returns.

        Raises:
            Conflict: the record was erased.
        """
        key = self._record_key(record) or self._new_record_key(record)
        return sealing.custody_wrap(key.reveal(), identity, record, item)

    def wrap_for_reader(
        self, identity: Secret[str], record: Hash, item: Hash, reader: Address, encryption_key: bytes
    ) -> bytes:
        """Wrap an item key for the subject or a steward, who can always read what she agrees to."""
        info = sealing.subject_info(
            chain_id=self._domain.chain_id, registry=self._domain.registry, record=record, item=item, subject=reader
        )
        return sealing.hpke_wrap(identity, encryption_key, info)

    def wrap_for_recipient(
        self,
        wrapped: str,
        *,
        record: Hash,
        item: Hash,
        recipient: Address,
        grant_hash: Hash,
        request: Hash,
        encryption_key: bytes,
    ) -> bytes:
        """Unwrap a kept item key and wrap it to the key in a recipient's signed request.

        Raises:
            Refused: the record's key was destroyed, or is another.
        """
        key = self._record_key(record)
        if key is None:
            raise Refused("The key of this record was destroyed. Nothing can open it any more.")
        identity = sealing.custody_unwrap(key.reveal(), wrapped, record, item)
        info = sealing.release_info(
            chain_id=self._domain.chain_id,
            registry=self._domain.registry,
            record=record,
            item=item,
            recipient=recipient,
            grant_hash=grant_hash,
            request=request,
        )
        return sealing.hpke_wrap(identity, encryption_key, info)


class Discard(io.RawIOBase):
    """A stream that keeps nothing: for checking that sealed bytes open, without keeping them open."""

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, data: Buffer) -> int:
        """Count and forget."""
        return memoryview(data).nbytes


def check_sealed(sealed: BinaryIO, identity: Secret[str], sha256: Hash, size: int) -> None:
    """Check that sealed bytes open with a key to exactly the content an item promises.

    Raises:
        InvalidFile or Refused: they do not.
    """
    opened = sealing.unseal(sealed, cast(BinaryIO, Discard()), identity, sha256)
    if opened != size:
        raise InvalidInput("The sealed bytes open to another size than the item states.")


def _derive(master: Secret[bytes], info: bytes) -> bytes:
    return HKDF(SHA256(), MASTER_KEY_SIZE, salt=None, info=info).derive(master.reveal())
