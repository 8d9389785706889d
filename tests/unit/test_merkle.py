"""The cohort tree agrees with npm @openzeppelin/merkle-tree, the log with RFC 6962; tampering is refused."""

import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import merkle
from ledger.errors import InvalidInput, InvalidMessage, InvalidProof
from ledger.merkle import (
    EMPTY_LOG,
    CohortTree,
    LogTree,
    completed,
    completed_by,
    leaf_digest,
    leaf_hash,
    verify_cohort,
    verify_consistency,
    verify_inclusion,
)
from ledger.model import address, to_hash

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "merkle.json").read_text())
COHORTS = VECTORS["cohorts"]
LOG = VECTORS["log"]
LEAVES = [leaf_hash(bytes.fromhex(data)) for data in LOG["leaves"]]


def flipped(value, bit=0):
    data = bytearray.fromhex(value[2:])
    data[bit // 8] ^= 1 << bit % 8
    return to_hash(bytes(data))


# Cohorts --------------------------------------------------------------------------------------------


@pytest.fixture(params=COHORTS, ids=lambda cohort: str(len(cohort["pairs"])))
def cohort(request):
    return request.param


def test_cohort_is_that_of_openzeppelin(cohort):
    tree = CohortTree.of(cohort["pairs"])
    assert tree.root == cohort["root"]
    assert len(tree) == len(cohort["pairs"])
    for entry in cohort["proofs"]:
        pair = cohort["pairs"][entry["index"]]
        assert tree.proof(*pair) == tuple(entry["proof"])
        assert verify_cohort(cohort["root"], *pair, entry["proof"])


def test_every_member_of_a_cohort_is_proven(cohort):
    tree = CohortTree.of(cohort["pairs"])
    for subject, grant in cohort["pairs"]:
        assert verify_cohort(tree.root, address(subject), grant, tree.proof(address(subject), grant))


def test_order_of_a_cohort_does_not_matter(cohort):
    assert CohortTree.of(cohort["pairs"][::-1]).root == cohort["root"]


def test_tampered_cohort_proofs(cohort):
    for entry in cohort["proofs"]:
        subject, grant = cohort["pairs"][entry["index"]]
        root, proof = cohort["root"], entry["proof"]
        for bit in range(0, 256, 7):
            assert not verify_cohort(flipped(root, bit), subject, grant, proof)
            assert not verify_cohort(root, subject, flipped(grant, bit), proof)
            for at in range(len(proof)):
                assert not verify_cohort(root, subject, grant, [*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]])
        assert not verify_cohort(root, "0x" + "11" * 20, grant, proof)
        for at in range(len(proof)):
            assert not verify_cohort(root, subject, grant, proof[:at] + proof[at + 1 :])
            assert not verify_cohort(root, subject, grant, [*proof[:at], proof[at], *proof[at:]])
        assert not verify_cohort(root, subject, grant, [*proof, root])


def test_an_inner_node_is_not_a_grant():
    """Leaves are hashed twice, so the 64 bytes below a node can never be passed off as a pair."""
    tree = CohortTree.of(COHORTS[1]["pairs"])
    left, right = sorted(tree._nodes[1:])
    assert merkle._pair(left, right) == bytes.fromhex(tree.root[2:])
    assert not verify_cohort(tree.root, "0x" + left[12:].hex(), to_hash(right), [])


@pytest.mark.parametrize("wrong", [None, 1, "", "0x", "0x00", "0x" + "0" * 63, "0x" + "G" * 64, b"\0" * 32])
def test_malformed_cohort_arguments_prove_nothing(wrong):
    (subject, grant), root = COHORTS[0]["pairs"][0], COHORTS[0]["root"]
    assert verify_cohort(root, subject, grant, [])
    assert not verify_cohort(wrong, subject, grant, [])
    assert not verify_cohort(root, wrong, grant, [])
    assert not verify_cohort(root, subject, wrong, [])
    assert not verify_cohort(root, subject, grant, [wrong])
    assert not verify_cohort(root, subject, grant, wrong)
    assert not verify_cohort(root, subject, grant, [root] * 129)


