"""Bringing somebody's signed message to the chain: through a service, or by a transaction of one's own."""

from dataclasses import dataclass
from typing import Any, cast

from client.http import Client, reading
from ledger.adapters.chain import Web3Chain, Web3Sender
from ledger.adapters.node import Node
from ledger.deployment import Deployment
from ledger.errors import BadSignature, Expired, InvalidInput, InvalidProof, LedgerUnavailable, Refused
from ledger.model import Hash, Relayed
from ledger.receipts import RelayReceipt, require_receipt_of, verify_receipt
from ledger.recorded import is_recorded, slots_of
from ledger.services.messages import call_of, most_gas
from ledger.signed_message import PATHS, SignedMessage
from scripts.audit import prove_slots
from scripts.deploy import await_receipt, check_chain

LATE = "This consent was signed too long ago: its deadline has passed. Nobody can record it any more."


@dataclass(frozen=True)
class HandedIn:
    """What a service said when it took a message.

    Attributes:
        signed: the receipt as the service gave it; None when it gave none that holds, and `doubt` says why.
    """

    id: str
    status: str
    receipt: RelayReceipt | None
    signed: Any
    doubt: str = ""


@dataclass(frozen=True)
class OnChain:
    """Where a message is recorded.

    Attributes:
        transaction: ours; None when it was recorded already, and nothing was sent.
    """

    block: int
    transaction: Hash | None


@reading()
def hand_in(client: Client, signed: SignedMessage, key: bytes | None = None) -> HandedIn:
    """Hand a message to a service, and check the receipt it gives.

    Args:
        key: the operator's receipt key from a source that is trusted; None for the one the service names.

    Raises:
        WrongChain: the message is for another ledger than the service's. Nothing was sent.
        VolensError: what the service says.
    """
    domain = client.deployment.domain
    signed.check(domain)
    answer = client.post(PATHS[signed.message.TYPE], signed.body())
    receipt, doubt = None, ""
    try:
        receipt = verify_receipt(answer.get("receipt"), key or client.receipt_key, domain)
        require_receipt_of(receipt, signed.message, signed.signer, domain)
    except InvalidProof as error:
        receipt, doubt = None, str(error)
    return HandedIn(
        str(answer["id"]), str(answer["status"]), receipt, answer["receipt"] if receipt is not None else None, doubt
    )


def record(rpc_url: str, deployment: Deployment, secret: bytes, signed: SignedMessage) -> OnChain:
    """Record a message by one transaction, which its sender pays for, and prove that it is recorded.

    Args:
        secret: private key of the account that pays, 32 bytes.

    Raises:
        WrongChain: the message, the node or the code of the registry is of another ledger.
        BadSignature, Expired, Refused: the contract would not take it. Nothing was sent.
        InvalidInput: the account cannot pay. Nothing was sent.
        InvalidProof: it was sent, and the node does not prove that it is recorded.
        LedgerUnavailable: the node does not answer, or the transaction failed or was not mined in time.
    """
    by_key = signed.check(deployment.domain)
    message = cast(Relayed, signed.message)  # the only ones a file of this kind holds
    check_chain(rpc_url, deployment)
    node = Node(rpc_url)
    chain, sender = Web3Chain(node, deployment), Web3Sender(node, deployment, secret)
    head, slots = chain.head(), slots_of(message)
    if is_recorded(message, prove_slots(chain, deployment, head, slots), head.timestamp):
        return OnChain(head.number, None)
    coded = bool(chain.with_code([signed.signer]))
    if not by_key and not coded:
        raise BadSignature("The signature in this file is not its signer's. Nothing was sent.")
    call = call_of(message, signed.signer, signed.signature)
    gas = most_gas(message) if coded else None  # the account's code is not ours to trust with the sender's ether
    if problem := sender.simulate(call, gas):
        raise Expired(LATE) if problem == "DeadlinePassed" else _refusal(problem)
    prepared = sender.prepare(call, gas=gas)
    if lacking := sender.shortfall(prepared):
        raise InvalidInput(
            f"The account {sender.address} needs {lacking / 10**18:.6f} ether more on this chain to pay for it. "
            "Nothing was sent."
        )
    sender.send(prepared.raw)
    await_receipt(node, prepared.hash)
    receipt = sender.receipt(prepared.hash)
    if receipt is None:
        raise LedgerUnavailable("The block with the transaction was replaced. Run the command again.")
    at = chain.header(receipt.block_number).timestamp
    if not is_recorded(message, prove_slots(chain, deployment, chain.head(), slots), at):
        raise InvalidProof(f"The node does not prove that {prepared.hash} recorded the message. Ask another one.")
    return OnChain(receipt.block_number, prepared.hash)


def _refusal(problem: str) -> Refused:
    if problem == "SignatureInvalid":
        return BadSignature("The contract says that the signer did not sign this. Nothing was sent.")
    return Refused(f"The contract refuses the message: {problem}. docs/errors.md says why. Nothing was sent.")
