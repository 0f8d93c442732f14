"""To withdraw: whoever leaves is gone, from the tally, from the till and from the provider."""

from __future__ import annotations

import pytest
from django.conf import settings

from countmein.campaigns.actions.withdraw import withdraw
from countmein.payments.actions.mandates import make_mandates
from countmein.payments.models import Mandate
from countmein.rules.pledging import PledgeRefused
from tests.apps.campaigns.acts import Join, pledge_of
from tests.conftest import Launch, Site, ask
from tests.faults.kills import run_and_die
from tests.faults.test_kills import rescue


def _customers() -> int:
    return int(ask(f"{settings.STRIPE_API_BASE}/_book/summary")["customers"])


@pytest.mark.parametrize("at", [3, 4, 5, 6, 7, 8])
def test_a_card_that_was_being_saved_is_deleted_too(
    site: Site, launch: Launch, join: Join, at: int
) -> None:
    """The worker dies before or after the provider saved the card; then the member leaves."""
    before = _customers()
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 9})
    answer = join(campaign, f"leaves{at}", amount=100, payment_method="pm_card_visa")
    run_and_die(make_mandates, at=at)
    withdraw(pledge=pledge_of(answer))
    rescue()
    site.work()
    assert before == _customers()
    rows = Mandate.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    assert ["forgotten"] == list(rows.values_list("state", flat=True))
    site.check()


def test_who_is_in_after_the_tip_cannot_leave(site: Site, launch: Launch, join: Join) -> None:
    """The promise holds in both directions."""
    campaign = launch(rule={"people": 1})
    answer = join(campaign, "ben")
    site.work()
    with pytest.raises(PledgeRefused, match="latched"):
        withdraw(pledge=pledge_of(answer))


def test_leaving_twice_is_leaving_once(site: Site, launch: Launch, join: Join) -> None:
    """A repeated request changes nothing."""
    campaign = launch(rule={"people": 9})
    answer = join(campaign, "ben")
    for _time in range(2):
        assert "withdrawn" == withdraw(pledge=pledge_of(answer)).state
    site.work()
    site.check()
