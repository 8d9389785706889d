"""The store on SQLAlchemy Core: SQLite by default, PostgreSQL by URL. Migrated by Alembic on opening."""

import json
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any, get_args

from alembic import command
from alembic.config import Config
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    RowMapping,
    Table,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    inspect,
    literal_column,
    make_url,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from ledger.adapters import tables as t
from ledger.adapters.cohorts import OPEN, Cohorts, relay_of, relay_row
from ledger.adapters.elections import Elected, FileLock, Lock, PostgresLock
from ledger.adapters.hot import IN
from ledger.documents import Form, Profile, Terms, document_hash
from ledger.errors import InvalidInput, Unavailable
from ledger.events import Granted, LedgerEvent
from ledger.merkle import LogView
from ledger.model import Address, Approval, Consent, Grant, Hash, Item, Record, given_at
from ledger.ports import (
    Election,
    Erased,
    Fees,
    Invitation,
    KeptAnswer,
    LogEntry,
    Logged,
    Offer,
    OfferMessage,
    Relay,
    Sent,
    StoredDecision,
    StoredItem,
    StoredRecord,
)
from ledger.proofs import Header
from ledger.typed_data import struct_hash

_EVENTS: dict[str, Any] = {cls.__name__: cls for cls in get_args(LedgerEvent)}
_DOCUMENTS: dict[str, type[Form | Terms | Profile]] = {cls.TYPE: cls for cls in (Form, Terms, Profile)}
_MIGRATIONS = Path(__file__).parent / "migrations"
_INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_LOCK = 0x766F6C656E73
"""Of PostgreSQL: "volens", as a number."""
PATIENCE = 30_000
"""Milliseconds a unit of work waits for another on PostgreSQL; as long as on SQLite."""
LOG_PAGES = 16_384
"""Pages of SQLite's log (64 MiB) at which a unit of work writes it back itself, should `tidy` not be called."""
IDLE = 60_000
"""Milliseconds after which PostgreSQL ends a unit of work that does nothing: its process hangs, and others wait."""
_NETWORK = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
"""How soon it is noticed that the database is gone, unless the URL says otherwise."""


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring a database to a revision of the schema, creating it when empty."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()


def open_engine(url: str) -> Engine:
    """A database engine whose transactions are durable when they commit and never interleave their writes."""
    if not url.startswith("sqlite"):
        return _open_postgres(url)
    pool = StaticPool if url == "sqlite://" else None  # what is in memory lives as long as its one connection
    # hide_parameters: what is written must not turn up in a log when writing fails
    options: dict[str, Any] = {"poolclass": pool, "hide_parameters": True}
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False}, **options)

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _network(url: URL) -> dict[str, int]:
    return {name: value for name, value in _NETWORK.items() if name not in url.query}


def _open_postgres(url: str) -> Engine:
    """One unit of work at a time, as with SQLite, whatever number of processes there is.

    A lock held to the end of the transaction is simpler than transactions that may fail and must be tried again. What
    is read comes from after the lock was got, which READ COMMITTED gives and SERIALIZABLE does not.
    """
    url = url.replace("postgresql://", "postgresql+psycopg://", 1)
    options: dict[str, Any] = {"isolation_level": "READ COMMITTED", "connect_args": _network(make_url(url))}
    engine = create_engine(url, pool_pre_ping=True, hide_parameters=True, **options)

    @event.listens_for(engine, "connect")
    def _set_up(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = on")
            cursor.execute(f"SET lock_timeout = {PATIENCE}")
            cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE}")
        connection.commit()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")

    return engine


# Statements that are asked for often are built once: building one costs more than the database's answer.


@cache
def _insertion(dialect: str, table: Table) -> Any:
    """Insert a row, unless its key is taken; returns something if it was inserted."""
    return _INSERTS[dialect](table).on_conflict_do_nothing().returning(literal_column("1"))


@cache
def _position(table: Table) -> Any:
    """The next position in a table."""
    return select(func.coalesce(func.max(table.c.position), 0) + 1)


_OPEN = t.relays.c.status.in_(OPEN), t.relays.c.cohort.is_(None)
"""What there still is to do with relays, those of cohorts aside."""
_ITEMS = select(t.items).where(t.items.c.record == bindparam("record")).order_by(t.items.c.position)
"""Of one record; made once, as making it costs as much as asking."""


