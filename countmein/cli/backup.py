"""`countmein backup`: a copy of the embedded database, and of the secrets it needs."""

import argparse
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from countmein.base import backup
from countmein.base.embedded_place import EmbeddedRefused
from countmein.base.nights import latest_night
from countmein.cli.site import (
    SiteRefused,
    enter_site,
    home,
    ignore_foreign_database,
    is_running,
    is_sandbox,
    say,
)

#: Before the night's inspection, and when few are about.
_NIGHT_HOUR = 2
_LOOK_SECONDS = 30.0
_AFTER_A_FAULT_SECONDS = 600.0


def run(arguments: Sequence[str]) -> int:
    """Make a backup now, or each night until told to stop."""
    parser = argparse.ArgumentParser(prog="countmein backup")
    parser.add_argument("--nightly", action="store_true", help="one each night (started by up)")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    parser.add_argument("--keep", type=int, default=backup.KEEP, help="how many are kept; 7")
    chosen = parser.parse_args(arguments)
    if chosen.keep < 1:
        parser.error("--keep is at least 1")
    if "DATABASE_URL" in os.environ and "COUNTMEIN_RUN_DIR" not in os.environ:
        raise SiteRefused(
            "The database in DATABASE_URL is backed up where it runs;"
            f" keep {home() / 'secret_key'} together with it."
        )
    ignore_foreign_database()
    if is_running(home()):
        enter_site(home())  # it knows where its backups go
    kept = place(home()) or home() / "backup"
    if chosen.list:
        _list(kept)
    elif chosen.nightly:
        _each_night(kept, keep=chosen.keep)
    else:
        made = backup.take_base(
            home(), kept, log=lambda line: say("backup", line), keep=chosen.keep
        )
        print(made.path)
    return 0


def place(path: Path) -> Path | None:
    """Where the site of this home keeps its backups; None for one that keeps none by itself.

    A live site does, in its home unless BACKUP_DIR says better; a sandbox only if told where.
    """
    if said := os.environ.get("COUNTMEIN_BACKUP_DIR") or os.environ.get("BACKUP_DIR"):
        return None if said == "off" else Path(said).resolve()
    return None if is_sandbox() else path / "backup"


def _list(kept: Path) -> None:
    for ours in sorted(kept.glob("cluster-*")):
        for base in backup.bases(ours):
            print(f"{base.path}  good from {base.finished_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")


def _each_night(kept: Path, *, keep: int) -> None:
    """Make a backup when there is none, and each night; a fault is told and tried again."""
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    backup.begin(kept, at=datetime.now(UTC))
    while True:
        latest = backup.latest(kept)
        pause = _LOOK_SECONDS
        due_at = latest_night(datetime.now(UTC), hour=_NIGHT_HOUR)
        if latest is None or latest.finished_at < due_at:
            try:
                made = backup.take_base(home(), kept, log=_quiet, keep=keep)
                say("backup", f"made {made.path}")
            except EmbeddedRefused as refused:
                say("backup", str(refused))
                pause = _AFTER_A_FAULT_SECONDS
        time.sleep(pause)


def _quiet(_line: str) -> None:
    """What a start of the database says is of no interest here: it runs already."""
