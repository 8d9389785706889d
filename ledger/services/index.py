"""The index: a verified copy of what the contracts recorded, up to a fresh block.

It only ever finds candidates faster than the chain could; what it says at a block counts because the running heads
it recomputed from events equal the heads proven at that block (DESIGN, section 4): a withheld, forged or reordered
log makes them differ. A withdrawal once seen is remembered for ever, whatever a reorganisation does.
"""

import logging
import math
import threading
import time
from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from ledger.deployment import Deployment
from ledger.errors import InvalidInput, InvalidProof, LedgerUnavailable, StaleLedger, WrongChain
from ledger.events import WITH_HEAD, Closed, Delegated, Granted, LedgerEvent, Revoked, RevokedAll, Suspended
from ledger.evidence import Denials, Moment, takes_away, undelegation
from ledger.model import FUTURE, RIGHT_GRANT, Address, Hash
from ledger.ports import Chain, Logged, Store, Transaction
from ledger.proofs import Account, AccountProof, Header
from ledger.services.endpoints import Endpoints
from ledger.services.places import place
from ledger.services.trust import Trust
from ledger.slots import Proven, ProvenFacts, Slot, head_slot
from ledger.state import DelegationState, LedgerState, replay

_log = logging.getLogger(__name__)

STEP = 1000
"""Blocks read at a time while catching up."""
WAIT = 2.0
"""Seconds to wait for another thread that is asking the node."""
QUIET = 5.0
"""Seconds after which whoever stands by looks at the chain all the same."""
HISTORIES = 2
"""States of the past that are kept in memory; each is as large as the ledger was."""
CLOSED = "closed"
"""The fact in the store that says why the gate is closed until an operator acts."""
_NOTHING = (-1, Hash(""))
PROOF_TRIES = 3
"""anvil's proofs sometimes do not match the block they were asked for; asked again, they do."""


@dataclass(frozen=True)
class Snapshot:
    """The ledger as of one block. `state` is shared: read it only while `Index.at_head` is open."""

    head: Header
    confirmed: tuple[Header, ...]
    state: LedgerState

    @cached_property
    def written(self) -> list[str]:
        """The confirmed headers as they are kept for a bundle."""
        return ["0x" + header.rlp.hex() for header in self.confirmed]

    def moment(self, wall: int, max_age: int) -> Moment:
        """The moment a decision made now stands on."""
        return Moment.of(self.confirmed, wall, max_age)


