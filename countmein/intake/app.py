"""The fast door: raw ASGI for live tallies and health; everything else goes on to Django."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import Mapping
from functools import lru_cache
from types import FrameType
from typing import Any, Final
from urllib.parse import quote_from_bytes

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from countmein.base import metrics
from countmein.base.http import is_trusted
from countmein.base.problems import MEDIA_TYPE, Problem, not_found, too_large, unavailable
from countmein.campaigns.bodies import PLEDGE_LIMIT_BYTES, body_limit_bytes
from countmein.intake import pledging
from countmein.intake.cache import Headers, Page, Reply, Shared
from countmein.intake.events import PACE_SECONDS, Tallies, Watcher
from countmein.intake.measured import DOOR, Gone, measured
from countmein.intake.overload import FormDoor, form_code
from countmein.intake.pages import Message, Pages, Receive, Scope, Send
from countmein.intake.routes import Level, Route, route_of, written
from countmein.intake.security import security_headers
from countmein.intake.sharing import as_nobody, shared_key
from countmein.intake.shedding import STREAM_RETRY_SECONDS, Gauge, shed
from countmein.intake.tallies import connect, look
from countmein.watch import rounds
from countmein.watch.reports import part

#: A body that is too long is read on so far, so that the sender hears the answer.
_DISCARD_BYTES: Final = 4 * 1024 * 1024
_WATCHERS: Final = metrics.Gauge(
    "countmein_live_watchers", "Readers of live tallies at this moment"
)
_ASCII: Final = "".join(map(chr, range(0x21, 0x7F)))
#: A longer name is nobody's, and would fill the memory of those that were looked at.
_HOST_AT_MOST: Final = 300
_EVENTS: Final = re.compile(r"/(?:api/v1/campaigns|c)/([0-9a-z]{1,32})/events")
_FORWARDED: Final = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
)


class Intake:
    """One ASGI callable for the whole site."""

    def __init__(self, *, pages: Any) -> None:
        self._pages = Pages(pages)
        self._shared = Shared()
        self._forms = FormDoor()
        self._tallies = Tallies(look=look, connect=connect, on_change=self._changed)
        self._gauge = Gauge(waiting=lambda: self._pages.waiting, on_shed=self._tallies.shed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            await measured(self._answer, scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and stop with the server."""
        await receive()
        self._drain_on_stop()
        if name := part():
            rounds.begin(rounds.OF_THE_WEB, part=name)
        self._tallies.listen()
        gauge = asyncio.ensure_future(self._gauge.watch())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        gauge.cancel()
        self._tallies.drain()
        await send({"type": "lifespan.shutdown.complete"})

    def _drain_on_stop(self) -> None:
        """End the streams as soon as the server is asked to stop.

        A server waits for open requests before it says anything to the application, and a stream
        never ends by itself: so we hear the signal first, and pass it on.
        """
        loop = asyncio.get_running_loop()
        for sign in (signal.SIGTERM, signal.SIGINT):
            passed_on = signal.getsignal(sign)

            def stop(number: int, frame: FrameType | None, to: Any = passed_on) -> None:
                loop.call_soon_threadsafe(self._tallies.drain)
                if callable(to):
                    to(number, frame)

            # Only a main thread may listen to signals; elsewhere nothing sends them either.
            with contextlib.suppress(ValueError):
                signal.signal(sign, stop)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/healthz":
            await _reply(send, 200, b"ok\n", b"text/plain; charset=utf-8")
            return
        if not _is_known_host(scope):
            detail = "This site has another name."
            await _say(send, Problem(status=400, reason="unknown_host", detail=detail))
            return
        if match := _EVENTS.fullmatch(path):
            await self._stream(match[1], scope, receive, send)
            return
        if code := pledging.code_of(scope):
            await _pledge(code, scope, receive, send)
            return
        route = route_of(scope["method"], path, scope["query_string"])
        if await self._share(route, scope, send):
            return
        if self._gauge.level >= route.sheds_at:
            await _say(send, shed())
            return
        body = await _read_body(receive, limit_bytes=body_limit_bytes(path))
        if body is None:
            await _say(send, too_large(body_limit_bytes(path)))
            return
        scope[DOOR] = "pages"
        if code := form_code(scope["method"], path):
            await self._take_form(code, scope, body, send)
            return
        await self._pages(
            _plain(scope, body),
            _replay(body, receive),
            send,
            is_promised=route.is_promised,
            before=lambda status: self._wrote(scope, status),
        )

    async def _take_form(self, code: str, scope: Scope, body: bytes, send: Send) -> None:
        """Let a filled form in when it is its turn, or give back what was typed."""
        plain = _plain(scope, body)
        reply = await self._forms.take(
            code, plain, body, lambda: self._pages.reply(plain, body, is_promised=True)
        )
        await _pass_on(reply, send)

    def _wrote(self, scope: Scope, status: int) -> None:
        """Whoever wrote reads what they wrote; lists show it too."""
        if status < 400 and (code := written(scope["method"], scope["path"])):
            self._shared.changed(code)
            self._shared.changed("")

    async def _share(self, route: Route, scope: Scope, send: Send) -> bool:
        """Answer with a page that is the same for everybody; False: this one asks for themselves.

        What is shed is still answered from what is kept, but not asked for anew.
        """
        if not route.is_shared:
            return False
        plain = _plain(scope, b"")
        key = shared_key(plain, route)
        if key is None:
            return False
        page = await self._shared.get(
            key,
            lambda: self._pages.reply(as_nobody(plain, key)),
            is_file=route.is_file,
            may_ask=self._gauge.level < route.sheds_at,
        )
        if page is None:
            return False
        if isinstance(page, Page):
            known = dict(scope["headers"]).get(b"if-none-match", b"")
            page = page.reply(if_none_match=known, now=time.monotonic())
        await _pass_on(page, send, is_head=scope["method"] == "HEAD")
        return True

    def _changed(self, code: str) -> None:
        if code:
            self._shared.changed(code)
        else:
            self._shared.everything_changed()

    async def _stream(self, code: str, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            detail = "This address does not take that method."
            headers = {"Allow": "GET"}
            await _say(
                send,
                Problem(status=405, reason="method_not_allowed", detail=detail, headers=headers),
            )
            return
        if self._gauge.level >= Level.COUNTERS:
            await _say(send, shed())
            return
        try:
            watcher = await self._tallies.watch(code)
        except Exception:
            await _say(send, unavailable())
            return
        if watcher is None:
            await _say(send, not_found())
            return
        gone = asyncio.ensure_future(_until_gone(receive, watcher))
        _WATCHERS.add()
        try:
            await _pour(watcher, send)
        finally:
            _WATCHERS.add(by=-1)
            gone.cancel()
            self._tallies.leave(code, watcher)


async def _pledge(code: str, scope: Scope, receive: Receive, send: Send) -> None:
    body = await _read_body(receive, limit_bytes=PLEDGE_LIMIT_BYTES)
    if body is None:
        await _say(send, too_large(PLEDGE_LIMIT_BYTES))
        return
    status, said, media_type, more = await pledging.pledge(code, scope, body)
    await _reply(send, status, said, media_type.encode(), _encoded(more))


async def _pour(watcher: Watcher, send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        # A proxy that gathers the stream before passing it on would make it useless.
        (b"x-accel-buffering", b"no"),
        *security_headers(),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while not watcher.is_closed:
        event = await watcher.next()
        if watcher.is_closed:
            break
        said = b": still here\n\n" if event is None else event
        await send({"type": "http.response.body", "body": said, "more_body": True})
        if event is not None:
            await watcher.rest(PACE_SECONDS)
    if watcher.is_shed:
        retry = b"retry: %d\n\n" % (STREAM_RETRY_SECONDS * 1000)
        await send({"type": "http.response.body", "body": retry, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive, watcher: Watcher) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    watcher.close()


async def _read_body(receive: Receive, *, limit_bytes: int) -> bytes | None:
    """Read the body before a thread is taken, so that slow senders hold none; None: too long.

    Raises Gone if it breaks off: half of what somebody meant may well look like a whole.
    """
    body, size = bytearray(), 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        piece = message.get("body", b"")
        size += len(piece)
        if size <= limit_bytes:
            body += piece
        if not message.get("more_body", False) or size > _DISCARD_BYTES:
            return bytes(body) if size <= limit_bytes else None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read, once, and then whatever the server still says."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _plain(scope: Scope, body: bytes) -> Scope:
    """The request with nothing in it that WSGI reads in two ways.

    A header with an underscore looks like one with a hyphen there; the length of a chunked body
    is unknown there; and who sent a request may be said by trusted proxies only.
    """
    client = scope.get("client")
    is_forwarded = is_trusted(client[0] if client else "", settings.TRUSTED_PROXIES)
    headers: Headers = [
        (name, value)
        for name, value in scope["headers"]
        if b"_" not in name
        and name not in (b"content-length", b"transfer-encoding")
        and (is_forwarded or name not in _FORWARDED)
    ]
    headers.append((b"content-length", str(len(body)).encode()))
    # A query is ASCII there; what a client sent bare is escaped for it.
    query = quote_from_bytes(scope["query_string"], safe=_ASCII).encode()
    return {**scope, "headers": headers, "query_string": query}


def _is_known_host(scope: Scope) -> bool:
    hosts = [value.decode("latin1") for name, value in scope["headers"] if name == b"host"]
    is_one = len(hosts) == 1 and len(hosts[0]) <= _HOST_AT_MOST
    return is_one and _is_ours(hosts[0], tuple(settings.ALLOWED_HOSTS))


@lru_cache(maxsize=100)
def _is_ours(host: str, allowed: tuple[str, ...]) -> bool:
    domain, _port = split_domain_port(host)
    return bool(domain) and validate_host(domain, allowed)


async def _say(send: Send, problem: Problem) -> None:
    headers = _encoded(problem.headers)
    await _reply(send, problem.status, problem.body(), MEDIA_TYPE.encode(), headers)


async def _pass_on(reply: Reply, send: Send, *, is_head: bool = False) -> None:
    """Send an answer as it was given."""
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": b"" if is_head else reply.body})


def _encoded(headers: Mapping[str, str]) -> Headers:
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()]


async def _reply(
    send: Send, status: int, body: bytes, media_type: bytes, headers: Headers | None = None
) -> None:
    all_headers = [
        (b"content-type", media_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *security_headers(),
        *(headers or []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": all_headers})
    await send({"type": "http.response.body", "body": body})