@cache
def _selection(table: Table, names: tuple[str, ...]) -> Any:
    """A row by some of its columns."""
    return select(table).where(*(table.c[name] == bindparam(name) for name in names))


class SqlStore:
    """The port `Store` on a database URL.

    Args:
        url: an SQLAlchemy URL, for example ``sqlite:////var/lib/volens/volens.db``.

    Raises:
        Unavailable: the database cannot be opened. InvalidInput: it is that of the key store.
    """

    def __init__(self, url: str) -> None:
        try:
            self._engine = open_engine(url)
            if inspect(self._engine).has_table("record_keys"):
                self._engine.dispose()
                raise InvalidInput(
                    "This is the database of the key store. The store must be apart from it, or every backup of the "
                    "store would hold the keys: set VOLENS_DATABASE_URL to another."
                )
            migrate(self._engine)
        except SQLAlchemyError as error:
            raise Unavailable(f"The database cannot be opened: {type(error).__name__}.") from error
        self._lock = threading.Lock()
        self._elections: list[Elected] = []

    @contextmanager
    def begin(self) -> Iterator["SqlTransaction"]:
        """One unit of work: durable as a whole when the block ends, undone as a whole when it raises.

        Raises:
            Unavailable: the database is full, locked or out of reach; nothing was changed.
        """
        try:
            with self._lock, self._engine.begin() as connection:
                yield SqlTransaction(connection)
        except (OperationalError, InternalError) as error:  # PostgreSQL says the latter of a standby, which only reads
            raise Unavailable(f"The database cannot be used: {type(error.orig).__name__}.") from error

    def election(self, duty: str) -> Election:
        """Who does a thing that only one of all processes on this database may do."""
        url = self._engine.url
        lock: Lock | None = None  # what is in memory is nobody else's
        if self._engine.dialect.name == "postgresql":
            lock = PostgresLock(url, duty, _network(url))
        elif url.database:
            lock = FileLock(Path(f"{url.database}.{duty}.lock"))
        self._elections.append(Elected(self, duty, lock))
        return self._elections[-1]

    def elected(self) -> set[str]:
        """The duties that this process was elected for."""
        return {elected.duty for elected in self._elections if elected.holds}

    def tidy(self) -> None:
        """Write SQLite's log back into the database, beside the units of work, which would else do so in turn."""
        if self._engine.dialect.name != "sqlite" or isinstance(self._engine.pool, StaticPool):
            return
        try:
            raw = self._engine.raw_connection()
            try:
                raw.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            finally:
                raw.close()
        except (SQLAlchemyError, sqlite3.OperationalError) as error:
            raise Unavailable(f"The database cannot be used: {type(error).__name__}.") from error

    def scrub(self) -> None:
        """Write SQLite's log back and empty it; vacuum PostgreSQL's tables. What was deleted is then overwritten."""
        try:
            with self._lock:
                if self._engine.dialect.name == "sqlite":
                    raw = self._engine.raw_connection()  # outside the transactions that `open_engine` begins
                    try:
                        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                    finally:
                        raw.close()
                else:
                    with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                        connection.exec_driver_sql("VACUUM")
        except (OperationalError, sqlite3.OperationalError) as error:
            raise Unavailable(f"The database cannot be used: {type(error).__name__}.") from error

    def close(self) -> None:
        """Close all connections, and let others do what this process was elected for."""
        for elected in self._elections:
            elected.resign()
        self._engine.dispose()


