"""Many at once: threads with connections of their own, started together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import connection, connections

T = TypeVar("T")


class Crowd:
    """Threads that keep their connections from round to round."""

    def __init__(self, threads: int = 16) -> None:
        self._width = threads
        self._pool = ThreadPoolExecutor(threads)

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        """Each thread gives its connection back: all of them meet once more."""
        everybody = threading.Barrier(self._width)

        def leave(_: int) -> None:
            everybody.wait(timeout=30)
            connections.close_all()

        list(self._pool.map(leave, range(self._width)))
        self._pool.shutdown()

    def together(self, acts: Sequence[Callable[[], T]]) -> list[T | Exception]:
        """Do all acts, started at one instant, and answer in order; a failure is an answer."""
        width = min(self._width, len(acts))
        start = threading.Barrier(width)

        def worker(own: Sequence[tuple[int, Callable[[], T]]]) -> list[tuple[int, Any]]:
            connection.ensure_connection()
            start.wait(timeout=30)
            return [(index, _tried(act)) for index, act in own]

        numbered = list(enumerate(acts))
        lists = list(self._pool.map(worker, [numbered[i::width] for i in range(width)]))
        pairs = [pair for own in lists for pair in own]
        return [answer for _index, answer in sorted(pairs, key=_first)]


def together(acts: Sequence[Callable[[], T]], *, threads: int = 16) -> list[T | Exception]:
    """Do all acts once, `threads` of them at a time."""
    with Crowd(min(threads, len(acts))) as crowd:
        return crowd.together(acts)


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]


def _tried(act: Callable[[], T]) -> T | Exception:
    try:
        return act()
    except Exception as error:
        return error


class Meanwhile:
    """Something done over and over in a thread of its own for the length of a `with` block."""

    def __init__(self, act: Callable[[], Any], *, pause_seconds: float = 0.0) -> None:
        self._act, self._pause = act, pause_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.answers: list[Any] = []
        self.failures: list[Exception] = []

    def _run(self) -> None:
        try:
            while not self._stopped.is_set():
                try:
                    self.answers.append(self._act())
                except Exception as error:
                    self.failures.append(error)
                self._stopped.wait(self._pause)
        finally:
            connections.close_all()

    def __enter__(self) -> Meanwhile:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        # A job stops at the end of its turn, which is long on a busy machine.
        self._thread.join(timeout=300)
        assert not self._thread.is_alive()
