"""volens wallet: the patient in a terminal."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.console import DEFAULT_URL, Json, PassphraseFile, Url, command, connect, err, out, passphrase, show, table

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Option("--wallet", envvar="VOLENS_WALLET", help="The wallet's folder.")]
DEFAULT_FOLDER = Path.home() / ".volens-wallet"
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before signing.")]


def _patient(folder: Path, file: Path | None, url: str) -> Any:
    from wallet.book import Book
    from wallet.patient import Patient

    book = Book.open(folder, passphrase(file))
    return Patient(book, connect(url))


def _confirm(question: str, yes: bool) -> None:
    from ledger.errors import InvalidInput, Refused

    if yes:
        return
    import sys

    if not sys.stdin.isatty():
        raise InvalidInput("There is nobody to ask. Read what would be signed, then give --yes.")
    if not typer.confirm(question, err=True):
        raise Refused("Nothing was signed.")


@command(app)
def new(
    wallet: Folder = DEFAULT_FOLDER,
    words_file: Annotated[Path | None, typer.Option(help="Restore from the 24 words in this file.")] = None,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Make a wallet, or restore one from its words. The words are shown once: write them down."""
    from ledger.errors import InvalidInput
    from wallet.book import Book
    from wallet.keys import check_words, new_words

    if words_file is not None:
        try:
            words = check_words(words_file.read_text())
        except (OSError, UnicodeDecodeError):
            raise InvalidInput(f"The words file {words_file} cannot be read.") from None
    else:
        words = new_words()
    Book.create(wallet, words, passphrase(passphrase_file, confirm=True), again=words_file is not None)

    def human() -> None:
        out.print(f"wallet {wallet}")
        if words_file is None:
            out.print("\nThese 24 words are your key. Write them on paper and keep it safe. Nobody can replace them,")
            out.print("and whoever has them is you.\n")
            listed = words.split()
            for row in range(0, 24, 6):
                out.print("   ".join(f"{i + 1:>2} {listed[i]:<9}" for i in range(row, row + 6)))

    show({"wallet": str(wallet), **({} if words_file else {"words": words})}, as_json, human)


