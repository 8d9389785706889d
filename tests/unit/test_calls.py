"""Calls are encoded as web3.py encodes them."""

import pytest
from web3 import Web3

from ledger.adapters.chain import call_data
from ledger.adapters.logs import artifact
from ledger.model import Closure, Consent, Delegation, Revocation, RevokeAll, Suspension
from ledger.ports import Call
from ledger.services.messages import call_of
from scripts.vector_sources.world import START, World

WORLD = World()
PATIENT = WORLD.patient.address
GRANTS = (WORLD.grant(), WORLD.research_grant)
SIGNATURE = bytes(range(65))


def by_web3(call):
    contract = Web3().eth.contract(abi=artifact(call.contract)["abi"])
    return contract.encode_abi(call.function, args=list(call.arguments))


MESSAGES = [
    Consent(PATIENT, GRANTS, START),
    Revocation(PATIENT, GRANTS),
    RevokeAll(PATIENT, START),
    Suspension(PATIENT, True, START),
    Suspension(PATIENT, False, START),
    Closure(PATIENT),
    Delegation(PATIENT, WORLD.mother.address, 3, START, START),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.TYPE)
def test_what_is_relayed(message):
    call = call_of(message, WORLD.mother.address, SIGNATURE)
    assert call_data(call) == by_web3(call)


def test_consents_of_several_subjects():
    one = call_of(MESSAGES[0], PATIENT, SIGNATURE).arguments
    call = Call("ConsentRegistry", "grantForMany", ([one, (*one[:2], 2**53 - 1, *one[3:])],))
    assert call_data(call) == by_web3(call)


@pytest.mark.parametrize(
    ("function", "arguments"),
    [("publish", (bytes(31) + b"\1",)), ("supersede", (b"\1" * 32, b"\2" * 32, True))],
)
def test_documents(function, arguments):
    call = Call("PolicyRegistry", function, arguments)
    assert call_data(call) == by_web3(call)


def test_a_party_with_text():
    call = Call("Directory", "register", (PATIENT, 5, b"\7" * 32, "data:,Ünïcode"))
    assert call_data(call) == by_web3(call)


@pytest.mark.parametrize(
    "arguments",
    [(PATIENT, 2**64), (PATIENT, -1), (PATIENT[:-1], 1), (PATIENT,)],
    ids=["large", "negative", "short", "few"],
)
def test_what_does_not_fit_is_not_cut_to_fit(arguments):
    with pytest.raises(Exception, match=r".+"):
        call_data(Call("ConsentRegistry", "revokeAllFor", (*arguments, PATIENT, SIGNATURE)))
