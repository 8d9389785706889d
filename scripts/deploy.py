"""Deploying the contracts: deterministic addresses, idempotent, every code hash checked.

Each contract is created through the deterministic deployment proxy (CREATE2), so its address follows from its
bytecode and constructor arguments alone. A second run finds what the first one made and changes nothing.
"""

import json
import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from eth_abi.abi import encode
from eth_account import Account

from ledger.adapters.logs import artifact
from ledger.adapters.node import Node
from ledger.deployment import DEVELOPMENT_ACCOUNTS, DEVELOPMENT_CHAINS, Contract, Deployment
from ledger.errors import InvalidInput, LedgerUnavailable, WrongChain
from ledger.events import DEPLOYED
from ledger.model import ZERO_ADDRESS, Address, Hash, address, hash32, keccak, to_hash

SALT = keccak(b"Volens 1")
PROXY = Address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
# The proxy of Arachnid's deterministic-deployment-proxy, deployed by a transaction whose signature was made up, so
# nobody has its key and it is the same on every chain. anvil has it; elsewhere its maker is funded and it is sent.
PROXY_MAKER = Address("0x3fAB184622Dc19b6109349B94811493BF2a45362")
PROXY_TRANSACTION = (
    "0xf8a58085174876e800830186a08080b853604580600e600039806000f350fe7fffffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b8082525050506014600cf31ba022222222222222"
    "22222222222222222222222222222222222222222222222222a02222222222222222222222222222222222222222222222222222222222"
    "222222"
)
PROXY_COST = 10**17
GAS = 6_000_000
TIP = 10**9
"""Wei for each gas."""
WEI = 10**18
RECEIPT_SECONDS = 60

Progress = Callable[[str], None]


def deploy(
    rpc_url: str,
    secret: bytes,
    owner: Address,
    progress: Progress = lambda _: None,
    known: Deployment | None = None,
) -> Deployment:
    """Deploy what is missing, check what is there.

    Args:
        rpc_url: a node of the chain.
        secret: private key of the account that pays.
        owner: who may list parties in the Directory.
        progress: called with a sentence for each contract.
        known: facts of an earlier run. They say in which block a contract was created, which a node that keeps no old
            states cannot.

    Raises:
        LedgerUnavailable: the node does not answer. WrongChain: an address holds other code than ours, or the owner is
            another than that of the earlier run; nothing was sent.
        InvalidInput: the chain is too old for the contracts, the owner or the payer is none to trust, or the payer has
            too little; nothing was sent.
    """
    node = Node(rpc_url)
    chain_id, genesis = _identity(node)
    payer = _Payer(node, secret, chain_id)
    for role, account in (("payer", payer.account.address), ("owner", owner)):
        if chain_id not in DEVELOPMENT_CHAINS and account in DEVELOPMENT_ACCOUNTS:
            raise InvalidInput(f"The {role}'s key is one that every development node prints. Use a key of your own.")
    if owner == ZERO_ADDRESS:
        raise InvalidInput("The Directory needs an owner: the zero address can list nobody. Name one with --owner.")
    creations: dict[str, bytes] = {}
    places: dict[str, Address] = {}
    for name in DEPLOYED:
        creations[name] = _creation(name, places, owner)
        places[name] = _place(creations[name])
    if known is not None and any(known.contracts[name].address != places[name] for name in DEPLOYED):
        raise WrongChain(
            "The deployment facts describe another deployment: other contracts, or a Directory of another first owner "
            f"than {owner}. Name the same --owner as then, or move the facts away."
        )
    missing = [name for name in DEPLOYED if not _code(node, places[name])]
    if missing:
        _check_fork(node)
        payer.require(GAS * len(missing), PROXY_COST if not _code(node, PROXY) else 0)
        _ensure_proxy(node, payer)
    for transaction in [payer.send(PROXY, "0x" + (SALT + creations[name]).hex()) for name in missing]:
        await_receipt(node, transaction)
    contracts: dict[str, Contract] = {}
    for name in DEPLOYED:
        contracts[name] = _checked(node, name, places[name], known.contracts[name] if known else None)
        progress(f"{name} at {contracts[name].address}")
    return Deployment(chain_id, genesis, contracts)


