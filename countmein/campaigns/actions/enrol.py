"""To enrol: those who pledged are written down among the members, after they were answered.

A pledge carries who made it until then: people live in other lanes, and whoever waits for an
answer need not wait for that.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.campaigns.models import Campaign, Pledge
from countmein.campaigns.newcomers import newcomer_of
from countmein.members import actions as members
from countmein.members.erasing import being_erased

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
    """Enrol whoever of these has not been; killed in between, it is simply done again.

    Their pledges are held meanwhile: an erasure either finds the member written, or leaves nobody
    to write. Whoever is just being erased is not written down again.
    """
    ids = [row.id for row in rows if row.newcomer is not None]
    if not ids:
        return
    with transaction.atomic():
        held = Pledge.objects.filter(lane=rows[0].lane, id__in=ids, newcomer__isnull=False)
        new = list(held.order_by("id").select_for_update(no_key=True))
        erased = being_erased({row.mailbox: row.person_lane for row in new})
        people = {
            row.id: newcomer_of(row)
            for row in new
            if row.mailbox not in erased or row.at > erased[row.mailbox]
        }
        members.enrol([person for person in people.values() if person], now=site_now())
        for row in new:
            person = people.get(row.id)
            if person is not None and row.contact_id != person.contact_id:
                # It was pledged before the ids of contacts were keyed.
                Pledge.objects.filter(lane=row.lane, id=row.id).update(contact_id=person.contact_id)
        Pledge.objects.filter(lane=rows[0].lane, id__in=ids).update(newcomer=None)


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
