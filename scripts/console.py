"""What all commands share: options, output for people or programs, and errors as sentences with an exit code."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from contextvars import ContextVar
from errno import EPIPE
from functools import wraps
from inspect import Parameter, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from client.http import Client, read_deployment
from ledger.deployment import Deployment
from ledger.errors import InvalidFile, InvalidInput, LedgerUnavailable, NotAuthorised, VolensError

if TYPE_CHECKING:
    from api.settings import Settings
    from wallet.keys import PartyKeys

# Without markup: names, titles and paths are printed as they are, whatever brackets they have.
out = Console(highlight=False, soft_wrap=True, markup=False, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Url = Annotated[str, typer.Option("--url", envvar="VOLENS_URL", help="The service.")]


def _first(value: str) -> str:
    """Of the nodes that a service reads, a command asks the first."""
    return value.split(",", maxsplit=1)[0].strip()


RpcUrl = Annotated[str, typer.Option("--rpc-url", envvar="VOLENS_RPC_URL", callback=_first, help="An Ethereum node.")]
Facts = Annotated[
    Path, typer.Option("--deployment", envvar="VOLENS_DEPLOYMENT_FILE", help="The file of deployment facts.")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", envvar="VOLENS_PASSPHRASE_FILE", help="File with the passphrase; else asked."),
]
KeyFile = Annotated[Path, typer.Option("--key", envvar="VOLENS_KEY", help="The keystore made by `volens party new`.")]
HASH = 66
"""Characters of a hash."""
DEFAULT_URL = "http://127.0.0.1:8380"
DEFAULT_RPC = "http://127.0.0.1:8545"
DEFAULT_FACTS = Path(".volens/deployment.json")

Field = Annotated[
    str, typer.Option("--field", metavar="<name>", help="Print one value of the JSON only, for example grants.0.")
]

F = TypeVar("F", bound=Callable[..., Any])
_field: ContextVar[str] = ContextVar("field", default="")
_ending: ContextVar[ExitStack] = ContextVar("ending")


def command(app: typer.Typer, name: str | None = None, dashes: bool = False) -> Callable[[F], F]:
    """Register a command whose deliberate errors become one sentence on stderr and an exit code.

    A command that takes `--json` is given `--field` as well.

    Args:
        dashes: whether an argument may begin with a dash, as a code that a service gave out can.
    """

    def register(function: F) -> F:
        @wraps(function)
        def guarded(*arguments: Any, **options: Any) -> Any:
            if field := options.pop("field", ""):
                _field.set(field)
                options["as_json"] = True
            try:
                with ExitStack() as stack:
                    _ending.set(stack)
                    return function(*arguments, **options)
            except VolensError as error:
                fail(error, options.get("as_json", False) and not field)
            except OSError as error:
                if error.errno == EPIPE:  # whoever read our output has gone
                    raise
                what = error.filename or error.filename2 or type(error).__name__
                fail(InvalidInput(f"{what}: {error.strerror or error}."), options.get("as_json", False) and not field)
            except (KeyboardInterrupt, typer.Abort):  # at a prompt Ctrl-C is the latter
                err.print("Stopped.")
                raise typer.Exit(130) from None

        shape = signature(function)
        if "as_json" in shape.parameters:
            extra = Parameter("field", Parameter.KEYWORD_ONLY, default="", annotation=Field)
            guarded.__signature__ = shape.replace(parameters=[*shape.parameters.values(), extra])  # type: ignore[attr-defined]
        app.command(name, context_settings={"ignore_unknown_options": dashes})(guarded)
        return function

    return register


def fail(error: VolensError, as_json: bool) -> None:
    """Say what went wrong and leave with the error's exit code."""
    reason = {"reason": error.reason} if isinstance(error, NotAuthorised) else {}
    if as_json:
        print(json.dumps({"error": error.code, "message": str(error), **reason}))
    said = str(error) if str(error).endswith((".", "?", "!")) else f"{error}."
    if isinstance(error, NotAuthorised):
        said = f"{said} Reason: {error.reason}."
    if isinstance(error, LedgerUnavailable) and error.node:
        said = f"{said} It was looked for at {error.node}; --rpc-url or VOLENS_RPC_URL names another."
    err.print(Text.assemble(("✗", "red"), f" {said}"))
    raise typer.Exit(error.exit_code)


