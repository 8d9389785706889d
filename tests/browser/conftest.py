"""A real service on a real devnet, and Debian's chromium."""

import pytest

from browser.device import Device
from browser.place import build
from scripts.stack import Stack

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-gpu", "--disable-dev-shm-usage"]


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    with Stack.start(folder / "state", port=0, block_time=0.5) as stack, build(folder, stack) as made:
        stack.serve_in_background()
        made.introduce()
        yield made


@pytest.fixture
def visit(chromium, place):
    """Makes devices; each is looked at for complaints and foreign addresses at the end."""
    made = []

    def make(**options):
        made.append(Device(chromium, place.url, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def owner(chromium, place):
    """A device with an open wallet, for the tests of a module, and the words of its key."""
    device = Device(chromium, place.url)
    device.open()
    words = device.create()
    device.see("My consents")
    device.look("consents-none")
    yield device, words
    device.close()


@pytest.fixture(scope="module")
def joined(owner, place):
    """The same device after its person has answered an invitation; and the invitation."""
    return owner[0], owner[0].join(place)
