"""Whether a campaign tips, waits or lapses, and whom its cap lets through."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from countmein.rules.conditions import (
    MAX_NUMBER,
    Aggregates,
    All,
    AnyOf,
    Condition,
    People,
    PeopleIn,
    Places,
    Some,
    Sum,
    holds,
)
from countmein.rules.states import CampaignState, Latch, Shortfall

#: How long a campaign that fell short is open once more for what is missing (spec: api.md).
TOPUP_LASTS: Final = timedelta(hours=72)


class Verdict(StrEnum):
    """What is to happen to an open campaign now."""

    wait = "wait"
    tip = "tip"
    lapse = "lapse"


def judge(
    *,
    rule: Condition,
    totals: Aggregates,
    latch: Latch,
    state: CampaignState,
    deadline: datetime,
    now: datetime,
    pending: bool,
) -> Verdict:
    """The verdict on `totals`, which count only what was acknowledged before the deadline.

    `pending`: mandates of members who acted in time are still under way, so the totals can
    still grow. With on_tip a late count of timely pledges still tips.
    """
    if state is not CampaignState.open:
        return Verdict.wait
    is_met = holds(rule, totals)
    if latch is Latch.on_tip and is_met:
        return Verdict.tip
    if now < deadline or pending:
        return Verdict.wait
    return Verdict.tip if is_met else Verdict.lapse


class Conclusion(StrEnum):
    """What is to happen to a campaign once all its charges are paid or given up."""

    settle = "settle"
    top_up = "top_up"
    wait = "wait"
    release = "release"


def conclude(
    *,
    rule: Condition,
    collected: Aggregates,
    shortfall: Shortfall,
    topup_until: datetime | None,
    now: datetime,
) -> Conclusion:
    """The last judgement, on what was really collected, cleared again.

    Where the rule no longer holds, the way that was fixed at the launch is gone: go on all the
    same, one round for what is missing (`topup_until`: when it ends, None before it has begun), or
    give everybody's money back. Source: mechanisms A4, latch and collection.
    """
    if shortfall is Shortfall.proceed or holds(rule, collected):
        return Conclusion.settle
    if shortfall is Shortfall.topup and topup_until is None:
        return Conclusion.top_up
    if shortfall is Shortfall.topup and topup_until is not None and now < topup_until:
        return Conclusion.wait
    return Conclusion.release


def can_hold(
    rule: Condition,
    *,
    kinds: frozenset[str],
    cap: Mapping[str, int],
    minimum: Mapping[str, int],
    places: frozenset[str],
) -> bool:
    """Whether the rule can hold at all if no more is taken than the cap allows.

    Each atom is judged by itself, so True is no proof that all of them can hold together.
    """
    people = MAX_NUMBER
    if kinds <= cap.keys():
        people = sum(cap[kind] // max(1, minimum.get(kind, 1)) for kind in kinds)
    most = Aggregates(
        people=people,
        sums={kind: cap.get(kind, MAX_NUMBER) for kind in kinds},
        people_in=dict.fromkeys(places, people),
        pledges=frozenset(),
    )
    return _can_hold(rule, most)


def _can_hold(rule: Condition, most: Aggregates) -> bool:
    match rule:
        case All(of=of):
            return all(_can_hold(child, most) for child in of)
        case AnyOf(of=of):
            return any(_can_hold(child, most) for child in of)
        case Some(of=of, at_least=m):
            return sum(_can_hold(child, most) for child in of) >= m
        case Places(people=q, at_least=r):
            # A person is in one place only.
            return holds(rule, most) and q * r <= most.people
        case _:
            return holds(rule, most)


def within_reach(rule: Condition, totals: Aggregates) -> Condition:
    """The same rule with every number lowered to what was reached, for a second try.

    A number of which nothing was reached stays: lowering it to nothing would make it no rule.
    """
    match rule:
        case All(of=of):
            return All(of=tuple(within_reach(c, totals) for c in of))
        case AnyOf(of=of):
            return AnyOf(of=tuple(within_reach(c, totals) for c in of))
        case Some(of=of, at_least=at_least):
            return Some(of=tuple(within_reach(c, totals) for c in of), at_least=at_least)
        case People(n=n):
            return People(n=_reached(n, totals.people))
        case Sum(kind=kind, at_least=x):
            return Sum(kind=kind, at_least=_reached(x, totals.sums.get(kind, 0)))
        case PeopleIn(place=place, at_least=n):
            return PeopleIn(place=place, at_least=_reached(n, totals.people_in.get(place, 0)))
        case Places(people=q, at_least=r):
            full = sum(people >= q for people in totals.people_in.values())
            return Places(people=q, at_least=_reached(r, full))
    return rule


def _reached(wanted: int, got: int) -> int:
    return min(wanted, got) or wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One pledge in the queue for a cap: what it takes of each kind, and whether it is secured.

    `keeps_place`: not secured yet, but still within the minutes in which its place is kept.
    """

    id: str
    amounts: Mapping[str, int]
    secured: bool
    keeps_place: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Who is let through, who waits for room, and whose place is kept meanwhile."""

    accepted: tuple[str, ...]
    waiting: tuple[str, ...]
    reserved: tuple[str, ...]


class Place(StrEnum):
    """What an arrival gets: a place, none, or one that is kept until it is secured."""

    accepted = "accepted"
    waiting = "waiting"
    reserved = "reserved"


def places(
    queue: Iterable[Arrival],
    *,
    cap: Mapping[str, int],
    taken: Mapping[str, int],
    kinds: frozenset[str] | None = None,
) -> Iterator[tuple[Arrival, Place]]:
    """Give out what is left of the cap by order of arrival: whole pledges, no overtaking.

    Whoever does not fit makes all later ones wait who need one of the same capped kinds.
    A pledge without a capped kind never waits; one neither secured nor kept is passed over.
    `kinds` are all that anybody can pledge: where each is capped and somebody waits for each,
    nobody behind has a place, and the queue is followed no further.
    """
    left = {kind: limit - taken.get(kind, 0) for kind, limit in cap.items()}
    blocked: set[str] = set()
    for arrival in queue:
        if not arrival.secured and not arrival.keeps_place:
            continue
        needs = {kind: x for kind, x in arrival.amounts.items() if kind in left and x > 0}
        if all(kind not in blocked and x <= left[kind] for kind, x in needs.items()):
            for kind, x in needs.items():
                left[kind] -= x
            yield arrival, Place.accepted if arrival.secured else Place.reserved
        else:
            blocked |= needs.keys()
            yield arrival, Place.waiting if arrival.secured else Place.reserved
        if kinds is not None and kinds <= blocked:
            return


def serve(queue: Iterable[Arrival], *, cap: Mapping[str, int], taken: Mapping[str, int]) -> Served:
    """Who of the whole queue has a place, waits for one, or has one kept. See `places`."""
    found: dict[Place, list[str]] = {place: [] for place in Place}
    for arrival, place in places(queue, cap=cap, taken=taken):
        found[place].append(arrival.id)
    return Served(
        accepted=tuple(found[Place.accepted]),
        waiting=tuple(found[Place.waiting]),
        reserved=tuple(found[Place.reserved]),
    )
