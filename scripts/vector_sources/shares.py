"""The source of tests/vectors/slip39.json: shares that Python and the page must put together alike.

Shares are drawn at random, so they are recorded once and kept while they still give the secret back; `page` holds those
that the page's own code made, under Node. Delete the file to record anew.
"""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

from shamir_mnemonic import generate_mnemonics
from shamir_mnemonic.rs1024 import create_checksum
from shamir_mnemonic.share import Share
from shamir_mnemonic.wordlist import WORDLIST, mnemonic_to_indices, words_from_indices

from ledger.errors import VolensError
from ledger.model import keccak
from scripts.vector_sources.world import phrase
from wallet.shares import make, restore

_ROOT = Path(__file__).resolve().parents[2]
_FILE = _ROOT / "tests" / "vectors" / "slip39.json"
_ENTROPY = {32: phrase("shared"), 16: phrase("shared, and short")[:16]}
_SHAPES = ((2, 3, 32), (3, 5, 32), (2, 2, 16))
_PAGE = """
import { makeShares } from "./wallet/web/src/core/slip39.ts";
const [entropy, threshold, count] = process.argv.slice(1);
const bytes = Uint8Array.from(Buffer.from(entropy, "hex"));
console.log(JSON.stringify(makeShares(bytes, Number(threshold), Number(count))));
"""


def vectors() -> object:
    """The content of the file."""
    recorded: dict[str, Any] = json.loads(_FILE.read_text(encoding="ascii")) if _FILE.exists() else {}
    return {
        "about": "Any `threshold` shares of a set give the entropy back. words is of the whole list, joined by spaces.",
        "wordsHash": keccak(" ".join(WORDLIST).encode()).hex(),
        "python": _sets(recorded.get("python"), _by_python),
        "page": _sets(recorded.get("page"), _by_page),
        # Without SLIP-39's extension (an older rule for salts), and of several groups, which no wallet of ours makes.
        "older": _kept(recorded.get("older"), partial(_older, 1, [(2, 3)])),
        "forged": recorded.get("forged") or _forged(),
        "costly": recorded.get("costly") or _costly(),
        "padded": recorded.get("padded") or _padded(),
        "groups": recorded.get("groups") or _older(2, [(2, 2), (2, 2)]),
    }


def _sets(recorded: list[dict[str, Any]] | None, make: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    return [_kept(recorded[n] if recorded else None, partial(make, *shape)) for n, shape in enumerate(_SHAPES)]


def _kept(recorded: dict[str, Any] | None, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        if recorded and all(
            restore(some).hex() == recorded["entropy"]
            for some in combinations(recorded["shares"], recorded["threshold"])
        ):
            return recorded
    except (VolensError, KeyError):
        pass
    return make()


def _by_python(threshold: int, count: int, size: int) -> dict[str, Any]:
    entropy = _ENTROPY[size]
    return {"threshold": threshold, "entropy": entropy.hex(), "shares": list(make(entropy, threshold, count))}


def _by_page(threshold: int, count: int, size: int) -> dict[str, Any]:
    entropy = _ENTROPY[size].hex()
    command = ["node", "--input-type=module", "-e", _PAGE, entropy, str(threshold), str(count)]
    done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)  # noqa: S603
    return {"threshold": threshold, "entropy": entropy, "shares": json.loads(done.stdout)}


def _forged() -> list[str]:
    """Two shares of a set, the second one's value made up under a right checksum."""
    honest, other, _ = make(_ENTROPY[32], 2, 3)
    return [honest, replace(Share.from_mnemonic(other), value=phrase("made up")).mnemonic()]


def _costly() -> list[str]:
    """A set that would take thirty-two times the work of ours."""
    return list(generate_mnemonics(1, [(2, 2)], _ENTROPY[32], iteration_exponent=5)[0])


def _padded() -> list[str]:
    """Two shares of a set, the first with a bit before its value that must be zero."""
    first, other = make(_ENTROPY[32], 2, 2)
    numbers = list(mnemonic_to_indices(first))[: -len(create_checksum([], b""))]
    numbers[4] |= 1 << 9
    words = words_from_indices(numbers + create_checksum(numbers, b"shamir_extendable"))
    return [" ".join(words), other]


def _older(threshold: int, groups: list[tuple[int, int]]) -> dict[str, Any]:
    entropy = _ENTROPY[32]
    made = generate_mnemonics(threshold, groups, entropy, extendable=False, iteration_exponent=0)
    return {"threshold": groups[0][0], "entropy": entropy.hex(), "shares": [share for group in made for share in group]}
