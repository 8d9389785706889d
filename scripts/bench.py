"""The speed of the parts: medians of repeated runs, each beside a peer or the goal it is held to.

Run as ``python -m scripts.bench [--json] [--write]``. Machines are noisy: compare ratios within a run, not across runs.
"""

import io
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import encode_typed_data

from ledger import sealing
from ledger.decisions import decide
from ledger.model import Consent
from ledger.proofs import read_proof, verify_header
from ledger.sealing import EncryptionKey
from ledger.typed_data import hash_struct, parse_signature, recover
from scripts.console import out, table
from scripts.figures import Figure, record
from scripts.vector_sources.world import START, World

ROUNDS = 5
ROUND_SECONDS = 0.4
GOALS = {"consents verified: hashed, signer recovered": 5000.0}
SEALED = 32 * 2**20
VECTORS = Path(__file__).resolve().parents[1] / "tests" / "vectors"


@dataclass(frozen=True)
class Result:
    """One line of the table. `peer` is what the same job takes another way, in the same run."""

    what: str
    rate: float
    unit: str
    peer: str = ""
    ratio: float | None = None


def rate(act: Callable[[], object], per_call: float = 1.0) -> float:
    """How many a second: the median of a few short rounds."""
    found = []
    for _ in range(ROUNDS):
        count, started = 0, time.perf_counter()
        while (passed := time.perf_counter() - started) < ROUND_SECONDS:
            act()
            count += 1
        found.append(count * per_call / passed)
    return statistics.median(found)


def measure() -> list[Result]:
    """All measurements."""
    world = World()
    consent = Consent(world.patient.address, (world.grant(), world.research_grant), START + 900)
    typed = world.domain.typed_data(consent)
    digest = world.domain.digest(consent)
    signature, domain = parse_signature(world.patient.sign(digest)), world.domain
    evidence, question, moment = world.evidence(), world.question(), world.moment()
    hashing = rate(lambda: hash_struct(consent))
    general = rate(lambda: encode_typed_data(full_message=typed))
    recovering = rate(lambda: recover(digest, signature))
    peer_recovering = rate(lambda: Account._recover_hash(digest, signature=signature))
    results = [
        Result("consents of two grants hashed", hashing, "/s", "eth-account", hashing / general),
        Result("signatures recovered", recovering, "/s", "eth-account", recovering / peer_recovering),
        Result(
            "consents verified: hashed, signer recovered",
            rate(lambda: recover(domain.digest(consent), signature)),
            "/s",
        ),
        Result("decisions in process", rate(lambda: decide(question, evidence, moment)), "/s"),
        _proofs(),
        *_keys(world),
        *_sealing(),
    ]
    return results


def _proofs() -> Result:
    """A proof that a real anvil answered with, account and slots."""
    recorded = json.loads((VECTORS / "proofs.json").read_text())["nodes"]["anvil"]
    header = verify_header(recorded["block"])
    proof, slots = read_proof(recorded["contract"])

    def verify() -> None:
        account = proof.verify(header)
        for slot in slots:
            slot.verify(account)

    return Result("slots proven, with their account", rate(verify, len(slots)), "/s")


def _keys(world: World) -> list[Result]:
    key = EncryptionKey.from_seed(bytes(32))
    found, _ = sealing.seal_bytes(b"x")
    info = sealing.subject_info(
        chain_id=1,
        registry=world.domain.registry,
        record=world.record_hash,
        item=world.record_hash,
        subject=world.patient.address,
    )
    wrapped = sealing.hpke_wrap(found.identity, key.public, info)
    return [
        Result(
            "item keys wrapped (X-Wing HPKE)", rate(lambda: sealing.hpke_wrap(found.identity, key.public, info)), "/s"
        ),
        Result("item keys unwrapped", rate(lambda: sealing.hpke_unwrap(wrapped, key, info)), "/s"),
    ]


def _sealing() -> list[Result]:
    content = os.urandom(SEALED)
    megabytes = SEALED / 1e6
    found, sealed = sealing.seal_bytes(content)

    def seal() -> None:
        sealing.seal(io.BytesIO(content), io.BytesIO())

    def unseal() -> None:
        sealing.unseal(io.BytesIO(sealed), io.BytesIO(), found.identity, found.sha256)

    return [
        Result("sealing, with its digest", rate(seal, megabytes), "MB/s"),
        Result("opening, with its digest", rate(unseal, megabytes), "MB/s"),
    ]


def figure_of(result: Result) -> Figure:
    """A result as it is kept."""
    what = f"{result.what} (peer: {result.peer})" if result.peer else result.what
    return Figure(what, result.rate, result.unit, GOALS.get(result.what), ratio=result.ratio)


def main(arguments: list[str]) -> int:
    """Measure and print."""
    results = measure()
    if "--write" in arguments:
        record("parts", [figure_of(result) for result in results])
    if "--json" in arguments:
        print(json.dumps([vars(result) for result in results], indent=1))
        return 0
    rows: list[tuple[Any, ...]] = [
        (r.what, f"{r.rate:,.0f} {r.unit}", f"{r.ratio:.1f} × {r.peer}" if r.ratio else "") for r in results
    ]
    table(("what", "median", "against"), rows)
    out.print(f"medians of {ROUNDS} rounds of {ROUND_SECONDS} s on {os.cpu_count()} cores")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
