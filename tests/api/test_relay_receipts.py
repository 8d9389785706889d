"""Whoever hands a message in has the operator's signed word for it, and a message that lies about is noticed."""

import logging

import pytest

from ledger.adapters.store import SqlTransaction
from ledger.errors import Unavailable
from ledger.model import Closure, Delegation, Revocation, RevokeAll, Suspension
from ledger.receipts import require_receipt_of, verify_receipt
from scripts.vector_sources.world import DAY

ALARM = 120


def messages(forge):
    patient, now = forge.world.patient.address, forge.chain.now
    return {
        "/v1/delegations": Delegation(patient, forge.world.mother.address, 1, now + DAY, now),
        "/v1/consents": forge.consent_to(),
        "/v1/revocations": Revocation(patient, (forge.world.grant(),)),
        "/v1/revocations/all": RevokeAll(patient, now),
        "/v1/suspensions": Suspension(patient, True, now),
        "/v1/closures": Closure(patient),
    }


def published_key(web):
    return bytes.fromhex(web.get("/v1/ledger").json()["receiptKey"][2:])


def test_every_message_is_answered_with_a_receipt(make_web):
    web = make_web(stage="registered")
    forge, key = web.forge, published_key(web)
    for path, message in messages(forge).items():
        body = web.send(path, message, forge.world.patient).json()
        receipt = verify_receipt(body["receipt"], key, forge.domain)
        require_receipt_of(receipt, message, forge.world.patient.address, forge.domain)
        assert (receipt.id, receipt.received_at) == (body["id"], forge.chain.now)


def test_the_receipt_key_is_the_access_logs(web):
    assert web.get("/v1/log").json()["key"].rpartition("+")[2]
    assert published_key(web) == web.forge.services.intake.public_key
    import base64

    assert base64.b64decode(web.get("/v1/log").json()["key"].split("+", 2)[2])[1:] == published_key(web)


def test_a_receipt_needs_no_chain(web):
    web.forge.reason()
    key = published_key(web)
    web.forge.chain.faults.unreachable = True
    message = Closure(web.forge.world.patient.address)
    answer = web.send("/v1/closures", message, web.forge.world.patient)
    assert answer.status_code == 202
    verify_receipt(answer.json()["receipt"], key, web.forge.domain)


def test_the_same_message_again_has_the_first_receipt(web):
    message = Closure(web.forge.world.patient.address)
    first = web.send("/v1/closures", message, web.forge.world.patient).json()["receipt"]
    web.forge.chain.now += 60
    web.forge.restart()
    assert web.send("/v1/closures", message, web.forge.world.patient).json()["receipt"] == first


def test_a_receipt_is_stored_before_it_is_handed_out(web, monkeypatch):
    """One that went out for a message that was not kept would be a lie."""

    def full(*_):
        raise Unavailable("The disk is full.")

    message = Closure(web.forge.world.patient.address)
    with monkeypatch.context() as patch:
        patch.setattr(SqlTransaction, "add_relay", full)
        answer = web.send("/v1/closures", message, web.forge.world.patient)
    assert answer.status_code == 503
    assert "receipt" not in answer.json()
    given = web.send("/v1/closures", message, web.forge.world.patient).json()
    with web.forge.store.begin() as tx:
        assert tx.relay(given["id"]).receipt == given["receipt"]


def test_what_was_received_before_there_were_receipts_gets_one(web):
    message = Closure(web.forge.world.patient.address)
    given = web.send("/v1/closures", message, web.forge.world.patient).json()
    with web.forge.store.begin() as tx:
        tx.update_relay(given["id"], receipt=None)
    web.forge.chain.now += 60
    assert web.send("/v1/closures", message, web.forge.world.patient).json()["receipt"] == given["receipt"]


def test_how_far_a_message_is_tells_nothing_about_who_sent_it(web):
    given = web.send("/v1/closures", Closure(web.forge.world.patient.address), web.forge.world.patient).json()
    seen = web.get(f"/v1/relays/{given['id']}")
    assert web.forge.world.patient.address not in seen.text
    assert "receipt" not in seen.json()


# The alarm


def lateness(web):
    body = web.get("/readyz").json()["relays"]
    text = web.get("/metrics").text
    assert f"volens_relays_late {float(body['late'])}" in text
    assert f"volens_relays_late_seconds {float(body['oldest'])}" in text
    return body["late"], body["oldest"]


@pytest.mark.parametrize("mined", [False, True])
def test_a_message_that_is_not_recorded_in_time_raises_an_alarm(web, mined, caplog):
    forge = web.forge
    forge.revoke()
    forge.services.relays.pump()
    if mined:
        forge.mine()
        forge.services.relays.pump()
    forge.chain.now += ALARM
    assert lateness(web) == (0, 0)
    forge.chain.now += 1
    assert lateness(web) == ((0, 0) if mined else (1, ALARM + 1))
    with caplog.at_level(logging.ERROR):
        forge.services.relays.pump()
        forge.services.relays.pump()
    assert [record.message for record in caplog.records] == (
        [] if mined else [f"1 received messages are not recorded; the oldest has waited {ALARM + 1} seconds"]
    )


def test_a_message_that_lost_its_block_is_late_again(web):
    forge = web.forge
    forge.revoke()
    forge.settle()
    forge.chain.now += ALARM + 1
    assert lateness(web)[0] == 0
    forge.chain.reorganise(4)
    forge.chain.drop_pending()
    forge.reason()
    assert lateness(web)[0] == 1
