"""Record tests/vectors/proofs.json: headers, accounts and slots as real nodes prove them.

A contract without code of ours is deployed by a transaction whose init code writes the slots, so nothing in the
state was put there by a cheat code. Two of the keys are chosen so that their trie paths share 32 bits: below such
a fork the leaves are short enough to be embedded in their parent, the one shape of node that other tests of
proofs rarely meet. Headers carry the time and random numbers of their node, so recording again gives other bytes.

Run as ``python -m scripts.vector_sources.proofs``.
"""

import json
from pathlib import Path
from typing import Any

from ledger.model import keccak
from ledger.proofs import mapping_slot
from scripts.devnet import CHAIN_ID, Devnet, Kind, hold_mining, mine, rpc

OUT = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "proofs.json"
ABSENT_ACCOUNT = "0x00000000000000000000000000000000DeaDBeef"
GAS = 6_000_000


def _key(number: int) -> str:
    return "0x" + number.to_bytes(32).hex()


def _twins() -> tuple[int, int]:
    """Two keys whose hashes share their first 32 bits: about 2^16 tries, the birthday bound."""
    seen: dict[bytes, int] = {}
    for number in range(1_000_000, 3_000_000):
        prefix = keccak(number.to_bytes(32))[:4]
        if prefix in seen:
            return seen[prefix], number
        seen[prefix] = number
    raise AssertionError("no two keys with a common prefix")


def _init_code(slots: dict[str, int]) -> str:
    """EVM code that stores every value and returns one byte of code, STOP."""
    stores = "".join(f"7f{value:064x}7f{key[2:]}55" for key, value in slots.items())
    return "0x" + stores + "60016000f3"


def _slots() -> tuple[dict[str, int], list[str]]:
    first, second = _twins()
    slots = {
        _key(0): 1,
        _key(1): 2**256 - 1,
        _key(2): 0x7F,
        _key(3): 0x80,
        mapping_slot(7, 2): (1_700_000_000 << 64) | 1_600_000_000,
        _key(first): 1,
        _key(second): 2,
    } | {_key(number): number**5 for number in range(100, 140)}
    absent = [_key(4), mapping_slot(8, 2), *(_key(number) for number in range(200, 212))]
    # Leaves the trie between the twins: shares their prefix up to the fork's parent, and one more digit at most.
    absent.append(_key(_neighbour(keccak(first.to_bytes(32))[:2])))
    return slots, absent


def _neighbour(prefix: bytes) -> int:
    return next(n for n in range(3_000_000, 9_000_000) if keccak(n.to_bytes(32))[:2] == prefix)


def _record(kind: Kind) -> dict[str, Any]:
    with Devnet.start(kind) as node:
        hold_mining(node.rpc_url)
        sender = rpc(node.rpc_url, "eth_accounts")[0]
        slots, absent = _slots()
        transaction = {"from": sender, "data": _init_code(slots), "gas": hex(GAS)}
        sent = rpc(node.rpc_url, "eth_sendTransaction", [transaction])
        mine(node.rpc_url)
        receipt = rpc(node.rpc_url, "eth_getTransactionReceipt", [sent])
        keys = [key for key in slots if key not in [_key(n) for n in range(104, 140)]] + absent
        contract = receipt["contractAddress"]
        at = {"blockHash": receipt["blockHash"]}
        return {
            "client": rpc(node.rpc_url, "web3_clientVersion"),
            "block": rpc(node.rpc_url, "eth_getBlockByHash", [receipt["blockHash"], False]),
            "expected": {key: hex(slots.get(key, 0)) for key in keys},
            "contract": rpc(node.rpc_url, "eth_getProof", [contract, keys, at]),
            "sender": rpc(node.rpc_url, "eth_getProof", [sender, [_key(0)], at]),
            "absent": rpc(node.rpc_url, "eth_getProof", [ABSENT_ACCOUNT, [_key(0)], at]),
        }


def main() -> None:
    """Start both nodes, one after the other, and write what they prove."""
    nodes = {kind: _record(kind) for kind in ("anvil", "hardhat")}
    OUT.write_text(json.dumps({"chainId": CHAIN_ID, "nodes": nodes}, indent=1) + "\n")


if __name__ == "__main__":
    main()
