"""Liveness, readiness, and the facts everybody may know: chain, contracts, parties."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter

from api.deps import Use
from api.schemas import PartyView
from ledger.clear_signing import descriptor
from ledger.errors import NotFound
from ledger.model import address
from ledger.services.index import require_fresh
from ledger.services.relay import party_names
from ledger.state import ROLES
from ledger.tokens import token_of
from ledger.typed_data import DOMAIN_VERSION, Domain

router = APIRouter(tags=["ledger"])

_EXAMPLE = descriptor(Domain(31337, address("0x496a7C1876125C9b2a8c95c8902A39b2011C2Df7")))


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(use: Use) -> dict[str, Any]:
    """The chain is reachable, pinned and fresh; how far behind the wall clock its newest block is."""
    with use.index.at_head() as snapshot:
        moment = snapshot.moment(use.clock(), use.settings.max_head_age)
    require_fresh(moment)
    return {"status": "ready", "block": moment.number, "lag": max(moment.wall - moment.timestamp, 0)}


@router.get("/v1/ledger")
def ledger(use: Use) -> dict[str, Any]:
    """Chain, genesis, contracts and code hashes to pin; the verified heads and digest at the newest block."""
    with use.index.at_head() as snapshot:
        return {
            "deployment": use.deployment.to_json(),
            "block": {"number": snapshot.head.number, "hash": snapshot.head.hash},
            "heads": dict(snapshot.state.heads),
            "operations": snapshot.state.operations,
            "digest": snapshot.state.digest(),
            "token": token_of(use.deployment, snapshot.head),
            "confirmations": use.settings.confirmations,
            "custodianKey": "0x" + use.custodian.public_key.hex(),
            "versions": {"volens": version("volens"), "domain": DOMAIN_VERSION},
        }


@router.get("/v1/clear-signing", responses={200: {"content": {"application/json": {"example": _EXAMPLE}}}})
def clear_signing(use: Use) -> dict[str, Any]:
    """What a wallet shows before a patient signs: one ERC-7730 descriptor of all her messages here."""
    return descriptor(use.deployment.domain)


@router.get("/v1/parties")
def parties(use: Use) -> list[PartyView]:
    """Everybody the Directory lists."""
    with use.index.at_head() as snapshot:
        names = party_names(snapshot.state)
        return [
            PartyView(
                address=party,
                did=use.deployment.did(party),
                name=names.get(party),
                roles=[name for name, role in ROLES.items() if entry.roles & role],
                suspended=entry.suspended,
            )
            for party, entry in snapshot.state.parties.items()
        ]


@router.get("/v1/parties/{party}")
def party(party: str, use: Use) -> PartyView:
    """One party of the Directory."""
    wanted = address(party, "party")
    for found in parties(use):
        if found.address == wanted:
            return found
    raise NotFound("The Directory does not list this party.")
