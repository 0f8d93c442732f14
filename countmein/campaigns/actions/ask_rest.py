"""To ask for the rest: whose transfer came in part hears what has come and what is missing."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import transaction
from django.db.models import Count

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.tell import SLICE, tell
from countmein.campaigns.models import Campaign
from countmein.payments.actions.bank_match import hold_bank
from countmein.payments.bank_models import BankEntry
from countmein.payments.models import Charge
from countmein.payments.queries import parts_waiting


@job(name="campaigns.ask_rest", queue="sends")
def ask_rest(campaign_id: str) -> None:
    """Have those told whose transfer came in part, once for what has come since they were told."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    while _ask_slice(campaign):
        pass


def parts_to_tell() -> list[Any]:
    """The campaigns to which a part of a transfer came that its member has not been told of."""
    return list(_untold().order_by().values_list("campaign_id", flat=True).distinct())


def _untold() -> Any:
    return parts_waiting().filter(told_at=None)


def _ask_slice(campaign: Campaign) -> bool:
    """Note a slice of the parts as told, and hand out their letters with it; tell if there were
    any. What came in several parts since is one letter."""
    with transaction.atomic():
        # The matching may be deciding anew on these very parts.
        hold_bank()
        rows = list(_untold().filter(campaign_id=campaign.id).order_by("id")[:SLICE])
        if not rows:
            return False
        BankEntry.objects.filter(id__in=[row.id for row in rows]).update(told_at=site_now())
        told = _told_so_far({row.charge_id for row in rows if row.charge_id is not None})
        by_topic: dict[str, list[str]] = {}
        charges = Charge.objects.filter(lane=campaign.lane, id__in=list(told))
        for charge_id, pledge_id in charges.values_list("id", "pledge_id"):
            by_topic.setdefault(f"part_{told[charge_id]}", []).append(str(pledge_id))
        for topic, ids in by_topic.items():
            defer(tell, campaign_id=str(campaign.id), topic=topic, pledge_ids=ids)
    return True


def _told_so_far(charge_ids: set[uuid.UUID]) -> dict[uuid.UUID, int]:
    """Of how many parts each member has been told: it names the letter, so each is sent once."""
    rows = BankEntry.objects.filter(charge_id__in=charge_ids, told_at__isnull=False)
    return dict(rows.values_list("charge_id").annotate(Count("id")))
