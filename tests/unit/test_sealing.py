"""Sealed items open only whole and with their key; wrapped keys open only for one key and one context."""

import copy
import dataclasses
import hashlib
import io
import json
import pickle
from pathlib import Path

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import sealing
from ledger.errors import InvalidFile, InvalidInput, InvalidMessage, Refused, VolensError
from ledger.model import to_hash
from ledger.sealing import EncryptionKey, Secret

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "sealing.json").read_text())
RELEASE, SUBJECT, DEPOSIT = (case["info"] for case in VECTORS["contexts"])
MASTER = b"\xa5" * 32
RECORD, ITEM, OTHER = (to_hash(bytes([n]) * 32) for n in (1, 2, 3))
KEY = EncryptionKey.from_seed(b"\x07" * 32)
PLAIN = bytes(range(256)) * 600  # more than two of age's 64 KiB chunks


@pytest.fixture(scope="module")
def identity():
    return Secret(str(pyrage.x25519.Identity.generate()))


@pytest.fixture(scope="module")
def sealed():
    return sealing.seal_bytes(PLAIN)


# ------------------------------------------------------------------------------------------------ secrets


def test_a_secret_shows_itself_only_when_asked(identity):
    value = identity.reveal()
    shown = [repr(identity), str(identity), f"{identity}", f"{identity!r:>30}", repr([identity])]
    shown.append(repr(sealing.Sealed(1, RECORD, identity)))
    shown.append(repr(dataclasses.asdict(sealing.Sealed(1, RECORD, identity))))
    assert not any(value in text or "SECRET-KEY" in text for text in shown)
    with pytest.raises(TypeError):
        pickle.dumps(identity)
    with pytest.raises(TypeError):
        json.dumps(identity)
    with pytest.raises(TypeError):
        hash(identity)
    assert not hasattr(identity, "__dict__")


def test_secrets_compare_and_copy():
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != Secret(b"a")
    assert Secret("a") != "a"
    secret = Secret(b"x")
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


# ----------------------------------------------------------------------------------------------- sealing


@settings(derandomize=True, deadline=None, max_examples=30)
@given(st.binary(max_size=2000))
def test_what_is_sealed_opens_again(plain):
    found, sealed = sealing.seal_bytes(plain)
    assert found.size == len(plain)
    assert found.sha256 == "0x" + hashlib.sha256(plain).hexdigest()
    assert len(plain) < 8 or plain not in sealed
    assert sealing.unseal_bytes(sealed, found.identity, found.sha256) == plain


def test_large_content_streams(sealed):
    found, content = sealed
    target = io.BytesIO()
    assert sealing.unseal(io.BytesIO(content), target, found.identity, found.sha256) == len(PLAIN)
    assert target.getvalue() == PLAIN


def test_every_item_has_its_own_key():
    one, two = sealing.seal_bytes(b"same"), sealing.seal_bytes(b"same")
    assert one[0].identity != two[0].identity
    assert one[1] != two[1]


def test_any_age_tool_opens_it(sealed):
    found, content = sealed
    assert content.startswith(sealing.AGE_HEADER)
    assert pyrage.decrypt(content, [pyrage.x25519.Identity.from_str(found.identity.reveal())]) == PLAIN


@pytest.mark.parametrize("cut", [0, 10, 100, 300, 65_000, len(PLAIN), -17, -1])
def test_a_cut_file_is_refused_and_leaves_nothing(sealed, cut):
    found, content = sealed
    target = io.BytesIO(b"kept")
    target.seek(4)
    with pytest.raises((InvalidFile, Refused)):
        sealing.unseal(io.BytesIO(content[:cut]), target, found.identity)
    assert target.getvalue() == b"kept"


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.data())
def test_a_changed_byte_is_refused_and_leaves_nothing(sealed, data):
    found, content = sealed
    at = data.draw(st.one_of(st.integers(0, 400), st.integers(0, len(content) - 1)))
    changed = bytearray(content)
    changed[at] ^= data.draw(st.integers(1, 255))
    target = io.BytesIO()
    with pytest.raises((InvalidFile, Refused)):
        sealing.unseal(io.BytesIO(bytes(changed)), target, found.identity)
    assert target.getvalue() == b""


