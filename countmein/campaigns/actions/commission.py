"""The site's commission: a share of what stands, taken when it is settled and put right later."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from django.db import connection, transaction

from countmein.base.clock import site_now
from countmein.base.ids import named_uuid
from countmein.base.jobs import job
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign
from countmein.campaigns.payouts import standing_minor
from countmein.ledger import actions as ledger
from countmein.ledger import queries as books
from countmein.payments.models import CommissionTaken
from countmein.rules import payout as law
from countmein.rules.money import hamilton

#: Campaigns that pay a commission whose standing is not what it was worked out from. Only those
#: are added up of which something was booked lately; the chores look at all.
_TO_TAKE = """
    SELECT k.id FROM campaigns_campaign k JOIN campaigns_gate g ON g.id = k.id
    LEFT JOIN payments_commissiontaken c ON c.lane = g.lane AND c.id = g.id
    WHERE k.commission_bp > 0 AND g.settled_at IS NOT NULL
      AND (%(all)s OR c.id IS NULL OR EXISTS (
          SELECT FROM ledger_transfer t WHERE t.lane = g.lane AND t.campaign_id = g.id
          AND t.id > (lpad(to_hex((extract(epoch FROM clock_timestamp() - interval '3 minutes')
                      * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid))
      AND coalesce(c.settled_minor, 0) <> (
          SELECT greatest(0, coalesce(sum(
              CASE WHEN t.source IN ('backers', 'disputed') THEN t.amount_minor ELSE 0 END
              - CASE WHEN t.destination IN ('backers', 'disputed') THEN t.amount_minor ELSE 0 END
              ), 0))
          FROM ledger_transfer t WHERE t.lane = g.lane AND t.campaign_id = g.id)"""


def to_take(*, of_all: bool = False) -> list[Any]:
    """The campaigns whose commission is to be put right now."""
    with connection.cursor() as cursor:
        cursor.execute(_TO_TAKE, {"all": of_all})
        return [campaign_id for (campaign_id,) in cursor.fetchall()]


@job(name="campaigns.take_commission", queue="money")
def take_commission(campaign_id: str) -> None:
    """Book the share of what has come to stand since the last step, or give back what no longer
    does; each step once, under its number."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    with transaction.atomic():
        gate = hold(campaign)
        if gate.settled_at is None:
            return
        row = _row(campaign)
        standing = max(standing_minor(campaign), 0)
        if standing == row.settled_minor:
            return
        step = _step(campaign.commission_bp, row, standing)
        parts = _parts(campaign, row, step.taken_minor)
        was = row.number
        kind = "commission" if step.taken_minor > 0 else "commission_back"
        rows = CommissionTaken.objects.filter(lane=row.lane, id=row.id, number=was)
        if not rows.update(
            number=was + 1,
            settled_minor=standing,
            taken_minor=row.taken_minor + step.taken_minor,
            carried=step.carried,
            parts=_summed(row.parts, parts, sign=1 if step.taken_minor > 0 else -1),
            at=site_now(),
        ):
            return
        ledger.post(
            lane=campaign.lane,
            campaign_id=campaign.id,
            kind=kind,
            about=named_uuid("commission", str(campaign.id), str(was + 1)),
            parts=parts,
            currency=campaign.currency,
            at=site_now(),
        )


def _row(campaign: Campaign) -> CommissionTaken:
    """What was taken so far; the gate is held, so nobody else makes the row meanwhile."""
    rows = CommissionTaken.objects.filter(lane=campaign.lane, id=campaign.id)
    found = rows.first()
    if found is None:
        found = CommissionTaken(lane=campaign.lane, id=campaign.id, at=site_now())
        found.save(force_insert=True)
    assert isinstance(found, CommissionTaken)
    return found


def _step(bp: int, row: CommissionTaken, standing: int) -> law.Commission:
    more = standing - row.settled_minor
    if more >= 0:
        return law.commission(settled_minor=more, bp=bp, carried=row.carried)
    return law.commission_back(refunded_minor=-more, bp=bp, carried=row.carried)


def _parts(campaign: Campaign, row: CommissionTaken, taken_minor: int) -> dict[str, int]:
    """From which kinds of pledge a step is taken, or to which it goes back: in proportion to what
    is held of each, or was taken of each."""
    if taken_minor == 0:
        return {}
    weights = {kind: amount for kind, amount in row.parts.items() if amount > 0}
    if taken_minor > 0:
        totals = books.totals(lane=campaign.lane, campaign_id=campaign.id)
        weights = {
            account.removeprefix("held:"): amount
            for account, amount in totals.items()
            if account.startswith("held:") and amount > 0
        }
    weights = weights or {campaign.kinds[0]: 1}
    return hamilton(weights, total=abs(taken_minor), seed=campaign.code)


def _summed(was: dict[str, int], parts: dict[str, int], *, sign: int) -> dict[str, int]:
    whole = Counter(was)
    for kind, amount in parts.items():
        whole[kind] += sign * amount
    return {kind: amount for kind, amount in whole.items() if amount}
