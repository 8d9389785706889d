"""A copy of the contracts and of tests, built once, in which forge runs whatever code is put into it."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ledger.errors import InvalidInput
from scripts.compile import ROOT
from scripts.mutants.workshop import Bytecode, Unit, forge_environment

# The first attempt is made without invariants and with few random inputs; a mutant that survives it meets more.
# (Leaving tests out by name when forge runs would have it read all sources again.)
SHORT = {"FOUNDRY_FUZZ_RUNS": "4"}
LONG = {"FOUNDRY_FUZZ_RUNS": "256", "FOUNDRY_INVARIANT_RUNS": "8", "FOUNDRY_INVARIANT_DEPTH": "100"}
SEED = ("--fuzz-seed", "0x1")
PATIENCE = 20  # times as long as the unchanged contracts take

_FAILED = re.compile(r"^\[FAIL.*\] (\w+)\(|^Encountered a total of \d+ failing", re.MULTILINE)


def forge() -> Path:
    """The native forge; the npm wrapper exits 0 when a test fails.

    Raises:
        InvalidInput: it is not installed.
    """
    for path in (ROOT / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge"):
        return path
    raise InvalidInput("There is no forge: run `make setup`.")


class Suite:
    """One folder with built tests."""

    def __init__(self, folder: Path, settings: dict[str, Any], extent: dict[str, str]) -> None:
        self._folder, self._settings, self._extent = folder, settings, extent
        self._environment = forge_environment(settings) | extent
        self._patience = 900.0
        self._original: dict[Unit, str] = {}

    def copy(self, folder: Path) -> "Suite":
        """The same in another folder."""
        shutil.copytree(self._folder, folder, symlinks=True)
        other = Suite(folder, self._settings, self._extent)
        other._patience = self._patience
        return other

    def build(self) -> str:
        """Build contracts and tests; what the compiler said if it refuses."""
        built = self._forge("build")
        return "" if built.returncode == 0 else built.stdout + built.stderr

    def check(self, unchanged: Bytecode) -> None:
        """Make sure that the unchanged contracts pass, and remember how long that takes.

        Raises:
            InvalidInput: a test fails.
        """
        started = time.monotonic()
        with self.exchanged(unchanged):
            if failed := self.failure():
                raise InvalidInput(f"{failed} fails on the unchanged contracts. Run `make test`.")
        self._patience = max(10.0, PATIENCE * (time.monotonic() - started))

    @contextmanager
    def exchanged(self, bytecode: Bytecode) -> Iterator[None]:
        """With other code in some contracts, as far as they are in this copy."""
        paths = {unit: path for unit in bytecode if (path := self._folder / unit.artifact).exists()}
        try:
            for unit, path in paths.items():
                self._original.setdefault(unit, path.read_text(encoding="utf-8"))
                artifact = json.loads(self._original[unit])
                # By its run-time code forge knows a contract again.
                for field, value in zip(("bytecode", "deployedBytecode"), bytecode[unit], strict=True):
                    artifact[field]["object"] = f"0x{value}"
                path.write_text(json.dumps(artifact), encoding="utf-8")
            yield
        finally:
            for unit, path in paths.items():
                path.write_text(self._original[unit], encoding="utf-8")

    def failure(self) -> str:
        """The test that fails, or `timeout`, or nothing."""
        try:
            run = self._forge("test", "--fail-fast", *SEED)
        except subprocess.TimeoutExpired:
            return "timeout"
        said = run.stdout + run.stderr
        if "Compiling" in said:
            raise InvalidInput(f"forge wants to compile the tests again:\n{said}")
        if run.returncode == 0:
            return ""
        found = [found[1] for found in _FAILED.finditer(said)]
        if not found:
            raise InvalidInput(f"forge fails in another way than by a test:\n{said}")
        return next((name for name in found if name), "setUp")

    def _forge(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603
            [forge(), *arguments, "--color", "never"],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=self._patience,
            check=False,
        )
