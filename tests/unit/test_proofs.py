"""Headers and state proofs: real ones hold, anything else raises InvalidProof and nothing but InvalidProof."""

import contextlib
import json
from pathlib import Path

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie
from trie.exceptions import ValidationError

from ledger import proofs
from ledger.errors import InvalidMessage, InvalidProof
from ledger.model import keccak, to_hash
from ledger.proofs import (
    EMPTY_CODE,
    EMPTY_ROOT,
    MAX_NODE,
    MAX_NODES,
    Account,
    AccountProof,
    Header,
    SlotProof,
    header_rlp,
    mapping_slot,
    read_nodes,
    read_proof,
    slot_key,
    unpack,
    verify_account,
    verify_header,
    verify_slot,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "proofs.json").read_text())["nodes"]
EMBEDDED = 32
"""A node shorter than this is embedded in its parent, and recorded once more by both nodes."""


@pytest.fixture(params=sorted(VECTORS))
def node(request):
    return VECTORS[request.param]


@pytest.fixture
def header(node):
    return verify_header(node["block"])


@pytest.fixture
def contract(node, header):
    account, slots = read_proof(node["contract"])
    return account, account.verify(header), slots


# What real nodes answer -----------------------------------------------------------------------------


def test_header_of_a_real_block(node, header):
    block = node["block"]
    assert header.hash == block["hash"]
    assert header.number == int(block["number"], 16)
    assert header.timestamp == int(block["timestamp"], 16)
    assert (header.parent_hash, header.state_root) == (block["parentHash"], block["stateRoot"])
    assert len(rlp.decode(header.rlp)) == 21
    assert Header.from_rlp(header.rlp, header.hash) == header


def test_real_contract(node, contract):
    _, account, _ = contract
    answer = node["contract"]
    assert account == Account(
        int(answer["nonce"], 16), int(answer["balance"], 16), answer["storageHash"], answer["codeHash"]
    )
    assert account.code_hash == to_hash(keccak(b"\0"))


def test_real_slots(node, contract):
    _, account, slots = contract
    assert {slot.key: slot.verify(account) for slot in slots} == {
        key: int(value, 16) for key, value in node["expected"].items()
    }
    assert sum(value == "0x0" for value in node["expected"].values()) >= 10


def test_vectors_cover_every_kind_of_node(contract):
    lengths = {len(entry) for slot in contract[2] for entry in map(rlp.decode, slot.nodes)}
    assert lengths == {2, 17}
    assert any(len(n) < EMBEDDED for slot in contract[2] for n in slot.nodes)


def test_embedded_node_may_be_listed_again_or_not(node, contract):
    """The two conventions there are: alloy lists it, geth does not."""
    _, account, slots = contract
    seen = 0
    for slot in slots:
        if slot.nodes and len(slot.nodes[-1]) < EMBEDDED:
            seen += 1
            assert verify_slot(account.storage_root, slot.key, slot.nodes[:-1]) == int(node["expected"][slot.key], 16)
    assert seen == 2


def test_account_without_storage_and_account_that_is_not_there(node, header):
    account, (slot,) = read_proof(node["sender"])
    sender = account.verify(header)
    assert (sender.nonce, sender.storage_root, sender.code_hash) == (1, EMPTY_ROOT, EMPTY_CODE)
    assert slot.verify(sender) == 0
    nobody, (slot,) = read_proof(node["absent"])
    assert nobody.verify(header) == Account()
    assert slot.verify(Account()) == 0


def test_keys_in_every_spelling_of_a_node():
    for key in ("0x0", "0x00", "0x" + "0" * 64):
        answer = {"address": "0x" + "11" * 20, "accountProof": [], "storageProof": [{"key": key, "proof": []}]}
        assert read_proof(answer)[1][0].key == "0x" + "0" * 64


# Mutations ------------------------------------------------------------------------------------------


