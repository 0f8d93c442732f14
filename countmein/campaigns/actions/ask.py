"""To ask: a member hears what would help whose card failed or expires, or whose transfer lacks."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.tell import SLICE, tell
from countmein.campaigns.mandate import latest_charge_at
from countmein.campaigns.models import Campaign, Gate, Pledge
from countmein.payments.models import BANK, Charge, Mandate, MandateState
from countmein.rules.states import CampaignState, PledgeState

#: How long before the deadline those are asked anew whose card will have expired.
ASK_ANEW = timedelta(days=3)


def ask_failing(campaign: Campaign) -> bool:
    """Have a slice of those told whose charge was refused, or who are to be reminded of their
    transfer; tell whether there were any."""
    with transaction.atomic():
        rows = list(
            Charge.objects.filter(
                lane=campaign.lane, campaign_id=campaign.id, asks__gt=F("asks_told")
            )
            .order_by("id")[:SLICE]
            .select_for_update()
        )
        by_topic: dict[str, list[str]] = {}
        for row in rows:
            about = "transfer" if row.provider == BANK else "failing"
            by_topic.setdefault(f"{about}_{row.asks}", []).append(str(row.pledge_id))
        for topic, ids in by_topic.items():
            defer(tell, campaign_id=str(campaign.id), topic=topic, pledge_ids=ids)
        Charge.objects.filter(lane=campaign.lane, id__in=[row.id for row in rows]).update(
            asks_told=F("asks")
        )
    return bool(rows)


def expiring(campaign: Campaign) -> list[uuid.UUID]:
    """The active pledges whose card will have expired when it can be charged at the latest."""
    cards = Mandate.objects.get_queryset().filter(
        lane=OuterRef("lane"),
        pledge_id=OuterRef("id"),
        state=MandateState.MADE,
        card_expires_on__lt=latest_charge_at(campaign).date(),
    )
    rows = Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=PledgeState.active
    ).filter(Exists(cards))
    return list(rows.order_by("id").values_list("id", flat=True))


@job(name="campaigns.ask_anew", queue="sends")
def ask_anew(campaign_id: str) -> None:
    """Three days before the deadline, ask once more for cards that will not last."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    with transaction.atomic():
        now = site_now()
        moved = Gate.objects.filter(lane=campaign.lane, id=campaign.id, reminded_at=None).update(
            reminded_at=now
        )
        if not moved:
            return
        ids = [str(id) for id in expiring(campaign)]
        for start in range(0, len(ids), SLICE):
            told = ids[start : start + SLICE]
            defer(tell, campaign_id=campaign_id, topic="expiring_again", pledge_ids=told)


def to_ask_anew() -> list[uuid.UUID]:
    """Open campaigns whose deadline is near and whose members have not been asked anew."""
    soon = site_now() + ASK_ANEW
    gates = Gate.objects.all_lanes().filter(
        state=CampaignState.open, reminded_at=None, deadline__lte=soon
    )
    takes_money = Campaign.objects.filter(currency__gt="").values("id")
    return list(gates.filter(id__in=takes_money).values_list("id", flat=True))
