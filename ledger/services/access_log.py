"""The access log: who asked for what and what they were told, denials included.

An entry is canonical JSON and a leaf of an RFC 6962 tree. It names hashes and addresses, never a person, a file
name or a payload.
"""

import json
import secrets
from collections.abc import Iterable
from typing import Any

import rfc8785

from ledger.decisions import Decision, Question
from ledger.model import Address, Hash
from ledger.ports import LogEntry, Transaction


def new_id(prefix: str) -> str:
    """A name for something the service made: not guessable, and telling what it is."""
    return f"{prefix}_{secrets.token_hex(16)}"


def note(
    tx: Transaction,
    kind: str,
    identifier: str,
    asker: Address,
    question: Question,
    items: Iterable[Hash],
    decision: Decision,
    record_known: bool,
) -> LogEntry:
    """Append what was asked and answered.

    Args:
        kind: ``decision``, ``release`` (keys are about to be handed over) or ``outcome`` (they were).
        identifier: of the decision or release.
        asker: who asked; usually the recipient of the question.
        items: hashes of the items asked for.
        record_known: whether the entry belongs to a record we hold, so that its subject will read it.
    """
    leaf: dict[str, Any] = {
        "v": 1,
        "kind": kind,
        "id": identifier,
        "at": decision.moment.wall,
        "asker": asker,
        "recipient": question.recipient,
        "record": question.record,
        "items": sorted(items),
        "purpose": question.purpose,
        "channel": question.channel,
        "permitted": decision.permitted,
        "reason": str(decision.reason),
        "grant": decision.grant,
        "block": {"number": decision.moment.number, "hash": decision.moment.hash},
    }
    return tx.append_log(rfc8785.dumps(leaf), question.record if record_known else None)


def read(entry: LogEntry) -> dict[str, Any]:
    """An entry as JSON values, with its place in the log."""
    leaf: dict[str, Any] = json.loads(entry.leaf)
    return {"index": entry.index, **leaf}
