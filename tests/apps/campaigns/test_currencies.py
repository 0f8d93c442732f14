"""Currencies without and with three decimals, to the smallest unit, all the way and back."""

from __future__ import annotations

from typing import Any

import pytest

from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.queries import public_view
from countmein.ledger.queries import balances
from countmein.rules.pledging import PledgeRefused, Reason
from tests.apps.campaigns.acts import Join, states
from tests.conftest import Launch, Site


@pytest.mark.parametrize(("currency", "amounts"), [("JPY", (1001, 999)), ("KWD", (12_340, 10))])
def test_what_is_pledged_is_charged_and_refunded_to_the_unit(
    site: Site, launch: Launch, join: Join, currency: str, amounts: tuple[int, int]
) -> None:
    """The provider's own book and ours agree in both directions."""
    before = _provider(site, currency)
    campaign = launch(
        title=f"In {currency}", kinds=["money"], currency=currency, rule={"people": 2}
    )
    for who, amount in zip(("ben", "dora"), amounts, strict=True):
        join(campaign, who, amount=amount, payment_method="pm_card_visa")
    site.work()
    assert {"money": sum(amounts)} == public_view(campaign)["collected"]
    assert (sum(amounts), 0) == _since(before, _provider(site, currency))
    cancel(campaign=campaign)
    site.work()
    assert {"money": 0} == public_view(campaign)["collected"]
    assert (sum(amounts), sum(amounts)) == _since(before, _provider(site, currency))
    assert {"refunded": 2} == states(campaign)
    books: dict[Any, int] = balances(lane=campaign.lane, campaign_id=campaign.id)
    assert {0} == set(books.values())
    site.check()


def _provider(site: Site, currency: str) -> tuple[int, int]:
    rows = [
        c
        for c in site.charged()
        if c["currency"] == currency.lower() and c["status"] == "succeeded"
    ]
    return sum(c["amount"] for c in rows), sum(c["amount_refunded"] for c in rows)


def _since(before: tuple[int, int], after: tuple[int, int]) -> tuple[int, int]:
    return after[0] - before[0], after[1] - before[1]


@pytest.mark.parametrize(
    ("currency", "least", "text"), [("GBP", 30, "£0.30"), ("JPY", 50, "¥50"), ("EUR", 50, "€0.50")]
)
def test_less_than_a_card_can_be_charged_is_refused_at_the_door(
    launch: Launch, join: Join, currency: str, least: int, text: str
) -> None:
    campaign = launch(kinds=["money"], currency=currency, rule={"people": 5})
    with pytest.raises(PledgeRefused) as refused:
        join(campaign, "ben", amount=least - 1)
    assert (Reason.below_minimum, "amount") == (refused.value.reason, refused.value.path)
    assert text in refused.value.detail
    join(campaign, "ben", amount=least)


def test_a_further_part_that_can_be_all_that_is_charged_is_as_large_as_a_charge(
    launch: Launch, join: Join
) -> None:
    campaign = launch(kinds=["signature", "money"], currency="EUR", rule={"people": 5})
    few = {"more": [{"kind": "money", "amount": 49}]}
    with pytest.raises(PledgeRefused) as refused:
        join(campaign, "ben", kind="signature", **few)
    assert "more[0].amount" == refused.value.path
    join(campaign, "dora", kind="money", amount=50, **few)
