"""Checkpoints in the formats of C2SP: what was signed is read, and only that."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from client.log import SeenLog
from ledger.checkpoint import (
    Checkpoint,
    key_id,
    parse_checkpoint,
    sign_checkpoint,
    verifier_key,
    verify_checkpoint,
)
from ledger.errors import InvalidMessage, InvalidProof
from ledger.merkle import EMPTY_LOG, leaf_hash, verify_consistency

NOTE = json.loads((Path(__file__).parents[1] / "vectors" / "merkle.json").read_text())["note"]
NAME = "volens.example/log"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(32))
CHECKPOINT = Checkpoint(NAME, 42, leaf_hash(b"root"))
SIGNED = sign_checkpoint(CHECKPOINT, KEY)
BODY, SIGNATURES = SIGNED.split("\n\n")
ROOT = BODY.split("\n")[2]


def test_key_ids_and_signatures_of_the_go_reference():
    name, _, encoded = NOTE["verifierKey"].split("+", 2)
    public = base64.b64decode(encoded)[1:]
    assert verifier_key(name, public) == NOTE["verifierKey"]
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(NOTE["signerKey"].split("+", 4)[4])[1:])
    signature = key_id(name, public) + private.sign(NOTE["text"].encode())
    assert base64.b64encode(signature).decode() == NOTE["signature"]


def test_form_of_a_checkpoint():
    body, signature = SIGNED.split("\n\n")
    assert body.split("\n") == [NAME, "42", base64.b64encode(bytes.fromhex(CHECKPOINT.root[2:])).decode()]
    assert signature.startswith(f"\u2014 {NAME} ")
    assert signature.endswith("\n")
    line = base64.b64decode(signature.split(" ")[2])
    assert line[:4] == key_id(NAME, PUBLIC)
    KEY.public_key().verify(line[4:], CHECKPOINT.body().encode())


def test_round_trip():
    assert verify_checkpoint(SIGNED, NAME, PUBLIC) == CHECKPOINT
    assert sign_checkpoint(verify_checkpoint(SIGNED, NAME, PUBLIC), KEY) == SIGNED


@given(st.integers(1, 2**53 - 1), st.binary(max_size=8))
def test_every_checkpoint_comes_back(size, data):
    checkpoint = Checkpoint(NAME, size, leaf_hash(data))
    assert verify_checkpoint(sign_checkpoint(checkpoint, KEY), NAME, PUBLIC) == checkpoint


def test_empty_log():
    empty = Checkpoint(NAME, 0, EMPTY_LOG)
    assert verify_checkpoint(sign_checkpoint(empty, KEY), NAME, PUBLIC) == empty
    with pytest.raises(InvalidMessage):
        Checkpoint(NAME, 0, leaf_hash(b""))


def test_witness_lines_are_carried_and_can_be_verified():
    line = sign_checkpoint(CHECKPOINT, WITNESS, "witness.example").split("\n\n")[1]
    both = SIGNED + line
    assert verify_checkpoint(both, NAME, PUBLIC) == CHECKPOINT
    assert verify_checkpoint(both, "witness.example", WITNESS.public_key().public_bytes_raw()) == CHECKPOINT
    assert [entry.name for entry in parse_checkpoint(both)[1]] == [NAME, "witness.example"]


def test_unknown_signatures_prove_nothing():
    by_other = sign_checkpoint(CHECKPOINT, WITNESS, NAME)
    with pytest.raises(InvalidProof, match="expected key"):
        verify_checkpoint(by_other, NAME, PUBLIC)
    with pytest.raises(InvalidProof, match="expected key"):
        verify_checkpoint(SIGNED, "another.example", PUBLIC)
    # A line that claims our key and was made by another one spoils a good line beside it.
    forged = base64.b64encode(key_id(NAME, PUBLIC) + WITNESS.sign(CHECKPOINT.body().encode())).decode()
    with pytest.raises(InvalidProof, match="wrong"):
        verify_checkpoint(SIGNED + f"\u2014 {NAME} {forged}\n", NAME, PUBLIC)


def test_every_changed_character_is_noticed():
    for at in range(len(SIGNED)):
        for other in ("0", "A", "\n", " ", "=", "\u2014"):
            text = SIGNED[:at] + other + SIGNED[at + 1 :]
            if text != SIGNED:
                with pytest.raises(InvalidProof):
                    verify_checkpoint(text, NAME, PUBLIC)
        with pytest.raises(InvalidProof):
            verify_checkpoint(SIGNED[:at] + SIGNED[at + 1 :], NAME, PUBLIC)
        with pytest.raises(InvalidProof):
            verify_checkpoint(SIGNED[:at], NAME, PUBLIC)


def test_spare_bits_of_base64_are_zero():
    """Otherwise four texts would carry one signature."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    assert ROOT.endswith("=")
    assert not ROOT.endswith("==")
    other = ROOT[:-2] + alphabet[alphabet.index(ROOT[-2]) + 1] + "="
    assert base64.b64decode(other) == base64.b64decode(ROOT)
    with pytest.raises(InvalidProof, match="base64"):
        verify_checkpoint(SIGNED.replace(ROOT, other), NAME, PUBLIC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        BODY,
        BODY + "\n",
        BODY + "\n\n",
        SIGNED + "\n",
        SIGNED.replace("\n", "\r\n"),
        "\n" + SIGNED,
        "\ufeff" + SIGNED,
        SIGNED.replace("\u2014", "-"),
        SIGNED.replace("\u2014 ", "\u2014  "),
        SIGNED.replace(" ", "\u00a0"),
        SIGNED[:-1],
        f"{NAME}\n042\n{ROOT}\n\n{SIGNATURES}",
        f"{NAME}\n+42\n{ROOT}\n\n{SIGNATURES}",
        f"{NAME}\n-42\n{ROOT}\n\n{SIGNATURES}",
        f"{NAME}\n\u0664\u0662\n{ROOT}\n\n{SIGNATURES}",
        f"{NAME}\n9007199254740992\n{ROOT}\n\n{SIGNATURES}",
        f"{NAME}\n42\n{ROOT}\nextension\n\n{SIGNATURES}",
        f"{NAME}\n42\n{ROOT[:-1]}\n\n{SIGNATURES}",
        f"{NAME}\n42\n{ROOT.replace('=', '')}\n\n{SIGNATURES}",
        f"{NAME}\n42\nAAAA\n\n{SIGNATURES}",
        f"{NAME}\n42\n\n{SIGNATURES}",
        f"two words\n42\n{ROOT}\n\n{SIGNATURES}",
        f"a+b\n42\n{ROOT}\n\n{SIGNATURES}",
        f"\n42\n{ROOT}\n\n{SIGNATURES}",
        f"{NAME}\n0\n{ROOT}\n\n{SIGNATURES}",
        SIGNED + SIGNATURES * 16,
        SIGNED + f"\u2014 {NAME} AAAA\n",
        SIGNED + f"\u2014 {NAME} !!!!\n",
        SIGNED + "\u2014 " + "w" * 17_000 + " AAAAAAAA\n",
        SIGNED + "not a signature\n",
        SIGNED.encode(),
        None,
    ],
)
def test_malformed_checkpoints(text):
    with pytest.raises(InvalidProof):
        parse_checkpoint(text)


