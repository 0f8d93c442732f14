"""Who has a place under the cap, by order of arrival."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from django.db.models import Q

from countmein.base.clock import site_now
from countmein.campaigns.changes import Part, parts_of
from countmein.campaigns.models import Campaign, Crowd, Gate, Pledge, Tally
from countmein.rules.states import PledgeState
from countmein.rules.tipping import Arrival, Served, serve

#: How long a pledge keeps its place under a cap while its card is not secured yet.
PLACE_KEPT = timedelta(minutes=15)


def crowds_in(campaign: Campaign) -> frozenset[uuid.UUID]:
    """The crowds whose condition holds, as of the last count."""
    rows = Crowd.objects.filter(lane=campaign.lane, campaign_id=campaign.id, is_in=True)
    return frozenset(rows.values_list("id", flat=True))


def arrivals(
    campaign: Campaign, inside: frozenset[uuid.UUID], *, now: datetime
) -> Iterator[tuple[Pledge, tuple[Part, ...]]]:
    """Pledges that may be accepted, first come first, each with its parts that are in.

    Streams: an open campaign can have a million of them.
    """
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).filter(
        Q(state=PledgeState.active, crowd_id__in=inside)
        | Q(state=PledgeState.unsecured, acted_at__gt=now - PLACE_KEPT)
    )
    if not campaign.cap:
        rows = rows.filter(state=PledgeState.active)
    for row in rows.order_by("id").iterator(chunk_size=1000):
        yield row, tuple(part for part in parts_of(row) if part.crowd_id in inside)


def served(
    campaign: Campaign, *, queue: list[tuple[Pledge, tuple[Part, ...]]], taken: Mapping[str, int]
) -> Served:
    """Give the places under the cap to this queue, given what is taken already."""
    return serve(
        (
            Arrival(
                id=str(row.id),
                amounts=amounts(parts if row.state == PledgeState.active else parts_of(row)),
                secured=row.state == PledgeState.active,
                keeps_place=row.state == PledgeState.unsecured,
            )
            for row, parts in queue
        ),
        cap=campaign.cap,
        taken=taken,
    )


def amounts(parts: tuple[Part, ...] | list[Part]) -> dict[str, int]:
    """What these parts add up to, by kind."""
    totals: dict[str, int] = {}
    for part in parts:
        totals[part.kind] = totals.get(part.kind, 0) + part.amount
    return totals


def waitlisted_people(campaign: Campaign, tally: Tally) -> int:
    """How many people in the tally have no place under the cap; 0 while everybody fits.

    Walks the queue only once the cap is reached; below it the totals answer.
    """
    if all(tally.sum.get(kind, 0) <= most for kind, most in campaign.cap.items()):
        return 0
    gate = Gate.objects.get(lane=campaign.lane, id=campaign.id)
    queue = list(arrivals(campaign, crowds_in(campaign), now=site_now()))
    return len(served(campaign, queue=queue, taken=gate.accepted).waiting)
