"""The key store: the first key stays, another master's is not taken, and a destroyed one is gone from the file too."""

import pytest
from postgres import Postgres

from ledger.adapters.keys import SqlKeys
from ledger.adapters.store import SqlStore
from ledger.errors import Conflict, InvalidInput, Unavailable
from ledger.model import to_hash
from scripts.vector_sources.world import phrase

ONE, TWO = (to_hash(phrase(name)) for name in ("one", "two"))
WRAP = "rk1.0123456789abcdef." + "A" * 80


@pytest.fixture
def keys(tmp_path):
    made = SqlKeys(f"sqlite:///{tmp_path / 'keys.db'}")
    made.set_master("m1")
    yield made
    made.close()


@pytest.fixture(scope="module")
def server():
    with Postgres() as running:
        yield running


@pytest.fixture(params=["file", pytest.param("postgres", marks=pytest.mark.node)])
def url(request, tmp_path):
    if request.param == "file":
        return f"sqlite:///{tmp_path / 'keys.db'}"
    return request.getfixturevalue("server").database()


@pytest.fixture
def anywhere(url):
    made = SqlKeys(url)
    made.set_master("m1")
    yield made
    made.close()


def test_the_first_key_of_a_record_stays(anywhere):
    assert anywhere.add(ONE, "m1", WRAP) == WRAP
    assert anywhere.add(ONE, "m1", WRAP.replace("A", "B")) == WRAP
    assert (anywhere.get(ONE), anywhere.get(TWO)) == (WRAP, None)


def test_only_the_master_in_use_may_add(anywhere):
    anywhere.set_master("m2")
    with pytest.raises(Conflict):
        anywhere.add(ONE, "m1", WRAP)
    assert (anywhere.get(ONE), anywhere.master()) == (None, "m2")


def test_a_wrap_that_changed_meanwhile_is_not_replaced(anywhere):
    anywhere.add(ONE, "m1", WRAP)
    anywhere.destroy(ONE)
    anywhere.replace("m2", [(ONE, WRAP, "new")])
    assert anywhere.get(ONE) is None
    assert anywhere.others("m2", 10) == []


def test_a_destroyed_key_never_comes_back(anywhere):
    anywhere.add(ONE, "m1", WRAP)
    anywhere.destroy(ONE)
    anywhere.destroy(ONE)
    anywhere.destroy(TWO)  # one that was never there
    for record in (ONE, TWO):
        with pytest.raises(Conflict):
            anywhere.add(record, "m1", WRAP)
    assert sorted(anywhere.destroyed()) == sorted([ONE, TWO])


def test_nothing_of_a_destroyed_key_is_left_in_the_files(keys, tmp_path):
    keys.add(ONE, "m1", WRAP)
    keys.add(TWO, "m1", WRAP.replace("A", "B"))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(b"A" * 80 in path.read_bytes() for path in files)
    keys.destroy(ONE)
    left = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"A" * 40 not in left
    assert b"B" * 80 in left


def test_it_is_for_its_owner_alone(keys, tmp_path):
    assert (tmp_path / "keys.db").stat().st_mode & 0o077 == 0


def test_it_survives_its_process(keys, tmp_path):
    keys.add(ONE, "m1", WRAP)
    other = SqlKeys(f"sqlite:///{tmp_path / 'keys.db'}")
    assert (other.get(ONE), other.master()) == (WRAP, "m1")
    other.close()


def test_what_is_no_key_store_is_said_in_one_sentence(tmp_path):
    (tmp_path / "odd.db").write_bytes(b"nothing of the kind" * 100)
    with pytest.raises(Unavailable, match="key store"):
        SqlKeys(f"sqlite:///{tmp_path / 'odd.db'}")


def test_one_database_is_refused_for_both_stores(url):
    SqlStore(url).close()
    with pytest.raises(InvalidInput, match="VOLENS_KEY_STORE_URL"):
        SqlKeys(url)
    SqlStore(url).close()  # nothing was done to it


def test_nor_is_it_the_other_way_round(url):
    made = SqlKeys(url)
    made.set_master("m1")
    with pytest.raises(InvalidInput, match="VOLENS_DATABASE_URL"):
        SqlStore(url)
    assert made.master() == "m1"
    made.close()
