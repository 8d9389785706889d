"""What every question asks of the store, in SQL by hand: SQLAlchemy's expressions cost more than SQLite's answers.

Each statement is the same text whatever is asked for, so that it is prepared once, and so that what is executed does
not tell a known record from an unknown one.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, RowMapping

from ledger.merkle import completed_by, leaf_digest
from ledger.model import Address, Hash, keccak, to_hash
from ledger.ports import LogEntry, Material, StoredDecision

NAME = 66
"""Characters of a hash. Decisions of earlier versions hold whole headers where their hashes are now."""

_ASKED = {
    "sqlite": "WITH asked(name) AS (SELECT value FROM json_each(?)) ",
    "postgresql": "WITH asked(name) AS (SELECT unnest(CAST(%s AS text[]))) ",
}
"""The names that are asked for, as one parameter, however many they are."""
IN = "IN (SELECT name FROM asked)"
_MATERIAL = (
    f"SELECT 0, hash, 0, '', CAST(record AS TEXT), signature FROM records WHERE hash {IN} "  # noqa: S608 (no input)
    f"UNION ALL SELECT 1, record, position, '', CAST(item AS TEXT), NULL FROM items WHERE record {IN} "
    f'UNION ALL SELECT 2, record, 0, hash, CAST("grant" AS TEXT), NULL FROM grants WHERE record {IN} '
    f"UNION ALL SELECT 3, record, 0, hash, CAST(approval AS TEXT), signature FROM approvals WHERE record {IN} "
    f'UNION ALL SELECT 4, record, 0, "grant", CAST(consent AS TEXT), NULL FROM held WHERE record {IN} '
    "ORDER BY 2, 1, 3, 4, 5"
)


class Hot:
    """The part of the port `Transaction` that a decision needs, on one database connection."""

    def __init__(self, connection: Connection) -> None:
        self._db = connection
        self._sqlite = connection.dialect.name == "sqlite"

    def _named(self, sql: str, names: Iterable[str], *others: str) -> Sequence[Any]:
        """The rows of a query over `asked`, with its further parameters."""
        wanted = list(names)
        asked = msgspec.json.encode(wanted).decode() if self._sqlite else wanted
        if not self._sqlite:
            sql = sql.replace("?", "%s")
        return self._db.exec_driver_sql(_ASKED[self._db.dialect.name] + sql, (asked, *others)).all()

    def _run(self, sql: str, *rows: tuple[Any, ...]) -> Any:
        """Execute with positional parameters, once for each row."""
        return self._db.exec_driver_sql(sql if self._sqlite else sql.replace("?", "%s"), list(rows) if rows else None)

    def material(self, records: Collection[Hash]) -> dict[Hash, Material]:
        """What decisions about some records need, in one query."""
        heads: dict[Hash, tuple[str, bytes]] = {}
        items: dict[Hash, list[str]] = {}
        grants: dict[Hash, list[tuple[Hash, str]]] = {}
        approvals: dict[Hash, list[tuple[Hash, str, bytes]]] = {}
        held: dict[Hash, list[tuple[Hash, str]]] = {}
        for part, record, _, name, value, signature in self._named(_MATERIAL, records):
            if part == 0:
                heads[record] = value, bytes(signature)
            elif part == 1:
                items.setdefault(record, []).append(value)
            elif part == 2:
                grants.setdefault(record, []).append((name, value))
            elif part == 4:
                held.setdefault(record, []).append((name, value))
            else:
                approvals.setdefault(record, []).append((name, value, bytes(signature)))
        return {
            name: Material(
                value,
                signature,
                tuple(items.get(name, ())),
                tuple(grants.get(name, ())),
                tuple(approvals.get(name, ())),
                tuple(held.get(name, ())),
            )
            for name, (value, signature) in heads.items()
        }

    def documents(self, names: Collection[Hash]) -> dict[Hash, dict[str, Any]]:
        """Documents by hash, as they are stored."""
        rows = self._named(f"SELECT hash, CAST(body AS TEXT) FROM documents WHERE hash {IN}", names)  # noqa: S608
        return {Hash(name): msgspec.json.decode(body) for name, body in rows}

    def erased_of(self, records: Collection[Hash]) -> set[Hash]:
        """Which of some records were erased."""
        return {Hash(name) for (name,) in self._named(f"SELECT record FROM erasures WHERE record {IN}", records)}  # noqa: S608

    def denials(self, subjects: Iterable[Address]) -> list[tuple[str, Address, str]]:
        """The remembered withdrawals of some subjects: (kind, subject, value)."""
        rows = self._named(f"SELECT kind, subject, value FROM denials WHERE subject {IN}", subjects)  # noqa: S608
        return [(kind, Address(subject), value) for kind, subject, value in rows]

    def append_log(self, leaf: bytes, record: Hash | None) -> LogEntry:
        """Append one entry; its index is the number of entries before it."""
        return self.append_logs([(leaf, record)])[0]

    def append_logs(self, leaves: Sequence[tuple[bytes, Hash | None]]) -> list[LogEntry]:
        """Append several entries, each with the record it is about, in order."""
        if not leaves:
            return []
        first = self._log_size()
        nodes = completed_by(first, [leaf_digest(leaf) for leaf, _ in leaves], self._log_edge(first))
        self._run(
            'INSERT INTO log ("index", leaf, record) VALUES (?, ?, ?)',
            *((index, leaf, record) for index, (leaf, record) in enumerate(leaves, first)),
        )
        if nodes:
            self._run("INSERT INTO log_nodes (height, position, hash) VALUES (?, ?, ?)", *nodes)
        return [LogEntry(index, leaf) for index, (leaf, _) in enumerate(leaves, first)]

    def _log_size(self) -> int:
        return int(self._run('SELECT COALESCE(MAX("index"), -1) + 1 FROM log').scalar_one())

    def _log_edge(self, size: int) -> dict[int, bytes]:
        """What is complete at the right edge of the log: all that new entries can be joined with. By height."""
        edge = {0: self._log_node(0, size - 1)} if size & 1 else {}
        if places := [(height, (size >> height) - 1) for height in range(1, size.bit_length()) if size >> height & 1]:
            # SQLite goes through the whole table for pairs IN a list, but not for this.
            where = " OR ".join(["(height = ? AND position = ?)"] * len(places))
            query = f"SELECT height, hash FROM log_nodes WHERE {where}"  # noqa: S608
            edge |= {height: bytes(found) for height, found in self._run(query, sum(places, ()))}
        return edge

    def _log_node(self, height: int, position: int) -> bytes:
        if height == 0:
            return leaf_digest(bytes(self._run('SELECT log.leaf FROM log WHERE "index" = ?', (position,)).scalar_one()))
        query = "SELECT hash FROM log_nodes WHERE height = ? AND position = ?"
        return bytes(self._run(query, (height, position)).scalar_one())

    def add_decision(self, decision: str, value: Mapping[str, Any]) -> None:
        """Store what a bundle of a decision will need."""
        self.add_decisions([(decision, value)])

    def add_decisions(self, decisions: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Keep several decisions, in order."""
        if not decisions:
            return
        first = int(self._run("SELECT COALESCE(MAX(position), 0) + 1 FROM decisions").scalar_one())
        known: dict[str, tuple[Hash, bytes]] = {}
        rows = []
        for position, (name, value) in enumerate(decisions, first):
            kept = dict(value)
            if "headers" in kept:  # most of the bytes, and the same for all decisions at a block
                for header in kept["headers"]:
                    if header not in known:
                        raw = bytes.fromhex(header[2:])
                        known[header] = to_hash(keccak(raw)), raw
                kept["headers"] = [known[header][0] for header in kept["headers"]]
            rows.append((name, position, msgspec.json.encode(kept).decode()))
        if known:
            self._run("INSERT INTO headers (hash, rlp) VALUES (?, ?) ON CONFLICT DO NOTHING", *known.values())
        self._run("INSERT INTO decisions (id, position, value) VALUES (?, ?, ?)", *rows)

    def _decisions(self, rows: Sequence[RowMapping]) -> list[StoredDecision]:
        """Decisions as they were given, with the headers they name."""
        named = {name for row in rows for name in row["value"].get("headers", ()) if len(name) == NAME}
        found = self._named(f"SELECT hash, rlp FROM headers WHERE hash {IN}", named)  # noqa: S608
        headers = {name: "0x" + bytes(rlp).hex() for name, rlp in found}
        whole = []
        for row in rows:
            value = dict(row["value"])
            if "headers" in value:
                value["headers"] = [headers.get(name, name) for name in value["headers"]]
            whole.append(StoredDecision(row["id"], value, row["bundle"]))
        return whole
