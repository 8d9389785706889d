"""volens relay: hand in a message that somebody else signed and saved."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from scripts.console import (
    DEFAULT_FACTS,
    DEFAULT_RPC,
    DEFAULT_URL,
    Facts,
    Json,
    RpcUrl,
    Url,
    connect,
    load_deployment,
    out,
    show,
)


def relay(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The file with the signed message.")],
    url: Url = DEFAULT_URL,
    receipt_key: Annotated[
        str, typer.Option(help="The operator's `receiptKey`, from a source you trust; else the service's word.")
    ] = "",
    receipt: Annotated[Path | None, typer.Option(help="Write the service's receipt into this new file.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until it is recorded.")] = True,
    key_file: Annotated[
        Path | None,
        typer.Option(help="Pay for the transaction yourself, with the private key in this file; no service is asked."),
    ] = None,
    rpc_url: RpcUrl = DEFAULT_RPC,
    deployment: Facts = DEFAULT_FACTS,
    as_json: Json = False,
) -> None:
    """Bring a message that a patient signed and saved to the chain: by a service, or with --key-file by yourself."""
    from ledger.errors import InvalidInput
    from ledger.signed_message import MAX_MESSAGE, SignedMessage

    given = {name for name in context.params if (s := context.get_parameter_source(name)) and s.name == "COMMANDLINE"}
    if key_file is None and "rpc_url" in given:
        raise InvalidInput("A node takes only transactions that somebody pays for. Give --key-file, or --url instead.")
    if key_file is not None and (other := sorted(given & {"url", "receipt_key", "receipt"})):
        raise InvalidInput(f"With --key-file no service is asked. Leave --{other[0].replace('_', '-')} away.")
    if receipt is not None and (receipt.exists() or not receipt.parent.is_dir()):
        raise InvalidInput(f"{receipt} must be a new file in a folder that exists. Nothing was sent.")
    with file.open("rb") as opened:
        signed = SignedMessage.from_file(opened.read(MAX_MESSAGE + 1))
    value: dict[str, Any] = {"type": signed.message.TYPE, "subject": signed.subject, "signer": signed.signer}
    if not as_json:
        out.print(f"{signed.message.TYPE} of {signed.subject}")
    if key_file is not None:
        _by_oneself(signed, key_file, rpc_url, deployment, value, as_json)
    else:
        pinned = load_deployment(deployment) if "deployment" in given else None
        _by_service(signed, connect(url, pinned), receipt_key, receipt, wait, value, as_json)


def _by_oneself(
    signed: Any, key_file: Path, rpc_url: str, deployment: Path, value: dict[str, Any], as_json: bool
) -> None:
    from api.settings import read_key
    from scripts.relaying import record

    secret = read_key(key_file, "The payer's key").reveal()
    found = record(rpc_url, load_deployment(deployment), secret, signed)
    value |= {"status": "recorded", "block": found.block, "transaction": found.transaction}

    def human() -> None:
        if found.transaction is None:
            out.print(f"✓ It is recorded already, as of block {found.block}. Nothing was sent.", style="green")
        else:
            out.print(f"✓ Recorded in block {found.block}, proven by the node.", style="green")
            out.print(f"transaction  {found.transaction}")

    show(value, as_json, human)


def _by_service(
    signed: Any, client: Any, receipt_key: str, file: Path | None, wait: bool, value: dict[str, Any], as_json: bool
) -> None:
    from client.http import reading
    from ledger.documents import canonical
    from ledger.errors import InvalidProof
    from ledger.model import hash32
    from scripts.relaying import hand_in
    from wallet.keystore import write_private

    key = bytes.fromhex(hash32(receipt_key.lower(), "receipt key")[2:]) if receipt_key else None
    handed = hand_in(client, signed, key)
    if handed.receipt is not None and not as_json:
        when = datetime.fromtimestamp(handed.receipt.received_at, UTC).strftime("%Y-%m-%d %H:%M:%S")
        out.print(f"✓ The service has it, received at {when} UTC, and signed a receipt.", style="green")
        out.print(f"relay  {handed.id}")
    if handed.receipt is not None and file is not None:
        write_private(file, canonical(handed.signed))
    status = client.wait_for(handed.id) if wait else {"status": handed.status, "block": None, "transaction": None}
    with reading():
        value |= {name: status[name] for name in ("status", "block", "transaction")}
    value |= {"relay": handed.id, "receipt": handed.signed}

    def human() -> None:
        if wait:
            out.print(f"✓ Recorded in block {status['block']}.", style="green")

    show(value, as_json, human)
    if handed.receipt is None:
        raise InvalidProof(f"The service took the message, but gave no receipt that holds. {handed.doubt}")
