"""Run slither over the contracts and require a written reason for each thing it finds, of whatever severity.

The reasons are in `contracts/slither.json`, by detector and place. A finding without a reason fails, and so does a
reason for something that is no longer found. Libraries of others and tests are not looked at.

slither is AGPL. It runs as a program of its own, from `.venv-analysis`, and is no part of the product.
"""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
REASONS = ROOT / "contracts" / "slither.json"
SLITHER = ROOT / ".venv-analysis" / "bin" / "slither"
FORGE = ROOT / "node_modules" / "@foundry-rs" / "forge-linux-amd64" / "bin"
SEVERITIES = ("High", "Medium", "Low", "Optimization", "Informational")


class CannotAnalyse(Exception):
    """slither did not run to its end; the message is for a person."""


@dataclass(frozen=True)
class Finding:
    """One thing slither found, and where: `Contract.function`, or a file."""

    severity: str
    detector: str
    place: str
    line: int


def findings() -> list[Finding]:
    """What slither finds in the contracts, worst first.

    Raises:
        CannotAnalyse: a tool is missing, or the contracts do not compile.
    """
    if not SLITHER.is_file() or not (FORGE / "forge").is_file():
        raise CannotAnalyse("slither or forge is missing: run `make slither`, which installs them.")
    path = os.pathsep.join([str(FORGE), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    done = subprocess.run(  # noqa: S603
        [SLITHER, ".", "--json", "-", "--filter-paths", "node_modules|contracts/test", "--no-fail-pedantic"],
        cwd=ROOT,
        env=os.environ | {"FOUNDRY_PROFILE": "slither", "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise CannotAnalyse(f"slither did not finish:\n{done.stderr}") from error
    if not answer["success"]:
        raise CannotAnalyse(f"slither did not finish:\n{answer['error']}")
    found = {_finding(result) for result in answer["results"].get("detectors", [])}
    return sorted(found, key=lambda f: (SEVERITIES.index(f.severity), f.detector, f.place, f.line))


def _finding(result: dict[str, Any]) -> Finding:
    element = result["elements"][0]
    source = element["source_mapping"]
    place = source["filename_relative"]
    if element["type"] in {"function", "variable", "event", "struct", "enum", "modifier"}:
        place = f"{element['type_specific_fields']['parent']['name']}.{element['name']}"
    elif element["type"] == "contract":
        place = element["name"]
    return Finding(result["impact"], result["check"], place, source["lines"][0])


def written(path: Path = REASONS) -> dict[str, dict[str, str]]:
    """The reasons, by detector and place.

    Raises:
        CannotAnalyse: the file is missing, or no such list.
    """
    try:
        reasons = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CannotAnalyse(f"{path.name} cannot be read: {error}") from error
    if not isinstance(reasons, dict) or not all(
        isinstance(places, dict) and all(isinstance(text, str) for text in places.values())
        for places in reasons.values()
    ):
        raise CannotAnalyse(f"{path.name} is no list of reasons by detector and place.")
    return reasons


def problems(found: Iterable[Finding], reasons: dict[str, dict[str, str]]) -> list[str]:
    """What must be mended, as sentences: findings without a reason, reasons without a finding."""
    known = {(detector, place): text for detector, places in reasons.items() for place, text in places.items()}
    keys = {(finding.detector, finding.place) for finding in found}
    new = [f"{detector} in {place} has no reason." for detector, place in sorted(keys - known.keys())]
    stale = [
        f"{detector} in {place} has a reason, and is not found." for detector, place in sorted(known.keys() - keys)
    ]
    empty = [f"{detector} in {place}: its reason is empty." for (detector, place), text in known.items() if not text]
    return new + stale + empty


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program; the result is the exit status."""
    description = "Run slither over the contracts; every finding must have a reason in contracts/slither.json."
    argparse.ArgumentParser(prog="python -m scripts.slither", description=description).parse_args(arguments)
    try:
        reasons = written()
        found = findings()
    except CannotAnalyse as error:
        print(error, file=sys.stderr)
        return 2
    for finding in found:
        reason = reasons.get(finding.detector, {}).get(finding.place, "NO REASON IS WRITTEN")
        print(f"{finding.severity:<14}{finding.detector:<20}{finding.place}, line {finding.line}\n    {reason}")
    wrong = problems(found, reasons)
    for problem in wrong:
        print(f"✗ {problem}", file=sys.stderr)
    counts = Counter(finding.severity for finding in found)
    print(", ".join(f"{counts[severity]} {severity.lower()}" for severity in SEVERITIES), end="")
    print("; each has its reason." if not wrong else f"; {len(wrong)} to mend.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
