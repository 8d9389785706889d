"""The client and the wallet against the service in this process: the main job from invitation to revocation."""

import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from client.http import Client
from client.institution import Institution
from client.recipient import Recipient
from ledger.bundles import verify_bundle
from ledger.errors import (
    BadSignature,
    Conflict,
    InvalidFile,
    InvalidInput,
    InvalidMessage,
    InvalidProof,
    NotAuthorised,
    NotFound,
    Refused,
    Unavailable,
    WrongChain,
)
from ledger.events import Registered
from ledger.model import Hash, to_hash
from ledger.receipts import RelayReceipt, require_receipt_of, sign_receipt, verify_receipt
from ledger.state import ROLE_CONTROLLER, ROLE_RECIPIENT
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import World, phrase
from wallet.book import BOOK, KEYSTORE, Book, Case
from wallet.keys import PartyKeys, entropy_to_words
from wallet.patient import Patient
from wallet.standing import own
from wallet.stops import revocations

WORDS = entropy_to_words(phrase("her words"))
PASSPHRASE = "a passphrase only she knows"
TITLE = "A shadow that was not what it seemed"
NARRATIVE, NOTES = "narrative.md", "notes.txt"


class Town:
    """A hospital, a journal and a patient, each with a client of its own over one service."""

    def __init__(self, web, folder, monkeypatch):
        self.web, self.forge, self.folder = web, web.forge, folder
        monkeypatch.setattr("time.time", self.forge.chain.clock)
        monkeypatch.setattr("time.sleep", lambda _: self.tick())
        self.keys = {name: PartyKeys.from_secret(phrase(name)) for name in ("hospital", "journal", "stranger")}
        self.institution = Institution(self.client(), self.keys["hospital"])
        self.journal = Recipient(self.client(), self.keys["journal"])
        (folder / "original").mkdir()
        self.files = {NARRATIVE: b"# A case\n\nIt was not.\n", NOTES: b"Seen twice.\n"}
        for name, content in self.files.items():
            (folder / "original" / name).write_bytes(content)

    def client(self, pinned=None):
        made = Client(str(self.web.client.base_url), pinned)
        made._http.close()
        made._http = type(self.web.client)(self.web.app, base_url=made.url)
        return made

    def tick(self):
        self.forge.services.relays.pump()
        self.forge.mine()

    def wallet(self, name="wallet"):
        book = Book.create(self.folder / name, WORDS, PASSPHRASE, cost=4096)
        return Patient(book, self.client())

    def enrol(self, patient=None):
        patient = patient or self.wallet()
        invitation = self.institution.invite(TITLE)
        patient.join(invitation)
        self.institution.seal(sorted((self.folder / "original").iterdir()), self.folder / "case")
        record, name = self.institution.register(self.folder / "case", invitation)
        return patient, record, name

    def book(self, name, folder=""):
        """A wallet of other words."""
        return Book.create(self.folder / (folder or name), entropy_to_words(phrase(name)), PASSPHRASE, cost=4096)

    def together(self, patient, steward):
        """A record about which two decide, and a grant to which the patient has agreed alone."""
        invitation, other = (self.institution.invite(TITLE) for _ in range(2))
        patient.join(invitation)
        steward.join(other)
        self.institution.seal(sorted((self.folder / "original").iterdir()), self.folder / "case")
        _, record = self.institution.register(self.folder / "case", invitation, stewards=[other])
        grant = self.draft(record)
        relay = patient.agree(patient.offer(self.institution.offer(record, [grant])), [0])
        self.client().wait_for(relay, ("final",))
        return record, grant

    def draft(self, record, **changes):
        proposal = {
            "recipient": self.keys["journal"].address, "items": [NARRATIVE], "purposes": ["case-report"],
            "channels": ["journal"], "days": 30,
        }  # fmt: skip
        return self.institution.draft(record, self.forge.world.form.hash, proposal | changes)

    def consent(self):
        patient, _, record = self.enrol()
        offer = patient.offer(self.institution.offer(record, [self.draft(record)]))
        relay = patient.agree(offer, [0])
        self.client().wait_for(relay, ("final",))
        return patient, record, offer


@pytest.fixture
def town(make_web, tmp_path, monkeypatch):
    web = make_web(stage="listed")
    web.forge.services.records.publish(web.forge.world.form)
    made = Town(web, tmp_path, monkeypatch)
    return made


# The main job


