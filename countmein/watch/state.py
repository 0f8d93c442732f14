"""How the site stands, read from its rows: what waits, how old it is, what was last seen well.

Read by whoever answers for the metrics, all in a moment: what grows with the crowd is read by the
small indexes that the sweep uses, and what cannot be is read once a minute, or not at all where
that takes too long.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from django.db import DatabaseError, connection, transaction
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from countmein.base import backup
from countmein.base.clock import real_now
from countmein.watch.models import AlarmName

#: No look at the site's state may weigh on the site.
_TIMEOUT: Final = "2s"
#: Between two looks, however often somebody asks.
_KEPT_SECONDS: Final = 5.0
_SLOW_KEPT_SECONDS: Final = 60.0

#: Name → explanation, labels, and the query that answers with a row for each: labels, then value.
_Asked = dict[str, tuple[str, tuple[str, ...], str]]

_QUERIES: Final[_Asked] = {
    "count_lag_seconds": (
        "How long the oldest change that is not in a tally yet has been waiting",
        (),
        # Ids carry the time of their making, in milliseconds.
        """SELECT greatest(0, coalesce(max(extract(epoch FROM clock_timestamp())
                  - ('x' || substr(replace(first.id::text, '-', ''), 1, 12))::bit(48)::bigint
                    / 1000.0), 0))
           FROM campaigns_uncounted u
           LEFT JOIN campaigns_tally t ON t.lane = u.lane AND t.id = u.campaign_id,
           LATERAL (SELECT c.id FROM campaigns_change c WHERE c.lane = u.lane
                    AND c.campaign_id = u.campaign_id AND c.round > coalesce(t.round, 0)
                    ORDER BY c.round, c.id LIMIT 1) first""",
    ),
    "jobs": (
        "Jobs that wait or are under way",
        ("queue", "state"),
        """SELECT queue_name, status::text, count(*) FROM procrastinate_jobs
           WHERE status IN ('todo', 'doing') GROUP BY 1, 2""",
    ),
    "job_oldest_seconds": (
        "Age of the oldest job that waits or is under way, and could have been done",
        ("queue",),
        """SELECT j.queue_name, max(extract(epoch FROM clock_timestamp() - e.at))
           FROM procrastinate_jobs j JOIN procrastinate_events e ON e.job_id = j.id
           WHERE j.status IN ('todo', 'doing')
             AND (j.scheduled_at IS NULL OR j.scheduled_at < clock_timestamp()) GROUP BY 1""",
    ),
    "mails_open": (
        "Mails that wait to be sent (due now, or put off), and that are being sent",
        ("state",),
        """SELECT CASE WHEN state = 'sending' THEN 'sending' WHEN due_at > clock_timestamp()
                  THEN 'put_off' ELSE 'due' END, count(*)
           FROM outreach_delivery WHERE state IN ('queued', 'sending') GROUP BY 1""",
    ),
    "charges_open": (
        "Charges that are to be made, are being made, or wait for their member",
        ("state",),
        """SELECT state, count(*) FROM payments_charge
           WHERE state IN ('due', 'doing', 'on_page') GROUP BY 1""",
    ),
    "charges_stopped_campaigns": (
        "Campaigns whose charging stopped by itself because its sums did not add up",
        (),
        "SELECT count(*) FROM campaigns_gate WHERE charging_stopped_at IS NOT NULL",
    ),
    "database_connections": (
        "Sessions at the database",
        ("state",),
        """SELECT coalesce(state, 'other'), count(*) FROM pg_stat_activity
           WHERE datname = current_database() GROUP BY 1""",
    ),
    "database_connections_max": (
        "Sessions that the database allows",
        (),
        "SELECT current_setting('max_connections')::int",
    ),
    "database_bytes": (
        "Size of the database",
        (),
        "SELECT pg_database_size(current_database())",
    ),
    "worker_heartbeat_age_seconds": (
        "How long ago the worker said that it lives",
        (),
        """SELECT extract(epoch FROM clock_timestamp() - at) FROM base_heartbeat
           WHERE part = 'worker'""",
    ),
    "inspection_ok": (
        "Whether the latest inspection of this kind found all well",
        ("inspection",),
        "SELECT name, ok::int FROM watch_inspection",
    ),
    "inspection_age_seconds": (
        "How long ago the latest inspection of this kind was",
        ("inspection",),
        "SELECT name, extract(epoch FROM clock_timestamp() - at) FROM watch_inspection",
    ),
}

#: What reads a whole index: once a minute.
_SLOW_QUERIES: Final[_Asked] = {
    "charges": (
        "Charges by state",
        ("state",),
        "SELECT state, count(*) FROM payments_charge GROUP BY 1",
    ),
    "mails_unknown": (
        "Mails of which nobody knows whether they arrived",
        (),
        "SELECT count(*) FROM outreach_delivery WHERE state = 'unknown'",
    ),
}


class _Kept:
    """What was read a moment ago, so that many who ask at once cost one look."""

    def __init__(self, read: Callable[[], list[Metric]], *, seconds: float) -> None:
        self._read = read
        self._seconds = seconds
        self._lock = threading.Lock()
        self._until = 0.0
        self._found: list[Metric] = []

    def get(self) -> list[Metric]:
        """The latest reading, a new one if that is old. Raises DatabaseError, which is not kept."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._found = self._read()
                self._until = time.monotonic() + self._seconds
            return self._found

    def forget(self) -> None:
        """Have the next one read anew."""
        self._until = 0.0


