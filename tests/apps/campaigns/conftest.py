"""A campaign that has settled, whose money can be paid out, and whoever runs the site."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from countmein.base.clock import real_now
from countmein.campaigns.models import Campaign
from countmein.members.models import Organiser
from countmein.payments.models import Statement
from tests.apps.campaigns.acts import Join
from tests.apps.campaigns.payout_acts import Settled, is_settled
from tests.conftest import Launch, Site


@pytest.fixture
def olga(transactional_db: None) -> Organiser:
    """Olga owns the site."""
    return Organiser.objects.create_user(email="olga@example.org", name="Olga", is_owner=True)


@pytest.fixture
def own_statement(site: Site) -> None:
    """The provider's statement is read from the next full second on, so it is this test's."""
    time.sleep(1.0 - time.time() % 1.0)
    now = real_now()
    Statement.objects.update(began_at=now, since=now)


@pytest.fixture
def settled(site: Site, launch: Launch, join: Join) -> Settled:
    """A campaign of Ana's that has settled with a crowd of these amounts."""

    def begin(
        amounts: Callable[[int], int] | int = 10_000, *, people: int = 4, **terms: Any
    ) -> Campaign:
        said = {"kinds": ["money"], "currency": "EUR", "rule": {"people": people}, **terms}
        campaign = launch(**said)
        for n in range(people):
            amount = amounts if isinstance(amounts, int) else amounts(n)
            join(campaign, f"b{n}", amount=amount, payment_method="pm_card_visa")
        site.work()
        assert is_settled(campaign)
        return campaign

    return begin
