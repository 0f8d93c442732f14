"""Whoever decides holds the gate for little: few rows, and a fixed number of statements."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from countmein.campaigns.actions import accept
from countmein.campaigns.actions.accept import Stride, accept_slice
from countmein.campaigns.actions.count import count
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from countmein.campaigns.uncounted import uncounted
from tests.apps.campaigns.acts import Join, states
from tests.conftest import Launch, Site


def _under_gate(campaign: Campaign, act: Any) -> list[str]:
    """The statements of an act from the one that takes the gate to the end of its transaction."""
    with CaptureQueriesContext(connection) as seen:
        act()
    held: list[str] = []
    for query in seen.captured_queries:
        takes = 'FROM "campaigns_gate"' in query["sql"] and query["sql"].endswith("FOR UPDATE")
        if query["sql"] == "COMMIT":
            if held:
                return held
        elif takes or held:
            held.append(query["sql"])
    return held


def test_while_people_pledge_a_slice_is_short_and_afterwards_it_is_not(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accept, "_OPEN", Stride(count=2))
    monkeypatch.setattr(Stride, "learn", lambda *_, **__: None)
    campaign = launch(rule={"people": 3})
    for number in range(5):
        join(campaign, f"p{number}")
    count(str(campaign.id))
    assert accept_slice(campaign)
    assert 3 == states(campaign)["active"]
    site.advance(campaign.deadline - campaign.created_at)
    assert accept_slice(campaign)
    assert "active" not in states(campaign)


def test_the_tip_holds_the_gate_for_as_many_statements_however_large_the_crowd(
    site: Site, launch: Launch, join: Join
) -> None:
    """And the tally before the gate, or pledgers would wait for another process's long count."""
    held = []
    for people in (3, 9):
        campaign = launch(rule={"people": people})
        for number in range(people):
            join(campaign, f"p{number}", condition={"people": 1 + number})
        held.append(_under_gate(campaign, lambda c=campaign: count(str(c.id))))
        assert "tipped" == public_view(campaign)["state"]
    assert len(held[0]) == len(held[1]) > 0
    # What the crowd waits for was read before: under the gate nobody's condition is.
    assert not [sql for sql in held[1] if '"campaigns_crowd"."condition"' in sql]
    assert not [sql for sql in held[1] if '"campaigns_tally"' in sql and "FOR UPDATE" in sql]


def test_under_a_cap_nobody_behind_the_last_place_is_looked_at(
    site: Site, launch: Launch, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    arrivals = accept.arrivals

    def watched(campaign: Campaign, **more: Any) -> Any:
        for row, parts in arrivals(campaign, **more):
            seen.append(row.key)
            yield row, parts

    monkeypatch.setattr(accept, "arrivals", watched)
    campaign = launch(rule={"people": 2}, cap={"signature": 3})
    for number in range(8):
        join(campaign, f"p{number}")
    count(str(campaign.id))
    assert 5 == public_view(campaign)["tally"]["waitlisted_people"]
    while accept_slice(campaign):
        pass
    assert {"accepted": 0, "fulfilled": 3, "active": 5} == {"accepted": 0, **states(campaign)}
    # Three with a place and the first without; then that one alone.
    assert ["key-p0", "key-p1", "key-p2", "key-p3", "key-p3"] == seen


def test_accepting_counts_no_open_campaign_away_from_its_judge(
    site: Site, launch: Launch, join: Join
) -> None:
    """Whoever counts an open campaign judges it too; counted otherwise, nobody would again."""
    campaign = launch(rule={"people": 1})
    join(campaign, "ben")
    assert not accept_slice(campaign)
    assert [campaign.id] == uncounted()
    site.work()
    assert "settled" == public_view(campaign)["state"]
