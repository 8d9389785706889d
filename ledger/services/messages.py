"""What a subject signs and anybody may relay: what it does, the contract call that records it, and its gas."""

from typing import assert_never

from ledger.model import Address, Closure, Consent, Delegation, Relayed, Revocation, RevokeAll, Suspension, keccak
from ledger.ports import Call
from ledger.typed_data import hash_struct

SIGNER_GAS = 1_500_000
"""Gas for a call whose signer's code is asked, its grants aside: what that code may burn, and what we do ourselves."""
GRANT_GAS = 30_000
"""Gas for each grant in it: more than the contract takes for one."""

IN_BLOCK = "RefusedInBlock"
"""The problem of a message that the contract refused in a block, though not when it was tried before."""


def call_of(message: Relayed, signer: Address, signature: bytes) -> Call:
    """The contract call that records a signed message."""
    registry = "ConsentRegistry"
    match message:
        case Consent():
            hashes = [hash_struct(grant) for grant in message.grants]
            return Call(registry, "grantFor", (message.subject, hashes, message.deadline, signer, signature))
        case Revocation():
            hashes = [hash_struct(grant) for grant in message.grants]
            return Call(registry, "revokeFor", (message.subject, hashes, signer, signature))
        case RevokeAll():
            return Call(registry, "revokeAllFor", (message.subject, message.before, signer, signature))
        case Suspension():
            return Call(registry, "suspendFor", (message.subject, message.suspended, message.at, signer, signature))
        case Closure():
            return Call(registry, "closeFor", (message.subject, signer, signature))
        case Delegation():
            arguments = (message.subject, message.delegate, message.rights, message.valid_until, message.at, signature)
            return Call(registry, "delegateFor", arguments)
        case _:
            assert_never(message)


def relay_id(message: Relayed, signer: Address, code_signature: bytes | None = None) -> str:
    """The id of a signed message in the outbox: handed in twice, it is one relay.

    Args:
        code_signature: where not the signer's own key signed, what its code called a signature. It may fail on chain,
            and must then not stand in the way of a better one.
    """
    said = b"" if code_signature is None else keccak(code_signature)
    return "rly_" + keccak(hash_struct(message) + bytes.fromhex(signer[2:]) + said)[:16].hex()


def withdraws(message: Relayed) -> bool:
    """Whether a message only ever takes away: permission, or all that a delegate may do.

    The contract takes the signer's own key for it, whatever code the account has (DESIGN, section 4).
    """
    match message:
        case Suspension():
            return message.suspended
        case Delegation():
            return message.rights == 0
        case _:
            return isinstance(message, Revocation | RevokeAll | Closure)


def most_gas(message: Relayed) -> int:
    """What the transaction may take at most where the signer's code is asked: that code is its author's, not ours."""
    grants = message.grants if isinstance(message, Consent | Revocation) else ()
    return SIGNER_GAS + GRANT_GAS * len(grants)
