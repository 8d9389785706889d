"""The relay: signed messages in, transactions out, nothing lost on the way.

A message is stored before it is acknowledged, and a withdrawal denies from that moment: it goes to the local deny
list in the same unit of work. What is stored is sent until it is final; sending twice is harmless because grants
are recorded once and withdrawals are idempotent. Withdrawals never wait behind grants.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import assert_never

from ledger.deployment import Deployment
from ledger.documents import Form, Profile
from ledger.errors import (
    BadSignature,
    Conflict,
    Expired,
    InvalidMessage,
    LedgerUnavailable,
    NotFound,
    Unavailable,
    UnknownCode,
    Untrusted,
    VolensError,
)
from ledger.model import (
    ANY_ITEM,
    RIGHT_GRANT,
    RIGHT_REVOKE,
    ZERO_ADDRESS,
    Address,
    Closure,
    Consent,
    Delegation,
    Grant,
    Message,
    Revocation,
    RevokeAll,
    Suspension,
    keccak,
)
from ledger.ports import Call, Chain, Relay, Sender, Store, Transaction
from ledger.services.index import Index, Snapshot
from ledger.state import ROLE_RECIPIENT, LedgerState
from ledger.summary import matches
from ledger.typed_data import hash_struct, struct_hash, verify
from ledger.vocabulary import channel, purpose

_log = logging.getLogger(__name__)

Relayed = Consent | Revocation | RevokeAll | Suspension | Closure | Delegation
"""What a subject signs and anybody may relay."""

BATCH = 200
"""Grants in one transaction at most: about half of the gas that one may take."""
FUTURE = 15 * 60
"""Seconds a Suspension or Delegation may be ahead of now; the contract refuses more."""


def call_of(message: Relayed, signer: Address, signature: bytes) -> Call:
    """The contract call that records a signed message."""
    registry = "ConsentRegistry"
    match message:
        case Consent():
            hashes = [hash_struct(grant) for grant in message.grants]
            return Call(registry, "grantFor", (message.subject, hashes, message.deadline, signer, signature))
        case Revocation():
            hashes = [hash_struct(grant) for grant in message.grants]
            return Call(registry, "revokeFor", (message.subject, hashes, signer, signature))
        case RevokeAll():
            return Call(registry, "revokeAllFor", (message.subject, message.before, signer, signature))
        case Suspension():
            return Call(registry, "suspendFor", (message.subject, message.suspended, message.at, signer, signature))
        case Closure():
            return Call(registry, "closeFor", (message.subject, signer, signature))
        case Delegation():
            arguments = (message.subject, message.delegate, message.rights, message.valid_until, message.at, signature)
            return Call(registry, "delegateFor", arguments)
        case _:
            assert_never(message)


def withdraws(message: Relayed) -> bool:
    """Whether a message only ever takes permission away."""
    return isinstance(message, Revocation | RevokeAll | Closure) or (
        isinstance(message, Suspension) and message.suspended
    )


class Relays:
    """Takes signed messages and brings them to the chain."""

    def __init__(
        self,
        index: Index,
        store: Store,
        sender: Sender,
        chain: Chain,
        deployment: Deployment,
        clock: Callable[[], int],
        confirmations: int,
    ) -> None:
        self._index, self._store, self._sender, self._chain = index, store, sender, chain
        self._deployment, self._clock, self._confirmations = deployment, clock, confirmations
        self.waiting = threading.Event()
        """Set when a message was accepted: whoever pumps need not wait for its next round."""

    # intake

    def accept(self, message: Relayed, signer: Address, signature: bytes) -> Relay:
        """Store a signed message durably, to be recorded on chain. A withdrawal denies from now on.

        Args:
            signer: the subject, or a delegate of hers.

        Raises:
            BadSignature: somebody else signed it, or the signer may not do this for the subject.
            InvalidMessage, UnknownCode, NotFound, Expired: what a consent says does not hold; nothing is stored.
        """
        relay = self._accept(message, signer, signature)
        self.waiting.set()
        return relay

    def _accept(self, message: Relayed, signer: Address, signature: bytes) -> Relay:
        verify(self._deployment.domain.digest(message), signature, signer)
        if not withdraws(message):
            with self._index.at_head() as snapshot:
                self._check_signer(message, signer, snapshot.state)
                with self._store.begin() as tx:
                    if isinstance(message, Consent):
                        self._check_consent(tx, message, snapshot)
                        tx.add_consent(message, signer, signature, self._clock())
                    elif isinstance(message, Suspension | Delegation):
                        self._check_time(message)
                    return self._store_relay(tx, message, signer, signature)
        # A withdrawal is taken even while the chain is out of reach.
        if signer != message.subject:
            self._check_delegate(message, signer)
        if isinstance(message, Suspension):
            self._check_time(message)
            self._check_newer(message)
        self._require_known(message.subject)
        with self._store.begin() as tx:
            self._deny(tx, message)
            return self._store_relay(tx, message, signer, signature)

    def _check_delegate(self, message: Relayed, signer: Address) -> None:
        """A delegate's right is looked up; while the node does not answer, what was known at the last block counts.

        The deny list forgets nothing, so one whose right was taken away must not get there by asking first.
        """
        try:
            with self._index.at_head() as snapshot:
                return self._check_signer(message, signer, snapshot.state)
        except (Unavailable, Untrusted):
            if self._index.last is None:
                raise
            return self._check_signer(message, signer, self._index.last.state)

    def _check_newer(self, message: Suspension) -> None:
        """A suspension older than a resume on chain would change nothing: say so, rather than accept it in vain."""
        if self._index.last is None:
            return
        state = self._index.last.state.subject(message.subject)
        if not state.suspended and message.at < state.suspension_at:
            raise Conflict(
                f"A resume of {state.suspension_at} is recorded, later than this suspension of {message.at}. "
                f"Sign it again with a time of at least {state.suspension_at}."
            )

    def _require_known(self, subject: Address) -> None:
        """Only what could matter is relayed: strangers must not spend the relayer's gas on keys they made up.

        While the chain is out of reach and was never seen, everybody is believed: better too many than one lost.
        """
        with self._store.begin() as tx:
            if tx.knows(subject):
                return
        if self._index.last is None:
            with suppress(Unavailable, Untrusted), self._index.at_head():
                pass
        last = self._index.last
        if last is not None and all(known != subject for known, _ in list(last.state.entries)):
            raise NotFound("Nothing is known of this subject, here or on chain, so there is nothing to withdraw.")

    def _store_relay(self, tx: Transaction, message: Relayed, signer: Address, signature: bytes) -> Relay:
        name = "rly_" + keccak(hash_struct(message) + bytes.fromhex(signer[2:]))[:16].hex()
        return tx.add_relay(Relay(name, message, signer, signature, "accepted", self._clock()))

    def _check_time(self, message: Suspension | Delegation) -> None:
        if message.at > self._clock() + FUTURE:
            raise InvalidMessage("at", "must not be more than 15 minutes in the future; check the clock")

    def _check_signer(self, message: Relayed, signer: Address, state: LedgerState) -> None:
        if signer == message.subject:
            return
        if not isinstance(message, Delegation):
            right = RIGHT_REVOKE if withdraws(message) else RIGHT_GRANT
            delegation = state.delegations.get((message.subject, signer))
            if delegation and delegation.rights & right and delegation.valid_until > self._clock():
                return
        raise BadSignature("The signer may not do this for the subject.")

    def _deny(self, tx: Transaction, message: Relayed) -> None:
        now, subject = self._clock(), message.subject
        match message:
            case Revocation():
                for grant in message.grants:
                    tx.add_denial("revoked", subject, struct_hash(grant), now)
            case RevokeAll():
                tx.add_denial("revoked_before", subject, str(min(message.before, now)), now)
            case Suspension():
                tx.add_denial("suspended", subject, str(message.at), now)
            case Closure():
                tx.add_denial("closed", subject, "", now)

    def _check_consent(self, tx: Transaction, consent: Consent, snapshot: Snapshot) -> None:
        if consent.deadline < max(self._clock(), snapshot.head.timestamp):
            raise Expired("This consent was signed too long ago: its deadline has passed. Sign a new one.")
        for position, grant in enumerate(consent.grants):
            try:
                self._check_grant(tx, consent.subject, grant, snapshot.state)
            except InvalidMessage as error:
                raise error.within(f"grants[{position}]") from None
            entry = snapshot.state.entry(consent.subject, struct_hash(grant))
            if entry.revoked_at:
                raise Conflict("A revoked grant never returns. Sign a new one with a new salt.")

    def _check_grant(self, tx: Transaction, subject: Address, grant: Grant, state: LedgerState) -> None:
        stored = tx.record(grant.record)
        if stored is None or subject not in (stored.record.subject, *stored.record.stewards):
            raise NotFound("There is no such record of this subject.")
        names = [entry.item.name for entry in stored.items]
        for name in grant.items:
            if name != ANY_ITEM and name not in names:
                raise InvalidMessage("items", f"“{name}” is not in the record; it has {', '.join(names)}")
        for code in grant.purposes:
            purpose(code)
        for code in grant.channels:
            channel(code)
        if grant.recipient != ZERO_ADDRESS and not state.party(grant.recipient).has(ROLE_RECIPIENT):
            raise InvalidMessage("recipient", "is not listed in the Directory as a recipient")
        if grant.valid_until <= self._clock():
            raise InvalidMessage("validUntil", "has passed already")
        form = tx.document(grant.form)
        if not isinstance(form, Form):
            raise InvalidMessage("form", "is not a form that this service knows")
        for code in grant.channels:
            if not any(narrower in form.channels for narrower in _line(code)):
                raise UnknownCode(f"The form has no terms for {code}; it names {', '.join(form.channels)}.")
        if matches(grant, party_names(state)) is None:
            raise InvalidMessage("summary", "does not say what the other fields say")

    # sending

    def pump(self) -> int:
        """Take every open relay one step further; returns how many are still open.

        Raises:
            Unavailable, Untrusted: a step was not taken; everything stays stored and is tried again.
        """
        with self._store.begin() as tx:
            waiting = tx.open_relays()
        head = self._seen() if waiting else 0
        together = [relay for relay in waiting if isinstance(relay.message, Consent) and relay.raw is None]
        alone = [relay for relay in waiting if relay not in together]
        still_open = 0
        failure: VolensError | None = None
        # Withdrawals come first in the outbox, and consents that were not sent yet come last.
        steps: list[Callable[[], int]] = [partial(self._advance, relay, head) for relay in alone]
        steps += [partial(self._send_together, batch) for batch in _batches(together)]
        for step in steps:
            try:
                still_open += step()
            except (Unavailable, Untrusted) as error:
                failure = error  # one that does not get through must not hold up those behind it
        if failure is not None:
            raise failure
        return still_open

    def _send_together(self, batch: Sequence[Relay]) -> int:
        """Send consents in one transaction, whoever their subjects are; how many are still open.

        One that the contract refuses does not sink the others: they go in two halves.
        """
        if len(batch) == 1:
            return self._send(batch[0])
        calls = [call_of(relay.message, relay.signer, relay.signature).arguments for relay in batch]  # type: ignore[arg-type]
        call = Call("ConsentRegistry", "grantForMany", (calls,))
        if self._sender.simulate(call):
            half = len(batch) // 2
            return self._send_together(batch[:half]) + self._send_together(batch[half:])
        transaction, raw = self._sender.prepare(call)
        with self._store.begin() as tx:  # stored before sent
            for relay in batch:
                tx.update_relay(relay.id, status="sent", transaction=transaction, raw=raw)
        self._sender.send(raw)
        return len(batch)

    def _seen(self) -> int:
        """The newest block the index has seen. Only what it has seen is final: it will notice if that is replaced."""
        try:
            with self._index.at_head() as snapshot:
                return snapshot.head.number
        except (Unavailable, Untrusted):
            return 0  # sending goes on: a withdrawal belongs on the chain also while nothing is released

    def _advance(self, relay: Relay, head: int) -> bool:
        """One step for one relay; whether it is still open."""
        receipt = self._sender.receipt(relay.transaction) if relay.transaction else None
        if receipt is None and relay.raw is not None:
            return self._resend(relay)
        if receipt is None:
            return self._send(relay)
        if not receipt.succeeded:
            return self._send(relay)  # simulation says why, or that it is no longer needed
        final = head - receipt.block_number + 1 >= self._confirmations
        status = "final" if final else "recorded"
        self._update(relay, status=status, block_number=receipt.block_number, block_hash=receipt.block_hash)
        return not final

    def _send(self, relay: Relay) -> bool:
        message = relay.message
        call = call_of(message, relay.signer, relay.signature)  # type: ignore[arg-type]
        if problem := self._sender.simulate(call):
            if problem == "TooFarAhead":
                return True  # the newest block is behind our clock; it will not stay there
            if problem == "AlreadyGranted" and (block := self._all_granted_by(message)):
                self._update(relay, status="final", block_number=block)
                return False
            self._update(relay, status="failed", problem=problem)
            _log.warning("relay %s: %s", relay.id, problem)
            return False
        transaction, raw = self._sender.prepare(call)
        self._update(relay, status="sent", transaction=transaction, raw=raw)  # stored before sent
        self._sender.send(raw)
        return True

    def _all_granted_by(self, message: Message) -> int | None:
        """The block by which everything in a consent was recorded, in whatever way; None while something is not.

        The contract says AlreadyGranted as soon as one grant is.
        """
        with self._index.at_head() as snapshot:
            everything = isinstance(message, Consent) and all(
                snapshot.state.entry(message.subject, struct_hash(grant)).granted_at for grant in message.grants
            )
            return snapshot.head.number if everything else None

    def _resend(self, relay: Relay) -> bool:
        """The transaction is not in a block: hand it over again, or replace it when its nonce was used up."""
        assert relay.raw is not None  # noqa: S101 (the caller looked)
        try:
            self._sender.send(relay.raw)
        except LedgerUnavailable:
            if self._sender.knows(relay.transaction):  # type: ignore[arg-type]
                return True
            self._update(relay, status="accepted", transaction=None, raw=None)
            return self._send(relay)
        return True

    def _update(self, relay: Relay, **changes: object) -> None:
        with self._store.begin() as tx:
            tx.update_relay(relay.id, **changes)


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


def _line(code: str) -> list[str]:
    """A channel and everything broader."""
    line, following = [], channel(code)
    while True:
        line.append(following.code)
        if following.broader is None:
            return line
        following = channel(following.broader)


def party_names(state: LedgerState) -> dict[Address, str]:
    """The names of all parties, from the profiles the Directory itself carries."""
    names = {}
    for party, (profile_hash, uri) in state.profiles.items():
        try:
            profile = Profile.from_data_uri(uri)
        except InvalidMessage:
            continue  # a profile elsewhere: its name is not vouched for by the chain alone
        if profile.hash == profile_hash:
            names[party] = profile.name
    return names
