"""Tests of services again, on a real PostgreSQL: each in a database of its own, copied from one that was made once."""

import sys
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import Forge
from postgres import Postgres

from ledger.adapters.store import SqlStore

sys.path.append(str(Path(__file__).parents[1] / "services"))
from test_access_log import *  # noqa: F403
from test_relays import *  # noqa: F403

pytestmark = pytest.mark.node


class PostgresForge(Forge):
    """A forge whose store is on PostgreSQL."""

    server: ClassVar[Postgres]
    _originals: ClassVar[dict] = {}

    def new_store(self):
        return SqlStore(self.server.database(migrated))

    def copied_store(self, other):
        other.close()  # PostgreSQL copies a database only while nobody uses it
        return SqlStore(self.server.copy(other._engine.url.database))

    def restart(self, *arguments, **changes):
        for elected in self.store._elections:
            elected.resign()  # as the process that goes does
        return super().restart(*arguments, **changes)


def migrated(url):
    SqlStore(url).close()


@pytest.fixture(scope="module", autouse=True)
def server():
    with Postgres() as running:
        PostgresForge.server = running
        PostgresForge._originals.clear()
        yield


@pytest.fixture
def make_forge():
    made = []

    def make(**options):
        made.append(PostgresForge(**options))
        return made[-1]

    yield make
    for forge in made:
        forge.store.close()
        forge.keys.close()
        PostgresForge.server.drop(forge.store._engine.url.database)
