"""Who is counted, how much is allowed, and that withdrawals share nothing with anything else."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.limits import BURST, Buckets, Limits, client_address, networks
from ledger.errors import InvalidInput, TooManyRequests

OUR_PROXY = networks("10.0.0.0/8")


class Hands:
    """A clock that is moved by hand."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def limits(clock, **changes):
    given = {"per_address": 1, "per_party": 1, "signatures": 1, "withdrawals": 1, "heavy": 1, "proxies": ""} | changes
    return Limits(**given, clock=clock)


def scope(path, client="192.0.2.1", method="POST", **headers):
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"path": path, "method": method, "client": (client, 1), "headers": encoded}


def refused(act):
    with pytest.raises(TooManyRequests) as caught:
        act()
    return caught.value


@given(
    st.floats(0.5, 50),
    st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_no_more_is_let_through_than_burst_and_rate_allow(rate, waits):
    clock, allowed = Hands(), 0
    buckets = Buckets(rate, clock)
    for wait in waits:
        clock.now += wait
        try:
            buckets.take("a")
            allowed += 1
        except TooManyRequests:
            pass
    assert allowed <= max(rate * BURST, 1) + rate * clock.now + 1e-6


def test_it_says_when_there_is_room_again():
    clock = Hands()
    buckets = Buckets(0.5, clock)
    for _ in range(5):
        buckets.take("a")
    error = refused(lambda: buckets.take("a"))
    clock.now += error.retry_after
    buckets.take("a")
    buckets.take("another")


def test_the_memory_for_addresses_is_bounded(monkeypatch):
    monkeypatch.setattr("api.limits.MAX_KEYS", 3)
    buckets = Buckets(1, Hands())
    for name in "abcdef":
        buckets.take(name)
    assert list(buckets._left) == ["d", "e", "f"]


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "expected"),
    [
        ("192.0.2.1", "203.0.113.9", (), "192.0.2.1"),
        ("192.0.2.1", "203.0.113.9", OUR_PROXY, "192.0.2.1"),
        ("10.1.2.3", "203.0.113.9", OUR_PROXY, "203.0.113.9"),
        ("10.1.2.3", "1.1.1.1, 203.0.113.9, 10.9.9.9", OUR_PROXY, "203.0.113.9"),
        ("10.1.2.3", "", OUR_PROXY, "10.1.2.3"),
        ("10.1.2.3", "nonsense", OUR_PROXY, "nonsense"),
        ("2001:db8:1:2:3:4:5:6", "", (), "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", (), "192.0.2.1"),
        ("testclient", "", OUR_PROXY, "testclient"),
    ],
)
def test_the_address_is_the_one_that_cannot_be_made_up(peer, forwarded, trusted, expected):
    assert client_address(peer, forwarded, trusted) == expected


def test_forged_headers_do_not_get_a_stranger_more():
    counted = limits(Hands())
    for number in range(BURST):
        counted.address(scope("/v1/parties", x_forwarded_for=f"203.0.113.{number}"))
    refused(lambda: counted.address(scope("/v1/parties", x_forwarded_for="203.0.113.99")))


def test_nothing_else_drains_the_bucket_of_withdrawals():
    clock = Hands()
    counted = limits(clock)
    for path in ("/v1/parties", "/v1/consents", "/v1/auth/nonce"):
        for _ in range(50):
            with suppress(TooManyRequests):
                counted.address(scope(path))
    refused(lambda: counted.address(scope("/v1/auth/nonce")))
    for path in ("/v1/revocations", "/v1/revocations/all", "/v1/suspensions", "/v1/closures") * 2:
        counted.address(scope(path))


def test_signatures_have_a_bucket_of_their_own_that_is_looked_at_before_they_are_checked():
    counted = limits(Hands(), per_address=100, signatures=0.2)
    counted.address(scope("/v1/releases"))
    counted.address(scope("/v1/auth/verify"))
    refused(lambda: counted.address(scope("/v1/consents")))
    counted.address(scope("/v1/parties", method="GET"))


def test_liveness_and_metrics_are_never_refused():
    counted = limits(Hands(), per_address=0.1)
    for _ in range(30):
        counted.address(scope("/healthz", method="GET"))
        counted.address(scope("/metrics", method="GET"))


def test_only_so_many_heavy_requests_at_once():
    counted = limits(Hands())

    def enter():
        with counted.heavy():
            refused(lambda: counted.heavy().__enter__())
            raise KeyError("whatever goes wrong")

    for _ in range(2):  # the place is given back
        with pytest.raises(KeyError):
            enter()


def test_networks_that_are_none_are_refused():
    with pytest.raises(InvalidInput, match="must be networks"):
        networks("10.0.0.0/8, everybody")


def test_streams_to_a_socket_without_an_address_are_all_counted():
    own = limits(Hands())
    for number in range(3):
        own.listen(f"0x{number}", "")
    own.leave("0x0", "")
    assert own._streams == {"0x1": 1, "0x2": 1, "": 2}
