"""What a hostile reviewer got through once, and must never get through again."""

import asyncio
import json

import httpx
import pytest
from conftest import URL
from test_clients import NARRATIVE, PASSPHRASE, WORDS, town  # noqa: F401 (a fixture)

from client.recipient import Recipient
from ledger import siwe
from ledger.adapters.memory import MemoryChain, MemoryVault
from ledger.bundles import question_from_json, question_json, verify_bundle
from ledger.documents import canonical
from ledger.errors import Conflict, InvalidFile, InvalidInput, InvalidProof, NotAuthorised, Refused
from ledger.events import Delegated, Granted, Revoked, SuspensionChanged
from ledger.model import Revocation
from ledger.typed_data import commitment_hash, struct_hash
from scripts.vector_sources.world import CHAIN_ID, START, World
from wallet.book import Book
from wallet.patient import Patient


def test_another_chain_with_the_same_contracts_does_not_pass_for_a_reorganisation(forge):
    w = forge.world
    assert forge.reason() == "permitted"
    forge.chain.emit(SuspensionChanged(0, w.journal.address, True))
    assert forge.reason() == "recipient_suspended"
    forged = MemoryChain(CHAIN_ID, World.contracts, START - 3600)
    forged.emit(*forge.listings())
    forged.emit(Granted(0, w.patient.address, struct_hash(w.grant()), w.patient.address))
    while forged.head().number <= forge.chain.head().number:
        forged.mine()
    forged.now = forge.chain.now
    forged.mine(2)
    index = forge.services.index
    index._chain = forged
    assert forge.reason() == "ledger_unavailable"
    index._chain = forge.chain
    assert forge.reason() == "ledger_unavailable", "closed until an operator has looked"


def test_numbers_no_json_can_write_do_not_stop_the_ledger(web):
    w = web.forge.world
    largest = 2**64 - 1
    web.forge.chain.emit(Delegated(0, w.stranger.address, w.mother.address, 1, largest, 1))
    assert web.get("/v1/ledger").status_code == 200


class SlowVault(MemoryVault):
    """Reading takes a while, and meanwhile something happens on chain."""

    def __init__(self, real, meanwhile):
        self.contents, self._meanwhile = real.contents, meanwhile

    def open(self, digest):
        meanwhile, self._meanwhile = self._meanwhile, lambda: None
        meanwhile()
        return super().open(digest)


def slowly(forge, event):
    def meanwhile():
        forge.chain.now += 45
        forge.chain.emit(event) if event else forge.mine()

    forge.restart(vault=SlowVault(forge.vault, meanwhile))


def test_what_was_revoked_on_chain_while_large_files_were_checked_is_not_released(forge):
    w = forge.world
    slowly(forge, Revoked(0, w.patient.address, struct_hash(w.grant()), w.patient.address))
    with pytest.raises(NotAuthorised) as refused:
        forge.release()
    assert refused.value.reason == "revoked"


def test_what_still_stands_after_large_files_were_checked_is_released_on_a_fresh_proof(forge):
    before = forge.chain.head().number
    slowly(forge, None)
    assert forge.release().decision.moment.number > before


@pytest.fixture(scope="module")
def bundle(shared_forge):
    answer = shared_forge.ask()
    data = shared_forge.services.bundling.bundle(shared_forge.world.journal.address, answer.id)
    return shared_forge, json.loads(data), shared_forge.chain.header(answer.decision.moment.number).hash


def test_a_consent_signed_by_anybody_is_no_evidence(bundle):
    forge, value, block = bundle
    value, w = json.loads(json.dumps(value)), forge.world
    consent = value["signatures"]["consents"][0]
    struct = commitment_hash("Consent", w.patient.address, tuple(consent["grantHashes"]), consent["deadline"])
    consent |= {"signer": w.stranger.address, "signature": w.stranger.sign(forge.domain.digest_of(struct))}
    with pytest.raises(InvalidProof):
        verify_bundle(canonical(value), block, forge.deployment)


def test_a_consent_recorded_after_its_deadline_is_no_evidence(bundle):
    forge, value, block = bundle
    value, w = json.loads(json.dumps(value)), forge.world
    consent = value["signatures"]["consents"][0]
    struct = commitment_hash("Consent", w.patient.address, tuple(consent["grantHashes"]), 1)
    consent |= {"deadline": 1, "signature": w.patient.sign(forge.domain.digest_of(struct))}
    with pytest.raises(InvalidProof, match="deadline"):
        verify_bundle(canonical(value), block, forge.deployment)


def test_the_verifier_says_how_many_confirmations_and_how_old_a_block(bundle):
    forge, value, block = bundle
    found = verify_bundle(canonical(value), block, forge.deployment, forge.confirmations)
    assert found.confirmations == forge.confirmations
    with pytest.raises(InvalidProof, match="confirmations"):
        verify_bundle(canonical(value), block, forge.deployment, forge.confirmations + 1)
    with pytest.raises(InvalidProof, match="seconds old"):
        verify_bundle(canonical(value), block, forge.deployment, max_age=value["decision"]["maxAge"] - 1)


def test_the_asker_does_not_say_which_disease_is_a_kind_of_which(forge):
    question = forge.world.question(facts={"diseases": ["MONDO:1"], "ancestors": {"MONDO:1": ["MONDO:2"]}})
    assert question_from_json(question_json(question)).facts == {"diseases": ["MONDO:1"]}


@pytest.mark.parametrize("path", ["/v1/consents", "/v1/documents", "/v1/auth/verify", "/v1/invitations"])
def test_a_body_larger_than_any_honest_one_is_not_read(web, path):
    content = b'{"message": "' + b"x" * (2**20) + b'"}'
    answer = web.call("POST", path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 413)
    assert "too large" in answer.text or "parsing" in answer.text


