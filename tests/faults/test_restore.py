"""A site is destroyed, and had back as it was at a given second: links, pledges and all."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.live import Live, launch, running

pytestmark = pytest.mark.slow


def test_acknowledged_pledges_come_back_with_their_receipts() -> None:
    above = Path(tempfile.mkdtemp(prefix="cmi-restored-"))
    above.chmod(0o755)
    try:
        with running(BACKUP_DIR=str(above / "kept")) as site:
            told = pledge_and_die(site)
        fresh = Live(home=above / "home", port=site.port)
        fresh.home.mkdir(mode=0o711)
        said = fresh.countmein(
            "restore", "--from", str(above / "kept"), "--at", told["at"].isoformat()
        )
        assert said.endswith("The site keeps its word."), said
        fresh.start()
        try:
            assert [200, 200, 404] == [
                fresh.api("GET", f"/pledges/{p['code']}?receipt={p['receipt']}").status
                for p in told["pledges"]
            ]
            people = fresh.api("GET", f"/campaigns/{told['code']}").body["tally"]["people"]
            assert 2 == people
        finally:
            fresh.stop()
    finally:
        shutil.rmtree(above, ignore_errors=True)


def pledge_and_die(site: Live) -> dict:  # type: ignore[type-arg]
    """One pledge before the backup, one after it, an instant, one more; then all dies."""
    story = launch(site, site.token("ana@example.org", "Ana"), rule={"people": 50})
    kept = Path(site.settings["BACKUP_DIR"])
    # The first backup is made by the site itself, as soon as it is up.
    site.until(lambda: list(kept.glob("cluster-*/base-*/base.json")))
    site.until(lambda: {b'process="web"', b'process="worker"'} <= processes(site))
    pledges = [story.join("ben", kind="signature")]
    site.countmein("backup")
    pledges.append(story.join("cleo", kind="signature"))
    story.people(2)
    at = datetime.now(UTC)  # the database runs here, by the same clock
    pledges.append(story.join("dora", kind="signature"))
    archive(site)
    assert site.process is not None
    os.kill(site.process.pid, signal.SIGKILL)
    site.process.wait()
    site.process = None
    return {"pledges": pledges, "at": at, "code": story.code}


def processes(site: Live) -> set[bytes]:
    """Which processes the page of metrics tells of, whoever answers."""
    token = (site.home / "metrics_token").read_text().strip()
    asked = urllib.request.Request(f"{site.url}/metrics")
    asked.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return set(re.findall(rb'process="[^"]+"', answer.read()))


def archive(site: Live) -> None:
    """Do now what the site does at least each four minutes: archive the log so far."""
    dsn = site._published("DATABASE_URL").replace("countmein@/countmein", "postgres@/postgres")
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None
        done = "SELECT coalesce(last_archived_wal >= %s, false) FROM pg_stat_archiver"
        deadline = time.monotonic() + 60
        while connection.execute(done, [row[0]]).fetchone() != (True,):
            assert time.monotonic() < deadline, site.logs()
            time.sleep(0.05)
