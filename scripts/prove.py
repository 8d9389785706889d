"""Prove the properties in `contracts/test/symbolic/` with halmos, for the very bytecode that is deployed.

``python -m scripts.prove`` takes some minutes; ``--deep`` also tries every list of up to two elements and takes much
longer; words after that choose properties by name. Each property must hold on every path, with none left unexplored,
and each has a twin that claims too much and must be refuted: a property that cannot fail says nothing.

halmos is AGPL. It runs as a program of its own, from `.venv-analysis`, and is no part of the product.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "contracts" / "test" / "symbolic"
BUILT = ROOT / "cache" / "out" / "symbolic"
ABI = ROOT / "ledger" / "adapters" / "abi"
HALMOS = ROOT / ".venv-analysis" / "bin" / "halmos"
FORGE = ROOT / "node_modules" / "@foundry-rs" / "forge-linux-amd64" / "bin"
PROVEN = ("ConsentRegistry", "CheckpointLog", "PolicyRegistry", "Directory")

# How long the lists and signatures are that `anyCall` makes up; `anyWord` also tries none for a signature.
QUICK = ("--default-array-lengths", "1", "--default-bytes-lengths", "65")
DEEP = ("--default-array-lengths", "0,1,2", "--default-bytes-lengths", "0,64,65", "--loop", "3")
# Milliseconds to think about whether a branch can be taken at all; longer spares paths (and
# loops, which must end), and costs time at each branch.
PONDER = {"Lifetime": 1, "Documents": 10_000}
PATIENCE = {False: 1800, True: 6 * 3600}  # seconds for one property and its twin

# How halmos says how a test ended.
ENDS = {0: "holds", 1: "refuted", 2: "timeout", 3: "stuck", 4: "never succeeds", 5: "failed"}

_CONTRACT = re.compile(r"^contract (\w+)", re.MULTILINE)
_CHECK = re.compile(r"((?:^ +/// .*\n)+) +function (check_\w+)\(", re.MULTILINE)


class CannotProve(Exception):
    """A tool is missing or the contracts do not compile; the message is for a person."""


@dataclass(frozen=True)
class Property:
    """A claim, and the claim of its twin that must be refuted."""

    contract: str
    name: str
    sentence: str
    twin: str


@dataclass(frozen=True)
class Outcome:
    """How one test ended."""

    end: str
    seconds: float = 0
    paths: int = 0


def properties(folder: Path = SOURCES) -> list[Property]:
    """What the sources claim, in the order of the files.

    Raises:
        CannotProve: a property has no twin, a twin no property, or one of them no sentence.
    """
    found: list[Property] = []
    for path in sorted(folder.glob("*.t.sol")):
        text = path.read_text(encoding="utf-8")
        starts = [(match.start(), match[1]) for match in _CONTRACT.finditer(text)]
        sentences = {(_owner(starts, match.start()), match[2]): _sentence(match[1]) for match in _CHECK.finditer(text)}
        if len(sentences) != len(re.findall(r"function check_", text)):
            raise CannotProve(f"{path.name} has a property without a sentence above it.")
        claims = {key for key in sentences if not key[1].endswith("_twin")}
        if sentences.keys() != claims | {(contract, f"{name}_twin") for contract, name in claims}:
            raise CannotProve(f"{path.name} has a property without a twin, or a twin without a property.")
        found += [
            Property(contract, name, sentence, sentences[contract, f"{name}_twin"])
            for (contract, name), sentence in sentences.items()
            if (contract, name) in claims
        ]
    return found


def chosen(claims: Sequence[Property], names: Sequence[str]) -> list[Property]:
    """The properties whose names contain one of some words; all of them where there is no word.

    Raises:
        CannotProve: a word is in no name, so that nothing would be shown of what was meant.
    """
    for name in names:
        if not any(name in claim.name for claim in claims):
            known = ", ".join(claim.name for claim in claims)
            raise CannotProve(f"No property is called {name}. There are {known}.")
    return [claim for claim in claims if not names or any(name in claim.name for name in names)]


def _owner(starts: list[tuple[int, str]], position: int) -> str:
    return [name for start, name in starts if start < position][-1]


def _sentence(comment: str) -> str:
    text = " ".join(line.strip().removeprefix("///").strip() for line in comment.splitlines())
    return re.sub(r"@custom:.*", "", text).removeprefix("@notice ").strip()


def build() -> None:
    """Compile the properties and what they are about, and see that it is what is deployed.

    Raises:
        CannotProve: a tool is missing, or the sources are not those of `ledger/adapters/abi/`.
    """
    if not HALMOS.is_file() or not (FORGE / "forge").is_file():
        raise CannotProve("halmos or forge is missing: run `make prove`, which installs them.")
    done = _run([FORGE / "forge", "build"])
    if done.returncode != 0:
        raise CannotProve(f"The properties do not compile:\n{done.stderr or done.stdout}")
    for contract in PROVEN:
        compiled = json.loads((BUILT / f"{contract}.sol" / f"{contract}.json").read_text(encoding="utf-8"))
        deployed = json.loads((ABI / f"{contract}.json").read_text(encoding="utf-8"))
        if compiled["deployedBytecode"]["object"] != deployed["deployedBytecode"]:
            raise CannotProve(f"{contract} here is not what ledger/adapters/abi says is deployed: run `make abi`.")


def _run(command: Sequence[str | Path], patience: float | None = None) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(FORGE), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = os.environ | {"FOUNDRY_PROFILE": "symbolic", "PATH": path}
    return subprocess.run(  # noqa: S603
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=patience, check=False
    )


def prove(claim: Property, *, deep: bool) -> tuple[Outcome, Outcome]:
    """Run one property and its twin."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [
            HALMOS,
            *("--root", ROOT, "--forge-build-out", BUILT.relative_to(ROOT), "--no-status", "--early-exit"),
            *("--solver", "yices", "--solver-timeout-assertion", "600s"),
            *("--solver-timeout-branching", str(PONDER.get(claim.contract, 100))),
            *("--match-contract", f"^{claim.contract}$", "--match-test", rf"^{claim.name}(_twin)?\("),
            *("--json-output", report, *(DEEP if deep else QUICK)),
        ]
        try:
            done = _run(command, PATIENCE[deep])
        except subprocess.TimeoutExpired:
            return Outcome("timeout", PATIENCE[deep]), Outcome("timeout")
        if not report.is_file():
            raise CannotProve(f"halmos said nothing about {claim.name}:\n{done.stdout}{done.stderr}")
        results = json.loads(report.read_text(encoding="utf-8"))["test_results"]
    ends = {test["name"].split("(")[0]: _outcome(test) for tests in results.values() for test in tests}
    missing = Outcome("not run")
    return ends.get(claim.name, missing), ends.get(f"{claim.name}_twin", missing)


