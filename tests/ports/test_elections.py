"""One process at a time is elected, and one that was deposed writes nothing any more."""

from contextlib import suppress

import psycopg
import pytest
from postgres import Postgres

from ledger.adapters.store import SqlStore
from ledger.errors import Unavailable

CUT = "SELECT pg_terminate_backend(pid, 60000) FROM pg_locks WHERE locktype = 'advisory'"
"""Ends the connections of all who are elected, and waits until they are gone."""


@pytest.fixture(scope="module")
def server():
    with Postgres() as running:
        yield running


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.node)])
def url(request, tmp_path):
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'volens.db'}"
    return request.getfixturevalue("server").database()


@pytest.fixture
def stores(url):
    opened = [SqlStore(url), SqlStore(url)]
    yield opened
    for store in opened:
        store.close()


def test_one_is_elected_until_it_resigns(stores):
    first, second = (store.election("relayer") for store in stores)
    assert first.won()
    assert not second.won()
    assert first.won(), "still"
    assert [store.elected() for store in stores] == [{"relayer"}, set()]
    first.resign()
    assert second.won()
    assert not first.won()
    assert [store.elected() for store in stores] == [set(), {"relayer"}]


def test_closing_the_store_is_resigning(stores):
    first, second = stores
    assert first.election("relayer").won()
    first.close()
    assert second.election("relayer").won()


def test_each_duty_has_its_own_election(stores):
    first, second = stores
    assert first.election("relayer").won()
    assert second.election("indexer").won()


def test_one_that_was_not_elected_writes_nothing(stores):
    first, second = (store.election("relayer") for store in stores)
    assert first.won()
    with stores[0].begin() as tx:
        first.require(tx)
    with suppress(Unavailable), stores[1].begin() as tx:
        tx.set_fact("written", True)
        second.require(tx)
        pytest.fail("it was let through")
    with stores[0].begin() as tx:
        assert tx.fact("written") is None


def test_what_is_in_memory_is_nobody_elses():
    store = SqlStore("sqlite://")
    election = store.election("relayer")
    assert election.won()
    with store.begin() as tx:
        election.require(tx)
    store.close()


@pytest.mark.node
def test_one_whose_connection_was_cut_is_deposed_before_it_knows(server):
    url = server.database()
    stores = [SqlStore(url), SqlStore(url)]
    first, second = (store.election("relayer") for store in stores)
    assert first.won()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(CUT)
    assert second.won()
    with stores[0].begin() as tx, pytest.raises(Unavailable):
        first.require(tx)
    assert stores[0].elected() == set()
    assert not first.won()
    second.resign()
    assert first.won()
    for store in stores:
        store.close()


@pytest.mark.node
def test_one_that_lost_the_database_says_so_and_stands_again(server):
    store = SqlStore(server.database())
    election = store.election("relayer")
    assert election.won()
    with psycopg.connect(store._engine.url.render_as_string(False).replace("+psycopg", ""), autocommit=True) as cutting:
        cutting.execute(CUT)
    with pytest.raises(Unavailable):
        election.won()
    assert store.elected() == set()
    assert election.won()
    store.close()
