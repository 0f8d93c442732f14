"""Recorded campaigns of the past, as single members who join and leave: pure, and the same always.

A recording tells how many people there were and how much they had pledged at some instants. Its
people are made up so that their number, and what they pledge together, are the recorded ones.
"""

import csv
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

#: What people like to give, minor units, and how often: most of it round, a few very large.
_USUAL = (100, 500, 1000, 1500, 2500, 3000, 6000, 10000, 25000, 50000, 100000)
_OFTEN = (3, 6, 12, 22, 24, 12, 9, 6, 3, 2, 1)


class SeriesRefused(Exception):
    """The file is no recorded series; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was recorded at one instant: people, and what they had pledged (minor units).

    A series without money counts people only; their amount is 1 each.
    """

    at: float
    people: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One recorded campaign."""

    name: str
    kind: str
    currency: str
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """Somebody joins: the how-manieth member, and with how much."""

    number: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What happened between one sample and the next: first these leave, then those join."""

    at: float
    leaving: tuple[int, ...]
    joining: tuple[Joining, ...]


def read_series(path: Path) -> Series:
    """Read a recorded series; the columns say which kind it is. Raises SeriesRefused."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            # Lines that begin with # carry a sample's source and licence.
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise SeriesRefused(f"{path} cannot be read: {fault}") from fault
    if not rows:
        raise SeriesRefused(f"{path} has no samples.")
    columns = set(rows[0])
    try:
        if columns >= {"unix_time", "backers", "pledged_usd"}:
            return Series(
                name=path.stem, kind="money", currency="USD", samples=tuple(map(_backed, rows))
            )
        if columns >= {"time_utc", "signatures"}:
            return Series(
                name=path.stem, kind="signature", currency="", samples=tuple(map(_signed, rows))
            )
    except (ValueError, TypeError) as fault:
        raise SeriesRefused(f"{path} has a sample that is no number: {fault}") from fault
    raise SeriesRefused(
        f"{path} is no known series: columns unix_time, backers, pledged_usd or time_utc,"
        f" signatures are expected, not {', '.join(map(str, rows[0]))}."
    )


def _backed(row: dict[str, str]) -> Sample:
    dollars = int(row["pledged_usd"])
    return Sample(at=float(row["unix_time"]), people=int(row["backers"]), amount=dollars * 100)


def _signed(row: dict[str, str]) -> Sample:
    at = datetime.fromisoformat(row["time_utc"]).timestamp()
    return Sample(at=at, people=int(row["signatures"]), amount=int(row["signatures"]))


def scaled(samples: Iterable[Sample], *, every: int) -> Iterator[Sample]:
    """Keep every N-th member, the first included; nobody pledges less than one minor unit."""
    for sample in samples:
        people = -(-sample.people // every)
        amount = max(sample.amount // every, people) if people else 0
        yield Sample(at=sample.at, people=people, amount=amount)


def every_nth(series: Series, *, most_people: int) -> int:
    """The smallest N with which at most so many people are there at any time."""
    peak = max(sample.people for sample in series.samples)
    return max(1, -(-peak // most_people))


def plan(series: Series, *, every: int) -> list[Step]:
    """Who joins and who leaves when, so that people and amounts are those recorded.

    People agree at every sample, amounts at every sample at which somebody comes or goes, and at
    the last one. The same series and N give the same plan.
    """
    # The choice only has to look natural and be the same again.
    crowd = _Crowd(chance=random.Random(f"{series.name}/{every}"), is_plain=series.kind != "money")  # noqa: S311
    samples = list(scaled(series.samples, every=every))
    steps = []
    for index, sample in enumerate(samples):
        if sample.people == crowd.people and index < len(samples) - 1:
            continue
        step = crowd.step(sample)
        if step.joining or step.leaving:
            steps.append(step)
    return steps


@dataclass(slots=True, kw_only=True)
class _Crowd:
    """Who is in at the moment, with how much."""

    chance: random.Random
    is_plain: bool
    amounts: dict[int, int] = field(default_factory=dict)
    total: int = 0
    arrived: int = 0

    @property
    def people(self) -> int:
        return len(self.amounts)

    def step(self, sample: Sample) -> Step:
        """Come to what the sample says.

        Where amounts cannot agree otherwise, somebody leaves and somebody else joins instead.
        """
        more, owed = sample.people - self.people, sample.amount - self.total
        leaving = self._leave(-more, owed=owed) if more < 0 else []
        joining = sample.people - self.people
        if joining == 0 and self.total != sample.amount:
            leaving += self._leave(1, owed=0)
            joining = 1
        while sample.amount - self.total < joining:
            leaving.append(self._largest_leaves())
            joining += 1
        return Step(
            at=sample.at,
            leaving=tuple(leaving),
            joining=tuple(self._join(joining, total=sample.amount - self.total)),
        )

    def _leave(self, count: int, *, owed: int) -> list[int]:
        """Anybody leaves, but the last of them somebody whose amount is just right, if there is."""
        numbers = list(self.amounts)
        chosen = self.chance.sample(numbers, count)
        gone = sum(self.amounts[number] for number in chosen[:-1])
        fitting = (n for n in numbers if self.amounts[n] == -owed - gone and n not in chosen[:-1])
        chosen[-1] = next(fitting, chosen[-1])
        for number in chosen:
            self.total -= self.amounts.pop(number)
        return chosen

    def _largest_leaves(self) -> int:
        number = max(self.amounts, key=self.amounts.__getitem__)
        self.total -= self.amounts.pop(number)
        return number

    def _join(self, count: int, *, total: int) -> Iterator[Joining]:
        amounts = [1] * count if self.is_plain else _shared(count, total=total, chance=self.chance)
        for amount in amounts:
            self.arrived += 1
            self.amounts[self.arrived] = amount
            self.total += amount
            yield Joining(number=self.arrived, amount=amount)


def _shared(count: int, *, total: int, chance: random.Random) -> list[int]:
    """Plausible amounts of `count` people that add up to `total`, each at least 1."""
    if count == 0:
        return []
    amounts = chance.choices(_USUAL, weights=_OFTEN, k=count)
    left = total - sum(amounts)
    order = list(range(count))
    chance.shuffle(order)
    # One after the other gives a size more or less, until the sum is nearly right …
    for _round in range(len(_USUAL)):
        for place in order:
            moved = _neighbour(amounts[place], up=left > 0)
            if abs(left - (moved - amounts[place])) < abs(left):
                left -= moved - amounts[place]
                amounts[place] = moved
    # … and what is left over is one person's odd amount, or several persons' if it is too little.
    for place in sorted(order, key=amounts.__getitem__, reverse=True):
        change = max(left, 1 - amounts[place])
        amounts[place] += change
        left -= change
        if left == 0:
            break
    return amounts


def _neighbour(amount: int, *, up: bool) -> int:
    place = _USUAL.index(amount)
    return _USUAL[min(place + 1, len(_USUAL) - 1) if up else max(place - 1, 0)]


def replayed(steps: Sequence[Step]) -> tuple[int, int]:
    """How many people are in at the end of a plan, and with how much together."""
    live: dict[int, int] = {}
    for step in steps:
        for number in step.leaving:
            del live[number]
        live |= {join.number: join.amount for join in step.joining}
    return len(live), sum(live.values())
