"""The chain over JSON-RPC. web3.py's types stop at this file; values of the core leave it."""

import json
import sys
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.exceptions import ContractCustomError, ContractLogicError, Web3Exception
from web3.types import RPCEndpoint

from ledger.deployment import Deployment
from ledger.errors import InvalidProof, LedgerUnavailable
from ledger.events import (
    CONTRACTS,
    Anchored,
    Checkpointed,
    Closed,
    Delegated,
    Granted,
    LedgerEvent,
    Published,
    Registered,
    Retracted,
    Revoked,
    RevokedAll,
    Superseded,
    Suspended,
    SuspensionChanged,
)
from ledger.model import Address, Hash, address, hash32, to_hash
from ledger.ports import Call, Logged, Receipt
from ledger.proofs import AccountProof, Header, SlotProof, read_proof, verify_header

sys.setrecursionlimit(1000)  # py_ecc, which eth-account brings, raises it: nested JSON would then overrun the stack

TIMEOUT = 5.0
"""Seconds after which a node that does not answer counts as unreachable."""
TIP = 10**9
"""Wei of priority fee per gas."""
MAX_GAS = 15_000_000
"""No transaction of ours may burn more gas than this, whatever a contract signer does."""


def artifact(contract: str) -> dict[str, Any]:
    """The checked-in build of a contract: ABI, bytecode and storage layout."""
    loaded: dict[str, Any] = json.loads(files("ledger.adapters").joinpath("abi", f"{contract}.json").read_text())
    return loaded


class Node:
    """One JSON-RPC endpoint. Every failure becomes `LedgerUnavailable`."""

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        self.url = url
        self._provider = HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)
        self.web3 = Web3(self._provider)

    def request(self, method: str, *params: Any) -> Any:
        """The result of one call, as raw JSON."""
        try:
            answer = self._provider.make_request(RPCEndpoint(method), list(params))
        except (OSError, ValueError, RecursionError, Web3Exception) as error:
            raise LedgerUnavailable(f"The Ethereum node does not answer ({type(error).__name__}).") from error
        if not isinstance(answer, dict):
            raise LedgerUnavailable("What answers is not an Ethereum node.")
        if "error" in answer:
            # A node's message may quote what we sent; its code says enough to a person and less to a log.
            error_code = answer["error"].get("code") if isinstance(answer["error"], dict) else "?"
            raise LedgerUnavailable(f"The Ethereum node refused {method} (error {error_code}).")
        return answer.get("result")


class Web3Chain:
    """The port `Chain` on one node.

    Args:
        node: the endpoint.
        deployment: which contracts to read.
    """

    def __init__(self, node: Node, deployment: Deployment) -> None:
        self._node = node
        self._addresses = deployment.addresses
        self._names = {contract: name for name, contract in self._addresses.items()}
        self._decoders = _decoders(node.web3)

    def chain_id(self) -> int:
        """The id of the chain the node is on."""
        return _number(self._node.request("eth_chainId"))

    def head(self) -> Header:
        """The newest block, its hash recomputed."""
        return self._header("latest")

    def header(self, number: int) -> Header:
        """The block the node has at a height now, its hash recomputed."""
        return self._header(hex(number))

    def _header(self, block: str) -> Header:
        answer = self._node.request("eth_getBlockByNumber", block, False)
        if not isinstance(answer, dict):
            raise LedgerUnavailable("The Ethereum node does not have the block.")
        try:
            return verify_header(answer)
        except InvalidProof as error:
            raise LedgerUnavailable(
                "The Ethereum node answered with a block that does not hash to its name."
            ) from error

    def events(self, block: Hash) -> list[Logged]:
        """All our events in one block, in log order."""
        return self._logs({"blockHash": block})

    def events_between(self, first: int, last: int) -> list[Logged]:
        """All our events in a range of blocks, in order."""
        return self._logs({"fromBlock": hex(first), "toBlock": hex(last)})

    def _logs(self, blocks: dict[str, str]) -> list[Logged]:
        answer = self._node.request("eth_getLogs", {"address": list(self._addresses.values()), **blocks})
        times: dict[Hash, int] = {}
        try:
            logged = [self._logged(log, times) for log in answer]
        except (KeyError, TypeError, ValueError, AttributeError, Web3Exception) as error:
            raise LedgerUnavailable("The Ethereum node answered with a log that cannot be read.") from error
        return sorted((entry for entry in logged if entry), key=lambda entry: (entry.block_number, entry.log_index))

    def _logged(self, log: Any, times: dict[Hash, int]) -> Logged | None:
        contract = self._names[address(log["address"])]
        decoder = self._decoders.get((contract, log["topics"][0]))
        if decoder is None:
            return None  # OpenZeppelin's own: OwnershipTransferred and the like
        if log.get("removed"):
            raise LedgerUnavailable("The Ethereum node answered with a log that was reorganised away.")
        number, block = _number(log["blockNumber"]), hash32(log["blockHash"])
        if block not in times:
            header = self._header(hex(number))
            if header.hash != block:
                raise LedgerUnavailable("The chain was reorganised while it was read.")
            times[block] = header.timestamp
        name, web3_event = decoder
        arguments = web3_event.process_log(_attribute_log(log))["args"]
        event = _event(name, arguments, times[block])
        return Logged(event, number, block, _number(log["logIndex"]), hash32(log["transactionHash"]))

    def proof(self, block: Hash, contract: str, slots: Sequence[Hash]) -> tuple[AccountProof, tuple[SlotProof, ...]]:
        """The account proof and slot proofs of one of our contracts, as of a block. Unverified."""
        answer = self._node.request("eth_getProof", self._addresses[contract], list(slots), {"blockHash": block})
        try:
            return read_proof(answer)
        except InvalidProof as error:
            raise LedgerUnavailable("The Ethereum node answered with a proof that cannot be read.") from error


