"""People who pledge by HTTP while things die, and the note that they keep of what they were told.

The note is the witness outside: each acknowledgement is on the disk of this machine, by a file of
its own, before the next request is sent. What a site has acknowledged and no longer has, it lost.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

Body = Callable[[str], dict[str, Any]]
_PATIENCE_SECONDS = 120.0
#: Between a try that failed and the next: a site that is down is not hammered.
_PAUSE_SECONDS = 0.05


def signature(who: str) -> dict[str, Any]:
    """Somebody who signs."""
    return {"kind": "signature", "member": {"email": f"{who}@example.org", "name": who.title()}}


def ten_euros(who: str) -> dict[str, Any]:
    """Somebody who pays."""
    card = {"amount": 1000, "payment_method": "pm_card_visa"}
    return {**signature(who), "kind": "money", **card}


class Note:
    """What was acknowledged: one line each, on the disk before `write` returns."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._news = threading.Condition()
        self._keys: dict[str, str] = {}
        self.last_at = time.monotonic()

    def write(self, key: str, code: str) -> None:
        """Note that this key was answered with this pledge."""
        os.write(self._handle, f"{key} {code}\n".encode())
        os.fsync(self._handle)
        with self._news:
            self._keys[key] = code
            self.last_at = time.monotonic()
            self._news.notify_all()

    def codes(self) -> dict[str, str]:
        """Every acknowledged key with its pledge, as the disk has it."""
        size = os.lseek(self._handle, 0, os.SEEK_END)
        lines = os.pread(self._handle, size, 0).decode().splitlines()
        return dict(line.split() for line in lines)

    def __len__(self) -> int:
        return len(self._keys)

    def until_more(self, more: int, *, seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until so many more are acknowledged than now."""
        with self._news:
            goal = len(self._keys) + more
            assert self._news.wait_for(lambda: len(self._keys) >= goal, seconds), (
                f"{len(self._keys)} acknowledged, and no {goal} in {seconds} s"
            )

    def close(self) -> None:
        """Give the file back."""
        os.close(self._handle)


class Pledgers:
    """So many clients with kept connections, each of whom repeats a key until it is answered."""

    def __init__(
        self,
        url: str,
        code: str,
        note: Note,
        *,
        body: Body = signature,
        prefix: str = "m",
        clients: int = 8,
    ) -> None:
        at, self._prefix = urlsplit(url), prefix
        self._host, self._port = at.hostname or "", at.port or 80
        self._path, self._note, self._body = f"/api/v1/campaigns/{code}/pledges", note, body
        self._numbers = itertools.count()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._pledge_on) for _ in range(clients)]
        #: How often each status was said, 0 for a connection that broke.
        self.said: Counter[int] = Counter()
        self.strange: list[tuple[str, int, bytes]] = []

    def __enter__(self) -> Pledgers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in self._threads)

    def _pledge_on(self) -> None:
        door = http.client.HTTPConnection(self._host, self._port, timeout=20)
        try:
            while not self._stopped.is_set():
                number = next(self._numbers)
                who = f"{self._prefix}{number}"
                self._pledge(door, who, self._body(who))
        finally:
            door.close()

    def _pledge(self, door: http.client.HTTPConnection, key: str, body: dict[str, Any]) -> None:
        """Say it again and again under one key until there is an answer."""
        while not self._stopped.is_set():
            status, content = posted(door, self._path, key, body)
            self.said[status] += 1
            if status in (200, 201):
                self._note.write(key, json.loads(content)["code"])
                return
            if status not in (0, 503):
                self.strange.append((key, status, content))
                return
            self._stopped.wait(_PAUSE_SECONDS)


def posted(
    door: http.client.HTTPConnection, path: str, key: str, body: dict[str, Any]
) -> tuple[int, bytes]:
    """One try: the status and what was said with it; status 0 where the wire broke."""
    headers = {"Content-Type": "application/json", "Idempotency-Key": key}
    try:
        door.request("POST", path, json.dumps(body), headers)
        answer = door.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        door.close()
        return 0, b""


def kept(dsn: str) -> dict[str, str]:
    """Every key with its pledge, as the database has it; no key may have two."""
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT key, code FROM campaigns_pledge").fetchall()
    assert 1 == max(Counter(key for key, _code in rows).values(), default=1)
    return dict(rows)


def lost(note: Note, dsn: str) -> set[str]:
    """The acknowledged keys that are not there; one with another pledge is not there either."""
    there = kept(dsn)
    return {key for key, code in note.codes().items() if there.get(key) != code}
