"""Ethereum headers and state proofs, checked without asking anybody.

A node may lie or lag; what it cannot do is find another header with the same hash, or a path of trie nodes
that ends elsewhere under the same root. So a block hash is all that is ever trusted here:

    block hash ── keccak ──> header ── state root ──> account ── storage root ──> slot

Formats: RLP and the Merkle Patricia trie of the Yellow Paper (appendices B and D), proofs as ``eth_getProof``
returns them (EIP-1186), headers up to Prague (EIP-7685). The walk is our own and exact: node by node from the
root, each the hash that the node before it names, none left over. `trie` and `rlp` are the oracle in the tests.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

from ledger.errors import InvalidMessage, InvalidProof
from ledger.model import MAX_INTEGER, Address, Hash, address, hash32, keccak, to_hash

MAX_NODES = 65
"""A key has 64 nibbles; each node but the last consumes one."""
MAX_NODE = 532
"""Bytes of the largest node there can be: a branch with sixteen hashes and no value."""
MAX_HEADER = 4096
"""Bytes of the largest header. One of mainnet has about 640; a private network may carry seals in `extraData`."""

EMPTY_ROOT = to_hash(keccak(b"\x80"))
"""The root of a trie that holds nothing."""
EMPTY_CODE = to_hash(keccak(b""))
"""The code hash of an account without code."""

_EMPTY_ROOT = keccak(b"\x80")
_MAX_DEPTH = 8
_WORD = 2**256

_HEX = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_QUANTITY = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")

_Item: TypeAlias = "bytes | list[_Item]"


# RLP ------------------------------------------------------------------------------------------------


def _item(data: bytes, at: int, end: int, depth: int) -> "tuple[_Item, int]":
    """Read one item and the position after it. Only the one canonical encoding is accepted."""
    if at >= end:
        raise InvalidProof("The proof ends in the middle of a value.")
    first = data[at]
    if first < 0x80:
        return data[at : at + 1], at + 1
    is_list = first >= 0xC0
    size = first - (0xC0 if is_list else 0x80)
    start = at + 1
    if size > 55:
        digits = data[start : start + size - 55]
        start += size - 55
        size = int.from_bytes(digits)
        if not digits[:1].strip(b"\0") or size <= 55:
            raise InvalidProof("The proof encodes a length in more bytes than it needs.")
    stop = start + size
    if stop > end:
        raise InvalidProof("The proof ends in the middle of a value.")
    if not is_list:
        if size == 1 and data[start] < 0x80:
            raise InvalidProof("The proof encodes a byte in more bytes than it needs.")
        return data[start:stop], stop
    if depth == 0:
        raise InvalidProof("The proof is nested more deeply than any trie.")
    entries: list[_Item] = []
    while start < stop:
        entry, start = _item(data, start, stop, depth - 1)
        entries.append(entry)
    return entries, stop


def _list(data: object, largest: int, what: str) -> "list[_Item]":
    if not isinstance(data, bytes) or len(data) > largest:
        raise InvalidProof(f"{what} must be at most {largest} bytes.")
    entries, end = _item(data, 0, len(data), _MAX_DEPTH)
    if end != len(data) or not isinstance(entries, list):
        raise InvalidProof(f"{what} must be one RLP list and nothing after it.")
    return entries


def _encode(item: "_Item") -> bytes:
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _prefix(len(item), 0x80) + item
    body = b"".join([_encode(entry) for entry in item])
    return _prefix(len(body), 0xC0) + body


def _prefix(size: int, offset: int) -> bytes:
    if size <= 55:
        return bytes([offset + size])
    digits = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([offset + 55 + len(digits)]) + digits


def _bytes(item: "_Item", size: int, what: str) -> bytes:
    if not isinstance(item, bytes) or len(item) != size:
        raise InvalidProof(f"{what} must be {size} bytes.")
    return item


def _number(item: "_Item", largest: int, what: str) -> int:
    if not isinstance(item, bytes) or item[:1] == b"\0":
        raise InvalidProof(f"{what} must be a whole number without leading zeros.")
    value = int.from_bytes(item)
    if value > largest:
        raise InvalidProof(f"{what} must not be larger than {largest}.")
    return value


# Arguments ------------------------------------------------------------------------------------------


def _word(value: object, what: str) -> bytes:
    """A `Hash` as 32 bytes. Proofs come from files and wires, so a wrong one is a wrong proof."""
    try:
        return bytes.fromhex(hash32(value, what)[2:])
    except InvalidMessage as error:
        raise InvalidProof(f"{error}.") from None


def _unhex(value: object, what: str) -> bytes:
    if not isinstance(value, str) or not _HEX.fullmatch(value):
        raise InvalidProof(f"{what} must be 0x and an even number of hexadecimal digits.")
    return bytes.fromhex(value[2:])


def read_nodes(value: object) -> tuple[bytes, ...]:
    """Read the nodes of a proof from JSON, where they are a list of ``0x`` hex texts.

    Raises:
        InvalidProof: anything else, or more and larger nodes than a proof can have.
    """
    if not isinstance(value, (list, tuple)) or len(value) > MAX_NODES:
        raise InvalidProof(f"A proof must be a list of at most {MAX_NODES} nodes.")
    return _nodes([_unhex(node, "A proof node") for node in value])


def _nodes(nodes: Sequence[object]) -> tuple[bytes, ...]:
    if not isinstance(nodes, (list, tuple)) or len(nodes) > MAX_NODES:
        raise InvalidProof(f"A proof must have at most {MAX_NODES} nodes.")
    if not all(isinstance(node, bytes) and len(node) <= MAX_NODE for node in nodes):
        raise InvalidProof(f"A proof node must be at most {MAX_NODE} bytes.")
    return tuple(nodes)


# Headers --------------------------------------------------------------------------------------------

# In the order of the encoding: JSON-RPC name, and a size in bytes or the largest number (None: any bytes).
_SMALL = 2**64 - 1
_FIELDS: tuple[tuple[str, str, int], ...] = (
    ("parentHash", "bytes", 32), ("sha3Uncles", "bytes", 32), ("miner", "bytes", 20), ("stateRoot", "bytes", 32),
    ("transactionsRoot", "bytes", 32), ("receiptsRoot", "bytes", 32), ("logsBloom", "bytes", 256),
    ("difficulty", "number", _WORD - 1), ("number", "number", MAX_INTEGER), ("gasLimit", "number", _SMALL),
    ("gasUsed", "number", _SMALL), ("timestamp", "number", MAX_INTEGER), ("extraData", "any", MAX_HEADER),
    ("mixHash", "bytes", 32), ("nonce", "bytes", 8),
    # What later forks appended; a header has the first few of these, never one without those before it.
    ("baseFeePerGas", "number", _WORD - 1),      # London, EIP-1559
    ("withdrawalsRoot", "bytes", 32),            # Shanghai, EIP-4895
    ("blobGasUsed", "number", _SMALL),           # Cancun, EIP-4844
    ("excessBlobGas", "number", _SMALL),
    ("parentBeaconBlockRoot", "bytes", 32),      # Cancun, EIP-4788
    ("requestsHash", "bytes", 32),               # Prague, EIP-7685
)  # fmt: skip
_ALWAYS = 15


@dataclass(frozen=True)
class Header:
    """A block header: its encoding, its hash (always recomputed) and the fields Volens reads.

    Fields that a fork after Prague appends are accepted as bytes, so that an old verifier can read them.

    Raises:
        InvalidProof: not the canonical encoding of a header.
    """

    rlp: bytes = field(repr=False)
    number: int = field(init=False)
    hash: Hash = field(init=False)
    parent_hash: Hash = field(init=False)
    state_root: Hash = field(init=False)
    timestamp: int = field(init=False)

    def __post_init__(self) -> None:
        entries = _list(self.rlp, MAX_HEADER, "A header")
        if len(entries) < _ALWAYS:
            raise InvalidProof(f"A header must have at least {_ALWAYS} fields.")
        for (name, kind, limit), entry in zip(_FIELDS, entries, strict=False):
            match kind:
                case "bytes":
                    _bytes(entry, limit, f"The header's {name}")
                case "number":
                    _number(entry, limit, f"The header's {name}")
        if not all(isinstance(entry, bytes) for entry in entries):
            raise InvalidProof("A header must hold plain values, no lists.")
        values = dict(zip((name for name, _, _ in _FIELDS), entries, strict=False))
        for attribute, value in (
            ("number", _number(values["number"], MAX_INTEGER, "number")),
            ("hash", to_hash(keccak(self.rlp))),
            ("parent_hash", to_hash(_bytes(values["parentHash"], 32, "parentHash"))),
            ("state_root", to_hash(_bytes(values["stateRoot"], 32, "stateRoot"))),
            ("timestamp", _number(values["timestamp"], MAX_INTEGER, "timestamp")),
        ):
            object.__setattr__(self, attribute, value)

    @classmethod
    def from_rlp(cls, data: bytes, expected: Hash | None = None) -> Self:
        """Read a header from its encoding.

        Args:
            data: the RLP encoding.
            expected: the block hash it must have. Without it the header is well formed, not authentic.

        Raises:
            InvalidProof: not a header, or the header of another block.
        """
        header = cls(data)
        if expected is not None and header.hash != expected:
            raise InvalidProof(f"The header is that of another block: {header.hash}, not {expected}.")
        return header


def header_rlp(block: Mapping[str, Any]) -> bytes:
    """Encode the header of a block as ``eth_getBlockByHash`` returns it (raw JSON, hex texts).

    Raises:
        InvalidProof: a field is missing or malformed, or one of a later fork is there without an earlier one.
    """
    if not isinstance(block, Mapping):
        raise InvalidProof("The block must be a JSON object.")
    present = [block.get(name) is not None for name, _, _ in _FIELDS]
    count = [*present, False].index(False)
    if count < _ALWAYS or any(present[count:]):
        raise InvalidProof(f"The block lacks its {_FIELDS[count][0]}.")
    entries: list[_Item] = []
    for name, kind, limit in _FIELDS[:count]:
        value = block[name]
        if kind != "number":
            entries.append(_unhex(value, name))
            continue
        if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
            raise InvalidProof(f"{name} must be 0x and up to 64 hexadecimal digits without leading zeros.")
        number = int(value, 16)
        if number > limit:
            raise InvalidProof(f"{name} must not be larger than {limit}.")
        entries.append(number.to_bytes((number.bit_length() + 7) // 8))
    return _encode(entries)


def verify_header(block: Mapping[str, Any], expected: Hash | None = None) -> Header:
    """The header of a JSON-RPC block, once it is shown to have the hash the block claims.

    Args:
        block: the answer of ``eth_getBlockByHash`` or ``eth_getBlockByNumber``.
        expected: the hash that was asked for, if it was asked by hash.

    Raises:
        InvalidProof: the fields do not hash to ``block["hash"]``, or that is not `expected`.
    """
    data = header_rlp(block)
    claimed = to_hash(_word(block.get("hash"), "hash"))
    if expected is not None and claimed != expected:
        raise InvalidProof(f"The node answered with block {claimed}, not {expected}.")
    return Header.from_rlp(data, claimed)


# The trie -------------------------------------------------------------------------------------------

_PROBLEM = "The proof does not hold: "


def _node(entries: "_Item", path: str) -> "tuple[str | None, _Item] | None":
    """One step down.

    Args:
        entries: a decoded node: branch, extension or leaf.
        path: the nibbles still to go, as hex digits.

    Returns:
        The rest of the path and the node it leads to; None and the value, if this is the leaf; or None alone, if
        the trie has nothing on this path.
    """
    if not isinstance(entries, list):
        raise InvalidProof(_PROBLEM + "a node is not a list.")
    if len(entries) == 17:
        # Every key of a state or storage trie is a hash, so none ends in a branch.
        if not path or entries[16] != b"":
            raise InvalidProof(_PROBLEM + "a key of the wrong length.")
        if not all(isinstance(child, list) or len(child) in (0, 32) for child in entries):
            raise InvalidProof(_PROBLEM + "a branch that names no node.")
        child = entries[int(path[0], 16)]
        return None if child == b"" else (path[1:], child)
    if len(entries) != 2 or not isinstance(entries[0], bytes):
        raise InvalidProof(_PROBLEM + "a node is neither a branch, an extension nor a leaf.")
    digits = entries[0].hex()
    flag, skipped = digits[:1], digits[1:]
    if flag in ("0", "2") and skipped[:1] == "0":
        skipped = skipped[1:]
    elif flag not in ("1", "3"):
        raise InvalidProof(_PROBLEM + "a path that is not in hex-prefix encoding.")
    is_leaf = flag in ("2", "3")
    if is_leaf and len(skipped) != len(path):
        raise InvalidProof(_PROBLEM + "a key of the wrong length.")
    if not is_leaf and not 0 < len(skipped) < len(path):
        raise InvalidProof(_PROBLEM + "an extension that leads nowhere.")
    if not path.startswith(skipped):
        return None
    return (None if is_leaf else path[len(skipped) :], entries[1])


def _prove(root: bytes, key: bytes, nodes: Sequence[bytes]) -> bytes:
    """The value stored under a 32-byte trie key, or ``b""`` if the nodes prove that there is none.

    1. The empty trie proves everything absent; some nodes list its one encoding, others nothing.
    2. The first node hashes to the root, each further one to what the node before it names.
    3. A child of less than 32 bytes is embedded in its parent. Some nodes (alloy) list it again; then it must
       be the same bytes.
    4. The path ends in the leaf of this key, or where the trie has none.
    5. No node is left over.
    """
    nodes = _nodes(nodes)
    if root == _EMPTY_ROOT and nodes in ((), (b"\x80",)):
        return b""
    path: str | None = key.hex()
    expected: _Item = root
    used = 0
    while path is not None:
        if isinstance(expected, list):
            embedded = _encode(expected)
            if len(embedded) >= 32:
                raise InvalidProof(_PROBLEM + "a node is embedded that is too long for it.")
            if used < len(nodes) and nodes[used] == embedded:
                used += 1
            node: _Item = expected
        else:
            if used == len(nodes):
                raise InvalidProof(_PROBLEM + "a node is missing.")
            if len(expected) != 32 or keccak(nodes[used]) != expected:
                raise InvalidProof(_PROBLEM + "a node is not the one its parent names.")
            node = _list(nodes[used], MAX_NODE, "A proof node")
            used += 1
        step = _node(node, path)
        if step is None:
            break
        path, expected = step
    if used != len(nodes):
        raise InvalidProof(_PROBLEM + "it has nodes that prove nothing.")
    if path is not None:
        return b""
    if not isinstance(expected, bytes) or not expected:
        raise InvalidProof(_PROBLEM + "the leaf holds no value.")
    return expected


@dataclass(frozen=True)
class Account:
    """What the state holds about an address. An account that does not exist is an empty one (EIP-161)."""

    nonce: int = 0
    balance: int = 0
    storage_root: Hash = EMPTY_ROOT
    code_hash: Hash = EMPTY_CODE


def verify_account(state_root: Hash, account: Address, proof_nodes: Sequence[bytes]) -> Account:
    """Prove what a state holds about an address.

    Args:
        state_root: of a header whose hash is trusted.
        account: the address.
        proof_nodes: ``accountProof`` of ``eth_getProof``.

    Returns:
        The account; the empty one only if the nodes prove that the address is not in the state.

    Raises:
        InvalidProof: in every other case, whatever the bytes are.
    """
    try:
        key = keccak(bytes.fromhex(address(account)[2:]))
    except InvalidMessage as error:
        raise InvalidProof(f"{error}.") from None
    value = _prove(_word(state_root, "stateRoot"), key, proof_nodes)
    if not value:
        return Account()
    entries = _list(value, MAX_NODE, "An account")
    if len(entries) != 4:
        raise InvalidProof("An account must have four fields.")
    return Account(
        nonce=_number(entries[0], _SMALL, "The account's nonce"),
        balance=_number(entries[1], _WORD - 1, "The account's balance"),
        storage_root=to_hash(_bytes(entries[2], 32, "The account's storage root")),
        code_hash=to_hash(_bytes(entries[3], 32, "The account's code hash")),
    )


def verify_slot(storage_root: Hash, key: Hash, proof_nodes: Sequence[bytes]) -> int:
    """Prove what a storage slot holds.

    Args:
        storage_root: of a proven account.
        key: the position of the slot, see `mapping_slot`.
        proof_nodes: ``proof`` of one entry of ``storageProof``.

    Returns:
        The 256-bit value; zero only if the nodes prove that the slot is not set, or set to zero.

    Raises:
        InvalidProof: in every other case, whatever the bytes are.
    """
    value = _prove(_word(storage_root, "storageHash"), keccak(_word(key, "key")), proof_nodes)
    if not value:
        return 0
    inner, end = _item(value, 0, len(value), 0)
    number = _number(inner, _WORD - 1, "The slot's value")
    # The Yellow Paper deletes zeros; anvil keeps those it has read. Under the root that is asked about, both say zero.
    if end != len(value):
        raise InvalidProof("The slot must hold one number.")
    return number


@dataclass(frozen=True)
class AccountProof:
    """An address and the nodes that prove its account. Holding one says nothing; `verify` does."""

    address: Address
    nodes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", address(self.address))
        object.__setattr__(self, "nodes", _nodes(self.nodes))

    def verify(self, header: Header) -> Account:
        """See `verify_account`."""
        return verify_account(header.state_root, self.address, self.nodes)


@dataclass(frozen=True)
class SlotProof:
    """The position of a slot and the nodes that prove its value. Holding one says nothing; `verify` does."""

    key: Hash
    nodes: tuple[bytes, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", hash32(self.key, "key"))
        object.__setattr__(self, "nodes", _nodes(self.nodes))

    def verify(self, account: Account) -> int:
        """See `verify_slot`."""
        return verify_slot(account.storage_root, self.key, self.nodes)


def read_proof(answer: object) -> tuple[AccountProof, tuple[SlotProof, ...]]:
    """Read the answer of ``eth_getProof`` (raw JSON). What it claims beside its proofs is not read at all.

    Nodes write keys as ``0x0``, ``0x00`` or 32 bytes; all are the same position.

    Raises:
        InvalidProof: it does not have the form of EIP-1186.
    """
    try:
        if not isinstance(answer, Mapping) or not isinstance(answer["storageProof"], list):
            raise InvalidProof("The node's proof must be a JSON object.")
        slots = []
        for entry in answer["storageProof"]:
            digits = entry["key"].removeprefix("0x")
            slots.append(SlotProof(Hash("0x" + digits.lower().zfill(64)), read_nodes(entry["proof"])))
        account = AccountProof(answer["address"], read_nodes(answer["accountProof"]))
    except (KeyError, TypeError, AttributeError, InvalidMessage):
        raise InvalidProof("The node's proof does not have the form of EIP-1186.") from None
    return account, tuple(slots)


# Slot positions (Solidity, "Layout of State Variables in Storage") ----------------------------------


def _position(slot: int | Hash) -> int:
    value = int.from_bytes(_word(slot, "slot")) if isinstance(slot, str) else slot
    if type(value) is not int or not 0 <= value < _WORD:
        raise InvalidMessage("slot", "must be a whole number of at most 256 bits")
    return value


def slot_key(slot: int | Hash, offset: int = 0) -> Hash:
    """The position `offset` slots after `slot`: how the second word of a struct is found."""
    return to_hash(((_position(slot) + offset) % _WORD).to_bytes(32))


def mapping_slot(key: Hash | Address | int, slot: int | Hash) -> Hash:
    """The position of a mapping's entry: ``keccak256(abi.encode(key, slot))``.

    Nested mappings nest: ``entries[subject][hash]`` is ``mapping_slot(hash, mapping_slot(subject, ENTRIES))``.

    Args:
        key: a bytes32, an address or an unsigned integer.
        slot: the position of the mapping itself.

    Raises:
        InvalidMessage: not such a key or position.
    """
    if isinstance(key, int):
        word = _position(key).to_bytes(32)
    elif isinstance(key, str) and len(key) == 42:
        word = bytes(12) + bytes.fromhex(address(key, "key")[2:])
    else:
        word = bytes.fromhex(hash32(key, "key")[2:])
    return to_hash(keccak(word + _position(slot).to_bytes(32)))


def unpack(value: int, widths: Sequence[int]) -> tuple[int, ...]:
    """Take a packed slot apart.

    Args:
        value: the word, see `verify_slot`.
        widths: the bits of each member in order of declaration; Solidity packs the first one lowest.

    Raises:
        InvalidProof: the word holds more than these members, so the layout is not the one we know.
    """
    members = []
    for width in widths:
        members.append(value & ((1 << width) - 1))
        value >>= width
    if value:
        raise InvalidProof("The slot holds more than it should; was another contract compiled?")
    return tuple(members)
