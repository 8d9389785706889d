"""What every store promises, and that tables and migrations say the same."""

from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from postgres import Postgres
from sqlalchemy import MetaData, Table, func, insert, inspect, select

from ledger.adapters import store as sql
from ledger.adapters.store import _MIGRATIONS, SqlStore, SqlTransaction, migrate, open_engine
from ledger.adapters.tables import metadata
from ledger.errors import Unavailable
from ledger.events import Closed, Granted
from ledger.evidence import SignedConsent
from ledger.merkle import EMPTY_LOG, LogTree, leaf_hash
from ledger.model import Approval, Closure, Consent, Revocation, Suspension, to_hash
from ledger.ports import (
    Cohort,
    Held,
    Invitation,
    KeptAnswer,
    Logged,
    Offer,
    OfferMessage,
    Relay,
    StoredItem,
    StoredRecord,
)
from ledger.typed_data import parse_signature, struct_hash
from scripts.vector_sources.world import START, World, phrase

W = World()
PATIENT, HOSPITAL, JOURNAL = W.patient.address, W.hospital.address, W.journal.address
HASHES = [to_hash(phrase(f"hash {n}")) for n in range(8)]
TOKEN = HASHES[7]


POSTGRES = pytest.param("postgres", marks=pytest.mark.node)


@pytest.fixture(scope="module")
def postgres():
    with Postgres() as server:
        yield server


def migrated(url):
    SqlStore(url).close()


@pytest.fixture(params=["file", "memory", POSTGRES])
def store(request, tmp_path):
    match request.param:
        case "file":
            url = f"sqlite:///{tmp_path / 'volens.db'}"
        case "memory":
            url = "sqlite://"
        case _:
            url = request.getfixturevalue("postgres").database(migrated)
    opened = SqlStore(url)
    yield opened
    opened.close()


def relay(name, message, status="accepted", signer=PATIENT, **more):
    return Relay(name, message, signer, b"\1" * 65, status, START, **more)


def logged(event, block, index=0):
    return Logged(event, block, HASHES[block % 8], index, HASHES[0])


class Headers:
    """Blocks by number, as far as the store looks at them."""

    def __init__(self, number):
        self.number, self.hash = number, HASHES[number % 8]


# One unit of work


def fail_after(store, *steps):
    with store.begin() as tx:
        for step in steps:
            step(tx)
        raise RuntimeError


def test_what_raises_leaves_nothing(store):
    with pytest.raises(RuntimeError):
        fail_after(
            store,
            lambda tx: tx.add_denial("closed", PATIENT, "", START),
            lambda tx: tx.add_relay(relay("rly_1", Closure(PATIENT))),
            lambda tx: tx.append_log(b"{}", None),
        )
    with store.begin() as tx:
        assert tx.denials([PATIENT]) == []
        assert tx.open_relays() == []
        assert tx.log_leaves() == []


def test_a_taken_key_does_not_spoil_the_unit_of_work(store):
    with store.begin() as tx:
        assert tx.use_request(JOURNAL, HASHES[0], 100, 50)
        assert not tx.use_request(JOURNAL, HASHES[0], 100, 50)
        tx.append_log(b"after", None)
    with store.begin() as tx:
        assert tx.log_leaves() == [b"after"]


def test_what_is_committed_survives_closing(tmp_path):
    url = f"sqlite:///{tmp_path / 'volens.db'}"
    first = SqlStore(url)
    with first.begin() as tx:
        tx.add_denial("closed", PATIENT, "", START)
    first.close()
    second = SqlStore(url)
    with second.begin() as tx:
        assert tx.denials([PATIENT]) == [("closed", PATIENT, "")]
    second.close()


def test_what_is_not_committed_is_invisible_elsewhere(tmp_path):
    url = f"sqlite:///{tmp_path / 'volens.db'}"
    here = SqlStore(url)
    reader = open_engine(url)

    def rows():  # reads without asking to write
        raw = reader.raw_connection()
        found = raw.cursor().execute("SELECT count(*) FROM log").fetchone()[0]
        raw.close()
        return found

    with here.begin() as tx:
        tx.append_log(b"half", None)
        assert rows() == 0
    assert rows() == 1
    here.close()
    reader.dispose()


