"""To settle: accepted pledges are charged and fulfilled, or dropped; then the campaign is judged
once more, on what was really collected."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.accept import accept_slice
from countmein.campaigns.actions.ask import ask_failing
from countmein.campaigns.actions.count import count, rule_of
from countmein.campaigns.actions.fulfil import fulfil
from countmein.campaigns.actions.letter import write_letters
from countmein.campaigns.actions.refund import read_refunds, refund_crowds, refund_everybody
from countmein.campaigns.actions.tell import tell_organiser, tell_some
from countmein.campaigns.actions.topup import begin_topup
from countmein.campaigns.changes import leaves_core, write_changes
from countmein.campaigns.collected import collected
from countmein.campaigns.gates import free_places, hold
from countmein.campaigns.models import Campaign, Gate, Pledge
from countmein.campaigns.moves import move
from countmein.payments.actions.mandates import forget_mandates
from countmein.payments.models import REFUND_OVER, Charge, ChargeState, Refund
from countmein.rules.conditions import Aggregates
from countmein.rules.states import CARRIED, KEEPING, CampaignState, PledgeState, Shortfall
from countmein.rules.tipping import Conclusion
from countmein.rules.tipping import conclude as conclude_on

SLICE = 500


@job(name="campaigns.settle", queue="settling")
def settle(campaign_id: str) -> None:
    """Carry a tipped campaign on as far as it goes now; the sweep calls again while work is left.

    Every step is a transaction of its own that finds by state what is still to do, so the job can
    be killed between any two of them.
    """
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    count(campaign_id)
    while accept_slice(campaign):
        pass
    while _read_charges(campaign):
        pass
    while read_refunds(campaign):
        pass
    while ask_failing(campaign):
        pass
    conclude(campaign)
    write_letters(campaign)


def _read_charges(campaign: Campaign) -> bool:
    """Carry the outcomes of charges over to their pledges, a slice at a time."""
    with transaction.atomic():
        gate = hold(campaign)
        if gate.state not in KEEPING | CARRIED:
            # Cancelled meanwhile: the release looks after what was charged.
            return False
        news = list(
            Charge.objects.filter(
                lane=campaign.lane,
                campaign_id=campaign.id,
                is_read=False,
                state__in=[ChargeState.PAID, ChargeState.FAILED],
            )
            .order_by("id")
            .values_list("id", "pledge_id", "state")[:SLICE]
        )
        if not news:
            return False
        fulfil(campaign, [pledge_id for _, pledge_id, state in news if state == ChargeState.PAID])
        lost = [pledge_id for _, pledge_id, state in news if state != ChargeState.PAID]
        _drop(campaign, gate, lost)
        Charge.objects.filter(lane=campaign.lane, id__in=[id for id, *_ in news]).update(
            is_read=True
        )
    return True


def _drop(campaign: Campaign, gate: Gate, pledge_ids: Sequence[uuid.UUID]) -> None:
    """Let go of pledges that could not be collected; their places under the cap are free again."""
    accepted = Pledge.objects.filter(lane=gate.lane, id__in=pledge_ids, state=PledgeState.accepted)
    if not pledge_ids or not (rows := list(accepted)):
        return
    ids = [row.id for row in rows]
    accepted.update(state=PledgeState.dropped, round=gate.round)
    write_changes(gate, (change for row in rows for change in leaves_core(gate, row)))
    forget_mandates(lane=gate.lane, pledge_ids=ids)
    free_places(gate, [row.accepted for row in rows])
    tell_some(campaign, topic="dropped", ids=ids)


def conclude(campaign: Campaign) -> None:
    """Judge on what was collected, once nothing is under way; settle the campaign or release it.

    A member whose own condition no longer holds is given the money back, until that is stable.
    If then the rule no longer holds, `shortfall` decides; `release` gives everybody's back.
    """
    with transaction.atomic():
        gate = hold(campaign)
        state = CampaignState(gate.state)
        if state not in KEEPING or gate.executing_at is not None:
            # Once it is carried out nobody's condition is asked any more: others rely on it.
            return
        if _is_under_way(campaign, gate):
            return
        outcome = collected(campaign)
        if refund_crowds(campaign, gate, outcome.out) or state is CampaignState.settled:
            return
        _judge(campaign, gate, outcome.totals)


def _judge(campaign: Campaign, gate: Gate, totals: Aggregates) -> None:
    now = site_now()
    conclusion = conclude_on(
        rule=rule_of(campaign),
        collected=totals,
        shortfall=Shortfall(campaign.shortfall),
        topup_until=gate.topup_until,
        now=now,
    )
    if conclusion is Conclusion.wait:
        return
    if conclusion is Conclusion.top_up:
        begin_topup(campaign, now=now)
        return
    if gate.state == CampaignState.topup:
        _move(campaign, CampaignState.topup, CampaignState.settling, now)
    if conclusion is Conclusion.settle:
        _end(campaign, CampaignState.settled, now, settled_at=now)
    elif not refund_everybody(campaign, reason="shortfall"):
        _end(campaign, CampaignState.released, now)


def _is_under_way(campaign: Campaign, gate: Gate) -> bool:
    """Whether something may still change what is collected."""
    lane, campaign_id = campaign.lane, campaign.id
    return bool(
        gate.charging_stopped_at is not None
        or gate.accepted_round < gate.round
        or Pledge.objects.filter(
            lane=lane, campaign_id=campaign_id, state=PledgeState.accepted
        ).exists()
        or Refund.objects.filter(lane=lane, campaign_id=campaign_id)
        .exclude(state__in=REFUND_OVER, is_read=True)
        .exists()
    )


def _end(campaign: Campaign, to: CampaignState, now: datetime, **fields: datetime) -> None:
    _move(campaign, CampaignState.settling, to, now, **fields)
    defer(tell_organiser, campaign_id=str(campaign.id), topic=to.value)


def _move(
    campaign: Campaign, was: CampaignState, to: CampaignState, now: datetime, **fields: datetime
) -> None:
    moved = move(lane=campaign.lane, campaign_id=campaign.id, was=[was], to=to, at=now, **fields)
    assert moved, "the gate was held, so nobody else can have moved it"
