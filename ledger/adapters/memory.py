"""An in-memory simulator that implements the ports: a chain with real headers and proofs, and a vault.

`MemoryChain` keeps what the contracts would keep, in Merkle Patricia tries at the slots the compiler gives them, so
its proofs verify like a node's. It executes the relayed functions of ConsentRegistry (`rules`), and can lie,
lag, forget and turn back on demand. It is for tests and rehearsals, with the
development packages: there is no network, no gas and nobody else.
"""

import hashlib
import io
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO

import rlp
from trie.hexary import HexaryTrie

from ledger.adapters.rules import Contracts, Reverted, storage_of
from ledger.deployment import Contract, Deployment
from ledger.errors import InvalidFile, LedgerUnavailable, NotFound
from ledger.events import DEPLOYED, LedgerEvent
from ledger.model import ZERO_ADDRESS, Address, Hash, address, keccak, to_hash
from ledger.ports import Call, Fees, Logged, Prepared, Receipt
from ledger.proofs import AccountProof, Header, SlotProof, header_rlp
from ledger.state import LedgerState

TIP = 10**9
_EMPTY_UNCLES = "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"


@dataclass
class Faults:
    """What the node does wrong from now on.

    Attributes:
        unreachable: it answers nothing.
        refuse: it takes no transactions.
        price: what a transaction must offer to be mined, in wei per gas.
        chain_id: it claims to be on another chain.
        logs: changes each list of logs it answers with: to omit, forge, double or move one.
        forge_proofs: how many of its next proofs are false (-1: all).
        code: the code hash a contract has from the next block on.
    """

    unreachable: bool = False
    refuse: bool = False
    price: int = 0
    chain_id: int | None = None
    logs: Callable[[list[Logged]], list[Logged]] = list
    forge_proofs: int = 0
    code: dict[str, Hash] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """A block with everything as it was after it."""

    header: Header
    state: LedgerState
    roots: Mapping[str, bytes]
    logged: tuple[Logged, ...]
    receipts: Mapping[Hash, bool]
    nonce: int


