"""Measures what the Solidity tests reach, and fails unless it is everything.

``python -m scripts.coverage`` prints, for each file of `contracts/`, how many lines were run and how many outcomes of
its conditions were seen, names each one that was not, and exits 1 if there is one (2 if it could not be measured).

A condition is what decides where the program goes on: of an `if`, a loop, a `?:` or a `require`, and each operand of
`&&` and `||` by itself. It has two outcomes and both must have been seen. No tool gives this figure: forge counts an
`if` without `else` as covered when its body ran, whether or not it was ever passed over, and neither operands nor
`?:`; Hardhat counts no branches at all. So this program measures a copy of the sources in which every condition goes
through a function of its own, one line for each outcome, and forge counts those lines.

What it does not see: branches inside assembly, whose lines forge counts wrongly as well. There are none today, and
one that is written fails the gate by name rather than pass for covered. Straight assembly is counted by its lines.
A line that ran is not a line that was checked: that is what mutation testing asks.

The unit and fuzz tests alone must reach everything, so the invariant and symbolic tests are left out. The seed is
fixed: two runs over the same sources give the same figures.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SEED = "0x566f6c656e73"
RUNS = 64
LEFT_OUT = ("symbolic", "Invariants*")

_SHORT_CIRCUIT = ("&&", "||")
_ASSEMBLY_BRANCHES = {"YulIf": "if", "YulSwitch": "switch", "YulForLoop": "for"}


class CannotMeasure(Exception):
    """A tool is missing, the sources do not compile or a test fails; the message is for a person."""


@dataclass(frozen=True)
class Condition:
    """A condition and where it stands, line and column counted from 1."""

    line: int
    column: int
    text: str


@dataclass(frozen=True)
class Source:
    """One file as it is measured.

    Attributes:
        text: with every condition going through a function, all on their old lines; those functions follow at the end.
        conditions: in the order of their functions.
        outcomes: the lines in `text` that run when the condition of that place was true, and when it was false.
        unseen: places that cannot be measured, as sentences.
        has_code: whether anything in it can run.
    """

    text: bytes
    conditions: tuple[Condition, ...]
    outcomes: tuple[tuple[int, int], ...]
    unseen: tuple[str, ...]
    has_code: bool


@dataclass(frozen=True)
class Covered:
    """What was reached of one file; the lists name what was not."""

    lines: int
    missed_lines: tuple[int, ...]
    outcomes: int
    missed_outcomes: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether there is nothing to name."""
        return not self.missed_lines and not self.missed_outcomes


# Sources --------------------------------------------------------------------------------------------


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        if "nodeType" in value:
            yield value
        for member in value.values():
            yield from _nodes(member)
    elif isinstance(value, list):
        for member in value:
            yield from _nodes(member)


