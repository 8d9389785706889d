"""volens verify, release, bundle: what publishers and researchers do."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scripts.console import DEFAULT_URL, Json, KeyFile, PassphraseFile, Url, command, connect, load_keys, out, show

Record = Annotated[str, typer.Option(help="The record's hash.")]
Purpose = Annotated[str, typer.Option(help="Why, for example case-report or DUO:0000006.")]
Channel = Annotated[str, typer.Option(help="Where, for example journal; empty for research.")]
Items = Annotated[list[str], typer.Option("--item", help="Name of an item; may be repeated.")]


def add_to(app: typer.Typer) -> None:
    """Put the commands into the root command."""
    for function in (verify, release, bundle):
        command(app)(function)


def verify(
    key: KeyFile,
    record: Annotated[str, typer.Option(help="The record's hash, or a reference that names it.")],
    purpose: Purpose,
    channel: Channel = "",
    item: Items = [],  # noqa: B006 (typer reads it)
    file: Annotated[list[Path], typer.Option(help="A file to check against the consent; may be repeated.")] = [],  # noqa: B006
    action: Annotated[str, typer.Option(help="publish, use, view or release.")] = "publish",
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Ask whether a use is authorised right now. Exit code 0: yes; 3: no."""
    from rich.text import Text

    from client.recipient import Recipient
    from ledger.errors import InvalidFile, NotAuthorised
    from ledger.model import hash32
    from ledger.references import read_reference
    from ledger.vocabulary import channel as known_channel
    from ledger.vocabulary import purpose as known_purpose

    known_purpose(purpose)
    if channel:
        known_channel(channel)
    try:
        files = {path.name: path.read_bytes() for path in file}
    except OSError as error:
        raise InvalidFile(f"{error.filename} cannot be read: {error.strerror}.") from None
    if empty := [name for name, content in files.items() if not content]:
        raise InvalidFile(f"{empty[0]} is empty.")
    recipient = Recipient(connect(url), load_keys(key, passphrase_file))
    named = record if read_reference(record) else hash32(record.lower(), "record")
    answer = recipient.ask(named, purpose, channel, item, files, action)
    value = {
        "decision": answer.permitted,
        "reason": answer.reason,
        "evaluation": answer.evaluation,
        "block": answer.block,
        "until": answer.until,
        "token": answer.token,
    }

    def human() -> None:
        said = Text("✓ yes", "green") if answer.permitted else Text("✗ no", "red")
        out.print(said, answer.reason_user)
        if answer.until:
            end = datetime.fromtimestamp(answer.until, UTC).strftime("%Y-%m-%d %H:%M UTC")
            out.print(f"until {end} at the latest: ask again at each use")
        out.print(f"reason {answer.reason}, block {answer.block}, evaluation {answer.evaluation}")

    show(value, as_json, human)
    if not answer.permitted:
        raise typer.Exit(NotAuthorised.exit_code)


def release(
    key: KeyFile,
    record: Record,
    purpose: Purpose,
    item: Items,
    folder: Annotated[Path, typer.Option("--out", help="Folder for the opened files.")],
    channel: Channel = "",
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Ask for the keys of items, fetch and open them, and check them against the record."""
    from client.recipient import Recipient
    from ledger.model import hash32

    recipient = Recipient(connect(url), load_keys(key, passphrase_file))
    paths = recipient.release(recipient.request(hash32(record.lower(), "record"), item, purpose, channel), folder)
    show([str(path) for path in paths], as_json, lambda: out.print("\n".join(f"opened {path}" for path in paths)))


def bundle(
    evaluation: Annotated[str, typer.Argument(help="The evaluation that `volens verify` named.")],
    key: KeyFile,
    output: Annotated[Path, typer.Option("--out", help="Where to write the bundle.")],
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Fetch the evidence of a decision, to be kept and verified offline."""
    import json

    from client.http import reading
    from client.recipient import Recipient

    data = Recipient(connect(url), load_keys(key, passphrase_file)).bundle(evaluation)
    with reading():
        block = json.loads(data)["block"]
        value = {"file": str(output), "block": block["number"], "hash": block["hash"]}
    output.write_bytes(data)
    show(value, as_json, lambda: out.print(f"{output}: evidence as of block {block['number']} ({block['hash']})"))
