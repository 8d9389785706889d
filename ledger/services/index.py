"""The index: a verified copy of what the contracts recorded, up to a fresh block.

It only ever finds candidates faster than the chain could; what it says at a block counts because the running heads
it recomputed from events equal the heads proven at that block (DESIGN, section 4): a withheld, forged or reordered
log makes them differ. A withdrawal once seen is remembered for ever, whatever a reorganisation does.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ledger.deployment import Deployment
from ledger.errors import InvalidInput, InvalidProof, LedgerUnavailable, StaleLedger, WrongChain
from ledger.events import WITH_HEAD, Closed, LedgerEvent, Revoked, RevokedAll, Suspended
from ledger.evidence import Moment
from ledger.model import Hash
from ledger.ports import Chain, Logged, Store, Transaction
from ledger.proofs import Header
from ledger.slots import Proven, ProvenFacts, Slot, head_slot
from ledger.state import LedgerState, replay

_log = logging.getLogger(__name__)

STEP = 1000
"""Blocks read at a time while catching up."""
WAIT = 2.0
"""Seconds to wait for another thread that is asking the node."""
PROOF_TRIES = 3
"""anvil's proofs sometimes do not match the block they were asked for; asked again, they do."""


@dataclass(frozen=True)
class Snapshot:
    """The ledger as of one block. `state` is shared: read it only while `Index.at_head` is open."""

    head: Header
    confirmed: tuple[Header, ...]
    state: LedgerState

    def moment(self, wall: int, max_age: int) -> Moment:
        """The moment a decision made now stands on."""
        return Moment.of(self.confirmed, wall, max_age)