def test_a_database_that_cannot_be_opened_is_unavailable(tmp_path):
    with pytest.raises(Unavailable, match="cannot be opened"):
        SqlStore(f"sqlite:///{tmp_path / 'no' / 'such' / 'folder' / 'volens.db'}")


def write_in_vain(store):
    """A unit of work in which SQLite's disk is full, or PostgreSQL hangs up."""
    sqlite = store._engine.dialect.name == "sqlite"
    with store.begin() as tx:
        tx.append_log(b"something secret", None)
        # no page more than there are
        fault = "PRAGMA max_page_count=1" if sqlite else "SELECT pg_terminate_backend(pg_backend_pid())"
        tx._db.exec_driver_sql(fault)
        tx.append_log(b"something secret" * 100_000, None)


def test_a_database_that_fails_is_unavailable_and_keeps_its_secrets(store):
    with pytest.raises(Unavailable) as refusal:
        write_in_vain(store)
    shown = str(refusal.value) + str(refusal.value.__cause__)
    assert "cannot be used" in shown
    assert "secret" not in shown
    with store.begin() as tx:
        assert tx.log_leaves() == []


# Deny list


def test_denials_are_kept_for_ever_and_repeating_one_is_harmless(store):
    for at in (START, START + 1):
        with store.begin() as tx:
            tx.add_denial("revoked", PATIENT, HASHES[0], at)
    with store.begin() as tx:
        tx.add_blocks([Headers(5)], [logged(Closed(START, PATIENT, PATIENT), 5)])
        tx.drop_blocks_above(0)
    with store.begin() as tx:
        assert tx.denials([PATIENT, JOURNAL]) == [("revoked", PATIENT, HASHES[0])]
        assert tx.denials([JOURNAL]) == []
        assert tx.denials([]) == []


# Indexed chain


def test_what_a_subject_granted_is_found_in_the_blocks_that_are_stored(store):
    events = [Granted(START, PATIENT, HASHES[0], JOURNAL), Granted(START, JOURNAL, HASHES[1], JOURNAL)]
    lost = logged(Granted(START, PATIENT, HASHES[2], PATIENT), 2)
    with store.begin() as tx:
        tx.add_blocks([Headers(1), Headers(2)], [logged(events[0], 1, 0), logged(events[1], 1, 1), lost])
        assert tx.granted(PATIENT) == {HASHES[0], HASHES[2]}
        tx.drop_blocks_above(1)
        assert tx.granted(PATIENT) == {HASHES[0]}
        assert tx.granted(W.mother.address) == set()


def test_events_come_back_in_block_and_log_order(store):
    first, second, third = (Granted(START + n, PATIENT, HASHES[n], PATIENT) for n in range(3))
    with store.begin() as tx:
        tx.add_blocks([Headers(2)], [logged(third, 2), logged(second, 1, 1), logged(first, 1, 0)])
    with store.begin() as tx:
        assert list(tx.events()) == [first, second, third]


def test_dropping_blocks_drops_their_events_and_forgetting_does_not(store):
    events = [logged(Granted(START, PATIENT, HASHES[n], PATIENT), n) for n in range(4)]
    with store.begin() as tx:
        tx.add_blocks([Headers(n) for n in range(4)], events)
        tx.forget_blocks_below(2)
        assert [number for number, _ in tx.blocks()] == [2, 3]
        assert len(list(tx.events())) == 4
        tx.drop_blocks_above(2)
        assert [number for number, _ in tx.blocks()] == [2]
        assert [event.grant_hash for event in tx.events()] == HASHES[:3]


def test_facts_are_overwritten(store):
    with store.begin() as tx:
        assert tx.fact("highest") is None
        tx.set_fact("highest", 1)
        tx.set_fact("highest", 2)
        assert tx.fact("highest") == 2


# Records, invitations, offers, documents


def stored_record():
    items = tuple(StoredItem(item, HASHES[n], 100 + n, f"cw1.{n}") for n, item in enumerate(W.items))
    return StoredRecord(W.record, W.record_hash, parse_signature(W.record_signature), items)


