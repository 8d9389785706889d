"""A ledger of so many grants for benchmarks: a filled store, and a chain in memory that says the same.

Everything follows from the number of grants, so that several processes have the same chain. Each grant is of a record
and a patient of its own. Up to a thousand records, spread over all, can be asked about; of the others the rows have
the same size and shape, but nothing was signed, and the chain's tries leave them out.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import Any

from sqlalchemy import Table, insert

from ledger.adapters import tables as t
from ledger.adapters.memory import MemoryChain
from ledger.adapters.store import SqlStore, open_engine
from ledger.documents import Profile, channel_terms, document_hash
from ledger.events import Granted, LedgerEvent, Published, Registered
from ledger.model import Address, Grant, Hash, Record, keccak, to_hash
from ledger.services.records import token_hash
from ledger.state import ROLE_CONTROLLER, ROLE_RECIPIENT, LedgerState
from ledger.typed_data import parse_signature, struct_hash
from scripts.vector_sources.world import CHAIN_ID, CHANNELS, DAY, START, World, key, phrase

ASKED = 1000
"""Records that are asked about at most."""
TOKEN = "bench"  # noqa: S105 (of a service that lives for seconds)
CHUNK = 5000


@dataclass(frozen=True)
class Case:
    """A record and its one grant."""

    patient: Address
    name: Hash
    grant_name: Hash
    record: Record
    grant: Grant
    signature: bytes


@cache
def _pattern() -> tuple[World, Grant]:
    world = World()
    return world, world.grant()


@cache
def asked_case(number: int) -> Case:
    """One that can be asked about."""
    world, pattern = _pattern()
    patient = key(f"bench {number}").address
    record = replace(world.record, subject=patient, salt=to_hash(phrase(f"bench {number}")))
    grant = replace(pattern, record=struct_hash(record), salt=record.salt)
    signature = parse_signature(world.hospital.sign_typed(world.domain, record))
    return Case(patient, struct_hash(record), struct_hash(grant), record, grant, signature)


def cases(grants: int) -> Iterator[Case]:
    """All of them."""
    world, pattern = _pattern()
    step = max(grants // ASKED, 1)
    for number in range(grants):
        if number % step == 0:
            yield asked_case(number)
        else:
            made = keccak(b"%d" % number)
            name, grant_name = to_hash(made), to_hash(keccak(made))
            patient = Address("0x" + made[:20].hex())
            yield Case(patient, name, grant_name, world.record, pattern, bytes(65))


def asked(grants: int) -> list[Hash]:
    """The records that can be asked about."""
    return [asked_case(number).name for number in range(0, grants, max(grants // ASKED, 1))]


class Chain(MemoryChain):
    """Its tries hold only what is asked about, and the heads: a million leaves in Python would take minutes."""

    def __init__(self, grants: int) -> None:
        self._asked = {asked_case(number).patient for number in range(0, grants, max(grants // ASKED, 1))}
        super().__init__(CHAIN_ID, World.contracts, START - 3 * DAY)
        world = _pattern()[0]
        hospital = world.hospital.address
        events: list[LedgerEvent] = []
        for party, name in world.names.items():
            profile = Profile(1, name, "institution")
            role = ROLE_CONTROLLER if party == hospital else ROLE_RECIPIENT
            events.append(Registered(0, party, role, profile.hash, profile.data_uri()))
        documents = [*(terms.terms for terms in world.form.channels.values()), document_hash(world.form)]
        events += [Published(0, hospital, document) for document in documents]
        events += [Granted(0, case.patient, case.grant_name, case.patient) for case in cases(grants)]
        self.emit(*events)
        self.now = START
        self.mine(2)

    def send(self, transaction: bytes) -> None:
        """The access log's anchors wait for ever: another process of the same benchmark may have prepared them."""

    def knows(self, transaction: Hash) -> bool:  # noqa: ARG002 (so for all)
        """What was sent waits."""
        return True

    def _store(self, state: LedgerState, before: Mapping[str, bytes]) -> tuple[dict[str, bytes], bytes]:
        kept = copy.copy(state)
        kept.entries = {place: entry for place, entry in state.entries.items() if place[0] in self._asked}
        return super()._store(kept, before)


def fill(url: str, grants: int) -> None:
    """Put so many records with their grants into a new store."""
    world = _pattern()[0]
    store = SqlStore(url)
    with store.begin() as tx:
        tx.add_document(world.form)
        for code in CHANNELS:
            tx.add_document(channel_terms(code, world.hospital.address))
        tx.add_token(token_hash(TOKEN), world.journal.address, START + 365 * DAY)
    store.close()
    engine = open_engine(url)
    every = cases(grants)
    while some := list(islice(every, CHUNK)):
        with engine.begin() as connection:
            for table, rows in _rows(world, some):
                connection.execute(insert(table), rows)
    with engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")  # as PostgreSQL does by itself some time after so much was written
    engine.dispose()


def _rows(world: World, some: Sequence[Case]) -> Iterator[tuple[Table, list[dict[str, Any]]]]:
    kept = [(item.to_json(), item.sha256, item.size) for item in world.items]
    yield t.records, [
        {
            "hash": case.name, "subject": case.patient, "controller": world.hospital.address,
            "record": case.record.to_json(), "signature": case.signature, "at": START,
        }
        for case in some
    ]  # fmt: skip
    yield t.items, [
        {
            "record": case.name, "position": position, "item": item, "sealed": sealed, "sealed_size": size,
            "custody_wrap": "",
        }
        for case in some
        for position, (item, sealed, size) in enumerate(kept)
    ]  # fmt: skip
    yield (
        t.grants,
        [
            {
                "hash": case.grant_name,
                "record": case.name,
                "recipient": world.journal.address,
                "grant": case.grant.to_json(),
            }
            for case in some
        ],
    )
    yield t.consents, [
        {
            "hash": case.grant_name, "subject": case.patient, "signer": case.patient, "signature": bytes(65),
            "deadline": START + 900, "at": START,
        }
        for case in some
    ]  # fmt: skip
    yield t.consent_grants, [{"consent": case.grant_name, "position": 0, "grant": case.grant_name} for case in some]
