"""Erasing a record: nothing opens it any more, from no backup; what must stay stays; outsiders notice nothing."""

import sqlite3

import pytest
from conftest import CopiedKeys, CopiedStore

from ledger import sealing
from ledger.adapters.keys import SqlKeys
from ledger.adapters.memory import MemoryVault
from ledger.adapters.store import SqlStore
from ledger.adapters.vault import FileVault
from ledger.errors import Conflict, Erased, InvalidInput, NotFound, Refused, VolensError
from ledger.merkle import leaf_hash
from ledger.model import to_hash
from ledger.sealing import Secret
from ledger.services.custody import Custodian, Master
from ledger.services.erasure import Erasure
from ledger.services.rotation import rotate
from ledger.typed_data import struct_hash
from scripts.canary import search
from scripts.vector_sources.world import phrase

MASTER, NEXT = Secret(phrase("custodian")), Secret(phrase("next custodian"))
NOWHERE = to_hash(phrase("a record that does not exist"))


@pytest.fixture
def backup(forge):
    """What a backup of the database and the vault held before the erasure."""
    store, vault = CopiedStore(forge.store), MemoryVault()
    vault.contents |= forge.vault.contents
    yield store, vault
    store.close()


def erase(forge):
    return forge.services.erasure.erase(forge.world.record_hash)


def test_nothing_is_released_any_more_and_the_bytes_are_gone(forge):
    assert forge.release().items
    erase(forge)
    assert forge.refusal(lambda: forge.release(forge.request(nonce="2"))) == "no_consent"
    assert not forge.vault.contents
    assert forge.reason() == "no_consent"


def test_an_older_backup_of_database_and_vault_opens_nothing(forge, backup):
    """Without the record key neither the custodian can nor anybody with the master key and every byte of the backup."""
    forge.release()
    erase(forge)
    store, vault = backup
    forge.restart(store=store, vault=vault)
    with pytest.raises(VolensError):
        forge.release(forge.request(nonce="2"))
    with store.begin() as tx:
        (first, *_) = tx.record(forge.world.record_hash).items
    derived = Master.of(MASTER).custody.reveal()
    for key in (MASTER.reveal(), derived):
        with pytest.raises(Refused):
            sealing.custody_unwrap(key, first.custody_wrap, forge.world.record_hash, struct_hash(first.item))
    with pytest.raises(Refused, match="destroyed"):
        wrap(forge.services.gate._custodian, forge, first)


def wrap(custodian, forge, stored):
    request = forge.request(nonce="3")
    return custodian.wrap_for_recipient(
        stored.custody_wrap,
        record=forge.world.record_hash,
        item=struct_hash(stored.item),
        recipient=request.recipient,
        grant_hash=struct_hash(forge.world.grant()),
        request=struct_hash(request),
        encryption_key=request.encryption_key,
    )


def test_the_backup_would_open_if_the_key_were_still_there(forge, backup):
    """The twin of the test above: without it a test that opens nothing for another reason would pass too."""
    keys = CopiedKeys(forge.keys)
    erase(forge)
    forge.keys = keys
    forge.restart(store=backup[0], vault=backup[1])
    assert forge.release().items


def test_a_restored_database_is_erased_again_at_the_next_start(forge, backup):
    erase(forge)
    store, vault = backup
    forge.restart(store=store, vault=vault)
    assert forge.services.erasure.resume() == 1
    assert not vault.contents
    with store.begin() as tx:
        assert tx.record(forge.world.record_hash) is None
    assert forge.services.erasure.resume() == 0


def test_a_restored_key_store_is_erased_again_at_the_next_start(forge):
    old = CopiedKeys(forge.keys)
    erase(forge)
    forge.keys = old
    forge.restart()
    assert forge.keys.get(forge.world.record_hash)
    assert forge.services.erasure.resume() == 1
    assert forge.keys.get(forge.world.record_hash) is None


