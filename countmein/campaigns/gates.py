"""Holding a campaign's gate: shared by those who pledge, alone by whoever decides."""

from __future__ import annotations

import uuid

from django.db import connection

from countmein.campaigns.models import Campaign, Gate


def hold_shared(campaign: Campaign) -> Gate:
    """Hold the gate together with other pledgers until the end of the transaction.

    Nothing can be decided meanwhile: no round closes, nothing tips, nothing is released.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT FROM campaigns_gate WHERE lane = %s AND id = %s FOR SHARE",
            [campaign.lane, campaign.id],
        )
    return gate_of(campaign)


def hold(campaign: Campaign) -> Gate:
    """Hold the gate alone until the end of the transaction."""
    gate = Gate.objects.filter(lane=campaign.lane, id=campaign.id).select_for_update().get()
    assert isinstance(gate, Gate)
    return gate


def gate_of(campaign: Campaign) -> Gate:
    """Look at the gate without holding it."""
    gate = Gate.objects.get(lane=campaign.lane, id=campaign.id)
    assert isinstance(gate, Gate)
    return gate


def close_round(*, lane: int, campaign_id: uuid.UUID) -> int:
    """Close the round if anything changed in it, and return the number of the open one.

    Waits for every pledger who holds the gate, so afterwards all changes of closed rounds are
    committed and none can follow. Takes the gate for one short statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE campaigns_gate g SET round = round + 1
            WHERE lane = %(lane)s AND id = %(campaign)s AND EXISTS (
                SELECT FROM campaigns_change c
                WHERE c.lane = g.lane AND c.campaign_id = g.id AND c.round = g.round)
            """,
            {"lane": lane, "campaign": campaign_id},
        )
    gate = Gate.objects.get(lane=lane, id=campaign_id)
    return int(gate.round)
