"""The key store: the first key stays, another master's is not taken, and a destroyed one is gone from the file too."""

import pytest

from ledger.adapters.keys import SqlKeys
from ledger.errors import Conflict, Unavailable
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


def test_the_first_key_of_a_record_stays(keys):
    assert keys.add(ONE, "m1", WRAP) == WRAP
    assert keys.add(ONE, "m1", WRAP.replace("A", "B")) == WRAP
    assert (keys.get(ONE), keys.get(TWO)) == (WRAP, None)


def test_only_the_master_in_use_may_add(keys):
    keys.set_master("m2")
    with pytest.raises(Conflict):
        keys.add(ONE, "m1", WRAP)
    assert (keys.get(ONE), keys.master()) == (None, "m2")


def test_a_wrap_that_changed_meanwhile_is_not_replaced(keys):
    keys.add(ONE, "m1", WRAP)
    keys.destroy(ONE)
    keys.replace("m2", [(ONE, WRAP, "new")])
    assert keys.get(ONE) is None
    assert keys.others("m2", 10) == []


def test_a_destroyed_key_never_comes_back(keys):
    keys.add(ONE, "m1", WRAP)
    keys.destroy(ONE)
    keys.destroy(ONE)
    keys.destroy(TWO)  # one that was never there
    for record in (ONE, TWO):
        with pytest.raises(Conflict):
            keys.add(record, "m1", WRAP)
    assert sorted(keys.destroyed()) == sorted([ONE, TWO])


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