def mutants(data):
    """Every byte with its lowest, a middle and its highest bit flipped; a byte more, a byte less, at either end."""
    for at in range(len(data)):
        for bit in (0x01, 0x10, 0x80):
            yield data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
    yield from (data[:-1], data[1:], data + b"\0", b"\0" + data, b"")


def test_every_mutation_of_a_header_is_another_header(node, header):
    tried = 0
    for mutant in mutants(header.rlp):
        tried += 1
        with pytest.raises(InvalidProof):
            Header.from_rlp(mutant, header.hash)
    assert tried > 1_500


def test_every_mutation_of_a_slot_proof_is_refused(contract):
    _, account, slots = contract
    tried = 0
    for slot in slots:
        for index, original in enumerate(slot.nodes):
            # The root node is the same in every proof: enough to break it once in each place.
            for mutant in mutants(original) if index or slot is slots[0] else (original[:-1], original + b"\0"):
                tried += 1
                with pytest.raises(InvalidProof):
                    verify_slot(account.storage_root, slot.key, (*slot.nodes[:index], mutant, *slot.nodes[index + 1 :]))
    assert tried > 10_000


@pytest.mark.parametrize("who", ["contract", "sender", "absent"])
def test_every_mutation_of_an_account_proof_is_refused(node, header, who):
    account, _ = read_proof(node[who])
    tried = 0
    for index, original in enumerate(account.nodes):
        for mutant in mutants(original):
            tried += 1
            with pytest.raises(InvalidProof):
                verify_account(
                    header.state_root, account.address, (*account.nodes[:index], mutant, *account.nodes[index + 1 :])
                )
    assert tried > 1_000


def test_dropped_doubled_reordered_and_foreign_nodes(contract):
    _, account, slots = contract
    everything = sorted({n for slot in slots for n in slot.nodes})
    for slot in slots:
        nodes = slot.nodes
        wrong = [nodes[:at] + nodes[at + 1 :] for at in range(len(nodes))]
        wrong += [(*nodes[:at], nodes[at], *nodes[at:]) for at in range(len(nodes))]
        wrong += [(*nodes[:at], foreign, *nodes[at:]) for at in range(len(nodes) + 1) for foreign in everything]
        wrong += [nodes[::-1], (*nodes, *nodes), tuple(everything)]
        for attempt in wrong:
            # A single node, reversed, is itself; an embedded node may be listed or not.
            if attempt in (nodes, nodes[:-1]) and (attempt == nodes or len(nodes[-1]) < EMBEDDED):
                continue
            with pytest.raises(InvalidProof):
                verify_slot(account.storage_root, slot.key, attempt)


def test_no_proof_speaks_for_another_key(node, contract):
    """Two absent keys may end in the same empty place; a proof may never show a value that is not the key's."""
    _, account, slots = contract
    for mine in slots:
        for other in slots:
            try:
                value = verify_slot(account.storage_root, other.key, mine.nodes)
            except InvalidProof:
                continue
            assert value == int(node["expected"][other.key], 16)
            assert value == 0 or mine.key == other.key


def test_wrong_root_and_wrong_address(node, header, contract):
    proof, account, slots = contract
    absent = read_proof(node["absent"])[0]
    for root in (header.hash, account.storage_root, EMPTY_ROOT, "0x" + "0" * 64):
        with pytest.raises(InvalidProof):
            verify_account(root, proof.address, proof.nodes)
    with pytest.raises(InvalidProof):
        verify_account(header.state_root, absent.address, proof.nodes)
    with pytest.raises(InvalidProof):
        verify_account(header.state_root, proof.address, absent.nodes)
    for root in (header.state_root, EMPTY_ROOT):
        with pytest.raises(InvalidProof):
            verify_slot(root, slots[0].key, slots[0].nodes)


def test_block_of_the_other_node_does_not_vouch():
    account, _ = read_proof(VECTORS["anvil"]["contract"])
    with pytest.raises(InvalidProof):
        account.verify(verify_header(VECTORS["hardhat"]["block"]))


