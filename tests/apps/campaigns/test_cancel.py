"""To cancel: in every state everybody is released, refunded and told."""

from __future__ import annotations

from datetime import timedelta

import pytest

from countmein.base.clock import site_now
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.actions.release import release
from countmein.campaigns.moves import MoveRefused
from countmein.campaigns.queries import public_view
from countmein.payments.actions.refunding import refund_due
from countmein.payments.models import Charge
from tests.apps.campaigns.acts import Join, pledge_of, states, topics
from tests.conftest import Launch, Site

CARD = "pm_card_visa"


def test_an_open_campaign_is_cancelled_and_nobody_is_charged(
    site: Site, launch: Launch, join: Join
) -> None:
    """Cards are forgotten, members told once."""
    campaign = launch(title="Open, cancelled", kinds=["money"], currency="EUR", rule={"people": 3})
    join(campaign, "ida", amount=500, payment_method=CARD)
    site.work()
    cancel(campaign=campaign)
    site.work()
    assert "released" == public_view(campaign)["state"]
    assert {"released": 1} == states(campaign)
    assert 1 == len(topics(site, campaign, "ida@example.org"))
    site.check()


def test_a_settled_campaign_is_cancelled_and_everybody_is_refunded(
    site: Site, launch: Launch, join: Join
) -> None:
    """What was paid goes back, to the cent."""
    campaign = launch(title="Paid, cancelled", kinds=["money"], currency="EUR", rule={"people": 2})
    for who in ("jon", "kim"):
        join(campaign, who, amount=777, payment_method=CARD)
    site.work()
    assert "settled" == public_view(campaign)["state"]
    cancel(campaign=campaign)
    site.work()
    seen = public_view(campaign)
    assert ("released", {"money": 0}, {"money": 1554}) == (
        seen["state"],
        seen["collected"],
        seen["refunded"],
    )
    assert {"refunded": 2} == states(campaign)
    site.check()


def test_whoever_was_to_come_for_free_is_told_too(site: Site, launch: Launch, join: Join) -> None:
    """A cancelled gathering: those with a check-in code must hear of it, and once."""
    campaign = launch(
        title="Gathering, cancelled",
        kinds=["presence"],
        rule={"people": 2},
        starts_at="2027-06-01T10:00:00Z",
        ends_at="2027-06-01T12:00:00Z",
        venue="The square",
    )
    for who in ("lea", "max"):
        join(campaign, who)
    site.work()
    assert "settled" == public_view(campaign)["state"]
    cancel(campaign=campaign)
    site.work()
    told = topics(site, campaign, "lea@example.org")
    assert 2 == len(told)
    assert told[-1].startswith("Cancelled")
    site.check()


def test_a_charge_under_way_is_waited_for_and_given_back(
    site: Site, launch: Launch, join: Join
) -> None:
    """Cancelled while one card is being retried and another was paid but not yet read."""
    campaign = launch(title="Half paid", kinds=["money"], currency="EUR", rule={"people": 2})
    paid = join(campaign, "ned", amount=300, payment_method=CARD)
    failing = join(campaign, "oda", amount=300, payment_method="pm_card_chargeCustomerFail")
    site.work()
    assert "settling" == public_view(campaign)["state"]
    # The failing one is just being tried again when the organiser calls it off.
    due = Charge.objects.filter(lane=campaign.lane, pledge_id=pledge_of(failing).id)
    due.update(state="doing")
    cancel(campaign=campaign)
    release(str(campaign.id))
    refund_due()
    release(str(campaign.id))
    assert ("cancelled", "refunded", "accepted") == (
        public_view(campaign)["state"],
        pledge_of(paid).state,
        pledge_of(failing).state,
    )
    due.update(due_at=site_now())
    site.work()
    assert ("released", "released") == (public_view(campaign)["state"], pledge_of(failing).state)
    site.check()


def test_a_lapsed_campaign_cannot_be_cancelled(site: Site, launch: Launch) -> None:
    """Its members are released already."""
    campaign = launch()
    site.advance(timedelta(days=31))
    site.work()
    with pytest.raises(MoveRefused):
        cancel(campaign=campaign)
