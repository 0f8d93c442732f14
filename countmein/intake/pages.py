"""Django, in threads: most for everything, a few kept for what is promised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from a2wsgi import WSGIMiddleware

from countmein.base.http import SHARED_HEADER
from countmein.intake.cache import Headers, Reply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

#: Threads that run Django; each keeps a database connection.
OPEN_THREADS: Final = 12
#: Only the pledge, the withdrawal and the receipt may use these, so that no flood of slow pages
#: takes every thread.
KEPT_THREADS: Final = 4
_MARK: Final = SHARED_HEADER.lower().encode()


class Pages:
    """The way to Django."""

    def __init__(self, app: Any) -> None:
        self._open = WSGIMiddleware(app, workers=OPEN_THREADS)
        self._kept = WSGIMiddleware(app, workers=KEPT_THREADS)
        self._in_open = 0

    @property
    def waiting(self) -> int:
        """How many requests wait for one of the open threads."""
        return max(0, self._in_open - OPEN_THREADS)

    @property
    def executors(self) -> list[tuple[ThreadPoolExecutor, int]]:
        """The threads, and how many there are at most."""
        return [(self._open.executor, OPEN_THREADS), (self._kept.executor, KEPT_THREADS)]

    def serve(self, app: Any) -> None:
        """Ask another application from now on."""
        self._open.app = self._kept.app = app

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        is_promised: bool = False,
        before: Callable[[int], None] = lambda _status: None,
    ) -> None:
        """Have Django answer a client; `before` hears the status before the client does.

        The mark between the views and the intake stays inside.
        """

        async def strip(message: Message) -> None:
            if message["type"] == "http.response.start":
                before(message["status"])
                kept = [pair for pair in message["headers"] if pair[0] != _MARK]
                message = {**message, "headers": kept}
            await send(message)

        await self._ask(scope, receive, strip, is_promised=is_promised)

    async def _ask(self, scope: Scope, receive: Receive, send: Send, *, is_promised: bool) -> None:
        """Take a thread; what is promised takes a kept one where no other is free."""
        if is_promised and self._in_open >= OPEN_THREADS:
            await self._kept(scope, receive, send)  # type: ignore[arg-type]
            return
        self._in_open += 1
        try:
            await self._open(scope, receive, send)  # type: ignore[arg-type]
        finally:
            self._in_open -= 1

    async def reply(self, scope: Scope, body: bytes = b"", *, is_promised: bool = False) -> Reply:
        """Have Django answer, and return the answer, mark and all."""
        status, headers, pieces = 500, Headers(), bytearray()
        is_given = False

        async def receive() -> Message:
            nonlocal is_given
            kind = "http.disconnect" if is_given else "http.request"
            is_given = True
            return {"type": kind, "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status, headers = message["status"], message["headers"]
            else:
                pieces.extend(message.get("body", b""))

        await self._ask(scope, receive, send, is_promised=is_promised)
        return Reply(status=status, headers=headers, body=bytes(pieces))
