"""A keystore opens with its passphrase, in other wallets too, and never costs more than it may."""

import contextlib
import copy
import json
import os
import stat
import time
import unicodedata
from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Conflict, InvalidFile, InvalidInput, Refused
from wallet import keystore
from wallet.keystore import lock, unlock, write_private

SECRET = bytes(range(1, 33))
PASSPHRASE = "correct horse battery"
N = 2**12
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
WORDS_FILE = lock(SECRET, PASSPHRASE, "words", N)
KEY_FILE = lock(SECRET, PASSPHRASE, "key", N)


@pytest.mark.parametrize("kind", ["words", "key"])
def test_what_is_locked_opens_again(kind):
    locked = json.loads(json.dumps(lock(SECRET, PASSPHRASE, kind, N)))
    assert unlock(locked, PASSPHRASE) == (kind, SECRET)
    assert SECRET.hex() not in json.dumps(locked)


def test_words_are_no_account_and_keys_are():
    assert WORDS_FILE["volens"] == {"kind": "words"}
    assert "address" not in WORDS_FILE
    assert KEY_FILE["volens"] == {"kind": "key"}
    assert "0x" + KEY_FILE["address"] == Account.from_key(SECRET).address.lower()
    assert KEY_FILE["version"] == WORDS_FILE["version"] == 3
    assert len(KEY_FILE["id"]) == 36


def test_the_default_cost_is_the_usual_one():
    assert lock.__defaults__ == (2**18,)
    assert WORDS_FILE["crypto"]["kdfparams"]["n"] == N


def test_salts_and_ivs_are_fresh():
    other = lock(SECRET, PASSPHRASE, "words", N)["crypto"]
    mine = WORDS_FILE["crypto"]
    assert other["kdfparams"]["salt"] != mine["kdfparams"]["salt"]
    assert other["cipherparams"] != mine["cipherparams"]
    assert other["ciphertext"] != mine["ciphertext"]


@pytest.mark.parametrize("file", [WORDS_FILE, KEY_FILE], ids=["words", "key"])
def test_other_wallets_open_ours(file):
    assert bytes(Account.decrypt(json.dumps(file), PASSPHRASE)) == SECRET


@pytest.mark.parametrize("kdf", ["scrypt", "pbkdf2"])
def test_we_open_other_wallets(kdf):
    foreign = Account.encrypt(SECRET, PASSPHRASE, kdf=kdf, iterations=N)
    assert unlock(foreign, PASSPHRASE) == ("key", SECRET)
    loud = {**{name: entry for name, entry in foreign.items() if name != "crypto"}, "Crypto": foreign["crypto"]}
    assert unlock(loud, PASSPHRASE) == ("key", SECRET)
    assert unlock({**foreign, "address": "0x" + foreign["address"]}, PASSPHRASE) == ("key", SECRET)


@pytest.mark.parametrize("passphrase", ["", "wrong horse battery", PASSPHRASE + " ", PASSPHRASE.upper(), "\0"])
def test_a_wrong_passphrase_is_refused(passphrase):
    with pytest.raises(Refused, match="passphrase is wrong"):
        unlock(WORDS_FILE, passphrase)


def test_passphrases_are_the_same_however_they_are_typed():
    composed, decomposed, wide = "Zürich 1848", "Zu\u0308rich 1848", "Zürich １８４８"
    locked = lock(SECRET, composed, "words", N)
    assert unlock(locked, decomposed) == unlock(locked, wide) == ("words", SECRET)


@pytest.mark.parametrize("passphrase", ["", "short", "1234567"])
def test_short_passphrases_are_refused(passphrase):
    with pytest.raises(InvalidInput, match="at least 8"):
        lock(SECRET, passphrase, "words", N)
    assert lock(SECRET, "12345678", "words", N)


@pytest.mark.parametrize("passphrase", ["x" * 2000, "\ud800" * 8])
def test_unusable_passphrases_are_refused(passphrase):
    with pytest.raises(InvalidInput):
        lock(SECRET, passphrase, "words", N)
    with pytest.raises(InvalidInput):
        unlock(WORDS_FILE, passphrase)


@pytest.mark.parametrize("secret", [b"", bytes(16), bytes(32), bytes(33), ORDER.to_bytes(32), "x" * 32, None])
def test_only_usable_secrets_are_locked(secret):
    with pytest.raises(InvalidInput, match="32 bytes"):
        lock(secret, PASSPHRASE, "words", N)


