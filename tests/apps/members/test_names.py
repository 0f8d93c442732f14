"""A name is shown where its owner said so, for that campaign; without one it counts as much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from countmein.campaigns.actions.count import count, tally_of
from countmein.campaigns.queries import pledges_listing, public_people
from countmein.members.actions import token_for
from tests.conftest import Launch, Site

Join = Callable[..., dict[str, Any]]


def test_a_signature_without_a_name_counts_as_much(site: Site, launch: Launch, join: Join) -> None:
    campaign = launch(rule={"people": 3})
    other = launch(title="Another", rule={"people": 3})
    join(campaign, "ben", public_name=True)
    join(campaign, "dora")
    join(campaign, "emil", member={"email": "emil@example.org"})
    join(other, "ben", key="other")
    site.work()
    assert (3, ["Ben"]) == (tally_of(campaign).people, public_people(campaign))
    # What was allowed for one campaign is not for another.
    assert (1, []) == (tally_of(other).people, public_people(other))


@pytest.mark.parametrize(("reveal", "before"), [("always", "Ben"), ("on_tip", None)])
def test_nobody_sees_who_is_first_where_that_is_dangerous(
    site: Site, launch: Launch, join: Join, reveal: str, before: str | None
) -> None:
    campaign = launch(rule={"people": 2}, reveal=reveal)
    join(campaign, "ben", public_name=True)
    count(str(campaign.id))
    asks = Client(headers={"Authorization": f"Bearer {token_for(email='ana@example.org')}"})

    def seen() -> list[Any]:
        listing, _more = pledges_listing(campaign, after=None, limit=10)
        told = asks.get(f"/api/v1/campaigns/{campaign.code}/pledges").json()["items"]
        assert [row["name"] for row in listing] == [row["name"] for row in told]
        return [row["name"] for row in listing]

    assert [before] == seen()
    assert [before] * (before is not None) == public_people(campaign)
    assert 1 == tally_of(campaign).people
    join(campaign, "dora")
    site.work()
    assert ["Ben", None] == seen()
    assert ["Ben"] == public_people(campaign)
