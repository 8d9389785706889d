"""What is done on chain by hand: listing parties in the Directory, publishing forms and terms."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from client.http import Client
from ledger.adapters.chain import Web3Sender, call_data
from ledger.adapters.node import Node
from ledger.deployment import DEVELOPMENT_ACCOUNTS, DEVELOPMENT_CHAINS, Deployment
from ledger.documents import ChannelTerms, Form, Profile, Terms, channel_terms, publication_form
from ledger.errors import InvalidInput, Refused
from ledger.model import ZERO_ADDRESS, Address, Hash
from ledger.ports import Call
from ledger.state import ROLES
from scripts.deploy import await_receipt, check_deployment

Transfer = tuple[Address, int]
"""To whom, and how much wei."""
REFUSALS = {
    "UnknownParty": "This address was never listed in the Directory. `volens party list` shows which ones are",
    "InvalidParty": "The zero address stands for any recipient and cannot be listed. Give the party's own address",
    "OwnableUnauthorizedAccount": (
        "This key is not the Directory owner's, nor that of a next owner whom it named. Give the right one: --owner-key"
    ),
}
"""What was wrong and what to do, where the name with which a contract refuses does not say it to everybody."""


def transact(rpc_url: str, deployment: Deployment, secret: bytes, *steps: Call | Transfer) -> None:
    """Send calls and transfers from one account, one after the other, and wait until all are in a block.

    Raises:
        Refused: a contract refuses a call; neither it nor what follows was sent.
        WrongChain: the node is on another chain, or has other code there; nothing was sent.
    """
    check_deployment(rpc_url, deployment)
    node = Node(rpc_url)
    sender = Web3Sender(node, deployment, secret)
    sent = []
    try:
        for step in steps:
            if isinstance(step, Call):
                if problem := sender.simulate(step):
                    said = REFUSALS.get(problem)
                    raise Refused(
                        f"{said} ({problem})." if said else f"{step.contract}.{step.function} is refused: {problem}."
                    )
                prepared = sender.prepare(step)
            else:
                prepared = sender.prepare_transfer(*step)
            sender.send(prepared.raw)
            sent.append(prepared.hash)
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


def suspension(party: Address, suspended: bool) -> Call:
    """The call by which the Directory's owner suspends a party, or lifts that."""
    return Call("Directory", "setSuspended", (party, suspended))


def handover(deployment: Deployment, owner: Address) -> Call:
    """The call by which the Directory's owner names the next one, which must then take it over (Ownable2Step).

    Raises:
        InvalidInput: nobody could take it over, or everybody.
    """
    if owner == ZERO_ADDRESS or owner in deployment.addresses.values():
        raise InvalidInput(f"{owner} can never take the Directory over. Name an account, or better a multisig.")
    if deployment.chain_id not in DEVELOPMENT_CHAINS and owner in DEVELOPMENT_ACCOUNTS:
        raise InvalidInput("The next owner's key is one that every development node prints. Name another account.")
    return Call("Directory", "transferOwnership", (owner,))


TAKEOVER = Call("Directory", "acceptOwnership", ())
"""The call by which the next owner takes the Directory over."""


def unsent(deployment: Deployment, call: Call) -> dict[str, Any]:
    """A call as a multisig takes it: on which chain, to whom, with which data. Needs no node."""
    to = deployment.contracts[call.contract].address
    return {"chainId": deployment.chain_id, "to": to, "value": "0", "data": call_data(call)}


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


def replace_form(
    rpc_url: str, deployment: Deployment, secret: bytes, old: Hash, new: Form, material: bool, client: Client
) -> None:
    """Publish a form in place of another of the same issuer. Going on after a failure in the middle is asking again.

    Args:
        secret: the issuer's key; its account pays.
        material: whether the change matters, so that what was agreed to under the old form ends.

    Raises:
        InvalidInput: the forms do not follow each other, or are not the issuer's.
        Refused: the service does not know the old form or terms that the new one names, or the old one has ended.
    """
    issuer, before = new.issuer, _form(client, old)
    if before.hash != old or before.issuer != issuer:
        raise InvalidInput("The form that would be replaced is another issuer's.")
    if new.version <= before.version:
        raise InvalidInput(f"The new form must have a higher version than {before.version}, that of the old one.")
    for code, terms in new.channels.items():
        if not _published(client, terms.terms):
            raise InvalidInput(f"The service knows no terms {terms.terms}, which the new form names for {code}.")
    _supersede(rpc_url, deployment, secret, old, new, material, client)


def replace_terms(
    rpc_url: str,
    deployment: Deployment,
    secret: bytes,
    old: Hash,
    terms: Sequence[Terms],
    material: bool,
    client: Client,
) -> Form:
    """Publish terms in place of those that a form names, and the same form with them in its place; returns that form.

    A patient agrees to terms through a form: without one that names the new terms nobody could agree again. The change
    of the form does not matter by itself, so only what was agreed to for the channels of these terms ends. Going on
    after a failure in the middle is asking again.

    Args:
        secret: the issuer's key, of the form and of the terms; its account pays.
        material: whether the change of the terms matters.

    Raises:
        InvalidInput: the form does not name terms for a channel, or others' ones, or the new ones do not follow them.
        Refused: the service does not know the old form or its terms, or one of them has ended.
    """
    before = _form(client, old)
    for one in terms:
        named = before.channels.get(one.channel)
        if named is None:
            raise InvalidInput(f"The form names no terms for {one.channel}.")
        if {named.issuer, one.issuer} != {before.issuer}:
            raise InvalidInput(f"The terms for {one.channel} are not of the form's issuer, who could replace them.")
        earlier = Terms.from_json(client.get(f"/v1/documents/{named.terms}"))
        if one.version <= earlier.version:
            raise InvalidInput(
                f"The new terms must have a higher version than {earlier.version}, that of the old ones."
            )
    if len({one.channel for one in terms}) != len(terms):
        raise InvalidInput("Two of the terms are for the same channel.")
    for one in terms:
        _supersede(rpc_url, deployment, secret, before.channels[one.channel].terms, one, material, client)
    channels = {one.channel: ChannelTerms(one.issuer, one.hash) for one in terms}
    new = replace(before, version=before.version + 1, channels={**before.channels, **channels})
    replace_form(rpc_url, deployment, secret, old, new, False, client)
    return new


def _supersede(
    rpc_url: str, deployment: Deployment, secret: bytes, old: Hash, new: Form | Terms, material: bool, client: Client
) -> None:
    call = Call("PolicyRegistry", "supersede", (bytes.fromhex(old[2:]), bytes.fromhex(new.hash[2:]), material))
    # It may have been replaced by this very document, and the service not told: it refuses what nobody published.
    if Web3Sender(Node(rpc_url), deployment, secret).simulate(call) != "AlreadySuperseded":
        transact(rpc_url, deployment, secret, call)
    client.post("/v1/documents", new.to_json())


def _form(client: Client, name: Hash) -> Form:
    return Form.from_json(client.get(f"/v1/documents/{name}"))


def _published(client: Client, document: Hash) -> bool:
    try:
        client.get(f"/v1/documents/{document}")
    except Refused:
        return False
    return True
