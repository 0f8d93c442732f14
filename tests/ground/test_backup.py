"""Backups of the embedded database: whole or absent, good for any second, gone when old."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from countmein.base import backup, embedded
from countmein.base.embedded_archive import _KEEP
from countmein.base.embedded_place import EmbeddedRefused
from countmein.base.nights import latest_night, next_night
from countmein.base.restore import choose, cluster_in, restore
from countmein.cli.restore import instant_for

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def here() -> Iterator[Path]:
    """Not tmp_path: its parents are 0700, and the database's user must pass. A space, a percent.

    In memory where there is such a place: what takes time here is copying.
    """
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else None
    directory = Path(tempfile.mkdtemp(prefix="countmein 5% ", dir=place))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def keep(segment: Path, into: Path) -> int:
    """Archive one segment, as the database does."""
    command = ["sh", "-eu", "-c", _KEEP, "sh", str(segment), segment.name, str(into)]
    return subprocess.run(command, check=False).returncode


def test_a_segment_is_archived_whole_and_its_draft_of_before_forgotten(here: Path) -> None:
    segment, kept = here / "000000010000000000000001", here / "kept"
    kept.mkdir()
    segment.write_bytes(b"log" + bytes(100_000))
    (kept / f"{segment.name}.draft").write_bytes(b"lo")
    assert 0 == keep(segment, kept)
    assert [segment.name] == [path.name for path in kept.iterdir()]
    assert segment.read_bytes() == (kept / segment.name).read_bytes()


def test_a_segment_that_is_there_already_is_never_overwritten(here: Path) -> None:
    """The same again is well: the database had not heard that it was kept. Another is refused."""
    segment, kept = here / "000000010000000000000001", here / "kept"
    kept.mkdir()
    segment.write_bytes(b"log")
    assert (0, 0) == (keep(segment, kept), keep(segment, kept))
    segment.write_bytes(b"another's")
    assert 0 != keep(segment, kept)
    assert b"log" == (kept / segment.name).read_bytes()


def made(ours: Path, *, night: int, first: int) -> None:
    """A base that needs the log from the `first` segment on."""
    at = datetime(2030, 1, night, 2, tzinfo=UTC).isoformat()
    path = ours / f"base-{night}"
    path.mkdir()
    (path / "base.json").write_text(
        f'{{"began_at": "{at}", "finished_at": "{at}", "version": "18.6",'
        f' "first_segment": "{1:08X}{0:08X}{first:08X}"}}'
    )


def test_what_only_old_bases_need_is_deleted_and_nothing_else(here: Path) -> None:
    """Timelines do not count, histories stay, and what is no segment is left alone."""
    (here / "wal").mkdir()
    for night in (1, 2, 3):
        made(here, night=night, first=10 * night)
    names = [f"{line:08X}{0:08X}{number:08X}" for line in (1, 2) for number in (9, 19, 20, 35)]
    for name in [*names, "00000002.history", f"{names[0]}.00000028.backup"]:
        (here / "wal" / name).touch()
    backup.forget_old(here, keep=2)
    assert ["base-2", "base-3"] == [base.path.name for base in backup.bases(here)]
    left = sorted(path.name for path in (here / "wal").iterdir())
    assert [*names[2:4], "00000002.history", *names[6:8]] == left


def test_a_base_is_chosen_that_was_whole_by_then(here: Path) -> None:
    for night in (1, 2):
        made(here, night=night, first=night)
    first, second = backup.bases(here)
    a_second = timedelta(seconds=1)
    assert second == choose(here, at=None)
    assert second == choose(here, at=second.finished_at)
    assert first == choose(here, at=second.finished_at - a_second)
    with pytest.raises(EmbeddedRefused, match="good from 2030-01-01T02:00:00Z on"):
        choose(here, at=first.finished_at - a_second)


def test_a_drill_asks_for_a_second_that_the_log_has(here: Path) -> None:
    (here / "wal").mkdir()
    made(here, night=1, first=1)
    (base,) = backup.bases(here)
    assert instant_for(here) is None, "no log yet: as late as there is"
    segment = here / "wal" / f"{1:08X}{0:08X}{1:08X}"
    segment.touch()
    ends = base.finished_at + timedelta(hours=1)
    os.utime(segment, (ends.timestamp(), ends.timestamp()))
    for _drill in range(50):
        at = instant_for(here)
        assert at is not None
        assert base.finished_at <= at < ends - timedelta(seconds=59)


def test_a_draft_is_no_base(here: Path) -> None:
    (here / "base-1.draft").mkdir()
    (here / "base-2").mkdir()  # without its description: no backup ever leaves that
    assert [] == backup.bases(here)


@pytest.mark.parametrize(
    ("now", "night"), [("2030-01-02T01:59", 1), ("2030-01-02T02:00", 2), ("2030-01-02T23:00", 2)]
)
def test_a_backup_is_due_each_night(now: str, night: int) -> None:
    at = datetime.fromisoformat(f"{now}:00+00:00")
    assert datetime(2030, 1, night, 2, tzinfo=UTC) == latest_night(at, hour=2)
    assert datetime(2030, 1, night + 1, 2, tzinfo=UTC) == next_night(at, hour=2)


def numbers(dsn: str) -> list[int]:
    with psycopg.connect(dsn) as connection:
        return [n for (n,) in connection.execute("SELECT n FROM acked ORDER BY n")]


def acknowledge(dsn: str, number: int) -> datetime:
    """Commit a number, and answer an instant after that."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS acked (n int)")
        connection.execute("INSERT INTO acked VALUES (%s)", [number])
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at


