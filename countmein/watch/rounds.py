"""The rounds that a process makes: it reports its numbers, looks, and raises or clears alarms."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from django.db import OperationalError, close_old_connections, connections

from countmein.watch import alarms, inspections, looks, reports
from countmein.watch.looks import Findings

log = logging.getLogger(__name__)

#: Between two rounds; what is wrong is known within a minute, the letter included.
PACE_SECONDS: Final = 5.0
#: A worker starts together with who looks after it; it has so long before its silence counts.
_GRACE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Something to look at from time to time; None as an answer means that it was not due."""

    look: Callable[[], Findings | None]
    every_seconds: float = 10.0
    first_after_seconds: float = 0.0
    #: Whether the alarm's letters are sent by who looked, because the worker cannot.
    is_sent_here: bool = False


#: What web processes look at.
OF_THE_WEB: Final = (
    Look(look=looks.worker, first_after_seconds=_GRACE_SECONDS, is_sent_here=True),
)
#: What the worker looks at, each in a moment.
OF_THE_WORKER: Final = (
    Look(look=looks.server_errors),
    Look(look=looks.desk_acts),
    Look(look=looks.mails_refused),
    Look(look=looks.disk),
    Look(look=looks.backups),
    Look(look=looks.certificate, every_seconds=3600.0),
)
#: What takes its time, and has rounds of its own so that nothing waits for it.
INSPECTIONS: Final = (Look(look=inspections.inspect_ledger), Look(look=inspections.inspect_all))


class Rounds:
    """One thread's rounds."""

    def __init__(
        self, *, looks: Sequence[Look], part: str = "", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._looks = looks
        self._reporter = reports.Reporter(part=part) if part else None
        self._clock = clock
        began = clock()
        self._due = [began + look.first_after_seconds for look in looks]

    def run(self, stopped: threading.Event) -> None:
        """Make rounds until stopped."""
        while not stopped.wait(PACE_SECONDS):
            close_old_connections()
            self.make()
        connections.close_all()

    def make(self) -> None:
        """Make one round; what fails is logged, and the rest done all the same."""
        if self._reporter is not None:
            _guarded(self._reporter.report)
        for number, look in enumerate(self._looks):
            if self._clock() >= self._due[number]:
                self._due[number] = self._clock() + look.every_seconds
                _guarded(lambda look=look: _look(look))  # type: ignore[misc]


def begin(looks: Sequence[Look], *, part: str = "") -> threading.Event:
    """Make rounds in a thread of their own; set what is returned to end them."""
    stopped = threading.Event()
    rounds = Rounds(looks=looks, part=part)
    threading.Thread(target=rounds.run, args=[stopped], name="watch", daemon=True).start()
    return stopped


def _look(look: Look) -> None:
    for name, detail in (look.look() or {}).items():
        alarm = alarms.settle(name, detail)
        if alarm is not None and look.is_sent_here:
            alarms.hand_over(alarm)


def _guarded(step: Callable[[], None]) -> None:
    try:
        step()
    except OperationalError as error:
        # A database that is away for a while is said in one line a round, not in a page.
        log.warning("a round of the watch waits for the database: %s", error)
    except Exception:
        log.exception("a round of the watch failed")