def test_after_a_rotation_older_backups_of_the_key_store_open_nothing_either(forge, backup):
    everything = CopiedKeys(forge.keys)
    erase(forge)
    rotate(forge.keys, MASTER, NEXT)
    with pytest.raises(InvalidInput):  # the old master key is destroyed; with the new one the old store does not start
        Custodian(lambda: [NEXT], everything, forge.domain)
    with pytest.raises(Refused):
        Master.of(NEXT).open(everything.get(forge.world.record_hash), forge.world.record_hash)
    everything.close()


def test_the_keys_of_all_who_had_to_agree_are_gone_and_erased_again_when_a_backup_brings_them_back(make_forge):
    forge = make_forge(stewards=("mother",))
    people = (forge.world.patient, "patient"), (forge.world.mother, "mother")
    store, vault = CopiedStore(forge.store), MemoryVault()
    vault.contents |= forge.vault.contents
    erase(forge)
    for again in (False, True):
        if again:
            forge.store, forge.vault = store, vault
            forge.restart()
            for who, name in people:
                assert forge.opened(who, name), "the backup had them"
            assert forge.services.erasure.resume() == 1
        for who, _ in people:
            with pytest.raises(Erased):
                forge.services.records.record(who.address, forge.world.record_hash)
            assert forge.services.records.wraps(who.address, forge.world.record_hash) == ()
    store.close()


def test_nothing_readable_is_left_in_any_file(make_forge, tmp_path):
    forge = make_forge(stewards=("mother",))
    w = forge.world
    forge.consent(by=w.mother)
    forge.settle()
    forge.ask()
    forge.release()
    forge.services.bundling.capture()
    with forge.store.begin() as tx:
        record = tx.record(w.record_hash)
        own = [wrap for who in (w.patient, w.mother) for wrap in tx.wraps(w.record_hash, who.address)]
    texts = [w.record.title, *(grant.summary for grant in forge.grants()), *(item.name for item in w.items)]
    salts = [w.record.salt, *(item.salt for item in w.items), *(grant.salt for grant in forge.grants())]
    wraps = [item.custody_wrap for item in record.items] + [forge.keys.get(w.record_hash)]
    patterns = {text: text.encode() for text in (*texts, *(salt[2:] for salt in salts), *wraps)}
    patterns |= {f"escaped {text}": text.encode("ascii", "backslashreplace") for text in texts}
    patterns |= {f"wrap {place}": wrap[:64] for place, wrap in enumerate(own)}
    patterns |= {f"sealed {name}": data[:200] for name, data in forge.vault.contents.items()}
    store, vault, keys = on_disk(forge, tmp_path)
    assert len(search(tmp_path, patterns)) >= len(salts) + len(wraps) + len(own) + 2, "there is something to look for"
    Erasure(store, vault, keys, forge.chain.clock).erase(w.record_hash)
    assert search(tmp_path, patterns) == []
    with store.begin() as tx:
        assert tx.grants_of(w.record_hash) == []
    store.close()
    keys.close()
    assert search(tmp_path, patterns) == []


def on_disk(forge, folder):
    """The stores of a forge, in files."""
    for name, source in (("volens.db", forge.store), ("records.db", forge.keys)):
        with sqlite3.connect(folder / name) as file:
            source._engine.raw_connection().driver_connection.backup(file)
        file.close()
    vault = FileVault(folder / "vault")
    for content in forge.vault.contents.values():
        vault.put([content], 2**30)
    return SqlStore(f"sqlite:///{folder / 'volens.db'}"), vault, SqlKeys(f"sqlite:///{folder / 'records.db'}")


def test_hashes_withdrawals_and_the_log_stay(forge):
    w = forge.world
    forge.ask()
    forge.revoke()
    forge.settle()
    with forge.store.begin() as tx:
        leaves, root = tx.log_leaves(), tx.log_view().root()
        denials = tx.denials([w.patient.address])
    erase(forge)
    with forge.store.begin() as tx:
        assert tx.log_leaves() == leaves
        assert tx.log_view().root() == root
        assert tx.denials([w.patient.address]) == denials != []
        assert tx.knows(w.patient.address)
    assert [leaf_hash(leaf) for leaf in leaves] == list(forge.services.log.hashes(0, 100))
    forge.services.index.at_head()


