"""Erasing a record: its key is destroyed, its words and bytes are deleted; hashes, withdrawals and the log stay.

The key is kept apart from everything else (docs/adr/0009-record-keys.md), so what an older backup of the database and
the vault still holds opens no more.
"""

from collections.abc import Callable

from ledger.errors import Conflict, NotFound
from ledger.model import Hash
from ledger.ports import Erased, Keys, Store, Vault


class Erasure:
    """Destroys what can be read of a record, and of it alone."""

    def __init__(self, store: Store, vault: Vault, keys: Keys, clock: Callable[[], int]) -> None:
        self._store, self._vault, self._keys, self._clock = store, vault, keys, clock

    def erase(self, record: Hash) -> Erased:
        """Erase a record. Asked again it goes on where it was interrupted, and is harmless when it was done.

        From the first step on the record is unknown to everybody but its parties, who read that it was erased.

        Raises:
            NotFound: there is no such record.
            Conflict: something signed for it is still on its way to the chain; a withdrawal must get there.
        """
        with self._store.begin() as tx:
            erased = tx.erased(record)
            if erased is None:
                if tx.record(record) is None:
                    raise NotFound("There is no such record.")
                erased = tx.erase(record, self._clock())
                if erased is None:
                    raise Conflict(
                        "Something signed for this record is still on its way to the chain. Try again in a minute."
                    )
        return self._finish(erased)

    def resume(self) -> int:
        """Finish what was interrupted, and erase again what a restored backup brought back; returns how many.

        The database and the key store each remember what was erased. Whichever was not restored reminds the other.
        """
        with self._store.begin() as tx:
            waiting = {erased.record for erased in tx.erasures() if erased.sealed or self._keys.get(erased.record)}
            waiting |= {record for record in self._keys.destroyed() if tx.record(record) is not None}
        for record in waiting:
            self.erase(record)
        return len(waiting)

    def _finish(self, erased: Erased) -> Erased:
        self._keys.destroy(erased.record)  # from here on nothing opens, wherever a copy of it lies
        for sealed in erased.sealed:
            with self._store.begin() as tx:
                used = tx.item_by_digest(sealed) is not None
            if not used:
                self._vault.remove(sealed)
        with self._store.begin() as tx:
            tx.finish_erasure(erased.record)
        self._store.scrub()
        return erased