def test_malformed_cohorts():
    pair = tuple(COHORTS[0]["pairs"][0])
    with pytest.raises(InvalidInput, match="at least one"):
        CohortTree.of([])
    with pytest.raises(InvalidInput, match="twice"):
        CohortTree.of([pair, (address(pair[0]), pair[1])])
    with pytest.raises(InvalidMessage):
        CohortTree.of([("0x", pair[1])])
    with pytest.raises(InvalidMessage):
        CohortTree.of([(pair[0], "0x12")])
    with pytest.raises(InvalidInput, match="not in the cohort"):
        CohortTree.of([pair]).proof(pair[0], flipped(pair[1]))


# The log: published vectors -------------------------------------------------------------------------


def test_reference_roots():
    tree = LogTree()
    assert EMPTY_LOG == tree.root() == "0x" + LOG["roots"][0]
    for size, leaf in enumerate(LEAVES, 1):
        assert tree.append(leaf) == size - 1
        assert tree.root() == "0x" + LOG["roots"][size]
    assert [tree.root(size)[2:] for size in range(9)] == LOG["roots"]


@pytest.mark.parametrize("vector", LOG["inclusion"])
def test_reference_inclusion_proofs(vector):
    index, size, proof = vector["index"], vector["size"], tuple("0x" + node for node in vector["proof"])
    assert LogTree(LEAVES).inclusion_proof(index, size) == proof
    verify_inclusion(LEAVES[index], index, size, proof, "0x" + LOG["roots"][size])


@pytest.mark.parametrize("vector", LOG["consistency"])
def test_reference_consistency_proofs(vector):
    first, second, proof = vector["first"], vector["second"], tuple("0x" + node for node in vector["proof"])
    assert LogTree(LEAVES).consistency_proof(first, second) == proof
    verify_consistency(first, second, "0x" + LOG["roots"][first], "0x" + LOG["roots"][second], proof)


# The log: the definition of RFC 6962, written down as it stands there --------------------------------


def defined_root(leaves):
    if not leaves:
        return bytes.fromhex(EMPTY_LOG[2:])
    if len(leaves) == 1:
        return bytes.fromhex(leaves[0][2:])
    k = max(2**i for i in range(20) if 2**i < len(leaves))
    return merkle._node_hash(defined_root(leaves[:k]), defined_root(leaves[k:]))


def defined_path(m, leaves):
    if len(leaves) == 1:
        return []
    k = max(2**i for i in range(20) if 2**i < len(leaves))
    if m < k:
        return [*defined_path(m, leaves[:k]), to_hash(defined_root(leaves[k:]))]
    return [*defined_path(m - k, leaves[k:]), to_hash(defined_root(leaves[:k]))]


def defined_subproof(m, leaves, whole):
    if m == len(leaves):
        return [] if whole else [to_hash(defined_root(leaves))]
    k = max(2**i for i in range(20) if 2**i < len(leaves))
    if m <= k:
        return [*defined_subproof(m, leaves[:k], whole), to_hash(defined_root(leaves[k:]))]
    return [*defined_subproof(m - k, leaves[k:], False), to_hash(defined_root(leaves[:k]))]


MANY = [leaf_hash(bytes([n])) for n in range(33)]
TREE = LogTree(MANY)


def test_all_small_logs_follow_the_definition():
    for size in range(1, len(MANY) + 1):
        leaves = MANY[:size]
        root = TREE.root(size)
        assert root == to_hash(defined_root(leaves)) == LogTree(leaves).root()
        for index in range(size):
            proof = TREE.inclusion_proof(index, size)
            assert list(proof) == defined_path(index, leaves)
            verify_inclusion(leaves[index], index, size, proof, root)
        for first in range(size + 1):
            proof = TREE.consistency_proof(first, size)
            if first:
                assert list(proof) == defined_subproof(first, leaves, True)
            verify_consistency(first, size, TREE.root(first), root, proof)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_larger_logs(data):
    leaves = [leaf_hash(n.to_bytes(4)) for n in range(data.draw(st.integers(1, 700)))]
    tree = LogTree(leaves)
    size = data.draw(st.integers(1, len(leaves)))
    index, first = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    assert tree.root(size) == to_hash(defined_root(leaves[:size]))
    verify_inclusion(leaves[index], index, size, tree.inclusion_proof(index, size), tree.root(size))
    verify_consistency(first, size, tree.root(first), tree.root(size), tree.consistency_proof(first, size))


# The log: whatever is changed is noticed -------------------------------------------------------------


