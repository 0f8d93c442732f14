"""A thousand watch one campaign: all see the newest, and who reads slowly holds up nobody."""

import asyncio
import json
import resource
from collections.abc import Callable

import pytest

from countmein.campaigns.models import Campaign
from countmein.intake.app import _pour
from countmein.intake.events import Watcher
from countmein.intake.pages import Message
from tests.apps.api.live import poll, serving
from tests.apps.api.test_events import announce

WATCHERS = 1_000
LAST = 4_711


@pytest.mark.slow
def test_a_thousand_watchers_see_the_newest(
    transactional_db: None, launch: Callable[..., Campaign]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Both ends of each connection are in this process.
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 3 * WATCHERS)), hard))
    campaign, looks = launch(), []
    with serving() as live:
        tallies = live.intake._tallies
        look = tallies._look

        def counted(code: str) -> bytes | None:
            looks.append(code)
            return look(code)

        tallies._look = counted
        poll(lambda: tallies._is_heard, seconds=60)
        seen = asyncio.run(watch_all(live.port, campaign))
        announced = len(looks)
        poll(lambda: not tallies._watchers, seconds=60)
    assert WATCHERS == len(seen)
    for people in seen:
        assert sorted(people) == people, "an older tally came after a newer one"
        assert LAST == people[-1]
    # Twenty changes and a thousand first looks, yet only a few looks: all share them.
    assert announced < 200


async def watch_all(port: int, campaign: Campaign) -> list[list[int]]:
    """Open all streams, change the tally while they watch, and read until the last value."""
    begun = asyncio.Semaphore(0)
    doors = asyncio.Semaphore(100)
    tasks = [
        asyncio.ensure_future(watch(port, campaign.code, begun, doors)) for _ in range(WATCHERS)
    ]
    for _watcher in range(WATCHERS):
        await begun.acquire()
    for people in [*range(1, 20), LAST]:
        await asyncio.to_thread(announce, campaign, people=people)
    return await asyncio.wait_for(asyncio.gather(*tasks), 120)


async def watch(
    port: int, code: str, begun: asyncio.Semaphore, doors: asyncio.Semaphore
) -> list[int]:
    """Watch on a raw socket until the last value; what was seen."""
    async with doors:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /c/{code}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        seen = [await people_of(reader)]
    begun.release()
    while seen[-1] != LAST:
        seen.append(await people_of(reader))
    writer.close()
    return seen


async def people_of(reader: asyncio.StreamReader) -> int:
    """The people of the next tally."""
    while not (line := await reader.readline()).startswith(b"data: "):
        assert line, "the stream ended"
    return int(json.loads(line.removeprefix(b"data: "))["people"])


def test_who_reads_slowly_is_owed_one_event_and_holds_up_nobody() -> None:
    async def story() -> None:
        slow, quick = Watcher(), Watcher()
        is_stuck, reads = asyncio.Event(), asyncio.Event()
        got: dict[str, list[bytes]] = {"slow": [], "quick": []}

        async def to_slow(message: Message) -> None:
            if message.get("body"):
                is_stuck.set()
                await reads.wait()
                got["slow"].append(message["body"])

        async def to_quick(message: Message) -> None:
            if message.get("body"):
                got["quick"].append(message["body"])

        slow.put(b"0")
        pours = [asyncio.ensure_future(_pour(slow, to_slow))]
        await is_stuck.wait()
        pours.append(asyncio.ensure_future(_pour(quick, to_quick)))
        for number in range(1, 1_000):
            for watcher in (slow, quick):
                watcher.put(b"%d" % number)
        while got["quick"] != [b"999"]:
            await asyncio.sleep(0)
        assert [] == got["slow"]
        reads.set()
        while got["slow"] != [b"0", b"999"]:
            await asyncio.sleep(0.01)
        for watcher in (slow, quick):
            watcher.close()
        await asyncio.gather(*pours)

    asyncio.run(asyncio.wait_for(story(), 30))
