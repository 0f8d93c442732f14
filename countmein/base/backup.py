"""Backups of the embedded database: a base now and then, the log all the time.

What is kept of one cluster is one directory: `base-…` a whole copy each, with the site's secrets,
and `wal/` the log. A base that is there is whole: it gets its name as the last thing that happens.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import psycopg

from countmein.base import embedded
from countmein.base.embedded_archive import prepare
from countmein.base.embedded_binaries import find_binaries
from countmein.base.embedded_cluster import environment
from countmein.base.embedded_place import EmbeddedRefused, Place, majors, settle
from countmein.base.kept_files import keep_entries, write_private

#: How many bases are kept, and the log since the oldest of them: a week of nights.
KEEP = 7
#: Without the first one no link that was mailed opens any more, and no member is recognised;
#: without the second nobody's address can be read.
SECRETS = ("secret_key", "sealing_keys", "stripe_webhook_secret", "metrics_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A whole copy of the database, good for every instant from `finished_at` on."""

    path: Path
    began_at: datetime
    finished_at: datetime
    version: str
    #: The first segment of the log that it needs.
    first_segment: str

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])


def directory() -> Path | None:
    """Where a running site keeps its backups; None if it keeps none."""
    said = os.environ.get("COUNTMEIN_BACKUP_DIR")
    return Path(said) if said else None


def began_at(kept: Path) -> datetime | None:
    """Since when backups are kept there."""
    with contextlib.suppress(FileNotFoundError):
        return datetime.fromisoformat((kept / "began").read_text().strip())
    return None


def latest(kept: Path) -> Base | None:
    """The newest base of any cluster kept there."""
    found = [base for ours in kept.glob("cluster-*") for base in bases(ours)]
    return max(found, key=lambda base: base.finished_at, default=None)


def bases(ours: Path) -> list[Base]:
    """The bases of one cluster, oldest first."""
    found = []
    for path in ours.glob("base-*"):
        with contextlib.suppress(FileNotFoundError):
            said = json.loads((path / "base.json").read_text())
            for name in ("began_at", "finished_at"):
                said[name] = datetime.fromisoformat(said[name])
            found.append(Base(path=path, **said))
    return sorted(found, key=lambda base: base.finished_at)


def take_base(home: Path, kept: Path, *, log: Callable[[str], None], keep: int = KEEP) -> Base:
    """Copy the running database of `home`, then let go of what is older than the `keep` newest.

    A kill leaves a draft behind, which the next one removes. Raises EmbeddedRefused.
    """
    place = settle(home=home, log=log)
    if not majors(place.root):
        raise EmbeddedRefused(f"There is no database in {home} that could be backed up.")
    binaries = find_binaries(place=place)
    cluster = place.root / f"pg{majors(place.root)[-1]}"
    ours = prepare(kept, place=place, binaries=binaries, cluster=cluster)
    with _alone(ours):
        for left in ours.glob("*.draft"):
            shutil.rmtree(left)
        running = embedded.start(home, log=log)
        try:
            draft, base = _copy(ours, running=running, bin_dir=binaries.directory, place=place)
        finally:
            running.stop()
        draft.rename(base.path)
        keep_entries(ours)
        forget_old(ours, keep=keep)
    return base


def _copy(
    ours: Path, *, running: embedded.Running, bin_dir: Path, place: Place
) -> tuple[Path, Base]:
    """Fill a draft, everything in it on the disk, and say what it will be called."""
    began = _now(running)
    path = ours / f"base-{began:%Y%m%dT%H%M%SZ}"
    draft = path.with_suffix(".draft")
    draft.mkdir(mode=0o700)
    _run(
        [
            str(bin_dir / "pg_basebackup"),
            f"--dbname={running.superuser_dsn}",
            f"--pgdata={draft}",
            "--format=tar",
            "--compress=client-gzip:1",
            "--wal-method=stream",
            "--checkpoint=fast",
            "--no-password",
        ]
    )
    _keep_secrets(draft, home=place.home)
    manifest = json.loads((draft / "backup_manifest").read_text())
    base = Base(
        path=path,
        began_at=began,
        finished_at=_now(running),
        version=_version(running),
        first_segment=_segment(manifest["WAL-Ranges"][0]),
    )
    said = {**asdict(base), "began_at": str(began), "finished_at": str(base.finished_at)}
    del said["path"]
    write_private(draft / "base.json", text=json.dumps(said, indent=1) + "\n")
    keep_entries(draft)
    return draft, base


def forget_old(ours: Path, *, keep: int) -> None:
    """Delete the oldest bases, and the log that only they need.

    A base loses its name before its content, so that a kill leaves none that is not whole.
    """
    known = bases(ours)
    for base in known[: max(0, len(known) - keep)]:
        draft = base.path.with_suffix(".draft")
        base.path.rename(draft)
        shutil.rmtree(draft)
    if not (left := bases(ours)):
        return
    # A segment's name is its timeline and its place; what counts is the place.
    first = left[0].first_segment[8:]
    for path in (ours / "wal").iterdir():
        if len(path.name) >= 24 and path.suffix != ".history" and path.name[8:24] < first:
            path.unlink()


def begin(kept: Path, *, at: datetime) -> None:
    """Note since when backups are kept there; the first note stays."""
    if began_at(kept) is None:
        write_private(kept / "began", text=f"{at.isoformat()}\n")


def _segment(said: dict[str, object], *, segment_bytes: int = 16 * 1024 * 1024) -> str:
    """The name of the segment in which a range of the log begins."""
    high, low = (int(part, 16) for part in str(said["Start-LSN"]).split("/"))
    return f"{said['Timeline']:08X}{high:08X}{low // segment_bytes:08X}"


def _keep_secrets(draft: Path, *, home: Path) -> None:
    for name in SECRETS:
        with contextlib.suppress(FileNotFoundError):
            write_private(draft / name, text=(home / name).read_text())


def _now(running: embedded.Running) -> datetime:
    with psycopg.connect(running.dsn, autocommit=True) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    now: datetime = row[0]
    return now


def _version(running: embedded.Running) -> str:
    with psycopg.connect(running.dsn, autocommit=True) as connection:
        version = connection.info.server_version
    return f"{version // 10_000}.{version % 10_000}"


@contextlib.contextmanager
def _alone(ours: Path) -> Iterator[None]:
    """One backup of a cluster at a time. Raises EmbeddedRefused while another is made."""
    handle = os.open(ours / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise EmbeddedRefused(f"A backup into {ours} is being made already.") from None
    try:
        yield
    finally:
        os.close(handle)


def _run(command: list[str]) -> None:
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, umask=0o077, check=False
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise EmbeddedRefused(f"{Path(command[0]).name} made no backup: {reason}")