def test_a_record_comes_back_with_its_items_in_order(store):
    with store.begin() as tx:
        tx.add_record(stored_record(), {}, START)
    with store.begin() as tx:
        assert tx.record(W.record_hash) == stored_record()
        assert tx.records_of(PATIENT) == [W.record_hash]
        assert tx.item_by_digest(HASHES[1]) == stored_record().items[1]
        assert tx.record(HASHES[0]) is None
        assert tx.item_by_digest(HASHES[6]) is None
        assert tx.records_of(JOURNAL) == []


def test_item_keys_are_kept_by_reader_in_the_order_of_the_items_and_erased_with_the_record(store):
    mother = W.mother.address
    wraps = {PATIENT: [b"hers" * 300, b"\0"], mother: [b"\xff", b"her mother's"]}
    with store.begin() as tx:
        tx.add_record(stored_record(), wraps, START)
    with store.begin() as tx:
        assert tx.wraps(W.record_hash, PATIENT) == (b"hers" * 300, b"\0")
        assert tx.wraps(W.record_hash, mother) == (b"\xff", b"her mother's")
        assert tx.wraps(W.record_hash, HOSPITAL) == tx.wraps(HASHES[0], mother) == ()
        assert tx.record(W.record_hash) == stored_record()
        assert tx.erase(W.record_hash, START)
        assert tx.record(W.record_hash) is None
        assert tx.wraps(W.record_hash, PATIENT) == tx.wraps(W.record_hash, mother) == ()


def test_erasing_forgets_the_invitations_of_all_who_had_to_agree_but_not_those_of_others(store):
    mother, other = W.mother.address, replace(W.record, stewards=(W.mother.address, W.stranger.address))
    invited = {"one": (HOSPITAL, PATIENT), "two": (HOSPITAL, mother), "three": (JOURNAL, W.stranger.address)}
    with store.begin() as tx:
        for name, (controller, subject) in invited.items():
            tx.add_invitation(name, Invitation(controller, "A case", START))
            tx.claim_invitation(name, subject, b"a key")
        tx.add_record(replace(stored_record(), record=other), {}, START)
        assert tx.erase(W.record_hash, START)
    with store.begin() as tx:
        found = {name: tx.invitation(name) for name in invited}
    assert {(one.title, one.encryption_key) for one in (found["one"], found["two"])} == {("", None)}
    assert [found[name].subject for name in invited] == [PATIENT, mother, W.stranger.address], "pseudonyms stay used"
    assert (found["three"].title, found["three"].encryption_key) == ("A case", b"a key")


def test_uploads_belong_to_who_uploaded(store):
    with store.begin() as tx:
        tx.add_upload(HASHES[0], 7, HOSPITAL, START)
        tx.add_upload(HASHES[0], 7, HOSPITAL, START)
        assert tx.upload(HASHES[0], HOSPITAL) == 7
        assert tx.upload(HASHES[0], JOURNAL) is None


def test_an_invitation_is_claimed_once(store):
    with store.begin() as tx:
        tx.add_invitation(TOKEN, Invitation(HOSPITAL, "A case", START))
        assert tx.claim_of(PATIENT) is None
        assert tx.claim_invitation(TOKEN, PATIENT, b"key")
        assert not tx.claim_invitation(TOKEN, JOURNAL, b"other")
        assert not tx.claim_invitation(HASHES[0], JOURNAL, b"no such invitation")
    with store.begin() as tx:
        claimed = Invitation(HOSPITAL, "A case", START, PATIENT, b"key")
        assert tx.invitation(TOKEN) == claimed
        assert tx.claim_of(PATIENT) == claimed
        assert tx.invitation(HASHES[0]) is None


def test_what_was_said_about_an_offer_comes_back_in_order(store):
    said = [
        OfferMessage(W.record_hash, "question", W.patient.address, "Who?", START),
        OfferMessage(W.record_hash, "answer", W.hospital.address, "The journal's readers.", START),
        OfferMessage(W.record_hash, "decline", W.patient.address, "", START),
    ]
    for message in said:
        with store.begin() as tx:
            tx.add_offer_message(TOKEN, message)
    with store.begin() as tx:
        assert tx.offer_messages(TOKEN) == said
        assert tx.offer_messages(HASHES[0]) == []


