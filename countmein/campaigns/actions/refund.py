"""To refund: money goes back because a condition, the rule or the campaign no longer holds."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping

from django.db import transaction
from django.db.models import Q

from countmein.base.jobs import defer
from countmein.campaigns.actions.tell import tell
from countmein.campaigns.changes import accepted_parts, leaves_core
from countmein.campaigns.gates import hold
from countmein.campaigns.kinds import price_by_kind
from countmein.campaigns.models import Campaign, Change, Gate, Pledge
from countmein.campaigns.waitlist import amounts
from countmein.payments.actions import want_refunds
from countmein.payments.models import Charge, ChargeState, Refund, RefundState
from countmein.rules.states import CampaignState, PledgeState

SLICE = 500


def refund_crowds(campaign: Campaign, gate: Gate, out: Collection[uuid.UUID]) -> bool:
    """Give back what the parts in these crowds paid, and tell whether there was any.

    A pledge whose first part is out is refunded whole; one whose further part is out gets that
    part's money back and stays in with the rest. Call with the gate held.
    """
    if not out:
        return False
    rows = list(
        Pledge.objects.filter(
            lane=gate.lane, campaign_id=gate.id, state=PledgeState.fulfilled
        ).filter(Q(crowd_id__in=out) | ~Q(more=[]))
    )
    owed: dict[uuid.UUID, dict[str, int]] = {}
    for row in rows:
        lost = amounts([part for part in accepted_parts(row) if part.crowd_id in out])
        if row.crowd_id in out:
            owed[row.id] = price_by_kind(campaign, row.accepted)
        elif lost:
            owed[row.id] = price_by_kind(campaign, lost)
            _lose_parts(gate, row, out)
    return _want(campaign, {key: parts for key, parts in owed.items() if parts}, "condition")


def _lose_parts(gate: Gate, row: Pledge, out: Collection[uuid.UUID]) -> None:
    """The further parts that are out leave the core; the person stays in."""
    Change.objects.bulk_create(leaves_core(gate, row))
    row.more = [
        {**said, "is_in": said["is_in"] and uuid.UUID(said["crowd_id"]) not in out}
        for said in row.more
    ]
    row.accepted = amounts(accepted_parts(row))
    row.save(update_fields=["more", "accepted"])
    Change.objects.bulk_create(leaves_core(gate, row, sign=1))


def refund_everybody(campaign: Campaign, *, reason: str) -> bool:
    """Give back whatever was paid and not given back yet, and tell whether there was any."""
    paid = Charge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=ChargeState.PAID
    )
    already = Refund.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    back: dict[uuid.UUID, dict[str, int]] = {}
    for refund in already:
        known = back.setdefault(refund.pledge_id, {})
        for kind, amount in refund.parts.items():
            known[kind] = known.get(kind, 0) + amount
    left = {
        charge.pledge_id: {
            kind: amount - back.get(charge.pledge_id, {}).get(kind, 0)
            for kind, amount in charge.parts.items()
        }
        for charge in paid.iterator(chunk_size=1000)
    }
    return _want(
        campaign, {key: parts for key, parts in left.items() if sum(parts.values())}, reason
    )


def _want(campaign: Campaign, owed: Mapping[uuid.UUID, Mapping[str, int]], reason: str) -> bool:
    charges = Charge.objects.filter(
        lane=campaign.lane, pledge_id__in=list(owed), state=ChargeState.PAID
    )
    known = set(
        Refund.objects.filter(
            lane=campaign.lane, campaign_id=campaign.id, reason=reason
        ).values_list("charge_id", flat=True)
    )
    fresh = [charge for charge in charges if charge.id not in known]
    if fresh:
        want_refunds(charges=fresh, reason=reason, parts=lambda charge: owed[charge.pledge_id])
    return bool(fresh)


def read_refunds(campaign: Campaign) -> bool:
    """Carry finished refunds over to their pledges, a slice at a time; tell whether there were."""
    with transaction.atomic():
        gate = hold(campaign)
        news = list(
            Refund.objects.filter(
                lane=campaign.lane, campaign_id=campaign.id, is_read=False, state=RefundState.DONE
            ).order_by("id")[:SLICE]
        )
        if not news:
            return False
        whole = _given_back_whole(campaign, {row.pledge_id for row in news})
        rows = list(
            Pledge.objects.filter(
                lane=gate.lane, id__in=whole, state=PledgeState.fulfilled
            ).select_for_update()
        )
        Pledge.objects.filter(lane=gate.lane, id__in=[row.id for row in rows]).update(
            state=PledgeState.refunded, round=gate.round
        )
        if gate.state in (CampaignState.settling, CampaignState.settled):
            Change.objects.bulk_create(c for row in rows for c in leaves_core(gate, row))
        for reason in {row.reason for row in news}:
            ids = [str(row.pledge_id) for row in news if row.reason == reason]
            topic = f"refunded_{reason}"
            defer(tell, campaign_id=str(campaign.id), topic=topic, pledge_ids=ids)
        Refund.objects.filter(lane=gate.lane, id__in=[row.id for row in news]).update(is_read=True)
    return True


def _given_back_whole(campaign: Campaign, pledge_ids: Collection[uuid.UUID]) -> list[uuid.UUID]:
    left = dict(
        Charge.objects.filter(
            lane=campaign.lane, pledge_id__in=pledge_ids, state=ChargeState.PAID
        ).values_list("pledge_id", "amount_minor")
    )
    for pledge_id, amount in Refund.objects.filter(
        lane=campaign.lane, pledge_id__in=pledge_ids, state=RefundState.DONE
    ).values_list("pledge_id", "amount_minor"):
        left[pledge_id] -= amount
    return [pledge_id for pledge_id, amount in left.items() if amount == 0]