@pytest.mark.parametrize("n", [0, 1, 2**11, 2**12 + 1, 2**21, 4096.0, True, None])
def test_only_sensible_costs_are_locked_with(n):
    with pytest.raises(InvalidInput, match="power of two"):
        lock(SECRET, PASSPHRASE, "words", n)


def test_only_two_kinds_are_locked():
    with pytest.raises(InvalidInput, match="kind"):
        lock(SECRET, PASSPHRASE, "seed", N)


# ------------------------------------------------------------------------------- files from anywhere


def changed(path, value, file=KEY_FILE):
    """A copy of a keystore with one thing changed; Ellipsis takes it out."""
    file = copy.deepcopy(file)
    *parents, name = path.split(".")
    inner = file
    for parent in parents:
        inner = inner[parent]
    if value is ...:
        del inner[name]
    else:
        inner[name] = value
    return file


PBKDF2 = {"c": 1000, "dklen": 32, "prf": "hmac-sha256", "salt": "00" * 16}

MALFORMED = [
    ("version", 4), ("version", "3"), ("version", 3.0), ("version", ...),
    ("crypto", ...), ("crypto", []), ("address", ...), ("address", "00" * 19), ("address", "00" * 20),
    ("volens", "words"), ("volens", {"kind": "words"}), ("volens", {"kind": "other"}), ("volens", {}),
    ("crypto.cipher", "aes-256-ctr"), ("crypto.cipher", ...),
    ("crypto.cipherparams", ...), ("crypto.cipherparams.iv", "00" * 15), ("crypto.cipherparams.iv", "zz" * 16),
    ("crypto.ciphertext", ""), ("crypto.ciphertext", "00" * 31), ("crypto.ciphertext", "00" * 10_000),
    ("crypto.ciphertext", 7), ("crypto.mac", "00" * 31), ("crypto.mac", ...),
    ("crypto.kdf", "argon2id"), ("crypto.kdf", ...), ("crypto.kdf", ["scrypt"]), ("crypto.kdfparams", ...),
    ("crypto.kdfparams.dklen", 64), ("crypto.kdfparams.dklen", ...),
    ("crypto.kdfparams.salt", ""), ("crypto.kdfparams.salt", "00" * 65), ("crypto.kdfparams.salt", None),
    ("crypto.kdfparams.n", 2**21), ("crypto.kdfparams.n", 2**62), ("crypto.kdfparams.n", 4097),
    ("crypto.kdfparams.n", 1), ("crypto.kdfparams.n", 0), ("crypto.kdfparams.n", -4096),
    ("crypto.kdfparams.n", "4096"), ("crypto.kdfparams.n", True), ("crypto.kdfparams.n", 4096.0),
    ("crypto.kdfparams.r", 9), ("crypto.kdfparams.r", 0), ("crypto.kdfparams.r", 2**30),
    ("crypto.kdfparams.p", 9), ("crypto.kdfparams.p", 0), ("crypto.kdfparams.p", 2**30),
    ("crypto.kdfparams.p", True), ("crypto.kdfparams.p", 1.0),
    ("crypto.kdfparams", {"n": 2**20, "r": 8, "p": 2, "dklen": 32, "salt": "00" * 16}),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), MALFORMED, ids=lambda part: str(part)[:40])
def test_a_malformed_or_greedy_keystore_is_refused_before_any_work(path, value, monkeypatch):
    if (path, value) != ("address", "00" * 20):
        monkeypatch.setattr(keystore, "decode_keyfile_json", lambda *_: pytest.fail("work was done"))
    with pytest.raises(InvalidFile):
        unlock(changed(path, value), PASSPHRASE)


@pytest.mark.parametrize("params", [{"c": 10**9}, {"c": 0}, {"prf": "hmac-md5"}, {"dklen": 16}, {"c": "1000"}])
def test_a_greedy_pbkdf2_is_refused_before_any_work(params, monkeypatch):
    monkeypatch.setattr(keystore, "decode_keyfile_json", lambda *_: pytest.fail("work was done"))
    file = changed("crypto.kdf", "pbkdf2")
    with pytest.raises(InvalidFile):
        unlock(changed("crypto.kdfparams", {**PBKDF2, **params}, file), PASSPHRASE)


@pytest.mark.parametrize("value", [None, [], "{}", 3, {}, {"version": 3, "Version": 3}])
def test_what_is_no_keystore_is_refused(value):
    with pytest.raises(InvalidFile):
        unlock(value, PASSPHRASE)


