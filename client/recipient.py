"""What a publisher or researcher does: ask, keep the evidence, request a release, open what comes."""

import hashlib
import secrets
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from client.http import Client, part, reading
from ledger import sealing
from ledger.errors import Conflict, InvalidFile
from ledger.model import Address, Hash, Item, ReleaseRequest, hash32
from ledger.typed_data import parse_signature, struct_hash
from wallet.keys import PartyKeys

OVERHEAD = 2**20


@dataclass(frozen=True)
class Asked:
    """The answer to a question."""

    permitted: bool
    reason: str
    reason_user: str
    evaluation: str
    block: int
    token: str
    until: int | None


class Recipient:
    """A recipient at one service."""

    def __init__(self, client: Client, keys: PartyKeys) -> None:
        self._client, self._keys = client.sign_in(keys), keys

    @reading()
    def ask(
        self,
        record: str,
        purpose: str,
        channel: str = "",
        items: Sequence[str] = (),
        files: Mapping[str, bytes] | None = None,
        action: str = "publish",
        on_behalf_of: Address | None = None,
    ) -> Asked:
        """Ask whether a use is authorised right now (AuthZEN evaluation).

        Args:
            record: its hash, or a reference that names it.
            files: the content at hand by item name, so that an altered file is noticed. It stays here; only its
                digest is sent.
        """
        properties: dict[str, Any] = {"purpose": purpose, "channel": channel, "items": list(items)}
        if files:
            properties["digests"] = {
                name: "sha256:" + hashlib.sha256(content).hexdigest() for name, content in files.items()
            }
        recipient = on_behalf_of or self._keys.address
        answer = self._client.post(
            "/access/v1/evaluation",
            {
                "subject": {"type": "recipient", "id": self._client.deployment.did(recipient)},
                "action": {"name": action, "properties": properties},
                "resource": {"type": "record", "id": record},
            },
        )
        context = answer["context"]
        return Asked(
            answer["decision"],
            context["reason"],
            context["reason_user"]["en"],
            context["evaluation"],
            context["block"],
            context["token"],
            context.get("until"),
        )

    def request(self, record: Hash, items: Sequence[str], purpose: str, channel: str = "") -> dict[str, Any]:
        """A signed release request, good for one use within a minute."""
        message = ReleaseRequest(
            recipient=self._keys.address,
            record=record,
            items=tuple(items),
            purpose=purpose,
            channel=channel,
            encryption_key=self._keys.encryption_key.public,
            at=int(time.time()),
            nonce=Hash("0x" + secrets.token_hex(32)),
        )
        signature = self._keys.sign_typed(self._client.deployment.domain, message)
        return {"message": message.to_json(), "signature": signature}

    @reading()
    def release(self, request: Mapping[str, Any], folder: Path) -> list[Path]:
        """Send a signed request, fetch the sealed items, open them, and check them against the record.

        Returns:
            The opened files in `folder`.

        Raises:
            NotAuthorised: the gate refused. InvalidFile: what came is not what the record names; nothing is left.
            Conflict: a file of that name is there already.
        """
        message = ReleaseRequest.from_json(request["message"])
        for name in message.items:  # before anything is asked for: a release is written into the patient's log
            _free(folder / name)
        released = self._client.post("/v1/releases", request)
        return [self._open(entry, message, hash32(released["grant"]), folder) for entry in released["items"]]

    def _open(self, entry: Mapping[str, Any], request: ReleaseRequest, grant: Hash, folder: Path) -> Path:
        if entry["name"] not in request.items:
            raise InvalidFile("The service released something that was not asked for.")
        item = Item(entry["name"], entry["mediaType"], entry["size"], entry["sha256"], entry["salt"])
        # The key is bound to the item's hash; name and digest count only as far as they hash to it.
        if struct_hash(item) != entry["item"]:
            raise InvalidFile("The service describes another item than the one it released.")
        domain = self._client.deployment.domain
        info = sealing.release_info(
            chain_id=domain.chain_id,
            registry=domain.registry,
            record=request.record,
            item=hash32(entry["item"], "item"),
            recipient=self._keys.address,
            grant_hash=grant,
            request=struct_hash(request),
        )
        identity = sealing.hpke_unwrap(parse_signature(entry["wrapped"], "wrapped"), self._keys.encryption_key, info)
        return fetch(self._client, entry, identity, folder)

    def bundle(self, evaluation: str) -> bytes:
        """The evidence of a decision, to be kept and verified offline."""
        return self._client.bytes_of(f"/v1/bundles/{part(evaluation)}")


def fetch(client: Client, entry: Mapping[str, Any], identity: sealing.Secret[str], folder: Path) -> Path:
    """Download sealed bytes, open them as they arrive, and put the verified file in place.

    Args:
        entry: ``name``, ``size``, ``sha256``, ``sealed`` and ``sealedSize`` of an item.

    Raises:
        InvalidFile: the content is not what the record names; nothing is left. Conflict: the file exists.
    """
    # The name came from outside: Item refuses anything that is not a plain file name.
    item = Item(entry["name"], "application/octet-stream", entry["size"], entry["sha256"], "0x" + "00" * 32)  # type: ignore[arg-type]
    target = _free(folder / item.name)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".opening-", delete=False) as plain:
        try:
            sealed = client.sealed(hash32(entry["sealed"], "sealed"), int(entry["sealedSize"]) + OVERHEAD)
            sealing.unseal(sealed, cast(BinaryIO, plain), identity, item.sha256)
            plain.flush()
            Path(plain.name).rename(target)
        except BaseException:
            Path(plain.name).unlink(missing_ok=True)
            raise
    return target


def _free(target: Path) -> Path:
    """A path at which nothing is yet."""
    if target.exists():
        raise Conflict(f"{target} exists already; it was left as it is.")
    return target
