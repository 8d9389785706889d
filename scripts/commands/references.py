"""volens reference: the short code that names a record and a recipient to the outside."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from scripts.console import DEFAULT_URL, Json, KeyFile, PassphraseFile, Url, command, connect, load_keys, out, show

app = typer.Typer(no_args_is_help=True)
Record = Annotated[str, typer.Option(help="The record's hash.")]


@command(app)
def make(
    key: KeyFile,
    record: Record,
    recipient: Annotated[str, typer.Option(help="Whom a grant names; default: whose key it is.")] = "",
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Make the reference of a record for a recipient, or get the one that was made."""
    from client.http import reading
    from ledger.model import address, hash32

    client = connect(url).sign_in(load_keys(key, passphrase_file))
    body = {"recipient": address(recipient)} if recipient else {}
    made = client.post(f"/v1/records/{hash32(record.lower(), 'record')}/references", body)
    with reading():
        said = f"{made['reference']}\n{made['page']}"
    show(made, as_json, lambda: out.print(said))


@command(app, "list")
def list_(
    key: KeyFile,
    record: Record,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """The references of a record: all of them for its institution, its own for a recipient."""
    from client.http import reading
    from ledger.model import hash32

    client = connect(url).sign_in(load_keys(key, passphrase_file))
    made = client.get(f"/v1/records/{hash32(record.lower(), 'record')}/references")
    with reading():
        lines = [f"{one['reference']}  {one['recipient']}" for one in made]
    show(made, as_json, lambda: out.print("\n".join(lines)))


@command(app)
def look(
    reference: Annotated[str, typer.Argument(help="The code, as it is printed.")],
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """What a reference allows right now. Needs no key. Exit code 0: something; 3: nothing."""
    from client.http import part, reading
    from ledger.errors import InvalidInput, NotAuthorised
    from ledger.references import read_reference, written

    code = read_reference(reference)
    if code is None:
        raise InvalidInput("This cannot be a reference. It has twenty letters and digits, in four groups.")
    said = connect(url).get(f"/v1/verify/{part(written(code))}")
    with reading():
        who, uses = said["recipientName"] or "The recipient", [_line(one) for one in said["uses"]]

    def human() -> None:
        from rich.text import Text

        if not uses:
            out.print(Text("✗ no", "red"), "There is no consent in force.")
            return
        out.print(Text("✓ yes", "green"), Text(f"{who} may use, now:"))
        for use in uses:
            out.print(Text(f"  {use}"))

    show(said, as_json, human)
    if not uses:
        raise typer.Exit(NotAuthorised.exit_code)


def _line(one: dict[str, Any]) -> str:
    parts = "the whole case" if one["items"] == one["itemsOf"] else f"{one['items']} of {one['itemsOf']} parts"
    end = datetime.fromtimestamp(one["until"], UTC)
    return f"{parts}, {one['channelText']}, only for {one['purposeText']}, until {end:%Y-%m-%d %H:%M} UTC"
