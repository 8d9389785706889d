"""The new enemy: she takes her consent back on the chain, and the journal asks in the very next moment.

After SpiceDB's test of the same name. A service that trusts what it has read so far, without asking whether there is
more, falls for it within a few tries when what it reads from lags. That weak service is built here, only here, so that
the test is known to be able to fail; the real one must then survive the mean and three deviations of its tries.
"""

import os
import random
import statistics
import time
from contextlib import contextmanager, suppress

import pytest
from conftest import MAX_AGE
from test_trust import Behind

from ledger.errors import Unavailable, Untrusted, VolensError
from ledger.events import Suspended
from ledger.services.index import Index

SAMPLES = 25 if os.environ.get("VOLENS_TEST_PROFILE") == "deep" else 5
CAP = 1000


class Lagging(Behind):
    """A node that is, each time it is asked, up to two blocks behind: as one behind a cache, or a busy replica."""

    def __init__(self, chain, rng):
        super().__init__(chain, 0)
        self.rng = rng

    def head(self):
        self.blocks = self.rng.randrange(3) if self.chain.head().number > 4 else 0
        return super().head()


class Trusting(Index):
    """The weak build: it answers from what was read last."""

    @contextmanager
    def at_head(self, within=0.0):
        yield self.last

    def refresh(self):
        with suppress(Unavailable, Untrusted), super().at_head():
            pass


def attempt(forge, suspended):
    """She changes her mind on the chain; then one question and one release. Whether either answer was a wrong yes."""
    w = forge.world.patient.address
    forge.chain.emit(Suspended(0, w, suspended, forge.chain.now, w))
    truth = not suspended
    said = forge.reason() == "permitted"
    forge.right += said and truth
    released = False
    with suppress(VolensError):
        released = bool(forge.release(forge.request(nonce=f"{forge.chain.now} {time.perf_counter_ns()}")))
    return (said or released) and not truth


def tries(forge, limit):
    """Changes of mind until the first wrong yes; None when there is none."""
    for number in range(1, limit + 1):
        if isinstance(forge.services.index, Trusting):
            forge.services.index.refresh()
        if attempt(forge, bool(number % 2)):
            return number
    return None


def weak(forge, rng):
    """Questions and gate over an index that trusts itself, and slots that are the index's instead of proven."""
    index = Trusting(Lagging(forge.chain, rng), forge.store, forge.deployment, forge.confirmations)
    index.refresh()
    services = forge.services
    object.__setattr__(services, "index", index)
    forge.right = 0
    for part in (services.questions, services.gate):
        part._index = index
    return forge


def test_a_service_that_trusts_its_index_falls_and_the_real_one_does_not(make_forge):
    found = [tries(weak(make_forge(), random.Random(seed)), CAP) for seed in range(SAMPLES)]
    assert None not in found, "the weak build must fall, or this test shows nothing"
    mean = statistics.mean(found)
    assert mean <= 10, found
    limit = min(CAP, max(20, round(mean + 3 * statistics.pstdev(found))))
    for seed in range(SAMPLES):
        forge = make_forge()
        # The node that lags is preferred; the freshest is read from all the same.
        forge.restart(chain=Lagging(forge.chain, random.Random(seed)), sender=forge.chain, witnesses=(forge.chain,))
        forge.right = 0
        assert tries(forge, limit) is None
        assert forge.right, "a service that never says yes is no service"


@pytest.mark.parametrize("lag", [4, 10])
def test_alone_a_node_that_lags_can_hide_it_no_longer_than_a_head_may_be_old(make_forge, lag):
    forge = make_forge()
    forge.mine(lag + 2)
    forge.restart(chain=Behind(forge.chain, 0), sender=forge.chain)
    assert forge.reason() == "permitted"
    w = forge.world.patient.address
    forge.chain.emit(Suspended(0, w, True, forge.chain.now, w))
    forge.services.index._chain._chains[0].blocks = 1
    forge.chain.now += MAX_AGE
    assert forge.reason() == "stale_ledger"
