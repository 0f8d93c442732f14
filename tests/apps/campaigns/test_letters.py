"""To deliver: every signature reaches the target in one letter, and in one only."""

from __future__ import annotations

from datetime import timedelta

from countmein.campaigns.models import Letter, Pledge
from tests.apps.campaigns.acts import Join
from tests.conftest import Launch, Site


def test_signatures_after_the_first_letter_gather_for_the_closing_one(
    site: Site, launch: Launch, join: Join
) -> None:
    """Latecomers' names are handed over when the door shuts, though nobody was left to release."""
    address = "council@town.example"
    campaign = launch(
        title="Letters", target={"name": "The council", "email": address, "ask": "Open it"}
    )
    for who in ("ben", "dora", "emil"):
        join(campaign, who)
    site.work()
    for who in ("fay", "gus"):
        join(campaign, who)
        site.work()
    assert [3] == _letters(campaign)
    site.advance(timedelta(days=31))
    site.work()
    assert [3, 2] == _letters(campaign)
    unsent = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, letter=None)
    assert 0 == unsent.count()
    assert 2 == len(site.mails(address))


def _letters(campaign: object) -> list[int]:
    rows = Letter.objects.filter(lane=campaign.lane, campaign_id=campaign.id)  # type: ignore[attr-defined]
    return list(rows.order_by("number").values_list("signatures", flat=True))
