"""Shares of a wallet's words: enough of them give the words back, fewer say nothing, a wrong one is noticed."""

import json
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import InvalidInput
from wallet.shares import make, restore

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "slip39.json").read_text())
SECRET = bytes(range(32))
SETS = [*VECTORS["python"], *VECTORS["page"], VECTORS["older"]]


@pytest.mark.parametrize("case", SETS)
def test_enough_of_the_shared_sets_give_the_entropy_back(case):
    for some in combinations(case["shares"], case["threshold"]):
        assert restore(some).hex() == case["entropy"]
    assert restore(case["shares"]).hex() == case["entropy"]
    with pytest.raises(InvalidInput, match="are needed"):
        restore(case["shares"][: case["threshold"] - 1])


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 6), st.integers(0, 4), st.sampled_from([16, 32]), st.randoms())
def test_any_enough_shares_do(threshold, more, size, random):
    entropy = random.randbytes(size)
    shares = make(entropy, threshold, threshold + more)
    assert restore(random.sample(shares, threshold)) == entropy


@pytest.mark.parametrize(("threshold", "count"), [(1, 3), (1, 1), (3, 2), (2, 17), (0, 0), (2.0, 3)])
def test_other_numbers_are_refused(threshold, count):
    with pytest.raises(InvalidInput):
        make(SECRET, threshold, count)


@pytest.mark.parametrize("entropy", [b"", bytes(31), bytes(33), "x" * 32])
def test_other_secrets_are_refused(entropy):
    with pytest.raises(InvalidInput):
        make(entropy, 2, 3)


def swap(share):
    words = share.split()
    words[5], words[6] = words[6], words[5]
    return " ".join(words)


@pytest.mark.parametrize(
    "change",
    [
        swap,
        lambda share: share.rsplit(" ", 1)[0],
        lambda share: share.replace(share.split()[7], "xylophone"),
        lambda _: "",
    ],
)
def test_a_mistyped_share_is_noticed_and_not_repeated(change):
    shares = make(SECRET, 2, 3)
    with pytest.raises(InvalidInput) as error:
        restore([change(shares[0]), shares[1]])
    assert not set(shares[0].split()) & set(str(error.value).split())


def test_shares_in_any_case_and_spacing_are_read_and_one_given_twice_counts_once():
    shares = make(SECRET, 2, 3)
    assert restore([f" {shares[0].upper()}\n", shares[1].replace(" ", "\n  ")]) == SECRET
    with pytest.raises(InvalidInput, match="different shares"):
        restore([shares[0], shares[0]])


def test_shares_of_two_sets_and_forgeries_are_refused():
    one, other = make(SECRET, 2, 3), make(SECRET, 2, 3)
    with pytest.raises(InvalidInput, match="belong together"):
        restore([one[0], other[1]])
    with pytest.raises(InvalidInput, match="no share"):
        restore([])
    with pytest.raises(InvalidInput, match="groups"):
        restore(VECTORS["groups"]["shares"])
    with pytest.raises(InvalidInput, match="looks so"):
        restore(VECTORS["forged"])
    with pytest.raises(InvalidInput, match="more work"):
        restore(VECTORS["costly"])
    with pytest.raises(InvalidInput):
        restore(VECTORS["padded"])
