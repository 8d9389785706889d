"""When a gas measurement is refused, and that what is published of it is what was measured."""

import json
import re
from dataclasses import replace

import pytest

from scripts.gas import __main__ as gas
from scripts.gas import page, sources
from scripts.gas.rows import ALIKE, BUDGETS, UNREACHABLE, Row, fallen, faults, missed, risen, unlike

RECORDED, CONDITIONS = gas.read()


def row(key="something", amount=10_000, count=1, per=1, system="Volens"):
    return Row(key, system, "Granting", key, amount, count, per)


def named(key):
    return next(row for row in RECORDED if row.key == key)


# the record


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"rows": [{}], "conditions": {}}', '{"rows": [], "conditions": 7}']
)
def test_nothing_is_measured_beside_a_damaged_record(tmp_path, monkeypatch, capsys, text):
    monkeypatch.setattr(gas, "RECORD", tmp_path / "gas.json")
    monkeypatch.setattr(gas, "run", lambda _: pytest.fail("measured"))
    gas.RECORD.write_text(text)
    assert gas.main(["--check"]) == 2
    assert "gas.json is damaged" in capsys.readouterr().err


def test_without_a_record_there_is_nothing_recorded(tmp_path, monkeypatch):
    monkeypatch.setattr(gas, "RECORD", tmp_path / "none.json")
    assert gas.read() == ([], {})


# risen


def test_the_same_again_passes():
    assert risen(RECORDED, RECORDED) == []


def test_exactly_one_percent_passes():
    assert risen([row(amount=10_100)], [row(amount=10_000)]) == []


def test_the_next_unit_does_not():
    assert risen([row(amount=10_101)], [row(amount=10_000)]) == [
        "something rose by 1.01 %: 10,000 gas is recorded, 10,101 measured."
    ]


@pytest.mark.parametrize("system", ["Volens", "EAS"])
def test_a_peer_must_not_rise_either(system):
    assert risen([row(amount=20_000, system=system)], [row(system=system)]) != []


def test_a_row_that_is_no_longer_measured_fails():
    assert risen([], [row()]) == ["something is recorded but was not measured."]


def test_a_row_that_was_never_recorded_fails():
    assert risen([row()], []) == ["something is not recorded. Run `make bench-gas`."]


def test_falling_is_said_but_is_no_fault():
    now, before = [row(amount=9_000)], [row(amount=10_000)]
    assert risen(now, before) == []
    assert fallen(now, before) == ["something fell by 1,000 gas, to 9,000."]
    assert fallen(before, before) == fallen(before, []) == fallen(before, now) == []


# budgets


def test_the_budget_itself_is_kept():
    assert missed([row("revokeFor 1", BUDGETS["revokeFor 1"])]) == []


def test_one_unit_more_misses_it():
    assert missed([row("revokeFor 1", 41_001)]) == ["revokeFor 1: 41,001 gas is above the budget of 41,000."]


def test_the_budget_of_a_list_is_for_each_entry():
    assert missed([row("revokeFor 100", 840_000, 100, 100)]) == []
    assert missed([row("revokeFor 100", 842_000, 100, 100)]) == [
        "revokeFor 100: 8,420 gas each is above the budget of 8,400."
    ]


def test_a_list_is_not_rounded_into_its_budget():
    assert row("revokeFor 100", 840_001, 100, 100).missed


def test_what_has_no_budget_misses_none():
    assert missed([row(amount=10**9)]) == []
    assert row().used is None


def test_every_budget_is_measured():
    assert BUDGETS.keys() <= {row.key for row in RECORDED}


@pytest.mark.parametrize(("by_hand", "refused"), [(62_001, False), (62_000, True), (None, True)])
def test_a_miss_is_excused_while_nobody_could_keep_the_budget(by_hand, refused):
    rows = [row("grantFor 1", 63_000)]
    if by_hand is not None:
        rows.append(row(UNREACHABLE["grantFor 1"], by_hand, system="By hand"))
    assert bool(missed(rows)) is refused


# the flat cost


def test_taking_everything_back_must_cost_the_same():
    rows = [row(key, 57_000) for key in ALIKE]
    assert unlike(rows) == []
    assert unlike([*rows[:-1], replace(rows[-1], gas=57_001)]) == [
        "Taking everything back must cost the same however many grants there are; "
        "it costs 57,000 with 1, 57,000 with 10, 57,000 with 100, 57,001 with 1000."
    ]


def test_as_recorded_it_does():
    assert unlike(RECORDED) == []


def test_faults_are_all_of_them():
    rows = [row("revokeFor 1", 50_000), row("revokeAllFor 1", 1), row("revokeAllFor 10", 2)]
    assert len(faults(rows, [row("revokeFor 1", 40_000), row("gone")])) == 6


# what is published


def test_the_page_holds_what_is_recorded():
    text = gas.PAGE.read_text(encoding="utf-8")
    assert text.count(page.BEGIN) == text.count(page.END) == 1
    assert page.replaced(text, page.measured(RECORDED, CONDITIONS)) == text, "run `make bench-gas`"


