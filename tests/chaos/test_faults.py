"""Whatever lies between service and node: no wrong permit, no wrong release, no failure that nobody foresaw.

``VOLENS_TEST_PROFILE=deep`` asks 1,000 times in each mode instead of 200.
"""

import os
import random
from contextlib import suppress

import pytest
from conftest import Web
from fault_proxy import MODES, PATIENCE, FaultProxy
from real_world import Oracle, RealForge

from ledger.adapters.chain import Web3Chain
from ledger.adapters.node import TIMEOUT, Node
from ledger.errors import Unavailable, Untrusted
from scripts.devnet import Devnet

pytestmark = pytest.mark.node

REQUESTS = 1000 if os.environ.get("VOLENS_TEST_PROFILE") == "deep" else 200
STRETCH = 8
"""Requests between two changes of what is true, or of what the proxy does."""
WITNESSED = {"stale head", "head going back", "two nodes disagree"}
"""Modes that one node alone could hide for as long as a head may be old: a second node is asked."""
TRIES = 40
"""How often it is looked whether what was wrong is over: where hardly any patience is had, a busy node is late too."""


@pytest.fixture(scope="module")
def real():
    with Devnet.start("anvil") as node:
        yield RealForge(node)


@pytest.fixture(scope="module")
def oracle(real):
    return Oracle(real)


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_between_service_and_node_permits_nothing_wrong(real, oracle, mode):
    rng = random.Random(mode)
    with FaultProxy(real.node.rpc_url) as proxy:
        chain = Web3Chain(Node(proxy.url, PATIENCE if mode == "hang" else TIMEOUT), real.deployment)
        forge = real.beside(chain, (real.chain,) if mode in WITNESSED else ())
        web = Web(forge)
        journal = {"Authorization": f"Bearer {web.token(real.world.journal)}"}
        answers = {"permitted": 0, "refused": 0, "unavailable": 0, "true": 0}
        suspended = False
        for number in range(REQUESTS):
            if number % STRETCH == 0:
                if rng.random() < 0.6:
                    suspended = not suspended
                    real.suspend(suspended)
                proxy.mode = mode if rng.random() < 0.7 else None
                real.mine(1 if proxy.mode else 3)  # three: as many as nodes must agree on after they did not, and more
                if proxy.mode is None and forge.services.index.closed:
                    with suppress(Unavailable):
                        forge.services.index.accept_loss()  # an operator has looked
            if number % 4 == 1:
                with suppress(Unavailable, Untrusted):
                    forge.services.index.follow()  # what the follower does meanwhile
            truth = oracle.permits()
            said = ask(web, forge, journal, number)
            assert not said or truth, f"{mode}, request {number}: a permit that is not true"
            answers["true"] += truth
            answers["permitted" if said else "refused" if said is False else "unavailable"] += 1
        assert proxy.bent, "the proxy did nothing"
        assert answers["permitted"], f"nothing was permitted: {answers}"
        assert answers["refused"] or answers["unavailable"]
        proxy.mode = None
        if suspended:
            real.suspend(False)
        assert any(recovered(real, forge) for _ in range(TRIES)), "what was wrong is over"


def recovered(real, forge):
    """Whether an operator and a node that answers again make the service say yes."""
    with suppress(Unavailable, Untrusted):
        if forge.services.index.closed:
            forge.services.index.accept_loss()
        real.mine()
        forge.recover()
        return forge.reason() == "permitted"
    return False


def ask(web, forge, journal, number):
    """Whether an evaluation permits, or a release is made; None when neither can be said."""
    world = forge.world
    if number % 3:
        body = {
            "subject": {"type": "recipient", "id": forge.deployment.did(world.journal.address)},
            "action": {"name": "publish", "properties": {"purpose": "case-report", "channel": "journal",
                                                         "items": ["narrative.md"]}},
            "resource": {"type": "record", "id": world.record_hash},
        }  # fmt: skip
        answer = web.client.post("/access/v1/evaluation", json=body, headers=journal)
        assert answer.status_code in (200, 401, 503), answer.text
        told = answer.json() if answer.status_code == 200 else None
        return None if told is None or told["context"]["reason"] == "ledger_unavailable" else told["decision"]
    request = forge.request(nonce=f"{id(web)} {number}")
    body = {"message": request.to_json(), "signature": world.journal.sign_typed(forge.domain, request)}
    answer = web.client.post("/v1/releases", json=body)
    assert answer.status_code in (200, 403, 503), answer.text
    return None if answer.status_code == 503 else answer.status_code == 200