def archived(running: embedded.Running) -> None:
    """Have the log up to now archived, and wait until it is."""
    with psycopg.connect(running.superuser_dsn, autocommit=True) as connection:
        row = connection.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        assert row is not None
        done = "SELECT coalesce(last_archived_wal >= %s, false) FROM pg_stat_archiver"
        assert until(lambda: connection.execute(done, [row[0]]).fetchone() == (True,))


def until(holds: Callable[[], object], *, seconds: float = 180) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def restored(home: Path, ours: Path, *, at: datetime | None) -> list[int]:
    """What is acknowledged in a home restored from a backup."""
    restore(home, ours, at=at, log=lambda _line: None)
    running = embedded.start(home, log=print)
    try:
        return numbers(running.dsn)
    finally:
        running.stop()
        shutil.rmtree(home)


@contextlib.contextmanager
def killed_when(holds: Callable[[], object], program: str, *arguments: Path) -> Iterator[None]:
    """Run a program of ours and kill it at the first moment at which something is so."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, cwd=CHECKOUT, start_new_session=True) as process:
        try:
            assert until(holds), "it never came so far"
        finally:
            process.kill()
    assert -signal.SIGKILL == process.returncode
    yield


BACK_UP = """
import sys
from pathlib import Path
from countmein.base.backup import take_base
take_base(Path(sys.argv[1]), Path(sys.argv[2]), log=print)
"""
RESTORE = """
import sys
from pathlib import Path
from countmein.base.restore import restore
restore(Path(sys.argv[1]), Path(sys.argv[2]), at=None, log=print)
"""


@pytest.mark.slow
def test_any_second_since_the_backup_can_be_had_back(here: Path) -> None:
    """One story, because a cluster costs seconds: kills, damage, the control without the log."""
    home, kept, fresh = here / "home", here / "kept", here / "fresh"
    (home / "log").mkdir(parents=True)
    (home / "secret_key").write_text("a secret")
    running = embedded.start(home, log=print, archive=kept)
    try:
        acknowledge(running.dsn, 1)
        with killed_when(lambda: list(kept.glob("*/*.draft/*")), BACK_UP, home, kept):
            (ours,) = kept.glob("cluster-*")
            assert [] == backup.bases(ours)
            with pytest.raises(EmbeddedRefused, match="no backup"):
                cluster_in(kept)
        base = backup.take_base(home, kept, log=print)
        assert [] == list(ours.glob("*.draft"))
        between = acknowledge(running.dsn, 2)
        acknowledge(running.dsn, 3)
        archived(running)
    finally:
        running.stop()
    with pytest.raises(EmbeddedRefused, match="fresh COUNTMEIN_HOME"):
        restore(home, ours, at=None, log=print)
    shutil.rmtree(home)

    unpacked = fresh / "pg.restored" / "recovery.signal"
    with killed_when(unpacked.exists, RESTORE, fresh, ours):
        assert not (fresh / "pg18").exists()
    assert [1, 2] == restored(fresh, ours, at=between)
    assert [1, 2, 3] == restored(fresh, ours, at=None)

    # The control: without the log there is what the base has, and not the second that was meant.
    for segment in (ours / "wal").iterdir():
        segment.unlink()
    assert [1] == restored(fresh, ours, at=None)
    with pytest.raises(EmbeddedRefused, match="could not be played back"):
        restore(fresh, ours, at=between, log=print)
    assert not (fresh / "pg18").exists()

    damaged = bytearray((base.path / "backup_manifest").read_bytes())
    damaged[damaged.index(b'"Checksum": "') + 13] ^= 1
    (base.path / "backup_manifest").write_bytes(damaged)
    with pytest.raises(EmbeddedRefused, match="is damaged"):
        restore(fresh, ours, at=None, log=print)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the log to another user")
def test_a_place_that_the_databases_user_cannot_enter_is_refused(here: Path) -> None:
    from countmein.base.embedded_archive import prepare
    from countmein.base.embedded_binaries import find_binaries
    from countmein.base.embedded_place import settle

    place = settle(home=here / "home", log=print)
    closed = here / "closed"
    closed.mkdir(mode=0o700)
    binaries = replace(find_binaries(place=place), directory=here)
    (here / "pg_controldata").write_text("#!/bin/sh\necho 'Database system identifier:  7'\n")
    (here / "pg_controldata").chmod(0o755)
    with pytest.raises(EmbeddedRefused, match="set BACKUP_DIR"):
        prepare(closed / "kept", place=place, binaries=binaries, cluster=here)
