"""`countmein restore`: a fresh home from a backup, as the site was at a given second."""

import argparse
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from countmein.base import restore
from countmein.cli.backup import place
from countmein.cli.site import SiteRefused, enter_django, home, ignore_foreign_database, say

#: Work that waited at the restored instant is old by now, and is done once the site runs.
_DONE_LATER = frozenset({"jobs_are_done", "deliveries_are_done", "choices_are_closed_in_time"})
#: What came after that instant the provider knows, and the books do not.
_KNOWS_MORE = "provider_agrees"
#: A segment is kept a while after the last commit in it; a drill asks for nothing so late.
_MARGIN = timedelta(seconds=60)


def run(arguments: Sequence[str]) -> int:
    """Restore into COUNTMEIN_HOME, and let the self-check judge; exit status 1 if it fails."""
    parser = argparse.ArgumentParser(prog="countmein restore")
    parser.add_argument("--from", dest="kept", type=Path, help="where the backups are; BACKUP_DIR")
    parser.add_argument("--at", type=_instant, help="as it was then (2027-03-01T12:00:00Z)")
    parser.add_argument(
        "--send-queued", action="store_true", help="send what waited then, though it may have gone"
    )
    parser.add_argument(
        "--drill", action="store_true", help="restore a random second, judge it, throw it away"
    )
    chosen = parser.parse_args(arguments)
    if "DATABASE_URL" in os.environ:
        raise SiteRefused("The database in DATABASE_URL is restored where it runs.")
    ignore_foreign_database()
    kept = chosen.kept or place(home())
    if kept is None:
        raise SiteRefused("Say with --from where the backups are.")
    ours = restore.cluster_in(kept.resolve())
    if chosen.drill:
        return _drill(ours)
    latest = restore.restore(home(), ours, at=chosen.at, log=lambda line: say("restore", line))
    last = f"{latest.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if latest else "that of the backup"
    print(f"{home()} is as the site was; the last transaction in it: {last}")
    return _judge(send_queued=chosen.send_queued, erasures=_erasures(ours))


def _erasures(ours: Path) -> Path:
    """Where it was noted who was erased: beside the backups of all clusters."""
    return (ours.parent if ours.name.startswith("cluster-") else ours) / "erasures"


def _judge(*, send_queued: bool, erasures: Path) -> int:
    """Erase anew whoever was erased since, park what may have been sent, and ask the self-check."""
    enter_django(home())
    from countmein.campaigns.actions.erase import erase_again
    from countmein.campaigns.selfcheck import self_check
    from countmein.outreach.actions import park_open

    if count := erase_again(erasures):
        print(f"{count} people were erased since then: they are erased here, too")
    if not send_queued and (parked := park_open()):
        print(f"{parked} mails waited then and may have gone since: they are marked unknown")
    failed = [each for each in self_check() if not each["ok"] and each["name"] not in _DONE_LATER]
    for check in failed:
        word = "since  " if check["name"] == _KNOWS_MORE else "FAILED "
        print(f"{word} {check['name']}  {check['detail']}")
    is_kept = all(check["name"] == _KNOWS_MORE for check in failed)
    print("The site keeps its word." if is_kept else "The site does not keep its word.")
    return 0 if is_kept else 1


def _drill(ours: Path) -> int:
    """Restore in a process of its own, beside whatever runs here.

    A killed drill leaves a draft among the backups, which the next backup removes.
    """
    copy = ours / "drill.draft"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(mode=0o711)
    at = instant_for(ours)
    foreign = ("COUNTMEIN_", "BACKUP_DIR", "STRIPE_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    command = [sys.executable, "-m", "countmein", "restore", f"--from={ours}"]
    command += [f"--at={at.isoformat()}"] if at is not None else []
    try:
        return subprocess.run(
            command, env={**clean, "COUNTMEIN_HOME": str(copy)}, check=False
        ).returncode
    finally:
        shutil.rmtree(copy, ignore_errors=True)


def instant_for(ours: Path) -> datetime | None:
    """A random second between the newest base and the end of the log; None where that is none."""
    begins = restore.choose(ours, at=None).finished_at
    ends = max((path.stat().st_mtime for path in (ours / "wal").iterdir()), default=0.0)
    seconds = int((datetime.fromtimestamp(ends, UTC) - _MARGIN - begins).total_seconds())
    if seconds < 1:
        return None
    return begins + timedelta(seconds=secrets.randbelow(seconds))


def _instant(text: str) -> datetime:
    try:
        said = datetime.fromisoformat(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{text} is no instant") from fault
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)
