"""What the intake knows of each address: may the answer be shared, and what is shed before it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Final


class Level(IntEnum):
    """How much is shed: a level sheds its own class and all before it, and nothing more."""

    CALM = 0
    COUNTERS = 1
    STATISTICS = 2
    SEARCH = 3
    IMAGES = 4
    LISTS = 5
    REPORTS = 6
    #: Above every level there is: never shed.
    NEVER = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A class of addresses; `code` is the campaign's, where it is about one."""

    sheds_at: Level = Level.NEVER
    #: Everybody without a session is answered alike, so one answer can serve them all.
    is_shared: bool = False
    #: A file of the program: it changes with a new version only.
    is_file: bool = False
    #: The pledge, the withdrawal, the receipt: threads are kept for these.
    is_promised: bool = False
    code: str = ""


_CODE: Final = r"(?P<code>[0-9a-z]{1,32})"
_READ: Final = "GET|HEAD"
_ANY: Final = r"[A-Z]+"

#: Methods, path (with `?` and the query, if there is one), and the class. The first match counts.
_ROUTES: Final = tuple(
    (re.compile(rf"(?:{methods}) {path}"), route)
    for methods, path, route in (
        (_ANY, rf"/c/{_CODE}/pledge/.*", Route(is_promised=True)),
        (_ANY, r"/(?:p|freeze|unsubscribe|my-data)/.*", Route(is_promised=True)),
        ("POST", rf"/api/v1/campaigns/{_CODE}/pledges.*", Route(is_promised=True)),
        (_ANY, r"/api/v1/pledges/.*", Route(is_promised=True)),
        (_READ, rf"/c/{_CODE}/(?:\?.*)?", Route(is_shared=True)),
        (_READ, rf"/api/v1/campaigns/{_CODE}", Route(is_shared=True)),
        (_READ, r"/(?:how/)?(?:\?.*)?", Route(is_shared=True)),
        (
            _READ,
            rf"/c/{_CODE}/(?:share\.png|qr\.svg)(?:\?.*)?",
            Route(is_shared=True, sheds_at=Level.IMAGES),
        ),
        (_READ, rf"/c/{_CODE}/poster/", Route(is_shared=True, sheds_at=Level.REPORTS)),
        (_READ, rf"/embed/{_CODE}/(?:\?.*)?", Route(is_shared=True, sheds_at=Level.IMAGES)),
        (
            _READ,
            r"/(?:feed/|sitemap\.xml|robots\.txt|\.well-known/security\.txt)",
            Route(is_shared=True, sheds_at=Level.LISTS),
        ),
        (_READ, rf"/c/{_CODE}/meter/", Route(is_shared=True, sheds_at=Level.STATISTICS)),
        (
            _READ,
            rf"/(?:c|api/v1/campaigns)/{_CODE}/ledger/?(?:\?.*)?",
            Route(is_shared=True, sheds_at=Level.STATISTICS),
        ),
        (
            _READ,
            r"/(?:campaigns/|api/v1/campaigns)\?.*",
            Route(is_shared=True, sheds_at=Level.SEARCH),
        ),
        (_READ, r"/(?:campaigns/|api/v1/campaigns)", Route(is_shared=True, sheds_at=Level.LISTS)),
        (
            _READ,
            r"/static/img/[^?]*",
            Route(is_shared=True, is_file=True, sheds_at=Level.IMAGES),
        ),
        (_READ, r"/static/[^?]*", Route(is_shared=True, is_file=True)),
        (_READ, rf"/organise/{_CODE}/(?:backers\.csv)?(?:\?.*)?", Route(sheds_at=Level.REPORTS)),
        (
            _READ,
            rf"/api/v1/campaigns/{_CODE}/pledges(?:\?.*)?",
            Route(sheds_at=Level.REPORTS),
        ),
    )
)
#: No address of ours is longer, and what is looked up is remembered.
_PATH_AT_MOST: Final = 300
_ELSE: Final = Route()
#: A write to these changes what is read of the campaign.
_WRITTEN: Final = re.compile(rf"/(?:organise|api/v1/campaigns)/{_CODE}(?:/.*)?")


def route_of(method: str, path: str, query: bytes) -> Route:
    """The class of an address; of the query it only matters whether there is one."""
    if len(path) > _PATH_AT_MOST:
        return _ELSE
    return _route_of(f"{method} {path}" + ("?q" if query else ""))


@lru_cache(maxsize=4096)
def _route_of(asked: str) -> Route:
    for pattern, route in _ROUTES:
        if match := pattern.fullmatch(asked):
            code = match.groupdict().get("code", "")
            return replace(route, code=code)
    return _ELSE


def written(method: str, path: str) -> str:
    """The code of the campaign that such a request has changed; empty if it has changed none.

    A pledge changes nothing by itself: the count does, and says so.
    """
    if method in ("GET", "HEAD", "OPTIONS") or route_of(method, path, b"").is_promised:
        return ""
    match = _WRITTEN.fullmatch(path)
    return match["code"] if match else ""
