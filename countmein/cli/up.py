"""`countmein up`: the whole site on this machine."""

import argparse
import errno
import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from countmein.base import embedded
from countmein.base.processes import die_with_parent
from countmein.cli.backup import place
from countmein.cli.parts import (
    PYTHON,
    Rescuer,
    Sandbox,
    backup_part,
    last_part,
    sandbox_parts,
    web_parts,
    work_part,
)
from countmein.cli.site import (
    SiteRefused,
    base_environment,
    check_server,
    forget_environment,
    home,
    home_lock,
    ignore_foreign_database,
    is_sandbox,
    open_home,
    publish_environment,
    say,
)
from countmein.cli.supervisor import StopAsked, Supervisor, rotate, stopping_signals

_CHECKOUT = Path(__file__).resolve().parents[2]


def run(arguments: Sequence[str]) -> int:
    """Run the site until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="countmein up")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--workers", type=int, default=1, help="web processes sharing the port")
    chosen = parser.parse_args(arguments)
    if not 0 <= chosen.port <= 65_535 or chosen.workers < 1:
        parser.error("--port is 0 to 65535 and --workers at least 1")
    return run_site(port=chosen.port, workers=chosen.workers)


def run_site(*, port: int, workers: int, last: Sequence[str] = ()) -> int:
    """Run every part of the site until it is told to stop; answer the exit status.

    `last` are the arguments of one more `countmein` command, started when all else is ready, with
    our stdout and stderr: its end ends the site with its exit status.
    Raises SiteRefused or EmbeddedRefused if the site cannot start.
    """
    path = home()
    ignore_foreign_database()
    is_sandbox()  # refuses a half-configured site before anything is made
    open_home(path)
    with home_lock(path), stopping_signals(), _listen(port) as listening:
        forget_environment(path)
        database = None if "DATABASE_URL" in os.environ else EmbeddedDatabase(path)
        try:
            supervisor = _prepare(
                path, database=database, listening=listening, workers=workers, last=last
            )
            return supervisor.run()
        except StopAsked:
            say("countmein", "stopped")
            return 0
        finally:
            if database is not None:
                database.stop()


class EmbeddedDatabase:
    """The embedded server of one home, started again whenever the supervisor finds it dead."""

    def __init__(self, path: Path) -> None:
        self._home = path
        self.kept = place(path)
        self._running: embedded.Running | None = None
        rotate(path / "log" / "database.log")

    @property
    def dsn(self) -> str:
        if self._running is None:
            raise RuntimeError("the database has not been started")
        return self._running.dsn

    def pid(self) -> int | None:
        process = self._running and self._running.process
        return process.pid if process else None

    def alive(self) -> bool:
        return self._running is not None and self._running.alive()

    def start(self) -> None:
        self.stop()
        self._running = embedded.start(
            self._home, log=lambda line: say("database", line), archive=self.kept
        )
        owner = "" if self.pid() else ", shared with a command that started it"
        say("database", f"PostgreSQL in {self._home}{owner}")

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop(timeout_seconds=1.0)
            self._running = None


def _prepare(
    path: Path,
    *,
    database: EmbeddedDatabase | None,
    listening: socket.socket,
    workers: int,
    last: Sequence[str],
) -> Supervisor:
    dsn = _await_server(database)
    port: int = listening.getsockname()[1]
    local = f"http://127.0.0.1:{port}"
    sandbox = Sandbox.found(path, site_url=local) if is_sandbox() else None
    site = base_environment(path, dsn=dsn, url=local if sandbox else os.environ["COUNTMEIN_URL"])
    site |= sandbox.environment if sandbox else {}
    kept = database.kept if database is not None else None
    site |= {"COUNTMEIN_BACKUP_DIR": str(kept)} if kept else {}
    publish_environment(path, environment=site)
    environment = _inherited() | site
    _migrate(path, environment=environment)
    owns_database = database is not None and database.pid() is not None
    rescuer = Rescuer(dsn=dsn, run_dir=path / "run", owns_database=owns_database)
    rescuer.at_start()
    return Supervisor(
        parts=[
            *(sandbox_parts(sandbox, environment=environment) if sandbox else []),
            work_part(rescuer, environment=environment),
            *web_parts(listening, count=workers, environment=environment),
            *([backup_part(kept, environment=environment)] if kept else []),
            *([last_part(last, environment=environment)] if last else []),
        ],
        log_dir=path / "log",
        say=say,
        database=database,
    )


def _await_server(database: EmbeddedDatabase | None) -> str:
    if database is None:
        dsn = os.environ["DATABASE_URL"]
        check_server(dsn)
        if "BACKUP_DIR" in os.environ:
            say("backup", "BACKUP_DIR is not used: the database is backed up where it runs")
        say("database", "the server in DATABASE_URL")
        return dsn
    database.start()
    return database.dsn


def _inherited() -> dict[str, str]:
    """Our environment for the parts, which find the package whatever directory we are in."""
    before = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(_CHECKOUT), *([before] if before else [])])
    return os.environ | {"PYTHONPATH": path}


def _migrate(path: Path, *, environment: Mapping[str, str]) -> None:
    log = path / "log" / "migrate.log"
    with log.open("w+b") as output:
        done = subprocess.run(
            [*PYTHON, "countmein", "manage", "migrate", "--noinput"],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=die_with_parent(by=signal.SIGKILL),
            check=False,
        )
    lines = log.read_text(errors="replace").strip().splitlines()
    if done.returncode != 0:
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        raise SiteRefused(f"The database could not be migrated: {reason} (see {log})")
    applied = sum(line.endswith(" OK") for line in lines)
    say("migrate", f"{applied} migrations applied" if applied else "nothing to do")


def _listen(port: int) -> socket.socket:
    """Open the one port of the site; the web processes inherit it, so a restart loses nobody."""
    host = os.environ.get("COUNTMEIN_BIND", "127.0.0.1")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(4096)
    except OSError as fault:
        listening.close()
        if fault.errno == errno.EADDRINUSE:
            raise SiteRefused(
                f"Port {port} on {host} is in use; stop what holds it or choose another with"
                " --port."
            ) from fault
        raise SiteRefused(f"Port {port} on {host} cannot be opened: {fault.strerror}.") from fault
    return listening
