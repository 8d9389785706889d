"""Looking for secrets where none may be: files, databases and logs, in every encoding we can think of."""

import base64
from collections.abc import Mapping
from pathlib import Path

BLOCK = 2**20


def encodings(secrets: Mapping[str, bytes]) -> dict[str, bytes]:
    """Each secret as it might have been written: raw, hexadecimal, base64, decimal, and words."""
    found: dict[str, bytes] = {}
    for name, secret in secrets.items():
        found[f"{name} raw"] = secret
        found[f"{name} hex"] = secret.hex().encode()
        found[f"{name} HEX"] = secret.hex().upper().encode()
        found[f"{name} reversed"] = secret[::-1]
        for offset in range(3):
            # base64 depends on where in a group of three the secret begins; the middle is the same in all texts
            encoded = base64.b64encode(bytes(offset) + secret)
            found[f"{name} base64+{offset}"] = encoded[4:-4]
            found[f"{name} base64url+{offset}"] = base64.urlsafe_b64encode(bytes(offset) + secret)[4:-4]
        if len(secret) == 32:
            found[f"{name} decimal"] = str(int.from_bytes(secret)).encode()
        words = secret.split(b" ")
        if len(words) > 8:
            found[f"{name} half"] = b" ".join(words[: len(words) // 2])
            found[f"{name} list"] = b'", "'.join(words[:6])
    return found


def search(folder: Path, patterns: Mapping[str, bytes]) -> list[str]:
    """Which pattern is in which file below a folder: ``["words hex in volens.db"]``; empty when none is.

    Raises:
        NotADirectoryError: there is no such folder, so finding nothing would mean nothing.
    """
    if not folder.is_dir():
        raise NotADirectoryError(folder)
    hits = []
    longest = max(len(pattern) for pattern in patterns.values())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        tail = b""
        names: set[str] = set()
        with path.open("rb") as file:
            while chunk := file.read(BLOCK):
                window = tail + chunk
                names |= {name for name, pattern in patterns.items() if pattern in window}
                tail = window[-longest:]
        hits += [f"{name} in {path.relative_to(folder)}" for name in sorted(names)]
    return hits