def test_from_the_invitation_to_the_revocation(town):
    patient, record, offer = town.consent()
    files = {NARRATIVE: town.files[NARRATIVE]}
    asked = town.journal.ask(record, "case-report", "journal", files=files)
    assert (asked.permitted, asked.reason) == (True, "permitted")
    assert not town.journal.ask(record, "case-report", "journal", items=[NOTES]).permitted
    changed = {NARRATIVE: town.files[NARRATIVE] + b" "}
    assert town.journal.ask(record, "case-report", "journal", files=changed).reason == "content_changed"

    request = town.journal.request(record, [NARRATIVE], "case-report", "journal")
    (opened,) = town.journal.release(request, town.folder / "received")
    (seen, _) = sorted(patient.open_items(offer, town.folder / "preview"))
    assert opened.read_bytes() == seen.read_bytes() == town.files[NARRATIVE]
    with pytest.raises(Conflict):
        town.journal.release(request, town.folder / "again")

    evidence = town.journal.bundle(asked.evaluation)
    block = town.forge.chain.header(json.loads(evidence)["block"]["number"]).hash
    assert verify_bundle(evidence, block, town.forge.deployment).decision.permitted

    (grant,) = patient.standings(patient.book.cases[0])
    assert grant["standing"] == "granted"
    (relay,) = patient.revoke([Hash(grant["id"])])
    assert town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).reason == "revoked"
    late = town.journal.request(record, [NARRATIVE], "case-report", "journal")
    with pytest.raises(NotAuthorised) as refused:
        town.journal.release(late, town.folder / "late")
    assert refused.value.reason == "revoked"
    assert not (town.folder / "late").exists()
    assert town.client().wait_for(relay)["status"] in ("recorded", "final")
    kinds = [entry["kind"] for entry in patient.accesses(patient.book.cases[0])]
    assert (kinds.count("decision"), kinds.count("release"), kinds.count("outcome")) == (4, 2, 1)
    assert town.institution.accesses(record)


def test_taking_everything_back_ends_also_what_is_on_its_way(town):
    patient, _, record = town.enrol()
    offer = patient.offer(town.institution.offer(record, [town.draft(record)]))
    patient.agree(offer, [0])  # signed and sent, not recorded
    patient.revoke_all(patient.book.cases[0])
    for _ in range(4):
        town.tick()
    assert town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).reason == "revoked"


def test_going_on_in_the_second_of_the_pause(town):
    patient, record, _ = town.consent()
    case = patient.book.case_of(record)
    patient.suspend(case, True)
    assert not town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).permitted
    patient.suspend(case, False)  # refused in the same second, and said again in the next
    for _ in range(4):
        town.tick()
    assert town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).permitted


def test_a_word_that_is_older_than_what_counts_is_not_said_for_ever(town, monkeypatch):
    patient, record, _ = town.consent()
    case = patient.book.case_of(record)
    patient.suspend(case, True)
    now = town.forge.chain.clock()
    monkeypatch.setattr("time.time", lambda: now)  # a clock that stands still
    with pytest.raises(Conflict, match="A later word"):
        patient.suspend(case, False)


def test_what_was_agreed_to_elsewhere_is_remembered_and_can_be_taken_back(town):
    """With the same words on another device, or by a delegate."""
    patient, record, _ = town.consent()
    other = town.wallet("another device")
    other.restore()
    other.agree(other.offer(town.institution.offer(record, [town.draft(record, channels=["social:mastodon"])])), [0])
    for _ in range(4):
        town.tick()
    case = patient.book.case_of(record)
    assert len(case.grants) == 1
    patient.standings(case)
    patient.standings(case)
    again = Book.open(town.folder / "wallet", PASSPHRASE).case_of(record)
    assert [grant.channels for grant in again.grants] == [("journal",), ("social:mastodon",)]
    patient.revoke([struct_hash(again.grants[1])])
    assert [view["standing"] for view in other.standings(other.book.case_of(record))] == ["granted", "revoked"]


def test_of_two_who_decide_together_each_has_her_own_consent(town):
    """Each wallet says its own state of the grant that both signed; what one of them ends is said to the other."""
    patient, mother = town.wallet(), Patient(town.book("mother"), town.client())
    record, grant = town.together(patient, mother)
    asked = mother.offer(town.institution.offer(record, [grant]))
    case, hers = patient.book.cases[0], mother.book.cases[0]

    def states():
        now = town.forge.chain.now
        return [
            [state for _, state in own(w.standings(c), c.subject, now)] for w, c in ((patient, case), (mother, hers))
        ]

    assert states() == [["further_consent_needed"], ["no_consent"]]
    mother.agree(asked, [0])
    for _ in range(4):
        town.tick()
    assert states() == [["granted"], ["granted"]]
    assert town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).permitted
    # From her words alone she finds what she decides about, and can stop it.
    again = Patient(town.book("mother", "found again"), town.client())
    assert again.restore() == 1
    assert again.book.cases == mother.book.cases
    again.revoke([struct_hash(grant)])
    assert states() == [["stopped_by_another"], ["revoked"]]


