"""The whole site's one ASGI callable on a real socket, in a thread of the test's process."""

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from django.db import connections

from countmein.campaigns import pledge_door
from countmein.intake.app import Intake


class Live:
    """A running server."""

    def __init__(self, port: int, intake: Intake, loop: asyncio.AbstractEventLoop) -> None:
        self.port = port
        self.intake = intake
        self._loop = loop

    def drain(self) -> None:
        """End the streams, as the signal to stop does."""
        self._loop.call_soon_threadsafe(self.intake._tallies.drain)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def send(self, raw: bytes) -> bytes:
        """Send bytes as they are, and read until the server closes."""
        import socket

        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as wire:
            wire.sendall(raw)
            answer = b""
            while piece := wire.recv(65536):
                answer += piece
        return answer

    def stream(self, path: str) -> "Stream":
        """Open a stream."""
        return Stream(self.port, path)


class Stream:
    """The events of one stream, read as they come."""

    def __init__(self, port: int, path: str) -> None:
        self.wire = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.wire.request("GET", path)
        self.response = self.wire.getresponse()

    def next(self) -> tuple[str, Any]:
        """The next event; its name is empty for a comment."""
        name, said = "", None
        while line := self.response.readline().decode().rstrip("\n"):
            field, _, value = line.partition(":")
            if field == "event":
                name = value.strip()
            elif field == "data":
                said = json.loads(value)
        return name, said

    def close(self) -> None:
        """Go away, as a closed tab does."""
        self.response.close()
        self.wire.close()


@contextmanager
def serving() -> Iterator[Live]:
    """Serve until the end of the block."""
    from countmein.wsgi import application

    intake = Intake(pages=application)
    config = uvicorn.Config(
        intake,
        port=0,
        log_config=None,
        lifespan="on",
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)

    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve()

    def run() -> None:
        asyncio.run(serve())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        poll(lambda: server.started)
        running = Live(server.servers[0].sockets[0].getsockname()[1], intake, loops[0])
        yield running
    finally:
        running.drain()
        server.should_exit = True
        thread.join(timeout=15)
        close_connections_of(intake)


def close_connections_of(intake: Intake) -> None:
    """Close the database connections of the server's threads, so that tables can be emptied."""
    shared = (pledge_door._together._lanes, pledge_door.KNOWN.threads)
    for pool, count in (
        *intake._pages.executors,
        (intake._tallies._threads, 2),
        *((pool, pool._max_workers) for pool in shared),
    ):
        barrier = threading.Barrier(count)

        def close(barrier: threading.Barrier = barrier) -> None:
            barrier.wait(timeout=5)
            connections.close_all()

        for future in [pool.submit(close) for _ in range(count)]:
            future.result(timeout=10)
        if pool not in shared:  # the process has one set of them
            pool.shutdown()


def poll(is_so: Callable[[], Any], *, seconds: float = 10.0) -> None:
    """Wait until something is so, at most so long."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never came to be so"
        time.sleep(0.02)
