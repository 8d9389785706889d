"""Consents that are recorded by cohort, in the store."""

from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import RowMapping, Table, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.adapters import tables as t
from ledger.adapters.hot import IN, Hot
from ledger.evidence import SignedConsent
from ledger.model import MESSAGES, Consent, Hash
from ledger.ports import Cohort, Held, Relay
from ledger.typed_data import struct_hash

OPEN = ("accepted", "sent", "recorded")
"""The statuses of what is not done with."""


class Cohorts(Hot):
    """The part of the port `Transaction` that is about cohorts."""

    def known_relays(self, names: Collection[str]) -> set[str]:
        """Which of some relays are stored."""
        return {name for (name,) in self._named(f"SELECT id FROM relays WHERE id {IN}", names)}  # noqa: S608 (no input)

    def add_cohort(self, cohort: Cohort, members: Sequence[Relay], held: Sequence[Held]) -> None:
        """Store a cohort with everything in it, in a few statements however many there are."""
        self._db.execute(insert(t.cohorts).values(asdict(cohort)))
        consents, grants, contents = [], {}, []
        for relay in members:
            consent = relay.message
            assert isinstance(consent, Consent)  # noqa: S101 (nothing else is recorded by cohort)
            name = struct_hash(consent)
            consents.append(
                {
                    "hash": name,
                    "subject": consent.subject,
                    "signer": relay.signer,
                    "signature": relay.signature,
                    "deadline": consent.deadline,
                    "at": relay.received_at,
                }
            )
            for position, grant in enumerate(consent.grants):
                of = struct_hash(grant)
                row = {"hash": of, "record": grant.record, "recipient": grant.recipient, "grant": grant.to_json()}
                grants[of] = row
                contents.append({"consent": name, "position": position, "grant": of})
        first = self._db.execute(select(func.coalesce(func.max(t.relays.c.position), 0) + 1)).scalar_one()
        self._add_new(t.consents, consents)
        self._add_new(t.grants, list(grants.values()))
        self._add_new(t.consent_grants, contents)
        self._db.execute(insert(t.relays), [relay_row(relay, at) for at, relay in enumerate(members, first)])
        self._db.execute(
            insert(t.held),
            [
                {
                    "root": cohort.root,
                    "subject": one.consent.subject,
                    "grant": one.grant,
                    "record": one.record,
                    "relay": one.relay,
                    "consent": one.consent.to_json(),
                }
                for one in held
            ],
        )

    def _add_new(self, table: Table, rows: list[dict[str, Any]]) -> None:
        """Insert rows, but for those whose key is taken."""
        dialect = sqlite if self._sqlite else postgresql
        self._db.execute(dialect.insert(table).on_conflict_do_nothing(), rows)

    def cohort(self, root: Hash) -> Cohort | None:
        """A cohort by its root."""
        row = self._db.execute(select(t.cohorts).where(t.cohorts.c.root == root)).mappings().first()
        return Cohort(row["root"], row["controller"], row["size"], row["at"]) if row else None

    def members(self, root: Hash) -> list[Relay]:
        """The consents of a cohort, in order."""
        query = select(t.relays).where(t.relays.c.cohort == root).order_by(t.relays.c.position)
        return [relay_of(row) for row in self._db.execute(query).mappings()]

    def held_of(self, record: Hash) -> list[Held]:
        """The grants of a record that lie in cohorts, in one order."""
        query = select(t.held.c.grant, t.held.c.relay, t.held.c.consent).where(t.held.c.record == record)
        rows = self._db.execute(query.order_by(t.held.c.grant, t.held.c.root, t.held.c.subject))
        return [Held(record, Hash(grant), relay, SignedConsent.from_json(consent)) for grant, relay, consent in rows]

    def records_held(self, roots: Collection[Hash]) -> set[Hash]:
        """The records of which a grant lies in one of some cohorts."""
        return {Hash(name) for (name,) in self._named(f"SELECT DISTINCT record FROM held WHERE root {IN}", roots)}  # noqa: S608

    def forget_held(self, root: Hash, relays: Collection[str]) -> None:
        """Forget where the grants of some members lie in a cohort."""
        for relay in relays:
            self._db.execute(delete(t.held).where(t.held.c.root == root, t.held.c.relay == relay))

    def open_cohorts(self) -> list[tuple[Relay, int]]:
        """One open relay of each cohort, and how many there are."""
        open_ = (t.relays.c.cohort.is_not(None), t.relays.c.status.in_(OPEN))
        first = select(func.min(t.relays.c.position).label("position"), func.count().label("count")).where(*open_)
        found = first.group_by(t.relays.c.cohort).subquery()
        query = select(t.relays, found.c.count).join(found, found.c.position == t.relays.c.position)
        rows = self._db.execute(query.order_by(t.relays.c.position)).mappings()
        return [(relay_of(row), row["count"]) for row in rows]


def relay_of(row: RowMapping) -> Relay:
    """A relay from its row."""
    return Relay(
        row["id"],
        MESSAGES[row["type"]].from_json(row["message"]),
        row["signer"],
        row["signature"],
        row["status"],
        row["received_at"],
        row["transaction"],
        row["block_number"],
        row["block_hash"],
        row["problem"],
        row["receipt"],
        row["cohort"],
    )


def relay_row(relay: Relay, position: int) -> dict[str, Any]:
    """A relay as a row."""
    return {
        "id": relay.id,
        "position": position,
        "withdrawal": not isinstance(relay.message, Consent),
        "type": relay.message.TYPE,
        "message": relay.message.to_json(),
        "signer": relay.signer,
        "signature": relay.signature,
        "status": relay.status,
        "received_at": relay.received_at,
        "receipt": relay.receipt,
        "cohort": relay.cohort,
    }
