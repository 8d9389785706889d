"""What is said of the results: a table for each file, and `docs/mutants.md`."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from scripts.mutants.bench import Outcome, Verdict
from scripts.mutants.mutant import Mutant, Name

COLUMNS = ("file", "mutants", "killed", "survived", "score")
BEGIN, END = "<!-- results -->", "<!-- /results -->"

Result = tuple[Mutant, Outcome]


@dataclass(frozen=True)
class Count:
    """What became of the mutants of one file, or of several."""

    killed: int = 0
    survived: int = 0
    equivalent: int = 0
    invalid: int = 0

    @property
    def valid(self) -> int:
        """Those a test could notice."""
        return self.killed + self.survived

    @property
    def score(self) -> float:
        """The part that was killed."""
        return self.killed / self.valid if self.valid else 1.0

    @property
    def row(self) -> tuple[str, ...]:
        """As in the table."""
        return str(self.valid), str(self.killed), str(self.survived), f"{100 * self.score:.1f} %"


def count(results: Iterable[Result]) -> Count:
    """Count verdicts."""
    found = Counter(outcome.verdict for _, outcome in results)
    return Count(*(found[v] for v in (Verdict.KILLED, Verdict.SURVIVED, Verdict.EQUIVALENT, Verdict.INVALID)))


def rows(results: Sequence[Result], registry: frozenset[str]) -> list[tuple[str, ...]]:
    """A row for each file, one for the registry with all it contains, one for everything."""
    files = sorted({mutant.name.file for mutant, _ in results})
    found = [(file, *count(r for r in results if r[0].name.file == file).row) for file in files]
    whole = count(r for r in results if r[0].name.file in registry)
    return [*found, ("the registry", *whole.row), ("all", *count(results).row)]


def measured(results: Sequence[Result], registry: frozenset[str], reasons: Mapping[Name, str]) -> str:
    """The part of the page that is generated."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" + "|---:" * (len(COLUMNS) - 1) + "|"]
    for file, *cells in rows(results, registry):
        name = f"`{file.removeprefix('contracts/')}`" if file.endswith(".sol") else f"**{file}**"
        lines.append(f"| {name} | {' | '.join(cells)} |")
    total = count(results)
    lines += [
        "",
        f"Not counted: {total.equivalent} that compile to the same bytecode, {total.invalid} that do not compile.",
        "",
        *_survivors(results, reasons),
    ]
    return "\n".join(lines)


def _survivors(results: Sequence[Result], reasons: Mapping[Name, str]) -> Iterable[str]:
    names = sorted({mutant.name for mutant, outcome in results if outcome.verdict is Verdict.SURVIVED})
    for reason in sorted({reasons.get(name, "no reason yet") for name in names}):
        yield f"**{reason}**"
        yield ""
        for name in names:
            if reasons.get(name, "no reason yet") == reason:
                where = f"`{name.file.removeprefix('contracts/')}`" + (f" `{name.within}`" if name.within else "")
                yield f"- {where}: {_code(name.change)} in {_code(name.line)}"
        yield ""


def _code(text: str) -> str:
    return f"``{text}``" if "`" in text else f"`{text}`"


def replaced(text: str, part: str) -> str:
    """A page with its generated part exchanged."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{part.rstrip()}\n{END}{rest.split(END)[1]}"
