"""Whoever remembers a checkpoint notices when the access log is edited, cut, reordered or forked."""

import pytest
from sqlalchemy import delete, select, update

from client.http import Client
from client.log import SeenLog, recompute, verify_entries, watch
from ledger.adapters import tables as t
from ledger.errors import InvalidInput, InvalidProof
from ledger.merkle import completed, leaf_hash


@pytest.fixture
def client(web):
    made = Client(str(web.client.base_url))
    made._http.close()
    made._http = type(web.client)(web.app, base_url=made.url)
    return made


def rewrite(web, leaves):
    """The log as a dishonest operator would make it: other entries, and a tree that fits them."""
    with web.forge.store._engine.begin() as connection:
        rows = connection.execute(select(t.log.c.leaf, t.log.c.record)).all()
        records = {bytes(leaf): record for leaf, record in rows}
        connection.execute(delete(t.log))
        connection.execute(delete(t.log_nodes))
        nodes = {}
        for index, leaf in enumerate(leaves):
            connection.execute(t.log.insert().values(index=index, leaf=leaf, record=records.get(leaf)))
            for height, position, found in completed(index, leaf_hash(leaf), lambda h, p: nodes[h, p]):
                nodes[height, position] = found
                if height:
                    connection.execute(t.log_nodes.insert().values(height=height, position=position, hash=found))


def leaves(web):
    with web.forge.store.begin() as tx:
        return tx.log_leaves()


def fill(web, count=5):
    for _ in range(count):
        web.forge.ask()


def test_a_log_that_only_grows_is_followed(web, client):
    seen = watch(client, None)
    for size in (0, 1, 2, 5):
        fill(web, size - len(leaves(web)))
        seen = watch(client, seen)
        assert seen.checkpoint.size == size
        assert recompute(client, seen.checkpoint, [size])[size] == seen.checkpoint.root
    assert SeenLog.from_json(seen.to_json()) == seen


TAMPERINGS = {
    "edited": lambda log: [log[0], log[1].replace(b"true", b"false"), *log[2:]],
    "dropped": lambda log: log[1:],
    "the last dropped": lambda log: log[:-1],
    "emptied": lambda log: [],
    "reordered": lambda log: [log[1], log[0], *log[2:]],
    "inserted": lambda log: [log[0], log[0], *log[1:]],
    "replaced by a longer one": lambda log: [b'{"at":1}'] * (len(log) + 3),
    "forked at the end": lambda log: [*log[:-1], b"{}", b"{}"],
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_whoever_looked_before_notices(web, client, name):
    fill(web)
    seen = watch(client, None)
    rewrite(web, TAMPERINGS[name](leaves(web)))
    with pytest.raises(InvalidProof):
        watch(client, seen)


def test_another_key_or_name_is_noticed(web, client):
    fill(web, 1)
    seen = watch(client, None)
    other = SeenLog(seen.origin, bytes(32), seen.note)
    renamed = SeenLog(seen.origin + "x", seen.public_key, seen.note)
    for false in (other, renamed):
        with pytest.raises(InvalidProof):
            watch(client, false)


def test_entries_shown_to_the_subject_are_in_the_log(web, client):
    fill(web)
    w = web.forge.world
    shown = web.get(f"/v1/records/{w.record_hash}/accesses", w.patient).json()
    assert len(shown) == 5
    seen = watch(client, None)
    verify_entries(client, seen, shown)
    for change in ({"reason": "revoked"}, {"permitted": False}, {"index": 0}, {"index": 9}, {"index": "x"}, {"v": {}}):
        with pytest.raises(InvalidProof):
            verify_entries(client, seen, [{**shown[1], **change}])
    verify_entries(client, seen, [{**shown[1], "askerName": "whatever the Directory says"}])
    with pytest.raises(InvalidProof):
        verify_entries(client, seen, [None])


def test_entries_whose_hashes_do_not_add_up_are_noticed(web, client):
    fill(web)
    checkpoint = watch(client, None).checkpoint
    with web.forge.store._engine.begin() as connection:
        connection.execute(update(t.log).where(t.log.c.index == 4).values(leaf=b"{}"))
    with pytest.raises(InvalidProof):
        recompute(client, checkpoint)


def test_what_is_served_to_all_tells_nothing_about_anybody(web):
    fill(web)
    w = web.forge.world
    said = "".join(web.get(path).text for path in ("/v1/log", "/v1/log/checkpoint", "/v1/log/leaves"))
    for secret in (w.record_hash, w.patient.address, w.journal.address, "case-report"):
        assert secret.lower()[2:] not in said.lower()


def test_proofs_over_http(web, client):
    fill(web, 3)
    assert len(client.get("/v1/log/proof?index=0&size=3")["proof"]) == 2
    assert len(client.get("/v1/log/proof?first=1&second=3")["proof"]) == 2
    for query in ("", "?index=0", "?index=0&size=9", "?index=0&size=3&first=1&second=2", "?first=3&second=2"):
        with pytest.raises(InvalidInput):
            client.get(f"/v1/log/proof{query}")


def test_a_service_that_answers_rubbish_is_not_believed(web, client, monkeypatch):
    fill(web, 2)
    seen = watch(client, None)
    real = client.get
    for rubbish in (None, {}, {"proof": "x"}, {"proof": [1]}, {"key": "x"}, [], {"origin": "a", "key": "a+b+c"}):
        monkeypatch.setattr(client, "get", lambda path, answer=rubbish: answer)
        with pytest.raises(InvalidProof):
            watch(client, None)
        monkeypatch.setattr(client, "get", lambda path, answer=rubbish: answer if "proof" in path else real(path))
        fill(web, 1)
        with pytest.raises(InvalidProof):
            watch(client, seen)
        monkeypatch.setattr(client, "get", real)
