"""To count: one job per campaign tallies what is new, clears the conditions and sees it tip."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Sum

from countmein.base.clock import site_now
from countmein.base.ids import named_uuid
from countmein.base.jobs import job
from countmein.campaigns.actions.secure import is_under_way, secure
from countmein.campaigns.gates import close_round, hold
from countmein.campaigns.models import (
    JOINED_STATES,
    Campaign,
    Change,
    Crowd,
    CrowdTotal,
    Gate,
    Pledge,
    Tally,
    crowd_id,
    totals_of,
)
from countmein.campaigns.moves import announce, move
from countmein.campaigns.waitlist import waitlisted_people
from countmein.rules import clearing, conditions
from countmein.rules.conditions import Aggregates, Condition
from countmein.rules.states import COUNTED, CampaignState, Latch
from countmein.rules.tipping import Verdict, judge


@job(name="campaigns.count", queue="counting")
def count(campaign_id: str) -> None:
    """Bring the tally up to date, and tip or lapse the campaign if it is time.

    The round is closed in one short statement, and the counting is done without holding the gate,
    so pledging goes on. Only when the verdict is no longer "wait" is the gate held, the rest
    counted under it, and the verdict given again.
    """
    campaign = Campaign.objects.get(id=uuid.UUID(campaign_id))
    secure(campaign_id)
    open_round = close_round(lane=campaign.lane, campaign_id=campaign.id)
    with transaction.atomic():
        tally = recount(campaign, open_round=open_round)
    if _verdict(campaign, tally) is not Verdict.wait:
        decide(campaign)


def decide(campaign: Campaign) -> Verdict:
    """Judge the campaign with its gate held and everything counted; tip or lapse it, once."""
    with transaction.atomic():
        gate = hold(campaign)
        if gate.state != CampaignState.open:
            return Verdict.wait
        open_round = close_round(lane=campaign.lane, campaign_id=campaign.id)
        tally = recount(campaign, open_round=open_round)
        verdict = _verdict(campaign, tally)
        now = site_now()
        if verdict is Verdict.tip:
            _move(campaign, CampaignState.tipped, now, tipped_at=now)
        elif verdict is Verdict.lapse:
            _move(campaign, CampaignState.lapsed, now)
    return verdict


def _move(campaign: Campaign, to: CampaignState, now: datetime, **fields: datetime) -> None:
    moved = move(
        lane=campaign.lane,
        campaign_id=campaign.id,
        was=[CampaignState.open],
        to=to,
        at=now,
        **fields,
    )
    assert moved, "the gate was held, so nobody else can have moved it"


def _verdict(campaign: Campaign, tally: Tally) -> Verdict:
    gate = Gate.objects.get(lane=campaign.lane, id=campaign.id)
    return judge(
        rule=rule_of(campaign),
        totals=totals_of(tally),
        latch=Latch(gate.latch),
        state=CampaignState(gate.state),
        deadline=gate.deadline,
        now=site_now(),
        pending=is_under_way(campaign),
    )


def rule_of(campaign: Campaign) -> Condition:
    """The campaign's rule, which was checked when it was written."""
    return conditions.parse(campaign.rule, path="rule", pledges_allowed=False)


def no_tally(campaign: Campaign) -> Tally:
    """The tally before the first count."""
    nothing = dict.fromkeys(campaign.kinds, 0)
    return Tally(lane=campaign.lane, id=campaign.id, as_of=campaign.created_at, sum=nothing)


def tally_of(campaign: Campaign) -> Tally:
    """The tally as of the last count."""
    row = Tally.objects.filter(lane=campaign.lane, id=campaign.id).first()
    return row or no_tally(campaign)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counted:
    """One crowd's row, and what it brings."""

    row: Crowd
    crowd: clearing.Crowd


def recount(campaign: Campaign, *, open_round: int) -> Tally:
    """Add the changes of closed rounds to the totals, clear, and write the tally.

    Call inside a transaction. The tally's row is the lock: two counts of one campaign take turns,
    and what one has added the other finds done, so a killed count is simply run again.
    """
    now = site_now()
    fresh = Tally(lane=campaign.lane, id=campaign.id, as_of=now)
    Tally.objects.bulk_create([fresh], ignore_conflicts=True)
    tally = Tally.objects.filter(lane=campaign.lane, id=campaign.id).select_for_update().get()
    assert isinstance(tally, Tally)
    if tally.round >= open_round - 1 and tally.round > 0:
        return tally
    totals = _add_news(campaign, after=tally.round, before=open_round)
    counted = _crowds(campaign, totals)
    core = next((c.crowd for c in counted if c.row.is_core), None)
    others = [c for c in counted if not c.row.is_core]
    base = _aggregates(core) if core else Aggregates.zero()
    crowds = [c.crowd for c in others]
    outcome = clearing.clear(crowds, core=base)
    _mark(campaign, others, outcome.is_in)
    everybody = sum(c.people for c in crowds) + base.people
    tally.round = open_round - 1
    tally.as_of = now
    tally.people = outcome.totals.people
    tally.waiting_people = everybody - outcome.totals.people
    tally.sum = {kind: outcome.totals.sums.get(kind, 0) for kind in campaign.kinds}
    tally.places = {p: n for p, n in sorted(outcome.totals.people_in.items()) if n}
    tally.waitlisted_people = waitlisted_people(campaign, tally)
    unlock = clearing.unlock(crowds, outcome)
    tally.unlock = unlock and {
        "more_people": unlock.more_people,
        "brings_people": unlock.brings_people,
    }
    tally.save()
    announce(campaign.id)
    return tally


