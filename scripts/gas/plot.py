"""docs/gas.svg: three pictures of docs/gas.json, the same bytes for the same rows.

Text stays text, in the fonts of docs/overview.svg, so the picture can be searched and read aloud.
"""

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from scripts.gas.rows import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS, LIST, EAS, FLOOR, INK, SOFT = "#1f6f8b", "#4f9db8", "#c77800", "#8a9299", "#14212b", "#5b6a74"
STYLE: dict[str, Any] = {
    "svg.hashsalt": "volens",
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "text.color": INK,
    "axes.edgecolor": "#b8c2c8",
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "lines.linewidth": 2.4,
    "lines.markersize": 6.5,
}
FONTS = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif"
TITLE = "What granting and taking back cost in gas"


def draw(rows: Sequence[Row], digest: str) -> str:
    """The picture.

    Args:
        rows: the measurement.
        digest: of docs/gas.json, kept in the picture, so that a test can tell a stale one.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    found = {row.key: row for row in rows}
    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        figure = Figure(figsize=(12.4, 4.7), facecolor="white")
        panels = figure.subplots(1, 3)
        _granting(panels[0], found)
        _everything(panels[1], found)
        _cohorts(panels[2], found)
        figure.subplots_adjust(left=0.055, right=0.985, top=0.80, bottom=0.125, wspace=0.27)
        text = io.StringIO()
        figure.savefig(
            text, format="svg", metadata={"Date": None, "Creator": None, "Title": TITLE, "Identifier": digest}
        )
    # Whoever has no DejaVu Sans is given the next best, as in the other pictures.
    drawn = re.sub(r"'?DejaVu Sans'?(?=[;\"])", FONTS, text.getvalue())
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def _panel(axes: "Axes", title: str, subtitle: str, horizontal: str) -> None:
    axes.text(0, 1.155, title, transform=axes.transAxes, fontsize=12.5, fontweight="bold")
    axes.text(0, 1.07, subtitle, transform=axes.transAxes, fontsize=9.5, color=SOFT)
    axes.set_xlabel(horizontal)
    axes.set_xscale("log")
    axes.minorticks_off()
    axes.grid(axis="y", color="#e6ebee", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)


def _ticks(axes: "Axes", places: Sequence[int], values: Sequence[float], unit: str = "") -> None:
    axes.set_xticks(places, [_short(place) for place in places])
    axes.set_yticks(values, [_short(value) + unit for value in values])
    axes.minorticks_off()


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g} M"
    if value >= 10_000:
        return f"{value / 1000:g}k"
    return f"{value:,g}"


def _line(
    axes: "Axes", points: Sequence[tuple[float, float]], colour: str, name: str,
    at: tuple[float, float], **style: Any,
) -> None:  # fmt: skip
    axes.plot([x for x, _ in points], [y for _, y in points], color=colour, marker="o", clip_on=False, **style)
    axes.text(*at, name, color=colour, fontsize=10, fontweight="bold")


def _value(
    axes: "Axes", x: float, y: float, colour: str, away: tuple[float, float], ha: Literal["left", "right"] = "left"
) -> None:
    told = f"{y:,.0f}" if y >= 10 else f"{y:.2f}"
    axes.annotate(told, (x, y), away, textcoords="offset points", color=colour, fontsize=9, ha=ha)


def _granting(axes: "Axes", found: dict[str, Row]) -> None:
    _panel(axes, "Granting", "gas for each grant", "grants in one transaction")
    lists = (1, 10, 100, 1000)
    eas = [found["EAS attestByDelegation"], *(found[f"EAS multiAttestByDelegation {n}"] for n in lists[1:])]
    ours = [found[f"grantFor {n}"] for n in lists]
    bare = [found[f"Floor grant {n}"] for n in lists]
    _line(axes, [(r.count, r.each) for r in eas], EAS, "EAS, by delegation", (9, eas[1].each + 12_000))
    _line(axes, [(r.count, r.each) for r in bare], FLOOR, "a bare slot and event", (1.9, 9_000), linestyle=(0, (4, 2)))
    _line(axes, [(r.count, r.each) for r in ours], OURS, "Volens, by signature", (3.6, ours[0].each - 14_000))
    for row, colour in ((ours[0], OURS), (ours[2], OURS), (eas[0], EAS), (eas[2], EAS)):
        away = (8.0, 4.0) if row.count == 1 else (-3.0, -15.0 if colour == EAS else 8.0)
        _value(axes, row.count, row.each, colour, away)
    _ticks(axes, lists, range(0, 250_000, 50_000))
    axes.set_ylim(0, 235_000)


def _everything(axes: "Axes", found: dict[str, Row]) -> None:
    _panel(axes, "Taking everything back", "gas in all, signed and relayed", "grants the patient holds")
    lists = (1, 10, 100, 1000)
    flat = [found[f"revokeAllFor {n}"] for n in lists]
    eas = [found["EAS revokeByDelegation"], *(found[f"EAS multiRevokeByDelegation {n}"] for n in lists[1:])]
    each = [found[f"revokeFor {n}"] for n in lists]
    _line(axes, [(r.count, r.gas) for r in eas], EAS, "EAS, one by one", (2.2, 4_500_000))
    _line(axes, [(r.count, r.gas) for r in each], LIST, "Volens,\na list", (150, 330_000))
    name = f"Volens, everything: {flat[0].gas:,}"
    _line(axes, [(r.count, r.gas) for r in flat], OURS, name, (6.2, 32_000))
    axes.set_yscale("log")
    _ticks(axes, lists, (10_000, 100_000, 1_000_000, 10_000_000))
    axes.set_ylim(10_000, 60_000_000)


def _cohorts(axes: "Axes", found: dict[str, Row]) -> None:
    _panel(axes, "A whole cohort", "gas for each participant", "participants in one transaction")
    many = [found["grantFor 1"], found["grantForMany 10"], found["grantForMany 100"]]
    anchors = [found[f"anchor {n}"] for n in (1_000, 10_000, 100_000)]
    _line(axes, [(r.count, r.each) for r in many], LIST, "one grant each, recorded", (1, 120_000))
    _line(axes, [(r.count, r.gas / r.count) for r in anchors], OURS, "one root, anchored", (110, 170))
    _value(axes, many[-1].count, many[-1].each, LIST, (9, -4))
    for row in anchors:
        _value(axes, row.count, row.gas / row.count, OURS, (-9, -5), ha="right")
    axes.set_yscale("log")
    _ticks(axes, (1, 10, 100, 1_000, 10_000, 100_000), (0.1, 1, 10, 100, 1_000, 10_000, 100_000))
    axes.set_ylim(0.1, 300_000)
