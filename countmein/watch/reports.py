"""Each process reports its numbers to one row, so that any of them can answer for all."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

from countmein.base.clock import real_now
from countmein.base.metrics import snapshot
from countmein.watch.counted import MEMORY, WATCHED
from countmein.watch.models import Report

#: A process that has not reported for this long is gone, and its numbers with it.
SILENT: Final = timedelta(seconds=60)


def part() -> str:
    """What this process is called, as `up` named it; empty for a process that reports nothing."""
    return os.environ.get("COUNTMEIN_PART", "")


class Reporter:
    """Writes one process's numbers, and remembers enough to say how they grew lately."""

    def __init__(self, *, part: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._part = part
        self._clock = clock
        self._seen = {name: deque([(clock(), read())]) for name, (read, _) in WATCHED.items()}

    def report(self) -> None:
        """Write down where the numbers stand."""
        MEMORY.set(memory_bytes())
        fields = {"at": real_now(), "metrics": snapshot(), "recent": self._grown()}
        Report.objects.update_or_create(part=self._part, defaults=fields)

    def _grown(self) -> dict[str, float]:
        """By how much each watched number grew in its window."""
        now = self._clock()
        grown = {}
        for name, (read, window_seconds) in WATCHED.items():
            seen, value = self._seen[name], read()
            seen.append((now, value))
            # The newest of those before the window is where it began.
            while len(seen) > 2 and seen[1][0] <= now - window_seconds:
                seen.popleft()
            grown[name] = value - seen[0][1]
        return grown


def memory_bytes() -> int:
    """How much memory this process has in use; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def recent(name: str) -> float:
    """By how much a watched number grew lately in all processes together."""
    rows = Report.objects.filter(at__gt=real_now() - SILENT)
    return float(sum(row.recent.get(name, 0.0) for row in rows))


def forget_silent() -> None:
    """Delete the reports of processes that are gone."""
    Report.objects.filter(at__lt=real_now() - SILENT * 60).delete()
