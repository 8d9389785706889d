"""The release gate: the only place where an item key leaves, and only on a proof made for this request."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from ledger.decisions import Decision, Reason, decide, party_to
from ledger.deployment import Deployment
from ledger.errors import Conflict, Expired, InvalidProof, LedgerUnavailable, NotAuthorised
from ledger.evidence import Denials, Question
from ledger.model import Hash, Item, ReleaseRequest
from ledger.ports import Store, StoredItem
from ledger.services import access_log
from ledger.services.custody import Custodian
from ledger.services.evidence import Openings, denials, gather
from ledger.services.index import PROOF_TRIES, Index, Snapshot, facts_of, require_fresh
from ledger.services.integrity import Integrity
from ledger.services.questions import item_hashes, remember
from ledger.slots import ProvenFacts, Slot, needed
from ledger.typed_data import struct_hash, verify

_log = logging.getLogger(__name__)

REQUEST_AGE = 60
"""Seconds a signed request is good for, either way of the wall clock."""
REQUEST_KEPT = 3600
"""Seconds a used request is remembered: far longer than it is good for, should a clock be set back."""
WINDOW = 2
"""Seconds between the proof and the hand-over; after more, the gate looks again."""
_REFUSED = "This release is not authorised."


@dataclass(frozen=True)
class ReleasedItem:
    """One wrapped item key, and what the recipient needs to fetch and open the sealed bytes."""

    item: Item
    sealed: Hash
    sealed_size: int
    wrapped: bytes


@dataclass(frozen=True)
class Release:
    """What is handed over."""

    id: str
    decision: Decision
    items: tuple[ReleasedItem, ...]


@dataclass(frozen=True)
class _Looked:
    """A permit, and what it stands on."""

    snapshot: Snapshot
    openings: Openings
    denied: Denials
    decision: Decision


class Gate:
    """Releases item keys. See `release` for the order, which is the design."""

    def __init__(
        self,
        index: Index,
        store: Store,
        integrity: Integrity,
        custodian: Custodian,
        deployment: Deployment,
        clock: Callable[[], int],
        max_age: int,
    ) -> None:
        self._index, self._store, self._integrity, self._custodian = index, store, integrity, custodian
        self._deployment, self._clock, self._max_age = deployment, clock, max_age

    def release(self, request: ReleaseRequest, signature: bytes) -> Release:
        """Decide on a signed request and wrap the keys of its items to the key in it.

        Steps (DESIGN, section 7), each failing closed:
            1. the request is signed by its recipient, fresh, and its nonce unused
            2. the local deny list is read
            3. the head is fresh, its hash recomputed, and not behind what was seen before
            4. every slot the decision needs is proven at that head
            5. `decide` permits, from the proven slots alone
            6. the sealed bytes are those the record was registered with
            7. the keys are wrapped, and held; if this took long, steps 2 to 5 are done again
            8. the log entry is durable
            9. the deny list has not changed
            10. the keys are handed over; the caller then calls `delivered`

        Raises:
            BadSignature, Expired, Conflict: the request itself is not acceptable.
            NotAuthorised: the decision is deny; to a stranger always with the same words.
            Unavailable, Untrusted: nothing can be decided now.
        """
        self._authenticate(request, signature)  # 1
        identifier = access_log.new_id("rel")
        question = Question(request.recipient, request.record, request.purpose, request.channel, request.items)
        looked = self._look(question, identifier)  # 2 to 5
        released = tuple(self._wrap(entry, request, looked.decision) for entry in self._asked(looked, request))  # 6, 7
        if self._clock() - looked.decision.moment.wall > WINDOW:
            # A large file that is new to this process takes time to check, and consent may have ended meanwhile: look
            # again, hand over the same keys.
            again = self._look(question, identifier)
            if again.decision.grant != looked.decision.grant:
                raise LedgerUnavailable("Consent changed while the request was answered. Ask again.")
            looked = again
        openings, denied, decision = looked.openings, looked.denied, looked.decision
        with self._store.begin() as tx:
            if denials(tx, openings.subjects()) != denied:  # 9, decided again by asking again
                raise LedgerUnavailable("Consent changed while the request was answered. Ask again.")
            items = item_hashes(openings, question)
            access_log.note(tx, "release", identifier, request.recipient, question, items, decision, True)
            kept = remember(request.recipient, question, decision, looked.snapshot, denied)
            tx.add_decision(identifier, kept)
        # 8: the entry is durable here, and it was written in the unit of work that read the deny list unchanged
        return Release(identifier, decision, released)  # 10

    def _look(self, question: Question, identifier: str) -> "_Looked":
        """Steps 2 to 5: decide at a fresh head, from proven slots and the deny list.

        Raises:
            NotAuthorised: the decision is deny; it is in the log.
        """
        with self._index.at_head() as snapshot:
            moment = snapshot.moment(self._clock(), self._max_age)
            require_fresh(moment)
            with self._store.begin() as tx:
                openings = gather(tx, question.record, self._deployment.domain)
                denied = denials(tx, openings.subjects())
            slots = needed(question, openings.record, openings.grants, openings.forms, snapshot.state)
        evidence = openings.evidence(self._prove(snapshot, slots), denied)
        decision = decide(question, evidence, moment)
        if not decision.permitted:
            self._refuse(identifier, question, openings, decision)
            party = party_to(question.recipient, evidence)
            raise NotAuthorised(_REFUSED, str(decision.reason if party else Reason.NO_CONSENT))
        return _Looked(snapshot, openings, denied, decision)

    def delivered(self, release: Release, request: ReleaseRequest) -> None:
        """Write down that the keys were handed over.

        A log that takes no more cannot be trusted to have taken what came before: the gate closes until an operator has
        looked. The release's own entry, durable before the keys left, counts as a hand-over whether this one follows.
        """
        question = Question(request.recipient, request.record, request.purpose, request.channel, request.items)
        hashes = [struct_hash(entry.item) for entry in release.items]
        try:
            with self._store.begin() as tx:
                access_log.note(tx, "outcome", release.id, request.recipient, question, hashes, release.decision, True)
        except Exception as error:  # noqa: BLE001 (whatever it was, it is not in the log)
            self._index.trust.close(
                f"That keys were handed over ({release.id}) could not be written down: {type(error).__name__}. "
                "An operator must look at it."
            )

    def _authenticate(self, request: ReleaseRequest, signature: bytes) -> None:
        verify(self._deployment.domain.digest(request), signature, request.recipient)
        if abs(self._clock() - request.at) > REQUEST_AGE:
            raise Expired(f"The request must be signed within {REQUEST_AGE} seconds of now. Sign a new one.")
        with self._store.begin() as tx:
            if not tx.use_request(request.recipient, request.nonce, self._clock(), REQUEST_KEPT):
                raise Conflict("This request was used before. Sign a new one.")

    def _prove(self, snapshot: Snapshot, slots: tuple[Slot, ...]) -> ProvenFacts:
        for attempt in range(PROOF_TRIES):
            try:
                facts = facts_of(self._index.prove(snapshot.head, slots))
            except InvalidProof as error:
                _log.warning("a proof did not hold (try %d): %s", attempt + 1, error)
                continue
            self._index.trust.proof(True)
            return facts
        self._index.trust.proof(False)
        raise LedgerUnavailable("The Ethereum node's proofs do not hold.")

    def _refuse(self, identifier: str, question: Question, openings: Openings, decision: Decision) -> None:
        with self._store.begin() as tx:
            items = item_hashes(openings, question)
            known = openings.record is not None
            access_log.note(tx, "release", identifier, question.recipient, question, items, decision, known)

    def _asked(self, looked: _Looked, request: ReleaseRequest) -> list[StoredItem]:
        assert looked.openings.stored is not None  # noqa: S101 (a permit needs a record)
        by_name = {entry.item.name: entry for entry in looked.openings.stored.items}
        return [by_name[name] for name in request.items]

    def _wrap(self, entry: StoredItem, request: ReleaseRequest, decision: Decision) -> ReleasedItem:
        self._integrity.require(entry.sealed)
        assert decision.grant is not None  # noqa: S101 (a permit names its grant)
        wrapped = self._custodian.wrap_for_recipient(
            entry.custody_wrap,
            record=request.record,
            item=struct_hash(entry.item),
            recipient=request.recipient,
            grant_hash=decision.grant,
            request=struct_hash(request),
            encryption_key=request.encryption_key,
        )
        return ReleasedItem(entry.item, entry.sealed, entry.sealed_size, wrapped)