def test_who_must_agree_too_opens_the_very_files(town):
    patient, mother = town.wallet(), Patient(town.book("mother"), town.client())
    record, grant = town.together(patient, mother)
    token = town.institution.offer(record, [grant])
    seen = [
        {path.name: path.read_bytes() for path in wallet.open_items(wallet.offer(token), town.folder / name)}
        for wallet, name in ((patient, "for her"), (mother, "for her mother"))
    ]
    assert seen[0] == seen[1]
    assert seen[1][NARRATIVE] == town.files[NARRATIVE]
    assert len(seen[1]) == len(town.files)


def test_a_steward_to_whom_nothing_is_wrapped_still_reads_the_offer(town):
    patient, mother = town.wallet(), Patient(town.book("mother"), town.client())
    record, grant = town.together(patient, mother)
    offer = mother.offer(town.institution.offer(record, [grant]))
    for where, found in (("position = 0", InvalidMessage), ("1 = 1", None)):
        with town.forge.store.begin() as tx:
            tx._db.exec_driver_sql(f"DELETE FROM wraps WHERE reader = ? AND {where}", (offer.case.subject,))
        if found:
            with pytest.raises(found, match="one for each item"):
                mother.open_items(offer, town.folder / "some")
    assert mother.open_items(offer, town.folder / "none") == []
    assert not (town.folder / "none").exists()
    assert offer.sentences == (grant.summary,)


def test_who_holds_both_keys_takes_back_both_consents(town):
    """Revoking names a grant: as every pseudonym that gave it, so that none of them goes on standing."""
    patient = town.wallet()
    town.together(patient, patient)
    mine, other = patient.book.cases
    other.grants.extend(mine.grants)
    said = revocations(patient.book, [struct_hash(mine.grants[0])])
    assert [message.subject for _, message in said] == [mine.subject, other.subject]


@pytest.mark.parametrize(
    "change", [{"standing": "no_consent"}, {"subject": "0x" + "11" * 20}, {"id": "0x" + "11" * 32}], ids=str
)
def test_what_is_not_hers_is_not_remembered(town, monkeypatch, change):
    patient, record, _ = town.consent()
    case = patient.book.case_of(record)
    view = patient.standings(case)[0]
    other = struct_hash(strange := town.draft(record, channels=["social:mastodon"]))
    shown = view | {"id": other, "grant": strange.to_json()} | change
    monkeypatch.setattr(type(patient._client), "get", lambda *_: [shown])
    monkeypatch.setattr(type(patient._client), "sign_in", lambda *_: None)
    patient.standings(case)
    assert len(case.grants) == 1


def test_the_wallet_keeps_the_receipts_of_what_it_sent(town):
    patient, *_ = town.consent()
    patient.revoke([struct_hash(patient.book.cases[0].grants[0])])
    assert patient.doubts == []
    again = Book.open(town.folder / "wallet", PASSPHRASE)
    key = town.forge.services.intake.public_key
    assert again.receipt_key == key
    found = [verify_receipt(entry.receipt, key, entry.sent.domain) for entry in again.handed]
    assert [receipt.type for receipt in found] == ["Consent", "Revocation"]
    for entry, receipt in zip(again.handed, found, strict=True):
        require_receipt_of(receipt, entry.sent.message, patient.book.cases[0].subject, town.forge.domain)


def test_she_takes_back_while_the_service_has_no_node(town):
    patient, record, _ = town.consent()
    town.forge.chain.faults.unreachable = True
    again = Patient(Book.open(town.folder / "wallet", PASSPHRASE), town.client())
    again.revoke([struct_hash(patient.book.cases[0].grants[0])])
    assert again.doubts == []
    town.forge.chain.faults.unreachable = False
    town.forge.recover()
    assert town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).reason == "revoked"


def other_word(answer):
    receipt = RelayReceipt.from_json(answer["receipt"]["receipt"])
    return sign_receipt(receipt, Ed25519PrivateKey.from_private_bytes(phrase("another log")))


