"""To refund: money goes back because a condition, the rule or the campaign no longer holds."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from countmein.base.jobs import defer
from countmein.campaigns.actions.tell import refund_topic, tell
from countmein.campaigns.changes import accepted_parts, leaves_core, write_changes
from countmein.campaigns.gates import free_places, hold
from countmein.campaigns.kinds import price_by_kind
from countmein.campaigns.models import Campaign, Gate, Pledge
from countmein.campaigns.waitlist import amounts
from countmein.payments.actions.refunding import want_refunds
from countmein.payments.left import left_of
from countmein.payments.models import REFUND_OVER, Charge, ChargeState, Refund, RefundState
from countmein.rules.states import COUNTED, PledgeState

SLICE = 500
#: Why money goes back where another letter says so.
TOLD_OTHERWISE = frozenset({"plan_b", "ballot"})


def refund_crowds(campaign: Campaign, gate: Gate, out: Collection[uuid.UUID]) -> bool:
    """Give back what the parts in these crowds paid, and tell whether there was any.

    A pledge whose first part is out is refunded whole; one whose further part is out gets that
    part's money back and stays in with the rest. Call with the gate held: it is one decision.
    """
    if not out:
        return False
    touched = Pledge.objects.filter(
        lane=gate.lane, campaign_id=gate.id, state=PledgeState.fulfilled
    ).filter(Q(crowd_id__in=out) | ~Q(more=[]))
    return sum(_refund_out(campaign, gate, rows, out) for rows in slices(touched)) > 0


def _refund_out(
    campaign: Campaign, gate: Gate, rows: Sequence[Pledge], out: Collection[uuid.UUID]
) -> bool:
    owed: dict[uuid.UUID, dict[str, int]] = {}
    for row in rows:
        lost = amounts([part for part in accepted_parts(row) if part.crowd_id in out])
        if row.crowd_id in out:
            owed[row.id] = price_by_kind(campaign, row.accepted)
        elif lost:
            owed[row.id] = price_by_kind(campaign, lost)
            _lose_parts(gate, row, out)
            free_places(gate, [lost])
    return _want(
        campaign, paid_charges(campaign).filter(pledge_id__in=owed), "condition", owed=owed
    )


def _lose_parts(gate: Gate, row: Pledge, out: Collection[uuid.UUID]) -> None:
    """The further parts that are out leave the core; the person stays in."""
    write_changes(gate, leaves_core(gate, row))
    row.more = [
        {**said, "is_in": said["is_in"] and uuid.UUID(said["crowd_id"]) not in out}
        for said in row.more
    ]
    row.accepted = amounts(accepted_parts(row))
    row.save(update_fields=["more", "accepted"])
    write_changes(gate, leaves_core(gate, row, sign=1))


def refund_everybody(campaign: Campaign, *, reason: str) -> bool:
    """Give back whatever was paid and not given back yet, and tell whether there was any.

    Slice by slice, each for itself: killed between two of them, whoever calls next goes on.
    """
    return sum(_want(campaign, charges, reason) for charges in slices(paid_charges(campaign))) > 0


def paid_charges(campaign: Campaign) -> Any:
    """The charges of a campaign that were paid."""
    return Charge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=ChargeState.PAID
    )


def slices(rows: Any) -> Iterator[list[Any]]:
    """Walk a crowd by id, so that no more of it than a slice is ever in memory."""
    rows = rows.order_by("id")
    page = list(rows[:SLICE])
    while page:
        yield page
        page = list(rows.filter(id__gt=page[-1].id)[:SLICE])


def _want(
    campaign: Campaign,
    charges: Collection[Charge],
    reason: str,
    *,
    owed: Mapping[uuid.UUID, Mapping[str, int]] | None = None,
) -> bool:
    """Record what goes back of these charges, never more than is left of them.

    What is owed by pledge, or all that is left. The same reason may come twice, when two parts of
    a pledge fall out one after the other: each time is a stage of its own.
    """
    earlier = Refund.objects.filter(
        lane=campaign.lane, charge_id__in=[charge.id for charge in charges], reason=reason
    )
    # In this order: a refund that is recorded meanwhile may be missing among the stages, where it
    # is then met as a conflict, and never in what is left.
    stages = Counter(earlier.values_list("charge_id", flat=True))
    left = left_of(charges)
    fresh: dict[int, list[Charge]] = {}
    for charge in charges:
        if owed is not None:
            left[charge.id] &= Counter(owed[charge.pledge_id])
        if left[charge.id].total() > 0:
            fresh.setdefault(stages[charge.id], []).append(charge)
    for stage, rows in fresh.items():
        want_refunds(charges=rows, reason=reason, stage=stage, parts=lambda charge: left[charge.id])
    return bool(fresh)


def read_refunds(campaign: Campaign) -> bool:
    """Carry finished refunds over to their pledges, a slice at a time; tell whether there were."""
    with transaction.atomic():
        gate = hold(campaign)
        news = list(
            Refund.objects.filter(
                lane=campaign.lane, campaign_id=campaign.id, is_read=False, state__in=REFUND_OVER
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
        if gate.state in COUNTED:
            write_changes(gate, (c for row in rows for c in leaves_core(gate, row)))
        free_places(gate, [row.accepted for row in rows])
        told: dict[str, list[str]] = {}
        # What a lost dispute took back is told by the member's own bank, and what a failure or a
        # ballot gave back by a letter of theirs.
        for refund in (row for row in news if row.state == RefundState.DONE):
            if refund.reason in TOLD_OTHERWISE:
                continue
            told.setdefault(refund_topic(refund), []).append(str(refund.pledge_id))
        for topic, ids in told.items():
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
        lane=campaign.lane, pledge_id__in=pledge_ids, state__in=REFUND_OVER
    ).values_list("pledge_id", "amount_minor"):
        left[pledge_id] -= amount
    # A moot one may stand beside what made it moot.
    return [pledge_id for pledge_id, amount in left.items() if amount <= 0]
