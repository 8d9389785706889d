"""References: making one for (record, recipient), and what whoever holds one is told, which names no patient."""

import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass

from ledger.decisions import decide
from ledger.deployment import Deployment
from ledger.errors import NotFound
from ledger.evidence import Denials, Moment, Question
from ledger.model import ANY_ITEM, ZERO_ADDRESS, Address, Hash, keccak, to_hash
from ledger.ports import Store, Transaction
from ledger.references import ALPHABET, LENGTH, read_reference
from ledger.services.consents import party_names
from ledger.services.evidence import Memory, gather_many
from ledger.services.index import Index, require_fresh
from ledger.services.records import own_record

NOWHERE = to_hash(keccak(b"no record has this name"))
"""What a code that nobody made stands for: all the work of an answer is done for it as well."""


@dataclass(frozen=True)
class Covered:
    """One use that the patient allows now.

    Attributes:
        channel: "" for a use that is no publication.
        until: the earliest Unix second at which it could lapse by time alone.
        items, of: how many parts of the record it is about, and how many there are.
        onward: none, quote or reshare.
    """

    purpose: str
    channel: str
    until: int
    items: int
    of: int
    onward: str


@dataclass(frozen=True)
class Status:
    """What a reference says. Without any use there is no consent, and nothing tells why, or whether there ever was one.

    Attributes:
        recipient: who may, by the name in the Directory; None when nobody may, or the chain does not vouch for a name.
    """

    recipient: str | None
    uses: tuple[Covered, ...]
    moment: Moment


def new_reference() -> str:
    """A fresh code, which nobody can guess."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


class References:
    """The use cases around references.

    Args:
        clock: Unix seconds on the wall.
        max_age: how many seconds old the newest block may be.
        reuse: seconds for which a verified block is used again without asking the node.
    """

    def __init__(
        self,
        index: Index,
        store: Store,
        deployment: Deployment,
        clock: Callable[[], int],
        max_age: int,
        reuse: float = 0,
    ) -> None:
        self._index, self._store, self._clock = index, store, clock
        self._max_age, self._reuse = max_age, reuse
        self._memory = Memory(deployment.domain)

    def make(self, caller: Address, record: Hash, recipient: Address) -> str:
        """The reference of a record for one recipient; always the same one.

        For the recipient itself, and for the parties of the record.

        Raises:
            NotFound: no such record, it names no such recipient, or the caller is neither.
            Erased: for its parties, when it was erased.
        """
        with self._store.begin() as tx:
            self._require(tx, caller, record, recipient)
            known = tx.references_of(record).get(recipient)
            code = known or new_reference()
            if known is None:
                tx.add_reference(code, record, recipient)
            return code

    def of(self, caller: Address, record: Hash) -> dict[Address, str]:
        """The references of a record by recipient: all of them for its parties, its own for a recipient.

        Raises:
            NotFound, Erased: see `make`.
        """
        with self._store.begin() as tx:
            made = tx.references_of(record)
            try:
                own_record(tx, caller, record)
            except NotFound:
                self._require(tx, caller, record, caller)
                return {recipient: code for recipient, code in made.items() if recipient == caller}
            return made

    def _require(self, tx: Transaction, caller: Address, record: Hash, recipient: Address) -> None:
        if caller != recipient:
            own_record(tx, caller, record)
        if recipient == ZERO_ADDRESS or not tx.names(record, recipient):
            raise NotFound("There is no such record, or nothing in it names this recipient.")

    def records(self, codes: Collection[str]) -> dict[str, Hash]:
        """What references stand for; one that nobody made stands for a record that does not exist.

        Args:
            codes: as somebody wrote them.

        Returns:
            By what was written; what cannot be a reference is left out.
        """
        read = {text: code for text in codes if (code := read_reference(text)) is not None}
        with self._store.begin() as tx:
            found = {text: tx.reference(code) for text, code in read.items()}
        return {text: row[0] if row else NOWHERE for text, row in found.items()}

    def status(self, text: str) -> Status:
        """What the holder of a reference may know, decided now. Nothing is kept of it, a permit least of all.

        A reference that was never made, cannot be one, or whose consent ended reads the same: no use is covered.

        Raises:
            Unavailable, Untrusted: nothing is known about the present.
        """
        code = read_reference(text)
        with self._index.at_head(self._reuse) as snapshot, self._store.begin() as tx:
            moment = snapshot.moment(self._clock(), self._max_age)
            require_fresh(moment)
            record, recipient = (code and tx.reference(code)) or (NOWHERE, ZERO_ADDRESS)
            openings = gather_many(tx, [(record, recipient)], self._memory)[0]
            evidence = openings.evidence(snapshot.state, Denials.of(tx.denials(openings.subjects())))
            total = len(openings.record.record.items) if openings.record else 0
            uses = []
            for opening in openings.grants:
                grant = opening.grant
                if grant.recipient not in (recipient, ZERO_ADDRESS):
                    continue
                items = () if grant.items == (ANY_ITEM,) else grant.items
                for purpose in grant.purposes:
                    for channel in grant.channels or ("",):
                        decision = decide(Question(recipient, record, purpose, channel, items), evidence, moment)
                        if decision.permitted and decision.until is not None and decision.grant == opening.hash:
                            count = len(items) or total
                            uses.append(Covered(purpose, channel, decision.until, count, total, grant.onward))
            name = party_names(snapshot.state).get(recipient) if uses else None
            return Status(name, tuple(dict.fromkeys(uses)), moment)
