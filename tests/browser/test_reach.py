"""For everybody: a narrow window, large letters, right to left, the keyboard alone."""

from dataclasses import replace

import pytest
from waiting import eventually

from browser.device import PASSPHRASE, Device
from browser.place import JOURNAL
from ledger.documents import Form, Statement
from ledger.ports import Call
from scripts.parties import transact

pytestmark = [pytest.mark.node, pytest.mark.browser]

MENU = ("My consents", "Who looked", "Helpers", "Receipts", "Service down?", "Settings")


@pytest.fixture(scope="module")
def consented(joined, place):
    device, invitation = joined
    record = place.register(invitation)
    token = place.offer(record)
    device.agree(token)

    def reason():
        return place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason

    eventually(lambda: reason() == "permitted")
    return device, token


def every_screen(device, token, name):
    """Open every screen of an open page and look whether it fits."""
    for screen in MENU:
        device.follow(screen)
        device.page.evaluate("document.querySelectorAll('main details').forEach((one) => (one.open = true))")
        device.look(f"{name}-{screen}")
        device.fits(f"{screen}, {name}")
    device.go(f"#offer={token}")
    device.see("What you are asked")
    for item in ("narrative.md", "ct-slice.dcm", "photograph.jpg"):
        device.press(f"Open: {item}")
    device.page.get_by_role("img", name="One layer of the scan ct-slice.dcm").wait_for()
    device.fits(f"material, {name}")
    device.learn()
    device.allow(0, "narrative.md", "a medical case report", "in the journal", "No, not at all", "As they ask")
    device.look(f"{name}-choices")
    device.fits(f"choices, {name}")


def test_on_the_narrowest_phone_nothing_is_cut_off(consented):
    device, token = consented
    device.page.set_viewport_size({"width": 320, "height": 568})
    every_screen(device, token, "narrow")


def test_with_letters_of_twice_the_size_nothing_is_cut_off(consented):
    device, token = consented
    device.page.set_viewport_size({"width": 640, "height": 900})
    device.page.evaluate("document.documentElement.style.fontSize = '225%'")
    every_screen(device, token, "large")
    device.page.evaluate("document.documentElement.style.fontSize = ''")


def test_in_the_dark_everything_can_be_read(consented):
    device, token = consented
    device.page.set_viewport_size({"width": 390, "height": 844})
    device.page.emulate_media(color_scheme="dark")
    every_screen(device, token, "dark")
    device.page.emulate_media(color_scheme="light")


@pytest.mark.parametrize(
    ("language", "direction", "says"), [("ar", "rtl", "نعم"), ("de", "ltr", "Ja"), ("es", "ltr", "Sí")]
)
def test_in_every_language_nothing_is_cut_off(consented, language, direction, says):
    device, token = consented
    page = device.page
    page.set_viewport_size({"width": 320, "height": 568})
    device.follow("Settings")
    page.locator("#language").select_option(language)
    page.locator(f"html[lang={language}][dir={direction}]").wait_for()
    for address in ("/consents", "/accesses", "/people", "/receipts", "/help", "/settings", f"offer={token}"):
        before = device.title
        page.evaluate("(to) => { location.hash = to }", f"#{address}")
        page.wait_for_selector(f"h1:not(:text-is('{before}'))")
        page.evaluate("document.querySelectorAll('main details').forEach((one) => (one.open = true))")
        device.look(f"{language}-{address[:6].strip('/')}")
        device.fits(f"{address} in {language}")
    page.locator("main > .actions button.main").click()
    page.get_by_role("checkbox").first.wait_for()
    page.evaluate("document.querySelectorAll('main details').forEach((one) => (one.open = true))")
    device.look(f"{language}-form")
    device.fits(f"form in {language}")
    assert page.locator("main [lang]").count() > 6
    assert page.locator(f"main [lang]:not([lang={language}])").count() == 0, "form and terms are in her language"
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.locator("main > .actions button.main").click()
    page.get_by_role("radio").first.check()
    assert says in page.locator("label").first.inner_text()
    sentence = page.locator(".sentence").first.inner_text()
    assert "may use only these parts" not in sentence, "what is asked is said in her language"
    device.look(f"{language}-choices")
    magnified(device, language)
    if direction == "rtl":
        assert page.locator(".brand").bounding_box()["x"] > page.locator(".bar select").bounding_box()["x"]
    page.locator("#language").select_option("en")
    page.locator("html[lang=en]").wait_for()
    page.set_viewport_size({"width": 390, "height": 844})


