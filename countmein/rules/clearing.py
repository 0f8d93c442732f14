"""Who is in: the largest set of parts of which every member's condition holds.

Everybody is taken in at first; whoever's condition fails is peeled off, until nobody fails.
What is left is the largest self-consistent set, whatever the order. This is
told in docs/rules/clearing.md.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from countmein.rules.conditions import Aggregates, Condition, normal
from countmein.rules.peeling import Peel, Standing

MAX_UNLOCK = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a pledge. The first part counts its member (people 1), further ones do not.

    `amount` is in the kind's own unit; `pledge` is the code that other conditions can name.
    """

    id: str
    condition: Condition | None
    people: int
    kind: str
    amount: int
    place: str | None = None
    pledge: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """All parts with one condition, added up: a condition does not depend on who asks it."""

    condition: Condition | None
    people: int
    sums: Mapping[str, int]
    people_in: Mapping[str, int]
    pledges: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Which crowds are in, in the order they were given, and what they add up to with the core."""

    is_in: tuple[bool, ...]
    totals: Aggregates


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlock:
    """So many further unconditional people bring in so many who wait (themselves not counted)."""

    more_people: int
    brings_people: int


def classes(parts: Iterable[Part]) -> list[Crowd]:
    """The parts added up by condition, in order of first appearance."""
    crowds: dict[Condition | None, _Growing] = {}
    for condition, part in _keyed(parts):
        if condition not in crowds:
            crowds[condition] = _Growing(condition=condition)
        crowds[condition].count(part)
    return [crowd.frozen() for crowd in crowds.values()]


def clear(crowds: Sequence[Crowd], *, core: Aggregates | None = None) -> Outcome:
    """The largest self-consistent set. `core` is what is in for good and asks nothing any more."""
    peel = Peel(crowds, core or Aggregates.zero())
    is_in = peel.is_in()
    return Outcome(is_in=is_in, totals=_totals(crowds, is_in, core or Aggregates.zero()))


def clear_parts(parts: Iterable[Part], *, core: Aggregates | None = None) -> frozenset[str]:
    """The ids of the parts that are in."""
    listed = list(parts)
    crowds = classes(listed)
    outcome = clear(crowds, core=core)
    inside = {c.condition for c, is_in in zip(crowds, outcome.is_in, strict=True) if is_in}
    return frozenset(part.id for condition, part in _keyed(listed) if condition in inside)


def unlock(crowds: Sequence[Crowd], outcome: Outcome, *, limit: int = MAX_UNLOCK) -> Unlock | None:
    """The fewest further unconditional people who bring in somebody who waits, and how many.

    One person each, no amount, no place. None when nobody waits or no number up to `limit` helps.
    Everybody is peeled once while the number falls from the limit, so this costs one clearing.
    """
    waiting = [crowd for crowd, inside in zip(crowds, outcome.is_in, strict=True) if not inside]
    peel = Peel(waiting, outcome.totals, extra_people=limit)
    more_people, best = limit, None
    while more_people > 0 and (brings_people := peel.people_left()) > 0:
        # Nothing changes until the number is so low that the next threshold on people fails.
        spare = peel.spare_people()
        best = Unlock(more_people=more_people - spare, brings_people=brings_people)
        more_people -= spare + 1
        peel.lose_people(spare + 1)
    return best


def _keyed(parts: Iterable[Part]) -> Iterable[tuple[Condition | None, Part]]:
    """Each part with its condition in normal form, worked out once for each spelling."""
    known: dict[Condition | None, Condition | None] = {None: None}
    for part in parts:
        if part.condition is not None and part.condition not in known:
            known[part.condition] = normal(part.condition)
        yield known[part.condition], part


def _totals(crowds: Sequence[Crowd], is_in: Sequence[bool], core: Aggregates) -> Aggregates:
    total = _Growing(condition=None)
    total.join(core)
    for crowd, inside in zip(crowds, is_in, strict=True):
        if inside:
            total.join(crowd)
    return total.aggregates()


@dataclass(slots=True, kw_only=True)
class _Growing:
    """A crowd still being added up."""

    condition: Condition | None
    people: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    people_in: dict[str, int] = field(default_factory=dict)
    pledges: set[str] = field(default_factory=set)

    def count(self, part: Part) -> None:
        self.people += part.people
        _count(self.sums, part.kind, part.amount)
        if part.place is not None:
            _count(self.people_in, part.place, part.people)
        if part.pledge is not None:
            self.pledges.add(part.pledge)

    def join(self, other: Standing) -> None:
        self.people += other.people
        for kind, amount in other.sums.items():
            _count(self.sums, kind, amount)
        for place, people in other.people_in.items():
            _count(self.people_in, place, people)
        self.pledges.update(other.pledges)

    def aggregates(self) -> Aggregates:
        return Aggregates(
            people=self.people,
            sums=dict(self.sums),
            people_in=dict(self.people_in),
            pledges=frozenset(self.pledges),
        )

    def frozen(self) -> Crowd:
        a = self.aggregates()
        return Crowd(
            condition=self.condition,
            people=a.people,
            sums=a.sums,
            people_in=a.people_in,
            pledges=a.pledges,
        )


def _count(counts: dict[str, int], key: str, amount: int) -> None:
    count = counts.get(key, 0) + amount
    if count:
        counts[key] = count
    else:
        counts.pop(key, None)
