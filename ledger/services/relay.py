"""The relay: what was taken in goes out in transactions, nothing lost on the way.

What is stored is sent until it is final; sending twice is harmless because grants are recorded once and withdrawals
are idempotent. Withdrawals never wait behind grants.

Where the contract asks the signer's code (ERC-1271), that code may answer differently each time and burn gas at our
cost. Such a message goes alone, never with others' consents, with a limit of gas, and not again once it failed.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from ledger.deployment import Deployment
from ledger.errors import BadSignature, Refused, Unavailable, Untrusted, VolensError
from ledger.evidence import Denials
from ledger.model import RIGHT_GRANT, ZERO_HASH, Consent, Hash, Message, Relayed, given_at
from ledger.ports import Call, Chain, Election, Receipt, Relay, Sender, Store, Transaction
from ledger.services.consents import cohort_problem
from ledger.services.index import Index
from ledger.services.messages import IN_BLOCK, call_of, most_gas, withdraws
from ledger.services.sending import Look, Outgoing
from ledger.typed_data import struct_hash, verify

_log = logging.getLogger(__name__)

_Found = dict[tuple[Hash, Receipt], list[Relay]]
"""Relays by the transaction they are in, and where that is."""
BATCH = 200
"""Grants in one transaction at most: about half of the gas that one may take."""


class Relays:
    """Brings the messages that were taken in to the chain.

    Args:
        outgoing: the transactions of the sender.
        alarm: seconds after which a message that was received must be in a block.
        election: who sends, of all processes with the sender's key.
        wake: set when the next round should come at once.
    """

    def __init__(
        self,
        index: Index,
        store: Store,
        sender: Sender,
        outgoing: Outgoing,
        chain: Chain,
        deployment: Deployment,
        clock: Callable[[], int],
        confirmations: int,
        alarm: float,
        election: Election,
        wake: threading.Event,
    ) -> None:
        self._index, self._store, self._sender, self._chain = index, store, sender, chain
        self._outgoing, self._deployment, self._clock = outgoing, deployment, clock
        self._confirmations, self._alarm = confirmations, alarm
        self._election, self._told, self._wake = election, 0, wake

    def late(self) -> tuple[int, int]:
        """How many received messages are overdue on chain, and how old the oldest of them is, in seconds.

        A service that takes messages and does not record them would look well to whoever hands them in.
        """
        now = self._clock()
        with self._store.begin() as tx:
            count, oldest = tx.late_relays(int(now - self._alarm))
        return count, now - oldest if oldest is not None else 0

    def pump(self) -> int:
        """Take every open relay one step further; returns how many are still open, or 0 if another process does it.

        Raises:
            Unavailable, Untrusted: a step was not taken; everything stays stored and is tried again.
        """
        if not self._election.won():
            return 0
        late, oldest = self.late()
        if late > self._told:
            _log.error("%d received messages are not recorded; the oldest has waited %d seconds", late, oldest)
        self._told = late
        with self._store.begin() as tx:
            anything = tx.open_count() > 0
        head = self._seen() if anything else 0
        with self._store.begin() as tx:
            waiting = tx.open_relays(recorded_until=head + 1 - self._confirmations) if anything else []
            cohorts = tx.open_cohorts() if anything else []
        failure: VolensError | None = None
        for step in self._steps(waiting, cohorts, head):
            try:
                step()
            except (Unavailable, Untrusted) as error:
                failure = error  # one that does not get through must not hold up those behind it
        if failure is not None:
            raise failure
        with self._store.begin() as tx:
            return tx.open_count()

    def _steps(
        self, waiting: Sequence[Relay], cohorts: Sequence[tuple[Relay, int]], head: int
    ) -> Iterator[Callable[[], None]]:
        """Withdrawals first, as the outbox has them; consents that are to be sent last, and together."""
        if waiting or cohorts:
            look = self._outgoing.look()
            together: list[Relay] = []
            found: _Found = {}
            for relay in waiting:
                yield partial(self._advance, relay, look, together, found)
            yield partial(self._note, found, head)
            for batch in _batches(together):
                alone: list[Relay] = []
                yield partial(self._send_batch, batch, alone)
                for relay in alone:
                    yield partial(self._send, relay, coded=True)
            for member, _ in cohorts:
                yield partial(self._advance_cohort, member, head, look)
        yield self._outgoing.tend

    def _send_batch(self, batch: Sequence[Relay], alone: list[Relay]) -> None:
        """Send consents together, but for those that the signer's code has a say in."""
        coded, taken_back = self._chain.with_code({relay.signer for relay in batch}), self._taken_back(batch)
        rest: list[Relay] = []
        for relay in batch:
            if relay.id in taken_back:
                self._hold(relay, taken_back[relay.id])
                continue
            (rest if relay.signer not in coded and self._by_key(relay) else alone).append(relay)
        if rest:
            self._send_together(rest)

    def _by_key(self, relay: Relay) -> bool:
        try:
            verify(self._deployment.domain.digest(relay.message), relay.signature, relay.signer)
        except BadSignature:
            return False
        return True

    def _asks_code(self, relay: Relay) -> bool:
        """Whether the contract asks the signer's code about a message, so that the outcome is in its author's hands."""
        if not self._by_key(relay):
            return True
        return not withdraws(relay.message) and bool(self._chain.with_code([relay.signer]))  # type: ignore[arg-type]

    def _send_together(self, batch: Sequence[Relay]) -> None:
        """Send consents in one transaction, whoever their subjects are.

        One that the contract refuses does not sink the others: they go in two halves.
        """
        if len(batch) == 1:
            self._send(batch[0], coded=False)
            return
        calls = [call_of(relay.message, relay.signer, relay.signature).arguments for relay in batch]  # type: ignore[arg-type]
        call = Call("ConsentRegistry", "grantForMany", (calls,))
        if self._sender.simulate(call):
            half = len(batch) // 2
            self._send_together(batch[:half])
            self._send_together(batch[half:])
        else:
            self._place(call, batch, urgent=False)

    def _place(
        self, call: Call, relays: Sequence[Relay], urgent: bool, gas: int | None = None, **changes: object
    ) -> None:
        def keep(tx: Transaction, transaction: Hash) -> None:
            tx.update_relay(*(relay.id for relay in relays), status="sent", transaction=transaction, **changes)

        self._outgoing.place(call, urgent, keep, gas)
        if any(relay.transaction is None for relay in relays):
            self._wake.set()  # it may be in a block at once: the next round looks without a rest, but once only

    def _seen(self) -> int:
        """The newest block the index has seen. Only what it has seen is final: it will notice if that is replaced."""
        try:
            with self._index.at_head() as snapshot:
                return snapshot.head.number
        except (Unavailable, Untrusted):
            return 0  # sending goes on: a withdrawal belongs on the chain also while nothing is released

    def _advance(self, relay: Relay, look: Look, together: list[Relay], found: _Found) -> None:
        """One step for one relay.

        Args:
            together: gets what is to be sent with others.
            found: gets what is in a block.
        """
        fate = look.fate(relay.transaction) if relay.transaction else None
        if fate is None or fate.gone:
            if isinstance(relay.message, Consent):
                together.append(relay)
                return
            failed = False
        elif fate.receipt is None:
            return
        elif not fate.receipt.succeeded:
            failed = True  # simulation says why, or that it is no longer needed
        else:
            found.setdefault((fate.transaction, fate.receipt), []).append(relay)
            return
        taken_back = self._taken_back([relay])
        if relay.id in taken_back:
            self._hold(relay, taken_back[relay.id])
        else:
            self._send(relay, failed=failed)

    def _note(self, found: _Found, head: int) -> None:
        """Note, in one unit of work, what is in which block."""
        changed = []
        for (transaction, receipt), relays in found.items():
            final = self._final(receipt.block_number, head)
            changes = {
                "status": "final" if final else "recorded",
                "problem": None,
                "transaction": transaction,
                "block_number": receipt.block_number,
                "block_hash": receipt.block_hash,
            }
            if other := [one for one in relays if any(getattr(one, name) != new for name, new in changes.items())]:
                changed.append((other, changes))
        if changed:
            with self._store.begin() as tx:
                self._election.require(tx)
                for some, changes in changed:
                    tx.update_relay(*(relay.id for relay in some), **changes)

    def _final(self, block: int, head: int) -> bool:
        return head - block + 1 >= self._confirmations

    def _advance_cohort(self, member: Relay, head: int, look: Look) -> None:
        """One step for the consents of one cohort, which share everything.

        Args:
            member: one of those that are open. All are read only where something changes.
        """
        fate = look.fate(member.transaction) if member.transaction else None
        receipt = fate.receipt if fate is not None else None
        if fate is not None and not fate.gone and receipt is None:
            return
        if (
            receipt is not None
            and receipt.block_hash == member.block_hash
            and not self._final(receipt.block_number, head)
        ):
            return
        root = member.cohort or ZERO_HASH
        with self._store.begin() as tx:
            members = [relay for relay in tx.members(root) if relay.status not in ("final", "failed")]
        with self._index.at_head() as snapshot:
            anchored, newest = snapshot.state.anchored_at(root), snapshot.head
            with self._store.begin() as tx:
                denied = Denials.of(tx.denials({_consent(relay).subject for relay in members}))
            problems = {relay.id: cohort_problem(_consent(relay), anchored, snapshot, denied) for relay in members}
        if not anchored and receipt is not None and receipt.succeeded:
            return  # the index has not seen that block
        holding = [relay for relay in members if problems[relay.id] is None]
        if len(holding) < len(members):
            self._fail(root, {name: problem for name, problem in problems.items() if problem is not None})
        if not holding:
            return
        if not anchored:
            self._anchor(root, holding, newest.timestamp)
            return
        # Whoever anchored it: the first anchoring counts.
        block = receipt.block_number if receipt else member.block_number or newest.number
        final = self._final(block, head)
        changes = {"status": "final" if final else "recorded", "block_number": block}
        if fate is not None and receipt is not None:
            changes |= {"transaction": fate.transaction, "block_hash": receipt.block_hash}
        if any(getattr(relay, name) != value for relay in holding for name, value in changes.items()):
            self._update(*holding, **changes)

    def _anchor(self, root: Hash, members: Sequence[Relay], head: int) -> None:
        """Send the root of a cohort, unless that would be too early: the first anchoring is the only one."""
        if max(given_at(_consent(relay).deadline) for relay in members) > head:
            return  # the newest block is behind our clock, or hers; it will not stay there
        with self._store.begin() as tx:
            cohort = tx.cohort(root)
        assert cohort is not None  # noqa: S101 (stored with its members)
        call = Call("ConsentRegistry", "anchor", (bytes.fromhex(root[2:]), cohort.size))
        if problem := self._sender.simulate(call):
            self._fail(root, {relay.id: problem for relay in members})
        else:
            self._place(call, members, urgent=False)

    def _fail(self, root: Hash, problems: Mapping[str, str]) -> None:
        """Give up consents of a cohort; where they lie in it is forgotten, so that they never stand by it."""
        with self._store.begin() as tx:
            self._election.require(tx)
            tx.forget_held(root, problems.keys())
            for name, problem in problems.items():
                tx.update_relay(name, status="failed", problem=problem)
        _log.warning("cohort %s: %d consents failed: %s", root, len(problems), ", ".join(sorted({*problems.values()})))

    def _send(self, relay: Relay, coded: bool | None = None, failed: bool = False) -> None:
        """Send one message.

        Args:
            coded: whether the contract asks the signer's code; None to find out.
            failed: the contract refused it in a block.
        """
        message = relay.message
        call = call_of(message, relay.signer, relay.signature)  # type: ignore[arg-type]
        coded = self._asks_code(relay) if coded is None else coded
        gas = most_gas(message) if coded else None  # type: ignore[arg-type]
        if problem := self._sender.simulate(call, gas):
            if problem in ("TooFarAhead", "DeadlineTooFar"):
                return  # the newest block is behind our clock, or hers; it will not stay there
            if problem == "NotAuthorised" and withdraws(message) and self._is_new(relay):  # type: ignore[arg-type]
                return  # what made her a delegate may be in a block that comes back, or that this node has not yet
            if problem == "AlreadyGranted" and (block := self._all_granted_by(message)):
                self._update(relay, status="final", block_number=block)
                return
            self._give_up(relay, problem)
            return
        # Code can say yes whenever we only try, and no in each block. A key cannot, but may have code in between.
        if failed and (coded or (relay.problem == IN_BLOCK and not withdraws(message))):  # type: ignore[arg-type]
            self._give_up(relay, IN_BLOCK)
            return
        noted = {"problem": IN_BLOCK} if failed else {}
        try:
            self._place(call, [relay], withdraws(message), gas, **noted)  # type: ignore[arg-type]
        except Refused:
            self._give_up(relay, IN_BLOCK)

    def _is_new(self, relay: Relay) -> bool:
        return self._clock() - relay.received_at < 2 * self._alarm

    def _taken_back(self, relays: Sequence[Relay]) -> dict[str, str | None]:
        """Which messages were taken back here, and the contract's error for it: none must come to stand on chain.

        A consent with a grant that was taken back, and whatever gives permission by a delegate whose rights were. None
        where the subject may have given them anew, and nothing can be said of the chain now.
        """
        giving: list[tuple[Relay, Relayed]] = [
            (relay, relay.message)  # type: ignore[misc]
            for relay in relays
            if not withdraws(relay.message)  # type: ignore[arg-type]
        ]
        if not giving:
            return {}
        with self._store.begin() as tx:
            denied = Denials.of(tx.denials({message.subject for _, message in giving}))
        problems: dict[str, str | None] = {}
        for relay, message in giving:
            subject, grants = message.subject, message.grants if isinstance(message, Consent) else ()
            if any((subject, struct_hash(grant)) in denied.revoked for grant in grants):
                problems[relay.id] = "AlreadyRevoked"
            elif denied.lost_at(subject, relay.signer, RIGHT_GRANT) >= 0:
                try:
                    with self._index.at_head() as snapshot:
                        given = snapshot.state.delegations.get((subject, relay.signer))
                except (Unavailable, Untrusted):
                    problems[relay.id] = None
                    continue
                if given is None or denied.ends(subject, relay.signer, RIGHT_GRANT, given.at):
                    problems[relay.id] = "NotAuthorised"
        return problems

    def _hold(self, relay: Relay, problem: str | None) -> None:
        """Do not send what was taken back, or may be: then it waits."""
        if problem is not None:
            self._give_up(relay, problem)

    def _give_up(self, relay: Relay, problem: str) -> None:
        """Send it no more. A withdrawal stays on the deny list, whatever became of it on chain."""
        self._update(relay, status="failed", problem=problem)
        _log.warning("relay %s: %s", relay.id, problem)

    def _all_granted_by(self, message: Message) -> int | None:
        """The block by which everything in a consent was recorded, in whatever way; None while something is not.

        The contract says AlreadyGranted as soon as one grant is.
        """
        with self._index.at_head() as snapshot:
            everything = isinstance(message, Consent) and all(
                snapshot.state.entry(message.subject, struct_hash(grant)).granted_at for grant in message.grants
            )
            return snapshot.head.number if everything else None

    def _update(self, *relays: Relay, **changes: object) -> None:
        with self._store.begin() as tx:
            self._election.require(tx)
            tx.update_relay(*(relay.id for relay in relays), **changes)


def _consent(relay: Relay) -> Consent:
    assert isinstance(relay.message, Consent)  # noqa: S101 (nothing else is in a cohort)
    return relay.message


def _batches(consents: Iterable[Relay]) -> Iterator[list[Relay]]:
    """Consents in their order, with at most so many grants at a time as fit into one transaction."""
    batch: list[Relay] = []
    grants = 0
    for relay in consents:
        size = len(relay.message.grants) if isinstance(relay.message, Consent) else 1
        if batch and grants + size > BATCH:
            yield batch
            batch, grants = [], 0
        batch.append(relay)
        grants += size
    if batch:
        yield batch