def show(value: Any, as_json: bool, human: Callable[[], None]) -> None:
    """Print JSON, or the one value that --field names, or let a function print for people."""
    if not as_json:
        human()
    elif field := _field.get():
        print(_pick(value, field))
    else:
        print(json.dumps(value, indent=1, ensure_ascii=False))


def _pick(value: Any, field: str) -> str:
    """One value out of JSON values, by a path such as ``relays.0.block``."""
    for name in field.split("."):
        try:
            value = value[int(name) if isinstance(value, list) else name]
        except (KeyError, IndexError, ValueError, TypeError):
            raise InvalidInput(f"The answer has no field “{field}”. --json shows what it has.") from None
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], title: str | None = None) -> None:
    """Print a table; on a terminal it is drawn, elsewhere tab-separated."""
    if not out.is_terminal:
        for row in (columns, *rows):
            print("\t".join(row))
        return
    drawn = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        names = any(len(row[number]) == HASH for row in rows)  # enough of a hash must be seen to name it by
        drawn.add_column(column, no_wrap=names, min_width=14 if names else None)
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    out.print(drawn)


def require_database(settings: "Settings") -> None:
    """Refuse a state folder in which no service ever ran, before anything is made or opened there.

    Raises:
        InvalidInput: there is no database in it, and none is named elsewhere.
    """
    if not settings.database_url and not (settings.state_dir / "volens.db").exists():
        raise InvalidInput(f"There is no service's database in {settings.state_dir}. Name its folder with --state.")


def shortened(title: str, most: int = 40) -> str:
    """A title for a cell of a table, up to a word's end where it has words; what was cut off is seen to be."""
    if len(title) <= most:
        return title
    whole = title[:most].rpartition(" ")[0]
    return (whole if len(whole) >= most // 2 else title[: most - 1]).rstrip() + "…"


def passphrase(file: Path | None, confirm: bool = False) -> str:
    """The passphrase from a file or, failing that, typed without echo. Never from the command line."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            raise InvalidInput(f"The passphrase file {file} cannot be read.") from None
    if not sys.stdin.isatty():
        raise InvalidInput("There is nobody to ask for the passphrase. Give --passphrase-file.")
    return str(typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True))


def load_keys(path: Path, file: Path | None) -> "PartyKeys":
    """A party's keys from its keystore.

    Raises:
        InvalidInput, InvalidFile, Refused: not there, not a party's keystore, or a wrong passphrase.
    """
    from wallet.keys import PartyKeys
    from wallet.keystore import unlock

    try:
        keystore = json.loads(path.read_text())
    except FileNotFoundError:
        raise InvalidInput(f"There is no keystore at {path}. Make one with `volens party new`.") from None
    except (OSError, ValueError, RecursionError):
        raise InvalidFile(f"{path} cannot be read as a keystore.") from None
    kind, secret = unlock(keystore, passphrase(file))
    if kind != "key":
        raise InvalidFile(f"{path} holds a patient's words, not a party's key.")
    return PartyKeys.from_secret(secret)


def load_deployment(path: Path) -> Deployment:
    """Deployment facts from a file."""
    try:
        return read_deployment(path.read_text())
    except FileNotFoundError:
        raise InvalidInput(f"There are no deployment facts at {path}. Run `volens deploy`, or name the file.") from None
    except (OSError, UnicodeDecodeError):
        raise InvalidInput(f"{path} cannot be read as deployment facts.") from None


def connect(url: str, facts: Deployment | None = None) -> Client:
    """A connection to a service, pinned to given facts, or to those in VOLENS_DEPLOYMENT_FILE if that is set.

    It is closed when the command ends.
    """
    pinned = os.environ.get("VOLENS_DEPLOYMENT_FILE")
    client = Client(url, facts or (load_deployment(Path(pinned)) if pinned else None))
    _ending.get().callback(client.close)
    return client
