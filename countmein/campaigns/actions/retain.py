"""To keep little: whoever need not be known any more is let go, by the clock.

One walk a day over all pledges, slice by slice; how far it has come is written with every slice, so
a kill costs one slice. What it finds is judged by `rules.retention`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.base.models import Walk
from countmein.campaigns.actions.erase import linked, unlink
from countmein.campaigns.models import Gate, Pledge, person_lane
from countmein.members import erasing
from countmein.members.models import UNLINKED
from countmein.outreach.actions import forget_deliveries
from countmein.payments.events import forget_bodies
from countmein.payments.models import Charge
from countmein.rules.retention import Kept, details_end_at
from countmein.rules.states import CampaignState, PledgeState

SLICE: Final = 1000
#: The chores hand out a turn each minute until the day's walk is done.
TURN_SECONDS: Final = 15.0
_WALK: Final = "retain-"


@job(name="campaigns.retain", queue="chores")
def retain() -> None:
    """Walk on for a turn, and let go of whomever need not be known any more."""
    now = site_now()
    SessionStore.clear_expired()
    forget_bodies()
    Walk.objects.filter(name__startswith=_WALK).exclude(name=_today(now)).delete()
    ends_at = time.monotonic() + TURN_SECONDS
    while _step(_today(now), now) and time.monotonic() < ends_at:
        pass


def is_retained() -> bool:
    """Whether today's walk is done."""
    return Walk.objects.filter(name=_today(site_now()), done_at__isnull=False).exists()


def _today(now: datetime) -> str:
    return f"{_WALK}{now.date().isoformat()}"


def _step(name: str, now: datetime) -> bool:
    """Do the next slice; tell whether there may be more."""
    walk, _made = Walk.objects.get_or_create(name=name)
    if walk.done_at is not None:
        return False
    here = Pledge.objects.all_lanes().filter(pk__gt=(walk.after_lane, walk.after_id))
    rows = list(here.order_by("lane", "id")[:SLICE])
    let_go = _over([row for row in rows if row.contact_id != UNLINKED], now)
    _let_go(let_go)
    if rows:
        walk.after_lane, walk.after_id = rows[-1].lane, rows[-1].id
    else:
        walk.done_at = now
    walk.save()
    return bool(rows)


def _over(rows: Sequence[Pledge], now: datetime) -> list[Pledge]:
    """Those of whom nothing need be known any more."""
    gates = _gates(rows)
    charged = set(
        Charge.objects.filter(
            lane__in={row.lane for row in rows}, pledge_id__in=[row.id for row in rows]
        ).values_list("pledge_id", flat=True)
    )
    found = []
    for row in rows:
        gate = gates[row.campaign_id]
        ends_at = details_end_at(
            pledge_state=PledgeState(row.state),
            acted_at=row.acted_at,
            is_charged=row.id in charged,
            campaign_state=CampaignState(gate.state),
            closed_at=gate.closed_at,
            proof_by=gate.proof_by,
            kept=_kept(),
        )
        if ends_at is not None and ends_at <= now:
            found.append(row)
    return found


def _kept() -> Kept:
    return Kept(
        nothing=timedelta(days=settings.UNCONFIRMED_DAYS),
        details=timedelta(days=settings.DETAILS_DAYS),
    )


def _gates(rows: Sequence[Pledge]) -> dict[uuid.UUID, Any]:
    gates = Gate.objects.filter(
        lane__in={row.lane for row in rows}, id__in={row.campaign_id for row in rows}
    )
    return {gate.id: gate for gate in gates}


def _let_go(rows: Sequence[Pledge]) -> None:
    """Unlink these pledges, and forget the contacts that no pledge leads to any more."""
    for row in rows:
        if row.state == PledgeState.unconfirmed:
            # Who confirms in this very moment wins, and is looked at again tomorrow.
            mine = Pledge.objects.filter(lane=row.lane, id=row.id, state=row.state)
            if not mine.update(state=PledgeState.released):
                continue
        unlink([row])
        forget_unneeded(row.mailbox)


def forget_unneeded(mailbox: str) -> None:
    """Delete the contacts of a mailbox that no pledge names; the member, where that is all."""
    lane = person_lane(mailbox)
    with transaction.atomic():
        erasing.hold_member(lane=lane, box=mailbox)
        named = set(linked([mailbox]).values_list("contact_id", flat=True))
        gone = erasing.forget(lane=lane, box=mailbox, kept=named)
        forget_deliveries(lane=lane, contact_ids=gone)
