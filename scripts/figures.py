"""Measured figures: kept in docs/benchmarks.json, from which the tables between markers in docs/benchmarks.md and the
pictures are made.

``python -m scripts.figures`` makes them again.
"""

import hashlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.gas.plot import INK, OURS, SOFT, STYLE

HEADINGS = ("what", "figure", "goal", "by its processor time", "memory", "× peer")
DOCS = Path(__file__).resolve().parents[1] / "docs"


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        goal: what it should be at least, or at most; None if there is none.
        own: the rate by the process's own processor time, which others on the machine do not slow; 0 if not measured.
        memory: MiB, the most at any time; 0 if it was not measured.
        ratio: times the peer of the same run.
        most: the goal is the most it should be.
    """

    what: str
    rate: float
    unit: str
    goal: float | None = None
    own: float = 0
    memory: int = 0
    ratio: float | None = None
    most: bool = False

    def cells(self) -> tuple[str, ...]:
        """As a row of a table."""
        goal = ""
        if self.goal is not None:
            met = self.rate <= self.goal if self.most else self.rate >= self.goal
            goal = f"{'' if met else '**missed**: '}{'≤ ' if self.most else ''}{self.goal:,.0f}"
        ratio = "" if self.ratio is None else f"{self.ratio:.3g}"
        own, memory = f"{self.own:,.0f}" if self.own else "", f"{self.memory} MiB" if self.memory else ""
        return self.what, f"{self.number()} {self.unit}", goal, own, memory, ratio

    def number(self) -> str:
        """The figure as a person reads it."""
        return f"{self.rate:,.0f}" if self.rate >= 100 else f"{self.rate:,.3g}"


def load(folder: Path = DOCS) -> dict[str, list[Figure]]:
    """The kept figures by section."""
    kept = json.loads((folder / "benchmarks.json").read_text())
    return {section: [Figure(**row) for row in rows] for section, rows in kept.items()}


def record(section: str, figures: Sequence[Figure], folder: Path = DOCS) -> None:
    """Keep the figures of a section, and make its table and picture."""
    kept = load(folder) if (folder / "benchmarks.json").exists() else {}
    kept[section] = list(figures)
    rows = {name: [asdict(figure) for figure in some] for name, some in sorted(kept.items())}
    (folder / "benchmarks.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")
    make(folder)


def make(folder: Path = DOCS) -> None:
    """Make tables and pictures of the kept figures."""
    page = folder / "benchmarks.md"
    text = page.read_text()
    for section, figures in load(folder).items():
        text = placed(text, section, figures)
        (folder / f"benchmarks-{section}.svg").write_text(draw(section, figures))
    page.write_text(text)


def placed(text: str, section: str, figures: Sequence[Figure]) -> str:
    """The page with the table of a section between its markers."""
    begin, end = f"<!-- {section}: made by scripts.figures -->\n", f"<!-- end of {section} -->\n"
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"docs/benchmarks.md has no place for {section}.")
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(figure.cells() for figure in figures)]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return f"{before}{begin}{table}\n![The same as a picture](benchmarks-{section}.svg)\n{end}{after}"


def digest(figures: Sequence[Figure]) -> str:
    """Of figures, kept in their picture, so that a stale one can be told."""
    return "sha256:" + hashlib.sha256(json.dumps([asdict(figure) for figure in figures]).encode()).hexdigest()


def draw(section: str, figures: Sequence[Figure]) -> str:
    """A bar for each figure, on a scale of powers of ten, with a mark at its goal."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Picture

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        picture = Picture(figsize=(9.6, 0.42 * len(figures) + 1.1), facecolor="white")
        axes = picture.subplots()
        places = range(len(figures))
        axes.barh(places, [figure.rate for figure in figures], color=OURS, height=0.6)
        for place, figure in enumerate(figures):
            axes.text(figure.rate * 1.06, place, f"{figure.number()} {figure.unit}", va="center", fontsize=9, color=INK)
            if figure.goal:
                axes.plot([figure.goal] * 2, [place - 0.4, place + 0.4], color="#c77800", linewidth=2)
        axes.set_yticks(places, [figure.what for figure in figures])
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlabel("on a scale of powers of ten; a mark is a goal", color=SOFT)
        axes.tick_params(length=0)
        axes.margins(x=0.12)
        text = io.StringIO()
        meta: dict[str, Any] = {"Date": None, "Creator": None, "Title": section, "Identifier": digest(figures)}
        picture.savefig(text, format="svg", metadata=meta, bbox_inches="tight")
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


if __name__ == "__main__":
    make()
    sys.exit(0)
