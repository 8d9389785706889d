"""Bundles of past decisions: the openings from the store, the proofs from the chain's history at that block."""

import logging
import time
import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from ledger import bundles
from ledger.bundles import Contents
from ledger.decisions import Decision, Reason
from ledger.deployment import Deployment
from ledger.documents import Form
from ledger.errors import BadSignature, InvalidInput, InvalidProof, LedgerUnavailable, NotFound, Refused, VolensError
from ledger.evidence import Denials, Moment, SignedConsent
from ledger.model import Address
from ledger.ports import Store, StoredDecision
from ledger.proofs import EMPTY_CODE, Header
from ledger.services.evidence import gather
from ledger.services.index import PROOF_TRIES, Index, facts_of
from ledger.slots import Proven, Slot, delegation_slot, needed

_log = logging.getLogger(__name__)
T = TypeVar("T")

HISTORY = 128
"""How many blocks back every full node can prove; older state it may have pruned."""
CAPTURE = 50
"""How many decisions are looked at in one go."""


REST = 4
"""How many times as long as the last bundle took the next one waits, while there is time."""
LONGEST_REST = 0.1


class Bundling:
    """Makes the bundles of decisions, soon after each.

    Args:
        rest: waits so many seconds, so that those who ask do not wait for the processor; nobody does by default.
        steady: seconds that only ever grow.
    """

    def __init__(
        self,
        index: Index,
        store: Store,
        deployment: Deployment,
        rest: Callable[[float], None] | None = None,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._index, self._store, self._deployment = index, store, deployment
        self._rest, self._steady = rest, steady
        self._passed = 0

    def bundle(self, caller: Address, decision: str) -> bytes:
        """The bundle of a decision, for whoever asked and was told the true reason.

        Raises:
            NotFound: no such decision, or not the caller's to see.
            LedgerUnavailable: the node no longer has the state of that block.
        """
        with self._store.begin() as tx:
            kept = tx.decision(decision)
        # Of an outsider's question nothing is kept: a bundle would tell more than its `no_consent`.
        if kept is None or kept.value["asker"] != caller:
            raise NotFound("There is no such decision of yours.")
        return zlib.decompress(kept.bundle) if kept.bundle else self._make(decision, kept.value)

    def capture(self) -> None:
        """Make the bundles of recent decisions while the node still has the state they stand on.

        Full nodes prove only recent blocks, and evidence is wanted years later. Some at a time, oldest first; those
        whose evidence cannot be made now, because their block was replaced, say, are passed until all had their turn:
        the ones behind them have no time to lose. Between two there is a rest, until half of the time is gone.
        """
        with self._store.begin() as tx:
            waiting = tx.decisions_without_bundle(CAPTURE, self._passed)
        if len(waiting) < CAPTURE:
            self._passed = 0
        if not waiting:
            return
        with self._index.at_head() as snapshot:
            newest = snapshot.head.number
        failure: LedgerUnavailable | None = None
        hurry = newest - _block(waiting[0]) > HISTORY // 2
        for decision in waiting:
            began = self._steady()
            try:
                self._make(decision.id, decision.value)
            except LedgerUnavailable as error:
                if newest - _block(decision) < HISTORY:
                    failure = error
                    self._passed += len(waiting) == CAPTURE
                else:
                    self._give_up(decision.id, error)
            except (InvalidInput, Refused) as error:
                self._give_up(decision.id, error)  # it must not hold up those behind it
            if self._rest is not None and not hurry:
                self._rest(min(REST * (self._steady() - began), LONGEST_REST))
        if failure is not None:
            raise failure

    def _give_up(self, decision: str, error: VolensError) -> None:
        _log.warning("the evidence of %s cannot be made: %s", decision, error)
        with self._store.begin() as tx:
            tx.set_bundle(decision, b"")

    def _make(self, decision: str, kept: dict[str, Any]) -> bytes:
        bundle = self._build(kept)
        with self._store.begin() as tx:
            tx.set_bundle(decision, zlib.compress(bundle))
        return bundle

    def _build(self, kept: dict[str, Any]) -> bytes:
        with self._store.begin() as tx:
            question = bundles.question_from_json(kept["question"])
            openings = gather(tx, question.record, self._deployment.domain)
            answer = kept["decision"]
            grant = tx.grant(answer["grant"]) if answer["grant"] else None
            consents = tx.consents_with(answer["grant"]) if answer["grant"] else []
            held = [one.consent for one in tx.held_of(question.record) if one.grant == answer["grant"]]
            form = tx.document(grant.form) if grant else None
        if openings.record is None:
            raise NotFound("There is no such decision of yours.")
        in_cohorts = {(one.subject, one.signature) for one in held}
        consents = [
            entry
            for entry in consents
            if entry[0].subject in openings.subjects() and (entry[0].subject, entry[2]) not in in_cohorts
        ]
        headers = [Header.from_rlp(bytes.fromhex(rlp[2:])) for rlp in kept["headers"]]
        record, opened = openings.record, tuple(one for one in openings.grants if one.hash == answer["grant"])
        with self._index.at_head() as snapshot:
            slots = needed(question, record, opened, openings.forms, snapshot.state)
            # One that was signed before, and whose deadline passed before it could be recorded, is not what stands.
            consents = [
                entry
                for entry in consents
                if snapshot.state.entry(entry[0].subject, answer["grant"]).granted_at <= entry[0].deadline
            ]
        slots += tuple(
            delegation_slot(consent.subject, signer) for consent, signer, _ in consents if signer != consent.subject
        )
        contracts = self._prove(headers[0], slots)
        facts = facts_of(contracts)
        shown = []
        for entry in consents:
            granted_at = facts.entry(entry[0].subject, answer["grant"]).granted_at
            if checkable := self._checkable(SignedConsent.of(*entry), headers[0], granted_at):
                shown.append(checkable)
        asked = {*question.items, *question.digests} or set(record.items)
        digests = set(question.digests.values())
        return bundles.write(
            Contents(
                deployment=self._deployment,
                headers=headers,
                contracts=contracts,
                record=record.record,
                record_signature=record.signature,
                items=[item for name, item in record.items.items() if name in asked or item.sha256 in digests],
                grant=grant,
                form=form if isinstance(form, Form) else None,
                approvals=[entry for entry in openings.approvals if entry[0].recipient == question.recipient],
                consents=[*held, *shown],
                denials=Denials.of(tuple(row) for row in kept["denials"]),
                question=question,
                decision=Decision(
                    answer["permitted"],
                    Reason(answer["reason"]),
                    Moment.of(headers, answer["at"], answer["maxAge"]),
                    answer["grant"],
                    answer["until"],
                    tuple(answer["obligations"]),
                ),
            )
        )

    def _checkable(self, consent: SignedConsent, head: Header, granted_at: int) -> SignedConsent | None:
        """A consent as others can check it: where not the signer's key signed, with the proof that the signer has code.

        Args:
            granted_at: when its grant was recorded, as of that block; what code said was asked by nobody else.

        Returns:
            None where nothing is left to check: it was not recorded, or the code is gone.
        """
        try:
            consent.check(self._deployment.domain)
        except BadSignature:
            proof, account = self._proven(lambda: self._index.prove_account(head, consent.signer))
            coded = granted_at and account.code_hash != EMPTY_CODE
            return replace(consent, account_proof=proof.nodes) if coded else None
        return consent

    def _prove(self, head: Header, slots: tuple[Slot, ...]) -> dict[str, Proven]:
        return self._proven(lambda: self._index.prove(head, slots))

    @staticmethod
    def _proven(ask: Callable[[], T]) -> T:
        for _ in range(PROOF_TRIES):
            try:
                return ask()
            except InvalidProof:
                continue
        raise LedgerUnavailable("The Ethereum node cannot prove the state of that block any more.")


def _block(decision: StoredDecision) -> int:
    """The number of the block a decision stands on."""
    return Header.from_rlp(bytes.fromhex(decision.value["headers"][0][2:])).number
