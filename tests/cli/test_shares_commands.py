"""`volens wallet shares`: a wallet handed out to guardians comes back from enough of them, with the same keys."""

import json
import stat

from cli.running import PASSPHRASE
from wallet.book import Book


def test_a_wallet_comes_back_from_enough_shares(volens, wallet, passphrase_file, tmp_path):
    opening = ("--passphrase-file", passphrase_file)
    made = volens(
        "wallet",
        "shares",
        "make",
        "--needed",
        "2",
        "--count",
        "3",
        "--wallet",
        wallet,
        "--out",
        "given",
        *opening,
        "--json",
    )
    assert made.json == {"needed": 2, "count": 3, "folder": "given"}
    files = sorted((tmp_path / "given").iterdir())
    assert [file.name for file in files] == [f"share-{n}-of-3.txt" for n in (1, 2, 3)]
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert not any(file.read_text() in made.out for file in files)

    too_few = volens("wallet", "shares", "restore", files[0], "--wallet", "back", *opening)
    assert (too_few.code, "2 different shares are needed" in too_few.err) == (2, True)
    assert not (tmp_path / "back").exists()
    assert volens("wallet", "shares", "restore", files[2], files[0], "--wallet", "back", *opening).code == 0
    before, after = Book.open(wallet, PASSPHRASE), Book.open(tmp_path / "back", PASSPHRASE)
    assert before.at(0).address == after.at(0).address
    assert after.to_restore, "which cases there are is not known until they are looked for"
    again = volens("wallet", "shares", "restore", *files, "--wallet", "back", *opening)
    assert again.code == 3


def test_shares_are_shown_when_no_folder_is_named_and_a_wrong_passphrase_shows_none(
    volens, wallet, passphrase_file, tmp_path
):
    numbers = ("--needed", "2", "--count", "2", "--wallet", wallet)
    shown = volens("wallet", "shares", "make", *numbers, "--passphrase-file", passphrase_file)
    assert shown.code == 0
    listed = volens("wallet", "shares", "make", *numbers, "--passphrase-file", passphrase_file, "--json").json
    assert [len(share.split()) for share in listed["shares"]] == [33, 33]
    (tmp_path / "wrong").write_text("another passphrase\n")
    refused = volens("wallet", "shares", "make", *numbers, "--passphrase-file", "wrong", "--json")
    assert refused.code == 3
    assert json.loads(refused.out)["error"] == "refused"
    assert volens("wallet", "shares", "restore", "nowhere.txt", "--passphrase-file", passphrase_file).code == 2
