"""The source of tests/vectors/standing.json: what wallets say of a consent.

`cases`: what a chain proves, for wallets that ask a node themselves. `views`: what a service says of the grants of a
record for each who signed them, and what is said to one of them.
"""

from dataclasses import replace
from typing import Any

import rlp

from ledger.adapters.memory import MemoryChain
from ledger.events import Closed, Granted, LedgerEvent, Revoked, RevokedAll, Suspended
from ledger.model import Address, Grant, Hash, to_hash
from ledger.proofs import _FIELDS, Header
from ledger.slots import ProvenFacts, entry_slot, subject_slot
from ledger.typed_data import struct_hash
from scripts.vector_sources.world import CHAIN_ID, START, World, key, phrase
from wallet.renewal import renewed

_GRANT = to_hash(phrase("a grant"))
_OTHER = to_hash(phrase("another grant"))
_NOW, _DAY, _WORLD = START, 86_400, World()
# What is told, her own standing, those of others who sign the same grant, its days from and until, what she reads, and
# perhaps the others' standings under another form, one for each form that followed.
_VIEWS: tuple[tuple[Any, ...], ...] = (
    ("hers alone", "granted", (), -1, 1, "granted"),
    ("another agreed too", "granted", ("granted",), -1, 1, "granted"),
    ("another has not agreed", "further_consent_needed", ("no_consent",), -1, 1, "further_consent_needed"),
    ("another took it back", "further_consent_needed", ("revoked",), -1, 1, "stopped_by_another"),
    ("another ended the case", "further_consent_needed", ("granted", "closed"), -1, 1, "stopped_by_another"),
    ("another took back what she has not given", "no_consent", ("revoked",), -1, 1, "stopped_by_another"),
    ("another paused", "further_consent_needed", ("suspended",), -1, 1, "further_consent_needed"),
    ("she took it back, another did not", "revoked", ("granted",), -1, 1, "revoked"),
    ("both took it back", "revoked", ("revoked",), -1, 1, "revoked"),
    ("she ended the case", "closed", ("revoked",), -1, 1, "closed"),
    ("the institution took the record back", "record_retracted", ("record_retracted",), -1, 1, "record_retracted"),
    ("taken back, and over", "revoked", (), -2, -1, "revoked"),
    ("the time is over", "granted", ("granted",), -2, 0, "expired"),
    ("the time is over and the form has changed", "form_superseded", (), -2, 0, "expired"),
    ("over, and another took it back", "granted", ("revoked",), -2, 0, "stopped_by_another"),
    ("begins later", "granted", (), 1, 2, "not_yet_valid"),
    ("begins later and waits", "further_consent_needed", ("no_consent",), 1, 2, "further_consent_needed"),
    ("paused", "suspended", (), -1, 1, "suspended"),
    ("another agreed again", "form_superseded", ("revoked",), -1, 1, "form_superseded", "further_consent_needed"),
    ("another agreed again, on its way", "granted", ("revoked",), -1, 1, "granted", "awaiting_confirmations"),
    ("another agreed again and stopped that", "form_superseded", ("revoked",), -1, 1, "stopped_by_another", "revoked"),
    ("another never agreed again", "form_superseded", ("revoked",), -1, 1, "stopped_by_another", "no_consent"),
    ("another agreed again twice", "granted", ("revoked",), -1, 1, "granted", "revoked granted"),
)
# What is told, the standings of her consent under one form after the other, and what she reads of the first.
_RENEWED = (
    ("she agreed again", ("revoked", "granted"), "replaced"),
    ("she agreed again, and that waits for another", ("revoked", "further_consent_needed"), "replaced"),
    ("she agreed again, and its time is over", ("revoked", "expired"), "replaced"),
    ("she agreed again twice", ("revoked", "revoked", "granted"), "replaced"),
    ("she agreed again and stopped that", ("revoked", "revoked"), "revoked"),
    ("she agreed again twice and stopped that", ("revoked", "revoked", "revoked"), "revoked"),
    ("she agreed again, and that never reached the chain", ("revoked", "no_consent"), "revoked"),
    ("she agreed again and ended the case", ("closed", "closed"), "closed"),
    ("she agreed again, and the old one goes on", ("granted", "granted"), "granted"),
    ("she agreed again, and the old one has lapsed", ("form_superseded", "granted"), "form_superseded"),
)


def vectors() -> object:
    """The content of the file."""
    chain = MemoryChain(CHAIN_ID, World.contracts, START)
    cases = [_prove(chain, *case) for case in _cases(chain)]
    registry = chain.deployment.contracts["ConsentRegistry"]
    return {
        "about": "block is as eth_getBlockByHash answers, proof as eth_getProof; standing is what they prove.",
        "registry": {"address": registry.address, "codeHash": registry.code_hash},
        "deployment": chain.deployment.to_json(),
        "cases": cases,
        "views": [*(_told(*told) for told in _VIEWS), *(_renewed(*told) for told in _RENEWED)],
    }


