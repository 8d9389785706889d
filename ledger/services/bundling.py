"""Bundles of past decisions: the openings from the store, the proofs from the chain's history at that block."""

from ledger import bundles
from ledger.bundles import Contents, SignedConsent
from ledger.decisions import Decision, Denials, Moment, Opening, Reason
from ledger.deployment import Deployment
from ledger.documents import Form
from ledger.errors import InvalidProof, LedgerUnavailable, NotFound
from ledger.model import Address
from ledger.ports import Store
from ledger.proofs import Header
from ledger.services.evidence import gather
from ledger.services.index import PROOF_TRIES, Index
from ledger.slots import Proven, Slot, needed


class Bundling:
    """Makes a bundle of a decision on demand."""

    def __init__(self, index: Index, store: Store, deployment: Deployment) -> None:
        self._index, self._store, self._deployment = index, store, deployment

    def bundle(self, caller: Address, decision: str) -> bytes:
        """The bundle of a decision, for whoever asked and was told the true reason.

        Raises:
            NotFound: no such decision, or not the caller's to see.
            LedgerUnavailable: the node no longer has the state of that block.
        """
        with self._store.begin() as tx:
            kept = tx.decision(decision)
            # An outsider was told `no_consent` whatever is true; a bundle would tell more.
            if kept is None or kept["asker"] != caller or not kept["party"]:
                raise NotFound("There is no such decision of yours.")
            question = bundles.question_from_json(kept["question"])
            openings = gather(tx, question.record, self._deployment.domain)
            answer = kept["decision"]
            grant = tx.grant(answer["grant"]) if answer["grant"] else None
            consents = tx.consents_with(answer["grant"]) if answer["grant"] else []
            form = tx.document(grant.form) if grant else None
        if openings.record is None:
            raise NotFound("There is no such decision of yours.")
        headers = [Header.from_rlp(bytes.fromhex(rlp[2:])) for rlp in kept["headers"]]
        record, opened = openings.record, (Opening(grant),) if grant else ()
        with self._index.at_head() as snapshot:
            slots = needed(question, record, opened, openings.forms, snapshot.state)
        asked = {*question.items, *question.digests} or set(record.items)
        digests = set(question.digests.values())
        return bundles.write(
            Contents(
                deployment=self._deployment,
                headers=headers,
                contracts=self._prove(headers[0], slots),
                record=record.record,
                record_signature=record.signature,
                items=[item for name, item in record.items.items() if name in asked or item.sha256 in digests],
                grant=grant,
                form=form if isinstance(form, Form) else None,
                consents=[SignedConsent.of(*consent) for consent in consents],
                denials=Denials.of(tuple(row) for row in kept["denials"]),
                question=question,
                decision=Decision(
                    answer["permitted"],
                    Reason(answer["reason"]),
                    Moment(
                        headers[0].number,
                        headers[0].hash,
                        headers[0].timestamp,
                        headers[-1].timestamp,
                        answer["at"],
                        answer["maxAge"],
                    ),
                    answer["grant"],
                    answer["until"],
                    tuple(answer["obligations"]),
                ),
            )
        )

    def _prove(self, head: Header, slots: tuple[Slot, ...]) -> dict[str, Proven]:
        for _ in range(PROOF_TRIES):
            try:
                return self._index.prove(head, slots)
            except InvalidProof:
                continue
        raise LedgerUnavailable("The Ethereum node cannot prove the state of that block any more.")
