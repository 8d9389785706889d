"""A receipt on paper: everything that is said, nothing that is pressed, black on white, in either direction."""

import os
import re
from pathlib import Path

import pytest

pytestmark = [pytest.mark.node, pytest.mark.browser]

PRINTS = os.environ.get("VOLENS_TEST_SCREENS", "")
"""A folder for the printed pages, when they are wanted."""
ON_PAPER = """() => {
  const mean = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).reduce((sum, one) => sum + Number(one), 0) / 3
  const filled = (colour) => colour !== "rgba(0, 0, 0, 0)" && mean(colour) < 200
  const wide = (one) => getComputedStyle(one).display !== "inline" && one.scrollWidth > one.clientWidth + 1
  const all = [...document.body.querySelectorAll("*")].filter((one) => one.checkVisibility() && one.getClientRects()[0])
  const words = all.filter((one) => one.childElementCount === 0 && one.textContent.trim() !== "")
  const told = (some) => some.map((one) => one.textContent.slice(0, 40))
  return {
    pressed: told(all.filter((one) => one.matches("button, a, select, nav, summary"))),
    light: told(words.filter((one) => mean(getComputedStyle(one).color) > 110)),
    dark: told(all.filter((one) => filled(getComputedStyle(one).backgroundColor))),
    cut: told(all.filter(wide)),
  }
}"""


@pytest.fixture(scope="module")
def receipt(joined, place):
    """A device that shows the receipt of a consent; and the sentence that was signed."""
    device, invitation = joined
    record = place.register(invitation)
    device.agree(place.offer(record))
    device.follow("Receipts")
    device.page.get_by_role("button", name="Show: You agreed", exact=False).click()
    device.see("Receipt: You agreed")
    return device, device.page.locator(".sentence").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_a_receipt_on_paper(receipt, language, scheme):
    device, sentence = receipt
    page = device.page
    page.locator("#language").select_option(language)
    page.locator(f"html[lang={language}]").wait_for()
    page.locator(".sentence").wait_for()
    page.set_viewport_size({"width": 718, "height": 1000})  # A4 between the printer's margins
    page.emulate_media(media="print", color_scheme=scheme)
    found = page.evaluate(ON_PAPER)
    text = page.locator("main").inner_text()
    printed = page.pdf(format="A4", print_background=False)
    page.emulate_media(media="screen", color_scheme="light")
    page.set_viewport_size({"width": 390, "height": 844})
    if PRINTS:
        Path(PRINTS).mkdir(parents=True, exist_ok=True)
        (Path(PRINTS) / f"receipt-{language}-{scheme}.pdf").write_bytes(printed)
    assert found == {"pressed": [], "light": [], "dark": [], "cut": []}
    assert sentence in text
    assert len(re.findall(r"0x[0-9a-f]{130}", text)) == 1, "the whole signature is there"
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 1, "one receipt is one sheet"
