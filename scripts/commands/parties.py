"""volens party, volens form: keys and listings of institutions and recipients; forms and terms."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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

if TYPE_CHECKING:
    from ledger.ports import Call

app = typer.Typer(no_args_is_help=True)
forms = typer.Typer(no_args_is_help=True)
OwnerKey = Annotated[Path, typer.Option(help="File with the Directory owner's private key in hexadecimal.")]
Calldata = Annotated[
    bool, typer.Option("--calldata", help="Send nothing and read no key: print the call, for a multisig to send.")
]
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
    calldata: Calldata = False,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """List a party in the Directory (the consortium does this)."""
    from ledger import model
    from ledger.documents import Profile
    from ledger.errors import InvalidInput
    from scripts import parties

    if calldata and fund:
        raise InvalidInput("--calldata prints one call, which gives no ether. Leave --fund away.")
    party = model.address(address)
    profile = Profile(version=1, name=name, kind=kind)
    stipend = ((party, int(fund * 10**18)),) if fund else ()
    _as_owner(
        lambda _: parties.registration(party, role, profile),
        *stipend,
        owner_key=owner_key, calldata=calldata, rpc_url=rpc_url, deployment=deployment, as_json=as_json,
        value={"address": party, "name": name, "roles": role},
        said=f"listed “{name}” ({party}) as {', '.join(role)}",
    )  # fmt: skip


@command(app)
def suspend(
    address: Annotated[str, typer.Argument(help="The party's address.")],
    owner_key: OwnerKey = DEFAULT_OWNER,
    calldata: Calldata = False,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """Suspend a party in the Directory: it may act in no role until it is resumed (the consortium does this)."""
    from ledger import model
    from scripts import parties

    party = model.address(address)
    _as_owner(
        lambda _: parties.suspension(party, True),
        owner_key=owner_key, calldata=calldata, rpc_url=rpc_url, deployment=deployment, as_json=as_json,
        value={"address": party, "suspended": True},
        said=f"suspended {party}; `volens party resume` lifts it",
    )  # fmt: skip


@command(app)
def resume(
    address: Annotated[str, typer.Argument(help="The party's address.")],
    owner_key: OwnerKey = DEFAULT_OWNER,
    calldata: Calldata = False,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """Lift a party's suspension in the Directory (the consortium does this)."""
    from ledger import model
    from scripts import parties

    party = model.address(address)
    _as_owner(
        lambda _: parties.suspension(party, False),
        owner_key=owner_key, calldata=calldata, rpc_url=rpc_url, deployment=deployment, as_json=as_json,
        value={"address": party, "suspended": False},
        said=f"{party} may act again in the roles it is listed with",
    )  # fmt: skip


