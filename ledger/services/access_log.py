"""The access log: who asked for what and what they were told, denials included.

An entry is canonical JSON and a leaf of an RFC 6962 tree. It names hashes and addresses, never a person, a file
name or a payload. The head of the tree is signed, and anchored on chain, so that an entry can be neither changed nor
dropped without everybody who saw an earlier head noticing.
"""

import json
import logging
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.checkpoint import Checkpoint, sign_checkpoint, verifier_key
from ledger.decisions import Decision
from ledger.deployment import Deployment
from ledger.errors import InvalidInput, Untrusted
from ledger.evidence import Question
from ledger.merkle import leaf_hash
from ledger.model import Address, Hash, keccak, to_hash
from ledger.ports import Call, Election, LogEntry, Sender, Store, Transaction
from ledger.sealing import Secret
from ledger.services.index import Index
from ledger.services.sending import Outgoing

_log = logging.getLogger(__name__)

_SORTED = msgspec.json.Encoder(order="sorted")
PAGE = 1000
"""Entries' hashes handed out at a time."""


def new_id(prefix: str) -> str:
    """A name for something the service made: not guessable (80 bits), telling what it is, and growing with time.

    Names that grow lie side by side in the store; random ones would each dirty a page of their own.
    """
    return f"{prefix}_{time.time_ns() >> 20 & 0xFFFFFFFFFFFF:012x}{secrets.token_hex(10)}"


def note(
    tx: Transaction,
    kind: str,
    identifier: str,
    asker: Address,
    question: Question,
    items: Iterable[Hash],
    decision: Decision,
    record_known: bool,
) -> LogEntry:
    """Append what was asked and answered; arguments as `leaf_of`.

    Args:
        record_known: whether the entry belongs to a record we hold, so that its subject will read it.
    """
    leaf = leaf_of(kind, identifier, asker, question, items, decision)
    # Who asks about a record that was erased is still for its subject to read.
    known = record_known or tx.erased(question.record) is not None
    return tx.append_log(leaf, question.record if known else None)


def leaf_of(
    kind: str,
    identifier: str,
    asker: Address,
    question: Question,
    items: Iterable[Hash],
    decision: Decision,
    at: int | None = None,
) -> bytes:
    """An entry as it is logged.

    Args:
        kind: ``decision``, ``search``, ``history`` (as of an earlier block), ``release`` (keys are about to be handed
            over) or ``outcome`` (they were).
        identifier: of the decision or release.
        asker: who asked; usually the recipient of the question.
        items: hashes of the items asked for.
        at: Unix seconds of the answer, where the decision is about another time.
    """
    leaf: dict[str, Any] = {
        "v": 1,
        "kind": kind,
        "id": identifier,
        "at": decision.moment.wall if at is None else at,
        "asker": asker,
        "recipient": question.recipient,
        "record": question.record,
        "items": sorted(items),
        "purpose": question.purpose,
        "channel": question.channel,
        "permitted": decision.permitted,
        "reason": str(decision.reason),
        "grant": decision.grant,
        "block": {"number": decision.moment.number, "hash": decision.moment.hash},
    }
    # Its names, codes, addresses and hashes are ASCII and its numbers small: sorted JSON is RFC 8785 then, and costs
    # a fiftieth of it; a test compares the two.
    return _SORTED.encode(leaf)


def read(entry: LogEntry) -> dict[str, Any]:
    """An entry as JSON values, with its place in the log."""
    leaf: dict[str, Any] = json.loads(entry.leaf)
    return {"index": entry.index, **leaf}


def origin_of(deployment: Deployment, logger: Address) -> str:
    """The name of the log a relayer anchors, unique in the world: what its checkpoints begin with."""
    return f"eip155:{deployment.chain_id}:{logger}/access-log"


def log_id_of(origin: str) -> Hash:
    """The name of a log in CheckpointLog."""
    return to_hash(keccak(origin.encode()))


@dataclass(frozen=True)
class Anchor:
    """What CheckpointLog holds of the log, or is about to.

    Attributes:
        at: Unix seconds when it was sent.
        block: that holds it; None while none does.
        final: it is as deep as a consent must be.
        held: how long the log was that the chain held when this was sent.
    """

    size: int
    root: Hash
    at: int
    transaction: Hash
    block: int | None = None
    final: bool = False
    held: int = 0


