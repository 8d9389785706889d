"""The vault on object storage that speaks S3: sealed bytes under the SHA-256 of what they are."""

import hashlib
import io
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from ledger.errors import InvalidFile, NotFound, Unavailable
from ledger.model import Hash
from ledger.sealing import Secret

PART = 8 * 2**20
"""Bytes sent or fetched at a time; a few are under way at once, whatever the size of the whole."""
AT_ONCE = 4
SETTLED = timedelta(seconds=2)
"""After which the next change is sure to have another time: S3 tells whole seconds, and clocks differ a little."""
_WAIT: Any = {"connect_timeout": "5s", "timeout": "180s"}
_AGAIN: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=20)}


class ObjectVault:
    """The port `Vault` in a bucket.

    Versioning must be off in the bucket: of a removed object an old version would stay.

    Args:
        bucket, prefix: where the objects are; the prefix is "" or ends in a slash.
        endpoint: URL of the storage; "" for Amazon's in `region`.
        key_id, secret: credentials; without them those of the machine or of AWS_* variables are used.
        spool: a folder on disk where an upload waits until its name is known.

    Raises:
        Unavailable: the bucket is not there or does not let us look.
    """

    def __init__(
        self,
        bucket: str,
        prefix: str,
        spool: Path,
        *,
        endpoint: str = "",
        region: str = "",
        key_id: str = "",
        secret: Secret[str] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        options: dict[str, Any] = {}
        wait: Any = {**_WAIT, "allow_http": endpoint.startswith("http://")}
        if endpoint:
            options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        if region:
            options["region"] = region
        if key_id and secret is not None:
            options |= {"access_key_id": key_id, "secret_access_key": secret.reveal()}
        self._prefix, self._spool, self._now = prefix, spool, now
        try:
            self._store = S3Store(bucket, client_options=wait, retry_config=_AGAIN, **options)
            next(iter(obstore.list(self._store, prefix, chunk_size=1)), None)
        except (BaseError, OSError) as error:
            raise Unavailable(f"The object storage cannot be opened: {type(error).__name__}.") from None

    def put(self, content: Iterable[bytes], limit: int) -> tuple[Hash, int]:
        """Store sealed bytes: they wait on disk until their name is known, then appear under it all at once."""
        digest, size = hashlib.sha256(), 0
        try:
            with tempfile.TemporaryFile(dir=self._spool, prefix="incoming-") as file:
                for chunk in content:
                    size += len(chunk)
                    if size > limit:
                        raise InvalidFile(f"A sealed item must not be larger than {limit} bytes.")
                    digest.update(chunk)
                    file.write(chunk)
                file.seek(0)
                name = Hash("0x" + digest.hexdigest())
                obstore.put(self._store, self._place(name), file, chunk_size=PART, max_concurrency=AT_ONCE)
        except (BaseError, OSError):
            raise Unavailable("The vault cannot store the file.") from None
        return name, size

    def open(self, digest: Hash) -> BinaryIO:
        """A seekable reader over stored bytes, all of one object: one put in its place meanwhile is not mixed in."""
        found = self._head(digest)
        return io.BufferedReader(_Object(self._store, self._place(digest), found["size"], found["e_tag"]), PART)

    def fingerprint(self, digest: Hash) -> str | None:
        """The storage's own tag of the content, and when it was written; None of what was written just now."""
        found = self._head(digest)
        if self._now() - found["last_modified"] < SETTLED:
            return None
        written = found["last_modified"].timestamp()
        return f"{found['e_tag']}.{found['version'] or ''}.{found['size']}.{written}"

    def remove(self, digest: Hash) -> None:
        """Delete stored bytes."""
        try:
            obstore.delete(self._store, self._place(digest))
        except FileNotFoundError:
            pass
        except (BaseError, OSError):
            raise Unavailable("The vault cannot delete the file.") from None

    def _head(self, digest: Hash) -> Any:
        try:
            return obstore.head(self._store, self._place(digest))
        except FileNotFoundError:
            raise NotFound("There are no such sealed bytes.") from None
        except (BaseError, OSError):
            raise Unavailable("The vault cannot be read.") from None

    def _place(self, digest: Hash) -> str:
        return self._prefix + digest[2:]


class _Object(io.RawIOBase):
    """One object as a raw stream: each read asks for just that part, of the very object that was opened."""

    def __init__(self, store: S3Store, place: str, size: int, tag: str | None) -> None:
        self._store, self._path, self._size, self._tag, self._at = store, place, size, tag, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The place of the next byte read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Read what fits."""
        view = memoryview(buffer).cast("B")
        end = min(self._at + len(view), self._size)
        if end <= self._at:
            return 0
        options: Any = {"range": (self._at, end), "if_match": self._tag}
        try:
            part = obstore.get(self._store, self._path, options=options).bytes()
        except FileNotFoundError:
            raise NotFound("There are no such sealed bytes.") from None
        except (BaseError, OSError):
            raise Unavailable("The vault cannot be read.") from None
        if len(part) != end - self._at:
            raise Unavailable("The vault cannot be read.")
        view[: len(part)] = memoryview(part)
        self._at = end
        return len(part)
