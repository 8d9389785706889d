"""The source of tests/vectors/sealing.json: contexts, keys and wraps that other implementations must open.

Sealing and wrapping draw fresh randomness, so their cases are recorded once and kept while they still open; the
rest is computed. Delete the file to record anew.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ledger import sealing
from ledger.errors import VolensError
from ledger.model import address, to_hash
from ledger.sealing import EncryptionKey, Secret

_FILE = Path(__file__).resolve().parents[2] / "tests" / "vectors" / "sealing.json"
_IDENTITY = "AGE-SECRET-KEY-18M3QGCKXKM897TFWU6SX3VRGPLS4JLXJZ2X8P2R4N08NS9NEU8QQF8C6HH"
_SEEDS = (
    # The first vector of draft-connolly-cfrg-xwing-kem; its public key begins e2236b35a8c24b39.
    "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
    "00" * 32,
    "42" * 32,
)
_MASTER = "a5" * 32
_PLAIN = "# Case\n\nA 40-year-old with a rash.\n"
_REGISTRY = address("0x496a7C1876125C9b2a8c95c8902A39b2011C2Df7")
_PERSON = address("0x0D107d98be27055567b0ABbdA804FAC5E321c26D")
_RECORD, _ITEM, _GRANT, _REQUEST = (to_hash(bytes([n]) * 32) for n in (0x11, 0x22, 0x33, 0x44))


def vectors() -> object:
    """The content of the file."""
    recorded: dict[str, Any] = json.loads(_FILE.read_text(encoding="utf-8")) if _FILE.exists() else {}
    return {
        "about": "canonical is the RFC 8785 JSON that HPKE's info carries; wrapped, sealed and seeds are hexadecimal.",
        "keys": [_key(seed) for seed in _SEEDS],
        "contexts": [{"info": info, "canonical": sealing.canonical_info(info).decode("ascii")} for info in _contexts()],
        "invalidContexts": _invalid(),
        "hpke": [
            _kept(recorded.get("hpke"), n, _hpke(_SEEDS[n], info), _opens_hpke) for n, info in enumerate(_contexts())
        ],
        "custody": [_kept(recorded.get("custody"), 0, _custody(), _opens_custody)],
        "sealed": [_kept(recorded.get("sealed"), 0, _sealed(), _opens_sealed)],
    }


def _key(seed: str) -> dict[str, Any]:
    public = EncryptionKey.from_seed(bytes.fromhex(seed)).public
    return {"seed": seed, "publicKeySha256": hashlib.sha256(public).hexdigest(), "x25519": public[-32:].hex()}


def _contexts() -> list[sealing.Info]:
    return [
        sealing.release_info(
            chain_id=31337,
            registry=_REGISTRY,
            record=_RECORD,
            item=_ITEM,
            recipient=_PERSON,
            grant_hash=_GRANT,
            request=_REQUEST,
        ),
        sealing.subject_info(chain_id=31337, registry=_REGISTRY, record=_RECORD, item=_ITEM, subject=_PERSON),
        sealing.deposit_info(chain_id=31337, registry=_REGISTRY, item=_ITEM, controller=_PERSON),
    ]


def _invalid() -> list[dict[str, Any]]:
    release, subject, deposit = _contexts()
    return [
        {"info": {}, "why": "empty"},
        {"info": {**release, "v": 2}, "why": "another version"},
        {"info": {**release, "v": True}, "why": "true is not 1"},
        {"info": {**release, "use": "release"}, "why": "a release names no use"},
        {"info": {**release, "recipient": _PERSON.lower()}, "why": "an address without its checksum"},
        {"info": {**release, "record": _RECORD[:-2]}, "why": "a short hash"},
        {"info": {**release, "chainId": 2**53}, "why": "an integer JavaScript cannot hold"},
        {"info": {name: value for name, value in release.items() if name != "request"}, "why": "a missing field"},
        {"info": {**subject, "use": "deposit"}, "why": "another use's fields"},
        {"info": {**deposit, "use": "Deposit"}, "why": "an unknown use"},
    ]


def _kept(
    recorded: list[dict[str, Any]] | None, number: int, fresh: dict[str, Any], opens: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The recorded case, unless it is about something else by now or does not open."""
    if recorded is None or len(recorded) <= number:
        return fresh
    case = recorded[number]
    drawn = ("wrapped", "sealed", "identityOfFile")
    same = {k: v for k, v in case.items() if k not in drawn} == {k: v for k, v in fresh.items() if k not in drawn}
    return case if same and opens(case) else fresh


def _hpke(seed: str, info: sealing.Info) -> dict[str, Any]:
    public = EncryptionKey.from_seed(bytes.fromhex(seed)).public
    wrapped = sealing.hpke_wrap(Secret(_IDENTITY), public, info)
    return {"seed": seed, "info": info, "identity": _IDENTITY, "wrapped": wrapped.hex()}


def _opens_hpke(case: dict[str, Any]) -> bool:
    return _quietly(
        lambda: (
            sealing.hpke_unwrap(bytes.fromhex(case["wrapped"]), bytes.fromhex(case["seed"]), case["info"])
            == Secret(_IDENTITY)
        )
    )


def _custody() -> dict[str, Any]:
    wrapped = sealing.custody_wrap(bytes.fromhex(_MASTER), Secret(_IDENTITY), _RECORD, _ITEM)
    return {
        "master": _MASTER,
        "keyId": sealing.custody_key_id(bytes.fromhex(_MASTER)),
        "record": _RECORD,
        "item": _ITEM,
        "identity": _IDENTITY,
        "wrapped": wrapped,
    }


def _opens_custody(case: dict[str, Any]) -> bool:
    return _quietly(
        lambda: sealing.custody_unwrap(bytes.fromhex(_MASTER), case["wrapped"], _RECORD, _ITEM) == Secret(_IDENTITY)
    )


def _sealed() -> dict[str, Any]:
    found, sealed = sealing.seal_bytes(_PLAIN.encode())
    return {
        "plain": _PLAIN,
        "size": found.size,
        "sha256": found.sha256,
        "identityOfFile": found.identity.reveal(),
        "sealed": sealed.hex(),
    }


def _opens_sealed(case: dict[str, Any]) -> bool:
    return _quietly(
        lambda: (
            sealing.unseal_bytes(bytes.fromhex(case["sealed"]), Secret(case["identityOfFile"]), case["sha256"])
            == _PLAIN.encode()
        )
    )


def _quietly(opens: Callable[[], bool]) -> bool:
    try:
        return opens()
    except VolensError:
        return False
