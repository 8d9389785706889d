"""Consistency tokens: ``cz1.`` and a block, so that an answer can be asked for that is no older than another."""

import base64
import binascii
import json
from functools import lru_cache

from ledger.deployment import Deployment
from ledger.errors import InvalidInput
from ledger.model import Address, Hash, hash32, integer
from ledger.proofs import Header

PREFIX = "cz1."


def token_of(deployment: Deployment, head: Header) -> str:
    """The token of a block: base64url of canonical ``{c, a, n, h}`` (chain, registry, number, hash)."""
    return make_token(deployment, head.number, head.hash)


def make_token(deployment: Deployment, number: int, block: Hash) -> str:
    """The token of a block by number and hash."""
    return _token(deployment.contracts["ConsentRegistry"].address, deployment.chain_id, number, block)


@lru_cache(maxsize=256)
def _token(registry: Address, chain_id: int, number: int, block: Hash) -> str:
    # ASCII and small numbers: sorted JSON is RFC 8785 then
    value = json.dumps({"a": registry, "c": chain_id, "h": block, "n": number}, sort_keys=True, separators=(",", ":"))
    return PREFIX + base64.urlsafe_b64encode(value.encode()).rstrip(b"=").decode()


def read_token(deployment: Deployment, token: object) -> tuple[int, Hash]:
    """The block number and hash in a token.

    Raises:
        InvalidInput: not a token, or of another ledger.
    """
    problem = "This is not a consistency token of this ledger."
    if not isinstance(token, str) or not token.startswith(PREFIX) or len(token) > 400:
        raise InvalidInput(problem)
    try:
        encoded = token.removeprefix(PREFIX)
        value = json.loads(base64.b64decode(encoded + "=" * (-len(encoded) % 4), b"-_", validate=True))
        number, block = integer(value["n"], "n"), hash32(value["h"], "h")
    except (InvalidInput, binascii.Error, ValueError, KeyError, TypeError):
        raise InvalidInput(problem) from None
    if make_token(deployment, number, block) != token:
        raise InvalidInput(problem)
    return number, block