def _cases(chain: MemoryChain) -> list[tuple[str, Address, Hash]]:
    """Things that happened, one subject each, in blocks before the last."""
    happened: dict[str, tuple[type[LedgerEvent], ...]] = {
        "granted": (Granted,),
        "revoked": (Granted, Revoked),
        "revoked before it was granted": (Revoked,),
        "everything revoked": (Granted, RevokedAll),
        "granted after everything was revoked": (RevokedAll, Granted),
        "suspended": (Granted, Suspended),
        "closed": (Granted, Closed),
        "nothing": (),
    }
    for name, kinds in happened.items():
        subject = key(name).address
        for kind in kinds:
            chain.emit(_event(kind, subject, chain.now))
    chain.emit(*(Granted(chain.now, key(f"neighbour {n}").address, _OTHER, key("x").address) for n in range(20)))
    return [(name, key(name).address, _GRANT) for name in happened]


def _told(
    about: str, own: str, others: tuple[str, ...], since: int, until: int, state: str, again: str = ""
) -> dict[str, Any]:
    """Her view is neither the first nor the last, and of another grant the others say something else.

    Args:
        again: what is said of the others' consents to the same grant under each form that followed; empty for none.
    """
    grant = _WORLD.grant(valid_from=_NOW + since * _DAY, valid_until=_NOW + until * _DAY)
    other = replace(grant, salt=_OTHER)
    patient, people = key("patient").address, [key(f"steward {n}").address for n in range(len(others))]
    shared = [(person, standing, grant) for person, standing in zip(people, others, strict=True)]
    told = [*shared[:1], (patient, own, grant), *shared[1:], *((person, "granted", other) for person in people)]
    made = _line(grant, len(again.split()) + 1)[1:]
    told += [(person, standing, one) for standing, one in zip(again.split(), made, strict=True) for person in people]
    return _view(about, patient, grant, told, state)


def _renewed(about: str, standings: tuple[str, ...], state: str) -> dict[str, Any]:
    """Hers under one form after the other, and the first last, as no order is promised; somebody else stands by."""
    patient, steward = key("patient").address, key("steward 0").address
    grants = _line(_WORLD.grant(valid_from=_NOW - _DAY, valid_until=_NOW + _DAY), len(standings))
    told = [(patient, standing, one) for standing, one in zip(standings, grants, strict=True)]
    shared = [(steward, "granted", one) for one in grants]
    return _view(about, patient, grants[0], [*told[1:], *shared, told[0]], state)


def _line(grant: Grant, length: int) -> list[Grant]:
    """A grant, and the same one under each of the forms that followed."""
    made = [grant]
    while len(made) < length:
        made.append(renewed(made[-1], to_hash(phrase(f"form {len(made)}")), _WORLD.names, "en"))
    return made


def _view(
    about: str, subject: Address, grant: Grant, told: list[tuple[Address, str, Grant]], state: str
) -> dict[str, Any]:
    views = [
        {"id": struct_hash(one), "subject": person, "standing": standing, "grant": one.to_json()}
        for person, standing, one in told
    ]
    return {
        "about": about,
        "now": _NOW,
        "subject": subject,
        "grant": struct_hash(grant),
        "views": views,
        "state": state,
    }


def _event(kind: type[LedgerEvent], subject: Address, now: int) -> LedgerEvent:
    if kind is RevokedAll:
        return RevokedAll(now, subject, now, subject)
    if kind is Suspended:
        return Suspended(now, subject, True, now, subject)
    if kind is Closed:
        return Closed(now, subject, subject)
    return kind(now, subject, _GRANT, subject)  # type: ignore[call-arg, arg-type]


def _prove(chain: MemoryChain, about: str, subject: Address, grant: Hash) -> dict[str, Any]:
    head = chain.head()
    slots = (entry_slot(subject, grant), subject_slot(subject))
    account, proofs = chain.proof(head.hash, "ConsentRegistry", [slot.key for slot in slots])
    values = {(slot.contract, slot.key): p.verify(account.verify(head)) for slot, p in zip(slots, proofs, strict=True)}
    facts = ProvenFacts(values)
    entry, state = facts.entry(subject, grant), facts.subject(subject)
    return {
        "about": about,
        "subject": subject,
        "grant": grant,
        "block": _block(head),
        "proof": {
            "address": account.address.lower(),
            "accountProof": ["0x" + node.hex() for node in account.nodes],
            "storageProof": [
                {"key": proof.key, "value": "0x0", "proof": ["0x" + node.hex() for node in proof.nodes]}
                for proof in proofs
            ],
        },
        "standing": {
            "grantedAt": entry.granted_at,
            "revokedAt": entry.revoked_at,
            "revokedBefore": state.revoked_before,
            "suspended": state.suspended,
            "closed": state.closed,
        },
    }


def _block(header: Header) -> dict[str, str]:
    values = rlp.decode(header.rlp)
    fields = {
        name: hex(int.from_bytes(value)) if kind == "number" else "0x" + value.hex()
        for (name, kind, _), value in zip(_FIELDS, values, strict=True)
    }
    return {"hash": header.hash, **fields}
