"""Taking signed messages in: checked, stored, and only then acknowledged.

A message is stored before it is acknowledged, and a withdrawal denies from that moment: it goes to the local deny
list in the same unit of work.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.deployment import Deployment
from ledger.errors import (
    BadSignature,
    Conflict,
    InvalidMessage,
    NotFound,
    Unavailable,
    Untrusted,
    VolensError,
)
from ledger.evidence import LOST, Denials, takes_away, undelegation
from ledger.model import (
    FUTURE,
    RIGHT_GRANT,
    RIGHT_REVOKE,
    Address,
    Closure,
    Consent,
    Delegation,
    Hash,
    Relayed,
    Revocation,
    RevokeAll,
    Suspension,
)
from ledger.ports import Chain, Relay, Store, Transaction
from ledger.receipts import RelayReceipt, sign_receipt
from ledger.sealing import Secret
from ledger.services.consents import check_consent, deadline_from, latest
from ledger.services.index import Index, Snapshot
from ledger.services.messages import IN_BLOCK, relay_id, withdraws
from ledger.services.places import ASKED_AT_ONCE, asking
from ledger.state import LedgerState
from ledger.typed_data import struct_hash, verify

FRESH = 1.0
"""Seconds old what is known of the chain may be before a subject counts as unknown."""
HandedIn = tuple[Consent, Address, bytes]
"""A consent, who signed it, and the signature."""
_UNKNOWN = "Nothing is known of this subject, here or on chain, so there is nothing to give or to withdraw."


class Intake:
    """Takes signed messages.

    Args:
        chain: asked whether an account has code, and whether that says it signed.
        key: 32 bytes; the Ed25519 key that signs the access log's checkpoints signs receipts, too.
    """

    def __init__(
        self,
        index: Index,
        store: Store,
        chain: Chain,
        deployment: Deployment,
        clock: Callable[[], int],
        key: Secret[bytes],
    ) -> None:
        self._index, self._store, self._chain = index, store, chain
        self._deployment, self._clock = deployment, clock
        self._places = {urgent: threading.BoundedSemaphore(ASKED_AT_ONCE) for urgent in (True, False)}
        self._key = Ed25519PrivateKey.from_private_bytes(key.reveal())
        self.public_key = self._key.public_key().public_bytes_raw()
        self.waiting = threading.Event()
        """Set when a message was accepted: whoever pumps need not wait for its next round."""

    def accept(self, message: Relayed, signer: Address, signature: bytes) -> Relay:
        """Store a signed message durably, to be recorded on chain. A withdrawal denies from now on.

        Args:
            signer: the subject, or a delegate of hers.

        Raises:
            BadSignature: somebody else signed it, or the signer may not do this for the subject.
            InvalidMessage, UnknownCode, NotFound, Expired: what a consent says does not hold; nothing is stored.
            LedgerUnavailable, TooManyRequests: an account's code is to be asked, and cannot be now.
        """
        if isinstance(message, Consent):
            (taken,) = self.take([(message, signer, signature)])
            if isinstance(taken, Exception):
                raise taken
            if taken is not None:
                return taken
        return self.accept_alone(message, signer, signature)

    def accept_alone(self, message: Relayed, signer: Address, signature: bytes) -> Relay:
        """The same for what is no consent, or for one of which `take` gave nothing: the signer's code is asked."""
        relay = self._accept(message, signer, signature)
        self.waiting.set()
        return relay

    def _accept(self, message: Relayed, signer: Address, signature: bytes) -> Relay:
        by_key = self._check_signature(message, signer, signature)
        name = relay_id(message, signer, None if by_key else signature)
        if not withdraws(message):
            with self._index.at_head() as snapshot, self._store.begin() as tx:
                self._check_signer(tx, message, signer, snapshot.state)
                if isinstance(message, Consent):
                    check_consent(tx, message, snapshot, self._clock())
                    tx.add_consent(message, signer, signature, self._clock())
                elif isinstance(message, Suspension | Delegation):
                    if message.subject not in snapshot.state.known and not tx.knows(message.subject):
                        raise NotFound(_UNKNOWN)
                    self._check_time(message)
                    self._check_newer(tx, message, name)
                    self._deny(tx, message)
                return self._store_relay(tx, message, signer, signature, by_key)
        # A withdrawal is taken even while the chain is out of reach.
        if signer != message.subject:
            self._check_delegate(message, signer)
        if isinstance(message, Suspension | Delegation):
            self._check_time(message)
        self._require_known(message.subject)
        with self._store.begin() as tx:
            if isinstance(message, Suspension | Delegation):
                self._check_newer(tx, message, name)
            self._deny(tx, message)
            return self._store_relay(tx, message, signer, signature, by_key)

    def take(self, given: Sequence[HandedIn]) -> list[Relay | Exception | None]:
        """Take consents in together, as of one block and in one unit of work; each as `accept` does.

        Returns:
            For each its relay, why there is none, or None where no key signed but code may have: that may take its
            time, and is for `accept_alone`.
        """
        by_key = [self._signed_by_key(*one) is None for one in given]
        taken = iter(self._take([one for one, signed in zip(given, by_key, strict=True) if signed]))
        made = [next(taken) if signed else None for signed in by_key]
        if any(isinstance(one, Relay) for one in made):
            self.waiting.set()
        return made

    def _take(self, given: Sequence[HandedIn]) -> list[Relay | Exception | None]:
        try:
            return self._take_all(given) if given else []
        except (Unavailable, Untrusted) as error:  # of the node or the store: it is so for all of them
            return [error for _ in given]
        except Exception as error:  # noqa: BLE001 (whoever handed it in gets it)
            if len(given) == 1:
                return [error]
            return [made for one in given for made in self._take([one])]  # what is wrong with one is its own problem

    def _take_all(self, given: Sequence[HandedIn]) -> list[Relay | Exception | None]:
        coded = self._chain.with_code({signer for _, signer, _ in given})
        with self._index.at_head() as snapshot, self._store.begin() as tx:
            return [self._take_one(tx, snapshot, *one) if one[1] not in coded else None for one in given]

    def _take_one(
        self, tx: Transaction, snapshot: Snapshot, consent: Consent, signer: Address, signature: bytes
    ) -> Relay | Exception:
        try:
            self._check_signer(tx, consent, signer, snapshot.state)
            check_consent(tx, consent, snapshot, self._clock())
        except VolensError as error:  # nothing was written yet
            return error
        tx.add_consent(consent, signer, signature, self._clock())
        return self._store_relay(tx, consent, signer, signature, by_key=True)

    def _signed_by_key(self, message: Relayed, signer: Address, signature: bytes) -> BadSignature | None:
        """Why a message was not signed with the key of its signer; None when it was."""
        try:
            verify(self._deployment.domain.digest(message), signature, signer)
        except BadSignature as error:
            return error
        return None

    def _check_signature(self, message: Relayed, signer: Address, signature: bytes) -> bool:
        """As the contract will: what narrows by the account's own key or its code's yes, what widens by code if any.

        A withdrawal that the account's key signed waits for no node. What code says is the node's word: it may make us
        deny, never permit, since a permit needs what the chain recorded.

        Returns:
            Whether the account's own key signed.
        """
        digest, problem = self._deployment.domain.digest(message), self._signed_by_key(message, signer, signature)
        if problem is None and (withdraws(message) or not self._chain.with_code([signer])):
            return True
        with self._asking(urgent=withdraws(message)):
            signed = self._chain.contract_signed(signer, digest, signature)
        if not signed:
            raise problem or BadSignature("The account has code, and only that may say yes for it; it does not.")
        return problem is None

    def _asking(self, urgent: bool) -> AbstractContextManager[None]:
        return asking(self._places[urgent])

    def _check_delegate(self, message: Relayed, signer: Address) -> None:
        """A delegate's right is looked up; while the node is slow or silent, what was known at the last block counts.

        The deny list forgets nothing, so one whose right was taken away must not get there by asking first.
        """
        try:
            with self._asking(urgent=True), self._index.at_head() as snapshot, self._store.begin() as tx:
                return self._check_signer(tx, message, signer, snapshot.state)
        except (Unavailable, Untrusted):
            if self._index.last is None:
                raise
            with self._store.begin() as tx:
                return self._check_signer(tx, message, signer, self._index.last.state)

    def _check_newer(self, tx: Transaction, message: Suspension | Delegation, name: str) -> None:
        """What is older than the word that counts would change nothing: say so, rather than accept it in vain.

        At one instant the word that narrows counts, and it is sent first: one that widens must be later than every word
        that is recorded or waits, or that the deny list remembers.

        Args:
            name: the relay's id.
        """
        if self._index.last is None or tx.relay(name) is not None:
            return  # handed in again, it is answered as the first time
        last, narrowed = _last_word(self._index.last.state, message)
        earliest = 0 if narrowed else last
        if not withdraws(message):
            earliest = max([last, _denied_word(tx, message), *_waiting_words(tx, message)]) + 1
        if message.at < earliest:
            raise Conflict(
                f"A later word about this is known than that of {message.at}. "
                f"Sign it again with a time of at least {earliest}."
            )

    def _require_known(self, subject: Address) -> None:
        """Only what could matter is relayed: strangers must not spend the relayer's gas on keys they made up.

        While the chain is out of reach and was never seen, everybody is believed: better too many than one lost.
        """
        with self._store.begin() as tx:
            if tx.knows(subject):
                return
        if self._unknown(subject):
            # What is remembered may be old, where another process follows the chain.
            with self._asking(urgent=True), suppress(Unavailable, Untrusted), self._index.at_head(FRESH):
                pass
        if self._unknown(subject) and self._index.last is not None:
            raise NotFound(_UNKNOWN)

    def _unknown(self, subject: Address) -> bool:
        last = self._index.last
        return last is None or subject not in last.state.known

    def _store_relay(self, tx: Transaction, message: Relayed, signer: Address, signature: bytes, by_key: bool) -> Relay:
        relay = self.receive(message, signer, signature, self._clock(), by_key=by_key)
        stored = tx.add_relay(relay)
        if stored.status == "failed" and stored.problem != IN_BLOCK and withdraws(message):
            # The contract refused it then: a delegate's whose right had ended, say. A withdrawal is tried as often as
            # it is asked for; what made a transaction fail is not, as that costs ether.
            tx.update_relay(stored.id, status="accepted", problem=None)
            stored = replace(stored, status="accepted", problem=None)
        if stored.receipt is None:  # received by a version that gave none
            signed = self.receive(message, signer, signature, stored.received_at, by_key=by_key).receipt
            tx.update_relay(stored.id, receipt=signed)
            return replace(stored, receipt=signed)
        return stored

    def receive(
        self,
        message: Relayed,
        signer: Address,
        signature: bytes,
        at: int,
        cohort: Hash | None = None,
        by_key: bool = True,
    ) -> Relay:
        """What is to be stored of a message that was checked, with the receipt for it.

        Args:
            at: Unix seconds when it is stored.
            cohort: the root of the cohort it is recorded with.
            by_key: whether the signer's own key signed, not its code.
        """
        name = relay_id(message, signer, None if by_key else signature)
        receipt = RelayReceipt.of(message, signer, self._deployment.domain, name, at)
        signed = sign_receipt(receipt, self._key)
        return Relay(name, message, signer, signature, "accepted", at, receipt=signed, cohort=cohort)

    def _check_time(self, message: Suspension | Delegation) -> None:
        # What widens is held until its time comes: it must not undo a withdrawal that is signed in the meantime.
        head = self._index.last.head.timestamp if self._index.last else 0
        last = self._clock() + FUTURE if withdraws(message) else latest(self._clock(), head)
        if message.at > last:
            ahead = "15 minutes" if withdraws(message) else "a minute"
            raise InvalidMessage("at", f"must not be more than {ahead} in the future; check the clock")

    def _check_signer(self, tx: Transaction, message: Relayed, signer: Address, state: LedgerState) -> None:
        subject = message.subject
        if signer == subject:
            return
        if not isinstance(message, Delegation):
            right = RIGHT_REVOKE if withdraws(message) else RIGHT_GRANT
            given = state.delegations.get((subject, signer))
            lasts = given and given.rights & right and given.valid_until > self._clock()
            # What was taken away here may be on chain still, or again.
            if given and lasts and not Denials.of(tx.denials([subject])).ends(subject, signer, right, given.at):
                return
        raise BadSignature("The signer may not do this for the subject.")

    def _deny(self, tx: Transaction, message: Relayed) -> None:
        now, subject = self._clock(), message.subject
        match message:
            case Revocation():
                for grant in message.grants:
                    tx.add_denial("revoked", subject, struct_hash(grant), now)
            case RevokeAll():
                # The chain's clock may be ahead of ours: what it has recorded by now is meant too.
                head = self._index.last.head.timestamp if self._index.last else 0
                before = min(message.before, max(now, head))
                tx.add_denial("revoked_before", subject, str(before), now)
                # A consent that is not recorded yet may be so before this lands, and then stands on chain.
                for name, said in tx.grants_said(subject):
                    if said <= before:
                        tx.add_denial("revoked", subject, name, now)
            case Suspension() if message.suspended:
                tx.add_denial("suspended", subject, str(message.at), now)
            case Closure():
                tx.add_denial("closed", subject, "", now)
            case Delegation() if kind := takes_away(message.rights):
                self._undelegate(tx, message, kind)

    def _undelegate(self, tx: Transaction, message: Delegation, kind: str) -> None:
        """No permission counts any more that a delegate gives, nor what it gave that is not recorded yet.

        What is brought to the chain all the same is denied when it is read there; what was handed in, also when the
        delegate is named anew before that.
        """
        now, subject, delegate = self._clock(), message.subject, message.delegate
        ended = Denials.of(tx.denials([subject]))
        if all(ended.ends(subject, delegate, right, message.at) for right in LOST[kind]):
            return  # or whoever holds it could send it again, and end what she let the delegate do since
        tx.add_denial(kind, subject, undelegation(delegate, message.at), now)
        said = {name for name, _ in tx.grants_said(subject, delegate)}
        said -= {name for name, _ in tx.grants_said(subject, subject)}
        if said:
            state = self._index.last.state if self._index.last else None
            granted = {name for name in said if state.entry(subject, name).granted_at} if state else tx.granted(subject)
            for name in said - granted:
                tx.add_denial("revoked", subject, name, now)

    def deadline_from(self, subject: Address) -> int:
        """The earliest deadline a consent of the subject can have now; 0 when it never took everything back."""
        with self._index.at_head() as snapshot, self._store.begin() as tx:
            return deadline_from(tx, subject, snapshot.state)


def _last_word(state: LedgerState, message: Suspension | Delegation) -> tuple[int, bool]:
    """When the word was said that counts about the same thing on chain, and whether it narrows; silence does."""
    if isinstance(message, Suspension):
        said = state.subject(message.subject)
        return said.suspension_at, said.suspended
    known = state.delegations.get((message.subject, message.delegate))
    return (known.at, known.rights == 0) if known else (0, True)


def _denied_word(tx: Transaction, message: Suspension | Delegation) -> int:
    """When the last word about the same thing was said that the deny list remembers, wherever it came from."""
    denied = Denials.of(tx.denials([message.subject]))
    if isinstance(message, Suspension):
        return denied.suspended_at.get(message.subject, 0)
    return max(0, denied.lost_at(message.subject, message.delegate, RIGHT_GRANT))  # every such word takes this one


def _waiting_words(tx: Transaction, message: Suspension | Delegation) -> Iterator[int]:
    """When other words about the same thing were said that were accepted and are not final."""
    for relay in tx.open_relays(message.subject):
        match relay.message, message:
            case Suspension(_, _, at), Suspension():
                yield at
            case Delegation(_, delegate, _, _, at), Delegation(_, other) if delegate == other:
                yield at
