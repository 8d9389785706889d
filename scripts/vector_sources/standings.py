"""The source of tests/vectors/standing.json: what a chain proves of grants, for wallets that ask a node themselves."""

from typing import Any

import rlp

from ledger.adapters.memory import MemoryChain
from ledger.events import Closed, Granted, LedgerEvent, Revoked, RevokedAll, Suspended
from ledger.model import Address, Hash, to_hash
from ledger.proofs import _FIELDS, Header
from ledger.slots import ProvenFacts, entry_slot, subject_slot
from scripts.vector_sources.world import CHAIN_ID, START, World, key, phrase

_GRANT = to_hash(phrase("a grant"))
_OTHER = to_hash(phrase("another grant"))


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
