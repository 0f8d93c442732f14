"""What a condition on people would mean today: for the words beside it, and for its slider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from countmein.campaigns.models import Campaign
from countmein.web.meter import dots

#: Where a rule asks for no people, the slider goes this many times further than who is in now.
_FURTHER: Final = 4
_AT_LEAST: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """Who is in, who would be with one more without a condition, and how far a slider goes.

    Whoever waits for at most `with_me` people is in at once: they are one more, and all whom one
    more brings in are there with them.
    """

    inside: int
    with_me: int
    most: int


def today(campaign: Campaign, view: Mapping[str, Any]) -> Today:
    """Return what one more would set off, as of the last count."""
    people = view["tally"]["people"]
    brought = max((brings for more, brings in view["curve"] if more <= 1), default=0)
    crowd = dots(campaign.rule, view["tally"])
    goal = crowd.goal if crowd else max(_AT_LEAST, _FURTHER * people)
    with_me = people + 1 + brought
    return Today(inside=people, with_me=with_me, most=max(goal, with_me + 1))
