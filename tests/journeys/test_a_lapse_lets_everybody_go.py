"""Two of three come; the deadline passes, and nobody owes anything."""

from __future__ import annotations

import pytest

from tests.journeys.terms import CAMPAIGNS, campaign, pledge
from tests.live import Begin, Live

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", CAMPAIGNS)
def test_nobody_owes_anything_after_a_lapse(begin: Begin, live: Live, kind: str) -> None:
    """Nothing is charged, issued or delivered; each is told once, and the cards are forgotten."""
    letters = len(live.mails("council@example.org"))
    story = begin(**campaign(kind))
    pledges = [story.join(who, **pledge(kind)) for who in ("ben", "dora")]
    story.people(2)
    live.clock("3h")
    seen = story.view()
    assert ["open", "lapsed", "released"] == [step["state"] for step in seen["history"]]
    assert (False, 2) == (seen["accepting"], seen["tally"]["people"])
    assert (None, None) == (seen["tipped_at"], seen["settled_at"])
    for made, who in zip(pledges, ("ben", "dora"), strict=True):
        mine = story.mine(made)
        assert ("released", [], False) == (mine["state"], mine["tickets"], mine["may_withdraw"])
        story.mail(who, "It did not come about")
        assert 1 == len(live.mails(story.address(who)))
    assert ([], 0) == (story.charged(), story.cards_kept())
    assert set() == {amount for amount in seen["collected"].values() if amount}
    assert letters == len(live.mails("council@example.org"))
    late = {"member": {"email": story.address("late")}, **pledge(kind)}
    refused = live.api("POST", f"/campaigns/{story.code}/pledges", late, key="late")
    assert (409, "campaign_closed") == (refused.status, refused.body["reason"])
