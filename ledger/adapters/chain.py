"""The chain over JSON-RPC. web3.py's types stop at this file; values of the core leave it."""

import sys
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

import rlp
from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import Web3

from ledger.adapters.logs import artifact, decode
from ledger.adapters.node import Node, OutOfGas, Reverted
from ledger.deployment import Deployment
from ledger.errors import InvalidMessage, InvalidProof, LedgerUnavailable, Refused
from ledger.model import Address, Hash, address, hash32, keccak, to_hash
from ledger.ports import Call, Fees, Logged, Prepared, Receipt
from ledger.proofs import AccountProof, Header, SlotProof, read_proof, verify_header

sys.setrecursionlimit(1000)  # py_ecc, which eth-account brings, raises it: nested JSON would then overrun the stack

TIP = 10**9
"""Wei of priority fee per gas."""
MAX_GAS = 15_000_000
"""No transaction of ours may burn more gas than this, whatever a contract signer does."""

ERC1271_GAS = 1_000_000
"""Gas a contract may use to say whether it signed: enough for several owners or a passkey."""
_IS_VALID = keccak(b"isValidSignature(bytes32,bytes)")[:4]


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
        return _header(self._node.request("eth_getBlockByNumber", block, False))

    def events(self, block: Hash) -> list[Logged]:
        """All our events in one block, in log order."""
        return self._logs({"blockHash": block})

    def events_between(self, first: int, last: int) -> list[Logged]:
        """All our events in a range of blocks, in order."""
        return self._logs({"fromBlock": hex(first), "toBlock": hex(last)})

    def _logs(self, blocks: dict[str, str]) -> list[Logged]:
        answer = self._node.request("eth_getLogs", {"address": list(self._addresses.values()), **blocks})
        try:
            times = self._times(answer)
            logged = [self._logged(log, times) for log in answer]
        except (InvalidMessage, KeyError, TypeError, ValueError, AttributeError) as error:
            raise LedgerUnavailable("The Ethereum node answered with a log that cannot be read.") from error
        return sorted((entry for entry in logged if entry), key=lambda entry: (entry.block_number, entry.log_index))

    def _times(self, logs: list[Any]) -> dict[Hash, int]:
        """The times of the blocks of some logs. A wrong one does no harm: the running head is folded over it."""
        one_of = {log["blockHash"]: log for log in logs}
        blocks = {hash32(name): log["blockNumber"] for name, log in one_of.items()}
        told = {hash32(name): log["blockTimestamp"] for name, log in one_of.items() if log.get("blockTimestamp")}
        times = {block: _number(time) for block, time in told.items()}
        missing = {block: number for block, number in blocks.items() if block not in times}
        answers = self._node.batch("eth_getBlockByNumber", [(number, False) for number in missing.values()])
        for block, header in zip(missing, map(_header, answers), strict=True):
            if header.hash != block:
                raise LedgerUnavailable("The chain was reorganised while it was read.")
            times[block] = header.timestamp
        return times

    def _logged(self, log: Any, times: dict[Hash, int]) -> Logged | None:
        if log.get("removed"):
            raise LedgerUnavailable("The Ethereum node answered with a log that was reorganised away.")
        block = log["blockHash"]
        event = decode(self._names[address(log["address"])], log, times[block])
        if event is None:
            return None
        number, index = _number(log["blockNumber"]), _number(log["logIndex"])
        return Logged(event, number, block, index, hash32(log["transactionHash"]))

    def proof(self, block: Hash, contract: str, slots: Sequence[Hash]) -> tuple[AccountProof, tuple[SlotProof, ...]]:
        """The account proof and slot proofs of one of our contracts, as of a block. Unverified."""
        return self._proof(block, self._addresses[contract], list(slots))

    def account_proof(self, block: Hash, account: Address) -> AccountProof:
        """The proof of any account, as of a block. Unverified."""
        return self._proof(block, account, [])[0]

    def _proof(self, block: Hash, account: Address, slots: list[Hash]) -> tuple[AccountProof, tuple[SlotProof, ...]]:
        answer = self._node.request("eth_getProof", account, slots, {"blockHash": block})
        try:
            return read_proof(answer)
        except InvalidProof as error:
            raise LedgerUnavailable("The Ethereum node answered with a proof that cannot be read.") from error

    def contract_signed(self, account: Address, digest: bytes, signature: bytes) -> bool:
        """Whether the code of an account says now, through ERC-1271, that it signed 32 bytes."""
        padded = signature + bytes(-len(signature) % 32)
        arguments = digest + (64).to_bytes(32) + len(signature).to_bytes(32) + padded
        request = {"to": account, "data": "0x" + (_IS_VALID + arguments).hex(), "gas": hex(ERC1271_GAS)}
        try:
            answer = self._node.request("eth_call", request, "latest")
        except (Reverted, OutOfGas):
            return False
        return isinstance(answer, str) and answer[:66].lower() == "0x" + (_IS_VALID + bytes(28)).hex()

    def with_code(self, accounts: Collection[Address]) -> set[Address]:
        """Those of some accounts that have code now."""
        asked = list(accounts)
        codes = self._node.batch("eth_getCode", [(account, "latest") for account in asked])
        return {account for account, code in zip(asked, codes, strict=True) if code != "0x"}


