"""Where the contracts keep each fact, and how facts are read from proven storage slots.

The slot numbers are those of the compiler's storage layout; a test compares them with the checked-in builds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ledger.decisions import successors
from ledger.documents import Form
from ledger.errors import InvalidProof
from ledger.events import WITH_HEAD
from ledger.evidence import AuthenticRecord, Opening, Question
from ledger.model import Address, Hash, to_hash
from ledger.proofs import AccountProof, SlotProof, mapping_slot, slot_key, unpack
from ledger.state import DelegationState, DocumentStatus, Entry, Facts, Party, SubjectState

POSITIONS = {
    "ConsentRegistry": {"_entries": 0, "_subjects": 1, "_delegations": 2, "_anchoredAt": 3, "_head": 4},
    "Directory": {"_head": 2, "_parties": 3},
    "PolicyRegistry": {"_head": 0, "_documents": 1},
    "CheckpointLog": {"_checkpoints": 0},
}
_ENTRY = (64, 64)
_SUBJECT = (64, 64, 8, 8)
_DELEGATION = (8, 64, 64)
_PARTY = (8, 8, 64, 64)
_DOCUMENT = (64, 64, 64, 8)
_CHECKPOINT = (64, 64)


@dataclass(frozen=True, order=True)
class Slot:
    """One storage slot of one contract, with a label that tells a person what it holds."""

    contract: str
    key: Hash
    label: str = field(compare=False)


@dataclass(frozen=True)
class Proven:
    """The proofs of one contract at one block: its account, and slots with the values their proofs showed."""

    account: AccountProof
    slots: tuple[tuple[Slot, int, SlotProof], ...]


def head_slot(contract: str) -> Slot:
    """The running head of a contract."""
    return Slot(contract, slot_key(POSITIONS[contract]["_head"]), "head")


def entry_slot(subject: Address, grant_hash: Hash) -> Slot:
    """What is recorded of one grant of one subject."""
    registry = POSITIONS["ConsentRegistry"]
    key = mapping_slot(grant_hash, mapping_slot(subject, registry["_entries"]))
    return Slot("ConsentRegistry", key, f"entries[{subject}][{grant_hash}]")


def subject_slot(subject: Address) -> Slot:
    """What is recorded of one subject as a whole."""
    key = mapping_slot(subject, POSITIONS["ConsentRegistry"]["_subjects"])
    return Slot("ConsentRegistry", key, f"subjects[{subject}]")


def delegation_slot(subject: Address, delegate: Address) -> Slot:
    """What one delegate may do for one subject."""
    key = mapping_slot(delegate, mapping_slot(subject, POSITIONS["ConsentRegistry"]["_delegations"]))
    return Slot("ConsentRegistry", key, f"delegations[{subject}][{delegate}]")


def anchor_slot(root: Hash) -> Slot:
    """When a cohort root was anchored."""
    key = mapping_slot(root, POSITIONS["ConsentRegistry"]["_anchoredAt"])
    return Slot("ConsentRegistry", key, f"anchoredAt[{root}]")


def party_slot(party: Address) -> Slot:
    """Roles and suspension of a party."""
    return Slot("Directory", mapping_slot(party, POSITIONS["Directory"]["_parties"]), f"parties[{party}]")


def document_slots(issuer: Address, document: Hash) -> tuple[Slot, Slot]:
    """The times of a document, and its successor."""
    times = mapping_slot(document, mapping_slot(issuer, POSITIONS["PolicyRegistry"]["_documents"]))
    label = f"documents[{issuer}][{document}]"
    return Slot("PolicyRegistry", times, label), Slot("PolicyRegistry", slot_key(times, 1), f"{label}.successor")


def checkpoint_slots(logger: Address, log: Hash) -> tuple[Slot, Slot]:
    """Size and time of the last anchored checkpoint of a log, and its root."""
    key = mapping_slot(log, mapping_slot(logger, POSITIONS["CheckpointLog"]["_checkpoints"]))
    label = f"checkpoints[{logger}][{log}]"
    return Slot("CheckpointLog", key, label), Slot("CheckpointLog", slot_key(key, 1), f"{label}.root")


@dataclass(frozen=True)
class ProvenFacts:
    """`Facts` read from proven slots. A fact whose slot was not proven is an error, never an empty value.

    Attributes:
        values: what `verify_slot` returned, by contract and slot key.
    """

    values: Mapping[tuple[str, Hash], int]

    def _value(self, slot: Slot) -> int:
        try:
            return self.values[slot.contract, slot.key]
        except KeyError:
            raise InvalidProof(f"The decision needs {slot.contract}.{slot.label}, which was not proven.") from None

    def head(self, contract: str) -> Hash:
        """The running head of a contract."""
        return to_hash(self._value(head_slot(contract)).to_bytes(32))

    def entry(self, subject: Address, grant_hash: Hash) -> Entry:
        """What is recorded of a grant."""
        return Entry(*unpack(self._value(entry_slot(subject, grant_hash)), _ENTRY))

    def subject(self, subject: Address) -> SubjectState:
        """What is recorded of a subject as a whole."""
        before, at, suspended, closed = unpack(self._value(subject_slot(subject)), _SUBJECT)
        return SubjectState(before, at, bool(suspended), bool(closed))

    def delegation(self, subject: Address, delegate: Address) -> DelegationState:
        """What one delegate may do for one subject."""
        return DelegationState(*unpack(self._value(delegation_slot(subject, delegate)), _DELEGATION))

    def anchored_at(self, root: Hash) -> int:
        """When a cohort root was anchored, or 0."""
        return self._value(anchor_slot(root))

    def party(self, party: Address) -> Party:
        """What the Directory says of a party."""
        roles, suspended, _, _ = unpack(self._value(party_slot(party)), _PARTY)
        return Party(roles, bool(suspended))

    def checkpoint(self, logger: Address, log: Hash) -> tuple[int, int, Hash]:
        """Size, time and root of the last anchored checkpoint of a log; all zero when there is none."""
        first, second = checkpoint_slots(logger, log)
        size, at = unpack(self._value(first), _CHECKPOINT)
        return size, at, Hash(f"0x{self._value(second):064x}")

    def document(self, issuer: Address, document: Hash) -> DocumentStatus:
        """What the PolicyRegistry says of a document of an issuer."""
        times, successor = document_slots(issuer, document)
        published, superseded, retracted, material = unpack(self._value(times), _DOCUMENT)
        following = self._value(successor) if superseded else 0
        return DocumentStatus(published, superseded, retracted, bool(material), to_hash(following.to_bytes(32)))


def needed(
    question: Question,
    record: AuthenticRecord | None,
    grants: Iterable[Opening],
    forms: Mapping[Hash, Form],
    index: Facts,
) -> tuple[Slot, ...]:
    """Every slot that `decide` may read for a question, and the heads.

    Args:
        index: facts from the index, used only to find how long a chain of superseded documents is. Were it wrong,
            the slot that is missing makes the decision fail, never pass.
    """
    slots: set[Slot] = {head_slot(contract) for contract in WITH_HEAD}
    slots.add(party_slot(question.recipient))
    if record is None:
        return tuple(sorted(slots))
    slots.add(party_slot(record.record.controller))
    slots.update(document_slots(record.record.controller, record.hash))
    for opening in grants:
        for subject in (record.record.subject, *record.record.stewards):
            slots.update((entry_slot(subject, opening.hash), subject_slot(subject)))
        slots.update(anchor_slot(anchor.root) for anchor in opening.anchors)
        form = forms.get(opening.grant.form)
        if form is None:
            continue
        documents = [(form.issuer, opening.grant.form), *((c.issuer, c.terms) for c in form.channels.values())]
        for issuer, document in documents:
            for following, _ in successors(issuer, document, index):
                slots.update(document_slots(issuer, following))
    return tuple(sorted(slots))
