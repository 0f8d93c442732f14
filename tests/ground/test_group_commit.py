"""Group commit: who comes during a commit shares the next; nobody waits for a timer, nobody is
answered for another, and no more wait than there is room for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from countmein.base.group_commit import BATCH, Full, GroupCommit

Group = GroupCommit[str, int, int]
WAIT_SECONDS = 20


class Slow:
    """A commit that lasts until it is let go, and notes who was in it and how many ran at once."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.threads: list[int] = []
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.running = {"a": 0, "b": 0}
        self.most = 0

    def __call__(self, key: str, items: Sequence[int]) -> list[int]:
        self.running[key] += 1
        self.most = max(self.most, self.running[key])
        self.batches.append((key, list(items)))
        self.threads.append(threading.get_ident())
        self.began.release()
        assert self.may_end.acquire(timeout=WAIT_SECONDS)
        self.running[key] -= 1
        return [item * 10 for item in items]

    def let_go(self, times: int = 1) -> None:
        for _ in range(times):
            self.may_end.release()

    def until_begun(self) -> None:
        assert self.began.acquire(timeout=WAIT_SECONDS)


def group(commit: Callable[..., Any], *, room: int = 1000, lanes: int = 2) -> Group:
    return GroupCommit(commit, room=room, lanes=lanes, name="test")


def until_size(together: Group, size: int) -> None:
    """Wait until so many have queued up."""
    for _ in range(20_000):
        if together.size == size:
            return
        threading.Event().wait(0.001)
    raise AssertionError(f"{together.size} are there, not {size}")


@pytest.fixture
def crowd() -> Any:
    with ThreadPoolExecutor(max_workers=40) as pool:
        yield pool


def test_alone_one_commits_in_ones_own_thread() -> None:
    slow = Slow()
    slow.let_go()
    assert 70 == group(slow).wait("a", 7)
    assert [("a", [7])] == slow.batches
    assert [threading.get_ident()] == slow.threads


def test_who_comes_during_a_commit_shares_the_next(crowd: ThreadPoolExecutor) -> None:
    slow = Slow()
    together = group(slow)
    first = crowd.submit(together.wait, "a", 0)
    slow.until_begun()
    others = [crowd.submit(together.wait, "a", n) for n in range(1, 31)]
    until_size(together, 31)
    slow.let_go(2)
    assert 0 == first.result(WAIT_SECONDS)
    assert [n * 10 for n in range(1, 31)] == [o.result(WAIT_SECONDS) for o in others]
    assert [1, 30] == [len(items) for _key, items in slow.batches]
    assert 0 == together.size


def test_one_key_is_never_committed_twice_at_once(crowd: ThreadPoolExecutor) -> None:
    assert 1 == _most_at_once(crowd, lambda slow: group(slow, lanes=8).wait)


def test_without_the_group_commits_of_one_key_overlap(crowd: ThreadPoolExecutor) -> None:
    """The control: the same crowd, each committing for itself."""
    assert _most_at_once(crowd, lambda slow: lambda key, n: slow(key, [n])[0]) > 1


def _most_at_once(crowd: ThreadPoolExecutor, way: Callable[[Slow], Any]) -> int:
    slow = Slow()
    act = way(slow)
    futures: list[Future[int]] = [crowd.submit(act, "a", n) for n in range(20)]
    slow.until_begun()
    # A second one has every chance to begin while the first is held.
    slow.began.acquire(timeout=0.5)
    slow.let_go(len(futures))
    assert [n * 10 for n in range(20)] == [f.result(WAIT_SECONDS) for f in futures]
    return slow.most


def test_a_key_that_is_held_up_does_not_hold_up_the_others(crowd: ThreadPoolExecutor) -> None:
    slow = Slow()
    together = group(slow)
    held = crowd.submit(together.wait, "a", 1)
    slow.until_begun()
    other = crowd.submit(together.wait, "b", 2)
    slow.until_begun()
    assert ["a", "b"] == [key for key, _items in slow.batches]
    slow.let_go(2)
    assert [10, 20] == [held.result(WAIT_SECONDS), other.result(WAIT_SECONDS)]


def test_no_more_wait_than_there_is_room_for(crowd: ThreadPoolExecutor) -> None:
    slow = Slow()
    together = group(slow, room=3)
    taken = [crowd.submit(together.wait, "a", n) for n in range(3)]
    until_size(together, 3)
    with pytest.raises(Full):
        together.wait("a", 3)
    with pytest.raises(Full):
        together.wait("b", 4)
    slow.let_go(3)
    assert [0, 10, 20] == [one.result(WAIT_SECONDS) for one in taken]
    assert 3 == sum(len(items) for _key, items in slow.batches)
    slow.let_go()
    assert 40 == together.wait("b", 4)


def test_a_long_queue_is_committed_in_bounded_batches() -> None:
    slow = Slow()
    together = group(slow, room=10_000)

    async def many() -> list[int]:
        asked = [together.ask("a", n) for n in range(2 * BATCH + 1)]
        slow.let_go(10)
        return await asyncio.wait_for(asyncio.gather(*asked), WAIT_SECONDS)

    assert [n * 10 for n in range(2 * BATCH + 1)] == asyncio.run(many())
    assert max(len(items) for _key, items in slow.batches) <= BATCH


def test_each_is_answered_by_its_own_answer() -> None:
    def choosy(_key: str, items: Sequence[int]) -> list[int | Exception]:
        return [ValueError(str(item)) if item % 2 else item for item in items]

    together: Any = group(choosy)

    async def ask() -> list[Any]:
        asked = [together.ask("a", n) for n in range(6)]
        return await asyncio.gather(*asked, return_exceptions=True)

    said = asyncio.run(ask())
    assert [0, 2, 4] == said[::2]
    assert ["1", "3", "5"] == [str(error) for error in said[1::2]]
    with pytest.raises(ValueError, match="7"):
        together.wait("a", 7)


def test_a_commit_that_fails_fails_for_all_in_it_and_for_nobody_else() -> None:
    broken = [True]

    def commit(_key: str, items: Sequence[int]) -> list[int]:
        if broken.pop():
            raise OSError("the database is away")
        return list(items)

    together: Any = group(commit)
    with pytest.raises(OSError, match="away"):
        together.wait("a", 1)
    broken.append(False)
    assert 2 == together.wait("a", 2)
    assert 0 == together.size


def test_who_leaves_takes_nobody_along() -> None:
    slow = Slow()
    together = group(slow)

    async def ask() -> int:
        gone, stays = together.ask("a", 1), together.ask("a", 2)
        gone.cancel()
        slow.let_go(2)
        return await asyncio.wait_for(stays, WAIT_SECONDS)

    assert 20 == asyncio.run(ask())
