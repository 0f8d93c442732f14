"""To enrol: those who pledged are written down among the members, after they were answered.

A pledge carries who made it until then: people live in other lanes, and whoever waits for an
answer need not wait for that.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.campaigns.models import Campaign, Pledge
from countmein.members import actions as members
from countmein.members.actions import Person

_SLICE = 500
#: A turn is short: a surge needs the machine for itself, and enrolling can wait.
_TURN_SECONDS = 0.1


@job(name="campaigns.enrol", queue="chores")
def enrol(campaign_id: str) -> None:
    """Enrol a turn of newcomers; the sweep sees whether there are more."""
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    ends_at = time.monotonic() + _TURN_SECONDS
    while rows := list(_newcomers(campaign)[:_SLICE]):
        enrol_newcomers(rows)
        if time.monotonic() > ends_at:
            break


def enrol_all(campaign: Campaign) -> None:
    """Enrol everybody who has pledged: before all of them, or their names, are written to."""
    while rows := list(_newcomers(campaign)[:_SLICE]):
        enrol_newcomers(rows)


def enrol_newcomers(rows: Sequence[Pledge]) -> None:
    """Enrol whoever of these has not been; killed in between, it is simply done again."""
    newcomers = {row.id: Person(**row.newcomer) for row in rows if row.newcomer is not None}
    if not newcomers:
        return
    members.enrol(list(newcomers.values()), now=site_now())
    Pledge.objects.filter(lane=rows[0].lane, id__in=newcomers).update(newcomer=None)


def _newcomers(campaign: Campaign) -> Any:
    return Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, newcomer__isnull=False
    )


def with_newcomers() -> list[uuid.UUID]:
    """Campaigns that have somebody to enrol; one probe of the index for each of them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH RECURSIVE found AS (
                (SELECT lane, campaign_id FROM campaigns_pledge WHERE newcomer IS NOT NULL
                 ORDER BY lane, campaign_id LIMIT 1)
                UNION ALL
                SELECT following.* FROM found, LATERAL (
                    SELECT p.lane, p.campaign_id FROM campaigns_pledge p
                    WHERE p.newcomer IS NOT NULL
                      AND (p.lane, p.campaign_id) > (found.lane, found.campaign_id)
                    ORDER BY p.lane, p.campaign_id LIMIT 1) following)
            SELECT campaign_id FROM found
            """
        )
        return [campaign_id for (campaign_id,) in cursor.fetchall()]
