"""To settle: accepted pledges are charged and fulfilled, or dropped; then the campaign is judged
once more, on what was really collected."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.accept import accept_slice
from countmein.campaigns.actions.count import count, rule_of
from countmein.campaigns.actions.fulfil import fulfil
from countmein.campaigns.actions.letter import write_letters
from countmein.campaigns.actions.refund import read_refunds, refund_crowds, refund_everybody
from countmein.campaigns.actions.tell import tell, tell_organiser
from countmein.campaigns.changes import leaves_core
from countmein.campaigns.collected import collected
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign, Change, Gate, Pledge
from countmein.campaigns.moves import move
from countmein.payments.actions import forget_mandates
from countmein.payments.models import Charge, ChargeState, Refund, RefundState
from countmein.rules import conditions
from countmein.rules.states import CampaignState, PledgeState

SLICE = 500


@job(name="campaigns.settle", queue="counting")
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
    conclude(campaign)
    write_letters(campaign)


def _read_charges(campaign: Campaign) -> bool:
    """Carry the outcomes of charges over to their pledges, a slice at a time."""
    with transaction.atomic():
        gate = hold(campaign)
        if gate.state not in (CampaignState.settling, CampaignState.settled):
            # Cancelled meanwhile: the release looks after what was charged.
            return False
        news = list(
            Charge.objects.filter(
                lane=campaign.lane,
                campaign_id=campaign.id,
                is_read=False,
                state__in=[ChargeState.PAID, ChargeState.FAILED],
            ).order_by("id")[:SLICE]
        )
        if not news:
            return False
        paid = {row.pledge_id for row in news if row.state == ChargeState.PAID}
        rows = list(
            Pledge.objects.filter(
                lane=campaign.lane,
                id__in=[row.pledge_id for row in news],
                state=PledgeState.accepted,
            )
        )
        fulfil(campaign, [row for row in rows if row.id in paid])
        _drop(campaign, gate, [row for row in rows if row.id not in paid])
        Charge.objects.filter(lane=campaign.lane, id__in=[row.id for row in news]).update(
            is_read=True
        )
    return True


def _drop(campaign: Campaign, gate: Gate, rows: Sequence[Pledge]) -> None:
    """Let go of pledges that could not be collected; their places under the cap are free again."""
    if not rows:
        return
    ids = [row.id for row in rows]
    Pledge.objects.filter(lane=gate.lane, id__in=ids, state=PledgeState.accepted).update(
        state=PledgeState.dropped, round=gate.round
    )
    Change.objects.bulk_create(change for row in rows for change in leaves_core(gate, row))
    forget_mandates(lane=gate.lane, pledge_ids=ids)
    taken = dict(gate.accepted)
    for row in rows:
        for kind, amount in row.accepted.items():
            taken[kind] -= amount
    gate.accepted = taken
    # Nobody behind them was served because of them: acceptance looks at the queue again.
    gate.accepted_round = 0
    gate.save(update_fields=["accepted", "accepted_round"])
    defer(
        tell,
        campaign_id=str(campaign.id),
        topic="dropped",
        pledge_ids=[str(row.id) for row in rows],
    )


def conclude(campaign: Campaign) -> None:
    """Judge on what was collected, once nothing is under way; settle the campaign or release it.

    A member whose own condition no longer holds is given the money back, until that is stable.
    If then the rule no longer holds, `shortfall` decides; `release` gives everybody's back.
    """
    with transaction.atomic():
        gate = hold(campaign)
        state = CampaignState(gate.state)
        if state not in (CampaignState.settling, CampaignState.settled):
            return
        if _is_under_way(campaign, gate):
            return
        outcome = collected(campaign)
        if refund_crowds(campaign, gate, outcome.out) or state is CampaignState.settled:
            return
        if conditions.holds(rule_of(campaign), outcome.totals):
            _end(campaign, CampaignState.settled)
        elif not refund_everybody(campaign, reason="shortfall"):
            _end(campaign, CampaignState.released)


def _is_under_way(campaign: Campaign, gate: Gate) -> bool:
    """Whether something may still change what is collected."""
    lane, campaign_id = campaign.lane, campaign.id
    return bool(
        gate.accepted_round < gate.round
        or Pledge.objects.filter(
            lane=lane, campaign_id=campaign_id, state=PledgeState.accepted
        ).exists()
        or Refund.objects.filter(lane=lane, campaign_id=campaign_id)
        .exclude(state=RefundState.DONE, is_read=True)
        .exists()
    )


def _end(campaign: Campaign, to: CampaignState) -> None:
    now = site_now()
    settled = {"settled_at": now} if to is CampaignState.settled else {}
    moved = move(
        lane=campaign.lane,
        campaign_id=campaign.id,
        was=[CampaignState.settling],
        to=to,
        at=now,
        **settled,
    )
    assert moved, "the gate was held, so nobody else can have moved it"
    defer(tell_organiser, campaign_id=str(campaign.id), topic=to.value)
