"""Cards fail after the tip and money is missing: what was fixed at the launch is what happens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from countmein.base.clock import site_now
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join, pledge_of, states, topics
from tests.conftest import Launch, Site

GOOD, BAD = "pm_card_visa", "pm_card_chargeCustomerFail"


def short(launch: Launch, join: Join, site: Site, **terms: Any) -> Campaign:
    """Three people and €45 are wanted; one of three cards fails for a week."""
    campaign = launch(
        title=f"Short by one, {terms.get('shortfall')} {terms.get('latch', 'on_tip')}",
        kinds=["money"],
        currency="EUR",
        rule={"all": [{"people": 3}, {"sum": {"kind": "money", "at_least": 4500}}]},
        **terms,
    )
    for who, card in (("ben", GOOD), ("dora", GOOD), ("emil", BAD)):
        join(campaign, who, amount=1500, payment_method=card)
    site.work()
    site.advance(timedelta(days=0 if campaign.latch == "on_tip" else 31))
    site.work()
    return campaign


def a_week_passes(site: Site) -> None:
    """The failing card is tried and given up."""
    for _step in range(4):
        site.advance(timedelta(hours=48))
        site.work()


def test_to_proceed_is_to_settle_with_what_came_in(site: Site, launch: Launch, join: Join) -> None:
    campaign = short(launch, join, site, shortfall="proceed")
    a_week_passes(site)
    seen = public_view(campaign)
    assert ("settled", {"money": 3000}, {"money": 0}) == (
        seen["state"],
        seen["collected"],
        seen["refunded"],
    )
    assert {"fulfilled": 2, "dropped": 1} == states(campaign)
    site.check()


@pytest.mark.parametrize("latch", ["on_tip", "at_deadline"])
def test_a_round_opens_for_what_is_missing_and_one_more_settles_it(
    site: Site, launch: Launch, join: Join, latch: str
) -> None:
    campaign = short(launch, join, site, shortfall="topup", latch=latch)
    a_week_passes(site)
    seen = public_view(campaign)
    assert ("topup", True) == (seen["state"], seen["accepting"])
    assert [{"people": 1}, {"sum": {"kind": "money", "missing": 1500}}] == [
        {key: value for key, value in gap.items() if key != "text"} for gap in seen["missing"]
    ]
    assert timedelta(hours=71) < seen["topup_until"] - site_now() <= timedelta(hours=72)
    for who in ("ben", "emil"):
        told = topics(site, campaign, f"{who}@example.org")
        assert [f"So close, something is missing: {campaign.title}"] == [
            subject for subject in told if "So close" in subject
        ]
    # Emil comes back with a card that works: one pledge a mailbox, and his first one has ended.
    join(campaign, "emil", key="again", amount=1500, payment_method=GOOD)
    site.work()
    seen = public_view(campaign)
    assert ("settled", {"money": 4500}) == (seen["state"], seen["collected"])
    assert ["topup", "settling", "settled"] == [m["state"] for m in seen["history"]][-3:]
    site.check()


def test_a_round_that_brings_nothing_gives_everybody_the_money_back(
    site: Site, launch: Launch, join: Join
) -> None:
    campaign = short(launch, join, site, shortfall="topup")
    a_week_passes(site)
    site.advance(timedelta(hours=73))
    with pytest.raises(PledgeRefused, match="campaign_closed"):
        join(campaign, "late", amount=1500, payment_method=GOOD)
    site.work()
    seen = public_view(campaign)
    assert ("released", {"money": 0}, {"money": 3000}) == (
        seen["state"],
        seen["collected"],
        seen["refunded"],
    )
    assert {"refunded": 2, "dropped": 1} == states(campaign)
    site.check()


def test_there_is_one_round_and_whoever_fails_in_it_ends_it(
    site: Site, launch: Launch, join: Join
) -> None:
    """The one who came in the round has a failing card too: the campaign waits, then releases."""
    campaign = short(launch, join, site, shortfall="topup")
    a_week_passes(site)
    last = join(campaign, "gus", amount=1500, payment_method=BAD)
    site.work()
    site.advance(timedelta(hours=73))
    site.work()
    assert ("topup", False) == (
        public_view(campaign)["state"],
        public_view(campaign)["accepting"],
    )
    a_week_passes(site)
    assert "dropped" == pledge_of(last).state
    seen = public_view(campaign)
    assert ("released", 1) == (seen["state"], [m["state"] for m in seen["history"]].count("topup"))
    site.check()


def test_withdrawing_in_the_round_is_free_until_accepted(
    site: Site, launch: Launch, join: Join
) -> None:
    from countmein.campaigns.actions.withdraw import withdraw

    campaign = short(launch, join, site, shortfall="topup")
    a_week_passes(site)
    waits = join(campaign, "ida", amount=100, payment_method=GOOD, condition={"people": 50})
    site.work()
    assert "active" == pledge_of(waits).state
    assert "withdrawn" == withdraw(pledge=pledge_of(waits)).state
    site.check()
