"""What a process counts about itself while it works: counters, gauges and histograms.

Adding to one takes well under a microsecond and never waits for anything: each process has its
own, and only who asks for the metrics puts those of all processes together (`countmein.watch`).
Labels are few and known beforehand, such as a class of routes; never a person, never a campaign.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, TypedDict


class Snapshot(TypedDict):
    """The numbers of one process at one instant, ready to be kept as JSON.

    Counters and gauges are [labels, value], histograms [labels, counts by bound, sum].
    """

    counters: dict[str, list[tuple[list[str], float]]]
    gauges: dict[str, list[tuple[list[str], float]]]
    histograms: dict[str, list[tuple[list[str], list[int], float]]]


class _Metric:
    """Something counted under a name, by labels."""

    def __init__(self, name: str, explanation: str, *, labels: Sequence[str] = ()) -> None:
        if name in METRICS:
            raise ValueError(f"there are two metrics {name}")
        self.name = name
        self.explanation = explanation
        self.labels = tuple(labels)
        self._lock = threading.Lock()
        METRICS[name] = self


class _Number(_Metric):
    """One number for each set of labels."""

    def __init__(self, name: str, explanation: str, *, labels: Sequence[str] = ()) -> None:
        super().__init__(name, explanation, labels=labels)
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, *labels: str, by: float = 1) -> None:
        """Count one more, or so many more."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + by

    def value(self, *labels: str) -> float:
        """Where it stands."""
        return self._values.get(labels, 0)

    def rows(self) -> list[tuple[list[str], float]]:
        """Labels and value of each."""
        with self._lock:
            return [(list(labels), value) for labels, value in self._values.items()]


class Counter(_Number):
    """A number that only grows, from the start of the process on."""


class Gauge(_Number):
    """A number that rises and falls; what counts is where it stands."""

    def set(self, value: float, *labels: str) -> None:
        """Say where it stands now."""
        with self._lock:
            self._values[labels] = value


class Histogram(_Metric):
    """How often a measured number fell under each of a few bounds."""

    def __init__(
        self,
        name: str,
        explanation: str,
        *,
        bounds: Sequence[float],
        labels: Sequence[str] = (),
    ) -> None:
        super().__init__(name, explanation, labels=labels)
        self.bounds = tuple(bounds)
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, value: float, *labels: str) -> None:
        """Count one measured value."""
        slot = bisect_left(self.bounds, value)
        with self._lock:
            counts = self._counts.get(labels)
            if counts is None:
                # One more than there are bounds: what lies above all of them.
                counts = self._counts[labels] = [0] * (len(self.bounds) + 1)
                self._sums[labels] = 0.0
            counts[slot] += 1
            self._sums[labels] += value

    def rows(self) -> list[tuple[list[str], list[int], float]]:
        """Labels, counts by bound and sum of each."""
        with self._lock:
            return [
                (list(labels), list(counts), self._sums[labels])
                for labels, counts in self._counts.items()
            ]


#: Every metric of the code that this process has loaded, by name.
METRICS: Final[dict[str, _Metric]] = {}

#: Seconds; from what a pledge should take to what nobody waits for any more.
LATENCIES: Final = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

REQUESTS: Final = Counter(
    "countmein_requests_total",
    "Requests answered, by the door that answered, the class of the route, and the status",
    labels=("door", "route", "status"),
)
REQUEST_SECONDS: Final = Histogram(
    "countmein_request_seconds",
    "From the last byte of a request's head to the last of its answer",
    bounds=LATENCIES,
    labels=("door", "route"),
)
BATCH_SIZE: Final = Histogram(
    "countmein_commit_batch_size",
    "Requests that shared one commit",
    bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
)
BATCH_SECONDS: Final = Histogram(
    "countmein_commit_seconds", "How long a shared commit took", bounds=LATENCIES
)
QUEUE: Final = Gauge("countmein_commit_queue", "Requests that wait for the next commit")
TURNED_AWAY: Final = Counter(
    "countmein_commit_turned_away_total", "Requests answered 503 because the queue was full"
)


def snapshot() -> Snapshot:
    """All numbers of this process now."""
    taken = Snapshot(counters={}, gauges={}, histograms={})
    for name, metric in METRICS.items():
        if isinstance(metric, Counter):
            taken["counters"][name] = metric.rows()
        elif isinstance(metric, Gauge):
            taken["gauges"][name] = metric.rows()
        elif isinstance(metric, Histogram):
            taken["histograms"][name] = metric.rows()
    return taken
