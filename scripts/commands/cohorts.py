"""volens cohort: signed consents of many patients, recorded together."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.console import (
    DEFAULT_URL,
    Json,
    KeyFile,
    PassphraseFile,
    Url,
    command,
    connect,
    load_keys,
    out,
    show,
    table,
)

app = typer.Typer(no_args_is_help=True)


@command(app)
def submit(
    files: Annotated[
        list[Path], typer.Argument(help="Signed consents, one a file, as `volens wallet grant --out` writes.")
    ],
    key: KeyFile,
    folder: Annotated[
        Path | None, typer.Option("--receipts", help="Write each receipt into a file in this folder, to pass on.")
    ] = None,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Have signed consents of many patients recorded by one transaction. All of them are taken, or none."""
    from client.http import part, reading
    from client.institution import Institution
    from ledger.documents import canonical

    signed = [_read(path) for path in files]
    found = Institution(connect(url), load_keys(key, passphrase_file)).record_together(signed)
    with reading():
        receipts = {part(entry["id"]): canonical(entry["receipt"]) for entry in found["consents"]}
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, receipt in receipts.items():
            (folder / f"{name}.receipt.json").write_bytes(receipt)
    _show(found, as_json)


@command(app, name="show")
def show_one(
    root: Annotated[str, typer.Argument(help="The root, as `volens cohort submit` says it.")],
    key: KeyFile,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """How far consents that were handed in together are, and which of them failed."""
    from client.institution import Institution
    from ledger.model import hash32

    name = hash32(root, "root")
    _show(Institution(connect(url), load_keys(key, passphrase_file)).cohort(name), as_json)


def _read(path: Path) -> Any:
    from ledger.errors import InvalidFile
    from ledger.signed_message import SignedMessage

    try:
        return SignedMessage.from_file(path.read_bytes())
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror}.") from None
    except InvalidFile as error:
        raise InvalidFile(f"{path}: {error}") from None


def _show(found: dict[str, Any], as_json: bool) -> None:
    from client.http import reading

    with reading():
        counts = Counter(str(entry["status"]) for entry in found["consents"])
        head = f"root {found['root']}, over {found['size']} grants"
        failed = [(e["receipt"]["receipt"]["subject"], e["problem"]) for e in found["consents"] if e["problem"]]

    def human() -> None:
        out.print(head)
        out.print(", ".join(f"{count} {status}" for status, count in sorted(counts.items())))
        if failed:
            table(("subject", "problem"), failed)

    show(found, as_json, human)
