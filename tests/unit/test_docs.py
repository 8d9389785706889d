"""What the documentation names exists, and what exists is documented."""

import json
import re
import shlex
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
import typer
from json_schema import check

from api import errors as http
from api.app import create_app
from api.settings import Settings
from ledger.decisions import Reason
from ledger.errors import VolensError
from scripts.cli import app

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|`|\$\(|\| )(?:\.venv/bin/)?volens ([^`\n]*)", re.MULTILINE)


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """The anchors that repository hosts make of headings."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", text(page), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(plain.replace(" ", "-"))
    return found


def families() -> dict[str, type[VolensError]]:
    """Every kind of error of the library, by its code."""
    found, waiting = {}, [VolensError]
    while waiting:
        family = waiting.pop()
        if family.__module__ == "ledger.errors":
            found[family.code] = family
            waiting += family.__subclasses__()
    return found


def rows(page: str, heading: str) -> dict[str, list[str]]:
    """The rows of the tables under a heading, by their first cell."""
    part = re.split(r"^## ", text(DOCS / page), flags=re.MULTILINE)
    (section,) = [entry for entry in part if entry.startswith(heading)]
    found = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            for name in re.findall(r"`([^`]+)`", cells[0]):
                found[name] = cells
    return found


def subcommands(command: Any) -> dict[str, Any]:
    """The commands of a group; none for a command that is no group."""
    return getattr(command, "commands", {})


# links, commands, targets, tests


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    for link in LINK.findall(text(page)):
        target, _, anchor = link.partition("#")
        assert "://" not in target, f"{link}: the documentation stands on its own"
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), link
        if anchor:
            assert anchor in anchors(found), link


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_exist_with_their_options(page):
    root = typer.main.get_command(app)
    for line in COMMAND.findall(text(page).replace("\\\n", " ")):
        words = shlex.split(re.split(r"\)(?=\s|$)|[;&|>]", line)[0].replace("…", " "), posix=False)
        command, path = root, []
        while words and (group := subcommands(command)):
            name = words.pop(0)
            known = group.get(name)
            if known is None:
                assert not re.fullmatch(r"[a-z-]+", name), f"volens {' '.join([*path, name])} does not exist"
                break
            command, path = known, [*path, name]
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        used = {word for word in words if word.startswith("--")}
        assert used <= {*options, "--help"}, f"volens {' '.join(path)}: {used - options}"


def test_every_command_is_in_the_changelog_or_the_tutorial():
    commands = subcommands(typer.main.get_command(app))
    assert "demo" in commands
    told = text(DOCS / "tutorial.md") + text(ROOT / "CHANGELOG.md")
    assert [name for name in commands if f"`{name}`" not in told and f"volens {name}" not in told] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", text(ROOT / "Makefile"), re.MULTILINE))
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", text(page), re.MULTILINE)) <= targets


def test_the_readme_has_every_make_target():
    told = set(re.findall(r"^([a-z-]+):.*## ", text(ROOT / "Makefile"), re.MULTILINE)) - {"help"}
    assert told <= set(re.findall(r"`make ([a-z-]+)`", text(ROOT / "README.md")))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_are_named_exist(page):
    places = re.findall(r"`((?:api|client|contracts|docs|ledger|scripts|tests|wallet)/[\w./-]*)", text(page))
    assert [place for place in places if not (ROOT / place).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_tests_that_are_named_exist(page):
    sources = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("contracts/test/**/*.sol")]
    known = set(re.findall(r"\b(?:def|function) ((?:test|invariant|check)\w*)", "\n".join(map(text, sources))))
    named = set(re.findall(r"`((?:test(?:Fuzz)?|invariant|check)_\w+)`", text(page)))
    assert named <= known, named - known


def test_names_of_invariants_are_in_the_documentation():
    sources = "\n".join(map(text, (ROOT / "contracts/test").rglob("*.sol")))
    kept = set(re.findall(r"function ((?:invariant|check)_\w+)", sources))
    told = set(re.findall(r"`(\w+)`", text(DOCS / "invariants.md")))
    assert {name for name in kept if not name.endswith("_twin")} <= told


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_pages_speak_of_the_project_alone(page):
    assert not re.search(r"/(work|root)/|registry\.npmjs|pypi\.org|files\.pythonhosted|deb\.debian", text(page))


# errors


def test_every_problem_type_is_documented():
    told = rows("errors.md", "Problem types")
    assert families().keys() <= told.keys()
    only_over_http = {"internal", "method_not_allowed", "idempotency_key_reused", "in_progress"}
    assert only_over_http | families().keys() == told.keys()


@pytest.mark.parametrize("code", sorted(families()))
def test_statuses_and_exit_codes_are_as_documented(code):
    family, cells = families()[code], rows("errors.md", "Problem types")[code]
    assert cells[2] == str(family.exit_code)
    status = next((status for kind, status in http.STATUS if issubclass(family, kind)), None)
    assert cells[1].split(",")[0] == ("–" if status is None else str(status))


def test_every_reason_is_documented():
    assert list(rows("errors.md", "Reasons of a decision")) == [str(reason) for reason in Reason]


def test_every_contract_error_is_documented():
    builds = [json.loads(text(build)) for build in (ROOT / "ledger/adapters/abi").glob("*.json")]
    abis = [build["abi"] if isinstance(build, dict) else build for build in builds]
    declared = {entry["name"] for abi in abis for entry in abi if entry["type"] == "error"}
    assert set(rows("errors.md", "Contract errors")) == declared


def test_every_reason_is_in_the_account_of_the_decision():
    section = text(DOCS / "how-it-works.md").split("## The decision")[1].split("## ")[0]
    assert [str(reason) for reason in Reason if f"`{reason}`" not in section] == []


# settings, API, bundle


def test_settings_are_as_documented():
    told = _settings_table()
    assert told.keys() == {f"VOLENS_{name.upper()}" for name in Settings.model_fields}
    for name, field in Settings.model_fields.items():
        _, default, meaning = told[f"VOLENS_{name.upper()}"]
        assert meaning == field.description
        assert default == (f"`{field.default}`" if field.default not in ("", None) else "empty")


def _settings_table() -> dict[str, list[str]]:
    first = text(DOCS / "settings.md").split("## ")[0]
    lines = [line for line in first.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0].strip("`"): row for row in cells}


def test_variables_of_the_commands_are_documented():
    told = rows("settings.md", "Variables of the commands")
    used = set()
    for source in (ROOT / "scripts").rglob("*.py"):
        used |= set(re.findall(r'envvar="(\w+)"', text(source)))
    assert used - {f"VOLENS_{name.upper()}" for name in Settings.model_fields} <= told.keys()


def test_the_api_is_as_documented():
    served = {
        f"{method.upper()} {path}"
        for path, operations in create_app(MagicMock()).openapi()["paths"].items()
        for method in operations
    }
    told = re.findall(r"^\| `([A-Z]+ /\S*)`", text(DOCS / "api.md"), re.MULTILINE)
    assert sorted(told) == sorted(served)


def test_a_bundle_has_the_documented_shape(forge):
    schema = json.loads(text(DOCS / "bundle.schema.json"))
    bundle = json.loads(forge.services.bundling.bundle(*_asked(forge)))
    assert check(bundle, schema) == []
    assert check(bundle | {"more": 1}, schema) == ["$ has more"]
    assert check({**bundle, "block": {**bundle["block"], "hash": "0x12"}}, schema) != []
    assert set(bundle) == set(rows_of_bundle()), "bundle.md names every member"


def _asked(forge) -> tuple[str, str]:
    answer = forge.ask()
    return forge.world.journal.address, answer.id


def rows_of_bundle() -> list[str]:
    table = text(DOCS / "bundle.md").split("## ")[0]
    lines = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [name for cell in lines for name in re.findall(r"`(\w+)`", cell)]


def test_the_schema_knows_every_reason():
    schema = json.loads(text(DOCS / "bundle.schema.json"))
    assert schema["properties"]["decision"]["properties"]["reason"]["enum"] == [str(reason) for reason in Reason]