def _operands(expression: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The conditions an expression is made of: what `&&`, `||`, `!` and brackets hold together."""
    kind = expression["nodeType"]
    if kind == "BinaryOperation" and expression["operator"] in _SHORT_CIRCUIT:
        yield from _operands(expression["leftExpression"])
        yield from _operands(expression["rightExpression"])
    elif kind == "UnaryOperation" and expression["operator"] == "!":
        yield from _operands(expression["subExpression"])
    elif kind == "TupleExpression" and len(expression["components"]) == 1:
        yield from _operands(expression["components"][0])
    else:
        yield expression


def _deciding(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for node in _nodes(tree):
        kind = node["nodeType"]
        if kind in {"IfStatement", "WhileStatement", "DoWhileStatement", "ForStatement", "Conditional"}:
            if node.get("condition") is not None:
                yield node["condition"]
        elif kind == "BinaryOperation" and node["operator"] in _SHORT_CIRCUIT:
            yield node
        elif kind == "FunctionCall" and node["expression"].get("name") in {"require", "assert"}:
            yield node["arguments"][0]


def _place(node: dict[str, Any]) -> tuple[int, int]:
    start, length, _ = map(int, node["src"].split(":"))
    return start, start + length


def _line(text: bytes, offset: int) -> tuple[int, int]:
    before = text[:offset]
    return before.count(b"\n") + 1, len(before[before.rfind(b"\n") + 1 :].decode()) + 1


def instrument(text: bytes, tree: dict[str, Any], name: str) -> Source:
    """The source with its conditions made visible.

    Args:
        text: of the file.
        tree: its syntax tree.
        name: of the library to append, unlike any other name there is.
    """
    places = sorted(
        {_place(operand) for expression in _deciding(tree) for operand in _operands(expression)},
        key=lambda place: (place[0], -place[1]),
    )
    # At one offset what ends there comes before what begins there, inner ends first and outer beginnings first.
    insertions = [(start, 1, at, f"{name}.c{at}(".encode()) for at, (start, _) in enumerate(places)]
    insertions += [(end, 0, -at, b")") for at, (_, end) in enumerate(places)]
    parts, done = [], 0
    for offset, _, _, piece in sorted(insertions):
        parts += [text[done:offset], piece]
        done = offset
    parts.append(text[done:])
    body = b"".join(parts)
    if places:
        line = body.count(b"\n") + 1
        functions = "".join(
            f"function c{at}(bool holds) internal pure returns (bool) {{"
            " if (holds) {\nreturn true;\n}\nreturn false;\n}"
            for at in range(len(places))
        )
        body += f"library {name} {{ {functions} }}\n".encode()
    return Source(
        body,
        tuple(Condition(*_line(text, start), " ".join(text[start:end].decode().split())) for start, end in places),
        tuple((line + 4 * at + 1, line + 4 * at + 3) for at in range(len(places))),
        tuple(
            f"`{_ASSEMBLY_BRANCHES[node['nodeType']]}` in assembly, which nothing can measure: write it in Solidity"
            f" (line {_line(text, _place(node)[0])[0]})"
            for node in _nodes(tree)
            if node["nodeType"] in _ASSEMBLY_BRANCHES
        ),
        any(node["nodeType"] == "FunctionDefinition" and node.get("implemented") for node in _nodes(tree)),
    )


def sources(root: Path) -> dict[str, bytes]:
    """The files that are measured, by their path in the project: the contracts without their tests."""
    contracts = root / "contracts"
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(contracts.rglob("*.sol"))
        if "test" not in path.relative_to(contracts).parts
    }


def parse(texts: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """The syntax trees of sources.

    Raises:
        CannotMeasure: they are not Solidity, or the compiler is missing.
    """
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text.decode()} for name, text in texts.items()},
        "settings": {"stopAfter": "parsing", "outputSelection": {"*": {"": ["ast"]}}},
    }
    ran = _run([str(ROOT / "scripts" / "solc.cjs"), "--standard-json"], ROOT, input=json.dumps(request))
    answer = json.loads(ran.stdout) if ran.returncode == 0 else {}
    wrong = [error["formattedMessage"] for error in answer.get("errors", ()) if error["severity"] == "error"]
    if wrong or "sources" not in answer:
        raise CannotMeasure("The contracts cannot be read:\n" + ("\n".join(wrong) or ran.stderr))
    return {name: answer["sources"][name]["ast"] for name in texts}


# Measuring ------------------------------------------------------------------------------------------


def _run(command: Sequence[str], folder: Path, **more: Any) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "FOUNDRY_PROFILE": "default",
        "FOUNDRY_OFFLINE": "true",
        "FOUNDRY_FUZZ_RUNS": str(RUNS),
        "FOUNDRY_FUZZ_SEED": SEED,
        "FOUNDRY_LINT_LINT_ON_BUILD": "false",
        "NO_COLOR": "1",
    }
    try:
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False, **more)  # noqa: S603
    except OSError as error:
        raise CannotMeasure(f"{command[0]} does not start: {error.strerror}. Run `make setup`.") from error


def _forge() -> str:
    # The native program: npm's `forge` ends with status 0 whatever happens.
    found = sorted((ROOT / "node_modules" / "@foundry-rs").glob("forge-*/bin/forge"))
    if not found:
        raise CannotMeasure("There is no forge: run `make setup`.")
    return str(found[0])


def hits(root: Path, changed: Mapping[str, bytes]) -> dict[str, dict[int, int]]:
    """Run the tests of a project and count, by file, how often each line ran.

    Args:
        root: of the project.
        changed: what some of its files hold while it is measured. The project itself is left alone.

    Raises:
        CannotMeasure: something does not compile, or a test fails.
    """
    with tempfile.TemporaryDirectory(prefix="volens-coverage-") as folder:
        copy = Path(folder)
        shutil.copytree(root / "contracts", copy / "contracts", ignore=shutil.ignore_patterns(*LEFT_OUT))
        for name, text in changed.items():
            (copy / name).write_bytes(text)
        shutil.copy(root / "foundry.toml", copy)
        for name in ("node_modules", "scripts", "tests"):
            (copy / name).symlink_to(ROOT / name, target_is_directory=True)
        ran = _run([_forge(), "coverage", "--report", "lcov", "--report-file", "lcov.info"], copy)
        if ran.returncode != 0 or not (copy / "lcov.info").exists():
            wrong = [line for line in (ran.stdout + ran.stderr).splitlines() if not line.startswith("[PASS]")]
            raise CannotMeasure("\n".join(["forge coverage failed:", *wrong[-60:]]))
        return read_lcov((copy / "lcov.info").read_text())


def read_lcov(text: str) -> dict[str, dict[int, int]]:
    """File → line → how often it ran, from an lcov report."""
    found: dict[str, dict[int, int]] = {}
    lines: dict[int, int] = {}
    for entry in text.splitlines():
        match entry.partition(":"):
            case "SF", _, name:
                lines = found.setdefault(name, {})
            case "DA", _, numbers:
                line, count = map(int, numbers.split(",")[:2])
                lines[line] = lines.get(line, 0) + count
    return found


def judge(source: Source, counted: Mapping[int, int] | None) -> Covered:
    """What was reached of a file, from how often its lines ran (None: forge does not know the file)."""
    if counted is None:
        return Covered(int(source.has_code), (1,) if source.has_code else (), len(source.unseen), source.unseen)
    length = min((line for pair in source.outcomes for line in pair), default=2**31) - 1
    own = {line: count for line, count in counted.items() if line < length}
    missed = [
        f"{condition.line}:{condition.column}: `{condition.text}` was never {outcome}"
        for condition, lines in zip(source.conditions, source.outcomes, strict=True)
        for line, outcome in zip(lines, ("true", "false"), strict=True)
        if not counted.get(line)
    ]
    return Covered(
        len(own),
        tuple(line for line, count in sorted(own.items()) if not count),
        2 * len(source.conditions) + len(source.unseen),
        (*missed, *source.unseen),
    )


def measure(root: Path = ROOT) -> dict[str, Covered]:
    """What the tests of a project reach of each of its contracts' files that has code.

    Raises:
        CannotMeasure: it could not be measured.
    """
    texts = sources(root)
    trees = parse(texts)
    made = {name: instrument(text, trees[name], f"ConditionsOf{Path(name).stem}") for name, text in texts.items()}
    counted = hits(root, {name: source.text for name, source in made.items()})
    return {name: judge(source, counted.get(name)) for name, source in made.items() if source.has_code}


# The program ----------------------------------------------------------------------------------------


def table(found: Mapping[str, Covered]) -> str:
    """Files, lines and outcomes, for people."""
    figures = [(name, _figures(covered)) for name, covered in found.items()]
    kinds = zip(*(pairs for _, pairs in figures), strict=True)
    totals = [(sum(reached for reached, _ in kind), sum(total for _, total in kind)) for kind in kinds]
    width = max(map(len, found), default=4)
    rows = [f"{'file':{width}}  {'lines':>11}  {'outcomes':>11}"]
    for name, pairs in [*figures, ("all", totals)]:
        rows.append("  ".join([f"{name:{width}}", *(f"{reached}/{total}".rjust(11) for reached, total in pairs)]))
    return "\n".join(rows)


def _figures(covered: Covered) -> list[tuple[int, int]]:
    """Reached and total: of lines, of outcomes."""
    lines = covered.lines - len(covered.missed_lines), covered.lines
    return [lines, (covered.outcomes - len(covered.missed_outcomes), covered.outcomes)]


def main(arguments: list[str] | None = None) -> int:
    """Run as a program; the result is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.coverage")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    options = parser.parse_args(arguments)
    try:
        found = measure()
    except CannotMeasure as error:
        print(error, file=sys.stderr)
        return 2
    print(table(found))
    if options.json:
        figures = {
            name: dict(zip(("lines", "outcomes"), _figures(covered), strict=True)) for name, covered in found.items()
        }
        options.json.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    for name, covered in found.items():
        for line in covered.missed_lines:
            print(f"{name}:{line}: never ran", file=sys.stderr)
        for sentence in covered.missed_outcomes:
            print(f"{name}:{sentence}", file=sys.stderr)
    return 0 if all(covered.complete for covered in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
