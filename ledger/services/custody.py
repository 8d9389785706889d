"""The custodian's secrets: one master key, from which every other key is derived and which never leaves."""

import io
from typing import BinaryIO, cast

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from typing_extensions import Buffer

from ledger import sealing
from ledger.errors import InvalidInput
from ledger.model import Address, Hash
from ledger.sealing import EncryptionKey, Secret
from ledger.typed_data import Domain

MASTER_KEY_SIZE = 32


class Custodian:
    """Wraps and unwraps item keys.

    Args:
        master: 32 random bytes, kept outside the database.
        domain: binds every wrap to one chain and registry.

    Raises:
        InvalidInput: the master key has another size.
    """

    def __init__(self, master: Secret[bytes], domain: Domain) -> None:
        if len(master.reveal()) != MASTER_KEY_SIZE:
            raise InvalidInput(f"The custodian's master key must be {MASTER_KEY_SIZE} bytes.")
        self._custody_key = Secret(_derive(master, b"volens/custody/v1"))
        self._deposit_key = EncryptionKey.from_seed(_derive(master, b"volens/deposit/v1"))
        self._domain = domain

    @property
    def public_key(self) -> bytes:
        """The X-Wing key to which controllers wrap the item keys they deposit."""
        return self._deposit_key.public

    def accept(self, deposit: bytes, item: Hash, controller: Address) -> Secret[str]:
        """Unwrap the key of an item that a controller deposits.

        Raises:
            Refused: it was wrapped for another custodian, item or controller.
        """
        info = sealing.deposit_info(
            chain_id=self._domain.chain_id, registry=self._domain.registry, item=item, controller=controller
        )
        return sealing.hpke_unwrap(deposit, self._deposit_key, info)

    def keep(self, identity: Secret[str], record: Hash, item: Hash) -> str:
        """Wrap an item key for the store."""
        return sealing.custody_wrap(self._custody_key.reveal(), identity, record, item)

    def wrap_for_subject(
        self, identity: Secret[str], record: Hash, item: Hash, subject: Address, encryption_key: bytes
    ) -> bytes:
        """Wrap an item key for the subject, who can always read her own record."""
        info = sealing.subject_info(
            chain_id=self._domain.chain_id, registry=self._domain.registry, record=record, item=item, subject=subject
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
        """Unwrap a kept item key and wrap it to the key in a recipient's signed request."""
        identity = sealing.custody_unwrap(self._custody_key.reveal(), wrapped, record, item)
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
