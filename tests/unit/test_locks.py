"""The lock files are sound, and each way in which they could be unsound is noticed."""

import json
import re
import shutil

import pytest

from scripts import locks


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """The lock files of the project, copied, to be broken."""
    for name in (
        "pyproject.toml",
        "requirements.txt",
        "requirements-dev.txt",
        "requirements-analysis.in",
        "requirements-analysis.txt",
        *locks.NODE_LOCKS,
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(locks.ROOT / name, tmp_path / name)
    monkeypatch.setattr(locks, "ROOT", tmp_path)
    return tmp_path


def edit(path, change):
    path.write_text(change(path.read_text()))


def test_the_lock_files_of_the_project_are_sound():
    assert locks.problems() == []


def test_nothing_to_say_is_success(copy, capsys):
    with pytest.raises(SystemExit) as end:
        locks.main()
    assert end.value.code == 0
    assert capsys.readouterr().err == ""


def test_a_problem_is_said_and_fails(copy, capsys):
    edit(copy / "requirements.txt", lambda text: text + "siwe==4.0.0 \\\n    --hash=sha256:00\n")
    with pytest.raises(SystemExit) as end:
        locks.main()
    assert end.value.code == 1
    assert "requirements.txt contains siwe, which holds web3 below 8." in capsys.readouterr().err


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text + "\n--index-url https://packages.example/simple\n", "names a download address"),
        (lambda text: text + "\n--find-links ./wheels\n", "names a download address"),
        (lambda text: text + "\n--extra-index-url x\n", "names a download address"),
        (lambda text: re.sub(r"(?m)^(web3==)[^ ]+", r"\g<1>7.0.0", text), "holds web3 at 7.0.0; >=8 is needed"),
        (lambda text: re.sub(r"(?m)^web3==", "web4==", text), "does not pin web3"),
        (lambda text: text + "\nleftpad==1.0\n", "leftpad==1.0 has no hash"),
        (lambda text: text + "\nhpke==1.0 \\\n    --hash=sha256:00\n", "contains hpke"),
        (lambda _: "", "does not pin web3"),
    ],
    ids=["index", "links", "extra index", "downgrade", "missing", "no hash", "banned", "empty"],
)
def test_broken_requirements(copy, name, change, said):
    edit(copy / name, change)
    found = locks.problems()
    assert [problem for problem in found if name in problem and said in problem], found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text + "\n--index-url https://packages.example/simple\n", "names a download address"),
        (lambda text: re.sub(r"(?m)^(halmos==)[^ ]+", r"\g<1>0.2.0", text), "holds halmos at 0.2.0; >=0.3.3 is needed"),
        (lambda text: re.sub(r"(?m)^slither-analyzer==", "x==", text), "does not pin slither-analyzer"),
        (lambda text: text + "\nleftpad==1.0\n", "leftpad==1.0 has no hash"),
    ],
    ids=["index", "downgrade", "missing", "no hash"],
)
def test_broken_requirements_of_the_tools(copy, change, said):
    edit(copy / "requirements-analysis.txt", change)
    found = locks.problems()
    assert [problem for problem in found if "requirements-analysis.txt" in problem and said in problem], found


@pytest.mark.parametrize("tool", ["slither-analyzer", "halmos", "certora-cli"])
def test_tools_that_must_not_be_shipped_stay_beside_the_product(copy, tool):
    edit(copy / "requirements-dev.txt", lambda text: text + f"\n{tool}==1.0 \\\n    --hash=sha256:00\n")
    assert any(problem.startswith(f"requirements-dev.txt contains {tool}") for problem in locks.problems())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entry: entry | {"resolved": "somewhere"}, "names a download address for"),
        (lambda entry: {k: v for k, v in entry.items() if k != "integrity"}, "has no integrity for"),
    ],
    ids=["address", "integrity"],
)
@pytest.mark.parametrize(
    ("name", "path"), list(zip(locks.NODE_LOCKS, ["node_modules/hardhat", "node_modules/ponder"], strict=True))
)
def test_broken_node_packages(copy, change, said, name, path):
    lock = json.loads((copy / name).read_text())
    lock["packages"][path] = change(lock["packages"][path])
    (copy / name).write_text(json.dumps(lock))
    assert locks.problems() == [f"{name} {said} {path}."]


def test_only_native_packages_of_other_systems_may_lack_a_hash(copy):
    lock = json.loads((copy / "package-lock.json").read_text())
    bare = {"version": "1.0.0", "optional": True, "os": ["darwin"], "cpu": ["arm64"]}
    lock["packages"]["node_modules/elsewhere"] = bare
    lock["packages"]["node_modules/here"] = bare | {"os": ["linux"], "cpu": ["x64"]}
    (copy / "package-lock.json").write_text(json.dumps(lock))
    assert locks.problems() == ["package-lock.json has no integrity for node_modules/here."]


def test_pins_are_read_whatever_stands_around_them():
    text = "A_b==1.2 ; python_version < '4' \\\n    --hash=x\n# c==1\nd[extra]==3\\\ne>=4\n  f==5\n"
    assert locks.pins(text) == {"a-b": "1.2", "d": "3"}
