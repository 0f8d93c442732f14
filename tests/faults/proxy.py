"""A wire that fails: a TCP proxy that cuts, delays, slows down or goes deaf, as it is told to.

It stands before any server on this machine and knows nothing of what it carries. Each connection
asks `plan` for its fate by its number, so that a seeded plan makes one run like the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

_PIECE_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """What becomes of one connection; by itself, nothing."""

    name: str = "well"
    #: Reset after so many bytes of the request went on: 0 means that the server heard nothing.
    cut_request_after: int | None = None
    #: Reset after so many bytes of the answer came back: 0 means it was all done and nothing said.
    cut_answer_after: int | None = None
    #: Taken and never carried on nor closed, as when a peer has lost its power.
    is_half_open: bool = False
    #: Before each piece is carried on, either way.
    delay_seconds: float = 0.0
    #: Carried on in pieces of so many bytes.
    piece_bytes: int = _PIECE_BYTES


WELL = Fate()
Plan = Callable[[int], Fate]


class _Cut(Exception):
    """The wire breaks here."""


class Proxy:
    """Listens on a port of its own and carries to `(host, port)`; runs in a thread of its own."""

    def __init__(self, *, host: str, port: int, plan: Plan = lambda _number: WELL) -> None:
        self._to, self.plan = (host, port), plan
        self.seen: Counter[str] = Counter()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _carry(self, client: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        fate = self.plan(sum(self.seen.values()))
        self.seen[fate.name] += 1
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._between(client, back, fate)
        finally:
            _reset(back)
            self._tasks.discard(task)

    async def _between(
        self, client: asyncio.StreamReader, back: asyncio.StreamWriter, fate: Fate
    ) -> None:
        if fate.is_half_open:
            await self._stopped.wait()
            return
        server, on = await asyncio.open_connection(*self._to)
        ways = [
            asyncio.ensure_future(_pour(client, on, fate, fate.cut_request_after)),
            asyncio.ensure_future(_pour(server, back, fate, fate.cut_answer_after)),
        ]
        try:
            # The first way that ends ends both: nobody here speaks on after a goodbye.
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            # The server finishes what it heard: it must not be told that nobody listens any more.
            if fate.cut_answer_after is None:
                _reset(on)
            else:
                on.close()


async def _pour(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Fate, limit: int | None
) -> None:
    carried = 0
    while piece := await reader.read(fate.piece_bytes):
        if fate.delay_seconds:
            await asyncio.sleep(fate.delay_seconds)
        kept = piece if limit is None else piece[: limit - carried]
        writer.write(kept)
        await writer.drain()
        carried += len(kept)
        if limit is not None and carried >= limit:
            raise _Cut


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a broken wire does, and not politely."""
    with contextlib.suppress(OSError):
        raw: Any = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.contextmanager
def through(url: str, plan: Plan) -> Iterator[tuple[str, Proxy]]:
    """The same server at another address, behind such a wire."""
    host, _, port = url.removeprefix("http://").partition(":")
    with Proxy(host=host, port=int(port), plan=plan) as proxy:
        yield f"http://127.0.0.1:{proxy.port}", proxy
