"""Where mutants are tried: compile, exchange the contract, run the tests, and say whether one failed."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ledger.errors import InvalidInput
from scripts.mutants import workshop
from scripts.mutants.mutant import Mutant
from scripts.mutants.suite import LONG, SHORT, Suite
from scripts.mutants.workshop import Bytecode, Compiler, Sources, Unit

REVERTING = ("5f5ffd", "")


class Verdict(StrEnum):
    """What became of a mutant."""

    INVALID = "invalid"  # does not compile
    EQUIVALENT = "equivalent"  # compiles to the same bytecode
    KILLED = "killed"
    SURVIVED = "survived"


@dataclass(frozen=True)
class Outcome:
    """The verdict, and what killed it: a test, or `timeout`."""

    verdict: Verdict
    by: str = ""


class Bench:
    """A compiler, and the tests twice: without invariants, which is quick, and all."""

    def __init__(self, sources: Sources, compiler: Compiler, quick: dict[str, Any], short: Suite, long: Suite) -> None:
        self._sources, self._compiler, self._quick = sources, compiler, quick
        self._short, self._long = short, long
        self._before: dict[bool, Bytecode] = {True: {}, False: {}}

    @classmethod
    def built(cls, folder: Path, sources: Sources, compiler: Compiler, node: Path, product: dict[str, Any]) -> "Bench":
        """A bench that compiles with the quickest settings that can.

        Raises:
            InvalidInput: the contracts or their tests do not compile.
        """
        said = ""
        workshop.lay_out(folder / "long", sources.texts, node)
        workshop.lay_out(folder / "short", sources.without_invariants(), node)
        for quick in workshop.QUICK:
            settings = product | quick
            short, long = Suite(folder / "short", settings, SHORT), Suite(folder / "long", settings, LONG)
            if not (said := short.build() or long.build()):
                return cls(sources, compiler, settings, short, long)
        raise InvalidInput(f"The contracts or their tests do not compile:\n{said}")

    def copy(self, folder: Path, compiler: Compiler) -> "Bench":
        """Another bench, for another worker."""
        short, long = self._short.copy(folder / "short"), self._long.copy(folder / "long")
        return Bench(self._sources, compiler, self._quick, short, long)

    def check(self) -> None:
        """Make sure of the method: the unchanged contracts pass, and every contract is noticed when it always reverts.

        Raises:
            InvalidInput: not so.
        """
        units = sorted({unit for file in self._sources.mutable for unit in self._sources.units(file)})
        unchanged = self._unchanged(units, quick=True)
        for suite in (self._short, self._long):
            suite.check(unchanged)
        for unit in self._sources.deployed:
            with self._short.exchanged({unit: REVERTING}):
                if not self._short.failure():
                    raise InvalidInput(f"No test fails when {unit.contract} always reverts, so no test deploys it.")

    def judge(self, mutant: Mutant) -> Outcome:
        """Try one mutant."""
        units = self._sources.units(mutant.name.file)
        change = (mutant.name.file, mutant.text)
        changed = self._changed(units, change, quick=True)
        if changed is None:
            return Outcome(Verdict.INVALID)
        if not changed:
            return Outcome(Verdict.EQUIVALENT)
        with self._short.exchanged(changed):
            if by := self._short.failure():
                return Outcome(Verdict.KILLED, by)
        # What the optimizer makes the same of is the same. It takes long for tests, and what is deployed decides.
        deployed = [unit for unit in changed if unit in self._sources.deployed]
        if not self._changed(deployed or changed, change, quick=False):
            return Outcome(Verdict.EQUIVALENT)
        with self._long.exchanged(changed):
            by = self._long.failure()
            return Outcome(Verdict.KILLED if by else Verdict.SURVIVED, by)

    def _changed(self, units: Iterable[Unit], change: tuple[str, str], quick: bool) -> Bytecode | None:
        units = list(units)
        before = self._unchanged(units, quick)
        settings = self._quick if quick else {}
        after = self._compiler.bytecode(self._sources.request(units, change), units, settings)
        return None if after is None else {unit: code for unit, code in after.items() if code != before[unit]}

    def _unchanged(self, units: Iterable[Unit], quick: bool) -> Bytecode:
        known = self._before[quick]
        if missing := [unit for unit in units if unit not in known]:
            found = self._compiler.bytecode(self._sources.request(missing), missing, self._quick if quick else {})
            if found is None:
                raise InvalidInput("The unchanged contracts do not compile.")
            known |= found
        return {unit: known[unit] for unit in units}
