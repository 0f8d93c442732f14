"""What the law costs: one update, and a million parts cleared. `python -m bench.rules`.

Prints JSON. Each figure is the minimum, median and maximum over several rounds, with the goal
beside it. Everything runs in one thread, without a database.
"""

import json
import random
import sys
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import Final

from countmein.rules.clearing import Crowd, Incremental, Part, classes, clear, grow, unlock
from countmein.rules.conditions import All, AnyOf, Condition, People, PeopleIn, Places, Some, Sum
from countmein.rules.thresholds import ThresholdTree

ROUNDS: Final = 7
PLACE_COUNT: Final = 100
# The thresholds people are offered: 1, 2, 5, 10, 20, 50 and so on.
STEPS: Final = (1, 2, 5)


def timed(act: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    started = perf_counter()
    act()
    return perf_counter() - started


def spread(values: list[float], *, scale: float, goal: float | None = None) -> dict[str, float]:
    """The least, middle and largest of several measurements, in the scale's unit."""
    figures = {"min": min(values), "median": median(values), "max": max(values)}
    rounded = {name: round(value * scale, 2) for name, value in figures.items()}
    return rounded if goal is None else {**rounded, "goal": goal}


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


def clearing(crowds: list[Crowd]) -> dict[str, object]:
    """Clear the crowds anew, after growth, and find the unlock distance."""
    outcome = clear(crowds)
    return {
        "crowds_in": sum(outcome.is_in),
        "people_in": outcome.totals.people,
        "clear_ms": spread(
            [timed(lambda: clear(crowds)) for _ in range(ROUNDS)], scale=1e3, goal=170
        ),
        "grow_ms": spread(
            [timed(lambda: grow(crowds, outcome.is_in)) for _ in range(ROUNDS)], scale=1e3
        ),
        "unlock_ms": spread(
            [timed(lambda: unlock(crowds, outcome)) for _ in range(ROUNDS)], scale=1e3
        ),
    }


def one_threshold(rng: random.Random, *, member_count: int = 50_000) -> dict[str, object]:
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

    updates = [timed(update_thousand) / 2000 for _ in range(ROUNDS)]
    answers = [timed(lambda: [tree.fixed_point() for _ in range(1000)]) for _ in range(ROUNDS)]
    unlocks = [timed(lambda: [tree.unlock() for _ in range(1000)]) for _ in range(ROUNDS)]
    return {
        "members": member_count,
        "update_us": spread(updates, scale=1e6, goal=100),
        "answer_us": spread(answers, scale=1e3),
        "unlock_us": spread(unlocks, scale=1e3),
    }


def one_part(rng: random.Random, *, condition_count: int) -> dict[str, object]:
    """Compound conditions: one new part and one withdrawal among so many different conditions."""
    menu = [menu_condition(rng) for _ in range(condition_count)]
    parts = [
        Part(
            id=str(number),
            condition=rng.choice([None, *menu]),
            people=1,
            kind="money",
            amount=rng.randrange(100, 10_000),
            place=place(rng),
            pledge=None,
        )
        for number in range(5_000)
    ]
    running = Incremental()
    for part in parts[:-1000]:
        running.add(part)
    entering = [timed(partial(running.add, part)) for part in parts[-1000:]]
    leaving = [timed(partial(running.withdraw, part.id)) for part in parts[-1000:]]
    return {
        "conditions": len(classes(parts)),
        "people_in": running.totals.people,
        "add_us": spread(entering, scale=1e6, goal=100),
        "withdraw_us": spread(leaving, scale=1e6, goal=100),
    }


def main() -> None:
    """Measure everything and print it."""
    rng = random.Random(2010)
    report = {
        "python": sys.version.split()[0],
        "rounds": ROUNDS,
        "one_threshold": one_threshold(rng),
        "one_part_among_20_conditions": one_part(rng, condition_count=20),
        "one_part_among_200_conditions": one_part(rng, condition_count=200),
        "million_parts_in_20000_classes": clearing(million_parts(rng)),
        "million_parts_that_all_fall": clearing(million_in_a_chain()),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
