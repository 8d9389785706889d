"""A form changes: she sees what, in words; agrees again under the new one; or ends it."""

import json
from dataclasses import replace

import pytest
from waiting import eventually

from ledger.documents import Form, Terms
from scripts.parties import replace_terms

pytestmark = [pytest.mark.node, pytest.mark.browser]


@pytest.fixture(scope="module")
def own_form(place):
    """A form that no other test offers."""
    kept = place.form
    yield place.own_form("changed")
    place.form = kept


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


def tick_all(device):
    for box in device.page.get_by_role("checkbox").all():
        box.check()


def sign(device):
    """From what changed to what came of signing."""
    device.press("Agree again under the new form")
    device.see("Read, then sign")
    device.press("Sign")


def states(device):
    device.follow("My consents")
    return device.page.locator("article .state").all_inner_texts()


def said(device, *words):
    main = device.page.locator("main").inner_text()
    assert all(one in main for one in words), main


def test_what_changed_is_shown_and_agreed_to_again(joined, place, own_form):
    device, invitation = joined
    record = place.register(invitation)
    device.agree(place.offer(record))

    def asked():
        return place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason

    eventually(lambda: asked() == "permitted")
    place.replace_form(material=False)
    assert "What you allowed still counts." in see_change(device, "In force").inner_text()
    form = place.replace_form(material=True)
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
    eventually(lambda: asked() == "permitted")
    views = place.institution()._client.get(f"/v1/records/{record}/grants")
    standings = {view["grant"]["form"]: view["standing"] for view in views}
    assert standings == {own_form.hash: "revoked", form.hash: "granted"}
    device.follow("My consents")
    assert device.page.get_by_text("The form that you agreed to has changed.").count() == 0
    # once more, and she ends it instead
    place.replace_form(material=True)
    see_change(device, "Ended: the form has changed")
    device.press("End it")
    device.see("Stop sharing?")
    device.press("Yes, stop it")
    device.page.get_by_text("Stopped. New questions get a no from now on.").last.wait_for()
    assert asked() == "revoked"


@pytest.fixture
def agreed(owner, place, own_form):
    """A device with a new case and a recorded consent; its record, and what the journal is answered about it."""
    device = owner[0]
    record = place.register(device.join(place))
    device.agree(place.offer(record))

    def asked():
        return place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason

    eventually(lambda: asked() == "permitted")
    yield device, record, asked
    device.page.unroute_all()
    device.follow("My consents")
    everything = device.page.get_by_role("button", name="Stop everything everywhere")
    if everything.count():
        everything.click()
        device.press("Yes, stop it")
        device.page.get_by_text("Stopped. New questions get a no from now on.").last.wait_for()


def test_renewing_while_the_service_is_down_or_refuses_is_said_and_finished_later(agreed, place):
    device, record, asked = agreed
    place.replace_form(material=False)
    see_change(device, "In force")
    tick_all(device)
    # The service is down.
    device.page.route("**/v1/consents", lambda route: route.abort())
    sign(device)
    device.see("Signed, but not sent")
    said(device, "the service did not answer", "nothing new is allowed", "it still counts")
    device.look("43-renewal-waits")
    device.follow("My consents")
    said(device, "the service does not have it. Nothing new is allowed.", "it still counts")
    assert states(device)[-2:] == ["In force", "Signed, but not sent"]
    device.look("44-renewal-unsent")
    speak(device, "ar")
    device.look("45-renewal-unsent-ar")
    speak(device, "en")
    # It answers, and says no.
    device.page.unroute_all()
    problem = json.dumps(
        {"type": "about:blank", "title": "No", "status": 400, "code": "invalid_message", "detail": "No."}
    )
    device.page.route(
        "**/v1/consents",
        lambda route: route.fulfill(status=400, content_type="application/problem+json", body=problem),
    )
    device.press("Sign it once more and send it")
    device.see("Read, then sign")
    device.press("Sign")
    device.see("The service said no")
    said(device, "Nothing new is allowed", "it still counts")
    device.look("46-renewal-refused")
    assert states(device)[-2:] == ["In force", "Does not count: it is not in the public record"]
    assert asked() == "permitted"
    # It takes it; and the old one goes on until the new one counts, which the page cannot see yet.
    device.page.unroute_all()
    device.page.route("**/v1/records/*/grants", lambda route: route.abort())
    device.press("Sign it once more and send it")
    device.see("Read, then sign")
    device.press("Sign")
    device.see("Signed")
    said(device, "This page ends the old one as soon as the new one counts", "it still counts")
    device.look("47-renewal-kept")

    def standings():
        views = place.institution()._client.get(f"/v1/records/{record}/grants")
        return sorted(view["standing"] for view in views)

    eventually(lambda: standings() == ["granted", "granted"])
    assert asked() == "permitted"
    # The page sees it, and ends the old one there and then.
    device.page.unroute_all()
    device.page.get_by_text("Your new consent counts now. The old one has ended.").wait_for()
    eventually(lambda: standings() == ["granted", "revoked"])
    said(device, "Your new consent is on its way to the public record. The old one has ended.")
    assert asked() == "permitted"
    device.follow("My consents")
    assert states(device)[-2:] == ["Ended: replaced by your newer consent", "In force"]


def test_who_stops_one_of_two_consents_to_the_same_stops_both(agreed, place):
    device, _, asked = agreed
    place.replace_form(material=False)
    see_change(device, "In force")
    tick_all(device)
    sign(device)
    device.see("Signed")
    device.follow("My consents")
    device.page.get_by_role("button", name="Stop: Journal of Instructive Cases").first.click()
    device.see("Stop sharing?")
    assert device.page.locator("main li").count() == 2
    device.press("Yes, stop it")
    device.page.get_by_text("Stopped. New questions get a no from now on.").last.wait_for()
    assert asked() == "revoked"


def test_terms_that_changed_alone_are_shown_and_agreed_to_like_a_form(agreed, place):
    device, _, asked = agreed
    form = Form.from_json(place.client().get(f"/v1/documents/{place.form}"))
    old = Terms.from_json(place.client().get(f"/v1/documents/{form.channels['journal'].terms}"))
    text = dict(old.text) | {"en": f"{old.text['en']} Anybody may print it."}
    new = replace(old, version=old.version + 1, as_of="2026-11-20", text=text)
    place.supersede(old.hash, new)
    main = see_change(device, "Ended: the form has changed")
    said(device, "What a place says about sharing was replaced", "has no new form yet with this new text")
    assert "Anybody may print it." in main.locator("ins").inner_text()
    assert device.page.get_by_role("button", name="Agree again under the new form").count() == 0
    device.look("48-terms-changed")
    hospital = place.keys["hospital"].secret.reveal()
    followed = replace_terms(
        place.stack.rpc_url, place.stack.deployment, hospital, place.form, [new], True, place.client()
    )
    place.form = followed.hash
    see_change(device, "Ended: the form has changed")
    device.press("Agree again under the new form")
    device.page.get_by_text("Please tick every sentence first. Still open: 1.").wait_for()
    tick_all(device)
    device.look("49-terms-renewal")
    sign(device)
    device.see("Signed")
    eventually(lambda: asked() == "permitted")
