"""What the tests of the verbs look up: pledges by answer, states, mails about a campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from countmein.campaigns.models import Campaign, Pledge

Join = Callable[..., dict[str, Any]]


def pledge_of(answer: dict[str, Any]) -> Pledge:
    """The pledge that an answer is about, as it is now."""
    found = Pledge.objects.all_lanes().get(code=answer["code"])
    assert isinstance(found, Pledge)
    return found


def states(campaign: Campaign) -> dict[str, int]:
    """How many pledges of a campaign are in each state."""
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return dict(Counter(rows.values_list("state", flat=True)))


def topics(site: Any, campaign: Campaign, to: str) -> list[str]:
    """The subjects of the mails that somebody really got about a campaign, oldest first."""
    return [m["subject"] for m in site.mails(to) if campaign.title in m["subject"]]
