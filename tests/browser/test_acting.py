"""Pausing, ending, stopping everything; people who help; the alarm; a passkey."""

import json

import pytest
from waiting import eventually

from browser.device import PASSPHRASE, Device
from browser.place import JOURNAL, RESEARCH, TITLE

pytestmark = [pytest.mark.node, pytest.mark.browser]

YEAR = "2027-11-01"


@pytest.fixture(scope="module")
def consented(joined, place):
    device, invitation = joined
    record = place.register(invitation)
    device.go(f"#offer={place.offer(record)}")
    device.learn()
    device.allow(0, "narrative.md", "a medical case report", "in the journal", "No, not at all", "As they ask")
    device.allow(1, "ct-slice.dcm", "health or medical research", "As they ask")
    device.press("Check what I will sign")
    device.see("Read, then sign")
    assert device.page.locator(".sentence").count() == 2
    device.press("Sign")
    device.see("Signed")
    eventually(lambda: asked(place, record) == "permitted")
    return device, record


def asked(place, record):
    return place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason


def states(device):
    device.follow("My consents")
    return device.page.locator("article .state").all_inner_texts()


def more(device, name):
    device.follow("My consents")
    device.page.get_by_text("More for this case").first.click()
    device.press(name)


def test_a_case_is_paused_and_goes_on(consented, place):
    device, record = consented
    more(device, "Pause everything in this case")
    device.see("Pause this case?")
    device.look("29-pause")
    device.press("Yes, pause")
    device.page.get_by_text("Paused. New questions get a no from now on.").last.wait_for()
    assert asked(place, record) == "suspended"
    assert states(device) == ["Paused by you"] * 2
    more(device, "Go on again")
    eventually(lambda: states(device) == ["In force"] * 2)
    assert asked(place, record) == "permitted"


def test_consents_are_filtered_and_several_are_chosen(consented):
    device, _ = consented
    device.follow("My consents")
    device.page.get_by_label("Show", exact=True).select_option("Ended")
    assert device.page.locator("article").count() == 0
    device.page.get_by_label("Show", exact=True).select_option("In force")
    assert device.page.locator("article").count() == 2
    for name in (JOURNAL, RESEARCH):
        device.page.get_by_label(f"Choose this consent: \u2068{name}\u2069").check()
    device.press("Stop the chosen ones (2)")
    device.see("Stop sharing?")
    assert device.page.locator("main ul li").count() == 2
    device.press("No, keep it")
    device.see("My consents")


def test_somebody_is_named_who_may_stop_sharing(consented, place, visit):
    device, record = consented
    helper = visit()
    helper.open()
    helper.create()
    helper.see("My consents")
    helper.follow("Helpers")
    helper.press("My own number for helping others")
    number = helper.page.locator("p.technical").inner_text()

    device.follow("Helpers")
    device.fill("Their secret number", "0x1234")
    device.press("Next")
    device.page.get_by_text("This is not a secret number.", exact=False).wait_for()
    device.fill("Their secret number", number)
    assert device.page.get_by_text("agree for me").count() == 0, "a right that she could use only unseen"
    device.page.get_by_label("Until when").fill(YEAR)
    device.press("Next")
    device.see("Name this person")
    sentence = device.page.locator(".sentence").inner_text()
    assert number in sentence
    assert TITLE in sentence
    assert "Stop and pause sharing" in sentence
    device.look("30-helper")
    subject = place.institution()._client.get(f"/v1/records/{record}")["record"]["subject"]

    helper.fill("What do you call this person?", "Mother")
    helper.fill("The secret number of their case", subject)
    helper.page.get_by_label("Until when").last.fill(YEAR)
    helper.press("Remember this person")
    helper.page.get_by_role("heading", name="Mother").wait_for()
    helper.look("31-acting")
    helper.press("Pause everything for Mother")
    helper.page.get_by_text("The service does not let you do this for this person now.", exact=False).wait_for()
    helper.look("31-not-named")
    assert asked(place, record) == "permitted"
    helper.go(f"#offer={place.offer(record)}")
    helper.page.get_by_text("A helper cannot open it", exact=False).wait_for()
    helper.look("offer-of-another")
    helper.follow("Helpers")
    device.press("Sign")
    device.page.get_by_role("button", name="End this").wait_for()

    def delegated():
        with place.stack.services.index.at_head() as snapshot:
            return (subject, number) in snapshot.state.delegations

    eventually(delegated)
    helper.press("Pause everything for Mother")
    eventually(lambda: asked(place, record) == "suspended")
    more(device, "Go on again")
    eventually(lambda: asked(place, record) == "permitted")


