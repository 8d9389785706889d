"""What Prometheus may know: counts and durations by route, reason and status. Never an address, a hash or a person.

Decisions are counted by the reason that was told, not by the true one: these numbers are open to all, and a true
reason that is counted while an outsider asks would tell him whether a record exists.
"""

import os
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from ledger.decisions import Reason

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Reading = Callable[[], Iterable[Metric]]


class Metrics:
    """The metrics of one process; or of all that share a socket, where ``PROMETHEUS_MULTIPROC_DIR`` is set for them.

    What is counted is then in files of that folder, and added up when one of them is asked.
    """

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._readings: list[_Reading] = []
        self.requests = Counter(
            "volens_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "volens_request_seconds",
            "Seconds until a request was answered.",
            ("route",),
            registry=self._registry,
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
        )
        self.working = Gauge(
            "volens_requests_in_progress",
            "Requests being worked on.",
            registry=self._registry,
            multiprocess_mode="livesum",
        )
        self.decisions = Counter(
            "volens_decisions", "Decisions by the reason told.", ("reason",), registry=self._registry
        )
        # Looked up once: there are few, and a look-up costs more than the counting.
        self._decided: dict[Reason, Counter] = {}
        self._answered: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self.releases = Counter("volens_releases", "Releases of item keys.", registry=self._registry)

    def decided(self, reason: Reason) -> None:
        """Count one decision."""
        found = self._decided.get(reason)
        if found is None:
            found = self._decided[reason] = self.decisions.labels(str(reason))
        found.inc()

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        found = self._answered.get((route, method, status))
        if found is None:
            found = self.requests.labels(route, method, str(status)), self.seconds.labels(route)
            self._answered[route, method, status] = found
        found[0].inc()
        found[1].observe(seconds)

    def read_from(self, reading: Reading) -> None:
        """Ask for further metrics whenever they are scraped."""
        self._readings.append(_Reading(reading))

    def text(self) -> bytes:
        """Everything in Prometheus' text format."""
        registry = self._registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry) + b"".join(map(_generate, self._readings))


def _generate(reading: "_Reading") -> bytes:
    registry = CollectorRegistry()
    registry.register(reading)
    return generate_latest(registry)


class _Reading:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading

    def collect(self) -> Iterable[Metric]:
        return self._reading()

    def describe(self) -> Iterable[Metric]:
        return ()  # nothing is read before somebody asks


def gauge(name: str, meaning: str, values: dict[str, float], label: str | None = None) -> Metric:
    """A gauge with one value, or with one for each value of a label."""
    family = GaugeMetricFamily(name, meaning, labels=[label] if label else None)
    for key, value in values.items():
        family.add_metric([key] if label else [], value)
    return family
