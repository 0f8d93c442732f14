"""How loaded the process is, and so what it does not answer for the moment."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from countmein.base.problems import Problem
from countmein.intake.routes import Level

#: What lasts counts, not what flashes by: the load is the least of the last two seconds.
_LOOK_SECONDS: Final = 0.2
_LOOKS: Final = 10
#: The event loop is this late for one level; each further level is as much again.
_LAG_STEP_SECONDS: Final = 0.25
#: So many requests wait for a thread at one level; each further level is as many again.
_WAITING_STEP: Final = 12
#: One level down at a time, so that what was shed does not all come back at once.
_CALM_SECONDS: Final = 2.0
#: A stream that is ended is asked for again after so long.
STREAM_RETRY_SECONDS: Final = 30
_RETRY_SECONDS: Final = 10

_log = logging.getLogger(__name__)


def level_of(*, lag_seconds: float, waiting: int) -> Level:
    """The level for an event loop that late, and so many requests waiting for a thread."""
    steps = max(int(lag_seconds / _LAG_STEP_SECONDS), waiting // _WAITING_STEP)
    return Level(min(steps, Level.REPORTS))


class Gauge:
    """The load of this process."""

    def __init__(
        self, *, waiting: Callable[[], int], on_shed: Callable[[], None] = lambda: None
    ) -> None:
        self._waiting = waiting
        self._on_shed = on_shed
        self._looks: deque[tuple[float, int]] = deque(maxlen=_LOOKS)
        self._calm_looks = 0
        self.level = Level.CALM

    def note(self, *, lag_seconds: float, waiting: int) -> None:
        """Take in one look: the level rises with what lasts, and falls step by step."""
        self._looks.append((lag_seconds, waiting))
        if len(self._looks) < _LOOKS:
            return
        found = level_of(
            lag_seconds=min(lag for lag, _waiting in self._looks),
            waiting=min(waiting for _lag, waiting in self._looks),
        )
        if found >= self.level:
            self._calm_looks = 0
            self._rise(found)
            return
        self._calm_looks += 1
        if self._calm_looks * _LOOK_SECONDS >= _CALM_SECONDS:
            self._calm_looks = 0
            self.level = Level(self.level - 1)
            _log.info("less load: shedding level %d", self.level)

    def _rise(self, found: Level) -> None:
        if found == self.level:
            return
        was, self.level = self.level, found
        _log.warning("too much load: shedding level %d", found)
        if was == Level.CALM:
            self._on_shed()

    async def watch(self) -> None:
        """Look for ever."""
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)
            lag_seconds = time.monotonic() - began - _LOOK_SECONDS
            with contextlib.suppress(Exception):
                self.note(lag_seconds=lag_seconds, waiting=self._waiting())


def shed() -> Problem:
    """Not now: others come first. It is safe to ask again later."""
    return Problem(
        status=503,
        reason="overloaded",
        detail="Too many ask at once; this can wait. Please come again in a moment.",
        headers={"Retry-After": str(_RETRY_SECONDS)},
    )