def test_offers_and_documents_come_back(store):
    offer = Offer(W.record_hash, (W.grant(), W.research_grant), "en", START)
    with store.begin() as tx:
        tx.add_offer(TOKEN, offer)
        assert tx.add_document(W.form) == tx.add_document(W.form) == W.form.hash
    with store.begin() as tx:
        assert tx.offer(TOKEN) == offer
        assert tx.offer(HASHES[0]) is None
        assert tx.document(W.form.hash) == W.form
        assert tx.document(HASHES[0]) is None


# Consents


def test_a_consent_opens_its_grants_in_order_once(store):
    consent = Consent(PATIENT, (W.grant(), W.research_grant), START)
    with store.begin() as tx:
        tx.add_consent(consent, PATIENT, b"\1" * 65, START)
        tx.add_consent(consent, PATIENT, b"\2" * 65, START)
    with store.begin() as tx:
        assert {struct_hash(grant) for grant in tx.grants_of(W.record_hash)} == {
            struct_hash(grant) for grant in consent.grants
        }
        assert tx.grant(struct_hash(W.grant())) == W.grant()
        assert tx.grant(HASHES[0]) is None
        assert tx.consents_with(struct_hash(W.research_grant)) == [(consent, PATIENT, b"\1" * 65)]


def test_what_was_said_for_a_subject_is_found_by_who_said_it(store):
    own, hers = Consent(PATIENT, (W.grant(),), START), Consent(PATIENT, (W.research_grant, W.grant()), START + 1)
    with store.begin() as tx:
        tx.add_consent(own, PATIENT, b"\1" * 65, START)
        tx.add_consent(hers, W.mother.address, b"\2" * 65, START)
        tx.add_consent(Consent(JOURNAL, (W.grant(),), START), W.mother.address, b"\3" * 65, START)
    first, second = struct_hash(W.grant()), struct_hash(W.research_grant)
    with store.begin() as tx:
        assert sorted(name for name, _ in tx.grants_said(PATIENT)) == sorted([first, first, second])
        assert [name for name, _ in tx.grants_said(PATIENT, PATIENT)] == [first]
        assert {name for name, _ in tx.grants_said(PATIENT, W.mother.address)} == {first, second}
        assert tx.grants_said(PATIENT, JOURNAL) == []


def test_a_grant_in_two_consents_is_one_grant(store):
    alone, both = (
        Consent(PATIENT, (W.grant(),), START),
        Consent(PATIENT, (W.research_grant, W.grant()), START + 1),
    )
    with store.begin() as tx:
        for consent in (alone, both):
            tx.add_consent(consent, PATIENT, b"\1" * 65, START)
        assert len(tx.grants_of(W.record_hash)) == 2
        assert {consent for consent, _, _ in tx.consents_with(struct_hash(W.grant()))} == {alone, both}


def test_approvals_come_back(store):
    approval = Approval(W.record_hash, JOURNAL, "case-report", START, HASHES[0])
    with store.begin() as tx:
        tx.add_approval(approval, b"\1" * 65)
        assert tx.approvals_of(W.record_hash) == [(approval, b"\1" * 65)]
        assert tx.approvals_of(HASHES[0]) == []


# Outbox


def test_the_same_message_is_one_relay(store):
    with store.begin() as tx:
        first = tx.add_relay(relay("rly_1", Closure(PATIENT)))
        tx.update_relay("rly_1", status="sent", transaction=HASHES[0])
        again = tx.add_relay(relay("rly_1", Closure(PATIENT)))
    assert first.status == "accepted"
    assert again == replace(first, status="sent", transaction=HASHES[0])


def test_withdrawals_wait_before_grants_and_each_in_its_order(store):
    with store.begin() as tx:
        tx.add_relay(relay("rly_grant", Consent(PATIENT, (W.grant(),), START)))
        tx.add_relay(relay("rly_revoke", Revocation(PATIENT, (W.grant(),))))
        tx.add_relay(relay("rly_pause", Suspension(PATIENT, True, START)))
        tx.add_relay(relay("rly_done", Closure(PATIENT)))
        tx.update_relay("rly_done", status="final")
    with store.begin() as tx:
        assert [r.id for r in tx.open_relays()] == ["rly_revoke", "rly_pause", "rly_grant"]
        assert tx.relay("rly_done").status == "final"
        assert tx.relay("rly_none") is None


