"""An offer in the terminal: read in her language, asked about, taken in part, declined."""

from pathlib import Path

import pytest

from cli.running import CHEAP, PASSPHRASE
from cli.test_commands import ask
from cli.town import TITLE
from ledger.documents import load_template
from ledger.model import address
from ledger.summary import matches
from ledger.typed_data import struct_hash
from wallet.book import Book
from wallet.keys import new_words
from wallet.patient import Patient

pytestmark = pytest.mark.node

NOTES = "narrative.md"


def grants_of(town, record):
    with town.stack.services.store.begin() as tx:
        return list(tx.grants_of(record))


def wide(town):
    """An offer with two sentences: for two places, and for research."""
    folder, invitation = town.case()
    institution = town.institution()
    _, record = institution.register(folder, invitation)
    proposals = (
        town.proposal(channels=["journal", "social:mastodon"], items=["*"], onward="quote"),
        town.proposal(purposes=["DUO:0000042"], channels=[]),
    )
    drafts = [institution.draft(record, town.form, one) for one in proposals]
    return record, drafts, institution.offer(record, drafts)


def test_an_offer_is_read_in_her_language_with_its_form_and_terms(volens, town):
    _, drafts, offer = wide(town)
    read = ("wallet", "open", offer, *town.wallet, "--out")
    spoken = {}
    for language in ("en", "de", "es", "ar"):
        found = volens(*read, f"as-{language}", "--language", language, "--json").json
        spoken[language] = found["summaries"][0]
        form = load_template("publication-form")["statements"][0]
        assert found["forms"][0]["statements"][0] == {
            "id": form["id"],
            "text": form["text"].get(language, form["text"]["en"]),
        }
        assert [terms["channel"] for terms in found["terms"]] == ["journal", "social:mastodon"]
        assert found["language"] == language
        assert [entry["onward"] for entry in found["requests"]] == ["quote", "none"]
    assert spoken["en"] == drafts[0].summary
    assert len(set(spoken.values())) == 4
    shown = volens(*read, "seen", "--language", "de")
    assert "Das sollten Sie wissen:" in shown.out
    assert spoken["de"] in shown.out
    assert "--item narrative.md   --purpose case-report   --channel journal, social:mastodon" in shown.out  # not “*”
    volens(*read, "nowhere", "--language", "fr").refused(2, "Known are en, de, es, ar")


def test_a_steward_opens_the_files_too_and_is_told_when_she_has_no_key_to_them(volens, town):
    (folder, invitation), institution = town.case(), town.institution()
    other = institution.invite(TITLE)
    mother = Patient(Book.create(town.folder / "mother", new_words(), PASSPHRASE, cost=CHEAP), town.client())
    mother.join(other)
    _, record = institution.register(folder, invitation, stewards=[other])
    offer = institution.offer(record, [institution.draft(record, town.form, town.proposal())])
    read = ("wallet", "open", offer, "--wallet", town.folder / "mother", *town.open, "--url", town.url, "--out")
    (opened,) = volens(*read, "hers", "--json").json["files"]
    assert Path(opened).name == NOTES
    assert "no key" not in volens(*read, "again").out
    with town.stack.services.store.begin() as tx:
        tx._db.exec_driver_sql("DELETE FROM wraps WHERE reader = ?", (mother.book.cases[0].subject,))
    assert volens(*read, "closed", "--json").json["files"] == []
    assert "Sie haben keinen Schlüssel zu diesen Dateien" in volens(*read, "closed", "--language", "de").out


