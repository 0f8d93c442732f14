"""To fulfil: what was accepted is charged, issued, confirmed; then the member is told, once."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from countmein.base.clock import site_now
from countmein.base.jobs import defer
from countmein.campaigns.actions.tell import tell
from countmein.campaigns.kinds import KINDS, is_charged, pays_by_bank, price_by_kind
from countmein.campaigns.models import Campaign, Pledge
from countmein.payments.actions.charging import charge_due
from countmein.payments.models import BANK, Charge, ChargeState
from countmein.rules.awaiting import first_reminder, last_instant
from countmein.rules.collection import check_batch
from countmein.rules.money import Money
from countmein.rules.remittance import own_reference
from countmein.rules.states import PledgeState


def promise(campaign: Campaign, rows: Sequence[Pledge]) -> None:
    """Begin to keep newly accepted pledges: those who owe get a charge, the others are fulfilled
    at once. Call in the transaction that accepts them.

    Raises BatchRefused if the charges are not what was accepted; none of them may be written then.
    """
    owing = [row for row in rows if is_charged(row.accepted)]
    now = site_now()
    charges = [_charge(campaign, row, now) for row in owing]
    check_batch(
        _accepted_by_kind(campaign, {row.id for row in owing}),
        [Money(amount_minor=c.amount_minor, currency=c.currency) for c in charges],
    )
    Charge.objects.bulk_create(charges, ignore_conflicts=True)
    to_transfer = [str(row.id) for row in owing if pays_by_bank(row)]
    if len(to_transfer) < len(owing):
        defer(charge_due, once="payments.charge_due")
    if to_transfer:
        defer(tell, campaign_id=str(campaign.id), topic="transfer", pledge_ids=to_transfer)
    fulfil(campaign, [row for row in rows if not is_charged(row.accepted)])


def _accepted_by_kind(campaign: Campaign, ids: Collection[uuid.UUID]) -> dict[str, Money]:
    """What these pledges were accepted with, added up by the database and priced by the terms.

    On purpose it shares no code with what prices a charge: the two must agree.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT part.key, sum(part.value::bigint) FROM campaigns_pledge p,
                   jsonb_each_text(p.accepted) part
            WHERE p.lane = %s AND p.id = ANY(%s) AND part.key IN ('money', 'purchase')
              AND NOT EXISTS (SELECT FROM payments_charge c
                              WHERE c.lane = p.lane AND c.pledge_id = p.id)
            GROUP BY 1
            """,
            [campaign.lane, list(ids)],
        )
        accepted = {kind: int(amount) for kind, amount in cursor.fetchall()}
    unit = {"money": 1, "purchase": campaign.unit_price_minor or 0}
    return {
        kind: Money(amount_minor=amount * unit[kind], currency=campaign.currency)
        for kind, amount in accepted.items()
    }


def _charge(campaign: Campaign, row: Pledge, now: datetime) -> Charge:
    parts = price_by_kind(campaign, row.accepted)
    by_bank = _awaited(campaign, row, now) if pays_by_bank(row) else {"due_at": now}
    return Charge(
        lane=row.lane,
        campaign_id=row.campaign_id,
        pledge_id=row.id,
        amount_minor=sum(parts.values()),
        currency=campaign.currency,
        parts=parts,
        **by_bank,
    )


def _awaited(campaign: Campaign, row: Pledge, now: datetime) -> dict[str, Any]:
    """What a charge has of its own that its member is to transfer."""
    last_at = last_instant(now, days=campaign.transfer_days or 1)
    return {
        "provider": BANK,
        "state": ChargeState.AWAITED,
        "due_at": last_at,
        "remind_at": first_reminder(now, last_at),
        "reference": own_reference(row.code),
    }


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
