"""Where the embedded cluster lies and which user of the system owns it."""

import contextlib
import hashlib
import os
import pwd
import secrets
import stat
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from countmein.base.kept_files import keep_entries, write_kept

_STATE_DIRECTORY = "/var/lib/countmein"
_LONGEST_SOCKET_DIRECTORY = 85  # bytes; sun_path holds 107 and the socket's own name takes 22
_CANDIDATES = ("postgres", "nobody")


class EmbeddedRefused(Exception):
    """The embedded database cannot run here; `sentence` says why and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One home's cluster: `root` holds the binaries and the data, `sockets` the unix socket."""

    home: Path
    root: Path
    sockets: Path
    os_user: pwd.struct_passwd

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def log(self) -> Path:
        return self.home / "log" / "database.log"

    @property
    def identity(self) -> dict[str, Any]:
        """The keywords of Popen that turn root into the database's own user."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.os_user.pw_uid, "group": self.os_user.pw_gid, "extra_groups": []}

    def give(self, path: Path) -> None:
        """Hand `path` to the database's user; nobody else may look into it."""
        path.chmod(0o700)
        if os.geteuid() == 0:
            os.chown(path, self.os_user.pw_uid, self.os_user.pw_gid, follow_symlinks=False)


def settle(*, home: Path, log: Callable[[str], None]) -> Place:
    """Make home and the directories below it, and answer where the cluster lies.

    Touches nothing above home. Raises EmbeddedRefused if home cannot be written, or cannot be
    reached by the database's user and the system's state directory cannot stand in.
    """
    try:
        return _settle(home=home.resolve(), log=log)
    except OSError as fault:
        raise EmbeddedRefused(
            f"Countmein cannot keep its files in {home} ({fault.strerror}: {fault.filename});"
            " set COUNTMEIN_HOME to a directory it may write to."
        ) from fault


def majors(root: Path) -> list[int]:
    """The PostgreSQL majors that have a data directory below `root`, oldest first."""
    with contextlib.suppress(FileNotFoundError):
        names = [entry.name for entry in root.iterdir()]
        return sorted(int(name[2:]) for name in names if name[:2] == "pg" and name[2:].isdecimal())
    return []


def _settle(*, home: Path, log: Callable[[str], None]) -> Place:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    (home / "log").mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() != 0:
        os_user = _own_entry()
        root = home
    else:
        home.chmod(0o711)  # the database's user passes through; the secrets inside are 0600
        away = _moved_to(home)
        os_user = _database_user(roots=[home] if away is None else [away])
        root = away or _root(home=home, os_user=os_user, log=log)
    sockets = root / "socket"
    if len(os.fsencode(sockets)) > _LONGEST_SOCKET_DIRECTORY:
        # The one short path there is; the directory is claimed for its owner below.
        sockets = Path("/tmp") / f"countmein-{_digest(home)[:16]}"  # noqa: S108
    place = Place(home=home, root=root, sockets=sockets, os_user=os_user)
    _claim(sockets, place=place)
    return place


def _digest(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home)).hexdigest()


def _own_entry() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedRefused(
            f"The embedded database needs a named user, and number {os.geteuid()} has no entry"
            " in /etc/passwd; run as a named user or set DATABASE_URL."
        ) from None


def _database_user(*, roots: list[Path]) -> pwd.struct_passwd:
    """Whoever owns the cluster already there, else the first user that may own a new one."""
    for root in roots:
        for major in majors(root):
            owner = (root / f"pg{major}").stat().st_uid
            if owner != 0:
                with contextlib.suppress(KeyError):
                    return pwd.getpwuid(owner)
    for name in (os.environ.get("PG_OS_USER", ""), *_CANDIDATES):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return entry
    raise EmbeddedRefused(
        "PostgreSQL does not run as root and neither postgres nor nobody is a user of this"
        " system; name another in PG_OS_USER or set DATABASE_URL."
    )


def _moved_to(home: Path) -> Path | None:
    """Where the cluster of this home was put when home could not hold it.

    A cluster once made stays where it is: a parent opened since must not turn a full site into
    an empty one. The name is kept in home, so that a home deleted and made anew begins anew.
    """
    with contextlib.suppress(FileNotFoundError):
        return Path((home / "cluster").read_text().strip())
    return None


def _root(*, home: Path, os_user: pwd.struct_passwd, log: Callable[[str], None]) -> Path:
    """Home if the database's user can get there, else a new directory of the system's."""
    closed = closed_ancestor(home, os_user=os_user)
    if closed is None:
        return home
    if majors(home):
        raise EmbeddedRefused(
            f"The database in {home} belongs to user {os_user.pw_name}, who cannot enter"
            f" {closed}; run `chmod o+x {closed}` or move home elsewhere."
        )
    try:
        away = _make_away(home)
    except OSError as fault:
        raise EmbeddedRefused(
            f"{closed} cannot be entered by the database's user {os_user.pw_name} and"
            f" {_state_directory()} cannot be written ({fault.strerror}); set COUNTMEIN_HOME to a"
            " path that everybody may traverse."
        ) from fault
    log(f"{closed} cannot be entered by user {os_user.pw_name}, so the database lies in {away}.")
    return away


def _state_directory() -> Path:
    """The system's place for what we keep; systemd names another in STATE_DIRECTORY."""
    return Path(os.environ.get("STATE_DIRECTORY", _STATE_DIRECTORY))


def _make_away(home: Path) -> Path:
    away = _state_directory() / f"{home.name}-{secrets.token_hex(6)}"
    draft = home / f"cluster.{os.getpid()}"
    draft.unlink(missing_ok=True)
    write_kept(draft, text=f"{away}\n")
    # Whoever links first decides for all that start at the same moment.
    with contextlib.suppress(FileExistsError):
        (home / "cluster").hardlink_to(draft)
    draft.unlink()
    keep_entries(home)
    decided = _moved_to(home) or away
    for directory in (decided.parent, decided):
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        directory.chmod(0o711)
    return decided


def closed_ancestor(home: Path, *, os_user: pwd.struct_passwd) -> Path | None:
    """The first directory on the way to home that `os_user` cannot enter."""
    for directory in [*reversed(home.parents), home]:
        # Asked as that user, because access lists and groups know more than mode bits.
        answer = subprocess.run(
            ["/bin/sh", "-c", 'cd -- "$1"', "sh", str(directory)],
            user=os_user.pw_uid,
            group=os_user.pw_gid,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=False,
        )
        if answer.returncode != 0:
            return directory
    return None


def _claim(sockets: Path, *, place: Place) -> None:
    """Make the socket directory, or make sure that the one there is nobody else's."""
    with contextlib.suppress(FileExistsError):
        sockets.mkdir(mode=0o700)
        place.give(sockets)
    found = sockets.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, place.os_user.pw_uid):
        raise EmbeddedRefused(
            f"{sockets} should hold the database's socket but belongs to somebody else;"
            " remove it or shorten the path of COUNTMEIN_HOME."
        )