def check_chain(rpc_url: str, deployment: Deployment) -> None:
    """Make sure that a node is on the chain of a deployment, before anything is sent to it.

    Raises:
        WrongChain: it is on another.
    """
    if _identity(Node(rpc_url)) != (deployment.chain_id, deployment.genesis):
        raise WrongChain(
            "The node is on another chain than the deployment facts. "
            "Use the node they were made with, or another state folder."
        )


def check_deployment(rpc_url: str, deployment: Deployment) -> None:
    """Make sure that a node has a deployment: the chain, and our code at each of its addresses. Nothing is sent.

    Raises:
        WrongChain: it is on another chain, or an address holds other code.
    """
    check_chain(rpc_url, deployment)
    node = Node(rpc_url)
    for name, contract in deployment.contracts.items():
        if _checked(node, name, contract.address, contract) != contract:
            raise WrongChain(f"{name} at {contract.address} has other code than the deployment facts say.")


def _check_fork(node: Node) -> None:
    """Try an opcode of Cancun, MCOPY, which the contracts use, before anything is paid for (EIP-5656)."""
    try:
        node.request("eth_call", {"data": "0x5f5f5f5e5f5ff3"}, "latest")
    except LedgerUnavailable:
        raise InvalidInput(
            f"The chain of {node.url} is older than the contracts: they need the rules of Cancun (2024) or later."
        ) from None


def _identity(node: Node) -> tuple[int, Hash]:
    """Chain id and genesis hash."""
    try:
        genesis = node.request("eth_getBlockByNumber", "0x0", False)
        return int(node.request("eth_chainId"), 16), hash32(genesis["hash"])
    except (TypeError, ValueError, KeyError, InvalidInput):
        raise LedgerUnavailable(f"What answers at {node.url} is not an Ethereum node.") from None


def write(deployment: Deployment, path: Path) -> None:
    """Write deployment facts to a file, whole or not at all.

    Raises:
        WrongChain: the file holds the facts of another deployment; it is left alone.
    """
    text = json.dumps(deployment.to_json(), indent=2) + "\n"
    if path.exists() and path.read_text() != text:
        raise WrongChain(
            f"{path} describes another deployment: another chain, or other contracts. Move it and its state away first."
        )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_suffix(".new")
    with aside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def require_writable(path: Path) -> None:
    """Make sure that deployment facts can be written to a file, before anything is paid for.

    Raises:
        InvalidInput: they cannot.
    """
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise InvalidInput(f"{path} cannot be written. Name another file with --out.")


def await_receipt(node: Node, transaction: Hash) -> None:
    """Wait for a transaction to be in a block.

    Raises:
        LedgerUnavailable: it is not after a minute, or it failed.
    """
    deadline = time.monotonic() + RECEIPT_SECONDS
    while time.monotonic() < deadline:
        receipt = node.request("eth_getTransactionReceipt", transaction)
        if receipt is not None and receipt.get("blockHash"):
            if receipt["status"] != "0x1":
                raise LedgerUnavailable(f"The transaction {transaction} failed.")
            return
        time.sleep(0.05)
    raise LedgerUnavailable(f"The transaction {transaction} was not mined within {RECEIPT_SECONDS} seconds.")