@pytest.mark.parametrize("path", ["/v1/releases", "/v1/records", "/v1/cohorts", "/access/v1/search/action"])
def test_whoever_sends_a_request_slowly_keeps_nobody_else_from_a_release(web, path):
    forge = web.forge
    forge.services.limits._heavy = 1
    begun, released = asyncio.Event(), []

    async def never():
        begun.set()
        await asyncio.Event().wait()

    async def stall():
        headers = [(b"content-type", b"application/json"), (b"authorization", b"Bearer x")]
        asked = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
        await web.app({**asked, "scheme": "https", "server": ("x", 443), "client": ("192.0.2.1", 1)}, never, never)

    async def both():
        slow = asyncio.create_task(stall())
        await begun.wait()
        request = forge.request(items=("narrative.md",))
        body = {"message": request.to_json(), "signature": forge.world.journal.sign_typed(forge.domain, request)}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(web.app), base_url=URL) as client:
            released.append(await client.post("/v1/releases", json=body))
            with forge.services.limits.heavy():
                released.append(await client.post("/v1/releases", json=body))
        slow.cancel()

    asyncio.run(both())
    assert [answer.status_code for answer in released] == [200, 429]


def test_an_answer_to_an_invitation_does_not_sign_in(web):
    forge, stranger = web.forge, web.forge.world.stranger
    message = forge.answer(forge.invite(), by=stranger).text()
    body = {"message": message, "signature": stranger.sign(siwe.personal_digest(message))}
    assert web.post("/v1/auth/verify", body).status_code == 403


def test_who_answered_an_invitation_is_between_the_two(web):
    forge, stranger = web.forge, web.forge.world.stranger
    token = forge.invite()
    forge.claim(token, by=stranger)
    path = f"/v1/invitations/{token}"
    assert web.get(path).json()["subject"] is None
    assert web.get(path, by=forge.world.journal).json()["subject"] is None
    assert web.get(path, by=forge.world.hospital).json()["subject"] == stranger.address


@pytest.mark.parametrize("kind", [[], {}, 1, None])
def test_a_document_of_no_type_is_refused_like_any_other(web, kind):
    assert web.post("/v1/documents", {"type": kind}).status_code == 400


def test_a_field_name_that_is_no_text_is_refused_like_any_other(web):
    content = b'{"message": {"\\ud800": 1}, "signer": "0x%s", "signature": "0x00"}' % (b"11" * 20)
    answer = web.call("POST", "/v1/revocations", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400


# The wallet and the client


def test_a_restored_wallet_takes_everything_back(town):  # noqa: F811
    patient, record, _ = town.consent()
    book = Book.create(town.folder / "again", WORDS, PASSPHRASE, cost=4096, again=True)
    again = Patient(book, town.client())
    with pytest.raises(InvalidInput, match="restore"):
        again.join(town.institution.invite("Another case"))
    assert again.restore() == 1
    assert [len(case.grants) for case in again.book.cases] == [1]
    again.revoke_all(again.book.cases[0])
    assert town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).reason == "revoked"
    assert again.book.fresh().address != patient.book.cases[0].subject


def test_a_grant_named_twice_is_revoked_once(town):  # noqa: F811
    patient, record, offer = town.consent()
    name = struct_hash(offer.grants[0])
    assert len(patient.revoke([name, name])) == 1
    assert town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).reason == "revoked"


def test_everything_is_taken_back_even_when_the_list_of_grants_is_wrong(town):  # noqa: F811
    patient, record, offer = town.consent()
    case = patient.book.cases[0]
    case.grants.append(offer.grants[0])
    patient.revoke_all(case)
    assert town.journal.ask(record, "case-report", "journal", items=[NARRATIVE]).reason == "revoked"


def test_one_pseudonym_has_one_record(town):  # noqa: F811
    patient = town.wallet()
    invitation = town.institution.invite("A shadow that was not what it seemed")
    patient.join(invitation)
    town.institution.seal(sorted((town.folder / "original").iterdir()), town.folder / "case")
    town.institution.register(town.folder / "case", invitation)
    town.institution.seal(sorted((town.folder / "original").iterdir()), town.folder / "second")
    with pytest.raises(Conflict):
        town.institution.register(town.folder / "second", invitation)


def test_a_service_that_swaps_names_is_caught(town):  # noqa: F811
    _, record, _ = town.consent()
    journal: Recipient = town.journal
    real = journal._client.post

    def post(path, body=None):
        answer = real(path, body)
        if path == "/v1/releases":
            answer["items"][0] |= {"size": answer["items"][0]["size"] + 1}
        return answer

    journal._client.post = post
    with pytest.raises((InvalidFile, Refused)):
        journal.release(journal.request(record, [NARRATIVE], "case-report", "journal"), town.folder / "received")


def test_a_case_folder_cannot_name_a_file_elsewhere(town):  # noqa: F811
    patient = town.wallet()
    invitation = town.institution.invite("A case")
    patient.join(invitation)
    town.institution.seal(sorted((town.folder / "original").iterdir()), town.folder / "case")
    manifest = town.folder / "case" / "case.json"
    value = json.loads(manifest.read_text())
    value["items"][0]["file"] = "/etc/hostname"
    manifest.write_text(json.dumps(value))
    with pytest.raises(InvalidInput):
        town.institution.register(town.folder / "case", invitation)


def test_a_withdrawal_of_a_stranger_reaches_neither_list_nor_relay(web):
    w = web.forge.world
    web.forge.reason()
    answer = web.send("/v1/revocations", Revocation(w.stranger.address, (w.grant(),)), w.stranger)
    assert answer.status_code == 404