def test_less_than_is_asked_is_signed_in_her_language(volens, town, tmp_path):
    record, (asked, _), offer = wide(town)
    chosen = "--only", "1", "--channel", "journal", "--onward", "none", "--language", "de"
    refused = volens("wallet", "grant", offer, *chosen, *town.wallet)
    assert (refused.code, "nobody to ask" in refused.err) == (2, True)
    assert "nicht weitergegeben" in refused.out
    assert "X (Twitter)" not in refused.out  # only what would be signed is shown
    assert "Nicht zugestimmt: 2." in refused.out
    assert grants_of(town, record) == []
    done = volens("wallet", "grant", offer, *chosen, "--yes", *town.wallet, "--json").json
    case = next(case for case in town.patient().book.cases if case.record == record)
    (signed,) = case.grants
    assert done["grants"] == [struct_hash(signed)]
    assert (signed.channels, signed.onward, signed.items) == (("journal",), "none", asked.items)
    assert matches(signed, {address(signed.recipient): "The Journal"}) == "de"
    assert volens(*ask(town, record)).code == 0
    volens(*ask(town, record, channel="social:mastodon")).refused_quietly(3)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--channel", "blog"), "the place “blog”"),
        (("--item", "secret.md"), "the part “secret.md”"),
        (("--purpose", "press"), "the use “press”"),
        (("--onward", "reshare"), "pass on so much"),
        (("--until", "2999-12-31"), "Nobody asks for so long"),
        (("--until", "2020-01-01"), "must not be over"),
        (("--until", "tomorrow"), "not a day"),
        (("--channel", "journal", "--purpose", "case-report"), "nothing would be left"),
        (("--language", "klingon"), "no sentences in this language"),
    ],
)
def test_nothing_is_signed_that_was_not_asked(volens, town, offered_twice, options, said):
    record, offer = offered_twice
    volens("wallet", "grant", offer, *options, "--yes", *town.wallet).refused(2, said)
    assert grants_of(town, record) == []


@pytest.fixture(scope="module")
def offered_twice(town):
    record, _, offer = wide(town)
    return record, offer


def test_asking_and_declining(volens, town):
    record, _, offer = town.offered()
    asking = ("wallet", "ask", offer, *town.wallet)
    assert "Nothing was said" in volens(*asking).out
    sent = volens(*asking, "--question", "Who\n reads  it?", "--json").json
    assert [(entry["kind"], entry["text"]) for entry in sent] == [("question", "Who reads it?")]
    volens("record", "messages", offer, "--answer", "Doctors.", *town.key("hospital"))
    heard = volens(*asking, "--language", "es").out
    assert "Usted preguntó" in heard
    assert "Riverside Hospital respondió" in heard
    assert "Doctors." in heard
    volens(*asking, "--question", "x" * 2001).refused(2, "text")

    declining = ("wallet", "decline", offer, *town.wallet)
    ran = volens(*declining)
    assert (ran.code, "nobody to ask" in ran.err, "may use" in ran.out) == (2, True, True)
    assert len(volens(*asking, "--json").json) == 2  # the institution was told nothing
    assert "nothing was allowed" in volens(*declining, "--yes").out
    why = volens(*declining, "--reason", "Not now.", "--yes", "--json").json
    assert [(entry["kind"], entry["text"]) for entry in why[2:]] == [("decline", ""), ("decline", "Not now.")]
    assert grants_of(town, record) == []


def test_consents_that_run_out_soon(volens, town):
    _, draft = town.consented()  # for 30 days
    listing = ("wallet", "show", *town.wallet, "--expiring")
    ids = [view["id"] for case in volens(*listing, "31", "--json").json for view in case["grants"]]
    assert struct_hash(draft) in ids
    assert all(
        view["standing"] == "granted" for case in volens(*listing, "31", "--json").json for view in case["grants"]
    )
    assert volens(*listing, "29", "--json").json == []
    assert "No consent ends within 29 days." in volens(*listing, "29").out
    volens("wallet", "revoke", struct_hash(draft), "--yes", *town.wallet)
    again = [view["id"] for case in volens(*listing, "31", "--json").json for view in case["grants"]]
    assert struct_hash(draft) not in again
    assert volens(*listing, "0").code == 2


def test_the_words_of_each_language_have_the_same_slots():
    import re

    from scripts.commands.speaking import WORDS

    slots = {
        language: {name: sorted(re.findall(r"\{\w+\}", phrase)) for name, phrase in phrases.items()}
        for language, phrases in WORDS.items()
    }
    assert all(found == slots["en"] for found in slots.values())
