"""Whatever others write is shown as words: markup, scripts and tricks with the reading direction do nothing."""

import json

import pytest
from waiting import eventually

from browser.place import TITLE

pytestmark = [pytest.mark.node, pytest.mark.browser]

CORPUS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    '"><b id=owned>bold</b>',
    "'-alert(1)-'",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "<a href='https://collector.example/'>click</a>",
    "<style>*{display:none}</style>",
    "<base href='https://collector.example/'>",
    "<meta http-equiv=refresh content='0;url=https://collector.example/'>",
    "&lt;b&gt;",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "{name} {count} {date}",
]
ALL = " ".join(CORPUS)


def poison(value):
    """A value in which every text that others may write says something hostile; what is checked stays as it is."""
    if isinstance(value, dict):
        return {
            name: (ALL if name in FREE and isinstance(entry, str) else poison(entry)) for name, entry in value.items()
        }
    return [poison(entry) for entry in value] if isinstance(value, list) else value


FREE = {
    "name",
    "controllerName",
    "recipientName",
    "askerName",
    "title",
    "detail",
    "text",
    "reason",
    "purpose",
    "channel",
}


FOREIGN = "main :is(script, iframe, svg, style, base, meta, img, #owned)"


def unharmed(device):
    page = device.page
    assert page.locator(FOREIGN).count() == 0
    assert page.evaluate("document.title").count("Volens") == 1
    addresses = page.evaluate("[...document.links].map((link) => link.href)")
    assert all(address.startswith(device.url) for address in addresses)


@pytest.fixture(scope="module")
def consented(joined, place):
    device, invitation = joined
    record = place.register(invitation)
    device.agree(place.offer(record))

    def reason():
        return place.recipient().ask(record, "case-report", "journal", items=["narrative.md"]).reason

    eventually(lambda: reason() == "permitted")
    return device, record


def poisoned(route):
    answer = route.fetch()
    if "json" not in answer.headers.get("content-type", ""):
        return route.fulfill(response=answer)
    return route.fulfill(response=answer, body=json.dumps(poison(answer.json())))


@pytest.mark.parametrize("screen", ["My consents", "Receipts", "Helpers", "Service down?"])
def test_a_hostile_service_only_makes_words(consented, screen):
    device, _ = consented
    device.follow("Settings")
    device.page.route("**/v1/**", poisoned)
    device.follow(screen)
    unharmed(device)
    device.look(f"hostile-{screen}")
    device.page.unroute("**/v1/**")


def test_who_looked_is_only_words(consented):
    device, _ = consented
    device.page.route("**/v1/records/*/accesses", shown)
    device.go("#/accesses")
    device.see("Who looked")
    text = device.page.locator("main").inner_text()
    assert "<img src=x onerror=alert(1)>" in text
    unharmed(device)
    device.page.unroute("**/v1/records/*/accesses")


def shown(route):
    """What is not under the log's hash: the names that the service adds to an entry."""
    answer = route.fetch()
    entries = [entry | {"askerName": ALL, "recipientName": ALL} for entry in answer.json()]
    route.fulfill(response=answer, body=json.dumps(entries))


def test_an_invitation_with_a_hostile_title_and_a_hostile_institution(joined, place):
    device, _ = joined
    token = place.institution().invite(ALL[:400])
    device.page.route("**/v1/parties", poisoned)
    device.go(f"#invitation={token}")
    device.see("You are invited")
    assert "<script>alert(1)</script>" in device.page.locator("main").inner_text()
    unharmed(device)
    device.look("hostile-invitation")
    device.page.unroute("**/v1/parties")


def test_a_problem_is_only_words(joined):
    device, _ = joined
    problem = json.dumps({"type": "urn:volens:error:not_found", "detail": ALL, "status": 404})
    answer = {"status": 404, "content_type": "application/problem+json", "body": problem}
    device.page.route("**/v1/offers/*", lambda route: route.fulfill(**answer))
    device.go("#offer=off_something")
    device.page.get_by_text("This link is not known.").wait_for()
    unharmed(device)
    device.page.unroute("**/v1/offers/*")


@pytest.mark.parametrize(
    "link", [*CORPUS, "https://collector.example/wallet/#offer=off_12345678", "//x#offer=off_12345678"]
)
def test_a_pasted_link_leads_nowhere_else(joined, link):
    device, _ = joined
    if device.title != "My consents":
        device.follow("My consents")
    device.fill("Link", link)
    device.page.get_by_role("button", name="Open", exact=True).click()
    device.page.get_by_text("This is not a link of this service.").wait_for()
    assert device.page.url.startswith(device.url)
    assert TITLE in device.page.content()
