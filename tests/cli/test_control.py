"""What a patient does besides granting and revoking: pause, end, name helpers, take everything along."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from wallet.book import Book

pytestmark = pytest.mark.node
HELPER = "0x" + "11" * 20


def test_pause_resume_helpers_export_and_the_end(volens, town, tmp_path):
    record, _ = town.consented()
    asked = ("verify", "--record", record, "--item", "narrative.md", "--purpose", "case-report", "--channel", "journal")

    def answer():
        return volens(*asked, *town.key("journal"), "--json").json

    assert answer()["reason"] == "permitted"
    assert volens("wallet", "suspend", record, *town.wallet, stdin="").code != 0, "nobody said yes"
    assert answer()["reason"] == "permitted"
    assert volens("wallet", "suspend", record, "--yes", *town.wallet).code == 0
    assert answer()["reason"] != "permitted"
    assert volens("wallet", "resume", record, "--yes", *town.wallet).code == 0
    assert answer()["reason"] == "permitted"

    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    named = volens("wallet", "delegate", record, HELPER, "--until", until, "--yes", *town.wallet, "--json")
    assert named.json["relays"][0]["status"] == "final"
    listed = ("wallet", "delegates", *town.wallet[:4], "--json")
    assert [(one["delegate"], one["rights"]) for one in volens(*listed).json] == [(HELPER, 1)]

    held = volens("wallet", "export", "--out", "held.json", *town.wallet[:4], "--json").json
    assert held["grants"] >= 1
    kept = json.loads((tmp_path / "held.json").read_text())
    assert record in {case["record"] for case in kept["cases"]}
    assert (tmp_path / "held.json").stat().st_mode & 0o777 == 0o600
    volens("wallet", "export", "--out", "held.json", *town.wallet[:4]).refused(3, "left as it is")

    assert volens("wallet", "close", record, "--yes", *town.wallet).code == 0
    assert answer()["reason"] != "permitted"
    refused = volens("wallet", "resume", record, "--yes", *town.wallet)
    assert refused.code != 0 or answer()["reason"] != "permitted"


def test_everything_in_one_case_and_nothing_in_another(volens, town):
    first, _ = town.consented()
    second, _ = town.consented()
    assert volens("wallet", "revoke", "--case", first, "--yes", *town.wallet).code == 0
    for record, reason in ((first, False), (second, True)):
        asked = ("verify", "--record", record, "--item", "narrative.md", "--purpose", "case-report")
        said = volens(*asked, "--channel", "journal", *town.key("journal"), "--json").json
        assert (said["reason"] == "permitted") is reason


@pytest.mark.parametrize("until", ["soon", "2020-01-01", "2027-02-30"])
def test_a_day_that_is_none_or_over(volens, town, until):
    volens("wallet", "delegate", "x", HELPER, "--until", until, "--yes", *town.wallet).refused(2)


def test_a_case_that_is_not_there_or_not_one(volens, town):
    town.case()
    town.case()
    volens("wallet", "suspend", "nothing", "--yes", *town.wallet).refused(2, "no such case")
    title = Book.open(town.folder / "wallet", town.passphrase.read_text()).cases[-1].title
    volens("wallet", "close", title, "--yes", *town.wallet).refused(2, "several")
