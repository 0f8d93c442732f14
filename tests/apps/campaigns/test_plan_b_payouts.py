"""What goes to a plan is paid to whoever carries it out."""

from __future__ import annotations

import pytest

from countmein.campaigns.actions.pay_out import PayoutRefused
from tests.apps.campaigns.acts import Join
from tests.apps.campaigns.payout_acts import ask_own, fresh
from tests.apps.campaigns.plans import balances, refused_advert
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