@settings(max_examples=200)
@given(st.text(max_size=300))
def test_random_text(text):
    with pytest.raises(InvalidProof):
        verify_checkpoint(text, NAME, PUBLIC)


@pytest.mark.parametrize("key", [b"", PUBLIC[:-1], PUBLIC + b"\0", None, PUBLIC.hex()])
def test_malformed_keys(key):
    with pytest.raises(InvalidProof):
        verify_checkpoint(SIGNED, NAME, key)


@pytest.mark.parametrize(
    ("origin", "size", "root"),
    [
        ("", 1, EMPTY_LOG),
        ("a b", 1, EMPTY_LOG),
        ("a+b", 1, EMPTY_LOG),
        ("a\nb", 1, EMPTY_LOG),
        (None, 1, EMPTY_LOG),
        (NAME, -1, EMPTY_LOG),
        (NAME, 2**53, EMPTY_LOG),
        (NAME, True, EMPTY_LOG),
        (NAME, 1, "0x12"),
        (NAME, 1, b"\0" * 32),
    ],
)
def test_checkpoints_are_valid_by_construction(origin, size, root):
    with pytest.raises(InvalidMessage):
        Checkpoint(origin, size, root)


def test_names_of_keys():
    with pytest.raises(InvalidMessage):
        sign_checkpoint(CHECKPOINT, KEY, "two words")
    with pytest.raises(InvalidMessage):
        verifier_key("a+b", PUBLIC)


LOG = json.loads((Path(__file__).parents[1] / "vectors" / "log.json").read_text())
LOG_KEY = base64.b64decode(LOG["key"].split("+", 2)[2])[1:]


@pytest.mark.parametrize("case", LOG["valid"], ids=lambda case: case["size"])
def test_shared_checkpoints_hold(case):
    found = verify_checkpoint(case["note"], LOG["origin"], LOG_KEY)
    assert (found.origin, found.size, found.root) == (LOG["origin"], case["size"], case["root"])


@pytest.mark.parametrize("case", LOG["invalid"], ids=lambda case: case["why"])
def test_shared_checkpoints_are_refused(case):
    with pytest.raises(InvalidProof):
        verify_checkpoint(case["note"], LOG["origin"], LOG_KEY)


@pytest.mark.parametrize("case", LOG["follows"], ids=lambda case: case["about"])
def test_shared_logs_are_followed_or_not(case):
    def follow():
        before, after = (SeenLog(LOG["origin"], LOG_KEY, case[name]).checkpoint for name in ("before", "after"))
        verify_consistency(before.size, after.size, before.root, after.root, case["proof"])

    if case["outcome"] == "held":
        return follow()
    said = {
        "shrank": "shrunk",
        "other-key": "expected key|another log",
        "rewritten": "begin with|same size|no hashes|longer",
    }
    with pytest.raises(InvalidProof, match=said[case["outcome"]]):
        follow()
