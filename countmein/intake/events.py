"""Live tallies: one LISTEN for each process feeds every watcher; the newest tally wins."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg

#: Says the current tally of a campaign as JSON, or None for a code that nobody has. It may block.
Look = Callable[[str], bytes | None]
Connect = Callable[[], Awaitable[psycopg.AsyncConnection[tuple[object, ...]]]]

#: A watcher hears at most one tally in this time.
PACE_SECONDS: Final = 1.0
HEARTBEAT_SECONDS: Final = 15.0
#: A campaign is looked at no more often than this, however often it changes.
_LOOK_PACE_SECONDS: Final = 0.4
_BACK_OFF_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 5.0)

_log = logging.getLogger(__name__)


class Watcher:
    """One client's slot for the event it has not been sent yet."""

    def __init__(self) -> None:
        self._event: bytes | None = None
        self._news = asyncio.Event()
        self._closed = asyncio.Event()
        #: Whether the process asks the client to come again later.
        self.is_shed = False

    @property
    def is_closed(self) -> bool:
        """Whether the client has gone, or the process is about to."""
        return self._closed.is_set()

    def put(self, event: bytes) -> None:
        """Leave an event; one that was not taken in time is forgotten."""
        self._event = event
        self._news.set()

    def close(self) -> None:
        """Wake whoever waits for news: there will be none."""
        self._closed.set()
        self._news.set()

    async def next(self) -> bytes | None:
        """Wait for an event; None when it is time for a heartbeat, or when the watcher closed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), HEARTBEAT_SECONDS)
        self._news.clear()
        event, self._event = self._event, None
        return event

    async def rest(self, seconds: float) -> None:
        """Wait, but not beyond the end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), seconds)


class Tallies:
    """All watchers of this process, and the one connection that hears of changes."""

    def __init__(
        self,
        *,
        look: Look,
        connect: Connect,
        on_change: Callable[[str], None] = lambda _code: None,
    ) -> None:
        self._look = look
        self._connect = connect
        #: Told the code of each campaign that changed; empty if anything may have.
        self._on_change = on_change
        self._watchers: dict[str, set[Watcher]] = defaultdict(set)
        self._looking: dict[str, asyncio.Task[bytes | None]] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Task[None] | None = None
        self._is_draining = False
        self._is_heard = False
        # Two, so that one campaign's slow look does not hold up all the others.
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="tally")

    async def watch(self, code: str) -> Watcher | None:
        """Begin to watch, with the current tally already in the slot; None for an unknown code.

        Raises what the look raises, such as a database that is away.
        """
        watcher = Watcher()
        if self._is_draining:
            watcher.close()
        self.listen()
        # Registered before the look: a change in between is then heard.
        self._watchers[code].add(watcher)
        try:
            event = await self._see(code)
        except BaseException:
            self.leave(code, watcher)
            raise
        if event is None:
            self.leave(code, watcher)
            return None
        watcher.put(event)
        return watcher

    def leave(self, code: str, watcher: Watcher) -> None:
        """Forget a watcher."""
        self._watchers[code].discard(watcher)
        if not self._watchers[code]:
            del self._watchers[code]

    def drain(self) -> None:
        """End every stream: the process is about to stop, and clients reconnect elsewhere."""
        self._is_draining = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.close()
        for task in (self._listener, *self._tasks):
            if task is not None:
                task.cancel()

    def shed(self) -> None:
        """End every stream, and ask its client to come again later."""
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.is_shed = True
                watcher.close()

    async def _see(self, code: str) -> bytes | None:
        """Look at a campaign; all who ask while a look is under way share its answer."""
        task = self._looking.get(code)
        if task is None:
            task = asyncio.ensure_future(self._look_in_thread(code))
            self._looking[code] = task
            task.add_done_callback(lambda _: self._looking.pop(code, None))
        # Shielded: one watcher who leaves must not take the answer from the others.
        return await asyncio.shield(task)

    async def _look_in_thread(self, code: str) -> bytes | None:
        """The campaign's tally as an event, encoded once for all who watch."""
        loop = asyncio.get_running_loop()
        tally = await loop.run_in_executor(self._threads, self._look, code)
        return None if tally is None else b"event: tally\ndata: %b\n\n" % tally

    def listen(self) -> None:
        """Begin to hear of changes, unless that has begun."""
        if self._listener is None and not self._is_draining:
            self._listener = asyncio.ensure_future(self._hear_for_ever())

    async def _hear_for_ever(self) -> None:
        failures = 0
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.execute("LISTEN tally")
                    failures, self._is_heard = 0, True
                    # Whatever was announced while nobody listened is caught up with now.
                    self._on_change("")
                    for code in list(self._watchers):
                        self._refresh(code)
                    async for notice in connection.notifies():
                        self._on_change(notice.payload)
                        self._refresh(notice.payload)
            except Exception as error:
                # Whatever it is, a site whose meters stand still for good would be worse.
                _log.warning("tally announcements are not heard: %s", error, exc_info=error)
            self._is_heard = False
            await asyncio.sleep(_BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS) - 1)])
            failures += 1

    def _refresh(self, code: str) -> None:
        """Have the watchers of a campaign told; changes under way are told together."""
        if code not in self._watchers:
            return
        if code in self._changed:
            self._changed[code].set()
            return
        changed = self._changed[code] = asyncio.Event()
        changed.set()
        task = asyncio.ensure_future(self._tell(code, changed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self, code: str, changed: asyncio.Event) -> None:
        try:
            while changed.is_set() and code in self._watchers:
                changed.clear()
                try:
                    # Not shared: a look begun before the change may not have seen it.
                    event = await self._look_in_thread(code)
                except Exception as error:
                    _log.warning("a tally could not be read: %s", error)
                    changed.set()
                else:
                    for watcher in self._watchers.get(code, ()):
                        if event is not None:
                            watcher.put(event)
                await asyncio.sleep(_LOOK_PACE_SECONDS)
        finally:
            del self._changed[code]
