"""Records: who may make them, that everything in them is checked, and that they do not exist for anybody else."""

import itertools
import json
from dataclasses import replace

import pytest

from ledger import sealing
from ledger.bundles import verify_bundle
from ledger.documents import canonical
from ledger.errors import (
    BadSignature,
    Conflict,
    Expired,
    InvalidFile,
    InvalidInput,
    InvalidMessage,
    InvalidProof,
    LedgerUnavailable,
    NotAuthorised,
    NotFound,
    Refused,
    UnknownCode,
    VolensError,
)
from ledger.events import Published, Retracted, Superseded, SuspensionChanged
from ledger.model import ZERO_ADDRESS, Approval, Record, Revocation, to_hash
from ledger.services.consents import check_consent
from ledger.services.records import INVITATION_LIFE, OFFER_LIFE, Deposit
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import CHAIN_ID, DAY, START, World, key, phrase

KEY = sealing.EncryptionKey.from_seed(phrase("patient x-wing"))
NOWHERE = to_hash(phrase("a record that does not exist"))


@pytest.fixture
def listed(make_forge):
    """A hospital with an invited patient, and nothing registered yet."""
    forge = make_forge(stage="listed")
    forge.claim(forge.invite())
    return forge


def deposits(forge):
    return [forge.deposit(name) for name in forge.world.files]


def register(forge, entries=None, record=None, by=None, caller=None):
    found = record or forge.world.record
    signature = forge.signature(found, by or forge.world.hospital)
    caller = caller or forge.world.hospital.address
    return forge.services.records.register(caller, found, signature, entries or deposits(forge))


def refused(forge, kind, match=None, **options):
    with pytest.raises(kind, match=match):
        register(forge, **options)
    with forge.store.begin() as tx:
        assert tx.records_of(forge.world.patient.address) == []


# Invitations


def test_only_a_listed_institution_invites(listed):
    w = listed.world
    for caller in (w.journal, w.stranger, w.patient):
        with pytest.raises(NotAuthorised) as refusal:
            listed.services.records.invite(caller.address, "A case")
        assert refusal.value.reason == "not_listed"
    listed.chain.emit(SuspensionChanged(0, w.hospital.address, True))
    with pytest.raises(NotAuthorised):
        listed.invite()


def test_the_database_does_not_hold_the_token(listed):
    token = listed.invite()
    with listed.store.begin() as tx:
        rows = tx._db.exec_driver_sql("SELECT token FROM invitations").fetchall()
    assert all(token not in str(row) for row in rows)


def test_an_invitation_is_answered_once(listed):
    w, records, token = listed.world, listed.services.records, listed.invite()
    records.claim(token, w.mother.address, KEY.public)
    with pytest.raises(Conflict, match="answered this invitation"):
        records.claim(token, w.stranger.address, KEY.public)
    assert records.invitation(token).subject == w.mother.address


def test_answering_again_with_the_same_is_harmless_and_with_another_key_is_not(listed):
    w, records, token = listed.world, listed.services.records, listed.invite()
    for _ in range(2):
        records.claim(token, w.mother.address, KEY.public)
    other = sealing.EncryptionKey.from_seed(phrase("other")).public
    with pytest.raises(Conflict):
        records.claim(token, w.mother.address, other)
    assert records.invitation(token).encryption_key == KEY.public


def test_a_pseudonym_answers_one_invitation_only(listed):
    with pytest.raises(Conflict, match="fresh"):
        listed.claim(listed.invite())


def test_an_unanswered_invitation_expires_and_an_answered_one_does_not(listed):
    records, early, late = listed.services.records, listed.invite(), listed.invite()
    records.claim(early, listed.world.mother.address, KEY.public)
    listed.chain.now += INVITATION_LIFE
    listed.mine()
    assert records.invitation(early).subject
    for act in (records.invitation, lambda token: records.claim(token, listed.world.stranger.address, KEY.public)):
        with pytest.raises(Expired):
            act(late)


