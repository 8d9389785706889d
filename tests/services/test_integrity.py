"""Sealed bytes are hashed when they are new to the process or may have changed, and not otherwise."""

import hashlib

import pytest

from ledger.adapters.memory import MemoryVault
from ledger.errors import InvalidProof
from ledger.services import integrity
from ledger.services.integrity import Integrity


class Watched(MemoryVault):
    """Counts how often bytes are read; fingerprints are what the test says."""

    def __init__(self):
        super().__init__()
        self.reads, self.said = 0, "first"

    def open(self, digest):
        self.reads += 1
        return super().open(digest)

    def fingerprint(self, digest):
        super().fingerprint(digest)
        return self.said


@pytest.fixture
def vault():
    return Watched()


@pytest.fixture
def digest(vault):
    return vault.put([b"sealed bytes"], 100)[0]


def test_intact_bytes_are_read_once(vault, digest):
    checked = Integrity(vault)
    for _ in range(3):
        checked.require(digest)
    assert vault.reads == 1


def test_every_process_reads_them_itself(vault, digest):
    for _ in range(3):
        Integrity(vault).require(digest)
    assert vault.reads == 3


def test_another_fingerprint_means_another_look(vault, digest):
    checked = Integrity(vault)
    checked.require(digest)
    vault.said = "second"
    checked.require(digest)
    assert vault.reads == 2
    vault.contents[digest], vault.said = b"other bytes.", "third"
    for reads in (3, 4):  # and what was found wanting is not remembered as good
        with pytest.raises(InvalidProof, match="lost or changed"):
            checked.require(digest)
        assert vault.reads == reads


def test_without_a_fingerprint_they_are_read_every_time(vault, digest):
    vault.said, checked = None, Integrity(vault)
    checked.require(digest)
    vault.contents[digest] = b"other bytes."
    with pytest.raises(InvalidProof):
        checked.require(digest)


def test_bytes_that_change_while_they_are_hashed_are_hashed_again(vault, digest):
    checked = Integrity(vault)
    real = vault.open

    def meanwhile(name):
        stream = real(name)
        vault.contents[name], vault.said = b"other bytes.", "second"
        return stream

    vault.open = meanwhile
    checked.require(digest)
    vault.open = real
    with pytest.raises(InvalidProof):
        checked.require(digest)


def test_lost_bytes_are_noticed(vault, digest):
    checked = Integrity(vault)
    checked.require(digest)
    del vault.contents[digest]
    with pytest.raises(InvalidProof):
        checked.require(digest)


def test_it_remembers_only_so_many(vault, monkeypatch):
    monkeypatch.setattr(integrity, "REMEMBERED", 3)
    checked = Integrity(vault)
    for number in range(10):
        checked.require(vault.put([b"%d" % number], 100)[0])
    assert len(checked._hashed) == 3
    newest = "0x" + hashlib.sha256(b"9").hexdigest()
    reads = vault.reads
    checked.require(newest)
    assert vault.reads == reads