def changed_proofs(proof):
    for at in range(len(proof)):
        yield (*proof[:at], flipped(proof[at], 13 * at), *proof[at + 1 :])
        yield proof[:at] + proof[at + 1 :]
        yield (*proof[:at], proof[at], *proof[at:])
    yield (*proof, MANY[0])
    yield (MANY[0], *proof)
    if len(set(proof)) > 1:
        yield proof[::-1]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13, 33])
def test_tampered_inclusion(size):
    root = TREE.root(size)
    for index in range(size):
        proof = TREE.inclusion_proof(index, size)
        wrong = [(flipped(MANY[index]), index, size, proof, root), (MANY[index], index, size, proof, flipped(root))]
        wrong += [(MANY[index], other, size, proof, root) for other in range(-1, size + 2) if other != index]
        wrong += [(MANY[index], index, size, changed, root) for changed in changed_proofs(proof)]
        for arguments in wrong:
            with pytest.raises(InvalidProof):
                verify_inclusion(*arguments)


def test_inclusion_under_the_root_of_another_size():
    """The size is part of the checkpoint: a proof for one root never holds under another's."""
    for size, other in itertools.permutations(range(1, 17), 2):
        for index in range(min(size, other)):
            with pytest.raises(InvalidProof):
                verify_inclusion(MANY[index], index, size, TREE.inclusion_proof(index, size), TREE.root(other))


def test_tampered_consistency():
    for first, second in itertools.combinations(range(1, 18), 2):
        old, new, proof = TREE.root(first), TREE.root(second), TREE.consistency_proof(first, second)
        wrong = [(first, second, flipped(old), new, proof), (first, second, old, flipped(new), proof)]
        wrong += [(second, first, new, old, proof), (first, first, old, new, proof), (0, second, old, new, proof)]
        wrong += [(first, second, old, new, changed) for changed in changed_proofs(proof)]
        for arguments in wrong:
            with pytest.raises(InvalidProof):
                verify_consistency(*arguments)


def defined_roots(m, n, whole, proof, old):
    """The two roots that a consistency proof stands for: `defined_subproof` read backwards."""
    if m == n:
        return (old, old) if whole else (proof[0], proof.pop(0))
    k = max(2**i for i in range(20) if 2**i < n)
    if m <= k:
        before, after = defined_roots(m, k, whole, proof, old)
        return before, merkle._node_hash(after, proof.pop(0))
    before, after = defined_roots(m - k, n - k, False, proof, old)
    sibling = proof.pop(0)
    return merkle._node_hash(sibling, before), merkle._node_hash(sibling, after)


def defined_consistent(first, second, old, new, proof):
    old, new, *rest = (bytes.fromhex(value[2:]) for value in (old, new, *proof))
    try:
        return defined_roots(first, second, True, rest, old) == (old, new) and not rest
    except IndexError:
        return False


def test_claims_about_other_sizes():
    """What two roots and a proof do not settle is settled by the checkpoint: exactly what RFC 9162 accepts."""
    sizes = list(itertools.combinations(range(1, 13), 2))
    accepted = 0
    for (first, second), claim in itertools.product(sizes, sizes):
        old, new, proof = TREE.root(first), TREE.root(second), TREE.consistency_proof(first, second)
        try:
            verify_consistency(*claim, old, new, proof)
        except InvalidProof:
            assert not defined_consistent(*claim, old, new, proof)
        else:
            accepted += 1
            assert defined_consistent(*claim, old, new, proof)
    assert accepted >= len(sizes)


def test_claims_about_other_places():
    for index, size, root in ((2, 3, TREE.root(3)), (4, 5, TREE.root(5)), (6, 7, TREE.root(7))):
        with pytest.raises(InvalidProof, match="longer"):
            verify_inclusion(MANY[index], 0, 1, TREE.inclusion_proof(index, size), root)


def test_proofs_that_need_no_hashes():
    root = TREE.root(5)
    verify_consistency(5, 5, root, root, ())
    verify_consistency(0, 5, EMPTY_LOG, root, ())
    verify_consistency(0, 0, EMPTY_LOG, EMPTY_LOG, ())
    for arguments in (
        (5, 5, root, root, (MANY[0],)),
        (0, 5, EMPTY_LOG, root, (MANY[0],)),
        (0, 5, root, root, ()),
        (0, 0, root, root, ()),
        (5, 3, root, TREE.root(3), ()),
    ):
        with pytest.raises(InvalidProof):
            verify_consistency(*arguments)


