"""volens wallet shares: the wallet's words split among guardians, and put together again."""

from pathlib import Path
from typing import Annotated

import typer

from scripts.commands.wallets import DEFAULT_FOLDER, Folder
from scripts.console import Json, PassphraseFile, command, out, passphrase, show

app = typer.Typer(no_args_is_help=True)


@command(app)
def make(
    needed: Annotated[int, typer.Option(help="How many shares give the words back.")],
    count: Annotated[int, typer.Option(help="How many shares there are, one for each guardian.")],
    folder: Annotated[
        Path | None, typer.Option("--out", help="Write each into a file of its own in this folder; show none.")
    ] = None,
    wallet: Folder = DEFAULT_FOLDER,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Split your words among people you trust (SLIP-39). Fewer shares than needed say nothing about them."""
    from wallet.book import Book
    from wallet.keystore import write_private
    from wallet.shares import make as split

    shares = split(Book.entropy(wallet, passphrase(passphrase_file)), needed, count)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for number, share in enumerate(shares, 1):
            write_private(folder / f"share-{number}-of-{count}.txt", share + "\n")

    def human() -> None:
        out.print(f"{count} shares. Any {needed} of them are you: give each to somebody else, and keep none here.\n")
        for number, share in enumerate(shares, 1):
            file = f"share-{number}-of-{count}.txt"
            out.print(f"{number}. {share}\n" if folder is None else f"wrote {folder / file}")

    shown = {"shares": list(shares)} if folder is None else {"folder": str(folder)}
    show({"needed": needed, "count": count} | shown, as_json, human)


@command(app)
def restore(
    files: Annotated[list[Path], typer.Argument(help="Files with one share each.")],
    wallet: Folder = DEFAULT_FOLDER,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Make the wallet again from enough of its shares. Then `volens wallet restore` finds your cases."""
    from ledger.errors import InvalidInput
    from wallet.book import Book
    from wallet.keys import entropy_to_words
    from wallet.shares import restore as join

    try:
        shares = [path.read_text() for path in files]
    except (OSError, UnicodeDecodeError):
        raise InvalidInput("A file with a share cannot be read.") from None
    words = entropy_to_words(join(shares))
    Book.create(wallet, words, passphrase(passphrase_file, confirm=True), again=True)
    show({"wallet": str(wallet)}, as_json, lambda: out.print(f"wallet {wallet}"))
