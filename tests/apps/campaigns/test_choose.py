"""What a member wants if it cannot be carried out: when it can be said, and changed."""

from __future__ import annotations

from datetime import timedelta

import pytest

from countmein.campaigns.actions.fail import fail
from countmein.payments.models import Consent
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join
from tests.apps.campaigns.plans import (
    PAPER,
    VAN,
    carried_out,
    choose,
    crowd,
    shared,
    with_plans,
)
from tests.conftest import Launch, Site


def test_a_choice_is_open_until_it_is_settled(site: Site, launch: Launch, join: Join) -> None:
    """Before the tip, after it, and while it has failed; a fulfilled pledge may still choose."""
    campaign = with_plans(launch, PAPER, VAN)
    made = crowd(join, campaign, a=(5000, None), b=(2500, None))
    choose(made, "a", 2)
    with pytest.raises(PledgeRefused, match="fallback_unknown"):
        choose(made, "a", 3)
    carried_out(site, campaign)
    choose(made, "a", "follow")
    consents = Consent.objects.filter(lane=campaign.lane).count()
    fail(campaign=campaign)
    choose(made, "b", 2)
    site.advance(timedelta(hours=24))
    with pytest.raises(PledgeRefused, match="choice_closed"):
        choose(made, "b", "refund")
    site.work()
    assert {2} == {row[-1] for row in shared(campaign, made).values()}
    assert consents == Consent.objects.filter(lane=campaign.lane).count()
    site.check()


def test_only_a_refund_can_be_chosen_where_there_are_no_plans(launch: Launch, join: Join) -> None:
    campaign = launch(kinds=["money"], currency="GBP", rule={"people": 1})
    for fallback in ("follow", 1):
        with pytest.raises(PledgeRefused, match="fallback_unknown"):
            join(campaign, "ben", amount=100, fallback=fallback)
    assert "active" != join(campaign, "ben", amount=100, fallback="refund")["state"]