def test_what_is_open_is_found_by_subject_and_without_consents_that_only_wait_for_more_blocks(store):
    with store.begin() as tx:
        for number, block in ((1, 5), (2, 6)):
            tx.add_relay(relay(f"rly_consent_{number}", Consent(PATIENT, (W.grant(),), START + number)))
            tx.update_relay(f"rly_consent_{number}", status="recorded", block_number=block)
            tx.add_relay(relay(f"rly_pause_{number}", Suspension(W.mother.address, True, START + number)))
            tx.update_relay(f"rly_pause_{number}", status="recorded", block_number=block)
        tx.add_relay(relay("rly_sent", Consent(W.mother.address, (W.grant(),), START)))
        tx.update_relay("rly_sent", status="sent")
        tx.add_relay(relay("rly_done", Closure(PATIENT)))
        tx.update_relay("rly_done", status="failed")
    with store.begin() as tx:
        assert tx.open_count() == 5
        assert [r.id for r in tx.open_relays(PATIENT)] == ["rly_consent_1", "rly_consent_2"]
        found = tx.open_relays(recorded_until=5)
    assert [r.id for r in found] == ["rly_pause_1", "rly_pause_2", "rly_consent_1", "rly_sent"]


def test_relays_of_lost_blocks_are_open_again_and_others_are_not(store):
    with store.begin() as tx:
        for name, block in (("rly_kept", 5), ("rly_lost", 6)):
            tx.add_relay(relay(name, Closure(PATIENT)))
            tx.update_relay(name, status="final", block_number=block, block_hash=HASHES[0])
        tx.reopen_relays_above(5)
        (reopened,) = tx.open_relays()
        assert (reopened.id, reopened.status, reopened.block_number) == ("rly_lost", "sent", None)


# Cohorts


def cohort(root, *consents):
    """A cohort of relays named after their place, and where their grants are said to lie."""
    members = [
        relay(f"{root[:8]} {number}", consent, signer=consent.subject, cohort=root, receipt={"receipt": number})
        for number, consent in enumerate(consents)
    ]
    held = [
        Held(grant.record, struct_hash(grant), one.id, replace(shown, root=root, proof=(HASHES[1],)))
        for one in members
        for shown in (SignedConsent.of(one.message, one.signer, one.signature),)
        for grant in one.message.grants
    ]
    return Cohort(root, HOSPITAL, len(held), START), members, held


def test_a_cohort_comes_back_whole(store):
    alone, both, mothers = (
        Consent(PATIENT, (W.grant(),), START),
        Consent(PATIENT, (W.research_grant, W.grant()), START + 1),
        Consent(W.mother.address, (W.grant(),), START),
    )
    first, members, held = cohort(HASHES[2], both, mothers)
    with store.begin() as tx:
        tx.add_consent(alone, PATIENT, b"\2" * 65, START)  # of a grant that is in the cohort, too
        tx.add_relay(relay("rly_alone", alone))
        tx.add_cohort(first, members, held)
    with store.begin() as tx:
        assert (tx.cohort(HASHES[2]), tx.cohort(HASHES[3])) == (first, None)
        assert tx.members(HASHES[2]) == members
        assert sorted(tx.held_of(W.record_hash), key=str) == sorted(held, key=str)
        assert tx.held_of(HASHES[3]) == []
        assert tx.records_held([HASHES[2], HASHES[3]]) == {W.record_hash}
        assert tx.records_held([HASHES[3]]) == set()
        assert {one for one, _, _ in tx.consents_with(struct_hash(W.grant()))} == {alone, both, mothers}
        assert tx.known_relays([members[0].id, "rly_other"]) == {members[0].id}
        assert len(tx.grants_of(W.record_hash)) == 2


def test_a_cohort_is_open_by_one_of_its_consents(store):
    consents = [Consent(subject, (W.grant(),), START) for subject in (PATIENT, HOSPITAL, JOURNAL)]
    first, second = cohort(HASHES[2], *consents[:2]), cohort(HASHES[3], consents[2])
    with store.begin() as tx:
        tx.add_cohort(*first)
        tx.add_cohort(*second)
        tx.add_relay(relay("rly_alone", Closure(PATIENT)))
        assert [one.id for one in tx.open_relays()] == ["rly_alone"]
        assert tx.open_cohorts() == [(first[1][0], 2), (second[1][0], 1)]
        tx.update_relay(first[1][0].id, status="failed")
        tx.update_relay(second[1][0].id, status="final", block_number=6)
        assert tx.open_cohorts() == [(first[1][1], 1)]
        tx.reopen_relays_above(5)
        assert [(one.status, count) for one, count in tx.open_cohorts()] == [("accepted", 1), ("sent", 1)]


