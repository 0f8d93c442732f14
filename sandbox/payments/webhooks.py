"""Tell the platform what happened: signed, again and again until it says 2xx, for three days."""

import asyncio
import functools
import hashlib
import heapq
import hmac
import http.client
import json
import random
import sqlite3
import threading
import time
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from sandbox.book import Writer
from sandbox.payments.terms import Clock

# Four connections keep up with a few hundred charges a second.
WORKERS = 4
TIMEOUT_SECONDS = 10
LONGEST_WAIT_SECONDS = 60.0
# For so long, by the provider's clock, an event is sent again.
GIVES_UP_SECONDS = 3 * 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """How deliveries misbehave, by one seed.

    Each event is sent 1 to `copies` times, each copy up to `spread_seconds` late (so that they
    arrive in another order), with probability `loss` not at all. `is_held`: nothing is sent
    before `deliver` is asked for.
    """

    seed: int = 0
    copies: int = 1
    spread_seconds: float = 0.0
    loss: float = 0.0
    is_held: bool = False


def sign(payload: bytes, *, secret: str, at: int) -> str:
    """Write the `Stripe-Signature` header for `payload`."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + payload, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def wait_seconds(tries: int) -> float:
    """How long to wait after the n-th failed try: half a second, doubling, at most a minute."""
    return float(min(0.5 * 2 ** (tries - 1), LONGEST_WAIT_SECONDS))


class Deliverer:
    """Threads that carry owed webhooks to one address; the book remembers what is still owed."""

    def __init__(self, *, book: Writer, url: str | None, secret: str, clock: Clock) -> None:
        self._clock = clock
        self._manners = Manners()
        self._draw = random.Random(0)
        self._book = book
        self._url = urlsplit(url) if url else None
        self._secret = secret
        self._due: list[tuple[float, int, str, str]] = []
        self._changed = threading.Condition()
        self._is_closing = False
        self._threads = [
            threading.Thread(target=self._run, name="webhooks", daemon=True)
            for _ in range(WORKERS if self._url else 0)
        ]
        if self._url:
            self.deliver(book.read(_owed))

    def start(self) -> None:
        """Begin to deliver; call in the loop that the book runs in."""
        self._loop = asyncio.get_running_loop()
        for thread in self._threads:
            thread.start()

    def deliver(self, owed: list[tuple[str, str]]) -> None:
        """Take on events (id, payload) that are already in the book."""
        if self._url and owed:
            with self._changed:
                for event, payload in owed:
                    self._take_on(event, payload)
                self._changed.notify(len(owed))

    def _take_on(self, event: str, payload: str) -> None:
        manners = self._manners
        if self._draw.random() < manners.loss:
            return  # it stays owed, and nobody ever sends it
        for _copy in range(self._draw.randint(1, manners.copies)):
            at = time.monotonic() + self._draw.uniform(0, manners.spread_seconds)
            heapq.heappush(self._due, (at, 0, event, payload))

    def misbehave(self, asked: Any) -> None:
        """`webhooks`: {"seed", "copies", "spread_seconds", "loss", "is_held"}, or null.

        Raises ValueError, TypeError.
        """
        manners = Manners(**(asked or {}))
        if manners.copies < 1 or not 0 <= manners.loss <= 1 or manners.spread_seconds < 0:
            raise ValueError("webhooks")
        with self._changed:
            self._manners, self._draw = manners, random.Random(manners.seed)
            self._changed.notify_all()

    def flush(self, asked: Any) -> None:
        """`deliver`: "all" sends at once whatever is still owed, lost or held."""
        if asked != "all":
            raise ValueError("deliver")
        with self._changed:
            self._manners = replace(self._manners, is_held=False)
            known = {event for _at, _tries, event, _payload in self._due}
            self._due = [(0.0, *rest) for _at, *rest in self._due]
            self._due += [(0.0, 0, *row) for row in self._book.read(_owed) if row[0] not in known]
            heapq.heapify(self._due)
            self._changed.notify_all()

    def close(self) -> None:
        """Stop after the deliveries under way; the rest stays owed in the book."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=1)

    def _run(self) -> None:
        connection: http.client.HTTPConnection | None = None
        while (due := self._next()) is not None:
            _, tries, event, payload = due
            connection, is_taken = self._post(connection, payload.encode())
            if is_taken:
                settled = self._book.run(functools.partial(_settle, event=event))
                asyncio.run_coroutine_threadsafe(settled, self._loop)
            elif not self._is_closing and not self._is_old(payload):
                again = time.monotonic() + wait_seconds(tries + 1)
                with self._changed:
                    heapq.heappush(self._due, (again, tries + 1, event, payload))
                    self._changed.notify()

    def _is_old(self, payload: str) -> bool:
        created = int(json.loads(payload)["created"])
        return self._clock.now() - created > GIVES_UP_SECONDS

    def _next(self) -> tuple[float, int, str, str] | None:
        with self._changed:
            while not self._is_closing:
                is_ready = self._due and not self._manners.is_held
                wait = self._due[0][0] - time.monotonic() if is_ready else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)
                self._changed.wait(wait)
        return None

    def _post(
        self, connection: http.client.HTTPConnection | None, payload: bytes
    ) -> tuple[http.client.HTTPConnection | None, bool]:
        """Try once; return the connection if it can be used again, and whether it was taken."""
        assert self._url is not None
        if connection is None:
            connection = http.client.HTTPConnection(
                self._url.hostname or "", self._url.port or 80, timeout=TIMEOUT_SECONDS
            )
        signature = sign(payload, secret=self._secret, at=int(time.time()))
        headers = {"Content-Type": "application/json", "Stripe-Signature": signature}
        path = self._url.path or "/"
        try:
            connection.request("POST", path, payload, headers)
            reply = connection.getresponse()
            reply.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            return None, False
        return connection, 200 <= reply.status < 300


def _owed(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return connection.execute(
        "SELECT event, payload FROM deliveries WHERE delivered_at IS NULL ORDER BY rowid"
    ).fetchall()


def _settle(connection: sqlite3.Connection, *, event: str) -> None:
    connection.execute(
        "UPDATE deliveries SET delivered_at = ?, tries = tries + 1 WHERE event = ?",
        (time.time(), event),
    )
