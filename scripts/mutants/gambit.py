"""The changes gambit makes. Its binary comes in the Python package `certora-cli`."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ledger.errors import InvalidInput
from scripts.compile import ROOT, SOLC
from scripts.mutants.mutant import Mutant, Source

OPERATORS = (
    "binary-op-mutation",
    "unary-operator-mutation",
    "assignment-mutation",
    "delete-expression-mutation",
    "if-statement-mutation",
    "swap-arguments-operator-mutation",
)
# Arithmetic in place of a comparison or of logic is no truth value, and never compiles.
_TRUTH, _ARITHMETIC = {"<", "<=", "==", "!=", ">=", ">", "&&", "||"}, {"+", "-", "*", "/", "%", "**"}
# gambit says what it did in a line above, which goes on when the expression does.
_SAID = re.compile(r"[ \t]*/// (\w+)Mutation\(`(.*?)` \|==> `(.*?)`\) of: `[^\n]*\n", re.DOTALL)


def binary(environment: Path = ROOT / ".venv-analysis") -> Path:
    """Where gambit is installed.

    Raises:
        InvalidInput: nowhere.
    """
    for path in environment.glob("lib/python3*/site-packages/certora_bins/gambit"):
        return path
    raise InvalidInput(f"There is no gambit in {environment.name}: run `make setup-analysis`.")


def mutants(gambit: Path, root: Path, source: Source, folder: Path) -> Iterator[Mutant]:
    """Every change gambit makes to a file below `root`, without the sentence it adds."""
    where = ("--filename", source.file, "--sourceroot", ".", "--outdir", str(folder))
    compiler = ("--solc", str(SOLC), "--solc_base_path", ".", "--skip_validate")
    said = subprocess.run(  # noqa: S603
        [gambit, "mutate", *where, *compiler, "--mutations", *OPERATORS],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    results = folder / "gambit_results.json"
    if said.returncode or not results.exists() or "ERROR" in said.stdout + said.stderr:
        raise InvalidInput(f"gambit cannot read {source.file}:\n{said.stdout}{said.stderr}")
    for result in json.loads(results.read_text(encoding="utf-8")):
        text = (folder / result["name"]).read_text(encoding="utf-8")
        if mutant := read(source, text):
            yield mutant


def read(source: Source, text: str) -> Mutant | None:
    """The mutant in a file that gambit wrote; None if it cannot compile."""
    found = _SAID.search(text)
    if found is None:
        raise InvalidInput(f"gambit does not say what it changed in {source.file}.")
    operator, old, new = found.groups()
    if old in _TRUTH and new in _ARITHMETIC:
        return None
    return source.mutant_of(f"gambit {operator}", text[: found.start()] + text[found.end() :], old, new)
