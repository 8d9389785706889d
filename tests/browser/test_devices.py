"""The same words on two devices, a lost device, and a device left lying about."""

import pytest
from waiting import eventually

from browser.device import PASSPHRASE
from browser.place import JOURNAL, TITLE
from wallet.book import Book
from wallet.patient import Patient

STOPPED = ("Stopped by you", "Stopped. On its way to the public record")
pytestmark = [pytest.mark.node, pytest.mark.browser]


@pytest.fixture(scope="module")
def first(owner, place):
    """A device with a recorded consent, and the words of its key."""
    device, words = owner
    record = place.register(device.join(place))
    device.agree(place.offer(record))
    eventually(lambda: asked(place, record) == "permitted")
    return device, words, record


def asked(place, record):
    return place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason


def restored(device):
    """From the passphrase to the consents that were found."""
    device.choose_passphrase()
    device.see("Bring your key back")
    device.press("Look for my cases")
    device.see("My consents")
    assert TITLE in device.page.locator("main").inner_text()
    assert device.page.locator("article .state").inner_text() == "In force"


def test_the_words_bring_everything_back_on_another_device_which_can_stop_it(first, visit, place):
    device, words, record = first
    other = visit()
    other.open()
    other.press("I have been here before")
    other.see("Bring your key back")
    other.look("24-restore")
    other.press("I have my 24 words")
    other.see("I have my 24 words")
    other.look("restore-words")
    other.fill("Your 24 words", " ".join([*words[:23], "zzzz"]))
    other.press("Bring it back")
    other.page.get_by_text("Word 24 of 24 is not in the word list", exact=False).wait_for()
    other.fill("Your 24 words", "  ".join(words).upper())
    other.press("Bring it back")
    restored(other)
    other.press(f"Stop: {JOURNAL}")
    other.see("Stop sharing?")
    other.press("Yes, stop it")
    other.page.get_by_text("Stopped. New questions get a no from now on.").last.wait_for()
    assert asked(place, record) == "revoked"
    device.follow("My consents")
    assert device.page.locator("article .state").inner_text() in STOPPED
    assert device.page.get_by_text("This was not agreed to on this device", exact=False).count() == 0
    other.agree(place.offer(record))
    eventually(lambda: asked(place, record) == "permitted")
    device.follow("My consents")
    device.page.get_by_text("This was not agreed to on this device", exact=False).wait_for()
    device.press(f"Stop: {JOURNAL}")
    device.press("Yes, stop it")
    device.page.get_by_text("Stopped. New questions get a no from now on.").last.wait_for()
    assert asked(place, record) == "revoked"
    place.register(device.join(place, "Begun on the first device"))
    other.follow("Settings")
    other.page.get_by_text("I use another device too").click()
    other.press("Look for my cases")
    other.see("My consents")
    assert {TITLE, "Begun on the first device"} <= set(other.page.locator("main h2").all_inner_texts())


def test_a_pseudonym_that_another_device_used_is_not_used_again(first, place, tmp_path):
    device, words, _ = first
    book = Book.create(tmp_path / "wallet", " ".join(words), PASSPHRASE, cost=2**12)
    with book.change():
        book.used = len({case.locator("h2").inner_text() for case in cases(device)})
    elsewhere = place.institution().invite("Begun in a terminal")
    Patient(book, place.client()).join(elsewhere)
    place.register(elsewhere)
    invitation = device.join(place, "Begun in the page")
    used = [place.institution()._client.get(f"/v1/invitations/{token}")["subject"] for token in (elsewhere, invitation)]
    assert used[0] != used[1]
    device.page.get_by_role("link", name="My consents").first.click()
    device.see("Bring your key back")
    device.look("restore-pending")
    device.press("Look for my cases")
    device.see("My consents")
    titles = [case.locator("h2").inner_text() for case in cases(device)]
    assert {"Begun in a terminal", "Begun in the page"} <= set(titles)


def cases(device):
    device.follow("My consents")
    return device.page.locator("main section:has(article), main section:has(h2 bdi)").all()


def test_a_key_file_and_parts_bring_the_key_back(first, visit, tmp_path):
    device, words, _ = first
    device.follow("Settings")
    device.page.get_by_text("Save a key file").first.click()
    form = device.page.locator("details[open]")
    form.get_by_label("Your passphrase now").fill(PASSPHRASE)
    form.get_by_label("Passphrase", exact=True).fill("a passphrase for the file")
    form.get_by_label("The same passphrase again").fill("a passphrase for the file")
    with device.page.expect_download() as download:
        form.get_by_role("button", name="Save the key file").click()
    file = tmp_path / "key.json"
    download.value.save_as(file)
    assert not any(f" {word} " in file.read_text() for word in words)

    device.page.get_by_text("Give parts to people you trust").first.click()
    form = device.page.locator("details[open]").last
    form.get_by_label("Your passphrase now").fill(PASSPHRASE)
    form.get_by_role("button", name="Make the parts").click()
    device.page.get_by_role("heading", name="Part 3 of 3").wait_for()
    device.look("25-parts")
    parts = [" ".join(part.locator("li").all_inner_texts()) for part in device.page.locator("ol.words").all()]
    assert len(parts) == 3

    other = visit()
    other.open()
    other.press("I have been here before")
    other.press("I have a key file")
    other.page.get_by_label("Your key file").wait_for()
    other.look("restore-file")
    other.page.get_by_label("Your key file").set_input_files(file)
    other.fill("Passphrase of the file", "not the one of the file")
    other.press("Bring it back")
    other.page.get_by_text("This passphrase does not open it.").wait_for()
    other.fill("Passphrase of the file", "a passphrase for the file")
    other.press("Bring it back")
    other.see("Choose a passphrase")

    other.open()
    other.page.reload()
    other.see("Welcome")
    other.press("I have been here before")
    other.press("I gave parts to people I trust")
    other.see("I gave parts to people I trust")
    other.look("restore-parts")
    other.page.get_by_label("Part number 1").fill(parts[2])
    other.press("Add this part")
    other.page.get_by_text("You have 1 of 2 parts.").wait_for()
    other.page.get_by_label("Part number 2").fill(parts[0])
    other.press("Add this part")
    other.see("Choose a passphrase")


def test_her_words_are_shown_again_for_her_passphrase_only(first):
    device, words, _ = first
    device.follow("Settings")
    device.page.get_by_text("Show my 24 words", exact=True).first.click()
    form = device.page.locator("details[open]")
    form.get_by_label("Your passphrase now").fill("somebody else's guess")
    form.get_by_role("button", name="Show my words").click()
    device.page.get_by_text("This passphrase is not right.").wait_for()
    assert device.page.locator("ol.words").count() == 0
    form.get_by_label("Your passphrase now").fill(PASSPHRASE)
    form.get_by_role("button", name="Show my words").click()
    device.see("Your 24 words")
    assert device.page.locator("ol.words li").all_inner_texts() == words
    device.look("words-again")


def test_a_page_that_is_left_alone_locks_itself(first):
    device, _, _ = first
    device.page.clock.install()
    device.page.reload()
    device.unlock()
    device.follow("My consents")
    device.page.clock.fast_forward("04:50")
    device.page.keyboard.press("Tab")
    device.page.clock.fast_forward("04:50")
    device.see("My consents")
    device.page.clock.fast_forward("00:11")
    device.see("Open your page")
    assert "because you did not use it for 5 minutes" in device.page.locator("main").inner_text()
    assert TITLE not in device.page.content()
    device.page.evaluate("location.hash = '#/receipts'")
    device.see("Open your page")
