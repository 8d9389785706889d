"""The source of tests/vectors/keystore.json: keystore files that Python and the page must open alike.

Files are drawn at random, so they are recorded once and kept while they still open; `page` holds those the page's own
code wrote, under Node. Delete the file to record anew.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_keyfile.keyfile import create_keyfile_json

from ledger.errors import VolensError
from wallet.keystore import lock, unlock

_ROOT = Path(__file__).resolve().parents[2]
_FILE = _ROOT / "tests" / "vectors" / "keystore.json"
_SECRET = bytes(range(1, 33))
_PASSPHRASE = "Zürich ﬁsh 42"  # noqa: S105  # known to everybody; its NFKD form has other bytes
_COST = 2**12
_PAGE = """
import { lockFile } from "./wallet/web/src/core/web3_keystore.ts";
const [secret, passphrase, kind, cost] = process.argv.slice(1);
const bytes = Uint8Array.from(Buffer.from(secret, "hex"));
console.log(JSON.stringify(await lockFile(bytes, passphrase, kind, Number(cost))));
"""

# Changes to the first file that make it one to refuse.
_REFUSED = [
    {"path": ["version"], "value": 1, "why": "version 1"},
    {"path": ["volens", "kind"], "value": "pin", "why": "an unknown kind"},
    {"path": ["volens", "kind"], "value": "key", "why": "words that claim to be an account"},
    {"path": ["address"], "value": "00" * 20, "why": "words with an address"},
    {"path": ["crypto", "cipher"], "value": "aes-128-cbc", "why": "another cipher"},
    {"path": ["crypto", "cipherparams", "iv"], "value": "00" * 15, "why": "a short iv"},
    {"path": ["crypto", "ciphertext"], "value": "00" * 31, "why": "a short secret"},
    {"path": ["crypto", "mac"], "value": "zz" * 32, "why": "a mac that is no hexadecimal"},
    {"path": ["crypto", "kdf"], "value": "argon2id", "why": "another kdf"},
    {"path": ["crypto", "kdf"], "value": "pbkdf2", "why": "pbkdf2 with scrypt's parameters"},
    {"path": ["crypto", "kdfparams", "n"], "value": 2**30, "why": "a bomb of memory"},
    {"path": ["crypto", "kdfparams", "n"], "value": 4095, "why": "n that is no power of two"},
    {"path": ["crypto", "kdfparams", "n"], "value": 1, "why": "n of 1"},
    {"path": ["crypto", "kdfparams", "p"], "value": 2**30, "why": "a bomb of time"},
    {"path": ["crypto", "kdfparams", "r"], "value": "8", "why": "a number as text"},
    {
        "path": ["crypto", "kdfparams"],
        "value": {"dklen": 32, "n": 2**19, "r": 8, "p": 8, "salt": "00"},
        "why": "numbers that are small and a product that is not",
    },
    {"path": ["crypto", "kdfparams", "dklen"], "value": 64, "why": "a longer derived key"},
    {"path": ["crypto", "kdfparams", "salt"], "value": "00" * 65, "why": "a very long salt"},
    {"path": ["Version"], "value": 3, "why": "a name twice"},
]


def vectors() -> object:
    """The content of the file."""
    recorded: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8")) if _FILE.exists() else {}
    return {
        "about": "Each file opens with the passphrase and holds the secret; `refused` are changes to the first.",
        "passphrase": _PASSPHRASE,
        "secret": _SECRET.hex(),
        "address": Account.from_key(_SECRET).address,
        "python": [_kept(recorded.get("python"), n, make) for n, make in enumerate((_words, _key, _eth, _pbkdf2))],
        "page": [_kept(recorded.get("page"), n, make) for n, make in enumerate((_page_words, _page_key))],
        "refused": _REFUSED,
    }


def _kept(recorded: list[dict[str, Any]] | None, number: int, make: Any) -> dict[str, Any]:
    if recorded is not None and len(recorded) > number:
        case = recorded[number]
        try:
            if unlock(case["file"], _PASSPHRASE) == (case["kind"], _SECRET):
                return case
        except VolensError:
            pass
    made: dict[str, Any] = make()
    return made


def _words() -> dict[str, Any]:
    return {"by": "wallet.keystore", "kind": "words", "file": lock(_SECRET, _PASSPHRASE, "words", _COST)}


def _key() -> dict[str, Any]:
    return {"by": "wallet.keystore", "kind": "key", "file": lock(_SECRET, _PASSPHRASE, "key", _COST)}


def _eth() -> dict[str, Any]:
    nfkd = "Zu\u0308rich fish 42"
    return {"by": "eth_account", "kind": "key", "file": Account.encrypt(_SECRET, nfkd, "scrypt", _COST)}


def _pbkdf2() -> dict[str, Any]:
    file = create_keyfile_json(_SECRET, "Zu\u0308rich fish 42".encode(), kdf="pbkdf2", iterations=1000)
    return {"by": "eth_keyfile", "kind": "key", "file": {"Crypto" if k == "crypto" else k: v for k, v in file.items()}}


def _page(kind: str) -> dict[str, Any]:
    command = ["node", "--input-type=module", "-e", _PAGE, _SECRET.hex(), _PASSPHRASE, kind, str(_COST)]
    done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)  # noqa: S603
    return {"by": "wallet/web", "kind": kind, "file": json.loads(done.stdout)}


def _page_words() -> dict[str, Any]:
    return _page("words")


def _page_key() -> dict[str, Any]:
    return _page("key")
