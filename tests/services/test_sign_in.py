"""Signing in: only the one message, for this site and chain, now, once; and nothing that merely looks like one."""

import contextlib
import threading
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import siwe
from ledger.errors import (
    BadSignature,
    Expired,
    InvalidInput,
    LedgerUnavailable,
    NotAuthorised,
    Refused,
    TooManyRequests,
    VolensError,
)
from ledger.invitations import encryption_key_of
from ledger.model import ENCRYPTION_KEY_SIZE, address
from ledger.services.places import ASKED_AT_ONCE
from ledger.services.sign_in import NONCE_LIFE, TOKEN_LIFE
from ledger.siwe import MAX_AHEAD, SignIn, parse, personal_digest
from ledger.typed_data import parse_signature
from scripts.vector_sources.world import CHAIN_ID, START, World, key

JOURNAL = World.journal
MESSAGE = SignIn(
    "consent.example", JOURNAL.address, "Sign in to Volens.", "https://consent.example", CHAIN_ID, "a1b2c3d4e5", START,
    START + 300,
)  # fmt: skip


@pytest.fixture
def listed(make_forge):
    return make_forge(stage="listed")


def message(forge, **changes):
    return replace(
        MESSAGE,
        nonce=forge.services.sign_ins.nonce()[0],
        issued_at=forge.chain.now,
        **({"expires_at": forge.chain.now + 300} | changes),
    )


def signed(text, by=JOURNAL):
    return parse_signature(by.sign(personal_digest(text)))


def sign_in(forge, said, by=JOURNAL):
    return forge.services.sign_ins.sign_in(said.text(), signed(said.text(), by))


# The message


def test_a_message_comes_back_as_it_was_written():
    assert parse(MESSAGE.text()) == MESSAGE
    for changes in ({"statement": ""}, {"resources": ("urn:a", "https://b.example/c")}):
        assert parse(replace(MESSAGE, **changes).text()) == replace(MESSAGE, **changes)


def test_the_example_of_the_standard_is_read():
    text = (
        "example.com wants you to sign in with your Ethereum account:\n"
        "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2\n"
        "\n"
        "I accept the ExampleOrg Terms of Service: https://example.com/tos\n"
        "\n"
        "URI: https://example.com/login\n"
        "Version: 1\n"
        "Chain ID: 1\n"
        "Nonce: 32891756\n"
        "Issued At: 2021-09-30T16:25:24Z\n"
        "Expiration Time: 2021-09-30T16:35:24.5Z\n"
        "Resources:\n"
        "- ipfs://bafybeiemxf5abjwjbikoz4mc3a3dla6ual3jsgpdr4cjr3oz3evfyavhwq/\n"
        "- https://example.com/my-web2-claim.json"
    )
    read = parse(text)
    assert (read.domain, read.nonce, len(read.resources)) == ("example.com", "32891756", 2)
    assert read.expires_at - read.issued_at == 600


LINES = MESSAGE.text().split("\n")
MALFORMED = {
    "nothing": "",
    "a trailing line": MESSAGE.text() + "\n",
    "carriage returns": MESSAGE.text().replace("\n", "\r\n"),
    "another version": MESSAGE.text().replace("Version: 1", "Version: 2"),
    "no expiration": "\n".join(line for line in LINES if not line.startswith("Expiration")),
    "no nonce": "\n".join(line for line in LINES if not line.startswith("Nonce")),
    "a short nonce": MESSAGE.text().replace("a1b2c3d4e5", "a1b2"),
    "a line said twice": MESSAGE.text().replace("Version: 1", "Version: 1\nVersion: 1"),
    "lines exchanged": MESSAGE.text().replace("Version: 1\nChain ID: 31337", "Chain ID: 31337\nVersion: 1"),
    "a chain that is not a number": MESSAGE.text().replace("31337", "0x7a69"),
    "a chain with a leading zero": MESSAGE.text().replace("31337", "031337"),
    "a statement of two lines": MESSAGE.text().replace("Volens.", "Volens.\nURI: https://evil.example"),
    "letters that look alike": MESSAGE.text().replace("consent", "cоnsent"),
    "a day that does not exist": MESSAGE.text().replace("Issued At: 2026-11-2", "Issued At: 2026-11-3"),
    "a time in another zone": MESSAGE.text().replace("Z\nExpiration", "+01:00\nExpiration"),
    "a wrong checksum": MESSAGE.text().replace(JOURNAL.address, JOURNAL.address.swapcase().replace("0X", "0x")),
    "digits of another script": MESSAGE.text().replace("Issued At: 2026", "Issued At: ٢٠٢٦"),
    "a novel": MESSAGE.text() + "\nResources:" + "\n- urn:x" * 2000,
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_what_is_not_exactly_such_a_message_is_refused(fault):
    assert MALFORMED[fault] != MESSAGE.text()
    with pytest.raises(InvalidInput):
        parse(MALFORMED[fault])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_a_changed_message_is_refused_or_says_something_else(data):
    """Nobody signs one thing and is read as having signed another."""
    text = MESSAGE.text()
    place = data.draw(st.integers(0, len(text) - 1))
    changed = text[:place] + data.draw(st.characters()) + text[place + data.draw(st.integers(0, 3)) :]
    try:
        read = parse(changed)
    except InvalidInput:
        return
    assert changed == text or read != MESSAGE


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text() | st.lists(st.sampled_from(LINES)).map("\n".join))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(InvalidInput):
        parse(text)


