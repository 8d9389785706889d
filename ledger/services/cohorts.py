"""Cohorts: signed consents of many subjects, recorded together by one root (DESIGN, section 4).

The contract anchors any root and looks at nothing under it. So everything that it checks of a consent that is recorded
by itself is checked here, before the consents are kept, and again before the root is sent (`cohort_problem`). What a
grant then stands by is its subject's signature and the proof that it lies under an anchored root, both of which are
checked whenever somebody asks.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ledger.deployment import Deployment
from ledger.errors import BadSignature, Conflict, InvalidInput, InvalidMessage, NotAuthorised, NotFound, Refused
from ledger.evidence import Denials, SignedConsent
from ledger.merkle import CohortTree
from ledger.model import Address, Consent, Hash, given_at
from ledger.ports import Cohort, Held, Relay, Store, Transaction
from ledger.services.consents import check_consent, taken_back_until
from ledger.services.index import Index, Snapshot
from ledger.services.intake import Intake
from ledger.services.messages import relay_id
from ledger.state import ROLE_CONTROLLER
from ledger.typed_data import struct_hash, verify

LARGEST = 1000
"""Consents handed in at once."""
AT_ONCE = 25
"""Consents checked before others may use index and store: a withdrawal must not wait for a whole cohort."""


@dataclass(frozen=True)
class CohortView:
    """A cohort as its controller sees it.

    Attributes:
        anchored_at: Unix seconds at which the root was anchored, 0 while it is not.
        members: its consents, each with its status and its receipt, in the order in which they were handed in.
    """

    cohort: Cohort
    anchored_at: int
    members: tuple[Relay, ...]


class Cohorts:
    """Takes signed consents that are to be recorded together."""

    def __init__(
        self, index: Index, store: Store, intake: Intake, deployment: Deployment, clock: Callable[[], int]
    ) -> None:
        self._index, self._store, self._intake = index, store, intake
        self._deployment, self._clock = deployment, clock

    def accept(self, controller: Address, signed: Sequence[tuple[Consent, Address, bytes]]) -> CohortView:
        """Check consents, build the tree over their grants, and store everything durably; the outbox anchors the root.

        All of them are taken, or none. The same consents again are the same cohort, and nothing more happens.

        Args:
            controller: of every record that a grant names.
            signed: consents, each with its signer, who must be the subject itself, and the signature.

        Raises:
            NotAuthorised: the Directory does not list the caller as a controller.
            BadSignature: one is signed by another key than its subject's.
            NotFound, InvalidInput, Expired, Conflict: what one says does not hold, or it was handed in before; the
                message says which.
        """
        if not 1 <= len(signed) <= LARGEST:
            raise InvalidMessage("consents", f"must be from 1 to {LARGEST}")
        with self._index.at_head() as snapshot:
            if not snapshot.state.party(controller).has(ROLE_CONTROLLER):
                raise NotAuthorised("Only a party that the Directory lists as a controller may do this.", "not_listed")
        for position, (consent, signer, signature) in enumerate(signed):
            with _of(position):
                if signer != consent.subject:
                    raise BadSignature("Only the subject's own key counts in a cohort, not a delegate's.")
                verify(self._deployment.domain.digest(consent), signature, signer)
        tree = CohortTree.of((consent.subject, struct_hash(g)) for consent, _, _ in signed for g in consent.grants)
        if (known := self._known(controller, tree.root)) is not None:
            if {relay.id for relay in known.members} == {relay_id(consent, signer) for consent, signer, _ in signed}:
                return known
            raise Conflict(
                "These very grants are in a cohort already, on other consents, and would have the same root. Divide "
                "them in another way."
            )
        for first in range(0, len(signed), AT_ONCE):
            with self._index.at_head() as snapshot, self._store.begin() as tx:
                for position, (consent, _, _) in enumerate(signed[first : first + AT_ONCE], first):
                    with _of(position):
                        self._check(tx, controller, consent, snapshot)
        self._keep(controller, signed, tree)
        self._intake.waiting.set()
        return self.find(controller, tree.root)

    def _known(self, controller: Address, root: Hash) -> CohortView | None:
        try:
            return self.find(controller, root)
        except NotFound:
            return None

    def _check(self, tx: Transaction, controller: Address, consent: Consent, snapshot: Snapshot) -> None:
        """What is checked of a consent that is recorded by itself, here or by the contract."""
        records = check_consent(tx, consent, snapshot, self._clock())
        if any(stored.record.controller != controller for stored in records):
            raise NotFound("There is no such record of this subject.")  # the words for one that is not there
        denied = Denials.of(tx.denials([consent.subject]))
        before = taken_back_until(consent.subject, snapshot.state, denied)
        for grant in consent.grants:
            name = struct_hash(grant)
            if snapshot.state.entry(consent.subject, name).granted_at:
                raise Conflict("A grant in it is recorded already.")
            for held in tx.held_of(grant.record):
                # Were there two that count, the later word would have to wait for its confirmations all the same.
                same = (held.grant, held.consent.subject) == (name, consent.subject)
                if same and given_at(held.consent.deadline) > before:
                    raise Conflict("A grant in it lies in another cohort already.")

    def _keep(self, controller: Address, signed: Sequence[tuple[Consent, Address, bytes]], tree: CohortTree) -> None:
        now, root = self._clock(), tree.root
        members = [self._intake.receive(*one, at=now, cohort=root) for one in signed]
        held = [
            Held(grant.record, name, relay.id, replace(shown, root=root, proof=tree.proof(shown.subject, name)))
            for relay, one in zip(members, signed, strict=True)
            for shown in (SignedConsent.of(*one),)
            for grant, name in zip(one[0].grants, shown.grant_hashes, strict=True)
        ]
        with self._store.begin() as tx:
            if tx.erased_of({one.record for one in held}):  # meanwhile
                raise NotFound("There is no such record of this subject.")
            known = tx.known_relays([relay.id for relay in members])
            for position, relay in enumerate(members):
                if relay.id in known:
                    with _of(position):
                        raise Conflict("It was handed in before.")
            tx.add_cohort(Cohort(root, controller, len(tree), now), members, held)

    def find(self, controller: Address, root: Hash) -> CohortView:
        """A cohort, for whoever handed it in. To anybody else it does not exist.

        Raises:
            NotFound: there is no such cohort of the caller's.
        """
        with self._store.begin() as tx:
            cohort = tx.cohort(root)
            if cohort is None or cohort.controller != controller:
                raise NotFound("There is no such cohort.")
            members = tuple(tx.members(root))
        # Never waits for the node: what was stored is acknowledged whether or not the chain can be reached.
        last = self._index.last
        return CohortView(cohort, last.state.anchored_at(root) if last is not None else 0, members)


@contextmanager
def _of(position: int) -> Iterator[None]:
    """Say which of the consents does not hold."""
    try:
        yield
    except InvalidMessage as error:
        raise error.within(f"consents[{position}]") from None
    except (InvalidInput, Refused) as error:
        error.args = (f"consents[{position}]: {error}",)
        raise
