"""How large and how quick the patient's page is. Not a test: `make bench-wallet` runs it and prints what it found."""

import gzip
import statistics
import time

import pytest

from api.page import BUILT
from browser.device import PASSPHRASE, Device

pytestmark = [pytest.mark.node, pytest.mark.browser]

RUNS = 5
SLOW = 4
"""How many times slower than this machine an old phone is taken to be."""


def row(what, *values):
    print(f"| {what} | {' | '.join(values)} |")


def seconds(act):
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def slowed(device, times):
    device.context.new_cdp_session(device.page).send("Emulation.setCPUThrottlingRate", {"rate": times})


def opening(chromium, url, times):
    """From the address to a page that can be used, with nothing stored."""
    device = Device(chromium, url)
    slowed(device, times)
    taken = seconds(lambda: (device.open(), device.page.get_by_role("button", name="I am new here").hover()))
    loaded = device.page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    device.close()
    return taken, loaded


def test_measure(chromium, place, joined, capsys):
    device, invitation = joined
    token = place.offer(place.register(invitation))
    files = {path.relative_to(BUILT).as_posix(): gzip.compress(path.read_bytes(), 9) for path in BUILT.rglob("*.*")}
    fresh = {times: [opening(chromium, place.url, times) for _ in range(RUNS)] for times in (1, SLOW)}
    first = {address.split("/wallet/")[1] for address in fresh[1][0][1] if "/assets/" in address} | {"index.html"}
    unlocking = {}
    for times in (1, SLOW):
        slowed(device, times)
        taken = []
        for _ in range(3):
            device.press("Lock")
            device.see("Open your page")
            device.fill("Passphrase", PASSPHRASE)
            opened = device.page.get_by_role("navigation")
            taken.append(seconds(lambda opened=opened: (device.press("Open"), opened.wait_for())))
        unlocking[times] = statistics.median(taken)
    device.go(f"#offer={token}")
    device.learn()
    device.allow(0, "narrative.md", "a medical case report", "in the journal", "No, not at all", "As they ask")
    device.page.locator("main > section.card").nth(1).get_by_label("No", exact=True).check()
    device.press("Check what I will sign")
    device.see("Read, then sign")
    device.page.get_by_text("You can sign now.").wait_for()
    signing = seconds(lambda: (device.press("Sign"), device.see("Signed")))
    with capsys.disabled():
        print()
        row("what", "here", f"{SLOW} times slower")
        row("---", "--:", "--:")
        row("everything, compressed", f"{sum(map(len, files.values())) / 1000:.0f} kB", "")
        row("loaded by the first screen, compressed", f"{sum(len(files[name]) for name in first) / 1000:.0f} kB", "")
        opened = [f"{statistics.median(taken for taken, _ in fresh[times]):.2f} s" for times in (1, SLOW)]
        row("from the address to a screen that can be used", *opened)
        row("unlocking with the passphrase", *(f"{unlocking[times]:.1f} s" for times in (1, SLOW)))
        row("from “Sign” until the service has the consent", "", f"{signing:.2f} s")
