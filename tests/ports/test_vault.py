"""What every vault promises."""

import hashlib
import os
import time
from datetime import UTC, datetime
from unittest import mock

import obstore
import pytest
from objects import BUCKET, KEY, SECRET, Objects

from ledger.adapters.memory import MemoryVault
from ledger.adapters.objects import PART, ObjectVault
from ledger.adapters.vault import FileVault
from ledger.errors import InvalidFile, NotFound, Unavailable
from ledger.sealing import Secret

CONTENT = [b"age-encryption.org/v1\n", b"\0" * 1000, b"end"]
WHOLE = b"".join(CONTENT)
DIGEST = "0x" + hashlib.sha256(WHOLE).hexdigest()


@pytest.fixture(scope="module")
def objects():
    made = Objects()
    yield made
    made.stop()


@pytest.fixture(params=["file", "memory", "object"])
def vault(request, tmp_path):
    if request.param == "object":
        return request.getfixturevalue("objects").vault(tmp_path / "spool", clock)
    return FileVault(tmp_path / "vault") if request.param == "file" else MemoryVault()


def clock():
    return datetime.fromtimestamp(time.time_ns() / 10**9, UTC)


def kept(vault):
    """Everything a vault holds, whatever it is called."""
    if isinstance(vault, MemoryVault):
        return list(vault.contents.values())
    if isinstance(vault, ObjectVault):
        assert list(vault._spool.iterdir()) == []
        entries = [entry for page in obstore.list(vault._store, vault._prefix) for entry in page]
        return [bytes(obstore.get(vault._store, entry["path"]).bytes()) for entry in entries]
    return [path.read_bytes() for path in vault._root.rglob("*") if path.is_file()]


def test_stored_bytes_come_back_under_their_digest(vault):
    assert vault.put(CONTENT, len(WHOLE)) == (DIGEST, len(WHOLE))
    with vault.open(DIGEST) as stream:
        assert stream.read() == WHOLE
        stream.seek(3)
        assert stream.read(2) == WHOLE[3:5]


def test_storing_again_changes_nothing(vault):
    assert vault.put(CONTENT, 2000) == vault.put([WHOLE], 2000)
    assert kept(vault) == [WHOLE]


def test_what_is_too_long_leaves_nothing(vault):
    with pytest.raises(InvalidFile, match=str(len(WHOLE) - 1)):
        vault.put(CONTENT, len(WHOLE) - 1)
    assert kept(vault) == []


def test_an_upload_that_breaks_off_leaves_nothing(vault):
    def broken():
        yield WHOLE
        raise ConnectionError

    with pytest.raises((ConnectionError, Unavailable)):
        vault.put(broken(), 2000)
    assert kept(vault) == []
    with pytest.raises(NotFound):
        vault.open(DIGEST)


def test_an_endless_upload_stops_at_the_limit(vault):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield b"x" * 100

    with pytest.raises(InvalidFile):
        vault.put(endless(), 1000)
    assert len(taken) == 11
    assert kept(vault) == []


def test_an_empty_file_is_a_file(vault):
    digest, size = vault.put([], 0)
    assert size == 0
    with vault.open(digest) as stream:
        assert stream.read() == b""


def test_unknown_bytes_are_not_found(vault):
    with pytest.raises(NotFound):
        vault.open("0x" + "ab" * 32)


