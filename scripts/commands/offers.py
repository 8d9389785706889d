"""volens wallet: what an institution asks; reading it, asking back, agreeing to all or less of it, declining."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scripts.commands.speaking import WORDS, Language, in_language, known, say, untranslated
from scripts.commands.wallets import DEFAULT_FOLDER, Folder, Yes, confirm, end_of, open_patient, report
from scripts.console import DEFAULT_URL, Json, PassphraseFile, Url, command, out, show

if TYPE_CHECKING:
    from wallet.choices import Choice

app = typer.Typer()
Code = Annotated[str, typer.Argument(metavar="OFFER", help="The code of the offer.")]
OnlyPurpose = Annotated[list[str] | None, typer.Option(help="Allow only this use, by its code; may be repeated.")]
OnlyChannel = Annotated[list[str] | None, typer.Option(help="Allow only this place, by its code; may be repeated.")]
LessOnward = Annotated[str, typer.Option(help="Allow less passing on: none or quote.")]
Sooner = Annotated[str, typer.Option(help="End sooner: the last day, YYYY-MM-DD, in UTC.")]
NotSent = Annotated[
    Path | None, typer.Option("--out", help="Do not send it: write it here, for the institution to record it.")
]
UntilItCounts = Annotated[bool, typer.Option(help="Wait until it counts: recorded, and confirmed by later blocks.")]


def language_of(opened: Any, wanted: str) -> str:
    """The language to show an offer in: the one that was wanted, else its own."""
    found = wanted or opened.language
    return found if found in WORDS else "en"


@command(app, "open", dashes=True)
def open_offer(
    offer: Code,
    folder: Annotated[Path, typer.Option("--out", help="Folder for the opened files.")],
    language: Language = "",
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """See exactly what would be shared: open the sealed files and read what you are asked."""
    known(language)
    patient = open_patient(wallet, passphrase_file, url)
    opened = patient.offer(offer)
    shown, terms = language_of(opened, language), patient.terms(opened)
    sentences = opened.read(shown)
    paths = patient.open_items(opened, folder)

    def human() -> None:
        out.print(say(shown, "asks", who=opened.controller, title=opened.title) + "\n")
        for number, (sentence, grant) in enumerate(zip(sentences, opened.grants, strict=True), 1):
            out.print(f"  {number}. {sentence}")
            out.print(f"     {option_codes(grant, [entry['item']['name'] for entry in opened.items])}\n")
        _print_forms(opened, shown)
        for one in terms:
            title = in_language(one.title, shown)
            out.print(f"\n{say(shown, 'terms', title=title, day=one.as_of)}")
            untranslated(shown, one.title, one.text)
            out.print(f"  {in_language(one.text, shown)}")
        for path in paths:
            out.print(f"opened {path}")
        if not paths:
            out.print(say(shown, "closed"))

    value = {"title": opened.title, "controller": opened.controller, "summaries": list(sentences)}
    requests = [
        grant.to_json() | {"summary": sentence} for grant, sentence in zip(opened.grants, sentences, strict=True)
    ]
    forms = [
        {
            "form": form.hash,
            "version": form.version,
            "title": in_language(form.title, shown),
            "statements": [{"id": one.id, "text": in_language(one.text, shown)} for one in form.statements],
        }
        for form in opened.forms
    ]
    places = [
        {
            "channel": one.channel,
            "asOf": one.as_of,
            "title": in_language(one.title, shown),
            "text": in_language(one.text, shown),
        }
        for one in terms
    ]
    extra = {"language": shown, "requests": requests, "forms": forms, "terms": places}
    show(value | extra | {"files": [str(path) for path in paths]}, as_json, human)


@command(app, dashes=True)
def grant(
    offer: Code,
    only: Annotated[list[int] | None, typer.Option(help="Number of a sentence to agree to; may be repeated.")] = None,
    item: Annotated[
        list[str] | None, typer.Option(help="Allow only this file of those asked for; may be repeated.")
    ] = None,
    purpose: OnlyPurpose = None,
    channel: OnlyChannel = None,
    onward: LessOnward = "",
    until: Sooner = "",
    language: Language = "",
    file: NotSent = None,
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    wait: UntilItCounts = True,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Agree: sign what the sentences say, all of them or only some, or less than they ask.

    What is chosen with --item, --purpose, --channel, --onward and --until holds for every sentence that is agreed to.
    """
    from ledger.errors import InvalidInput
    from ledger.typed_data import struct_hash
    from wallet.choices import Choice
    from wallet.keystore import write_private

    known(language)
    choice = choice_of(item, purpose, channel, onward, until)
    patient = open_patient(wallet, passphrase_file, url)
    opened = patient.offer(offer)
    chosen = sorted({number - 1 for number in only}) if only else list(range(len(opened.grants)))
    if not all(0 <= number < len(opened.grants) for number in chosen):
        raise InvalidInput(f"The offer has the sentences 1 to {len(opened.grants)}.")
    shown = language_of(opened, language)
    if language or choice != Choice():
        opened = opened.narrowed(chosen, choice, shown)
    numbers = ", ".join(str(number + 1) for number in chosen)
    if not as_json:
        _print_asked(opened, opened.sentences, chosen, shown)
    confirm(say(shown, "agree", numbers=numbers), yes)
    names: list[str] = [struct_hash(opened.grants[number]) for number in chosen]
    if file is not None:
        write_private(file, patient.sign(opened, chosen).file())
        kept = "It can be recorded for 30 days. What you take back meanwhile is never recorded."
        return show({"grants": names, "file": str(file)}, as_json, lambda: out.print(f"wrote {file}\n{kept}"))
    relay = patient.agree(opened, chosen)
    report(patient, url, [relay], ("final",) if wait else (), as_json, names)


