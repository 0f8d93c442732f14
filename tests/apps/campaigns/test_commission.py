"""The site's commission: the floor of its share of what stands, whatever has happened."""

from __future__ import annotations

import random
from typing import Any

import pytest
from django.test import override_settings

from countmein.base.clock import site_now
from countmein.campaigns.actions.commission import take_commission, to_take
from countmein.campaigns.gates import gate_of
from countmein.campaigns.models import Campaign
from countmein.campaigns.payouts import funds_of, standing_minor
from countmein.members.models import Organiser
from countmein.payments.actions.refunding import want_refunds
from countmein.payments.models import Charge, CommissionTaken
from countmein.rules.payout import statement
from tests.apps.campaigns.payout_acts import Settled, accounts_of
from tests.conftest import Site
from tests.faults.crowd import together


@pytest.fixture
def three_per_cent() -> Any:
    with override_settings(COMMISSION_BP=333):
        yield


def share(campaign: Campaign) -> int:
    return standing_minor(campaign) * 333 // 10_000


def give_back(site: Site, campaign: Campaign, charge: Charge, amount: int) -> None:
    want_refunds(charges=[charge], reason="goodwill", parts=lambda _: {"money": amount})
    site.work()


def test_it_is_taken_when_it_settles_and_follows_what_stands(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser, three_per_cent: None
) -> None:
    campaign = settled(lambda n: 1_001 + 37 * n, people=7)
    assert share(campaign) == accounts_of(campaign)["commission"]
    draw = random.Random(5)
    for charge in Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)[:5]:
        give_back(site, campaign, charge, draw.randint(1, charge.amount_minor - 1))
        assert share(campaign) == accounts_of(campaign)["commission"]
        site.check()
    funds = funds_of(campaign, gate_of(campaign), now=site_now())
    whole = statement(funds)
    assert whole.gross_minor == (
        whole.net_minor + whole.commission_minor + whole.processor_costs_minor + whole.refunds_minor
    )


def test_the_share_is_the_one_of_the_launch(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser
) -> None:
    campaign = settled(10_000, people=2)
    with override_settings(COMMISSION_BP=500):
        site.work()
        assert "commission" not in accounts_of(campaign)
        assert 500 == settled(10_000, people=2).commission_bp


def test_each_step_is_booked_once_however_many_take_it(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser, three_per_cent: None
) -> None:
    campaign = settled(10_000, people=2)
    charge = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).first()
    assert charge is not None
    from countmein.payments.actions.refunding import refund_due

    want_refunds(charges=[charge], reason="goodwill", parts=lambda _: {"money": 5_000})
    refund_due()
    assert [campaign.id] == to_take()
    done = together([lambda: take_commission(str(campaign.id)) for _ in range(8)], threads=8)
    assert [None] * 8 == done
    assert share(campaign) == accounts_of(campaign)["commission"]
    row = CommissionTaken.objects.get(lane=campaign.lane, id=campaign.id)
    assert 2 == row.number
    assert [] == to_take(of_all=True)
    site.work()
    site.check()


def test_a_wrong_share_is_found(
    site: Site, settled: Settled, ana: Organiser, olga: Organiser, three_per_cent: None
) -> None:
    from countmein.campaigns.selfcheck import self_check

    campaign = settled(10_000, people=2)
    CommissionTaken.objects.filter(lane=campaign.lane, id=campaign.id).update(taken_minor=1)
    (check,) = [c for c in self_check() if c["name"] == "commission_is_its_share"]
    assert not check["ok"]
