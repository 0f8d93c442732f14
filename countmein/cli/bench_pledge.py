"""How many pledges a second are acknowledged, beside raw inserts into the same database.

A site of its own is started on a throw-away home: one web process, one worker, one hot campaign.
Every acknowledged pledge must be a row afterwards, and the tally must count every row.
"""

import asyncio
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psycopg

from countmein.base.processes import die_with_parent
from countmein.cli.bench_inserts import inserts_per_second
from countmein.cli.door import Door
from countmein.cli.replay import launch

_CONNECTIONS = (16, 64)
_ROUNDS = 3
_START_SECONDS = 90.0
_COUNT_SECONDS = 60.0
_CHECKOUT = Path(__file__).resolve().parents[2]
#: The site under test is told by its own environment alone.
_FOREIGN = ("COUNTMEIN_", "STRIPE_", "DATABASE_URL", "SMTP_URL", "OUTBOX_URL", "DJANGO", "PG")


def measure(*, seconds: float) -> dict[str, Any]:
    """Pledges and raw inserts a second, at each number of connections, in alternating rounds."""
    with _site() as site:
        door = Door(site["COUNTMEIN_URL"], token=_token(site))
        code = launch(door, _hot_campaign())
        load = _Load(url=site["COUNTMEIN_URL"], code=code)
        load.round(connections=4, seconds=min(1.0, seconds))
        found: dict[str, dict[str, list[float]]] = {}
        for _round in range(_ROUNDS):
            for connections in _CONNECTIONS:
                kept = found.setdefault(str(connections), {})
                pledges = load.round(connections=connections, seconds=seconds)
                kept.setdefault("pledges", []).append(pledges)
                for name, figure in inserts_per_second(
                    site["DATABASE_URL"], connections=connections, seconds=seconds / 2
                ).items():
                    kept.setdefault(name, []).append(figure)
        return {
            "bench": "pledge",
            "per_second": {
                n: {k: _spread(v) for k, v in kept.items()} for n, kept in found.items()
            },
            **_verdict(site["DATABASE_URL"], door, code, load),
            "rounds": _ROUNDS,
            "seconds": seconds,
            "machine": _machine(site["DATABASE_URL"]),
        }


def lines(result: dict[str, Any]) -> list[str]:
    """The result for people."""
    said = []
    for connections, figures in result["per_second"].items():
        for name, spread in figures.items():
            said.append(
                f"{connections:>3} connections  {name:<16}"
                f"{spread['median']:>10,.0f} a second  ({spread['min']:,.0f}–{spread['max']:,.0f})"
            )
    said.append(
        f"{result['acknowledged']:,} acknowledged, {result['rows']:,} rows,"
        f" {result['tally']:,} counted, {result['unanswered']} unanswered,"
        f" {result['refused']} refused: {'ok' if result['ok'] else 'WRONG'}"
    )
    return said


