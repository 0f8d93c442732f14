"""The clock, the chance and the wire of a run: all that the reducers may not have themselves."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

from tests.simulator.options import DAY, HOUR, Options

START: Final = datetime(2026, 3, 27, 9, 0, tzinfo=UTC)
#: A process in steps: what it yields is how long it sleeps until the next one, in milliseconds.
Process: TypeAlias = Iterator[int]


class World:
    """Events in order of virtual time; the same seed gives the same run, step by step."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.t = 0
        self.now = START
        self.steps = 0
        #: In the second phase nothing goes wrong any more, and everything must settle.
        self.is_calm = False
        self.draw = random.Random(options.seed * 7 + 2)
        self.trace: list[str] | None = None
        self._queue: list[tuple[int, int, Callable[[], Any]]] = []
        self._count = 0

    def later(self, delay: int, act: Callable[[], Any]) -> None:
        """Do this so many milliseconds from now."""
        self._count += 1
        heapq.heappush(self._queue, (self.t + delay, self._count, act))

    def next_at(self) -> int | None:
        """When the next event is, None if there is none."""
        return self._queue[0][0] if self._queue else None

    def step(self) -> None:
        """Let the next event happen."""
        self.t, _count, act = heapq.heappop(self._queue)
        self.now = instant(self.t)
        self.steps += 1
        act()

    def happens(self, percent: int) -> bool:
        """Whether a fault happens now."""
        return percent > 0 and not self.is_calm and self.draw.random() * 100 < percent

    def pause(self, most: int) -> int:
        """A while of at most so many milliseconds."""
        return 1 + int(self.draw.random() * most)

    def note(self, *words: object) -> None:
        """A line for whoever reads a failing run."""
        if self.trace is not None:
            self.trace.append(f"{self.t / HOUR:9.4f} h  " + " ".join(map(str, words)))


def instant(t: int) -> datetime:
    """A moment of virtual time as the law knows it."""
    return START + timedelta(milliseconds=t)


def moment(at: datetime) -> int:
    """The virtual time of an instant."""
    return round((at - START) / timedelta(milliseconds=1))


__all__ = ["DAY", "HOUR", "START", "Process", "World", "instant", "moment"]
