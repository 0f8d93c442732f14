"""Two acts step by step, in any order of their statements, as PostgreSQL's isolation tester does.

Each act has a thread and a connection of its own and stops before each of its statements, and
before each commit, until it is let on. Whether it then came to its next stop or hangs on a lock
that the other one holds is asked of the database.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from django.db import connection, connections

Side: TypeAlias = Literal[0, 1]

#: These take part in no quarrel, so nobody has to be stopped before them.
_QUIET = ("SAVEPOINT", "RELEASE SAVEPOINT", "SELECT clock_timestamp()")
#: Longer than any statement takes on a machine under load: beyond it the rig itself is broken.
_PATIENCE_SECONDS = 60
#: How long an act is waited for before the database is asked whether it hangs on a lock.
_GLANCE_SECONDS = 0.002


@dataclass(frozen=True, slots=True)
class Said:
    """How an act ended: with an answer, or with what it raised."""

    answer: Any = None
    raised: Exception | None = None


class _Walker:
    """A thread that does one act after another, a statement at a time."""

    def __init__(self) -> None:
        self.acts: queue.SimpleQueue[Callable[[], Any] | None] = queue.SimpleQueue()
        self.reports: queue.SimpleQueue[str | Said] = queue.SimpleQueue()
        self.let_on = threading.Semaphore(0)
        self.thread = threading.Thread(target=self._live, daemon=True)
        self.thread.start()

    def _live(self) -> None:
        try:
            while (act := self.acts.get()) is not None:
                with self._stopping():
                    said = _tried(act)
                self.reports.put(said)
        finally:
            connections.close_all()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        connection.ensure_connection()
        commit = connection._commit

        def stop_and_commit() -> None:
            self._stop("COMMIT")
            commit()

        connection._commit = stop_and_commit
        try:
            with connection.execute_wrapper(self._stop_and_execute):
                yield
        finally:
            connection._commit = commit

    def _stop_and_execute(self, execute: Any, sql: Any, *args: Any) -> Any:
        text = sql if isinstance(sql, str) else str(sql)
        if not text.startswith(_QUIET):
            self._stop(text)
        return execute(sql, *args)

    def _stop(self, where: str) -> None:
        self.reports.put(where)
        self.let_on.acquire()


def _tried(act: Callable[[], Any]) -> Said:
    try:
        return Said(answer=act())
    except Exception as error:
        return Said(raised=error)


class Steps:
    """Two walkers, and whoever says which of them takes the next step."""

    def __init__(self) -> None:
        self._walkers = (_Walker(), _Walker())
        self.trace: list[str] = []

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        for walker in self._walkers:
            walker.acts.put(None)
            walker.thread.join(timeout=_PATIENCE_SECONDS)
            assert not walker.thread.is_alive()

    def run(
        self, acts: tuple[Callable[[], Any], Callable[[], Any]], order: Sequence[Side]
    ) -> tuple[Said, Said]:
        """Do both acts in this order of their steps, and return how each ended.

        Whoever hangs on a lock, or is done, leaves the step to the other; when the order is used
        up, the first one goes on to its end and then the second.
        """
        self.trace = []
        ended: dict[int, Said] = {}
        stopped: set[int] = set()
        for walker, act in zip(self._walkers, acts, strict=True):
            walker.acts.put(act)
        self._settle(stopped, ended)
        wishes = iter(order)
        while len(ended) < 2:
            wish = next(wishes, 0)
            who = wish if wish in stopped else next(iter(sorted(stopped)), None)
            if who is not None:
                stopped.discard(who)
                self._walkers[who].let_on.release()
            self._settle(stopped, ended, must_move=who is None)
        return ended[0], ended[1]

    def _settle(
        self, stopped: set[int], ended: dict[int, Said], *, must_move: bool = False
    ) -> None:
        """Wait until each act has stopped, ended, or hangs on a lock.

        `must_move`: both hang, each on the other, until the database ends one of them.
        """
        for _glance in range(int(_PATIENCE_SECONDS / _GLANCE_SECONDS)):
            under_way = [i for i in (0, 1) if i not in stopped and i not in ended]
            for i in under_way:
                try:
                    report = self._walkers[i].reports.get(timeout=_GLANCE_SECONDS)
                except queue.Empty:
                    continue
                must_move = False
                if isinstance(report, Said):
                    ended[i] = report
                else:
                    stopped.add(i)
                    self.trace.append(f"{'ab'[i]}: {' '.join(report.split())[:150]}")
            left = sum(i not in stopped and i not in ended for i in (0, 1))
            if not left or (not must_move and hanging() >= left):
                return
        raise AssertionError("an act neither stopped nor ended nor hangs: " + str(self.trace))


def hanging() -> int:
    """How many sessions wait for a lock that another one holds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND wait_event_type = 'Lock' AND cardinality(pg_blocking_pids(pid)) > 0"
        )
        return int(cursor.fetchone()[0])


def orders(first: int, second: int, *, most: int, draw: Any) -> list[list[Side]]:
    """Orders of two acts of so many steps: each interrupted once by the whole of the other, at
    every step or evenly spread over them; the last third each interrupts the other once."""
    ends: Side = 1
    once: list[list[Side]] = [[0] * n + [ends] * (4 * second) for n in range(1, first)]
    once += [[1] * n + [0] * (4 * first) for n in range(1, second)]
    few = most - most // 3
    if len(once) > few:
        once = [once[int(n * len(once) / few)] for n in range(few)]
    twice: list[list[Side]] = []
    while first > 1 and second > 1 and len(once) + len(twice) < most:
        a, b = draw.randrange(1, first), draw.randrange(1, second)
        more = draw.randrange(1, first - a + 1)
        twice.append([0] * a + [1] * b + [0] * more + [ends] * (4 * second))
    return once + twice
