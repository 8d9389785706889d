"""`volens relay`: anybody brings a saved message to the chain, by a service or by a transaction of his own."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from waiting import eventually

from cli.running import secret_file
from ledger.adapters.node import Node
from ledger.model import Consent, Revocation, Suspension, address
from ledger.receipts import parse_receipt
from ledger.typed_data import Domain, struct_hash
from wallet.stops import sign

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def case(town):
    """A recorded consent, its patient's case and wallet."""
    record, grant = town.consented()
    patient = town.patient()
    return record, grant, patient, next(case for case in patient.book.cases if case.record == record)


@pytest.fixture
def save(case, tmp_path):
    """Sign something for the case and save it."""
    _, _, patient, found = case

    def write(message, change=lambda signed: signed):
        path = tmp_path / "message.json"
        path.write_bytes(change(sign(patient.book, found, message)).file())
        return path

    return write


@pytest.fixture
def payer(town, tmp_path):
    """The options of somebody who pays for the transaction himself."""
    key = secret_file(tmp_path / "payer.key", town.keys["hospital"].secret.reveal().hex())
    return ("--key-file", key, "--rpc-url", town.rpc_url, "--deployment", town.facts)


def reason(town, record):
    return town.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason


def paid(town):
    return int(Node(town.rpc_url).request("eth_getTransactionCount", town.keys["hospital"].address, "latest"), 16)


def revocation(case):
    _, grant, _, found = case
    return Revocation(found.subject, (grant,))


