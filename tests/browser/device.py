"""One device of a person: a browser with storage of its own, driven by what she would see and press."""

import os
import re
from pathlib import Path

from browser.place import TITLE
from scripts.locks import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SCREENS = os.environ.get("VOLENS_TEST_SCREENS", "")
"""A folder for screenshots, when they are wanted."""
WINDOW = os.environ.get("VOLENS_TEST_WINDOW", "390x844")
"""Of a phone, unless another is asked for."""
PASSPHRASE = "four plain words together"
RULES = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}
SHADES = """() => {
  const canvas = document.querySelector("canvas")
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
  return new Set(data.filter((_, i) => i % 4 === 0)).size
}"""
"""How many shades of grey a drawn scan has."""
LOOKED_AT = set()
"""Screens that were examined in this run; once is enough."""
TITLES = {"Helpers": "People who help me", "Service down?": "If the service is down"}
"""The headings of screens that the menu calls otherwise."""


class Device:
    """One device of a person: a browser with storage of its own, and everything it complained about.

    Attributes:
        page: playwright's page.
        attacked: the test itself did what the page must not do, so that complaints are as they should be.
    """

    def __init__(self, browser, url, **options):
        width, height = map(int, WINDOW.split("x"))
        options = {
            "viewport": {"width": width, "height": height},
            "locale": "en-GB",
            "reduced_motion": "reduce",
        } | options
        self.url, self.complaints, self.asked, self.attacked = url, [], [], False
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(40_000)
        self.context.add_init_script(
            "addEventListener('securitypolicyviolation', (e) => console.error('policy: ' + e.violatedDirective + ' '"
            " + e.blockedURI + ' ' + e.sample))"
        )
        self.context.add_init_script(path=AXE)
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page = self.context.new_page()
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("console", self._console)
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))

    def _console(self, message):
        # What the service refuses is told to the person by the page; the browser notes it as well.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(f"console: {message.text}")

    def open(self, fragment=""):
        self.page.goto(f"{self.url}/wallet/{fragment}")
        self.page.wait_for_selector("h1:not(:empty)")

    @property
    def title(self):
        return self.page.locator("h1").inner_text()

    def press(self, name, exact=True):
        self.page.get_by_role("button", name=name, exact=exact).click()

    def fill(self, label, text):
        self.page.get_by_label(label, exact=True).fill(text)

    def see(self, title):
        """Wait for the screen with this heading."""
        self.page.get_by_role("heading", level=1, name=title, exact=True).wait_for()

    def follow(self, name):
        """Go to a screen of the menu, drawn afresh."""
        if self.title == TITLES.get(name, name):
            self.follow("Settings" if name != "Settings" else "Receipts")
        self.page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        self.see(TITLES.get(name, name))

    def look(self, name):
        """A finished screen: nothing hinders anybody from using it. Takes a screenshot when they are wanted."""
        self.page.locator("main:not([aria-busy])").wait_for()  # what was there before is pale
        if SCREENS:
            Path(SCREENS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{SCREENS}/{name}.png", full_page=True)
        if name in LOOKED_AT:
            return
        LOOKED_AT.add(name)
        found = self.page.evaluate("(how) => axe.run(document, how)", RULES)["violations"]
        told = [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
        assert told == [], f"{name}: {told}"
        self.fits(name)

    def fits(self, name):
        """Nothing of a screen lies outside the window's width."""
        wide, window = self.page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide <= window, f"{name} must be scrolled sideways"

    def third_parties(self):
        return [url for url in self.asked if not url.startswith((self.url, "blob:"))]

    def close(self):
        self.context.close()
        if not self.attacked:
            assert self.complaints == []
            assert self.third_parties() == []

    def go(self, fragment):
        """Follow a link within the open page."""
        self.page.evaluate("location.hash = '#/settings'")
        self.see("Settings")  # so that nothing of the screen before is taken for the next
        self.page.evaluate("(to) => { location.hash = to }", fragment)

    def create(self):
        """Make a wallet by hand; gives the 24 words."""
        self.see("Welcome")
        self.look("01-welcome")
        self.press("I am new here")
        self.see("Your 24 words")
        assert self.page.locator("ol.words").is_hidden(), "nobody looking over a shoulder sees them at once"
        self.press("Show my words")
        words = self.page.locator("ol.words li").all_inner_texts()
        assert len(words) == 24
        self.look("02-words")
        self.press("I have written them down")
        self.see("Check your words")
        for label in self.page.locator("label").all_inner_texts():
            self.fill(label, words[int(re.search(r"\d+", label)[0]) - 1])
        self.look("03-check")
        self.press("Next")
        self.choose_passphrase()
        return words

    def choose_passphrase(self):
        self.see("Choose a passphrase")
        self.fill("Passphrase", PASSPHRASE)
        self.fill("The same passphrase again", PASSPHRASE)
        self.look("04-passphrase")
        self.press("Protect my key")

    def unlock(self):
        self.see("Open your page")
        self.fill("Passphrase", PASSPHRASE)
        self.press("Open")
        self.page.get_by_role("navigation").wait_for()

    def join(self, place, title=TITLE):
        """Answer a new invitation; gives its token."""
        invitation = place.institution().invite(title)
        self.go(f"#invitation={invitation}")
        self.see("You are invited")
        self.press("Answer the invitation")
        self.see("Answered")
        self.look("answered")
        return invitation

    def learn(self):
        """From the material to the choices of an offer."""
        self.see("What you are asked")
        self.press("Next")
        self.see("What you should know")
        for box in self.page.get_by_role("checkbox").all():
            box.check()
        self.press("Next")
        self.see("What do you allow?")

    def allow(self, position, *words):
        """Say yes to one request, with the boxes that have these words."""
        card = self.page.locator("main > section.card").nth(position)
        card.get_by_label("Yes, I allow this").check()
        for word in words:
            card.get_by_label(word, exact=False).check()

    def agree(self, token):
        """Agree to the journal's request and to nothing else."""
        self.go(f"#offer={token}")
        self.learn()
        self.allow(0, "narrative.md", "a medical case report", "in the journal", "No, not at all", "As they ask")
        self.page.locator("main > section.card").nth(1).get_by_label("No", exact=True).check()
        self.press("Check what I will sign")
        self.see("Read, then sign")
        self.press("Sign")
        self.see("Signed")
