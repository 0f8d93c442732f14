"""Holding a campaign's gate: shared by those who pledge, alone by whoever decides."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connection

from countmein.base.clock import SITE_NOW
from countmein.campaigns.models import Campaign, Gate
from countmein.rules import pledging
from countmein.rules.states import CampaignState, Latch


def hold_shared(campaign: Campaign) -> Gate:
    """Hold the gate together with other pledgers until the end of the transaction.

    Nothing can be decided meanwhile: no round closes, nothing tips, nothing is released.
    """
    gate, _now = hold_shared_at(campaign)
    return gate


def hold_shared_at(campaign: Campaign) -> tuple[Gate, datetime]:
    """Hold the gate together with others; also says when, by the site's clock, it was had."""
    names = [field.attname for field in Gate._meta.concrete_fields]
    with connection.cursor() as cursor:
        # The clock is read from what the lock has returned, so never before it was granted.
        cursor.execute(
            f"""WITH held AS MATERIALIZED (
                  SELECT {", ".join(names)} FROM campaigns_gate
                  WHERE lane = %s AND id = %s FOR SHARE)
                SELECT {SITE_NOW}, held.* FROM held""",
            [campaign.lane, campaign.id],
        )
        now, *values = cursor.fetchone()
    gate = Gate.from_db(DEFAULT_DB_ALIAS, names, values)
    gate.accepted = json.loads(gate.accepted)
    return gate, now


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


def is_accepting(gate: Gate, *, now: datetime) -> bool:
    """Whether this gate lets a new pledge in: nobody joins what is being carried out."""
    if gate.executing_at is not None:
        return False
    return pledging.is_accepting(
        state=CampaignState(gate.state),
        latch=Latch(gate.latch),
        deadline=gate.deadline,
        now=now,
        topup_until=gate.topup_until,
    )


def shuts_at(gate: Gate) -> datetime:
    """When the door shuts: at the deadline, or at the end of the round for what is missing."""
    return max(gate.deadline, gate.topup_until or gate.deadline)


def free_places(gate: Gate, given_up: Iterable[Mapping[str, int]]) -> None:
    """Places under the cap that accepted pledges give up are free again. Call with it held.

    Nobody behind them was served because of them: acceptance looks at the queue once more.
    """
    whole = list(given_up)
    if not whole:
        return
    for amounts in whole:
        for kind, amount in amounts.items():
            gate.accepted[kind] -= amount
    gate.accepted_round = 0
    gate.save(update_fields=["accepted", "accepted_round"])


def has_come_since(gate: Gate) -> bool:
    """Whether anything has changed since acceptance found nobody more. Call with the gate held."""
    if gate.state != CampaignState.settled or gate.executing_at or gate.charging_stopped_at:
        return False
    return gate.accepted_round < close_round(lane=gate.lane, campaign_id=gate.id)


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
