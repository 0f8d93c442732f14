"""`countmein up`: what dies is started again, what stops does so in order, nothing is orphaned."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import procrastinate
import psycopg
import pytest

from countmein.base.embedded import start
from countmein.base.jobs_rescue import rescue_jobs
from countmein.cli import main
from countmein.cli.site import (
    SiteRefused,
    home_lock,
    ignore_foreign_database,
    is_running,
    is_sandbox,
    kept_secret,
)
from countmein.cli.supervisor import rotate

CHECKOUT = Path(__file__).resolve().parents[2]
# A site of stand-ins. Each part notes its number in a file when it starts and its name when told
# to stop; the first one also holds a port.
SITE = """
import sys
from functools import partial
from pathlib import Path
from countmein.cli.supervisor import Part, StopAsked, Supervisor, stopping_signals
from countmein.cli.up import EmbeddedDatabase

here, port, *names = sys.argv[1:]
here = Path(here)
BODY = '''
import os, signal, socket, sys, time
here, name, port = sys.argv[1:]
if int(port):
    held = socket.create_server(("127.0.0.1", int(port)))
def stop(*_):
    with open(f"{here}/stopped", "a") as file:
        file.write(name + "\\\\n")
    if name != "stubborn":
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
with open(f"{here}/{name}.draft", "w") as file:
    file.write(str(os.getpid()))
os.replace(f"{here}/{name}.draft", f"{here}/{name}.pid")
while name != "last":
    time.sleep(60)
sys.exit(3)
'''
parts = [
    Part(
        name=name,
        argv=[sys.executable, "-c", BODY, str(here), name, "0" if number else port],
        env={},
        ready=(here / f"{name}.pid").exists,
        on_death=lambda pid: print(f"buried {pid}", flush=True),
        stop_seconds=0.3,
        is_last=name == "last",
    )
    for number, name in enumerate(name for name in names if name != "database")
]
database = EmbeddedDatabase(here) if "database" in names else None
if database:
    database.start()
    print("database", database.pid(), database.dsn, flush=True)
def say(*words):
    print(*words, flush=True)
with stopping_signals():
    try:
        status = Supervisor(parts=parts, log_dir=here, say=say, database=database).run()
    except StopAsked:
        status = 0
