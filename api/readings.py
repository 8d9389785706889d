"""What is read at the moment Prometheus asks: how far the index, the outbox and the access log are."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from api.metrics import gauge
from api.services import Services
from ledger.errors import Unavailable

DUTIES = ("indexer", "relayer", "evidence")
WAITING = ("accepted", "sent", "recorded")


def readings(use: Services) -> Iterator[Metric]:
    """The gauges of a running service. What cannot be read is left out; `volens_gate_open` says that it is 0."""
    now, last = use.clock(), use.index.last
    if last is not None:
        yield gauge("volens_index_block", "Number of the newest verified block.", {"": last.head.number})
        lag = max(now - last.head.timestamp, 0)
        yield gauge("volens_index_lag_seconds", "Seconds since the newest verified block.", {"": lag})
    fresh = last is not None and not use.index.closed and now - last.head.timestamp <= use.settings.max_head_age
    yield gauge("volens_gate_open", "1 while questions can be permitted and keys released.", {"": float(fresh)})
    closed = "1 while the gate is closed until an operator acts."
    yield gauge("volens_gate_closed", closed, {"": float(use.index.closed)})
    held = use.store.elected()
    doing = "1 for what this process does for all on its database."
    yield gauge("volens_elected", doing, {duty: float(duty in held) for duty in DUTIES}, "duty")
    try:
        with use.store.begin() as tx:
            relays, size = tx.relay_counts(), len(tx.log_view())
        _, behind = use.log.anchored()
        late, oldest = use.relays.late()
    except Unavailable:
        return
    counts = {status: float(relays.get(status, (0, 0))[0]) for status in (*WAITING, "final", "failed")}
    yield gauge("volens_relays", "Signed messages in the outbox by status.", counts, "status")
    ages = {status: float(max(now - relays[status][1], 0)) if status in relays else 0.0 for status in WAITING}
    yield gauge("volens_relay_oldest_seconds", "Age of the oldest message in a status.", ages, "status")
    overdue = "Received messages that are in no block though VOLENS_RELAY_ALARM seconds have passed."
    yield gauge("volens_relays_late", overdue, {"": float(late)})
    yield gauge("volens_relays_late_seconds", "Age of the oldest of them.", {"": float(oldest)})
    yield gauge("volens_log_entries", "Entries of the access log.", {"": float(size)})
    yield gauge("volens_log_behind_seconds", "Seconds that entries have waited for an anchor.", {"": float(behind)})