def test_where_a_failed_consent_lies_is_forgotten_and_nothing_else(store):
    first, members, held = cohort(
        HASHES[2], *(Consent(PATIENT, (W.grant(),), START), Consent(JOURNAL, (W.grant(),), 9))
    )
    with store.begin() as tx:
        tx.add_cohort(first, members, held)
        tx.forget_held(HASHES[3], [members[0].id])
        assert len(tx.held_of(W.record_hash)) == 2
        tx.forget_held(HASHES[2], [members[0].id])
        assert [one.relay for one in tx.held_of(W.record_hash)] == [members[1].id]


# Sign-in


def test_a_nonce_is_good_once_and_in_time(store):
    with store.begin() as tx:
        tx.add_nonce("once", START + 10, START)
        tx.add_nonce("late", START + 10, START)
        assert tx.use_nonce("once", START + 9)
        assert not tx.use_nonce("once", START + 9)
        assert not tx.use_nonce("late", START + 10)
        assert not tx.use_nonce("never", START)


def test_expired_nonces_and_old_requests_do_not_pile_up(store):
    with store.begin() as tx:
        for second in range(50):
            tx.add_nonce(f"nonce {second}", START + second + 10, START + second)
            assert tx.use_request(JOURNAL, to_hash(second.to_bytes(32)), START + second, 10)
        tables = [metadata.tables[name] for name in ("nonces", "requests")]
        rows = [tx._db.execute(select(func.count()).select_from(table)).scalar() for table in tables]
    assert rows == [10, 11]


def test_a_bearer_token_ends(store):
    with store.begin() as tx:
        tx.add_token(TOKEN, JOURNAL, START + 10)
        assert tx.token_address(TOKEN, START + 9) == JOURNAL
        assert tx.token_address(TOKEN, START + 10) is None
        assert tx.token_address(TOKEN, START) is None


def test_a_release_nonce_belongs_to_its_recipient(store):
    with store.begin() as tx:
        assert tx.use_request(JOURNAL, HASHES[0], 100, 50)
        assert tx.use_request(HOSPITAL, HASHES[0], 100, 50)
        assert not tx.use_request(JOURNAL, HASHES[0], 100, 50)


# Access log and decisions


def test_the_log_counts_up_and_is_read_by_record(store):
    with store.begin() as tx:
        entries = [tx.append_log(leaf, record) for leaf, record in ((b"a", None), (b"b", HASHES[0]), (b"c", None))]
    assert [entry.index for entry in entries] == [0, 1, 2]
    with store.begin() as tx:
        assert tx.log_leaves() == [b"a", b"b", b"c"]
        assert tx.log_leaves(1) == [b"b", b"c"]
        assert tx.log_leaves(1, 1) == [b"b"]
        assert tx.log_of(HASHES[0]) == [entries[1]]


def test_the_log_proves_what_is_in_it_at_any_size(store):
    leaves = [b"%d" % n for n in range(21)]
    with store.begin() as tx:
        assert tx.log_view().root() == EMPTY_LOG
    tree = LogTree()
    for leaf in leaves:
        tree.append(leaf_hash(leaf))
        with store.begin() as tx:
            tx.append_log(leaf, None)
            view = tx.log_view()
            assert (len(view), view.root()) == (len(tree), tree.root())
    with store.begin() as tx:
        view = tx.log_view()
        for size in range(1, len(leaves) + 1):
            assert view.root(size) == tree.root(size)
            assert view.inclusion_proof(size - 1, size) == tree.inclusion_proof(size - 1, size)
            assert view.consistency_proof(size) == tree.consistency_proof(size)


