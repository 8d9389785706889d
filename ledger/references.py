"""References: short codes that name (record, recipient) to the outside, and cannot be guessed."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without the letters that are taken for digits, or for each other."""
LENGTH = 20
"""Characters: 100 bits."""
GROUP = 5
_READ_AS = str.maketrans("OIL", "011", "- ")


def read_reference(text: str) -> str | None:
    """The code in what somebody typed or scanned, as it is kept; None when it cannot be one.

    Capitals, hyphens and spaces do not matter, and O, I and L are read as the digits they are taken for.
    """
    if len(text) > 2 * LENGTH or not text.isascii():
        return None
    code = text.upper().translate(_READ_AS)
    return code if len(code) == LENGTH and set(code) <= set(ALPHABET) else None


def written(code: str) -> str:
    """A code as it is shown, in groups."""
    return "-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP))
