"""The door is shut for good when it is carried out: whoever came in before is taken, not let go."""

from __future__ import annotations

from typing import Any

import pytest

from countmein.campaigns.actions import execute as verb
from countmein.campaigns.actions.execute import execute
from countmein.campaigns.models import Campaign
from countmein.campaigns.moves import MoveRefused
from tests.apps.campaigns.acts import Join, states
from tests.conftest import Launch, Site


@pytest.fixture
def settled(site: Site, launch: Launch, join: Join) -> Campaign:
    """Three are in; the door is still open."""
    campaign = launch()
    for number in range(3):
        join(campaign, f"p{number}")
    site.work()
    assert {"fulfilled": 3} == states(campaign)
    return campaign


def comes_after_each_acceptance(
    monkeypatch: pytest.MonkeyPatch, join: Join, campaign: Campaign, people: int
) -> None:
    """As soon as nobody is left to accept, the next one comes."""
    honest, coming = verb.accept_slice, [f"late{number}" for number in range(people)]

    def accept_slice(campaign: Campaign) -> Any:
        has_more = honest(campaign)
        if not has_more and coming:
            join(campaign, coming.pop())
        return has_more

    monkeypatch.setattr(verb, "accept_slice", accept_slice)


def test_who_came_after_the_last_acceptance_is_taken(
    site: Site, settled: Campaign, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_after_each_acceptance(monkeypatch, join, settled, 1)
    execute(campaign=settled)
    site.work()
    assert {"fulfilled": 4} == states(settled)
    site.check()


def test_while_people_pour_in_it_is_refused_and_not_for_ever(
    site: Site, settled: Campaign, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    comes_after_each_acceptance(monkeypatch, join, settled, 100)
    with pytest.raises(MoveRefused, match="still coming in"):
        execute(campaign=settled)
    monkeypatch.undo()
    execute(campaign=settled)
    site.work()
    assert ["fulfilled"] == list(states(settled))
    site.check()
