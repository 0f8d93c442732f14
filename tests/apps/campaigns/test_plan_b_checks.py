"""The self-check sees what it is there to see of failures and ballots."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from countmein.campaigns.selfcheck import self_check
from tests.apps.campaigns.acts import Join
from tests.apps.campaigns.plans import refused_advert
from tests.conftest import Launch, Site


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("failures_add_up", "UPDATE campaigns_planshare SET borne_minor = borne_minor + 1"),
        ("failures_add_up", "DELETE FROM campaigns_planshare"),
        ("money_goes_to_plans_that_run", "UPDATE campaigns_planshare SET plan = NULL"),
        ("plan_b_refunds_are_shares", "UPDATE campaigns_planshare SET refund_minor = 1"),
        (
            "nobody_gets_back_what_is_gone",
            "UPDATE campaigns_planshare SET borne_minor = borne_minor + 1",
        ),
        ("ballot_refunds_are_stakes", "UPDATE campaigns_ballotpaper SET stake_minor = 1"),
        ("votes_are_counted", "UPDATE campaigns_ballotpaper SET choice = 'keep'"),
        (
            "choices_are_closed_in_time",
            "UPDATE campaigns_ballot SET closed_at = NULL, ends_at = ends_at - interval '2 min'",
        ),
    ],
)
def test_a_planted_fault_is_found(
    site: Site, launch: Launch, join: Join, name: str, plant: str
) -> None:
    """Green before, red after, by the check of that name."""
    refused_advert(site, launch, join)
    site.advance(timedelta(hours=73))
    site.work()
    site.check()
    with connection.cursor() as cursor:
        cursor.execute(plant)
    assert name in {check["name"] for check in self_check() if not check["ok"]}
