"""How much one sender may ask for: counts in memory, one set for each process.

With N web processes a sender can have N times as much; limits are there to stop floods, and a
count shared through the database would cost each honest request a write.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

#: Senders remembered at once; beyond it the windows that have ended are forgotten.
_MAX_SENDERS = 100_000


class Limit:
    """At most `count` in a window of `window_seconds`, which begins with a sender's first."""

    def __init__(
        self, *, count: int, window_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.count = count
        self.window_seconds = window_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, sender: str) -> int:
        """Count one more; return 0, or the seconds to wait where that is one too many."""
        now = self._clock()
        with self._lock:
            ends_at, taken = self._windows.get(sender, (0.0, 0))
            if ends_at <= now:
                self._forget_ended(now)
                ends_at, taken = now + self.window_seconds, 0
            if taken >= self.count:
                return max(1, math.ceil(ends_at - now))
            self._windows[sender] = (ends_at, taken + 1)
        return 0

    def _forget_ended(self, now: float) -> None:
        if len(self._windows) < _MAX_SENDERS:
            return
        self._windows = {
            sender: window for sender, window in self._windows.items() if window[0] > now
        }
        if len(self._windows) >= _MAX_SENDERS:
            # A flood from ever new addresses must not fill the memory; it starts all afresh.
            self._windows.clear()