class AccessLog:
    """The log as auditors and patients see it: signed checkpoints, proofs, hashes of entries.

    Args:
        sender: who anchors it; its address is part of the log's name.
        outgoing: its transactions.
        key: 32 bytes; the Ed25519 key that signs checkpoints.
        interval: seconds between two anchors of a growing log.
        election: who sends, of all processes with the sender's key.
    """

    def __init__(
        self,
        index: Index,
        store: Store,
        sender: Sender,
        outgoing: Outgoing,
        deployment: Deployment,
        key: Secret[bytes],
        clock: Callable[[], int],
        confirmations: int,
        interval: float,
        election: Election,
    ) -> None:
        self._index, self._store, self._sender, self._clock = index, store, sender, clock
        self._outgoing, self._confirmations = outgoing, confirmations
        self._interval, self._election = interval, election
        self._key = Ed25519PrivateKey.from_private_bytes(key.reveal())
        self.logger = sender.address
        self.origin = origin_of(deployment, sender.address)
        self.id = log_id_of(self.origin)
        self.key = verifier_key(self.origin, self._key.public_key().public_bytes_raw())

    def checkpoint(self) -> str:
        """The log's length and root now, signed (C2SP tlog-checkpoint)."""
        with self._store.begin() as tx:
            view = tx.log_view()
            return sign_checkpoint(Checkpoint(self.origin, len(view), view.root()), self._key)

    def inclusion(self, index: int, size: int) -> tuple[Hash, ...]:
        """Prove that an entry is in the log of `size` entries.

        Raises:
            InvalidInput: there is no such entry or size.
        """
        with self._store.begin() as tx:
            return tx.log_view().inclusion_proof(index, size)

    def consistency(self, first: int, second: int) -> tuple[Hash, ...]:
        """Prove that the log of `second` entries begins with the log of `first`.

        Raises:
            InvalidInput: there are no such sizes.
        """
        with self._store.begin() as tx:
            return tx.log_view().consistency_proof(first, second)

    def hashes(self, first: int, limit: int) -> list[Hash]:
        """The hashes of entries, in order: enough to recompute every root, and telling nothing else.

        Raises:
            InvalidInput: not a place in a log.
        """
        if first < 0 or not 0 < limit <= PAGE:
            raise InvalidInput(f"`first` must not be negative, and `limit` from 1 to {PAGE}.")
        with self._store.begin() as tx:
            return [leaf_hash(leaf) for leaf in tx.log_leaves(first, limit)]

    def anchored(self) -> tuple[Anchor | None, int]:
        """The last anchor, and for how many seconds the oldest entry above it has been waiting."""
        with self._store.begin() as tx:
            anchor = _anchor(tx)
            held = _held(anchor)
            waiting = tx.log_leaves(held, 1)
        behind = max(self._clock() - int(json.loads(waiting[0])["at"]), 0) if waiting else 0
        return anchor, behind

    def anchor(self) -> None:
        """Take the anchoring one step further: send what is new, follow what was sent until it is final.

        Nothing, if another process does it.

        Raises:
            Unavailable: the node does not answer; it is tried again.
            Untrusted: the chain holds a longer log, or another of this length: entries were removed or changed here,
                or the database was restored from a backup.
        """
        if not self._election.won():
            return
        with self._store.begin() as tx:
            anchor, view = _anchor(tx), tx.log_view()
            size = len(view)
            root = view.root() if size else None
        if anchor is not None and not anchor.final:
            anchor = self._follow(anchor)
        if root is None or (anchor is not None and (anchor.block is None or anchor.size == size)):
            return
        if anchor is not None and self._clock() - anchor.at < self._interval:
            return
        call = Call("CheckpointLog", "checkpoint", (bytes.fromhex(self.id[2:]), size, bytes.fromhex(root[2:])))
        if problem := self._sender.simulate(call):
            raise Untrusted(
                f"The access log is not the one that was anchored on chain ({problem}): entries were removed or "
                "changed, or the database was restored from a backup. An operator must look at it."
            )
        held = _held(anchor)

        def keep(tx: Transaction, transaction: Hash) -> None:
            tx.set_fact("anchor", vars(Anchor(size, root, self._clock(), transaction, held=held)))

        self._outgoing.place(call, urgent=False, keep=keep)

    def _follow(self, anchor: Anchor) -> Anchor | None:
        fate = self._outgoing.look().fate(anchor.transaction)
        if fate.receipt is not None and fate.receipt.succeeded:
            with self._index.at_head() as snapshot:
                depth = snapshot.head.number - fate.receipt.block_number + 1
            found = replace(anchor, block=fate.receipt.block_number, final=depth >= self._confirmations)
            return found if found == anchor else self._keep(found)
        if fate.receipt is None and not fate.gone:
            self._outgoing.tend()
            return anchor
        return self._keep(None)  # it failed, or a withdrawal took its place

    def _keep(self, anchor: Anchor | None) -> Anchor | None:
        with self._store.begin() as tx:
            self._election.require(tx)
            tx.set_fact("anchor", anchor and vars(anchor))
        return anchor


def _held(anchor: Anchor | None) -> int:
    """How many entries the chain is known to hold, while the next anchor may be on its way."""
    if anchor is None:
        return 0
    return anchor.held if anchor.block is None else anchor.size


def _anchor(tx: Transaction) -> Anchor | None:
    value = tx.fact("anchor")
    return Anchor(**{field.name: value[field.name] for field in fields(Anchor)}) if value else None