def test_her_pseudonym_stays_used(forge):
    erase(forge)
    with pytest.raises(VolensError):
        forge.services.records.register(
            forge.world.hospital.address,
            forge.world.record,
            forge.signature(forge.world.record, forge.world.hospital),
            forge.deposits,
        )
    with pytest.raises(Conflict):
        forge.claim(forge.invite())


def test_a_revocation_is_taken_after_the_erasure_too(forge):
    erase(forge)
    assert forge.revoke().status == "accepted"


def test_a_withdrawal_on_its_way_must_get_there_first(forge):
    forge.revoke()
    with pytest.raises(Conflict, match="Try again"):
        erase(forge)
    assert forge.services.records.record(forge.world.patient.address, forge.world.record_hash)
    forge.settle()
    assert erase(forge)


@pytest.mark.parametrize("who", ["patient", "hospital"])
def test_who_was_party_to_it_is_told(forge, who):
    before = forge.log()
    erase(forge)
    caller = getattr(forge.world, who).address
    for act in (
        lambda: forge.services.records.record(caller, forge.world.record_hash),
        lambda: forge.services.records.grants(caller, forge.world.record_hash, 36),
    ):
        with pytest.raises(Erased, match="was erased on 20"):
            act()
    assert forge.services.records.accesses(caller, forge.world.record_hash) == before
    assert forge.services.records.of(caller) == []


def test_she_still_reads_who_asks_afterwards(forge):
    erase(forge)
    before = len(forge.log())
    forge.ask()
    (entry,) = forge.log()[before:]
    assert (entry["asker"], entry["permitted"]) == (forge.world.journal.address, False)


def test_over_http_parties_read_that_it_was_erased_and_others_what_they_always_do(web):
    w = web.forge.world
    erase(web.forge)
    for path in (f"/v1/records/{w.record_hash}", f"/v1/records/{w.record_hash}/grants"):
        told = web.get(path, w.patient)
        assert (told.status_code, told.json()["type"]) == (410, "urn:volens:error:erased")
        for by in (w.journal, w.stranger):
            one, two = (web.get(asked, by) for asked in (path, path.replace(w.record_hash, NOWHERE)))
            assert (one.status_code, one.json()["detail"]) == (two.status_code, two.json()["detail"])
            assert one.status_code == 404
    assert web.get(f"/v1/records/{w.record_hash}/accesses", w.patient).status_code == 200


def test_to_everybody_else_it_never_was(forge):
    erase(forge)
    said = []
    for record in (forge.world.record_hash, NOWHERE):
        with pytest.raises(NotFound) as caught:
            forge.services.records.record(forge.world.journal.address, record)
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_what_is_not_there_cannot_be_erased(forge):
    with pytest.raises(NotFound):
        forge.services.erasure.erase(NOWHERE)
    assert forge.keys.destroyed() == []


@pytest.mark.parametrize("broken", ["keys.destroy", "vault.remove", "store.scrub"])
def test_interrupted_it_releases_nothing_and_goes_on(forge, monkeypatch, broken):
    place, name = broken.split(".")
    part = getattr(forge.services.erasure, f"_{place}")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(part, name, killed)
        with pytest.raises(KeyboardInterrupt):
            erase(forge)
    assert forge.refusal(forge.release) == "no_consent"
    forge.restart()
    forge.services.erasure.resume()
    assert erase(forge).parties
    assert not forge.vault.contents
    assert forge.keys.get(forge.world.record_hash) is None


def test_another_record_is_not_touched(make_forge):
    forge = make_forge()
    with forge.store.begin() as tx:
        kept = tx.document(struct_hash_of_form(forge))
    erase(forge)
    with forge.store.begin() as tx:
        assert tx.document(struct_hash_of_form(forge)) == kept


def struct_hash_of_form(forge):
    return forge.world.form.hash