# Signing in


def test_a_signed_message_is_worth_a_token_for_a_while(listed):
    token = sign_in(listed, message(listed))
    assert token.expires_in == TOKEN_LIFE
    who = listed.services.sign_ins.who
    assert who(token.value) == JOURNAL.address
    listed.chain.now += TOKEN_LIFE - 1
    assert who(token.value) == JOURNAL.address
    listed.chain.now += 1
    with pytest.raises(NotAuthorised) as refusal:
        who(token.value)
    assert refusal.value.reason == "not_signed_in"


@pytest.mark.parametrize("token", ["", "x", "0x" + "00" * 32])
def test_an_invented_token_is_nobodys(listed, token):
    with pytest.raises(NotAuthorised):
        listed.services.sign_ins.who(token)


def test_the_database_does_not_hold_the_token(listed):
    token = sign_in(listed, message(listed))
    with listed.store.begin() as tx:
        rows = tx._db.exec_driver_sql("SELECT * FROM tokens").fetchall()
    assert rows
    assert all(token.value not in str(row) for row in rows)


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"domain": "evil.example"}, Refused),
        ({"domain": "consent.example:8380"}, Refused),
        ({"uri": "https://evil.example"}, Refused),
        ({"uri": "https://consent.example.evil.example"}, Refused),
        ({"uri": "http://consent.example"}, Refused),
        ({"chain_id": 1}, Refused),
    ],
)
def test_a_message_for_another_site_or_chain_is_refused(listed, changes, kind):
    said = message(listed, **changes)
    with pytest.raises(kind, match="meant for another"):
        sign_in(listed, said)
    again = replace(message(listed), nonce=said.nonce)
    assert sign_in(listed, again).value, "what was refused has not used the nonce up"


def test_a_message_is_good_once(listed):
    said = message(listed)
    sign_in(listed, said)
    with pytest.raises(Refused, match="nonce"):
        sign_in(listed, said)


def test_a_nonce_is_ours_and_recent(listed):
    with pytest.raises(Refused, match="nonce"):
        sign_in(listed, replace(message(listed), nonce="inventedbyme"))
    said = message(listed)
    listed.chain.now += NONCE_LIFE
    with pytest.raises(Refused, match="nonce"):
        sign_in(listed, replace(said, expires_at=said.expires_at + 900))


def test_an_expired_message_is_refused(listed):
    said = message(listed)
    listed.chain.now = said.expires_at
    with pytest.raises(Expired):
        sign_in(listed, said)


def test_a_message_from_the_future_is_refused(listed):
    said = message(listed)
    ahead = replace(said, issued_at=said.issued_at + MAX_AHEAD + 1, expires_at=said.expires_at + 900)
    with pytest.raises(Refused, match="future"):
        sign_in(listed, ahead)
    text = said.text() + "\nNot Before: 2099-01-01T00:00:00Z"
    with pytest.raises(Refused, match="future"):
        listed.services.sign_ins.sign_in(text, signed(text))


def test_nobody_signs_in_as_somebody_else(listed):
    with pytest.raises(BadSignature):
        sign_in(listed, message(listed), by=key("stranger"))
    said = message(listed).text()
    with pytest.raises(BadSignature):
        listed.services.sign_ins.sign_in(said, signed(said.replace("Volens", "Another")))
    for signature in (b"", b"\0" * 65, b"\1" * 64):
        with pytest.raises(BadSignature):
            listed.services.sign_ins.sign_in(message(listed).text(), signature)