class Web3Sender:
    """The port `Sender`: one account that pays, on one node. One instance per account, used by one thread at a time."""

    def __init__(self, node: Node, deployment: Deployment, secret: bytes) -> None:
        self._node = node
        self._account: LocalAccount = Account.from_key(secret)
        self._chain_id = deployment.chain_id
        self._contracts = {
            name: node.web3.eth.contract(address=Web3.to_checksum_address(at), abi=artifact(name)["abi"])
            for name, at in deployment.addresses.items()
        }
        self.address = Address(self._account.address)

    def _data(self, call: Call) -> str:
        return str(self._contracts[call.contract].encode_abi(call.function, args=list(call.arguments)))

    def _request(self, call: Call) -> dict[str, Any]:
        return {
            "from": self.address,
            "to": self._contracts[call.contract].address,
            "data": self._data(call),
            "gas": hex(MAX_GAS),
        }

    def simulate(self, call: Call) -> str | None:
        """None if the call would succeed now, otherwise the name of the contract's error."""
        contract = self._contracts[call.contract]
        function = contract.get_function_by_name(call.function)
        try:
            function(*call.arguments).call({"from": Web3.to_checksum_address(self.address), "gas": MAX_GAS})
        except ContractCustomError as error:
            return _error_name(contract.abi, str(error.data))
        except ContractLogicError as error:
            return str(error.message or "reverted")
        except (OSError, ValueError, RecursionError, Web3Exception) as error:
            raise LedgerUnavailable(f"The Ethereum node does not answer ({type(error).__name__}).") from error
        return None

    def prepare(self, call: Call) -> tuple[Hash, bytes]:
        """A signed transaction, not sent: its hash and its bytes."""
        request = self._request(call)
        gas = min(_number(self._node.request("eth_estimateGas", request)) * 5 // 4, MAX_GAS)
        return self._sign(request["to"], request["data"], 0, gas)

    def prepare_transfer(self, to: Address, wei: int) -> tuple[Hash, bytes]:
        """A signed transfer of ether, not sent."""
        return self._sign(to, "0x", wei, 21_000)

    def _sign(self, to: str, data: str, value: int, gas: int) -> tuple[Hash, bytes]:
        base = _number(self._node.request("eth_getBlockByNumber", "latest", False)["baseFeePerGas"])
        transaction: dict[str, Any] = {
            "chainId": self._chain_id,
            "nonce": _number(self._node.request("eth_getTransactionCount", self.address, "pending")),
            "to": to,
            "data": data,
            "value": value,
            "gas": gas,
            "maxPriorityFeePerGas": TIP,
            "maxFeePerGas": 2 * base + TIP,
            "type": 2,
        }
        signed = self._account.sign_transaction(transaction)
        return to_hash(bytes(signed.hash)), bytes(signed.raw_transaction)

    def send(self, transaction: bytes) -> None:
        """Hand a prepared transaction to the node. Sending the same one again is harmless."""
        self._node.request("eth_sendRawTransaction", "0x" + transaction.hex())

    def knows(self, transaction: Hash) -> bool:
        """Whether the node holds a transaction, in a block or waiting."""
        return self._node.request("eth_getTransactionByHash", transaction) is not None

    def receipt(self, transaction: Hash) -> Receipt | None:
        """Where a transaction was included, or None while it is not."""
        answer = self._node.request("eth_getTransactionReceipt", transaction)
        if answer is None or answer.get("blockHash") is None:
            return None
        return Receipt(_number(answer["blockNumber"]), hash32(answer["blockHash"]), answer["status"] == "0x1")


def _number(value: Any) -> int:
    if not isinstance(value, str):
        raise LedgerUnavailable("The Ethereum node answered with something that is not a number.")
    try:
        return int(value, 16)
    except ValueError as error:
        raise LedgerUnavailable("The Ethereum node answered with something that is not a number.") from error


def _error_name(abi: Sequence[Any], data: str) -> str:
    for entry in abi:
        if entry["type"] == "error":
            signature = f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})"
            if data.startswith("0x" + Web3.keccak(text=signature)[:4].hex()):
                return str(entry["name"])
    return "an unknown error"


