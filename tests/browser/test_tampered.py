"""An offer, or a service, that is not right: the page says so in plain words and nothing is signed."""

import json

import pytest

from browser.place import HOSPITAL, JOURNAL, RESEARCH, TITLE

pytestmark = [pytest.mark.node, pytest.mark.browser]


@pytest.fixture(scope="module")
def offered(chromium, place, joined):
    """A patient who answered, and the offer she was sent."""
    device, invitation = joined
    record = place.register(invitation)
    return device, place.offer(record)


def changed(edit):
    """A service (or somebody between) that changes what it answers."""

    def handle(route):
        answer = route.fetch()
        value = answer.json()
        edit(value)
        route.fulfill(response=answer, body=json.dumps(value))

    return handle


def swap_recipient(offer):
    one, other = offer["grants"]
    one["recipient"], other["recipient"] = other["recipient"], one["recipient"]


def widen(offer):
    offer["grants"][0]["channels"].append("social:instagram")


def soften(offer):
    offer["grants"][0]["summary"] = offer["grants"][0]["summary"].replace("Others may quote from it", "Nobody sees it")


def other_file(offer):
    offer["items"][0]["item"]["sha256"] = "0x" + "11" * 32


def other_signer(offer):
    offer["record"]["controller"] = offer["grants"][0]["recipient"]


def other_title(offer):
    offer["record"]["title"] = "Another case"


def less_shown(offer):
    offer["items"].pop()


def longer(offer):
    offer["grants"][0]["validUntil"] += 86400 * 3650


@pytest.mark.parametrize(
    "edit",
    [swap_recipient, widen, soften, other_file, other_signer, other_title, less_shown, longer],
    ids=lambda edit: edit.__name__,
)
def test_an_offer_that_was_changed_is_not_shown(offered, edit):
    device, token = offered
    page = device.page
    page.route("**/v1/offers/*", changed(edit))
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    device.go(f"#offer={token}")
    device.see("Do not sign this")
    page.unroute("**/v1/offers/*")
    assert page.get_by_role("button", name="Next").count() == 0
    assert not [request for request in sent if "/consents" in request.url]
    if edit is soften:
        device.look("21-tampered")


def test_names_come_from_the_directory_and_not_from_the_offer(offered):
    device, token = offered

    def rename(offer):
        offer["controllerName"] = "The Ministry of Health"
        offer["names"] = dict.fromkeys(offer["names"], "Your own doctor")

    device.page.route("**/v1/offers/*", changed(rename))
    device.go(f"#offer={token}")
    device.see("What you are asked")
    device.page.unroute("**/v1/offers/*")
    text = device.page.locator("main").inner_text()
    assert HOSPITAL in text
    assert "Ministry" not in text
    device.press("Next")
    device.see("What you should know")
    for box in device.page.get_by_role("checkbox").all():
        box.check()
    device.press("Next")
    device.see("What do you allow?")
    text = device.page.locator("main").inner_text()
    assert JOURNAL in text
    assert RESEARCH in text
    assert "Your own doctor" not in text


def test_another_form_than_the_one_that_would_be_signed_is_not_shown(offered):
    device, token = offered

    def reword(document):
        if "statements" in document:
            document["statements"][0]["text"]["en"] = "I understand that nobody will ever see my case."

    device.page.route("**/v1/documents/*", changed(reword))
    device.go(f"#offer={token}")
    device.see("Do not sign this")
    device.page.unroute("**/v1/documents/*")


@pytest.mark.parametrize("field", ["chainId", "genesis", "registry"])
def test_a_service_on_another_ledger_gets_no_signature(offered, field):
    device, token = offered

    def elsewhere(ledger):
        deployment = ledger["deployment"]
        if field == "chainId":
            deployment["chainId"] = 1
        elif field == "genesis":
            deployment["genesis"] = "0x" + "22" * 32
        else:
            deployment["contracts"]["ConsentRegistry"]["address"] = "0x" + "33" * 20

    device.page.route("**/v1/ledger", changed(elsewhere))
    device.page.reload()
    device.unlock()
    device.go(f"#offer={token}")
    device.page.get_by_text("not the one that this page knows", exact=False).or_(
        device.page.get_by_role("heading", name="Do not sign this")
    ).wait_for()
    device.page.unroute("**/v1/ledger")
    assert device.page.get_by_role("button", name="Next").count() == 0


def test_a_stranger_who_invites_is_not_answered(offered, place):
    device, _ = offered
    token = place.institution().invite("Another case")

    def stranger(invitation):
        invitation["controller"] = place.keys["stranger"].address
        invitation["controllerName"] = HOSPITAL

    device.page.route("**/v1/invitations/*", changed(stranger))
    device.go(f"#invitation={token}")
    device.see("You are invited")
    device.page.unroute("**/v1/invitations/*")
    device.page.get_by_text("This institution is not on the public list.", exact=False).wait_for()
    assert device.page.get_by_role("button", name="Answer the invitation").count() == 0
    assert TITLE not in device.page.locator("main").inner_text()
