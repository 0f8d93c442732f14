"""Launch a draft: from here on people can pledge, and the terms stand."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from countmein.base.clock import site_now
from countmein.campaigns.actions.draft import body_of
from countmein.campaigns.actions.prove import proof_day
from countmein.campaigns.models import Campaign, Gate
from countmein.campaigns.moves import MoveRefused, move
from countmein.campaigns.terms import require_launchable
from countmein.rules.states import CampaignState


def launch(*, campaign: Campaign) -> None:
    """Open the door of a draft.

    Raises TermsRefused where the promise could not be kept, MoveRefused if it is no draft.
    """
    with transaction.atomic():
        # The terms that are judged are those that are launched: an edit waits for this row.
        gate = Gate.objects.filter(lane=campaign.lane, id=campaign.id).select_for_update().get()
        if gate.state != CampaignState.draft:
            raise MoveRefused("only a draft can be launched")
        campaign.refresh_from_db()
        at = site_now()
        require_launchable(body_of(campaign), now=at)
        # The site's share and the day of the proof stand from here on, like all other terms.
        campaign.commission_bp = settings.COMMISSION_BP if campaign.takes_money else 0
        campaign.save(update_fields=["commission_bp"])
        gate.proof_by = proof_day(campaign)
        gate.save(update_fields=["proof_by"])
        move(
            lane=campaign.lane,
            campaign_id=campaign.id,
            was={CampaignState.draft},
            to=CampaignState.open,
            at=at,
        )
