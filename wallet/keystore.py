"""A secret of 32 bytes in a file, under a passphrase: Web3 Secret Storage, version 3.

Two kinds of secret, told apart so that no program takes one for the other:

* ``words``: the 256-bit entropy of a patient's 24 words (`wallet.keys.words_to_entropy`). The file has no
  ``address``: it is not an account.
* ``key``: the private key of a party. Any Ethereum wallet opens it.

The format (scrypt, AES-128-CTR, Keccak MAC) comes from eth-keyfile. What it would accept unchecked, cost
parameters above all, is bounded here before any work is done: a keystore is a file from anywhere.
"""

import contextlib
import os
import re
import tempfile
import unicodedata
from pathlib import Path
from typing import Any, Literal

from eth_keyfile.keyfile import create_keyfile_json, decode_keyfile_json

from ledger.errors import Conflict, InvalidFile, InvalidInput, Refused
from wallet.keys import SigningKey

Kind = Literal["words", "key"]

MIN_PASSPHRASE = 8
MAX_PASSPHRASE = 1024
MAX_SCRYPT_N = 2**20
MAX_SCRYPT_R = 8
MAX_SCRYPT_P = 8
MAX_SCRYPT_BLOCKS = MAX_SCRYPT_N * MAX_SCRYPT_R
"""Largest n·r·p: 1 GiB of memory (128·n·r bytes) and a few seconds."""
MAX_PBKDF2_ROUNDS = 10_000_000

_HEX = re.compile(r"(?:0x)?((?:[0-9a-fA-F]{2})+)")


def lock(secret: bytes, passphrase: str, kind: Kind, n: int = 2**18) -> dict[str, Any]:
    """Encrypt a secret under a passphrase.

    Args:
        secret: 32 bytes: the entropy of 24 words, or a private key.
        passphrase: at least 8 characters; Unicode form NFKD is what counts, as in ERC-2335.
        kind: ``words`` or ``key``.
        n: scrypt's cost, a power of two from 2^12 to 2^20. The default takes about a second and 256 MiB; less
            is for tests.

    Returns:
        The keystore, ready for JSON.

    Raises:
        InvalidInput: the secret, passphrase, kind or cost is not acceptable.
    """
    if kind not in ("words", "key"):
        raise InvalidInput("The kind of a keystore must be words or key.")
    if len(passphrase) < MIN_PASSPHRASE:
        raise InvalidInput(f"The passphrase must have at least {MIN_PASSPHRASE} characters.")
    password = _password(passphrase)
    if type(n) is not int or not _power_of_two(n, 2**12, MAX_SCRYPT_N):
        raise InvalidInput("The cost n must be a power of two from 2^12 to 2^20.")
    try:
        address = SigningKey.from_secret(secret).address
    except InvalidInput:
        raise InvalidInput("The secret must be 32 bytes that could be a private key.") from None
    keystore: dict[str, Any] = create_keyfile_json(secret, password, kdf="scrypt", iterations=n)
    del keystore["address"]
    return {"volens": {"kind": kind}, **({"address": address[2:].lower()} if kind == "key" else {}), **keystore}


def unlock(keystore: object, passphrase: str) -> tuple[Kind, bytes]:
    """Decrypt a keystore: one of ours, or a version 3 account file of another wallet (kind ``key``).

    Args:
        keystore: parsed JSON.
        passphrase: what it was locked with.

    Returns:
        The kind and the 32-byte secret.

    Raises:
        InvalidFile: not such a keystore, or one whose cost would exhaust the machine.
        Refused: wrong passphrase.
    """
    kind, address, crypto = _read(keystore)
    password = _password(passphrase)
    try:
        secret: bytes = decode_keyfile_json({"version": 3, "crypto": crypto}, password)
    except ValueError:  # the MAC; everything else was checked
        raise Refused("The passphrase is wrong, or the keystore was changed.") from None
    try:
        own = SigningKey.from_secret(secret).address
    except InvalidInput:
        raise InvalidFile("The keystore does not hold a usable secret.") from None
    # The MAC does not cover the kind. The address does: it cannot be written without knowing the secret.
    if kind == "key" and address != own.lower()[2:]:
        raise InvalidFile("The address in the keystore is not that of its key.")
    return kind, secret


def _password(passphrase: str) -> bytes:
    try:
        password = unicodedata.normalize("NFKD", passphrase).encode()
    except UnicodeEncodeError:
        raise InvalidInput("The passphrase is not valid Unicode.") from None
    if len(password) > MAX_PASSPHRASE:
        raise InvalidInput(f"The passphrase must not be longer than {MAX_PASSPHRASE} bytes.")
    return password


def _power_of_two(value: int, least: int, largest: int) -> bool:
    return least <= value <= largest and value & (value - 1) == 0


# --------------------------------------------------------------------------- reading a file from anywhere


