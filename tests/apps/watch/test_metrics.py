"""The page of metrics: who may read it, and that what it says is so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from countmein.base import metrics as counting
from countmein.base.clock import real_now
from countmein.base.models import Heartbeat
from countmein.watch import exposition
from countmein.watch.counted import WATCHED
from countmein.watch.models import AlarmName, Report
from countmein.watch.reports import Reporter, forget_silent, recent
from tests.conftest import Launch, Site

Read = Callable[[], dict[tuple[str, ...], float]]


@pytest.mark.parametrize("said", [None, "Bearer", "Bearer wrong", "Basic for the scraper"])
def test_without_the_token_nobody_reads_them(settings: Any, said: str | None) -> None:
    settings.METRICS_TOKEN = "for the scraper"
    headers = {} if said is None else {"Authorization": said}
    assert 401 == Client(headers=headers).get("/metrics").status_code


def test_a_site_without_a_token_shows_them_to_nobody(settings: Any) -> None:
    settings.METRICS_TOKEN = ""
    answer = Client(headers={"Authorization": "Bearer "}).get("/metrics")
    assert 401 == answer.status_code


def test_the_page_tells_how_the_site_stands(
    site: Site, launch: Launch, join: Any, metrics: Read
) -> None:
    join(launch(kinds=["money"], currency="EUR"), "ben", amount=100, payment_method="pm_card_visa")
    Heartbeat.objects.update_or_create(part="worker", defaults={"at": real_now()})
    seen = metrics()
    assert 1 == seen["countmein_database_up",]
    assert seen["countmein_jobs", "money", "todo"] >= 1
    assert seen["countmein_job_oldest_seconds", "money"] >= 0
    assert 0 <= seen["countmein_worker_heartbeat_age_seconds",] < 600
    assert seen["countmein_database_connections", "active"] >= 1
    assert {0.0} == {seen["countmein_alarm", name] for name in AlarmName}
    site.work()
    after = metrics()
    assert ("countmein_jobs", "money", "todo") not in after


def test_the_lag_of_the_count_is_the_age_of_what_is_not_counted(
    site: Site, launch: Launch, join: Any, metrics: Read
) -> None:
    """A change made a minute ago, by its id; then it is counted."""
    campaign = launch()
    site.work()
    assert 0 == metrics()["countmein_count_lag_seconds",]
    join(campaign, "ben")
    made = "overlay(id::text placing %s from 1 for 13)::uuid"
    with connection.cursor() as cursor:
        ms = int((real_now() - timedelta(seconds=60)).timestamp() * 1000)
        long_ago = f"{ms >> 16:08x}-{ms & 0xFFFF:04x}"
        cursor.execute(f"UPDATE campaigns_change SET id = {made}", [long_ago])
    assert 60 <= metrics()["countmein_count_lag_seconds",] < 600
    site.work()
    assert 0 == metrics()["countmein_count_lag_seconds",]


def test_what_each_process_counted_is_told_apart(metrics: Read, db: None) -> None:
    counting.REQUESTS.add("pages", "campaign", "200", by=3)
    Reporter(part="web-2").report()
    counting.REQUESTS.add("pages", "campaign", "200", by=2)
    seen = metrics()
    other = seen["countmein_requests_total", "200", "campaign", "pages", "web-2"]
    own = seen["countmein_requests_total", "200", "campaign", "pages", "web"]
    assert 2 == own - other
    assert seen["countmein_process_memory_bytes", "web-2"] > 10_000_000


def test_a_process_that_is_gone_is_gone_from_the_page(metrics: Read, db: None) -> None:
    Reporter(part="web-9").report()
    Report.objects.update(at=real_now() - timedelta(hours=2))
    assert not [key for key in metrics() if "web-9" in key]
    forget_silent()
    assert not Report.objects.exists()


def test_a_window_forgets_what_was_before_it(db: None) -> None:
    """20 failures now are lately for a minute; two reports later they are not."""
    start, half = len(WATCHED), 30.0
    times = iter([0.0] * start + [1.0, 1.0 + half, 1.0 + 2 * half, 1.0 + 3 * half])
    reporter = Reporter(part="web", clock=lambda: next(times))
    counting.REQUESTS.add("pages", "campaign", "500", by=20)
    reporter.report()
    assert 20 == recent("failed")
    for _half_minute in range(3):
        reporter.report()
    assert 0 == recent("failed")


def test_the_page_answers_while_the_database_is_away(db: None) -> None:
    """With what this process knows itself."""

    def is_away(*_statement: Any) -> Any:
        raise OperationalError("the connection was lost")

    with connection.execute_wrapper(is_away):
        page = exposition.page().decode()
    assert "countmein_database_up 0.0" in page
    assert "countmein_commit_queue" in page


def test_a_histogram_counts_each_value_under_every_bound_above_it() -> None:
    timed = counting.Histogram("test_seconds", "For this test", bounds=(1, 2))
    try:
        for value in (0.5, 1.0, 1.5, 7.0):
            timed.observe(value)
        taken = counting.snapshot()
        (family,) = (m for m in exposition.counted({"web": taken}) if m.name == "test_seconds")
    finally:
        del counting.METRICS["test_seconds"]
    found = {sample.labels.get("le"): sample.value for sample in family.samples}
    assert {"1.0": 2, "2.0": 3, "+Inf": 4, None: 10.0} == found


def test_there_are_no_two_metrics_of_one_name() -> None:
    with pytest.raises(ValueError, match="countmein_requests_total"):
        counting.Counter("countmein_requests_total", "Once more")


def test_nobody_and_no_campaign_is_named(
    site: Site, launch: Launch, join: Any, metrics: Read
) -> None:
    campaign = launch()
    join(campaign, "ben")
    site.work()
    words = " ".join(word for key in metrics() for word in key)
    assert not [secret for secret in ("ben", "example.org", campaign.code) if secret in words]
