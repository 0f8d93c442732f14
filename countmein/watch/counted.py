"""The numbers that alarms look at, and how far back each look goes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from countmein.base.metrics import REQUESTS, Counter, Gauge
from countmein.outreach.actions import MAILS

DESK_ACTS: Final = Counter("countmein_desk_acts_total", "Acts of the site's owners at the desk")
MEMORY: Final = Gauge("countmein_process_memory_bytes", "Memory that a process has in use")


def _failed() -> float:
    return sum(value for (_, _, status), value in REQUESTS.rows() if status >= "500")


#: What a process has counted since its start: how it is read, how many seconds count as lately.
WATCHED: Final[dict[str, tuple[Callable[[], float], float]]] = {
    "requests": (lambda: sum(value for _, value in REQUESTS.rows()), 60.0),
    "failed": (_failed, 60.0),
    "desk_acts": (DESK_ACTS.value, 60.0),
    "mails": (lambda: sum(value for _, value in MAILS.rows()), 600.0),
    "mails_refused": (lambda: MAILS.value("refused"), 600.0),
}
