"""The service is down: she stops sharing all the same, and somebody else carries it to the chain."""

import json

import pytest
from waiting import eventually

from browser.place import JOURNAL
from ledger.signed_message import SignedMessage
from scripts.relaying import record as record_message

pytestmark = [pytest.mark.node, pytest.mark.browser]


def test_a_stop_reaches_the_chain_without_the_service(joined, place):
    device, invitation = joined
    record = place.register(invitation)
    device.agree(place.offer(record))

    def reason():
        return place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason

    eventually(lambda: reason() == "permitted")
    device.follow("My consents")
    device.page.route("**/v1/**", lambda route: route.abort())
    device.press(f"Stop: {JOURNAL}")
    device.see("Stop sharing?")
    device.press("Yes, stop it")
    device.page.get_by_text("Not everything could be sent.", exact=False).last.wait_for()
    device.page.get_by_role("link", name="Save as a file").click()
    device.see("If the service is down")
    device.press("Show as a square code")
    device.page.locator(".code canvas").or_(device.page.get_by_text("It is too long for a square code.")).wait_for()
    device.look("22-outage")
    with device.page.expect_download() as download:
        device.press("Save as a file")
    signed = SignedMessage.from_file(download.value.path().read_bytes())
    assert signed.message.TYPE == "Revocation"
    assert reason() == "permitted", "the service was told nothing"

    device.page.get_by_label("What do you want to stop?").select_option(index=0)
    device.press("Sign the stop")
    device.see("Your signed stop")
    assert device.page.get_by_role("button", name="Show as a square code").count() == 2
    device.page.get_by_role("button", name="Show as a square code").first.click()
    device.page.get_by_role("img", name="The signed stop as a square code").wait_for()
    device.look("23-signed-stop")

    hospital = place.keys["hospital"].secret.reveal()
    assert record_message(place.stack.rpc_url, place.stack.deployment, hospital, signed).transaction
    eventually(lambda: reason() == "revoked")
    device.page.unroute("**/v1/**")
    device.follow("My consents")
    assert device.page.locator("article .state").inner_text() == "Stopped by you"

    device.follow("Service down?")
    link = device.page.get_by_role("link", name=f"Open the check page: {JOURNAL}")
    device.page.goto(device.url + link.get_attribute("href"))
    device.see("Check the public record")
    device.fill("Address of the computer (RPC)", "http://127.0.0.1:1/")
    device.press("Check")
    device.page.get_by_text("This computer did not answer.", exact=False).wait_for()
    device.fill("Address of the computer (RPC)", place.stack.rpc_url)
    device.press("Check")
    device.page.get_by_text("It is in the public record that you stopped this consent on", exact=False).wait_for()
    device.look("28-check")
    asked = set(device.third_parties())
    assert {url.rstrip("/") for url in asked} == {place.stack.rpc_url.rstrip("/"), "http://127.0.0.1:1"}
    device.asked.clear()


def test_a_computer_that_lies_is_not_believed(joined, place):
    device, _ = joined

    def lie(route):
        body = route.request.post_data_json
        answer = route.fetch()
        value = answer.json()
        if body["method"] == "eth_getProof":
            value["result"]["storageProof"][0]["value"] = "0x0"
            value["result"]["storageProof"][0]["proof"] = value["result"]["storageProof"][1]["proof"]
        route.fulfill(response=answer, body=json.dumps(value))

    device.page.route(f"{place.stack.rpc_url}/**", lie)
    device.fill("Address of the computer (RPC)", place.stack.rpc_url)
    device.press("Check")
    device.page.get_by_text("Do not trust this computer.", exact=False).wait_for()
    device.page.unroute(f"{place.stack.rpc_url}/**")
    device.asked.clear()
    device.complaints[:] = [said for said in device.complaints if "127.0.0.1:1/" not in said]
