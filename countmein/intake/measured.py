"""Counting and timing every request at the one place that all of them pass."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from countmein.base.metrics import REQUEST_SECONDS, REQUESTS, Counter
from countmein.watch.counted import DESK_ACTS

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

PLEDGES: Final = Counter(
    "countmein_pledges_acknowledged_total",
    "Pledges whose sender was told that they are kept; a repeat of one counts again",
    labels=("door",),
)

#: Where a request notes that it was handed on to Django.
DOOR: Final = "countmein.door"

#: The first part of an address → its class, where that alone decides.
_FIRST: Final = {
    "": "home",
    "campaigns": "browse",
    "how": "browse",
    "feed": "browse",
    "embed": "browse",
    "language": "browse",
    "p": "own_pledge",
    "my-data": "own_pledge",
    "account": "account",
    "organise": "organise",
    "desk": "desk",
    "hooks": "hooks",
    "static": "static",
    "outbox": "outbox",
    "healthz": "health",
    "readyz": "health",
    "metrics": "health",
}
#: The last part of the address of a campaign, of its page or in the API → its class.
_LAST: Final = {"pledge": "pledge", "pledges": "pledge", "events": "live", "meter": "live"}


def route_class(method: str, path: str) -> str:
    """Which of a few classes a request belongs to; an address that nobody has is `other`."""
    parts = path.split("/", 5)
    first = parts[1] if len(parts) > 1 else ""
    if first == "c":
        return _of_campaign(method, parts[3] if len(parts) > 3 else "")
    if first != "api":
        return _FIRST.get(first, "other")
    noun = parts[3] if len(parts) > 3 else ""
    if noun == "campaigns":
        return _of_campaign(method, parts[5] if len(parts) > 5 else "")
    return "own_pledge" if noun == "pledges" else "api"


def _of_campaign(method: str, last: str) -> str:
    found = _LAST.get(last, "campaign")
    # Looking at the form, or at the list, is no pledge.
    return "campaign" if found == "pledge" and method != "POST" else found


def is_acknowledged(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a pledge was taken: the API answers 201, the form sends on to the pledge itself, or
    to the page for its card, and not back to the campaign."""
    if status == 201:
        return True
    places = [value for name, value in headers if name.lower() == b"location"]
    return status == 302 and bool(places) and not places[0].startswith(b"/c/")


class Gone(Exception):
    """Whoever asked has left before they had said all: nobody is there to be answered."""


async def measured(app: App, scope: Scope, receive: Receive, send: Send) -> None:
    """Let `app` answer, and count how: what it never answered counts as a 500, what nobody waits
    for any more as a 499."""
    began = time.perf_counter()
    status, headers = 500, ()

    async def watched(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], message.get("headers", ())
        await send(message)

    try:
        await app(scope, receive, watched)
    except Gone:
        status = 499
    finally:
        method, route = scope["method"], route_class(scope["method"], scope["path"])
        door = scope.get(DOOR, "intake")
        REQUESTS.add(door, route, str(status))
        if route != "live":  # a stream lasts as long as its reader likes
            REQUEST_SECONDS.observe(time.perf_counter() - began, door, route)
        if route == "pledge" and is_acknowledged(status, headers):
            PLEDGES.add(door)
        if route == "desk" and method == "POST" and status < 400:
            DESK_ACTS.add()