def test_an_unknown_invitation_is_not_found(listed):
    for act in (
        listed.services.records.invitation,
        lambda token: listed.services.records.claim(token, listed.world.mother.address, KEY.public),
    ):
        with pytest.raises(NotFound):
            act("no such token")


@pytest.mark.parametrize("title", ["", "x" * 501, "a\nb", "a\u202eb"])
def test_a_title_that_could_deceive_is_refused(listed, title):
    with pytest.raises(InvalidMessage):
        listed.invite(title)


# Registering


def test_a_registered_record_is_whole(listed):
    entries = deposits(listed)
    name = register(listed, entries)
    assert name == listed.world.record_hash
    stored = listed.services.records.record(listed.world.patient.address, name)
    assert [entry.item for entry in stored.items] == list(listed.world.items)
    assert [entry.sealed for entry in stored.items] == [entry.sealed for entry in entries]
    assert register(listed, entries) == name, "registering again is harmless"


def test_the_patient_can_open_what_is_hers(listed):
    register(listed)
    assert listed.opened(listed.world.patient, "patient") == list(listed.world.files.values())


def test_each_who_must_agree_opens_the_files_with_her_own_key_and_with_no_other(make_forge):
    forge = make_forge(stage="registered", stewards=("mother", "father"))
    w, readers = forge.world, {"patient": forge.world.patient, "mother": forge.world.mother, "father": key("father")}
    wraps = {name: forge.services.records.wraps(who.address, w.record_hash) for name, who in readers.items()}
    assert len({wrap for own in wraps.values() for wrap in own}) == 3 * len(w.files)
    for name, who in readers.items():
        assert forge.opened(who, name) == list(w.files.values())
    entries = forge.services.records.record(w.patient.address, w.record_hash).items
    for owner, own in wraps.items():
        for name, who in readers.items():
            for held in readers:
                for place, wrap in itertools.product(range(2), own):
                    if (owner, owner, own[place]) == (name, held, wrap):
                        continue  # hers, for this item
                    with pytest.raises(Refused):
                        forge.unseal(entries[place], wrap, w.record_hash, who, held)
    with pytest.raises(Refused):  # nor as the key of another record
        forge.unseal(entries[0], wraps["mother"][0], NOWHERE, w.mother, "mother")


@pytest.mark.parametrize("who", ["hospital", "journal", "stranger", "mother"])
def test_nobody_else_is_given_a_key(forge, who):
    """The institution sealed the files, but what is wrapped to others is theirs."""
    caller = getattr(forge.world, who).address
    assert forge.services.records.wraps(caller, forge.world.record_hash) == ()


def test_a_steward_of_another_record_is_given_no_key_of_this_one(make_forge):
    forge = make_forge(stewards=("mother",))
    w, father = forge.world, key("father")
    for person in (key("another patient"), father):
        forge.claim(forge.invite("Another case"), person, "father")
    other = replace(
        w.record, subject=key("another patient").address, stewards=(father.address,), title="Another case",
        salt=to_hash(phrase("another record")),
    )  # fmt: skip
    theirs = register(forge, record=other)
    assert forge.opened(father, "father", theirs) == list(w.files.values())
    for who, record in ((father, w.record_hash), (w.mother, theirs), (w.patient, theirs)):
        assert forge.services.records.wraps(who.address, record) == ()


def test_for_a_steward_who_answered_no_invitation_of_this_institution_nothing_is_locked(make_forge):
    """An account of code cannot answer; and no institution finds out by a record who answered another."""
    forge = make_forge(stage="listed", stewards=("mother", "father"))
    w = forge.world
    forge.claim(forge.invite())
    forge.claim(forge.invite(), w.mother, "mother")
    with forge.store.begin() as tx:
        elsewhere = "UPDATE invitations SET controller = ? WHERE subject = ?"
        tx._db.exec_driver_sql(elsewhere, (w.research.address, w.mother.address))
    register(forge)
    assert forge.opened(w.patient, "patient") == list(w.files.values())
    for who in (w.mother, key("father")):
        assert forge.services.records.record(who.address, w.record_hash).items
        assert forge.services.records.wraps(who.address, w.record_hash) == ()


