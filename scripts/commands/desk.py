"""volens desk: a clinic's desk, where a patient is given her key."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from scripts.console import Json, PassphraseFile, command, out, show

app = typer.Typer(no_args_is_help=True)


@app.callback()
def desk() -> None:
    """Where a patient is given her key."""


@command(app)
def issue(
    folder: Annotated[Path, typer.Option("--out", help="Folder for the key file and the sheet; made if not there.")],
    language: Annotated[str, typer.Option(help="Language of the sheet: en, de or es.")] = "en",
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Make a patient's key without a network: an encrypted key file, and a sheet with her words to print.

    She types the passphrase herself. Print the sheet, give her both, and delete both: nothing else has been kept.
    """
    made = _run(folder, language, passphrase_file)

    def human() -> None:
        out.print(f"key file  {made['keystore']}")
        out.print(f"sheet     {made['sheet']}")
        out.print("\nPrint the sheet, give her both files, and delete them here. Whoever has the sheet is she.")

    show(made, as_json, human)


def _run(folder: Path, language: str, passphrase_file: Path | None) -> dict[str, str]:
    """Let a process of its own do it. The passphrase goes there without passing through this one."""
    from contextlib import ExitStack

    from ledger.errors import InvalidInput, Refused
    from wallet.desk import ERRORS

    with ExitStack() as closing:
        given = None
        if passphrase_file is not None:
            try:
                given = closing.enter_context(passphrase_file.open("rb"))
            except OSError:
                raise InvalidInput(f"The passphrase file {passphrase_file} cannot be read.") from None
        elif not sys.stdin.isatty():
            raise InvalidInput("There is nobody to ask for the passphrase. Give --passphrase-file.")
        # Nothing else that is open here goes along; -I, so that no settings and no folder change what it runs.
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-I", "-m", "wallet.desk", str(folder), language],
            stdin=given,
            capture_output=True,
            check=False,
        )
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        if done.returncode == 130:
            raise KeyboardInterrupt from None
        raise Refused(
            f"Making the key ended too soon ({done.returncode}). Delete what it left in {folder} and begin again."
        ) from None
    if "error" in answer:
        raise ERRORS[answer["error"]](answer["message"])
    return dict(answer)
