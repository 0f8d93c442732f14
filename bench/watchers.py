"""Many watchers of one campaign: `python -m bench.watchers URL DSN CODE COUNT` until stdin ends.

Prints, as JSON, how long after it was announced each tally reached each watcher, and what every
watcher saw last. Announcements are heard on a connection of its own, as the site hears them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import psycopg

from bench.load import get

#: The announcement itself may come a moment after the first watcher has the tally.
_LOOK = (
    "SELECT t.as_of::text, t.people FROM campaigns_tally t, campaigns_campaign c"
    " WHERE c.code = %s AND t.id = c.id"
)


class _Watch:
    def __init__(self, code: str) -> None:
        self.code = code
        self.announced: dict[int, float] = {}
        self.arrivals: list[tuple[int, float]] = []
        self.ages: list[float] = []
        self.last: list[int] = []
        self.ended = 0

    async def hear(self, dsn: str) -> None:
        """Note when each tally was announced."""
        connection = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
        look = await psycopg.AsyncConnection.connect(dsn, autocommit=True)
        await connection.execute("LISTEN tally")
        async for notice in connection.notifies():
            if notice.payload == self.code:
                heard = time.perf_counter()
                row = await (await look.execute(_LOOK, [self.code])).fetchone()
                if row is not None:
                    self.announced.setdefault(int(row[1]), heard)

    async def watch(self, host: str, port: int, place: int) -> None:
        """One watcher: read events until the stream ends."""
        reader, writer = await asyncio.open_connection(host, port)
        request = get(f"/api/v1/campaigns/{self.code}/events", port=port)
        writer.write(request.encode())
        try:
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    tally = json.loads(line[6:])
                    people = int(tally["people"])
                    self.arrivals.append((people, time.perf_counter()))
                    self.ages.append(
                        time.time() - datetime.fromisoformat(tally["as_of"]).timestamp()
                    )
                    self.last[place] = people
        finally:
            self.ended += 1
            writer.close()

    def report(self) -> dict[str, Any]:
        lags = sorted(
            max(0.0, at - self.announced[people])
            for people, at in self.arrivals
            if people in self.announced
        ) or [0.0]
        return {
            "arrivals": len(self.arrivals),
            "measured": len(lags),
            "p50_ms": lags[len(lags) // 2] * 1e3,
            "p99_ms": lags[min(len(lags) - 1, len(lags) * 99 // 100)] * 1e3,
            "age_p50_ms": sorted(self.ages)[len(self.ages) // 2] * 1e3 if self.ages else 0.0,
            "last": sorted(set(self.last)),
            "ended": self.ended,
        }


async def _main() -> None:
    url, dsn, code, count = sys.argv[1:]
    parts, watch = urlsplit(url), _Watch(code)
    watch.last = [-1] * int(count)
    tasks = [asyncio.create_task(watch.hear(dsn))]
    for place in range(int(count)):
        host, port = parts.hostname or "", parts.port or 0
        tasks.append(asyncio.create_task(watch.watch(host, port, place)))
        if place % 100 == 99:
            await asyncio.sleep(0.1)
    while not all(people >= 0 for people in watch.last) and not watch.ended:
        await asyncio.sleep(0.1)
    # What reached those who have just come is not news.
    watch.arrivals.clear()
    watch.ages.clear()
    print("watching", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(json.dumps(watch.report()), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_main())
