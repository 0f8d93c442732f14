"""Refunds that arrive late, come back, or cannot be paid yet."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from countmein.base.clock import real_now
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.models import Campaign
from countmein.campaigns.queries import public_view
from countmein.campaigns.selfcheck import self_check
from countmein.payments.actions.statement import read_lines
from countmein.payments.models import ProviderEvent, Refund
from tests.apps.campaigns.acts import Join, states
from tests.conftest import Launch, Site


def control(**wanted: Any) -> None:
    """Tell the sandbox provider how to behave."""
    asked = urllib.request.Request(
        f"{settings.STRIPE_API_BASE}/_control", data=json.dumps(wanted).encode(), method="POST"
    )
    urllib.request.urlopen(asked, timeout=10).close()


def events(kind: str, reference: str) -> list[dict[str, Any]]:
    """What the provider says has happened, by its own list."""
    asked = urllib.request.Request(
        f"{settings.STRIPE_API_BASE}/v1/events?type={kind}&limit=100",
        headers={"Authorization": f"Bearer {settings.STRIPE_API_KEY}"},
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        found = json.load(answer)["data"]
    return [e for e in found if e["data"]["object"]["metadata"].get("reference") == reference]


@pytest.fixture
def poor() -> Iterator[None]:
    """The provider pays no refund beyond what we have there, and money takes a while to be ours."""
    control(terms={"negative_balance": False, "available_seconds": 3600})
    yield
    control(terms={"negative_balance": True, "available_seconds": 0}, clock={"offset_seconds": 0})


def settled(launch: Launch, join: Join, site: Site, card: str, currency: str) -> Campaign:
    campaign = launch(kinds=["money"], currency=currency, rule={"people": 2})
    for who in ("ben", "dora"):
        join(campaign, who, amount=3000, payment_method=card)
    site.work()
    assert "settled" == public_view(campaign)["state"]
    return campaign


def test_a_refund_on_its_way_counts_as_given_back(site: Site, launch: Launch, join: Join) -> None:
    campaign = settled(launch, join, site, "pm_card_pendingRefund", "SEK")
    cancel(campaign=campaign)
    site.work()
    assert ("released", {"money": 6000}) == (
        public_view(campaign)["state"],
        public_view(campaign)["refunded"],
    )
    site.check()


@pytest.mark.parametrize("is_told", [True, False])
def test_a_refund_that_comes_back_is_in_the_books_and_is_somebodys_business(
    site: Site, launch: Launch, join: Join, is_told: bool
) -> None:
    """Its event only makes us read the statement sooner, which says it all the same."""
    campaign = settled(launch, join, site, "pm_card_refundFail", "NOK")
    cancel(campaign=campaign)
    site.work()
    rows = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    for row in rows:
        (event,) = until(lambda row=row: events("refund.failed", str(row.id)))
        for number in range(2 if is_told else 0):  # told twice, booked once
            ProviderEvent(
                provider="stripe",
                event_id=f"{event['id']}-{number}",
                body=event,
                received_at=real_now(),
            ).save()
    site.work()
    if not is_told:
        assert {"done"} == set(rows.values_list("state", flat=True))
        read_lines("stripe")
        read_lines("stripe")
    assert {"stuck"} == set(rows.values_list("state", flat=True))
    seen = public_view(campaign)
    assert ({"money": 6000}, {"money": 0}) == (seen["collected"], seen["refunded"])
    (stuck,) = [c for c in self_check() if c["name"] == "nothing_is_stuck"]
    assert not stuck["ok"]
    books = [c for c in self_check() if c["name"].startswith("ledger") and not c["ok"]]
    assert [] == books


def until(look: Any) -> Any:
    """What a look finds, within ten seconds: the provider's clock ticks by itself."""
    ends = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    return found


def test_a_refund_that_cannot_be_paid_yet_is_paid_when_it_can(
    site: Site, launch: Launch, join: Join, poor: None
) -> None:
    """The balance at the provider is too low: nobody is refunded twice, nobody is forgotten."""
    campaign = settled(launch, join, site, "pm_card_visa", "DKK")
    cancel(campaign=campaign)
    site.work()
    rows = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    assert {("doing", "balance_insufficient")} == set(rows.values_list("state", "code"))
    control(clock={"offset_seconds": 4000}, terms={"negative_balance": True})
    site.advance(timedelta(minutes=11))
    site.work()
    assert {"done"} == set(rows.values_list("state", flat=True))
    assert {"refunded": 2} == states(campaign)
    assert {"money": 6000} == public_view(campaign)["refunded"]
    site.check()


def test_a_refund_whose_answer_is_lost_is_looked_up(site: Site, launch: Launch, join: Join) -> None:
    campaign = settled(launch, join, site, "pm_card_visa", "CZK")
    control(fail_next={"path": "/v1/refunds", "mode": "undocumented", "times": 2})
    cancel(campaign=campaign)
    site.work()
    site.advance(timedelta(seconds=5))
    site.work()
    assert {"money": 6000} == public_view(campaign)["refunded"]
    assert {"refunded": 2} == states(campaign)
    site.check()
