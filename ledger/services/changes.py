"""What changed for the records somebody is party to, read from the chain's events block by block."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ledger.deployment import Deployment
from ledger.events import Anchored, Closed, Granted, LedgerEvent, Retracted, Revoked, RevokedAll, Superseded, Suspended
from ledger.model import ZERO_ADDRESS, ZERO_HASH, Address, Hash, given_at
from ledger.ports import Store, Transaction
from ledger.services.evidence import Memory, Openings, gather_many
from ledger.services.index import Index, require_fresh

BLOCKS = 2000
"""Blocks looked at for one answer."""


@dataclass(frozen=True)
class Change:
    """One thing that happened.

    Attributes:
        kind: granted, revoked, revoked_all, suspended, resumed, closed, record_retracted, document_superseded or
            document_retracted.
        at: the time of its block in Unix seconds.
        record, grant, document: what it happened to, as far as it concerns one; documents are public.
        material: whether a superseded document ends what was agreed to under it.
    """

    kind: str
    at: int
    record: Hash | None = None
    grant: Hash | None = None
    document: Hash | None = None
    material: bool | None = None


@dataclass(frozen=True)
class Changes:
    """What changed after one block, up to and with another.

    Attributes:
        corrected: the block that was named is not on the chain any more: the changes begin anew, from the first block,
            and take the place of everything that was told before.
        upto: the block up to which this is all; its hash is zero where nothing can replace it any more.
        more: whether there are later blocks.
    """

    changes: tuple[Change, ...]
    corrected: bool
    upto: tuple[int, Hash]
    more: bool


class Feed:
    """The use case behind `GET /v1/changes` and `/v1/events`.

    Args:
        clock: Unix seconds on the wall.
        max_age: how many seconds old the newest block may be.
        reuse: seconds for which a verified block is used again without asking the node.
    """

    def __init__(
        self,
        index: Index,
        store: Store,
        deployment: Deployment,
        clock: Callable[[], int],
        max_age: int,
        reuse: float = 0,
    ) -> None:
        self._index, self._store, self._deployment, self._clock = index, store, deployment, clock
        self._max_age, self._reuse = max_age, reuse
        self._memory = Memory(deployment.domain)

    def since(self, asker: Address, block: tuple[int, Hash] | None) -> Changes:
        """What changed for an asker after a block; None: from the first.

        The parties of a record hear of all its grants, a recipient of those that name it.

        Raises:
            Unavailable, Untrusted: nothing is known about the present.
        """
        first = self._deployment.first_block - 1
        with self._index.at_head(self._reuse) as snapshot, self._store.begin() as tx:
            require_fresh(snapshot.moment(self._clock(), self._max_age))
            head, known = snapshot.head.number, dict(tx.blocks())
            start, corrected = first, False
            if block is not None and block[0] > first:
                number, name = block
                # Of what is older than every block that is remembered nothing can be replaced.
                corrected = number > head or (number >= min(known, default=head) and known.get(number) != name)
                start = first if corrected else number
            upto = min(start + BLOCKS, head)
            events = list(tx.events(start, upto)) if upto > start else []
            found = tuple(self._told(tx, asker, events)) if events else ()
            return Changes(found, corrected, (upto, known.get(upto, ZERO_HASH)), upto < head)

    def _told(self, tx: Transaction, asker: Address, events: list[LedgerEvent]) -> Iterable[Change]:
        subjects = {e.subject for e in events if isinstance(e, RevokedAll | Suspended | Closed)}
        grants = {e.grant_hash for e in events if isinstance(e, Granted | Revoked)}
        named = {e.document for e in events if isinstance(e, Superseded | Retracted)}
        roots = {e.root for e in events if isinstance(e, Anchored)}
        touched = tx.records_touched(subjects, grants, named) | tx.records_held(roots)
        # Only what is the asker's is opened: strangers may ask, and a cohort alone is a thousand signatures.
        records = sorted(tx.concerning(asker, touched))
        opened = {
            record: openings
            for record, openings in zip(
                records, gather_many(tx, [(record, asker) for record in records], self._memory), strict=True
            )
            if asker in openings.named
        }
        # Anybody can publish the hash of another's document and then end that.
        documents = {(value.get("issuer"), name) for name, value in tx.documents(named).items()}
        for event in events:
            match event:
                case Granted() | Revoked():
                    kind = "granted" if isinstance(event, Granted) else "revoked"
                    for record, openings in opened.items():
                        if event.subject in openings.subjects() and event.grant_hash in _visible(openings, asker):
                            yield Change(kind, event.at, record, event.grant_hash)
                case Anchored():
                    for record, openings in opened.items():
                        for name in sorted(_held(openings, event) & _visible(openings, asker)):
                            yield Change("granted", event.at, record, name)
                case RevokedAll() | Suspended() | Closed():
                    for record, openings in opened.items():
                        if event.subject in openings.subjects():
                            yield Change(_kind(event), event.at, record)
                case Superseded() if (event.issuer, event.document) in documents:
                    yield Change("document_superseded", event.at, document=event.document, material=event.material)
                case Retracted() if (event.issuer, event.document) in documents:
                    yield Change("document_retracted", event.at, document=event.document)
                case Retracted() if event.document in opened:
                    record_ = opened[event.document].record
                    if record_ is not None and event.issuer == record_.record.controller:
                        yield Change("record_retracted", event.at, event.document)
                case _:
                    pass


def _kind(event: RevokedAll | Suspended | Closed) -> str:
    match event:
        case RevokedAll():
            return "revoked_all"
        case Closed():
            return "closed"
        case _:
            return "suspended" if event.suspended else "resumed"


def _held(openings: Openings, event: Anchored) -> set[Hash]:
    """The grants of a record that stand by the root that was anchored."""
    return {
        opening.hash
        for opening in openings.grants
        for anchor in opening.anchors
        if anchor.root == event.root and given_at(anchor.deadline) <= event.at <= anchor.deadline
    }


def _visible(openings: Openings, asker: Address) -> set[Hash]:
    """The grants of a record that somebody may hear of."""
    record = openings.record
    if record is not None and asker in (record.record.controller, *openings.subjects()):
        return {opening.hash for opening in openings.grants}
    approved = any(approval.recipient == asker for approval, _ in openings.approvals)
    names = {asker, ZERO_ADDRESS} if approved else {asker}
    return {opening.hash for opening in openings.grants if opening.grant.recipient in names}