class SqlTransaction(Cohorts):
    """The port `Transaction` on one database connection."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._documents: dict[Hash, Form | Terms | Profile] = {}
        """Those that were read in this unit of work: many consents name the same form."""
        self._record: StoredRecord | None = None
        """The one that was read last: hundreds of grants of a consent may name it, which may have as many items."""

    def _add(self, table: Table, **values: Any) -> bool:
        """Insert a row; False when its key is taken."""
        return self._db.execute(_insertion(self._db.dialect.name, table), values).first() is not None

    def _next(self, table: Table) -> int:
        """The next position in a table; transactions that write come one after the other."""
        return int(self._db.execute(_position(table)).scalar_one())

    def _row(self, table: Table, **key: Any) -> RowMapping | None:
        return self._db.execute(_selection(table, tuple(key)), key).mappings().first()

    # indexed chain

    def blocks(self) -> list[tuple[int, Hash]]:
        """The remembered blocks, oldest first."""
        rows = self._db.execute(select(t.blocks.c.number, t.blocks.c.hash).order_by(t.blocks.c.number))
        return [(number, Hash(block)) for number, block in rows]

    def add_blocks(self, headers: Sequence[Header], events: Sequence[Logged]) -> None:
        """Remember blocks and the events in them."""
        if headers:
            self._db.execute(insert(t.blocks), [{"number": h.number, "hash": h.hash} for h in headers])
        if events:
            self._db.execute(
                insert(t.events),
                [
                    {
                        "block_number": logged.block_number,
                        "log_index": logged.log_index,
                        "block_hash": logged.block_hash,
                        "transaction": logged.transaction,
                        "name": type(logged.event).__name__,
                        "fields": vars(logged.event),  # `asdict` copies, at several times the cost
                    }
                    for logged in events
                ],
            )

    def drop_blocks_above(self, number: int) -> None:
        """Forget blocks and events that a reorganisation took away."""
        self._db.execute(delete(t.blocks).where(t.blocks.c.number > number))
        self._db.execute(delete(t.events).where(t.events.c.block_number > number))

    def forget_blocks_below(self, number: int) -> None:
        """Forget the hashes of old blocks; their events stay."""
        self._db.execute(delete(t.blocks).where(t.blocks.c.number < number))

    def events(self, above: int = -1, upto: int | None = None) -> Iterator[LedgerEvent]:
        """The stored events of the blocks above a height, up to and with another, in block and log order."""
        query = select(t.events.c.name, t.events.c.fields).where(t.events.c.block_number > above)
        if upto is not None:
            query = query.where(t.events.c.block_number <= upto)
        query = query.order_by(t.events.c.block_number, t.events.c.log_index)
        for name, fields in self._db.execute(query):
            yield _EVENTS[name](**fields)

    def fact(self, name: str) -> Any:
        """A small named value, or None."""
        row = self._row(t.facts, name=name)
        return row["value"] if row else None

    def set_fact(self, name: str, value: Any) -> None:
        """Remember a small named value."""
        if not self._add(t.facts, name=name, value=value):
            self._db.execute(update(t.facts).where(t.facts.c.name == name).values(value=value))

    # local deny list

    def add_denial(self, kind: str, subject: Address, value: str, at: int) -> None:
        """Remember a withdrawal for ever."""
        self._add(t.denials, kind=kind, subject=subject, value=value, at=at)

    # records, invitations, offers, documents

    def add_record(self, record: StoredRecord, wraps: Mapping[Address, Sequence[bytes]], at: int) -> None:
        """Store a registered record with its items and the keys that are wrapped to its readers."""
        self._db.execute(
            insert(t.records).values(
                hash=record.hash,
                subject=record.record.subject,
                controller=record.record.controller,
                record=record.record.to_json(),
                signature=record.signature,
                at=at,
            )
        )
        self._db.execute(
            insert(t.items),
            [
                {
                    "record": record.hash,
                    "position": position,
                    "item": stored.item.to_json(),
                    "sealed": stored.sealed,
                    "sealed_size": stored.sealed_size,
                    "custody_wrap": stored.custody_wrap,
                }
                for position, stored in enumerate(record.items)
            ],
        )
        if wrapped := [
            {"record": record.hash, "reader": reader, "position": position, "wrap": wrap}
            for reader, own in wraps.items()
            for position, wrap in enumerate(own)
        ]:
            self._db.execute(insert(t.wraps), wrapped)

    def wraps(self, record: Hash, reader: Address) -> tuple[bytes, ...]:
        """The item keys of a record that are wrapped to somebody, in order."""
        hers = select(t.wraps.c.wrap).where(t.wraps.c.record == record, t.wraps.c.reader == reader)
        return tuple(wrap for (wrap,) in self._db.execute(hers.order_by(t.wraps.c.position)))

    def record(self, record: Hash) -> StoredRecord | None:
        """A registered record, or None."""
        if self._record is not None and self._record.hash == record:
            return self._record
        row = self._row(t.records, hash=record)
        if row is None:
            return None
        stored = tuple(_item(item) for item in self._db.execute(_ITEMS, {"record": record}).mappings())
        self._record = StoredRecord(Record.from_json(row["record"]), record, row["signature"], stored)
        return self._record

    def records_naming(self, recipient: Address, holder: Address | None, after: str, limit: int) -> list[Hash]:
        """Records with a grant or an approval that names a recipient, in order of their hashes."""
        named = union(
            select(t.grants.c.record).where(t.grants.c.recipient == recipient, t.grants.c.record > after),
            select(t.approvals.c.record).where(t.approvals.c.recipient == recipient, t.approvals.c.record > after),
        ).subquery()
        query = select(t.records.c.hash).join(named, named.c.record == t.records.c.hash)
        if holder is not None:
            query = query.where(or_(t.records.c.controller == holder, t.records.c.subject == holder))
        return [Hash(name) for (name,) in self._db.execute(query.order_by(t.records.c.hash).limit(limit))]

    def add_reference(self, code: str, record: Hash, recipient: Address) -> None:
        """Keep a code."""
        self._db.execute(insert(t.references).values(code=code, record=record, recipient=recipient))

    def reference(self, code: str) -> tuple[Hash, Address] | None:
        """What a code names."""
        row = self._row(t.references, code=code)
        return (Hash(row["record"]), Address(row["recipient"])) if row else None

    def references_of(self, record: Hash) -> dict[Address, str]:
        """The codes of a record by recipient."""
        query = select(t.references.c.recipient, t.references.c.code).where(t.references.c.record == record)
        return {Address(recipient): code for recipient, code in self._db.execute(query)}

    def names(self, record: Hash, recipient: Address) -> bool:
        """Whether a grant or an approval of a record names a recipient."""
        return any(self._row(table, record=record, recipient=recipient) for table in (t.grants, t.approvals))

    def records_touched(
        self, subjects: Collection[Address], grants: Collection[Hash], records: Collection[Hash]
    ) -> set[Hash]:
        """The records of some subjects and stewards, of some grants, and those of some hashes that are records."""
        named = self._named(f"SELECT hash FROM records WHERE hash {IN} OR subject {IN}", {*records, *subjects})  # noqa: S608 (no input)
        granted = self._named(f"SELECT record FROM grants WHERE hash {IN}", grants)  # noqa: S608
        signed = self._named(
            f'SELECT record FROM grants WHERE hash IN (SELECT "grant" FROM consent_grants WHERE consent IN '  # noqa: S608
            f"(SELECT hash FROM consents WHERE subject {IN}))",
            subjects,
        )
        return {Hash(name) for (name,) in [*named, *granted, *signed]}

    def concerning(self, party: Address, records: Collection[Hash]) -> set[Hash]:
        """Those of some records that name somebody, or of which a grant or an approval does."""
        rows = self._named(
            f"SELECT hash FROM records WHERE hash {IN} AND CAST(record AS TEXT) LIKE ? "  # noqa: S608 (no input)
            f"UNION SELECT record FROM grants WHERE record {IN} AND recipient = ? "
            f"UNION SELECT record FROM approvals WHERE record {IN} AND recipient = ?",
            records, f"%{party}%", party, party,
        )  # fmt: skip
        return {Hash(name) for (name,) in rows}

    def records_of(self, subject: Address) -> list[Hash]:
        """The records of a subject."""
        return [Hash(h) for (h,) in self._db.execute(select(t.records.c.hash).where(t.records.c.subject == subject))]

    def knows(self, subject: Address) -> bool:
        """Whether a pseudonym has answered an invitation, has signed, or is subject or steward of a record."""
        if any(self._row(table, subject=subject) for table in (t.invitations, t.records, t.consents)):
            return True
        named = t.records.c.record["stewards"].as_string().contains(subject)
        return self._db.execute(select(t.records.c.hash).where(named).limit(1)).first() is not None

    def erase(self, record: Hash, at: int) -> Erased | None:
        """Delete what can be read of a record, and remember that it was there."""
        found = self.record(record)
        if found is None:
            return None
        subject, stewards = found.record.subject, found.record.stewards
        relays = [
            (name, status)
            for name, status, message in self._db.execute(
                select(t.relays.c.id, t.relays.c.status, t.relays.c.message).where(
                    t.relays.c.message["subject"].as_string().in_((subject, *stewards))
                )
            )
            if message["subject"] == subject or any(g["record"] == record for g in message.get("grants", ()))
        ]
        if any(status in OPEN for _, status in relays):
            return None
        parties = tuple(dict.fromkeys((found.record.controller, subject, *stewards)))
        erased = Erased(record, parties, at, tuple(item.sealed for item in found.items))
        told = {str(json.loads(entry.leaf)["id"]) for entry in self.log_of(record)}
        names = select(t.grants.c.hash).where(t.grants.c.record == record)
        for table, rows in (
            (t.decisions, t.decisions.c.id.in_(told)),
            (t.consent_grants, t.consent_grants.c.grant.in_(names)),
            (t.grants, t.grants.c.record == record),
            (t.approvals, t.approvals.c.record == record),
            (t.references, t.references.c.record == record),
            (t.offers, t.offers.c.record == record),
            (t.offer_messages, t.offer_messages.c.record == record),
            (t.wraps, t.wraps.c.record == record),
            (t.items, t.items.c.record == record),
            (t.records, t.records.c.hash == record),
            (t.uploads, t.uploads.c.sealed.in_(erased.sealed)),
            (t.relays, t.relays.c.id.in_([name for name, _ in relays])),
            (t.held, t.held.c.record == record),
        ):
            self._db.execute(delete(table).where(rows))
        self._record = None
        # Of this controller only: what another invited to is none of this record's.
        answered = update(t.invitations).where(
            t.invitations.c.subject.in_((subject, *stewards)), t.invitations.c.controller == found.record.controller
        )
        self._db.execute(answered.values(title="", encryption_key=None))  # a pseudonym stays used
        self._add(t.erasures, record=record, at=at, parties=list(parties), sealed=list(erased.sealed))
        return erased

    def erased(self, record: Hash) -> Erased | None:
        """What is remembered of an erased record."""
        row = self._row(t.erasures, record=record)
        return _erased(row) if row else None

    def erasures(self) -> list[Erased]:
        """Every erased record."""
        return [_erased(row) for row in self._db.execute(select(t.erasures)).mappings()]

    def finish_erasure(self, record: Hash) -> None:
        """The sealed bytes are removed."""
        self._db.execute(update(t.erasures).where(t.erasures.c.record == record).values(sealed=[]))

    def item_by_digest(self, sealed: Hash) -> StoredItem | None:
        """An item by the digest of its sealed bytes."""
        row = self._row(t.items, sealed=sealed)
        return _item(row) if row else None

    def add_upload(self, sealed: Hash, size: int, controller: Address, at: int) -> None:
        """Remember that a controller uploaded sealed bytes."""
        self._add(t.uploads, sealed=sealed, controller=controller, size=size, at=at)

    def upload(self, sealed: Hash, controller: Address) -> int | None:
        """The size of what a controller uploaded, or None."""
        row = self._row(t.uploads, sealed=sealed, controller=controller)
        return row["size"] if row else None

    def add_invitation(self, token: str, invitation: Invitation) -> None:
        """Store an invitation under the hash of its token."""
        self._add(t.invitations, token=token, **asdict(invitation))

    def invitation(self, token: str) -> Invitation | None:
        """An invitation by the hash of its token."""
        return _invitation(self._row(t.invitations, token=token))

    def claim_invitation(self, token: str, subject: Address, encryption_key: bytes) -> bool:
        """Bind an invitation to the pseudonym that answered first."""
        claim = (
            update(t.invitations)
            .where(t.invitations.c.token == token, t.invitations.c.subject.is_(None))
            .values(subject=subject, encryption_key=encryption_key)
        )
        return self._db.execute(claim).rowcount == 1

    def claim_of(self, subject: Address) -> Invitation | None:
        """The invitation a pseudonym answered."""
        return _invitation(self._row(t.invitations, subject=subject))

    def add_offer(self, token: str, offer: Offer) -> None:
        """Store an offer under the hash of its token."""
        grants = [grant.to_json() for grant in offer.grants]
        self._add(t.offers, token=token, **(asdict(replace(offer, grants=())) | {"grants": grants}))

    def offer(self, token: str) -> Offer | None:
        """An offer by the hash of its token."""
        row = self._row(t.offers, token=token)
        if row is None:
            return None
        grants = tuple(Grant.from_json(grant) for grant in row["grants"])
        return Offer(row["record"], grants, row["language"], row["expires_at"])

    def add_offer_message(self, token: str, message: OfferMessage) -> None:
        """Store what somebody said about an offer."""
        said = select(func.count()).select_from(t.offer_messages).where(t.offer_messages.c.token == token)
        position = self._db.execute(said).scalar_one()
        self._add(t.offer_messages, token=token, position=position, **asdict(message))

    def offer_messages(self, token: str) -> list[OfferMessage]:
        """What was said about an offer, in order."""
        rows = select(t.offer_messages).where(t.offer_messages.c.token == token).order_by(t.offer_messages.c.position)
        return [
            OfferMessage(Hash(row["record"]), row["kind"], Address(row["author"]), row["text"], row["at"])
            for row in self._db.execute(rows).mappings()
        ]

    def add_document(self, document: Form | Terms | Profile) -> Hash:
        """Store a document under its hash; storing it again is harmless."""
        name = document_hash(document)
        self._add(t.documents, hash=name, body=document.to_json())
        return name

    def document(self, document: Hash) -> Form | Terms | Profile | None:
        """A document by its hash."""
        if document not in self._documents and (row := self._row(t.documents, hash=document)):
            self._documents[document] = _DOCUMENTS[row["body"]["type"]].from_json(row["body"])
        return self._documents.get(document)

    # consents

    def add_consent(self, consent: Consent, signer: Address, signature: bytes, at: int) -> None:
        """Store a signed consent and the grants it opens; storing it again is harmless."""
        name = struct_hash(consent)
        if not self._add(
            t.consents,
            hash=name,
            subject=consent.subject,
            signer=signer,
            signature=signature,
            deadline=consent.deadline,
            at=at,
        ):
            return
        for position, grant in enumerate(consent.grants):
            grant_hash = struct_hash(grant)
            self._add(t.grants, hash=grant_hash, record=grant.record, recipient=grant.recipient, grant=grant.to_json())
            self._add(t.consent_grants, consent=name, position=position, grant=grant_hash)

    def grants_of(self, record: Hash) -> list[Grant]:
        """All openings of grants of a record."""
        rows = self._db.execute(select(t.grants.c.grant).where(t.grants.c.record == record))
        return [Grant.from_json(grant) for (grant,) in rows]

    def grant(self, grant: Hash) -> Grant | None:
        """A grant by its hash."""
        row = self._row(t.grants, hash=grant)
        return Grant.from_json(row["grant"]) if row else None

    def grants_said(self, subject: Address, signer: Address | None = None) -> list[tuple[Hash, int]]:
        """Every grant in a stored consent of a subject, and when she said so: given or received, the earlier."""
        query = (
            select(t.consent_grants.c.grant, t.consents.c.deadline, t.consents.c.at)
            .join(t.consents, t.consents.c.hash == t.consent_grants.c.consent)
            .where(t.consents.c.subject == subject)
        )
        if signer is not None:
            query = query.where(t.consents.c.signer == signer)
        return [(grant, min(given_at(deadline), at)) for grant, deadline, at in self._db.execute(query)]

    def granted(self, subject: Address) -> set[Hash]:
        """What a subject granted in the blocks that are stored."""
        fields = t.events.c.fields
        query = select(fields["grant_hash"].as_string()).where(t.events.c.name == Granted.__name__)
        return {Hash(name) for (name,) in self._db.execute(query.where(fields["subject"].as_string() == subject))}

    def consents_with(self, grant: Hash) -> list[tuple[Consent, Address, bytes]]:
        """The signed consents that contain a grant, with signer and signature."""
        query = (
            select(t.consents)
            .join(t.consent_grants, t.consent_grants.c.consent == t.consents.c.hash)
            .where(t.consent_grants.c.grant == grant)
        )
        found = []
        for row in self._db.execute(query).mappings().all():
            members = (
                select(t.grants.c.grant)
                .join(t.consent_grants, t.consent_grants.c.grant == t.grants.c.hash)
                .where(t.consent_grants.c.consent == row["hash"])
                .order_by(t.consent_grants.c.position)
            )
            opened = tuple(Grant.from_json(grant) for (grant,) in self._db.execute(members))
            found.append((Consent(row["subject"], opened, row["deadline"]), Address(row["signer"]), row["signature"]))
        return found

    def add_approval(self, approval: Approval, signature: bytes) -> None:
        """Store a controller's approval."""
        self._add(
            t.approvals,
            hash=struct_hash(approval),
            record=approval.record,
            recipient=approval.recipient,
            approval=approval.to_json(),
            signature=signature,
        )

    def approvals_of(self, record: Hash) -> list[tuple[Approval, bytes]]:
        """The controller's approvals for a record, with its signatures, in one order."""
        query = select(t.approvals.c.approval, t.approvals.c.signature).where(t.approvals.c.record == record)
        rows = self._db.execute(query.order_by(t.approvals.c.hash))
        return [(Approval.from_json(approval), signature) for approval, signature in rows]

    # outbox

    def add_relay(self, relay: Relay) -> Relay:
        """Store a message to be relayed; one with the same id returns what is stored."""
        added = self._add(t.relays, **relay_row(relay, self._next(t.relays)))
        return relay if added else self.relay(relay.id) or relay

    def relay(self, relay: str) -> Relay | None:
        """A relay by its id."""
        row = self._row(t.relays, id=relay)
        return relay_of(row) if row else None

    def open_relays(self, subject: Address | None = None, recorded_until: int | None = None) -> list[Relay]:
        """What is not yet final or failed: withdrawals first, then oldest first."""
        query = select(t.relays).where(*_OPEN).order_by(t.relays.c.withdrawal.desc(), t.relays.c.position)
        if subject is not None:
            query = query.where(t.relays.c.message["subject"].as_string() == subject)
        if recorded_until is not None:
            recorded = t.relays.c.status == "recorded"
            query = query.where(or_(t.relays.c.withdrawal, ~recorded, t.relays.c.block_number <= recorded_until))
        return [relay_of(row) for row in self._db.execute(query).mappings()]

    def open_count(self) -> int:
        """How many are not yet final or failed."""
        return int(self._db.execute(select(func.count()).where(t.relays.c.status.in_(OPEN))).scalar_one())

    def relay_counts(self) -> dict[str, tuple[int, int]]:
        """How many relays have which status, and when the oldest of them was received."""
        columns = (t.relays.c.status, func.count(), func.min(t.relays.c.received_at))
        rows = self._db.execute(select(*columns).group_by(t.relays.c.status))
        return {status: (count, oldest) for status, count, oldest in rows}

    def late_relays(self, before: int) -> tuple[int, int | None]:
        """How many messages that were received before a time are in no block, and when the oldest came."""
        late = t.relays.c.status.in_(("accepted", "sent")) & (t.relays.c.received_at < before)
        count, oldest = self._db.execute(select(func.count(), func.min(t.relays.c.received_at)).where(late)).one()
        return count, oldest

    def reopen_relays_above(self, number: int) -> None:
        """Open again what was recorded in blocks that are gone; it is sent again."""
        lost = update(t.relays).where(t.relays.c.block_number > number)
        self._db.execute(lost.values(status="sent", block_number=None, block_hash=None))

    def move_relays(self, old: Hash, new: Hash) -> None:
        """What was on its way in one transaction is in another now."""
        self._db.execute(update(t.relays).where(t.relays.c.transaction == old).values(transaction=new))

    def update_relay(self, *relays: str, **changes: Any) -> None:
        """Change the status columns of relays, all in the same way."""
        self._db.execute(update(t.relays).where(t.relays.c.id.in_(relays)).values(**changes))

    # transactions

    def add_transaction(self, sent: Sent) -> None:
        """Keep a signed transaction."""
        values = asdict(sent)
        fees = values.pop("fees")
        position = self._next(t.transactions)
        self._add(t.transactions, **values, position=position, fee_limit=fees["limit"], fee_tip=fees["tip"])

    def transactions(self, sender: Address, nonce: int) -> list[Sent]:
        """The transactions of an account from a number on, in order."""
        query = select(t.transactions).where(t.transactions.c.sender == sender, t.transactions.c.nonce >= nonce)
        rows = self._db.execute(query.order_by(t.transactions.c.nonce, t.transactions.c.position)).mappings()
        return [_sent(row) for row in rows]

    def attempts(self, transaction: Hash) -> list[Sent]:
        """A transaction and those with the same content, newest first."""
        first = select(t.transactions.c.first).where(t.transactions.c.hash == transaction).scalar_subquery()
        query = select(t.transactions).where(t.transactions.c.first == first)
        rows = self._db.execute(query.order_by(t.transactions.c.position.desc())).mappings()
        return [_sent(row) for row in rows]

    def forget_transactions(self, sender: Address, nonce: int, at: int) -> None:
        """Forget old transactions with lower numbers."""
        ours = (t.transactions.c.sender == sender) & (t.transactions.c.nonce < nonce)
        self._db.execute(delete(t.transactions).where(ours, t.transactions.c.at < at))

    # answers that are given again

    def claim_answer(self, key: Hash, fingerprint: Hash, at: int, until: int) -> KeptAnswer | None:
        """Claim a key, or find what was answered; forget what has expired."""
        self._db.execute(delete(t.answers).where(t.answers.c.expires_at <= at))
        if self._add(t.answers, key=key, fingerprint=fingerprint, sealed=b"", expires_at=until):
            return None
        row = self._row(t.answers, key=key)
        return KeptAnswer(row["fingerprint"], row["status"], row["sealed"]) if row else None

    def set_answer(self, key: Hash, status: int, sealed: bytes, until: int) -> None:
        """Keep the answer to a claimed key."""
        answered = update(t.answers).where(t.answers.c.key == key)
        self._db.execute(answered.values(status=status, sealed=sealed, expires_at=until))

    def drop_answer(self, key: Hash) -> None:
        """Forget a claim that was not answered."""
        self._db.execute(delete(t.answers).where(t.answers.c.key == key, t.answers.c.status.is_(None)))

    # sign-in

    def add_nonce(self, nonce: str, expires_at: int, at: int) -> None:
        """Remember a nonce that may be used once; forget those that have expired."""
        self._db.execute(delete(t.nonces).where(t.nonces.c.expires_at <= at))
        self._add(t.nonces, nonce=nonce, expires_at=expires_at)

    def use_nonce(self, nonce: str, at: int) -> bool:
        """Use a nonce up."""
        self._db.execute(delete(t.nonces).where(t.nonces.c.expires_at <= at))
        return self._db.execute(delete(t.nonces).where(t.nonces.c.nonce == nonce)).rowcount == 1

    def add_token(self, token: str, address: Address, expires_at: int) -> None:
        """Remember the hash of a bearer token."""
        self._add(t.tokens, token=token, address=address, expires_at=expires_at)

    def token_address(self, token: str, at: int) -> Address | None:
        """Whose token this is, while it lasts."""
        self._db.execute(delete(t.tokens).where(t.tokens.c.expires_at <= at))
        row = self._row(t.tokens, token=token)
        return Address(row["address"]) if row else None

    def use_request(self, recipient: Address, nonce: Hash, at: int, keep: int) -> bool:
        """Use the nonce of a release request up; forget those that are too old to be replayed."""
        self._db.execute(delete(t.requests).where(t.requests.c.at < at - keep))
        return self._add(t.requests, recipient=recipient, nonce=nonce, at=at)

    # access log and decisions

    def log_view(self) -> LogView:
        """The log's roots and proofs, as of this transaction."""
        return LogView(self._log_size(), self._log_node)

    def log_of(self, record: Hash) -> list[LogEntry]:
        """The entries about one record, oldest first."""
        query = select(t.log.c.index, t.log.c.leaf).where(t.log.c.record == record).order_by(t.log.c.index)
        return [LogEntry(index, leaf) for index, leaf in self._db.execute(query)]

    def log_leaves(self, first: int = 0, limit: int | None = None) -> list[bytes]:
        """The entries from an index on, in order."""
        query = select(t.log.c.leaf).where(t.log.c.index >= first).order_by(t.log.c.index).limit(limit)
        return [leaf for (leaf,) in self._db.execute(query)]

    def decision(self, decision: str) -> StoredDecision | None:
        """What was stored of a decision."""
        row = self._row(t.decisions, id=decision)
        return self._decisions([row])[0] if row else None

    def decisions_without_bundle(self, limit: int, after: int = 0) -> list[StoredDecision]:
        """The oldest decisions whose bundle was not made yet, but for some."""
        query = select(t.decisions).where(t.decisions.c.bundle.is_(None))
        query = query.order_by(t.decisions.c.position).limit(limit).offset(after)
        return self._decisions(self._db.execute(query).mappings().all())

    def set_bundle(self, decision: str, bundle: bytes) -> None:
        """Keep the bundle of a decision."""
        self._db.execute(update(t.decisions).where(t.decisions.c.id == decision).values(bundle=bundle))


def _erased(row: RowMapping) -> Erased:
    return Erased(row["record"], tuple(row["parties"]), row["at"], tuple(row["sealed"]))


def _item(row: RowMapping) -> StoredItem:
    return StoredItem(Item.from_json(row["item"]), row["sealed"], row["sealed_size"], row["custody_wrap"])


def _invitation(row: RowMapping | None) -> Invitation | None:
    if row is None:
        return None
    return Invitation(row["controller"], row["title"], row["expires_at"], row["subject"], row["encryption_key"])


def _sent(row: RowMapping) -> Sent:
    fees = Fees(row["fee_limit"], row["fee_tip"])
    return Sent(row["hash"], row["sender"], row["nonce"], row["raw"], fees, row["urgent"], row["at"], row["first"])
