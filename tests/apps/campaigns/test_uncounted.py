"""The notes that tell the count where to look say what the rows say."""

from __future__ import annotations

import pytest
from django.db import connection

from countmein.campaigns import changes
from countmein.campaigns.actions import count as counting
from countmein.campaigns.actions.count import count, decide, tally_of
from countmein.campaigns.models import Uncounted
from countmein.campaigns.selfcheck import self_check
from countmein.campaigns.uncounted import note_missed, uncounted
from countmein.schedule import chores
from tests.apps.campaigns.acts import Join
from tests.conftest import Launch, Site


def wrong() -> set[str]:
    return {check["name"] for check in self_check() if not check["ok"]}


def test_what_changes_is_noted_and_what_is_counted_is_not(
    site: Site, launch: Launch, join: Join
) -> None:
    quiet, busy = launch(rule={"people": 9}), launch(rule={"people": 9})
    join(busy, "ben")
    assert [busy.id] == uncounted()
    join(busy, "dora")
    assert 1 == Uncounted.objects.all_lanes().count()
    count(str(busy.id))
    assert [] == uncounted()
    assert not Uncounted.objects.all_lanes().exists()
    assert 0 == tally_of(quiet).people


def test_what_comes_during_a_count_is_still_noted(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: a count that took off every note of its campaign would lose Dora."""
    campaign = launch(rule={"people": 9})
    join(campaign, "ben")
    closed = counting.close_round

    def closes(**named: object) -> int:
        round_ = closed(**named)  # type: ignore[arg-type]
        join(campaign, "dora")
        return round_

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(counting, "close_round", closes)
        count(str(campaign.id))
    assert 1 == tally_of(campaign).people
    assert [campaign.id] == uncounted()
    count(str(campaign.id))
    assert (2, []) == (tally_of(campaign).people, uncounted())


def test_a_campaign_that_was_only_judged_is_looked_at_again(
    site: Site, launch: Launch, join: Join
) -> None:
    """Judging counts, and leaves the look ahead to the next count."""
    campaign = launch(rule={"people": 9})
    join(campaign, "ben", condition={"people": 3})
    decide(campaign)
    with_note = uncounted()
    tally = tally_of(campaign)
    assert tally.outlook_round == tally.round or with_note == [campaign.id]
    site.work()
    tally = tally_of(campaign)
    assert tally.outlook_round == tally.round
    assert [] == uncounted()


def test_a_note_that_is_missing_is_found_within_a_minute(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then the self-check says so."""
    campaign = launch(rule={"people": 9})
    with monkeypatch.context() as forgetful:
        forgetful.setattr(changes, "NOTE", "SELECT %s, %s, %s, %s")
        join(campaign, "ben")
    assert [] == uncounted()
    assert "what_changed_is_noted" in wrong()
    chores()
    assert [campaign.id] == uncounted()
    assert "what_changed_is_noted" not in wrong()
    note_missed()
    assert 1 == Uncounted.objects.all_lanes().count()
    count(str(campaign.id))
    assert (1, []) == (tally_of(campaign).people, uncounted())


def test_what_nobody_counts_any_more_is_forgotten(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch(rule={"people": 9})
    join(campaign, "ben")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaigns_gate SET state = 'lapsed'")
    assert [] == uncounted()
    note_missed()
    assert not Uncounted.objects.all_lanes().exists()
