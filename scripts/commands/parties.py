"""volens party, volens form: keys and listings of institutions and recipients; forms and terms."""

import json
from pathlib import Path
from typing import Annotated

import typer

from scripts.console import (
    DEFAULT_FACTS,
    DEFAULT_RPC,
    DEFAULT_URL,
    Facts,
    Json,
    KeyFile,
    PassphraseFile,
    RpcUrl,
    Url,
    command,
    connect,
    load_deployment,
    load_keys,
    out,
    passphrase,
    show,
    table,
)

app = typer.Typer(no_args_is_help=True)
forms = typer.Typer(no_args_is_help=True)
OwnerKey = Annotated[Path, typer.Option(help="File with the Directory owner's private key in hexadecimal.")]
DEFAULT_OWNER = Path(".volens/keys/operator.key")


@command(app)
def new(
    output: Annotated[Path, typer.Option("--out", help="Where to write the encrypted keystore.")],
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Make a key for an institution, publisher or researcher."""
    from ledger.errors import InvalidInput
    from wallet.keys import PartyKeys
    from wallet.keystore import lock, write_private

    if not output.parent.is_dir():
        raise InvalidInput(f"The folder {output.parent} does not exist.")
    keys = PartyKeys.new()
    keystore = lock(keys.secret.reveal(), passphrase(passphrase_file, confirm=True), "key")
    write_private(output, json.dumps(keystore, indent=1) + "\n")
    value = {"address": keys.address, "file": str(output)}
    show(value, as_json, lambda: out.print(f"{keys.address} in {output}"))


@command(app)
def register(
    address: Annotated[str, typer.Argument(help="The party's address.")],
    name: Annotated[str, typer.Option(help="The name that everybody will see.")],
    kind: Annotated[str, typer.Option(help="hospital, journal, research-group, …")],
    role: Annotated[list[str], typer.Option(help="controller, recipient, custodian or witness; may be repeated.")],
    fund: Annotated[float, typer.Option(min=0, max=100, help="Ether to give it for its own transactions.")] = 0,
    owner_key: OwnerKey = DEFAULT_OWNER,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """List a party in the Directory (the consortium does this)."""
    from api.settings import read_key
    from ledger import model
    from ledger.documents import Profile
    from scripts import parties

    party = model.address(address)
    profile = Profile(version=1, name=name, kind=kind)
    facts = load_deployment(deployment)
    secret = read_key(owner_key, "The owner's key").reveal()
    stipend = ((party, int(fund * 10**18)),) if fund else ()
    parties.transact(rpc_url, facts, secret, parties.registration(party, role, profile), *stipend)
    value = {"address": party, "name": name, "roles": role}
    show(value, as_json, lambda: out.print(f"listed “{name}” ({party}) as {', '.join(role)}"))


@command(app, "list")
def list_parties(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show the Directory."""
    found = connect(url).get("/v1/parties")
    rows = [
        (
            entry["name"] or "",
            entry["address"],
            ", ".join(entry["roles"]),
            "suspended" if entry["suspended"] else "listed",
        )
        for entry in found
    ]
    show(found, as_json, lambda: table(("name", "address", "roles", "state"), rows))


@command(forms)
def publish(
    key: KeyFile,
    channel: Annotated[list[str], typer.Option(help="A channel the form names; may be repeated.")],
    url: Url = DEFAULT_URL,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Publish the terms of channels and a consent form that names them. The key's account pays for it."""
    from ledger.adapters.node import Node
    from ledger.documents import TEMPLATES
    from ledger.errors import InvalidInput, LedgerUnavailable, UnknownCode
    from ledger.vocabulary import CHANNELS
    from ledger.vocabulary import channel as known_channel
    from scripts import parties

    written = [code for code in CHANNELS if f"terms-{code.replace(':', '-')}" in TEMPLATES]
    for code in channel:
        if known_channel(code).code not in written:
            raise UnknownCode(f"No terms are written for {code} yet; there are some for {', '.join(written)}.")
    keys = load_keys(key, passphrase_file)
    secret = keys.secret.reveal()
    try:
        form = parties.publish(rpc_url, load_deployment(deployment), secret, keys.address, channel, connect(url))
    except LedgerUnavailable:
        if int(Node(rpc_url).request("eth_getBalance", keys.address, "latest"), 16):
            raise
        raise InvalidInput(
            f"The account {keys.address} has no ether to publish with. `volens party register --fund 1` gives it some."
        ) from None

    def human() -> None:
        out.print(f"form {form.hash}")
        for statement in form.statements:
            out.print(f"  • {statement.text['en']}")

    show({"form": form.hash, "channels": list(form.channels)}, as_json, human)
