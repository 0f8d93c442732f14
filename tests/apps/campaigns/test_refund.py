"""To refund: part by part, never more than was paid, and places that are free again."""

from __future__ import annotations

import uuid

from django.db import transaction

from countmein.campaigns.actions.refund import refund_crowds, refund_everybody
from countmein.campaigns.gates import gate_of, hold
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from countmein.payments.models import Refund
from tests.apps.campaigns.acts import Join, pledge_of, topics
from tests.conftest import Launch, Site


def _take_out(campaign: Campaign, said: dict[str, str]) -> bool:
    with transaction.atomic():
        return refund_crowds(campaign, hold(campaign), {uuid.UUID(said["crowd_id"])})


def test_two_parts_that_fall_out_one_after_the_other_are_both_given_back(
    site: Site, launch: Launch, join: Join
) -> None:
    """The same reason twice is two refunds and two letters; nothing is given back beyond them."""
    campaign = launch(
        title="Part by part",
        kinds=["signature", "money", "purchase"],
        currency="EUR",
        unit_price_minor=700,
        rule={"people": 1},
        cap={"purchase": 5},
    )
    answer = join(
        campaign,
        "ben",
        kind="signature",
        payment_method="pm_card_visa",
        more=[
            {"kind": "money", "amount": 100, "condition": {"people": 1}},
            {
                "kind": "purchase",
                "amount": 2,
                "condition": {"sum": {"kind": "money", "at_least": 1}},
            },
        ],
    )
    site.work()
    assert {"money": 100, "purchase": 1400} == public_view(campaign)["collected"]
    money, purchase = pledge_of(answer).more
    assert _take_out(campaign, money)
    # What was bought hung on the money: it falls out by itself once that is given back.
    site.work()
    assert not _take_out(campaign, purchase)
    rows = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id).order_by("stage")
    assert [(0, 100), (1, 1400)] == list(rows.values_list("stage", "amount_minor"))
    assert {"money": 100, "purchase": 1400} == public_view(campaign)["refunded"]
    assert 3 == len(topics(site, campaign, "ben@example.org"))
    assert 0 == gate_of(campaign).accepted["purchase"]
    assert not refund_everybody(campaign, reason="cancelled")
    site.check()
