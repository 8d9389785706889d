"""What is done on chain by hand: listing parties in the Directory, publishing forms and terms."""

from collections.abc import Sequence

from client.http import Client
from ledger.adapters.chain import Web3Sender
from ledger.adapters.node import Node
from ledger.deployment import Deployment
from ledger.documents import ChannelTerms, Form, Profile, channel_terms, publication_form
from ledger.errors import InvalidInput, Refused
from ledger.model import Address, Hash
from ledger.ports import Call
from ledger.state import ROLES
from scripts.deploy import await_receipt, check_chain

Transfer = tuple[Address, int]
"""To whom, and how much wei."""


def transact(rpc_url: str, deployment: Deployment, secret: bytes, *steps: Call | Transfer) -> None:
    """Send calls and transfers from one account, one after the other, and wait until all are in a block.

    Raises:
        Refused: a contract refuses a call; neither it nor what follows was sent.
        WrongChain: the node is on another chain; nothing was sent.
    """
    check_chain(rpc_url, deployment)
    node = Node(rpc_url)
    sender = Web3Sender(node, deployment, secret)
    sent = []
    try:
        for step in steps:
            if isinstance(step, Call):
                if problem := sender.simulate(step):
                    raise Refused(f"{step.contract}.{step.function} is refused: {problem}.")
                transaction, raw = sender.prepare(step)
            else:
                transaction, raw = sender.prepare_transfer(*step)
            sender.send(raw)
            sent.append(transaction)
    finally:
        for transaction in sent:
            await_receipt(node, transaction)


def roles_of(names: Sequence[str]) -> int:
    """The Directory's role bits.

    Raises:
        InvalidInput: an unknown role; says which are known.
    """
    for name in names:
        if name not in ROLES:
            raise InvalidInput(f"There is no role “{name}”. Roles are {', '.join(ROLES)}.")
    return sum(ROLES[name] for name in set(names))


def registration(party: Address, roles: Sequence[str], profile: Profile) -> Call:
    """The call by which the Directory's owner lists a party. Its profile travels inside the entry."""
    arguments = (party, roles_of(roles), bytes.fromhex(profile.hash[2:]), profile.data_uri())
    return Call("Directory", "register", arguments)


def publish(
    rpc_url: str, deployment: Deployment, secret: bytes, issuer: Address, channels: Sequence[str], client: Client
) -> Form:
    """Publish the terms of channels and a form that names them; what is published already is left alone.

    Returns:
        The form; its hash goes into grants.
    """
    terms = {code: channel_terms(code, issuer) for code in channels}
    form = publication_form(issuer, {code: ChannelTerms(issuer, document.hash) for code, document in terms.items()})
    missing = [document for document in (*terms.values(), form) if not _published(client, document.hash)]
    sender = Web3Sender(Node(rpc_url), deployment, secret)
    calls = [Call("PolicyRegistry", "publish", (bytes.fromhex(document.hash[2:]),)) for document in missing]
    transact(rpc_url, deployment, secret, *(call for call in calls if sender.simulate(call) != "AlreadyPublished"))
    for document in missing:
        client.post("/v1/documents", document.to_json())
    return form


def _published(client: Client, document: Hash) -> bool:
    try:
        client.get(f"/v1/documents/{document}")
    except Refused:
        return False
    return True
