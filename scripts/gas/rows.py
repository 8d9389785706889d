"""What is measured, what it is held to, and when a measurement is refused. Pure: no node, no files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

VOLENS = "Volens"

BUDGETS: Mapping[str, int] = {
    "grantFor 1": 62_000,
    "grantFor 10": 29_500,
    "grantFor 100": 26_000,
    "grantForMany 100": 38_000,
    "revokeFor 1": 41_000,
    "revokeFor 100": 8_400,
    "revokeAllFor 1": 60_500,
    "revokeAllFor 10": 60_500,
    "revokeAllFor 100": 60_500,
    "revokeAllFor 1000": 60_500,
    "anchor 1000": 51_500,
    "anchor 10000": 51_500,
    "anchor 100000": 51_500,
}
"""The most gas that an operation of Volens may use, by the key of its row; for a list, each entry of it."""

UNREACHABLE: Mapping[str, str] = {"grantFor 1": "By hand grantFor 1"}
"""Budgets that the rules themselves do not leave room for, and the row that shows it: the same rules by hand, with
everything left out that could be. Such a miss is told but not refused, while that row is above the budget too."""

ALIKE = ("revokeAllFor 1", "revokeAllFor 10", "revokeAllFor 100", "revokeAllFor 1000")
"""Rows whose gas must be the same to the last unit: taking everything back costs what it costs, however much it is."""

RISE_PERCENT = 1
"""By how much a row may rise above what is recorded."""


@dataclass(frozen=True)
class Row:
    """The gas of one transaction, as its receipt states it: everything, with the 21,000 that any transaction costs.

    Attributes:
        key: names the row in docs/gas.json and in the budgets; peers' begin with their name.
        system: whose contract.
        group: the heading it stands under.
        what: what was done, for people.
        gas: of the transaction.
        count: how many grants (or people) it was for.
        per: how many of them `each` divides by; 1 where the transaction is the unit, as in anchoring.
    """

    key: str
    system: str
    group: str
    what: str
    gas: int
    count: int = 1
    per: int = 1

    @property
    def each(self) -> float:
        """Gas for each entry."""
        return self.gas / self.per

    @property
    def budget(self) -> int | None:
        """The most it may be, for each entry; None if nothing was set."""
        return BUDGETS.get(self.key)

    @property
    def used(self) -> float | None:
        """The part of the budget that is used."""
        return None if self.budget is None else self.each / self.budget

    @property
    def missed(self) -> bool:
        """Whether it is above its budget."""
        return self.budget is not None and self.gas > self.budget * self.per

    def to_json(self) -> dict[str, Any]:
        """As it stands in docs/gas.json."""
        return vars(self) | {"each": round(self.each, 2), "budget": self.budget}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Row":
        """Read back. What can be computed is computed again."""
        return cls(**{name: value[name] for name in cls.__dataclass_fields__})


def missed(rows: Iterable[Row]) -> list[str]:
    """Every budget that is missed and could be kept, as sentences."""
    found = list(rows)
    return [
        f"{row.key}: {row.each:,.0f} gas{' each' if row.per > 1 else ''} is above the budget of {row.budget:,}."
        for row in found
        if row.missed and witness(row, found) is None
    ]


def witness(row: Row, rows: Iterable[Row]) -> Row | None:
    """The row which shows that a budget cannot be kept by any contract with these rules; None if there is none."""
    for other in rows:
        if other.key == UNREACHABLE.get(row.key) and row.budget is not None and other.gas > row.budget * row.per:
            return other
    return None


def unlike(rows: Iterable[Row]) -> list[str]:
    """Whether the rows that must cost the same do."""
    found = {row.key: row.gas for row in rows if row.key in ALIKE}
    if len(set(found.values())) <= 1:
        return []
    told = ", ".join(f"{gas:,} with {key.split()[-1]}" for key, gas in found.items())
    return [f"Taking everything back must cost the same however many grants there are; it costs {told}."]


def risen(rows: Iterable[Row], recorded: Iterable[Row]) -> list[str]:
    """Rows that rose by more than 1 % or that only one side has, as sentences."""
    now, before = {row.key: row for row in rows}, {row.key: row for row in recorded}
    found = [f"{key} is recorded but was not measured." for key in before if key not in now]
    for key, row in now.items():
        if key not in before:
            found.append(f"{key} is not recorded. Run `make bench-gas`.")
        # In whole numbers, so that exactly 1 % is not above it.
        elif row.gas * 100 > before[key].gas * (100 + RISE_PERCENT):
            rise = 100 * (row.gas / before[key].gas - 1)
            found.append(f"{key} rose by {rise:.2f} %: {before[key].gas:,} gas is recorded, {row.gas:,} measured.")
    return found


def fallen(rows: Iterable[Row], recorded: Iterable[Row]) -> list[str]:
    """Rows that fell: worth recording, so that they cannot rise again unseen. No fault."""
    before = {row.key: row.gas for row in recorded}
    return [
        f"{row.key} fell by {before[row.key] - row.gas:,} gas, to {row.gas:,}."
        for row in rows
        if row.gas < before.get(row.key, 0)
    ]


def faults(rows: list[Row], recorded: list[Row]) -> list[str]:
    """Everything for which a measurement is refused, as sentences; none is a pass."""
    return [*missed(rows), *unlike(rows), *risen(rows, recorded)]
