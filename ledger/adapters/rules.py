"""The rules of the contracts in Python: what the relayed functions of ConsentRegistry do, and where it is stored.

For the in-memory chain only. The service never runs it: what a contract did is read from its events and proofs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import BadSignature
from ledger.events import WITH_HEAD, Closed, Delegated, Granted, LedgerEvent, Revoked, RevokedAll, Suspended
from ledger.model import (
    RIGHT_GRANT,
    RIGHT_REVOKE,
    ZERO_ADDRESS,
    Address,
    Closure,
    Delegation,
    Hash,
    RevokeAll,
    Suspension,
    to_hash,
)
from ledger.ports import Call
from ledger.slots import anchor_slot, document_slots, entry_slot, head_slot, party_slot, subject_slot
from ledger.state import LedgerState
from ledger.typed_data import Domain, commitment_hash, hash_struct, verify

CLOCK_DRIFT = 15 * 60


class Reverted(Exception):
    """The contract refuses the call; the message is the name of its error."""


@dataclass(frozen=True)
class Contracts:
    """What the relayed functions of ConsentRegistry do: (state, call, time) in, events out, in its check order."""

    domain: Domain

    def execute(self, state: LedgerState, call: Call, now: int) -> list[LedgerEvent]:
        """The events of one call.

        Raises:
            Reverted: the contract refuses it.
        """
        subject, *rest = call.arguments
        match call.function:
            case "grantFor":
                return self._grant(state, now, subject, *rest)
            case "revokeFor":
                hashes, signer, signature = [to_hash(name) for name in rest[0]], rest[1], rest[2]
                message = commitment_hash("Revocation", subject, tuple(hashes))
                self._authorise(state, now, subject, signer, RIGHT_REVOKE, message, signature)
                _require(bool(hashes), "EmptyList")
                new = [name for name in dict.fromkeys(hashes) if not state.entry(subject, name).revoked_at]
                return [Revoked(now, subject, name, signer) for name in new]
            case "revokeAllFor":
                before, signer, signature = rest
                message = hash_struct(RevokeAll(subject, before))
                self._authorise(state, now, subject, signer, RIGHT_REVOKE, message, signature)
                clamped = min(before, now)
                news = clamped > state.subject(subject).revoked_before
                return [RevokedAll(now, subject, clamped, signer)] if news else []
            case "suspendFor":
                suspended, at, signer, signature = rest
                _require(at <= now + CLOCK_DRIFT, "TooFarAhead")
                current = state.subject(subject)
                _require(suspended or not current.closed, "SubjectClosed")
                news = _is_news(at, current.suspension_at, suspended, current.suspended)
                right = RIGHT_REVOKE if suspended else RIGHT_GRANT
                message = hash_struct(Suspension(subject, suspended, at))
                self._authorise(state, now, subject, signer, right, message, signature)
                return [Suspended(now, subject, suspended, at, signer)] if news else []
            case "closeFor":
                signer, signature = rest
                self._authorise(state, now, subject, signer, RIGHT_REVOKE, hash_struct(Closure(subject)), signature)
                return [] if state.subject(subject).closed else [Closed(now, subject, signer)]
            case "delegateFor":
                delegate, rights, until, at, signature = rest
                _require(at <= now + CLOCK_DRIFT, "TooFarAhead")
                _require(delegate not in (ZERO_ADDRESS, subject), "InvalidDelegate")
                _require(not rights & ~(RIGHT_REVOKE | RIGHT_GRANT), "InvalidRights")
                known = state.delegations.get((subject, delegate))
                news = _is_news(at, known.at if known else 0, rights == 0, known is None or known.rights == 0)
                message = hash_struct(Delegation(subject, delegate, rights, until, at))
                self._authorise(state, now, subject, subject, RIGHT_GRANT, message, signature)
                return [Delegated(now, subject, delegate, rights, until, at)] if news else []
            case _:
                raise Reverted("an unknown function")

    def _grant(
        self,
        state: LedgerState,
        now: int,
        subject: Address,
        raw: Sequence[bytes],
        deadline: int,
        signer: Address,
        signature: bytes,
    ) -> list[LedgerEvent]:
        _require(now <= deadline, "DeadlinePassed")
        current = state.subject(subject)
        _require(not current.closed, "SubjectClosed")
        _require(not current.suspended, "SubjectSuspended")
        _require(now > current.revoked_before, "RevokedUntil")
        hashes = [to_hash(name) for name in raw]
        message = commitment_hash("Consent", subject, tuple(hashes), deadline)
        self._authorise(state, now, subject, signer, RIGHT_GRANT, message, signature)
        _require(bool(hashes), "EmptyList")
        for name in hashes:
            _require(not state.entry(subject, name).revoked_at, "AlreadyRevoked")
            _require(not state.entry(subject, name).granted_at, "AlreadyGranted")
        _require(len(set(hashes)) == len(hashes), "AlreadyGranted")
        return [Granted(now, subject, name, signer) for name in hashes]

    def _authorise(
        self,
        state: LedgerState,
        now: int,
        subject: Address,
        signer: Address,
        right: int,
        message: bytes,
        signature: bytes,
    ) -> None:
        if signer != subject:
            delegation = state.delegations.get((subject, signer))
            allowed = delegation and delegation.valid_until > now and delegation.rights & right
            _require(bool(allowed), "NotAuthorised")
        try:
            verify(self.domain.digest_of(message), signature, signer)
        except BadSignature:
            raise Reverted("SignatureInvalid") from None


def _require(holds: bool, error: str) -> None:
    if not holds:
        raise Reverted(error)


def _is_news(at: int, last: int, narrows: bool, narrowed: bool) -> bool:
    if at > last or (narrows and not narrowed and at == last):
        return True
    _require(narrows and narrowed, "NotNewer")
    return False


def _pack(*members: tuple[int, int]) -> int:
    """Members of (value, bits), the first lowest, as Solidity packs them."""
    word, place = 0, 0
    for value, bits in members:
        word, place = word | value << place, place + bits
    return word


def storage_of(state: LedgerState) -> dict[str, dict[Hash, int]]:
    """The storage of each contract with a head, as far as decisions read it: slot key → word.

    Not there: delegations, checkpoints, profiles, and when a party was listed. No decision reads those from proofs.
    """
    words: dict[str, dict[Hash, int]] = {name: {} for name in WITH_HEAD}
    for name in WITH_HEAD:
        words[name][head_slot(name).key] = int(state.heads[name], 16)
    registry, parties, documents = (words[name] for name in WITH_HEAD)
    for (subject, name_), entry in state.entries.items():
        registry[entry_slot(subject, name_).key] = _pack((entry.granted_at, 64), (entry.revoked_at, 64))
    for subject, s in state.subjects.items():
        word = _pack((s.revoked_before, 64), (s.suspension_at, 64), (s.suspended, 8), (s.closed, 8))
        registry[subject_slot(subject).key] = word
    for root, at in state.anchors.items():
        registry[anchor_slot(root).key] = at
    for party, p in state.parties.items():
        parties[party_slot(party).key] = _pack((p.roles, 8), (p.suspended, 8))
    for (issuer, document), d in state.documents.items():
        times, successor = document_slots(issuer, document)
        documents[times.key] = _pack((d.published_at, 64), (d.superseded_at, 64), (d.retracted_at, 64), (d.material, 8))
        documents[successor.key] = int(d.successor, 16)
    return words
