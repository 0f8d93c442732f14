"""What the law costs: a million conditional parts cleared, and one more part or one less.

Everything runs in one thread, without a database. Rounds of all of it alternate.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from bench.figures import Asked, Findings
from countmein.rules.clearing import Crowd, clear, unlock
from countmein.rules.conditions import All, AnyOf, Condition, People, PeopleIn, Places, Some, Sum
from countmein.rules.running import Running
from countmein.rules.thresholds import ThresholdTree

PLACE_COUNT: Final = 100
PEOPLE_IN_A_CROWD: Final = 50
# The thresholds people are offered: 1, 2, 5, 10, 20, 50 and so on.
STEPS: Final = (1, 2, 5)


def timed(act: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def menu_condition(rng: random.Random) -> Condition:
    """A condition as people choose them: half are one threshold, half combine two or three."""
    atoms: list[Condition] = [
        People(n=rng.choice(STEPS) * 10 ** rng.randrange(7)),
        Sum(kind="money", at_least=rng.choice(STEPS) * 10 ** rng.randrange(10)),
        PeopleIn(place=place(rng), at_least=rng.choice(STEPS) * 10 ** rng.randrange(5)),
        Places(people=rng.choice(STEPS) * 10 ** rng.randrange(4), at_least=rng.randint(1, 99)),
    ]
    draw = rng.random()
    if draw < 0.5:
        return rng.choice(atoms)
    if draw < 0.7:
        return All(of=tuple(rng.sample(atoms, 2)))
    if draw < 0.9:
        return AnyOf(of=tuple(rng.sample(atoms, 3)))
    return Some(of=tuple(rng.sample(atoms, 3)), at_least=2)


def place(rng: random.Random) -> str:
    """One of the campaign's places."""
    return f"place {rng.randrange(PLACE_COUNT)}"


def million_parts(rng: random.Random, *, crowd_count: int = 20_000) -> list[Crowd]:
    """A million people, fifty to a crowd, each crowd in one place with one condition."""
    return [
        Crowd(
            condition=menu_condition(rng),
            people=50,
            sums={"money": 50 * rng.randrange(100, 10_000)},
            people_in={place(rng): 50},
            pledges=frozenset(),
        )
        for _ in range(crowd_count)
    ]


def million_in_a_chain(*, crowd_count: int = 20_000) -> list[Crowd]:
    """The slowest order: each crowd waits for the one before, and the first one fails."""
    return [
        Crowd(
            condition=All(of=(People(n=51 * (rank + 1)), PeopleIn(place="here", at_least=50))),
            people=50,
            sums={"money": 5_000},
            people_in={"here": 50},
            pledges=frozenset(),
        )
        for rank in range(crowd_count)
    ]


def distinct_parts(rng: random.Random, *, crowd_count: int) -> list[Crowd]:
    """People who each wait for something of their own, compound and unlike anybody else's."""
    return [
        Crowd(
            condition=All(
                of=(
                    People(n=rng.randrange(1, 2 * crowd_count)),
                    Sum(kind="money", at_least=rng.randrange(10**9)),
                    PeopleIn(place=place(rng), at_least=rng.randrange(1, 5_000)),
                )
            ),
            people=1,
            sums={"money": rng.randrange(100, 10_000)},
            people_in={place(rng): 1},
            pledges=frozenset(),
        )
        for _ in range(crowd_count)
    ]