def test_a_service_takes_it_and_gives_a_receipt(volens, town, case, save, tmp_path):
    _, _, _, found = case
    file = save(Suspension(found.subject, True, int(time.time())))
    ran = volens("relay", file, "--url", town.url, "--receipt", "receipt.json", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["status"] in ("recorded", "final")
    assert ran.json["block"] > 0
    assert (tmp_path / "receipt.json").stat().st_mode & 0o777 == 0o600
    assert parse_receipt((tmp_path / "receipt.json").read_bytes()) == ran.json["receipt"]
    key = town.client().get("/v1/ledger")["receiptKey"]
    options = ("--key", key, "--message", file, "--deployment", town.facts)
    assert volens("audit", "verify-receipt", "receipt.json", *options).code == 0
    said = volens("relay", file, "--url", town.url, "--receipt-key", key)
    assert said.code == 0
    assert "signed a receipt" in said.out
    assert f"Recorded in block {ran.json['block']}" in said.out
    volens("relay", file, "--url", town.url, "--receipt-key", "0x" + "ab" * 32).refused(5, "no receipt that holds")
    volens("relay", file, "--url", town.url, "--receipt", "receipt.json").refused(2, "must be a new file")


def test_anybody_pays_for_it_himself_and_once(volens, town, save, payer):
    record, grant = town.consented()
    patient = town.patient()
    found = next(one for one in patient.book.cases if one.record == record)
    stop = sign(patient.book, found, Revocation(found.subject, (grant,)))
    file, before = save(stop.message, lambda _: stop), paid(town)
    ran = volens("relay", file, *payer, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["transaction"].startswith("0x")
    assert paid(town) == before + 1
    eventually(lambda: reason(town, record) == "revoked", "the service, which was told nothing: it reads the chain")
    again = volens("relay", file, *payer)
    assert (again.code, paid(town)) == (0, before + 1)
    assert "recorded already" in again.out


def other_registry(signed):
    return replace(signed, domain=Domain(signed.domain.chain_id, address("0x" + "ab" * 20)))


def other_signature(signed):
    return replace(signed, signature=b"\1" * 65)


@pytest.mark.parametrize("by_service", [True, False])
def test_what_cannot_be_recorded_is_refused_and_costs_nothing(volens, town, case, save, payer, by_service):
    _, grant, _, found = case
    where = ("--url", town.url) if by_service else payer
    stop, before = Revocation(found.subject, (grant,)), paid(town)
    expired = save(Consent(found.subject, (replace(grant, salt="0x" + "ab" * 32),), int(time.time()) - 5))
    volens("relay", expired, *where).refused(3, "its deadline has passed")
    volens("relay", save(stop, other_registry), *where).refused(5, "another ledger")
    volens("relay", save(stop, other_signature), *where).refused(3)
    if not by_service:
        volens("relay", save(Suspension(found.subject, False, 5)), *where).refused(3, "NotNewer", "Nothing was sent")
    assert paid(town) == before


def test_somebody_without_ether_is_told_how_much_is_lacking(volens, town, case, save, tmp_path):
    poor = secret_file(tmp_path / "poor.key", town.keys["stranger"].secret.reveal().hex())
    options = ("--key-file", poor, "--rpc-url", town.rpc_url, "--deployment", town.facts)
    volens("relay", save(revocation(case)), *options).refused(2, "ether more on this chain", "Nothing was sent")


def test_a_node_of_another_chain_or_with_other_code_gets_nothing(volens, town, case, save, payer, tmp_path):
    file, facts, before = save(revocation(case)), json.loads(town.facts.read_text()), paid(town)
    facts["genesis"] = "0x" + "ab" * 32
    (tmp_path / "genesis.json").write_text(json.dumps(facts))
    volens("relay", file, *payer[:-1], "genesis.json").refused(5, "another chain")
    facts = json.loads(town.facts.read_text())
    facts["contracts"]["ConsentRegistry"]["codeHash"] = "0x" + "ab" * 32
    (tmp_path / "code.json").write_text(json.dumps(facts))
    volens("relay", file, *payer[:-1], "code.json").refused(5, "other code")
    volens("relay", file, "--url", town.url, "--deployment", "code.json").refused(5, "another ledger")
    assert paid(town) == before


def test_nobody_who_answers_is_said(volens, case, save, payer):
    file, nowhere = save(revocation(case)), "http://127.0.0.1:9"
    volens("relay", file, "--url", nowhere).refused(4, "does not answer")
    volens("relay", file, *payer, "--rpc-url", nowhere).refused(4, "does not answer")


@pytest.mark.parametrize("everything", [False, True])
def test_what_a_wallet_saves_while_the_service_is_down_stops_sharing(volens, town, payer, everything):
    record, grant = town.consented()
    named = ("--case", record) if everything else (struct_hash(grant),)
    options = (*town.wallet[:-1], "http://127.0.0.1:9", "--yes", "--json")
    saved = volens("wallet", "revoke", *named, "--out", "stops", *options)
    assert saved.code == 0, saved.err
    kinds = [Path(name).name.split("-")[0] for name in saved.json["files"]]
    assert kinds == (["RevokeAll", "Revocation"] if everything else ["Revocation"])
    assert reason(town, record) == "permitted", "nobody was told"
    for name in saved.json["files"]:
        assert Path(name).stat().st_mode & 0o777 == 0o600
        assert volens("relay", name, *payer).code == 0
    eventually(lambda: reason(town, record) == "revoked", "the service to read it from the chain")


YES = "631626ba7e60e01b60005260206000f3"
CODES = {
    "yes": (YES, 0),
    "yes, and an endless loop where gas has a price": (f"3a601457{YES}5b601456", 4),
    "yes to whoever gives two million gas": (f"5a621e848010600e5760006000fd5b{YES}", 3),
    "no": ("00", 3),
}


@pytest.mark.parametrize("name", CODES)
def test_the_code_of_an_account_says_who_signed_and_burns_only_so_much(volens, town, tmp_path, payer, name):
    code, exit_code = CODES[name]
    record, grant = town.consented()
    patient = town.patient()
    found = next(one for one in patient.book.cases if one.record == record)
    stop = sign(patient.book, found, Revocation(found.subject, (grant,)))
    (tmp_path / "stop.json").write_bytes(replace(stop, signature=b"the owners have agreed").file())
    volens("relay", "stop.json", *payer).refused(3, "not its signer's")
    node, hospital = Node(town.rpc_url), town.keys["hospital"].address
    node.request("anvil_setCode", found.subject, "0x" + code)
    node.request("anvil_mine", hex(1))  # otherwise no header names the state with the code
    before = int(node.request("eth_getBalance", hospital, "latest"), 16)
    ran = volens("relay", "stop.json", *payer, "--json")
    assert ran.code == exit_code, ran.err
    cost = before - int(node.request("eth_getBalance", hospital, "latest"), 16)
    assert cost < (150_000 * int(node.request("eth_gasPrice"), 16) if exit_code != 3 else 1)
