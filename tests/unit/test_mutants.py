"""Mutants are made, named, sampled and judged as docs/mutants.md says; no compiler and no forge is run here."""

import json
from pathlib import Path

import pytest

from ledger.errors import InvalidFile, InvalidInput
from scripts.mutants import __main__ as program
from scripts.mutants import choosing, gambit, operators, page, survivors
from scripts.mutants.bench import Outcome, Verdict
from scripts.mutants.mutant import Mutant, Name, Source
from scripts.mutants.workshop import Sources, Unit, moved

TEXT = """contract Gate {
    // Ünlike ASCII: places count bytes.
    function open(uint256 a) external {
        if (a <= 15 && ready) emit Opened(a, b);
        keccak(a, "Volens");
    }
}
"""


def node(kind: str, text: str, /, **more: object) -> dict[str, object]:
    """A node of a syntax tree, where `text` first stands in TEXT."""
    start = len(TEXT[: TEXT.index(text)].encode())
    return {"nodeType": kind, "src": f"{start}:{len(text.encode())}:0", **more}


def tree() -> dict[str, object]:
    comparison = node(
        "BinaryOperation",
        "a <= 15",
        operator="<=",
        rightExpression=node("Literal", "15", kind="number"),
    )
    start = int(str(comparison["src"]).split(":")[0])
    comparison["leftExpression"] = {"nodeType": "Identifier", "src": f"{start}:1:0"}
    both = node(
        "BinaryOperation",
        "a <= 15 && ready",
        operator="&&",
        leftExpression=comparison,
        rightExpression=node("Identifier", "ready"),
    )
    inner = node("FunctionCall", "Opened(a, b)")
    place = int(str(inner["src"]).split(":")[0])
    inner["arguments"] = [
        {"nodeType": "Identifier", "src": f"{place + 7}:1:0"},
        {"nodeType": "Identifier", "src": f"{place + 10}:1:0"},
    ]
    emitted = node("EmitStatement", "emit Opened(a, b)", eventCall=inner)
    text = node("Literal", '"Volens"', kind="string")
    body = TEXT[TEXT.index("function") : TEXT.rindex("}\n}") + 1]
    return node("FunctionDefinition", body, kind="function", name="open", modifiers=[], body=[both, emitted, text])


def source() -> Source:
    return Source("contracts/Gate.sol", TEXT, tree())


def made() -> dict[str, Mutant]:
    return {mutant.name.change: mutant for mutant in operators.mutants(source(), {})}


def test_a_comparison_becomes_what_only_its_boundaries_tell_apart() -> None:
    assert {"<= → <", "<= → ==", "a <= 15 → true"} <= made().keys()
    assert "<= → >=" not in made(), "whoever notices that notices one of the three"
    assert made()["<= → <"].text == TEXT.replace("a <= 15", "a < 15")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ("&& → ||", TEXT.replace("&&", "||")),
        ("a <= 15 && ready → ready", TEXT.replace("a <= 15 && ready", "ready")),
        ("15 → 16", TEXT.replace("15", "16")),
        ('"Volens" → "Volensx"', TEXT.replace("Volens", "Volensx")),
        ("a, b → b, a", TEXT.replace("Opened(a, b)", "Opened(b, a)")),
        ("emit Opened(a, b) → assert(true)", TEXT.replace("emit Opened(a, b)", "assert(true)")),
    ],
)
def test_other_changes(change: str, text: str) -> None:
    assert made()[change].text == text


def test_every_change_changes_something_and_says_where() -> None:
    for mutant in made().values():
        assert mutant.text != TEXT
        assert mutant.name.within == "open"
        assert mutant.name.line in [line.strip() for line in TEXT.splitlines()]


def test_a_name_does_not_depend_on_the_line_number() -> None:
    name = made()["<= → <"].name
    assert name == Name("contracts/Gate.sol", "open", "if (a <= 15 && ready) emit Opened(a, b);", "<= → <")


def test_the_next_constant_of_the_same_type() -> None:
    text = (
        "    uint8 internal constant A = 1;\n    uint8 internal constant B = 2;\n    string internal constant C = 3;\n"
    )
    assert operators.neighbours(text) == {"A": "B", "B": "A"}


def test_gambits_sentence_is_taken_out_again() -> None:
    said = "        /// DeleteExpressionMutation(`f(\n  a\n)` |==> `assert(true)`) of: `f(`\n"
    line = '        keccak(a, "Volens");\n'
    mutant = gambit.read(source(), TEXT.replace(line, said + "        assert(true);\n"))
    assert mutant is not None
    assert mutant.text == TEXT.replace(line, "        assert(true);\n")
    assert mutant.name.change == "f( a ) → assert(true)"
    assert mutant.name.line == 'keccak(a, "Volens");'
    assert mutant.operator == "gambit DeleteExpression"


