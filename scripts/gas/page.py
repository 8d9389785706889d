"""The measured part of docs/gas.md, and the same tables for the terminal. Pure: rows in, text out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from scripts.gas.rows import ALIKE, VOLENS, Row, witness

BEGIN = "<!-- measured: written by `make bench-gas`, not by hand -->"
END = "<!-- end of what was measured -->"
WIDTH = 120
BESIDE = fill(
    "Gas for each grant; in brackets, how many times what Volens takes. The floor, `scripts/gas/peers/Floor.sol`, is a "
    "slot and an event and nothing else, always in the sender's own transaction.",
    WIDTH,
)
NAMES = {
    "@ethereum-attestation-service/eas-contracts": "EAS",
    "ethr-did-registry": "ethr-did-registry",
    "@openzeppelin/contracts": "OpenZeppelin",
    "@foundry-rs/anvil": "anvil",
}

SYSTEMS = (VOLENS, "EAS", "ethr-did", "AccessControl", "Floor")
HEADS = (VOLENS, "EAS", "ethr-did", "AccessControl", "floor")
# What was done, and the row of each system that does it; the last column is in the sender's own transaction throughout.
SIDE_BY_SIDE: tuple[tuple[str, tuple[str | None, ...]], ...] = (
    ("grant one, signed, relayed",
     ("grantFor 1", "EAS attestByDelegation", "ethr-did addDelegateSigned", None, "Floor grant 1")),
    ("grant ten at once",
     ("grantFor 10", "EAS multiAttestByDelegation 10", None, None, "Floor grant 10")),
    ("grant a hundred at once",
     ("grantFor 100", "EAS multiAttestByDelegation 100", None, None, "Floor grant 100")),
    ("a hundred patients, one grant each",
     ("grantForMany 100", "EAS multiAttestByDelegation 100 patients", None, None, None)),
    ("take one back, signed, relayed",
     ("revokeFor 1", "EAS revokeByDelegation", "ethr-did revokeDelegateSigned", None, "Floor revoke 1")),
    ("take ten back at once",
     ("revokeFor 10", "EAS multiRevokeByDelegation 10", None, None, "Floor revoke 10")),
    ("take a hundred back at once",
     ("revokeFor 100", "EAS multiRevokeByDelegation 100", None, None, "Floor revoke 100")),
    ("grant one, own transaction",
     ("grant 1", "EAS attest", "ethr-did addDelegate", "AccessControl grantRole", "Floor grant 1")),
    ("take one back, own transaction",
     ("revoke 1", "EAS revoke", "ethr-did revokeDelegate", "AccessControl revokeRole", "Floor revoke 1")),
)  # fmt: skip


@dataclass(frozen=True)
class Table:
    """A table for a page or a terminal."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """Numbers to the right."""
        marks = ["---", *("--:" for _ in self.columns[1:])]
        lines = [self.columns, marks, *self.rows]
        return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def side_by_side(rows: Iterable[Row]) -> Table:
    """The same job in every system that can do it, gas for each grant."""
    found = {row.key: row for row in rows}
    lines = []
    for what, keys in SIDE_BY_SIDE:
        own = found[keys[0] or ""].each
        cells = [_number(own)]
        for key in keys[1:]:
            cells.append("–" if key is None else f"{_number(found[key].each)} ({found[key].each / own:.1f} ×)")
        lines.append((what, *cells))
    return Table("Side by side: gas for each grant, and how many times Volens'", ("", *HEADS), tuple(lines))


def volens(rows: Iterable[Row]) -> list[Table]:
    """Everything Volens does, a table for each heading."""
    own = [row for row in rows if row.system == VOLENS]
    tables = []
    for group in dict.fromkeys(row.group for row in own):
        lines = tuple(_line(row) for row in own if row.group == group)
        tables.append(Table(group, ("what", "gas", "each", "budget", "used"), lines))
    return tables


def _line(row: Row) -> tuple[str, ...]:
    each = row.gas / row.count if row.group == "Cohorts" else row.each
    shared = row.count > 1 and (row.per > 1 or row.group == "Cohorts")
    used = "" if row.used is None else f"{100 * row.used:.1f} % {'✗' if row.missed else '✓'}"
    budget = "" if row.budget is None else f"{row.budget:,}"
    return row.what, f"{row.gas:,}", _number(each) if shared else "", budget, used


def peers(rows: Iterable[Row]) -> Table:
    """Everything of the others that was measured."""
    lines = tuple(
        (f"{row.system}: {row.what}", f"{row.gas:,}", _number(row.each) if row.per > 1 else "")
        for row in rows
        if row.system != VOLENS and row.group != "Deployment"
    )
    deployed = tuple((f"{row.what}, deployed", f"{row.gas:,}", "") for row in rows if _is_peer_deployment(row))
    return Table("The others", ("what", "gas", "each"), (*lines, *deployed))


def _is_peer_deployment(row: Row) -> bool:
    return row.system != VOLENS and row.group == "Deployment"


def verdict(rows: Sequence[Row]) -> str:
    """How many budgets are kept, in a sentence."""
    held = [row for row in rows if row.budget is not None]
    over = [row for row in held if row.missed]
    if not over:
        return f"All {len(held)} budgets are kept."
    told = " ".join(_miss(row, witness(row, rows)) for row in over)
    return f"{len(held) - len(over)} of {len(held)} budgets are kept. **Missed:** {told}"


def _miss(row: Row, shown: Row | None) -> str:
    miss = f"{row.what} ({row.each:,.0f} of {row.budget:,})."
    if shown is None:
        return miss
    return (
        f"{miss} The rules leave no room for it: the same by hand, with whatever can be left out, takes {shown.gas:,}."
    )


def summary(rows: Sequence[Row]) -> str:
    """The page's first lines, in numbers of this measurement."""
    found = {row.key: row for row in rows}
    everything = {found[key].gas for key in ALIKE}
    flat = (
        f"costs {everything.pop():,} gas whether she holds one grant or a thousand"
        if len(everything) == 1
        else "does not cost the same whatever she holds, and should"
    )
    largest = found["anchor 100000"]
    eas_one, eas_list = found["EAS attestByDelegation"], found["EAS multiRevokeByDelegation 100"]
    lines = [
        f"- {verdict(rows)}",
        f"- Recording one grant that a patient signed and somebody else sends costs {found['grantFor 1'].gas:,} gas, "
        f"of which 21,000 is what any transaction costs; EAS takes {eas_one.gas:,}. In a list of a hundred a grant "
        f"costs {_number(found['grantFor 100'].each)}.",
        f"- Taking one grant back costs {found['revokeFor 1'].gas:,}, in a list of a hundred "
        f"{_number(found['revokeFor 100'].each)} (EAS: {_number(eas_list.each)}).",
        f"- Taking everything back {flat}.",
        f"- A cohort of {largest.count:,} participants is recorded for {largest.gas:,} gas, "
        f"{largest.gas / largest.count:.2f} each.",
    ]
    return "\n".join(fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for line in lines)


def measured(rows: Sequence[Row], conditions: dict[str, Any]) -> str:
    """The part of docs/gas.md between the marks, marks included."""
    settings, packages = conditions["settings"], conditions["packages"]
    optimizer = settings["optimizer"]
    under = (
        f"Compiler: solc {conditions['version']}, {'via IR, ' if settings.get('viaIR') else ''}optimizer "
        f"{'on' if optimizer['enabled'] else 'off'} with {optimizer['runs']:,} runs, for {settings['evmVersion']}. "
        + "Packages: "
        + ", ".join(f"{name} {packages[package]}" for package, name in NAMES.items())
        + "."
    )
    beside, others = side_by_side(rows), peers(rows)
    parts = [BEGIN, "## In short", summary(rows), "## Side by side"]
    parts += [BESIDE, beside.markdown()]
    parts += ["## Every figure of Volens"]
    for table in volens(rows):
        parts += [f"### {table.title}", table.markdown()]
    parts += ["## Every figure of the others", others.markdown(), fill(under, WIDTH), END]
    return "\n\n".join(parts)


def replaced(page: str, part: str) -> str:
    """The page with its measured part exchanged."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + part + after
