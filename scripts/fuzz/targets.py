"""Every parser of bytes that come from elsewhere, as a function that may raise nothing but our own errors.

Each has a few honest inputs to begin from. `run` is one call of one target: it returns when the input was taken or
refused in one of our own sentences, and lets everything else through, which is a find.
"""

import base64
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from PIL import Image
from pydicom.data import get_testdata_file

from client.http import _Arriving
from client.log import SeenLog
from ledger import sealing, siwe
from ledger.bundles import verify_bundle
from ledger.checkpoint import parse_checkpoint
from ledger.deidentify import Limits, deidentify
from ledger.deployment import Deployment
from ledger.documents import Form, Profile, Terms, channel_terms
from ledger.errors import InvalidInput, VolensError
from ledger.model import MESSAGES, address, hash32
from ledger.proofs import Header, header_rlp, read_proof, verify_account, verify_header, verify_slot
from ledger.references import read_reference, written
from ledger.sealing import Secret
from ledger.tokens import make_token, read_token
from ledger.typed_data import parse_signature
from scripts.fuzz.answers import json_of, rows, text_of
from scripts.vector_sources.world import World
from wallet.keystore import _read as read_keystore
from wallet.keystore import lock

VECTORS = Path(__file__).resolve().parents[2] / "tests" / "vectors"
SMALL = Limits(data=2**20, pixels=2**20, dicom_header=2**18, text=2**16)
"""What a fuzzed file may cause; the real limits are larger and are tested with bombs."""


@dataclass(frozen=True)
class Target:
    """One parser: what it is called, honest inputs, and how it is called."""

    name: str
    seeds: tuple[bytes, ...]
    parse: Callable[[bytes], object]


def run(target: Target, data: bytes) -> bool:
    """Whether the input was taken; anything but a refusal in our own words is let through."""
    try:
        target.parse(data)
    except VolensError as error:
        if not str(error):
            raise ValueError("a refusal says nothing") from error
        return False
    return True


