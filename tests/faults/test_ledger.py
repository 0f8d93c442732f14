"""R10: the books balance in every committed state, and nobody can rewrite them."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.db.utils import ProgrammingError

from countmein.base.ids import uuid7
from countmein.campaigns.actions.cancel import cancel
from countmein.campaigns.models import Campaign
from countmein.ledger.models import Transfer
from countmein.payments.actions.charging import charge_due
from countmein.payments.actions.refunding import refund_due
from tests.apps.campaigns.acts import Join
from tests.conftest import Launch, Site
from tests.faults.auditor import audited, own_dsn
from tests.faults.crowd import together


@pytest.mark.parametrize(
    "statement", ["UPDATE ledger_transfer SET amount_minor = 1", "DELETE FROM ledger_transfer"]
)
def test_the_site_itself_cannot_rewrite_the_books(transactional_db: None, statement: str) -> None:
    """The database refuses, whatever the program tries."""
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def _crowd(launch: Launch, join: Join, prefix: str) -> Campaign:
    campaign = launch(
        title=f"Books {prefix}",
        kinds=["money", "purchase"],
        currency="EUR",
        unit_price_minor=250,
        rule={"people": 40},
        cap={"purchase": 1000},
    )
    for n in range(40):
        join(
            campaign,
            f"{prefix}{n}",
            kind="money",
            amount=100 + n,
            payment_method="pm_card_visa",
            more=[{"kind": "purchase", "amount": 2}],
        )
    return campaign


def test_the_books_balance_in_every_snapshot_while_money_moves(
    site: Site, launch: Launch, join: Join
) -> None:
    """Charges of two legs each, then refunds, eight calls at a time, read every 50 ms."""
    campaigns = [_crowd(launch, join, f"b{n}") for n in range(2)]
    with audited(own_dsn()) as audit:
        site.work()
        for campaign in campaigns:
            cancel(campaign=campaign)
        together([site.work], threads=1)
        together([charge_due, refund_due], threads=2)
    assert audit.reads > 5
    assert 2 * 40 * 2 * 2 == Transfer.objects.all_lanes().count()
    site.check()


def test_a_build_that_writes_one_leg_of_two_is_seen(site: Site, launch: Launch, join: Join) -> None:
    """The control: the legs of one event in two transactions."""
    campaign = launch(kinds=["money"], currency="EUR", rule={"people": 1})
    about, entry = uuid7(), uuid7()

    def leg(number: int, amount: int) -> None:
        Transfer.objects.bulk_create(
            [
                Transfer(
                    lane=campaign.lane,
                    campaign_id=campaign.id,
                    entry_id=entry,
                    kind="charge",
                    source_ref=about,
                    leg=number,
                    at=campaign.created_at,
                    source="backers",
                    destination="held:money",
                    amount_minor=amount,
                    currency="EUR",
                )
            ]
        )

    with audited(own_dsn(), is_control=True) as audit:
        leg(0, 100)
    assert [["event", str(about), ""]] == audit.wrong
