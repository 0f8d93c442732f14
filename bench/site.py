"""A whole site on a home that is thrown away: database, web, worker and the sandbox's services."""

from __future__ import annotations

import array
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from bench.processes import memory_mib, processor_seconds
from countmein.base.processes import die_with_parent
from countmein.cli.door import Door
from countmein.cli.replay import launch

CHECKOUT = Path(__file__).resolve().parents[1]
_START_SECONDS = 120.0
#: The site under test is told by its own environment alone.
_FOREIGN = ("COUNTMEIN_", "STRIPE_", "DATABASE_URL", "SMTP_URL", "OUTBOX_URL", "DJANGO", "PG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A campaign of the bench's organiser."""

    code: str
    id: str
    lane: int


@dataclass(slots=True, kw_only=True)
class Site:
    """A running site."""

    home: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    published: dict[str, str]
    door: Door
    token: str

    @property
    def url(self) -> str:
        return self.published["COUNTMEIN_URL"]

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    @property
    def dsn(self) -> str:
        return self.published["DATABASE_URL"]

    def processor_seconds(self, *others: int) -> Counter[str]:
        """What each part has used so far."""
        return processor_seconds(self.process.pid, *others)

    def memory_mib(self) -> Counter[str]:
        """What each part holds now."""
        return memory_mib(self.process.pid)

    def database(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A connection to the site's database."""
        return psycopg.connect(self.dsn, autocommit=True)

    def ask(self, statement: str, *values: Any) -> Any:
        """The first value of the first row."""
        with self.database() as connection:
            row = connection.execute(statement, values).fetchone()
        return None if row is None else row[0]

    def launch(self, **terms: Any) -> Campaign:
        """Launch a petition that will not tip, unless told otherwise."""
        said = {
            "title": "Everybody at once",
            "kinds": ["signature"],
            "rule": {"people": 10**9},
            "places": ["Leeds", "York"],
            "deadline": (datetime.now(tz=UTC) + timedelta(days=30)).isoformat(),
            "confirm": "none",
            **terms,
        }
        code = launch(self.door, said)
        with self.database() as connection:
            row = connection.execute(
                """SELECT c.id, g.lane FROM campaigns_campaign c, campaigns_gate g
                   WHERE c.code = %s AND g.id = c.id""",
                [code],
            ).fetchone()
        assert row is not None
        return Campaign(code=code, id=str(row[0]), lane=row[1])

    def run(self, *arguments: str, seconds: float | None = None) -> str:
        """Run a Python module with the site's environment; what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=CHECKOUT,
            env=self.environment | self.published,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            timeout=seconds,
            check=True,
        )
        return done.stdout.strip()

    def until(self, is_so: Any, *, seconds: float, pause: float = 0.05) -> float:
        """Wait until something is so; how long that took, or infinity if it never came."""
        began = time.perf_counter()
        while not is_so():
            if time.perf_counter() - began > seconds:
                return float("inf")
            time.sleep(pause)
        return time.perf_counter() - began

    def self_check(self) -> list[str]:
        """What the site finds wrong with itself."""
        said = self.door.get("/api/v1/self-check")
        return [f"self-check: {check['name']}" for check in said["checks"] if not check["ok"]]

    def lost(self, campaign: Campaign, acknowledged: Path, *, key: str) -> int:
        """How many of the acknowledged numbers have no row; `key` holds the number."""
        numbers = array.array("I", acknowledged.read_bytes())
        with self.database() as connection, connection.transaction():
            connection.execute("CREATE TEMP TABLE acknowledged (number bigint) ON COMMIT DROP")
            with connection.cursor().copy("COPY acknowledged FROM STDIN") as copy:
                for number in numbers:
                    copy.write_row([number])
            row = connection.execute(
                """SELECT count(*) FROM acknowledged a LEFT JOIN campaigns_pledge p
                   ON p.lane = %s AND p.campaign_id = %s
                   AND p.key = replace(%s, '#', lpad(a.number::text, 9, '0')) WHERE p.id IS NULL""",
                [campaign.lane, campaign.id, key],
            ).fetchone()
        assert row is not None
        return int(row[0])


@contextmanager
def running(**settings: str) -> Iterator[Site]:
    """A site of its own in a fresh home, gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="cmi-bench-"))
    # The database's own user must pass.
    home.chmod(0o711)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(_FOREIGN)}
    environment = {
        **clean,
        "COUNTMEIN_HOME": str(home),
        "PYTHONPATH": str(CHECKOUT),
        **settings,
    }
    with (home / "up.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "countmein", "up", "--port", "0"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent(by=signal.SIGTERM),
        )
    try:
        published = _published(home, process)
        token = _token(environment)
        door = Door(published["COUNTMEIN_URL"], token=token)
        yield Site(
            home=home,
            environment=environment,
            process=process,
            published=published,
            door=door,
            token=token,
        )
    finally:
        process.terminate()
        process.wait(timeout=30)
        shutil.rmtree(home, ignore_errors=True)


def _published(home: Path, process: subprocess.Popen[bytes]) -> dict[str, str]:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        file = home / "run" / "env.json"
        if file.exists():
            site: dict[str, str] = json.loads(file.read_text())
            # It is published before it is migrated; the door answers when it is ready.
            Door(site["COUNTMEIN_URL"]).get("/api/v1/campaigns")
            return site
        time.sleep(0.1)
    raise RuntimeError(f"the site did not start: {(home / 'up.log').read_text()}")


def _token(environment: dict[str, str]) -> str:
    made = subprocess.run(
        [sys.executable, "-m", "countmein", "token", "--email", "ana@example.org"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout.strip()
