"""What is not answered under load, in which order, and what always is."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from countmein.campaigns.models import Campaign
from countmein.intake.pages import OPEN_THREADS
from countmein.intake.routes import Level, route_of
from countmein.intake.shedding import Gauge, level_of
from tests.apps.api.live import Live, poll, serving
from tests.apps.api.test_shared import see

Launch = Callable[..., Campaign]


@pytest.fixture
def live(transactional_db: None) -> Iterator[Live]:
    """The site on a socket."""
    with serving() as running:
        yield running


class Held:
    """A gauge that says what it was told."""

    def __init__(self, level: Level) -> None:
        self.level = level


@pytest.mark.parametrize(
    ("address", "sheds_at"),
    [
        ("GET /c/abc/ledger/", Level.STATISTICS),
        ("GET /c/abc/meter/", Level.STATISTICS),
        ("GET /api/v1/campaigns?state=open", Level.SEARCH),
        ("GET /static/img/favicon.svg", Level.IMAGES),
        ("GET /campaigns/", Level.LISTS),
        ("GET /organise/abc/backers.csv", Level.REPORTS),
        ("GET /organise/abc/", Level.REPORTS),
        ("GET /api/v1/campaigns/abc/pledges", Level.REPORTS),
        ("POST /api/v1/campaigns/abc/pledges", Level.NEVER),
        ("POST /c/abc/pledge/", Level.NEVER),
        ("GET /c/abc/pledge/", Level.NEVER),
        ("POST /p/abc/withdraw/", Level.NEVER),
        ("GET /p/abc/", Level.NEVER),
        ("GET /p/abc/ticket.png", Level.NEVER),
        ("DELETE /api/v1/pledges/abc", Level.NEVER),
        ("POST /unsubscribe/abc/", Level.NEVER),
        ("GET /c/abc/", Level.NEVER),
        ("GET /c/abc/share.png", Level.IMAGES),
        ("GET /embed/abc/?theme=dark", Level.IMAGES),
        ("GET /c/abc/poster/", Level.REPORTS),
        ("GET /feed/", Level.LISTS),
        ("GET /static/css/tokens.css", Level.NEVER),
    ],
)
def test_the_order_in_which_things_are_shed(address: str, sheds_at: Level) -> None:
    method, _, path = address.partition(" ")
    path, _, query = path.partition("?")
    route = route_of(method, path, query.encode())
    assert sheds_at == route.sheds_at
    if method in ("POST", "DELETE"):
        assert route.is_promised


def test_only_load_that_lasts_sheds_and_it_comes_back_step_by_step() -> None:
    shed: list[str] = []
    gauge = Gauge(waiting=lambda: 0, on_shed=lambda: shed.append("streams"))
    for _look in range(9):
        gauge.note(lag_seconds=5, waiting=500)
    assert Level.CALM == gauge.level, "a flash"
    gauge.note(lag_seconds=5, waiting=500)
    assert (Level.REPORTS, ["streams"]) == (gauge.level, shed)
    levels = []
    for _look in range(70):
        gauge.note(lag_seconds=0, waiting=0)
        levels.append(gauge.level)
    assert sorted(levels, reverse=True) == levels
    assert set(Level) - {Level.NEVER} == set(levels)
    assert ["streams"] == shed


def test_a_loop_that_is_late_and_a_queue_that_is_long_both_count() -> None:
    assert Level.CALM == level_of(lag_seconds=0.2, waiting=11)
    assert Level.COUNTERS == level_of(lag_seconds=0.25, waiting=0)
    assert Level.STATISTICS == level_of(lag_seconds=0, waiting=24)
    assert Level.REPORTS == level_of(lag_seconds=60, waiting=0)


def test_what_is_shed_is_told_to_come_later_and_what_is_kept_is_still_shown(
    live: Live, launch: Launch
) -> None:
    campaign = launch()
    meter = f"/c/{campaign.code}/meter/"
    # What was asked for before the process began to hear of changes is not kept.
    poll(lambda: live.intake._tallies._is_heard)
    assert 200 == see(live, meter).status
    live.intake._gauge = Held(Level.REPORTS)  # type: ignore[assignment]
    assert 200 == see(live, meter).status
    for path in (f"/c/{campaign.code}/ledger/", "/campaigns/", f"/organise/{campaign.code}/"):
        answer = see(live, path)
        assert (503, "10") == (answer.status, answer.headers["Retry-After"]), path
    assert 503 == live.stream(f"/c/{campaign.code}/events").response.status
    for path in (f"/c/{campaign.code}/", f"/c/{campaign.code}/pledge/"):
        assert 200 == see(live, path).status


def test_a_stream_that_is_shed_is_told_when_to_come_again(live: Live, launch: Launch) -> None:
    stream = live.stream(f"/c/{launch().code}/events")
    assert "tally" == stream.next()[0]
    live._loop.call_soon_threadsafe(live.intake._tallies.shed)
    assert b"retry: 30000\n\n" == stream.response.read()


def flooded(live: Live, path: str) -> bool:
    """Whether an address is answered while slow pages hold every thread they can get."""
    leave, inside = threading.Event(), threading.Semaphore(0)

    def pages(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] == "/account/slow/":
            inside.release()
            leave.wait(timeout=30)
        start("200 OK", [])
        return [b""]

    live.intake._pages.serve(pages)
    flood = [threading.Thread(target=see, args=(live, "/account/slow/")) for _ in range(20)]
    for one in flood:
        one.start()
    for _ in range(OPEN_THREADS):
        assert inside.acquire(timeout=20)
    poll(lambda: live.intake._pages.waiting == len(flood) - OPEN_THREADS)
    answered = threading.Event()

    def ask() -> None:
        see(live, path)
        if not leave.is_set():
            answered.set()

    asking = threading.Thread(target=ask)
    asking.start()
    poll(lambda: answered.is_set() or live.intake._pages.waiting > len(flood) - OPEN_THREADS)
    leave.set()
    for one in (*flood, asking):
        one.join()
    return answered.is_set()


def test_a_flood_of_slow_pages_leaves_threads_for_what_is_promised(live: Live) -> None:
    assert flooded(live, "/p/abc/")


def test_what_is_not_promised_waits_behind_the_flood(live: Live) -> None:
    """The negative control of the test above."""
    assert not flooded(live, "/account/login/")
