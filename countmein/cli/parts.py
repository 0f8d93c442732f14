"""The parts of a site: which processes there are and what each is told."""

import http.client
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from countmein.base.jobs_rescue import has_note, rescue_jobs
from countmein.cli.site import SANDBOX_KEY, kept_secret, say
from countmein.cli.supervisor import Part

PYTHON = (sys.executable, "-m")
_CHECKOUT = Path(__file__).resolve().parents[2]
_PROBE_SECONDS = 0.2  # the supervisor looks after nothing else meanwhile
_DRAIN_SECONDS = 5.5  # the web process gives its last answers within 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """Where the sandbox's services listen; they are separate programs in the checkout."""

    books: Path
    site_url: str
    payments_port: int
    outbox_port: int
    smtp_port: int
    webhook_secret: str

    @classmethod
    def found(cls, path: Path, *, site_url: str) -> "Sandbox":
        """Choose free ports, and the secret that signs webhooks, for one home."""
        payments_port, outbox_port, smtp_port = _free_ports(3)
        return cls(
            books=path / "sandbox",
            site_url=site_url,
            payments_port=payments_port,
            outbox_port=outbox_port,
            smtp_port=smtp_port,
            webhook_secret=kept_secret(path / "stripe_webhook_secret"),
        )

    @property
    def environment(self) -> dict[str, str]:
        return {
            "STRIPE_API_BASE": f"http://127.0.0.1:{self.payments_port}",
            "STRIPE_API_KEY": SANDBOX_KEY,
            "STRIPE_WEBHOOK_SECRET": self.webhook_secret,
            "SMTP_URL": f"smtp://127.0.0.1:{self.smtp_port}",
            "OUTBOX_URL": f"http://127.0.0.1:{self.outbox_port}",
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescuer:
    """Gives the jobs of dead workers back; a fault here is told, and the minute's sweep is left."""

    dsn: str
    run_dir: Path
    owns_database: bool

    def at_start(self) -> None:
        """Holding the home lock, no worker of this home lives: all they noted is abandoned."""
        if self.owns_database:
            self._rescue(None)
            return
        for note in self.run_dir.glob("worker-*"):
            self._rescue(int(note.name.removeprefix("worker-")))

    def on_death(self, pid: int) -> None:
        """Give back what one reaped worker had under way, known by its note."""
        if has_note(run_dir=self.run_dir, worker_pid=pid):
            self._rescue(pid)

    def _rescue(self, pid: int | None) -> None:
        try:
            count = rescue_jobs(self.dsn, run_dir=self.run_dir, worker_pid=pid)
        except psycopg.Error as fault:
            say("worker", f"its jobs could not be given back yet: {fault}")
            return
        if count:
            say("worker", f"{count} jobs of a dead worker given back")


def sandbox_parts(sandbox: Sandbox, *, environment: Mapping[str, str]) -> list[Part]:
    """The payment provider and the mail service; a site without the checkout goes without."""
    webhook = [
        f"--webhook-url={sandbox.site_url}/hooks/stripe",
        f"--webhook-secret={sandbox.webhook_secret}",
    ]
    smtp = f"--smtp-port={sandbox.smtp_port}"
    services = [
        ("payments", sandbox.payments_port, [f"--port={sandbox.payments_port}", *webhook]),
        ("mail", sandbox.outbox_port, [f"--http-port={sandbox.outbox_port}", smtp]),
    ]
    parts = []
    for name, port, arguments in services:
        if not (_CHECKOUT / "sandbox" / name / "__main__.py").exists():
            say(name, "sandbox service not in this checkout, going without")
            continue
        book = f"--book={sandbox.books / name}.sqlite3"
        part = Part(
            name=name,
            argv=[*PYTHON, f"sandbox.{name}", *arguments, book],
            env=environment,
            line=f"sandbox on http://127.0.0.1:{port}, nothing real leaves it",
            ready=partial(_connects, port),
            stop_seconds=0.5,
        )
        parts.append(part)
    return parts


def work_part(rescuer: Rescuer, *, environment: Mapping[str, str]) -> Part:
    """The job worker."""
    return Part(
        name="worker",
        argv=[*PYTHON, "countmein", "work"],
        env={**environment, "COUNTMEIN_PART": "worker"},
        on_death=rescuer.on_death,
        stop_seconds=2.0,
    )


def backup_part(kept: Path, *, environment: Mapping[str, str]) -> Part:
    """Who makes a backup each night; what happens in between the database itself keeps."""
    return Part(
        name="backup",
        argv=[*PYTHON, "countmein", "backup", "--nightly"],
        env=environment,
        line=f"each night, into {kept}",
        stop_seconds=0.5,
    )


def web_parts(
    listening: socket.socket, *, count: int, environment: Mapping[str, str]
) -> list[Part]:
    """`count` identical web processes that accept from one socket."""
    host, port = listening.getsockname()[:2]
    reach = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104  compared, not bound
    handle = listening.fileno()
    return [
        Part(
            name=name,
            argv=[*PYTHON, "countmein", "serve-web"],
            env={**environment, "COUNTMEIN_LISTEN_FD": str(handle), "COUNTMEIN_PART": name},
            pass_fds=[handle],
            line=environment["COUNTMEIN_URL"],
            ready=partial(_answers, reach, port),
            stop_seconds=_DRAIN_SECONDS,
        )
        for name in ["web", *(f"web-{number}" for number in range(2, count + 1))]
    ]


def last_part(arguments: Sequence[str], *, environment: Mapping[str, str]) -> Part:
    """One more command of ours, run on the ready site."""
    return Part(
        name=arguments[0],
        argv=[*PYTHON, "countmein", *arguments],
        env=environment,
        is_last=True,
    )


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


def _connects(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_PROBE_SECONDS).close()
    except OSError:
        return False
    return True


def _answers(host: str, port: int) -> bool:
    """Whether a web process answers, whatever it says: the port itself is open from the start."""
    connection = http.client.HTTPConnection(host, port, timeout=_PROBE_SECONDS)
    try:
        connection.request("GET", "/healthz")
        connection.getresponse()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