def test_who_was_invited_to_another_case_is_not_made_a_steward(make_forge):
    """A slip at the institution would show her the files of somebody else."""
    forge = make_forge(stage="listed", stewards=("mother",))
    forge.claim(forge.invite())
    forge.claim(forge.invite("Another case"), forge.world.mother, "mother")
    refused(forge, InvalidMessage, "title")


def test_only_the_controller_of_a_record_registers_it(listed):
    refused(listed, NotAuthorised, caller=listed.world.stranger.address)
    refused(listed, BadSignature, by=listed.world.stranger)


def test_a_controller_that_is_no_longer_listed_registers_nothing(listed):
    entries = deposits(listed)
    listed.chain.emit(SuspensionChanged(0, listed.world.hospital.address, True))
    refused(listed, NotAuthorised, entries=entries)


def test_a_patient_who_answered_nobody_is_not_registered(make_forge):
    forge = make_forge(stage="listed")
    refused(forge, InvalidMessage, "has not answered")


def test_a_patient_who_answered_another_institution_is_not_registered(listed):
    """Otherwise any institution could attach its files to somebody's pseudonym."""
    with listed.store.begin() as tx:
        tx._db.exec_driver_sql("UPDATE invitations SET controller = ?", (listed.world.research.address,))
    refused(listed, InvalidMessage, "has not answered")


def test_a_record_bears_the_title_the_patient_saw(listed):
    refused(listed, InvalidMessage, "title", record=replace(listed.world.record, title="Something else"))


def test_what_was_not_uploaded_is_not_registered(listed):
    entries = deposits(listed)
    entries[1] = replace(entries[1], sealed=NOWHERE)
    refused(listed, NotFound, r"ct\.dcm", entries=entries)


def test_what_somebody_else_uploaded_is_not_registered(listed):
    entries = deposits(listed)
    with listed.store.begin() as tx:
        tx._db.exec_driver_sql("UPDATE uploads SET controller = ?", (listed.world.research.address,))
    refused(listed, NotFound, "not uploaded", entries=entries)


def test_sealed_bytes_of_another_file_are_not_registered(listed):
    entries = deposits(listed)
    entries[0], entries[1] = (
        replace(entries[0], sealed=entries[1].sealed),
        replace(entries[1], sealed=entries[0].sealed),
    )
    refused(listed, (InvalidInput, Refused), entries=entries)


def test_a_sealed_file_with_other_content_is_not_registered(listed):
    """The key and the file fit each other, but the content is not what the record names."""
    w = listed.world
    found, data = sealing.seal_bytes(b"something the patient never saw")
    digest, _ = listed.services.records.upload(w.hospital.address, [data])
    info = sealing.deposit_info(
        chain_id=CHAIN_ID,
        registry=listed.domain.registry,
        item=struct_hash(w.items[0]),
        controller=w.hospital.address,
    )
    wrapped = sealing.hpke_wrap(found.identity, listed.services.custodian.public_key, info)
    refused(listed, InvalidFile, "content", entries=[Deposit(w.items[0], digest, wrapped), *deposits(listed)[1:]])


@pytest.mark.parametrize("sealed", [b"not an age file", b"age-encryption.org/v1\n", b"\0"])
def test_bytes_that_are_no_sealed_file_are_not_registered(listed, sealed):
    entries = [listed.deposit("narrative.md", sealed), *deposits(listed)[1:]]
    refused(listed, (InvalidFile, Refused), entries=entries)


