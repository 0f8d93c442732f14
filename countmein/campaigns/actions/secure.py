"""To secure: what the provider said about a card reaches the pledge it is for."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta

from django.db import transaction

from countmein.base.clock import real_now
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.tell import tell
from countmein.campaigns.changes import joins, write_changes
from countmein.campaigns.gates import hold_shared, shuts_at
from countmein.campaigns.mandate import latest_charge_at
from countmein.campaigns.models import Campaign, Pledge
from countmein.payments.actions import pages
from countmein.payments.models import Mandate, MandateState
from countmein.rules.states import KEEPING, CampaignState, PledgeState

_BATCH = 500
#: How long judging waits for mandates that were under way at the deadline.
_PATIENCE = timedelta(seconds=60)
#: A pledge that counts already may be given another card.
_CAN_BE_SECURED = (PledgeState.unsecured, PledgeState.active, PledgeState.accepted)
#: While a campaign stands here, a card that was given in time still makes its pledge count.
_COUNTING = frozenset({CampaignState.open, CampaignState.tipped, *KEEPING})


@job(name="campaigns.secure", queue="settling")
def secure(campaign_id: str) -> None:
    """Make active every pledge whose card is secured, and tell those whose card was refused."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    while _secure_slice(campaign):
        pass


def _secure_slice(campaign: Campaign) -> bool:
    with transaction.atomic():
        gate = hold_shared(campaign)
        unread = Mandate.objects.filter(
            lane=campaign.lane,
            campaign_id=campaign.id,
            is_read=False,
            state__in=[MandateState.MADE, MandateState.REFUSED],
        ).order_by("id")
        told_of = list(unread.values_list("pledge_id", flat=True)[:_BATCH])
        if not told_of:
            return False
        pledges = list(
            Pledge.objects.filter(lane=campaign.lane, id__in=told_of, state__in=_CAN_BE_SECURED)
            .order_by("id")
            .select_for_update()
        )
        # Read with the pledges held: another card given meanwhile makes this one's news stale.
        news = {row.pledge_id: row for row in unread.filter(pledge_id__in=told_of)}
        pledges = [pledge for pledge in pledges if pledge.id in news]
        # A card given on the provider's page after the door was shut came too late.
        made = [
            p
            for p in pledges
            if news[p.id].state == MandateState.MADE and news[p.id].wanted_at < shuts_at(gate)
        ]
        is_counting = gate.state in _COUNTING and gate.executing_at is None
        if is_counting and gate.closed_at is None:
            made = [pledge for pledge in made if pledge.state == PledgeState.unsecured]
            Pledge.objects.filter(lane=campaign.lane, id__in=[p.id for p in made]).update(
                state=PledgeState.active, round=gate.round
            )
            write_changes(gate, (change for p in made for change in joins(gate, p)))
        latest = latest_charge_at(campaign).date()
        short = [str(p.id) for p in made if _is_short(news[p.id], latest)]
        if short:
            defer(tell, campaign_id=str(campaign.id), topic="expiring", pledge_ids=short)
        refused = [str(p.id) for p in pledges if news[p.id].state == MandateState.REFUSED]
        if refused:
            defer(tell, campaign_id=str(campaign.id), topic="card_refused", pledge_ids=refused)
        Mandate.objects.filter(lane=campaign.lane, id__in=[row.id for row in news.values()]).update(
            is_read=True
        )
    return True


def _is_short(mandate: Mandate, latest: date) -> bool:
    """Whether the card may have expired when it is charged."""
    return mandate.card_expires_on is not None and mandate.card_expires_on < latest


def is_under_way(campaign: Campaign) -> bool:
    """Whether a card given before now may still make a pledge count; at most for a minute."""
    return bool(
        Mandate.objects.filter(
            lane=campaign.lane,
            campaign_id=campaign.id,
            state=MandateState.WANTED,
            id__gte=_first_id_since(real_now() - _PATIENCE),
        ).exists()
        or Mandate.objects.filter(
            lane=campaign.lane, campaign_id=campaign.id, is_read=False, state=MandateState.MADE
        ).exists()
        or pages.is_under_way(lane=campaign.lane, campaign_id=campaign.id)
    )


def _first_id_since(instant: datetime) -> uuid.UUID:
    """The lowest id made at or after an instant of real time: ids carry the machine's clock."""
    return uuid.UUID(int=int(instant.timestamp() * 1000) << 80)
