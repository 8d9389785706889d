"""volens record: what an institution does with a case."""

import json
from pathlib import Path
from typing import Annotated

import typer

from scripts.console import (
    DEFAULT_URL,
    Json,
    KeyFile,
    PassphraseFile,
    Url,
    command,
    connect,
    err,
    load_keys,
    out,
    require_database,
    show,
    table,
)

app = typer.Typer(no_args_is_help=True)
Case = Annotated[Path, typer.Argument(help="The case folder.")]


@command(app)
def invite(
    key: KeyFile,
    title: Annotated[str, typer.Option(help="The title of the case, as the patient will see it.")],
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Invite a patient; give her the code by a private way."""
    from client.institution import Institution

    token = Institution(connect(url), load_keys(key, passphrase_file)).invite(title)
    link = f"{url}/wallet/#invitation={token}"
    show({"invitation": token, "link": link}, as_json, lambda: out.print(f"invitation {token}\nlink {link}"))


@command(app)
def seal(
    files: Annotated[list[Path], typer.Argument(help="DICOM, JPEG, PNG, text or Markdown files.")],
    key: KeyFile,
    folder: Annotated[Path, typer.Option("--out", help="The case folder to make.")],
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Take identifying metadata out of files and seal them. Says what was taken out; never promises anonymity."""
    from client.institution import Institution, report_json

    institution = Institution(connect(url), load_keys(key, passphrase_file))
    reports = [report_json(report) for report in institution.seal(files, folder)]

    def human() -> None:
        rows = [(report["name"], entry["action"], entry["what"]) for report in reports for entry in report["removed"]]
        if rows:
            table(("file", "done", "what"), rows)
        else:
            out.print("Nothing was found that had to be taken out.")
        for report in reports:
            for warning in report["warnings"]:
                out.print(f"! {report['name']}: {warning}")
        out.print(f"sealed in {folder}")

    show(reports, as_json, human)


@command(app)
def register(
    folder: Case,
    key: KeyFile,
    invitation: Annotated[str, typer.Option(help="The invitation the patient answered.")],
    steward: Annotated[
        list[str] | None,
        typer.Option(help="An invitation that somebody answered who must agree too; may be repeated."),
    ] = None,
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Sign the record of a case folder, upload the sealed files, and register it."""
    from client.institution import Institution

    institution = Institution(connect(url), load_keys(key, passphrase_file))
    record, name = institution.register(
        folder, invitation, lambda item: None if as_json else out.print(f"upload {item}"), steward or ()
    )
    value = {"record": name, "subject": record.subject, "stewards": list(record.stewards)}
    show(value, as_json, lambda: out.print(f"record {name}\nsubject {record.subject}"))


@command(app)
def offer(
    key: KeyFile,
    record: Annotated[str, typer.Option(help="The record's hash.")],
    form: Annotated[str, typer.Option(help="The form's hash.")],
    grants: Annotated[Path, typer.Option(help="JSON list of {recipient, items, purposes, channels, onward, days}.")],
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Offer a consent to the record's patient; give her the code by a private way."""
    from client.institution import Institution
    from ledger.errors import InvalidFile, InvalidMessage
    from ledger.model import hash32
    from ledger.vocabulary import channel, purpose

    try:
        proposals = json.loads(grants.read_text())
    except OSError as error:
        raise InvalidFile(f"{grants} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        proposals = None
    if not isinstance(proposals, list) or not proposals or not all(isinstance(entry, dict) for entry in proposals):
        raise InvalidFile(f"{grants} must hold a JSON list of grants.")
    for entry in proposals:
        for field, known in (("purposes", purpose), ("channels", channel)):
            codes = entry.get(field, [])
            if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
                raise InvalidMessage(field, "must be a list of codes")
            for code in codes:
                known(code)
    institution = Institution(connect(url), load_keys(key, passphrase_file))
    name = hash32(record.lower(), "record")
    drafts = [institution.draft(name, hash32(form.lower(), "form"), proposal) for proposal in proposals]
    token = institution.offer(name, drafts)
    link = f"{url}/wallet/#offer={token}"

    def human() -> None:
        for draft in drafts:
            out.print(f"  • {draft.summary}")
        out.print(f"offer {token}\nlink {link}")

    show({"offer": token, "link": link, "summaries": [draft.summary for draft in drafts]}, as_json, human)


@command(app)
def messages(
    offer: Annotated[str, typer.Argument(help="The code of the offer.")],
    key: KeyFile,
    answer: Annotated[str, typer.Option(help="What to answer; without it, what was said is only shown.")] = "",
    url: Url = DEFAULT_URL,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """What the patient asked about an offer, or that she declines it; and the answer to her."""
    from client.http import reading
    from client.institution import Institution

    institution = Institution(connect(url), load_keys(key, passphrase_file))
    said = institution.answer(offer, answer) if answer else institution.messages(offer)

    with reading():
        lines = [f"{entry['kind']}: {entry['text']}" for entry in said] or ["Nothing was said about this offer."]

    def human() -> None:
        for line in lines:
            out.print(line)

    show(said, as_json, human)


@command(app)
def erase(
    record: Annotated[str, typer.Argument(help="The record's hash.")],
    state: Annotated[Path, typer.Option("--state", envvar="VOLENS_STATE_DIR", help="The service's folder.")] = Path(
        ".volens"
    ),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a record for ever, on the machine of the service: no backup of its database and files opens it any more.

    Hashes, withdrawals and the access log stay. See docs/operations.md for what to do about backups of the key store.
    """
    from api.app import open_stores, wall_clock
    from api.settings import read_settings
    from ledger.errors import InvalidInput, NotFound
    from ledger.model import hash32
    from ledger.services.erasure import Erasure

    settings, name = read_settings(state_dir=state), hash32(record, "record")
    require_database(settings)
    store, vault, keys = open_stores(settings)
    try:
        with store.begin() as tx:  # nobody is asked about a record that is not there
            if tx.erased(name) is None and tx.record(name) is None:
                raise NotFound("There is no such record.")
        try:
            sure = yes or typer.confirm(f"Erase {name} for ever? This cannot be undone.", err=True)
        except typer.Abort:
            err.print()
            raise InvalidInput("Nobody answered; nothing was erased. --yes erases without asking.") from None
        if not sure:
            raise InvalidInput("Nothing was erased.")
        erased = Erasure(store, vault, keys, wall_clock).erase(name)
    finally:
        store.close()
        keys.close()
    done = {"record": erased.record, "erasedAt": erased.at, "parties": list(erased.parties)}
    show(
        done,
        as_json,
        lambda: out.print(
            f"{erased.record} is erased. Only an older backup of the key store could open it: see docs/operations.md."
        ),
    )