def test_a_key_wrapped_for_another_item_is_not_accepted(listed):
    entries = deposits(listed)
    entries[0] = replace(entries[0], wrapped=entries[1].wrapped)
    refused(listed, Refused, entries=entries)


@pytest.mark.parametrize("wrapped", [b"", b"\0", b"\0" * 1000, b"\0" * 4096])
def test_a_key_that_is_no_key_is_not_accepted(listed, wrapped):
    entries = deposits(listed)
    entries[0] = replace(entries[0], wrapped=wrapped)
    refused(listed, VolensError, entries=entries)


@pytest.mark.parametrize("change", [lambda e: e[:-1], lambda e: e[::-1], lambda e: [*e, e[0]], lambda e: []])
def test_every_item_is_opened_once_and_in_order(listed, change):
    entries = change(deposits(listed))
    with pytest.raises(InvalidMessage):
        listed.services.records.register(
            listed.world.hospital.address,
            listed.world.record,
            listed.signature(listed.world.record, listed.world.hospital),
            entries,
        )


def test_an_item_of_another_record_is_refused(listed):
    entries = deposits(listed)
    entries[0] = replace(entries[0], item=replace(entries[0].item, size=1))
    refused(listed, InvalidMessage, "belong to the record", entries=entries)


def test_of_two_records_for_one_pseudonym_at_the_same_time_one_is_told_no(listed):
    """Checking sealed files takes time; the other was registered meanwhile."""
    w, entries = listed.world, deposits(listed)
    second = replace(w.record, created_at=1)
    accept = listed.services.custodian.accept

    def meanwhile(*arguments):
        listed.services.custodian.accept = accept
        register(listed, entries)
        return accept(*arguments)

    listed.services.custodian.accept = meanwhile
    with pytest.raises(Conflict, match="fresh one"):
        register(listed, entries, record=second)
    with listed.store.begin() as tx:
        assert tx.records_of(w.patient.address) == [w.record_hash]


# Offers


def test_an_offer_is_what_was_proposed_until_it_expires(make_forge):
    forge = make_forge(stage="registered")
    records, grants = forge.services.records, forge.grants()
    token = records.offer(forge.world.hospital.address, forge.world.record_hash, grants, "en")
    offer, stored = records.offered(token)
    assert (offer.grants, offer.language, stored.hash) == (grants, "en", forge.world.record_hash)
    forge.chain.now += OFFER_LIFE
    with pytest.raises(Expired):
        records.offered(token)
    with pytest.raises(NotFound):
        records.offered("no such token")


def test_only_the_controller_offers_and_only_its_own_record(make_forge):
    forge = make_forge(stage="registered")
    w, records = forge.world, forge.services.records
    for caller, record in (
        (w.stranger, w.record_hash),
        (w.patient, w.record_hash),
        (w.journal, w.record_hash),
        (w.hospital, NOWHERE),
    ):
        with pytest.raises(NotFound, match="of yours"):
            records.offer(caller.address, record, forge.grants(), "en")
    with pytest.raises(InvalidMessage, match=r"grants\[1\]\.record"):
        records.offer(w.hospital.address, w.record_hash, (w.grant(), replace(w.grant(), record=NOWHERE)), "en")


def test_a_part_that_the_record_has_not_is_not_offered(make_forge):
    forge = make_forge(stage="registered")
    w, records = forge.world, forge.services.records
    with pytest.raises(InvalidMessage, match=r"grants\[1\]\.items: “letter.md” is not in the record"):
        records.offer(w.hospital.address, w.record_hash, (w.grant(), w.grant(items=("letter.md",))), "en")
    assert records.offer(w.hospital.address, w.record_hash, (w.grant(items=("*",)),), "en")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"form": NOWHERE}, "not a form that this service knows"),
        ({"channels": ("teaching",)}, "no terms for teaching"),
        ({"recipient": World.hospital.address}, "not listed in the Directory as a recipient"),
        ({"valid_until": START - 1, "valid_from": START - 2}, "has passed already"),
    ],
)
def test_what_a_yes_would_count_for_nothing_is_not_offered(make_forge, change, why):
    forge = make_forge(stage="registered")
    w = forge.world
    with pytest.raises((InvalidMessage, UnknownCode), match=why):
        forge.services.records.offer(w.hospital.address, w.record_hash, (w.grant(**change),), "en")


