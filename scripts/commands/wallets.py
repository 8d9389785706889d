"""volens wallet: the patient in a terminal."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.commands.speaking import Reading, coded, known, reason_words, say, state_words
from scripts.console import (
    DEFAULT_URL,
    Json,
    PassphraseFile,
    Url,
    command,
    connect,
    err,
    out,
    passphrase,
    shortened,
    show,
    table,
)

app = typer.Typer(no_args_is_help=True)
Folder = Annotated[Path, typer.Option("--wallet", envvar="VOLENS_WALLET", help="The wallet's folder.")]
DEFAULT_FOLDER = Path.home() / ".volens-wallet"
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask before signing.")]


def open_patient(folder: Path, file: Path | None, url: str) -> Any:
    """The patient at a service, with her wallet unlocked."""
    from wallet.book import Book
    from wallet.patient import Patient

    book = Book.open(folder, passphrase(file))
    return Patient(book, connect(url))


def find_case(book: Any, name: str) -> Any:
    """The one case of this title, record or pseudonym.

    Raises:
        InvalidInput: none, or several of one title.
    """
    from ledger.errors import InvalidInput

    found = [case for case in book.cases if name in (case.title, case.record, case.subject)]
    if len(found) != 1:
        said = "no such case" if not found else "several cases of this title; name one by its record"
        raise InvalidInput(f"This wallet has {said}. `volens wallet show --json` lists them.")
    return found[0]


def confirm(question: str, yes: bool) -> None:
    """Ask before anything is signed; raises when the answer is no or nobody is there to answer."""
    from ledger.errors import InvalidInput, Refused

    if yes:
        return
    import sys

    if not sys.stdin.isatty():
        raise InvalidInput("There is nobody to ask. Read what would be signed, then give --yes.")
    if not typer.confirm(question, err=True):
        raise Refused("Nothing was signed.")


def end_of(day: str) -> int:
    """The second after the last of a day in UTC, which must not be over."""
    from ledger.errors import InvalidInput

    try:
        end = int(datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) + 86_400
    except ValueError:
        raise InvalidInput(f"This is not a day: {day[:32]!r}. Write it as 2027-03-31.") from None
    if end <= time.time():
        raise InvalidInput("The last day must not be over.")
    return end


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
    patient = open_patient(wallet, passphrase_file, url)
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
    patient = open_patient(wallet, passphrase_file, url)
    found = patient.restore()
    show({"found": found}, as_json, lambda: out.print(f"{found} cases found. `volens wallet show` lists them."))


@command(app)
def revoke(
    grants: Annotated[list[str] | None, typer.Argument(help="The consents to take back.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Take back everything, in every case.")] = False,
    case: Annotated[str, typer.Option(help="Take back everything in one case: its title, record or pseudonym.")] = "",
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    wait: Annotated[bool, typer.Option(help="Wait until it is recorded. It counts before that.")] = True,
    folder: Annotated[
        Path | None,
        typer.Option("--out", help="Ask no service: save what is signed here, for anybody to bring to the chain."),
    ] = None,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Take consent back. New uses are denied at once; copies already made cannot be called back."""
    from ledger.errors import InvalidInput
    from wallet.book import Book

    if (bool(grants), everything, bool(case)).count(True) != 1:
        raise InvalidInput("Name the consents to take back, or give --all, or --case. `volens wallet show` lists them.")
    patient = open_patient(wallet, passphrase_file, url) if folder is None else None
    book = patient.book if patient is not None else Book.open(wallet, passphrase(passphrase_file))
    if everything and not book.cases:
        raise InvalidInput("This wallet knows no case, so there is nothing it could take back.")
    names = [book.named(text) for text in grants or ()]
    found = find_case(book, case) if case else None
    if not as_json:
        for sentence in dict.fromkeys(book.consents(name)[0][1].summary for name in names):
            out.print(f"  • {sentence}")
    what = f"everything in “{found.title}”" if found else "everything" if everything else "this"
    confirm(f"Take back {what}?", yes)
    if patient is None:
        cases = [found] if found else book.cases if everything else []
        return _save_stops(book, cases, names, folder, as_json)
    if everything:
        relays = _revoke_all(patient)
    elif found:
        relays = [patient.revoke_all(found)]
    else:
        relays = patient.revoke(names)
    if not as_json:
        out.print("From now on every question is answered with no.")
    report(patient, url, relays, ("recorded", "final") if wait else (), as_json, grants or [])


def _save_stops(book: Any, cases: Any, names: Any, folder: Any, as_json: bool) -> None:
    """Write what takes back some cases or some consents into files, one for each message."""
    from wallet import stops
    from wallet.keystore import write_private

    said = [(case, message) for case in cases for message in stops.everything(case, int(time.time()))]
    signed = [stops.sign(book, case, message) for case, message in (*said, *stops.revocations(book, names))]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = []
    for one in signed:
        digest = one.domain.digest(one.message).hex()
        files.append(folder / f"{one.message.TYPE}-{digest[:16]}.json")
        write_private(files[-1], one.file(), overwrite=True)

    def human() -> None:
        out.print("Signed, not sent. It counts once it is recorded; whoever has a file can do that: volens relay FILE")
        for file in files:
            out.print(f"wrote {file}")

    show({"files": [str(file) for file in files]}, as_json, human)


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


def report(
    patient: Any, url: str, relays: list[str], until: tuple[str, ...], as_json: bool, names: list[str] | None = None
) -> None:
    """Say what became of what was sent, waiting for it first where `until` names states."""
    from client.http import reading

    client, statuses, lines = connect(url), [], []
    for relay in relays:
        if until and not as_json:
            err.print("waiting for the block …")
        status = client.wait_for(relay, until) if until else client.get(f"/v1/relays/{relay}")
        with reading():
            where = f" in block {status['block']}" if status["block"] is not None else ""
            lines.append(f"{status['status']}{where} ({status['id']})")
        statuses.append(status)

    def human() -> None:
        for line in lines:
            out.print(line)

    show({**({} if names is None else {"grants": names}), "relays": statuses}, as_json, human)
    patient.require_receipts()


