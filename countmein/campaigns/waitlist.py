"""Who has a place under the cap, by order of arrival."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice

from django.db.models import BooleanField, Q
from django.db.models.expressions import RawSQL

from countmein.base.clock import site_now
from countmein.campaigns.changes import Part, parts_of
from countmein.campaigns.models import Campaign, Crowd, Gate, Pledge, Tally
from countmein.rules.states import PledgeState
from countmein.rules.tipping import Arrival, Place, places

#: How long a pledge keeps its place under a cap while its card is not secured yet.
PLACE_KEPT = timedelta(minutes=15)
#: Whether a pledge's crowd is in, asked of one pledge after the other by the crowd's key: who takes
#: the next few must not join a million pledges to all conditions. OFFSET keeps it from that.
_IS_IN = RawSQL(
    "EXISTS (SELECT FROM campaigns_crowd c WHERE c.lane = campaigns_pledge.lane"
    " AND c.id = campaigns_pledge.crowd_id AND c.is_in OFFSET 0)",
    [],
    output_field=BooleanField(),
)
#: So many pledges are looked at together.
_CHUNK = 500

Queued = tuple[Pledge, tuple[Part, ...]]


def crowds_in(campaign: Campaign) -> frozenset[uuid.UUID]:
    """The crowds whose condition holds, as of the last count."""
    rows = Crowd.objects.filter(lane=campaign.lane, campaign_id=campaign.id, is_in=True)
    return frozenset(rows.values_list("id", flat=True))


def arrivals(campaign: Campaign, *, now: datetime) -> Iterator[Queued]:
    """Pledges that may be accepted, first come first, each with its parts that are in.

    Streams: an open campaign can have a million of them, and as many conditions.
    """
    inside = Crowd.objects.filter(lane=campaign.lane, campaign_id=campaign.id, is_in=True)
    is_ready = Q(_IS_IN, state=PledgeState.active)
    if campaign.cap:
        is_ready |= Q(state=PledgeState.unsecured, acted_at__gt=now - PLACE_KEPT)
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).filter(is_ready)
    queue = rows.order_by("id").iterator(chunk_size=_CHUNK)
    while chunk := list(islice(queue, _CHUNK)):
        further = {uuid.UUID(said["crowd_id"]) for row in chunk for said in row.more}
        also = set(inside.filter(id__in=further).values_list("id", flat=True)) if further else set()
        for row in chunk:
            first, *more = parts_of(row)
            yield row, (first, *(part for part in more if part.crowd_id in also))


def with_places(
    campaign: Campaign, queue: Iterable[Queued], *, taken: Mapping[str, int]
) -> Iterator[tuple[Queued, Place]]:
    """Give the places under the cap to this queue, given what is taken already.

    Follows the queue only as far as anybody can have a place.
    """
    rows: dict[str, Queued] = {}

    def arriving() -> Iterator[Arrival]:
        for row, parts in queue:
            rows[str(row.id)] = (row, parts)
            yield Arrival(
                id=str(row.id),
                amounts=amounts(parts if row.state == PledgeState.active else parts_of(row)),
                secured=row.state == PledgeState.active,
                keeps_place=row.state == PledgeState.unsecured,
            )

    kinds = frozenset(campaign.kinds)
    for arrival, place in places(arriving(), cap=campaign.cap, taken=taken, kinds=kinds):
        yield rows.pop(arrival.id), place


def amounts(parts: tuple[Part, ...] | list[Part]) -> dict[str, int]:
    """What these parts add up to, by kind."""
    totals: dict[str, int] = {}
    for part in parts:
        totals[part.kind] = totals.get(part.kind, 0) + part.amount
    return totals


def waitlisted_people(campaign: Campaign, tally: Tally, *, accepted_people: int) -> int:
    """How many people in the tally have no place under the cap; 0 while everybody fits.

    Walks the queue only once the cap is reached, and only as far as there are places; below it the
    totals answer. Of the people in the tally, `accepted_people` stand in no queue any more.
    """
    if all(tally.sum.get(kind, 0) <= most for kind, most in campaign.cap.items()):
        return 0
    gate = Gate.objects.get(lane=campaign.lane, id=campaign.id)
    queue = arrivals(campaign, now=site_now())
    placed = with_places(campaign, queue, taken=gate.accepted)
    seated = sum(place is Place.accepted for _queued, place in placed)
    return max(0, tally.people - accepted_people - seated)
