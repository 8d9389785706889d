"""The commands as a person runs them: arguments in; exit code, output and complaints out."""

import json
import os

import pytest

from cli.running import CHEAP, PASSPHRASE, WORDS, run, secret_file
from cli.town import build
from scripts.stack import Stack
from wallet import keystore
from wallet.book import Book
from wallet.keys import PartyKeys


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """An empty folder to be in, no settings from outside, and keystores that cost little."""
    for name in [name for name in os.environ if name.startswith("VOLENS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keystore.lock, "__defaults__", (CHEAP,))


@pytest.fixture
def volens():
    return run


@pytest.fixture
def passphrase_file(tmp_path):
    return secret_file(tmp_path / "passphrase", PASSPHRASE + "\n")


@pytest.fixture
def wallet(tmp_path):
    folder = tmp_path / "wallet"
    Book.create(folder, WORDS, PASSPHRASE, cost=CHEAP)
    return folder


@pytest.fixture
def party(tmp_path):
    """The keystore of a party, and its keys."""
    keys = PartyKeys.from_secret(b"\1" * 32)
    path = tmp_path / "party.json"
    path.write_text(json.dumps(keystore.lock(keys.secret.reveal(), PASSPHRASE, "key", CHEAP)))
    return path


@pytest.fixture(scope="session")
def town(tmp_path_factory):
    """A running ledger, shared by the tests of the session; each makes records of its own."""
    folder = tmp_path_factory.mktemp("town")
    with Stack.start(folder / "state", port=0) as stack:
        stack.serve_in_background()
        with build(folder, stack) as made:
            yield made