sys.exit(status)
"""


@pytest.fixture
def here() -> Iterator[Path]:
    # Not tmp_path: its parents are 0700, and the database's user must pass.
    directory = Path(tempfile.mkdtemp(prefix="countmein "))
    directory.chmod(0o755)
    (directory / "log").mkdir()
    yield directory
    shutil.rmtree(directory)


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        found: int = free.getsockname()[1]
    return found


@contextlib.contextmanager
def site(
    here: Path, *names: str, port: int = 0, first: str = ""
) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", first + SITE, str(here), str(port), *names]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as supervisor:
        try:
            yield supervisor
        finally:
            supervisor.kill()


def until(holds: Callable[[], object], *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def pid_of(here: Path, name: str) -> int:
    assert until((here / f"{name}.pid").exists)
    return int((here / f"{name}.pid").read_text())


def lives(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    with contextlib.suppress(FileNotFoundError):
        return "Z" != Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return False


def is_free(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
        return True
    return False


def test_what_dies_is_buried_and_started_again(here: Path) -> None:
    with site(here, "web", "worker"):
        first, other = pid_of(here, "worker"), pid_of(here, "web")
        os.kill(first, signal.SIGKILL)
        assert until(lambda: pid_of(here, "worker") != first)
        assert not lives(first)
        assert other == pid_of(here, "web")


def test_sigterm_stops_the_parts_in_reverse_order(here: Path) -> None:
    with site(here, "payments", "worker", "web") as supervisor:
        pids = [pid_of(here, name) for name in ("payments", "worker", "web")]
        supervisor.terminate()
        assert 0 == supervisor.wait(timeout=10)
    assert ["web", "worker", "payments"] == (here / "stopped").read_text().split()
    assert [] == [pid for pid in pids if lives(pid)]


def test_a_part_that_will_not_stop_is_killed_within_its_time(here: Path) -> None:
    with site(here, "stubborn") as supervisor:
        pid = pid_of(here, "stubborn")
        supervisor.terminate()
        assert 0 == supervisor.wait(timeout=5)
    assert not lives(pid)


def test_a_killed_supervisor_leaves_no_orphan_and_the_port_is_free(here: Path, port: int) -> None:
    with site(here, "web", "worker", port=port) as supervisor:
        pids = [pid_of(here, name) for name in ("web", "worker")]
        assert not is_free(port)
        supervisor.kill()
        assert until(lambda: is_free(port), seconds=2)
        assert until(lambda: not any(map(lives, pids)), seconds=2)


def test_a_child_that_is_not_tied_to_its_parent_outlives_it() -> None:
    program = "import subprocess as s; print(s.Popen(['sleep', '60'], stdout=s.DEVNULL).pid)"
    orphan = int(subprocess.check_output([sys.executable, "-c", program]))
    assert lives(orphan)
    os.kill(orphan, signal.SIGKILL)


def test_the_last_part_starts_when_all_are_ready_and_its_status_is_the_sites(here: Path) -> None:
    with site(here, "web", "last") as supervisor:
        assert 3 == supervisor.wait(timeout=10)
    assert ["web"] == (here / "stopped").read_text().split()


def test_a_dead_database_is_reaped_and_started_again(here: Path) -> None:
    with site(here, "database", "web") as supervisor:
        assert supervisor.stdout is not None
        words = next(line.split() for line in supervisor.stdout if line.startswith("database"))
        pid, dsn = int(words[1]), words[2]
        os.kill(pid, signal.SIGKILL)
        assert any(line.startswith("database died") for line in supervisor.stdout)
        assert until(lambda: answers(dsn))
        assert not Path(f"/proc/{pid}").exists()
        supervisor.terminate()
        assert 0 == supervisor.wait(timeout=10)
    assert not answers(dsn)


# Python drops what a signal raises inside such a callback.
STOP_WHILE_FORKING = """
import os, signal
os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGTERM))
"""


def test_a_stop_is_heard_also_in_the_middle_of_a_fork(here: Path) -> None:
    with site(here, "web", first=STOP_WHILE_FORKING) as supervisor:
        assert 0 == supervisor.wait(timeout=10)


def answers(dsn: str) -> bool:
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn):
        return True
    return False


#: What the plugin for tests inside a process has set; a site started here has its own.
OTHER_SITE = ("COUNTMEIN_", "STRIPE_", "DATABASE_URL", "SMTP_URL", "OUTBOX_URL", "CHARGES_")


def refused(*arguments: str, **environment: str) -> str:
    """Run the command, expect exit status 1 and one line about it."""
    done = subprocess.run(
        [sys.executable, "-m", "countmein", *arguments],
        cwd=CHECKOUT,
        env={k: v for k, v in os.environ.items() if not k.startswith(OTHER_SITE)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert (1, "", 1) == (done.returncode, done.stdout, done.stderr.count("\n"))
    return done.stderr


def test_a_port_in_use_is_one_sentence_and_status_1(here: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = str(taken.getsockname()[1])
        said = refused("up", "--port", number, COUNTMEIN_HOME=str(here))
    assert f"countmein: Port {number} on 127.0.0.1 is in use" in said


def test_a_home_that_cannot_be_written_is_one_sentence_and_status_1(here: Path) -> None:
    (here / "file").write_text("")
    assert "set COUNTMEIN_HOME" in refused("up", COUNTMEIN_HOME=str(here / "file" / "home"))


def test_a_half_configured_live_site_is_one_sentence_and_status_1(here: Path) -> None:
    address = {"COUNTMEIN_HOME": str(here), "COUNTMEIN_URL": "https://countmein.example"}
    assert "STRIPE_API_KEY" in refused("up", **address)


def test_a_server_that_is_not_there_is_one_sentence_and_status_1(here: Path) -> None:
    address = {"COUNTMEIN_HOME": str(here), "DATABASE_URL": f"postgresql:///x?host={here}/no"}
    assert "The server in DATABASE_URL was refused" in refused("up", "--port", "0", **address)


def test_a_wrong_call_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["dance"])
    assert "no command 'dance'" in capsys.readouterr().err


def test_one_up_a_home(here: Path) -> None:
    (here / "run").mkdir()
    assert not is_running(here)
    with home_lock(here):
        assert is_running(here)
        with pytest.raises(SiteRefused, match="already runs"), home_lock(here):
            pass
    assert not is_running(here)
    with home_lock(here):
        pass


def test_a_secret_is_made_once_and_private(here: Path) -> None:
    secret = kept_secret(here / "secret_key")
    assert secret == kept_secret(here / "secret_key")
    assert 0o600 == (here / "secret_key").stat().st_mode & 0o777


def test_without_address_and_key_it_is_the_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COUNTMEIN_URL", "STRIPE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert is_sandbox()
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_1")
    with pytest.raises(SiteRefused, match="COUNTMEIN_URL"):
        is_sandbox()


def test_a_shells_variables_for_another_server_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c synchronous_commit=off")
    monkeypatch.setenv("DATABASE_URL", "postgresql:///their_own")
    ignore_foreign_database()
    assert "PGOPTIONS" in os.environ
    monkeypatch.delenv("DATABASE_URL")
    ignore_foreign_database()
    assert "PGOPTIONS" not in os.environ


def test_a_grown_log_is_set_aside(here: Path) -> None:
    log = here / "web.log"
    rotate(log)
    log.write_bytes(b"x" * 10_000_001)
    rotate(log)
    assert ["web.log.1"] == [path.name for path in here.glob("web*")]


@pytest.fixture
def queue(here: Path) -> Iterator[str]:
    """A database with Procrastinate's tables, two workers, and a job under way at each."""
    running = start(here, log=print)
    schema = Path(procrastinate.__file__).parent / "sql" / "schema.sql"
    with psycopg.connect(running.dsn, autocommit=True) as connection:
        connection.execute(schema.read_bytes())
        for worker_id in (1, 2):
            connection.execute("SELECT procrastinate_register_worker_v1()")
            connection.execute(
                "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, status,"
                " worker_id) VALUES ('money', 'charge', %s, 'doing', %s)",
                [f"charge {worker_id}", worker_id],
            )
    yield running.dsn
    running.stop()


def states(dsn: str) -> dict[int, str]:
    with psycopg.connect(dsn) as connection:
        return dict(connection.execute("SELECT id, status::text FROM procrastinate_jobs"))


def test_a_reaped_workers_jobs_are_given_back_and_nobody_elses(here: Path, queue: str) -> None:
    (here / "worker-41").write_text("1\n")
    assert 0 == rescue_jobs(queue, run_dir=here, worker_pid=40)
    assert {1: "doing", 2: "doing"} == states(queue)
    assert 1 == rescue_jobs(queue, run_dir=here, worker_pid=41)
    assert {1: "todo", 2: "doing"} == states(queue)
    assert not (here / "worker-41").exists()
    assert 1 == rescue_jobs(queue, run_dir=here, worker_pid=None)
    assert {1: "todo", 2: "todo"} == states(queue)


def test_a_job_whose_work_was_enqueued_again_meanwhile_is_closed(here: Path, queue: str) -> None:
    with psycopg.connect(queue, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock)"
            " VALUES ('money', 'charge', 'charge 1')"
        )
    rescue_jobs(queue, run_dir=here, worker_pid=None)
    assert {1: "failed", 2: "todo", 3: "todo"} == states(queue)
