"""To top up: a campaign that fell short after cards had failed is open once more for the rest."""

from __future__ import annotations

from datetime import datetime

from countmein.base.jobs import defer
from countmein.campaigns.actions.tell import tell_each, tell_organiser
from countmein.campaigns.models import Campaign
from countmein.campaigns.moves import move
from countmein.rules.states import CampaignState, PledgeState
from countmein.rules.tipping import TOPUP_LASTS


def begin_topup(campaign: Campaign, *, now: datetime) -> None:
    """Open the door once more, for three days. Call with the gate held.

    Whoever is in hears what is missing, and so do those whose card failed: they may come back.
    """
    moved = move(
        lane=campaign.lane,
        campaign_id=campaign.id,
        was=[CampaignState.settling],
        to=CampaignState.topup,
        at=now,
        topup_until=now + TOPUP_LASTS,
    )
    assert moved, "the gate was held, so nobody else can have moved it"
    defer(tell_organiser, campaign_id=str(campaign.id), topic="topup")
    tell_each(campaign, topic="topup", states=(PledgeState.fulfilled, PledgeState.dropped))
