"""Several processes on one database: each answers for all, one relays, and when that is killed another does."""

import time

import pytest
from postgres import Postgres
from prometheus_client.parser import text_string_to_metric_families
from waiting import eventually

from crash.place import Place, Starter

pytestmark = pytest.mark.node

DUTIES = {"indexer", "relayer", "evidence"}
KILLS = ["sender.send.before", "anywhere", "add_relay.after", "update_relay[sent].after", "add_blocks.after"]


@pytest.fixture(scope="module")
def server():
    with Postgres() as running:
        yield running


@pytest.fixture(scope="module")
def starter():
    with Starter() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path, starter):
    database = request.getfixturevalue("server").database() if request.param == "postgres" else ""
    made = Place(tmp_path, starter, 1, database, services=2, items=60)
    made.settle()
    yield made
    made.close()


def duties(place, service):
    """What a process says it was elected for."""
    with service.client(place.facts) as client:
        families = text_string_to_metric_families(client.text("/metrics"))
        return {
            sample.labels["duty"]
            for family in families
            if family.name == "volens_elected"
            for sample in family.samples
            if sample.value
        }


def all_done(place):
    return set().union(*(duties(place, service) for service in place.services)) == DUTIES


def test_processes_share_everything_and_one_relays(place):
    first, second = place.services
    place.start()
    eventually(lambda: all_done(place), "somebody to be elected")

    # What one gave out, the other takes.
    with first.client(place.facts) as one, second.client(place.facts) as other:
        place.sign_in(one)
        place.sign_in(other)
        permitted = [item for item, (answer, _) in place.ask(other, list(place.standing)).items() if answer]
        for turn, item in enumerate(permitted[:6]):
            taking, asking = (one, other) if turn % 2 else (other, one)
            assert place.ask(asking, [item])[item][0]
            place.revoke(taking, item)
            assert not place.ask(asking, [item])[item][0], "denied by all from the moment one has taken it"

    # One is killed, whichever: the other goes on at once, alone, and what the dead one began is finished.
    did = []
    for what in KILLS:
        place.start()
        for service in place.services:
            place.look(service)
        eventually(lambda: all_done(place), "somebody to be elected")
        for _ in range(3):
            before, other, after = duties(place, first), duties(place, second), duties(place, first)
            assert not before & after & other, "two do what one must"
        elected = first if "relayer" in duties(place, first) else second
        left = second if elected is first else first
        if what == "anywhere":
            with place.used():
                place.rest(0.6)
                elected.kill()
                time.sleep(0.2)
        else:
            did.append(place.reached(elected if what != "add_relay.after" else left, what))
            elected.kill()
        if left.running():
            place.look(left)
            eventually(lambda left=left: "relayer" in duties(place, left), "the other to be elected")
    assert all(did), did
    place.start()
    found = place.settled()
    assert len(found.wasted) <= found.overtaken, found.wasted
