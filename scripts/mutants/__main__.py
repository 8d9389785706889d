"""Mutate the contracts and see which mutants the Solidity tests notice; write docs/mutants.md.

Run as ``python -m scripts.mutants [--sample N [--seed S]] [--json]``. It fails when a mutant survives without a reason
in contracts/survivors.json, when a reason is stale, or when fewer than 95 % of the registry's mutants are killed.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from ledger.errors import InvalidInput, VolensError
from scripts.compile import ROOT
from scripts.console import err, out, table
from scripts.mutants import choosing, gambit, page, survivors, workshop
from scripts.mutants.bench import Bench, Outcome, Verdict
from scripts.mutants.mutant import Mutant, Name
from scripts.mutants.page import Result

PAGE = ROOT / "docs" / "mutants.md"
THRESHOLD = 0.95


class Shop:
    """The sources, the benches and the mutants of one run."""

    def __init__(self, folder: Path, stack: ExitStack, binary: Path, workers: int) -> None:
        settings = json.loads((ROOT / "contracts" / "compiler.json").read_text(encoding="utf-8"))["settings"]
        node = Path(sys.executable).parent / "node"
        if not node.exists():
            raise InvalidInput("There is no node: run `make setup`.")
        self.sources = workshop.read()
        self._folder, self._binary = folder, binary
        self._compilers = [workshop.Compiler(node, settings) for _ in range(workers)]
        for compiler in self._compilers:
            stack.callback(compiler.close)
        self._benches = [Bench.built(folder / "0", self.sources, self._compilers[0], node, settings)]

    def mutants(self, files: Sequence[str]) -> list[Mutant]:
        """Every mutant of some files."""
        gambits = self._folder / "gambit"
        root = self._folder / "0" / "short"
        return list(choosing.mutants(self.sources, files, self._compilers[0], self._binary, root, gambits))

    def judge(self, mutants: Sequence[Mutant]) -> Iterator[Result]:
        """Try mutants on all benches; the results come in the order of the mutants."""
        self._benches[0].check()
        copies = enumerate(self._compilers[1:], 1)
        self._benches += [self._benches[0].copy(self._folder / str(n), compiler) for n, compiler in copies]
        free: SimpleQueue[Bench] = SimpleQueue()
        for bench in self._benches:
            free.put(bench)

        def judge(mutant: Mutant) -> Outcome:
            bench = free.get()
            try:
                return bench.judge(mutant)
            finally:
                free.put(bench)

        with ThreadPoolExecutor(len(self._benches)) as pool:
            try:
                yield from zip(mutants, pool.map(judge, mutants), strict=True)
            finally:
                pool.shutdown(cancel_futures=True)


def run(options: argparse.Namespace) -> tuple[list[Result], frozenset[str], float]:
    """Try them behind a progress bar: the results, the files of the registry, and how long it took."""
    started = time.monotonic()
    files = choosing.named(workshop.read(), options.file or ())
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed} of {task.total}"))
    hidden = options.json or not err.is_terminal
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="volens-mutants-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        bar = stack.enter_context(Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=hidden))
        task = bar.add_task("building the tests", total=None)
        shop = Shop(folder, stack, options.gambit or gambit.binary(), options.workers)
        found = shop.mutants(files)
        if options.sample:
            found = choosing.spread(found, options.seed)
        bar.update(task, description="trying mutants", total=options.sample or len(found))
        results: list[Result] = []
        valid = 0
        for result in shop.judge(found):
            results.append(result)
            valid += result[1].verdict in (Verdict.KILLED, Verdict.SURVIVED)
            bar.update(task, completed=valid if options.sample else len(results))
            if options.sample and valid == options.sample:
                break
        return results, choosing.registry(shop.sources), time.monotonic() - started


def faults(results: Sequence[Result], registry: frozenset[str], whole: bool, reasons: Mapping[Name, str]) -> list[str]:
    """Everything that is wrong, as sentences."""
    if not page.count(results).valid:
        return ["Not one mutant was tried that a test could notice: that says nothing."]
    survived = [mutant.name for mutant, outcome in results if outcome.verdict is Verdict.SURVIVED]
    tried = [*(mutant.name for mutant, _ in results), *(reasons if whole else ())]
    judged = survivors.judge(survived, reasons, tried)
    found = [f"No test notices {_said(name)}." for name in judged.unexplained]
    if whole:
        found += [f"The reason for {_said(name)} is stale: no such mutant survives." for name in judged.stale]
        score = page.count(r for r in results if r[0].name.file in registry).score
        if score < THRESHOLD:
            found.append(f"{100 * score:.1f} % of the registry's mutants are killed; {100 * THRESHOLD:.0f} % must be.")
    return found


def _said(name: Name) -> str:
    return f"{name.file} {name.within}: {name.change} in “{name.line}”"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def main(arguments: list[str] | None = None) -> int:
    """Run as a program; the result is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutants", description="Mutation testing of the contracts.")
    parser.add_argument("--sample", type=_positive, metavar="N", help="try N valid mutants, spread over the files")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="which sample (1)")
    parser.add_argument("--file", action="append", metavar="F", help="mutate this file only; may be repeated")
    parser.add_argument("--gambit", type=Path, metavar="PATH", help="gambit's binary, if not that of .venv-analysis")
    cores = os.cpu_count() or 1
    parser.add_argument("--workers", type=_positive, default=cores, metavar="N", help=f"how many at once ({cores})")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    options = parser.parse_args(arguments)
    whole = not options.sample and not options.file
    try:
        reasons = survivors.read()
        results, registry, seconds = run(options)
        found = faults(results, registry, whole, reasons)
    except VolensError as error:
        err.print(Text.assemble(("✗", "red"), f" {error}"))
        return error.exit_code
    total = page.count(results)
    if options.json:
        mutants = [asdict(m.name) | {"operator": m.operator, "verdict": o.verdict, "by": o.by} for m, o in results]
        print(
            json.dumps({"seconds": round(seconds), "mutants": mutants, "faults": found}, indent=1, ensure_ascii=False)
        )
    else:
        table(page.COLUMNS, page.rows(results, registry))
        out.print(
            f"Not counted: {total.equivalent} that compile to the same bytecode, {total.invalid} that do not compile. "
            f"{seconds:.0f} s."
        )
    for sentence in found:
        err.print(Text.assemble(("✗", "red"), f" {sentence}"))
    if whole and PAGE.exists():
        text = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(page.replaced(text, page.measured(results, registry, reasons)), encoding="utf-8")
        err.print("Written: docs/mutants.md.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
