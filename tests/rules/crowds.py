"""Small crowds with wishes of every sort, and two slow ways to find who is in."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from random import Random

from hypothesis import settings
from hypothesis import strategies as st

from countmein.rules.clearing import (
    Part,
)
from countmein.rules.conditions import (
    Aggregates,
    All,
    AnyOf,
    Condition,
    People,
    PeopleIn,
    Places,
    PledgeIn,
    Some,
    Sum,
    conjunction,
    holds,
)


def cases(few: int) -> int:
    """How many cases of what R11 asks for: 100,000 by CHAOS=full."""
    return 100_000 if os.environ.get("CHAOS") == "full" else few


MODEST = settings(max_examples=80, deadline=None)
CODES = [f"m{number}" for number in range(6)]
PLACES = ["Leeds", "York", "Hull"]
KINDS = ["money", "signature"]

small = st.integers(1, 9)
atom = st.one_of(
    st.builds(People, n=st.integers(1, 7)),
    st.builds(Sum, kind=st.sampled_from(KINDS), at_least=st.integers(1, 30)),
    st.builds(PeopleIn, place=st.sampled_from(PLACES), at_least=st.integers(1, 4)),
    st.builds(Places, people=st.integers(1, 3), at_least=st.integers(1, 3)),
    st.builds(PledgeIn, code=st.sampled_from(CODES)),
)


def gates(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    lists = st.lists(inner, min_size=1, max_size=3).map(tuple)
    some = lists.flatmap(
        lambda of: st.builds(Some, of=st.just(of), at_least=st.integers(1, len(of)))
    )
    return st.one_of(st.builds(All, of=lists), st.builds(AnyOf, of=lists), some)


condition = st.recursive(atom, gates, max_leaves=5)
maybe_condition = st.one_of(st.none(), condition)


@st.composite
def pledges(draw: st.DrawFn, *, most: int = 5) -> list[Part]:
    """The parts of up to `most` members; some promise a second part under a further condition."""
    parts: list[Part] = []
    for code in CODES[: draw(st.integers(0, most))]:
        first = Part(
            id=code,
            condition=draw(maybe_condition),
            people=1,
            kind=draw(st.sampled_from(KINDS)),
            amount=draw(small),
            place=draw(st.sampled_from([None, *PLACES])),
            pledge=code,
        )
        parts.append(first)
        if len(parts) < 7 and draw(st.booleans()):
            further = conjunction(first.condition, draw(maybe_condition))
            parts.append(replace(first, id=code + "+", condition=further, people=0))
    return parts


def added(parts: Iterable[Part]) -> Aggregates:
    total = Aggregates.zero()
    for part in parts:
        place = {} if part.place is None or not part.people else {part.place: part.people}
        own = Aggregates(
            people=part.people,
            sums={part.kind: part.amount},
            people_in=place,
            pledges=frozenset({part.pledge} if part.pledge else ()),
        )
        total = total.plus(own)
    return total


def is_content(part: Part, a: Aggregates) -> bool:
    return part.condition is None or holds(part.condition, a)


def self_consistent_sets(parts: Sequence[Part], core: Aggregates) -> list[frozenset[str]]:
    found = []
    for size in range(len(parts) + 1):
        for chosen in combinations(parts, size):
            total = core.plus(added(chosen))
            if all(is_content(part, total) for part in chosen):
                found.append(frozenset(part.id for part in chosen))
    return found


def by_brute_force(parts: Sequence[Part], core: Aggregates | None = None) -> frozenset[str]:
    return frozenset().union(*self_consistent_sets(parts, core or Aggregates.zero()))


def by_naive_iteration(parts: Sequence[Part], core: Aggregates | None = None) -> frozenset[str]:
    inside = list(parts)
    while True:
        total = (core or Aggregates.zero()).plus(added(inside))
        stay = [part for part in inside if is_content(part, total)]
        if len(stay) == len(inside):
            return frozenset(part.id for part in stay)
        inside = stay


def chosen(parts: Iterable[Part], ids: frozenset[str]) -> list[Part]:
    return [part for part in parts if part.id in ids]


def signature(code: str, asked: Condition | None) -> Part:
    return Part(id=code, condition=asked, people=1, kind="signature", amount=1, pledge=code)


def wish(rng: Random) -> Condition:
    """A condition as somebody might state it, of one to three atoms."""
    atoms: list[Condition] = [
        People(n=rng.randint(5, 40)),
        Sum(kind="signature", at_least=rng.randint(10, 80)),
        PeopleIn(place=rng.choice(PLACES), at_least=rng.randint(3, 15)),
        Places(people=rng.randint(2, 10), at_least=rng.randint(1, 3)),
        PledgeIn(code=str(rng.randrange(50))),
    ]
    of = tuple(rng.sample(atoms, 3))
    return rng.choice([of[0], All(of=of[:2]), AnyOf(of=of), Some(of=of, at_least=2)])
