"""Write the vector files that are generated: the cases Python, TypeScript and Solidity must agree on.

Each file is a function of fixed inputs, so writing it again leaves no diff. With ``--check`` nothing is written, and
the command ends with 1 if a file is missing or stale. Files recorded from other programs (proofs.json by
`scripts.vector_sources.proofs`, typed_data.json by general EIP-712 libraries) are not made here.

Run as ``python -m scripts.vectors [--check]``.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.vector_sources import (
    decisions,
    invalid,
    keys,
    keystores,
    logs,
    renewals,
    sealing,
    shares,
    slices,
    standings,
    summaries,
    vocabulary,
    wallets,
)

VECTORS = Path(__file__).resolve().parents[1] / "tests" / "vectors"

# One line per generated file: its name, and the function that returns its JSON-ready content.
SOURCES: dict[str, Callable[[], object]] = {
    "decisions": decisions.vectors,
    "dicom": slices.vectors,
    "invalid": invalid.vectors,
    "keys": keys.vectors,
    "keystore": keystores.vectors,
    "log": logs.vectors,
    "renewal": renewals.vectors,
    "sealing": sealing.vectors,
    "slip39": shares.vectors,
    "standing": standings.vectors,
    "summary": summaries.vectors,
    "vocabulary": vocabulary.vectors,
    "wallet": wallets.vectors,
}


def render(content: object) -> str:
    """A vector file as text, one case on a line. What is not ASCII is escaped, so no editor can change it."""

    def lines(value: object) -> str:
        if not isinstance(value, list) or not value:
            return json.dumps(value, ensure_ascii=True)
        return "[\n  " + ",\n  ".join(json.dumps(entry, ensure_ascii=True) for entry in value) + "\n ]"

    if not isinstance(content, dict):
        return lines(content) + "\n"
    return "{\n" + ",\n".join(f" {json.dumps(name)}: {lines(value)}" for name, value in content.items()) + "\n}\n"


def stale() -> list[str]:
    """The names of the vector files that differ from what their source gives."""
    return [name for name, source in SOURCES.items() if _read(name) != render(source())]


def _read(name: str) -> str:
    path = VECTORS / f"{name}.json"
    return path.read_text(encoding="ascii") if path.exists() else ""


def main(arguments: list[str]) -> int:
    """Write the files, or compare them with ``--check``; returns the exit code."""
    if arguments not in ([], ["--check"]):
        print("usage: python -m scripts.vectors [--check]", file=sys.stderr)
        return 2
    outdated = stale()
    if arguments:
        for name in outdated:
            print(f"tests/vectors/{name}.json is stale: run make vectors", file=sys.stderr)
        return 1 if outdated else 0
    for name in outdated:
        (VECTORS / f"{name}.json").write_text(render(SOURCES[name]()), encoding="ascii")
        print(f"wrote tests/vectors/{name}.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
