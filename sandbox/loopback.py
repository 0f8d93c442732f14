"""Serve a small ASGI app on loopback until told to stop."""

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn
import uvloop

HOST = "127.0.0.1"

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client sent, read to its end."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back. `is_sent` false means: leave the client waiting for ever."""

    status: int = 200
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    is_sent: bool = True


def as_json(content: object, *, status: int = 200) -> Answer:
    """Answer with `content` as compact JSON."""
    return Answer(status=status, body=json.dumps(content, separators=(",", ":")).encode())


def app(answer: Callable[[Request], Awaitable[Answer]]) -> Callable[..., Awaitable[None]]:
    """Wrap a function from request to answer as an ASGI application."""

    async def application(scope: Message, receive: Receive, send: Send) -> None:
        request = await _read(scope, receive)
        if request is None:
            return
        reply = await answer(request)
        if not reply.is_sent:
            await _until_the_client_leaves(receive)
            return
        headers = {"content-type": "application/json", **reply.headers}
        await send(
            {
                "type": "http.response.start",
                "status": reply.status,
                "headers": [
                    (b"content-length", str(len(reply.body)).encode()),
                    *((name.encode(), text.encode()) for name, text in headers.items()),
                ],
            }
        )
        await send({"type": "http.response.body", "body": reply.body})

    return application


async def _read(scope: Message, receive: Receive) -> Request | None:
    """The request as it was sent, or None of one that was cut off: half an order is no order."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=scope["query_string"],
        headers={name.decode("latin-1"): text.decode("latin-1") for name, text in scope["headers"]},
        body=body,
    )


async def _until_the_client_leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def bind(port: int) -> socket.socket:
    """Take `port` on loopback (0: any free one); whoever connects from now on waits in line."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A restart after a kill must get the same port back at once.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((HOST, port))
    listener.listen(1024)
    return listener


class _Server(uvicorn.Server):
    """Uvicorn without its own signals: it would raise SIGTERM again after a clean exit."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a process's main coroutine on the fastest loop there is."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


async def serve(application: Callable[..., Awaitable[None]], *, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; give running requests a second."""
    server = _Server(
        uvicorn.Config(
            application,
            lifespan="off",
            log_level="warning",
            access_log=False,
            # Shorter, and a client's pooled connection dies just as it is used again.
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
    )
    async with _stop_signals() as stopped:
        serving = asyncio.ensure_future(server.serve(sockets=[listener]))
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def _stop_signals() -> AsyncIterator["asyncio.Future[None]"]:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[None] = loop.create_future()

    def stop() -> None:
        if not stopped.done():
            stopped.set_result(None)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    yield stopped
    stopped.cancel()