@pytest.mark.parametrize(
    "lie",
    [
        lambda _: None,
        lambda answer: {**answer["receipt"], "signature": "0x" + "00" * 64},
        lambda answer: {**answer["receipt"], "receipt": answer["receipt"]["receipt"] | {"receivedAt": 1}},
        other_word,
    ],
    ids=["none", "forged", "changed", "by another key"],
)
def test_a_receipt_that_does_not_hold_stops_no_revocation(town, monkeypatch, lie):
    """She must learn that the service may deny it, and every message must have been sent all the same."""
    patient, record, _ = town.consent()
    post = Client.post

    def lying(self, path, body=None):
        answer = post(self, path, body)
        return answer | {"receipt": lie(answer)} if "revocations" in path else answer

    monkeypatch.setattr(Client, "post", lying)
    patient.revoke_all(patient.book.cases[0])
    assert len(patient.doubts) == 2
    assert [entry.sent.message.TYPE for entry in patient.book.handed] == ["Consent"]
    assert town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).reason == "revoked"


def test_a_receipt_of_another_message_is_no_receipt(town, monkeypatch):
    patient, *_ = town.consent()
    post, old = Client.post, patient.book.handed[0].receipt
    swapped = lambda self, path, body=None: post(self, path, body) | {"receipt": old}  # noqa: E731
    monkeypatch.setattr(Client, "post", swapped)
    patient.revoke([struct_hash(patient.book.cases[0].grants[0])])
    assert "another message" in patient.doubts[0]


def test_a_wallet_opened_again_knows_what_it_needs(town):
    patient, _, _ = town.consent()
    again = Patient(Book.open(town.folder / "wallet", PASSPHRASE), town.client())
    assert again.book.cases == patient.book.cases
    assert again.standings(again.book.cases[0])[0]["standing"] == "granted"
    assert again.book.case_of(patient.book.cases[0].record) == again.book.cases[0]
    for unknown in (again.book.consents, again.book.case_of):
        with pytest.raises(InvalidInput, match="no such"):
            unknown(to_hash(phrase("nothing")))


# What a patient does not sign


@pytest.fixture
def dishonest(monkeypatch):
    """A service that lets any offer pass."""
    monkeypatch.setattr("ledger.services.records.check_grant", lambda *_: None)


def offered(town, patient, grants, tamper=None):
    token = town.institution.offer(patient.record, grants)
    if tamper:
        real = patient.wallet._client.get
        patient.wallet._client.get = lambda path: tamper(path, real(path))
    return patient.wallet.offer(token)


class Enrolled:
    def __init__(self, town):
        self.wallet, self.signed, self.record = town.enrol()


@pytest.fixture
def patient(town):
    return Enrolled(town)


def test_a_sentence_that_says_something_else_is_not_shown(town, patient, dishonest):
    grant = town.draft(patient.record)
    with pytest.raises(InvalidInput, match="Do not sign"):
        offered(town, patient, [replace(grant, summary=grant.summary.replace("Journal", "Friends"))])


def test_a_part_that_is_not_in_the_record_is_not_shown(town, patient):
    grant = town.draft(patient.record)
    foreign = replace(grant, items=("photo.jpg",)).to_json()
    with pytest.raises(InvalidInput, match="not part of the record"):
        offered(town, patient, [grant], swapped("grants", lambda _: [foreign]))


def test_a_recipient_the_directory_does_not_list_is_not_shown(town, patient, dishonest):
    grant = replace(town.draft(patient.record), recipient=town.keys["stranger"].address)
    with pytest.raises(InvalidMessage, match="not listed"):
        offered(town, patient, [grant])


def swapped(name, change):
    def tamper(path, answer):
        if "/v1/offers/" in path:
            answer = {**answer, name: change(answer[name])}
        return answer

    return tamper


@pytest.mark.parametrize(
    ("tamper", "kind"),
    [
        (swapped("record", lambda r: {**r, "title": "Something else"}), InvalidInput),
        (swapped("record", lambda r: {**r, "createdAt": 1}), (InvalidInput, BadSignature)),
        (swapped("record", lambda r: {**r, "subject": r["controller"]}), InvalidInput),
        (swapped("record", lambda r: {**r, "controller": r["subject"]}), InvalidInput),
        (swapped("signature", lambda s: "0x" + "11" * 65), BadSignature),
        (swapped("items", lambda i: i[:1]), InvalidInput),
        (swapped("items", lambda i: [{**i[0], "item": {**i[0]["item"], "size": 1}}, i[1]]), InvalidInput),
        (swapped("grants", lambda g: [{**g[0], "record": "0x" + "00" * 32}]), InvalidInput),
        (swapped("grants", lambda g: [{**g[0], "more": 1}]), InvalidInput),
    ],
)
def test_a_service_that_lies_about_an_offer_is_caught(town, patient, tamper, kind):
    with pytest.raises(kind):
        offered(town, patient, [town.draft(patient.record)], tamper)


