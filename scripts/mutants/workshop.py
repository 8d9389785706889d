"""A copy of the contracts and their tests in which a contract is exchanged without compiling a test.

forge links a contract that a test deploys at run time, when the test lies outside `src`; so the copy keeps the tests in
a folder of their own. Exchanging a contract is then one compilation of that contract and one file written. What a test
does not deploy but contains, such as a library's functions, is compiled again with the test.
"""

import json
import os
import posixpath
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ledger.errors import InvalidInput
from scripts.compile import ROOT, SOLC

CONTRACTS, TESTS = "contracts", "checks"
OUTPUTS = ["evm.bytecode.object", "evm.deployedBytecode.object"]
FROM_TESTS = f"{CONTRACTS}/test"
SYMBOLIC = f"{FROM_TESTS}/symbolic"  # for another tool
# The quickest that compiles everything. What a contract does must not depend on it, only what it costs.
QUICK: tuple[dict[str, Any], ...] = (
    {"viaIR": False, "optimizer": {"enabled": False}},
    {"viaIR": False, "optimizer": {"enabled": True, "runs": 1}},
    {},
)

_IMPORT = re.compile(r'^(import\s[^"]*")([^"]+)(";)', re.MULTILINE)
_CONTRACT = re.compile(r"^(abstract )?contract (\w+)([^{]*)\{", re.MULTILINE)

Code = tuple[str, str]  # creation and run time
Bytecode = dict["Unit", Code]


@dataclass(frozen=True, order=True)
class Unit:
    """A contract that forge has an artifact of."""

    source: str
    contract: str

    @property
    def artifact(self) -> Path:
        """Its artifact, in the workshop."""
        return Path("artifacts", PurePosixPath(self.source).name, f"{self.contract}.json")


