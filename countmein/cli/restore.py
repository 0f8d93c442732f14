"""`countmein restore`: a fresh home from a backup, as the site was at a given second."""

import argparse
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from countmein.base import restore
from countmein.cli.backup import place
from countmein.cli.site import SiteRefused, enter_django, home, ignore_foreign_database, say


def run(arguments: Sequence[str]) -> int:
    """Restore into COUNTMEIN_HOME, and let the self-check judge; exit status 1 if it fails."""
    parser = argparse.ArgumentParser(prog="countmein restore")
    parser.add_argument("--from", dest="kept", type=Path, help="where the backups are; BACKUP_DIR")
    parser.add_argument("--at", type=_instant, help="as it was then (2027-03-01T12:00:00Z)")
    parser.add_argument(
        "--send-queued", action="store_true", help="send what waited then, though it may have gone"
    )
    chosen = parser.parse_args(arguments)
    if "DATABASE_URL" in os.environ:
        raise SiteRefused("The database in DATABASE_URL is restored where it runs.")
    ignore_foreign_database()
    kept = chosen.kept or place(home())
    if kept is None:
        raise SiteRefused("Say with --from where the backups are.")
    ours = restore.cluster_in(kept.resolve())
    latest = restore.restore(home(), ours, at=chosen.at, log=lambda line: say("restore", line))
    last = f"{latest.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}" if latest else "that of the backup"
    print(f"{home()} is as the site was; the last transaction in it: {last}")
    return _judge(send_queued=chosen.send_queued)


def _judge(*, send_queued: bool) -> int:
    """Park what may have been sent since, and ask the self-check."""
    enter_django(home())
    from countmein.campaigns.selfcheck import self_check
    from countmein.outreach.actions import park_open

    if not send_queued and (parked := park_open()):
        print(f"{parked} mails waited then and may have gone since: they are marked unknown")
    failed = [check for check in self_check() if not check["ok"]]
    for check in failed:
        print(f"FAILED  {check['name']}  {check['detail']}")
    print("The site keeps its word." if not failed else "The site does not keep its word.")
    return 1 if failed else 0


def _instant(text: str) -> datetime:
    try:
        said = datetime.fromisoformat(text)
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{text} is no instant") from fault
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)
