"""What was really collected, and who still is in on the strength of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from countmein.campaigns.changes import Part, accepted_parts, parts_of
from countmein.campaigns.kinds import price_by_kind
from countmein.campaigns.models import Campaign, Crowd, Gate, Pledge
from countmein.campaigns.waitlist import amounts, crowds_in
from countmein.rules import clearing, conditions
from countmein.rules.conditions import Aggregates
from countmein.rules.states import CampaignState, PledgeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """The outcome of clearing over what was collected.

    `totals`: what those who stay in add up to. `out`: the crowds whose condition fails now.
    """

    totals: Aggregates
    out: frozenset[uuid.UUID]


def collected(campaign: Campaign) -> Collected:
    """Clear again over the fulfilled pledges. Who waits for a place under the cap still counts as
    joined for other people's conditions, for nobody failed, and so does who was let go at the
    deadline for want of a place; the rule sees only what is fulfilled.
    """
    sums = _Sums()
    rows = Pledge.objects.filter(
        lane=campaign.lane, campaign_id=campaign.id, state=PledgeState.fulfilled
    )
    for crowd, kind, place, people, amount in (
        rows.filter(more=[])
        .values_list("crowd_id", "kind", "place")
        .annotate(Count("id"), Sum("amount"))
    ):
        sums.add(Part(kind=kind, amount=amount, crowd_id=crowd, people=people), place)
    for row in rows.exclude(more=[]).iterator(chunk_size=1000):
        for part in accepted_parts(row):
            sums.add(part, row.place)
    named = _named(campaign)
    codes = dict(rows.filter(code__in=named).values_list("code", "crowd_id"))
    crowds = sums.crowds(campaign, codes)
    outcome = clearing.clear(list(crowds.values()), core=_joined(campaign, named))
    out = {key for key, is_in in zip(crowds, outcome.is_in, strict=True) if not is_in}
    stays = Aggregates.zero()
    for key, crowd in crowds.items():
        if key not in out:
            stays = stays.plus(_aggregates(crowd))
    return Collected(totals=stays, out=frozenset(out))


def is_unpaid(campaign: Campaign, gate: Gate) -> bool:
    """Whether somebody is still to pay whose falling out could take others with them.

    Once it is carried out nobody's condition is asked any more.
    """
    accepted = Pledge.objects.filter(
        lane=gate.lane, campaign_id=gate.id, state=PledgeState.accepted
    )
    return gate.state == CampaignState.settled and gate.executing_at is None and accepted.exists()


def at_risk_minor(campaign: Campaign, gate: Gate) -> int:
    """What goes back of what was paid if nobody pays who has not paid yet."""
    if not is_unpaid(campaign, gate):
        return 0
    out = collected(campaign).out
    rows = Pledge.objects.filter(
        lane=gate.lane, campaign_id=gate.id, state=PledgeState.fulfilled
    ).filter(Q(crowd_id__in=out) | ~Q(more=[]))
    return sum(_lost_minor(campaign, row, out) for row in rows.iterator(chunk_size=1000))


def _lost_minor(campaign: Campaign, row: Pledge, out: frozenset[uuid.UUID]) -> int:
    lost = [p for p in accepted_parts(row) if row.crowd_id in out or p.crowd_id in out]
    return sum(price_by_kind(campaign, amounts(lost)).values())


class _Sums:
    """Adds parts up by crowd."""

    def __init__(self) -> None:
        self.people: dict[uuid.UUID, int] = {}
        self.amounts: dict[uuid.UUID, dict[str, int]] = {}
        self.places: dict[uuid.UUID, dict[str, int]] = {}

    def add(self, part: Part, place: str) -> None:
        key = part.crowd_id
        self.people[key] = self.people.get(key, 0) + part.people
        amounts, places = self.amounts.setdefault(key, {}), self.places.setdefault(key, {})
        amounts[part.kind] = amounts.get(part.kind, 0) + part.amount
        if place:
            places[place] = places.get(place, 0) + part.people

    def whole(self, pledges: frozenset[str]) -> Aggregates:
        """All crowds together."""
        whole = Aggregates(people=0, sums={}, people_in={}, pledges=pledges)
        for key, people in self.people.items():
            whole = whole.plus(
                Aggregates(
                    people=people,
                    sums=self.amounts[key],
                    people_in=self.places[key],
                    pledges=frozenset(),
                )
            )
        return whole

    def crowds(
        self, campaign: Campaign, codes: dict[str, uuid.UUID]
    ) -> dict[uuid.UUID, clearing.Crowd]:
        said = dict(
            Crowd.objects.filter(lane=campaign.lane, id__in=list(self.people)).values_list(
                "id", "condition"
            )
        )
        return {
            key: clearing.Crowd(
                condition=_parsed(said[key]),
                people=people,
                sums=self.amounts[key],
                people_in=self.places[key],
                pledges=frozenset(code for code, crowd in codes.items() if crowd == key),
            )
            for key, people in self.people.items()
        }


def _parsed(said: dict[str, object] | None) -> conditions.Condition | None:
    if said is None:
        return None
    return conditions.parse(said, path="condition", pledges_allowed=True)


def _named(campaign: Campaign) -> frozenset[str]:
    """The codes of the pledges that somebody's condition asks for."""
    return frozenset(
        code
        for said in Crowd.objects.filter(
            lane=campaign.lane, campaign_id=campaign.id, condition__isnull=False
        ).values_list("condition", flat=True)
        for code in conditions.pledges_named(
            conditions.parse(said, path="condition", pledges_allowed=True)
        )
    )


def _joined(campaign: Campaign, named: frozenset[str]) -> Aggregates:
    """Those in the tally who wait for a place, or waited in vain: joined, though not served."""
    inside = Q(state=PledgeState.active, crowd_id__in=crowds_in(campaign))
    waited = Q(state__in=[PledgeState.active, PledgeState.released], was_waitlisted=True)
    rows = Pledge.objects.filter(lane=campaign.lane, campaign_id=campaign.id).filter(
        inside | waited
    )
    sums = _Sums()
    for row in rows.iterator(chunk_size=1000):
        for part in parts_of(row):
            sums.add(part, row.place)
    return sums.whole(frozenset(rows.filter(code__in=named).values_list("code", flat=True)))


def _aggregates(crowd: clearing.Crowd) -> Aggregates:
    return Aggregates(
        people=crowd.people, sums=crowd.sums, people_in=crowd.people_in, pledges=crowd.pledges
    )
