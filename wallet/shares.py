"""The words of a wallet split among guardians: SLIP-0039 shares, through its reference implementation.

What is shared is the entropy of the wallet's words, in one group of `threshold` out of `count`, without a passphrase
(one more thing to lose for ever). The page makes and reads the same shares. Rare and offline: the arithmetic underneath
does not try to take the same time for every secret.
"""

from collections.abc import Sequence

from shamir_mnemonic import MnemonicError, combine_mnemonics, generate_mnemonics
from shamir_mnemonic.share import Share

from ledger.errors import InvalidInput

MAX_SHARES = 16
_SIZES = {16: 20, 32: 33}
"""Bytes of entropy, and how many words a share of it has."""
_MAX_EXPONENT = 4
"""The largest iteration exponent we read: a share is from anywhere, and each step doubles the work."""


def make(entropy: bytes, threshold: int, count: int) -> tuple[str, ...]:
    """Split the entropy of words into shares, any `threshold` of which give it back and fewer of which say nothing.

    Args:
        entropy: 32 bytes (33 words a share) or 16 (20 words), see `wallet.keys.words_to_entropy`.
        threshold: 2 to `count`.
        count: 2 to 16.

    Raises:
        InvalidInput: one of them is out of range.
    """
    if not isinstance(entropy, bytes) or len(entropy) not in _SIZES:
        raise InvalidInput("The entropy of words must be 32 or 16 bytes.")
    if type(threshold) is not int or type(count) is not int or not 2 <= threshold <= count <= MAX_SHARES:
        raise InvalidInput(f"There must be 2 to {MAX_SHARES} shares, and at least 2 of them needed.")
    return tuple(generate_mnemonics(1, [(threshold, count)], entropy)[0])


def restore(shares: Sequence[str]) -> bytes:
    """The entropy of words from shares; more than needed are welcome.

    Raises:
        InvalidInput: there are too few, they are of different sets, one is mistyped or a forgery. No word is repeated.
    """
    read = {share.index: share for share in map(_read, shares)}
    if not read:
        raise InvalidInput("There is no share.")
    first = next(iter(read.values()))
    for share in map(_read, shares):
        if share.group_parameters() != first.group_parameters() or len(share.value) != len(first.value):
            raise InvalidInput("These shares do not belong together.")
    if len(read) < first.member_threshold:
        raise InvalidInput(f"{first.member_threshold} different shares are needed; these are {len(read)}.")
    chosen = [share.mnemonic() for share in list(read.values())[: first.member_threshold]]
    try:
        entropy: bytes = combine_mnemonics(chosen)
    except MnemonicError:
        raise InvalidInput("One of these shares is not of this set, although it looks so.") from None
    return entropy


def _read(words: str) -> Share:
    found = words.lower().split()
    if len(found) not in _SIZES.values():
        raise InvalidInput(f"A share has 33 words (or 20); these are {len(found)}.")
    try:
        share = Share.from_mnemonic(" ".join(found))
    except MnemonicError:
        raise InvalidInput("A word of a share is unknown, or its checksum is wrong; was it mistyped?") from None
    if share.iteration_exponent > _MAX_EXPONENT:
        raise InvalidInput("This share asks for more work than is done for one.")
    if share.group_threshold != 1:
        raise InvalidInput("This share is of a set that needs several groups; this wallet makes none.")
    return share