def state() -> Iterable[Metric]:
    """How the site stands. Raises DatabaseError if the database does not answer."""
    yield from _QUICK.get()
    yield from _SLOW.get()


def names() -> set[str]:
    """The name of everything that `state` can tell of, and whether the database answers at all."""
    others = ("alarm", "backup_age_seconds", "archive_age_seconds", "database_up")
    return {f"countmein_{name}" for name in (*_QUERIES, *_SLOW_QUERIES, *others)}


def _quick() -> list[Metric]:
    return [*_asked(_QUERIES), _alarms(), *_backup()]


def _asked(queries: _Asked) -> Iterator[Metric]:
    """Each query's answer; one that takes too long is left out, which shows as a gap."""
    for name, (explanation, labels, query) in queries.items():
        family = GaugeMetricFamily(f"countmein_{name}", explanation, labels=labels)
        try:
            rows = _rows(query)
        except DatabaseError:
            if not connection.is_usable():
                raise  # it is the database that is gone
            continue
        for *said, value in rows:
            family.add_metric([str(each) for each in said], float(value))
        yield family


def _rows(query: str) -> list[tuple[Any, ...]]:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [_TIMEOUT])
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def _alarms() -> Metric:
    """One for each alarm that there is, 1 while it stands: so that a rule need not know of gaps."""
    family = GaugeMetricFamily("countmein_alarm", "Whether this alarm stands", labels=["alarm"])
    stands = {name for (name,) in _rows("SELECT name FROM watch_alarm WHERE cleared_at IS NULL")}
    for name in AlarmName:
        family.add_metric([name.value], float(name.value in stands))
    return family


def _backup() -> Iterator[Metric]:
    kept = backup.directory()
    latest = backup.latest(kept) if kept is not None else None
    if latest is not None:
        age = (real_now() - latest.finished_at).total_seconds()
        yield GaugeMetricFamily(
            "countmein_backup_age_seconds", "How long ago the latest backup was made", value=age
        )
        yield GaugeMetricFamily(
            "countmein_archive_age_seconds",
            "How long ago the log was last archived",
            value=_rows(
                "SELECT coalesce(extract(epoch FROM clock_timestamp() - last_archived_time), 'inf')"
                " FROM pg_stat_archiver"
            )[0][0],
        )


_QUICK: Final = _Kept(_quick, seconds=_KEPT_SECONDS)
_SLOW: Final = _Kept(lambda: list(_asked(_SLOW_QUERIES)), seconds=_SLOW_KEPT_SECONDS)


def forget() -> None:
    """Read anew next time; for tests, which change the site faster than anybody scrapes it."""
    _QUICK.forget()
    _SLOW.forget()