def _outcome(test: dict[str, Any]) -> Outcome:
    end = ENDS.get(test["exitcode"], "failed")
    if end == "holds" and test["num_bounded_loops"]:
        end = "unexplored"
    paths, seconds = test["num_paths"] or [0], test["time"] or [0]
    return Outcome(end, seconds[0], paths[0])


def lines(claim: Property, outcome: Outcome, twin: Outcome) -> Iterator[str]:
    """What the table says about one property."""
    good = outcome.end == "holds" and twin.end == "refuted"
    yield (
        f"{'✓' if good else '✗'} {claim.contract + '.' + claim.name.removeprefix('check_'):<44}"
        f"{outcome.end:>14}{outcome.seconds:>8.1f} s{outcome.paths:>7}   twin {twin.end}, {twin.seconds:.1f} s"
    )
    yield f"    {claim.sentence}"
    if twin.end != "refuted":
        yield f"    Its twin must be refuted: {claim.twin}"


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not 1 or more")
    return number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program; the result is the exit status."""
    parser = argparse.ArgumentParser(prog="python -m scripts.prove")
    parser.add_argument("--deep", action="store_true", help="lists of up to two elements; takes much longer")
    parser.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument("names", nargs="*", help="only properties whose names contain one of these")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        claims = chosen(properties(), options.names)
        build()
        print(f"{'property':<46}{'result':>14}{'time':>10}{'paths':>7}")
        good = 0
        with ThreadPoolExecutor(options.jobs) as pool:
            for claim, (outcome, twin) in zip(
                claims, pool.map(lambda claim: prove(claim, deep=options.deep), claims), strict=True
            ):
                print(*lines(claim, outcome, twin), sep="\n", flush=True)
                good += outcome.end == "holds" and twin.end == "refuted"
        build()  # once more: were the sources changed meanwhile, this would be about two versions
    except CannotProve as error:
        print(error, file=sys.stderr)
        return 2
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{good} of {len(claims)} properties hold with a refuted twin, "
        f"in {time.monotonic() - started:.0f} s ({used.ru_utime + used.ru_stime:.0f} s of processor time)."
    )
    return 0 if good == len(claims) > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
