"""A recorded crowd at the public door: each member pledges, and some withdraw."""

import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from countmein.cli.door import Door
from countmein.cli.people import address_of, name_of
from countmein.cli.series import Joining, Series, Step

_CONNECTIONS = 8
#: Requests handed out ahead; more would only fill memory.
_AHEAD = 4 * _CONNECTIONS
_SAY_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class Walk:
    """One crowd on its way through the door of one campaign."""

    door: Door
    campaign: str
    series: Series
    every: int
    joined: int = 0
    left: int = 0
    #: Members who could not withdraw, because the campaign had tipped with them in it.
    latched: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    _pledges: dict[int, Future[dict[str, Any] | None]] = field(default_factory=dict)
    _room: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(_AHEAD))
    _count: threading.Lock = field(default_factory=threading.Lock)

    def go(self, steps: Sequence[Step], *, speed: float | None) -> None:
        """Take every step, `speed` times as fast as it was recorded or, without, at once.

        The first step is taken at once: a recording may begin in the middle. A request that is not
        answered is repeated under its key, so walking the same way again changes nothing.
        """
        began, first = time.monotonic(), steps[0].at if steps else 0.0
        with ThreadPoolExecutor(_CONNECTIONS) as pool, self._told(steps):
            done: list[Future[Any]] = []
            for step in steps:
                if speed is not None:
                    time.sleep(max(0.0, began + (step.at - first) / speed - time.monotonic()))
                for number in step.leaving:
                    done.append(self._submit(pool, self._leave, self._pledges[number]))
                for joining in step.joining:
                    pledge = self._submit(pool, self._join, joining)
                    self._pledges[joining.number] = pledge
                    done.append(pledge)
            for each in done:
                each.result()

    def _submit(self, pool: ThreadPoolExecutor, act: Callable[..., Any], about: Any) -> Future[Any]:
        self._room.acquire()
        future = pool.submit(act, about)
        future.add_done_callback(lambda _done: self._room.release())
        return future

    def _join(self, joining: Joining) -> dict[str, Any] | None:
        """Pledge as one member; the answer holds the key to their own pledge."""
        crowd = f"{self.series.name}-{self.every}"
        body: dict[str, Any] = {
            "kind": self.series.kind,
            "amount": joining.amount,
            "member": {
                "email": address_of(crowd, joining.number),
                "name": name_of(joining.number),
            },
            "public_name": joining.number % 5 == 0,
        }
        if self.series.kind == "money":
            body["payment_method"] = "pm_card_visa"
        reply = self.door.ask(
            "POST",
            f"/api/v1/campaigns/{self.campaign}/pledges",
            body,
            headers={"Idempotency-Key": f"{crowd}-{joining.number}"},
        )
        with self._count:
            if reply.status != 201:
                self.refused[reply.reason] = self.refused.get(reply.reason, 0) + 1
                return None
            self.joined += 1
        answer: dict[str, Any] = reply.body
        return answer

    def _leave(self, pledge: Future[dict[str, Any] | None]) -> None:
        mine = pledge.result()
        if mine is None:
            return
        path = f"/api/v1/pledges/{mine['code']}?receipt={mine['receipt']}"
        reply = self.door.ask("DELETE", path)
        with self._count:
            if reply.status == 200:
                self.left += 1
            elif reply.reason == "latched":
                self.latched += 1
            else:
                self.refused[reply.reason] = self.refused.get(reply.reason, 0) + 1

    def _told(self, steps: Sequence[Step]) -> "_Progress":
        coming = sum(len(step.joining) for step in steps)
        going = sum(len(step.leaving) for step in steps)
        return _Progress(walk=self, coming=coming, going=going)


class _Progress:
    """Says on stderr how far a walk has come, while it lasts and at its end."""

    def __init__(self, *, walk: Walk, coming: int, going: int) -> None:
        self._walk, self._coming, self._going = walk, coming, going
        self._over = threading.Event()
        self._teller = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> None:
        self._began = time.monotonic()
        self._teller.start()

    def __exit__(self, *_fault: object) -> None:
        self._over.set()
        self._teller.join()
        self._say()

    def _tell(self) -> None:
        while not self._over.wait(_SAY_SECONDS):
            self._say()

    def _say(self) -> None:
        walk, seconds = self._walk, time.monotonic() - self._began
        done = walk.joined + walk.left
        line = (
            f"{walk.series.name}: {walk.joined:,} of {self._coming:,} joined, {walk.left:,} of"
            f" {self._going:,} left, {done / max(seconds, 0.001):,.0f} a second"
        )
        print(line, file=sys.stderr, flush=True)
