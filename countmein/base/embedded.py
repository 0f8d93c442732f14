"""The embedded PostgreSQL: one server for one home, owned by the process that starts it.

`home/lock` is the one truth. Its descriptor is inherited by the postmaster and every backend, so
whoever gets the lock knows that none of them lives, whatever stale files say. Whoever does not
get it attaches to the server that the owner runs. The home must be on a local file system.
"""

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import pq

from countmein.base.durable import NotDurable, require_durable
from countmein.base.embedded_archive import archiving
from countmein.base.embedded_binaries import Binaries, find_binaries
from countmein.base.embedded_cluster import ROLE, SUPERUSER, ensure_cluster, environment
from countmein.base.embedded_place import EmbeddedRefused, Place, settle
from countmein.base.processes import die_with_parent

__all__ = [
    "EmbeddedRefused",
    "Running",
    "await_answer",
    "last_line",
    "launch",
    "start",
    "take",
]

# On the command line, where neither postgresql.conf nor ALTER SYSTEM can overrule them.
SETTINGS = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",  # else full-page writes after each checkpoint dominate a surge
    "max_connections": "200",  # a web process keeps up to 30, the worker 20
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": "5432",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0  # for a lock whose holder shows no server; initdb on a slow disk takes 5
_STOP_SECONDS = 5.0


class Running:
    """A server that answers; `process` is None when another process owns it."""

    def __init__(
        self, *, place: Place, process: subprocess.Popen[bytes] | None, lock: int | None
    ) -> None:
        # The port names the socket's file; unsaid, PGPORT in somebody's shell would decide it.
        where = f"host={quote(str(place.sockets), safe='/')}&port={SETTINGS['port']}"
        self.dsn = f"postgresql://{ROLE}@/{ROLE}?{where}"
        self.superuser_dsn = f"postgresql://{SUPERUSER}@/postgres?{where}"
        self.process = process
        self._lock = lock

    def alive(self) -> bool:
        """Whether the server still runs. Reaps it if it was ours and has died."""
        if self.process is not None:
            return self.process.poll() is None
        return _ping(self.dsn) is not pq.Ping.NO_RESPONSE

    def stop(self, *, timeout_seconds: float = _STOP_SECONDS) -> None:
        """Stop the server if it is ours, cleanly within the time or else at once; then let go."""
        if self.process is not None:
            _end(self.process, timeout_seconds=timeout_seconds)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def start(home: Path, *, log: Callable[[str], None], archive: Path | None = None) -> Running:
    """Start the database of `home`, or attach to the one another process runs there.

    A server that we start keeps its log below `archive`, if one is named. Call it from the main
    thread: the server dies with the thread that started it. Waits as long as a crash recovery
    takes. Raises EmbeddedRefused.
    """
    place = settle(home=home, log=log)
    try:
        running = _own_or_attach(place, archive=archive)
    except OSError as fault:
        raise EmbeddedRefused(
            f"The database in {place.root} cannot be started ({fault.strerror}: {fault.filename})."
        ) from fault
    try:
        require_durable(running.dsn)
    except (NotDurable, psycopg.Error) as fault:
        running.stop()
        raise EmbeddedRefused(f"The database in {place.root} was refused: {fault}") from fault
    except BaseException:
        # We are told to stop, and nobody else knows of this server yet.
        running.stop()
        raise
    return running


def _own_or_attach(place: Place, *, archive: Path | None) -> Running:
    attached = Running(place=place, process=None, lock=None)
    silent_since = time.monotonic()
    while True:
        lock = take(place.lock)
        if lock is not None:
            return _own(place, lock=lock, archive=archive)
        answer = _ping(attached.dsn)
        if answer is pq.Ping.OK:
            return attached
        if answer is pq.Ping.REJECT:
            silent_since = time.monotonic()  # it recovers or stops: it will answer or let go
        if time.monotonic() - silent_since > _PATIENCE_SECONDS:
            raise EmbeddedRefused(
                f"{place.lock} is held by a process whose database does not answer;"
                f" see {place.log}."
            )
        time.sleep(_POLL_SECONDS)


def take(path: Path) -> int | None:
    """The descriptor that holds the lock, or None while somebody else does."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def _own(place: Place, *, lock: int, archive: Path | None) -> Running:
    process: subprocess.Popen[bytes] | None = None
    try:
        binaries = find_binaries(place=place)
        cluster = ensure_cluster(place=place, binaries=binaries, lock=lock)
        more = archiving(archive, place=place, binaries=binaries, cluster=cluster)
        process = launch(place, binaries=binaries, cluster=cluster, lock=lock, more=more)
        running = Running(place=place, process=process, lock=lock)
        await_answer(running, place=place)
    except BaseException:
        if process is not None:
            _end(process, timeout_seconds=_STOP_SECONDS)
        os.close(lock)
        raise
    return running


def _clear_stale(cluster: Path, *, sockets: Path) -> None:
    """Delete what a dead server left; the lock proves that it is dead.

    The pid in these files may by now belong to anybody, so PostgreSQL must not judge by it.
    """
    for path in (cluster / "postmaster.pid", *sockets.glob(".s.PGSQL.*")):
        path.unlink(missing_ok=True)


def launch(
    place: Place, *, binaries: Binaries, cluster: Path, lock: int, more: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start the server on a cluster whose lock is held, with `more` settings than all have."""
    _clear_stale(cluster, sockets=place.sockets)
    postgres = str(binaries.directory / "postgres")
    command = [postgres, "-D", str(cluster), "-k", str(place.sockets)]
    for name, value in {**SETTINGS, **more}.items():
        command += ["-c", f"{name}={value}"]
    with place.log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env=environment(),
            pass_fds=(lock,),
            umask=0o077,
            start_new_session=True,  # a Ctrl-C at the terminal is the owner's to answer
            # SIGINT is a fast, clean shutdown.
            preexec_fn=die_with_parent(by=signal.SIGINT),
            **place.identity,
        )


def await_answer(running: Running, *, place: Place) -> None:
    """Wait until the server answers. Raises EmbeddedRefused if it ends instead."""
    while _ping(running.dsn) is not pq.Ping.OK:
        if not running.alive():
            raise EmbeddedRefused(
                f"The database in {place.root} did not start: {last_line(place.log)}"
            )
        time.sleep(_POLL_SECONDS)


def _ping(dsn: str) -> pq.Ping:
    return pq.Ping(pq.PGconn.ping(dsn.encode()))


def _end(process: subprocess.Popen[bytes], *, timeout_seconds: float) -> None:
    """Ask for a fast shutdown, then an immediate one, then insist; always reap."""
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=timeout_seconds)
            return


def last_line(path: Path) -> str:
    """What a server that did not start said about why."""
    with contextlib.suppress(OSError):
        lines = path.read_text(errors="replace").strip().splitlines()
        # The last words of a failed start are about shutting down; the cause is the last FATAL.
        fatal = [line for line in lines[-20:] if "FATAL" in line or "PANIC" in line]
        return (fatal or lines or ["no message"])[-1]
    return "no message"
