"""The coverage gate: it sees what it says it sees, and a test less makes it fail."""

import shutil
from pathlib import Path

import pytest

from scripts import coverage
from scripts.coverage import CannotMeasure, Covered, hits, instrument, judge, measure, parse, read_lcov, table

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = """// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

contract Door {
    error Shut();

    // “No ASCII” before it, so that bytes and letters differ.
    function enter(uint256 age, bool listed) external pure returns (string memory) {
        if (age < 18 && !(listed)) revert Shut();
        require(age != 99, "too many");
        return age > 65 ? "slowly" : "quickly";
    }
}
"""
TESTS = {
    "child": "try door.enter(17, false) { revert(); } catch {}",
    "listed": "door.enter(17, true);",
    "adult": "door.enter(30, false);",
    "old": "door.enter(70, false);",
    "many": "try door.enter(99, false) { revert(); } catch {}",
}


def project(folder: Path, tests: dict[str, str], contract: str = CONTRACT) -> Path:
    (folder / "contracts" / "test").mkdir(parents=True)
    shutil.copy(ROOT / "foundry.toml", folder)
    (folder / "contracts" / "Door.sol").write_text(contract)
    functions = "".join(f"function test_{name}() external {{ {body} }}\n" for name, body in tests.items())
    (folder / "contracts" / "test" / "Door.t.sol").write_text(
        'pragma solidity ^0.8.24;\nimport {Door} from "../Door.sol";\n'
        f"contract DoorTest {{ Door internal door = new Door();\n{functions} }}\n"
    )
    return folder


def made(contract: str = CONTRACT) -> coverage.Source:
    text = contract.encode()
    return instrument(text, parse({"contracts/Door.sol": text})["contracts/Door.sol"], "Seen")


def test_every_test_is_needed_or_the_gate_names_what_it_saw(tmp_path, monkeypatch, capsys):
    """With all tests everything is reached; without one, what only that one reached is named, and the status is 1."""
    only = {
        "child": ["9:27: `listed` was never false"],
        "listed": ["9:27: `listed` was never true"],
        "old": ["11:16: `age > 65` was never true"],
        "many": ["10:17: `age != 99` was never false"],
    }
    everything = project(tmp_path / "all", TESTS)
    assert measure(everything)["contracts/Door.sol"] == Covered(4, (), 8, ())
    for name, missing in only.items():
        fewer = project(tmp_path / name, {other: body for other, body in TESTS.items() if other != name})
        found = measure(fewer)
        assert list(found["contracts/Door.sol"].missed_outcomes) == missing
        monkeypatch.setattr(coverage, "measure", lambda found=found: found)
        assert coverage.main([]) == 1
        printed = capsys.readouterr()
        assert f"contracts/Door.sol:{missing[0]}" in printed.err
        assert "contracts/Door.sol" in printed.out


def test_forge_alone_would_not_have_noticed(tmp_path):
    """Why the sources are changed: an `if` never passed over counts as covered, an operand does not count."""
    root = project(tmp_path, {"child": TESTS["child"]})
    plain = hits(root, {})["contracts/Door.sol"]
    assert plain[9] > 0
    assert "9:13: `age < 18` was never false" in measure(root)["contracts/Door.sol"].missed_outcomes


def test_a_failing_test_is_not_a_figure(tmp_path):
    with pytest.raises(CannotMeasure, match="forge coverage failed"):
        measure(project(tmp_path, {**TESTS, "wrong": "revert();"}))


def test_conditions_keep_their_lines_and_are_named_by_place():
    source = made()
    assert [(c.line, c.column, c.text) for c in source.conditions] == [
        (9, 13, "age < 18"),
        (9, 27, "listed"),
        (10, 17, "age != 99"),
        (11, 16, "age > 65"),
    ]
    lines = source.text.decode().splitlines()
    assert lines[8].strip() == "if (Seen.c0(age < 18) && !(Seen.c1(listed))) revert Shut();"
    for true, false in source.outcomes:
        assert (lines[true - 1], lines[false - 1]) == ("return true;", "return false;")


def test_conditions_within_conditions():
    source = made(CONTRACT.replace("age > 65 ?", "(age > 65 ? listed || age == 70 : age == 66) ?"))
    line = source.text.decode().splitlines()[10]
    assert line.count("Seen.c") == len(source.conditions) - 3 == 4
    parse({"again.sol": source.text})


def test_a_branch_in_assembly_is_never_covered():
    body = "assembly { if age { mstore(0, 1) } }\n        return"
    source = made(CONTRACT.replace("return age", f"{body} age"))
    assert len(source.unseen) == 1
    assert "`if` in assembly" in source.unseen[0]
    assert "(line 11)" in source.unseen[0]
    everywhere = dict.fromkeys(range(1, 200), 1)
    assert not judge(source, everywhere).complete
    assert judge(made(), everywhere).complete


def test_a_file_no_test_compiles_is_not_covered():
    assert judge(made(), None) == Covered(1, (1,), 0, ())
    constants = made("library Numbers { uint8 internal constant ONE = 1; }")
    assert judge(constants, None).complete


def test_lcov_is_added_up():
    report = "TN:\nSF:a.sol\nDA:1,2\nDA:2,0\nDA:1,3\nBRDA:1,0,0,1\nend_of_record\nSF:b.sol\nDA:7,1\nend_of_record\n"
    assert read_lcov(report) == {"a.sol": {1: 5, 2: 0}, "b.sol": {7: 1}}


def test_the_table_adds_up():
    rows = table({"a": Covered(10, (3,), 4, ("x",)), "b": Covered(5, (), 0, ())}).splitlines()
    assert [row.split() for row in rows[1:]] == [["a", "9/10", "3/4"], ["b", "5/5", "0/0"], ["all", "14/15", "3/4"]]


def test_what_cannot_be_measured_is_one_sentence(monkeypatch, capsys):
    def fails() -> None:
        raise CannotMeasure("There is no forge: run `make setup`.")

    monkeypatch.setattr(coverage, "measure", fails)
    assert coverage.main([]) == 2
    assert capsys.readouterr().err == "There is no forge: run `make setup`.\n"


def test_the_figures_can_be_written_down(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(coverage, "measure", lambda: {"a": Covered(2, (), 4, ())})
    assert coverage.main(["--json", str(tmp_path / "figures.json")]) == 0
    assert (tmp_path / "figures.json").read_text() == (
        '{\n "a": {\n  "lines": [\n   2,\n   2\n  ],\n  "outcomes": [\n   4,\n   4\n  ]\n }\n}\n'
    )
    assert "2/2" in capsys.readouterr().out