def test_another_key_is_refused(sealed, identity):
    with pytest.raises(Refused, match="does not open"):
        sealing.unseal_bytes(sealed[1], identity)


def test_other_content_than_the_record_names_is_refused_and_leaves_nothing(sealed):
    found, content = sealed
    target = io.BytesIO()
    with pytest.raises(InvalidFile, match="not what the record names"):
        sealing.unseal(io.BytesIO(content), target, found.identity, OTHER)
    assert target.getvalue() == b""


def test_what_is_no_age_file_is_said_so(identity):
    for content in (b"", b"PK\x03\x04", b"age-encryption.org/v2\nxxxxxxxxxxxxxxxxxxxxxxx"):
        with pytest.raises(InvalidFile, match="not a sealed item"):
            sealing.unseal_bytes(content, identity)


@pytest.mark.parametrize("bad", ["", "AGE-SECRET-KEY-1" + "Q" * 58, "age1xyz", b"AGE-SECRET-KEY-1", None])
def test_what_is_no_item_key_is_refused_without_repeating_it(sealed, bad):
    with pytest.raises(InvalidInput, match="age identity") as caught:
        sealing.unseal_bytes(sealed[1], Secret(bad))
    assert not bad or str(bad)[16:] not in str(caught.value) or len(str(bad)) <= 16


class Broken(io.RawIOBase):
    """A full disk."""

    def write(self, data):
        raise OSError(28, "No space left on device")

    def read(self, size=-1):
        raise OSError(5, "Input/output error")


def test_the_fault_of_a_stream_stays_its_own(sealed):
    found, content = sealed
    with pytest.raises(OSError, match="No space left"):
        sealing.unseal(io.BytesIO(content), Broken(), found.identity)
    with pytest.raises(OSError, match="Input/output"):
        sealing.unseal(Broken(), io.BytesIO(), found.identity)
    with pytest.raises(OSError, match="No space left"):
        sealing.seal(io.BytesIO(PLAIN), Broken())
    with pytest.raises(OSError, match="Input/output"):
        sealing.seal(Broken(), io.BytesIO())


class Trickle(io.RawIOBase):
    """A stream that reads and writes less than it is asked to."""

    def __init__(self, data=b""):
        self.inner = io.BytesIO(data)

    def read(self, size=-1):
        return self.inner.read(min(size, 1000) if size > 0 else 1000)

    def write(self, data):
        return self.inner.write(bytes(data)[:777])


def test_short_reads_and_writes_lose_nothing():
    target = Trickle()
    found = sealing.seal(Trickle(PLAIN), target)
    assert found.sha256 == "0x" + hashlib.sha256(PLAIN).hexdigest()
    plain = Trickle()
    sealing.unseal(Trickle(target.inner.getvalue()), plain, found.identity, found.sha256)
    assert plain.inner.getvalue() == PLAIN


# ------------------------------------------------------------------------------------ the custodian's wraps


def test_custody_wraps_open_for_their_own_row_only(identity):
    wrapped = sealing.custody_wrap(MASTER, identity, RECORD, ITEM)
    assert sealing.custody_unwrap(MASTER, wrapped, RECORD, ITEM) == identity
    assert len(wrapped) == 157
    assert wrapped != sealing.custody_wrap(MASTER, identity, RECORD, ITEM), "the nonce must be fresh"
    for record, item in ((OTHER, ITEM), (RECORD, OTHER), (ITEM, RECORD)):
        with pytest.raises(Refused, match="another record or item"):
            sealing.custody_unwrap(MASTER, wrapped, record, item)


def test_a_wrap_names_its_master_key(identity):
    wrapped = sealing.custody_wrap(MASTER, identity, RECORD, ITEM)
    assert sealing.custody_wrapped_with(wrapped) == sealing.custody_key_id(MASTER)
    assert sealing.custody_key_id(MASTER) == hashlib.sha256(b"volens/custody-key-id" + MASTER).hexdigest()[:16]
    with pytest.raises(Refused, match="another master key"):
        sealing.custody_unwrap(b"\x01" * 32, wrapped, RECORD, ITEM)
    forged = wrapped.replace(sealing.custody_key_id(MASTER), sealing.custody_key_id(b"\x01" * 32))
    with pytest.raises(Refused, match="changed"):
        sealing.custody_unwrap(b"\x01" * 32, forged, RECORD, ITEM)


