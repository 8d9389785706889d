"""Signed consents of many subjects in, to be recorded together by one root."""

from fastapi import APIRouter

from api.deps import Caller, Heavy, Use
from api.schemas import CohortView, NewCohort
from api.services import Services
from ledger.model import Consent, hash32
from ledger.services import cohorts
from ledger.tokens import token_of
from ledger.typed_data import parse_signature

router = APIRouter(prefix="/v1/cohorts", tags=["consents"])


@router.post("", status_code=202, dependencies=[Heavy])
def accept(body: NewCohort, caller: Caller, use: Use) -> CohortView:
    """Record many signed consents by one root. All are checked in full before any is accepted; all are taken, or none.

    Each is signed by its subject's own key. The caller must be the controller of every record they name.
    """
    signed = [(Consent.from_json(one.message), one.signer, parse_signature(one.signature)) for one in body.consents]
    return _view(use.cohorts.accept(caller, signed), use)


@router.get("/{root}")
def cohort(root: str, caller: Caller, use: Use) -> CohortView:
    """How far a cohort, and each consent in it, is on its way to the chain. For whoever handed it in."""
    return _view(use.cohorts.find(caller, hash32(root, "root")), use)


def _view(found: cohorts.CohortView, use: Services) -> CohortView:
    last = use.index.last
    return CohortView.model_validate(
        {
            "root": found.cohort.root,
            "size": found.cohort.size,
            "receivedAt": found.cohort.at,
            "anchoredAt": found.anchored_at or None,
            "token": token_of(use.deployment, last.head) if last is not None else None,
            "consents": [
                {
                    "id": relay.id,
                    "status": relay.status,
                    "problem": relay.problem,
                    "receipt": relay.receipt,
                }
                for relay in found.members
            ],
        }
    )
