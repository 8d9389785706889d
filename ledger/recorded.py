"""Whether the chain holds what a signed message says: in which slots it would, and how to read them."""

from typing import assert_never

from ledger.model import Closure, Consent, Delegation, Relayed, Revocation, RevokeAll, Suspension
from ledger.slots import ProvenFacts, Slot, delegation_slot, entry_slot, subject_slot
from ledger.typed_data import struct_hash


def slots_of(message: Relayed) -> tuple[Slot, ...]:
    """Every slot that tells whether a message is recorded."""
    match message:
        case Consent() | Revocation():
            return tuple(dict.fromkeys(entry_slot(message.subject, struct_hash(grant)) for grant in message.grants))
        case Delegation():
            return (delegation_slot(message.subject, message.delegate),)
        case _:
            return (subject_slot(message.subject),)


def is_recorded(message: Relayed, facts: ProvenFacts, at: int) -> bool:
    """Whether what a message says is on the chain: nothing would be added by recording it.

    Args:
        facts: the slots of `slots_of`, as of one block.
        at: the time of that block, or of the one in which the message was recorded; `RevokeAll` is cut to it.
    """
    match message:
        case Consent():
            return all(facts.entry(message.subject, struct_hash(grant)).granted_at for grant in message.grants)
        case Revocation():
            return all(facts.entry(message.subject, struct_hash(grant)).revoked_at for grant in message.grants)
        case RevokeAll():
            return facts.subject(message.subject).revoked_before >= min(message.before, at)
        case Suspension():
            subject = facts.subject(message.subject)
            return subject.suspended == message.suspended and subject.suspension_at >= message.at
        case Closure():
            return facts.subject(message.subject).closed
        case Delegation():
            found = facts.delegation(message.subject, message.delegate)
            if not message.rights:
                return not found.rights and found.at >= message.at
            return (found.at, found.rights, found.valid_until) == (message.at, message.rights, message.valid_until)
        case _:
            assert_never(message)