@settings(derandomize=True, deadline=None, max_examples=60)
@given(where=st.floats(0, 1, exclude_max=True), which=st.integers(0, 13))
def test_a_changed_custody_wrap_never_opens(identity, where, which):
    wrapped = sealing.custody_wrap(MASTER, identity, RECORD, ITEM)
    at = int(where * len(wrapped))
    # A wrap is new each time: what is tried must not depend on it.
    character = next(c for c in ("ABCxyz019-_.= " * 2)[which:] if c != wrapped[at])
    with pytest.raises((Refused, InvalidInput)):
        sealing.custody_unwrap(MASTER, wrapped[:at] + character + wrapped[at + 1 :], RECORD, ITEM)


def test_a_custody_wrap_has_one_spelling(identity):
    wrapped = sealing.custody_wrap(MASTER, identity, RECORD, ITEM)
    for other in (wrapped + "=", wrapped + "\n", wrapped.upper(), "cw2" + wrapped[3:], "", None):
        with pytest.raises(InvalidInput):
            sealing.custody_unwrap(MASTER, other, RECORD, ITEM)


@pytest.mark.parametrize("master", [b"", b"\x01" * 16, b"\x01" * 33, "x" * 32, None])
def test_a_master_key_is_32_bytes(identity, master):
    with pytest.raises(InvalidInput, match="master key"):
        sealing.custody_wrap(master, identity, RECORD, ITEM)


def test_only_item_keys_are_wrapped(identity):
    for call in (
        lambda: sealing.custody_wrap(MASTER, Secret("hello"), RECORD, ITEM),
        lambda: sealing.hpke_wrap(Secret("hello"), KEY.public, RELEASE),
    ):
        with pytest.raises(InvalidInput, match="age identity"):
            call()
    with pytest.raises(InvalidMessage, match="record"):
        sealing.custody_wrap(MASTER, identity, "0x12", ITEM)


# ------------------------------------------------------------------------------------ wraps for one person


@pytest.mark.parametrize("info", [RELEASE, SUBJECT, DEPOSIT], ids=["release", "subject", "deposit"])
def test_hpke_wraps_open_for_their_key_and_context_only(identity, info):
    wrapped = sealing.hpke_wrap(identity, KEY.public, info)
    assert len(wrapped) == 1210
    assert sealing.hpke_unwrap(wrapped, KEY, info) == KEY.open(wrapped, info) == identity
    assert sealing.hpke_unwrap(wrapped, b"\x07" * 32, info) == identity
    with pytest.raises(Refused):
        sealing.hpke_unwrap(wrapped, b"\x08" * 32, info)
    for other in (RELEASE, SUBJECT, DEPOSIT):
        if other is not info:
            with pytest.raises(Refused):
                sealing.hpke_unwrap(wrapped, KEY, other)


@pytest.mark.parametrize("field", sorted(RELEASE.keys() - {"v"}))
def test_a_release_is_bound_to_every_field(identity, field):
    wrapped = sealing.hpke_wrap(identity, KEY.public, RELEASE)
    other = {"chainId": 1, "registry": RELEASE["recipient"], "recipient": RELEASE["registry"]}.get(field, OTHER)
    with pytest.raises(Refused):
        sealing.hpke_unwrap(wrapped, KEY, {**RELEASE, field: other})


def test_the_release_context_has_exactly_the_fields_of_the_design():
    assert set(RELEASE) == {"v", "chainId", "registry", "record", "item", "recipient", "grantHash", "request"}
    assert len({frozenset(info) for info in (RELEASE, SUBJECT, DEPOSIT)}) == 3


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 1209), st.integers(1, 255))
def test_a_changed_hpke_wrap_never_opens(at, flip):
    wrapped = bytearray.fromhex(VECTORS["hpke"][0]["wrapped"])
    wrapped[at] ^= flip
    with pytest.raises(Refused):
        sealing.hpke_unwrap(bytes(wrapped), bytes.fromhex(VECTORS["hpke"][0]["seed"]), VECTORS["hpke"][0]["info"])


