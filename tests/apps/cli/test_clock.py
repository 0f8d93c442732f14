"""The sandbox's clock stops at everything that falls due on its way."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from countmein import schedule
from countmein.base.clock import offset, real_now, set_offset, site_now
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.queries import public_view
from countmein.cli.clock import instant, move_clock, span
from countmein.payments.models import Attempt, Charge
from tests.conftest import Launch, Site

Join = Callable[..., dict[str, Any]]


class Worker:
    """Does the work that is due whenever the clock waits, and notes when that was."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.waits: list[timedelta] = []

    def __call__(self) -> bool:
        self._site.work()
        self.waits.append(offset())
        return schedule.is_at_rest()


@pytest.fixture
def failing(site: Site, launch: Launch, join: Join) -> Campaign:
    """A tipped campaign with one card that is declined whenever it is tried."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2})
    for who in ("ben", "dora"):
        join(campaign, who, amount=1500, payment_method="pm_card_visa")
    join(campaign, "emil", amount=1500, payment_method="pm_card_chargeCustomerFail")
    site.work()
    return campaign


def test_retries_happen_one_after_the_other(site: Site, failing: Campaign) -> None:
    """A move of ten days stops at 48, 96, 144 and 168 hours, then the card is given up."""
    worker = Worker(site)
    charge = Charge.objects.all_lanes().get(first_failed_at__isnull=False)
    assert move_clock(timedelta(days=10), is_settled=worker)
    hours = [round(wait / timedelta(hours=1)) for wait in worker.waits]
    assert [0, 48, 96, 144, 168, 240] == hours
    assert 5 == Attempt.objects.all_lanes().filter(about_id=charge.id).count()
    dropped = Pledge.objects.all_lanes().get(id=charge.pledge_id)
    assert "dropped" == dropped.state
    assert "settled" == public_view(failing)["state"]


def test_a_move_without_stops_would_try_only_once(site: Site, failing: Campaign) -> None:
    """The negative control: the bare offset skips the tries between."""
    charge = Charge.objects.all_lanes().get(first_failed_at__isnull=False)
    set_offset(timedelta(days=10))
    site.work()
    assert 2 == Attempt.objects.all_lanes().filter(about_id=charge.id).count()


def test_deadlines_pass_in_order(site: Site, launch: Launch) -> None:
    """The campaign that ends first lapses first, each at its own deadline."""
    now = site_now()
    ends = [now + timedelta(days=days) for days in (5, 2)]
    campaigns = [launch(deadline=end.isoformat()) for end in ends]
    assert move_clock(timedelta(days=7), is_settled=Worker(site))
    for campaign, end in zip(campaigns, ends, strict=True):
        lapsed = next(m for m in public_view(campaign)["history"] if m["state"] == "lapsed")
        assert timedelta(0) <= lapsed["at"] - end < timedelta(minutes=1)


def test_the_clock_stays_where_work_is_left(site: Site, failing: Campaign) -> None:
    """Nothing later happens before what is due now is done."""
    site.advance(timedelta(hours=49))
    assert not schedule.is_at_rest()
    assert "charges" in schedule.unfinished()
    before = offset()
    assert not move_clock(timedelta(days=10), is_settled=schedule.is_at_rest)
    assert before == offset()


def test_the_next_due_instant_lies_within_the_move(site: Site, launch: Launch) -> None:
    """What falls due later is left for a later move."""
    launch(deadline=(real_now() + timedelta(days=3)).isoformat())
    now = site_now()
    assert schedule.next_due_at(after=now, until=now + timedelta(days=2)) is None
    assert schedule.next_due_at(after=now, until=now + timedelta(days=4)) is not None


def test_lengths_of_time_and_instants_are_read() -> None:
    """As the contract writes them; anything else is a wrong call."""
    assert timedelta(hours=48) == span("48h")
    assert timedelta(days=1, hours=12) == span("1d12h")
    assert datetime(2026, 12, 1, 12, tzinfo=UTC) == instant("2026-12-01T12:00:00Z")
    for wrong in ("", "48", "h", "-1h"):
        with pytest.raises(argparse.ArgumentTypeError):
            span(wrong)
    for wrong in ("tomorrow", "2026-12-01T12:00:00"):
        with pytest.raises(argparse.ArgumentTypeError):
            instant(wrong)
