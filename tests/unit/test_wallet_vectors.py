"""What the page wrote opens in the Python wallet, and what only the page keeps is not lost there."""

import json
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from wallet.book import BOOK, Book
from wallet.keys import PatientKeys

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "wallet.json").read_text())
KEYS = PatientKeys.from_words(VECTORS["words"])
CONTEXT = b"volens/wallet-book/v1"


def contents(sealed):
    return json.loads(AESGCM(KEYS.vault_key().reveal()).decrypt(sealed[:12], sealed[12:], CONTEXT))


def test_the_page_writes_the_book_that_python_wrote():
    written, rewritten = (contents(bytes.fromhex(VECTORS["books"][by])) for by in ("python", "page"))
    assert {name: rewritten[name] for name in written} == written


def test_what_only_the_page_keeps_survives_a_change_here(tmp_path):
    sealed = bytes.fromhex(VECTORS["books"]["page"])
    waiting = [json.loads(VECTORS["signed"][1]["file"])]
    nonce = bytes(12)
    plain = json.dumps(contents(sealed) | {"waiting": waiting}).encode()
    (tmp_path / BOOK).write_bytes(nonce + AESGCM(KEYS.vault_key().reveal()).encrypt(nonce, plain, CONTEXT))
    book = Book(tmp_path, KEYS)
    assert [case.subject for case in book.cases] == [VECTORS["subject"], KEYS.subject(7).address]
    with book.change():
        book.used = 9
    kept = contents((tmp_path / BOOK).read_bytes())
    assert kept["used"] == 9
    assert kept["waiting"] == waiting
