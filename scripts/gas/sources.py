"""The peers' contracts, compiled from source with the settings of ours.

Sources come from `scripts/gas/peers` and from the npm packages; those whose pragma names another compiler version get
one that allows ours. Nothing else is changed.
"""

import json
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import solcx
from solcx.exceptions import SolcError

from ledger.errors import InvalidInput
from scripts.compile import _IMPORT, ROOT, SOLC, CannotCompile, _node_first, stale

EAS = "@ethereum-attestation-service/eas-contracts"
ETHR = "ethr-did-registry"
OPENZEPPELIN = "@openzeppelin/contracts"
PACKAGES = (EAS, ETHR, OPENZEPPELIN, "@foundry-rs/anvil")
FILES = {
    "SchemaRegistry": f"{EAS}/contracts/SchemaRegistry.sol",
    "EAS": f"{EAS}/contracts/EAS.sol",
    "EthereumDIDRegistry": f"{ETHR}/contracts/EthereumDIDRegistry.sol",
    "RoleBook": "scripts/gas/peers/RoleBook.sol",
    "Floor": "scripts/gas/peers/Floor.sol",
    "ByHand": "scripts/gas/peers/ByHand.sol",
}
_EXACT = re.compile(r"^pragma solidity (0\.8\.\d+);", re.MULTILINE)


def compiler() -> dict[str, Any]:
    """The compiler version and settings of the project."""
    found: dict[str, Any] = json.loads((ROOT / "contracts" / "compiler.json").read_text(encoding="utf-8"))
    return found


def versions() -> dict[str, str]:
    """The installed versions of what is measured, and of the node it is measured on."""
    return {name: _version(name) for name in PACKAGES}


def _version(package: str) -> str:
    path = ROOT / "node_modules" / package / "package.json"
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["version"])
    except FileNotFoundError:
        raise InvalidInput(f"The npm package {package} is not installed. Run `make setup-dev`.") from None


def check_ours() -> None:
    """Make sure that the builds that are deployed are what the contracts in this folder compile to.

    Raises:
        InvalidInput: one is not, or there is no compiler.
    """
    try:
        old = [path.stem for path in stale()]
    except CannotCompile as error:
        raise InvalidInput(str(error)) from None
    if old:
        raise InvalidInput(f"The sources of {', '.join(old)} have changed since they were built. Run `make abi`.")


def _sources() -> dict[str, str]:
    """The peers' sources and all they import, by the name under which Solidity knows each."""
    found: dict[str, str] = {}
    waiting = list(FILES.values())
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = ROOT / name if name.startswith("scripts/") else ROOT / "node_modules" / name
        text = path.read_text(encoding="utf-8")
        for target in _IMPORT.findall(text):
            relative = os.path.normpath(PurePosixPath(name).parent / target)
            waiting.append(relative if target.startswith(".") else target)
        found[name] = _EXACT.sub(r"pragma solidity ^\1;", text)
    return dict(sorted(found.items()))


def build() -> dict[str, dict[str, Any]]:
    """Compile the peers.

    Returns:
        By name, ``abi`` and ``bytecode``.

    Raises:
        InvalidInput: a package or the compiler is missing, or a source does not compile.
    """
    versions()
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in _sources().items()},
        "settings": compiler()["settings"]
        | {"outputSelection": {path: {name: ["abi", "evm.bytecode.object"]} for name, path in FILES.items()}},
    }
    try:
        with _node_first():
            answer = solcx.compile_standard(request, solc_binary=Path(SOLC))
    except CannotCompile as error:
        raise InvalidInput(str(error)) from None
    except SolcError as error:
        raise InvalidInput(f"The peers' contracts do not compile: {error.message}") from None
    outputs = {name: answer["contracts"][path][name] for name, path in FILES.items()}
    return {
        name: {"abi": output["abi"], "bytecode": "0x" + output["evm"]["bytecode"]["object"]}
        for name, output in outputs.items()
    }
