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


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """The ids of the parts that came in, and of those that left, by one change."""

    entered: frozenset[str]
    left: frozenset[str]


def classes(parts: Iterable[Part]) -> list[Crowd]:
    """The parts added up by condition, in order of first appearance."""
    crowds: dict[Condition | None, _Growing] = {}
    for condition, part in _keyed(parts):
        if condition not in crowds:
            crowds[condition] = _Growing(condition=condition)
        crowds[condition].count(part, 1)
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


def grow(
    crowds: Sequence[Crowd], was_in: Sequence[bool], *, core: Aggregates | None = None
) -> Outcome:
    """The same answer as `clear`, found faster when crowds have only grown since `was_in`.

    Joining throws nobody out, so what was in stays in and only the waiting are peeled.
    """
    base = _totals(crowds, was_in, core or Aggregates.zero())
    waiting = [crowd for crowd, inside in zip(crowds, was_in, strict=True) if not inside]
    peel = Peel(waiting, base)
    entered = iter(peel.is_in())
    is_in = tuple(inside or next(entered) for inside in was_in)
    return Outcome(is_in=is_in, totals=_totals(crowds, is_in, core or Aggregates.zero()))


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


class Incremental:
    """The largest self-consistent set, kept up to date part by part.

    Adding peels only those who wait, with those inside as constants; withdrawing peels only
    those inside. The last peel of each is kept: while it proves that nobody moves, nothing is
    peeled. A worklist upwards from those inside would be wrong: it misses two newcomers who
    depend on each other.
    """

    def __init__(self, *, core: Aggregates | None = None) -> None:
        self._core = core or Aggregates.zero()
        self._parts: dict[str, tuple[Condition | None, Part]] = {}
        self._members: dict[Condition | None, set[str]] = {}
        self._inside: dict[Condition | None, _Growing] = {}
        self._waiting: dict[Condition | None, _Growing] = {}
        self._inside_peel: Peel | None = None
        self._waiting_peel: Peel | None = None
        self._total = _Growing(condition=None)
        self._total.join(self._core, 1)

    @property
    def outcome(self) -> frozenset[str]:
        """The ids of the parts that are in."""
        return frozenset(id for condition in self._inside for id in self._members[condition])

    @property
    def totals(self) -> Aggregates:
        """What the parts that are in add up to, with the core."""
        return self._total.aggregates()

    def add(self, part: Part) -> Delta:
        """Take in one new part. Raises KeyError if its id is known."""
        if part.id in self._parts:
            raise KeyError(part.id)
        condition = None if part.condition is None else normal(part.condition)
        self._parts[part.id] = (condition, part)
        self._members.setdefault(condition, set()).add(part.id)
        entered: frozenset[str] = frozenset()
        if condition in self._inside:
            self._inside[condition].count(part, 1)
            self._total.count(part, 1)
            entered = frozenset({part.id})
        else:
            if condition not in self._waiting:
                self._waiting[condition] = _Growing(condition=condition)
                self._waiting_peel = None
            self._waiting[condition].count(part, 1)
        peel = self._waiting_peel
        if peel is None or not peel.still_fails_with(_alone(part)):
            entered |= self._wake()
        return Delta(entered=entered, left=frozenset())

    def withdraw(self, id: str) -> Delta:
        """Take out one part. Raises KeyError if its id is unknown."""
        condition, part = self._parts.pop(id)
        self._members[condition].discard(id)
        is_inside = condition in self._inside
        crowds = self._inside if is_inside else self._waiting
        crowds[condition].count(part, -1)
        if not self._members[condition]:
            del self._members[condition], crowds[condition]
        if not is_inside:
            return Delta(entered=frozenset(), left=frozenset())
        self._total.count(part, -1)
        left, peel = frozenset({id}), self._inside_peel
        if peel is None or not peel.still_holds_without(_alone(part)):
            left |= self._fall()
        return Delta(entered=frozenset(), left=left)

    def edit(self, part: Part) -> Delta:
        """Replace the part that has this id."""
        before = self.withdraw(part.id)
        after = self.add(part)
        return Delta(entered=after.entered - before.left, left=before.left - after.entered)

    def _wake(self) -> frozenset[str]:
        self._waiting_peel = Peel(list(self._waiting.values()), self._total)
        is_in = self._waiting_peel.is_in()
        moving = [c for c, stays in zip(self._waiting, is_in, strict=True) if stays]
        if moving:
            self._inside_peel = None
        for condition in moving:
            self._inside[condition] = self._waiting.pop(condition)
            self._total.join(self._inside[condition], 1)
        return self._ids(moving)

    def _fall(self) -> frozenset[str]:
        self._inside_peel = Peel(list(self._inside.values()), self._core)
        is_in = self._inside_peel.is_in()
        moving = [c for c, stays in zip(self._inside, is_in, strict=True) if not stays]
        if moving:
            self._waiting_peel = None
        for condition in moving:
            self._waiting[condition] = self._inside.pop(condition)
            self._total.join(self._waiting[condition], -1)
        return self._ids(moving)

    def _ids(self, conditions: Iterable[Condition | None]) -> frozenset[str]:
        return frozenset(id for condition in conditions for id in self._members[condition])


def _alone(part: Part) -> "_Growing":
    alone = _Growing(condition=None)
    alone.count(part, 1)
    return alone


def _keyed(parts: Iterable[Part]) -> Iterable[tuple[Condition | None, Part]]:
    """Each part with its condition in normal form, worked out once for each spelling."""
    known: dict[Condition | None, Condition | None] = {None: None}
    for part in parts:
        if part.condition is not None and part.condition not in known:
            known[part.condition] = normal(part.condition)
        yield known[part.condition], part


def _totals(crowds: Sequence[Crowd], is_in: Sequence[bool], core: Aggregates) -> Aggregates:
    total = _Growing(condition=None)
    total.join(core, 1)
    for crowd, inside in zip(crowds, is_in, strict=True):
        if inside:
            total.join(crowd, 1)
    return total.aggregates()


@dataclass(slots=True, kw_only=True)
class _Growing:
    """A crowd still being added up; a pledge is counted as often as parts carry its code."""

    condition: Condition | None
    people: int = 0
    sums: dict[str, int] = field(default_factory=dict)
    people_in: dict[str, int] = field(default_factory=dict)
    pledges: dict[str, int] = field(default_factory=dict)

    def count(self, part: Part, sign: int) -> None:
        self.people += sign * part.people
        _count(self.sums, part.kind, sign * part.amount)
        if part.place is not None:
            _count(self.people_in, part.place, sign * part.people)
        if part.pledge is not None:
            _count(self.pledges, part.pledge, sign)

    def join(self, other: Standing, sign: int) -> None:
        self.people += sign * other.people
        for kind, amount in other.sums.items():
            _count(self.sums, kind, sign * amount)
        for place, people in other.people_in.items():
            _count(self.people_in, place, sign * people)
        codes = other.pledges
        for code, parts in (codes if isinstance(codes, dict) else dict.fromkeys(codes, 1)).items():
            _count(self.pledges, code, sign * parts)

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