class Compiler:
    """The npm compiler in a process that stays."""

    def __init__(self, node: Path, settings: dict[str, Any]) -> None:
        self._settings = settings
        self._process = subprocess.Popen(  # noqa: S603
            [node, SOLC, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )

    def close(self) -> None:
        """End the process: it does when nothing more can be asked."""
        self._process.communicate()

    def tree(self, file: str, text: str) -> dict[str, Any]:
        """The syntax tree of a file."""
        answer = self._ask({file: text}, {"stopAfter": "parsing", "outputSelection": {"*": {"": ["ast"]}}})
        if "ast" not in answer.get("sources", {}).get(file, {}):
            raise InvalidInput(f"{file} is not Solidity.")
        tree: dict[str, Any] = answer["sources"][file]["ast"]
        return tree

    def bytecode(self, sources: dict[str, str], units: Iterable[Unit], settings: dict[str, Any]) -> Bytecode | None:
        """The code of some contracts; None if the sources do not compile."""
        selection: dict[str, dict[str, list[str]]] = {}
        for unit in units:
            selection.setdefault(unit.source, {})[unit.contract] = [
                "evm.bytecode.object",
                "evm.deployedBytecode.object",
            ]
        answer = self._ask(sources, self._settings | settings | {"outputSelection": selection})
        if any(error["severity"] == "error" for error in answer.get("errors", ())):
            return None
        found = answer["contracts"]
        evm = {unit: found[unit.source][unit.contract]["evm"] for unit in units}
        return {unit: (code["bytecode"]["object"], code["deployedBytecode"]["object"]) for unit, code in evm.items()}

    def _ask(self, sources: dict[str, str], settings: dict[str, Any]) -> dict[str, Any]:
        content = {name: {"content": text} for name, text in sources.items()}
        request = json.dumps({"language": "Solidity", "sources": content, "settings": settings})
        assert self._process.stdin is not None  # noqa: S101
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(request + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise InvalidInput("The compiler has ended unexpectedly.")
        answer: dict[str, Any] = json.loads(line)
        return answer


class Sources:
    """The files of a workshop and who contains whose code."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.texts = texts
        self.deployed = sorted(
            Unit(file, name)
            for file, text in texts.items()
            if posixpath.dirname(file) == CONTRACTS
            for abstract, name, _ in _CONTRACT.findall(text)
            if not abstract
        )
        folders = (CONTRACTS, f"{CONTRACTS}/libraries")
        self.mutable = sorted(file for file in texts if posixpath.dirname(file) in folders)
        self._holds = {unit.contract: re.compile(_HOLDS.format(unit.contract)) for unit in self.deployed}

    def without_invariants(self) -> dict[str, str]:
        """The texts, but not those of tests of invariants."""
        return {name: text for name, text in self.texts.items() if "function invariant_" not in text}

    def units(self, file: str) -> list[Unit]:
        """The contracts and tests that have code of a file in them."""
        found = [unit for unit in self.deployed if file in self.closure(unit.source)]
        for test in sorted(name for name in self.texts if name.startswith(f"{TESTS}/")):
            if file in self._contained(test):
                contracts = _CONTRACT.findall(self.texts[test])
                found += [Unit(test, name) for abstract, name, _ in contracts if not abstract]
        return found

    def closure(self, file: str, stop: frozenset[str] = frozenset()) -> set[str]:
        """A file and all it imports; what is in `stop` is not followed."""
        found, waiting = set(), [file]
        while waiting:
            name = waiting.pop()
            if name not in found and name not in stop:
                found.add(name)
                waiting += targets(name, self.texts[name])
        return found

    def request(self, units: Iterable[Unit], change: tuple[str, str] | None = None) -> dict[str, str]:
        """The sources of some contracts, with one file exchanged."""
        names = set[str]().union(*(self.closure(unit.source) for unit in units))
        return {name: self.texts[name] for name in sorted(names)} | dict([change] if change else [])

    def _contained(self, test: str) -> set[str]:
        """Files whose code is in a test: all it imports, but not what it only deploys."""
        text = "\n".join(self.texts[name] for name in self.closure(test) if name.startswith(TESTS))
        return self.closure(
            test, frozenset(u.source for u in self.deployed if not self._holds[u.contract].search(text))
        )


# By inheriting, or by asking for the code.
_HOLDS = r"contract \w+ is [^{{]*\b{0}\b|type\({0}\)\.(?:creation|runtime)Code"


def targets(file: str, text: str) -> list[str]:
    """The files that a file imports."""
    paths = [path for _, path, _ in _IMPORT.findall(text)]
    return [posixpath.normpath(posixpath.join(posixpath.dirname(file), p)) if p[0] == "." else p for p in paths]


def moved(file: str, text: str) -> str:
    """A test file's text in its place in the workshop."""
    new = file.replace(FROM_TESTS, TESTS, 1)

    def anew(found: re.Match[str]) -> str:
        path = found[2]
        if path[0] == ".":
            target = posixpath.normpath(posixpath.join(posixpath.dirname(file), path))
            target = target.replace(FROM_TESTS, TESTS, 1) if target.startswith(f"{FROM_TESTS}/") else target
            path = posixpath.relpath(target, posixpath.dirname(new))
            path = path if path[0] == "." else f"./{path}"
        return found[1] + path + found[3]

    return _IMPORT.sub(anew, text)


def read() -> Sources:
    """The contracts, their tests and what both import, as they are now."""
    texts: dict[str, str] = {}
    for path in sorted((ROOT / CONTRACTS).rglob("*.sol")):
        name, text = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        if name.startswith(f"{SYMBOLIC}/"):
            continue
        if name.startswith(f"{FROM_TESTS}/"):
            name, text = name.replace(FROM_TESTS, TESTS, 1), moved(name, text)
        texts[name] = text
    waiting = [target for name, text in texts.items() for target in targets(name, text)]
    while waiting:
        name = waiting.pop()
        if name not in texts:
            texts[name] = (ROOT / "node_modules" / name).read_text(encoding="utf-8")
            waiting += targets(name, texts[name])
    return Sources(texts)


def lay_out(folder: Path, texts: dict[str, str], node: Path) -> None:
    """Write the copy."""
    version = json.loads((ROOT / "contracts" / "compiler.json").read_text(encoding="utf-8"))["version"]
    folder.mkdir(parents=True)
    for name, text in texts.items():
        if name.startswith((f"{CONTRACTS}/", f"{TESTS}/")):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    shutil.copy(ROOT / "foundry.toml", folder)
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    shutil.copytree(ROOT / "tests" / "vectors", folder / "tests" / "vectors")
    # forge asks for the version at every start, and loading the compiler for it takes longer than all tests.
    solc = folder / "solc"
    solc.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && printf "solc\\nVersion: {version}\\n" && exit\n'
        f'exec "{node}" "{SOLC}" "$@"\n'
    )
    solc.chmod(0o755)


def forge_environment(settings: dict[str, Any]) -> dict[str, str]:
    """How forge is told to work in the copy."""
    optimizer = settings["optimizer"]
    return os.environ | {
        "FOUNDRY_TEST": TESTS,
        "FOUNDRY_OUT": "artifacts",
        "FOUNDRY_CACHE_PATH": "cache",
        "FOUNDRY_SOLC": "./solc",
        "FOUNDRY_DYNAMIC_TEST_LINKING": "true",
        "FOUNDRY_VIA_IR": str(settings["viaIR"]).lower(),
        "FOUNDRY_OPTIMIZER": str(optimizer["enabled"]).lower(),
        "FOUNDRY_OPTIMIZER_RUNS": str(optimizer.get("runs", 200)),
        "FOUNDRY_LINT_ON_BUILD": "false",
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
    }
