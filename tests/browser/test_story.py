"""A person's first case, from the first word to the last consent taken back, as she sees it on her phone."""

import json

import pytest
from waiting import eventually

from browser.device import PASSPHRASE, SHADES
from browser.place import HOSPITAL, JOURNAL, RESEARCH, TITLE

pytestmark = [pytest.mark.node, pytest.mark.browser]

IN_FORCE, ON_ITS_WAY = "In force", "On its way: not yet in the public record"
STOPPED = ("Stopped by you", "Stopped. On its way to the public record")


def stored(device):
    """Everything the browser keeps of the page, as text."""
    return device.page.evaluate(
        """async () => {
            const result = (request) => new Promise((done) => { request.onsuccess = () => done(request.result) })
            const open = await result(indexedDB.open('volens'))
            const all = await result(open.transaction('sealed').objectStore('sealed').getAll())
            open.close()
            const text = all.map((bytes) => new TextDecoder('latin1').decode(bytes)).join(' ')
            return text + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie
        }"""
    )


def speak(device, code):
    device.page.locator("#language").select_option(code)
    device.page.wait_for_function("(code) => document.documentElement.lang === code", arg=code)
    device.page.locator("main:not([aria-busy])").wait_for()


def test_from_the_invitation_to_the_last_consent_taken_back(visit, place):
    device = visit()
    invitation = place.institution().invite(TITLE)
    device.open(f"#invitation={invitation}")
    words = device.create()

    device.see("You are invited")
    assert HOSPITAL in device.page.locator("main").inner_text()
    device.look("05-invitation")
    device.press("Answer the invitation")
    device.see("Answered")
    record = place.register(invitation)
    assert not any(word in stored(device).split() for word in words)

    offered = f"#offer={place.offer(record)}"
    device.open(offered)
    device.see("What you are asked")
    for name in ("narrative.md", "ct-slice.dcm", "photograph.jpg"):
        device.press(f"Open: {name}")
    device.page.get_by_role("img", name="One layer of the scan ct-slice.dcm").wait_for()
    shades = device.page.evaluate(SHADES)
    assert shades > 50, "a scan is shown, not a black square"
    device.page.get_by_role("img", name="Picture photograph.jpg").wait_for()
    device.page.get_by_text("A person in midlife came to us").wait_for()
    cards = device.page.locator("main > section.card")
    assert [cards.nth(n).get_by_text("exactly the file").count() for n in range(3)] == [1, 1, 0]
    assert "No request here asks for this file." in cards.nth(2).inner_text(), "photograph.jpg is only shown to her"
    assert device.page.get_by_text("You have already said yes").count() == 0
    device.look("06-material")
    device.press("Next")
    device.see("What you should know")
    assert device.page.locator("input:checked").count() == 0, "nothing is ticked for her"
    device.press("Next")
    device.page.get_by_text("Still open: 6.").wait_for()
    for box in device.page.get_by_role("checkbox").all():
        box.check()
    device.look("07-form")
    device.press("Next")
    device.see("What do you allow?")
    assert device.page.locator("input:checked").count() == 0, "nothing is chosen for her"
    cards = device.page.locator("main > section.card")
    journal, research = cards.nth(0), cards.nth(1)
    assert JOURNAL in journal.inner_text()
    assert RESEARCH in research.inner_text()
    device.press("Check what I will sign")
    device.page.get_by_text("Choose at least one request, or decline.").wait_for()
    journal.get_by_label("Yes, I allow this").check()
    assert device.page.get_by_text("Choose at least one request").count() == 0, "what was wrong is not said any longer"
    assert journal.locator("input:checked").count() == 1, "not even after yes"
    journal.get_by_label("narrative.md").check()
    journal.get_by_role("group", name="For what").get_by_role("checkbox").first.check()
    journal.get_by_role("group", name="Where it may appear").get_by_role("checkbox").first.check()
    journal.get_by_label("No, not at all").check()
    journal.get_by_label("For half a year", exact=False).check()
    research.get_by_label("No", exact=True).check()
    device.look("08-choices")
    device.press("Check what I will sign")
    device.see("Read, then sign")
    sentence = device.page.locator(".sentence").inner_text()
    assert JOURNAL in sentence
    assert "narrative.md" in sentence
    assert "ct-slice.dcm" not in sentence, "she allowed only one file"
    assert RESEARCH in device.page.get_by_text("You said no to").inner_text()
    sign = device.page.get_by_role("button", name="Sign", exact=True)
    assert sign.is_disabled(), "a hand that was about to press Next must not sign"
    device.look("09-review")
    speak(device, "de")
    device.page.get_by_text("Gehen Sie einen Schritt zurück, dann wird es in dieser geschrieben.").wait_for()
    assert device.page.locator(".sentence").inner_text() == sentence, "what she chose is what she signs"
    device.press("Etwas ändern")
    device.press("Prüfen, was ich unterschreibe")
    device.see("Lesen Sie, dann unterschreiben Sie")
    assert device.page.locator(".sentence").inner_text().startswith(f"„{JOURNAL}“ darf nur diesen Teil")
    speak(device, "en")
    device.press("Change something")
    device.press("Check what I will sign")
    device.see("Read, then sign")
    assert device.page.locator(".sentence").inner_text() == sentence
    sign.click()
    device.see("Signed")
    device.look("10-signed")
    device.go(offered)
    device.see("What you are asked")
    device.page.get_by_text("You have already said yes to something here.").wait_for()
    device.look("10-again")

    device.follow("My consents")
    (view,) = place.institution()._client.get(f"/v1/records/{record}/grants")
    assert view["grant"]["summary"] == sentence, "what was signed is what was shown"
    assert view["grant"]["items"] == ["narrative.md"]
    assert device.page.locator("article .state").inner_text() in (
        "In force",
        "On its way: not yet in the public record",
    )

    def reason(channel="journal", items=("narrative.md",)):
        return place.recipient().ask(record, "case-report", channel, items=list(items)).reason

    eventually(lambda: reason() == "permitted")
    assert reason(channel="social:mastodon") == "channel_not_covered"
    assert reason(items=["ct-slice.dcm"]) == "item_not_covered"
    device.page.reload()
    device.see("Open your page")
    device.fill("Passphrase", "not the right one")
    device.press("Open")
    device.page.get_by_text("This passphrase is not right.").wait_for()
    device.look("11-unlock")
    device.fill("Passphrase", PASSPHRASE)
    device.press("Open")
    device.see("My consents")
    assert device.page.locator("article .state").inner_text() == "In force"
    device.look("12-consents")

    device.follow("Who looked")
    text = device.page.locator("main").inner_text()
    assert f"{JOURNAL} asked to use it" in text.replace("\u2068", "").replace("\u2069", "")
    assert "Answer: no. You did not allow this place." in text
    assert "Answer: yes" in text
    device.look("13-accesses")

    device.follow("My consents")
    device.press(f"Stop: {JOURNAL}")
    device.see("Stop sharing?")
    device.look("14-stop")
    speak(device, "de")
    device.see("Teilen beenden?")
    assert "Sobald Sie bestätigen" in device.page.locator("main").inner_text(), "all of a screen changes its language"
    assert "stop" not in device.page.locator("main").inner_text().lower()
    speak(device, "en")
    device.press("Yes, stop it")
    device.page.locator("main .lead").get_by_text("Stopped. New questions get a no from now on.").wait_for()
    assert reason() == "revoked"
    device.follow("My consents")
    assert device.page.locator("article .state").inner_text() in (
        "Stopped by you",
        "Stopped. On its way to the public record",
    )
    assert device.page.get_by_role("button", name=f"Stop: {JOURNAL}").count() == 0
    device.look("15-stopped")

    device.follow("Receipts")
    headings = device.page.locator("section.card h2").all_inner_texts()
    assert headings == ["You stopped", "You agreed"]
    device.look("16-receipts")
    device.page.get_by_role("button", name="Show: You agreed", exact=False).click()
    device.see("Receipt: You agreed")
    assert sentence in device.page.locator("main").inner_text()
    device.look("17-receipt")
    with device.page.expect_download() as download:
        device.press("Save as a data file")
    kept = json.loads(download.value.path().read_text())
    assert kept["receipt"]["receipt"]["type"] == "Consent"
    assert kept["sent"]["message"]["grants"][0]["summary"] == sentence
    with device.page.expect_download() as download:
        device.press("Save as a consent record")
    (record_of_consent,) = json.loads(download.value.path().read_text())
    assert record_of_consent["@type"] == "dpv:ConsentRecord"
    assert record_of_consent["dct:description"] == sentence
    device.follow("Receipts")
    with device.page.expect_download() as download:
        device.press("Save everything that is stored here")
    everything = download.value.path().read_text()
    assert len(json.loads(everything)["consentRecords"]) == 1
    # A word may be the name of a field by chance, such as “record”; six of them are not.
    assert sum(f'"{word}"' in everything for word in words) < 6
    device.follow("Helpers")
    device.look("18-people")
    device.follow("Service down?")
    device.look("19-help")
    device.follow("Settings")
    device.look("20-settings")
    device.press("Lock")
    device.see("Open your page")
    assert device.page.get_by_text(TITLE).count() == 0
