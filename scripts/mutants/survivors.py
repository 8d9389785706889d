"""The mutants no test can or should notice, each with the reason: `contracts/survivors.json`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ledger.errors import InvalidFile
from scripts.compile import ROOT
from scripts.mutants.mutant import Name

FILE = ROOT / "contracts" / "survivors.json"
_FIELDS = ("file", "within", "line", "change", "reason")


@dataclass(frozen=True)
class Judged:
    """What is wrong with a list of reasons, given the mutants that survived."""

    unexplained: list[Name]
    stale: list[Name]


def read(path: Path = FILE) -> dict[Name, str]:
    """The reasons.

    Raises:
        InvalidFile: not a list of reasons.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    except ValueError as error:
        raise InvalidFile(f"{path.name} cannot be read: {error}") from error
    if not isinstance(entries, list):
        raise InvalidFile(f"{path.name} is no list of reasons.")
    reasons: dict[Name, str] = {}
    for entry in entries:
        if (
            not isinstance(entry, dict)
            or tuple(entry) != _FIELDS
            or not all(isinstance(value, str) for value in entry.values())
            or not entry["reason"]
        ):
            raise InvalidFile(f"{path.name}: an entry has {', '.join(_FIELDS)}, and no other: {json.dumps(entry)}")
        name = Name(*(entry[field] for field in _FIELDS[:-1]))
        if name in reasons:
            raise InvalidFile(f"{path.name} has two reasons for one mutant: {json.dumps(entry)}")
        reasons[name] = entry["reason"]
    return reasons


def render(reasons: Mapping[Name, str]) -> str:
    """The file."""
    entries = [asdict(name) | {"reason": reason} for name, reason in sorted(reasons.items())]
    return json.dumps(entries, indent=1, ensure_ascii=False) + "\n"


def judge(survived: Iterable[Name], reasons: Mapping[Name, str], tried: Iterable[Name]) -> Judged:
    """Compare the survivors with the reasons; a reason is stale when its mutant was tried and did not survive.

    Args:
        tried: all names, or those of a sample. In a whole run, give the names of the reasons too.
    """
    found = set(survived)
    return Judged(sorted(found - reasons.keys()), sorted(set(reasons).intersection(tried) - found))
