"""The digest of the whole ledger: seconds of work where there is much, for which nobody else may have to wait."""

import threading

from ledger.model import Hash
from ledger.proofs import Header
from ledger.services.index import Index
from ledger.services.places import place


class Digests:
    """Computes it once for each block, for one asker at a time, beside everything else."""

    def __init__(self, index: Index) -> None:
        self._index, self._working = index, threading.Semaphore()
        self._known: dict[Hash, str] = {}

    def newest(self) -> tuple[Header, str]:
        """The newest block, and the digest of the ledger as of it.

        Raises:
            TooManyRequests: it is being computed for somebody.
            Unavailable, Untrusted: nothing is known about the present.
        """
        with place(self._working, "The digest is being computed for somebody."):
            with self._index.at_head() as snapshot:
                head = snapshot.head
                state = None if head.hash in self._known else snapshot.state.copy()
            if state is not None:
                self._known = {head.hash: state.digest()}
            return head, self._known[head.hash]
