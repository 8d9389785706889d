"""volens wallet renew: a form that changed, word by word, and agreeing again under the new one."""

from typing import Annotated, Any

import typer
from rich.text import Text

from scripts.commands.offers import (
    LessOnward,
    NotSent,
    OnlyChannel,
    OnlyPurpose,
    Sooner,
    UntilItCounts,
    choice_of,
    option_codes,
)  # fmt: skip
from scripts.commands.speaking import Language, coded, in_language, known, say, state_words
from scripts.commands.wallets import DEFAULT_FOLDER, Folder, Yes, confirm, open_patient
from scripts.console import DEFAULT_URL, Json, PassphraseFile, Url, command, connect, err, out, show

app = typer.Typer()
_MARKS = {"del": ("[-", "-]", "red strike"), "ins": ("{+", "+}", "green underline")}
"""Around words that were taken out and that are new: signs, so that nothing depends on colours."""


@command(app)
def renew(
    consent: Annotated[str, typer.Argument(metavar="CONSENT", help="The consent whose form changed.")],
    item: Annotated[
        list[str] | None, typer.Option(help="Allow only this file of those allowed so far; may be repeated.")
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
    """Agree again, or to less, when the form of a consent has changed; then end the old consent.

    The old one is ended once the new one counts, and at once where it counts for nothing itself. What was interrupted
    is finished by giving the command again.
    """
    from ledger.typed_data import struct_hash
    from wallet import renewing
    from wallet.keystore import write_private
    from wallet.renewal import old_may_end

    known(language)
    choice = choice_of(item, purpose, channel, onward, until)
    patient = open_patient(wallet, passphrase_file, url)
    name = patient.book.named(consent)
    changed = renewing.look(patient, name)
    shown, relays = language or "en", []
    if changed.renewal is None:
        if not as_json:
            _print_changes(patient, changed, shown)
        made, state = renewing.propose(patient, changed, choice, language), "no_consent"
        if not as_json:
            parts = sorted(patient.record(changed.case).items)
            out.print(f"\n{say(shown, 'sign')}\n  • {made.summary}\n    {option_codes(made, parts)}")
        confirm(say(shown, "renew"), yes)
        if file is not None:
            write_private(file, patient.sign_for_later(changed.case, [made]).file())
            value = {"grant": struct_hash(made), "replaces": name, "ended": False, "file": str(file)}
            return show(value, as_json, lambda: out.print(f"wrote {file}\n{say(shown, 'old_stays')}"))
        relays.append(renewing.agree(patient, changed, made))
        if not as_json:
            out.print(say(shown, "taken"))
        if wait:
            _wait(url, relays[0], ("final",), as_json)
            state = renewing.state_of(patient, changed.case, made)
    else:
        made, state = changed.renewal
        if not as_json:
            out.print(say(shown, "under_way", state=state_words(shown, state)))
    ended = old_may_end(changed.state, state)
    if ended:
        if changed.renewal is not None:
            confirm(say(shown, "finish"), yes)
        relays.append(patient.revoke_in(changed.case, changed.grant))
        if wait:
            _wait(url, relays[-1], ("recorded", "final"), as_json)
    client = connect(url)
    value = {
        "grant": struct_hash(made), "replaces": name, "ended": ended,
        "relays": [client.get(f"/v1/relays/{relay}") for relay in relays],
    }  # fmt: skip
    show(value, as_json, lambda: out.print(f"{struct_hash(made)}\n{say(shown, 'old_ended' if ended else 'old_stays')}"))
    patient.require_receipts()


def _wait(url: str, relay: str, until: tuple[str, ...], as_json: bool) -> None:
    if not as_json:
        err.print("waiting for the block …")
    connect(url).wait_for(relay, until)


def _print_changes(patient: Any, changed: Any, language: str) -> None:
    """What the texts say differently, each change as it was and as it is."""
    from ledger.vocabulary import channel
    from wallet import renewal

    who = patient.name_of(changed.case.controller) or changed.case.controller
    said = "terms_changed" if changed.after is None else "form_counts"
    out.print(say(language, "form_ended" if changed.state == "form_superseded" and changed.after else said, who=who))
    if changed.ended and changed.state != "form_superseded":
        out.print(say(language, "places", places=coded(changed.ended, channel, language)))
    marks = {name: f"{begin}…{end}" for name, (begin, end, _) in _MARKS.items()}
    out.print("\n" + say(language, "changes", removed=marks["del"], added=marks["ins"]))
    if changed.after is not None:
        title = renewal.change("", changed.before.title, changed.after.title, language)
        statements = renewal.compare(changed.before, changed.after, language)
        for one in (title, *statements):
            if not one.same:
                _print_change(one, language)
        if same := [one for one in statements if one.same]:
            out.print(say(language, "same", count=str(len(same))))
    for terms in changed.terms:
        called = in_language(terms.after.title, language)
        out.print("\n" + say(language, "terms", title=called, day=terms.after.as_of))
        _print_change(renewal.change("", terms.before.text, terms.after.text, language), language)


def _print_change(one: Any, language: str) -> None:
    from wallet.renewal import Piece, difference

    if one.before is not None and one.after is not None:
        before, after = difference(one.before, one.after)
        if one.before == one.after:
            out.print(f"  {say(language, 'other')}")
        _print_side(say(language, "before"), before, "del")
        _print_side(say(language, "now"), after, "ins")
    elif one.before is not None:
        _print_side(say(language, "removed"), (Piece(one.before, True),), "del")
    else:
        _print_side(say(language, "added"), (Piece(one.after, True),), "ins")


def _print_side(label: str, pieces: Any, kind: str) -> None:
    begin, end, style = _MARKS[kind]
    line = Text(f"  {label} ")
    for piece in pieces:
        words = piece.text.rstrip()
        line.append(
            f"{begin}{words}{end}{piece.text[len(words) :]}" if piece.marked else piece.text,
            style if piece.marked else "",
        )
    out.print(line)
