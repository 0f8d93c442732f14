"""To cancel: the organiser calls it off; everybody is released, whoever has paid is refunded."""

from __future__ import annotations

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer
from countmein.campaigns.actions.release import release
from countmein.campaigns.actions.tell import tell_each
from countmein.campaigns.gates import hold
from countmein.campaigns.models import Campaign
from countmein.campaigns.moves import MoveRefused, move
from countmein.payments.actions.payouts import stop
from countmein.payments.models import Payout, PayoutState
from countmein.rules.states import CAMPAIGN_MOVES, CampaignState, PledgeState


def cancel(*, campaign: Campaign) -> None:
    """Call a campaign off for good.

    Raises MoveRefused where it is too late: it has lapsed, is released or done already, or money
    has been paid out, so that not everybody could be given back all.
    """
    with transaction.atomic():
        gate = hold(campaign)
        state = CampaignState(gate.state)
        if CampaignState.cancelled not in CAMPAIGN_MOVES[state]:
            raise MoveRefused(f"a campaign that is {state} cannot be cancelled")
        _stop_payouts(campaign)
        move(
            lane=gate.lane,
            campaign_id=gate.id,
            was=[state],
            to=CampaignState.cancelled,
            at=site_now(),
            closed_at=None,
        )
        _tell_kept(campaign)
        defer(release, once=f"release:{campaign.id}", campaign_id=str(campaign.id))


def _stop_payouts(campaign: Campaign) -> None:
    rows = Payout.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    if rows.filter(state__in=[PayoutState.SENDING, PayoutState.PAID]).exists():
        raise MoveRefused("money has been paid out")
    for payout in rows.filter(state=PayoutState.ASKED):
        stop(payout, note="cancelled")


def _tell_kept(campaign: Campaign) -> None:
    """Those whose pledge was kept and who have paid nothing hear of it too: with the money back
    goes a letter of its own, but nobody else would tell them that the event is off."""
    tell_each(campaign, topic="cancelled", states=(PledgeState.fulfilled,), is_paid=False)
