"""Consents of several patients, from their files to one transaction on a real chain, and evidence of it."""

import pytest

from ledger.model import to_hash

pytestmark = pytest.mark.node


def test_consents_are_signed_to_a_file_and_recorded_together(volens, town, tmp_path):
    records, files = [], []
    for number in range(3):
        record, _, offer = town.offered()
        signed = volens("wallet", "grant", offer, "--yes", "--out", f"{number}.json", *town.wallet, "--json")
        assert signed.code == 0
        assert (tmp_path / f"{number}.json").stat().st_mode & 0o777 == 0o600
        records.append((record, signed.json["grants"][0]))
        files.append(f"{number}.json")
    asked = ("verify", "--purpose", "case-report", "--channel", "journal", *town.key("journal"), "--json", "--record")
    assert volens(*asked, records[0][0]).json["reason"] == "no_consent", "nothing was sent"

    # taken back before it was handed in: it can never be recorded, and its company is told which one it is
    assert volens("wallet", "revoke", records[2][1], "--yes", *town.wallet).code == 0
    submit = ("cohort", "submit", *town.key("hospital"), "--receipts", "receipts")
    volens(*submit, *files).refused(3, "consents[2]", "taken back")
    before = town.client().get("/v1/ledger")
    handed = volens(*submit, *files[:2], "--json").json
    assert (handed["size"], len(handed["consents"])) == (2, 2)
    again = volens(*submit, *files[:2], "--json").json
    assert (again["root"], len(list((tmp_path / "receipts").iterdir()))) == (handed["root"], 2)
    for entry, file in zip(handed["consents"], files, strict=False):
        town.client().wait_for(entry["id"], ("final",))
        receipt = tmp_path / "receipts" / f"{entry['id']}.receipt.json"
        held = volens(
            "audit",
            "verify-receipt",
            receipt,
            "--key",
            before["receiptKey"],
            "--message",
            file,
            "--deployment",
            town.facts,
        )
        assert held.code == 0
    assert len(volens("wallet", "records", *town.wallet, "--json").json) >= 3, "one of each consent, sent or not"
    shown = volens("cohort", "show", handed["root"], *town.key("hospital"))
    assert "2 final" in shown.out
    volens("cohort", "show", handed["root"], *town.key("stranger")).refused(3)

    for record, _ in records[:2]:
        answer = volens(*asked, record)
        assert answer.json["reason"] == "permitted"
    wanted = ("--purpose", "case-report", "--channel", "journal", "--item", "narrative.md", "--out", "received")
    assert volens("release", "--record", records[1][0], *wanted, *town.key("journal")).code == 0
    kept = volens("bundle", answer.json["evaluation"], "--out", "bundle.json", *town.key("journal"), "--json").json
    checked = volens(
        "audit", "verify-bundle", "bundle.json", "--trusted-block", kept["hash"], "--deployment", town.facts
    )
    assert checked.code == 0
    assert volens("wallet", "revoke", records[0][1], "--yes", *town.wallet).code == 0
    assert volens(*asked, records[0][0]).json["reason"] == "revoked"
    assert volens(*asked, records[1][0]).json["reason"] == "permitted"


def test_what_is_no_signed_consent_is_refused(volens, town, tmp_path):
    submit = ("cohort", "submit", *town.key("hospital"))
    volens(*submit, "nowhere.json").refused(2, "nowhere.json", "cannot be read")
    (tmp_path / "text.json").write_text("hello")
    volens(*submit, "text.json").refused(2, "text.json", "signed message")
    volens("cohort", "show", "0x12", *town.key("hospital")).refused(2, "root")
    volens("cohort", "show", to_hash(bytes(32)), *town.key("hospital")).refused(3, "no such cohort")
