"""The source of tests/vectors/log.json: checkpoints that hold or do not, logs that grow or were changed."""

import base64
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.checkpoint import Checkpoint, key_id, parse_checkpoint, sign_checkpoint, verifier_key
from ledger.documents import canonical
from ledger.merkle import LogTree, leaf_hash
from ledger.model import Hash

# Known to everybody; never to be used for anything but tests.
_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
_ORIGIN = "eip155:31337:0x496a7C1876125C9b2a8c95c8902A39b2011C2Df7/access-log"
_SIZES = (0, 1, 2, 3, 5, 8, 13)


def _entry(number: int) -> dict[str, Any]:
    reason = "permitted" if number % 2 else "no_consent"
    return {
        "v": 1,
        "at": 1800000000 + number,
        "reason": reason,
        "permitted": number % 2 == 1,
        "items": ["Bild \u00fc.png"],
    }


def _note(tree: LogTree, size: int | None = None) -> str:
    return sign_checkpoint(Checkpoint(_ORIGIN, len(tree) if size is None else size, tree.root(size)), _KEY)


def _raw(size: str, root: str) -> str:
    """A note of our form around any size and root, signed over exactly that."""
    body = f"{_ORIGIN}\n{size}\n{root}\n"
    public = _KEY.public_key().public_bytes_raw()
    line = base64.b64encode(key_id(_ORIGIN, public) + _KEY.sign(body.encode())).decode()
    return f"{body}\n\u2014 {_ORIGIN} {line}\n"


def vectors() -> object:
    """The content of the file."""
    entries = [_entry(number) for number in range(_SIZES[-1])]
    leaves = [leaf_hash(canonical(entry)) for entry in entries]
    tree = LogTree(leaves)
    good = _note(tree, 5)
    body, _, lines = good.partition("\n\n")
    root = body.split("\n")[2]
    public = _KEY.public_key().public_bytes_raw()
    witness = sign_checkpoint(Checkpoint(_ORIGIN, 5, tree.root(5)), _OTHER, "witness.example").partition("\n\n")[2]
    return {
        "about": "key signs every checkpoint that must be accepted. An entry is shown with index, askerName and "
        "recipientName, which are not part of what is hashed. Following from before to after with proof must "
        "end as outcome says.",
        "origin": _ORIGIN,
        "key": verifier_key(_ORIGIN, public),
        "valid": [
            *({"note": _note(tree, size), "size": size, "root": tree.root(size)} for size in _SIZES),
            {"note": good + witness, "size": 5, "root": tree.root(5)},
            {"note": _raw("9007199254740991", root), "size": 2**53 - 1, "root": tree.root(5)},
        ],
        "invalid": _invalid(good, body, lines, root),
        "entries": [
            {
                "shown": {**entry, "index": index, "askerName": "Journal", "recipientName": "Journal"},
                "leaf": leaves[index],
                "proof": list(tree.inclusion_proof(index)),
            }
            for index, entry in enumerate(entries)
        ],
        "follows": _follows(leaves, tree),
    }


def _invalid(good: str, body: str, lines: str, root: str) -> list[dict[str, str]]:
    other_key = sign_checkpoint(parse_checkpoint(good)[0], _OTHER)
    flipped = "B" if lines[-10] == "A" else "A"
    cases = {
        "empty": "",
        "no signature": body + "\n",
        "an empty line at the end": good + "\n",
        "line ends of another system": good.replace("\n", "\r\n"),
        "a byte order mark": "\ufeff" + good,
        "a hyphen for the dash": good.replace("\u2014", "-"),
        "two spaces": good.replace("\u2014 ", "\u2014  "),
        "a space that does not break": good.replace("\u2014 ", "\u2014\u00a0"),
        "cut": good[:-1],
        "another size than was signed": good.replace("\n5\n", "\n6\n", 1),
        "another origin than was signed": good.replace("access-log", "access-lag"),
        "a changed signature": good[: good.index(lines) + len(lines) - 10] + flipped + lines[-9:],
        "another key": other_key,
        "the key of another name": good.replace(f"\u2014 {_ORIGIN}", "\u2014 elsewhere.example"),
        "a size with a zero before": _raw("05", root),
        "a size with a sign": _raw("+5", root),
        "a size in other digits": _raw("\u0665", root),
        "a size JavaScript cannot hold": _raw("9007199254740992", root),
        "no size": _raw("", root),
        "a root without padding": _raw("5", root.rstrip("=")),
        "a root that is too short": _raw("5", "AAAA"),
        "no root": _raw("5", ""),
        "an extension line": _raw("5", root + "\nextension"),
        "an empty log with a root": _raw("0", root),
        "a line that is no signature": good + "not a signature\n",
        "a witness whose name has a space that does not break": good + "\u2014 w\u00a0x AAAAAAAA\n",
        "spare bits of base64 that are not zero": _raw("5", f"{root[:-2]}{chr(ord(root[-2]) + 1)}="),
        "a signature that is too short": good + f"\u2014 {_ORIGIN} AAAA\n",
        "a signature that is not base64": good + "\u2014 w.example A===\n",
        "too many signatures": good + "\u2014 w.example AAAAAAAA\n" * 16,
        "too long": good + "\u2014 " + "w" * 16384 + " AAAAAAAA\n",
    }
    return [{"why": why, "note": note} for why, note in cases.items()]


def _follows(leaves: list[Hash], tree: LogTree) -> list[dict[str, Any]]:
    def case(about: str, after: LogTree, first: int, second: int, outcome: str) -> dict[str, Any]:
        proof = after.consistency_proof(first, second) if first <= second else ()
        return {
            "about": about,
            "before": _note(tree, first),
            "after": _note(after, second),
            "proof": list(proof),
            "outcome": outcome,
        }

    grown = [
        case(f"grows from {first} to {second}", tree, first, second, "held")
        for first in _SIZES
        for second in _SIZES
        if first <= second
    ]
    edited = LogTree([leaves[0], leaves[0], *leaves[2:]])
    swapped = LogTree([leaves[1], leaves[0], *leaves[2:]])
    forked = LogTree([*leaves[:4], *leaves[5:], leaves[0]])
    changed = [
        case("one entry removed at the end", tree, 5, 4, "shrank"),
        case("emptied", tree, 5, 0, "shrank"),
        case("one entry edited, same size", edited, 5, 5, "rewritten"),
        case("one entry edited, then grown", edited, 5, 8, "rewritten"),
        case("two entries in another order, then grown", swapped, 8, 13, "rewritten"),
        case("forked at the last entry seen", forked, 5, 13, "rewritten"),
    ]
    stranger = sign_checkpoint(Checkpoint(_ORIGIN, 8, tree.root(8)), _OTHER)
    elsewhere = sign_checkpoint(Checkpoint("elsewhere.example/log", 8, tree.root(8)), _KEY, _ORIGIN)
    changed.append({**case("another log with the same key", tree, 5, 8, "other-key"), "after": elsewhere})
    changed.append({**case("another key", tree, 5, 8, "other-key"), "after": stranger})
    changed.append({**case("a proof that is left out", tree, 5, 8, "rewritten"), "proof": []})
    changed.append(
        {**case("a proof of other sizes", tree, 5, 8, "rewritten"), "proof": list(tree.consistency_proof(5, 13))}
    )
    return [*grown, *changed]