def test_gambits_arithmetic_on_truth_values_is_left_out() -> None:
    said = "        /// BinaryOpMutation(`<=` |==> `+`) of: `if`\n"
    assert gambit.read(source(), TEXT.replace("        if (a <= 15", said + "        if (a+15")) is None
    with pytest.raises(InvalidInput, match="does not say"):
        gambit.read(source(), TEXT)


def test_a_test_moves_with_its_imports() -> None:
    text = 'import {A} from "../A.sol";\nimport {B} from "./support/B.sol";\nimport "@x/Y.sol";\n'
    assert moved("contracts/test/T.t.sol", text) == text.replace("../A.sol", "../contracts/A.sol")
    support = 'import {A} from "../../A.sol";\nimport {T} from "../T.t.sol";\n'
    assert moved("contracts/test/support/B.sol", support) == support.replace("../../A", "../../contracts/A")


def sources(test: str) -> Sources:
    return Sources(
        {
            "contracts/A.sol": 'import {L} from "./libraries/L.sol";\ncontract A is B {\n}\n',
            "contracts/libraries/L.sol": "library L {\n}\n",
            "checks/T.t.sol": test,
        }
    )


def test_a_test_that_deploys_a_contract_is_not_compiled_again() -> None:
    test = 'import {A} from "../contracts/A.sol";\ncontract ATest {\n new A(); }\n'
    assert sources(test).units("contracts/libraries/L.sol") == [Unit("contracts/A.sol", "A")]


@pytest.mark.parametrize(
    "test",
    [
        'import {L} from "../contracts/libraries/L.sol";\ncontract ATest {\n}\n',
        'import {A} from "../contracts/A.sol";\ncontract ATest is A {\n}\n',
        'import {A} from "../contracts/A.sol";\ncontract ATest {\n type(A).runtimeCode; }\n',
    ],
)
def test_a_test_that_contains_the_code_is_compiled_again(test: str) -> None:
    units = sources(test).units("contracts/libraries/L.sol")
    assert units == [Unit("contracts/A.sol", "A"), Unit("checks/T.t.sol", "ATest")]


def mutant(file: str, change: str) -> Mutant:
    return Mutant(Name(file, "f", "line", change), "operator", f"{file} {change}")


def test_a_sample_takes_turns_and_is_the_same_each_time() -> None:
    found = [mutant(file, str(n)) for file in ("a.sol", "b.sol") for n in range(20)]
    sample = choosing.spread(found, 7)[:6]
    assert [m.name.file for m in sample] == ["a.sol", "b.sol"] * 3
    assert sample == choosing.spread(found, 7)[:6]
    assert sample != choosing.spread(found, 8)[:6]
    assert sorted(m.text for m in choosing.spread(found, 7)) == sorted(m.text for m in found)


def test_survivors_without_a_reason_and_reasons_without_a_survivor() -> None:
    a, b, c = (mutant("a.sol", change).name for change in "abc")
    judged = survivors.judge([a, b], {b: "why", c: "why"}, [a, b, c])
    assert (judged.unexplained, judged.stale) == ([a], [c])
    assert survivors.judge([a], {a: "why", c: "why"}, [a]).stale == [], "c was not in the sample"


def test_reasons_are_read_as_they_are_written(tmp_path: Path) -> None:
    reasons = {mutant("a.sol", "x → y").name: "The same for every input."}
    path = tmp_path / "survivors.json"
    path.write_text(survivors.render(reasons))
    assert survivors.read(path) == reasons
    assert survivors.read(tmp_path / "none.json") == {}


@pytest.mark.parametrize("change", [{"reason": ""}, {"line": 7}, {"extra": "x"}])
def test_a_malformed_reason_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    entry = {"file": "a.sol", "within": "f", "line": "l", "change": "c", "reason": "why"} | change
    path = tmp_path / "survivors.json"
    path.write_text(json.dumps([entry]))
    with pytest.raises(InvalidFile):
        survivors.read(path)


@pytest.mark.parametrize("text", ["{}", "[1]", '["x"]', "[", "null", ""])
def test_what_is_no_list_of_reasons_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "survivors.json"
    path.write_text(text)
    with pytest.raises(InvalidFile, match=r"survivors\.json"):
        survivors.read(path)


