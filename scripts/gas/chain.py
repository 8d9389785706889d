"""The node that is measured on: fixed keys, fixed time, one transaction a block, and its receipt."""

import time
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_account import Account

from ledger.errors import VolensError
from ledger.model import ZERO_ADDRESS, Address, address, keccak
from scripts.devnet import CHAIN_ID, rpc
from scripts.vector_sources.world import key
from wallet.keys import SigningKey

START = 0x7B1D2A11
"""Time of the first block of a measurement (2035), ahead of any clock: a node cannot go back. Neither it nor `DEADLINE`
has a zero byte, which would be cheaper."""
DEADLINE = START + 900
BLOCK_GAS = 10**9
"""More than any chain allows, so that even the largest batch of a peer has a figure."""
ETHER = 10**18
FEE = 10**12
WAIT_SECONDS = 60


@dataclass(frozen=True)
class Receipt:
    """What a transaction cost, and what it said."""

    gas: int
    logs: tuple[dict[str, Any], ...]
    contract: Address | None


@dataclass(frozen=True)
class Contract:
    """A deployed contract."""

    address: Address
    abi: list[dict[str, Any]]

    def data(self, function: str, *arguments: Any) -> str:
        """Calldata."""
        (entry,) = [e for e in self.abi if e["type"] == "function" and e["name"] == function]
        types = [_type(parameter) for parameter in entry["inputs"]]
        selector = keccak(f"{function}({','.join(types)})".encode())[:4]
        return "0x" + (selector + encode(types, [_raw(value) for value in arguments])).hex()


def _type(parameter: dict[str, Any]) -> str:
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(_type(part) for part in parameter['components'])}){kind.removeprefix('tuple')}"


def _raw(value: Any) -> Any:
    """Hashes and signatures, which are text with us, as bytes; addresses stay."""
    if isinstance(value, str) and value.startswith("0x") and len(value) != 42:
        return bytes.fromhex(value[2:])
    return [_raw(entry) for entry in value] if isinstance(value, (list, tuple)) else value


class Chain:
    """One account after another sends, each transaction in a block of its own, one second apart."""

    def __init__(self, rpc_url: str) -> None:
        self.rpc_url = rpc_url
        rpc(rpc_url, "evm_setBlockGasLimit", [hex(BLOCK_GAS)])
        rpc(rpc_url, "anvil_setBlockTimestampInterval", [1])
        rpc(rpc_url, "evm_setNextBlockTimestamp", [START])
        self.relayer = self.account("relayer")
        self.operator = self.account("operator")

    def account(self, name: str) -> SigningKey:
        """An account that can pay; the same name gives the same."""
        found = self.stranger(name)
        rpc(self.rpc_url, "hardhat_setBalance", [found.address, hex(10**6 * ETHER)])
        return found

    @staticmethod
    def stranger(name: str) -> SigningKey:
        """The key of an account that the chain knows nothing of: a patient who has no ether."""
        return key(f"gas {name}")

    def send(self, by: SigningKey, to: Address | None, data: str) -> Receipt:
        """Send a transaction and wait for it.

        Raises:
            VolensError: it failed.
        """
        nonce = int(rpc(self.rpc_url, "eth_getTransactionCount", [by.address, "pending"]), 16)
        transaction: dict[str, Any] = {
            "chainId": CHAIN_ID,
            "nonce": nonce,
            "data": data,
            "value": 0,
            "gas": BLOCK_GAS // 2,
            "maxPriorityFeePerGas": 1,
            "maxFeePerGas": FEE,
            "type": 2,
        }
        signed = Account.sign_transaction(transaction | ({"to": to} if to else {}), by.secret.reveal())
        name = rpc(self.rpc_url, "eth_sendRawTransaction", ["0x" + bytes(signed.raw_transaction).hex()], timeout=60)
        return self.receipt(str(name))

    def receipt(self, transaction: str) -> Receipt:
        """The receipt of a transaction that succeeded."""
        deadline = time.monotonic() + WAIT_SECONDS
        while (found := rpc(self.rpc_url, "eth_getTransactionReceipt", [transaction])) is None:
            if time.monotonic() > deadline:
                raise VolensError(f"The transaction {transaction} was not mined within {WAIT_SECONDS} seconds.")
            time.sleep(0.01)
        if found["status"] != "0x1":
            raise VolensError(f"The transaction {transaction}, which was to be measured, failed.")
        contract = found.get("contractAddress")
        return Receipt(int(found["gasUsed"], 16), tuple(found["logs"]), address(contract) if contract else None)

    def call(self, by: SigningKey, to: Contract, function: str, *arguments: Any, events: int) -> Receipt:
        """Call a function, and make sure that it told of as many things as it was to do.

        Raises:
            VolensError: it failed, or did more or less.
        """
        receipt = self.send(by, to.address, to.data(function, *arguments))
        if len(receipt.logs) != events:
            raise VolensError(f"{function} emitted {len(receipt.logs)} events where {events} were due.")
        return receipt

    def deploy(self, build: dict[str, Any], types: list[str] | None = None, *arguments: Any) -> tuple[Contract, int]:
        """Create a contract in a transaction of its own; returns the gas as well."""
        data = build["bytecode"] + encode(types or [], list(arguments)).hex()
        receipt = self.send(self.operator, None, data)
        return Contract(receipt.contract or ZERO_ADDRESS, build["abi"]), receipt.gas

    def gas_of_block(self, number: int) -> int:
        """The gas of the one transaction of a block."""
        block = rpc(self.rpc_url, "eth_getBlockByNumber", [hex(number), False])
        (transaction,) = block["transactions"]
        return self.receipt(transaction).gas


def typed_digest(name: str, version: str, contract: Address, struct: bytes) -> bytes:
    """The EIP-712 digest of a peer's message."""
    kind = keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    words = [kind, keccak(name.encode()), keccak(version.encode()), CHAIN_ID, contract]
    domain = keccak(encode(["bytes32", "bytes32", "bytes32", "uint256", "address"], words))
    return keccak(b"\x19\x01" + domain + struct)


def split(signature: str) -> tuple[int, bytes, bytes]:
    """A signature as (v, r, s)."""
    raw = bytes.fromhex(signature[2:])
    return raw[64], raw[:32], raw[32:64]
