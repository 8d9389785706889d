"""volens wallet: pausing a case, ending it for ever, naming people who help, and taking everything along."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scripts.commands.wallets import DEFAULT_FOLDER, Folder, Yes, confirm, end_of, find_case, open_patient, report
from scripts.console import DEFAULT_URL, Json, PassphraseFile, Url, command, out, passphrase, shortened, show, table

app = typer.Typer()
Named = Annotated[str, typer.Argument(metavar="CASE", help="The case: its title, its record or who you are in it.")]
Helper = Annotated[str, typer.Argument(metavar="ADDRESS", help="The person's address, as her own wallet shows it.")]
Wait = Annotated[bool, typer.Option(help="Wait until it is recorded.")]


@command(app)
def suspend(
    case: Named,
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    wait: Wait = True,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Pause everything in a case. Every question is answered with no until you resume it."""
    patient = open_patient(wallet, passphrase_file, url)
    found = find_case(patient.book, case)
    confirm(f"Pause everything in “{found.title}”?", yes)
    report(patient, url, [patient.suspend(found, True)], ("recorded", "final") if wait else (), as_json)


@command(app)
def resume(
    case: Named,
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    wait: Wait = True,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Go on with a paused case. What you had allowed before is allowed again."""
    patient = open_patient(wallet, passphrase_file, url)
    found = find_case(patient.book, case)
    confirm(f"Go on with “{found.title}”? What you had allowed there is allowed again.", yes)
    report(patient, url, [patient.suspend(found, False)], ("final",) if wait else (), as_json)


@command(app)
def close(
    case: Named,
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    wait: Wait = True,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """End a case for ever. Nothing can be allowed in it again, not even by you; this cannot be undone."""
    patient = open_patient(wallet, passphrase_file, url)
    found = find_case(patient.book, case)
    confirm(f"End “{found.title}” for ever? This cannot be undone.", yes)
    report(patient, url, [patient.close(found)], ("recorded", "final") if wait else (), as_json)


@command(app)
def delegate(
    case: Named,
    person: Helper,
    until: Annotated[str, typer.Option(help="The last day on which the person may act: YYYY-MM-DD, in UTC.")],
    may_agree: Annotated[
        bool,
        typer.Option(
            "--may-agree",
            help="She may also agree in your place, with software of her own: the page lets her only stop and pause.",
        ),
    ] = False,
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    wait: Wait = True,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Name a person who may take consent back in your place, in one case and until a day you choose."""
    from ledger.model import RIGHT_GRANT, RIGHT_REVOKE, address

    ending, helper = end_of(until), address(person, "address")
    patient = open_patient(wallet, passphrase_file, url)
    found = find_case(patient.book, case)
    may = "take consent back and agree in your place" if may_agree else "take consent back in your place"
    confirm(f"In “{found.title}”, {helper} may {may}, until the end of {until} (UTC)?", yes)
    relay = patient.delegate(found, helper, RIGHT_REVOKE | (RIGHT_GRANT if may_agree else 0), ending)
    report(patient, url, [relay], ("final",) if wait else (), as_json)


@command(app)
def undelegate(
    case: Named,
    person: Helper,
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    wait: Wait = True,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """End what a person may do in your place, before its day."""
    from ledger.model import address

    helper = address(person, "address")
    patient = open_patient(wallet, passphrase_file, url)
    found = find_case(patient.book, case)
    confirm(f"In “{found.title}”, may {helper} no longer act in your place?", yes)
    report(patient, url, [patient.delegate(found, helper, 0, 0)], ("final",) if wait else (), as_json)


@command(app)
def delegates(wallet: Folder = DEFAULT_FOLDER, passphrase_file: PassphraseFile = None, as_json: Json = False) -> None:
    """Whom you named, in which case and until when, as this wallet sent it. Needs no network."""
    from ledger.model import RIGHT_GRANT, Delegation
    from wallet.book import Book

    book = Book.open(wallet, passphrase(passphrase_file))
    titles = {case.subject: case.title for case in book.cases}
    last: dict[tuple[str, str], Delegation] = {}
    for entry in book.handed:
        message = entry.sent.message
        if isinstance(message, Delegation):
            key = (message.subject, message.delegate)
            last[key] = max(last.get(key, message), message, key=lambda one: one.at)
    named = [one for one in last.values() if one.rights and one.valid_until > time.time()]
    value = [one.to_json() | {"title": titles.get(one.subject, "")} for one in named]

    def human() -> None:
        if not named:
            out.print("You have named nobody.")
            return
        rows = [
            (
                shortened(titles.get(one.subject, one.subject)),
                one.delegate,
                "take back, agree" if one.rights & RIGHT_GRANT else "take back",
                datetime.fromtimestamp(one.valid_until - 1, UTC).date().isoformat(),
            )
            for one in named
        ]
        table(("case", "who", "may", "until"), rows)

    show(value, as_json, human)


@command(app)
def export(
    file: Annotated[Path, typer.Option("--out", help="Where to write it; never over another file.")],
    wallet: Folder = DEFAULT_FOLDER,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Write everything this wallet holds into one file that is not locked: all but your key. Needs no network."""
    from ledger.documents import canonical
    from wallet.book import Book
    from wallet.keystore import write_private

    book = Book.open(wallet, passphrase(passphrase_file))
    held = {"v": 1, "exportedAt": int(time.time()), **book.to_json()}
    write_private(file, canonical(held))
    counts = {"cases": len(book.cases), "grants": sum(len(c.grants) for c in book.cases), "receipts": len(book.handed)}

    def human() -> None:
        out.print(f"wrote {file}: {', '.join(f'{number} {name}' for name, number in counts.items())}")
        out.print("It is not locked: keep it where only you can read it. Your key is not in it.")

    show({"file": str(file), **counts}, as_json, human)