class _Payer:
    """Sends transactions and waits for them."""

    def __init__(self, node: Node, secret: bytes, chain_id: int) -> None:
        self.node, self.account, self._chain_id = node, Account.from_key(secret), chain_id

    def require(self, gas: int, wei: int) -> None:
        """Refuse before anything is sent when the account could not pay for this gas, and send this much on."""
        held = int(self.node.request("eth_getBalance", self.account.address, "latest"), 16)
        needed = gas * (2 * self._base_fee() + TIP) + wei
        if held < needed:
            raise InvalidInput(
                f"The account {self.account.address} has {Decimal(held) / WEI:f} ether on this chain; "
                f"deploying may take up to {Decimal(needed) / WEI:.4f}."
            )

    def _base_fee(self) -> int:
        return int(self.node.request("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)

    def send(self, to: Address, data: str, value: int = 0, gas: int = GAS) -> Hash:
        base = self._base_fee()
        signed = self.account.sign_transaction(
            {
                "chainId": self._chain_id,
                "nonce": int(self.node.request("eth_getTransactionCount", self.account.address, "pending"), 16),
                "to": to,
                "data": data,
                "value": value,
                "gas": gas,
                "maxPriorityFeePerGas": TIP,
                "maxFeePerGas": 2 * base + TIP,
                "type": 2,
            }
        )
        self.node.request("eth_sendRawTransaction", "0x" + bytes(signed.raw_transaction).hex())
        return to_hash(bytes(signed.hash))


def _ensure_proxy(node: Node, payer: _Payer) -> None:
    if _code(node, PROXY):
        return
    await_receipt(node, payer.send(PROXY_MAKER, "0x", value=PROXY_COST, gas=21_000))
    node.request("eth_sendRawTransaction", PROXY_TRANSACTION)
    await_receipt(node, to_hash(keccak(bytes.fromhex(PROXY_TRANSACTION[2:]))))
    if not _code(node, PROXY):
        raise LedgerUnavailable("The chain does not take the deterministic deployment proxy.")


def _creation(name: str, places: dict[str, Address], owner: Address) -> bytes:
    """Creation code with constructor arguments."""
    code = bytes.fromhex(artifact(name)["bytecode"].removeprefix("0x"))
    match name:
        case "Directory":
            return code + encode(["address"], [owner])
        case "ConsentCheck":
            used = [places[other] for other in ("ConsentRegistry", "Directory", "PolicyRegistry")]
            return code + encode(["address"] * 3, used)
        case _:
            return code


def _place(creation: bytes) -> Address:
    """Where the proxy puts a contract (EIP-1014)."""
    return address("0x" + keccak(b"\xff" + bytes.fromhex(PROXY[2:]) + SALT + keccak(creation))[12:].hex())


def _checked(node: Node, name: str, where: Address, known: Contract | None) -> Contract:
    code = _code(node, where)
    if not same_code(code, artifact(name)):
        raise WrongChain(f"The contract at {where} is not {name}: its code differs from the build in this version.")
    code_hash = to_hash(keccak(code))
    if known is not None and (known.address, known.code_hash) == (where, code_hash):
        return known
    return Contract(where, code_hash, _first_block(node, where))


def same_code(code: bytes, build: dict[str, Any]) -> bool:
    """Whether deployed code is that of a build, its immutable values aside."""
    expected = bytearray.fromhex(build["deployedBytecode"].removeprefix("0x"))
    if len(code) != len(expected):
        return False
    found = bytearray(code)
    for place in build["immutableReferences"]:
        span = slice(place["start"], place["start"] + place["length"])
        found[span] = expected[span] = bytes(place["length"])
    return found == expected


def _code(node: Node, where: Address, block: str = "latest") -> bytes:
    return bytes.fromhex(node.request("eth_getCode", where, block)[2:])


def _first_block(node: Node, where: Address) -> int:
    """The first block in which an address has code: by halving, since code never leaves.

    Where the node no longer has the state of a block, an earlier block, which is as right and only slower to replay.
    """
    low, high = 0, int(node.request("eth_blockNumber"), 16)
    while low < high:
        middle = (low + high) // 2
        try:
            there = _code(node, where, hex(middle))
        except LedgerUnavailable:
            return low
        if there:
            high = middle
        else:
            low = middle + 1
    return low
