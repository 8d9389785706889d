"""Bad input, without any service: one clear sentence, the right exit code, and nothing half-done."""

import json
import os

import pytest

from cli.running import PASSPHRASE, WORDS, secret_file
from ledger.deployment import DEVELOPMENT_ACCOUNTS, Contract, Deployment
from ledger.events import DEPLOYED
from ledger.model import Closure, address, to_hash
from ledger.signed_message import SignedMessage
from wallet import keystore
from wallet.book import BOOK, KEYSTORE
from wallet.keys import new_words

HASH = "0x" + "ab" * 32
PARTY = "0x" + "ab" * 20
BAD_CHECKSUM = " ".join(["abandon"] * 24)
FACTS = Deployment(
    31337,
    to_hash(bytes(32)),
    {name: Contract(address(f"0x{n:040x}"), to_hash(bytes(32)), 0) for n, name in enumerate(DEPLOYED, 1)},
)

DEVELOPMENT = sorted(DEVELOPMENT_ACCOUNTS)

MESSAGE = SignedMessage(FACTS.domain, Closure(address(PARTY)), address(PARTY), b"\1" * 65)


def tree(folder):
    """Everything in a folder, to see that nothing was made, changed or left behind."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mode, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    }


@pytest.fixture
def files(tmp_path, passphrase_file, wallet, party):
    """Good and bad files of every kind, by the names used below."""

    def write(name, content, mode=0o600):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)

    write("mainnet.json", json.dumps(FACTS.to_json() | {"chainId": 1}))
    write("wrong", "not the passphrase")
    write("short", "1234567")
    write("binary", b"\xff\xfe\0\1" * 9)
    write("empty", "")
    write("text.json", "hello")
    write("nested.json", "[" * 100_000)
    write("list.json", "[1, 2]")
    write("object.json", "{}")
    write("words", WORDS)
    write("checksum", BAD_CHECKSUM)
    write("typo", WORDS.replace("abandon", "abandno", 1))
    write("eleven", " ".join(WORDS.split()[:11]))
    write("truncated.json", party.read_text()[:-40])
    write("costly.json", party.read_text().replace('"n": 4096', '"n": 1073741824'))
    write("hex.key", "1122" * 16)
    write("open.key", "1122" * 16, 0o644)
    write("short.key", "11" * 31)
    write("zero.key", "00" * 32)
    write("no.key", "this is no key")
    write("facts.json", json.dumps(FACTS.to_json()))
    write("half.json", json.dumps(FACTS.to_json())[:200])
    write("unknown-purpose.json", json.dumps([{"purposes": ["selling"], "channels": ["journal"]}]))
    write("unknown-channel.json", json.dumps([{"purposes": ["case-report"], "channels": ["pigeon"]}]))
    write("number.json", json.dumps([{"purposes": 5}]))
    write("numbers.json", json.dumps([{"purposes": [5]}]))
    write("case.json", json.dumps({"items": []}))
    write("message.json", MESSAGE.file())
    (tmp_path / "folder").mkdir()
    (tmp_path / "partyish").mkdir()
    (tmp_path / "partyish" / KEYSTORE).write_bytes(party.read_bytes())
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / KEYSTORE).write_text((wallet / KEYSTORE).read_text()[:100])
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / KEYSTORE).write_bytes((wallet / KEYSTORE).read_bytes())
    (tmp_path / "mixed" / BOOK).write_bytes(os.urandom(200))
    (tmp_path / "stub").mkdir()
    (tmp_path / "stub" / KEYSTORE).write_bytes((wallet / KEYSTORE).read_bytes())
    (tmp_path / "stub" / BOOK).write_bytes(b"1234")
    return tmp_path


P = ("--passphrase-file", "passphrase")
PAY = ("relay", "message.json", "--deployment", "facts.json", "--key-file")
ASK = ("verify", "--record", HASH, "--purpose", "case-report", "--channel", "journal")
BUNDLE = ("audit", "verify-bundle")
TRUST = ("--trusted-block", HASH, "--deployment", "facts.json")
OFFER = ("record", "offer", "--record", HASH, "--form", HASH, "--key", "party.json", *P)
LIST = ("party", "register", PARTY, "--name", "Journal", "--deployment", "facts.json", "--owner-key", "hex.key")
OWNER = ("--deployment", "facts.json", "--owner-key", "hex.key")
ROLE = ("--kind", "journal", "--role", "recipient")

CASES = {
    # words and wallets
    "words: checksum": (("wallet", "new", "--wallet", "w", "--words-file", "checksum", *P), 2, "checksum is wrong"),
    "words: typo": (("wallet", "new", "--wallet", "w", "--words-file", "typo", *P), 2, "Word 1 of 24 is not in the"),
    "words: eleven": (("wallet", "new", "--wallet", "w", "--words-file", "eleven", *P), 2, "these are 11"),
    "words: empty": (("wallet", "new", "--wallet", "w", "--words-file", "empty", *P), 2, "these are 0"),
    "words: binary": (("wallet", "new", "--wallet", "w", "--words-file", "binary", *P), 2, "cannot be read"),
    "words: missing": (("wallet", "new", "--wallet", "w", "--words-file", "nowhere", *P), 2, "cannot be read"),
    "words: folder": (("wallet", "new", "--wallet", "w", "--words-file", "folder", *P), 2, "cannot be read"),
    "wallet: exists": (("wallet", "new", "--wallet", "wallet", *P), 3, "left as it is"),
    "wallet: in a file": (("wallet", "new", "--wallet", "words", *P), 2, "words"),
    "wallet: below a file": (("wallet", "new", "--wallet", "words/w", *P), 2, "words"),
    "passphrase: short": (("wallet", "new", "--wallet", "w", "--passphrase-file", "short"), 2, "at least 8"),
    "passphrase: empty": (("wallet", "new", "--wallet", "w", "--passphrase-file", "empty"), 2, "at least 8"),
    "passphrase: missing": (("wallet", "new", "--wallet", "w", "--passphrase-file", "nowhere"), 2, "cannot be read"),
    "passphrase: binary": (("wallet", "new", "--wallet", "w", "--passphrase-file", "binary"), 2, "cannot be read"),
    "passphrase: nobody there": (("wallet", "new", "--wallet", "w"), 2, "nobody to ask"),
    "passphrase: wrong": (
        ("wallet", "show", "--wallet", "wallet", "--passphrase-file", "wrong"), 3, "passphrase is wrong",
    ),
    "wallet: none": (("wallet", "show", "--wallet", "nowhere", *P), 2, "no wallet in nowhere", "volens wallet new"),
    "wallet: truncated": (("wallet", "show", "--wallet", "torn", *P), 2, "cannot be read as a keystore"),
    "wallet: a party's": (("wallet", "show", "--wallet", "partyish", *P), 2, "party's key"),
    "wallet: book of another": (("wallet", "show", "--wallet", "mixed", *P), 2, "changed, or belongs to other words"),
    "wallet: book cut short": (("wallet", "show", "--wallet", "stub", *P), 2, "changed, or belongs to other words"),
    "revoke: nothing named": (("wallet", "revoke", "--wallet", "wallet", *P), 2, "give --all"),
    "revoke: both": (("wallet", "revoke", HASH, "--all", "--wallet", "wallet", *P), 2, "give --all"),
    # somebody's signed message
    "relay: no file": (("relay", "nowhere.json"), 2, "nowhere.json"),
    "relay: folder": (("relay", "folder"), 2, "folder"),
    "relay: text": (("relay", "text.json"), 2, "does not hold a signed message"),
    "relay: binary": (("relay", "binary"), 2, "does not hold a signed message"),
    "relay: another file": (("relay", "facts.json"), 2, "does not hold a signed message"),
    "relay: nobody pays": (("relay", "message.json", "--rpc-url", "http://127.0.0.1:9"), 2, "Give --key-file"),
    "relay: two ways": (("relay", "message.json", "--key-file", "hex.key", "--url", "http://a"), 2, "Leave --url away"),
    "relay: no url": (("relay", "message.json", "--url", "nowhere"), 2, "not the address of a service"),
    "relay: receipt exists": (("relay", "message.json", "--receipt", "case.json"), 2, "Nothing was sent"),
    "relay: open key": ((*PAY, "open.key"), 2, "can be read by others"),
    "relay: no key": ((*PAY, "no.key"), 2, "hexadecimal"),
    "relay: no facts": (("relay", "message.json", "--key-file", "hex.key"), 2, "volens deploy"),
    # parties and keys
    "party: exists": (("party", "new", "--out", "party.json", *P), 3, "left as it is"),
    "party: no folder": (("party", "new", "--out", "nowhere/p.json", *P), 2, "does not exist"),
    "party: folder": (("party", "new", "--out", "folder", *P), 3, "left as it is"),
    "key: none": ((*ASK, "--key", "nowhere.json", *P), 2, "no keystore at nowhere.json", "volens party new"),
    "key: empty": ((*ASK, "--key", "empty", *P), 2, "cannot be read as a keystore"),
    "key: truncated": ((*ASK, "--key", "truncated.json", *P), 2, "cannot be read as a keystore"),
    "key: binary": ((*ASK, "--key", "binary", *P), 2, "cannot be read as a keystore"),
    "key: folder": ((*ASK, "--key", "folder", *P), 2, "cannot be read as a keystore"),
    "key: other JSON": ((*ASK, "--key", "list.json", *P), 2, "not a keystore"),
    "key: too costly": ((*ASK, "--key", "costly.json", *P), 2, "keystore's n must be"),
    "key: a patient's": ((*ASK, "--key", "wallet/keystore.json", *P), 2, "patient's words"),
    "key: nested": ((*ASK, "--key", "nested.json", *P), 2, "cannot be read as a keystore"),
    "key: wrong passphrase": ((*ASK, "--key", "party.json", "--passphrase-file", "wrong"), 3, "passphrase is wrong"),
    # asking
    "purpose": ((*ASK[:4], "selling", "--key", "party.json", *P), 2, "Known are case-report"),
    "channel": ((*ASK[:-1], "pigeon", "--key", "party.json", *P), 2, "Known are journal", "social:mastodon"),
    "file: missing": ((*ASK, "--key", "party.json", "--file", "nowhere.md", *P), 2, "nowhere.md cannot be read"),
    "file: folder": ((*ASK, "--key", "party.json", "--file", "folder", *P), 2, "folder cannot be read"),
    "file: empty": ((*ASK, "--key", "party.json", "--file", "empty", *P), 2, "empty is empty"),
    "url": ((*ASK, "--key", "party.json", *P, "--url", "volens"), 2, "not the address of a service"),
    "url: port": ((*ASK, "--key", "party.json", *P, "--url", "http://127.0.0.1:port"), 2, "not the address"),
    "url: brackets": ((*ASK, "--key", "party.json", *P, "--url", "http://[::1"), 2, "not the address"),
    # offering
    "offer: missing": ((*OFFER, "--grants", "nowhere.json"), 2, "nowhere.json cannot be read"),
    "offer: empty": ((*OFFER, "--grants", "empty"), 2, "must hold a JSON list"),
    "offer: text": ((*OFFER, "--grants", "text.json"), 2, "must hold a JSON list"),
    "offer: nested": ((*OFFER, "--grants", "nested.json"), 2, "must hold a JSON list"),
    "offer: binary": ((*OFFER, "--grants", "binary"), 2, "must hold a JSON list"),
    "offer: object": ((*OFFER, "--grants", "object.json"), 2, "must hold a JSON list"),
    "offer: list of numbers": ((*OFFER, "--grants", "list.json"), 2, "must hold a JSON list"),
    "offer: purposes a number": ((*OFFER, "--grants", "number.json"), 2, "purposes: must be a list of codes"),
    "offer: purpose a number": ((*OFFER, "--grants", "numbers.json"), 2, "purposes: must be a list of codes"),
    "offer: purpose": ((*OFFER, "--grants", "unknown-purpose.json"), 2, "Known are case-report"),
    "offer: channel": ((*OFFER, "--grants", "unknown-channel.json"), 2, "Known are journal"),
    "form: channel": (
        ("form", "publish", "--key", "party.json", "--channel", "pigeon", "--deployment", "facts.json", *P),
        2, "Known are journal",
    ),
    "form: no terms yet": (
        ("form", "publish", "--key", "party.json", "--channel", "teaching", "--deployment", "facts.json", *P),
        2, "No terms are written for teaching", "journal, social:",
    ),
    "form: replaced by text": (
        ("form", "replace", HASH, "text.json", "--key", "party.json", "--deployment", "facts.json", *P),
        2, "is not JSON",
    ),
    "form: terms replaced by text": (
        ("form", "replace-terms", HASH, "text.json", "--key", "party.json", "--deployment", "facts.json", *P),
        2,
        "cannot be read, or is not JSON",
    ),
    "form: replaced by a list": (
        ("form", "replace", HASH, "list.json", "--key", "party.json", "--deployment", "facts.json", *P),
        2, "must be an object",
    ),
    # the Directory and the contracts
    "list: address": ((*LIST[:2], "0x12", *LIST[3:], *ROLE), 2, "must be an address"),
    "list: mistyped": (
        (*LIST[:2], "0x" + "aB" * 20, *LIST[3:], *ROLE), 2, "mistyped",
    ),
    "list: kind": ((*LIST, "--kind", "pub", "--role", "recipient"), 2, "must be one of", "hospital"),
    "list: role": ((*LIST, "--kind", "journal", "--role", "king"), 2, "no role “king”", "controller, recipient"),
    "list: no owner": (
        (*LIST[:-1], "nowhere.key", *ROLE), 2, "is missing: nowhere.key",
    ),
    "list: no facts": (
        (*LIST[:5], "--owner-key", "hex.key", *ROLE),
        2, "no deployment facts", "volens deploy",
    ),
    "list: both": ((*LIST, *ROLE, "--calldata", "--fund", "1"), 2, "Leave --fund away"),
    "list: no node": ((*LIST, *ROLE, "--rpc-url", "nonsense"), 2, "nonsense does not name an Ethereum node"),
    "suspend: address": (("party", "suspend", "0x12", *OWNER), 2, "must be an address"),
    "suspend: no facts": (("party", "suspend", PARTY), 2, "no deployment facts"),
    "resume: no owner": (("party", "resume", PARTY, "--deployment", "facts.json"), 2, "is missing"),
    "resume: mistyped": (("party", "resume", "0x" + "aB" * 20, *OWNER), 2, "mistyped"),
    "hand over: to nobody": (("party", "hand-over", "0x" + "00" * 20, *OWNER), 2, "can never take"),
    "hand over: to ours": (("party", "hand-over", f"0x{1:040x}", *OWNER, "--calldata"), 2, "can never take"),
    "hand over: to all": (
        ("party", "hand-over", DEVELOPMENT[0], "--deployment", "mainnet.json", "--calldata"),
        2, "every development node prints",
    ),
    "take over: node": (("party", "take-over", *OWNER, "--rpc-url", "http://[::1"), 2, "does not name"),
    "deploy: no key": (("deploy", "--key-file", "nowhere.key"), 2, "is missing: nowhere.key"),
    "deploy: open key": (("deploy", "--key-file", "open.key"), 2, "can be read by others", "chmod 600"),
    "deploy: short key": (("deploy", "--key-file", "short.key"), 2, "must be 32 bytes"),
    "deploy: text": (("deploy", "--key-file", "no.key"), 2, "cannot be read as a key"),
    "deploy: binary": (("deploy", "--key-file", "binary"), 2, "cannot be read as a key"),
    "deploy: folder": (("deploy", "--key-file", "folder"), 2, "folder"),
    "deploy: zero": (("deploy", "--key-file", "zero.key"), 2, "no random key", "openssl rand"),
    "deploy: owner": (("deploy", "--key-file", "hex.key", "--owner", "me"), 2, "--owner: must be an address"),
    # evidence
    "bundle: missing": ((*BUNDLE, "nowhere.json", *TRUST), 2, "nowhere.json cannot be read"),
    "bundle: folder": ((*BUNDLE, "folder", *TRUST), 2, "folder cannot be read"),
    "bundle: empty": ((*BUNDLE, "empty", *TRUST), 5, "malformed"),
    "bundle: text": ((*BUNDLE, "text.json", *TRUST), 5, "malformed"),
    "bundle: binary": ((*BUNDLE, "binary", *TRUST), 5, "malformed"),
    "bundle: object": ((*BUNDLE, "object.json", *TRUST), 5, "malformed"),
    "bundle: list": ((*BUNDLE, "list.json", *TRUST), 5, "malformed"),
    "bundle: block": ((*BUNDLE, "object.json", TRUST[0], "12", *TRUST[2:]), 2, "trusted block"),
    "facts: missing": ((*BUNDLE, "object.json", "--trusted-block", HASH), 2, "no deployment facts at .volens"),
    "facts: half": ((*BUNDLE, "object.json", *TRUST[:-1], "half.json"), 2, "does not hold deployment facts"),
    "facts: other": ((*BUNDLE, "object.json", *TRUST[:-1], "object.json"), 2, "not the facts of a Volens deployment"),
    "facts: binary": ((*BUNDLE, "object.json", *TRUST[:-1], "binary"), 2, "cannot be read as deployment facts"),
    "facts: folder": ((*BUNDLE, "object.json", *TRUST[:-1], "folder"), 2, "cannot be read as deployment facts"),
    "replay: no facts": (("audit", "replay"), 2, "no deployment facts", "volens deploy"),
    "replay: facts": (("audit", "replay", "--deployment", "half.json"), 2, "does not hold deployment facts"),
    # the programs
    "demo: chain": (("demo", "--chain", "bitcoin"), 2, "choose anvil or hardhat"),
}  # fmt: skip
NO_JSON = {
    "up: chain": (("up", "--chain", "bitcoin"), 2, "choose anvil or hardhat"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_sentence_and_changes_nothing(volens, files, name):
    arguments, code, *said = CASES[name]
    before = tree(files)
    volens(*arguments).refused(code, *said)
    assert tree(files) == before


@pytest.mark.parametrize("name", CASES)
def test_programs_get_the_same_as_json(volens, files, name):
    arguments, code, *_ = CASES[name]
    ran = volens(*arguments, "--json")
    assert ran.code == code
    assert set(ran.json) <= {"error", "message", "reason"}
    assert ran.json["message"] in ran.err.replace("✗ ", "")
    assert ran.json["error"].isidentifier()
    # --field prints one value of an answer; there is none, so nothing may look like one.
    assert volens(*arguments, "--field", "record").out == ""


@pytest.mark.parametrize("name", NO_JSON)
def test_bad_input_of_up(volens, files, name):
    arguments, code, *said = NO_JSON[name]
    volens(*arguments).refused(code, *said)


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
@pytest.mark.parametrize("option", ["--port", "--node-port"])
def test_a_port_that_is_none(volens, tmp_path, option, port):
    ran = volens("up", option, port)
    assert (ran.code, ran.out) == (2, "")
    assert option in ran.err
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("fund", ["-1", "1000", "much"])
def test_an_amount_that_is_none(volens, files, fund):
    ran = volens(*LIST, "--kind", "journal", "--role", "recipient", "--fund", fund)
    assert (ran.code, ran.out) == (2, "")
    assert "--fund" in ran.err


@pytest.mark.parametrize(
    ("variable", "value"),
    [("VOLENS_CONFIRMATIONS", "none"), ("VOLENS_MAX_HEAD_AGE", "0"), ("VOLENS_PUBLIC_URL", "consent.example")],
)
def test_a_wrong_setting_is_named(monkeypatch, variable, value):
    from api.settings import read_settings
    from ledger.errors import InvalidInput

    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidInput, match=f"The setting {variable} is wrong"):
        read_settings()


# What goes right -----------------------------------------------------------------------------------------


def test_a_wallet_is_made_and_its_words_are_shown_once(volens, tmp_path, passphrase_file):
    ran = volens("wallet", "new", "--wallet", "w", *P, "--json")
    assert ran.code == 0
    assert len(ran.json["words"].split()) == 24
    assert (tmp_path / "w" / KEYSTORE).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "w").stat().st_mode & 0o777 == 0o700
    kind, entropy = keystore.unlock(json.loads((tmp_path / "w" / KEYSTORE).read_text()), PASSPHRASE)
    assert (kind, len(entropy)) == ("words", 32)
    everything = b"".join(path.read_bytes() for path in (tmp_path / "w").rglob("*") if path.is_file())
    assert ran.json["words"].split()[0].encode() not in everything


def test_the_words_are_printed_with_their_numbers(volens, passphrase_file):
    ran = volens("wallet", "new", "--wallet", "w", *P)
    assert ran.code == 0
    assert "24 words" in ran.out
    assert " 1 " in ran.out
    assert "24 " in ran.out


def test_a_restored_wallet_does_not_repeat_the_words(volens, tmp_path, passphrase_file):
    words = new_words()
    secret_file(tmp_path / "mine", "\n".join(words.upper().split()))
    ran = volens("wallet", "new", "--wallet", "w", "--words-file", "mine", *P, "--json")
    assert ran.json == {"wallet": "w"}
    assert not any(word in ran.out + ran.err for word in words.split() if len(word) > 5)


def test_a_party_key_is_made(volens, tmp_path, passphrase_file):
    ran = volens("party", "new", "--out", "p.json", *P, "--json")
    kept = json.loads((tmp_path / "p.json").read_text())
    assert ran.json["address"].lower() == "0x" + kept["address"]
    assert (tmp_path / "p.json").stat().st_mode & 0o777 == 0o600


def test_the_passphrase_is_not_taken_from_the_command_line(volens, tmp_path):
    for option in ("--passphrase", "--password"):
        ran = volens("wallet", "new", "--wallet", "w", option, PASSPHRASE)
        assert ran.code == 2
        assert PASSPHRASE not in ran.out + ran.err
    assert tree(tmp_path) == {}


def test_samples_are_written_and_never_over_something(volens, tmp_path):
    ran = volens("samples", "s", "--json")
    assert ran.code == 0
    assert len(ran.json) == 3
    assert all((tmp_path / path).stat().st_size for path in ran.json)


def test_brackets_in_a_name_do_not_swallow_the_words(volens, passphrase_file):
    """They once ended the command after the wallet was made and before its words were shown."""
    ran = volens("wallet", "new", "--wallet", "w[/b] [red]:x:", *P)
    assert ran.code == 0
    assert "wallet w[/b] [red]:x:" in ran.out
    assert "24 " in ran.out
