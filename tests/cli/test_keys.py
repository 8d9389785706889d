"""`volens keys rotate` and `volens record erase`, on the folder of a service."""

import hashlib
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from ledger.adapters.keys import SqlKeys
from ledger.adapters.store import SqlStore
from ledger.adapters.vault import FileVault
from ledger.model import to_hash
from ledger.sealing import Secret
from ledger.services.custody import Master
from ledger.services.rotation import rotate
from scripts.vector_sources.world import phrase

ROOT = Path(__file__).parents[2]
MASTER = Secret(phrase("custodian"))
NOWHERE = to_hash(phrase("a record that does not exist"))


@pytest.fixture
def state(forge, tmp_path):
    """A state folder with the record of a forge in it."""
    folder = tmp_path / "state"
    (folder / "keys").mkdir(parents=True, mode=0o700)
    for name, source in (("volens.db", forge.store), ("keys/records.db", forge.keys)):
        file = sqlite3.connect(folder / name)
        source._engine.raw_connection().driver_connection.backup(file)
        file.close()
    vault = FileVault(folder / "vault")
    for content in forge.vault.contents.values():
        vault.put([content], 2**30)
    write_key(folder / "keys" / "custodian.key", MASTER)
    return folder


def write_key(path, key):
    path.write_text(key.reveal().hex() + "\n")
    path.chmod(0o600)


def read_key(path):
    assert path.stat().st_mode & 0o077 == 0
    return Secret(bytes.fromhex(path.read_text()))


def opens(state, key, record):
    keys = SqlKeys(f"sqlite:///{state / 'keys' / 'records.db'}")
    try:
        return Master.of(key).open(keys.get(record), record).reveal()
    finally:
        keys.close()


def test_rotating_changes_the_file_and_keeps_the_old_key_aside(volens, forge, state):
    record = forge.world.record_hash
    before = opens(state, MASTER, record)
    done = volens("keys", "rotate", "--state", state, "--json").json
    assert (done["wrapped"], done["old"]) == (1, Master.of(MASTER).id)
    new = read_key(state / "keys" / "custodian.key")
    assert Master.of(new).id == done["new"] != done["old"]
    assert opens(state, new, record) == before
    kept = state / "keys" / f"custodian.key.{done['old']}.old"
    assert (str(kept), read_key(kept)) == (done["oldKeyFile"], MASTER)
    left = sorted(path.name for path in (state / "keys").iterdir() if path.stat().st_size)
    assert left == ["custodian.key", kept.name, "records.db"]


def test_after_a_kill_it_goes_on_with_the_same_new_key(volens, forge, state):
    begun = Secret(phrase("begun"))
    write_key(state / "keys" / "custodian.key.next", begun)
    keys = SqlKeys(f"sqlite:///{state / 'keys' / 'records.db'}")
    rotate(keys, MASTER, begun)  # and killed before the file was put in its place
    keys.close()
    ran = volens("keys", "rotate", "--state", state)
    assert ran.code == 0
    assert read_key(state / "keys" / "custodian.key") == begun
    assert opens(state, begun, forge.world.record_hash)


def test_a_key_from_the_environment(volens, forge, state):
    (state / "keys" / "custodian.key").unlink()
    env = {"VOLENS_MASTER_KEY": MASTER.reveal().hex()}
    ran = volens("keys", "rotate", "--state", state, env=env)
    assert (ran.code, "VOLENS_MASTER_KEY" in ran.out) == (0, True)
    assert MASTER.reveal().hex() not in ran.out + ran.err
    new = read_key(state / "keys" / "custodian.key.next")
    assert opens(state, new, forge.world.record_hash)
    # set as told: the next rotation begins with it
    again = volens("keys", "rotate", "--state", state, "--json", env={"VOLENS_MASTER_KEY": new.reveal().hex()}).json
    assert again["old"] == Master.of(new).id


