"""The `volens` command."""

import os
import shlex
import signal
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from scripts.commands import (
    audit,
    cohorts,
    consents,
    control,
    desk,
    gate,
    keys,
    offers,
    parties,
    recipients,
    records,
    references,
    relay,
    renewals,
    shares,
    wallets,
)
from scripts.console import DEFAULT_FACTS, DEFAULT_RPC, DEFAULT_URL, Json, RpcUrl, command, load_deployment, out, show

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(wallets.app, name="wallet", help="The patient: her key, her consents, who looked.")
command(wallets.app)(consents.records)
wallets.app.add_typer(offers.app)
wallets.app.add_typer(renewals.app)
wallets.app.add_typer(control.app)
wallets.app.add_typer(shares.app, name="shares", help="Split your words among people you trust.")
app.add_typer(desk.app, name="desk", help="A clinic's desk: a patient is given her key.")
app.add_typer(records.app, name="record", help="The institution: seal, invite, register, offer.")
app.add_typer(cohorts.app, name="cohort", help="The institution: consents of many patients, recorded together.")
app.add_typer(references.app, name="reference", help="Short codes that name a record to the outside.")
app.add_typer(parties.app, name="party", help="Keys of institutions and recipients; the Directory.")
app.add_typer(parties.forms, name="form", help="Consent forms and channel terms.")
app.add_typer(keys.app, name="keys", help="The operator: the custodian's master key.")
app.add_typer(gate.app, name="gate", help="The operator: why the gate is shut, and opening it.")
app.add_typer(audit.app, name="audit", help="The auditor: replay the ledger, verify evidence.")


def _version(asked: bool) -> None:
    if asked:
        print(f"volens {version('volens')}")
        raise typer.Exit


@app.callback()
def volens(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """A dynamic consent ledger: what a patient allows, provable; what she takes back, at once."""


@command(app)
def deploy(
    key_file: Annotated[Path, typer.Option(help="File with the payer's private key in hexadecimal.")],
    rpc_url: RpcUrl = DEFAULT_RPC,
    owner: Annotated[str | None, typer.Option(help="First owner of the Directory; default: the payer.")] = None,
    output: Annotated[Path, typer.Option("--out", help="Where to write the deployment facts.")] = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """Deploy the contracts, or check those that are there. Running it again changes nothing."""
    from api.settings import read_key
    from ledger.model import address
    from scripts.deploy import check_chain, require_writable, write
    from scripts.deploy import deploy as run
    from wallet.keys import SigningKey

    secret = read_key(key_file, "The payer's key").reveal()
    payer = SigningKey.from_secret(secret).address
    known = load_deployment(output) if output.exists() else None
    if known is not None:
        check_chain(rpc_url, known)
    owning = payer if owner is None else address(owner, "--owner")
    require_writable(output)
    deployment = run(rpc_url, secret, owning, lambda line: None if as_json else out.print(line), known)
    write(deployment, output)
    show(deployment.to_json(), as_json, lambda: out.print(f"Deployment facts: {output}"))


@command(app)
def up(
    state: Annotated[Path, typer.Option("--state", envvar="VOLENS_STATE_DIR", help="Where everything is kept.")] = Path(
        ".volens"
    ),
    chain: Annotated[str, typer.Option(help="Which devnet to run: anvil or hardhat.")] = "anvil",
    rpc_url: Annotated[str | None, typer.Option(help="Use this Ethereum node instead of a devnet.")] = None,
    host: Annotated[str, typer.Option(envvar="VOLENS_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="VOLENS_PORT", min=0, max=65535, help="Port of the service; 0 for any.")
    ] = 8380,
    workers: Annotated[
        int, typer.Option(envvar="VOLENS_WORKERS", min=1, max=64, help="Processes that answer requests.")
    ] = 1,
    node_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the devnet; 0 for any.")] = 8545,
) -> None:
    """Run the ledger until Ctrl-C: a devnet, the contracts and the service."""
    from rich.progress import Progress

    from api.logs import set_up
    from api.settings import read_settings
    from scripts.devnet import Kind
    from scripts.stack import Stack, operator_key

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a service manager's word counts like Ctrl-C
    kind: Kind = "hardhat" if _one_of(chain, "anvil", "hardhat") == "hardhat" else "anvil"
    os.umask(0o077)  # whatever is written from here on is nobody else's
    settings = read_settings(state_dir=state, host=host, port=port, workers=workers)
    set_up(settings.log_format, settings.log_level)
    bar = Progress(console=out, transient=True, disable=not out.is_terminal)
    task = bar.add_task("reading the chain", total=None)

    def read(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)
        bar.start()

    with Stack.start(
        state, chain=kind, rpc_url=rpc_url, host=host, port=port, workers=workers, node_port=node_port,
        progress=out.print, read=read,
    ) as stack:  # fmt: skip
        bar.stop()
        out.print(f"\nVolens      {stack.url}")
        out.print(f"Her page    {stack.url}/wallet/")
        out.print(f"API         {stack.url}/openapi.json")
        out.print(f"Node        {stack.rpc_url}")
        out.print(f"Deployment  {stack.settings.deployment}")
        out.print(f"Operator    {operator_key(state)}")
        if elsewhere := _elsewhere(stack.url, stack.rpc_url):
            out.print(f"\nOther commands look elsewhere until told:\nexport {elsewhere}")
        out.print("\nCtrl-C stops it; the state is kept.")
        with suppress(KeyboardInterrupt):  # Ctrl-C is how one leaves
            stack.serve()
    out.print("Stopped.")


def _elsewhere(url: str, rpc_url: str) -> str:
    """What a shell must be told so that its commands find a service and a node that are not where they look first."""
    places = (("VOLENS_URL", url, DEFAULT_URL), ("VOLENS_RPC_URL", rpc_url, DEFAULT_RPC))
    return " ".join(f"{name}={shlex.quote(place)}" for name, place, usual in places if place != usual)


@command(app)
def demo(
    chain: Annotated[str, typer.Option(help="Which devnet to run: anvil or hardhat.")] = "anvil",
    keep: Annotated[Path | None, typer.Option(help="Leave everything in this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Run the main job on real files, and check that every step comes out as stated."""
    from rich.console import Console

    from scripts.demo import run

    kind = _one_of(chain, "anvil", "hardhat")
    steps = run(Console(stderr=True, highlight=False) if as_json else out, kind, keep)  # type: ignore[arg-type]
    total = sum(step["seconds"] for step in steps)
    show(
        {"steps": steps, "seconds": round(total, 1)},
        as_json,
        lambda: out.print(f"\nEverything came out as stated ({total:.0f} s).", style="bold green"),
    )


@command(app)
def samples(
    folder: Annotated[Path, typer.Argument(help="Where to write them.")],
    as_json: Json = False,
) -> None:
    """Write the three files of the demonstration: a narrative, a CT slice that names a patient, a photograph."""
    from scripts.samples import write_samples

    paths = [str(path) for path in write_samples(folder)]
    show(paths, as_json, lambda: out.print("\n".join(paths)))


recipients.add_to(app)
command(app)(relay.relay)


def _one_of(value: str, *known: str) -> str:
    from ledger.errors import InvalidInput

    if value not in known:
        raise InvalidInput(f"“{value}” is not known here; choose {' or '.join(known)}.")
    return value


def main() -> None:
    """The entry point."""
    app()


if __name__ == "__main__":
    main()
