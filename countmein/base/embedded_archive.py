"""Keeping the embedded server's log, segment by segment, where backups are kept.

A base backup and the log since then are the database at any instant in between. What is kept of one
cluster lies in a directory named after the number that PostgreSQL gave it at its birth, so that a
home made anew never mixes its log with that of its predecessor.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from countmein.base.embedded_binaries import Binaries
from countmein.base.embedded_place import EmbeddedRefused, Place, closed_ancestor

#: What a dead disk costs at the most, in the quietest hour: promised are five minutes.
ARCHIVE_SECONDS = 240

# $1 is the segment, $2 its name, $3 where it goes. A segment appears under its name only when it is
# whole and on the disk; one that is there already was kept before the server heard of it, and must
# be the same. Half a segment ends in zeros, which need no room.
_KEEP = """
if [ -e "$3/$2" ]; then exec cmp -s "$1" "$3/$2"; fi
cp --sparse=always "$1" "$3/$2.draft" 2>/dev/null || cp "$1" "$3/$2.draft"
sync "$3/$2.draft" || sync
mv "$3/$2.draft" "$3/$2"
sync "$3" || sync
"""


def archiving(
    kept: Path | None, *, place: Place, binaries: Binaries, cluster: Path
) -> dict[str, str]:
    """The settings with which a server keeps its log below `kept`; off without one.

    Raises EmbeddedRefused if the database's user cannot write there.
    """
    if kept is None:
        return {"archive_mode": "off"}
    log = prepare(kept, place=place, binaries=binaries, cluster=cluster) / "wal"
    # PostgreSQL puts in the segment for %p and its name for %f; any other % is to be doubled.
    said = f"sh -eu -c {shlex.quote(_KEEP)} sh %p %f {shlex.quote(str(log)).replace('%', '%%')}"
    return {
        "archive_mode": "on",
        "archive_command": said,
        "archive_timeout": f"{ARCHIVE_SECONDS}s",
    }


def prepare(kept: Path, *, place: Place, binaries: Binaries, cluster: Path) -> Path:
    """Make the directory for the backups of this cluster, and answer where it is."""
    ours = kept / f"cluster-{cluster_number(cluster, binaries=binaries)}"
    log = ours / "wal"
    try:
        log.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            for directory in (kept, ours):
                directory.chmod(0o711)  # the database's user passes through to its log
        place.give(log)
    except OSError as fault:
        raise EmbeddedRefused(
            f"No backup can be kept in {kept} ({fault.strerror}: {fault.filename});"
            " set BACKUP_DIR to a directory that may be written to, or to off."
        ) from fault
    if os.geteuid() == 0 and (closed := closed_ancestor(log, os_user=place.os_user)):
        raise EmbeddedRefused(
            f"{closed} cannot be entered by the database's user {place.os_user.pw_name}, who keeps"
            " the log there; set BACKUP_DIR to a path that everybody may traverse, or to off."
        )
    return ours


def cluster_number(cluster: Path, *, binaries: Binaries) -> str:
    """The number that PostgreSQL gave this cluster when it was made."""
    answer = subprocess.run(
        [binaries.directory / "pg_controldata", cluster],
        env={"LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"system identifier:\s+(\d+)", answer.stdout)
    if found is None:
        raise EmbeddedRefused(f"{cluster} does not tell its number: {answer.stderr.strip()}")
    return found[1]
