"""The numbers of all processes, and how the site stands, as Prometheus reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from django.db import DatabaseError
from prometheus_client import generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric

from countmein.base.clock import real_now
from countmein.base.metrics import METRICS, Counter, Gauge, Histogram, Snapshot, snapshot
from countmein.watch.counted import MEMORY
from countmein.watch.models import Report
from countmein.watch.reports import SILENT, memory_bytes, part
from countmein.watch.state import state

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def page() -> bytes:
    """The page of metrics. Answers also while the database is away, with what is known here."""
    MEMORY.set(memory_bytes())
    own = {part() or "web": snapshot()}
    stands: list[Metric] = []
    try:
        others = {row.part: row.metrics for row in _reports()}
        stands = list(state())
        is_up = True
    except DatabaseError:
        others, is_up = {}, False
    up = GaugeMetricFamily(
        "countmein_database_up", "Whether the database answers", value=float(is_up)
    )
    # Our own numbers are fresher here than in our row.
    return _text([up, *stands, *counted({**others, **own})])


def _reports() -> list[Report]:
    return list(Report.objects.filter(at__gt=real_now() - SILENT))


def counted(snapshots: Mapping[str, Snapshot]) -> Iterable[Metric]:
    """What processes counted, each series with its process, so that a restart is seen as one."""
    for name, metric in METRICS.items():
        labels = ["process", *metric.labels]
        family: CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
        if isinstance(metric, Counter):
            family = CounterMetricFamily(name, metric.explanation, labels=labels)
            for process, taken in snapshots.items():
                for said, value in taken["counters"].get(name, ()):
                    family.add_metric([process, *said], value)
        elif isinstance(metric, Gauge):
            family = GaugeMetricFamily(name, metric.explanation, labels=labels)
            for process, taken in snapshots.items():
                for said, value in taken["gauges"].get(name, ()):
                    family.add_metric([process, *said], value)
        else:
            assert isinstance(metric, Histogram)
            family = HistogramMetricFamily(name, metric.explanation, labels=labels)
            for process, taken in snapshots.items():
                for said, counts, total in taken["histograms"].get(name, ()):
                    buckets = _cumulative(metric.bounds, counts)
                    family.add_metric([process, *said], buckets, total)
        yield family


def _cumulative(bounds: Iterable[float], counts: Iterable[int]) -> list[tuple[str, float]]:
    """Prometheus wants how many fell at or under each bound, the last of which is infinity."""
    so_far, buckets = 0, []
    for bound, count in zip([*map(str, map(float, bounds)), "+Inf"], counts, strict=True):
        so_far += count
        buckets.append((bound, float(so_far)))
    return buckets


class _Given:
    """Families as the library's renderer wants them."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def _text(families: Iterable[Metric]) -> bytes:
    return bytes(generate_latest(_Given(families)))
