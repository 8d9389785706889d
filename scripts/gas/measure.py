"""One run: one node, everybody's contracts on it, row after row."""

from collections.abc import Callable, Iterator
from typing import Any

from scripts.devnet import Devnet
from scripts.gas import others, sources
from scripts.gas.chain import Chain
from scripts.gas.ours import LISTS, Ours
from scripts.gas.rows import Row

Steps = list[tuple[str, Callable[[], Iterator[Row]]]]
Progress = Callable[[str, float], None]
"""Called with what is being done, and how much of the whole is done, from 0 to 1."""

COHORT_STEPS = 12
"""The cohort takes about as long as so many other steps."""


def measure(progress: Progress = lambda _what, _part: None) -> list[Row]:
    """Measure everything.

    Args:
        progress: told about each step.

    Raises:
        InvalidInput: something is not installed, or the builds are stale.
        VolensError: the node ended, or a transaction failed.
    """
    progress("compiling the contracts", 0)
    sources.check_ours()
    progress("compiling the peers", 0.1)
    builds = sources.build()
    progress("deploying", 0.2)
    with Devnet.start("anvil") as node:
        chain = Chain(node.rpc_url)
        ours, eas = Ours(chain), others.Eas(chain, builds)
        steps: Steps = [
            *((f"lists of {n:,}", lambda n=n: ours.lists(n)) for n in LISTS),
            *((f"{n} patients in one transaction", lambda n=n: ours.many(n)) for n in (10, 100)),
            *((f"taking back all of {n:,}", lambda n=n: ours.everything(n)) for n in LISTS),
            ("pausing and helpers", ours.states),
            ("own transactions", ours.direct),
            ("parties and documents", ours.registers),
            ("deployment", ours.deployments),
            ("EAS, one by one", eas.single),
            *((f"EAS, lists of {n:,}", lambda n=n: eas.lists(n)) for n in others.EAS_LISTS),
            ("EAS, a hundred in one attestation", lambda: eas.bundle(100)),
            ("EAS, 100 patients in one transaction", lambda: eas.many(100)),
            ("EAS, deployment", eas.deployments),
            ("ethr-did", lambda: others.ethr(chain, builds)),
            ("AccessControl", lambda: others.roles(chain, builds)),
            ("the floor", lambda: others.floor(chain, builds)),
            ("by hand", lambda: ours.by_hand(builds["ByHand"])),
        ]
        whole = len(steps) + COHORT_STEPS
        rows: list[Row] = []
        for number, (what, step) in enumerate(steps):
            progress(what, 0.25 + 0.75 * number / whole)
            rows += step()

        def cohort(done: int, people: int) -> None:
            part = (len(steps) + COHORT_STEPS * done / people) / whole
            progress(f"{done:,} of {people:,} participants sign", 0.25 + 0.75 * part)

        rows += ours.cohort(cohort)
    return _ordered(rows)


def _ordered(rows: list[Row]) -> list[Row]:
    """By system and heading, as they first came; within a heading as measured."""
    systems, groups = list(dict.fromkeys(row.system for row in rows)), list(GROUPS)
    return sorted(rows, key=lambda row: (systems.index(row.system), groups.index(row.group)))


GROUPS = (
    "Granting",
    "Taking back",
    "Cohorts",
    "Pausing, helpers",
    "Own transactions",
    "Parties, documents, checkpoints",
    "Deployment",
)


def conditions() -> dict[str, Any]:
    """Under what a measurement was made: compiler, settings, versions."""
    return {**sources.compiler(), "packages": sources.versions()}
