"""Watching a service's access log: it may only grow, and what it says of one's own records must be in it."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from client.http import Client, reading
from ledger.checkpoint import Checkpoint, verifier_key, verify_checkpoint
from ledger.documents import canonical
from ledger.errors import InvalidMessage, InvalidProof, VolensError
from ledger.merkle import EMPTY_LOG, LogTree, leaf_hash, verify_consistency, verify_inclusion
from ledger.model import Hash, hash32

_NAMES = ("index", "askerName", "recipientName")
"""What the service adds to an entry when it shows it."""


@dataclass(frozen=True)
class SeenLog:
    """What is remembered of a log: its name, its key, and the last checkpoint that held.

    Attributes:
        public_key: the log's Ed25519 key, pinned when the log was first seen.
        note: the signed checkpoint: with it, anybody can be shown what the log once was.
    """

    origin: str
    public_key: bytes
    note: str

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint, verified.

        Raises:
            InvalidProof: it was changed.
        """
        found = verify_checkpoint(self.note, self.origin, self.public_key)
        if found.origin != self.origin:
            raise InvalidProof("The checkpoint is of another log.")
        return found

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        return {"origin": self.origin, "key": self.public_key.hex(), "note": self.note}

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """As it was kept.

        Raises:
            InvalidProof: it is not one.
        """
        try:
            return cls(str(value["origin"]), bytes.fromhex(value["key"]), str(value["note"]))
        except (KeyError, TypeError, ValueError):
            raise InvalidProof("What is remembered of the access log is damaged.") from None


@reading()
def watch(client: Client, seen: SeenLog | None) -> SeenLog:
    """Look at a service's log now, and compare with what was seen before.

    Args:
        seen: from the last time; None the first time, when the log's key is pinned.

    Returns:
        What to remember instead.

    Raises:
        InvalidProof: the log shrank, was rewritten, or is signed with another key. Keep `seen`: it is the evidence.
    """
    facts = client.get("/v1/log")
    note = client.text("/v1/log/checkpoint")
    if seen is None:
        origin, public_key = _read_key(facts)
        seen = SeenLog(origin, public_key, note)
        seen.checkpoint  # noqa: B018 (verifies)
        return seen
    before, now = seen.checkpoint, replace(seen, note=note)
    try:
        after = now.checkpoint
    except InvalidProof as error:
        raise InvalidProof(f"The access log is not the one this was set up with. {error}") from None
    if after.size < before.size:
        raise InvalidProof(f"The access log has shrunk from {before.size} to {after.size} entries: some were removed.")
    proof = _proof(client, f"first={before.size}&second={after.size}")
    try:
        verify_consistency(before.size, after.size, before.root, after.root, proof)
    except InvalidProof as error:
        raise InvalidProof(f"The access log was rewritten since it was last looked at. {error}") from None
    return now


@reading()
def verify_entries(client: Client, seen: SeenLog, entries: Iterable[dict[str, Any]]) -> None:
    """Check that entries, as a service shows them, are in its log.

    Raises:
        InvalidProof: one is not, or was changed.
    """
    checkpoint = seen.checkpoint
    for entry in entries:
        try:
            leaf = leaf_hash(canonical({name: value for name, value in entry.items() if name not in _NAMES}))
            index = int(entry["index"])
        except (VolensError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
            raise InvalidProof("The service shows an entry of the access log that cannot be read.") from None
        proof = _proof(client, f"index={index}&size={checkpoint.size}") if index < checkpoint.size else ()
        verify_inclusion(leaf, index, checkpoint.size, proof, checkpoint.root)


@reading()
def recompute(client: Client, checkpoint: Checkpoint, sizes: Iterable[int] = ()) -> dict[int, Hash]:
    """Recompute the log's root from the hashes of all its entries.

    Args:
        sizes: further sizes of interest.

    Returns:
        The root at each of these sizes.

    Raises:
        InvalidProof: it is not the checkpoint's.
    """
    tree = LogTree()
    for leaf in _leaves(client, checkpoint.size):
        tree.append(leaf)
    root = tree.root() if len(tree) == checkpoint.size else EMPTY_LOG
    if len(tree) != checkpoint.size or root != checkpoint.root:
        raise InvalidProof("The entries of the access log do not add up to its signed root.")
    return {size: tree.root(size) for size in sizes}


def _leaves(client: Client, size: int) -> Iterator[Hash]:
    first = 0
    while first < size:
        page = client.get(f"/v1/log/leaves?first={first}&limit={min(size - first, 1000)}")["leaves"]
        if not page or len(page) > size - first:
            return
        yield from (hash32(leaf, "leaf") for leaf in page)
        first += len(page)


def _proof(client: Client, query: str) -> tuple[Hash, ...]:
    answer = client.get(f"/v1/log/proof?{query}")
    if not isinstance(answer, dict) or not isinstance(answer.get("proof"), list):
        raise InvalidProof("The service did not answer with a proof.")
    return tuple(answer["proof"])


def _read_key(facts: Any) -> tuple[str, bytes]:
    """Name and key from ``name+keyid+base64``, in its one form."""
    try:
        origin, encoded = str(facts["origin"]), str(facts["key"]).split("+", 2)[2]
        public_key = base64.b64decode(encoded, validate=True)[1:]
        stated = verifier_key(origin, public_key)
    except (LookupError, TypeError, ValueError, InvalidMessage):
        stated, origin, public_key = None, "", b""
    if stated is None or stated != facts["key"] or len(public_key) != 32:
        raise InvalidProof("The service does not say how its access log is signed.")
    return origin, public_key