class Web3Sender:
    """The port `Sender`: one account that pays, on one node. One instance per account, used by one thread at a time."""

    def __init__(self, node: Node, deployment: Deployment, secret: bytes) -> None:
        self._node = node
        self._account: LocalAccount = Account.from_key(secret)
        self._chain_id = deployment.chain_id
        self._addresses = deployment.addresses
        self.address = Address(self._account.address)

    def _request(self, call: Call, gas: int | None) -> dict[str, Any]:
        return {
            "from": self.address,
            "to": Web3.to_checksum_address(self._addresses[call.contract]),
            "data": call_data(call),
            "gas": hex(min(gas or MAX_GAS, MAX_GAS)),
        }

    def simulate(self, call: Call, gas: int | None = None) -> str | None:
        """None if the call would succeed now with so much gas, otherwise the name of the contract's error."""
        try:
            self._node.request("eth_call", self._request(call, gas), "latest")
        except Reverted as error:
            return _error_name(call.contract, error.data)
        except OutOfGas:
            if gas is None:  # none of ours takes that much: the node is in trouble, not the message
                raise
            return "OutOfGas"
        return None

    def mined(self) -> int:
        """How many transactions of the account are in blocks."""
        return _number(self._node.request("eth_getTransactionCount", self.address, "latest"))

    def fees(self) -> Fees:
        """What a transaction should offer: the base fee may double before it is mined."""
        block = self._node.request("eth_getBlockByNumber", "latest", False)
        base = _number(block.get("baseFeePerGas") if isinstance(block, dict) else None)
        return Fees(2 * base + TIP, TIP)

    def prepare(
        self, call: Call, nonce: int | None = None, fees: Fees | None = None, gas: int | None = None
    ) -> Prepared:
        """A signed transaction, not sent; by default the next one, at the price of the market.

        Args:
            gas: the most it may ever take.

        Raises:
            Refused: with `gas`: the contract refuses the call now. Without, that is `Reverted`.
        """
        request = self._request(call, gas)
        try:
            # As of the newest block: with what waits counted in, a revocation looks cheaper than when it comes first.
            estimate = _number(self._node.request("eth_estimateGas", request, "latest"))
        except (Reverted, OutOfGas) as error:
            if gas is None:
                raise
            raise Refused("The contract refuses the call now.") from error
        limit = min(estimate * 3 // 2 + 20_000, int(request["gas"], 16))
        return self._next(request["to"], request["data"], 0, limit, nonce, fees)

    def shortfall(self, prepared: Prepared) -> int:
        """How many wei the account lacks for what a transaction may cost at most."""
        _, _, _, limit, gas, _, value, *_ = rlp.decode(prepared.raw[1:])
        balance = _number(self._node.request("eth_getBalance", self.address, "latest"))
        return max(int.from_bytes(limit) * int.from_bytes(gas) + int.from_bytes(value) - balance, 0)

    def prepare_transfer(self, to: Address, wei: int) -> Prepared:
        """A signed transfer of ether, not sent."""
        return self._next(to, "0x", wei, 21_000, None, None)

    def reprice(self, transaction: bytes, fees: Fees) -> Prepared:
        """The same transaction with other fees, signed anew, not sent."""
        chain_id, nonce, _, _, gas, to, value, data, _, *_ = rlp.decode(transaction[1:])
        if transaction[:1] != b"\x02" or int.from_bytes(chain_id) != self._chain_id:
            raise ValueError("not a transaction that this sender signed")
        fields = (int.from_bytes(value), int.from_bytes(gas), int.from_bytes(nonce))
        return self._sign("0x" + to.hex(), "0x" + data.hex(), *fields, fees)

    def _next(self, to: str, data: str, value: int, gas: int, nonce: int | None, fees: Fees | None) -> Prepared:
        if nonce is None:
            nonce = _number(self._node.request("eth_getTransactionCount", self.address, "pending"))
        return self._sign(to, data, value, gas, nonce, fees or self.fees())

    def _sign(self, to: str, data: str, value: int, gas: int, nonce: int, fees: Fees) -> Prepared:
        transaction: dict[str, Any] = {
            "chainId": self._chain_id,
            "nonce": nonce,
            "to": Web3.to_checksum_address(to),
            "data": data,
            "value": value,
            "gas": gas,
            "maxPriorityFeePerGas": fees.tip,
            "maxFeePerGas": fees.limit,
            "type": 2,
        }
        signed = self._account.sign_transaction(transaction)
        return Prepared(to_hash(bytes(signed.hash)), bytes(signed.raw_transaction), nonce, fees)

    def send(self, transaction: bytes) -> None:
        """Hand a prepared transaction to the node. Sending the same one again is harmless."""
        self._node.request("eth_sendRawTransaction", "0x" + transaction.hex())

    def knows(self, transaction: Hash) -> bool:
        """Whether the node holds a transaction, in a block or waiting."""
        return self._node.request("eth_getTransactionByHash", transaction) is not None

    def receipt(self, transaction: Hash) -> Receipt | None:
        """Where a transaction was included, or None while it is not."""
        answer = self._node.request("eth_getTransactionReceipt", transaction)
        if answer is None:
            return None
        try:
            if answer.get("blockHash") is None:
                return None
            return Receipt(_number(answer["blockNumber"]), hash32(answer["blockHash"]), answer["status"] == "0x1")
        except (InvalidMessage, KeyError, AttributeError) as error:
            raise LedgerUnavailable("The Ethereum node answered with a receipt that cannot be read.") from error


def call_data(call: Call) -> str:
    """A call as the contract reads it: its selector and its arguments, ABI-encoded.

    web3.py's own way goes through every argument several times before it hands them to the same encoder.
    """
    selector, types = _function(call.contract, call.function)
    return "0x" + (selector + encode(types, call.arguments)).hex()


@cache
def _function(contract: str, name: str) -> tuple[bytes, tuple[str, ...]]:
    """The selector of a function, and the types of its arguments."""
    (found,) = (e for e in artifact(contract)["abi"] if e["type"] == "function" and e["name"] == name)
    types = tuple(map(_type, found["inputs"]))
    return keccak(f"{name}({','.join(types)})".encode())[:4], types


def _type(argument: dict[str, Any]) -> str:
    kind: str = argument["type"]
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(_type, argument['components']))}){kind.removeprefix('tuple')}"


def address_of(secret: bytes) -> Address:
    """The account of a private key of 32 bytes."""
    return Address(Account.from_key(secret).address)


def _number(value: Any) -> int:
    if not isinstance(value, str):
        raise LedgerUnavailable("The Ethereum node answered with something that is not a number.")
    try:
        return int(value, 16)
    except ValueError as error:
        raise LedgerUnavailable("The Ethereum node answered with something that is not a number.") from error


def _header(answer: Any) -> Header:
    if not isinstance(answer, dict):
        raise LedgerUnavailable("The Ethereum node does not have the block.")
    try:
        return verify_header(answer)
    except InvalidProof as error:
        raise LedgerUnavailable("The Ethereum node answered with a block that does not hash to its name.") from error


def _error_name(contract: str, data: str) -> str:
    for entry in artifact(contract)["abi"]:
        if entry["type"] == "error":
            signature = f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})"
            if data.startswith("0x" + keccak(signature.encode())[:4].hex()):
                return str(entry["name"])
    return "an unknown error"