def test_only_this_user_can_read_the_files(tmp_path):
    vault = FileVault(tmp_path / "vault")
    vault.put(CONTENT, 2000)
    for path in (vault._root, *vault._root.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_the_bytes_are_on_disk_before_the_name_is(tmp_path, monkeypatch):
    """A crash must not leave a name whose bytes never arrived."""
    steps = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr("os.fsync", lambda handle: (steps.append("sync"), sync(handle))[1])
    monkeypatch.setattr("os.replace", lambda *names: (steps.append("name"), replace(*names))[1])
    FileVault(tmp_path / "vault").put(CONTENT, 2000)
    assert steps[:2] == ["sync", "name"]
    assert "sync" in steps[2:]


def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    vault = FileVault(tmp_path / "vault")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(Unavailable):
        vault.put(CONTENT, 2000)
    assert kept(vault) == []


# Fingerprints


def settle(vault, seconds=2):
    """Let the files of a vault be old enough to have a fingerprint, without waiting."""
    return mock.patch("time.time_ns", lambda real=time.time_ns: real() + seconds * 10**9)


def test_a_fingerprint_stays_while_the_bytes_do(vault):
    digest, _ = vault.put(CONTENT, 2000)
    with settle(vault):
        first = vault.fingerprint(digest)
        with vault.open(digest) as stream:
            stream.read()
        assert first is not None
        assert vault.fingerprint(digest) == first
    with pytest.raises(NotFound):
        vault.fingerprint("0x" + "ab" * 32)


def test_a_changed_file_has_another_fingerprint(tmp_path):
    vault = FileVault(tmp_path / "vault")
    digest, _ = vault.put(CONTENT, 2000)
    place = vault._place(digest)
    with settle(vault):
        first = vault.fingerprint(digest)
        before = place.stat()
        place.write_bytes(WHOLE[:-1] + b"!")
        os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))  # as somebody would who hides it
        assert vault.fingerprint(digest) != first
    assert vault.fingerprint(digest) is None, "too fresh to tell from another change"


def test_another_file_in_its_place_has_another_fingerprint(tmp_path):
    vault = FileVault(tmp_path / "vault")
    digest, _ = vault.put(CONTENT, 2000)
    with settle(vault):
        first = vault.fingerprint(digest)
        other = tmp_path / "other"
        other.write_bytes(WHOLE)
        other.replace(vault._place(digest))
        assert vault.fingerprint(digest) != first


def test_removed_bytes_are_gone_and_removing_again_is_harmless(vault):
    digest, _ = vault.put(CONTENT, 2000)
    vault.remove(digest)
    vault.remove(digest)
    assert kept(vault) == []
    with pytest.raises(NotFound):
        vault.open(digest)


# Object storage


def test_a_part_is_read_without_the_rest(objects, tmp_path, monkeypatch):
    part = 2**18
    vault, whole = objects.vault(tmp_path), os.urandom(2 * part + 7)
    digest, _ = vault.put([whole[:part], whole[part:]], len(whole))
    monkeypatch.setattr("ledger.adapters.objects.PART", part)
    asked, get = [], obstore.get
    with mock.patch(
        "obstore.get", lambda *args, options: asked.append(options["range"]) or get(*args, options=options)
    ):
        with vault.open(digest) as stream:
            assert stream.seek(0, 2) == len(whole)
            stream.seek(part + 5)
            assert stream.read(10) == whole[part + 5 : part + 15]
        assert len(asked) == 1
        assert asked[0][0] >= part
        with vault.open(digest) as stream:
            assert stream.read() == whole
    assert max(end - start for start, end in asked) <= part + 7, "memory does not grow with the item"


def test_an_object_put_in_its_place_is_not_mixed_in(objects, tmp_path):
    vault = objects.vault(tmp_path)
    digest, size = vault.put([b"a" * (PART + 100)], 2 * PART)
    with vault.open(digest) as stream:
        assert stream.read(10) == b"a" * 10
        obstore.put(vault._store, vault._place(digest), b"b" * size)
        with pytest.raises(Unavailable):
            stream.read(size)


def test_a_changed_object_has_another_fingerprint(objects, tmp_path):
    vault = objects.vault(tmp_path, clock)
    digest, _ = vault.put(CONTENT, 2000)
    assert vault.fingerprint(digest) is None, "too fresh to tell from another change"
    with settle(vault):
        first = vault.fingerprint(digest)
        obstore.put(vault._store, vault._place(digest), WHOLE[:-1] + b"!")
        assert vault.fingerprint(digest) != first


def test_a_bucket_that_is_not_there_is_said_at_the_start_without_the_secret(objects, tmp_path):
    for bucket, endpoint in (("another-bucket", objects.url), (BUCKET, "http://127.0.0.1:9")):
        access = {"endpoint": endpoint, "region": "us-east-1", "key_id": KEY, "secret": Secret(SECRET)}
        with pytest.raises(Unavailable) as raised:
            ObjectVault(bucket, "", tmp_path, **access)
        assert SECRET not in f"{raised.value!r} {raised.value}"
        assert raised.value.__cause__ is None
