"""The self-check sees what it is there to see: each fault is planted and found."""

from __future__ import annotations

import pytest
from django.db import connection

from countmein.campaigns.selfcheck import self_check
from tests.apps.campaigns.acts import Join
from tests.conftest import Launch, Site


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("tally_is_sum_of_changes", "UPDATE campaigns_crowdtotal SET people = people + 1"),
        ("shown_tally_is_recounted", "UPDATE campaigns_tally SET people = people + 1"),
        ("shown_tally_is_recounted", "UPDATE campaigns_tally SET waiting_people = 1"),
        ("shown_tally_is_recounted", "UPDATE campaigns_tally SET sum = '{\"money\": 101}'"),
        ("shown_tally_is_recounted", "UPDATE campaigns_tally SET places = '{\"Leeds\": 1}'"),
        ("changes_match_pledges", "UPDATE campaigns_change SET people = people * 2"),
        ("tipped_campaigns_have_tipped", "DELETE FROM campaigns_move WHERE state = 'tipped'"),
        ("ledger_matches_charges", "UPDATE payments_charge SET amount_minor = amount_minor + 1"),
        ("charged_is_what_was_accepted", "UPDATE campaigns_pledge SET state = 'withdrawn'"),
        (
            "no_job_gave_up",
            "INSERT INTO procrastinate_jobs (queue_name, task_name, priority, args, status)"
            " VALUES ('sends', 'campaigns.tell', 0, '{}', 'failed')",
        ),
    ],
)
def test_a_planted_fault_is_found(
    site: Site, launch: Launch, join: Join, name: str, plant: str
) -> None:
    """Green before, red after, by the check of that name."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 1})
    join(campaign, "ben", amount=100, payment_method="pm_card_visa")
    site.work()
    site.check()
    with connection.cursor() as cursor:
        cursor.execute(plant)
    assert name in {check["name"] for check in self_check() if not check["ok"]}