@pytest.mark.parametrize("fault", ["dropped", "edited", "reordered", "inserted"])
def test_rewritten_log_has_no_proof(fault):
    """The operator cannot find a proof for a log in which an old entry changed: not even its own program can."""
    for at in range(16):
        entries = MANY[:20]
        match fault:
            case "dropped":
                del entries[at]
            case "edited":
                entries[at] = flipped(entries[at])
            case "reordered":
                entries[at], entries[at + 1] = entries[at + 1], entries[at]
            case "inserted":
                entries.insert(at, leaf_hash(b"new"))
        forged = LogTree(entries)
        with pytest.raises(InvalidProof):
            verify_consistency(17, len(entries), TREE.root(17), forged.root(), forged.consistency_proof(17))
        with pytest.raises(InvalidProof):
            verify_consistency(17, len(entries), TREE.root(17), forged.root(), TREE.consistency_proof(17, len(entries)))


def test_entry_cannot_pose_as_a_node():
    tree = LogTree(MANY[:2])
    inner = bytes.fromhex(MANY[0][2:] + MANY[1][2:])
    with pytest.raises(InvalidProof):
        verify_inclusion(leaf_hash(inner), 0, 1, (), tree.root())


WRONG = st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.binary(max_size=40), st.just([None]))


@given(WRONG, st.integers(0, 4))
def test_malformed_arguments_raise_invalid_proof(wrong, at):
    arguments = [MANY[3], 3, 9, TREE.inclusion_proof(3, 9), TREE.root(9)]
    arguments[at] = wrong
    with pytest.raises(InvalidProof):
        verify_inclusion(*arguments)
    arguments = [3, 9, TREE.root(3), TREE.root(9), TREE.consistency_proof(3, 9)]
    arguments[at] = wrong
    with pytest.raises(InvalidProof):
        verify_consistency(*arguments)


@settings(max_examples=200)
@given(st.integers(0, 2**54), st.integers(0, 2**54), st.lists(st.sampled_from(MANY), max_size=130))
def test_arbitrary_proofs_are_refused(first, second, proof):
    with pytest.raises(InvalidProof):
        verify_inclusion(MANY[0], first, second, proof, leaf_hash(b"root"))
    if first:
        with pytest.raises(InvalidProof):
            verify_consistency(first, second, MANY[1], leaf_hash(b"root"), proof)


def test_sizes_that_never_were():
    with pytest.raises(InvalidInput):
        TREE.root(34)
    for index, size in ((33, 33), (5, 5), (-1, 5), (0, 34), (True, 5), (0, True), ("0", 5)):
        with pytest.raises(InvalidInput):
            TREE.inclusion_proof(index, size)
    for first, second in ((6, 5), (-1, 5), (5, 34), (None, 5)):
        with pytest.raises(InvalidInput):
            TREE.consistency_proof(first, second)
    with pytest.raises(InvalidMessage):
        LogTree(["0x12"])


def test_large_log_is_quick():
    """A hundred thousand entries take seconds in the wrong algorithm and minutes in the naive one."""
    tree = LogTree(leaf_hash(n.to_bytes(4)) for n in range(100_000))
    root = tree.root()
    for index in range(0, 100_000, 997):
        leaf = leaf_hash(index.to_bytes(4))
        verify_inclusion(leaf, index, 100_000, tree.inclusion_proof(index), root)
        verify_consistency(index + 1, 100_000, tree.root(index + 1), root, tree.consistency_proof(index + 1))


def test_entries_added_together_complete_the_same_subtrees_as_one_by_one():
    leaves = [leaf_digest(bytes([n])) for n in range(40)]
    for size in range(20):
        nodes = {}
        for count, leaf in enumerate(leaves):
            if count == size:
                before = dict(nodes)
            for height, position, found in completed(count, to_hash(leaf), lambda h, p, nodes=nodes: nodes[h, p]):
                nodes[height, position] = found
        edge = {height: found for (height, _), found in before.items()}  # the last of each height
        made = {(height, position): found for height, position, found in completed_by(size, leaves[size:], edge)}
        assert made == {place: found for place, found in nodes.items() if place not in before and place[0]}