def test_a_service_that_shows_another_form_is_caught(town, patient):
    def tamper(path, answer):
        return {**answer, "version": 2} if "/v1/documents/" in path else answer

    with pytest.raises(InvalidInput, match="another form"):
        offered(town, patient, [town.draft(patient.record)], tamper)


def test_an_offer_for_another_wallet_is_refused(town, patient):
    token = town.institution.offer(patient.record, [town.draft(patient.record)])
    other = Patient(
        Book.create(town.folder / "other", entropy_to_words(phrase("other words")), PASSPHRASE, cost=4096),
        town.client(),
    )
    with pytest.raises(InvalidInput, match="another wallet"):
        other.offer(token)


def test_a_wallet_stays_with_its_ledger(town, patient):
    other = replace(town.forge.deployment, chain_id=1)
    with pytest.raises(WrongChain):
        _ = town.client(pinned=other).deployment
    patient.wallet.book.deployment = other
    with pytest.raises(WrongChain, match="Nothing was signed"):
        Patient(patient.wallet.book, town.client())


def test_a_pseudonym_that_may_have_been_seen_is_never_used_again(town):
    wallet = town.wallet()
    with pytest.raises(NotFound):
        wallet.join("none")
    first = wallet.join(town.institution.invite(TITLE)).subject
    second = wallet.join(town.institution.invite(TITLE)).subject
    assert first != second
    token = town.institution.invite(TITLE)
    wallet._client.nonce = lambda: "inventednonce"
    with pytest.raises(Refused):
        wallet.join(token)
    seen = {case.subject for case in wallet.book.cases}
    assert len(seen) == 3, "the third was sent, so it is remembered"
    assert wallet.book.fresh().address not in seen


# What a recipient does not accept


def test_a_release_is_checked_down_to_the_bytes(town):
    _, record, _ = town.consent()
    for digest, data in list(town.forge.vault.contents.items()):
        town.forge.vault.contents[digest] = data[:-1] + bytes([data[-1] ^ 1])
    request = town.journal.request(record, [NARRATIVE], "case-report", "journal")
    with pytest.raises(InvalidProof, match="lost or changed"):
        town.journal.release(request, town.folder / "received")
    assert not list(town.folder.glob("received/*"))


def test_a_file_that_is_there_already_is_left_alone(town):
    _, record, _ = town.consent()
    (town.folder / "received").mkdir()
    (town.folder / "received" / NARRATIVE).write_bytes(b"mine")
    request = town.journal.request(record, [NARRATIVE], "case-report", "journal")
    with pytest.raises(Conflict, match="left as it is"):
        town.journal.release(request, town.folder / "received")
    assert (town.folder / "received" / NARRATIVE).read_bytes() == b"mine"


@pytest.mark.parametrize(
    "lie",
    [
        lambda e: {**e, "name": "other.txt"},
        lambda e: {**e, "name": "../escaped"},
        lambda e: {**e, "sha256": "0x" + "00" * 32},
        lambda e: {**e, "item": "0x" + "00" * 32},
        lambda e: {**e, "wrapped": "0x" + "00" * 1200},
        lambda e: {**e, "sealed": "0x" + "00" * 32},
        lambda e: {**e, "sealedSize": -(2**20)},
    ],
)
def test_a_service_that_lies_about_a_release_leaves_nothing(town, lie):
    _, record, _ = town.consent()
    real = town.journal._client.post

    def post(path, body=None):
        answer = real(path, body)
        return {**answer, "items": [lie(entry) for entry in answer["items"]]} if path == "/v1/releases" else answer

    town.journal._client.post = post
    request = town.journal.request(record, [NARRATIVE], "case-report", "journal")
    with pytest.raises((InvalidInput, Refused, Unavailable)):
        town.journal.release(request, town.folder / "received")
    assert not list(town.folder.glob("received/*"))
    assert not (town.folder / "escaped").exists()


# Institutions


def test_a_case_folder_holds_nothing_readable(town):
    town.enrol()
    assert {path.name for path in (town.folder / "case").iterdir()} >= {"case.json", f"{NARRATIVE}.age"}
    for path in (town.folder / "case").iterdir():
        assert b"It was not." not in path.read_bytes()
    with pytest.raises(Conflict):
        town.institution.seal([town.folder / "original" / NARRATIVE], town.folder / "case")