def test_decisions_wait_for_their_bundle_oldest_first(store):
    with store.begin() as tx:
        for name in ("dec_1", "dec_3"):
            tx.add_decision(name, {"x": [1]})
        assert [decision.id for decision in tx.decisions_without_bundle(9)] == ["dec_1", "dec_3"]
        assert [decision.id for decision in tx.decisions_without_bundle(1)] == ["dec_1"]
        tx.set_bundle("dec_1", b"bundle")
        assert [decision.id for decision in tx.decisions_without_bundle(9)] == ["dec_3"]
        kept = tx.decision("dec_1")
        assert (kept.value, kept.bundle) == ({"x": [1]}, b"bundle")
        assert tx.decision("dec_4") is None


# A PostgreSQL that several processes share


@pytest.fixture
def shared(postgres, monkeypatch):
    """The URL of a database, where nobody waits long."""
    monkeypatch.setattr(sql, "PATIENCE", 100)
    return postgres.database(migrated)


def deny(store):
    with store.begin() as tx:
        tx.add_denial("closed", PATIENT, "", START)


@pytest.mark.node
def test_a_unit_of_work_does_not_wait_for_ever_for_another_process(shared):
    holder, other = SqlStore(shared), SqlStore(shared)
    with holder.begin(), pytest.raises(Unavailable, match="cannot be used"):
        deny(other)
    deny(other)
    holder.close()
    other.close()


@pytest.mark.node
def test_a_process_that_hangs_in_a_unit_of_work_is_shut_out_and_changes_nothing(shared, monkeypatch):
    monkeypatch.setattr(sql, "IDLE", 400)
    hung = SqlStore(shared)
    monkeypatch.setattr(sql, "PATIENCE", 10_000)
    other = SqlStore(shared)

    def hang():
        with hung.begin() as tx:
            tx.append_log(b"too late", None)
            deny(other)  # gets the lock once the server has ended the one that does nothing
            tx.append_log(b"later still", None)

    with pytest.raises(Unavailable, match="cannot be used"):
        hang()
    with other.begin() as tx:
        assert tx.denials([PATIENT]) == [("closed", PATIENT, "")]
        assert tx.log_leaves() == []
    hung.close()
    other.close()


@pytest.mark.node
def test_a_postgresql_that_only_reads_is_unavailable(shared):
    standby = SqlStore(f"{shared}&options=-cdefault_transaction_read_only%3Don")
    with pytest.raises(Unavailable, match="cannot be used"):
        deny(standby)
    standby.close()


# Migrations


@pytest.fixture(params=["file", POSTGRES])
def engine(request, tmp_path):
    sqlite = f"sqlite:///{tmp_path / 'volens.db'}"
    opened = open_engine(sqlite if request.param == "file" else request.getfixturevalue("postgres").database())
    yield opened
    opened.dispose()


def test_migrations_and_tables_agree(engine):
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_down_leaves_nothing_and_up_again_works(engine):
    migrate(engine)
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        downgrade(config, "base")
        connection.commit()
    assert set(inspect(engine).get_table_names()) <= {"alembic_version"}
    migrate(engine)
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())


@pytest.mark.parametrize("count", [0, 1, 2, 5, 8, 13])
def test_a_log_from_before_its_tree_was_kept_gets_one(engine, count):
    migrate(engine, "0001")
    leaves = [b"entry %d" % n for n in range(count)]
    with engine.begin() as connection:
        for index, leaf in enumerate(leaves):
            connection.execute(insert(metadata.tables["log"]).values(index=index, leaf=leaf))
    migrate(engine)
    with engine.begin() as connection:
        tx = SqlTransaction(connection)
        assert tx.log_view().root() == LogTree(map(leaf_hash, leaves)).root()
        tx.append_log(b"next", None)
        assert tx.log_view().root() == LogTree(map(leaf_hash, [*leaves, b"next"])).root()


