"""The speed of evidence: bundles verified by both verifiers, proofs by ours, by `trie` and by @ethereumjs/mpt.

Run as ``python -m scripts.bench_evidence [--json] [--write]``. Everything on one core, in one run, recorded evidence.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import rlp
import trie

from ledger.bundles import verify_bundle
from ledger.deployment import Deployment
from ledger.documents import canonical
from ledger.model import hash32, keccak
from ledger.proofs import read_proof, verify_header
from scripts.bench import Result, figure_of, rate
from scripts.console import out, table
from scripts.figures import record

VECTORS = Path(__file__).resolve().parents[1] / "tests" / "vectors"
NODE = Path(__file__).with_suffix(".mjs")


def measure() -> list[Result]:
    """All measurements."""
    recorded = json.loads((VECTORS / "bundle.json").read_text())
    data, block = canonical(recorded["bundle"]), hash32(recorded["block"])
    deployment = Deployment.from_json(recorded["deployment"])
    slots = sum(len(contract["slots"]) for contract in recorded["bundle"]["contracts"].values())
    program = [Path(sys.executable).with_name("node"), NODE]
    second = json.loads(subprocess.run(program, capture_output=True, text=True, check=True).stdout)  # noqa: S603
    bundles = rate(lambda: verify_bundle(data, block, deployment))
    proofs, oracle = _proofs()
    return [
        Result(f"bundles verified ({slots} slots)", bundles, "/s", "the verifier in Node", bundles / second["bundles"]),
        Result("bundles verified in Node", second["bundles"], "/s"),
        Result("slots proven", proofs, "/s", "trie and rlp", proofs / oracle),
        Result("slots proven in Node (@ethereumjs/mpt)", second["proofs"], "/s"),
    ]


def _proofs() -> tuple[float, float]:
    """A slot after the other of a real contract: by us, and by the library that is our oracle."""
    node = json.loads((VECTORS / "proofs.json").read_text())["nodes"]["anvil"]
    header = verify_header(node["block"])
    proof, slots = read_proof(node["contract"])
    account = proof.verify(header)
    root, library = bytes.fromhex(account.storage_root[2:]), cast(Any, trie).HexaryTrie

    def ours() -> None:
        for slot in slots:
            slot.verify(account)

    def oracle() -> None:
        for slot in slots:
            key = keccak(bytes.fromhex(slot.key[2:]))
            library.get_from_proof(root, key, [rlp.decode(one) for one in slot.nodes])

    return rate(ours, len(slots)), rate(oracle, len(slots))


def main(arguments: list[str]) -> int:
    """Measure and print."""
    results = measure()
    if "--write" in arguments:
        record("evidence", [figure_of(result) for result in results])
    if "--json" in arguments:
        print(json.dumps([vars(result) for result in results], indent=1))
        return 0
    rows = [(r.what, f"{r.rate:,.0f} {r.unit}", f"{r.ratio:.1f} × {r.peer}" if r.ratio else "") for r in results]
    table(("what", "median", "against"), rows)
    out.print(f"on one of {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
