"""To accept: after the tip, what is in is taken for good, slice by slice, within the cap."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from countmein.base.clock import site_now
from countmein.campaigns.acceptance import take, take_first
from countmein.campaigns.actions.count import with_rest_counted
from countmein.campaigns.actions.fulfil import promise
from countmein.campaigns.gates import gate_of, is_accepting
from countmein.campaigns.models import Campaign, Crowd, Gate, Tally, crowd_id
from countmein.campaigns.moves import move
from countmein.campaigns.waitlist import arrivals, with_places
from countmein.rules.collection import BatchRefused
from countmein.rules.states import KEEPING, CampaignState
from countmein.rules.tipping import Place

log = logging.getLogger(__name__)

#: The least and the most that are accepted at once: each slice costs some statements whatever it
#: holds, and on a machine that is busy with others none would be small enough.
LEAST, SLICE = 200, 5000
#: How long a slice may hold the gate: while people pledge they wait for it, afterwards only who
#: withdraws or is charged.
_HELD_OPEN_SECONDS, _HELD_SHUT_SECONDS = 0.025, 0.2


@dataclass(slots=True, kw_only=True)
class Stride:
    """How many are accepted at once in this process, by what the last slice took."""

    count: int

    def learn(self, done: int, *, took: float, allowed: float) -> None:
        """Grow at most twofold towards what takes the seconds that are allowed; shrink at once."""
        fits = int(done * allowed / max(took, 1e-6))
        self.count = max(LEAST, min(SLICE, 2 * self.count, fits))


#: While the door is open, and when nobody can pledge any more.
_OPEN, _SHUT = Stride(count=LEAST), Stride(count=500)


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
    taken = _accept(campaign, gate, now)
    if not taken:
        # Also the instant after which the sweep looks for places that are no longer kept.
        Tally.objects.filter(lane=gate.lane, id=gate.id).update(as_of=now)
        gate.accepted_round = gate.round
    gate.charging_stopped_at = None
    gate.save(update_fields=["accepted_round", "charging_stopped_at"])
    return bool(taken)


def _accept(campaign: Campaign, gate: Gate, now: datetime) -> int:
    """Accept a slice as large as the gate may be held for, and begin to keep it."""
    began = time.monotonic()
    stride, allowed = _OPEN, _HELD_OPEN_SECONDS
    if not is_accepting(gate, now=now):
        stride, allowed = _SHUT, _HELD_SHUT_SECONDS
    _have_core(gate)
    ids = _take(campaign, gate, now, most=stride.count)
    if ids:
        promise(campaign, ids)
    if len(ids) == stride.count:
        stride.learn(len(ids), took=time.monotonic() - began, allowed=allowed)
    return len(ids)


def _have_core(gate: Gate) -> None:
    core = Crowd(
        lane=gate.lane, id=crowd_id(gate.id, "core"), campaign_id=gate.id, is_core=True, is_in=True
    )
    Crowd.objects.bulk_create([core], ignore_conflicts=True)


def _take(campaign: Campaign, gate: Gate, now: datetime, *, most: int) -> list[uuid.UUID]:
    """The next pledges, accepted: all that are in, or with a cap those that have a place."""
    if not campaign.cap:
        return take_first(gate, most=most)
    placed = with_places(campaign, arrivals(campaign, now=now), taken=gate.accepted)
    chosen = (row.id for (row, _parts), place in placed if place is Place.accepted)
    ids = list(islice(chosen, most))
    if ids:
        take(gate, ids)
    return ids


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
