"""Asking an account's code over JSON-RPC whether it signed: only one clean answer counts, and none can cost much."""

import pytest

from ledger.adapters.chain import Web3Chain
from ledger.adapters.node import Node
from ledger.deployment import Deployment
from ledger.model import ZERO_HASH, address, keccak, to_hash
from ledger.proofs import EMPTY_CODE
from scripts.devnet import Devnet, mine

pytestmark = pytest.mark.node

ACCOUNT = address("0x" + "a1" * 20)
ANSWER = "60e01b600052"  # shifts the four bytes on the stack to the left of a word and puts that into memory
CODES = {
    "yes": (f"631626ba7e{ANSWER}60206000f3", True),
    "yes and more": (f"631626ba7e{ANSWER}60406000f3", True),
    "another word": (f"63deadbeef{ANSWER}60206000f3", False),
    "half an answer": (f"631626ba7e{ANSWER}601f6000f3", False),
    "nothing": ("00", False),
    "reverts": ("60006000fd", False),
}


# Yes only if the call carries this digest (at 4) and a signature of three bytes, ab cd ef (length at 68, bytes at 100)
_COMPARES = f"6004357f{'11' * 32}146044356003141660643560e81c62abcdef141660{{}}57600060" + "00fd"
READING = _COMPARES.format(f"{len(_COMPARES) // 2:02x}") + f"5b631626ba7e{ANSWER}60206000f3"


@pytest.fixture(scope="module", params=["anvil", "hardhat"])
def chain(request):
    with Devnet.start(request.param) as devnet:
        node = Node(devnet.rpc_url)
        made = Web3Chain(node, Deployment(31337, ZERO_HASH, {}))
        made.rpc_url = devnet.rpc_url
        made.put = lambda code: node.request(f"{request.param}_setCode", ACCOUNT, "0x" + code)
        yield made


def asked(chain):
    return chain.contract_signed(ACCOUNT, b"\x11" * 32, b"\xab\xcd\xef")


def test_an_account_without_code_signed_nothing(chain):
    assert not chain.contract_signed(address("0x" + "b2" * 20), b"\x11" * 32, b"\xab\xcd\xef")


@pytest.mark.parametrize("name", CODES)
def test_only_the_one_word_is_a_yes(chain, name):
    code, expected = CODES[name]
    chain.put(code)
    assert asked(chain) is expected


def test_the_code_reads_exactly_what_was_signed_and_how(chain):
    chain.put(READING)
    assert asked(chain)
    assert not chain.contract_signed(ACCOUNT, b"\x12" * 32, b"\xab\xcd\xef")
    assert not chain.contract_signed(ACCOUNT, b"\x11" * 32, b"\xab\xcd\xef\x00")
    assert not chain.contract_signed(ACCOUNT, b"\x11" * 32, b"\xab\xcd\xee")


def test_code_that_never_ends_is_cut_off(chain):
    chain.put("5b600056")
    assert not asked(chain)


def test_who_has_code(chain):
    chain.put("00")
    other = address("0x" + "b2" * 20)
    assert chain.with_code([other, ACCOUNT]) == {ACCOUNT}
    assert chain.with_code([]) == set()


def test_who_has_code_is_proven_in_a_block(chain):
    chain.put("00")
    mine(chain.rpc_url)
    head = chain.head()
    codes = [chain.account_proof(head.hash, who).verify(head).code_hash for who in (address("0x" + "b2" * 20), ACCOUNT)]
    assert codes == [EMPTY_CODE, to_hash(keccak(b"\0"))]
