"""The micro-cache: one answer for all who ask the same as nobody in particular.

Kept for a second, asked anew by one at a time. What may be shared is said twice: by the table of
routes and, in the answer itself, by the view. A page is asked for without cookies or tokens, so
that nothing of whoever happened to ask first can be in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from countmein.base.http import SHARED_HEADER

Headers = list[tuple[bytes, bytes]]

#: A page this old is still handed out while one asks anew; with the second that it is fresh, what
#: is read is never more than two seconds behind, as long as the site can answer in that time.
_LAG_SECONDS: Final = 1.0
#: Who finds only an older page waits so long for the new one, counted from when it was asked for.
_PATIENCE_SECONDS: Final = 1.0
#: While nobody can answer anew, the old page is handed out at most so long.
_KEPT_SECONDS: Final = 30.0
_RETRY_SECONDS: Final = 1.0
_BYTES_AT_MOST: Final = 32 * 1024 * 1024
_PAGE_BYTES_AT_MOST: Final = 2 * 1024 * 1024
#: A page's own weight beside its body: headers, key and bookkeeping.
_PAGE_WEIGHT: Final = 2_048
_CODES_REMEMBERED: Final = 10_000
_MARK: Final = SHARED_HEADER.lower().encode()
_REPLACED: Final = frozenset(
    {_MARK, b"cache-control", b"content-length", b"age", b"etag", b"vary", b"expires"}
)
#: A browser or CDN may show it for as long as we would: two seconds, or half a minute if we fail. A
#: longer stale-while-revalidate would show somebody who has just left that they are still in.
_SHARED_CONTROL: Final = b"public, max-age=1, stale-while-revalidate=1, stale-if-error=30"
_VARY: Final = b"Accept-Language, Cookie, Authorization"

_log = logging.getLogger(__name__)


class Key(NamedTuple):
    """What makes two requests the same."""

    proto: bytes
    host: bytes
    path: str
    query: bytes
    language: str
    #: The campaign it is about; empty for lists and pages about none.
    code: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer as Django gave it."""

    status: int
    headers: Headers
    body: bytes

    def has(self, name: bytes) -> bool:
        """Whether a header is there; names are in small letters."""
        return any(found == name for found, _value in self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An answer that may be shared; `asked_at` is when it was asked for, so it is never newer."""

    body: bytes
    headers: Headers
    etag: bytes
    asked_at: float
    fresh_seconds: float

    @property
    def weight(self) -> int:
        """Roughly the bytes that keeping it takes."""
        return len(self.body) + _PAGE_WEIGHT

    def reply(self, *, if_none_match: bytes, now: float) -> Reply:
        """The page for one who asks, or 304 if they have it already."""
        age = (b"age", b"%d" % max(0, now - self.asked_at))
        if _is_named(self.etag, if_none_match):
            kept = [pair for pair in self.headers if not pair[0].startswith(b"content-")]
            return Reply(status=304, headers=[*kept, age], body=b"")
        return Reply(status=200, headers=[*self.headers, age], body=self.body)


@dataclass(slots=True, kw_only=True)
class _Flight:
    """One asking under way, which all who want the same share."""

    began: float
    task: asyncio.Task[Page | Reply | None]


Ask = Callable[[], Awaitable[Reply]]


class Shared:
    """The pages of this process that may be shared, the least recently wanted forgotten first."""

    def __init__(
        self,
        *,
        bytes_at_most: int = _BYTES_AT_MOST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._bytes_at_most = bytes_at_most
        self._bytes = 0
        self._pages: OrderedDict[Key, Page] = OrderedDict()
        self._flights: dict[Key, _Flight] = {}
        #: When a campaign was last heard to have changed; what was asked before may not know.
        self._changed: dict[str, float] = {}
        self._all_changed = float("-inf")
        self._retry_at: dict[Key, float] = {}

    async def get(
        self, key: Key, ask: Ask, *, is_file: bool = False, may_ask: bool = True
    ) -> Page | Reply | None:
        """The page to hand out; a Reply is an error, for those who waited for it.

        None: this address is not for sharing, or there is no page and none may be asked for.
        """
        now = self._clock()
        page = self._kept(key, now)
        if page is not None and self._is_fresh(key, page, now):
            return page
        if not may_ask or (page is not None and self._retry_at.get(key, 0.0) > now):
            return page
        flight = self._flights.get(key)
        if flight is None or self._is_outdated(key, flight.began):
            flight = self._begin(key, ask, is_file=is_file, now=now)
        if page is not None and self._is_near(key, page, now):
            return page
        return await self._await(flight, page, now)

    def changed(self, code: str) -> None:
        """A campaign has changed: pages asked for before are not handed out as fresh any more."""
        now = self._clock()
        if len(self._changed) >= _CODES_REMEMBERED:
            self._changed = {c: at for c, at in self._changed.items() if at > now - _KEPT_SECONDS}
        self._changed[code] = now

    def everything_changed(self) -> None:
        """Nobody knows what has changed: everything is asked for anew."""
        self._all_changed = self._clock()

    async def _await(self, flight: _Flight, page: Page | None, now: float) -> Page | Reply | None:
        """Wait for the answer under way; with an older page in hand not for ever."""
        # Shielded: one who gives up must not take the answer from the others.
        if page is None:
            return await asyncio.shield(flight.task)
        patience = flight.began + _PATIENCE_SECONDS - now
        if patience > 0:
            with contextlib.suppress(TimeoutError):
                return await asyncio.wait_for(asyncio.shield(flight.task), patience)
        return page

    def _begin(self, key: Key, ask: Ask, *, is_file: bool, now: float) -> _Flight:
        task = asyncio.ensure_future(self._fly(key, ask, is_file=is_file, began=now))
        flight = self._flights[key] = _Flight(began=now, task=task)

        def end(_task: object) -> None:
            if self._flights.get(key) is flight:
                del self._flights[key]

        task.add_done_callback(end)
        return flight

    async def _fly(self, key: Key, ask: Ask, *, is_file: bool, began: float) -> Page | Reply | None:
        try:
            reply = await ask()
        except Exception as error:
            _log.warning("a page could not be asked for", exc_info=error)
            reply = Reply(status=503, headers=[(b"retry-after", b"1")], body=b"")
        if reply.status >= 500:
            return self._failed(key, reply)
        self._retry_at.pop(key, None)
        page = _page_of(reply, asked_at=began, is_file=is_file)
        if page is None:
            self._forget(key)
            # An error says the same to everybody; anything else each must ask for themselves.
            is_alike = reply.status >= 400 and not reply.has(b"set-cookie")
            return reply if is_alike else None
        known = self._pages.get(key)
        if not self._is_outdated(key, began) and (known is None or known.asked_at < began):
            self._keep(key, page)
        return page

    def _failed(self, key: Key, reply: Reply) -> Page | Reply | None:
        """The site is unwell: whatever is kept stays, and is not asked for again at once."""
        now = self._clock()
        page = self._kept(key, now)
        if page is None:
            return None if reply.has(b"set-cookie") else reply
        self._retry_at[key] = now + _RETRY_SECONDS
        return page

    def _kept(self, key: Key, now: float) -> Page | None:
        page = self._pages.get(key)
        if page is None:
            return None
        if now - page.asked_at >= page.fresh_seconds + _KEPT_SECONDS:
            self._forget(key)
            return None
        self._pages.move_to_end(key)
        return page

    def _keep(self, key: Key, page: Page) -> None:
        self._forget(key)
        if page.weight > _PAGE_BYTES_AT_MOST:
            return
        self._pages[key] = page
        self._bytes += page.weight
        while self._bytes > self._bytes_at_most:
            self._forget(next(iter(self._pages)))

    def _forget(self, key: Key) -> None:
        if (page := self._pages.pop(key, None)) is not None:
            self._bytes -= page.weight
        self._retry_at.pop(key, None)

    def _is_fresh(self, key: Key, page: Page, now: float) -> bool:
        is_young = now - page.asked_at < page.fresh_seconds
        return is_young and not self._is_outdated(key, page.asked_at)

    def _is_near(self, key: Key, page: Page, now: float) -> bool:
        is_young = now - page.asked_at < page.fresh_seconds + _LAG_SECONDS
        return is_young and not self._is_outdated(key, page.asked_at)

    def _is_outdated(self, key: Key, asked_at: float) -> bool:
        return asked_at <= max(self._changed.get(key.code, self._all_changed), self._all_changed)


def _page_of(reply: Reply, *, asked_at: float, is_file: bool) -> Page | None:
    """The answer as a page to share; None if anything in it speaks against that."""
    is_marked = is_file or reply.has(_MARK)
    if reply.status != 200 or not is_marked or reply.has(b"set-cookie"):
        return None
    etag = b'"%b"' % hashlib.sha256(reply.body).hexdigest()[:32].encode()
    control = b"public, max-age=60" if is_file else _SHARED_CONTROL
    headers = [pair for pair in reply.headers if pair[0] not in _REPLACED]
    headers += [
        (b"cache-control", control),
        (b"etag", etag),
        (b"vary", b"Accept-Encoding" if is_file else _VARY),
        (b"content-length", b"%d" % len(reply.body)),
    ]
    return Page(
        body=reply.body,
        headers=headers,
        etag=etag,
        asked_at=asked_at,
        fresh_seconds=60.0 if is_file else 1.0,
    )


def _is_named(etag: bytes, if_none_match: bytes) -> bool:
    """Whether the client says that it has this version; a proxy may have weakened the tag."""
    if not if_none_match:
        return False
    named = [tag.strip().removeprefix(b"W/") for tag in if_none_match.split(b",")]
    return etag in named or b"*" in named