def test_nothing_is_offered_under_a_form_that_has_ended(make_forge):
    forge = make_forge(stage="registered")
    w = forge.world
    forge.chain.emit(Retracted(0, w.hospital.address, w.grant().form))
    forge.mine()
    with pytest.raises(InvalidMessage, match="has ended"):
        forge.services.records.offer(w.hospital.address, w.record_hash, forge.grants(), "en")
    forge.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable):
        forge.services.records.offer(w.hospital.address, w.record_hash, forge.grants(), "en")


# Approvals


def approve(forge, by=None, **changes):
    fields = {
        "record": forge.world.record_hash,
        "recipient": forge.world.journal.address,
        "purpose": "case-report",
        "valid_until": forge.chain.now + DAY,
        "salt": NOWHERE,
    }
    approval = Approval(**fields | changes)
    forge.services.records.approve(approval, forge.signature(approval, by or forge.world.hospital))
    return approval


@pytest.fixture
def open_to_many(make_forge):
    """Her consent names nobody: whoever the hospital approves."""
    forge = make_forge(stage="registered")
    forge.consent(forge.world.grant(recipient=ZERO_ADDRESS))
    forge.settle()
    return forge


def test_an_approved_recipient_is_covered_for_that_purpose_until_it_ends(open_to_many):
    forge, hospital = open_to_many, open_to_many.world.hospital
    assert forge.reason() == "no_consent", "who is not approved is nobody to this record"
    assert forge.reason(by=hospital) == "recipient_not_covered"
    approval = approve(forge)
    answer = forge.ask()
    assert answer.decision.permitted
    assert answer.decision.until == approval.valid_until
    assert len(forge.release().items) == 2
    research = forge.world.research
    assert forge.reason(by=research, recipient=research.address) == "no_consent"
    assert forge.reason(purpose="teaching") == "recipient_not_covered"
    forge.chain.now = approval.valid_until
    forge.mine()
    assert forge.reason() == "recipient_not_covered"


def test_the_evidence_shows_the_approval(open_to_many):
    approve(open_to_many)
    answer = open_to_many.ask()
    data = open_to_many.services.bundling.bundle(open_to_many.world.journal.address, answer.id)
    block = open_to_many.chain.header(answer.decision.moment.number).hash
    assert verify_bundle(data, block, open_to_many.deployment).decision.permitted
    value = json.loads(data)
    value["openings"]["approvals"], value["signatures"]["approvals"] = [], []
    with pytest.raises(InvalidProof):
        verify_bundle(canonical(value), block, open_to_many.deployment)


@pytest.mark.parametrize("who", ["journal", "patient", "stranger", "research"])
def test_only_the_controller_approves(open_to_many, who):
    by = getattr(open_to_many.world, who)
    for record in (open_to_many.world.record_hash, NOWHERE):
        with pytest.raises(NotFound) as refusal:
            approve(open_to_many, by=by, record=record)
        assert str(refusal.value) == "There is no such record of yours."
    assert open_to_many.reason(by=open_to_many.world.hospital) == "recipient_not_covered"


def test_an_approval_written_into_the_database_is_noticed(open_to_many):
    forge = open_to_many
    approval = Approval(
        forge.world.record_hash, forge.world.journal.address, "case-report", forge.chain.now + DAY, NOWHERE
    )
    with forge.store.begin() as tx:
        tx.add_approval(approval, forge.signature(approval, forge.world.stranger))
    with pytest.raises(BadSignature):
        forge.release()


# Documents