@command(app, "show")
def show_wallet(
    expiring: Annotated[
        int | None, typer.Option(min=1, max=3650, metavar="DAYS", help="Only consents that end within so many days.")
    ] = None,
    language: Reading = "",
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Who may use what, what for, where, until when, and whether it still holds."""
    from client.http import reading

    shown = known(language) or "en"
    patient = open_patient(wallet, passphrase_file, url)
    rows, value = [], []
    for case in patient.book.cases:
        with reading():
            standings = _standings(patient, case, expiring)
            if expiring is not None and not standings:
                continue
            rows += [_consent(shown, case, entry) for entry in standings]
        value.append({"title": case.title, "subject": case.subject, "record": case.record, "grants": standings})
        if not standings:
            rows.append((shortened(case.title), "–", "–", "–", "–", say(shown, "none"), "–"))

    def human() -> None:
        if rows:
            columns = ("case", "who", "for", "where", "until", "state", "consent")
            table([say(shown, column) for column in columns], rows)
        elif expiring is not None:
            out.print(say(shown, "nothing_ends", days=str(expiring)))
        else:
            out.print(say(shown, "no_case", command="`volens wallet join`"))

    show(value, as_json, human)


def _standings(patient: Any, case: Any, expiring: int | None) -> list[dict[str, Any]]:
    """Her consents in a case with the state to say; only those that end within so many days, if that is asked for."""
    from wallet.standing import own

    mine = own(patient.standings(case), case.subject, int(time.time()))
    found = [entry | {"state": state} for entry, state in mine]
    return found if expiring is None else [entry for entry in found if _ends_within(entry, expiring)]


def _consent(language: str, case: Any, entry: dict[str, Any]) -> tuple[str, ...]:
    """A consent in words."""
    from ledger.model import ZERO_ADDRESS
    from ledger.vocabulary import channel, purpose

    terms = entry["grant"]
    return (
        shortened(case.title),
        entry["recipientName"]
        or (say(language, "anybody") if terms["recipient"] == ZERO_ADDRESS else terms["recipient"]),
        coded(terms["purposes"], purpose, language),
        coded(terms["channels"], channel, language) or "–",
        datetime.fromtimestamp(terms["validUntil"] - 1, UTC).date().isoformat(),
        state_words(language, entry["state"]) + (f" ({say(language, 'form_changed')})" if _form_changed(entry) else ""),
        entry["id"],
    )


def _form_changed(entry: dict[str, Any]) -> bool:
    """Whether a consent that counts was given under a form, or terms, that were replaced since."""
    return entry["state"] == "granted" and bool(entry.get("newForm") or entry.get("endedChannels"))


def _ends_within(entry: dict[str, Any], days: int) -> bool:
    """Whether a consent that somebody may use, or that is only paused, runs out soon."""
    left = entry["grant"]["validUntil"] - time.time()
    return (
        entry["state"] in ("granted", "further_consent_needed", "awaiting_confirmations", "suspended")
        and 0 < left <= days * 86_400
    )


@command(app)
def receipts(
    wallet: Folder = DEFAULT_FOLDER,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Write each, and the message it is of, into this folder.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """The service's signed receipts of what you sent: evidence that it got there. Needs no network."""
    from ledger.documents import canonical
    from ledger.errors import InvalidProof
    from ledger.receipts import verify_receipt
    from wallet.book import Book
    from wallet.keystore import write_private

    book = Book.open(wallet, passphrase(passphrase_file))
    if book.handed and book.receipt_key is None:
        raise InvalidProof("The wallet does not remember whose receipts these are.")
    rows, value = [], []
    for entry in book.handed:
        found = verify_receipt(entry.receipt, book.receipt_key or b"", entry.sent.domain)
        when = datetime.fromtimestamp(found.received_at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        rows.append((when, found.type, found.subject, found.id))
        value.append(entry.receipt)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(folder / f"{found.id}.receipt.json", canonical(entry.receipt), overwrite=True)
            write_private(folder / f"{found.id}.message.json", entry.sent.file(), overwrite=True)
    show(value, as_json, lambda: table(("received (UTC)", "message", "you were", "relay"), rows))


@command(app)
def accesses(
    language: Reading = "",
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Who asked about your cases and who received something, refusals too."""
    from client.http import reading

    shown = known(language) or "en"
    patient = open_patient(wallet, passphrase_file, url)
    entries = [entry for case in patient.book.cases if case.record for entry in patient.accesses(case)]
    with reading():
        rows = [_access(shown, entry) for entry in entries]

    def human() -> None:
        if rows:
            columns = ("when", "who", "what", "for", "where", "reply")
            table([say(shown, column) for column in columns], rows)
        else:
            out.print(say(shown, "nobody"))

    show(entries, as_json, human)


def _access(language: str, entry: dict[str, Any]) -> tuple[str, ...]:
    """An entry of the access log in words. Its codes are in the JSON."""
    from ledger.vocabulary import channel, purpose

    return (
        datetime.fromtimestamp(entry["at"], UTC).strftime("%Y-%m-%d %H:%M:%S"),
        str(entry["askerName"] or entry["asker"]),
        say(language, f"looked.{entry['kind']}"),
        coded([entry["purpose"]], purpose, language),
        coded([entry["channel"]], channel, language) if entry["channel"] else "–",
        say(language, "yes")
        if entry["permitted"]
        else say(language, "no", why=reason_words(language, entry["reason"])),
    )
