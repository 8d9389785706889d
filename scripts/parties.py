"""What is done on chain by hand: listing parties in the Directory, publishing forms and terms."""

from collections.abc import Mapping, Sequence

from client.http import Client
from ledger.adapters.chain import Node, Web3Sender
from ledger.deployment import Deployment
from ledger.documents import ChannelTerms, Form, Profile, channel_terms, publication_form
from ledger.errors import InvalidInput, Refused
from ledger.model import Address, Hash
from ledger.ports import Call
from ledger.state import ROLES
from scripts.deploy import await_receipt


def transact(rpc_url: str, deployment: Deployment, secret: bytes, call: Call) -> None:
    """Send one call from an account and wait until it is in a block.

    Raises:
        Refused: the contract refuses it; nothing was sent.
    """
    node = Node(rpc_url)
    sender = Web3Sender(node, deployment, secret)
    if problem := sender.simulate(call):
        raise Refused(f"{call.contract}.{call.function} is refused: {problem}.")
    transaction, raw = sender.prepare(call)
    sender.send(raw)
    await_receipt(node, transaction)


def transfer(rpc_url: str, deployment: Deployment, secret: bytes, to: Address, wei: int) -> None:
    """Give an account something to pay transactions with."""
    node = Node(rpc_url)
    transaction, raw = Web3Sender(node, deployment, secret).prepare_transfer(to, wei)
    node.request("eth_sendRawTransaction", "0x" + raw.hex())
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


def register(
    rpc_url: str, deployment: Deployment, owner: bytes, party: Address, roles: Sequence[str], profile: Profile
) -> None:
    """List a party in the Directory, or change its entry. Its profile travels inside the entry."""
    call = Call("Directory", "register", (party, roles_of(roles), bytes.fromhex(profile.hash[2:]), profile.data_uri()))
    transact(rpc_url, deployment, owner, call)


def publish(
    rpc_url: str, deployment: Deployment, secret: bytes, issuer: Address, channels: Sequence[str], client: Client
) -> Form:
    """Publish the terms of channels and a form that names them; what is published already is left alone.

    Returns:
        The form; its hash goes into grants.
    """
    terms = {code: channel_terms(code, issuer) for code in channels}
    form = publication_form(issuer, {code: ChannelTerms(issuer, document.hash) for code, document in terms.items()})
    for document in (*terms.values(), form):
        if not _published(client, document.hash):
            arguments = (bytes.fromhex(document.hash[2:]),)
            node = Node(rpc_url)
            call = Call("PolicyRegistry", "publish", arguments)
            if Web3Sender(node, deployment, secret).simulate(call) != "AlreadyPublished":
                transact(rpc_url, deployment, secret, call)
            client.post("/v1/documents", document.to_json())
    return form


def _published(client: Client, document: Hash) -> bool:
    try:
        client.get(f"/v1/documents/{document}")
    except Refused:
        return False
    return True


KINDS: Mapping[str, Sequence[str]] = {
    "hospital": ("controller",),
    "journal": ("recipient",),
    "research-group": ("recipient",),
}
"""The roles that go without saying for a kind of party."""