# Accounts with code (ERC-1271)

WALLET = address("0x" + "a1" * 20)


def with_code(forge, answer):
    """An account with code; returns what it was asked."""
    asked = []

    def wallet(digest, signature):
        asked.append((digest, signature))
        return answer(digest, signature)

    forge.chain._contracts = replace(forge.chain._contracts, wallets={WALLET: wallet})
    return asked


def test_a_contract_account_signs_in_with_what_its_code_accepts(listed):
    asked = with_code(listed, lambda _, signature: signature == b"two of three owners")
    said = message(listed, address=WALLET).text()
    token = listed.services.sign_ins.sign_in(said, b"two of three owners")
    assert listed.services.sign_ins.who(token.value) == WALLET
    assert asked == [(personal_digest(said), b"two of three owners")]


def test_a_contract_account_that_says_no_does_not(listed):
    with_code(listed, lambda *_: False)
    with pytest.raises(BadSignature):
        listed.services.sign_ins.sign_in(message(listed, address=WALLET).text(), b"anything")


def test_code_is_asked_only_for_a_nonce_of_ours_and_only_once(listed):
    asked = with_code(listed, lambda *_: False)
    said = message(listed, address=WALLET)
    invented = replace(said, nonce="a1b2c3d4e5").text()
    for text, kind in ((invented, Refused), (said.text(), BadSignature), (said.text(), Refused)):
        with pytest.raises(kind):
            listed.services.sign_ins.sign_in(text, b"anything")
    assert len(asked) == 1


@pytest.mark.parametrize("changes", [{"domain": "evil.example"}, {"chain_id": 5}, {"expires_at": START - 1}])
def test_code_is_not_asked_about_a_message_that_says_the_wrong_thing(listed, changes):
    asked = with_code(listed, lambda *_: True)
    with pytest.raises(VolensError):
        listed.services.sign_ins.sign_in(message(listed, address=WALLET, **changes).text(), b"anything")
    assert asked == []


def test_code_that_takes_its_time_does_not_take_every_thread(listed):
    """Whoever has it asked chooses what it does; the node may hang as well."""
    go_on, asked = threading.Event(), threading.Semaphore(0)

    def slow(*_):
        asked.release()
        return go_on.wait(10)

    with_code(listed, slow)
    said = [message(listed, address=WALLET).text() for _ in range(ASKED_AT_ONCE + 2)]
    threads = [
        threading.Thread(target=listed.services.sign_ins.sign_in, args=(text, b"yes")) for text in said[:ASKED_AT_ONCE]
    ]
    for thread in threads:
        thread.start()
    try:
        assert all(asked.acquire(timeout=10) for _ in threads)
        with pytest.raises(TooManyRequests):
            listed.services.sign_ins.sign_in(said[-2], b"yes")
        assert sign_in(listed, message(listed)), "a key needs no node"
    finally:
        go_on.set()
        for thread in threads:
            thread.join(10)
    assert listed.services.sign_ins.sign_in(said[-1], b"yes"), "every place was given back"


def test_while_the_node_is_away_only_keys_sign_in(listed):
    with_code(listed, lambda *_: True)
    ours, theirs = message(listed), message(listed, address=WALLET)
    listed.chain.faults.unreachable = True
    with pytest.raises(LedgerUnavailable):
        listed.services.sign_ins.sign_in(theirs.text(), b"anything")
    assert sign_in(listed, ours)


# Answering an invitation


def test_an_answer_carries_exactly_one_encryption_key(listed):
    answer = listed.answer(listed.invite())
    assert len(encryption_key_of(parse(answer.text()))) == ENCRYPTION_KEY_SIZE
    (resource,) = answer.resources
    for resources in (
        (),
        (resource, resource),
        (resource[:-10],),
        (resource + "AAAA",),
        ("urn:volens:x-wing:!!!!",),
        ("urn:else:" + resource,),
    ):
        with pytest.raises(InvalidInput, match="exactly one encryption key"):
            encryption_key_of(replace(answer, resources=resources))


def test_an_answer_fits_into_a_message(listed):
    text = listed.answer(listed.invite()).text()
    assert len(text) < siwe.MAX_LENGTH
    parse(text)
