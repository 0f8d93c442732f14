"""A campaign's moves from state to state: each is one compare-and-set with a row in its history."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from countmein.campaigns.models import Campaign, Gate, Move
from countmein.rules.states import CAMPAIGN_MOVES, CampaignState


class MoveRefused(Exception):
    """The campaign is not in a state from which this can be done."""


def move(
    *,
    lane: int,
    campaign_id: uuid.UUID,
    was: Collection[CampaignState],
    to: CampaignState,
    at: datetime,
    **fields: Any,
) -> bool:
    """Move a campaign if it still is in one of these states, and tell whether it moved.

    `fields` are set on the gate in the same step. A move that the law does not know is a fault of
    the program, so it raises.
    """
    for state in was:
        if to not in CAMPAIGN_MOVES[state]:
            raise AssertionError(f"no campaign moves from {state} to {to}")
    with transaction.atomic():
        moved = Gate.objects.filter(
            lane=lane, id=campaign_id, state__in=[state.value for state in was]
        ).update(state=to, **fields)
        if moved:
            Move(lane=lane, campaign_id=campaign_id, state=to, at=at).save(force_insert=True)
            announce(campaign_id)
    return bool(moved)


def announce(campaign_id: uuid.UUID) -> None:
    """Tell whoever watches a campaign that it has changed; heard when the transaction commits."""
    code = Campaign.objects.values_list("code", flat=True).get(id=campaign_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify('tally', %s)", [code])