def _decoders(web3: Web3) -> dict[tuple[str, str], tuple[str, Any]]:
    known = set(_FIELDS)
    table: dict[tuple[str, str], tuple[str, Any]] = {}
    for name in CONTRACTS:
        contract = web3.eth.contract(abi=artifact(name)["abi"])
        for entry in contract.abi:
            if entry["type"] == "event" and entry["name"] in known:
                signature = f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})"
                topic = "0x" + Web3.keccak(text=signature).hex().removeprefix("0x")
                table[name, topic] = entry["name"], contract.events[entry["name"]]()
    return table


def _attribute_log(log: dict[str, Any]) -> Any:
    """A raw JSON log with the types web3.py's decoder takes."""
    from hexbytes import HexBytes
    from web3.datastructures import AttributeDict

    return AttributeDict(
        {
            "address": Web3.to_checksum_address(log["address"]),
            "topics": [HexBytes(topic) for topic in log["topics"]],
            "data": HexBytes(log["data"]),
            "blockNumber": _number(log["blockNumber"]),
            "blockHash": HexBytes(log["blockHash"]),
            "transactionHash": HexBytes(log["transactionHash"]),
            "transactionIndex": _number(log["transactionIndex"]),
            "logIndex": _number(log["logIndex"]),
        }
    )


# Event name → (our class, its fields in terms of the ABI's argument names).
_FIELDS: dict[str, tuple[type[Any], dict[str, str]]] = {
    "Granted": (Granted, {"subject": "subject", "grant_hash": "grantHash", "signer": "signer"}),
    "Revoked": (Revoked, {"subject": "subject", "grant_hash": "grantHash", "signer": "signer"}),
    "RevokedAll": (RevokedAll, {"subject": "subject", "before": "before", "signer": "signer"}),
    "Suspended": (
        Suspended,
        {"subject": "subject", "suspended": "suspended", "suspension_at": "at", "signer": "signer"},
    ),
    "Closed": (Closed, {"subject": "subject", "signer": "signer"}),
    "Delegated": (
        Delegated,
        {
            "subject": "subject",
            "delegate": "delegate",
            "rights": "rights",
            "valid_until": "validUntil",
            "delegation_at": "at",
        },
    ),
    "Anchored": (Anchored, {"root": "root", "size": "size"}),
    "Registered": (Registered, {"party": "party", "roles": "roles", "profile": "profile", "uri": "uri"}),
    "SuspensionChanged": (SuspensionChanged, {"party": "party", "suspended": "suspended"}),
    "Published": (Published, {"issuer": "issuer", "document": "hash"}),
    "Superseded": (
        Superseded,
        {"issuer": "issuer", "document": "hash", "replacement": "replacement", "material": "material"},
    ),
    "Retracted": (Retracted, {"issuer": "issuer", "document": "hash"}),
    "Checkpointed": (Checkpointed, {"logger": "logger", "log_id": "logId", "size": "size", "root": "root"}),
}


def _event(name: str, arguments: Any, at: int) -> LedgerEvent:
    cls, names = _FIELDS[name]
    values = {ours: arguments[theirs] for ours, theirs in names.items()}
    event: LedgerEvent = cls(
        at=at, **{n: to_hash(v) if isinstance(v, bytes) and len(v) == 32 else v for n, v in values.items()}
    )
    return event
