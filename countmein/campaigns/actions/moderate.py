"""To hold: pledges that may be no people's are taken out of the count, many at once, and back in.

A pledge that is held is nowhere in the tally and keeps its mailbox. It comes back in when the act
is lifted; if it is not, it is released with everybody outside when the door is shut. What is
decided already is left alone: nobody who was accepted is taken out.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Q, QuerySet

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.campaigns.actions.enrol import enrol_newcomers
from countmein.campaigns.actions.withdraw import is_acceptance_pending
from countmein.campaigns.changes import joins, leaves, write_changes
from countmein.campaigns.gates import hold_shared
from countmein.campaigns.models import Campaign, Gate, Pledge
from countmein.campaigns.moderation_models import ModeratedPledge, Moderation
from countmein.members import contacts
from countmein.rules.states import COUNTED, PledgeState

SLICE: Final = 200
#: Why, in words that everybody may read; the doors know how to say them.
REASONS: Final = ("duplicates", "automated", "not_people", "reported", "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which pledges of a campaign are meant: all that is said must fit."""

    codes: tuple[str, ...] = ()
    place: str = ""
    #: The domain of the address, as it is written in it.
    domain: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        said = asdict(self)
        for name in ("since", "until"):
            said[name] = said[name] and said[name].isoformat()
        return said

    @classmethod
    def of(cls, said: dict[str, Any]) -> Choice:
        """As it was kept."""
        times = {name: said[name] and datetime.fromisoformat(said[name]) for name in _TIMES}
        return cls(**{**said, **times, "codes": tuple(said["codes"])})


_TIMES: Final = ("since", "until")


def chosen(campaign: Campaign, choice: Choice) -> QuerySet[Pledge]:
    """The pledges in the count that are meant, but for the domain, which is sealed."""
    rows = Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=PledgeState.active
    )
    if choice.codes:
        rows = rows.filter(code__in=choice.codes)
    if choice.place:
        rows = rows.filter(place=choice.place)
    if choice.since is not None:
        rows = rows.filter(at__gte=choice.since)
    if choice.until is not None:
        rows = rows.filter(at__lt=choice.until)
    return rows.order_by("id")


def moderate(
    *, campaign: Campaign, choice: Choice, verdict: str, reason: str, note: str, by: uuid.UUID
) -> Moderation:
    """Take these pledges out of the count; it is done slice by slice, right after."""
    assert reason in REASONS
    with transaction.atomic():
        row = Moderation(
            lane=campaign.lane,
            campaign_id=campaign.id,
            verdict=verdict,
            reason=reason,
            note=note,
            choice=choice.as_json(),
            by=by,
            at=site_now(),
        )
        row.save(force_insert=True)
        _hand_out(row)
    return row


def lift(moderation: Moderation) -> None:
    """Take an act back: whoever it took out, and is still out, comes in again."""
    with transaction.atomic():
        rows = Moderation.objects.filter(
            lane=moderation.lane, id=moderation.id, done_at__isnull=False
        )
        if rows.filter(lift_asked_at=None).update(lift_asked_at=site_now(), after=None):
            _hand_out(moderation)


def _hand_out(row: Moderation) -> None:
    defer(carry_on, once=f"moderate:{row.id}", lane=row.lane, moderation_id=str(row.id))


def unmoderated() -> list[tuple[int, uuid.UUID]]:
    """Acts of which something is left to do."""
    left = Q(done_at=None) | Q(lift_asked_at__isnull=False, lifted_at=None)
    return list(Moderation.objects.all_lanes().filter(left).values_list("lane", "id")[:500])


@job(name="campaigns.moderate", queue="counting")
def carry_on(lane: int, moderation_id: str) -> None:
    """Take out, or bring back, slice by slice; killed at any instant it goes on where it stood."""
    id = uuid.UUID(moderation_id)
    while _slice(lane, id):
        pass


def _slice(lane: int, id: uuid.UUID) -> bool:
    with transaction.atomic():
        row = Moderation.objects.filter(lane=lane, id=id).select_for_update().get()
        campaign = Campaign.objects.get(id=row.campaign_id)
        if row.done_at is None:
            return _take_out(campaign, row)
        if row.lift_asked_at is not None and row.lifted_at is None:
            return _bring_back(campaign, row)
    return False


def _take_out(campaign: Campaign, row: Moderation) -> bool:
    """Hold the next slice of those that are meant; pledges that come meanwhile are not."""
    choice, gate = Choice.of(row.choice), hold_shared(campaign)
    rows = chosen(campaign, choice).filter(at__lte=row.at)
    if row.after is not None:
        rows = rows.filter(id__gt=row.after)
    page = list(rows.select_for_update()[:SLICE])
    if not page:
        Moderation.objects.filter(lane=row.lane, id=row.id).update(done_at=site_now())
        return False
    meant = [p for p in _of_domain(page, choice.domain) if not is_acceptance_pending(gate, p)]
    write_changes(gate, (c for p in meant for c in leaves(gate, p)))
    _move(gate, meant, to=PledgeState.held)
    ModeratedPledge.objects.bulk_create(
        [ModeratedPledge(lane=row.lane, moderation_id=row.id, pledge_id=p.id) for p in meant]
    )
    Moderation.objects.filter(lane=row.lane, id=row.id).update(
        after=page[-1].id, people=F("people") + len(meant)
    )
    return True


def _of_domain(rows: Sequence[Pledge], domain: str) -> list[Pledge]:
    if not domain:
        return list(rows)
    enrol_newcomers(rows)
    found = contacts.opened((row.person_lane, row.contact_id) for row in rows)
    return [
        row
        for row in rows
        if (who := found.get((row.person_lane, row.contact_id))) is not None
        and who.address.rpartition("@")[2].lower() == domain.lower()
    ]


def _bring_back(campaign: Campaign, row: Moderation) -> bool:
    """Let the next slice of those who were taken out join again, while anybody can be in."""
    gate = hold_shared(campaign)
    held = ModeratedPledge.objects.filter(lane=row.lane, moderation_id=row.id).order_by("pledge_id")
    if row.after is not None:
        held = held.filter(pledge_id__gt=row.after)
    ids = list(held.values_list("pledge_id", flat=True)[:SLICE])
    if not ids:
        Moderation.objects.filter(lane=row.lane, id=row.id).update(lifted_at=site_now())
        return False
    rows = Pledge.objects.filter(lane=row.lane, id__in=ids, state=PledgeState.held).order_by("id")
    back = list(rows.select_for_update()) if _lets_in(gate) else []
    write_changes(gate, (c for p in back for c in joins(gate, p)))
    _move(gate, back, to=PledgeState.active)
    Moderation.objects.filter(lane=row.lane, id=row.id).update(
        after=ids[-1], lifted_people=F("lifted_people") + len(back)
    )
    return True


def _lets_in(gate: Gate) -> bool:
    """Whether somebody who pledged in time can still be counted."""
    return gate.state in COUNTED and gate.closed_at is None and gate.executing_at is None


def _move(gate: Gate, rows: Sequence[Pledge], *, to: PledgeState) -> None:
    ids = [row.id for row in rows]
    Pledge.objects.filter(lane=gate.lane, id__in=ids).update(state=to, round=gate.round)


def moderations_of(campaign: Campaign) -> list[Moderation]:
    """What was taken out of this campaign's count, the latest first."""
    rows = Moderation.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    return list(rows.order_by("-id")[:200])
