"""volens wallet records: the consent record of each consent, to keep and to show."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.commands.wallets import DEFAULT_FOLDER, Folder
from scripts.console import DEFAULT_URL, Json, PassphraseFile, Url, connect, out, passphrase, show


def records(
    wallet: Folder = DEFAULT_FOLDER,
    url: Url = DEFAULT_URL,
    folder: Annotated[Path | None, typer.Option("--out", help="Write each into a file in this folder.")] = None,
    language: Annotated[str, typer.Option(help="Language of the labels.")] = "en",
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """One record for each consent you gave: what, to whom, until when, and when you took it back (ISO/IEC TS 27560)."""
    from ledger.documents import canonical
    from ledger.errors import InvalidProof
    from ledger.receipts import verify_receipt
    from wallet.book import Book
    from wallet.keystore import write_private

    book, client = Book.open(wallet, passphrase(passphrase_file)), connect(url)
    if book.handed and book.receipt_key is None:
        raise InvalidProof("The wallet does not remember whose receipts these are.")
    handed = [
        (entry.sent.message, verify_receipt(entry.receipt, book.receipt_key or b"", entry.sent.domain))
        for entry in book.handed
    ]
    found = [_record(book, client, case, grant, handed, language) for case in book.cases for grant in case.grants]
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for record in found:
            write_private(folder / f"{record['volens:grant']}.consent.json", canonical(record), overwrite=True)

    def human() -> None:
        for record in found:
            last = record["dpv:hasConsentStatus"][-1]
            out.print(f"{last['@type'][0].removeprefix('dpv:Consent').lower()}: {record['dct:description']}\n")

    show(found, as_json, human)


def _record(book: Any, client: Any, case: Any, grant: Any, handed: Any, language: str) -> dict[str, Any]:
    from ledger.consent_record import consent_record

    named = {party: client.party_name(party) for party in (case.controller, grant.recipient)}
    return consent_record(
        grant,
        subject=case.subject,
        domain=client.deployment.domain,
        controller=case.controller,
        names={party: name for party, name in named.items() if name is not None},
        handed=handed,
        service=book.service or client.url,
        language=language,
        at=int(time.time()),
    )
