"""The micro-cache by itself: one asks and all get it, the old one meanwhile, within bounds."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from countmein.intake.cache import Key, Page, Reply, Shared

MARKED = [(b"x-countmein-shared", b"1")]


def key(code: str = "abc", path: str = "/c/abc/") -> Key:
    """What is asked for."""
    return Key(proto=b"", host=b"a", path=path, query=b"", language="en-gb", code=code)


class Site:
    """Answers when it is let, and knows how often it was asked; its clock is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.asked = 0
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()
        self.shared = Shared(clock=lambda: self.now)

    async def ask(self) -> Reply:
        """Answer with how often was asked."""
        self.asked += 1
        mine, status = self.asked, self.status
        await self.gate.wait()
        return Reply(status=status, headers=MARKED, body=b"%d" % mine)

    async def see(self, **asked: Any) -> bytes:
        """The page as one visitor gets it."""
        page = await self.shared.get(asked.pop("key", key()), self.ask, **asked)
        assert page is not None
        return page.body


def run(story: Callable[[Site], Awaitable[None]]) -> None:
    """Tell a story about a new site."""

    async def tell() -> None:
        await asyncio.wait_for(story(Site()), 10)

    asyncio.run(tell())


async def asks_of(site: Site, visitors: int) -> int:
    """How often the site is asked when so many come at once and it is slow."""
    site.gate.clear()
    coming = [asyncio.ensure_future(site.see()) for _ in range(visitors)]
    while not site.asked:
        await asyncio.sleep(0)
    for _turn in range(5):
        await asyncio.sleep(0)
    site.gate.set()
    await asyncio.gather(*coming)
    return site.asked


def test_a_hundred_who_come_at_once_are_one_asking() -> None:
    async def story(site: Site) -> None:
        assert 1 == await asks_of(site, 100)

    run(story)


def test_without_sharing_the_asking_each_would_ask() -> None:
    """The negative control of the test above."""

    class Forgetful(dict[Key, Any]):
        def get(self, key: Key, default: Any = None) -> Any:
            return None

    async def story(site: Site) -> None:
        site.shared._flights = Forgetful()
        assert 100 == await asks_of(site, 100)

    run(story)


def test_the_old_page_is_handed_out_at_once_while_one_asks() -> None:
    async def story(site: Site) -> None:
        assert b"1" == await site.see()
        site.now += 1.5
        site.gate.clear()
        assert [b"1"] * 50 == [await site.see() for _ in range(50)]
        site.gate.set()
        while await site.see() == b"1":
            await asyncio.sleep(0)
        assert 2 == site.asked

    run(story)


def test_a_page_older_than_two_seconds_is_waited_for() -> None:
    async def story(site: Site) -> None:
        assert b"1" == await site.see()
        site.now += 2.0
        assert b"2" == await site.see()

    run(story)


def test_what_was_asked_before_a_change_is_not_kept_after_it() -> None:
    async def story(site: Site) -> None:
        site.gate.clear()
        first = asyncio.ensure_future(site.see())
        while not site.asked:
            await asyncio.sleep(0)
        site.shared.changed("abc")
        site.now += 0.1
        second = asyncio.ensure_future(site.see())
        while site.asked < 2:
            await asyncio.sleep(0)
        site.gate.set()
        assert [b"1", b"2"] == list(await asyncio.gather(first, second))
        assert b"2" == await site.see()
        site.shared.changed("other")
        assert b"2" == await site.see()
        site.shared.everything_changed()
        site.now += 0.1
        assert b"3" == await site.see()

    run(story)


def test_while_the_site_is_unwell_the_old_page_stays_for_half_a_minute_and_says_its_age() -> None:
    async def story(site: Site) -> None:
        await site.see()
        site.status = 500
        for _try in range(6):
            site.now += 5
            page = await site.shared.get(key(), site.ask)
            assert isinstance(page, Page)
            assert b"1" == page.body
            said = dict(page.reply(if_none_match=b"", now=site.now).headers)
            assert b"%d" % (site.now - 100) == said[b"age"]
        asked = site.asked
        assert b"1" == await site.see()
        assert asked == site.asked, "it was asked again at once"
        site.now += 2
        failed = await site.shared.get(key(), site.ask)
        assert isinstance(failed, Reply)
        assert 500 == failed.status
        site.status = 200
        assert isinstance(await site.shared.get(key(), site.ask), Page)

    run(story)


def test_under_load_what_is_kept_is_handed_out_and_nothing_asked() -> None:
    async def story(site: Site) -> None:
        assert await site.shared.get(key(), site.ask, may_ask=False) is None
        await site.see()
        site.now += 10
        assert b"1" == await site.see(may_ask=False)
        assert 1 == site.asked

    run(story)


def test_the_memory_is_bounded_and_the_least_wanted_goes_first() -> None:
    async def story(site: Site) -> None:
        site.shared = Shared(bytes_at_most=10 * 2_100, clock=lambda: site.now)
        for number in range(50):
            await site.see(key=key())
            await site.see(key=key(path=f"/{number}/"))
        assert 10 >= len(site.shared._pages)
        assert sum(p.weight for p in site.shared._pages.values()) == site.shared._bytes
        assert b"1" == await site.see(key=key())

    run(story)