def measure(asked: Asked) -> Findings:
    """`size` is the number of people in classes; there are 50 in each, and 0.3 as many distinct."""
    found, rng = Findings(), random.Random(2010)
    size = asked.size_or(1_000_000)
    count = max(1, size // PEOPLE_IN_A_CROWD)
    crowds, chain = million_parts(rng, crowd_count=count), million_in_a_chain(crowd_count=count)
    distinct = distinct_parts(rng, crowd_count=max(1, size * 3 // 10))
    is_full = size == 1_000_000
    for _ in range(asked.rounds):
        _classes(found, crowds, f"{size:,} people in {count:,} classes", 170 if is_full else None)
        _clear(found, chain, f"{size:,} people in a chain that all falls", None)
        _clear(found, distinct, f"{len(distinct):,} distinct", 4_000 if is_full else None)
        _limit(found, crowds, distinct)
        _one_threshold(found, rng)
        for conditions in (20, 200):
            _one_part(found, rng, condition_count=conditions)
    found.facts["people in"] = clear(crowds).totals.people
    return found


def _clear(found: Findings, crowds: list[Crowd], name: str, goal_ms: float | None) -> None:
    found.add(f"clear {name}", timed(lambda: clear(crowds)) * 1e3, "ms", at_most=goal_ms)


def _classes(found: Findings, crowds: list[Crowd], name: str, goal_ms: float | None) -> None:
    """Clear anew, and find the unlock distance."""
    outcome = clear(crowds)
    _clear(found, crowds, name, goal_ms)
    found.add(f"unlock {name}", timed(lambda: unlock(crowds, outcome)) * 1e3, "ms")


def _limit(found: Findings, crowds: list[Crowd], distinct: list[Crowd]) -> None:
    """Sorting so many keys: numpy's where it is there, else Python's own."""
    for parts in (crowds, distinct):
        keys = [sum(crowd.sums.values()) for crowd in parts]
        try:
            import numpy
        except ImportError:
            name, taken = "Python", timed(lambda keys=keys: sorted(keys))
        else:
            row = numpy.array(keys)
            name, taken = "numpy", timed(lambda row=row: numpy.sort(row))
        found.add(f"{name} sorts {len(keys):,} keys", taken * 1e3, "ms", role="limit")


def _one_threshold(found: Findings, rng: random.Random, *, member_count: int = 50_000) -> None:
    """One aggregate: an update, the answer and the unlock distance, among many thresholds."""
    tree, members = ThresholdTree(), []
    for _ in range(member_count):
        members.append((rng.randrange(10**8), rng.randrange(100, 10_000)))
        tree.add(threshold=members[-1][0], weight=members[-1][1])

    def update_thousand() -> None:
        for index in range(1000):
            threshold, weight = members[index]
            tree.add(threshold=threshold, weight=-weight, count=-1)
            members[index] = (threshold * 7 % 10**8, weight)
            tree.add(threshold=members[index][0], weight=weight)

    name = f"among {member_count:,} thresholds"
    found.add(f"one update {name}", timed(update_thousand) / 2000 * 1e6, "µs", at_most=100)
    thousand = range(1000)
    answers = timed(lambda: [tree.fixed_point() for _ in thousand])
    found.add(f"one answer {name}", answers * 1e3, "µs")
    found.add(
        f"one unlock distance {name}", timed(lambda: [tree.unlock() for _ in thousand]) * 1e3, "µs"
    )


def _one_part(found: Findings, rng: random.Random, *, condition_count: int) -> None:
    """Compound conditions: one new part and one withdrawal among so many different conditions."""
    menu = [menu_condition(rng) for _ in range(condition_count)]
    running = Running[int]()
    for key, condition in enumerate([None, *menu]):
        running.add_crowd(key, condition)
    parts = [
        (rng.randrange(condition_count + 1), rng.randrange(100, 10_000), place(rng))
        for _ in range(5_000)
    ]

    def change(part: tuple[int, int, str], sign: int) -> None:
        key, amount, where = part
        running.add(key, kind="money", amount=sign * amount, place=where, people=sign)
        running.settle()

    for part in parts[:-1000]:
        change(part, 1)
    name = f"among {condition_count} compound conditions"
    entering = sorted(timed(partial(change, part, 1)) for part in parts[-1000:])
    leaving = sorted(timed(partial(change, part, -1)) for part in parts[-1000:])
    found.add(f"one part more {name}", entering[500] * 1e6, "µs", at_most=100)
    found.add(f"one part less {name}", leaving[500] * 1e6, "µs", at_most=100)
