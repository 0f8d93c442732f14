"""To withdraw: a member leaves, as long as nothing was decided with them in it."""

from __future__ import annotations

from django.db import transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.confirm import held
from countmein.campaigns.changes import leaves, write_changes
from countmein.campaigns.gates import hold_shared
from countmein.campaigns.kinds import needs_card
from countmein.campaigns.models import Campaign, Crowd, Gate, Pledge
from countmein.payments.actions.mandates import forget_mandates
from countmein.rules.pledging import may_withdraw
from countmein.rules.states import CampaignState, PledgeState


def withdraw(*, pledge: Pledge) -> Pledge:
    """Take a pledge back and let its card go; a pledge that is withdrawn already stays so.

    Raises PledgeRefused(latched) once the campaign has tipped with this pledge in it.
    """
    campaign = Campaign.objects.get(id=pledge.campaign_id)
    with transaction.atomic():
        gate = hold_shared(campaign)
        row = held(pledge)
        if row.state == PledgeState.withdrawn:
            return row
        may_withdraw(
            pledge_state=PledgeState(row.state),
            campaign_state=CampaignState(gate.state),
            counted=is_counted(row),
            accept_pending=is_acceptance_pending(gate, row),
            deadline=gate.deadline,
            now=site_now(),
        )
        if row.state == PledgeState.active:
            write_changes(gate, leaves(gate, row))
        row.state = PledgeState.withdrawn
        row.round = gate.round
        row.save(update_fields=["state", "round"])
        if needs_card(row):
            forget_mandates(lane=row.lane, pledge_ids=[row.id])
    return row


def is_counted(row: Pledge) -> bool:
    """Whether the pledge is in the largest self-consistent set, as of the last count."""
    if row.state in (PledgeState.accepted, PledgeState.fulfilled):
        return True
    if row.state != PledgeState.active:
        return False
    crowd = Crowd.objects.filter(lane=row.lane, id=row.crowd_id).first()
    return crowd is not None and bool(crowd.is_in)


def is_acceptance_pending(gate: Gate, row: Pledge) -> bool:
    """Whether a decision about this pledge may be under way.

    After a tip, whoever is in is accepted at the next step. Only a pledge that acceptance has
    passed over (its round is done) is on the waiting list, and free to leave.
    """
    return gate.state != CampaignState.open and bool(row.round >= gate.accepted_round)