class _Load:
    """Sends pledges over kept connections, as many as are answered."""

    def __init__(self, *, url: str, code: str) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._code = parts.hostname, parts.port, code
        self.sent = self.acknowledged = self.refused = 0

    @property
    def unanswered(self) -> int:
        return self.sent - self.acknowledged - self.refused

    def round(self, *, connections: int, seconds: float) -> float:
        """Acknowledged pledges a second over one round."""
        before, began = self.acknowledged, time.perf_counter()
        asyncio.run(self._all(connections, began + seconds))
        return (self.acknowledged - before) / (time.perf_counter() - began)

    async def _all(self, connections: int, until: float) -> None:
        await asyncio.gather(*(self._one(until) for _ in range(connections)))

    async def _one(self, until: float) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            while time.perf_counter() < until:
                self.sent += 1
                writer.write(self._request(self.sent))
                head = await reader.readuntil(b"\r\n\r\n")
                fields = head.decode("latin1").lower().split("\r\n")
                length = next(f for f in fields if f.startswith("content-length:"))
                await reader.readexactly(int(length.partition(":")[2]))
                if fields[0].split()[1] == "201":
                    self.acknowledged += 1
                else:
                    self.refused += 1
        finally:
            writer.close()

    def _request(self, number: int) -> bytes:
        """A pledge with every field that a signature can have."""
        body = {
            "kind": "signature",
            "amount": 1,
            "member": {"email": f"member.{number}@example.org", "name": f"Member {number}"},
            "place": ("Leeds", "York")[number % 2],
            "condition": {"people": (1, 2, 5)[number % 3]},
            "public_name": number % 2 == 0,
        }
        content = json.dumps(body).encode()
        head = (
            f"POST /api/v1/campaigns/{self._code}/pledges HTTP/1.1\r\n"
            f"Host: 127.0.0.1:{self._port}\r\nContent-Type: application/json\r\n"
            f"Idempotency-Key: bench-{number}\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        return head.encode() + content


def _verdict(dsn: str, door: Door, code: str, load: _Load) -> dict[str, Any]:
    """Whether every acknowledged pledge is a row, and every row is counted."""
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SELECT count(*) FROM campaigns_pledge").fetchone()
    assert row is not None
    rows, deadline = int(row[0]), time.monotonic() + _COUNT_SECONDS
    while time.monotonic() < deadline:
        tally = int(door.get(f"/api/v1/campaigns/{code}")["tally"]["people"])
        if tally == rows:
            break
        time.sleep(0.2)
    return {
        "ok": load.acknowledged <= rows <= load.sent - load.refused and tally == rows,
        "acknowledged": load.acknowledged,
        "rows": rows,
        "tally": tally,
        "refused": load.refused,
        "unanswered": load.unanswered,
    }


def _hot_campaign() -> dict[str, Any]:
    """One that will not tip, so that pledging alone is measured."""
    return {
        "title": "Everybody at once",
        "kinds": ["signature"],
        "rule": {"people": 10**9},
        "places": ["Leeds", "York"],
        "deadline": (datetime.now(tz=UTC) + timedelta(days=30)).isoformat(),
        "confirm": "none",
    }


@contextmanager
def _site() -> Iterator[dict[str, str]]:
    """A running site on a home that is thrown away; yields what it published of itself."""
    path = Path(tempfile.mkdtemp(prefix="countmein-bench-"))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    environment = {**clean, "COUNTMEIN_HOME": str(path), "PYTHONPATH": str(_CHECKOUT)}
    with (path / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "countmein", "up", "--port", "0"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(by=signal.SIGTERM),
        )
    try:
        yield _published(path, process) | {"COUNTMEIN_HOME": str(path)}
    finally:
        process.terminate()
        process.wait(timeout=20)
        shutil.rmtree(path, ignore_errors=True)


def _published(path: Path, process: subprocess.Popen[bytes]) -> dict[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        file = path / "run" / "env.json"
        if file.exists():
            site: dict[str, str] = json.loads(file.read_text())
            # It is published before it is migrated; the door answers when it is ready.
            Door(site["COUNTMEIN_URL"]).get("/api/v1/campaigns")
            return site
        time.sleep(0.1)
    raise RuntimeError(f"the site did not start: {(path / 'up.log').read_text()}")


def _token(site: dict[str, str]) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    made = subprocess.run(
        [sys.executable, "-m", "countmein", "token", "--email", "ana@example.org"],
        env={**clean, "COUNTMEIN_HOME": site["COUNTMEIN_HOME"], "PYTHONPATH": str(_CHECKOUT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()


def _spread(values: list[float]) -> dict[str, float]:
    figures = {"min": min(values), "median": median(values), "max": max(values)}
    return {name: round(value, 1) for name, value in figures.items()}


def _machine(dsn: str) -> dict[str, Any]:
    with psycopg.connect(dsn) as connection:
        row = connection.execute("SHOW server_version").fetchone()
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "processor": platform.machine(),
        "python": platform.python_version(),
        "postgresql": row[0] if row else None,
        "django": version("django"),
        "uvicorn": version("uvicorn"),
        "psycopg": version("psycopg"),
    }
