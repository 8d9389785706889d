"""The key store on a database of its own, so that no backup of anything else holds a key. SQLite or PostgreSQL."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    func,
    insert,
    inspect,
    make_url,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from ledger.errors import Conflict, InvalidInput, Unavailable
from ledger.model import Hash

_SHARED = (
    "The key store must have a database of its own: every backup of the other one would hold the keys, and no record "
    "could be erased. Set VOLENS_KEY_STORE_URL to another."
)
_metadata = MetaData()
_master = Table("master", _metadata, Column("row", Integer, primary_key=True), Column("id", String(16), nullable=False))
# A destroyed key leaves its row, so that no older copy of it can be put back unnoticed.
_keys = Table(
    "record_keys",
    _metadata,
    Column("record", String(66), primary_key=True),
    Column("master", String(16), index=True),
    Column("wrapped", String),
)


class SqlKeys:
    """The port `Keys` on a database URL.

    Args:
        url: an SQLAlchemy URL, for example ``sqlite:////var/lib/volens/keys.db``.

    Raises:
        Unavailable: it cannot be opened. InvalidInput: it is the database of the store.
    """

    def __init__(self, url: str) -> None:
        self._lock = threading.Lock()
        sqlite = url.startswith("sqlite")
        options: dict[str, Any] = {"isolation_level": "SERIALIZABLE", "pool_pre_ping": True}
        if sqlite:
            options = {"connect_args": {"timeout": 30, "check_same_thread": False}}
        if url == "sqlite://":
            options["poolclass"] = StaticPool
        try:
            driver = url.replace("postgresql://", "postgresql+psycopg://", 1)
            self._engine = create_engine(driver, hide_parameters=True, **options)
            if sqlite:
                event.listen(self._engine, "connect", _set_up)
                event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
            if inspect(self._engine).has_table("alembic_version"):
                self._engine.dispose()
                raise InvalidInput(_SHARED)
            with self._engine.begin() as connection:
                _metadata.create_all(connection)
            if sqlite and (file := make_url(url).database):
                Path(file).chmod(0o600)
        except (SQLAlchemyError, OSError) as error:
            raise Unavailable(f"The key store cannot be opened: {type(error).__name__}.") from error

    @contextmanager
    def _begin(self) -> Iterator[Connection]:
        try:
            with self._lock, self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise Unavailable(f"The key store cannot be used: {type(error).__name__}.") from error

    def master(self) -> str | None:
        """The id of the master key in use; None in an empty store."""
        with self._begin() as db:
            return _current(db)

    def set_master(self, master: str) -> None:
        """From now on only what this master key wraps is taken."""
        with self._begin() as db:
            if not db.execute(update(_master).values(id=master)).rowcount:
                db.execute(insert(_master).values(row=1, id=master))

    def add(self, record: Hash, master: str, wrapped: str) -> str:
        """Keep a wrapped key; returns the one that is kept, which is the first."""
        with self._begin() as db:
            found = db.execute(select(_keys.c.wrapped).where(_keys.c.record == record)).first()
            if found is not None:
                if found[0] is None:
                    raise Conflict("The key of this record was destroyed.")
                return str(found[0])
            if _current(db) != master:
                raise Conflict("The master key was rotated.")
            db.execute(insert(_keys).values(record=record, master=master, wrapped=wrapped))
        return wrapped

    def get(self, record: Hash) -> str | None:
        """The wrapped key of a record."""
        with self._begin() as db:
            return db.execute(select(_keys.c.wrapped).where(_keys.c.record == record)).scalar()

    def others(self, master: str, limit: int) -> list[tuple[Hash, str]]:
        """Some of the keys that another master key wraps."""
        query = select(_keys.c.record, _keys.c.wrapped).where(_keys.c.wrapped.is_not(None), _keys.c.master != master)
        with self._begin() as db:
            return [(Hash(record), wrapped) for record, wrapped in db.execute(query.limit(limit))]

    def count_others(self, master: str) -> int:
        """How many keys another master key wraps."""
        query = select(func.count()).where(_keys.c.wrapped.is_not(None), _keys.c.master != master)
        with self._begin() as db:
            return int(db.execute(query).scalar_one())

    def replace(self, master: str, rows: Sequence[tuple[Hash, str, str]]) -> None:
        """Put new wraps in the place of old ones, all of them; one that changed meanwhile is left as it is."""
        with self._begin() as db:
            for record, old, new in rows:
                where = (_keys.c.record == record, _keys.c.wrapped == old)
                db.execute(update(_keys).where(*where).values(master=master, wrapped=new))

    def destroy(self, record: Hash) -> None:
        """Destroy a key for ever."""
        with self._begin() as db:
            gone = {"master": None, "wrapped": None}
            if not db.execute(update(_keys).where(_keys.c.record == record).values(**gone)).rowcount:
                db.execute(insert(_keys).values(record=record, **gone))
        if self._engine.dialect.name == "postgresql":
            # the old row lies in the table until it is vacuumed
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as db:
                db.exec_driver_sql("VACUUM record_keys")

    def destroyed(self) -> list[Hash]:
        """The records whose keys were destroyed."""
        with self._begin() as db:
            return [Hash(name) for (name,) in db.execute(select(_keys.c.record).where(_keys.c.wrapped.is_(None)))]

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _set_up(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    # No write-ahead log: in it a destroyed key would lie until the log is written over. What is deleted is zeroed.
    for pragma in ("journal_mode=TRUNCATE", "synchronous=EXTRA", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _current(db: Connection) -> str | None:
    return db.execute(select(_master.c.id)).scalar()