def test_a_form_in_english_alone_is_shown_as_that(owner, place):
    """What the institution wrote in one language only is not passed off as hers."""
    device, _ = owner
    page, client, hospital = device.page, place.client(), place.keys["hospital"]
    whole = Form.from_json(client.get(f"/v1/documents/{place.form}"))
    statements = tuple(Statement(one.id, {"en": one.text["en"]}) for one in whole.statements)
    english = replace(whole, title={"en": "Consent in English only"}, statements=statements)
    call = Call("PolicyRegistry", "publish", (bytes.fromhex(english.hash[2:]),))
    transact(place.stack.rpc_url, place.stack.deployment, hospital.secret.reveal(), call)
    client.post("/v1/documents", english.to_json())
    draft = place.institution().draft(
        place.register(device.join(place, "Another case")), english.hash, place.proposals()[0]
    )
    device.go(f"#offer={place.institution().offer(draft.record, [draft])}")
    device.see("What you are asked")
    page.locator("#language").select_option("de")
    page.get_by_role("button", name="Weiter", exact=True).click()
    page.get_by_role("heading", name="Was Sie wissen sollten").wait_for()
    hint = "Nicht alles davon gibt es in Ihrer Sprache. Den Rest sehen Sie auf Englisch."
    assert page.get_by_text(hint).count() == 1, "said of the form, and not of the terms, which are in German"
    assert page.locator("fieldset [lang=en]").count() == len(statements) + 1, "a screen reader says it in English"
    device.look("de-english-form")
    page.locator("#language").select_option("en")
    page.locator("html[lang=en]").wait_for()


def magnified(device, language):
    """The choices and her consents with letters of twice the size, as wide as half a window."""
    page = device.page
    page.set_viewport_size({"width": 640, "height": 900})
    page.evaluate("document.documentElement.style.fontSize = '225%'")
    device.look(f"{language}-choices-large")
    device.fits(f"choices in {language}, large letters")
    page.evaluate("location.hash = '#/consents'")
    page.locator("article .state").first.wait_for()
    device.look(f"{language}-consents-large")
    squeezed = (
        "[...document.querySelectorAll('dd')].filter((one) => one.clientWidth * 2 < one.parentElement.clientWidth)"
    )
    assert page.evaluate(f"{squeezed}.map((one) => one.textContent)") == [], "words are broken in pieces"
    device.fits(f"consents in {language}, large letters")
    page.evaluate("document.documentElement.style.fontSize = ''")


def tab_to(device, name):
    """Press Tab until the focus is on what a screen reader calls by this name."""
    for _ in range(80):
        device.page.keyboard.press("Tab")
        focused = device.page.evaluate(
            """() => {
                const at = document.activeElement
                const label = at.labels?.[0]?.textContent
                return (at.getAttribute("aria-label") ?? label ?? at.textContent).trim()
            }"""
        )
        if focused == name:
            outline = device.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"one cannot see that {name} has the focus"
            return
    raise AssertionError(f"{name} cannot be reached with the keyboard")


def test_with_the_keyboard_alone_a_page_is_opened_and_a_consent_is_stopped(consented, place):
    device, _ = consented
    press = device.page.keyboard.press
    device.page.evaluate("location.hash = '#/consents'")
    device.page.reload()
    device.see("Open your page")
    tab_to(device, "Passphrase")
    device.page.keyboard.type(PASSPHRASE)
    press("Enter")
    device.see("My consents")
    assert device.page.evaluate("document.activeElement.tagName") == "H1", "the focus goes to the new screen"
    device.page.evaluate("document.activeElement.blur()")
    tab_to(device, "Skip to the content")
    press("Enter")
    assert device.page.evaluate("document.activeElement.id") == "main"
    tab_to(device, f"Stop: {JOURNAL}")
    press("Enter")
    device.see("Stop sharing?")
    tab_to(device, "Yes, stop it")
    press("Enter")
    device.page.get_by_text("Stopped. New questions get a no from now on.").last.wait_for()


def test_what_is_examined_would_be_found(visit):
    device: Device = visit()
    device.open()
    device.page.evaluate("document.querySelector('main').append(document.createElement('input'))")
    with pytest.raises(AssertionError, match="label"):
        device.look("broken on purpose")