# Blocks as JSON -------------------------------------------------------------------------------------

NAMES = [name for name, _, _ in proofs._FIELDS]


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_block_is_covered_by_its_hash(node, name):
    block = node["block"]
    value = block[name]
    last = "1" if value == "0x" else value[:-1] + ("0" if value[-1] != "0" else "1")
    for wrong in (last, value + "00", "0x", "", "0x ", "0xzz", 7, None, b"\0", ["0x"], True, "0x" + "f" * 65):
        if wrong == value:
            continue
        with pytest.raises(InvalidProof):
            verify_header(block | {name: wrong})
    with pytest.raises(InvalidProof):
        verify_header({key: entry for key, entry in block.items() if key != name})


@pytest.mark.parametrize("wrong", [None, 1, "0x", "0x" + "0" * 64, b"\0" * 32])
def test_block_with_another_hash(node, wrong):
    with pytest.raises(InvalidProof):
        verify_header(node["block"] | {"hash": wrong})


def test_block_other_than_the_one_asked_for(node):
    block = node["block"]
    assert verify_header(block, block["hash"]).hash == block["hash"]
    with pytest.raises(InvalidProof, match="answered with block"):
        verify_header(block, block["parentHash"])


@pytest.mark.parametrize("count", [15, 16, 17, 20, 21])
def test_headers_of_earlier_forks(node, count):
    block = {name: node["block"][name] for name in NAMES[:count]}
    data = header_rlp(block)
    assert len(rlp.decode(data)) == count
    assert verify_header(block | {"hash": to_hash(keccak(data))}).number == int(block["number"], 16)


def test_header_of_a_later_fork(header):
    fields = [*rlp.decode(header.rlp), b"\1" * 32, b""]
    assert Header.from_rlp(rlp.encode(fields)).state_root == header.state_root


def test_malformed_headers(header):
    fields = list(rlp.decode(header.rlp))

    def changed(at, value):
        return [*fields[:at], value, *fields[at + 1 :]]

    wrong = [
        fields[:14],
        [*fields, [b"later"]],
        [*fields, []],
        *(changed(at, fields[at] + b"\1") for at in (0, 1, 2, 3, 4, 5, 6, 13, 14, 16, 19, 20)),
        *(changed(at, b"\0\1") for at in (7, 8, 9, 10, 11, 15, 17, 18)),
        *(changed(at, b"\1" * 9) for at in (8, 9, 10, 11, 17, 18)),
        *(changed(at, b"\1" * 8) for at in (8, 11)),
        *(changed(at, [fields[at]]) for at in range(21)),
        changed(12, b"\1" * 4096),
        b"text",
    ]
    for attempt in wrong:
        with pytest.raises(InvalidProof):
            Header.from_rlp(rlp.encode(attempt))
    for attempt in (None, "0x", 1, bytearray(header.rlp), [header.rlp]):
        with pytest.raises(InvalidProof):
            Header.from_rlp(attempt)


# Nodes that hash to the root and are wrong all the same ----------------------------------------------

KEY = "0x" + "00" * 31 + "2a"
PATH = keccak(bytes.fromhex(KEY[2:]))
BRANCH = [b""] * 17


def leaf(value, path=b"\x20" + PATH):
    return rlp.encode([path, value])


BELOW = bytes([0x30 | PATH[0] & 15]) + PATH[1:]
BRANCH_AT = BRANCH[:]
BRANCH_AT[PATH[0] >> 4] = keccak(leaf(rlp.encode(b"\x07"), BELOW))
EMBEDDING = BRANCH[:]
EMBEDDING[PATH[0] >> 4] = [BELOW, b"\7"]

