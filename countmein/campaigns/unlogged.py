"""What has happened and is not in the public log yet: found by state, in slices."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, cast

from django.conf import settings
from django.db import connection
from django.db.models import Exists, OuterRef

from countmein.base.clock import real_now
from countmein.campaigns.models import Campaign, Gate, Move, Pledge, StoryVersion
from countmein.ledger.models import Transfer
from countmein.log.keys import last_signed
from countmein.log.models import Chain, Fact, Head
from countmein.log.queries import checkpoint

#: Rows read and entries written by one transaction.
SLICE: Final = 5_000
#: Ids carry the time they were made, not when they were committed: no transaction lasts this long.
_OVERLAP: Final = timedelta(hours=1)


def looked_from() -> uuid.UUID:
    """The smallest id of a fact that may not have its entry yet."""
    at = Head.objects.filter(id=1).values_list("looked_at", flat=True).first()
    if at is None:
        return uuid.UUID(int=0)
    ms = int((at - _OVERLAP).timestamp() * 1000)
    return uuid.UUID(int=ms << 80)


def to_record(*, limit: int) -> list[uuid.UUID]:
    """Campaigns of which something is not in the log, at most so many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            (SELECT g.id FROM campaigns_gate g
             LEFT JOIN log_chain c ON c.lane = g.lane AND c.id = g.id
             WHERE g.round - 1 > coalesce(c.round, 0) AND EXISTS (
                 SELECT FROM campaigns_change h WHERE h.lane = g.lane AND h.campaign_id = g.id
                 AND h.round > coalesce(c.round, 0) AND h.round < g.round) LIMIT %(limit)s)
            UNION
            (SELECT m.campaign_id FROM campaigns_move m
             WHERE m.id > %(mark)s AND NOT EXISTS (SELECT FROM log_fact f
                 WHERE f.lane = m.lane AND f.kind = 'move' AND f.about = m.id) LIMIT %(limit)s)
            UNION
            (SELECT s.campaign_id FROM campaigns_storyversion s
             JOIN log_chain c ON c.id = s.campaign_id
             WHERE s.id > %(mark)s AND NOT EXISTS (SELECT FROM log_fact f
                 WHERE f.lane = c.lane AND f.kind = 'story' AND f.about = s.id) LIMIT %(limit)s)
            UNION
            (SELECT t.campaign_id FROM ledger_transfer t
             WHERE t.id > %(mark)s AND NOT EXISTS (SELECT FROM log_fact f WHERE f.lane = t.lane
                 AND f.kind = t.kind AND f.about = t.source_ref AND f.leg = t.leg)
             LIMIT %(limit)s)
            LIMIT %(limit)s
            """,
            cast("dict[str, Any]", {"mark": looked_from(), "limit": limit}),
        )
        return [campaign_id for (campaign_id,) in cursor.fetchall()]


def to_seal() -> bool:
    """Whether entries are written that no checkpoint covers, and may be signed."""
    size = Head.objects.filter(id=1).values_list("size", flat=True).first() or 0
    newest = checkpoint()
    return size > (newest.size if newest else 0) and size >= last_signed()[0]


def may_write(now: datetime | None = None) -> bool:
    """Whether the pause since the last writing is over: a crowd's entries are written together."""
    at = Head.objects.filter(id=1).values_list("written_at", flat=True).first()
    now = now or real_now()
    return at is None or not at <= now < at + timedelta(seconds=settings.LOG_PAUSE_SECONDS)


def closed_round(campaign: Campaign) -> int:
    """The last round whose changes are all committed."""
    return int(Gate.objects.get(lane=campaign.lane, id=campaign.id).round) - 1


def read_round(campaign: Campaign) -> int:
    """The round up to which the log has read the pledges."""
    rows = Chain.objects.filter(lane=campaign.lane, id=campaign.id)
    return int(rows.values_list("round", flat=True).first() or 0)


def pledges(campaign: Campaign, *, above: tuple[int, uuid.UUID], upto: int | None) -> list[Pledge]:
    """The next pledges that have moved, in the order of their rounds."""
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id, round__gte=above[0])
    if upto is not None:
        rows = rows.filter(round__lte=upto)
    # The pair is compared as one, so that the index gives the slice without sorting.
    rows = rows.extra(where=["(round, id) > (%s, %s)"], params=[above[0], above[1]])
    return list(rows.order_by("round", "id")[:SLICE])


def _without_fact(rows: Any, *, kind: Any, about: str, lane: int, leg: Any = 0) -> Any:
    facts = Fact.objects.filter(lane=lane, kind=kind, about=OuterRef(about), leg=leg)
    return rows.filter(~Exists(facts))


def moves(campaign: Campaign) -> Sequence[Move]:
    """The campaign's moves that have no entry, oldest first."""
    rows = Move.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    found = _without_fact(rows, kind="move", about="id", lane=campaign.lane)
    return list(found.order_by("at", "id"))


def stories(campaign: Campaign) -> Sequence[StoryVersion]:
    """The versions of the story that have no entry, oldest first."""
    rows = StoryVersion.objects.filter(campaign=campaign)
    found = _without_fact(rows, kind="story", about="id", lane=campaign.lane)
    return list(found.order_by("number"))


def transfers(campaign: Campaign) -> Sequence[Transfer]:
    """The next legs in the books that have no entry, in the order of the books."""
    rows = Transfer.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    found = _without_fact(
        rows.filter(id__gt=looked_from()),
        kind=OuterRef("kind"),
        about="source_ref",
        lane=campaign.lane,
        leg=OuterRef("leg"),
    )
    return list(found.order_by("id")[:SLICE])
