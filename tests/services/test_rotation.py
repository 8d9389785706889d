"""Rotation of the master key: interrupted anywhere, every key opens; afterwards the old master key opens none."""

import hashlib

import pytest

from ledger import sealing
from ledger.adapters.keys import SqlKeys
from ledger.errors import InvalidInput, Refused, Untrusted
from ledger.model import to_hash
from ledger.sealing import Secret
from ledger.services import rotation
from ledger.services.custody import Custodian, Master
from ledger.services.rotation import rotate
from scripts.vector_sources.world import phrase

OLD, NEW, OTHER = (Secret(phrase(name)) for name in ("custodian", "next custodian", "another custodian"))
RECORDS = [to_hash(hashlib.sha256(b"%d" % n).digest()) for n in range(25)]


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def keys():
    made = SqlKeys("sqlite://")
    made.set_master(Master.of(OLD).id)
    for record in RECORDS:
        made.add(record, Master.of(OLD).id, Master.of(OLD).wrap(Secret(secret_of(record)), record))
    yield made
    made.close()


def secret_of(record):
    return hashlib.sha256(record.encode()).digest()


def openable(keys, *masters):
    """The record keys that open with one of the master keys, checked against what they were."""
    found = 0
    for record in RECORDS:
        for master in map(Master.of, masters):
            try:
                opened = master.open(keys.get(record), record)
            except Refused:
                continue
            assert opened.reveal() == secret_of(record)
            found += 1
            break
    return found


def test_afterwards_the_new_key_opens_everything_and_the_old_one_nothing(keys, monkeypatch):
    monkeypatch.setattr(rotation, "BATCH", 7)
    seen = []
    assert rotate(keys, OLD, NEW, lambda *step: seen.append(step)) == 25
    assert seen == [(7, 25), (14, 25), (21, 25), (25, 25)]
    assert (openable(keys, NEW), openable(keys, OLD)) == (25, 0)
    assert rotate(keys, OLD, NEW) == 0, "again is harmless"


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("moment", ["before", "after"])
def test_killed_at_any_write_nothing_is_lost_and_it_goes_on(keys, monkeypatch, steps, moment):
    monkeypatch.setattr(rotation, "BATCH", 7)
    left = steps

    def dying(write):
        def call(*arguments):
            nonlocal left
            left -= 1
            if left < 0 and moment == "before":
                raise Killed
            write(*arguments)
            if left < 0:
                raise Killed

        return call

    for name in ("set_master", "replace"):
        monkeypatch.setattr(keys, name, dying(getattr(keys, name)))
    try:
        rotate(keys, OLD, NEW)
        assert steps >= 5
    except Killed:
        assert openable(keys, OLD, NEW) == 25
    monkeypatch.undo()
    rotate(keys, OLD, NEW)
    assert (openable(keys, NEW), openable(keys, OLD)) == (25, 0)


def test_a_key_that_opens_with_neither_stops_it_and_is_left_alone(keys):
    odd = to_hash(phrase("odd"))
    master = Master.of(OLD)
    moved = master.wrap(Secret(secret_of(odd)), RECORDS[0])  # wrapped for another record
    keys.add(odd, master.id, moved)
    with pytest.raises(Refused):
        rotate(keys, OLD, NEW)
    assert keys.get(odd) == moved
    assert openable(keys, OLD, NEW) == 25


@pytest.mark.parametrize(("old", "new"), [(OLD, OLD), (OTHER, NEW)])
def test_keys_that_make_no_sense_are_refused_and_change_nothing(keys, old, new):
    with pytest.raises(InvalidInput):
        rotate(keys, old, new)
    assert keys.master() == Master.of(OLD).id
    assert openable(keys, OLD) == 25


def test_a_service_with_the_old_key_does_not_start_any_more(keys, forge):
    rotate(keys, OLD, NEW)
    with pytest.raises(InvalidInput, match="An old key is refused"):
        Custodian(lambda: [OLD], keys, forge.domain)
    assert Custodian(lambda: [NEW], keys, forge.domain)


def test_a_running_service_goes_on_with_both_and_then_with_the_new_one(forge, monkeypatch):
    files = [OLD]
    custodian = Custodian(lambda: files, forge.keys, forge.domain)
    monkeypatch.setattr(forge.services.gate, "_custodian", custodian)
    files.append(NEW)  # the next key's file is there before the key store hears of it
    forge.keys.set_master(Master.of(NEW).id)
    assert len(forge.release(forge.request(nonce="during")).items) == 2
    rotate(forge.keys, OLD, NEW)
    files.remove(OLD)
    assert len(forge.release(forge.request(nonce="after")).items) == 2
    new = custodian.keep(sealing.seal_bytes(b"x")[0].identity, RECORDS[0], RECORDS[1])
    assert new.startswith("cw1.")
    assert Master.of(NEW).open(forge.keys.get(RECORDS[0]), RECORDS[0])
    assert custodian.public_key == Master.of(NEW).deposit.public


def test_everybody_who_must_agree_opens_the_files_as_before(make_forge):
    """What is wrapped to a person's own key is none of the master key's."""
    forge = make_forge(stewards=("mother",))
    people = (forge.world.patient, "patient"), (forge.world.mother, "mother")
    rotate(forge.keys, OLD, NEW)
    forge.restart(masters=lambda: [NEW])
    for who, name in people:
        assert forge.opened(who, name) == list(forge.world.files.values())


def test_a_service_that_cannot_read_the_new_key_releases_nothing(forge):
    rotate(forge.keys, OLD, NEW)
    with pytest.raises(Untrusted):
        forge.release()
