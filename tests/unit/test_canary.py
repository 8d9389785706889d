"""The search for leaked secrets finds them however they were written down, or it would prove nothing."""

import base64
import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts.canary import BLOCK, encodings, search
from wallet.keys import entropy_to_words

SECRET = hashlib.sha256(b"canary").digest()
WORDS = entropy_to_words(SECRET)
PATTERNS = encodings({"key": SECRET, "words": WORDS.encode()})


def found(folder, content, name="file"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return search(folder, PATTERNS)


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        SECRET[::-1],
        SECRET.hex(),
        "0x" + SECRET.hex(),
        SECRET.hex().upper(),
        base64.b64encode(SECRET),
        base64.urlsafe_b64encode(SECRET),
        base64.b64encode(b"a" + SECRET + b"tail"),
        base64.b64encode(b"ab" + SECRET + b"tail"),
        base64.b64encode(b"abc" + SECRET),
        str(int.from_bytes(SECRET)),
        json.dumps({"d": int.from_bytes(SECRET)}),
        repr({"key": SECRET.hex()}),
    ],
)
def test_a_key_is_found_however_it_is_written(tmp_path, written):
    raw = written if isinstance(written, bytes) else written.encode()
    assert found(tmp_path, b"before " + raw + b" after")


@pytest.mark.parametrize(
    "written",
    [
        WORDS,
        " ".join(WORDS.split()[:12]),
        str(WORDS.split()).replace("'", '"'),
        WORDS.encode().hex(),
        base64.b64encode(WORDS.encode()),
    ],
)
def test_words_are_found_however_they_are_written(tmp_path, written):
    assert found(tmp_path, written)


def test_where_and_as_what_is_said(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert found(tmp_path, f"key={SECRET.hex()}", "a/b/log.txt") == ["key hex in a/b/log.txt"]


def test_nothing_is_found_where_nothing_is(tmp_path):
    other = hashlib.sha256(b"another").digest()
    assert found(tmp_path, other + other.hex().encode() + entropy_to_words(other).encode()) == []


def test_looking_in_the_wrong_place_is_an_error(tmp_path):
    with pytest.raises(NotADirectoryError):
        search(tmp_path / "not there", PATTERNS)


@settings(derandomize=True, deadline=None, max_examples=12)
@given(st.integers(BLOCK - 40, BLOCK + 4))
def test_a_secret_across_two_blocks_is_found(tmp_path_factory, place):
    folder = tmp_path_factory.mktemp("blocks")
    assert found(folder, bytes(place) + SECRET) == ["key raw in file"]


def test_every_pattern_is_long_enough_to_mean_something():
    """A short pattern would be found by chance and hide the real ones."""
    assert min(len(pattern) for pattern in PATTERNS.values()) >= 32