WRONG_NODES = {
    "zero_stored_as_byte": [leaf(b"\0")],
    "leading_zero": [leaf(rlp.encode(b"\0\1"))],
    "value_too_long": [leaf(rlp.encode(b"\1" * 33))],
    "value_is_a_list": [leaf(rlp.encode([b"\1"]))],
    "value_with_a_tail": [leaf(b"\1\1")],
    "value_not_minimal": [leaf(b"\x81\1")],
    "value_cut_short": [leaf(b"\x82\1")],
    "value_empty": [leaf(b"")],
    "value_is_a_node": [leaf([b"\1", b"\2"])],
    "leaf_too_short": [leaf(b"\1", b"\x20" + PATH[:-1])],
    "leaf_too_long": [leaf(b"\1", b"\x20" + PATH + b"\0")],
    "leaf_padding_not_zero": [leaf(b"\1", b"\x21" + PATH)],
    "flag_unknown": [leaf(b"\1", b"\x40" + PATH)],
    "flag_missing": [leaf(b"\1", b"")],
    "path_is_a_list": [rlp.encode([[PATH], b"\1"])],
    "extension_to_nowhere": [rlp.encode([b"\0" + PATH, b"\1" * 32])],
    "extension_empty": [rlp.encode([b"\0", b"\1" * 32])],
    "extension_too_long": [rlp.encode([b"\0" + PATH + b"\0", b"\1" * 32])],
    "extension_to_short_hash": [rlp.encode([b"\0" + PATH[:1], b"\1" * 31])],
    "branch_with_value": [rlp.encode([*BRANCH[:16], b"\1"])],
    "branch_with_list_value": [rlp.encode([*BRANCH[:16], [b"\1"]])],
    "branch_with_bad_child": [rlp.encode([b"\1" * 31] * 16 + [b""])],
    "branch_of_wrong_leaf": [rlp.encode(BRANCH_AT), leaf(b"\1", BELOW)],
    "branch_without_leaf": [rlp.encode(BRANCH_AT)],
    "branch_of_short_hashes": [rlp.encode([b"", b"\1", *BRANCH[2:]])],
    "branch_embedding_a_long_node": [rlp.encode(EMBEDDING)],
    "branch_embedding_a_long_node_twice": [rlp.encode(EMBEDDING), leaf(b"\7", BELOW)],
    "three_items": [rlp.encode([b"\x20" + PATH, b"\1", b""])],
    "no_items": [rlp.encode([])],
    "text": [rlp.encode(b"node")],
    "nothing": [b""],
    "one_byte": [b"\0"],
    "zero_node": [b"\x80"],
    "tail": [leaf(b"\1") + b"\0"],
    "cut": [leaf(b"\1")[:-1]],
    "long_form_of_short_list": [b"\xf8\x02\x20\x01"],
    "length_of_length_with_zero": [b"\xf9\x00\x02\x20\x01"],
    "length_beyond_memory": [b"\xff" + b"\xff" * 8],
    "length_missing": [b"\xff"],
    "deep": [rlp.encode([[[[[[[[[[[[b"\1"]]]]]]]]]]]])],
    "very_deep": [b"\xf9\x02\x11" + b"".join(b"\xf9" + n.to_bytes(2) for n in range(526, 56, -3))],
    "too_large": [b"\0" * (MAX_NODE + 1)],
    "too_many": [b"\0"] * (MAX_NODES + 1),
    "not_bytes": ["0x00"],
    "no_nodes": [],
}


@pytest.mark.parametrize("name", WRONG_NODES)
def test_wrong_nodes_under_their_own_root(name):
    nodes = WRONG_NODES[name]
    first = nodes[0] if nodes and isinstance(nodes[0], bytes) else b"\1"
    root = EMPTY_ROOT if name == "not_bytes" else to_hash(keccak(first if name != "zero_node" else b"\1"))
    with pytest.raises(InvalidProof):
        verify_slot(root, KEY, nodes)