def test_a_mutant_with_two_reasons_is_refused(tmp_path: Path) -> None:
    entry = {"file": "a.sol", "within": "f", "line": "l", "change": "c", "reason": "why"}
    path = tmp_path / "survivors.json"
    path.write_text(json.dumps([entry, entry]))
    with pytest.raises(InvalidFile, match="two reasons"):
        survivors.read(path)


def test_files_are_chosen_by_path_or_name() -> None:
    found = sources("")
    assert choosing.named(found, []) == found.mutable == ["contracts/A.sol", "contracts/libraries/L.sol"]
    assert choosing.named(found, ["L.sol"]) == choosing.named(found, ["contracts/libraries/L.sol"])
    with pytest.raises(InvalidInput, match=r"no Nosuch to mutate\. There are A\.sol, L\.sol"):
        choosing.named(found, ["A.sol", "Nosuch"])


def test_a_file_that_is_not_there_fails_before_anything_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["--file", "Nosuch"]) == 2
    assert "There is no Nosuch to mutate" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--sample", "--workers"])
@pytest.mark.parametrize("number", ["0", "-1", "few"])
def test_none_at_all_is_no_number_of_mutants(option: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        program.main([option, number])
    assert left.value.code == 2
    assert option in capsys.readouterr().err


def test_to_try_nothing_is_a_fault() -> None:
    nothing = [result for result in results() if result[1].verdict in (Verdict.INVALID, Verdict.EQUIVALENT)]
    assert program.faults(nothing, frozenset(), False, {}) == [
        "Not one mutant was tried that a test could notice: that says nothing."
    ]
    assert program.faults(results()[:1], frozenset(), False, {}) == []


def results() -> list[tuple[Mutant, Outcome]]:
    return [
        (mutant("contracts/A.sol", "1"), Outcome(Verdict.KILLED, "test")),
        (mutant("contracts/A.sol", "2"), Outcome(Verdict.SURVIVED)),
        (mutant("contracts/A.sol", "3"), Outcome(Verdict.INVALID)),
        (mutant("contracts/B.sol", "4"), Outcome(Verdict.KILLED, "test")),
        (mutant("contracts/B.sol", "5"), Outcome(Verdict.EQUIVALENT)),
    ]


def test_the_table_counts_what_a_test_could_notice() -> None:
    assert page.rows(results(), frozenset(["contracts/A.sol"])) == [
        ("contracts/A.sol", "2", "1", "1", "50.0 %"),
        ("contracts/B.sol", "1", "1", "0", "100.0 %"),
        ("the registry", "2", "1", "1", "50.0 %"),
        ("all", "3", "2", "1", "66.7 %"),
    ]


def test_the_page_names_every_survivor_with_its_reason() -> None:
    name = results()[1][0].name
    part = page.measured(results(), frozenset(["contracts/A.sol"]), {name: "The same for every input."})
    assert "1 that compile to the same bytecode, 1 that do not compile" in part
    assert "**The same for every input.**\n\n- `A.sol` `f`: `2` in `line`" in part
    text = f"# Head\n{page.BEGIN}\nold\n{page.END}\ntail\n"
    assert page.replaced(text, "new") == f"# Head\n{page.BEGIN}\nnew\n{page.END}\ntail\n"
    assert page.replaced(page.replaced(text, "new"), "new") == page.replaced(text, "new")


def test_the_page_holds_the_checked_in_reasons_and_no_others() -> None:
    reasons = survivors.read()
    assert all(name.file.startswith("contracts/") for name in reasons)
    survived = [(Mutant(name, "operator", ""), Outcome(Verdict.SURVIVED)) for name in reasons]
    _, _, wanted = page.measured(survived, frozenset(), reasons).partition("do not compile.\n")
    part = program.PAGE.read_text(encoding="utf-8").partition(page.BEGIN)[2].partition(page.END)[0]
    assert part.partition("do not compile.\n")[2].strip() == wanted.strip()


def test_the_table_of_the_page_adds_up() -> None:
    part = program.PAGE.read_text(encoding="utf-8").partition(page.BEGIN)[2].partition(page.END)[0]
    cells = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith(("| `", "| **"))]
    numbers = {row[0].strip("`*"): [int(cell) for cell in row[1:4]] for row in cells}
    whole, registry = numbers.pop("all"), numbers.pop("the registry")
    assert whole == [sum(column) for column in zip(*numbers.values(), strict=True)]
    assert whole[2] == len(survivors.read())
    for valid, killed, survived in (whole, registry, *numbers.values()):
        assert valid == killed + survived
    for file, (_, _, survived) in numbers.items():
        assert survived == sum(1 for name in survivors.read() if name.file == f"contracts/{file}")
