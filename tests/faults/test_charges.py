"""R8 in small: whatever the provider does, nobody is charged twice and the books agree with its."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter
from typing import Any

import pytest
from django.conf import settings

from countmein.base.clock import site_now
from countmein.campaigns.queries import public_view
from countmein.payments.models import Attempt, Charge
from tests.apps.campaigns.acts import Join, states
from tests.conftest import Launch, Site
from tests.faults.kills import run_and_die
from tests.faults.test_kills import one_round, rescue

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("books_read")]


def _plant(wanted: dict[str, Any] | None) -> None:
    asked = urllib.request.Request(
        f"{settings.STRIPE_API_BASE}/_control",
        method="POST",
        data=json.dumps({"fail_next": wanted}).encode(),
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert json.load(answer) == {"ok": True}


def _own(site: Site, ids: set[str]) -> list[dict[str, Any]]:
    return [c for c in site.charged() if c["metadata"].get("reference") in ids]


def test_100_charges_with_answers_lost_and_errors_are_made_once(
    site: Site, launch: Launch, join: Join
) -> None:
    """Answers lost after success, errors that are kept under the key, and two killed workers."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 100})
    for n in range(100):
        join(campaign, f"c{n}", amount=100 + n, payment_method="pm_card_visa")
    _until_charged(campaign)
    _plant({"path": "/v1/payment_intents", "mode": "timeout_after_success", "times": 2})
    _plant({"path": "/v1/payment_intents", "mode": "500", "times": 5})
    try:
        kills = 0
        for at in (120, 300):
            kills += run_and_die(one_round, at=at)
            rescue()
        for _turn in range(20):
            rescue()
            if not one_round() and not _open(campaign):
                break
    finally:
        _plant(None)
    site.work()
    assert kills > 0
    rows = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    ids = {str(id) for id in rows.values_list("id", flat=True)}
    paid = [c for c in _own(site, ids) if c["status"] == "succeeded"]
    assert {1} == set(Counter(c["metadata"]["reference"] for c in paid).values())
    assert {"fulfilled": 100} == states(campaign)
    assert sum(c["amount"] for c in paid) == public_view(campaign)["collected"]["money"]
    unclear = Attempt.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    assert 0 == unclear.filter(outcome__in=["started", "unknown"]).count()
    site.check()


def _open(campaign: Any) -> int:
    rows = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return int(rows.filter(state__in=["due", "doing"], due_at__lte=site_now()).count())


def _until_charged(campaign: Any) -> None:
    """Work until the cards are saved and the campaign has tipped, and no further."""
    from countmein.campaigns.actions.count import count
    from countmein.payments.actions.mandates import make_mandates

    make_mandates()
    count(str(campaign.id))
    assert "tipped" == public_view(campaign)["state"]