def test_a_file_that_cannot_be_read_leaves_no_folder(town):
    with pytest.raises(InvalidFile):
        town.institution.seal([town.folder / "original" / NARRATIVE, town.folder / "nothing.md"], town.folder / "new")
    assert not (town.folder / "new").exists()


def test_nobody_is_registered_who_did_not_answer(town):
    town.institution.seal([town.folder / "original" / NARRATIVE], town.folder / "case")
    with pytest.raises(InvalidInput, match="not answered"):
        town.institution.register(town.folder / "case", town.institution.invite(TITLE))
    answered = town.institution.invite(TITLE)
    town.wallet().join(answered)
    with pytest.raises(InvalidInput, match="not a case folder"):
        town.institution.register(town.folder / "original", answered)


@pytest.mark.parametrize(
    "change", [{"days": 0}, {"days": "30"}, {"days": True}, {"recipient": "nobody"}, {"more": 1}, {"items": []}]
)
def test_a_proposal_that_is_none_is_refused(town, patient, change):
    with pytest.raises(InvalidMessage):
        town.draft(patient.record, **change)


def test_who_is_no_party_is_told_so(town):
    stranger = Institution(town.client(), town.keys["stranger"])
    with pytest.raises(NotAuthorised) as refused:
        stranger.invite(TITLE)
    assert refused.value.reason == "not_listed"
    with pytest.raises(NotFound):
        Recipient(town.client(), town.keys["stranger"]).bundle("dec_none")


# The connection


@pytest.mark.parametrize("url", ["", "consent.example", "ftp://consent.example", "http://"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(InvalidInput, match="address of a service"):
        Client(url)


def test_problems_become_the_errors_they_were(town):
    client = town.client()
    town.forge.chain.now += 37
    with pytest.raises(Unavailable):
        client.get("/readyz")
    with pytest.raises(InvalidMessage) as refused:
        client.get("/v1/parties/nobody")
    assert refused.value.field == "party"
    with pytest.raises(NotAuthorised) as unknown:
        client.get(f"/v1/records/{'0x' + '00' * 32}")
    assert unknown.value.reason == "not_signed_in"
    with pytest.raises(InvalidInput):
        client.request("DELETE", "/v1/consents")


def test_a_directory_entry_whose_profile_is_elsewhere_has_no_name(town):
    keys = town.keys["stranger"]
    profile = to_hash(phrase("profile"))
    town.forge.chain.emit(Registered(0, keys.address, ROLE_CONTROLLER | ROLE_RECIPIENT, profile, "https://x.example/"))
    assert town.client().party_name(keys.address) is None
    assert town.client().party_name(town.keys["journal"].address) == "Example Journal"


def test_a_book_that_was_changed_is_not_believed(town):
    patient, _, _ = town.consent()
    path = town.folder / "wallet" / BOOK
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    with pytest.raises(InvalidFile, match="changed"):
        Book.open(town.folder / "wallet", PASSPHRASE)
    with pytest.raises(Conflict):
        Book.create(town.folder / "wallet", WORDS, PASSPHRASE, cost=4096)
    assert (town.folder / "wallet" / KEYSTORE).exists()
    assert struct_hash(patient.book.cases[0].grants[0])
    with pytest.raises(Refused):
        Book.open(town.folder / "wallet", "another passphrase")


def test_a_consent_is_named_by_as_much_of_its_hash_as_a_table_shows(tmp_path, monkeypatch):
    book, w = Book.create(tmp_path / "wallet", WORDS, PASSPHRASE, cost=4096), World()
    grants = [w.grant(), w.grant(salt=to_hash(phrase("another")))]
    book.cases.append(Case(0, w.patient.address, "A case", w.hospital.address, w.record_hash, grants))
    first, second = map(struct_hash, grants)
    assert book.named(f" {first.upper().replace('X', 'x')} ") == first
    assert [book.named(first[:10]), book.named(second[:14] + "…")] == [first, second]
    with pytest.raises(InvalidInput, match="no such"):
        book.named("0x00000000")
    with pytest.raises(InvalidMessage, match="32 bytes"):
        book.named(first[:9])
    monkeypatch.setattr("wallet.book.struct_hash", lambda grant: first[:12] + struct_hash(grant)[12:])
    with pytest.raises(InvalidInput, match="2 of your consents"):
        book.named(first[:12])
    assert book.named(first) == first
