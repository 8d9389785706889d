"""A short run of every fuzz target, with mutations of our own; `make fuzz` lets atheris look for longer.

And what was found once stays found: inputs of the past, and bombs in a process with bounded memory.
"""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.fuzz.targets import run, targets

DEEP = os.environ.get("VOLENS_TEST_PROFILE") == "deep"
ROUNDS = 100_000 if DEEP else 2_000
SLOW = {"dicom": 6, "bundle": 2, "cohort-bundle": 2, "words": 20, "shares": 4, "chain": 8}
"""How many times fewer rounds, for what takes longer."""
TARGETS = targets()
INTERESTING = [
    b"\0", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\0\0\0\0", b"0", b"-1", b"1e999", b"NaN", b"null", b"true",
    b"{}", b"[]", b'""', b"0x", b"\\u0000", b"\\ud800", b"9007199254740993",
    b"\n", b"\r\n", b"[" * 2000, b"\xc0", b"\xb8",
    b"\xe2\x80\xae",
]  # fmt: skip


def mutated(chance, data, seeds):
    """One to four changes of bytes."""
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0 if data:
                data = data[: at - 1] + bytes([chance.randrange(256)]) + data[at:] if at else data[1:]
            case 1 if data:
                flipped = at % len(data)
                data = data[:flipped] + bytes([data[flipped] ^ 1 << chance.randrange(8)]) + data[flipped + 1 :]
            case 2:
                data = data[:at]
            case 3:
                data = data[:at] + chance.choice(INTERESTING) + data[at:]
            case 4:
                data = data[:at] + chance.choice(INTERESTING) + data[at + chance.randrange(1, 9) :]
            case 5:
                data = data[:at] + data[at + chance.randrange(1, 40) :]
            case _:
                other = chance.choice(seeds)
                start = chance.randrange(len(other) + 1)
                data = data[:at] + other[start : start + chance.randrange(1, 64)] + data[at:]
    return data


VALUES = [None, True, -1, 0, 1.5, 2**53, 2**256, "", "0x", "x" * 5000, "\0", "\ud800", [], {}, [[]], {"a": 1}]


