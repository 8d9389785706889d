"""The use cases the routes call, in one value."""

from collections.abc import Callable
from dataclasses import dataclass, field

from anyio import CapacityLimiter

from api.gathering import Gatherer
from api.limits import Limits
from api.metrics import Metrics
from api.settings import Settings
from ledger.deployment import Deployment
from ledger.ports import Keys, Relay, Store, Vault
from ledger.services.access_log import AccessLog
from ledger.services.bundling import Bundling
from ledger.services.changes import Feed
from ledger.services.cohorts import Cohorts
from ledger.services.custody import Custodian
from ledger.services.digests import Digests
from ledger.services.erasure import Erasure
from ledger.services.index import Index
from ledger.services.intake import HandedIn, Intake
from ledger.services.questions import Answer, Asked, Questions
from ledger.services.records import Records
from ledger.services.references import References
from ledger.services.relay import Relays
from ledger.services.release import Gate
from ledger.services.sign_in import SignIns

WITHDRAWALS = 8
"""Threads that only withdrawals use."""
MOST_QUESTIONS = 512
"""Questions that are answered in one unit of work, unless one asker has more."""
MOST_GRANTS = 64
"""Grants of the consents that are taken in one unit of work: nobody waits long for the others."""
LARGE_AT_ONCE = 2
"""Threads that read and take large consents, and as many for large withdrawals: more would only slow the rest down."""
MOST_WAITING = 32
"""Large consents that wait for one of them at most, each of which may be 1 MiB."""


@dataclass(frozen=True)
class Services:
    """Use cases and what they stand on; made by `api.app.build`."""

    settings: Settings
    clock: Callable[[], int]
    deployment: Deployment
    custodian: Custodian
    store: Store
    vault: Vault
    index: Index
    digests: Digests
    questions: Questions
    asked: Gatherer[Asked, list[Answer]]
    consented: Gatherer[HandedIn, Relay | None]
    gate: Gate
    intake: Intake
    relays: Relays
    cohorts: Cohorts
    records: Records
    references: References
    feed: Feed
    bundling: Bundling
    sign_ins: SignIns
    log: AccessLog
    erasure: Erasure
    keys: Keys
    limits: Limits
    metrics: Metrics
    withdrawals: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(WITHDRAWALS))
    large: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LARGE_AT_ONCE))
    large_withdrawals: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(LARGE_AT_ONCE))
