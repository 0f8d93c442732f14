"""A job that fails must not stop its own kind of work for good."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django import app

from countmein.base import jobs
from countmein.base.jobs import defer
from countmein.campaigns.actions.count import count
from countmein.campaigns.actions.tell import tell
from countmein.schedule import chores
from tests.conftest import Launch, Site

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_jobs(transactional_db: None) -> None:
    """Nothing is left of other tests: this table is not emptied with the others."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def _states() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT task_name, status::text FROM procrastinate_jobs ORDER BY id")
        return [(name, status) for name, status in cursor.fetchall()]


async def _work() -> None:
    connector: Any = app.connector.get_worker_connector()  # type: ignore[attr-defined]
    with app.replace_connector(connector):
        async with app.open_async():
            await app.run_worker_async(queues=["chores"], wait=False, concurrency=1)


def test_a_failed_job_whose_work_was_enqueued_again_does_not_block_it(
    transactional_db: None,
) -> None:
    """While it ran, the same work was enqueued: the second one must get its turn."""
    ran: list[int] = []

    @jobs.job(name="tests.fails_once", queue="chores")
    def fails_once() -> None:
        ran.append(1)
        if len(ran) == 1:
            jobs.defer(fails_once, once="tests.fails_once")
            raise RuntimeError("the first time it fails")

    try:
        jobs.defer(fails_once, once="tests.fails_once")
        asyncio.run(_work())
        assert 2 == len(ran)
        assert ["failed", "succeeded"] == [status for _name, status in _states()]
    finally:
        app.tasks.pop("tests.fails_once")


@pytest.mark.parametrize("is_naive", [False, True])
def test_in_a_worker_too_a_job_vanishes_with_the_data_it_is_about(
    transactional_db: None, is_naive: bool
) -> None:
    """Nobody sees it before the commit, and none is left after a rollback.

    The control: enqueued by the worker's own connection it is seen, and stays.
    """
    seen: list[int] = []

    @jobs.job(name="tests.about_data", queue="sends")
    def about_data() -> None:
        """Nothing: it only waits."""

    @jobs.job(name="tests.rolls_back", queue="chores")
    def rolls_back() -> None:
        with transaction.atomic():
            if is_naive:
                about_data.configure().defer()
            else:
                jobs.defer(about_data)
            jobs.defer(about_data, once="tests.about_data")
            with ThreadPoolExecutor(1) as elsewhere:
                seen.append(elsewhere.submit(_waiting).result())
            transaction.set_rollback(True)

    try:
        jobs.defer(rolls_back, once="tests.rolls_back")
        asyncio.run(_work())
        assert ([1], 1) == (seen, _waiting()) if is_naive else ([0], 0) == (seen, _waiting())
    finally:
        app.tasks.pop("tests.about_data")
        app.tasks.pop("tests.rolls_back")


def _waiting() -> int:
    try:
        return sum(name == "tests.about_data" for name, _status in _states())
    finally:
        connection.close()


def test_jobs_of_a_vanished_worker_are_given_back_one_by_one(transactional_db: None) -> None:
    """One of them was enqueued again meanwhile; that must not keep the others from coming back."""
    with connection.cursor() as cursor:
        for name, status in (("a", "doing"), ("a", "todo"), ("b", "doing")):
            cursor.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, lock,"
                " queueing_lock, args, status) VALUES"
                " ('chores', 'tests.none', 0, %s, %s, '{}', %s)",
                [name, name, status],
            )
    chores()
    # The chores hand out work of their own, behind these.
    assert ["failed", "todo", "todo"] == [status for _name, status in _states()][:3]


def test_counting_is_taken_before_a_backlog_of_mails(site: Site, launch: Launch) -> None:
    """The worker takes the job of the highest priority first, and among those the oldest."""
    campaign = launch()
    for _mail in range(3):
        defer(tell, campaign_id=str(campaign.id), topic="confirm", pledge_ids=[])
    defer(count, once=f"count:{campaign.id}", campaign_id=str(campaign.id))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM procrastinate_register_worker_v1()")
        (worker,) = cursor.fetchone()
        cursor.execute("SELECT task_name FROM procrastinate_fetch_job_v2(NULL, %s)", [worker])
        assert ("campaigns.count",) == cursor.fetchone()