class Index:
    """Follows the chain on demand: every question first asks whether there is a newer block.

    Args:
        chain, store, deployment: where to read, where to keep, and what is pinned.
        confirmations: how many blocks deep a grant must be, the newest block counting as one.
        reorganisation_limit: how many blocks may be replaced before an operator must look.
        progress: called with (done, total) blocks while catching up.
    """

    def __init__(
        self,
        chain: Chain,
        store: Store,
        deployment: Deployment,
        confirmations: int = 1,
        reorganisation_limit: int = 256,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        self._chain, self._store, self._deployment = chain, store, deployment
        self._confirmations, self._limit = confirmations, reorganisation_limit
        self._progress = progress
        self._lock = threading.RLock()
        self._closed: WrongChain | None = None
        self._snapshot: Snapshot | None = None
        self._last: Snapshot | None = None
        with store.begin() as tx:
            self._pin(tx)
        self._state = LedgerState.empty(deployment.chain_id, deployment.addresses)  # see `_refresh`

    def _pin(self, tx: Transaction) -> None:
        """Refuse a store that belongs to another ledger."""
        facts = self._deployment.to_json()
        known = tx.fact("deployment")
        if known is None:
            tx.set_fact("deployment", facts)
        elif known != facts:
            raise WrongChain(
                "This state belongs to another chain or to other contracts. "
                "Use the deployment file it was made with, or another state directory."
            )

    def _replay(self, tx: Transaction) -> LedgerState:
        deployment = self._deployment
        return replay(LedgerState.empty(deployment.chain_id, deployment.addresses), tx.events())

    def check_chain(self) -> None:
        """Check that the node is on the pinned chain with the pinned code. Closes the gate when it is not.

        Raises:
            WrongChain: chain id, genesis or the code of a contract differ from the deployment facts.
            LedgerUnavailable: the node cannot say.
        """
        deployment = self._deployment
        if (found := self._chain.chain_id()) != deployment.chain_id:
            raise self._close(f"The node is on chain {found}, not on {deployment.chain_id}.")
        if self._chain.header(0).hash != deployment.genesis:
            raise self._close("The node's chain has another genesis block: it is not the chain this ledger is on.")
        head = self._chain.head()
        for name in deployment.contracts:
            account, _ = self._chain.proof(head.hash, name, ())
            if account.verify(head).code_hash != deployment.contracts[name].code_hash:
                raise self._close(f"The contract {name} is not there or has other code than was deployed.")

    def _close(self, why: str) -> WrongChain:
        self._closed = WrongChain(why)
        _log.error("gate closed: %s", why)
        return self._closed

    def accept_loss(self) -> int:
        """An operator's word that blocks were lost (a devnet that was killed): follow what is left of the chain.

        What was relayed in them is sent again, and what was withdrawn in them stays on the deny list.

        Returns:
            How many blocks are missing; 0 when the chain is where it was, or further.

        Raises:
            WrongChain: it is another chain, not what is left of ours.
        """
        with self._lock:
            self.check_chain()
            head = self._chain.head()
            with self._store.begin() as tx:
                highest, known = tx.fact("highest") or 0, tx.blocks()
            if head.number < highest:
                common = self._common(known, head)
                with self._store.begin() as tx:
                    tx.drop_blocks_above(common)
                    tx.reopen_relays_above(common)
                    tx.set_fact("highest", head.number)
            self._snapshot = self._closed = None
            return max(int(highest - head.number), 0)

    @contextmanager
    def at_head(self) -> Iterator[Snapshot]:
        """The ledger as of the newest block, verified. Nothing changes it while the block is open.

        Raises:
            LedgerUnavailable: the node does not answer, or withholds logs.
            WrongChain: the chain went back behind what was seen, or is not the pinned one: the gate is closed.
        """
        # Whoever waits behind a node that hangs is told so, instead of holding a thread that others need.
        if not self._lock.acquire(timeout=WAIT):
            raise LedgerUnavailable("The Ethereum node is slow to answer. Ask again shortly.")
        try:
            yield self._refresh()
        finally:
            self._lock.release()

    @property
    def last(self) -> Snapshot | None:
        """The newest verified block so far, without asking the node. Good enough to deny from, never to permit."""
        return self._last

    @property
    def closed(self) -> bool:
        """Whether the gate is closed until an operator acts."""
        return self._closed is not None

    def require(self, number: int, block: Hash) -> None:
        """Make sure that answers are at least as fresh as a block somebody has seen.

        Raises:
            InvalidInput: no such block: another chain, or a reorganisation took it away.
            LedgerUnavailable: the node has not got that far.
        """
        with self.at_head() as snapshot:
            if number > snapshot.head.number:
                raise LedgerUnavailable("The node has not seen that block yet. Ask again shortly.")
            with self._store.begin() as tx:
                known = dict(tx.blocks())
            if known.get(number, block) != block:
                raise InvalidInput("The token names a block that is not on this chain.")

    def _refresh(self) -> Snapshot:
        if self._closed is not None:
            raise self._closed
        head = self._chain.head()
        if self._snapshot is not None and self._snapshot.head.hash == head.hash:
            return self._snapshot
        # Whatever happens from here on, what was said of the old head may no longer be in memory.
        trusted, self._snapshot = self._snapshot is not None, None
        for attempt in range(PROOF_TRIES):
            if not trusted:
                with self._store.begin() as tx:
                    self._state = self._replay(tx)
            trusted = False
            try:
                self._catch_up(head)
                confirmed = self._confirmed(head)
                break
            except (InvalidProof, LedgerUnavailable) as error:
                if attempt == PROOF_TRIES - 1:
                    raise LedgerUnavailable("What the Ethereum node says of its logs cannot be proven.") from error
                head = self._chain.head()
        self._snapshot = self._last = Snapshot(head, confirmed, self._state)
        return self._snapshot

    def _catch_up(self, head: Header) -> None:
        """Read what is new, verify it, then store it.

        The store is not held while the node is asked: it must be free to take a revocation, however slow the node is.
        """
        with self._store.begin() as tx:
            highest, known = tx.fact("highest"), tx.blocks()
        if highest is not None and head.number < highest:
            raise self._close(
                f"The chain went back from block {highest} to {head.number}: it was reset or restored. "
                "An operator must look at it."
            )
        common = self._common(known, head)
        if known and common < known[-1][0]:
            # A devnet set up anew has the same chain id, addresses and code: only its genesis tells it from ours.
            self.check_chain()
            _log.warning("reorganisation: back to block %d", common)
            with self._store.begin() as tx:
                tx.drop_blocks_above(common)
                tx.reopen_relays_above(common)
                self._state = self._replay(tx)
        read = list(self._read(max(common + 1, self._deployment.first_block), head))
        # Nothing is applied before it is proven: `last` is read by others meanwhile, and shares this state.
        self._verify_heads(head, _fold(self._state.heads, (entry.event for _, logged in read for entry in logged)))
        with self._store.begin() as tx:
            for headers, logged in read:
                tx.add_blocks(headers, logged)
                for entry in logged:
                    _remember_withdrawal(tx, entry.event)
            tx.forget_blocks_below(head.number - self._limit)
            tx.set_fact("highest", head.number)
        for _, logged in read:
            for entry in logged:
                self._state.apply(entry.event)

    def _read(self, first: int, head: Header) -> Iterator[tuple[Sequence[Header], Sequence[Logged]]]:
        """Blocks from a height to the head with their logs; of those that cannot be replaced any more only the logs."""
        last_full = head.number - self._limit
        for start in range(first, last_full, STEP):
            end = min(start + STEP, last_full)
            yield (), _in_order(self._chain.events_between(start, end - 1), range(start, end))
            if self._progress:
                self._progress(end - first, head.number - first + 1)
        parent: Header | None = None
        for number in range(max(first, last_full, 0), head.number + 1):
            header = head if number == head.number else self._chain.header(number)
            if parent is not None and header.parent_hash != parent.hash:
                raise LedgerUnavailable("The chain was reorganised while it was read.")
            yield (header,), _in_order(self._chain.events(header.hash), range(number, number + 1))
            parent = header

    def _common(self, known: Sequence[tuple[int, Hash]], head: Header) -> int:
        """The newest block that we and the node both have."""
        if not known:
            return self._deployment.first_block - 1
        for number, block in reversed(known):
            if number <= head.number and (head if number == head.number else self._chain.header(number)).hash == block:
                return number
        if known[0][0] <= self._deployment.first_block:
            return self._deployment.first_block - 1
        raise self._close(f"More than {self._limit} blocks were replaced. An operator must look at it.")

    def prove(self, head: Header, slots: Sequence[Slot]) -> dict[str, Proven]:
        """Prove slots at a block, with the code of their contracts.

        Returns:
            By contract, the account proof and each slot with its proven value.

        Raises:
            InvalidProof: a proof does not hold. LedgerUnavailable: the node does not answer.
            WrongChain: a contract has other code than was deployed; the gate is closed.
        """
        proven: dict[str, Proven] = {}
        for contract in sorted({slot.contract for slot in slots}):
            wanted = [slot for slot in slots if slot.contract == contract]
            account_proof, slot_proofs = self._chain.proof(head.hash, contract, [slot.key for slot in wanted])
            if account_proof.address != self._deployment.contracts[contract].address:
                raise InvalidProof("The node proved another account.")
            account = account_proof.verify(head)
            if account.code_hash != self._deployment.contracts[contract].code_hash:
                raise self._close(f"The contract {contract} has other code than was deployed.")
            by_key = {proof.key: proof for proof in slot_proofs}
            if missing := [slot.label for slot in wanted if slot.key not in by_key]:
                raise InvalidProof(f"The node did not prove {missing[0]}.")
            values = tuple((slot, by_key[slot.key].verify(account), by_key[slot.key]) for slot in wanted)
            proven[contract] = Proven(account_proof, values)
        return proven

    def _verify_heads(self, head: Header, heads: Mapping[str, Hash]) -> None:
        proven = facts_of(self.prove(head, [head_slot(contract) for contract in WITH_HEAD]))
        for contract in WITH_HEAD:
            if proven.head(contract) != heads[contract]:
                raise LedgerUnavailable(f"The logs of {contract} are not complete: its proven head differs.")

    def _confirmed(self, head: Header) -> tuple[Header, ...]:
        """The headers from the head down to the one that is `confirmations` deep, linked by their parent hashes."""
        headers = [head]
        while len(headers) < self._confirmations and headers[-1].number > 0:
            parent = self._chain.header(headers[-1].number - 1)
            if parent.hash != headers[-1].parent_hash:
                raise LedgerUnavailable("The chain was reorganised while it was read.")
            headers.append(parent)
        return tuple(headers)


def facts_of(proven: Mapping[str, Proven]) -> ProvenFacts:
    """What proven slots say, as a decision reads it."""
    return ProvenFacts({(contract, slot.key): value for contract, p in proven.items() for slot, value, _ in p.slots})


def require_fresh(moment: Moment) -> None:
    """Refuse to go on from a block that is too old or from the future.

    Raises:
        StaleLedger: the two clocks do not agree.
    """
    if not moment.fresh:
        raise StaleLedger(
            f"The newest block is {moment.wall - moment.timestamp} seconds old; no answer is given beyond "
            f"{moment.max_age}. Try again."
        )


def _fold(heads: Mapping[str, Hash], events: Iterable[LedgerEvent]) -> dict[str, Hash]:
    """The running heads after events."""
    folded = dict(heads)
    for event in events:
        if (operation := event.operation()) is not None:
            folded[event.CONTRACT] = operation.fold(folded[event.CONTRACT], event.at)
    return folded


def _in_order(logged: Sequence[Logged], blocks: range) -> Sequence[Logged]:
    """Logs as they will be stored and replayed: each once, in order, in the blocks that were asked for."""
    places = [(entry.block_number, entry.log_index) for entry in logged]
    if places != sorted(set(places)) or any(number not in blocks for number, _ in places):
        raise LedgerUnavailable("The Ethereum node answered with logs that are out of place.")
    return logged


def _remember_withdrawal(tx: Transaction, event: LedgerEvent) -> None:
    match event:
        case Revoked():
            tx.add_denial("revoked", event.subject, event.grant_hash, event.at)
        case RevokedAll():
            tx.add_denial("revoked_before", event.subject, str(event.before), event.at)
        case Suspended() if event.suspended:
            tx.add_denial("suspended", event.subject, str(event.suspension_at), event.at)
        case Closed():
            tx.add_denial("closed", event.subject, "", event.at)
        case _:
            pass
