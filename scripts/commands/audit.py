"""volens audit: replay the ledger from a node, watch a service's access log, verify a bundle without either."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from scripts.console import (
    DEFAULT_FACTS,
    DEFAULT_RPC,
    DEFAULT_URL,
    Facts,
    Json,
    RpcUrl,
    Url,
    command,
    connect,
    err,
    load_deployment,
    out,
    show,
    table,
)

app = typer.Typer(no_args_is_help=True)


@command(app)
def replay(
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    url: Annotated[str | None, typer.Option("--url", help="Compare with what this service says.")] = None,
    as_json: Json = False,
) -> None:
    """Replay every event from the chain alone and compare heads (and a service's digest)."""
    from rich.progress import Progress

    from ledger.errors import InvalidProof
    from scripts.audit import replay_chain

    facts = load_deployment(deployment)
    with Progress(console=err, transient=True, disable=as_json or not err.is_terminal) as bar:
        task = bar.add_task("blocks", total=None)
        found = replay_chain(rpc_url, facts, lambda done, total: bar.update(task, completed=done, total=total))
    stated = connect(url).get("/v1/ledger") if url else None
    agrees = None if stated is None else stated["digest"] == found.digest
    value = {
        "block": found.block,
        "hash": found.hash,
        "events": found.events,
        "digest": found.digest,
        "heads": found.heads,
        "headsMatch": found.heads_match,
        "serviceAgrees": agrees,
    }

    def human() -> None:
        table(
            ("contract", "head recomputed from events", "the contract's head, proven"),
            [(name, head, found.proven[name]) for name, head in found.heads.items()],
        )
        out.print(f"{found.events} events up to block {found.block}")
        out.print(f"digest {found.digest}")
        if agrees is not None:
            out.print("The service's digest is the same." if agrees else "The service's digest differs.")

    show(value, as_json, human)
    if not found.heads_match:
        raise InvalidProof("The events do not add up to the contracts' heads: the node withholds or forges logs.")
    if agrees is False:
        raise InvalidProof("The service holds another state than the chain.")


@command(app)
def log(
    url: Url = DEFAULT_URL,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    remember: Annotated[
        Path, typer.Option(help="Where the log's key and last checkpoint are remembered from one time to the next.")
    ] = Path("access-log.json"),
    as_json: Json = False,
) -> None:
    """Verify a service's access log against its past and the chain. Exit code 5: entries were changed or removed."""
    import json

    from client.log import SeenLog, recompute, watch
    from ledger.errors import InvalidProof
    from ledger.model import address
    from ledger.services.access_log import log_id_of, origin_of
    from scripts.audit import anchored_checkpoint
    from wallet.keystore import write_private

    facts, client = load_deployment(deployment), connect(url)
    try:
        seen = SeenLog.from_json(json.loads(remember.read_text())) if remember.exists() else None
    except ValueError:
        raise InvalidProof(f"{remember} does not hold a remembered log.") from None
    found = watch(client, seen)
    logger = address(client.get("/v1/log")["logger"], "logger")
    if found.origin != origin_of(facts, logger):
        raise InvalidProof("The log's name is not that of the account which anchors it on this ledger.")
    checkpoint = found.checkpoint
    size, at, root = anchored_checkpoint(rpc_url, facts, logger, log_id_of(found.origin))
    if size > checkpoint.size:
        raise InvalidProof(f"The chain holds {size} entries of the access log, the service {checkpoint.size}.")
    if recompute(client, checkpoint, [size])[size] != root and size:
        raise InvalidProof("The access log was rewritten: it does not begin with what is anchored on chain.")
    write_private(remember, json.dumps(found.to_json(), indent=1) + "\n", overwrite=True)
    value = {
        "origin": found.origin,
        "size": checkpoint.size,
        "root": checkpoint.root,
        "before": seen.checkpoint.size if seen else None,
        "anchored": {"size": size, "root": root, "at": at} if size else None,
    }

    def human() -> None:
        out.print(f"✓ All {checkpoint.size} entries add up to the signed root.", style="green")
        if seen:
            out.print(f"✓ The log begins with the {seen.checkpoint.size} entries of the last time.", style="green")
        if size:
            when = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
            out.print(f"✓ It begins with the {size} entries anchored on chain at {when} UTC.", style="green")
        else:
            out.print("Nothing of it is anchored on chain yet.")
        out.print(f"log    {found.origin}")
        out.print(f"root   {checkpoint.root}")

    show(value, as_json, human)


@command(app)
def block(
    number: Annotated[int, typer.Argument(min=0, help="The number of the block.")],
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """Ask your own node for the hash of a block: what to trust when a bundle names that block."""
    from ledger.adapters.chain import Web3Chain
    from ledger.adapters.node import Node

    found = Web3Chain(Node(rpc_url), load_deployment(deployment)).header(number)
    show({"block": found.number, "hash": found.hash}, as_json, lambda: out.print(found.hash))


@command(app, "verify-bundle")
def verify_bundle(
    bundle: Annotated[Path, typer.Argument(help="The bundle file.")],
    trusted_block: Annotated[str, typer.Option(help="Hash of the bundle's block, from a source you trust.")],
    deployment: Facts = DEFAULT_FACTS,
    confirmations: Annotated[int, typer.Option(min=1, help="How many blocks deep a grant must have been.")] = 1,
    max_age: Annotated[int, typer.Option(min=1, help="Seconds the block may have been old.")] = 36,
    as_json: Json = False,
) -> None:
    """Verify the evidence of a decision. Needs no network. Exit code 0: it holds; 5: it does not."""
    from ledger.bundles import decision_json
    from ledger.bundles import verify_bundle as verify
    from ledger.errors import InvalidFile
    from ledger.model import hash32

    try:
        data = bundle.read_bytes()
    except OSError as error:
        raise InvalidFile(f"{bundle} cannot be read: {error.strerror}.") from None
    trusted = hash32(trusted_block.lower(), "trusted block")
    found = verify(data, trusted, load_deployment(deployment), confirmations, max_age)
    value = {
        "verified": True,
        "decision": decision_json(found.decision),
        "recipient": found.question.recipient,
        "record": found.question.record,
        "summary": found.grant.summary if found.grant else None,
    }

    def human() -> None:
        out.print(f"✓ The evidence holds as of block {found.decision.moment.number}.", style="green")
        out.print(f"decision   {'permit' if found.decision.permitted else 'deny'} ({found.decision.reason})")
        out.print(f"recipient  {found.question.recipient}")
        out.print(f"record     {found.question.record}")
        if found.grant:
            out.print(f"consent    {found.grant.summary}")

    show(value, as_json, human)
