"""From a tip to settled, or to nobody owing anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from countmein.campaigns.models import Campaign
from countmein.campaigns.own_pledge import pledge_for, pledge_view
from countmein.campaigns.queries import public_view
from countmein.payments.models import Mandate
from tests.conftest import Launch, Site

Join = Callable[..., dict[str, Any]]


def test_three_signatures_tip_and_are_fulfilled(site: Site, launch: Launch, join: Join) -> None:
    """The third signature makes the rule true; everybody gets one mail."""
    campaign = launch(title="Three of us")
    for who in ("ben", "dora"):
        join(campaign, who)
    site.work()
    seen = public_view(campaign)
    assert ("open", 2) == (seen["state"], seen["tally"]["people"])
    assert [{"text": "1 more person", "people": 1}] == seen["missing"]
    join(campaign, "emil")
    site.work()
    seen = public_view(campaign)
    assert ("settled", 3, []) == (seen["state"], seen["tally"]["people"], seen["missing"])
    assert ["open", "tipped", "settling", "settled"] == [m["state"] for m in seen["history"]]
    assert 1 == len([m for m in site.mails("ben@example.org") if campaign.title in m["subject"]])
    site.check()


def test_money_is_charged_once_after_the_tip(site: Site, launch: Launch, join: Join) -> None:
    """Cards are saved at the pledge and charged at the tip."""
    campaign = launch(
        kinds=["money"], currency="GBP", rule={"sum": {"kind": "money", "at_least": 5000}}
    )
    answers = [
        join(campaign, who, amount=2500, payment_method="pm_card_visa") for who in ("ben", "dora")
    ]
    assert "unsecured" == answers[0]["state"]
    site.work()
    seen = public_view(campaign)
    assert ("settled", {"money": 5000}) == (seen["state"], seen["collected"])
    mine = pledge_for(answers[0]["code"], answers[0]["receipt"])
    assert mine is not None
    assert "fulfilled" == pledge_view(mine)["state"]
    site.work()
    site.check()


def test_a_lapsed_campaign_lets_everybody_go(site: Site, launch: Launch, join: Join) -> None:
    """Nobody is charged, everybody is told, the cards are forgotten."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 7}, minimum={"money": 1500})
    for who in ("ben", "dora", "emil"):
        join(campaign, who, amount=1500, payment_method="pm_card_visa")
    site.work()
    site.advance(timedelta(days=31))
    site.work()
    seen = public_view(campaign)
    assert ("released", 3, {"money": 0}) == (
        seen["state"],
        seen["tally"]["people"],
        seen["collected"],
    )
    site.check()


def test_a_failing_card_is_retried_and_then_dropped(site: Site, launch: Launch, join: Join) -> None:
    """Soft declines are tried again for a week; then the rule is judged on what was collected."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2}, latch="on_tip")
    join(campaign, "ben", amount=1500, payment_method="pm_card_visa")
    join(campaign, "dora", amount=1500, payment_method="pm_card_visa")
    bad = join(campaign, "emil", amount=1500, payment_method="pm_card_chargeCustomerFail")
    site.work()
    seen = public_view(campaign)
    assert ("settling", {"money": 3000}, {"money": 1500}) == (
        seen["state"],
        seen["collected"],
        seen["failing"],
    )
    for _day in range(4):
        site.advance(timedelta(hours=48))
        site.work()
    mine = pledge_for(bad["code"], bad["receipt"])
    assert mine is not None
    assert "dropped" == mine.state
    card = Mandate.objects.get(lane=mine.lane, pledge_id=mine.id)
    assert "forgotten" == card.state, "whoever is let go of leaves no card behind"
    seen = public_view(campaign)
    assert ("settled", 2, {"money": 3000}) == (
        seen["state"],
        seen["tally"]["people"],
        seen["collected"],
    )
    site.check()


def test_a_shortfall_gives_everybody_the_money_back(site: Site, launch: Launch, join: Join) -> None:
    """When the money collected no longer holds the rule, `release` refunds all of it."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2})
    join(campaign, "ben", amount=1500, payment_method="pm_card_visa")
    join(campaign, "dora", amount=1500, payment_method="pm_card_chargeCustomerFail")
    site.work()
    for _day in range(4):
        site.advance(timedelta(hours=48))
        site.work()
    seen = public_view(campaign)
    assert ("released", {"money": 0}, {"money": 1500}) == (
        seen["state"],
        seen["collected"],
        seen["refunded"],
    )
    site.check()


def test_a_lapsed_campaign_leaves_a_draft_within_reach(
    site: Site, launch: Launch, join: Join
) -> None:
    """Six of seven came: the six get a link to a draft that asks for six."""
    campaign = launch(kinds=["money"], currency="USD", rule={"people": 7})
    for number in range(6):
        join(campaign, f"p{number}", amount=1500, payment_method="pm_card_visa")
    site.work()
    site.advance(timedelta(days=31))
    site.work()
    again = Campaign.objects.get(follows=campaign.id)
    assert {"people": 6} == again.rule
    assert "draft" == public_view(again)["state"]
    (mail,) = [m for m in site.mails("p0@example.org") if again.code in m["text"]]
    assert "Try again with 6 people" in mail["text"]
    site.work()
    assert 1 == Campaign.objects.filter(follows=campaign.id).count()