def test_right_nodes_under_their_own_root():
    """So that the cases above fail for their fault and nothing else."""
    single = [leaf(b"\1")]
    assert verify_slot(to_hash(keccak(single[0])), KEY, single) == 1
    pair = [rlp.encode(BRANCH_AT), leaf(rlp.encode(b"\x07"), BELOW)]
    assert verify_slot(to_hash(keccak(pair[0])), KEY, pair) == 7
    # What anvil stores for a slot that was read and is zero.
    zero = [leaf(rlp.encode(b""))]
    assert verify_slot(to_hash(keccak(zero[0])), KEY, zero) == 0
    # Ends where the trie has nothing: an empty child, another leaf, another extension.
    for node in (rlp.encode(BRANCH), leaf(b"\1", b"\x20" + bytes(32)), rlp.encode([b"\0" + bytes(2), b"\1" * 32])):
        assert verify_slot(to_hash(keccak(node)), KEY, [node]) == 0
    for nodes in ([], [b"\x80"], (), (b"\x80",)):
        assert verify_slot(EMPTY_ROOT, KEY, nodes) == 0


@pytest.mark.parametrize(
    "fields",
    [
        [b"", b"", b"\1" * 32],
        [b"", b"", b"\1" * 32, b"\1" * 32, b""],
        [b"\0", b"", b"\1" * 32, b"\1" * 32],
        [b"\1" * 9, b"", b"\1" * 32, b"\1" * 32],
        [b"", b"\1" * 33, b"\1" * 32, b"\1" * 32],
        [b"", b"", b"\1" * 31, b"\1" * 32],
        [b"", b"", b"\1" * 32, b"\1" * 33],
        [b"", b"", [b"\1" * 32], b"\1" * 32],
        b"account",
    ],
)
def test_malformed_accounts(fields):
    address = "0x" + "11" * 20
    node = rlp.encode([b"\x20" + keccak(b"\x11" * 20), rlp.encode(fields)])
    with pytest.raises(InvalidProof):
        verify_account(to_hash(keccak(node)), address, [node])
    good = rlp.encode([b"\x20" + keccak(b"\x11" * 20), rlp.encode([b"\1", b"", b"\1" * 32, b"\2" * 32])])
    assert verify_account(to_hash(keccak(good)), address, [good]).nonce == 1


@pytest.mark.parametrize("wrong", [None, 1, b"\0" * 32, "0x", "0x" + "0" * 63, "0x" + "A" * 64])
def test_malformed_arguments(wrong):
    with pytest.raises(InvalidProof):
        verify_slot(wrong, KEY, [])
    with pytest.raises(InvalidProof):
        verify_slot(EMPTY_ROOT, wrong, [])
    with pytest.raises(InvalidProof):
        verify_account(wrong, "0x" + "11" * 20, [])
    with pytest.raises(InvalidProof):
        verify_account(EMPTY_ROOT, wrong, [])
    with pytest.raises(InvalidProof):
        verify_slot(EMPTY_ROOT, KEY, wrong)


@pytest.mark.parametrize(
    "wrong", [None, {}, "0x", [1], ["00"], ["0x0"], ["0x0g"], ["0x 00"], ["0x00\n"], ["0x" + "00" * (MAX_NODE + 1)],
              ["0x00"] * (MAX_NODES + 1)]
)  # fmt: skip
def test_malformed_json_nodes(wrong):
    with pytest.raises(InvalidProof):
        read_nodes(wrong)


def test_proofs_are_bounded_when_built():
    with pytest.raises(InvalidProof):
        AccountProof("0x" + "11" * 20, (b"\0",) * 66)
    with pytest.raises(InvalidProof):
        SlotProof(KEY, (b"\0" * 533,))
    with pytest.raises(InvalidMessage):
        SlotProof("0x0", ())


# Against the library that others use ----------------------------------------------------------------


def oracle(root, key, nodes):
    return HexaryTrie.get_from_proof(root, key, [rlp.decode(n) for n in nodes])


