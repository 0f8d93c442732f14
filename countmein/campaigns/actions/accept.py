"""To accept: after the tip, what is in is taken for good, slice by slice, within the cap."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime
from itertools import islice

from django.db import connection
from psycopg.types.json import Jsonb

from countmein.base.clock import site_now
from countmein.campaigns.actions.count import with_rest_counted
from countmein.campaigns.actions.fulfil import promise
from countmein.campaigns.changes import Part, is_accepted, write_changes
from countmein.campaigns.gates import gate_of, is_accepting
from countmein.campaigns.kinds import is_charged, needs_card
from countmein.campaigns.models import Campaign, Crowd, Gate, Pledge, Tally, crowd_id
from countmein.campaigns.moves import move
from countmein.campaigns.waitlist import amounts, arrivals, with_places
from countmein.payments.actions.mandates import forget_mandates
from countmein.rules.collection import BatchRefused
from countmein.rules.states import KEEPING, CampaignState, PledgeState
from countmein.rules.tipping import Place

log = logging.getLogger(__name__)

#: So many are accepted at once when nobody can pledge any more.
SLICE = 500
#: While people pledge they wait for a slice that holds the gate: some tens of milliseconds.
SHORT_SLICE = 100


def accept_slice(campaign: Campaign) -> bool:
    """Accept the next pledges that are in, and tell whether there may be more.

    The whole decision is taken with the gate held and everything counted, so a pledge is accepted
    or withdrawn, never both. Killed at any instant, it has accepted a whole slice or none of it.
    A slice whose charges are not what was accepted is none: charging stops until one is.
    """
    if gate_of(campaign).state == CampaignState.open:
        # Who counts an open campaign judges it, too; here it would be counted and not be judged.
        return False
    try:
        return with_rest_counted(campaign, _accept_slice)
    except BatchRefused as refused:
        _stop_charging(campaign, refused)
        return False


def _accept_slice(campaign: Campaign, gate: Gate, _tally: Tally) -> bool:
    if gate.executing_at is not None:
        return False
    if gate.state == CampaignState.tipped:
        move(
            lane=gate.lane,
            campaign_id=gate.id,
            was=[CampaignState.tipped],
            to=CampaignState.settling,
            at=site_now(),
        )
    elif gate.state not in KEEPING:
        return False
    now = site_now()
    chosen = _chosen(campaign, gate, now)
    if chosen:
        _accept(campaign, gate, chosen)
    else:
        # Also the instant after which the sweep looks for places that are no longer kept.
        Tally.objects.filter(lane=gate.lane, id=gate.id).update(as_of=now)
        gate.accepted_round = gate.round
    gate.charging_stopped_at = None
    gate.save(update_fields=["accepted_round", "charging_stopped_at"])
    return bool(chosen)


def _stop_charging(campaign: Campaign, refused: BatchRefused) -> None:
    """Nothing of the slice is written; the self-check shows it, and it is tried once a minute."""
    log.error("no charge of this batch is made: %s", refused, extra={"campaign": str(campaign.id)})
    Gate.objects.filter(lane=campaign.lane, id=campaign.id).update(charging_stopped_at=site_now())


def stopped() -> list[uuid.UUID]:
    """The campaigns whose charging has stopped, to be tried again: the fault may be mended."""
    gates = Gate.objects.all_lanes().filter(charging_stopped_at__isnull=False)
    return list(
        gates.filter(state__in=[CampaignState.tipped, *KEEPING]).values_list("id", flat=True)
    )


def _chosen(campaign: Campaign, gate: Gate, now: datetime) -> list[tuple[Pledge, tuple[Part, ...]]]:
    """The next pledges to accept: all that are in, or with a cap those that have a place."""
    most = SHORT_SLICE if is_accepting(gate, now=now) else SLICE
    queue = arrivals(campaign, now=now)
    if not campaign.cap:
        return list(islice(queue, most))
    placed = with_places(campaign, queue, taken=gate.accepted)
    taken = (arrival for arrival, place in placed if place is Place.accepted)
    return list(islice(taken, most))


def _accept(
    campaign: Campaign, gate: Gate, chosen: Sequence[tuple[Pledge, tuple[Part, ...]]]
) -> None:
    core = Crowd(
        lane=gate.lane, id=crowd_id(gate.id, "core"), campaign_id=gate.id, is_core=True, is_in=True
    )
    Crowd.objects.bulk_create([core], ignore_conflicts=True)
    taken = dict(gate.accepted)
    for row, parts in chosen:
        row.state = PledgeState.accepted
        row.accepted = amounts(parts)
        # The parts that are in are fixed now; the others are released.
        row.more = [
            {**said, "is_in": any(part.crowd_id == uuid.UUID(said["crowd_id"]) for part in parts)}
            for said in row.more
        ]
        row.round = gate.round
        for kind, amount in row.accepted.items():
            taken[kind] = taken.get(kind, 0) + amount
    # Both sides of every move are written, so the tally is the same before and after.
    write_changes(
        gate,
        (change for row, parts in chosen for change in is_accepted(gate, row, parts)),
    )
    rows = [row for row, _parts in chosen]
    _write(gate, rows)
    Gate.objects.filter(lane=gate.lane, id=gate.id).update(accepted=taken)
    promise(campaign, rows)
    # A card given for a part that is not in after all has nothing left to pay.
    idle = [row.id for row in rows if needs_card(row) and not is_charged(row.accepted)]
    forget_mandates(lane=gate.lane, pledge_ids=idle)


def _write(gate: Gate, rows: Sequence[Pledge]) -> None:
    """One statement for the slice; only pledges that are still active are taken."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE campaigns_pledge p
            SET state = 'accepted', round = %s, accepted = v.accepted, more = v.more
            FROM unnest(%s::uuid[], %s::jsonb[], %s::jsonb[]) AS v(id, accepted, more)
            WHERE p.lane = %s AND p.id = v.id AND p.state = 'active' RETURNING p.id
            """,
            [
                gate.round,
                [row.id for row in rows],
                [Jsonb(row.accepted) for row in rows],
                [Jsonb(row.more) for row in rows],
                gate.lane,
            ],
        )
        done = len(cursor.fetchall())
    assert done == len(rows), "the gate is held, so nobody else can have moved these pledges"
