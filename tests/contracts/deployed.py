"""The deployed contracts on a real node, as close to the wire as it goes: calls in, receipts, logs and slots out.

Nothing here knows what should happen. Encoding follows the ABI of the builds; one connection is kept open, and what is
read together is asked together, because the state machine makes thousands of steps.
"""

import http.client
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args
from unittest import mock

import solcx
from eth_abi.abi import decode, encode
from eth_account import Account

from ledger.adapters.chain import Web3Chain
from ledger.adapters.logs import artifact
from ledger.adapters.node import Node
from ledger.adapters.rules import Wallet
from ledger.errors import BadSignature
from ledger.events import CONTRACTS, LedgerEvent
from ledger.model import ZERO_ADDRESS, Address, address, keccak, to_hash
from ledger.ports import Call
from ledger.slots import ProvenFacts, Slot
from ledger.typed_data import verify
from scripts import compile as builds
from scripts.deploy import deploy
from scripts.devnet import CHAIN_ID, Devnet
from scripts.vector_sources.world import key, phrase
from wallet.keys import SigningKey

START = 2_000_000_000
"""When the contracts are deployed, whatever the clock on the wall says."""
_WALLETS = "test/support/Wallets"
_EVENTS = {cls.__name__: cls for cls in get_args(LedgerEvent)}
_GAS, _FEE, _RICH = 1_500_000, 10**12, 10**26


@dataclass(frozen=True)
class Actor:
    """Somebody with an address. An account that is a contract has no key; its owner's is not its own."""

    name: str
    address: Address
    key: SigningKey | None = None

    def __repr__(self) -> str:
        return self.name


def person(name: str) -> Actor:
    own = key(f"machine: {name}")
    return Actor(name, own.address, own)


OWNER = key("machine: owner of wallets")
PASSWORD = b"password"


def _by_owner(digest: bytes, signature: bytes) -> bool:
    try:
        verify(digest, signature, OWNER.address)
    except BadSignature:
        return False
    return True


ANSWERS: dict[str, Wallet] = {
    "OwnedWallet": _by_owner,
    "PasswordWallet": lambda _, signature: signature == PASSWORD,
    "Mute": lambda *_: False,
    "RevertingWallet": lambda *_: False,
    "WritingWallet": lambda *_: False,
}
"""What each wallet of `contracts/test/support/Wallets.sol` answers when it is asked through ERC-1271."""


@cache
def _wallet_code() -> dict[str, bytes]:
    """The test wallets, compiled."""
    with mock.patch.object(builds, "CONTRACTS", (_WALLETS,)):
        sources = builds.sources()
    file = f"contracts/{_WALLETS}.sol"
    settings = {"evmVersion": "prague", "outputSelection": {file: {"*": ["evm.bytecode.object"]}}}
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in sources.items()},
        "settings": settings,
    }
    with builds._node_first():
        answer = solcx.compile_standard(request, solc_binary=builds.SOLC)
    compiled = answer["contracts"][file]
    return {name: bytes.fromhex(compiled[name]["evm"]["bytecode"]["object"]) for name in ANSWERS}


