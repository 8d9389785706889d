"""The transactions of the account that pays: which number each has, and what it offers to be mined.

The transactions of an account are mined in the order of their numbers, so one that offers too little holds up all that
come after it. What waits too long is therefore offered more, and a withdrawal takes the lowest number that none has
yet: what had it is pushed out and goes again behind it. Everything is stored before it is sent, so a restart or a
reorganisation loses nothing; sending twice is harmless because what is sent is idempotent.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ledger.errors import Unavailable
from ledger.model import Hash
from ledger.ports import Call, Election, Fees, Prepared, Receipt, Sender, Sent, Store, Transaction

_log = logging.getLogger(__name__)

KEEP = 86_400
"""Seconds for which mined transactions are kept, to be sent again should their block be lost."""


def offered(market: Fees, cap: int) -> Fees:
    """What a new transaction offers: what the market asks, up to a limit in wei per gas."""
    limit = min(market.limit, cap)
    return Fees(limit, min(market.tip, limit))


def raised(old: Fees, market: Fees, cap: int) -> Fees | None:
    """What replaces a transaction must offer, in both parts: an eighth more, and what the market asks.

    Nodes take a replacement from a tenth more on (go-ethereum's `txpool.pricebump`).

    Args:
        cap: the most that may be offered, in wei per gas.

    Returns:
        None when that is above the cap.
    """
    limit, tip = -(-old.limit * 9 // 8), -(-old.tip * 9 // 8)
    if limit > cap:
        return None
    limit = min(max(limit, market.limit), cap)
    return Fees(limit, min(max(tip, market.tip), limit))


@dataclass(frozen=True)
class Fate:
    """What became of a transaction, or of what replaced it with the same content.

    Attributes:
        receipt: where it is; None while it is in no block.
        transaction: the one that is in the block, or was asked about.
        gone: it never will be: another has its number.
    """

    receipt: Receipt | None
    transaction: Hash
    gone: bool = False


class Outgoing:
    """The transactions of one account. Used by one thread at a time.

    Args:
        patience: seconds after which a transaction that is next in line is offered more.
        max_fee: the most a withdrawal offers, in wei per gas; others so much less that it can replace them.
        election: who sends, of all processes with the sender's key.
    """

    def __init__(
        self, store: Store, sender: Sender, clock: Callable[[], int], patience: float, max_fee: int, election: Election
    ) -> None:
        self._store, self._sender, self._clock = store, sender, clock
        self._patience, self._max_fee, self._election = patience, max_fee, election

    def _cap(self, urgent: bool) -> int:
        return self._max_fee if urgent else self._max_fee * 8 // 9

    def _waiting(self, tx: Transaction, mined: int) -> dict[int, Sent]:
        """By number, what was sent last of what is in no block."""
        return {sent.nonce: sent for sent in tx.transactions(self._sender.address, mined)}

    def place(
        self, call: Call, urgent: bool, keep: Callable[[Transaction, Hash], None], gas: int | None = None
    ) -> None:
        """Sign a transaction, store it, and send it.

        Args:
            call: what it does.
            urgent: takes the lowest number that no other urgent one has.
            keep: notes, in the unit of work that stores the transaction, what it is of.
            gas: the most it may take.

        Raises:
            Refused: with `gas`: the contract refuses it now; nothing is stored.
            Unavailable: when it was signed, it is stored and will be sent.
        """
        mined, market = self._sender.mined(), self._sender.fees()
        with self._store.begin() as tx:
            waiting = self._waiting(tx, mined)
        nonce, fees = self._room(waiting, mined, market, urgent)
        prepared = self._sender.prepare(call, nonce, fees, gas)
        with self._store.begin() as tx:  # stored before sent
            self._election.require(tx)
            tx.add_transaction(self._sent(prepared, urgent, prepared.hash))
            tx.forget_transactions(self._sender.address, mined, self._clock() - KEEP)
            keep(tx, prepared.hash)
        self._sender.send(prepared.raw)

    def _room(self, waiting: dict[int, Sent], mined: int, market: Fees, urgent: bool) -> tuple[int, Fees]:
        nonce = mined
        while nonce in waiting:
            last = waiting[nonce]
            if urgent and not last.urgent and (fees := raised(last.fees, market, self._cap(urgent=True))):
                _log.info("a withdrawal takes the place of a transaction that waits")
                return nonce, fees
            nonce += 1
        return nonce, offered(market, self._cap(urgent))

    def _sent(self, prepared: Prepared, urgent: bool, first: Hash) -> Sent:
        return Sent(
            prepared.hash,
            self._sender.address,
            prepared.nonce,
            prepared.raw,
            prepared.fees,
            urgent,
            self._clock(),
            first,
        )

    def look(self) -> "Look":
        """What became of the transactions, as of now.

        Raises:
            Unavailable: the node does not say.
        """
        return Look(self._store, self._sender)

    def tend(self) -> None:
        """Send again what the node lost, and offer more for what has been waiting for too long.

        Raises:
            Unavailable: the node does not take one of them; it is tried again.
        """
        mined = self._sender.mined()
        with self._store.begin() as tx:
            waiting = self._waiting(tx, mined)
        if not waiting:
            return
        market, failure = self._sender.fees(), None
        for nonce, last in sorted(waiting.items()):
            try:
                if not self._raise(last, market, next_in_line=nonce == min(waiting)):
                    self._send_again(last)
            except Unavailable as error:
                failure = error
        if failure is not None:
            raise failure

    def _raise(self, last: Sent, market: Fees, next_in_line: bool) -> bool:
        """Replace a transaction by the same one at a better price, if it is time to; whether that was done."""
        hopeless = last.fees.limit < (market.limit - market.tip) // 2  # below what a block demands
        if self._clock() - last.at < self._patience or not (next_in_line or hopeless):
            return False
        fees = raised(last.fees, market, self._cap(last.urgent))
        if fees is None:
            return False
        prepared = self._sender.reprice(last.raw, fees)
        with self._store.begin() as tx:  # stored before sent
            self._election.require(tx)
            tx.add_transaction(self._sent(prepared, last.urgent, last.first))
            tx.move_relays(last.hash, prepared.hash)
        _log.warning("a transaction waited %d seconds and is offered more", self._clock() - last.at)
        self._sender.send(prepared.raw)
        return True

    def _send_again(self, last: Sent) -> None:
        if not self._sender.knows(last.hash):
            try:
                self._sender.send(last.raw)
            except Unavailable:
                if self._sender.mined() <= last.nonce:
                    raise  # otherwise it, or another with its number, was mined meanwhile


class Look:
    """What became of an account's transactions, seen once for a whole round."""

    def __init__(self, store: Store, sender: Sender) -> None:
        self._store, self._sender = store, sender
        self._mined = sender.mined()
        self._seen: dict[Hash, Fate] = {}

    def fate(self, transaction: Hash) -> Fate:
        """What became of a transaction.

        Raises:
            Unavailable: the node does not say.
        """
        if transaction not in self._seen:
            self._seen[transaction] = self._find(transaction)
        return self._seen[transaction]

    def _find(self, transaction: Hash) -> Fate:
        with self._store.begin() as tx:
            attempts = tx.attempts(transaction)
            others = tx.transactions(self._sender.address, attempts[0].nonce) if attempts else []
        for name in _names(transaction, attempts):
            if receipt := self._sender.receipt(name):
                return Fate(receipt, name)
        if not attempts:
            return Fate(None, transaction, gone=True)  # of an account that was changed, or from long ago
        last = attempts[0]
        holders = [sent for sent in others if sent.nonce == last.nonce]
        pushed_out = not holders or holders[-1].first != last.first
        # Counted only before, another's may have been in a block that is gone by now; counted only now, this one may
        # have got into a block since it was asked for.
        return Fate(None, last.hash, gone=pushed_out or last.nonce < min(self._mined, self._sender.mined()))


def _names(transaction: Hash, attempts: list[Sent]) -> Iterator[Hash]:
    yield from (sent.hash for sent in attempts)
    if not attempts:
        yield transaction
