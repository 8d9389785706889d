"""What `--help` says, for every command there is."""

import re
from importlib.metadata import version

import pytest
import typer
from typer.testing import CliRunner

from scripts.cli import app
from scripts.console import command, shortened

ROOT = typer.main.get_command(app)


def is_group(command):
    return hasattr(command, "commands")


def walk(command, *path):
    yield path, command
    if is_group(command):
        for name, inner in command.commands.items():
            yield from walk(inner, *path, name)


EVERY = dict(walk(ROOT))
COMMANDS = {path: command for path, command in EVERY.items() if not is_group(command)}


def named(paths):
    return [pytest.param(path, id=" ".join(path) or "volens") for path in paths]


def test_the_commands_of_the_issue_are_there():
    assert {
        ("up",), ("demo",), ("deploy",), ("verify",), ("release",), ("bundle",),
        ("wallet", "new"), ("wallet", "join"), ("wallet", "open"), ("wallet", "grant"), ("wallet", "revoke"),
        ("wallet", "show"), ("wallet", "accesses"),
        ("record", "invite"), ("record", "seal"), ("record", "register"), ("record", "offer"),
        ("party", "new"), ("party", "register"), ("party", "list"), ("party", "suspend"), ("party", "resume"),
        ("party", "hand-over"), ("party", "take-over"), ("form", "publish"),
        ("audit", "replay"), ("audit", "log"), ("audit", "verify-bundle"),
    } <= COMMANDS.keys()  # fmt: skip


@pytest.mark.parametrize("path", named(EVERY))
def test_help(volens, path):
    ran = volens(*path, "--help")
    assert (ran.code, ran.err) == (0, "")
    command = EVERY[path]
    first = (command.help or "").split("\n")[0]
    assert len(first.split()) >= 3, "every command has a description"
    words = re.findall(r"\w+", first)[:3]
    assert all(word in ran.out for word in words)


@pytest.mark.parametrize("path", named(COMMANDS))
def test_every_option_is_explained(path):
    for parameter in COMMANDS[path].params:
        if parameter.param_type_name == "option":
            assert parameter.help, f"{' '.join(path)} {parameter.opts}"


@pytest.mark.parametrize("path", named(COMMANDS))
def test_no_secret_is_taken_from_the_command_line(path):
    """The command line is seen by everybody on the machine and kept in the shell's history."""
    for parameter in COMMANDS[path].params:
        for name in [*parameter.opts, parameter.name]:
            secret = re.search(r"passphrase|password|secret|words|private|mnemonic|seed", name)
            assert not secret or name.endswith(("file", "-file", "_file")), name


@pytest.mark.parametrize("path", named(COMMANDS))
def test_programs_can_read_the_answer(path):
    if path not in {("up",)}:
        assert any("--json" in parameter.opts for parameter in COMMANDS[path].params)


@pytest.mark.parametrize("path", named(path for path in EVERY if path not in COMMANDS))
def test_a_group_alone_shows_its_commands(volens, path):
    ran = volens(*path)
    assert "Usage" in ran.out + ran.err
    assert all(name in ran.out + ran.err for name in EVERY[path].commands)


@pytest.mark.parametrize("arguments", [["frobnicate"], ["wallet", "frobnicate"], ["wallet", "new", "--frobnicate"]])
def test_an_unknown_command_or_option_is_said(volens, arguments):
    ran = volens(*arguments)
    assert ran.code == 2
    assert "frobnicate" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("path", named(path for path, c in COMMANDS.items() if any(p.required for p in c.params)))
def test_a_missing_argument_is_said(volens, path):
    ran = volens(*path)
    assert ran.code == 2
    assert "Missing" in ran.err


def test_the_version_is_that_of_the_package(volens):
    ran = volens("--version")
    assert (ran.code, ran.out) == (0, f"volens {version('volens')}\n")


def test_ctrl_c_at_a_prompt_is_ctrl_c():
    asking = typer.Typer()

    @command(asking)
    def ask():
        raise typer.Abort  # what a prompt makes of it

    ran = CliRunner().invoke(asking, [])
    assert (ran.exit_code, ran.stderr) == (130, "Stopped.\n")


def test_a_title_that_is_cut_off_is_seen_to_be():
    assert shortened("A shadow on a chest scan", 24) == "A shadow on a chest scan"
    assert shortened("A shadow on a chest scan that was not", 26) == "A shadow on a chest scan…"
    assert shortened("A shadow on a chest scan that was not", 29) == "A shadow on a chest scan…", "no half word"
    assert shortened("Thoraxröntgenaufnahmenbefund", 10) == "Thoraxrön…"