def test_only_what_its_issuer_published_on_chain_is_kept(make_forge):
    forge = make_forge(stage="listed")
    form, records = forge.world.form, forge.services.records
    other = replace(form, version=2)
    with pytest.raises(NotFound, match="not published"):
        records.publish(other)
    forge.chain.emit(Published(0, forge.world.journal.address, other.hash))
    with pytest.raises(NotFound, match="by its issuer"):
        records.publish(other)
    records.publish(form)
    assert records.document(form.hash) == form
    with pytest.raises(NotFound):
        records.document(other.hash)


# Everybody else


def reading(forge, caller, record):
    records = forge.services.records
    return [
        lambda: records.record(caller.address, record),
        lambda: records.grants(caller.address, record, 36),
        lambda: records.accesses(caller.address, record),
    ]


@pytest.mark.parametrize("who", ["journal", "research", "stranger", "mother"])
def test_a_record_does_not_exist_for_others(forge, who):
    caller = getattr(forge.world, who)
    for theirs, nothing in zip(
        reading(forge, caller, forge.world.record_hash), reading(forge, caller, NOWHERE), strict=True
    ):
        with pytest.raises(NotFound) as there:
            theirs()
        with pytest.raises(NotFound) as nowhere:
            nothing()
        assert str(there.value) == str(nowhere.value)


@pytest.mark.parametrize("who", ["patient", "hospital"])
def test_it_exists_for_those_it_concerns(forge, who):
    for read in reading(forge, getattr(forge.world, who), forge.world.record_hash):
        read()


def test_two_patients_of_one_hospital_are_strangers_to_each_other(forge):
    w = forge.world
    token = forge.invite("Another case")
    forge.services.records.claim(token, w.mother.address, KEY.public)
    entries = deposits(forge)
    mine = w.record_hash
    other = Record(
        w.hospital.address, w.mother.address, (), "Another case", w.record.items, 1, to_hash(phrase("other record"))
    )
    hers = register(forge, entries, record=other)
    for caller, own, foreign in ((w.patient, mine, hers), (w.mother, hers, mine)):
        for read in reading(forge, caller, own):
            read()
        for read in reading(forge, caller, foreign):
            with pytest.raises(NotFound):
                read()


def test_a_steward_reads_what_she_answers_for(make_forge):
    forge = make_forge(stewards=("mother",))
    for read in reading(forge, forge.world.mother, forge.world.record_hash):
        read()


def replaced(forge, old, new, material):
    forge.chain.emit(Superseded(0, forge.world.hospital.address, old, new, material))
    forge.mine()


def forms_of(forge):
    """Standing, channels that ended and new form of the journal's grant."""
    views = forge.services.records.grants(forge.world.patient.address, forge.world.record_hash, 36)
    (view,) = (view for view in views if view.hash == struct_hash(forge.world.grant()))
    return str(view.standing), view.ended_channels, view.new_form


def checked(forge, grant):
    with forge.services.index.at_head() as head, forge.store.begin() as tx:
        return check_consent(tx, forge.consent_to(grant), head, forge.chain.now)


def test_a_form_that_changed_is_said_with_the_last_that_took_its_place(forge):
    old, (second, third) = forge.world.form.hash, (to_hash(phrase(name)) for name in ("second", "third"))
    assert forms_of(forge) == ("permitted", (), None)
    replaced(forge, old, second, False)
    assert forms_of(forge) == ("permitted", (), second)
    replaced(forge, second, third, True)
    assert forms_of(forge) == ("form_superseded", forge.world.grant().channels, third)
    assert forge.reason() == "form_superseded"
    forge.chain.emit(Retracted(0, forge.world.hospital.address, third))
    forge.mine()
    assert forms_of(forge) == ("form_superseded", forge.world.grant().channels, None)


