"""A form changes: she sees what, in words; agrees again under the new one; or ends it."""

from dataclasses import replace

import pytest

from ledger.documents import Form, Statement
from scripts.parties import publish, replace_form

pytestmark = [pytest.mark.node, pytest.mark.browser]


@pytest.fixture(scope="module")
def own_form(place):
    """A form that no other test offers."""
    kept, hospital = place.form, place.keys["hospital"]
    channels = ("journal", "social:mastodon")
    stack, secret = place.stack, hospital.secret.reveal()
    form = publish(stack.rpc_url, stack.deployment, secret, hospital.address, channels, place.client())
    place.form = form.hash
    yield form
    place.form = kept


def change(place, material):
    """Replace the form of the place: one statement says more, one goes, one comes. Gives the new form."""
    client = place.client()
    old = Form.from_json(client.get(f"/v1/documents/{place.form}"))
    first, _, *rest = old.statements
    more = Statement(first.id, dict(first.text) | {"en": f"{first.text['en']} Ask whenever you like."})
    fresh = Statement(f"new-{old.version}", {"en": "A search engine may copy it.", "ar": "قد ينسخها محرك بحث."})
    new = replace(old, version=old.version + 1, statements=(more, fresh, *rest))
    hospital = place.keys["hospital"].secret.reveal()
    replace_form(place.stack.rpc_url, place.stack.deployment, hospital, place.form, new, material, client)
    place.form = new.hash
    return new


def see_change(device, state):
    """From her consents to what changed."""
    device.follow("My consents")
    card = device.page.locator("article").filter(has_text="The form that you agreed to has changed.")
    assert card.locator(".state").inner_text() == state
    card.get_by_role("button", name="See what changed in the form").click()
    device.see("The form has changed")
    return device.page.locator("main")


def speak(device, code):
    device.page.locator("#language").select_option(code)
    device.page.wait_for_function("(code) => document.documentElement.lang === code", arg=code)


def test_what_changed_is_shown_and_agreed_to_again(joined, place, own_form):
    device, invitation = joined
    record = place.register(invitation)
    device.agree(place.offer(record))

    def asked():
        return place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason

    place.settled(lambda: asked() == "permitted")
    change(place, material=False)
    assert "What you allowed still counts." in see_change(device, "In force").inner_text()
    form = change(place, material=True)
    assert asked() == "form_superseded"
    main = see_change(device, "Ended: the form has changed")
    assert "does not count any more" in main.inner_text()
    gone, come = (" ".join(main.locator(tag).all_text_contents()) for tag in ("del", "ins"))
    assert gone == own_form.statements[1].text["en"]
    assert come.startswith("New: Ask whenever you like.")
    assert "A search engine may copy it." in come
    assert "Taken out:" in main.inner_text()
    assert main.locator("input:checked").count() == 0, "nothing is ticked for her"
    device.look("40-changed")
    speak(device, "ar")
    device.look("41-changed-ar")
    device.fits("41-changed-ar")
    speak(device, "en")
    device.press("Agree again under the new form")
    device.page.get_by_text("Please tick every sentence first. Still open: 2.").wait_for()
    for box in device.page.get_by_role("checkbox").all():
        box.check()
    device.press("Agree again under the new form")
    device.see("Read, then sign")
    assert device.page.get_by_role("button", name="Sign", exact=True).is_disabled()
    device.page.get_by_text("With this you also end the same consent under the old form.").wait_for()
    device.look("42-changed-review")
    device.press("Sign")
    device.see("Signed")
    place.settled(lambda: asked() == "permitted")
    views = place.institution()._client.get(f"/v1/records/{record}/grants")
    standings = {view["grant"]["form"]: view["standing"] for view in views}
    assert standings == {own_form.hash: "revoked", form.hash: "granted"}
    device.follow("My consents")
    assert device.page.get_by_text("The form that you agreed to has changed.").count() == 0
    # once more, and she ends it instead
    change(place, material=True)
    see_change(device, "Ended: the form has changed")
    device.press("End it")
    device.see("Stop sharing?")
    device.press("Yes, stop it")
    device.page.get_by_text("Stopped. New questions get a no from now on.").last.wait_for()
    assert asked() == "revoked"