class Index:
    """Follows the chain on demand, and by `follow`: every question first asks whether there is a newer block.

    Several may share one store. What one has read from the node and proven, the others read from the store, and
    believe it only when it adds up to the proven heads.

    Args:
        chain, store, deployment: where to read, where to keep, and what is pinned.
        confirmations: how many blocks deep a grant must be, the newest block counting as one.
        reorganisation_limit: how many blocks may be replaced before an operator must look.
        progress: called with (done, total) blocks while catching up.
        witnesses: further nodes, which must agree with the one that is read from.
        trust: what is remembered of faults; a new one by default.
        steady: seconds that only ever grow, by which the age of a snapshot is told.
    """

    def __init__(
        self,
        chain: Chain,
        store: Store,
        deployment: Deployment,
        confirmations: int = 1,
        reorganisation_limit: int = 256,
        progress: Callable[[int, int], None] | None = None,
        witnesses: Sequence[Chain] = (),
        trust: Trust | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trust = trust or Trust(confirmations)
        self._chain, self._store, self._deployment = Endpoints((chain, *witnesses), self.trust), store, deployment
        self._confirmations, self._limit = confirmations, reorganisation_limit
        self.progress = progress
        self._lock = threading.RLock()
        self._kept_closed = False
        self._steady, self._verified_at = (
            steady,
            -math.inf,
        )  # when the node last named our snapshot's block as its newest
        self._snapshot: Snapshot | None = None
        self._looked_at: Hash | None = None
        self._last: Snapshot | None = None
        self._history: dict[Hash, LedgerState] = {}
        self._replaying = threading.Semaphore()
        with store.begin() as tx:
            self._pin(tx)
        self._empty = LedgerState.empty(deployment.chain_id, deployment.addresses)
        self._state, self._read_to = self._empty, _NOTHING  # the state, proven, and the block it is that of

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

    def check_chain(self) -> None:
        """Check that the node is on the pinned chain with the pinned code. Closes the gate when it is not.

        Raises:
            WrongChain: chain id, genesis or the code of a contract differ from the deployment facts.
            LedgerUnavailable: the node cannot say, or its proofs do not hold however often they are asked for.
        """
        self._check_name()
        for name, contract in self._deployment.contracts.items():
            if self._code_hash(name) != contract.code_hash:
                raise self._close(f"The contract {name} is not there or has other code than was deployed.")

    def _code_hash(self, name: str) -> Hash:
        """The proven code hash of a contract at the newest block."""
        for _ in range(PROOF_TRIES):
            head = self._chain.head()
            account, _slots = self._chain.proof(head.hash, name, ())
            try:
                return account.verify(head).code_hash
            except InvalidProof as error:
                _log.warning("the proof of %s did not hold: %s", name, error)
        raise LedgerUnavailable("The Ethereum node's proofs do not hold.")

    def _check_name(self) -> None:
        if (found := self._chain.chain_id()) != self._deployment.chain_id:
            raise self._close(f"The node is on chain {found}, not on {self._deployment.chain_id}.")
        if self._chain.header(0).hash != self._deployment.genesis:
            raise self._close("The node's chain has another genesis block: it is not the chain this ledger is on.")

    def _close(self, why: str) -> WrongChain:
        return self.trust.close(why)

    def _keep_closed(self) -> None:
        """Let a closed gate outlive this process, and open it when an operator did, in whichever process."""
        closed = self.trust.closed
        with self._store.begin() as tx:
            kept = tx.fact(CLOSED)
            if closed is not None and not self._kept_closed and not kept:
                tx.set_fact(CLOSED, kept := str(closed))
        if kept:
            self._kept_closed = True
            self._close(kept)
        elif self._kept_closed:
            self._kept_closed, self._snapshot = False, None
            self.trust.reopen()

    def accept_loss(self) -> int:
        """An operator's word that a closed gate may open, also where blocks were lost: follow what is there now.

        What was relayed in lost blocks is sent again, and what was withdrawn in them stays on the deny list.

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
            common = self._common(known, head, unlimited=True)
            with self._store.begin() as tx:
                if known and common < known[-1][0]:
                    tx.drop_blocks_above(common)
                    tx.reopen_relays_above(common)
                if head.number < highest:  # also where a reorganisation had taken the blocks, and nothing came instead
                    tx.set_fact("highest", head.number)
                tx.set_fact(CLOSED, None)
            self._snapshot, self._kept_closed = None, False
            self.trust.reopen()
            return max(int(highest - head.number), 0)

    @contextmanager
    def at_head(self, within: float = 0) -> Iterator[Snapshot]:
        """The ledger as of the newest block, verified. Nothing changes it while the block is open.

        Args:
            within: seconds for which what was verified last may be used again without asking the node; 0 asks afresh,
                as everything that releases a key must. A closed or doubted gate is never passed over.

        Raises:
            LedgerUnavailable: the node does not answer, or withholds logs.
            WrongChain: the chain went back behind what was seen, or is not the pinned one: the gate is closed.
        """
        # Whoever waits behind a node that hangs is told so, instead of holding a thread that others need.
        if not self._lock.acquire(timeout=WAIT):
            raise LedgerUnavailable("The Ethereum node is slow to answer. Ask again shortly.")
        try:
            yield self._recent(within) or self._refresh()
        finally:
            self._lock.release()

    @property
    def last(self) -> Snapshot | None:
        """The newest verified block so far, without asking the node. Good enough to deny from, never to permit."""
        return self._last

    @property
    def closed(self) -> bool:
        """Whether the gate is closed until an operator acts."""
        return self.trust.closed is not None

    def follow(self) -> None:
        """Read what is new, without anybody asking: what was withdrawn on the chain itself is denied from then on.

        Raises:
            Unavailable, Untrusted: as `at_head`.
        """
        with self.at_head() as snapshot:
            if self._looked_at != snapshot.head.hash:
                self._check_name()
                self._looked_at = snapshot.head.hash

    def stand_by(self) -> None:
        """What is left to do while another process follows: read what it stored, and step in when it stores nothing.

        Raises:
            Unavailable, Untrusted: as `at_head`.
        """
        with self._store.begin() as tx:
            stored = tx.fact("highest") or 0
        if self._last is None or stored > self._last.head.number or self._steady() - self._verified_at > QUIET:
            self.follow()

    def require(self, number: int, block: Hash) -> None:
        """Make sure that answers are at least as fresh as a block somebody has seen.

        Raises:
            InvalidInput: no such block: another chain, or a reorganisation took it away.
            LedgerUnavailable: the node has not got that far.
        """
        with self.at_head() as snapshot, self._store.begin() as tx:
            self.require_known(tx, snapshot, number, block)

    def require_known(self, tx: Transaction, snapshot: Snapshot, number: int, block: Hash) -> None:
        """The same for a snapshot at hand."""
        if number > snapshot.head.number:
            raise LedgerUnavailable("The node has not seen that block yet. Ask again shortly.")
        if dict(tx.blocks()).get(number, block) != block:
            raise InvalidInput("The token names a block that is not on this chain.")

    def as_of(self, number: int, block: Hash) -> Snapshot:
        """The ledger as it was at a block of the past, replayed from what is stored.

        Of a block that can still be replaced the store knows the hash; of an older one the nodes say it, and all events
        up to it are proven by the head of today.

        Raises:
            InvalidInput: no such block: another chain, or a reorganisation took it away.
            LedgerUnavailable: the node has not got that far, or does not answer.
            TooManyRequests: another is being replayed; one is as large as the ledger was.
        """
        with self.at_head() as snapshot:
            with self._store.begin() as tx:
                self.require_known(tx, snapshot, number, block)
            header = self._chain.header(number)
            if number < self._deployment.first_block or header.hash != block:
                raise InvalidInput("The token names a block that is not on this chain.")
            confirmed = self._confirmed(header)
            if block in self._history:
                return Snapshot(header, confirmed, self._history[block])
        with place(self._replaying, "Another block of the past is being replayed."):
            return Snapshot(header, confirmed, self._replayed(number, block))

    def _replayed(self, number: int, block: Hash) -> LedgerState:
        """The state at a block; remembered, as whoever asks about a block may ask several things."""
        state = self._empty.copy()
        for first in range(self._deployment.first_block - 1, number, STEP):
            with self._store.begin() as tx:  # let go between the steps: a revocation must not wait for history
                for event in tx.events(first, min(first + STEP, number)):
                    state.apply(event)
        with self._store.begin() as tx:
            if dict(tx.blocks()).get(number, block) != block:
                raise InvalidInput("The token names a block that is not on this chain.")
        with self._lock:
            self._history = dict([*self._history.items(), (block, state)][-HISTORIES:])
        return state

    def _recent(self, within: float) -> Snapshot | None:
        """The last snapshot, if it was verified less than so many seconds ago and nothing was doubted since."""
        if self._snapshot is None or self.closed or self._steady() - self._verified_at >= within:
            return None
        self.trust.ready()
        return self._snapshot

    def _refresh(self) -> Snapshot:
        if self.closed:
            self._keep_closed()
        self.trust.ready()
        began, self._verified_at = self._steady(), -math.inf  # until it is admitted again
        try:
            snapshot = self._newest()
        except WrongChain:
            self._keep_closed()
            raise
        self.trust.admit(snapshot.head)
        self._verified_at = began  # the answer may be as old as the question
        return snapshot

    def _newest(self) -> Snapshot:
        """The newest block, verified; whether it may be answered from is not said yet."""
        head = self._chain.head()
        if self._snapshot is not None and self._snapshot.head.hash == head.hash:
            return self._snapshot
        # Whatever happens from here on, what was said of the old head may no longer be in memory.
        self._snapshot = None
        self._keep_closed()
        self.trust.ready()
        for attempt in range(PROOF_TRIES):
            if attempt == PROOF_TRIES - 1:
                self._read_to = _NOTHING  # should memory be what is wrong
            try:
                self._catch_up(head)
                confirmed = self._confirmed(head)
                self.trust.proof(True)
                break
            except (InvalidProof, LedgerUnavailable) as error:
                if attempt == PROOF_TRIES - 1:
                    if isinstance(error, InvalidProof):
                        self.trust.proof(False)
                    raise LedgerUnavailable("What the Ethereum node says of its logs cannot be proven.") from error
                head = self._chain.head()
        self._snapshot = self._last = Snapshot(head, confirmed, self._state)
        return self._snapshot

    def _catch_up(self, head: Header) -> None:
        """Read what is new, from the store and then from the node; verify it, then store it.

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
                if tx.blocks() != known:
                    raise LedgerUnavailable("Another process reads the chain. Ask again shortly.")
                tx.drop_blocks_above(common)
                tx.reopen_relays_above(common)
        state = self._read_stored()
        read = list(self._read(max(common + 1, self._deployment.first_block), head))
        # Nothing is applied before it is proven: `last` is read by others meanwhile, and may share this state.
        self._verify_heads(head, _fold(state.heads, (entry.event for _, logged in read for entry in logged)))
        if read:
            self._write(common, head, read, state)
        for _, logged in read:
            for entry in logged:
                state.apply(entry.event)
        self._state = state
        self._read_to = head.number, head.hash

    def _read_stored(self) -> LedgerState:
        """The state up to the newest stored block, whoever stored it: what is in memory and, unproven, what is not."""
        number, block = self._read_to
        with self._store.begin() as tx:
            known = tx.blocks()
            if (number, block) not in known:
                return replay(self._empty, tx.events())
            if known[-1][0] == number:
                return self._state
            return replay(self._state, tx.events(above=number))

    def _write(
        self, common: int, head: Header, read: Sequence[tuple[Sequence[Header], Sequence[Logged]]], state: LedgerState
    ) -> None:
        """Store what was read above a block, with its state, and is proven, unless another process did meanwhile."""
        with self._store.begin() as tx:
            known = tx.blocks()
            if (known[-1][0] if known else self._deployment.first_block - 1) != common:
                raise LedgerUnavailable("Another process reads the chain. Ask again shortly.")
            delegations = ChainMap({}, state.delegations)
            for headers, logged in read:
                tx.add_blocks(headers, logged)
                for entry in logged:
                    _remember_withdrawal(tx, entry.event, delegations)
            tx.forget_blocks_below(head.number - self._limit)
            tx.set_fact("highest", head.number)

    def _read(self, first: int, head: Header) -> Iterator[tuple[Sequence[Header], Sequence[Logged]]]:
        """Blocks from a height to the head with their logs; of those that cannot be replaced any more only the logs."""
        last_full = head.number - self._limit
        for start in range(first, last_full, STEP):
            end = min(start + STEP, last_full)
            yield (), _in_order(self._chain.events_between(start, end - 1), range(start, end))
            if self.progress:
                self.progress(end - first, head.number - first + 1)
        parent: Header | None = None
        for number in range(max(first, last_full, 0), head.number + 1):
            header = head if number == head.number else self._chain.header(number)
            if parent is not None and header.parent_hash != parent.hash:
                raise LedgerUnavailable("The chain was reorganised while it was read.")
            yield (header,), _in_order(self._chain.events(header.hash), range(number, number + 1))
            parent = header

    def _common(self, known: Sequence[tuple[int, Hash]], head: Header, unlimited: bool = False) -> int:
        """The newest block that we and the node both have; with `unlimited`, the start when there is none."""
        if not known:
            return self._deployment.first_block - 1
        for number, block in reversed(known):
            if number <= head.number and (head if number == head.number else self._chain.header(number)).hash == block:
                return number
        if unlimited or known[0][0] <= self._deployment.first_block:
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

    def prove_account(self, head: Header, account: Address) -> tuple[AccountProof, Account]:
        """Prove any account at a block.

        Raises:
            InvalidProof: the proof does not hold. LedgerUnavailable: the node does not answer.
        """
        proof = self._chain.account_proof(head.hash, account)
        if proof.address != account:
            raise InvalidProof("The node proved another account.")
        return proof, proof.verify(head)

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


def _remember_withdrawal(
    tx: Transaction, event: LedgerEvent, delegations: MutableMapping[tuple[Address, Address], DelegationState]
) -> None:
    """Put on the deny list what an event withdraws, and what it gives though it was taken away here.

    Args:
        delegations: before the event, and then after it.
    """
    match event:
        case Revoked():
            tx.add_denial("revoked", event.subject, event.grant_hash, event.at)
        case RevokedAll():
            tx.add_denial("revoked_before", event.subject, str(event.before), event.at)
        case Suspended() if event.suspended or _in_vain(tx, event, delegations):
            tx.add_denial("suspended", event.subject, str(event.suspension_at), event.at)
        case Closed():
            tx.add_denial("closed", event.subject, "", event.at)
        case Granted() if _in_vain(tx, event, delegations):
            tx.add_denial("revoked", event.subject, event.grant_hash, event.at)
        case Delegated():
            given = DelegationState(event.rights, event.valid_until, event.delegation_at)
            delegations[event.subject, event.delegate] = given
            if kind := takes_away(event.rights):
                tx.add_denial(kind, event.subject, undelegation(event.delegate, given.at), event.at)
        case _:
            pass


def _in_vain(
    tx: Transaction, event: Granted | Suspended, delegations: Mapping[tuple[Address, Address], DelegationState]
) -> bool:
    """Whether a delegate said it whose right to had been taken away here; the chain did not know that yet.

    What was said long before, and is read again after a reorganisation, is not meant.
    """
    if event.signer == event.subject:
        return False
    ended = Denials.of(tx.denials([event.subject])).lost_at(event.subject, event.signer, RIGHT_GRANT)
    given = delegations.get((event.subject, event.signer))
    return (given.at if given else 0) <= ended < event.at + FUTURE