def _vectors(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def _proofs() -> list[Target]:
    node = _vectors("proofs")["nodes"]["anvil"]
    header = verify_header(node["block"])
    account, slots = read_proof(node["contract"])
    root = account.verify(header).storage_root
    longest = max(slots, key=lambda slot: len(slot.nodes))

    def nodes(data: bytes) -> tuple[bytes, ...]:
        """Nodes behind lengths of two bytes."""
        found, stream = [], io.BytesIO(data)
        while size := stream.read(2):
            found.append(stream.read(int.from_bytes(size)))
        return tuple(found)

    def packed(*parts: bytes) -> bytes:
        return b"".join(len(part).to_bytes(2) + part for part in parts)

    return [
        Target("header", (header_rlp(node["block"]),), Header.from_rlp),
        Target(
            "account-proof",
            (packed(*account.nodes),),
            lambda data: verify_account(header.state_root, account.address, nodes(data)),
        ),
        Target(
            "slot-proof",
            tuple(packed(*slot.nodes) for slot in (longest, slots[0])),
            lambda data: verify_slot(root, longest.key, nodes(data)),
        ),
        Target("eth-get-proof", (json.dumps(node["sender"]).encode(),), lambda data: read_proof(json_of(data))),
        Target("json-rpc-block", (json.dumps(node["block"]).encode(),), lambda data: verify_header(json_of(data))),
    ]


def _bundle(name: str) -> Target:
    recorded = _vectors(name)
    deployment, block = Deployment.from_json(recorded["deployment"]), hash32(recorded["block"])
    data = json.dumps(recorded["bundle"], separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode()
    return Target(name.replace("_", "-"), (data,), lambda data: verify_bundle(data, block, deployment))


def _messages() -> list[Target]:
    cases, world = _vectors("typed_data")["messages"], World()
    by_type = {one.TYPE: [json.dumps(one.to_json()).encode()] for one in (world.items[0], world.record, world.grant())}
    for case in cases:
        by_type.setdefault(case["primaryType"], []).append(json.dumps(case["message"]).encode())

    def parser(name: str) -> Callable[[bytes], object]:
        return lambda data: MESSAGES[name].from_json(json_of(data))

    return [Target(f"typed-data-{name}", tuple(by_type[name][:3]), parser(name)) for name in MESSAGES]


def _texts() -> list[Target]:
    note = (
        "volens.example/log\n3\nqq3WjQ/JNQA2UlwZqWGLyWw4ZZqjpcBIbkb8EkbmPH0=\n\n"
        f"— volens.example/log {base64.b64encode(bytes(68)).decode()}\n"
    )
    who, facts = World.patient.address, Deployment.from_json(_vectors("bundle")["deployment"])
    said = siwe.SignIn(
        "consent.example", who, "Sign in.", "https://consent.example", 31337, "abcdefgh", 1_790_000_000, 1_790_000_300,
        ("https://consent.example/x",),
    ).text()  # fmt: skip
    return [
        Target("reference", (b"0ab1c-2dEfg 3HJKM-4NPQR", b"O0I1L0123456789ABCDE"), _reference),
        Target("siwe", (said.encode(),), lambda data: siwe.parse(text_of(data))),
        Target("checkpoint", (note.encode(),), lambda data: parse_checkpoint(text_of(data))),
        Target("address", (who.encode(),), lambda data: address(text_of(data))),
        Target("signature", (b"0x" + b"ab" * 65,), lambda data: parse_signature(text_of(data))),
        Target(
            "consistency-token",
            (make_token(facts, 7, World().record_hash).encode(),),
            lambda data: read_token(facts, text_of(data)),
        ),
    ]


def _reference(data: bytes) -> None:
    """A code that is read is one: it is written and read again as itself."""
    code = read_reference(text_of(data))
    if code is None:
        raise InvalidInput("This cannot be a reference.")
    if read_reference(written(code)) != code:
        raise ValueError(code)


def _documents() -> list[Target]:
    world = World()
    issuer = world.hospital.address
    profile = Profile(1, "Example Hospital", "hospital", "https://hospital.example/")
    remembered = json.dumps({"origin": "a/b", "key": "ab" * 32, "note": "x"}).encode()
    keystore = lock(bytes(31) + b"\1", "passphrase", "key", n=2**12)
    return [
        Target("form", (world.form.to_bytes(),), Form.from_bytes),
        Target("terms", (channel_terms("journal", issuer).to_bytes(),), Terms.from_bytes),
        Target("profile", (profile.data_uri().encode(),), lambda d: Profile.from_data_uri(d.decode("latin-1"))),
        Target(
            "deployment",
            (json.dumps(_vectors("bundle")["deployment"]).encode(),),
            lambda data: Deployment.from_json(json_of(data)),
        ),
        Target("remembered-log", (remembered,), lambda data: SeenLog.from_json(json_of(data))),
        Target("keystore", (json.dumps(keystore).encode(),), lambda data: read_keystore(json_of(data))),
    ]


def _picture(kind: str, mode: str) -> bytes:
    output = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    Image.linear_gradient("L").resize((12, 9)).convert(mode).save(output, kind, exif=exif)
    return output.getvalue()


def _dicom(name: str) -> bytes:
    path = str(get_testdata_file(name, download=False))
    dataset = pydicom.dcmread(path)
    if name == "CT_small.dcm":  # a few pixels are as good as many
        dataset.Rows = dataset.Columns = 8
        dataset.PixelData = dataset.PixelData[: 8 * 8 * 2]
    output = io.BytesIO()
    dataset.save_as(output)
    return output.getvalue()


def _files() -> list[Target]:
    found, sealed = sealing.seal_bytes(b"what is inside")
    identity = Secret(found.identity.reveal())
    markdown = b"# A case\n\nSeen on 3 May 2019 by Dr. X.\n\n![a](b.png) <b>x</b>\n"

    def cleaner(name: str) -> Callable[[bytes], object]:
        return lambda data: deidentify(name, data, SMALL)

    return [
        Target("dicom", (_dicom("CT_small.dcm"),), cleaner("a.dcm")),
        Target("png", (_picture("PNG", "RGBA"), _picture("PNG", "P")), cleaner("a.png")),
        Target("jpeg", (_picture("JPEG", "RGB"), _picture("JPEG", "L")), cleaner("a.jpg")),
        Target("markdown", (markdown,), cleaner("a.md")),
        Target("text", (b"Plain words.\n",), cleaner("a.txt")),
        Target("sealed", (sealed,), lambda data: sealing.unseal_bytes(data, identity, found.sha256)),
        Target("sealed-in-pieces", (sealed,), lambda data: _unseal_in_pieces(data, identity)),
    ]


def _unseal_in_pieces(data: bytes, identity: Secret[str]) -> None:
    pieces = (data[at : at + 7] for at in range(0, len(data), 7))
    sealing.unseal(_Arriving(pieces), io.BytesIO(), identity)  # type: ignore[arg-type]


def targets() -> Mapping[str, Target]:
    """Every target by name."""
    bundles = [_bundle("bundle"), _bundle("cohort_bundle"), _bundle("code_bundle")]
    every = [*_proofs(), *bundles, *_messages(), *_texts(), *_documents(), *_files(), *(Target(*row) for row in rows())]
    return {target.name: target for target in every}
