"""volens gate: why a service's gate is shut, and an operator's word that it may open again."""

from pathlib import Path
from typing import Annotated

import typer

from scripts.console import DEFAULT_RPC, Json, command, out, require_database, show

app = typer.Typer(no_args_is_help=True)
RpcUrls = Annotated[
    str, typer.Option("--rpc-url", envvar="VOLENS_RPC_URL", help="The service's Ethereum nodes, comma separated.")
]
State = Annotated[Path, typer.Option("--state", envvar="VOLENS_STATE_DIR", help="Where the service keeps everything.")]


@command(app, "show")
def show_gate(state: State = Path(".volens"), as_json: Json = False) -> None:
    """Say whether the gate is closed until an operator acts, why, and up to which block the index has read."""
    from api.settings import read_settings
    from ledger.adapters.store import SqlStore
    from ledger.services.index import CLOSED

    settings = read_settings(state_dir=state)
    require_database(settings)
    store = SqlStore(settings.database)
    try:
        with store.begin() as tx:
            closed, highest, blocks = tx.fact(CLOSED), tx.fact("highest"), tx.blocks()
    finally:
        store.close()
    value = {"closed": closed, "highest": highest, "hash": blocks[-1][1] if blocks else None}

    def human() -> None:
        out.print(f"The gate is closed: {closed}" if closed else "No operator is needed.")
        if blocks:
            out.print(f"read up to block {blocks[-1][0]} ({blocks[-1][1]})")

    show(value, as_json, human)


@command(app, "open")
def open_gate(state: State = Path(".volens"), rpc_url: RpcUrls = DEFAULT_RPC, as_json: Json = False) -> None:
    """Open a closed gate after you looked at the cause; the chain must be the pinned one. Withdrawals stay."""
    from api.app import read_deployment
    from api.settings import read_settings
    from ledger.adapters.chain import Web3Chain
    from ledger.adapters.node import Node
    from ledger.adapters.store import SqlStore
    from ledger.services.index import CLOSED, Index

    settings = read_settings(state_dir=state, rpc_url=rpc_url)
    require_database(settings)
    deployment, store = read_deployment(settings), SqlStore(settings.database)
    try:
        with store.begin() as tx:
            closed = tx.fact(CLOSED)
        first, *others = (Web3Chain(Node(url, settings.rpc_timeout), deployment) for url in settings.rpc_urls)
        index = Index(first, store, deployment, settings.confirmations, settings.reorganisation_limit, witnesses=others)
        lost = index.accept_loss()
    finally:
        store.close()

    def human() -> None:
        out.print(f"The gate was closed: {closed}" if closed else "The gate was not closed.")
        out.print(f"{lost} blocks are lost; what was relayed in them is sent again." if lost else "No block is lost.")
        out.print("A running service opens by itself when the chain proves what it says.")

    show({"was": closed, "lost": lost}, as_json, human)