@pytest.mark.parametrize("wrapped", [b"", b"x", b"\0" * 1209, b"\0" * 1210, b"\0" * 5000, None, "00"])
def test_what_is_no_wrap_is_refused(wrapped):
    with pytest.raises(Refused):
        sealing.hpke_unwrap(wrapped, KEY, RELEASE)


@pytest.mark.parametrize(
    "public",
    [b"", KEY.public[:-1], KEY.public + b"\0", b"\xff" * 1216, KEY.public[:1184] + b"\0" * 32, KEY.public.hex(), None],
    ids=["empty", "short", "long", "coefficients", "small order", "hex", "none"],
)
def test_what_is_no_public_key_is_refused(identity, public):
    with pytest.raises(InvalidInput, match="public key"):
        sealing.hpke_wrap(identity, public, RELEASE)


def test_key_pairs_hide_their_private_half():
    assert repr(KEY) == "EncryptionKey()"
    with pytest.raises(InvalidInput, match="32 bytes"):
        EncryptionKey.from_seed(b"short")


def test_a_wrap_that_holds_something_else_is_not_passed_on():
    suite, pair = sealing._SUITE, KEY._private
    wrapped = suite.encrypt(b"rm -rf", pair.public_key(), info=sealing.canonical_info(RELEASE))
    with pytest.raises(InvalidInput, match="age identity"):
        sealing.hpke_unwrap(wrapped, KEY, RELEASE)


def test_no_error_has_key_material(identity, sealed):
    value = identity.reveal()
    for call in (
        lambda: sealing.unseal_bytes(sealed[1], identity),
        lambda: sealing.custody_unwrap(MASTER, sealing.custody_wrap(MASTER, identity, RECORD, ITEM), OTHER, ITEM),
        lambda: sealing.hpke_unwrap(sealing.hpke_wrap(identity, KEY.public, RELEASE), KEY, SUBJECT),
        lambda: sealing.unseal_bytes(sealed[1], Secret(value.lower())),
    ):
        with pytest.raises(VolensError) as caught:
            call()
        error = caught.value
        assert value[20:40] not in f"{error!r} {error.__cause__!r}".upper()
        assert MASTER.hex() not in str(error)


# ------------------------------------------------------------------------------------------------ vectors


def test_key_vectors():
    for case in VECTORS["keys"]:
        public = EncryptionKey.from_seed(bytes.fromhex(case["seed"])).public
        assert hashlib.sha256(public).hexdigest() == case["publicKeySha256"]
        assert public[-32:].hex() == case["x25519"]
        assert len(public) == 1216
    # draft-connolly-cfrg-xwing-kem, first test vector
    public = EncryptionKey.from_seed(bytes.fromhex(VECTORS["keys"][0]["seed"])).public
    assert public.hex().startswith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5")


def test_context_vectors():
    for case in VECTORS["contexts"]:
        assert sealing.canonical_info(case["info"]).decode() == case["canonical"]
    for case in VECTORS["invalidContexts"]:
        with pytest.raises(InvalidMessage):
            sealing.canonical_info(case["info"])


def test_wrap_vectors():
    for case in VECTORS["hpke"]:
        wrapped, seed = bytes.fromhex(case["wrapped"]), bytes.fromhex(case["seed"])
        assert sealing.hpke_unwrap(wrapped, seed, case["info"]).reveal() == case["identity"]
    for case in VECTORS["custody"]:
        master = bytes.fromhex(case["master"])
        assert sealing.custody_key_id(master) == case["keyId"]
        opened = sealing.custody_unwrap(master, case["wrapped"], case["record"], case["item"])
        assert opened.reveal() == case["identity"]
    for case in VECTORS["sealed"]:
        plain = sealing.unseal_bytes(bytes.fromhex(case["sealed"]), Secret(case["identityOfFile"]), case["sha256"])
        assert plain == case["plain"].encode()
        assert len(plain) == case["size"]


def test_the_vector_file_is_what_its_source_gives():
    from scripts.vector_sources import sealing as source

    assert json.loads(json.dumps(source.vectors())) == VECTORS