@command(app, dashes=True)
def ask(
    offer: Code,
    question: Annotated[str, typer.Option("--question", help="What to ask; without it, what was said is shown.")] = "",
    language: Language = "",
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Ask the institution about an offer before you decide, and read its answers."""
    from client.http import reading

    known(language)
    patient = open_patient(wallet, passphrase_file, url)
    opened = patient.offer(offer)
    said = patient.say(offer, opened, "question", question) if question else patient.messages(offer, opened)
    shown = language_of(opened, language)

    with reading():
        lines = [_said(shown, opened, entry) for entry in said] or [say(shown, "silent")]

    def human() -> None:
        for line in lines:
            out.print(line)

    show(said, as_json, human)


@command(app, dashes=True)
def decline(
    offer: Code,
    reason: Annotated[str, typer.Option(help="Why, for the institution to read; you need not say.")] = "",
    language: Language = "",
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Say no to all of an offer. Nothing is signed; the institution is told, with your reason if you give one."""
    known(language)
    patient = open_patient(wallet, passphrase_file, url)
    opened = patient.offer(offer)
    shown = language_of(opened, language)
    if not as_json:
        _print_asked(opened, opened.read(shown), range(len(opened.grants)), shown)
    confirm(say(shown, "decline", who=opened.controller), yes)
    said = patient.say(offer, opened, "decline", reason)
    show(said, as_json, lambda: out.print(say(shown, "declined", who=opened.controller)))


def _said(language: str, opened: Any, entry: dict[str, Any]) -> str:
    """A question, its answer, or that it was declined."""
    phrase = {"decline": "decline_said", "question": "question", "answer": "answer"}[entry["kind"]]
    when = datetime.fromtimestamp(entry["at"], UTC).strftime("%Y-%m-%d %H:%M UTC")
    return say(language, phrase, who=opened.controller, when=when, text=str(entry["text"])).rstrip()


def _print_asked(opened: Any, sentences: Any, chosen: Any, language: str) -> None:
    """The sentences that she decides about and what she should know."""
    out.print(say(language, "asks", who=opened.controller, title=opened.title) + "\n")
    for number in chosen:
        out.print(f"  {number + 1}. {sentences[number]}\n")
    rest = [str(number + 1) for number in range(len(opened.grants)) if number not in chosen]
    if rest:
        out.print(say(language, "rest", numbers=", ".join(rest)) + "\n")
    _print_forms(opened, language)


def _print_forms(opened: Any, language: str) -> None:
    for form in opened.forms:
        out.print(say(language, "know"))
        untranslated(language, form.title, *(one.text for one in form.statements))
        for statement in form.statements:
            out.print(f"  • {in_language(statement.text, language)}")


def choice_of(
    item: list[str] | None, purpose: list[str] | None, channel: list[str] | None, onward: str, until: str
) -> "Choice":
    """The options that allow less, as a choice; without any of them it is the empty one.

    Raises:
        InvalidInput: `until` is no day.
    """
    from wallet.choices import Choice

    return Choice(
        frozenset(item or ()),
        frozenset(purpose or ()),
        frozenset(channel or ()),
        onward or None,
        end_of(until) if until else None,
    )


def option_codes(grant: Any, parts: Any) -> str:
    """What one may choose from, by the codes that `volens wallet grant` takes."""
    last = datetime.fromtimestamp(grant.valid_until - 1, UTC).date().isoformat()
    named = {
        "--item": parts if grant.items == ("*",) else grant.items,
        "--purpose": grant.purposes,
        "--channel": grant.channels,
        "--onward": (grant.onward,),
        "--until": (last,),
    }
    return "   ".join(f"{option} {', '.join(codes)}" for option, codes in named.items() if codes)