def test_terms_that_changed_end_a_grant_for_their_channel(forge):
    terms = forge.world.form.channels["journal"]
    forge.chain.emit(Superseded(0, terms.issuer, terms.terms, to_hash(phrase("new terms")), True))
    forge.mine()
    standing, ended, new = forms_of(forge)
    views = forge.services.records.grants(forge.world.patient.address, forge.world.record_hash, 36)
    (view,) = (view for view in views if view.hash == struct_hash(forge.world.grant()))
    assert view.new_terms == {"journal": to_hash(phrase("new terms"))}
    assert "journal" in ended
    assert new is None
    assert standing == ("form_superseded" if ended == forge.world.grant().channels else "permitted")


def test_nobody_consents_under_a_form_that_has_ended(forge):
    """An immaterial change keeps the form; a material one, of terms too, ends it for what is signed later."""
    fresh = forge.world.grant(salt=to_hash(phrase("under the old form")))
    second, third = (to_hash(phrase(name)) for name in ("second", "third"))
    replaced(forge, forge.world.form.hash, second, False)
    checked(forge, fresh)
    replaced(forge, second, third, True)
    with pytest.raises(InvalidMessage, match="has ended") as refused:
        checked(forge, fresh)
    assert refused.value.field == "grants[0].form"


def test_nobody_consents_under_terms_that_have_ended(forge):
    fresh, terms = forge.world.grant(salt=to_hash(phrase("under old terms"))), forge.world.form.channels["journal"]
    forge.chain.emit(Superseded(0, terms.issuer, terms.terms, to_hash(phrase("new terms")), True))
    forge.mine()
    with pytest.raises(InvalidMessage, match="has ended"):
        checked(forge, fresh)


def test_standings_are_those_of_each_signer(make_forge):
    forge = make_forge(stewards=("mother",))
    views = forge.services.records.grants(forge.world.patient.address, forge.world.record_hash, 36)
    seen = {(view.hash, view.subject): str(view.standing) for view in views}
    grant = struct_hash(forge.world.grant())
    assert seen[grant, forge.world.patient.address] == "further_consent_needed"
    assert seen[grant, forge.world.mother.address] == "no_consent"
    forge.revoke()
    views = forge.services.records.grants(forge.world.patient.address, forge.world.record_hash, 36)
    assert {str(v.standing) for v in views if v.hash == grant} == {"revoked", "no_consent"}


def standing_of(forge, who):
    """What one signer is told of the journal's grant."""
    views = forge.services.records.grants(who.address, forge.world.record_hash, 36)
    (view,) = (v for v in views if (v.hash, v.subject) == (struct_hash(forge.world.grant()), who.address))
    return str(view.standing)


def test_a_consent_waits_for_everybody_who_has_to_agree(make_forge):
    forge = make_forge(stewards=("mother",))
    mother, patient = forge.world.mother, forge.world.patient
    assert standing_of(forge, patient) == forge.reason() == "further_consent_needed"
    forge.consent(by=mother)
    forge.settle()
    assert [standing_of(forge, who) for who in (patient, mother)] == ["permitted"] * 2
    assert forge.reason() == "permitted"
    forge.accept(Revocation(mother.address, (forge.world.grant(),)), by=mother)
    assert standing_of(forge, patient) == forge.reason() == "further_consent_needed"
    assert standing_of(forge, mother) == "revoked"


def test_what_the_institution_took_back_is_said(forge):
    w = forge.world
    forge.chain.emit(SuspensionChanged(0, w.journal.address, True))
    forge.mine()
    assert standing_of(forge, w.patient) == "recipient_suspended"
    forge.chain.emit(SuspensionChanged(0, w.hospital.address, True))
    forge.mine()
    assert standing_of(forge, w.patient) == forge.reason() == "controller_not_listed"
    forge.chain.emit(Retracted(0, w.hospital.address, w.record_hash))
    forge.mine()
    assert standing_of(forge, w.patient) == "record_retracted"
    forge.revoke()
    assert standing_of(forge, w.patient) == "revoked", "what she did herself is said first"
