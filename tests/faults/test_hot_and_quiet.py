"""R22 at the worker: one campaign into which everybody pours does not sink the quiet ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest
from django.db import connection
from procrastinate.contrib.django import app

from countmein import schedule
from countmein.base.jobs import GROUPS, defer
from countmein.campaigns.actions.count import count, tally_of
from countmein.campaigns.actions.release import release
from countmein.campaigns.actions.secure import secure
from countmein.campaigns.actions.settle import settle
from countmein.campaigns.actions.tell import tell
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from tests.apps.campaigns.acts import Join
from tests.conftest import Launch, Site

pytestmark = pytest.mark.slow

#: Only a broken site needs this long; nothing is measured by it.
PATIENCE_SECONDS = 60


@contextmanager
def worker(groups: tuple[tuple[tuple[str, ...], int], ...]) -> Iterator[None]:
    """The worker's own job loop in a thread, with these groups of places."""
    told = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    started = threading.Event()

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        places = sum(count for _queues, count in groups)
        loops[0].set_default_executor(ThreadPoolExecutor(places + 2))
        connector = app.connector.get_worker_connector()  # type: ignore[attr-defined]
        with app.replace_connector(connector):
            async with app.open_async():
                started.set()
                await schedule.run_groups(groups, until=told)

    thread = threading.Thread(target=asyncio.run, args=[run()], daemon=True)
    thread.start()
    assert started.wait(PATIENCE_SECONDS)
    try:
        yield
        assert until(lambda: not schedule._has_jobs())
    finally:
        loops[0].call_soon_threadsafe(told.set)
        thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def until(fact: Callable[[], bool], *, seconds: float = PATIENCE_SECONDS) -> bool:
    """Wait for a fact; False only if it never comes."""
    pause = threading.Event()
    for _look in range(int(seconds / 0.05)):
        if fact():
            return True
        pause.wait(0.05)
    return fact()


class Barrier:
    """Every job of one campaign stops here, until all are let go."""

    def __init__(self, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
        self.standing: list[str] = []
        self._id = str(campaign.id)
        self._open = threading.Event()
        for task in (count, settle, release, secure, tell):
            monkeypatch.setattr(task, "func", self._stopping(task.name, task.func))

    def _stopping(self, name: str, work: Callable[..., None]) -> Callable[..., None]:
        def stopped(campaign_id: str, **more: Any) -> None:
            if campaign_id != self._id:
                work(campaign_id, **more)
            elif not self._open.is_set():
                self.standing.append(name)
                self._open.wait(PATIENCE_SECONDS)

        return stopped

    def let_go(self) -> None:
        self._open.set()


def _flood(hot: Campaign) -> None:
    """All that the sweep and the verbs hand out for a campaign, and a mass of letters."""
    for task, name in ((count, "count"), (settle, "settle"), (release, "release")):
        defer(task, once=f"{name}:{hot.id}", campaign_id=str(hot.id))
    defer(secure, once=f"secure:{hot.id}", campaign_id=str(hot.id))
    for topic in ["kept"] * 12 + ["confirm"] * 4:
        defer(tell, campaign_id=str(hot.id), topic=topic, pledge_ids=[])


def _is_counted(campaign: Campaign) -> bool:
    return tally_of(campaign).people == 1


@pytest.mark.parametrize("is_naive", [False, True])
def test_quiet_campaigns_are_counted_while_all_jobs_of_a_hot_one_stand_still(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch, is_naive: bool
) -> None:
    """The control: ten places for everything, as before, and the hot one stands in all of them."""
    hot, quiet = launch(title="Hot"), [launch(title=f"Quiet {n}") for n in range(6)]
    barrier = Barrier(hot, monkeypatch)
    _flood(hot)
    every = tuple(queue for queues, _places in GROUPS for queue in queues)
    groups = ((every, 10),) if is_naive else GROUPS
    # One count; settling, releasing and securing; as many letters as there are places for.
    stands = 10 if is_naive else 1 + 3 + 2 + 3
    with worker(groups):
        try:
            assert until(lambda: len(barrier.standing) >= stands), barrier.standing
            for campaign in quiet:
                join(campaign, "ben")
            schedule.sweep()
            seconds = 1 if is_naive else PATIENCE_SECONDS
            counted = [until(partial(_is_counted, c), seconds=seconds) for c in quiet]
        finally:
            barrier.let_go()
    assert [not is_naive] * 6 == counted


def test_a_campaign_tips_by_itself_soon_after_the_pledge_that_made_it_true(
    site: Site, launch: Launch, join: Join, record_property: Callable[[str, object], None]
) -> None:
    """By the sweep and the worker as they run, while people go on pledging; and only once.

    How soon is recorded, not judged here: that needs a quiet machine.
    """
    campaign = launch(rule={"people": 30})
    stopped = threading.Event()
    sweeping = threading.Thread(target=schedule.tick, args=[stopped], daemon=True)
    with worker(GROUPS):
        sweeping.start()
        try:
            for number in range(60):
                join(campaign, f"p{number}")
            assert until(lambda: public_view(campaign)["state"] != "open")
        finally:
            stopped.set()
            sweeping.join(PATIENCE_SECONDS)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at, (SELECT p.at FROM campaigns_pledge p WHERE p.campaign_id = m.campaign_id"
            " ORDER BY p.at OFFSET 29 LIMIT 1) FROM campaigns_move m"
            " WHERE m.campaign_id = %s AND m.state = 'tipped'",
            [campaign.id],
        )
        ((tipped_at, true_at),) = cursor.fetchall()
    assert tipped_at >= true_at
    record_property("seconds_to_tip", (tipped_at - true_at).total_seconds())
    print(
        f"tipped {(tipped_at - true_at).total_seconds():.2f} s after the pledge that made it true"
    )
