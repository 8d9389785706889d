"""Elections among the processes on one database: a lock that goes when its process goes, and a name in the store.

The lock says who may begin. The name, which every winner writes and which is looked at in the unit of work that
writes down what will be sent, keeps one that lost its lock without noticing from going on.
"""

import fcntl
import hashlib
import logging
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ledger.errors import Unavailable
from ledger.ports import Transaction

if TYPE_CHECKING:
    from ledger.adapters.store import SqlStore

_log = logging.getLogger(__name__)


class Lock(Protocol):
    """Held by one process at a time, and by none that died."""

    def take(self) -> bool:
        """Whether it is held, after trying to."""
        ...

    def release(self) -> None:
        """Let go."""
        ...


class FileLock:
    """A lock on a file beside the database. The kernel takes it away when its process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._held: IO[bytes] | None = None

    def take(self) -> bool:
        """Whether it is held."""
        if self._held is None:
            file = self._path.open("ab")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._held = file
        return True

    def release(self) -> None:
        """Let go."""
        if self._held is not None:
            self._held.close()
            self._held = None


class PostgresLock:
    """An advisory lock of a connection of its own. The server takes it away when that ends.

    Args:
        network: for `psycopg.connect`.
    """

    def __init__(self, url: URL, duty: str, network: dict[str, int]) -> None:
        options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "connect_args": network}
        self._engine = create_engine(url, poolclass=NullPool, hide_parameters=True, **options)
        self._key = int.from_bytes(hashlib.sha256(f"volens {duty}".encode()).digest()[:8], signed=True)
        self._connection: Connection | None = None

    def take(self) -> bool:
        """Whether it is held; asks the server, which may have ended the connection."""
        try:
            if self._connection is not None:
                self._connection.execute(text("SELECT 1"))
                return True
            connection = self._engine.connect()
            if connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": self._key}).scalar():
                self._connection = connection
                return True
            connection.close()
        except SQLAlchemyError as error:
            _log.warning("the database was lost, and with it what this process was elected for")
            self._leave()
            raise Unavailable(f"The database cannot be used: {type(error).__name__}.") from error
        return False

    def release(self) -> None:
        """Let go, at once: that a connection has ended the server notices when it gets to it."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": self._key})
            self._leave()

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()  # closed for good, whatever state it is in
            self._connection.close()
            self._connection = None


class Elected:
    """The port `Election`.

    Args:
        lock: None where no other process can reach the store.
    """

    def __init__(self, store: "SqlStore", duty: str, lock: Lock | None) -> None:
        self._store, self._lock, self.duty = store, lock, duty
        self._fact, self._name = f"elected:{duty}", ""

    @property
    def holds(self) -> bool:
        """Whether it was won, and not lost as far as is known."""
        return self._lock is None or bool(self._name)

    def won(self) -> bool:
        """Whether this process does it."""
        if self._lock is None:
            return True
        try:
            taken = self._lock.take()
        except Unavailable:
            self._name = ""
            raise
        if not taken:
            return False
        if not self._name:
            name = secrets.token_hex(8)
            with self._store.begin() as tx:
                tx.set_fact(self._fact, name)
            self._name = name
            _log.info("elected as %s", self.duty)
        return True

    def require(self, tx: Transaction) -> None:
        """Make sure that no other process was elected since."""
        if self._lock is not None and (not self._name or tx.fact(self._fact) != self._name):
            self.resign()
            raise Unavailable(f"Another process is the {self.duty} now.")

    def resign(self) -> None:
        """Let another process do it."""
        self._name = ""
        if self._lock is not None:
            self._lock.release()
