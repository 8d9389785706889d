"""Answers to invitations carry exactly one encryption key, and sign-in messages are read by the letter."""

import base64
from dataclasses import replace

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import BadSignature, Expired, InvalidInput, Refused
from ledger.invitations import LIFE, answer, encryption_key_of
from ledger.siwe import check, parse, personal_digest, signed_by_key
from scripts.vector_sources.world import START, key

settings.register_profile("invitations", derandomize=True, deadline=None, max_examples=80)
some = settings.get_profile("invitations")

PATIENT = key("patient")
KEY = bytes(i % 251 for i in range(1216))
URL = "http://127.0.0.1:8380"
SITE = {"domain": "127.0.0.1:8380", "uri": f"{URL}/v1/invitations/secret-token/claim", "chain_id": 31337}


def message(**changes):
    fields = {
        "domain": SITE["domain"],
        "url": URL,
        "token": "secret-token",
        "chain_id": 31337,
        "nonce": "abcdefgh12345678",
        "subject": PATIENT.address,
        "encryption_key": KEY,
        "at": START,
    }
    return answer(**(fields | changes))


ANSWER = message()
TEXT = ANSWER.text()


def signed(text, signer=PATIENT):
    return bytes.fromhex(signer.sign(personal_digest(text))[2:])


def checked(text, signature=None, at=START, **site):
    message = check(text, **(SITE | site), at=at)
    if not signed_by_key(text, signed(text) if signature is None else signature, message.address):
        raise BadSignature("another key")
    return message


# The answer -------------------------------------------------------------------------------------------


def test_an_answer_carries_the_key_and_names_the_invitation():
    assert parse(TEXT) == ANSWER
    assert encryption_key_of(parse(TEXT)) == KEY
    assert ANSWER.uri == "http://127.0.0.1:8380/v1/invitations/secret-token/claim"
    assert ANSWER.expires_at == START + LIFE


def resource(data, padding=b""):
    return "urn:volens:x-wing:" + base64.urlsafe_b64encode(data).rstrip(b"=").decode() + padding.decode()


@pytest.mark.parametrize(
    "resources",
    [
        (),
        (resource(KEY), resource(KEY)),
        (resource(KEY), resource(KEY[::-1])),
        (resource(KEY[:-1]),),
        (resource(KEY + b"\0"),),
        (resource(b""),),
        (resource(KEY) + "!",),
        (resource(KEY).replace("urn:volens", "urn:other"),),
        (resource(KEY)[:-3] + "/+=",),
        ("urn:volens:x-wing:=====",),
    ],
    ids=["none", "twice", "two", "short", "long", "empty", "junk", "other", "alphabet", "padding"],
)
def test_anything_but_one_key_is_refused(resources):
    with pytest.raises(InvalidInput, match="exactly one encryption key"):
        encryption_key_of(replace(ANSWER, resources=resources))


def test_other_resources_do_not_matter():
    assert encryption_key_of(replace(ANSWER, resources=("https://volens.example/", resource(KEY)))) == KEY


# The message that carries it --------------------------------------------------------------------------


def test_wallets_sign_the_same_bytes():
    account = Account.from_key(PATIENT.secret.reveal())
    assert bytes(account.sign_message(encode_defunct(text=TEXT)).signature) == signed(TEXT)


def test_a_signed_message_is_taken():
    assert checked(TEXT) == ANSWER


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"domain": "volens.example"}, Refused),
        ({"uri": "http://127.0.0.1:83"}, Refused),
        ({"uri": "http://127.0.0.1:8380/v1/inv"}, Refused),
        ({"chain_id": 1}, Refused),
        ({"at": START + LIFE}, Expired),
        ({"at": START - 61}, Refused),
        ({"signature": signed(TEXT, key("stranger"))}, BadSignature),
        ({"signature": signed(TEXT + " ")}, BadSignature),
        ({"signature": b""}, BadSignature),
    ],
    ids=["domain", "uri", "part of a path", "chain", "expired", "future", "signer", "text", "none"],
)
def test_a_message_for_another_site_time_or_signer_is_refused(change, error):
    with pytest.raises(error):
        checked(TEXT, **change)


def test_the_last_second_and_the_allowed_lead():
    assert checked(TEXT, at=START + LIFE - 1)
    assert checked(TEXT, at=START - 60)


def test_not_before_counts_as_the_issue():
    text = TEXT.replace("\nResources:", "\nNot Before: 2099-01-01T00:00:00Z\nResources:")
    with pytest.raises(Refused, match="future"):
        checked(text)


LINES = TEXT.split("\n")


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT + "\n",
        " " + TEXT,
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("Version: 1", "Version: 2"),
        TEXT.replace("Chain ID: 31337", "Chain ID: 031337"),
        TEXT.replace("Chain ID: 31337", "Chain ID: 0"),
        TEXT.replace("Nonce: abcdefgh12345678", "Nonce: abc"),
        TEXT.replace("Expiration Time: ", "Expiration: "),
        "\n".join(line for line in LINES if not line.startswith("Expiration")),
        TEXT.replace("wants you to sign in", "wants you to log in"),
        TEXT.replace(PATIENT.address, PATIENT.address[:-1]),
        TEXT.replace(PATIENT.address, PATIENT.address.swapcase().replace("0X", "0x")),
        TEXT.replace("URI: ", "URI:"),
        TEXT.replace("Issued At: 20", "Issued At: 99-20"),
        "\n".join([*LINES[:6], LINES[7], LINES[6], *LINES[8:]]),
        TEXT + "\nResources:",
        TEXT + "x" * 9000,
        None,
        TEXT.encode(),
    ],
)
def test_what_is_not_exactly_erc_4361_is_refused(text):
    with pytest.raises(InvalidInput):
        parse(text)


@pytest.mark.parametrize("time", ["2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z"])
def test_a_time_that_does_not_exist_is_refused(time):
    issued = next(line for line in LINES if line.startswith("Issued At"))
    with pytest.raises(InvalidInput, match="does not exist"):
        parse(TEXT.replace(issued, f"Issued At: {time}"))


def test_optional_lines_may_be_missing_but_not_the_expiry():
    text = TEXT.replace(f"\n{ANSWER.statement}\n", "\n").split("\nResources:")[0]
    assert parse(text) == replace(ANSWER, statement="", resources=())


@some
@given(st.integers(0, len(TEXT) - 1), st.characters(codec="utf-8"))
def test_one_character_changed_never_passes_for_the_same_message(place, character):
    changed = TEXT[:place] + character + TEXT[place + 1 :]
    if changed == TEXT:
        return
    # the line that names site, chain or time says so before anybody looks at the signature
    with pytest.raises((InvalidInput, Refused)):
        checked(changed, signature=signed(TEXT))
