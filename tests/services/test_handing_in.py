"""Whoever hands in somebody's message believes no receipt but the operator's, and of this very message."""

import pytest

from ledger.errors import WrongChain
from ledger.model import Closure, RevokeAll
from ledger.signed_message import SignedMessage
from ledger.typed_data import Domain
from scripts.relaying import hand_in


class Service:
    """What `hand_in` sees of a service: it takes everything and answers as a test says."""

    def __init__(self, forge, receipt):
        self.deployment, self.receipt_key = forge.deployment, forge.services.intake.public_key
        self.receipt, self.sent = receipt, []

    def post(self, path, body):
        self.sent.append((path, body))
        return {"id": "rly_1", "status": "accepted", "receipt": self.receipt}


def signed(forge, message):
    patient = forge.world.patient
    return SignedMessage(forge.domain, message, patient.address, forge.signature(message, patient))


def test_the_receipt_must_be_the_operators_and_of_this_message(forge):
    closure = Closure(forge.world.patient.address)
    everything = RevokeAll(forge.world.patient.address, forge.chain.now)
    right, other = forge.accept(closure).receipt, forge.accept(everything).receipt
    service = Service(forge, right)
    handed = hand_in(service, signed(forge, closure))
    assert (handed.signed, handed.doubt) == (right, "")
    assert service.sent == [("/v1/closures", signed(forge, closure).body())]
    for receipt in (other, None, {}, right | {"signature": other["signature"]}):
        handed = hand_in(Service(forge, receipt), signed(forge, closure))
        assert (handed.receipt, handed.signed) == (None, None)
        assert handed.doubt
    assert hand_in(Service(forge, right), signed(forge, closure), b"\1" * 32).receipt is None, "of another operator"


def test_nothing_is_sent_to_a_service_on_another_ledger(forge):
    service = Service(forge, None)
    message = signed(forge, Closure(forge.world.patient.address))
    foreign = SignedMessage(Domain(1, message.domain.registry), message.message, message.signer, message.signature)
    with pytest.raises(WrongChain):
        hand_in(service, foreign)
    assert service.sent == []