def test_what_was_wrapped_to_a_subject_is_kept_on_the_way_up_and_down(engine):
    migrate(engine, "0011")
    old = Table("items", MetaData(), autoload_with=engine)
    item = {"item": {}, "sealed": HASHES[0], "sealed_size": 1, "custody_wrap": "cw1"}
    with engine.begin() as connection:
        for record, subject in ((HASHES[1], PATIENT), (HASHES[2], JOURNAL)):
            kept = {"record": {}, "signature": b"", "at": START}
            connection.execute(insert(metadata.tables["records"]).values(hash=record, subject=subject, **kept))
            for position in (1, 0):
                wrap = b"%d of " % position + subject.encode()
                connection.execute(insert(old).values(record=record, position=position, subject_wrap=wrap, **item))
    migrate(engine)
    with engine.begin() as connection:
        tx = SqlTransaction(connection)
        for record, subject in ((HASHES[1], PATIENT), (HASHES[2], JOURNAL)):
            assert tx.wraps(record, subject) == (b"0 of " + subject.encode(), b"1 of " + subject.encode())
        assert tx.wraps(HASHES[1], JOURNAL) == ()
        row = {"record": HASHES[1], "reader": W.mother.address, "position": 0, "wrap": b"a steward's"}
        connection.execute(insert(metadata.tables["wraps"]).values(**row))
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        downgrade(config, "0011")
        connection.commit()
        rows = connection.execute(select(old).order_by(old.c.record, old.c.position)).mappings().all()
    found = {(row["record"], row["position"]): row["subject_wrap"] for row in rows}
    of = {HASHES[1]: PATIENT, HASHES[2]: JOURNAL}
    assert found == {(r, n): b"%d of " % n + who.encode() for r, who in of.items() for n in (0, 1)}


def test_migrating_twice_is_harmless(engine):
    migrate(engine)
    migrate(engine)
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())


def test_a_write_is_on_disk_when_it_is_acknowledged(engine):
    """Without this a machine that loses power forgets revocations it has acknowledged."""
    migrate(engine)
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            return
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar() == 1


# Answers that are given again


def test_a_key_is_claimed_once_and_answered_the_same(store):
    key, request, other = HASHES[0], HASHES[1], HASHES[2]
    with store.begin() as tx:
        assert tx.claim_answer(key, request, 100, 160) is None
    with store.begin() as tx:
        assert tx.claim_answer(key, other, 100, 160) == KeptAnswer(request, None, b"")
        assert tx.claim_answer(HASHES[3], request, 100, 160) is None, "another key"
        tx.set_answer(key, 201, b"sealed", 500)
    with store.begin() as tx:
        tx.drop_answer(key)  # what was answered stays
        assert tx.claim_answer(key, request, 499, 560) == KeptAnswer(request, 201, b"sealed")
        assert tx.claim_answer(key, request, 500, 560) is None, "it has expired"


def test_a_claim_that_was_dropped_or_has_expired_is_free(store):
    key, request = HASHES[0], HASHES[1]
    with store.begin() as tx:
        tx.claim_answer(key, request, 100, 160)
        tx.drop_answer(key)
        assert tx.claim_answer(key, request, 100, 160) is None
        assert tx.claim_answer(key, request, 159, 300) is not None
        assert tx.claim_answer(key, request, 160, 300) is None


# Receipts, and messages that are late


def test_a_receipt_comes_back_as_it_was_kept(store):
    receipt = {"receipt": {"v": 1}, "key": "0x00", "signature": "0x11"}
    with store.begin() as tx:
        tx.add_relay(relay("rly_1", Closure(PATIENT), receipt=receipt))
    with store.begin() as tx:
        assert tx.relay("rly_1").receipt == receipt


def test_messages_are_late_until_they_are_in_a_block(store):
    with store.begin() as tx:
        assert tx.late_relays(START + 1) == (0, None)
        for number, status in enumerate(("accepted", "sent", "recorded", "final", "failed")):
            tx.add_relay(relay(f"rly_{number}", Closure(PATIENT)))
            tx.update_relay(f"rly_{number}", status=status)
        assert tx.late_relays(START) == (0, None)
        assert tx.late_relays(START + 1) == (2, START)


def test_what_was_written_is_moved_into_the_database_file_beside_the_work(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'volens.db'}")
    with store.begin() as tx:
        tx.set_fact("here", "x" * 10_000)
    assert b"x" * 1000 not in (tmp_path / "volens.db").read_bytes()
    with store.begin() as tx:  # nobody waits for it, and it waits for nobody
        tx.set_fact("there", 1)
        store.tidy()
    assert b"x" * 1000 in (tmp_path / "volens.db").read_bytes()
    store.close()
