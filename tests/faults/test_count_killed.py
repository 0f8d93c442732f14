"""Killed at any statement, a count is simply run again: nothing is added twice, nothing is lost."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import connection

from countmein.campaigns.actions.count import count
from countmein.campaigns.models import Campaign
from tests.apps.campaigns.acts import Join
from tests.apps.campaigns.test_books import counted, everybody
from tests.conftest import Launch, Site
from tests.faults.kills import run_and_die

pytestmark = pytest.mark.slow


def _arrive(campaign: Campaign, join: Join, turn: int) -> None:
    for number in range(3):
        join(campaign, f"t{turn}n{number}", condition={"people": 3 * turn + number})


def test_a_count_killed_at_any_statement_is_run_again(
    site: Site, launch: Launch, join: Join
) -> None:
    """In each round it dies one statement later; another process with an old book finishes it."""
    campaign = launch(rule={"people": 999})
    deaths, at = 0, 1
    while run_and_die(partial(count, str(campaign.id)), at=at):
        deaths += 1
        # Every other time the next one to count is the process that slept through this one.
        if at % 2:
            count(str(campaign.id))
            assert everybody(campaign) == counted(campaign)
        _arrive(campaign, join, at)
        at += 1
    count(str(campaign.id))
    assert everybody(campaign) == counted(campaign)
    assert deaths > 15


def test_a_naive_count_killed_half_way_adds_twice(site: Site, launch: Launch, join: Join) -> None:
    """The control: the totals are added first, and where it stands is noted afterwards."""
    campaign = launch(rule={"people": 999})
    _arrive(campaign, join, 1)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE naive_tally AS SELECT 0 AS people, 0::bigint AS round")

    def naive() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE naive_tally t SET people = t.people + (SELECT sum(people) FROM"
                " campaigns_change c WHERE c.campaign_id = %s AND c.round > t.round)",
                [campaign.id],
            )
            cursor.execute("UPDATE naive_tally SET round = 1")

    try:
        assert run_and_die(naive, at=1)
        naive()
        with connection.cursor() as cursor:
            cursor.execute("SELECT people FROM naive_tally")
            assert (6,) == cursor.fetchone()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE naive_tally")
