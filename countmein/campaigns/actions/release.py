"""To release: everybody who is not taken is let go, untouched; whoever has paid is refunded."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.db.models import Q, QuerySet

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.accept import accept_slice
from countmein.campaigns.actions.draft_again import draft_again
from countmein.campaigns.actions.letter import write_letters
from countmein.campaigns.actions.refund import read_refunds, refund_everybody
from countmein.campaigns.actions.secure import is_under_way, secure
from countmein.campaigns.actions.tell import tell_organiser, tell_some
from countmein.campaigns.changes import leaves, write_changes
from countmein.campaigns.gates import gate_of, has_come_since, hold
from countmein.campaigns.kinds import needs_card
from countmein.campaigns.models import Campaign, Gate, Pledge
from countmein.campaigns.moves import move
from countmein.campaigns.waitlist import crowds_in
from countmein.payments.actions.mandates import close_pages, forget_mandates
from countmein.payments.models import REFUND_OVER, Charge, ChargeState, Refund
from countmein.rules.states import CARRIED, CampaignState, PledgeState

SLICE = 500
#: What is transferred after all, once that was called off, goes back from the bank's queue.
_NOT_BEGUN = (ChargeState.DUE, ChargeState.AWAITED)
_OUTSIDE = (
    PledgeState.unconfirmed,
    PledgeState.unsecured,
    PledgeState.active,
    PledgeState.held,
)
#: Here it came about: who is in stays in, only who is outside is let go.
_KEPT = frozenset({CampaignState.settled, *CARRIED})


@job(name="campaigns.release", queue="settling")
def release(campaign_id: str) -> None:
    """Let go of everybody outside: after a lapse, a cancellation, a shortfall, or the deadline, and
    as soon as it is carried out.

    Slice by slice, by state; killed at any instant it goes on where it stood.
    """
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    gate = gate_of(campaign)
    state = CampaignState(gate.state)
    if state is CampaignState.settled and gate.executing_at is None:
        secure(campaign_id)
        if is_under_way(campaign):
            return
    if state is CampaignState.cancelled:
        _call_off_charges(campaign)
    if state is CampaignState.lapsed:
        draft_again(campaign)
    while _release_slice(campaign):
        pass
    if state is CampaignState.cancelled:
        refund_everybody(campaign, reason="cancelled")
    while read_refunds(campaign):
        pass
    write_letters(campaign, is_closing=True)
    _close(campaign)


def _call_off_charges(campaign: Campaign) -> None:
    """Charges that nobody has begun are never begun; those that went through are refunded.

    Who is just about to pay one in person finds the page shut, or gets the money back.
    """
    on_page = Charge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=ChargeState.ON_PAGE
    )
    close_pages(lane=campaign.lane, pledge_ids=list(on_page.values_list("pledge_id", flat=True)))
    while _call_off_slice(campaign):
        pass


def _call_off_slice(campaign: Campaign) -> bool:
    with transaction.atomic():
        hold(campaign)
        charges = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
        begun = charges.filter(state=ChargeState.PAID, is_read=False)
        rows = list(
            (charges.filter(state__in=_NOT_BEGUN) | begun)
            .order_by("id")[:SLICE]
            .select_for_update()
        )
        due = [row.id for row in rows if row.state in _NOT_BEGUN]
        Charge.objects.filter(lane=campaign.lane, id__in=due).update(
            state=ChargeState.FAILED, code="called_off", remind_at=None
        )
        Pledge.objects.filter(
            lane=campaign.lane,
            id__in=[row.pledge_id for row in rows if row.state == ChargeState.PAID],
            state=PledgeState.accepted,
        ).update(state=PledgeState.fulfilled)
        Charge.objects.filter(lane=campaign.lane, id__in=[row.id for row in rows]).update(
            is_read=True
        )
    return bool(rows)


def _release_slice(campaign: Campaign) -> bool:
    # Whoever came in just before the deadline may not be counted yet: as long as there is anybody
    # to accept, nobody is let go. Accepting takes its own turn at the tally and then at the gate.
    if gate_of(campaign).state == CampaignState.settled and accept_slice(campaign):
        return True
    with transaction.atomic():
        gate = hold(campaign)
        if has_come_since(gate):
            return True
        if gate.state == CampaignState.settled and gate.charging_stopped_at is not None:
            return False
        if gate.state in _KEPT:
            _note_waitlisted(campaign)
        topic = _topic(gate)
        outside = Q(state__in=_OUTSIDE)
        if gate.state == CampaignState.cancelled:
            # An accepted pledge that is just being charged waits for the outcome.
            charged = Charge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).exclude(
                state=ChargeState.FAILED
            )
            outside |= Q(state=PledgeState.accepted) & ~Q(id__in=charged.values("pledge_id"))
        rows = list(
            Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
            .filter(outside)
            .order_by("id")[:SLICE]
            .select_for_update()
        )
        if not rows:
            return False
        if gate.state in _KEPT:
            # The tally of a campaign that came about shows nobody as waiting any more; one that
            # lapsed keeps showing how far it came.
            write_changes(
                gate,
                (c for row in rows if row.state == PledgeState.active for c in leaves(gate, row)),
            )
        Pledge.objects.filter(lane=campaign.lane, id__in=[row.id for row in rows]).update(
            state=PledgeState.released, round=gate.round
        )
        forget_mandates(lane=campaign.lane, pledge_ids=[r.id for r in rows if needs_card(r)])
        told = [row.id for row in rows if row.state != PledgeState.unconfirmed]
        tell_some(campaign, topic=topic, ids=told)
    return True


def _note_waitlisted(campaign: Campaign) -> None:
    """Those who were in and found no place are noted, all at once.

    They go slice by slice and for no fault of theirs, so whoever was in on the strength of them
    stays in.
    """
    Pledge.objects.filter(
        lane=campaign.lane,
        campaign_id=campaign.id,
        state=PledgeState.active,
        crowd_id__in=crowds_in(campaign),
    ).update(was_waitlisted=True)


def _topic(gate: Gate) -> str:
    if gate.state == CampaignState.cancelled:
        return "cancelled"
    return "lapsed" if gate.state == CampaignState.lapsed else "left_out"


def _close(campaign: Campaign) -> None:
    """Everybody is let go and every refund made: that is the end of it."""
    with transaction.atomic():
        gate = hold(campaign)
        if _is_left(campaign, gate):
            return
        now = site_now()
        Gate.objects.filter(lane=gate.lane, id=gate.id).update(closed_at=now)
        if gate.state in (CampaignState.lapsed, CampaignState.cancelled):
            move(
                lane=gate.lane,
                campaign_id=gate.id,
                was=[CampaignState(gate.state)],
                to=CampaignState.released,
                at=now,
            )
            topic = "lapsed" if gate.state == CampaignState.lapsed else "released"
            defer(tell_organiser, campaign_id=str(campaign.id), topic=topic)


def _is_left(campaign: Campaign, gate: Gate) -> bool:
    states = [*_OUTSIDE]
    if gate.state not in _KEPT:
        states.append(PledgeState.accepted)
    lane, campaign_id = campaign.lane, campaign.id
    pledges = Pledge.objects.filter(lane=lane, campaign_id=campaign_id)
    refunds = Refund.objects.filter(lane=lane, campaign_id=campaign_id)
    return bool(
        pledges.filter(state__in=states).exists()
        or refunds.exclude(state__in=REFUND_OVER, is_read=True).exists()
        or (gate.state == CampaignState.cancelled and _is_kept(campaign, pledges))
    )


def _is_kept(campaign: Campaign, pledges: QuerySet[Pledge]) -> bool:
    """Whether somebody who has paid is still in: their charge went through after all, and whoever
    noted that has not come to giving it back, or never will."""
    paid = Charge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=ChargeState.PAID
    )
    kept = pledges.filter(state=PledgeState.fulfilled, id__in=paid.values("pledge_id"))
    return bool(kept.exists())