def replaced(chance, data):
    """Well-formed JSON with one value or name exchanged, so that what reads the values is reached."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return data
    places = []

    def walk(parent):
        for place in list(parent) if isinstance(parent, dict) else range(len(parent)):
            places.append((parent, place))
            if isinstance(parent[place], (dict, list)):
                walk(parent[place])

    if isinstance(value, (dict, list)):
        walk(value)
    if not places:
        return data
    parent, place = chance.choice(places)
    match chance.randrange(4):
        case 0:
            del parent[place]
        case 1:
            other, there = chance.choice(places)
            parent[place] = json.loads(json.dumps(other[there]))
        case 2 if isinstance(parent, dict):
            parent[chance.choice(["", "__proto__", "a", place + " "])] = parent.pop(place)
        case _:
            parent[place] = chance.choice(VALUES)
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


@pytest.mark.parametrize("name", TARGETS)
def test_honest_inputs_are_taken(name):
    if name not in ("siwe", "checkpoint", "slot-proof", "json-rpc"):
        assert all(run(TARGETS[name], seed) for seed in TARGETS[name].seeds)
    assert any(run(TARGETS[name], seed) for seed in TARGETS[name].seeds)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_but_our_own_refusals(name):
    target = TARGETS[name]
    seed = random.SystemRandom().randrange(2**32) if DEEP else len(name)
    chance = random.Random(seed)
    for data in (b"", b"\0", b"null", b"{}", b"[]", b"[" * 100_000, b'"' + b"x" * 100_000 + b'"', b"\xff" * 1000):
        run(target, data)
    for round_ in range(ROUNDS // SLOW.get(name, 1)):
        data = chance.choice(target.seeds)
        if chance.random() < 0.5 and (exchanged := replaced(chance, data)) != data:
            data = exchanged
        else:
            data = mutated(chance, data, target.seeds)
        try:
            run(target, data)
        except BaseException as error:
            raise AssertionError(f"seed {seed}, round {round_}: {data[:2000]!r}") from error


FOUND = {
    "json-rpc": [b'[{"jsonrpc": "2.0", "id": {}, "result": 1}, {"jsonrpc": "2.0", "id": [], "result": 1}]'],
    "chain": [
        b"{}",
        b'{"eth_getLogs": [{"blockHash": "0x12", "blockNumber": "0x1"}]}',
        b'{"eth_getTransactionReceipt": []}',
        b'{"eth_getTransactionReceipt": {"blockHash": "0x12", "blockNumber": "0x1"}}',
    ],
    "case-folder": [b"[" * 100_000],
    "refusal": [b'{"type": "urn:volens:error:invalid_message", "detail": "", "errors": {"a": 1}}'],
    "offer": [b"{}", b"[]", b"7", b'{"record": null}'],
    "release": [b"{}", b'{"grant": "0x' + b"ab" * 32 + b'", "items": [7]}'],
    "log-first-seen": [b'{"facts": [], "note": null}'],
}
"""What once ended in something else than a sentence of ours."""


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_is_refused_in_our_own_words(name):
    for data in FOUND[name]:
        run(TARGETS[name], data)


BOMBS = """
import io, resource, struct, sys, zlib
resource.setrlimit(resource.RLIMIT_AS, (1536 * 2**20,) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from pathlib import Path
from pydicom import dcmread
from pydicom.data import get_testdata_file
from ledger.deidentify import deidentify
from ledger.errors import InvalidFile

def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

def png(width, height, depth=8, colour=6, *more):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    # A row is one byte and its pixels; the content is as long as it claims, and compresses a thousandfold.
    squeezed = zlib.compress(bytes(64 * 2**20), 9)
    return b"\\x89PNG\\r\\n\\x1a\\n" + chunk(b"IHDR", head) + b"".join(more) + chunk(b"IDAT", squeezed) + chunk(b"IEND", b"")

def dicom(**changes):
    found = dcmread(get_testdata_file("CT_small.dcm", download=False))
    for name, value in changes.items():
        setattr(found, name, value)
    output = io.BytesIO()
    found.save_as(output)
    return output.getvalue()

text = b"Comment\\0\\0" + zlib.compress(bytes(512 * 2**20), 9)
bombs = {
    "30,000 by 30,000.png": png(30_000, 30_000),
    "as large as numbers go.png": png(2**31 - 1, 2**31 - 1),
    "a line.png": png(2**31 - 1, 1, 1, 0),
    "text that swells.png": png(7000, 7000, 8, 6, chunk(b"zTXt", text)),
    "a profile that swells.png": png(64, 64, 8, 6, chunk(b"iCCP", b"x\\0\\0" + text[9:])),
    "rows and columns.dcm": dicom(Rows=65535, Columns=65535),
    "rows and frames.dcm": dicom(Rows=65535, Columns=65535, NumberOfFrames="2147483647"),
    "no rows.dcm": dicom(Rows=0),
    "bits.dcm": dicom(BitsAllocated=65535, Rows=65535),
    "samples.dcm": dicom(SamplesPerPixel=65535, Rows=65535, Columns=65535),
    "a jpeg.jpg": b"\\xff\\xd8\\xff\\xc0\\0\\x11\\x08" + b"\\xff\\xff" * 2 + b"\\x03\\x01\\x22\\0\\x02\\x11\\1\\3\\x11\\1\\xff\\xda\\0\\x0c\\3\\1\\0\\2\\x11\\3\\x11\\0\\x3f\\0\\xff\\xd9",
}
for name, data in bombs.items():
    try:
        deidentify(name, data)
        print("taken:", name)
    except InvalidFile as refused:
        print("refused:", name, "-", refused)
# Not getrusage, which counts what the process that started this one held.
most = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
print("most", int(most.split()[1]) // 1024, "MiB")
"""  # noqa: E501


def test_bombs_do_not_go_off():
    """Pictures of 30,000 by 30,000 pixels, absurd rows and columns, text that swells: refused in bounded memory."""
    done = subprocess.run(
        [sys.executable, "-c", BOMBS], capture_output=True, text=True, check=False, timeout=120,
        cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    *said, most = done.stdout.splitlines()
    assert [line for line in said if not line.startswith("refused")] == []
    assert len(said) == 11
    assert int(most.split()[1]) < 1024