def test_names_that_differ_in_case_only_are_refused():
    file = changed("crypto.KDF", "scrypt")
    with pytest.raises(InvalidFile, match="twice"):
        unlock(file, PASSPHRASE)


def test_words_cannot_be_passed_off_as_a_key():
    """The kind is outside the MAC; only who knows the secret can write the address a key needs."""
    stripped = changed("volens", ..., WORDS_FILE)
    with pytest.raises(InvalidFile, match="address"):
        unlock(stripped, PASSPHRASE)
    with pytest.raises(InvalidFile, match="not that of its key"):
        unlock({**stripped, "address": "00" * 20}, PASSPHRASE)


def test_a_changed_secret_is_refused():
    ciphertext = bytearray.fromhex(KEY_FILE["crypto"]["ciphertext"])
    ciphertext[0] ^= 1
    with pytest.raises(Refused):
        unlock(changed("crypto.ciphertext", ciphertext.hex()), PASSPHRASE)


def test_a_keystore_of_nothing_usable_is_refused(monkeypatch):
    monkeypatch.setattr(keystore, "decode_keyfile_json", lambda *_: bytes(32))
    with pytest.raises(InvalidFile, match="usable secret"):
        unlock(WORDS_FILE, PASSPHRASE)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.sampled_from([path for path, _ in MALFORMED]), JSON)
def test_nothing_else_is_ever_raised(path, value):
    file = changed(path, value)
    started = time.monotonic()
    with contextlib.suppress(InvalidFile, Refused):
        unlock(file, PASSPHRASE)
    assert time.monotonic() - started < 5


# ------------------------------------------------------------------------------------------- the file


def test_the_file_is_private_and_whole(tmp_path):
    previous = os.umask(0)
    try:
        write_private(tmp_path / "wallet.json", "{}ü\n")
    finally:
        os.umask(previous)
    path = tmp_path / "wallet.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == "{}ü\n".encode()
    assert [entry.name for entry in tmp_path.iterdir()] == ["wallet.json"]


def test_a_file_is_not_overwritten_unless_told(tmp_path):
    path = tmp_path / "wallet.json"
    write_private(path, "one")
    with pytest.raises(Conflict, match="already"):
        write_private(str(path), "two")
    assert path.read_text() == "one"
    write_private(path, "two", overwrite=True)
    assert path.read_text() == "two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["wallet.json"]


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "target").write_text("safe")
    (tmp_path / "wallet.json").symlink_to(tmp_path / "target")
    with pytest.raises(Conflict):
        write_private(tmp_path / "wallet.json", "secret")
    write_private(tmp_path / "wallet.json", "secret", overwrite=True)
    assert (tmp_path / "target").read_text() == "safe"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, step):
    path = tmp_path / "wallet.json"
    write_private(path, "old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keystore.os, step, fail)
    with pytest.raises(OSError, match="No space"):
        write_private(path, "new", overwrite=True)
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["wallet.json"]


def test_it_is_on_disk_before_it_is_in_place(tmp_path, monkeypatch):
    order = []
    for step in ("fsync", "link"):
        real = getattr(os, step)
        monkeypatch.setattr(keystore.os, step, lambda *a, step=step, real=real: (order.append(step), real(*a))[1])
    write_private(tmp_path / "wallet.json", "x")
    assert order == ["fsync", "link", "fsync"]


VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "keystore.json").read_text())


@pytest.mark.parametrize(
    "case", [*VECTORS["python"], *VECTORS["page"]], ids=lambda case: f"{case['by']}-{case['kind']}"
)
def test_the_shared_files_open_here(case):
    assert unlock(case["file"], VECTORS["passphrase"]) == (case["kind"], bytes.fromhex(VECTORS["secret"]))


@pytest.mark.parametrize("case", VECTORS["page"], ids=lambda case: case["kind"])
def test_what_the_page_writes_opens_in_eth_account(case):
    nfkd = unicodedata.normalize("NFKD", VECTORS["passphrase"])
    assert bytes(Account.decrypt(json.dumps(case["file"]), nfkd)).hex() == VECTORS["secret"]


@pytest.mark.parametrize("change", VECTORS["refused"], ids=lambda change: change["why"])
def test_the_shared_refusals_are_refused_here(change):
    file = copy.deepcopy(VECTORS["python"][0]["file"])
    at = file
    for name in change["path"][:-1]:
        at = at[name]
    at[change["path"][-1]] = change["value"]
    with pytest.raises(InvalidFile):
        unlock(file, VECTORS["passphrase"])