# Keys that share long prefixes, so that tries are deep and their leaves short enough to be embedded.
KEYS = st.builds(
    lambda prefix, tail: (b"\xab" * prefix + tail).ljust(32, b"\x0c")[:32],
    st.integers(0, 31),
    st.one_of(st.binary(max_size=3), st.sampled_from([b"\0", b"\1", b"\x0d"])),
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(KEYS, st.binary(min_size=1, max_size=40), min_size=1, max_size=30), st.lists(KEYS, max_size=10))
def test_agrees_with_trie(entries, others):
    trie = HexaryTrie({})
    for key, value in entries.items():
        trie[key] = value
    for key in [*entries, *others]:
        listed = tuple(rlp.encode(n) for n in trie.get_proof(key))
        hashed = tuple(n for at, n in enumerate(listed) if at == 0 or len(n) >= EMBEDDED)
        expected = oracle(trie.root_hash, key, listed)
        assert expected == entries.get(key, b"")
        for nodes in (listed, hashed):
            assert proofs._prove(trie.root_hash, key, nodes) == expected


def test_keys_that_differ_in_their_last_nibble():
    """The deepest fork there can be: leaves without a path, embedded in a branch that is embedded itself."""
    for value in (b"\0", b"\1" * 40):
        trie = HexaryTrie({})
        for last in (b"\x00", b"\x0c"):
            trie[b"\xab" * 31 + last] = value
        for last, expected in ((b"\x00", value), (b"\x0c", value), (b"\x01", b""), (b"\xc0", b"")):
            key = b"\xab" * 31 + last
            assert proofs._prove(trie.root_hash, key, [rlp.encode(n) for n in trie.get_proof(key)]) == expected


def test_hash_of_a_node_is_not_a_value():
    """A branch that uses up the key names a leaf; its hash must not be taken for what the leaf holds."""
    trie = HexaryTrie({})
    for last in (b"\x00", b"\x0c"):
        trie[b"\xab" * 31 + last] = b"\1" * 40
    key = b"\xab" * 31 + b"\x0c"
    nodes = [rlp.encode(n) for n in trie.get_proof(key)]
    with pytest.raises(InvalidProof, match="missing"):
        proofs._prove(trie.root_hash, key, nodes[:-1])


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_never_more_than_trie_accepts(data):
    """Whatever nodes are given, what we accept, the oracle reads the same."""
    entries = data.draw(st.dictionaries(KEYS, st.binary(min_size=1, max_size=40), min_size=2, max_size=12))
    trie = HexaryTrie({})
    for key, value in entries.items():
        trie[key] = value
    key, other = data.draw(st.sampled_from(sorted(entries))), data.draw(KEYS)
    pool = [rlp.encode(n) for k in (key, other) for n in trie.get_proof(k)]
    nodes = data.draw(st.lists(st.sampled_from(pool), max_size=len(pool)))
    try:
        value = proofs._prove(trie.root_hash, key, nodes)
    except InvalidProof:
        return
    assert value == entries[key] == oracle(trie.root_hash, key, nodes)


ITEMS = st.recursive(st.binary(max_size=60), lambda inner: st.lists(inner, max_size=18), max_leaves=20)


@given(ITEMS)
def test_rlp_agrees_with_rlp(item):
    encoded = rlp.encode(item)
    assert proofs._encode(item) == encoded
    try:
        decoded, end = proofs._item(encoded, 0, len(encoded), 8)
    except InvalidProof:
        assert encoded[0] >= 0xC0, "only what is nested too deeply is refused"
        return
    assert (decoded, end) == (item, len(encoded))


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=600))
def test_random_bytes_are_never_decoded_as_something_else(data):
    try:
        item, end = proofs._item(data, 0, len(data), 8)
    except InvalidProof:
        return
    assert proofs._encode(item) == data[:end]
    assert rlp.decode(data[:end]) == item


# Nothing but InvalidProof ---------------------------------------------------------------------------