def test_a_list_that_became_shorter_raises_an_alarm(consented):
    device, _ = consented
    device.follow("Who looked")
    short = []

    def keep(route):
        answer = route.fetch()
        short.append(answer.text())
        route.fulfill(response=answer)

    device.page.route("**/v1/log/checkpoint", keep)
    device.follow("Receipts")
    device.follow("Who looked")
    device.page.unroute("**/v1/log/checkpoint")

    def entry_changed(route):
        answer = route.fetch()
        entries = answer.json()
        entries[0]["purpose"] = "press"
        route.fulfill(response=answer, body=json.dumps(entries))

    device.page.route("**/v1/records/*/accesses", entry_changed)
    device.page.get_by_role("navigation").get_by_role("link", name="Who looked").click()
    device.see("Something is wrong with this list")
    device.page.get_by_text("An entry that was shown to you is not in the real list.").wait_for()
    device.look("32-alarm")
    device.page.unroute("**/v1/records/*/accesses")
    with device.page.expect_download() as download:
        device.press("Save the proof")
    assert json.loads(download.value.path().read_text())["seen"]["note"] == short[0]


def test_an_old_list_raises_an_alarm(consented, place):
    device, record = consented
    old = place.stack.services.log.checkpoint()
    asked(place, record)
    device.follow("Who looked")
    device.page.route("**/v1/log/checkpoint", lambda route: route.fulfill(body=old, content_type="text/plain"))
    device.page.route("**/v1/records/*/accesses", lambda route: route.fulfill(json=[]))
    device.page.get_by_role("navigation").get_by_role("link", name="Who looked").click()
    device.see("Something is wrong with this list")
    device.page.get_by_text("The list has become shorter since you last looked.", exact=False).wait_for()
    device.page.unroute("**/v1/log/checkpoint")
    device.page.unroute("**/v1/records/*/accesses")


def test_a_passkey_opens_the_page(chromium, place):
    device = Device(chromium, place.url.replace("127.0.0.1", "localhost"))  # passkeys want a name
    session = device.context.new_cdp_session(device.page)
    session.send("WebAuthn.enable")
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "ctap2Version": "ctap2_1",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "hasPrf": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    device.open()
    device.create()
    device.see("My consents")
    device.follow("Settings")
    device.page.get_by_text("Open with fingerprint, face or device PIN").first.click()
    form = device.page.locator("details[open]")
    form.get_by_label("Your passphrase now").fill(PASSPHRASE)
    form.get_by_role("button", name="Set it up").click()
    device.page.get_by_text("It is set up.").wait_for()
    device.press("Lock")
    device.see("Open your page")
    device.look("33-passkey")
    device.press("Open with fingerprint, face or device PIN")
    device.page.get_by_role("navigation").wait_for()
    device.close()


def test_everything_everywhere_is_stopped(consented, place):
    device, record = consented
    other = place.register(device.join(place, "Another case"))
    token = place.offer(other)
    device.agree(token)
    eventually(lambda: asked(place, other) == "permitted")
    device.follow("My consents")
    device.press("Stop everything everywhere")
    device.see("Stop everything everywhere?")
    assert "may guess that they belong to one person" in device.page.locator("main").inner_text()
    device.look("34-everything")
    device.press("Yes, stop it")
    device.page.get_by_text("Stopped. New questions get a no from now on.").last.wait_for()
    assert (asked(place, record), asked(place, other)) == ("revoked", "revoked")


def test_a_case_is_ended_for_ever(consented, place):
    device, _ = consented
    last = place.register(device.join(place, "A last case"))
    device.agree(place.offer(last))
    eventually(lambda: asked(place, last) == "permitted")
    section = device.page.locator("main section").filter(has_text="A last case")
    device.follow("My consents")
    section.get_by_text("More for this case").click()
    section.get_by_role("button", name="End this case for ever").click()
    device.see("End this case for ever?")
    device.look("end-case")
    device.press("Yes, end it for ever")
    device.page.get_by_text("Ended for ever.").last.wait_for()
    assert asked(place, last) == "closed"
