"""Whether what the Ethereum nodes say may be acted on now: everything that shuts the gate, and what opens it again.

The rules are those of docs/how-it-works.md, "When the gate shuts". Nothing here asks a node, the store or a clock by
itself: what was seen is told to it, and time comes from the functions it is given.
"""

import logging
from collections import deque
from collections.abc import Callable

from ledger.errors import LedgerUnavailable, StaleLedger, WrongChain
from ledger.evidence import Moment
from ledger.proofs import Header

_log = logging.getLogger(__name__)

GOOD_HEADS = 3
"""Newest blocks in a row, each verified, after nodes did not answer."""
SANE_SECONDS = 60
"""How long clocks must agree after they did not."""
MAX_JUMP = 2
"""Seconds by which the wall clock may leave a clock that only ever runs."""
PROOF_WINDOW = 60
"""Seconds over which proofs that do not hold are counted."""
MAX_BAD_PROOFS = 0.01
"""Share of proofs that may still not hold after they were asked for again."""
FEW_PROOFS = 10
"""So many that do not hold say nothing yet: after a start, the first would be all there were."""
LEAST_SPACE = 0.05
"""Share of the disk that must be free: what cannot be written down must not be handed out."""


class Trust:
    """The memory of what went wrong.

    Args:
        confirmations: blocks that endpoints must agree on after they did not.
        clock: Unix seconds on the wall; without it clocks are not compared.
        steady: seconds on a clock that nobody can set; without it only the chain's clock is compared.
        space: the share of the disk that is free.
    """

    def __init__(
        self,
        confirmations: int = 1,
        clock: Callable[[], int] | None = None,
        steady: Callable[[], float] | None = None,
        space: Callable[[], float] | None = None,
    ) -> None:
        self._confirmations, self._clock, self._steady, self._space = confirmations, clock, steady, space
        self._offset = self._difference()
        self._good = GOOD_HEADS
        self._agreed_at = 0
        self._skewed_at: int | None = None
        self._proofs: deque[tuple[float, bool]] = deque()
        self._bad = 0
        self.closed: WrongChain | None = None

    def close(self, why: str) -> WrongChain:
        """Shut the gate until an operator acts; returns the error that says why."""
        if self.closed is None:
            self.closed = WrongChain(why)
            _log.error("gate closed: %s", why)
        return self.closed

    def reopen(self) -> None:
        """An operator has looked."""
        self.closed = None
        self._proofs.clear()
        self._bad = 0

    def outage(self) -> None:
        """No node answered, or none sensibly."""
        self._good = 0

    def disagreement(self, height: int) -> None:
        """Two nodes have different blocks at a height."""
        self._agreed_at = max(self._agreed_at, height + self._confirmations)
        _log.error("the nodes disagree at block %d", height)

    def proof(self, held: bool) -> None:
        """Whether a proof held in the end.

        Raises:
            WrongChain: too many did not within a minute; the gate is closed.
        """
        now = self._now()
        self._proofs.append((now, held))
        self._bad += not held
        while now - self._proofs[0][0] > PROOF_WINDOW:
            self._bad -= not self._proofs.popleft()[1]
        if self._bad >= FEW_PROOFS and self._bad > MAX_BAD_PROOFS * len(self._proofs):
            raise self.close("Too many of the node's proofs do not hold. An operator must look at it.")

    def ready(self) -> None:
        """Whether it makes sense to ask a node at all.

        Raises:
            WrongChain: the gate is closed until an operator acts. LedgerUnavailable: the disk is nearly full.
        """
        if self.closed is not None:
            raise self.closed
        if self._space is not None and self._space() < LEAST_SPACE:
            raise LedgerUnavailable("The service's disk is nearly full. An operator must make room.")

    def admit(self, head: Header) -> None:
        """Take note of a verified head, and say whether it may be answered from.

        Raises:
            LedgerUnavailable: the nodes were out of reach, or disagreed, too short a time ago.
            StaleLedger: the clocks disagreed too short a time ago.
        """
        self._good = min(self._good + 1, GOOD_HEADS)
        self._compare_clocks(head)
        if self._good < GOOD_HEADS:
            raise LedgerUnavailable("The Ethereum node was out of reach until just now. Ask again shortly.")
        if head.number < self._agreed_at:
            raise LedgerUnavailable("The Ethereum nodes disagreed until just now. Ask again shortly.")

    def _compare_clocks(self, head: Header) -> None:
        if self._clock is None:
            return
        now, jumped = self._clock(), abs(self._difference() - self._offset) > MAX_JUMP
        if jumped or head.timestamp - now > Moment.MAX_AHEAD:
            self._skewed_at, self._offset = now, self._difference()
            _log.error("the clocks disagree: head %d, wall %d", head.timestamp, now)
            if not jumped:
                return  # the moment of the answer says so itself
        if self._skewed_at is not None:
            if 0 <= now - self._skewed_at < SANE_SECONDS:
                raise StaleLedger("The clocks of the service and the chain disagreed until just now. Ask again later.")
            self._skewed_at = None

    def _difference(self) -> float:
        return self._clock() - self._steady() if self._clock and self._steady else 0.0

    def _now(self) -> float:
        return self._steady() if self._steady else float(self._clock() if self._clock else 0)
