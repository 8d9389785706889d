"""Whether sealed bytes are still those of their digest, without reading gigabytes for every release (docs/adr/0010)."""

import hashlib
import threading
from typing import Any, cast

from ledger.errors import InvalidProof, NotFound
from ledger.model import Hash
from ledger.ports import Vault

REMEMBERED = 100_000
"""How many fingerprints a process keeps, the newest; about 20 MB."""


class Integrity:
    """Hashes what it has not hashed yet, and whatever the vault says may have changed since."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._hashed: dict[Hash, str] = {}
        self._lock = threading.Lock()

    def require(self, digest: Hash) -> None:
        """Return if the bytes stored under a digest have that digest.

        Raises:
            InvalidProof: they were lost or changed.
        """
        try:
            # Read before the bytes are: what changes while they are hashed has another fingerprint next time.
            found = self._vault.fingerprint(digest)
            if found is not None and self._hashed.get(digest) == found:
                return
            intact = self._hash(digest) == digest
        except NotFound:
            intact = False
        with self._lock:
            self._hashed.pop(digest, None)
            if intact and found is not None:
                self._hashed[digest] = found
                if len(self._hashed) > REMEMBERED:
                    del self._hashed[next(iter(self._hashed))]
        if not intact:
            raise InvalidProof("The sealed bytes of an item were lost or changed. An operator must look at it.")

    def _hash(self, digest: Hash) -> Hash:
        with self._vault.open(digest) as sealed:
            return Hash("0x" + hashlib.file_digest(cast(Any, sealed), "sha256").hexdigest())
