"""Killed at any moment, nothing that was acknowledged is lost, nothing is done twice, and no yes is wrong.

``VOLENS_TEST_PROFILE=deep`` does it 15 times, with more than 1,000 kills, from other seeds each time;
``VOLENS_TEST_SEED`` repeats one.
"""

import os
import random

import pytest

from crash.place import Place, Starter

pytestmark = pytest.mark.node

DEEP = os.environ.get("VOLENS_TEST_PROFILE") == "deep"
LEAST = 75
"""Kills for each seed."""
GIVEN = os.environ.get("VOLENS_TEST_SEED")
SEEDS = [int(GIVEN)] if GIVEN else [random.randrange(2**32) for _ in range(15)] if DEEP else [1]
NAMED = [
    f"{what}.{when}"
    for what in (
        "claim_answer", "add_relay", "add_denial", "add_consent", "add_cohort", "set_answer",  # a message is taken
        "update_relay[sent]", "sender.send", "update_relay[recorded]", "update_relay[final]",  # and relayed
        "add_blocks", "set_fact[highest]", "set_fact[anchor]", "set_bundle",
        "add_decisions", "append_log[decision]", "append_log[release]", "append_log[outcome]", "use_request",
        "add_nonce", "use_nonce", "add_token",
        "add_invitation", "claim_invitation", "vault.put", "add_upload", "keys.add", "add_record",
    )
    for when in ("before", "after")
]  # fmt: skip
IN_A_REORGANISATION = ["drop_blocks_above.before", "drop_blocks_above.after"]


@pytest.mark.parametrize("seed", SEEDS)
def test_kills_lose_nothing_and_repeat_nothing(tmp_path, capsys, seed):
    with capsys.disabled():
        print(f"\nkills: VOLENS_TEST_SEED={seed}", flush=True)
    kills, unreached = 0, []
    with Starter() as starter:
        place = Place(tmp_path, starter, seed)
        try:
            place.settle()
            (service,) = place.services
            for what in schedule(place.rng):
                place.start()
                place.look(service)
                kills += 1
                if not KINDS.get(what, kill_at(what))(place, service):
                    unreached.append(what)
            place.start()
            found = place.settled()
        finally:
            place.close()
    with capsys.disabled():
        print(f"kills: {kills}; acknowledged: {dict(place.did)}; {found.events} events on chain")
    assert not unreached
    assert kills >= LEAST
    assert len(found.wasted) <= found.overtaken, f"transactions were sent that the contracts refused: {found.wasted}"
    assert all(place.did[what] for what in ("consent", "together", "revoke", "ask", "release", "sign in", "register"))


def schedule(rng):
    """What is killed, one after the other."""
    listed = [*NAMED, *["anywhere"] * 10, *["starting"] * 4]
    rng.shuffle(listed)
    # What takes blocks away leaves many decisions without a provable block; before that, evidence is made at once.
    early = [what for what in listed if what.startswith("set_bundle")]
    late = [what for what in listed if what not in early]
    half = len(late) // 2
    last = [*late[half:], *["node"] * 3]
    rng.shuffle(last)
    # anvil cannot replace blocks that it has read from a file, so reorganisations come before a node is killed.
    return [*early, *late[:half], *IN_A_REORGANISATION, *last]


def kill_at(point):
    """A way to kill the service at a named point."""

    def kill(place, service):
        if point in IN_A_REORGANISATION:
            place.reorganise(2)
        return place.reached(service, point)

    return kill


def kill_anywhere(place, service):
    with place.used():
        place.rest(0.6)
        service.kill()
    return True


def kill_while_starting(place, service):
    service.kill()
    service.start()
    place.rest(0.25)
    service.kill()
    return True


def kill_node(place, service):
    """The node is gone, and with it what it had not saved; the service stays, or goes too."""
    with place.used():
        place.rest(0.6)
        place.kill_node()
        place.withdraw_without_a_node(service)
    if place.rng.random() < 0.5:
        service.kill()
    place.start_node()
    if service.running():
        place.nothing_revoked_is_permitted(service)
    place.accept_loss()
    return True


KINDS = {"anywhere": kill_anywhere, "starting": kill_while_starting, "node": kill_node}
