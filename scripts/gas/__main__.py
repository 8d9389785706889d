"""Measure, and write docs/gas.json, docs/gas.svg and the tables of docs/gas.md; or compare with them.

Run as ``python -m scripts.gas [--check] [--json]``. The same contracts, compiler and packages give the same gas to the
last unit, on any machine.
"""

import argparse
import hashlib
import json
import sys
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Drawn
from rich.text import Text

from ledger.errors import InvalidFile, VolensError
from scripts.compile import ROOT
from scripts.console import err, out
from scripts.gas import page
from scripts.gas.measure import conditions, measure
from scripts.gas.rows import Row, fallen, faults, missed, unlike

RECORD = ROOT / "docs" / "gas.json"
PAGE = ROOT / "docs" / "gas.md"
PICTURE = ROOT / "docs" / "gas.svg"


def render(rows: list[Row], under: dict[str, Any]) -> str:
    """docs/gas.json, one row on a line."""
    lines = ",\n  ".join(json.dumps(row.to_json(), ensure_ascii=False) for row in rows)
    return f'{{\n "conditions": {json.dumps(under)},\n "rows": [\n  {lines}\n ]\n}}\n'


def digest(record: str) -> str:
    """By which docs/gas.svg names the record it was drawn from."""
    return "sha256:" + hashlib.sha256(record.encode()).hexdigest()


def read() -> tuple[list[Row], dict[str, Any]]:
    """What is recorded: the rows, and the conditions they were measured under. Nothing, if there is no record.

    Raises:
        InvalidFile: it is damaged.
    """
    if not RECORD.exists():
        return [], {}
    try:
        record = json.loads(RECORD.read_text(encoding="utf-8"))
        return [Row.from_json(row) for row in record["rows"]], dict(record["conditions"])
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidFile(f"{RECORD.name} is damaged: restore it, or delete it and run `make bench-gas`.") from error


def write(rows: list[Row], under: dict[str, Any]) -> None:
    """Write the record, its picture, and its part of the page."""
    from scripts.gas.plot import draw

    record = render(rows, under)
    RECORD.write_text(record, encoding="utf-8")
    PICTURE.write_text(draw(rows, digest(record)), encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(page.replaced(text, page.measured(rows, under)), encoding="utf-8")


def show(rows: list[Row]) -> None:
    """Print the tables: drawn on a terminal, tab-separated elsewhere."""
    for found in (*page.volens(rows), page.peers(rows), page.side_by_side(rows)):
        if not out.is_terminal:
            for cells in ((found.title,), found.columns, *found.rows, ("",)):
                print("\t".join(cells))
            continue
        drawn = Drawn(title=found.title, title_justify="left", title_style="bold")
        for number, column in enumerate(found.columns):
            drawn.add_column(column, justify="right" if number else "left")
        for cells in found.rows:
            drawn.add_row(*(Text(cell, _colour(cell)) for cell in cells))
        out.print(drawn)


def _colour(cell: str) -> str:
    return {"✓": "green", "✗": "bold red"}.get(cell[-1:], "")


def run(quiet: bool) -> list[Row]:
    """Measure behind a progress bar."""
    columns = (BarColumn(), TextColumn("{task.percentage:>3.0f} %"), TextColumn("{task.description}"))
    hidden = quiet or not err.is_terminal
    with Progress(*columns, TimeElapsedColumn(), console=err, transient=True, disable=hidden) as bar:
        task = bar.add_task("", total=1.0)
        return measure(lambda what, part: bar.update(task, completed=part, description=what))


def main(arguments: list[str] | None = None) -> int:
    """Run as a program; the result is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.gas", description="Measure gas, on one local node.")
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a row rose or a budget is missed"
    )
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args(arguments)
    try:
        recorded, before = read()
        rows, under = run(options.json), conditions()
    except VolensError as error:
        err.print(Text.assemble(("✗", "red"), f" {error}"))
        return error.exit_code
    found = faults(rows, recorded) if options.check else [*missed(rows), *unlike(rows)]
    if options.check and before != under:
        found.append("The compiler, its settings or a package differ from what is recorded. Run `make bench-gas`.")
    if options.json:
        print(json.dumps({"conditions": under, "rows": [row.to_json() for row in rows], "faults": found}, indent=1))
    else:
        show(rows)
        for sentence in fallen(rows, recorded):
            out.print(sentence)
    for sentence in found:
        err.print(Text.assemble(("✗", "red"), f" {sentence}"))
    if not options.check:
        write(rows, under)
        err.print("Written: docs/gas.json, docs/gas.md, docs/gas.svg.")
        return 0
    if not found and not options.json:
        out.print("No row rose, and no budget is missed that could be kept.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
