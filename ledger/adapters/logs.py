"""Raw logs of the contracts as events of the core: read word by word, after the layouts in the checked-in ABIs.

web3.py's decoder is some forty times slower, and a replay reads hundreds of thousands of logs.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from ledger.errors import LedgerUnavailable
from ledger.events import (
    CONTRACTS,
    Anchored,
    Checkpointed,
    Closed,
    Delegated,
    Granted,
    LedgerEvent,
    Published,
    Registered,
    Retracted,
    Revoked,
    RevokedAll,
    Superseded,
    Suspended,
    SuspensionChanged,
    uri_text,
)
from ledger.model import Address, Hash, address, keccak

# Event name → (our class, its fields in terms of the ABI's argument names).
_FIELDS: dict[str, tuple[type[Any], dict[str, str]]] = {
    "Granted": (Granted, {"subject": "subject", "grant_hash": "grantHash", "signer": "signer"}),
    "Revoked": (Revoked, {"subject": "subject", "grant_hash": "grantHash", "signer": "signer"}),
    "RevokedAll": (RevokedAll, {"subject": "subject", "before": "before", "signer": "signer"}),
    "Suspended": (
        Suspended,
        {"subject": "subject", "suspended": "suspended", "suspension_at": "at", "signer": "signer"},
    ),
    "Closed": (Closed, {"subject": "subject", "signer": "signer"}),
    "Delegated": (
        Delegated,
        {
            "subject": "subject",
            "delegate": "delegate",
            "rights": "rights",
            "valid_until": "validUntil",
            "delegation_at": "at",
        },
    ),
    "Anchored": (Anchored, {"root": "root", "size": "size"}),
    "Registered": (Registered, {"party": "party", "roles": "roles", "profile": "profile", "uri": "uri"}),
    "SuspensionChanged": (SuspensionChanged, {"party": "party", "suspended": "suspended"}),
    "Published": (Published, {"issuer": "issuer", "document": "hash"}),
    "Superseded": (
        Superseded,
        {"issuer": "issuer", "document": "hash", "replacement": "replacement", "material": "material"},
    ),
    "Retracted": (Retracted, {"issuer": "issuer", "document": "hash"}),
    "Checkpointed": (Checkpointed, {"logger": "logger", "log_id": "logId", "size": "size", "root": "root"}),
}

_TOPIC = re.compile("0x[0-9a-f]{64}")
_DATA = re.compile("0x[0-9a-f]*")
_WORD = 64
"""Hexadecimal digits of one word."""
Decoder = Callable[[list[str], str, int], LedgerEvent]
"""(topics, data, time of the block) → event. Raises ValueError or IndexError on anything malformed."""


@cache
def artifact(contract: str) -> dict[str, Any]:
    """The checked-in build of a contract: ABI, bytecode and storage layout."""
    loaded: dict[str, Any] = json.loads(files("ledger.adapters").joinpath("abi", f"{contract}.json").read_text())
    return loaded


@lru_cache(maxsize=65536)
def _address(word: str) -> Address:
    if word[:24] != "0" * 24:
        raise ValueError
    return address("0x" + word[24:])


def _hash(word: str) -> Hash:
    return Hash("0x" + word)


def _integer(bits: int) -> Callable[[str], int]:
    def read(word: str) -> int:
        value = int(word, 16)
        if value >> bits:
            raise ValueError
        return value

    return read


def _boolean(word: str) -> bool:
    return bool(_integer(1)(word))


_READERS: dict[str, Callable[[str], Any]] = {
    "address": _address,
    "bytes32": _hash,
    "bool": _boolean,
    **{f"uint{bits}": _integer(bits) for bits in (8, 32, 64)},
}


def _string(data: str, word: str) -> str:
    """The one dynamic value of an event, a `uri`, which is its last: nothing may follow it but its padding."""
    start = 2 * int(word, 16)
    size = 2 * int(data[start : start + _WORD], 16)
    begin, end = start + _WORD, start + _WORD + size
    padding = -size % _WORD
    if len(data) != end + padding or data[end:].strip("0"):
        raise ValueError
    return uri_text(bytes.fromhex(data[begin:end]))


def _decoder(entry: Mapping[str, Any]) -> Decoder:
    """The reader of one event, from its entry in an ABI."""
    cls, names = _FIELDS[entry["name"]]
    ours = {theirs: name for name, theirs in names.items()}
    topics = [(ours[i["name"]], _READERS[i["type"]]) for i in entry["inputs"] if i["indexed"]]
    words = [(ours[i["name"]], _READERS.get(i["type"])) for i in entry["inputs"] if not i["indexed"]]
    fixed = all(reader is not None for _, reader in words)

    def decode(raw_topics: list[str], data: str, at: int) -> LedgerEvent:
        if len(raw_topics) != len(topics) + 1 or not all(map(_TOPIC.fullmatch, raw_topics)):
            raise ValueError
        if not _DATA.fullmatch(data):
            raise ValueError
        data = data[2:]
        if fixed and len(data) != _WORD * len(words):
            raise ValueError
        values = {name: reader(raw_topics[place][2:]) for place, (name, reader) in enumerate(topics, 1)}
        for place, (name, reader) in enumerate(words):
            word = data[_WORD * place : _WORD * (place + 1)]
            values[name] = _string(data, word) if reader is None else reader(word)
        event: LedgerEvent = cls(at=at, **values)
        return event

    return decode


@cache
def event_topics() -> dict[tuple[str, str], str]:
    """The names of our events by contract and first topic."""
    return {
        (contract, _topic(entry)): entry["name"]
        for contract in CONTRACTS
        for entry in artifact(contract)["abi"]
        if entry["type"] == "event" and entry["name"] in _FIELDS
    }


def _topic(entry: Mapping[str, Any]) -> str:
    signature = f"{entry['name']}({','.join(i['type'] for i in entry['inputs'])})"
    return "0x" + keccak(signature.encode()).hex()


@cache
def _decoders() -> dict[tuple[str, str], Decoder]:
    """By contract and first topic."""
    table: dict[tuple[str, str], Decoder] = {}
    for contract in CONTRACTS:
        for entry in artifact(contract)["abi"]:
            if entry["type"] == "event" and entry["name"] in _FIELDS:
                table[contract, _topic(entry)] = _decoder(entry)
    return table


def decode(contract: str, log: Mapping[str, Any], at: int) -> LedgerEvent | None:
    """The event behind a raw log, or None if it is one of OpenZeppelin's own, such as OwnershipTransferred.

    Args:
        contract: whose log it is.
        log: as a node answers it.
        at: Unix seconds of its block.

    Raises:
        LedgerUnavailable: it is not what the contract emits.
    """
    try:
        topics, data = log["topics"], log["data"]
        decoder = _decoders().get((contract, topics[0]))
        return decoder(topics, data, at) if decoder else None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise LedgerUnavailable("The Ethereum node answered with a log that cannot be read.") from error
