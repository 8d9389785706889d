"""Looking for a key in whatever somebody may have left behind, in any spelling a program might give it."""

import base64
import hashlib
import hmac
import re

from wallet.keys import (
    _MNEMONIC,
    ENCRYPTION_PATH,
    SIGNING_PATH,
    VAULT_PATH,
    PatientKeys,
    encryption_seed,
    words_to_entropy,
)

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Traces:
    """Everything that follows from 24 words, ready to be looked for."""

    def __init__(self, words: str) -> None:
        self._words = words.split()
        keys = PatientKeys.from_words(words)
        seed = _MNEMONIC.to_seed(words)
        master = hmac.digest(b"Bitcoin seed", seed, hashlib.sha512)  # BIP-32
        extended = bytes.fromhex("0488ADE4") + bytes(9) + master[32:] + b"\0" + master[:32]
        secrets = [words_to_entropy(words), seed, seed[:32], master, master[:32], keys.vault_key().reveal()]
        secrets.append(keys._derive(VAULT_PATH))
        for index in range(3):
            secrets += [keys._derive(path.format(index=index)) for path in (SIGNING_PATH, ENCRYPTION_PATH)]
            secrets.append(encryption_seed(keys, index).reveal())
        texts = {base58check(extended)} | {text for secret in secrets for text in spellings(secret)}
        numbers = [_MNEMONIC.wordlist.index(word) for word in self._words]
        for first in (0, 1):
            counted = [str(number + first) for number in numbers]
            texts |= {between.join(counted) for between in (" ", ",", ", ", "\n", "-", ";")}
            texts.add("".join(number.zfill(4) for number in counted))
        self._raw = {form for secret in secrets for form in (secret, secret[::-1])}
        self._texts = {text.lower().encode() for text in texts} | {"".join(self._words).encode()}

    def found(self, data: bytes) -> bool:
        """Whether something of it is in there: a secret in any spelling, or five words in a row, near each other."""
        narrow = data.replace(b"\0", b"").lower()  # UTF-16 and UTF-32, either way around
        close = b"".join(narrow.split())
        return (
            any(form in data for form in self._raw)
            or any(text in narrow or text in close for text in self._texts)
            or self._row(narrow.decode("latin-1"))
        )

    def _row(self, text: str) -> bool:
        there = [word in text for word in self._words]
        return any(
            all(there[at : at + 5])
            and re.search(r"\b" + r"\b.{1,99}?\b".join(self._words[at : at + 5]) + r"\b", text, re.DOTALL)
            for at in range(len(there) - 4)
        )


def spellings(secret: bytes) -> set[str]:
    """A secret as text: hexadecimal, a decimal number, base 32, 58, 64, and a list of numbers."""
    number = int.from_bytes(secret)
    listed = [str(byte) for byte in secret]
    # In the middle of other bytes base 64 comes out in three ways; what its neighbours change is left out.
    shifted = [base64.b64encode(bytes(shift) + secret).decode()[4 if shift else 0 : -4] for shift in range(3)]
    safe = [text.translate(str.maketrans("+/", "-_")) for text in shifted]
    colons = ":".join(f"{byte:02x}" for byte in secret)
    return {
        secret.hex(), secret[::-1].hex(), str(number), base58(secret), base64.b32encode(secret).decode().rstrip("="),
        colons, ",".join(listed), ", ".join(listed), " ".join(listed), *shifted, *safe,
    }  # fmt: skip


def base58(data: bytes) -> str:
    number, text = int.from_bytes(data), ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return text


def base58check(data: bytes) -> str:
    return base58(data + hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4])