def _read(keystore: object) -> tuple[Kind, str | None, dict[str, Any]]:
    """Kind, address (40 lower-case hex digits) and a ``crypto`` object rebuilt from checked values only."""
    top = _object(keystore, "keystore")
    if type(top.get("version")) is not int or top["version"] != 3:
        raise InvalidFile("The keystore must be of version 3 (Web3 Secret Storage).")
    kind = _kind(top)
    address: str | None = None
    if kind == "key":
        address = _hex(top, "address", 20, 20)
    crypto = _object(top.get("crypto"), "crypto")
    if crypto.get("cipher") != "aes-128-ctr":
        raise InvalidFile("The keystore's cipher must be aes-128-ctr.")
    return (
        kind,
        address,
        {
            "cipher": "aes-128-ctr",
            "cipherparams": {"iv": _hex(_object(crypto.get("cipherparams"), "cipherparams"), "iv", 16, 16)},
            "ciphertext": _hex(crypto, "ciphertext", 32, 32),
            "mac": _hex(crypto, "mac", 32, 32),
            **_kdf(crypto),
        },
    )


def _kind(top: dict[str, Any]) -> Kind:
    if "volens" not in top:
        return "key"
    match _object(top["volens"], "volens").get("kind"):
        case "key":
            return "key"
        case "words" if "address" not in top:
            return "words"
        case _:
            raise InvalidFile("The keystore's kind must be words (then it has no address) or key.")


def _kdf(crypto: dict[str, Any]) -> dict[str, Any]:
    given = _object(crypto.get("kdfparams"), "kdfparams")
    if given.get("dklen") != 32:
        raise InvalidFile("The keystore's derived key must have 32 bytes (dklen).")
    common = {"dklen": 32, "salt": _hex(given, "salt", 1, 64)}
    match crypto.get("kdf"):
        case "scrypt":
            n = _number(given, "n", MAX_SCRYPT_N)
            r, p = _number(given, "r", MAX_SCRYPT_R), _number(given, "p", MAX_SCRYPT_P)
            if not _power_of_two(n, 2, MAX_SCRYPT_N) or n * r * p > MAX_SCRYPT_BLOCKS:
                raise InvalidFile("The keystore's scrypt cost must be a power of two and need at most 1 GiB.")
            return {"kdf": "scrypt", "kdfparams": {**common, "n": n, "r": r, "p": p}}
        case "pbkdf2":
            if given.get("prf") != "hmac-sha256":
                raise InvalidFile("The keystore's prf must be hmac-sha256.")
            rounds = _number(given, "c", MAX_PBKDF2_ROUNDS)
            return {"kdf": "pbkdf2", "kdfparams": {**common, "prf": "hmac-sha256", "c": rounds}}
        case _:
            raise InvalidFile("The keystore's kdf must be scrypt or pbkdf2.")


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InvalidFile(f"The {name} of the keystore must be an object." if name != "keystore" else _NOT_ONE)
    # Some wallets write "Crypto": names are read without regard to case, but never two of one name.
    lowered = {str(key).lower(): entry for key, entry in value.items()}
    if len(lowered) != len(value):
        raise InvalidFile(f"The {name} of the keystore says the same thing twice.")
    return lowered


_NOT_ONE = "The file is not a keystore (Web3 Secret Storage, version 3)."


def _hex(values: dict[str, Any], name: str, least: int, most: int) -> str:
    value = values.get(name)
    match = _HEX.fullmatch(value) if isinstance(value, str) else None
    if match is None or not 2 * least <= len(match[1]) <= 2 * most:
        size = f"{least}" if least == most else f"{least} to {most}"
        raise InvalidFile(f"The keystore's {name} must be {size} bytes in hexadecimal.")
    return match[1].lower()


def _number(values: dict[str, Any], name: str, largest: int) -> int:
    value = values.get(name)
    if type(value) is not int or not 1 <= value <= largest:
        raise InvalidFile(f"The keystore's {name} must be a whole number from 1 to {largest}.")
    return value


# ------------------------------------------------------------------------------------------------- the file


def write_private(path: Path | str, content: str | bytes, overwrite: bool = False) -> None:
    """Write a file only its owner can read (0600), whole or not at all.

    Written under a temporary name beside it, synced, then put in place; after a crash there is the old file or
    the new one.

    Args:
        path: where; the directory must exist.
        content: what; text is written as UTF-8.
        overwrite: whether a file already there may be replaced.

    Raises:
        Conflict: there is a file and `overwrite` is false.
        OSError: it cannot be written.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp creates with 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            # Unlike a rename, a link fails when the name is taken, without a moment between asking and acting.
            os.link(temporary, path)
        _sync_directory(path.parent)
    except FileExistsError:
        raise Conflict("There is already a file of that name; it was left as it is.") from None
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
