"""It cannot be carried out: who chose what, what is borne, where each one's money goes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from countmein.campaigns.actions.fail import fail
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from tests.apps.campaigns.acts import Join, pledge_of, topics
from tests.apps.campaigns.plans import (
    asked,
    balances,
    carried_out,
    crowd,
    failure_of,
    paid,
    shares,
    with_plans,
)
from tests.conftest import Launch, Site

PAPER = {"title": "Another paper", "cost_minor": 4000, "rule": {"people": 3}}
VAN = {"title": "A van"}
#: The example of docs/rules/plan_b.md: `who` gave so much and wants that.
FIVE = {
    "a": (5000, "follow"),
    "b": (2500, 1),
    "c": (1000, 1),
    "d": (1000, "refund"),
    "e": (500, 2),
}


def shared(campaign: Campaign, made: dict[str, Any], number: int = 1) -> dict[str, tuple[Any, ...]]:
    """What each one bears, gets back, gives to a plan and has left over, and the plan."""
    by_id = {share.pledge_id: share for share in shares(campaign, number)}
    return {
        who: (s.borne_minor, s.refund_minor, s.delivered_minor, s.left_over_minor, s.plan)
        for who, answer in made.items()
        for s in [by_id[pledge_of(answer).id]]
    }


def refused_advert(site: Site, launch: Launch, join: Join) -> tuple[Campaign, dict[str, Any]]:
    """12.34 are gone, 80.00 of a payment that was refused are back, and time to choose is over."""
    campaign = with_plans(launch, PAPER, VAN)
    made = crowd(join, campaign, **FIVE)
    carried_out(site, campaign)
    paid(campaign, 1000, "Standard")
    lost = paid(campaign, 234, "Printer")
    refused = asked(campaign, 8000, "Times")
    fail(campaign=campaign, text="They refused it.", refused=[refused.id], lost=[lost.id])
    site.work()
    assert ("failed", 8766) == (public_view(campaign)["state"], balances(campaign)["held:money"])
    site.advance(timedelta(hours=24))
    site.work()
    return campaign, made


def test_what_is_left_goes_where_each_one_chose(site: Site, launch: Launch, join: Join) -> None:
    """The figures of docs/rules/plan_b.md, from the rows, the books and the mails."""
    campaign, made = refused_advert(site, launch, join)
    assert {
        "a": (617, 0, 2353, 2030, 1),
        "b": (309, 0, 1176, 1015, 1),
        "c": (123, 0, 471, 406, 1),
        "d": (123, 877, 0, 0, None),
        "e": (62, 0, 438, 0, 2),
    } == shared(campaign, made)
    settled = failure_of(campaign)
    assert (1, 234, 1000) == (
        settled.majority,
        settled.sums["spent_minor"],
        settled.sums["kept_minor"],
    )
    assert {
        "backers": -10000 + 877,
        "held:money": 4438,
        "pending:ballot": 3451,
        "paid:Standard": 1000,
        "paid:Printer": 234,
    } == balances(campaign)
    states_gone = [step["state"] for step in public_view(campaign)["history"]][-5:]
    assert ["settled", "executing", "failed", "reallocating", "settled"] == states_gone
    for who in made:
        told = [s for s in topics(site, campaign, f"{who}@example.org") if "tipped" not in s]
        assert [
            f"It cannot be carried out: {campaign.title}",
            f"What becomes of your money: {campaign.title}",
        ] == told
    site.work()
    site.check()
