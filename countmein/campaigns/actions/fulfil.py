"""To fulfil: what was accepted is charged, issued, confirmed; then the member is told, once."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import connection

from countmein.base.clock import site_now
from countmein.base.jobs import defer
from countmein.campaigns.actions.tell import tell
from countmein.campaigns.kinds import KINDS, is_charged, price_by_kind
from countmein.campaigns.models import Campaign, Pledge
from countmein.payments.actions import charge_due
from countmein.payments.models import Charge
from countmein.rules.states import PledgeState


def promise(campaign: Campaign, rows: Sequence[Pledge]) -> None:
    """Begin to keep newly accepted pledges: a charge is written for those who owe, the others are
    fulfilled at once. Call in the transaction that accepts them."""
    owing = [row for row in rows if is_charged(row.accepted)]
    Charge.objects.bulk_create([_charge(campaign, row) for row in owing], ignore_conflicts=True)
    if owing:
        defer(charge_due, once="payments.charge_due")
    fulfil(campaign, [row for row in rows if not is_charged(row.accepted)])


def _charge(campaign: Campaign, row: Pledge) -> Charge:
    parts = price_by_kind(campaign, row.accepted)
    return Charge(
        lane=row.lane,
        campaign_id=row.campaign_id,
        pledge_id=row.id,
        amount_minor=sum(parts.values()),
        currency=campaign.currency,
        parts=parts,
        due_at=site_now(),
    )


def fulfil(campaign: Campaign, rows: Sequence[Pledge]) -> None:
    """Make accepted pledges fulfilled: write what keeps each kind, and let the member be told.

    Call inside a transaction. Compare-and-set: a pledge that is not accepted is left alone.
    """
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE campaigns_pledge SET state = 'fulfilled'
            WHERE lane = %s AND id = ANY(%s) AND state = 'accepted' RETURNING id
            """,
            [campaign.lane, [row.id for row in rows]],
        )
        done = {id for (id,) in cursor.fetchall()}
    kept = [row for row in rows if row.id in done]
    now = site_now()
    for kind, how in KINDS.items():
        of_kind = [row for row in kept if kind in row.accepted]
        if of_kind:
            how.keep(campaign, of_kind, now=now)
    for row in kept:
        row.state = PledgeState.fulfilled
    if kept:
        ids = [str(row.id) for row in kept]
        defer(tell, campaign_id=str(campaign.id), topic="kept", pledge_ids=ids)
