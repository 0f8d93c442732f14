"""A person who can be recognised anywhere, and somebody who looks everywhere for them."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any
from urllib.parse import quote

from django.core.cache import cache
from django.db import connection

from countmein.base.logs import formatter
from tests.apps.members.conftest import rows_with
from tests.conftest import Site


class Canary:
    """Somebody whose name, address and words occur nowhere else."""

    def __init__(self, mark: str) -> None:
        self.address = f"canary.{mark}@aviary-{mark}.example.org"
        self.name = f"Zyxandra {mark.title()}bird"
        self.note = f"my note is {mark}-{mark}"

    @property
    def member(self) -> dict[str, str]:
        return {"email": self.address, "name": self.name}

    @property
    def marks(self) -> list[str]:
        """Each text as it is, and as it could be hidden: in hex, in base64, in an address."""
        return [form for said in (self.address, self.name, self.note) for form in _forms(said)]


def _forms(said: str) -> list[str]:
    raw = said.encode()
    # Inside a longer text base64 begins at one of three places; its ends depend on what is beside.
    hidden = [base64.b64encode(b"\0" * n + raw).decode()[(n + 2) // 3 * 4 :][:-4] for n in range(3)]
    return [said, raw.hex(), quote(said, safe=""), *hidden]


class Watch(logging.Handler):
    """Sees every log line, every row, every job before it runs, every cache and every answer."""

    def __init__(self, *who: Canary) -> None:
        super().__init__(level=logging.DEBUG)
        self.who = who
        self.lines: list[str] = []
        self.found: list[tuple[str, str]] = []
        self._format = formatter()

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self._format.format(record))

    def __enter__(self) -> Watch:
        logging.getLogger().addHandler(self)
        return self

    def __exit__(self, *_fault: object) -> None:
        logging.getLogger().removeHandler(self)

    def look(self, place: str, text: str, *, but: tuple[str, ...] = ()) -> None:
        """Note every mark in a text; `but` are texts that may be there."""
        for allowed in but:
            text = text.replace(allowed, "")
        for who in self.who:
            for mark in who.marks:
                if mark.lower() in text.lower():
                    self.found.append((place, mark))

    def look_everywhere(self) -> None:
        """All tables, all caches, all that was logged."""
        for who in self.who:
            self.found += [(table, row[:200]) for table, row in rows_with(*who.marks)]
        self.look("cache", repr(getattr(cache, "_cache", {})))
        self.look("log", "\n".join(self.lines))

    def work(self, site: Site) -> None:
        """Let the site work, and look at what waits before each round of it."""
        from procrastinate.contrib.django import app

        from countmein import schedule

        app.perform_import_paths()
        for _round in range(200):
            schedule.sweep()
            self.look_everywhere()
            with connection.cursor() as cursor:
                cursor.execute(
                    "DELETE FROM procrastinate_jobs WHERE status = 'todo' "
                    "RETURNING id, task_name, args"
                )
                jobs = sorted(cursor.fetchall())
            if not jobs:
                return
            for _id, name, args in jobs:
                app.tasks[name](**(json.loads(args) if isinstance(args, str) else args))
        raise AssertionError("the site never comes to rest")

    def places(self) -> set[str]:
        """Where marks were found."""
        return {place for place, _mark in self.found}


def text_of(response: Any) -> str:
    """All of an answer: where it leads, what it says, its headers."""
    body = b"".join(response) if response.streaming else response.content
    return "\n".join([str(dict(response.headers)), body.decode(errors="replace")])
