"""The contracts' builds: what Python reads is what Hardhat builds and what the sources say."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts import compile as builds

ROOT = Path(__file__).resolve().parents[2]
NODE = Path(sys.executable).parent


@pytest.fixture(scope="module", autouse=True)
def npm_packages() -> None:
    """Without them nothing here can be known, so it fails rather than passes over."""
    if not (ROOT / "node_modules" / "hardhat").is_dir():
        pytest.fail("the npm packages are not installed: run `make setup`")


@pytest.fixture(scope="module")
def hardhat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hardhat build of the contracts, made in a folder of its own so that it leaves nothing in the project."""
    project = tmp_path_factory.mktemp("hardhat")
    shutil.copytree(ROOT / "contracts", project / "contracts", ignore=shutil.ignore_patterns("test"))
    for name in ("hardhat.config.js", "package.json"):
        shutil.copy(ROOT / name, project / name)
    (project / "node_modules").symlink_to(ROOT / "node_modules", target_is_directory=True)
    environment = os.environ | {"PATH": os.pathsep.join([str(NODE), os.environ.get("PATH", "")]), "NO_COLOR": "1"}
    program = ROOT / "node_modules" / ".bin" / "hardhat"
    made = subprocess.run([program, "build"], cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    return project / "artifacts" / "contracts"


def test_abi_files_are_fresh() -> None:
    """Regenerating `ledger/adapters/abi` would change nothing."""
    assert builds.stale() == []


def test_abi_files_are_those_contracts() -> None:
    """No file is left from a contract that is gone."""
    assert {path.stem for path in builds.ABI.glob("*.json")} == set(builds.CONTRACTS)


@pytest.mark.parametrize("contract", builds.CONTRACTS)
def test_hardhat_and_py_solc_x_agree(hardhat: Path, contract: str) -> None:
    """Two programs, one compiler, the same bytecode to the last byte."""
    ours = json.loads((builds.ABI / f"{contract}.json").read_text(encoding="utf-8"))
    theirs = json.loads((hardhat / f"{contract}.sol" / f"{contract}.json").read_text(encoding="utf-8"))
    for key in ("abi", "bytecode", "deployedBytecode"):
        assert ours[key] == theirs[key], key


@pytest.mark.parametrize("contract", builds.CONTRACTS)
def test_builds_fit_the_chain_and_carry_no_metadata_hash(contract: str) -> None:
    """EIP-170 allows 24,576 bytes, and a hash of the sources' names would make every machine's build another one."""
    code = bytes.fromhex(json.loads((builds.ABI / f"{contract}.json").read_text())["deployedBytecode"][2:])
    assert len(code) <= 24_576
    assert b"ipfs" not in code


def test_storage_layout_has_the_slots_that_proofs_read() -> None:
    """Where the facts lie is part of the interface: a proof names the slot."""
    layouts = {
        contract: json.loads((builds.ABI / f"{contract}.json").read_text())["storageLayout"]
        for contract in builds.CONTRACTS
    }
    registry = {"_entries": 0, "_subjects": 1, "_delegations": 2, "_anchoredAt": 3, "_head": 4}
    assert layouts["ConsentRegistry"].items() >= registry.items()
    assert layouts["Directory"].items() >= {"_head": 2, "_parties": 3}.items()
    assert layouts["PolicyRegistry"].items() >= {"_head": 0, "_documents": 1}.items()
    assert layouts["CheckpointLog"] == {"_checkpoints": 0}


def test_check_names_the_stale_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` exits 1, says which file is stale, and writes nothing; writing makes it fresh."""
    monkeypatch.setattr(builds, "ABI", tmp_path)
    monkeypatch.setattr(builds, "CONTRACTS", ("CheckpointLog",))
    stale = tmp_path / "CheckpointLog.json"
    stale.write_text("{}", encoding="utf-8")
    assert builds.main(["--check"]) == 1
    assert "CheckpointLog.json is stale" in capsys.readouterr().err
    assert stale.read_text(encoding="utf-8") == "{}"
    assert builds.main([]) == 0
    assert builds.main(["--check"]) == 0
    assert json.loads(stale.read_text(encoding="utf-8"))["contractName"] == "CheckpointLog"


def test_a_missing_compiler_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No stack trace when the npm packages were never installed."""
    shutil.copytree(ROOT / "contracts", tmp_path / "contracts", ignore=shutil.ignore_patterns("test"))
    monkeypatch.setattr(builds, "ROOT", tmp_path)
    monkeypatch.setattr(builds, "CONTRACTS", ("CheckpointLog",))
    assert builds.main(["--check"]) == 2
    assert capsys.readouterr().err == "There is no Solidity compiler: run `npm ci` in the project first.\n"
