"""The vault on files: sealed bytes under the SHA-256 of what they are, in folders of 256."""

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from ledger.errors import InvalidFile, NotFound, Unavailable
from ledger.model import Hash

_SETTLED = 1_000_000_000
"""Nanoseconds after which the next change of a file is sure to have another time; a tick is a few milliseconds."""


class FileVault:
    """The port `Vault` in a directory.

    Args:
        root: created if it does not exist, readable by this user only.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(parents=True, exist_ok=True, mode=0o700)

    def put(self, content: Iterable[bytes], limit: int) -> tuple[Hash, int]:
        """Store sealed bytes durably: written aside, synced, then renamed into place."""
        digest, size = hashlib.sha256(), 0
        try:
            with tempfile.NamedTemporaryFile(dir=self._root, prefix="incoming-", delete=False) as file:
                try:
                    for chunk in content:
                        size += len(chunk)
                        _require(size <= limit, limit)
                        digest.update(chunk)
                        file.write(chunk)
                    file.flush()
                    os.fsync(file.fileno())
                    name = Hash("0x" + digest.hexdigest())
                    place = self._place(name)
                    place.parent.mkdir(exist_ok=True, mode=0o700)
                    Path(file.name).replace(place)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
            for folder in (place.parent, self._root):
                handle = os.open(folder, os.O_RDONLY)
                try:
                    os.fsync(handle)
                finally:
                    os.close(handle)
        except OSError as error:
            raise Unavailable("The vault cannot store the file.") from error
        return name, size

    def open(self, digest: Hash) -> BinaryIO:
        """A seekable reader over stored bytes."""
        try:
            return self._place(digest).open("rb")
        except FileNotFoundError:
            raise NotFound("There are no such sealed bytes.") from None

    def fingerprint(self, digest: Hash) -> str | None:
        """Which file it is and when it last changed; None of one that changed just now."""
        try:
            found = self._place(digest).stat()
        except FileNotFoundError:
            raise NotFound("There are no such sealed bytes.") from None
        except OSError as error:
            raise Unavailable("The vault cannot be read.") from error
        # Two changes within one tick of the file system's clock look like one.
        if time.time_ns() - found.st_ctime_ns < _SETTLED:
            return None
        return f"{found.st_dev}.{found.st_ino}.{found.st_size}.{found.st_mtime_ns}.{found.st_ctime_ns}"

    def remove(self, digest: Hash) -> None:
        """Delete stored bytes."""
        try:
            self._place(digest).unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable("The vault cannot delete the file.") from error

    def _place(self, digest: Hash) -> Path:
        return self._root / digest[2:4] / digest[2:]


def _require(fits: bool, limit: int) -> None:
    if not fits:
        raise InvalidFile(f"A sealed item must not be larger than {limit} bytes.")