class Rpc:
    """JSON-RPC over one connection."""

    def __init__(self, node: Devnet) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=30)
        self._ids = itertools.count()

    def _post(self, body: Any) -> Any:
        self._connection.request("POST", "/", json.dumps(body), {"content-type": "application/json"})
        return json.loads(self._connection.getresponse().read())

    def call(self, method: str, *params: Any) -> Any:
        answer = self._post({"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params})
        return _result(method, answer)

    def batch(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Answers in the order of the questions, which the node takes up in any order: for reading only."""
        body = [{"jsonrpc": "2.0", "id": n, "method": call[0], "params": call[1:]} for n, call in enumerate(calls)]
        answers = {answer["id"]: answer for answer in self._post(body)} if body else {}
        return [_result(call[0], answers[n]) for n, call in enumerate(calls)]

    def close(self) -> None:
        self._connection.close()


def _result(method: str, answer: dict[str, Any]) -> Any:
    assert "error" not in answer, f"the node refused {method}: {answer['error']}"
    return answer["result"]


@dataclass(frozen=True)
class View:
    """A question to a contract, and what it must answer."""

    call: Call
    expected: tuple[Any, ...]


class _Interface:
    """How a contract's functions, errors and events look in bytes."""

    def __init__(self, abi: Sequence[Any]) -> None:
        self.inputs: dict[str, tuple[bytes, list[str]]] = {}
        self.outputs: dict[str, list[str]] = {}
        self.errors: dict[str, str] = {}
        self.events: dict[str, tuple[str, list[tuple[str, bool]]]] = {}
        for entry in abi:
            types = [_type(member) for member in entry.get("inputs", ())]
            hashed = keccak(f"{entry.get('name')}({','.join(types)})".encode())
            match entry["type"]:
                case "function":
                    self.inputs[entry["name"]] = hashed[:4], types
                    self.outputs[entry["name"]] = [_type(member) for member in entry["outputs"]]
                case "error":
                    self.errors["0x" + hashed[:4].hex()] = entry["name"]
                case "event":
                    indexed = [member["indexed"] for member in entry["inputs"]]
                    self.events["0x" + hashed.hex()] = entry["name"], list(zip(types, indexed, strict=True))


def _type(member: dict[str, Any]) -> str:
    if not member["type"].startswith("tuple"):
        return str(member["type"])
    inner = ",".join(_type(part) for part in member["components"])
    return f"({inner}){member['type'].removeprefix('tuple')}"


def _value(kind: str, value: Any) -> Any:
    match kind:
        case "address":
            return address(value)
        case "bytes32":
            return to_hash(value)
        case _:
            return value


class Deployed:
    """The contracts, and everybody who calls them, on a node that mines when told to."""

    def __init__(self, node: Devnet) -> None:
        self.rpc = Rpc(node)
        self.interfaces = {name: _Interface(artifact(name)["abi"]) for name in CONTRACTS}
        self.rpc.call("evm_setNextBlockTimestamp", hex(START))
        self.rpc.call("anvil_autoImpersonateAccount", True)
        self.relayer, self.consortium = person("relayer"), person("consortium")
        self._endow(self.relayer, self.consortium)
        assert self.relayer.key
        self.deployment = deploy(node.rpc_url, self.relayer.key.secret.reveal(), self.consortium.address)
        self.wallets = {name: self._create(name, code) for name, code in _wallet_code().items()}
        self.chain = Web3Chain(Node(node.rpc_url), self.deployment)
        self._names = {contract.lower(): name for name, contract in self.deployment.addresses.items()}
        self.rpc.call("evm_setAutomine", False)

    def _create(self, name: str, code: bytes) -> Actor:
        arguments = encode(["address"], [OWNER.address]) if name == "OwnedWallet" else b""
        request = {"from": self.relayer.address, "data": "0x" + (code + arguments).hex()}
        receipt = self.rpc.call("eth_sendTransactionSync", request)
        made = Actor(name, address(receipt["contractAddress"]))
        self._endow(made)
        return made

    def _endow(self, *actors: Actor) -> None:
        for actor in actors:
            self.rpc.call("anvil_setBalance", actor.address, hex(_RICH))

    def ready(self, *actors: Actor) -> None:
        """Give everybody ether, and settle that in a block of its own."""
        self._endow(*actors)
        self.rpc.call("evm_mine", {"timestamp": START + 60})

    # acting

    def send(self, sender: Actor, call: Call, urgency: int) -> str:
        """Hand in a transaction in its sender's name; the more urgent one is mined first."""
        return self._send(
            {
                "from": sender.address,
                "to": self.deployment.addresses[call.contract],
                "data": self.data(call),
                "gas": hex(_GAS),
                "maxFeePerGas": hex(_FEE),
                "maxPriorityFeePerGas": hex(urgency),
            }
        )

    def _send(self, request: dict[str, Any]) -> str:
        return str(self.rpc.call("eth_sendTransaction", request))

    def send_code(self, account: Actor, wallet: str | None) -> str:
        """Hand in the account's word that it now has the code of a wallet, or none (EIP-7702)."""
        assert self.relayer.key
        assert account.key
        nonces = [("eth_getTransactionCount", a.address, "pending") for a in (self.relayer, account)]
        nonce, own = (int(answer, 16) for answer in self.rpc.batch(nonces))
        to = self.wallets[wallet].address if wallet else ZERO_ADDRESS
        secret = account.key.secret.reveal()
        signed = Account.sign_authorization({"chainId": CHAIN_ID, "address": to, "nonce": own}, secret)
        transaction = Account.sign_transaction(
            {
                "type": 4, "chainId": CHAIN_ID, "nonce": nonce, "to": account.address, "value": 0, "data": "0x",
                "gas": 21_000 + 25_000 + 50_000, "maxFeePerGas": _FEE, "maxPriorityFeePerGas": 1,
                "authorizationList": [signed],
            },
            self.relayer.key.secret.reveal(),
        )  # fmt: skip
        return str(self.rpc.call("eth_sendRawTransaction", "0x" + bytes(transaction.raw_transaction).hex()))

    def code(self, account: Actor) -> str | None:
        """Which wallet's code an EIP-7702 account has."""
        code = self.rpc.call("eth_getCode", account.address, "latest")
        names = {("0xef0100" + wallet.address[2:]).lower(): name for name, wallet in self.wallets.items()}
        return names[code] if code != "0x" else None

    def mine(self, at: int) -> None:
        """A block of this second with all that waits."""
        self.rpc.call("evm_mine", {"timestamp": at})

    # reading

    def data(self, call: Call) -> str:
        selector, types = self.interfaces[call.contract].inputs[call.function]
        return "0x" + (selector + encode(types, call.arguments)).hex()

    def reason(self, contract: str, returned: str | None) -> str:
        """The name of the error a contract ended with."""
        return self.interfaces[contract].errors.get((returned or "")[:10], f"nothing known ({returned})")

    def event(self, log: dict[str, Any], at: int) -> LedgerEvent:
        """What a log says."""
        interface = self.interfaces[self._names[log["address"]]]
        name, members = interface.events[log["topics"][0]]
        kinds = [kind for kind, indexed in members if not indexed]
        rest = iter(decode(kinds, bytes.fromhex(log["data"][2:])))
        topics = iter(log["topics"][1:])
        values = []
        for kind, indexed in members:
            value = decode([kind], bytes.fromhex(next(topics)[2:]))[0] if indexed else next(rest)
            values.append(_value(kind, value))
        event: LedgerEvent = _EVENTS[name](at, *values)
        return event

    def number(self) -> int:
        """Of the newest block."""
        return int(self.rpc.call("eth_blockNumber"), 16)

    def times(self, first: int, last: int) -> list[int]:
        """The seconds of blocks."""
        asked = [("eth_getBlockByNumber", hex(number), False) for number in range(first, last + 1)]
        return [int(block["timestamp"], 16) for block in self.rpc.batch(asked)]

    def logs(self, first: int) -> list[LedgerEvent]:
        """Everything our contracts said from a block on, as `eth_getLogs` has it."""
        wanted = {"address": [self.deployment.addresses[name] for name in CONTRACTS], "fromBlock": hex(first)}
        found = self.rpc.call("eth_getLogs", wanted | {"toBlock": "latest"})
        found.sort(key=lambda log: (int(log["blockNumber"], 16), int(log["logIndex"], 16)))
        return [self.event(log, int(log["blockTimestamp"], 16)) for log in found]

    def read(
        self, slots: Iterable[Slot], views: Sequence[View], also: Sequence[tuple[Any, ...]] = ()
    ) -> tuple[ProvenFacts, list[Any]]:
        """What lies in storage, as the service would read it from a proof; every view must answer as expected."""
        places = self.deployment.addresses
        wanted = list(dict.fromkeys(slots))
        storage = [("eth_getStorageAt", places[slot.contract], slot.key, "latest") for slot in wanted]
        calls = [("eth_call", {"to": places[v.call.contract], "data": self.data(v.call)}, "latest") for v in views]
        answers = self.rpc.batch([*storage, *calls, *also])
        facts = ProvenFacts({(s.contract, s.key): int(word, 16) for s, word in zip(wanted, answers, strict=False)})
        for view, answer in zip(views, answers[len(wanted) :], strict=False):
            kinds = self.interfaces[view.call.contract].outputs[view.call.function]
            told = bytes.fromhex(answer[2:])
            assert told == encode(kinds, view.expected), f"{view} answered {decode(kinds, told)}"
        return facts, answers[len(wanted) + len(views) :]


def name_of(label: str) -> bytes:
    """32 bytes that stand for a grant, a document or a root; zero is one of them."""
    return bytes(32) if label == "zero" else phrase(f"machine: {label}")