class MemoryChain:
    """The ports `Chain` and `Sender`. Nothing is mined until `mine`, unless `automine`; mining moves the clock.

    Attributes:
        now: Unix seconds; `clock` answers it, blocks carry it.
        faults: what goes wrong.
        deployment: facts of the contracts, which are there from block 1 on.
    """

    def __init__(self, chain_id: int, addresses: Mapping[str, Address], now: int, automine: bool = False) -> None:
        self.now, self.automine, self.faults = now, automine, Faults()
        self.address = address("0x" + keccak(b"relayer")[12:].hex())
        places = {name: addresses.get(name) or address("0x" + keccak(name.encode())[12:].hex()) for name in DEPLOYED}
        self._addresses, self._nodes = places, dict[bytes, bytes]()
        self._prepared: dict[Hash, tuple[Prepared, Call]] = {}
        self._pending: dict[int, Hash] = {}
        self._emitted: list[LedgerEvent] = []
        self._fork = 0
        genesis = self._header(None, HexaryTrie(self._nodes).root_hash)
        self._blocks = [Block(genesis, LedgerState.empty(chain_id, places), {}, (), {}, 0)]
        contracts = {name: Contract(at, to_hash(keccak(name.encode())), 1) for name, at in places.items()}
        self.deployment = Deployment(chain_id, genesis.hash, contracts)
        self._contracts = Contracts(self.deployment.domain)
        self.mine()

    def clock(self) -> int:
        """Unix seconds."""
        return self.now

    # what happens on the chain

    @property
    def state(self) -> LedgerState:
        """What the contracts hold at the newest block."""
        return self._blocks[-1].state

    def emit(self, *events: LedgerEvent, mine: bool = True) -> None:
        """Let somebody's own transaction succeed with these events; their time becomes that of the block."""
        self._emitted += events
        if mine:
            self.mine()

    def mine(self, blocks: int = 1, seconds: int = 1) -> Header:
        """Mine blocks, each `seconds` later; the first takes everything that waits."""
        for _ in range(blocks):
            self.now += seconds
            self._blocks.append(self._next())
        return self._blocks[-1].header

    def _next(self) -> Block:
        parent = self._blocks[-1]
        at = max(self.now, parent.header.timestamp + 1)
        state, events, receipts = parent.state.copy(), list[tuple[LedgerEvent, Hash]](), dict[Hash, bool]()
        for number, emitted in enumerate(self._emitted):
            event = replace(emitted, at=at)
            state.apply(event)
            events.append((event, to_hash(keccak(b"own transaction %d %d" % (number, at)))))
        for transaction in self._mineable(parent.nonce):
            try:
                found = self._contracts.execute(state, self._prepared[transaction][1], at)
            except Reverted:
                found, receipts[transaction] = [], False
            else:
                receipts[transaction] = True
            for event in found:
                state.apply(event)
            events += [(event, transaction) for event in found]
        nonce = parent.nonce + len(receipts)
        self._emitted, self._pending = [], {n: name for n, name in self._pending.items() if n >= nonce}
        roots, state_root = self._store(state, parent.roots)
        header = self._header(parent.header, state_root, at)
        logged = (Logged(e, header.number, header.hash, i, t) for i, (e, t) in enumerate(events))
        return Block(header, state, roots, tuple(logged), receipts, nonce)

    def _mineable(self, nonce: int) -> Iterator[Hash]:
        """What waits, in the order of its numbers, up to the first that is missing or offers too little."""
        while (name := self._pending.get(nonce)) and self._prepared[name][0].fees.limit >= self.faults.price:
            yield name
            nonce += 1

    def _store(self, state: LedgerState, before: Mapping[str, bytes]) -> tuple[dict[str, bytes], bytes]:
        """Write the storage tries, each from where it was, and the state trie; nothing old is lost."""
        roots, accounts = {}, HexaryTrie(self._nodes)
        words = storage_of(state)
        for name, at in self._addresses.items():
            trie = HexaryTrie(self._nodes, before[name]) if name in before else HexaryTrie(self._nodes)
            for key, word in words.get(name, {}).items():
                place, value = keccak(bytes.fromhex(key[2:])), rlp.encode(word) if word else b""
                if trie.get(place) != value:
                    trie[place] = value
            roots[name] = trie.root_hash
            code = self.faults.code.get(name) or to_hash(keccak(name.encode()))
            accounts[keccak(bytes.fromhex(at[2:]))] = rlp.encode([1, 0, roots[name], bytes.fromhex(code[2:])])
        for wallet in self._contracts.wallets:
            place = bytes.fromhex(wallet[2:])
            accounts[keccak(place)] = rlp.encode([1, 0, HexaryTrie({}).root_hash, keccak(place)])
        return roots, accounts.root_hash

    def _header(self, parent: Header | None, state_root: bytes, at: int | None = None) -> Header:
        zero, empty = "0x" + "00" * 32, "0x" + HexaryTrie({}).root_hash.hex()
        fields = {
            "parentHash": parent.hash if parent else zero, "sha3Uncles": _EMPTY_UNCLES, "miner": ZERO_ADDRESS,
            "stateRoot": "0x" + state_root.hex(), "transactionsRoot": empty, "receiptsRoot": empty,
            "logsBloom": "0x" + "00" * 256, "difficulty": "0x0", "number": hex(parent.number + 1 if parent else 0),
            "gasLimit": "0x1c9c380", "gasUsed": "0x0", "timestamp": hex(at or self.now),
            "extraData": "0x" + self._fork.to_bytes(2).hex(), "mixHash": zero, "nonce": "0x" + "00" * 8,
            "baseFeePerGas": "0x7", "withdrawalsRoot": empty, "blobGasUsed": "0x0", "excessBlobGas": "0x0",
            "parentBeaconBlockRoot": zero, "requestsHash": "0x" + hashlib.sha256().hexdigest(),
        }  # fmt: skip
        return Header.from_rlp(header_rlp(fields))

    def regress(self, blocks: int) -> None:
        """Lose the newest blocks and what was in them, as a node that is killed and started again may."""
        del self._blocks[-blocks:]
        self._fork += 1

    def reorganise(self, blocks: int, instead: int | None = None) -> Header:
        """Replace the newest blocks by as many others (or `instead`), in which nothing happens."""
        self.regress(blocks)
        return self.mine(blocks if instead is None else instead)

    def drop_pending(self) -> int:
        """Forget the transactions that wait; returns how many."""
        dropped, self._pending = len(self._pending), {}
        return dropped

    # the port Chain

    def _reach(self) -> None:
        if self.faults.unreachable:
            raise LedgerUnavailable("The Ethereum node does not answer (simulated).")

    def _block(self, name: Hash | int) -> Block:
        self._reach()
        for block in reversed(self._blocks):
            if name in (block.header.hash, block.header.number):
                return block
        raise LedgerUnavailable("The Ethereum node does not have the block.")

    def chain_id(self) -> int:
        """The id of the chain the node says it is on."""
        self._reach()
        return self.faults.chain_id or self.deployment.chain_id

    def head(self) -> Header:
        """The newest block."""
        self._reach()
        return self._blocks[-1].header

    def header(self, number: int) -> Header:
        """The block at a height now."""
        return self._block(number).header

    def events(self, block: Hash) -> list[Logged]:
        """All events in one block, or what the node makes of them."""
        return self.faults.logs(list(self._block(block).logged))

    def events_between(self, first: int, last: int) -> list[Logged]:
        """All events in a range of blocks, or what the node makes of them."""
        self._reach()
        blocks = [block for block in self._blocks if first <= block.header.number <= last]
        return self.faults.logs([entry for block in blocks for entry in block.logged])

    def contract_signed(self, account: Address, digest: bytes, signature: bytes) -> bool:
        """What the code of an account answers; `wallets` of the contracts says which accounts have code."""
        self._reach()
        wallet = self._contracts.wallets.get(account)
        return wallet is not None and wallet(digest, signature)

    def with_code(self, accounts: Collection[Address]) -> set[Address]:
        """Those of some accounts that have code: the `wallets` of the contracts."""
        self._reach()
        return set(accounts) & self._contracts.wallets.keys()

    def proof(self, block: Hash, contract: str, slots: Sequence[Hash]) -> tuple[AccountProof, tuple[SlotProof, ...]]:
        """Nodes of the tries as of a block; with `forge_proofs`, one byte of the last slot's is another."""
        found = self._block(block)
        at, root = self._addresses[contract], bytes.fromhex(found.header.state_root[2:])
        storage = found.roots.get(contract, HexaryTrie({}).root_hash)
        proofs = [SlotProof(key, self._path(storage, key)) for key in slots]
        if self.faults.forge_proofs and proofs:
            self.faults.forge_proofs -= 1
            *path, last = proofs[-1].nodes
            proofs[-1] = SlotProof(proofs[-1].key, (*path, last[:-1] + bytes([last[-1] ^ 1])))
        return AccountProof(at, self._path(root, at)), tuple(proofs)

    def account_proof(self, block: Hash, account: Address) -> AccountProof:
        """Nodes of the state trie: there are our contracts in it, and `wallets`."""
        root = bytes.fromhex(self._block(block).header.state_root[2:])
        return AccountProof(account, self._path(root, account))

    def _path(self, root: bytes, key: str) -> tuple[bytes, ...]:
        trie: Any = HexaryTrie(self._nodes, root)
        return tuple(rlp.encode(node) for node in trie.get_proof(keccak(bytes.fromhex(key[2:]))) if node)

    # the port Sender

    def simulate(self, call: Call, gas: int | None = None) -> str | None:  # noqa: ARG002 (there is no gas here)
        """None if the call would succeed now, otherwise the name of the contract's error."""
        self._reach()
        try:
            self._contracts.execute(self.state, call, max(self.now, self._blocks[-1].header.timestamp + 1))
        except Reverted as error:
            return str(error)
        return None

    def mined(self) -> int:
        """How many transactions are in blocks."""
        self._reach()
        return self._blocks[-1].nonce

    def fees(self) -> Fees:
        """What this node thinks that a transaction should offer, whatever is demanded."""
        self._reach()
        return Fees(2 * TIP, TIP)

    def prepare(self, call: Call, nonce: int, fees: Fees, gas: int | None = None) -> Prepared:
        """A transaction, not sent."""
        self._reach()
        raw = json.dumps([nonce, fees.limit, fees.tip, repr(call), gas]).encode()
        prepared = Prepared(to_hash(keccak(raw)), raw, nonce, fees)
        self._prepared[prepared.hash] = prepared, call
        return prepared

    def reprice(self, transaction: bytes, fees: Fees) -> Prepared:
        """The same transaction with other fees, not sent."""
        prepared, call = self._prepared[to_hash(keccak(transaction))]
        return self.prepare(call, prepared.nonce, fees, json.loads(transaction)[-1])

    def send(self, transaction: bytes) -> None:
        """Let a prepared transaction wait to be mined.

        Refused are one whose number is used up, and one that offers less than a tenth more than what waits with its
        number.
        """
        self._reach()
        name = to_hash(keccak(transaction))
        if self.knows(name):
            return
        prepared = self._prepared[name][0]
        if self.faults.refuse or prepared.nonce < self._blocks[-1].nonce or not self._outbids(prepared):
            raise LedgerUnavailable("The Ethereum node refused the transaction (simulated).")
        self._pending[prepared.nonce] = name
        if self.automine:
            self.mine()

    def _outbids(self, prepared: Prepared) -> bool:
        waiting = self._pending.get(prepared.nonce)
        if waiting is None:
            return True
        old, new = self._prepared[waiting][0].fees, prepared.fees
        return new.limit * 10 >= old.limit * 11 and new.tip * 10 >= old.tip * 11

    def knows(self, transaction: Hash) -> bool:
        """Whether a transaction is in a block or waiting."""
        return transaction in self._pending.values() or self.receipt(transaction) is not None

    def receipt(self, transaction: Hash) -> Receipt | None:
        """Where a transaction was included, or None while it is not."""
        self._reach()
        for block in reversed(self._blocks):
            if transaction in block.receipts:
                return Receipt(block.header.number, block.header.hash, block.receipts[transaction])
        return None


class MemoryVault:
    """The port `Vault` in memory. `contents` is open to tests that tamper with it."""

    def __init__(self) -> None:
        self.contents: dict[Hash, bytes] = {}

    def put(self, content: Iterable[bytes], limit: int) -> tuple[Hash, int]:
        """Keep sealed bytes; nothing is kept of what is too long or ends in an error."""
        data = bytearray()
        for chunk in content:
            data += chunk
            if len(data) > limit:
                raise InvalidFile(f"A sealed item must not be larger than {limit} bytes.")
        name = Hash("0x" + hashlib.sha256(data).hexdigest())
        self.contents[name] = bytes(data)
        return name, len(data)

    def open(self, digest: Hash) -> BinaryIO:
        """A seekable reader over kept bytes."""
        try:
            return io.BytesIO(self.contents[digest])
        except KeyError:
            raise NotFound("There are no such sealed bytes.") from None

    def fingerprint(self, digest: Hash) -> str | None:
        """The digest of what is really there: in memory that costs little."""
        if digest not in self.contents:
            raise NotFound("There are no such sealed bytes.")
        return hashlib.sha256(self.contents[digest]).hexdigest()

    def remove(self, digest: Hash) -> None:
        """Forget kept bytes."""
        self.contents.pop(digest, None)
