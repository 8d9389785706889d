"""Deployment facts read back exactly, or are refused with a sentence that helps."""

import json
from dataclasses import replace

import pytest

from ledger.deployment import Contract, Deployment
from ledger.errors import InvalidInput, InvalidMessage
from ledger.events import DEPLOYED
from ledger.model import address, to_hash

CONTRACTS = {
    name: Contract(address(f"0x{number:040x}"), to_hash(bytes([number]) * 32), 10 + number)
    for number, name in enumerate(DEPLOYED, 1)
}
FACTS = Deployment(31337, to_hash(bytes(range(32))), CONTRACTS)
PARTY = address("0x" + "ab" * 20)


def without(value, *path):
    copied = json.loads(json.dumps(value))
    inner = copied
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return copied


def test_facts_read_back():
    assert Deployment.from_json(json.loads(json.dumps(FACTS.to_json()))) == FACTS


def test_the_domain_is_that_of_the_registry_on_this_chain():
    assert FACTS.domain.to_json() == {
        "name": "Volens",
        "version": "1",
        "chainId": 31337,
        "verifyingContract": CONTRACTS["ConsentRegistry"].address,
    }


def test_events_can_be_found_from_the_first_contract_on():
    assert FACTS.first_block == 11
    assert set(FACTS.addresses) == set(DEPLOYED)


@pytest.mark.parametrize("name", DEPLOYED)
def test_every_contract_must_be_there(name):
    with pytest.raises(InvalidInput, match="volens deploy"):
        Deployment.from_json(without(FACTS.to_json(), "contracts", name))
    for part in ("address", "codeHash", "block"):
        with pytest.raises(InvalidInput):
            Deployment.from_json(without(FACTS.to_json(), "contracts", name, part))


@pytest.mark.parametrize("value", [None, [], "facts", 7, {}, {"chainId": 1}, {"contracts": None}, {"contracts": []}])
def test_what_is_not_facts_is_refused(value):
    with pytest.raises(InvalidInput, match="not the facts of a Volens deployment"):
        Deployment.from_json(value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("chainId", "31337"),
        ("chainId", -1),
        ("chainId", True),
        ("chainId", 2**53),
        ("genesis", "0x1"),
        ("genesis", None),
    ],
)
def test_a_wrong_value_is_named(name, value):
    with pytest.raises(InvalidMessage, match=name):
        Deployment.from_json(FACTS.to_json() | {name: value})


def test_a_mistyped_address_is_named():
    value = FACTS.to_json()
    value["contracts"]["Directory"]["address"] = "0x1234"
    with pytest.raises(InvalidMessage, match=r"contracts\.Directory\.address"):
        Deployment.from_json(value)


def test_parties_have_an_identifier_on_this_chain_only():
    did = FACTS.did(PARTY)
    assert did == f"did:pkh:eip155:31337:{PARTY}"
    assert FACTS.party(did) == FACTS.party(did.lower()) == PARTY
    elsewhere = replace(FACTS, chain_id=1)
    for wrong in (elsewhere.did(PARTY), PARTY, did + "0", did[:-1], did.upper(), f"{did} ", None, 7, ["x"]):
        with pytest.raises(InvalidMessage):
            FACTS.party(wrong)