def test_the_wrong_master_key_changes_nothing(volens, state):
    write_key(state / "keys" / "custodian.key", Secret(phrase("wrong")))
    before = (state / "keys" / "records.db").read_bytes()
    volens("keys", "rotate", "--state", state).refused(2, "another master key")
    assert (state / "keys" / "records.db").read_bytes() == before


def test_no_master_key(volens, tmp_path):
    volens("keys", "rotate", "--state", tmp_path / "none").refused(2, "master key is missing")


def test_erasing(volens, forge, state):
    record = forge.world.record_hash
    asked = volens("record", "erase", record, "--state", state, stdin="n\n")
    assert (asked.code, "Nothing was erased" in asked.err) == (2, True)
    asked = volens("record", "erase", record, "--state", state)
    assert (asked.code, asked.err.splitlines()[-1]) == (
        2, "✗ Nobody answered; nothing was erased. --yes erases without asking."
    )  # fmt: skip
    done = volens("record", "erase", record, "--state", state, "--yes", "--json").json
    assert done["record"] == record
    assert forge.world.patient.address in done["parties"]
    assert [path for path in (state / "vault").rglob("*") if path.is_file()] == []
    store = SqlStore(f"sqlite:///{state / 'volens.db'}")
    with store.begin() as tx:
        assert tx.record(record) is None
        assert tx.erased(record)
    store.close()
    assert volens("record", "erase", record, "--state", state, "--yes").code == 0, "again is harmless"


def test_erasing_what_is_not_there(volens, state, tmp_path):
    volens("record", "erase", NOWHERE, "--state", state, "--yes").refused(3, "no such record")
    volens("record", "erase", NOWHERE, "--state", state, stdin="y\n").refused(3, "no such record")
    volens("record", "erase", "0x12", "--state", state, "--yes").refused(2, "record")
    for command in (("record", "erase", NOWHERE, "--yes"), ("gate", "show"), ("gate", "open")):
        volens(*command, "--state", tmp_path / "none").refused(2, "no service's database")
    assert not (tmp_path / "none").exists()


@pytest.mark.node
def test_killed_for_real_in_the_middle_every_key_opens_and_the_next_run_ends_it(forge, state):
    """kill -9 of the command itself, as soon as a part of the keys is wrapped anew."""
    database, master = state / "keys" / "records.db", Master.of(MASTER)
    names = {to_hash(hashlib.sha256(b"%d" % n).digest()) for n in range(2000)}
    with closing(sqlite3.connect(database)) as file:
        rows = [(name, master.id, master.wrap(Secret(bytes.fromhex(name[2:])), name)) for name in names]
        file.executemany("INSERT INTO record_keys (record, master, wrapped) VALUES (?, ?, ?)", rows)
        file.commit()

    def anew():
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as file:
            return file.execute("SELECT count(*) FROM record_keys WHERE master != ?", (master.id,)).fetchone()[0]

    command = [sys.executable, "-m", "scripts.cli", "keys", "rotate", "--state", str(state)]
    for _ in range(2):
        before = anew()
        running = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while running.poll() is None and anew() == before:
            pass
        running.kill()
        running.wait()
        next_key = state / "keys" / "custodian.key.next"
        masters = [read_key(path) for path in (state / "keys" / "custodian.key", next_key) if path.exists()]
        opened = openers(database, names, masters)
        assert opened == len(names)
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    assert MASTER.reveal().hex().encode() not in finished.stdout + finished.stderr
    assert openers(database, names, [read_key(state / "keys" / "custodian.key")]) == len(names)
    assert openers(database, names, [MASTER]) == 0


def openers(database, names, masters):
    """How many keys open with one of the masters to what they were."""
    known = {made.id: made for made in map(Master.of, masters)}
    found = 0
    with closing(sqlite3.connect(database)) as file:
        for name, master, wrapped in file.execute("SELECT record, master, wrapped FROM record_keys").fetchall():
            if name in names and master in known:
                assert known[master].open(wrapped, name).reveal() == bytes.fromhex(name[2:])
                found += 1
    return found
