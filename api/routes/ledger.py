"""Liveness, readiness, and the facts everybody may know: chain, contracts, parties."""

from contextlib import suppress
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request, Response

from api.deps import Use
from api.errors import problem
from api.metrics import CONTENT_TYPE
from api.schemas import PartyView
from ledger.clear_signing import descriptor
from ledger.errors import NotFound, Unavailable, Untrusted
from ledger.model import address
from ledger.services.consents import party_names
from ledger.services.index import require_fresh
from ledger.state import ROLES
from ledger.tokens import token_of
from ledger.typed_data import DOMAIN_VERSION

router = APIRouter(tags=["ledger"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get("/readyz", response_model=None)
def readyz(request: Request, use: Use) -> dict[str, Any] | Response:
    """Whether questions are answered and keys released now, and if not, why; how far the newest block is behind.

    `gate` is ``open``; ``waiting`` for a node that does not answer, lags or contradicts itself, which passes by
    itself; or ``closed`` until an operator acts. Withdrawals are taken in all three. `relays.late` is how many
    received messages should be on chain and are not: an alarm, though questions are answered.
    """
    try:
        with use.index.at_head() as snapshot:
            moment = snapshot.moment(use.clock(), use.settings.max_head_age)
        require_fresh(moment)
    except (Unavailable, Untrusted) as error:
        last = use.index.last
        return problem(
            request,
            503,
            error.code,
            str(error),
            gate="closed" if isinstance(error, Untrusted) else "waiting",
            block=last.head.number if last else None,
            lag=max(use.clock() - last.head.timestamp, 0) if last else None,
            **_relays(use),
        )
    lag = max(moment.wall - moment.timestamp, 0)
    return {"status": "ready", "gate": "open", "block": moment.number, "lag": lag, **_relays(use)}


def _relays(use: Use) -> dict[str, Any]:
    try:
        late, oldest = use.relays.late()
    except Unavailable:
        return {}  # the database cannot be read; what is said beside this says so
    return {"relays": {"late": late, "oldest": oldest}}


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(use: Use) -> Response:
    """What Prometheus reads: counts and durations, without addresses, hashes or persons."""
    return Response(use.metrics.text(), media_type=CONTENT_TYPE)


@router.get("/v1/ledger")
def ledger(use: Use) -> dict[str, Any]:
    """Chain, genesis, contracts and code hashes to pin; the verified heads at the newest block.

    While the gate is not open there is no such block and nothing of it is said: what a wallet must know before it
    signs a withdrawal is said in every state.
    """
    newest: dict[str, Any] = {}
    with suppress(Unavailable, Untrusted), use.index.at_head() as snapshot:
        newest = {
            "block": {"number": snapshot.head.number, "hash": snapshot.head.hash},
            "heads": dict(snapshot.state.heads),
            "operations": snapshot.state.operations,
            "token": token_of(use.deployment, snapshot.head),
        }
    return {
        "deployment": use.deployment.to_json(),
        **newest,
        "confirmations": use.settings.confirmations,
        "custodianKey": "0x" + use.custodian.public_key.hex(),
        "receiptKey": "0x" + use.intake.public_key.hex(),
        "versions": {"volens": version("volens"), "domain": DOMAIN_VERSION},
    }


@router.get("/v1/ledger/digest")
def digest(use: Use) -> dict[str, Any]:
    """The digest of the whole ledger at the newest block: whoever replays the chain comes to the same.

    Computed for one asker at a time; others hear 429.
    """
    head, found = use.digests.newest()
    return {"block": {"number": head.number, "hash": head.hash}, "digest": found}


@router.get("/v1/clear-signing")
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