ALMOST = st.one_of(
    st.binary(max_size=600),
    ITEMS.map(rlp.encode),
    st.builds(lambda flag, path, value: rlp.encode([flag + path, value]), st.binary(max_size=2), st.just(PATH), ITEMS),
    st.lists(st.one_of(st.just(b""), st.binary(min_size=32, max_size=32)), min_size=17, max_size=17).map(rlp.encode),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(ALMOST, max_size=4))
def test_random_nodes(nodes):
    """The root is that of the first node: the decoder is reached, and no value is ever made up."""
    root = to_hash(keccak(nodes[0])) if nodes else "0x" + "0" * 64
    address = "0x" + "11" * 20
    for path, check in (
        (PATH, lambda: verify_slot(root, KEY, nodes)),
        (keccak(b"\x11" * 20), lambda: verify_account(root, address, nodes)),
    ):
        try:
            check()
        except InvalidProof:
            continue
        # The library also looks at nodes embedded beside the path; on the path it must see what we saw.
        with contextlib.suppress(ValidationError):
            assert oracle(keccak(nodes[0]), path, nodes) is not None


@given(ALMOST)
def test_random_headers(data):
    with pytest.raises(InvalidProof):
        Header.from_rlp(data)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=10), st.just("0x" + "0" * 64)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["address", "accountProof", "storageProof", "key", "proof", "hash", *NAMES]), inner
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JSON)
def test_random_json(value):
    with pytest.raises(InvalidProof):
        verify_header(value)
    try:
        read_proof(value)
    except InvalidProof:
        return
    assert {"address", "accountProof", "storageProof"} <= value.keys()


@given(st.sampled_from(NAMES), JSON)
def test_random_json_in_a_real_block(name, value):
    block = VECTORS["anvil"]["block"]
    if value != block[name]:
        with pytest.raises(InvalidProof):
            verify_header(block | {name: value})


# Where Solidity puts things -------------------------------------------------------------------------


def test_mapping_slots():
    # keccak256(abi.encode(uint256(0), uint256(0))), the example every tutorial has.
    assert mapping_slot(0, 0) == "0xad3228b676f7d3cd4284a5443f17f1962b36e491b30a40b2405849e597ba5fb5"
    subject = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    assert mapping_slot(subject, 3) == mapping_slot(int(subject, 16), 3) == mapping_slot(subject.lower(), 3)
    assert mapping_slot(KEY, 3) == mapping_slot(42, 3)
    nested = mapping_slot(KEY, mapping_slot(subject, 3))
    outer = keccak(bytes(12) + bytes.fromhex(subject[2:]) + (3).to_bytes(32))
    assert nested == to_hash(keccak(bytes.fromhex(KEY[2:]) + outer))


def test_slot_keys_wrap_around():
    assert slot_key(5) == "0x" + "0" * 63 + "5"
    assert slot_key("0x" + "f" * 64, 1) == "0x" + "0" * 64
    assert slot_key(KEY, 2) == "0x" + "0" * 62 + "2c"


@pytest.mark.parametrize("wrong", [-1, 2**256, None, 1.0, "0x", "0x12", "5", True])
def test_malformed_positions(wrong):
    for make in (lambda: mapping_slot(wrong, 0), lambda: mapping_slot(0, wrong), lambda: slot_key(wrong)):
        with pytest.raises((InvalidMessage, InvalidProof)):
            make()


def test_unpack_lowest_first():
    word = 1_600_000_000 | 1_700_000_000 << 64 | 1 << 128 | 0 << 136
    assert unpack(word, (64, 64, 8, 8)) == (1_600_000_000, 1_700_000_000, 1, 0)
    assert unpack(0, (64, 64)) == (0, 0)
    with pytest.raises(InvalidProof):
        unpack(1 << 144, (64, 64, 8, 8))
    with pytest.raises(InvalidProof):
        unpack(-1, (64, 64))
