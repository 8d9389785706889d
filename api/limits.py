"""How much one address or one party may ask for: token buckets, and the classes of requests that have their own."""

import ipaddress
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ledger.errors import InvalidInput, TooManyRequests
from ledger.model import Address

BURST = 10
"""Seconds' worth of requests that may come at once."""
MAX_KEYS = 50_000
"""Buckets kept at a time; the one that was used longest ago makes room."""
WITHDRAWALS = ("/v1/revocations", "/v1/revocations/all", "/v1/suspensions", "/v1/closures", "/v1/delegations")
"""What takes permission away has a bucket that nothing else drains."""
SIGNED = (
    "/v1/auth/",
    "/v1/invitations/",
    "/v1/consents",
    "/v1/cohorts",
    "/v1/releases",
    "/v1/approvals",
)
"""Where a signature of anybody's is checked, which costs more than most answers."""
STREAMS = 4
"""Streams of changes that one party may have open,"""
ADDRESS_STREAMS = 40
"""all parties that one address signs in for, since keys cost nothing, and"""
ALL_STREAMS = 200
"""all together, of one process."""
_FREE = ("/healthz", "/metrics")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks(value: str) -> tuple[Network, ...]:
    """The networks in a list such as ``10.0.0.0/8, ::1``.

    Raises:
        InvalidInput: one of them is none.
    """
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip())
    except ValueError:
        raise InvalidInput("Trusted proxies must be networks such as 10.0.0.0/8, separated by commas.") from None


def client_address(peer: str, forwarded: str, trusted: Iterable[Network]) -> str:
    """Who sent a request.

    Args:
        peer: the address of the connection.
        forwarded: the X-Forwarded-For header, which anybody can write: it counts only as far as trusted proxies
            wrote it, so from its end, and only when the peer is one of them.
        trusted: the networks of our own proxies.

    Returns:
        An IPv4 address, or the /64 an IPv6 address belongs to, which is what one customer of a network has.
    """
    hops, found = [hop.strip() for hop in forwarded.split(",") if hop.strip()], peer
    while hops and _within(found, trusted):
        found = hops.pop()
    return _customer(found[:64])


@lru_cache(maxsize=4096)
def _customer(found: str) -> str:
    try:
        address = ipaddress.ip_address(found)
    except ValueError:
        return found  # of a socket that has no address
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network(f"{address}/64", strict=False))
    return str(address)


def _within(value: str, trusted: Iterable[Network]) -> bool:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return any(address in network for network in trusted if network.version == address.version)


class Buckets:
    """Token buckets by key, for several threads.

    Args:
        rate: tokens a second; 0 for no limit. `BURST` seconds' worth may be taken at once.
        clock: seconds that only ever grow.
    """

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._size, self._clock = rate, max(rate * BURST, 1.0), clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> None:
        """Take one token.

        Raises:
            TooManyRequests: there is none; says in how many seconds there will be.
        """
        if not self._rate:
            return
        with self._lock:
            now = self._clock()
            left, at = self._left.get(key, (self._size, now))
            left = min(self._size, left + (now - at) * self._rate)
            allowed = left >= 1
            self._left[key] = (left - 1 if allowed else left, now)
            self._left.move_to_end(key)
            if len(self._left) > MAX_KEYS:
                self._left.popitem(last=False)
        if not allowed:
            raise TooManyRequests("Too many requests. Wait a little, then ask again.", (1 - left) / self._rate)


class Limits:
    """The limits of one process. Withdrawals share nothing with anything else.

    Args:
        per_address, per_party, signatures, withdrawals: requests a second; 0 for no limit.
        heavy: how many heavy requests are worked on at once; 0 for no limit.
        proxies: see `networks`.
        clock: seconds that only ever grow.
    """

    def __init__(
        self,
        *,
        per_address: float,
        per_party: float,
        signatures: float,
        withdrawals: float,
        heavy: int,
        proxies: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses, self._parties = Buckets(per_address, clock), Buckets(per_party, clock)
        self._signatures, self._withdrawals = Buckets(signatures, clock), Buckets(withdrawals, clock)
        self._streams: Counter[str] = Counter()
        self._listening = threading.Lock()
        self._heavy, self._working, self._trusted = heavy, 0, networks(proxies)

    def address(self, scope: Mapping[str, Any]) -> None:
        """Count a request against the address it comes from, before anything of it is read.

        Raises:
            TooManyRequests: its bucket is empty.
        """
        path = scope["path"]
        if path in _FREE:
            return
        client = self.client(scope)
        if path in WITHDRAWALS:
            self._withdrawals.take(client)
            return
        self._addresses.take(client)
        if scope["method"] == "POST" and path.startswith(SIGNED):
            self._signatures.take(client)

    def client(self, scope: Mapping[str, Any]) -> str:
        """Which address a request comes from; see `client_address`."""
        headers = (value for name, value in scope["headers"] if name == b"x-forwarded-for")
        forwarded = b",".join(headers).decode("latin-1")
        return client_address((scope.get("client") or ("",))[0], forwarded, self._trusted)

    def party(self, address: Address) -> None:
        """Count a request against the party that signed in for it.

        Raises:
            TooManyRequests: its bucket is empty.
        """
        self._parties.take(address)

    @contextmanager
    def heavy(self) -> Iterator[None]:
        """Hold a place among what reads whole files, checks proofs, wraps keys or decides about many.

        Used from one thread, the event loop's, when all of the request is here: whoever sends one slowly holds none.

        Raises:
            TooManyRequests: none is free.
        """
        if self._heavy and self._working >= self._heavy:
            raise TooManyRequests("Too much is being worked on. Wait a little, then ask again.", 1)
        self._working += 1
        try:
            yield
        finally:
            self._working -= 1

    def listen(self, party: Address, client: str) -> None:
        """Take a place for a stream of changes, to be given back with `leave`.

        Args:
            client: the address it goes to, see `client`.

        Raises:
            TooManyRequests: the party has too many, or its address, or all have.
        """
        most = {party: STREAMS, client: ADDRESS_STREAMS, "": ALL_STREAMS}
        with self._listening:
            if any(self._streams[key] >= many for key, many in most.items()):
                raise TooManyRequests("Too many streams are open. Close one, or ask GET /v1/changes.", 5)
            self._streams.update(most.keys())

    def leave(self, party: Address, client: str) -> None:
        """A stream has ended."""
        with self._listening:
            # A socket without an address is "", too. What has come to nothing is forgotten.
            self._streams -= Counter({party, client, ""})
