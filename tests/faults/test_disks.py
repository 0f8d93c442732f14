"""R2 and R3: the power is cut, the disk is full: service stops, no acknowledged pledge is lost."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from countmein.base import embedded
from tests.faults.auditor import audited
from tests.faults.disks import (
    Machine,
    free_bytes,
    machine,
    read_only,
    reason_against,
    resized,
    small_disk,
)
from tests.faults.masses import size
from tests.faults.pledgers import Note, Pledgers, kept, lost
from tests.faults.rig import below, dsn_of, signalled
from tests.live import CHECKOUT, Live, launch, running

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(reason_against()), reason=reason_against() or "there are disks"),
]

CUTS = size(1, 20)
#: Acknowledged before each cut.
BEFORE = size(200, 1000)
ENDLESS = {"rule": {"people": 10**9}}


@pytest.fixture
def note(tmp_path: Path) -> Iterator[Note]:
    """What the people outside note down."""
    told = Note(tmp_path / "acknowledged")
    yield told
    told.close()


def _lose_power(disk: Machine, pids: list[int]) -> None:
    """Stop everybody, keep what the disk has, and let nobody write on."""
    signalled(pids, signal.SIGSTOP)
    disk.cut()
    signalled(pids, signal.SIGKILL)


def test_after_a_power_cut_every_acknowledged_pledge_is_there(note: Note) -> None:
    """The site goes on with what its disk has, as after a real cut, and is cut again."""
    code = ""
    with machine() as disk:
        for turn in range(CUTS):
            with disk.on() as at, running(at=at / "home") as site:
                code = code or launch(site, site.token("ana@example.org"), **ENDLESS).code
                assert set() == lost(note, dsn_of(site))
                with Pledgers(site.url, code, note, prefix=f"t{turn}n"):
                    note.until_more(BEFORE)
                    assert site.process is not None
                    _lose_power(disk, below(site.process.pid))
                    site.process.wait()
                    site.process = None
        with disk.on() as at, running(at=at / "home") as site:
            assert set() == lost(note, dsn_of(site))
            assert CUTS * BEFORE <= len(note.codes())
            people = len(kept(dsn_of(site)))
            view = f"/campaigns/{code}"
            site.until(lambda: people == site.api("GET", view).body["tally"]["people"])


@pytest.mark.parametrize("fsync", ["on", "off"])
def test_only_what_is_forced_to_the_disk_outlives_the_power(
    fsync: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: without fsync all that was acknowledged is lost, and the cut shows it."""
    monkeypatch.setitem(embedded.SETTINGS, "fsync", fsync)
    monkeypatch.setattr(embedded, "require_durable", lambda _dsn: None)
    acknowledged: set[int] = set()
    with machine() as disk:
        with disk.on() as at:
            database = embedded.start(at / "home", log=print)
            with psycopg.connect(database.dsn, autocommit=True) as connection:
                connection.execute("CREATE TABLE promise (n int)")
                os.sync()  # the table itself has been there for long
                for number in range(500):
                    connection.execute("INSERT INTO promise VALUES (%s)", [number])
                    acknowledged.add(number)
                assert database.process is not None
                _lose_power(disk, below(database.process.pid))
            database.stop()
        with disk.on() as at:
            there = _promises(at / "home")
    assert not acknowledged - there if fsync == "on" else acknowledged - there


def _promises(home: Path) -> set[int]:
    """The rows that are there; none where the database does not even start."""
    try:
        database = embedded.start(home, log=print)
    except embedded.EmbeddedRefused:
        return set()
    try:
        with psycopg.connect(database.dsn) as connection:
            return {n for (n,) in connection.execute("SELECT n FROM promise")}
    finally:
        database.stop()


def test_a_full_disk_costs_service_and_no_pledge(note: Note) -> None:
    """Refused with 503 while it is full, read meanwhile, and taken again by itself afterwards."""
    with small_disk(500) as at, running(at=at / "home") as site:
        code = launch(site, site.token("ana@example.org"), **ENDLESS).code
        with audited(dsn_of(site)), Pledgers(site.url, code, note, clients=4) as people:
            note.until_more(BEFORE)
            _fill(at)
            refused = people.said[503]
            site.until(lambda: people.said[503] > refused + 20, 120)
            _fill(at)
            assert _log_tells(site)
            resized(at, 900)
            note.until_more(BEFORE)
        assert [] == people.strange
        assert set() == lost(note, dsn_of(site))
        site.until(site.is_ready, 60)
        site.rest()
        site.self_check()


def _fill(at: Path) -> None:
    """Leave no room at all."""
    handle = os.open(at / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        while True:
            os.write(handle, bytes(min(1_000_000, max(4096, free_bytes(at) // 2))))
    except OSError as full:
        assert errno.ENOSPC == full.errno
    finally:
        os.close(handle)


def _log_tells(site: Live) -> bool:
    """The disk was really full for the database."""
    return "No space left on device" in (site.home / "log" / "database.log").read_text()


def test_a_disk_that_cannot_be_written_is_one_clear_sentence() -> None:
    """R44: refused with what to do; when it can be written again, the site starts."""
    with small_disk(500) as at, running(at=at / "home") as site:
        site.stop()
        read_only(at)
        done = subprocess.run(
            [sys.executable, "-m", "countmein", "up", "--port", str(site.port)],
            cwd=CHECKOUT,
            env=site.environment,
            capture_output=True,
            text=True,
        )
        assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n")), done.stderr
        assert "Read-only file system" in done.stderr
        assert "set COUNTMEIN_HOME to a directory it may write to" in done.stderr
        resized(at, 500)
        site.start()
