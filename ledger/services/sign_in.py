"""Sign-In with Ethereum: a nonce, a signed message, a short bearer token."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from ledger import siwe
from ledger.deployment import Deployment
from ledger.errors import BadSignature, NotAuthorised, Refused
from ledger.model import Address
from ledger.ports import Chain, Store, Transaction
from ledger.services.places import ASKED_AT_ONCE, asking
from ledger.services.records import token_hash

NONCE_LIFE = 300
TOKEN_LIFE = 900


@dataclass(frozen=True)
class Token:
    """A bearer token and how many seconds it lasts."""

    value: str
    expires_in: int


class SignIns:
    """Who is asking.

    Args:
        public_url: the address under which clients reach the service; sign-in messages must name it.
    """

    def __init__(
        self, store: Store, chain: Chain, deployment: Deployment, clock: Callable[[], int], public_url: str
    ) -> None:
        self._store, self._chain, self._deployment, self._clock = store, chain, deployment, clock
        self._url = public_url.rstrip("/")
        self._places = threading.BoundedSemaphore(ASKED_AT_ONCE)
        self._found: tuple[int, dict[str, Address]] = 0, {}
        self._domain = urlsplit(public_url).netloc

    def nonce(self) -> tuple[str, int]:
        """A fresh nonce and when it expires."""
        now = self._clock()
        nonce, expires_at = secrets.token_hex(16), now + NONCE_LIFE
        with self._store.begin() as tx:
            tx.add_nonce(nonce, expires_at, now)
        return nonce, expires_at

    def prove(self, text: str, signature: bytes, path: str = "") -> siwe.SignIn:
        """Check a signed message and use its nonce up.

        The account's own key may sign, or its code may say that it did (ERC-1271). Code is asked last, and only for a
        nonce of ours, which is used up before: each question to the node costs whoever asks it a nonce.

        Args:
            path: what the message is for, below the service's URL. A message for one thing is good for no other.

        Raises:
            Refused and its kin: see `siwe.check`; BadSignature: signed by somebody else; or the nonce is not ours, used
                or expired.
            LedgerUnavailable, TooManyRequests: an account's code is to be asked, and cannot be now.
        """
        now, chain_id = self._clock(), self._deployment.chain_id
        message = siwe.check(text, domain=self._domain, uri=self._url + path, chain_id=chain_id, at=now)
        by_key = siwe.signed_by_key(text, signature, message.address)
        with self._store.begin() as tx:
            if not tx.use_nonce(message.nonce, now):
                raise Refused("The sign-in nonce is unknown, used or expired. Ask for a new one.")
        if not by_key:
            with asking(self._places):
                by_key = self._chain.contract_signed(message.address, siwe.personal_digest(text), signature)
        if not by_key:
            raise BadSignature("The sign-in message was signed by another key. Ask for a new nonce and sign again.")
        return message

    def sign_in(self, text: str, signature: bytes) -> Token:
        """Trade a signed message for a bearer token bound to its address."""
        message = self.prove(text, signature)
        token = secrets.token_urlsafe(32)
        with self._store.begin() as tx:
            tx.add_token(token_hash(token), message.address, self._clock() + TOKEN_LIFE)
        return Token(token, TOKEN_LIFE)

    def who(self, token: str) -> Address:
        """The address behind a bearer token.

        Raises:
            NotAuthorised: unknown or expired.
        """
        with self._store.begin() as tx:
            return self.known(tx, token)

    def known(self, tx: Transaction, token: str) -> Address:
        """The same within a unit of work."""
        now, name = self._clock(), token_hash(token)
        second, found = self._found
        if second != now:  # within one second the store would say the same: tokens are only ever added
            found = {}
            self._found = now, found
        address = found.get(name) or tx.token_address(name, now)
        if address is None:
            raise NotAuthorised("The token is unknown or has expired. Sign in again.", "not_signed_in")
        found[name] = address
        return address
