"""Checks the lock files: everything pinned with hashes, nothing downgraded or banned, no download addresses."""

import json
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
BANNED = {
    "siwe": "holds web3 below 8",
    "signinwithethereum": "holds web3 below 8",
    "slither-analyzer": "holds web3 below 8; it has an environment of its own",
    "halmos": "is AGPL; it has an environment of its own",
    "certora-cli": "is GPL; it has an environment of its own",
    "hpke": "holds cryptography below 44",
    "pymerkle": "is GPL",
    "umbral-pre": "is GPL",
}
NODE_LOCKS = ("package-lock.json", "scripts/ponder/package-lock.json")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;\\]+)")


def pins(text: str) -> dict[str, str]:
    """Package → version in a requirements file."""
    return {m[1].lower().replace("_", "-"): m[2] for line in text.splitlines() if (m := _PIN.match(line))}


def problems() -> list[str]:
    """Everything that is wrong with the lock files, as sentences."""
    found: list[str] = []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tools = [line.partition("#")[0].strip() for line in (ROOT / "requirements-analysis.in").read_text().splitlines()]
    for name, wanted, banned in (
        ("requirements.txt", project["dependencies"], BANNED),
        ("requirements-dev.txt", project["dependencies"] + project["optional-dependencies"]["dev"], BANNED),
        # Tools that run beside the product: what must not be shipped with it may be here.
        ("requirements-analysis.txt", [tool for tool in tools if tool], {}),
    ):
        text = (ROOT / name).read_text()
        pinned = pins(text)
        if re.search(r"https?://|^--(?:extra-)?index-url|^--find-links", text, re.MULTILINE):
            found.append(f"{name} names a download address.")
        entries = re.split(r"\n(?=\S)", text.strip())
        found += [f"{name}: {e.split()[0]} has no hash." for e in entries if _PIN.match(e) and "--hash=" not in e]
        for requirement in map(Requirement, wanted):
            version = pinned.get(requirement.name.lower())
            if version is None:
                found.append(f"{name} does not pin {requirement.name}.")
            elif Version(version) not in requirement.specifier:
                found.append(f"{name} holds {requirement.name} at {version}; {requirement.specifier} is needed.")
        found += [f"{name} contains {package}, which {why}." for package, why in banned.items() if package in pinned]
    for name in NODE_LOCKS:
        lock = json.loads((ROOT / name).read_text())
        for path, entry in lock["packages"].items():
            if not path.startswith("node_modules/") or entry.get("link"):
                continue  # our own folders
            if "resolved" in entry:
                found.append(f"{name} names a download address for {path}.")
            # Native packages of other systems must be named, or npm refuses the lock; they are never installed here.
            elsewhere = "linux" not in entry.get("os", ["linux"]) or "x64" not in entry.get("cpu", ["x64"])
            if "integrity" not in entry and not elsewhere:
                found.append(f"{name} has no integrity for {path}.")
    return found


def main() -> None:
    """Print what is wrong and leave with 1, or say nothing."""
    found = problems()
    for problem in found:
        print(problem, file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
