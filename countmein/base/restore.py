"""Making a database anew from a backup, as it was at a given second."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg

from countmein.base import embedded
from countmein.base.backup import SECRETS, Base, bases
from countmein.base.embedded_binaries import Binaries, find_binaries
from countmein.base.embedded_cluster import environment, write_access
from countmein.base.embedded_place import EmbeddedRefused, Place, majors, settle
from countmein.base.kept_files import keep_entries

_LOOK_SECONDS = 0.05
_PATIENCE_SECONDS = 60.0  # a killed try may be in the middle of a checkpoint


def cluster_in(kept: Path) -> Path:
    """The one cluster whose backups lie in a directory. Raises EmbeddedRefused."""
    found = [kept] if (kept / "wal").is_dir() else sorted(kept.glob("cluster-*"))
    whole = [ours for ours in found if bases(ours)]
    if not whole:
        raise EmbeddedRefused(f"There is no backup in {kept}.")
    if len(whole) > 1:
        names = ", ".join(ours.name for ours in whole)
        raise EmbeddedRefused(f"{kept} has backups of several sites; name one of: {names}.")
    return whole[0]


def choose(ours: Path, *, at: datetime | None) -> Base:
    """The newest base that is good for that instant. Raises EmbeddedRefused."""
    known = bases(ours)
    good = [base for base in known if at is None or base.finished_at <= at]
    if not good:
        raise EmbeddedRefused(
            f"The oldest backup is good from {known[0].finished_at:%Y-%m-%dT%H:%M:%SZ} on;"
            " no earlier instant can be restored."
        )
    return good[-1]


def restore(
    home: Path, ours: Path, *, at: datetime | None, log: Callable[[str], None]
) -> datetime | None:
    """Make the database of a fresh `home` as it was at an instant, or as late as the log goes.

    Answers when the last transaction in it was committed. A kill leaves nothing that could be
    taken for a database; the next try begins anew. Raises EmbeddedRefused.
    """
    base = choose(ours, at=at)
    place = settle(home=home, log=log)
    lock = _lock(place)
    try:
        if majors(place.root):
            raise EmbeddedRefused(
                f"{home} holds a database already; name a fresh COUNTMEIN_HOME to restore into."
            )
        binaries = _binaries(base, place=place)
        log(f"{base.path.name} is unpacked and verified")
        cluster = _unpacked(base, place=place, binaries=binaries)
        log("the log is played back")
        latest = _play_back(cluster, ours, at=at, place=place, binaries=binaries, lock=lock)
        _give_secrets(base, home=place.home)
        cluster.rename(place.root / f"pg{base.major}")
        keep_entries(place.root)
    finally:
        os.close(lock)
    return latest


def _lock(place: Place) -> int:
    """Hold the home; what a killed try had started needs a moment to be gone."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while (lock := embedded.take(place.lock)) is None:
        if time.monotonic() > deadline:
            raise EmbeddedRefused(
                f"A database runs in {place.home}; name a fresh COUNTMEIN_HOME to restore into."
            )
        time.sleep(_LOOK_SECONDS)
    return lock


def _binaries(base: Base, *, place: Place) -> Binaries:
    binaries = find_binaries(place=place)
    if binaries.major != base.major:
        raise EmbeddedRefused(
            f"{base.path.name} was made by PostgreSQL {base.major} and {binaries.directory} is"
            f" {binaries.major}; name binaries of that version in PG_BINDIR."
        )
    return binaries


def _unpacked(base: Base, *, place: Place, binaries: Binaries) -> Path:
    """Unpack a base beside where it will be, and hold it to its checksums."""
    cluster = place.root / "pg.restored"
    shutil.rmtree(cluster, ignore_errors=True)
    cluster.mkdir(mode=0o700)
    for name, target in (("base.tar.gz", cluster), ("pg_wal.tar.gz", cluster / "pg_wal")):
        with tarfile.open(base.path / name) as tar:
            tar.extractall(target, filter="data")
    shutil.copyfile(base.path / "backup_manifest", cluster / "backup_manifest")
    for path, _, files in os.walk(cluster):
        place.give(Path(path))
        for file in files:
            _give_file(Path(path, file), place=place)
    done = subprocess.run(
        [str(binaries.directory / "pg_verifybackup"), "--quiet", str(cluster)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        **place.identity,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it does not say why"])[0]
        raise EmbeddedRefused(f"{base.path} is damaged: {reason}")
    return cluster


def _play_back(
    cluster: Path,
    ours: Path,
    *,
    at: datetime | None,
    place: Place,
    binaries: Binaries,
    lock: int,
) -> datetime | None:
    """Play the kept log back until the instant, and end as a database of its own."""
    (cluster / "recovery.signal").touch(mode=0o600)
    _give_file(cluster / "recovery.signal", place=place)
    write_access(cluster, place=place)
    kept = shlex.quote(str(ours / "wal")).replace("%", "%%")
    more = {"archive_mode": "off", "restore_command": f"cp {kept}/%f %p"}
    if at is not None:
        more["recovery_target_time"] = f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f+00}"
        more["recovery_target_action"] = "promote"
    _refuse_unreadable(ours / "wal", place=place)
    process = embedded.launch(place, binaries=binaries, cluster=cluster, lock=lock, more=more)
    running = embedded.Running(place=place, process=process, lock=None)
    try:
        return _await_end(running, place=place)
    finally:
        running.stop(timeout_seconds=60.0)


def _await_end(running: embedded.Running, *, place: Place) -> datetime | None:
    while running.alive():
        try:
            with psycopg.connect(running.dsn, autocommit=True) as connection:
                row = connection.execute(
                    "SELECT pg_is_in_recovery(), pg_last_xact_replay_timestamp()"
                ).fetchone()
        except psycopg.OperationalError:
            row = None  # it does not let anybody in yet
        if row is not None and not row[0]:
            latest: datetime | None = row[1]
            return latest
        time.sleep(_LOOK_SECONDS)
    raise EmbeddedRefused(
        f"The log could not be played back: {embedded.last_line(place.log)}"
        " (leave the instant away to go as far as the log does)."
    )


def _refuse_unreadable(log: Path, *, place: Place) -> None:
    """Refuse a log that the database's user cannot read: it would look like one that ends early."""
    for path in log.glob("*"):
        done = subprocess.run(
            ["/bin/sh", "-c", 'test -r "$1"', "sh", str(path)],
            cwd="/",
            check=False,
            **place.identity,
        )
        if done.returncode != 0:
            raise EmbeddedRefused(
                f"The database's user {place.os_user.pw_name} cannot read {path}; let it in with"
                f" `chown -R {place.os_user.pw_name} {log}` and directories that may be traversed."
            )
        return


def _give_file(path: Path, *, place: Place) -> None:
    if os.geteuid() == 0:
        os.chown(path, place.os_user.pw_uid, place.os_user.pw_gid)


def _give_secrets(base: Base, *, home: Path) -> None:
    """Bring back the site's secrets, which the links and digests in the database need."""
    for name in SECRETS:
        if (base.path / name).exists():
            shutil.copyfile(base.path / name, home / name)
            (home / name).chmod(0o600)