@command(app)
def hand_over(
    address: Annotated[str, typer.Argument(help="The next owner's address, which may be a multisig's.")],
    owner_key: OwnerKey = DEFAULT_OWNER,
    calldata: Calldata = False,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """Name the Directory's next owner. It stays yours until the next owner takes it over."""
    from ledger import model
    from scripts import parties

    owner = model.address(address)
    _as_owner(
        lambda facts: parties.handover(facts, owner),
        owner_key=owner_key, calldata=calldata, rpc_url=rpc_url, deployment=deployment, as_json=as_json,
        value={"nextOwner": owner},
        said=f"{owner} may take the Directory over with `volens party take-over`; until then it stays as it is",
    )  # fmt: skip


@command(app)
def take_over(
    owner_key: Annotated[Path, typer.Option(help="File with the next owner's private key.")] = DEFAULT_OWNER,
    calldata: Calldata = False,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """Take the Directory over, as the next owner that its owner named. Nobody else can change it from then on."""
    from scripts import parties

    _as_owner(
        lambda _: parties.TAKEOVER,
        owner_key=owner_key, calldata=calldata, rpc_url=rpc_url, deployment=deployment, as_json=as_json,
        value={"owner": True},
        said="the Directory is yours",
    )  # fmt: skip


def _as_owner(
    call: "Callable[[Any], Call]",
    *transfers: tuple[Any, int],
    owner_key: Path,
    calldata: bool,
    rpc_url: str,
    deployment: Path,
    as_json: bool,
    value: dict[str, Any],
    said: str,
) -> None:
    """Send one call to the Directory with the owner's key and say what came of it, or print it unsent.

    Args:
        call: makes the call for a deployment.
    """
    from api.settings import read_key
    from scripts import parties

    facts = load_deployment(deployment)
    made = call(facts)
    if calldata:
        prepared = parties.unsent(facts, made)
        show(prepared, as_json, lambda: out.print("\n".join(f"{key:<8} {prepared[key]}" for key in prepared)))
        return
    parties.transact(rpc_url, facts, read_key(owner_key, "The owner's key").reveal(), made, *transfers)
    show(value, as_json, lambda: out.print(said))


@command(app, "list")
def list_parties(url: Url = DEFAULT_URL, as_json: Json = False) -> None:
    """Show the Directory."""
    from client.http import reading

    found = connect(url).get("/v1/parties")
    with reading():
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


@command(forms)
def replace(
    old: Annotated[str, typer.Argument(help="The hash of the form that is replaced.")],
    file: Annotated[Path, typer.Argument(help="The new form: a document of type VolensForm, as JSON.")],
    key: KeyFile,
    immaterial: Annotated[
        bool, typer.Option("--immaterial", help="The change does not matter: what was agreed to goes on counting.")
    ] = False,
    url: Url = DEFAULT_URL,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Publish a form in place of another. What was agreed to under the old one ends, unless with --immaterial."""
    from ledger.documents import Form
    from ledger.errors import InvalidInput
    from ledger.model import hash32
    from scripts import parties

    name, form = hash32(old.lower(), "old"), Form.from_json(_document(file))
    keys = load_keys(key, passphrase_file)
    if form.issuer != keys.address:
        raise InvalidInput(f"The form is of {form.issuer}, and the key of {keys.address}.")
    facts = load_deployment(deployment)
    parties.replace_form(rpc_url, facts, keys.secret.reveal(), name, form, not immaterial, connect(url))
    ends = "goes on counting" if immaterial else "has ended until the patients agree again"
    value = {"form": form.hash, "replaces": name, "material": not immaterial}
    show(value, as_json, lambda: out.print(f"form {form.hash}\nWhat was agreed to under {name} {ends}."))


@command(forms)
def replace_terms(
    form: Annotated[str, typer.Argument(help="The hash of the form that names the old terms.")],
    files: Annotated[list[Path], typer.Argument(help="The new terms: documents of type VolensTerms, as JSON.")],
    key: KeyFile,
    immaterial: Annotated[
        bool, typer.Option("--immaterial", help="The change does not matter: what was agreed to goes on counting.")
    ] = False,
    url: Url = DEFAULT_URL,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    passphrase_file: PassphraseFile = None,
    as_json: Json = False,
) -> None:
    """Publish terms in place of those that a form names, and the form with them. Only their channels are touched."""
    from ledger.documents import Terms
    from ledger.errors import InvalidInput
    from ledger.model import hash32
    from scripts import parties

    name, terms = hash32(form.lower(), "form"), [Terms.from_json(_document(file)) for file in files]
    keys, facts = load_keys(key, passphrase_file), load_deployment(deployment)
    for one in terms:
        if one.issuer != keys.address:
            raise InvalidInput(f"The terms are of {one.issuer}, and the key of {keys.address}.")
    new = parties.replace_terms(rpc_url, facts, keys.secret.reveal(), name, terms, not immaterial, connect(url))
    ends = "goes on counting" if immaterial else "has ended until the patients agree again"
    places = ", ".join(one.channel for one in terms)
    value = {"form": new.hash, "replaces": name, "terms": {one.channel: one.hash for one in terms}}
    show(
        value | {"material": not immaterial},
        as_json,
        lambda: out.print(f"form {new.hash}\nWhat was agreed to for {places} under {name} {ends}."),
    )


def _document(file: Path) -> Any:
    """A document's JSON from a file."""
    from ledger.documents import MAX_DOCUMENT
    from ledger.errors import InvalidInput

    try:
        return json.loads(file.read_bytes()[: 2 * MAX_DOCUMENT])
    except (OSError, ValueError, RecursionError):
        raise InvalidInput(f"The file {file} cannot be read, or is not JSON.") from None
