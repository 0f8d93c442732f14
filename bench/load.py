"""Many clients at once over kept connections: `python -m bench.load`, a job as JSON on stdin.

A process of its own, and lean: requests are prebuilt bytes with a number put in, answers are read
no further than their status and length. `Job` is what a job says.
"""

from __future__ import annotations

import array
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_GRACE_SECONDS = 30.0
_CHECKOUT = Path(__file__).resolve().parents[1]
#: Where a request's own number goes; it has a fixed width, so lengths are known beforehand.
NUMBER = "000000000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of request; `NUMBER` in it stands for the number of the request."""

    name: str
    request: str
    #: How often it comes in one turn of all kinds.
    share: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is asked how often.

    `rate`: so many requests a second in all, whatever the answers take, and a late one's time
    counts from when it was due; 0: each connection asks as soon as it was answered.
    """

    host: str
    port: int
    kinds: Sequence[Kind]
    connections: int = 64
    seconds: float = 5.0
    rate: float = 0.0
    first: int = 1
    #: A file for the numbers of all requests answered 201, as 32-bit integers.
    acknowledged: str = ""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of one kind of request."""

    statuses: dict[str, int]
    unanswered: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def answered(self) -> int:
        return sum(self.statuses.values())

    def of(self, status: int) -> int:
        """How many had this answer."""
        return self.statuses.get(str(status), 0)


@dataclass(slots=True, kw_only=True)
class Report:
    """What a job came to."""

    seconds: float
    processor_seconds: float
    sent: int
    kinds: dict[str, Outcome]


def run(job: Job) -> Report:
    """Do a job in a process of its own."""
    return begin(job)()


def begin(job: Job) -> Any:
    """Begin a job in a process of its own; call what is returned to await its report."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.load"],
        cwd=_CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(job)))
    process.stdin.close()
    process.stdin = None

    def report() -> Report:
        said, _ = process.communicate(timeout=job.seconds + 3 * _GRACE_SECONDS)
        if process.returncode:
            raise RuntimeError("the load generator failed")
        found = json.loads(said)
        kinds = {name: Outcome(**kind) for name, kind in found.pop("kinds").items()}
        return Report(**found, kinds=kinds)

    return report


def get(path: str, *, port: int, headers: str = "") -> str:
    """The bytes of a GET, as text."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n"


def post(path: str, body: str, *, port: int, headers: str = "") -> str:
    """The bytes of a POST of JSON, as text."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body.encode())}\r\n{headers}\r\n{body}"
    )


@dataclass(slots=True)
class _Seen:
    latencies: array.array[float] = field(default_factory=lambda: array.array("d"))
    statuses: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0

    def outcome(self) -> dict[str, Any]:
        ordered = sorted(self.latencies) or [0.0]
        return {
            "statuses": dict(self.statuses),
            "unanswered": self.unanswered,
            "p50_ms": ordered[len(ordered) // 2] * 1e3,
            "p99_ms": ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1e3,
            "max_ms": ordered[-1] * 1e3,
        }


class _Load:
    """One job under way."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.rate: float = job["rate"]
        self.seen = {kind["name"]: _Seen() for kind in job["kinds"]}
        # Spread evenly: 20 reads and a pledge, not 20 connections that read and one that pledges.
        self.turns = [
            (self.seen[kind["name"]], kind["request"].encode().split(NUMBER.encode()))
            for kind in job["kinds"]
            for _ in range(kind["share"])
        ]
        self.number: int = job["first"]
        self.acknowledged = array.array("I")
        self.clients: list[_Client] = []
        self.loop = asyncio.get_running_loop()
        self.done = self.loop.create_future()
        self.open = 0
        self.processor_before = time.process_time()
        self.began = time.perf_counter()
        self.until = self.began + job["seconds"]
        self.ended = self.began

    async def go(self) -> None:
        count = self.job["connections"]
        self.open = count
        for _ in range(count):
            await self.connect()
        limit = self.until + _GRACE_SECONDS - time.perf_counter()
        try:
            await asyncio.wait_for(asyncio.shield(self.done), limit)
        except TimeoutError:
            for client in self.clients:
                if client.waits is not None:
                    client.waits.unanswered += 1

    async def connect(self) -> None:
        await self.loop.create_connection(lambda: _Client(self), self.job["host"], self.job["port"])

    def closed(self) -> None:
        self.open -= 1
        if not self.open and not self.done.done():
            self.done.set_result(None)


class _Client(asyncio.Protocol):
    """One connection: asks, waits for the answer, asks again."""

    __slots__ = ("began", "buffer", "load", "needs", "now", "number", "transport", "waits")

    def __init__(self, load: _Load) -> None:
        self.load = load
        self.buffer = b""
        self.needs = 0
        self.waits: _Seen | None = None
        self.now = time.perf_counter

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.load.clients.append(self)
        self.ask()

    def ask(self) -> None:
        load, now = self.load, self.now()
        if now >= load.until:
            self.transport.close()
            return
        number = load.number
        load.number = number + 1
        if load.rate:
            due = load.began + (number - load.job["first"]) / load.rate
            if due >= load.until:
                self.transport.close()
            elif due > now:
                load.loop.call_later(due - now, self.send, number, due)
            else:
                self.send(number, due)
        else:
            self.send(number, now)

    def send(self, number: int, began: float) -> None:
        seen, pieces = self.load.turns[number % len(self.load.turns)]
        self.number, self.began, self.waits = number, began, seen
        self.transport.write(pieces[0] if len(pieces) == 1 else (b"%09d" % number).join(pieces))

    def data_received(self, data: bytes) -> None:
        if self.buffer:
            data = self.buffer + data
        if not self.needs:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.buffer = data
                return
            head = data[:end].lower()
            at = head.find(b"content-length:")
            if at < 0:
                if not data.endswith(b"0\r\n\r\n"):
                    self.buffer = data
                    return
                self.needs = len(data)
            else:
                stop = head.find(b"\r", at)
                self.needs = end + 4 + int(head[at + 15 : stop if stop > 0 else end])
        if len(data) < self.needs:
            self.buffer = data
            return
        self.answered(data)

    def answered(self, data: bytes) -> None:
        seen = self.waits
        if seen is None:
            return
        self.buffer, self.needs, self.waits = b"", 0, None
        status = data[9:12].decode()
        self.load.ended = now = self.now()
        seen.latencies.append(now - self.began)
        seen.statuses[status] += 1
        if status == "201":
            self.load.acknowledged.append(self.number)
        self.ask()

    def connection_lost(self, _fault: Exception | None) -> None:
        if self.waits is not None:
            self.waits.unanswered += 1
            self.waits = None
        if self.now() < self.load.until:
            self.load.loop.create_task(self.again())
        else:
            self.load.closed()

    async def again(self) -> None:
        try:
            await self.load.connect()
        except OSError:
            self.load.closed()


async def _main() -> None:
    load = _Load(json.loads(sys.stdin.read()))
    await load.go()
    spent = time.process_time() - load.processor_before
    if load.job["acknowledged"]:
        with Path(load.job["acknowledged"]).open("wb") as file:
            load.acknowledged.tofile(file)
    report = {
        "seconds": load.ended - load.began,
        "processor_seconds": spent,
        "sent": sum(len(s.latencies) + s.unanswered for s in load.seen.values()),
        "kinds": {name: seen.outcome() for name, seen in load.seen.items()},
    }
    print(json.dumps(report))


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main())
