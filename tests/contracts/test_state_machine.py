"""The deployed contracts, on a real node, against the pure model: thousands of random steps, every one compared.

``VOLENS_TEST_PROFILE=deep`` makes 100,000 steps that are new each time, instead of some thousands that are always the
same. ``VOLENS_TEST_SEED`` repeats what a deep run reported.
"""

import os
import secrets
import time
from itertools import count

import pytest
from deployed import Deployed
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import STEPS, ConsentMachine, Tally

from scripts.devnet import Devnet

DEEP = os.environ.get("VOLENS_TEST_PROFILE") == "deep"
SEED = int(os.environ.get("VOLENS_TEST_SEED", secrets.randbelow(2**32) if DEEP else 0))
LEAST = 100_000 if DEEP else 4_000
# From the tenth run on, Hypothesis makes most runs out of parts of others: so every nine have a seed of their own.
PROFILE = settings(
    max_examples=9,
    stateful_step_count=50,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

NEVER = {
    "OwnableInvalidOwner",  # ownership is OpenZeppelin's, and not handed over here
    "InvalidShortString", "StringTooLong",  # of the domain's name, at deployment
}  # fmt: skip
"""Errors in the contracts' interfaces that no step can meet."""
NEVER_ACCEPTED = {"Directory.renounceOwnership"}
NEVER_REFUSED = {"ConsentRegistry.close", "ConsentRegistry.revokeAll"}
DELEGATED = {f"ConsentRegistry.{name}For" for name in ("grant", "revoke", "revokeAll", "suspend", "close")}


@pytest.fixture(scope="module")
def deployed():
    with Devnet.start("anvil") as node:
        made = Deployed(node)
        yield made
        made.rpc.close()


@pytest.mark.node
def test_the_contracts_do_what_the_model_says(deployed, capsys):
    tally = Tally()
    ConsentMachine.deployed, ConsentMachine.tally = deployed, tally
    began = time.monotonic()
    for number in count(SEED):
        try:
            run_state_machine_as_test(seed(number)(ConsentMachine), settings=PROFILE)
        except BaseException as error:
            error.add_note(f"VOLENS_TEST_SEED={number} begins with this.")
            raise
        steps = tally.steps.total()
        if steps >= LEAST and (not _missing(tally, deployed) or steps >= 2 * LEAST):
            break
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\n{tally}, in {seconds:.0f} s, seed {SEED}")
    assert _missing(tally, deployed) == set(), "what never happened says nothing"
    assert min(tally.accepted.total(), tally.refused.total()) > LEAST // 5


def _missing(tally: Tally, deployed: Deployed) -> set[str]:
    """What did not happen, of all that can: steps, calls accepted, refused or made by a delegate, reasons."""
    functions = tally.accepted.keys() | tally.refused.keys()
    reasons = {error for interface in deployed.interfaces.values() for error in interface.errors.values()}
    return set().union(
        STEPS.keys() - tally.steps.keys() - {"rest"},
        (f"{name} accepted" for name in functions - tally.accepted.keys() - NEVER_ACCEPTED),
        (f"{name} refused" for name in functions - tally.refused.keys() - NEVER_REFUSED),
        (f"{name} by a delegate" for name in DELEGATED if not tally.delegated[name]),
        reasons - tally.reasons.keys() - NEVER,
    )
