"""What goes to a plan is paid to whoever carries it out."""

from __future__ import annotations

from datetime import timedelta

import pytest

from countmein.base.clock import site_now
from countmein.campaigns.actions.fail import fail
from countmein.campaigns.actions.pay_out import PayoutRefused
from countmein.campaigns.actions.reallocate import reallocate
from countmein.campaigns.queries import public_view
from countmein.payments.models import Payout
from tests.apps.campaigns.acts import Join
from tests.apps.campaigns.payout_acts import ask_own, fresh
from tests.apps.campaigns.plans import (
    VAN,
    asked,
    balances,
    carried_out,
    crowd,
    failure_of,
    refused_advert,
    with_plans,
)
from tests.conftest import Launch, Site


def test_what_goes_to_a_plan_can_be_paid_at_once(site: Site, launch: Launch, join: Join) -> None:
    """Nothing is held back for refunds any more, and what is voted on cannot be asked for."""
    campaign, _made = refused_advert(site, launch, join)
    campaign.refresh_from_db()
    with pytest.raises(PayoutRefused, match="nothing_left"):
        ask_own(campaign, 4439, payee="Metro", purpose="a page")
    payout = ask_own(campaign, 4000, payee="Metro", purpose="a page")
    site.work()
    assert fresh(payout).agreed_at is not None
    assert (438, 4000) == tuple(balances(campaign)[a] for a in ("held:money", "pending:Metro"))
    site.check()


def test_a_payout_that_is_being_sent_is_waited_for_and_stopped_if_it_was_refused(
    site: Site, launch: Launch, join: Join
) -> None:
    """Nobody knows whether it is gone; once the provider has refused it, it is everybody's."""
    campaign = with_plans(launch, VAN, decide_hours=0)
    crowd(join, campaign, a=(1000, "refund"))
    carried_out(site, campaign)
    sending = asked(campaign, 900, "organiser", kind="organiser")
    rows = Payout.objects.filter(lane=campaign.lane, id=sending.id)
    # As a worker leaves it that has asked the provider and waits for its answer.
    rows.update(state="sending", due_at=site_now() + timedelta(hours=1))
    fail(campaign=campaign, text="No.")
    reallocate(str(campaign.id))
    assert "failed" == public_view(campaign)["state"]
    assert failure_of(campaign).settled_at is None
    rows.update(state="asked", due_at=None)
    reallocate(str(campaign.id))
    assert ["stopped"] == list(rows.values_list("state", flat=True))
    assert 1000 == failure_of(campaign).sums["refund_minor"]
    site.work()
    assert {} == balances(campaign)
    site.check()
