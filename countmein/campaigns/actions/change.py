"""To change a pledge: its amount, its condition or its card, before it is accepted."""

from __future__ import annotations

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.ids import uuid7
from countmein.campaigns.actions.confirm import held
from countmein.campaigns.actions.pledge import crowds_for
from countmein.campaigns.actions.withdraw import is_acceptance_pending, is_counted
from countmein.campaigns.bodies import PledgePatch
from countmein.campaigns.changes import joins, leaves
from countmein.campaigns.gates import hold_shared
from countmein.campaigns.models import Campaign, Change, Crowd, Gate, Pledge
from countmein.payments.actions import forget_mandates, want_mandates
from countmein.payments.models import Mandate
from countmein.rules.conditions import ConditionRefused
from countmein.rules.pledging import (
    Offered,
    PledgeRefused,
    Reason,
    check_amounts,
    may_change,
)
from countmein.rules.states import CampaignState, Latch, PledgeState


def change(*, pledge: Pledge, body: PledgePatch) -> Pledge:
    """Change what the body names; a new condition replaces the first part's.

    Raises PledgeRefused. A counted pledge leaves its crowd and joins the new one in one step, so
    no count sees it in both or in neither.
    """
    campaign = Campaign.objects.get(id=pledge.campaign_id)
    with transaction.atomic():
        gate = hold_shared(campaign)
        row = held(pledge)
        _require_changeable(gate, row)
        before = list(leaves(gate, row)) if row.state == PledgeState.active else []
        _apply(campaign, row, body)
        row.round = gate.round
        row.save()
        if before:
            Change.objects.bulk_create([*before, *joins(gate, row)])
        if "payment_method" in body.model_fields_set and body.payment_method:
            _resecure(campaign, row, body.payment_method)
    return row


def _require_changeable(gate: Gate, row: Pledge) -> None:
    may_change(
        pledge_state=PledgeState(row.state),
        campaign_state=CampaignState(gate.state),
        latch=Latch(gate.latch),
        counted=is_counted(row),
        accept_pending=is_acceptance_pending(gate, row),
        deadline=gate.deadline,
        now=site_now(),
    )


def _apply(campaign: Campaign, row: Pledge, body: PledgePatch) -> None:
    if "amount" in body.model_fields_set and body.amount is not None:
        offered = [Offered(kind=row.kind, amount=body.amount)]
        offered += [Offered(kind=m["kind"], amount=m["amount"]) for m in row.more]
        check_amounts(offered, kinds=frozenset(campaign.kinds), minimum=campaign.minimum)
        row.amount = body.amount
    if "condition" in body.model_fields_set:
        if row.more:
            # The further parts' conditions were built on the first one's.
            raise PledgeRefused(
                Reason.condition_invalid,
                path="condition",
                detail="a pledge of several parts keeps its conditions; withdraw and pledge anew",
            )
        try:
            (crowd,) = crowds_for(campaign, [body.condition])
        except ConditionRefused as refusal:
            raise PledgeRefused(
                Reason.condition_invalid, path=refusal.path, detail=refusal.detail
            ) from refusal
        Crowd.objects.bulk_create([crowd], ignore_conflicts=True)
        row.crowd_id = crowd.id


def _resecure(campaign: Campaign, row: Pledge, payment_method: str) -> None:
    """Another card, for a pledge that no card secures yet."""
    if row.state != PledgeState.unsecured:
        raise PledgeRefused(Reason.payment_method_not_needed, path="payment_method")
    forget_mandates(lane=row.lane, pledge_ids=[row.id])
    now = site_now()
    row.payment_method, row.acted_at = payment_method, now
    row.save(update_fields=["payment_method", "acted_at"])
    want_mandates(
        [
            Mandate(
                lane=row.lane,
                id=uuid7(),
                campaign_id=row.campaign_id,
                pledge_id=row.id,
                payment_method=payment_method,
                currency=campaign.currency,
                wanted_at=now,
                due_at=now,
            )
        ]
    )
