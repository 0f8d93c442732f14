"""Nothing is paid out that goes back if somebody who is still being charged falls out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from countmein.base.clock import site_now
from countmein.campaigns.gates import gate_of
from countmein.campaigns.payouts import funds_of
from countmein.campaigns.queries import public_view
from countmein.rules.payout import payable
from tests.apps.campaigns.acts import Join, pledge_of
from tests.conftest import Launch, Site

pytestmark = pytest.mark.slow
CARD = "pm_card_visa"


def test_who_relies_on_others_gets_it_back_so_it_is_not_paid_out_before_they_pay(
    site: Site, launch: Launch, join: Join
) -> None:
    """Kim pays if four do, and the fourth one's card fails after the campaign has settled.

    Of what cannot be taken away so, a tenth is held back for refunds.
    """
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 2})
    for who in ("ben", "cleo"):
        join(campaign, who, amount=1000, payment_method=CARD)
    site.work()
    assert "settled" == public_view(campaign)["state"]
    assert 1800 == _payable(campaign)
    kim = join(campaign, "kim", amount=700, payment_method=CARD, condition={"people": 4})
    join(campaign, "lee", amount=300, payment_method="pm_card_chargeCustomerFail")
    site.work()
    assert "fulfilled" == pledge_of(kim).state
    assert 1800 == _payable(campaign)
    for _day in range(8):
        site.advance(timedelta(days=1))
        site.work()
    assert "refunded" == pledge_of(kim).state
    # By now the provider has told its fees.
    assert 1600 < _payable(campaign) <= 1800
    site.check()


def _payable(campaign: object) -> int:
    return payable(funds_of(campaign, gate_of(campaign), now=site_now()))
