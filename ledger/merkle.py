"""The two Merkle trees of Volens.

`CohortTree` puts the grants of a whole cohort under one root that the chain stores (`anchor`). It is the tree of
OpenZeppelin's ``StandardMerkleTree``, which its Solidity library verifies: leaves hashed twice, sorted, and every
pair of nodes sorted before hashing, so a proof needs no positions.

`LogTree` is the append-only log of RFC 6962 and RFC 9162 (section 2.1) in which every access is kept: order
matters, and two of its roots prove that the later log only added to the earlier one.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Self

from ledger.errors import InvalidInput, InvalidMessage, InvalidProof
from ledger.model import MAX_INTEGER, Address, Hash, address, hash32, keccak, to_hash

MAX_PROOF = 128
"""Nodes of the longest proof we read; a tree of 2^53 leaves needs about a hundred for consistency."""


def _raw(value: object, field: str) -> bytes:
    return bytes.fromhex(hash32(value, field)[2:])


# Cohorts --------------------------------------------------------------------------------------------


def _cohort_leaf(subject: Address, grant_hash: Hash) -> bytes:
    word = bytes(12) + bytes.fromhex(address(subject, "subject")[2:])
    return keccak(keccak(word + _raw(grant_hash, "grantHash")))


def _pair(one: bytes, other: bytes) -> bytes:
    return keccak(one + other if one < other else other + one)


class CohortTree:
    """The grants of a cohort under one root."""

    def __init__(self, nodes: list[bytes], positions: dict[bytes, int]) -> None:
        self._nodes = nodes
        self._positions = positions

    @classmethod
    def of(cls, pairs: Iterable[tuple[Address, Hash]]) -> Self:
        """Build the tree over pairs of subject and grant hash. Their order does not matter.

        Raises:
            InvalidInput: no pairs, or the same one twice.
            InvalidMessage: not an address and a grant's hash.
        """
        leaves = sorted(_cohort_leaf(subject, grant_hash) for subject, grant_hash in pairs)
        if not leaves:
            raise InvalidInput("A cohort must have at least one grant.")
        # A complete binary tree in an array: the children of i are 2i+1 and 2i+2, the leaves come last, backwards.
        nodes = [b""] * (len(leaves) - 1) + leaves[::-1]
        for at in range(len(leaves) - 2, -1, -1):
            nodes[at] = _pair(nodes[2 * at + 1], nodes[2 * at + 2])
        positions = {leaf: len(nodes) - 1 - at for at, leaf in enumerate(leaves)}
        if len(positions) != len(leaves):
            raise InvalidInput("A cohort must not hold the same grant of the same subject twice.")
        return cls(nodes, positions)

    @property
    def root(self) -> Hash:
        """What is anchored on chain."""
        return to_hash(self._nodes[0])

    def __len__(self) -> int:
        return len(self._positions)

    def proof(self, subject: Address, grant_hash: Hash) -> tuple[Hash, ...]:
        """The siblings on the way from a grant to the root.

        Raises:
            InvalidInput: this grant of this subject is not in the cohort.
        """
        at = self._positions.get(_cohort_leaf(subject, grant_hash))
        if at is None:
            raise InvalidInput("This grant is not in the cohort.")
        siblings = []
        while at:
            siblings.append(to_hash(self._nodes[at + 1 if at % 2 else at - 1]))
            at = (at - 1) // 2
        return tuple(siblings)


def verify_cohort(root: Hash, subject: Address, grant_hash: Hash, proof: Sequence[Hash]) -> bool:
    """Whether a proof puts a subject's grant under a root. Malformed arguments prove nothing: False.

    What a True is worth is the root's affair: that it is anchored, and by whom, is for the caller to know.
    """
    if not isinstance(proof, (list, tuple)) or len(proof) > MAX_PROOF:
        return False
    try:
        node = _cohort_leaf(subject, grant_hash)
        for sibling in proof:
            node = _pair(node, _raw(sibling, "proof"))
        return node == _raw(root, "root")
    except InvalidMessage:
        return False


# The log --------------------------------------------------------------------------------------------


def leaf_digest(data: bytes) -> bytes:
    """The 32 bytes of `leaf_hash`."""
    return hashlib.sha256(b"\0" + data).digest()


def leaf_hash(data: bytes) -> Hash:
    """The hash of a log entry: SHA-256 behind a zero byte, so that no entry can pose as a node."""
    return to_hash(leaf_digest(data))


def _node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


EMPTY_LOG = to_hash(hashlib.sha256().digest())
"""The root of a log without entries."""


def completed(size: int, leaf: Hash, node: Callable[[int, int], bytes]) -> Iterator[tuple[int, int, bytes]]:
    """The subtrees that an entry completes when it is added to a log: (height, position, hash), the entry first.

    Args:
        size: of the log before.
        leaf: hash of the entry (see `leaf_hash`).
        node: the hash of the complete subtree at a height and position.

    Raises:
        InvalidMessage: not a hash.
    """
    found, position = _raw(leaf, "leaf"), size
    for height in range(64):
        yield height, position, found
        if position % 2 == 0:
            return
        found, position = _node_hash(node(height, position - 1), found), position // 2


def completed_by(size: int, leaves: Sequence[bytes], edge: Mapping[int, bytes]) -> list[tuple[int, int, bytes]]:
    """The same for several entries at once, without the entries themselves, which is quicker.

    Args:
        size: of the log before.
        leaves: the hashes of the entries (see `leaf_digest`).
        edge: by height, the last complete subtree where the log before has an odd number of them.
    """
    found: list[tuple[int, int, bytes]] = []
    height, first, level = 0, size, list(leaves)
    while level:
        if first & 1:
            first, level = first - 1, [edge[height], *level]
        level = [_node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        height, first = height + 1, first >> 1
        found += [(height, position, node) for position, node in enumerate(level, first)]
    return found


class LogView:
    """Roots and proofs of an append-only log whose complete subtrees can be looked up; each takes O(log² n) of them.

    Args:
        size: how many entries it has.
        node: the hash of the complete subtree at a height and position.
    """

    def __init__(self, size: int, node: Callable[[int, int], bytes]) -> None:
        self._count, self._node = size, node

    def __len__(self) -> int:
        return self._count

    def _size(self, size: int | None, least: int = 0) -> int:
        if size is None:
            return len(self)
        if type(size) is not int or not least <= size <= len(self):
            raise InvalidInput(f"The log has {len(self)} entries; the size must be from {least} to that.")
        return size

    def _range(self, start: int, end: int) -> bytes:
        """The root over entries `start` to `end`, `start` being a multiple of the largest power of two inside."""
        count = end - start
        height = count.bit_length() - 1
        if count == 1 << height:
            return self._node(height, start >> height)
        split = start + (1 << height)
        return _node_hash(self._range(start, split), self._range(split, end))

    def root(self, size: int | None = None) -> Hash:
        """The root over all entries, or as it was when there were `size`.

        Raises:
            InvalidInput: there never were that many.
        """
        size = self._size(size)
        return to_hash(self._range(0, size)) if size else EMPTY_LOG

    def inclusion_proof(self, index: int, size: int | None = None) -> tuple[Hash, ...]:
        """Prove that an entry is in the log of `size` entries (RFC 9162, 2.1.3.1).

        Raises:
            InvalidInput: there is no such entry or size.
        """
        size = self._size(size)
        if type(index) is not int or not 0 <= index < size:
            raise InvalidInput(f"There is no entry {index} in a log of {size}.")
        proof = []
        start, end = 0, size
        while end - start > 1:
            split = start + _split(end - start)
            if index < split:
                proof.append(self._range(split, end))
                end = split
            else:
                proof.append(self._range(start, split))
                start = split
        return tuple(map(to_hash, reversed(proof)))

    def consistency_proof(self, first: int, second: int | None = None) -> tuple[Hash, ...]:
        """Prove that the log of `second` entries begins with the log of `first` (RFC 9162, 2.1.4.1).

        Raises:
            InvalidInput: there is no such size, or `first` is the larger one.
        """
        second = self._size(second)
        first = self._size(first)
        if first > second:
            raise InvalidInput(f"A log of {second} entries cannot begin with {first}.")
        if first in (0, second):
            return ()
        proof = []
        start, end = 0, second
        while first != end:
            split = start + _split(end - start)
            if first <= split:
                proof.append(self._range(split, end))
                end = split
            else:
                proof.append(self._range(start, split))
                start = split
        # The earlier root itself is left out where the verifier has it.
        if start:
            proof.append(self._range(start, end))
        return tuple(map(to_hash, reversed(proof)))


class LogTree(LogView):
    """A log in memory, by the hashes of its entries. Keeps every complete subtree, about two hashes per entry."""

    def __init__(self, leaves: Iterable[Hash] = ()) -> None:
        self._levels: list[list[bytes]] = []
        super().__init__(0, lambda height, position: self._levels[height][position])
        for leaf in leaves:
            self.append(leaf)

    def append(self, leaf: Hash) -> int:
        """Add the hash of an entry, and return its index.

        Raises:
            InvalidMessage: not a hash.
        """
        for height, _, found in completed(self._count, leaf, self._node):
            if height == len(self._levels):
                self._levels.append([])
            self._levels[height].append(found)
        self._count += 1
        return self._count - 1


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << (count - 1).bit_length() - 1


def _checked(sizes: tuple[object, ...], hashes: tuple[object, ...], proof: object) -> tuple[list[bytes], list[bytes]]:
    if any(type(size) is not int or not 0 <= size <= MAX_INTEGER for size in sizes):
        raise InvalidProof("The sizes of a log must be whole numbers.")
    if not isinstance(proof, (list, tuple)) or len(proof) > MAX_PROOF:
        raise InvalidProof(f"A proof must be a list of at most {MAX_PROOF} hashes.")
    try:
        return [_raw(value, "hash") for value in hashes], [_raw(value, "proof") for value in proof]
    except InvalidMessage as error:
        raise InvalidProof(f"{error}.") from None


def verify_inclusion(leaf: Hash, index: int, size: int, proof: Sequence[Hash], root: Hash) -> None:
    """Check that an entry is in a log (RFC 9162, 2.1.3.2).

    Args:
        leaf: the `leaf_hash` of the entry.
        index: where the log is said to have it.
        size: of the log.
        proof: see `LogView.inclusion_proof`.
        root: of the log, from a checkpoint that was verified.

    Raises:
        InvalidProof: it is not shown to be there, whatever the arguments are.
    """
    (node, expected), path = _checked((index, size), (leaf, root), proof)
    if index >= size:
        raise InvalidProof(f"There is no entry {index} in a log of {size}.")
    at, last = index, size - 1
    for sibling in path:
        if last == 0:
            raise InvalidProof("The proof is longer than the log is high.")
        if at & 1 or at == last:
            node = _node_hash(sibling, node)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            node = _node_hash(node, sibling)
        at, last = at >> 1, last >> 1
    if last or node != expected:
        raise InvalidProof("The entry is not in this log.")


def verify_consistency(first: int, second: int, first_root: Hash, second_root: Hash, proof: Sequence[Hash]) -> None:
    """Check that a later log only added to an earlier one (RFC 9162, 2.1.4.2).

    Every log begins with the empty one, and a log with itself; both take no proof.

    Raises:
        InvalidProof: something was changed or removed, or the proof is not one, whatever the arguments are.
    """
    (old, new), path = _checked((first, second), (first_root, second_root), proof)
    if first > second:
        raise InvalidProof(f"The log has shrunk from {first} to {second} entries.")
    if first in (0, second):
        if path or (first == second and old != new) or (first == 0 and to_hash(old) != EMPTY_LOG):
            raise InvalidProof("The logs of the same size are not the same.")
        return
    if first & (first - 1) == 0:
        path = [old, *path]
    if not path:
        raise InvalidProof("The proof has no hashes.")
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise InvalidProof("The proof is longer than the log is high.")
        if at & 1 or at == last:
            before, after = _node_hash(sibling, before), _node_hash(sibling, after)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            after = _node_hash(after, sibling)
        at, last = at >> 1, last >> 1
    if last or before != old or after != new:
        raise InvalidProof("The later log does not begin with the earlier one.")