def test_the_page_names_every_figure():
    text = gas.PAGE.read_text(encoding="utf-8")
    assert [row.key for row in RECORDED if f"| {row.gas:,} |" not in text] == []


def test_the_record_is_written_as_it_is_read():
    assert gas.render(RECORDED, CONDITIONS) == gas.RECORD.read_text(encoding="utf-8")


def test_the_picture_is_of_this_record():
    picture = gas.PICTURE.read_text(encoding="utf-8")
    assert gas.digest(gas.RECORD.read_text(encoding="utf-8")) in picture, "run `make bench-gas`"
    assert "<dc:date>" not in picture


def test_it_was_measured_with_the_compiler_of_the_contracts():
    compiler = sources.compiler()
    assert {name: CONDITIONS[name] for name in compiler} == compiler


def test_keys_are_unique():
    assert len({row.key for row in RECORDED}) == len(RECORDED)


def test_a_missed_budget_is_told_first():
    rows = [replace(row, gas=10**6) if row.key == "revokeFor 1" else row for row in RECORDED]
    first = page.summary(rows).splitlines()[0]
    assert "**Missed:**" in first
    assert "1,000,000 of 41,000" in " ".join(page.summary(rows).split())
    kept = [replace(row, gas=1) for row in RECORDED]
    assert page.summary(kept).startswith(f"- All {len(BUDGETS)} budgets are kept.")


def test_a_growing_cost_is_not_called_flat():
    rows = [replace(row, gas=row.gas + 1) if row.key == ALIKE[-1] else row for row in RECORDED]
    assert "whether she holds one grant or a thousand" not in page.summary(rows)
    assert "and should" in page.summary(rows)


def test_a_table_keeps_its_numbers_to_the_right():
    found = page.Table("", ("what", "gas"), (("a", "1"),))
    assert found.markdown() == "| what | gas |\n| --- | --: |\n| a | 1 |"


# the program


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The program with a measurement given to it, and a copy of the record."""
    for name in ("RECORD", "PAGE", "PICTURE"):
        copy = tmp_path / getattr(gas, name).name
        copy.write_bytes(getattr(gas, name).read_bytes())
        monkeypatch.setattr(gas, name, copy)
    monkeypatch.setattr(gas, "conditions", lambda: CONDITIONS)

    def start(rows, *arguments):
        monkeypatch.setattr(gas, "run", lambda _quiet: rows)
        before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
        status = gas.main(list(arguments))
        return status, before != {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    return start


def kept():
    """The record, with every budget kept."""
    return [replace(row, gas=row.budget * row.per) if row.budget else row for row in RECORDED]


def test_the_check_passes_and_writes_nothing(program, capsys):
    gas.RECORD.write_text(gas.render(kept(), CONDITIONS))
    assert program(kept(), "--check") == (0, False)
    assert "No row rose, and no budget is missed that could be kept." in capsys.readouterr().out


def test_the_check_fails_on_a_rise_in_a_sentence(program, capsys):
    gas.RECORD.write_text(gas.render(kept(), CONDITIONS))
    rows = [replace(row, gas=row.gas * 2) if row.key == "closeFor" else row for row in kept()]
    assert program(rows, "--check") == (1, False)
    assert re.search(r"✗ closeFor rose by 100\.00 %", capsys.readouterr().err)


def test_the_check_fails_on_a_missed_budget_even_if_recorded(program, capsys):
    rows = [replace(row, gas=43_000) if row.key == "revokeFor 1" else row for row in kept()]
    gas.RECORD.write_text(gas.render(rows, CONDITIONS))
    assert program(rows, "--check") == (1, False)
    assert "✗ revokeFor 1: 43,000 gas is above the budget of 41,000." in capsys.readouterr().err


def test_the_check_fails_under_other_conditions(program, capsys, monkeypatch):
    gas.RECORD.write_text(gas.render(kept(), CONDITIONS))
    monkeypatch.setattr(gas, "conditions", lambda: CONDITIONS | {"version": "0.8.38"})
    assert program(kept(), "--check") == (1, False)
    assert "The compiler, its settings or a package differ" in capsys.readouterr().err


def test_json_is_for_programs(program, capsys):
    program(RECORDED, "--check", "--json")
    answer = json.loads(capsys.readouterr().out)
    assert answer["conditions"] == CONDITIONS
    assert [Row.from_json(row) for row in answer["rows"]] == RECORDED
    assert answer["faults"] == missed(RECORDED)


# the peers' sources


def test_only_an_exact_pragma_is_widened():
    widen = sources._EXACT.sub
    assert widen(r"pragma solidity ^\1;", "pragma solidity 0.8.29;") == "pragma solidity ^0.8.29;"
    assert widen(r"pragma solidity ^\1;", "pragma solidity ^0.8.0;") == "pragma solidity ^0.8.0;"


def test_the_peers_are_installed_as_recorded():
    assert sources.versions() == CONDITIONS["packages"]


def test_every_peer_is_beside_volens():
    keys = {key for _, cells in page.SIDE_BY_SIDE for key in cells if key}
    assert keys <= {row.key for row in RECORDED}
    assert {named(key).system for key in keys} == set(page.SYSTEMS)