def _add_news(campaign: Campaign, *, after: int, before: int) -> dict[uuid.UUID, CrowdTotal]:
    """Add the changes of rounds in (after, before) to the crowds' totals, and return all totals."""
    lane, campaign_id = campaign.lane, campaign.id
    totals = {row.id: row for row in CrowdTotal.objects.filter(lane=lane, campaign_id=campaign_id)}
    news = (
        Change.objects.filter(lane=lane, campaign_id=campaign_id, round__gt=after, round__lt=before)
        .values_list("crowd_id", "kind", "place")
        .annotate(Sum("people"), Sum("amount"))
    )
    touched = []
    for crowd, kind, place, people, amount in news:
        key = named_uuid("total", str(crowd), kind, place)
        row = totals.get(key) or CrowdTotal(
            lane=lane,
            id=key,
            campaign_id=campaign_id,
            crowd_id=crowd,
            kind=kind,
            place=place,
            people=0,
            amount=0,
        )
        row.people += people
        row.amount += amount
        totals[key] = row
        touched.append(row)
    CrowdTotal.objects.bulk_create(
        touched,
        update_conflicts=True,
        unique_fields=["lane", "id"],
        update_fields=["people", "amount"],
    )
    return totals


def _crowds(campaign: Campaign, totals: Mapping[uuid.UUID, CrowdTotal]) -> list[_Counted]:
    rows = {
        row.id: row for row in Crowd.objects.filter(lane=campaign.lane, campaign_id=campaign.id)
    }
    core = crowd_id(campaign.id, "core")
    parsed: dict[uuid.UUID, Condition | None] = {
        key: conditions.parse(row.condition, path="condition", pledges_allowed=True)
        if row.condition
        else None
        for key, row in rows.items()
    }
    named = _named_pledges(campaign, parsed)
    people: dict[uuid.UUID, int] = dict.fromkeys(rows, 0)
    sums: dict[uuid.UUID, dict[str, int]] = {key: {} for key in rows}
    places: dict[uuid.UUID, dict[str, int]] = {key: {} for key in rows}
    for total in totals.values():
        own_sums, own_places = sums[total.crowd_id], places[total.crowd_id]
        people[total.crowd_id] += total.people
        own_sums[total.kind] = own_sums.get(total.kind, 0) + total.amount
        if total.place:
            own_places[total.place] = own_places.get(total.place, 0) + total.people
    return [
        _Counted(
            row=row,
            crowd=clearing.Crowd(
                condition=parsed[key],
                people=people[key],
                sums=sums[key],
                people_in=places[key],
                pledges=frozenset(code for code, crowd in named.items() if (crowd or core) == key),
            ),
        )
        for key, row in rows.items()
    ]


def _named_pledges(
    campaign: Campaign, parsed: Mapping[uuid.UUID, Condition | None]
) -> dict[str, uuid.UUID | None]:
    """The pledges that conditions ask for, each with its crowd; None once it is in the core."""
    codes = {
        code
        for condition in parsed.values()
        if condition is not None
        for code in conditions.pledges_named(condition)
    }
    if not codes:
        return {}
    rows = Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, code__in=codes, state__in=JOINED_STATES
    )
    return {
        code: crowd if state == "active" else None
        for code, crowd, state in rows.values_list("code", "crowd_id", "state")
    }


def _aggregates(crowd: clearing.Crowd) -> Aggregates:
    return Aggregates(
        people=crowd.people, sums=crowd.sums, people_in=crowd.people_in, pledges=crowd.pledges
    )


def _mark(campaign: Campaign, counted: list[_Counted], is_in: tuple[bool, ...]) -> None:
    """Write down which crowds are in, where that has changed."""
    for value in (True, False):
        changed = [
            c.row.id
            for c, now_in in zip(counted, is_in, strict=True)
            if now_in is value and c.row.is_in is not value
        ]
        if changed:
            Crowd.objects.filter(lane=campaign.lane, id__in=changed).update(is_in=value)


def uncounted() -> list[uuid.UUID]:
    """Campaigns in which something has changed since their last count: for the sweep."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT g.id FROM campaigns_gate g
            WHERE g.state = ANY(%s)
              AND (EXISTS (SELECT FROM campaigns_change c WHERE c.lane = g.lane
                           AND c.campaign_id = g.id AND c.round = g.round)
                   OR g.round > 1 + coalesce((SELECT t.round FROM campaigns_tally t
                                   WHERE t.lane = g.lane AND t.id = g.id), 0))
            """,
            [sorted(COUNTED)],
        )
        return [campaign_id for (campaign_id,) in cursor.fetchall()]
