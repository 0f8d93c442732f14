"""To accept under a cap: places by order of arrival, never one too many."""

from __future__ import annotations

from datetime import timedelta

from countmein.campaigns.actions.withdraw import withdraw
from countmein.campaigns.models import Gate
from countmein.campaigns.queries import public_view
from tests.apps.campaigns.acts import Join, pledge_of, states
from tests.conftest import Launch, Site

BAD_CARD = "pm_card_visa_chargeDeclined"


def test_who_waits_moves_up_when_one_drops(site: Site, launch: Launch, join: Join) -> None:
    """Two places, three cards, the first of them empty: the third gets the place."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2}, cap={"money": 2000})
    dropped = join(campaign, "ben", amount=1000, payment_method="pm_card_authenticationRequired")
    join(campaign, "dora", amount=1000, payment_method="pm_card_visa")
    third = join(campaign, "emil", amount=1000, payment_method="pm_card_visa")
    site.work()
    for _day in range(4):
        site.advance(timedelta(hours=48))
        site.work()
    assert ("dropped", "fulfilled") == (pledge_of(dropped).state, pledge_of(third).state)
    assert {"money": 2000} == public_view(campaign)["collected"]
    site.check()


def test_an_unsecured_pledge_keeps_its_place_for_15_minutes(
    site: Site, launch: Launch, join: Join
) -> None:
    """After that, whoever waits behind it moves up, without anybody else having to do anything."""
    campaign = launch(
        kinds=["purchase", "signature"],
        currency="EUR",
        unit_price_minor=500,
        rule={"people": 1},
        cap={"purchase": 2},
    )
    join(campaign, "ann", kind="signature")
    first = join(campaign, "ben", kind="purchase", amount=2, payment_method=BAD_CARD)
    behind = join(campaign, "dora", kind="purchase", amount=1, payment_method="pm_card_visa")
    site.work()
    assert ("unsecured", "active") == (pledge_of(first).state, pledge_of(behind).state)
    site.advance(timedelta(minutes=14))
    site.work()
    assert "active" == pledge_of(behind).state
    site.advance(timedelta(minutes=2))
    site.work()
    assert "fulfilled" == pledge_of(behind).state
    site.check()


def test_who_waits_for_a_place_may_leave(site: Site, launch: Launch, join: Join) -> None:
    """The waiting list is no latch, and leaving it throws nobody out."""
    campaign = launch(
        kinds=["presence"],
        rule={"people": 2},
        cap={"presence": 2},
        starts_at="2027-06-01T10:00:00Z",
        ends_at="2027-06-01T12:00:00Z",
        venue="The square",
    )
    for who in ("ben", "dora"):
        join(campaign, who)
    third = join(campaign, "emil")
    site.work()
    assert {"fulfilled": 2, "active": 1} == states(campaign)
    assert "withdrawn" == withdraw(pledge=pledge_of(third)).state
    site.work()
    assert {"fulfilled": 2, "withdrawn": 1} == states(campaign)
    site.check()


def test_the_end_of_the_waiting_list_takes_no_money_back(
    site: Site, launch: Launch, join: Join
) -> None:
    """Who waits for a place satisfies conditions; being let go at the deadline is no failure."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2}, cap={"money": 2000})
    for who in ("ben", "dora"):
        join(campaign, who, amount=1000, payment_method="pm_card_visa", condition={"people": 3})
    waits = join(campaign, "emil", amount=1000, payment_method="pm_card_visa")
    site.work()
    assert {"fulfilled": 2, "active": 1} == states(campaign)
    site.advance(timedelta(days=31))
    site.work()
    assert "released" == pledge_of(waits).state
    assert {"fulfilled": 2, "released": 1} == states(campaign)
    site.check()


def test_the_gate_knows_what_is_accepted(site: Site, launch: Launch, join: Join) -> None:
    """What a dropped pledge had is free again."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 1}, cap={"money": 1000})
    join(campaign, "ben", amount=600, payment_method="pm_card_visa")
    join(campaign, "dora", amount=600, payment_method="pm_card_visa")
    site.work()
    gate = Gate.objects.get(lane=campaign.lane, id=campaign.id)
    assert {"money": 600} == gate.accepted
    site.check()