@command(app, dashes=True)
def join(
    invitation: Annotated[str, typer.Argument(help="The code from your hospital.")],
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Answer an invitation with a fresh pseudonym, used for this case only."""
    patient = _patient(wallet, passphrase_file, url)
    case = patient.join(invitation)
    value = {"subject": case.subject, "title": case.title, "controller": case.controller}
    show(value, as_json, lambda: out.print(f"“{case.title}”\nYou are {case.subject} in this case."))


@command(app)
def restore(
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Find your cases again, after making the wallet anew from its words."""
    patient = _patient(wallet, passphrase_file, url)
    found = patient.restore()
    show({"found": found}, as_json, lambda: out.print(f"{found} cases found. `volens wallet show` lists them."))


@command(app, "open", dashes=True)
def open_offer(
    offer: Annotated[str, typer.Argument(help="The code of the offer.")],
    folder: Annotated[Path, typer.Option("--out", help="Folder for the opened files.")],
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """See exactly what would be shared: open the sealed files and read what you are asked."""
    patient = _patient(wallet, passphrase_file, url)
    opened = patient.offer(offer)
    paths = patient.open_items(opened, folder)

    def human() -> None:
        _print_offer(opened)
        for path in paths:
            out.print(f"opened {path}")

    value = {"title": opened.title, "controller": opened.controller, "summaries": list(opened.sentences)}
    show(value | {"files": [str(path) for path in paths]}, as_json, human)


def _print_offer(opened: Any) -> None:
    out.print(f"{opened.controller} asks you about “{opened.title}”:\n")
    for number, sentence in enumerate(opened.sentences, 1):
        out.print(f"  {number}. {sentence}\n")
    for form in opened.forms:
        out.print("What you should know:")
        for statement in form.statements:
            out.print(f"  • {statement.text['en']}")


@command(app, dashes=True)
def grant(
    offer: Annotated[str, typer.Argument(help="The code of the offer.")],
    only: Annotated[list[int] | None, typer.Option(help="Number of a sentence to agree to; may be repeated.")] = None,
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    wait: Annotated[bool, typer.Option(help="Wait until it counts: recorded, and confirmed by later blocks.")] = True,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Agree: sign what the sentences say, all of them or only some."""
    from ledger.errors import InvalidInput

    patient = _patient(wallet, passphrase_file, url)
    opened = patient.offer(offer)
    chosen = sorted({number - 1 for number in only}) if only else list(range(len(opened.grants)))
    if not all(0 <= number < len(opened.grants) for number in chosen):
        raise InvalidInput(f"The offer has the sentences 1 to {len(opened.grants)}.")
    if not as_json:
        _print_offer(opened)
    _confirm(f"Agree to {', '.join(str(number + 1) for number in chosen)}?", yes)
    relay = patient.agree(opened, chosen)
    names = [_name(opened.grants[number]) for number in chosen]
    _report(url, [relay], ("final",) if wait else (), as_json, names)


@command(app)
def revoke(
    grants: Annotated[list[str] | None, typer.Argument(help="The consents to take back.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take back everything, in every case.")] = False,
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    wait: Annotated[bool, typer.Option(help="Wait until it is recorded. It counts before that.")] = True,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Take consent back. New uses are denied at once; copies already made cannot be called back."""
    from ledger.errors import InvalidInput
    from wallet.patient import grant_name

    if bool(grants) == everything:
        raise InvalidInput("Name the consents to take back, or give --all. `volens wallet show` lists them.")
    patient = _patient(wallet, passphrase_file, url)
    if everything and not patient.book.cases:
        raise InvalidInput("This wallet knows no case, so there is nothing it could take back.")
    if everything:
        _confirm("Take back everything?", yes)
        relays = _revoke_all(patient)
    else:
        names = [grant_name(text) for text in grants or ()]
        if not as_json:
            for name in names:
                out.print(f"  • {patient.book.grant(name)[1].summary}")
        _confirm("Take this back?", yes)
        relays = patient.revoke(names)
    if not as_json:
        out.print("From now on every question is answered with no.")
    _report(url, relays, ("recorded", "final") if wait else (), as_json, grants or [])


def _revoke_all(patient: Any) -> list[str]:
    """Every case is tried, whatever happens to one; what went wrong is said at the end."""
    from ledger.errors import VolensError

    relays, problems = [], []
    for case in patient.book.cases:
        try:
            relays.append(patient.revoke_all(case))
        except VolensError as error:
            problems.append((case.title, error))
    for title, problem in problems:
        err.print(f"“{title}” was NOT taken back: {problem}", markup=False)
    if problems:
        raise problems[0][1]
    return relays


def _report(url: str, relays: list[str], until: tuple[str, ...], as_json: bool, names: list[str]) -> None:
    client = connect(url)
    statuses = []
    for relay in relays:
        if until and not as_json:
            err.print("waiting for the block …")
        statuses.append(client.wait_for(relay, until) if until else client.get(f"/v1/relays/{relay}"))

    def human() -> None:
        for status in statuses:
            where = f" in block {status['block']}" if status["block"] is not None else ""
            out.print(f"{status['status']}{where} ({status['id']})")

    show({"grants": names, "relays": statuses}, as_json, human)


def _name(grant: Any) -> str:
    from ledger.typed_data import struct_hash

    return struct_hash(grant)


@command(app, "show")
def show_wallet(
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Who may use what, what for, where, until when, and whether it still holds."""
    patient = _patient(wallet, passphrase_file, url)
    rows, value = [], []
    for case in patient.book.cases:
        standings = patient.standings(case)
        value.append({"title": case.title, "subject": case.subject, "record": case.record, "grants": standings})
        for entry in standings:
            terms = entry["grant"]
            rows.append(
                (
                    case.title[:40],
                    entry["recipientName"] or terms["recipient"],
                    ", ".join(terms["purposes"]),
                    ", ".join(terms["channels"]) or "–",
                    datetime.fromtimestamp(terms["validUntil"], UTC).date().isoformat(),
                    entry["standing"],
                    entry["id"],
                )
            )
        if not standings:
            rows.append((case.title[:40], "–", "–", "–", "–", "no consent yet", "–"))

    def human() -> None:
        if rows:
            table(("case", "who", "what for", "where", "until", "state", "consent"), rows)
        else:
            out.print("This wallet knows no case yet. `volens wallet join` answers an invitation.")

    show(value, as_json, human)


@command(app)
def accesses(
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Who asked about your cases and who received something, refusals too."""
    patient = _patient(wallet, passphrase_file, url)
    entries = [entry for case in patient.book.cases if case.record for entry in patient.accesses(case)]
    did = {"decision": "asked", "release": "asked for the files", "outcome": "received the files"}
    rows = [
        (
            datetime.fromtimestamp(entry["at"], UTC).strftime("%Y-%m-%d %H:%M:%S"),
            entry["askerName"] or entry["asker"],
            did[entry["kind"]],
            entry["purpose"],
            entry["channel"] or "–",
            "yes" if entry["permitted"] else f"no: {entry['reason']}",
        )
        for entry in entries
    ]
    show(entries, as_json, lambda: table(("when (UTC)", "who", "what", "what for", "where", "answer"), rows))
