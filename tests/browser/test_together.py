"""Two decide together about one record, each on her own device: both agree, the form changes, both agree again."""

import json

import pytest
from waiting import eventually

from browser.device import SHADES
from browser.place import JOURNAL

WAITS = "Does not count yet: another person has to agree too"
pytestmark = [pytest.mark.node, pytest.mark.browser]


@pytest.fixture(scope="module")
def own_form(place):
    kept = place.form
    yield place.own_form("together")
    place.form = kept


def agree(device, token):
    """Say yes to the journal's request as it is: who decides together signs the same words."""
    device.go(f"#offer={token}")
    device.learn()
    cards = device.page.locator("main > section.card")
    cards.nth(0).get_by_label("Yes, I allow this").check()
    cards.nth(1).get_by_label("No", exact=True).check()
    device.press("Check what I will sign")
    device.see("Read, then sign")
    device.press("Sign")
    device.see("Signed")


def sees_the_files(device, token):
    """Opens what is asked for: the text, the picture and the scan, each in full."""
    device.go(f"#offer={token}")
    device.see("What you are asked")
    device.page.get_by_text("you and whoever decides with you can open them").wait_for()
    for name in ("narrative.md", "ct-slice.dcm", "photograph.jpg"):
        device.press(f"Open: {name}")
    device.page.get_by_text("A person in midlife came to us").wait_for()
    picture = device.page.get_by_role("img", name="Picture photograph.jpg")
    picture.wait_for()
    assert picture.evaluate("(image) => image.decode().then(() => image.naturalWidth)") > 0
    device.page.get_by_role("img", name="One layer of the scan ct-slice.dcm").wait_for()
    assert device.page.evaluate(SHADES) > 50, "a scan is shown, not a black square"


def renew(device):
    device.follow("My consents")
    device.page.get_by_role("button", name="See what changed in the form").click()
    device.see("The form has changed")
    for box in device.page.get_by_role("checkbox").all():
        box.check()
    device.press("Agree again under the new form")
    device.see("Read, then sign")
    device.press("Sign")
    device.see("Signed")


def states(device):
    device.follow("My consents")
    return device.page.locator("article .state").all_inner_texts()


def test_two_who_decide_together_agree_again_each_on_her_own_device(joined, visit, place, own_form):
    ours, invitation = joined
    hers = visit()
    hers.open()
    words = hers.create()
    hers.see("My consents")
    record = place.register(invitation, hers.join(place))
    token = place.offer(record)
    sees_the_files(hers, token)
    hers.look("49-together-material")

    def asked():
        return place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason

    def standings(form):
        views = place.institution()._client.get(f"/v1/records/{record}/grants")
        return sorted(view["standing"] for view in views if view["grant"]["form"] == form)

    agree(ours, token)
    eventually(lambda: asked() == "further_consent_needed")
    assert states(ours) == [WAITS], "that she waits for somebody is said, and not that it is in force"
    ours.look("50-together-waits")
    agree(hers, token)
    eventually(lambda: asked() == "permitted")
    assert [states(device) for device in (ours, hers)] == [["In force"]] * 2
    # The change matters: nothing is allowed until both agree again.
    old, new = place.form, place.replace_form(material=True).hash
    assert asked() == "form_superseded"
    renew(ours)
    eventually(lambda: standings(new) == ["further_consent_needed", "no_consent"])
    assert not place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).permitted
    assert states(ours) == ["Ended: replaced by your newer consent", WAITS]
    ours.look("51-together-renewed")
    assert states(hers) == ["Ended: the form has changed"], "the other has not stopped it for her"
    hers.look("52-together-hers")
    renew(hers)
    eventually(lambda: asked() == "permitted")
    assert standings(old) == ["revoked", "revoked"]
    assert [states(device)[-1] for device in (ours, hers)] == ["In force"] * 2
    # This change does not matter: what they allowed goes on without a gap, from the one consent to the other.
    old, new = new, place.replace_form(material=False).hash
    renew(ours)
    eventually(lambda: standings(new) == ["further_consent_needed", "no_consent"])
    assert states(ours)[-2:] == ["In force", WAITS]
    said = ours.page.locator("main").inner_text()
    assert "Another person has to agree to it too." in said
    assert "it still counts" in said
    ours.look("53-together-between")
    assert asked() == "permitted"
    renew(hers)
    eventually(lambda: standings(new) == ["granted", "granted"])
    assert asked() == "permitted"
    assert [states(device)[-2:] for device in (ours, hers)] != [["In force"] * 2] * 2
    eventually(lambda: standings(old) == ["revoked", "revoked"])
    assert asked() == "permitted"
    # An older record may hold no key for her: she is told, and can still read and decide.
    with place.stack.services.store.begin() as tx:
        deleted = "DELETE FROM wraps WHERE record = ? AND reader IN (SELECT value FROM json_each(?))"
        stewards = tx.record(record).record.stewards
        tx._db.exec_driver_sql(deleted, (record, json.dumps(stewards)))
    hers.go(f"#offer={token}")
    hers.see("What you are asked")
    hers.page.get_by_text("You have no key to these files").wait_for()
    assert hers.page.get_by_role("button", name="Open: ").count() == 0
    hers.look("55-together-closed")
    sees_the_files(ours, token)
    # Either of them stops it alone, also from her words on another device; and the other reads who did.
    found = visit()
    found.open()
    found.press("I have been here before")
    found.press("I have my 24 words")
    found.see("I have my 24 words")
    found.fill("Your 24 words", " ".join(words))
    found.press("Bring it back")
    found.choose_passphrase()
    found.see("Bring your key back")
    found.press("Look for my cases")
    found.see("My consents")
    found.press(f"Stop: {JOURNAL}")
    found.see("Stop sharing?")
    found.press("Yes, stop it")
    found.page.get_by_text("Stopped. New questions get a no from now on.").last.wait_for()
    assert not place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).permitted
    assert states(ours)[-1] == "Ended: a person who decides with you has stopped it"
    ours.look("54-together-stopped")
