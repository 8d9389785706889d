"""volens audit: replay the ledger from a node, watch a service's access log, verify a bundle without either."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    parquet: Annotated[
        Path | None, typer.Option(help="Exported logs to read; the node is asked for what came after, and the proofs.")
    ] = None,
    digest: Annotated[
        bool, typer.Option("--digest", help="Compute the digest of the whole state: needs memory.")
    ] = False,
    url: Annotated[str | None, typer.Option("--url", help="Compare with the digest that this service says.")] = None,
    as_json: Json = False,
) -> None:
    """Recompute the heads from every event, and compare them with the chain's (and a digest with a service's)."""
    from ledger.errors import InvalidProof
    from scripts.audit import INCOMPLETE, replay_chain

    facts = load_deployment(deployment)
    with _blocks(as_json) as progress:
        found = replay_chain(rpc_url, facts, progress, parquet, with_state=digest or url is not None)
    computed = found.digest()
    agrees = _stated_digest(url) == computed if url else None
    value = {
        "block": found.block,
        "hash": found.hash,
        "events": found.events,
        "digest": computed,
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
        if computed is not None:
            out.print(f"digest {computed}")
        if agrees is not None:
            out.print("The service's digest is the same." if agrees else "The service's digest differs.")

    show(value, as_json, human)
    if not found.heads_match:
        raise InvalidProof(INCOMPLETE)
    if agrees is False:
        raise InvalidProof("The service holds another state than the chain.")


def _stated_digest(url: str) -> str:
    from client.http import reading

    with reading():
        return str(connect(url).get("/v1/ledger/digest")["digest"])


@command(app)
def export(
    file: Annotated[Path, typer.Argument(help="The Parquet file to write.")],
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """Write every log of the ledger into a Parquet file, after the heads they add up to were proven."""
    from scripts.audit import export_logs

    facts = load_deployment(deployment)
    with _blocks(as_json) as progress:
        block, events = export_logs(rpc_url, facts, file, progress)
    value = {"file": str(file), "block": block, "events": events}
    show(value, as_json, lambda: out.print(f"{events} events up to block {block}, in {file}"))


@contextmanager
def _blocks(as_json: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar of blocks for a person."""
    from rich.progress import Progress

    with Progress(console=err, transient=True, disable=as_json or not err.is_terminal) as bar:
        task = bar.add_task("blocks", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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

    from client.http import reading
    from client.log import SeenLog, recompute, watch
    from ledger.errors import InvalidProof
    from ledger.model import address
    from ledger.services.access_log import log_id_of, origin_of
    from scripts.audit import anchored_checkpoint
    from wallet.keystore import write_private

    facts = load_deployment(deployment)
    client = connect(url, facts)
    client.deployment  # noqa: B018 (whether it is a service at all, and of this ledger)
    try:
        seen = SeenLog.from_json(json.loads(remember.read_text())) if remember.exists() else None
    except (ValueError, RecursionError):
        raise InvalidProof(f"{remember} does not hold a remembered log.") from None
    found = watch(client, seen)
    with reading():
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


@command(app, "verify-receipt")
def verify_receipt(
    receipt: Annotated[Path, typer.Argument(help="The receipt's file.")],
    key: Annotated[str, typer.Option(help="The operator's `receiptKey`, from a source you trust.")],
    message: Annotated[Path | None, typer.Option(help="The signed message it should be of.")] = None,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """Verify an operator's word that it received a message. Needs no network. Exit code 0: it holds; 5: not."""
    from ledger.errors import InvalidProof
    from ledger.model import hash32
    from ledger.receipts import parse_receipt, require_receipt_of
    from ledger.receipts import verify_receipt as verify
    from ledger.signed_message import SignedMessage

    domain = load_deployment(deployment).domain
    public_key = bytes.fromhex(hash32(key.lower(), "key")[2:])
    found = verify(parse_receipt(receipt.read_bytes()), public_key, domain)
    if message is not None:
        signed = SignedMessage.from_file(message.read_bytes())
        if signed.domain != domain:
            raise InvalidProof("The message is of another ledger than the receipt.")
        require_receipt_of(found, signed.message, signed.signer, domain)
    when = datetime.fromtimestamp(found.received_at, UTC).strftime("%Y-%m-%d %H:%M:%S")

    def human() -> None:
        out.print(f"✓ The operator received a {found.type} of {found.subject} at {when} UTC.", style="green")
        out.print(f"digest  {found.digest}")
        out.print(f"relay   {found.id}")

    show({"verified": True, "receipt": found.to_json()}, as_json, human)


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
        "checkedOnChain": sorted(found.checked_on_chain),
    }

    def human() -> None:
        out.print(f"✓ The evidence holds as of block {found.decision.moment.number}.", style="green")
        out.print(f"decision   {'permit' if found.decision.permitted else 'deny'} ({found.decision.reason})")
        out.print(f"recipient  {found.question.recipient}")
        out.print(f"record     {found.question.record}")
        if found.grant:
            out.print(f"consent    {found.grant.summary}")
        for subject in sorted(found.checked_on_chain):
            out.print(f"signature  for {subject}: of an account with code. The contract checked it, this does not.")

    show(value, as_json, human)
