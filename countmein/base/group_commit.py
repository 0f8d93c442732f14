"""Group commit: what arrives while a commit is under way shares the next one.

No timer: the commit before is the window. Alone, a caller commits by itself, in its own thread and
on its own connection, and pays nothing for the others who did not come.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from countmein.base.metrics import BATCH_SECONDS, BATCH_SIZE, QUEUE, TURNED_AWAY

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
R = TypeVar("R")

#: A batch is one transaction; a longer one would keep its first row waiting for its last.
BATCH: Final = 500


class Full(Exception):
    """No more can wait; nothing was done, and the same can be sent again in a moment."""


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T]):
    item: T
    answer: Future[Any] | asyncio.Future[Any]


class GroupCommit(Generic[K, T, R]):
    """Commits items in batches, those of one key one batch after the other.

    `commit` takes a key and its items, and answers each in order by a result or an exception; when
    it returns, what it answered must be durable. What it raises itself is every item's answer.
    At most `room` items wait; `lanes` keys are committed side by side for callers who do not wait
    in a thread of their own.
    """

    def __init__(
        self,
        commit: Callable[[K, Sequence[T]], Sequence[R | Exception]],
        *,
        room: int,
        lanes: int,
        name: str,
    ) -> None:
        self._commit = commit
        self._room = room
        self._lock = threading.Lock()
        self._waiting: dict[K, deque[_Waiting[T]]] = defaultdict(deque)
        self._busy: set[K] = set()
        self._lanes = ThreadPoolExecutor(max_workers=lanes, thread_name_prefix=name)
        self._size = 0

    @property
    def size(self) -> int:
        """How many items wait for their commit, or are in one."""
        return self._size

    def wait(self, key: K, item: T) -> R:
        """Commit an item and return its answer; blocks. Raises Full, and what was answered."""
        answer: Future[R] = Future()
        if self._enter(key, _Waiting(item, answer)):
            self._commit_next(key)
        return answer.result()

    def ask(self, key: K, item: T) -> asyncio.Future[R]:
        """Have an item committed for a caller in an event loop. Raises Full."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        if self._enter(key, _Waiting(item, answer)):
            self._lanes.submit(self._commit_next, key)
        return answer

    def _enter(self, key: K, waiting: _Waiting[T]) -> bool:
        """Queue up; tell whether the caller is the one to commit."""
        with self._lock:
            if self._size >= self._room:
                TURNED_AWAY.add()
                raise Full
            self._size += 1
            self._waiting[key].append(waiting)
            is_first = key not in self._busy
            self._busy.add(key)
        return is_first

    def _commit_next(self, key: K) -> None:
        with self._lock:
            queue = self._waiting[key]
            batch = [queue.popleft() for _ in range(min(BATCH, len(queue)))]
        BATCH_SIZE.observe(len(batch))
        began = time.perf_counter()
        answers = self._answers(key, batch)
        BATCH_SECONDS.observe(time.perf_counter() - began)
        # Whoever came meanwhile is committed by a lane, in turn with the other keys.
        with self._lock:
            self._size -= len(batch)
            QUEUE.set(self._size)
            has_more = bool(queue)
            if not has_more:
                del self._waiting[key]
                self._busy.discard(key)
        if has_more:
            self._lanes.submit(self._commit_next, key)
        _tell(zip(batch, answers, strict=True))

    def _answers(self, key: K, batch: Sequence[_Waiting[T]]) -> Sequence[R | BaseException]:
        try:
            return self._commit(key, [waiting.item for waiting in batch])
        except BaseException as error:
            return [error] * len(batch)


def _tell(answered: Iterable[tuple[_Waiting[T], R | BaseException]]) -> None:
    """Wake everybody; those of one event loop together, because waking it is what costs."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for waiting, answer in answered:
        if isinstance(waiting.answer, asyncio.Future):
            pairs = by_loop.setdefault(waiting.answer.get_loop(), [])
            pairs.append((waiting.answer, answer))
        elif isinstance(answer, BaseException):
            waiting.answer.set_exception(answer)
        else:
            waiting.answer.set_result(answer)
    for loop, pairs in by_loop.items():
        loop.call_soon_threadsafe(_set_all, pairs)


def _set_all(pairs: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in pairs:
        if future.done():  # its client has gone
            continue
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)
