"""The embedded database starts, is shared, dies and comes back, and no acknowledged row is lost."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from countmein.base.embedded import EmbeddedRefused, Running, start

pytestmark = pytest.mark.slow

CHECKOUT = Path(__file__).resolve().parents[2]
# Starts or attaches, says which server it got and whether it owns it, stays until stdin closes.
ATTACHER = """
import sys
from pathlib import Path
import psycopg
from countmein.base.embedded import start
running = start(Path(sys.argv[1]), log=print)
with psycopg.connect(running.dsn) as connection:
    born_at = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()[0]
print("owner" if running.process else "guest", born_at, flush=True)
sys.stdin.read()
running.stop()
"""


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    # Not tmp_path: its parents are 0700, and the database's user must pass. A space, as people do.
    above = Path(tempfile.mkdtemp(prefix="countmein "))
    above.chmod(0o755)
    try:
        yield above
    finally:
        shutil.rmtree(above)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home where nothing has been yet."""
    with open_directory() as above:
        yield above / "home"


@pytest.fixture(scope="module")
def lived_in() -> Iterator[Path]:
    """A home with a cluster, stopped; tests leave it whole."""
    with open_directory() as above:
        with database(above / "home"):
            pass
        yield above / "home"


@contextlib.contextmanager
def database(home: Path) -> Iterator[Running]:
    running = start(home, log=print)
    try:
        yield running
    finally:
        running.stop()


def refusal(home: Path) -> str:
    with pytest.raises(EmbeddedRefused) as refused:
        start(home, log=print)
    assert "\n" not in refused.value.sentence
    return refused.value.sentence


def until(holds: Callable[[], bool], *, seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def one(dsn: str, query: str) -> object:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def do(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def test_a_fresh_home_gets_a_durable_server_and_a_role_that_is_no_superuser(home: Path) -> None:
    home.mkdir(mode=0o700)
    (home / "photo").write_text("there before")
    above = home.parent.stat().st_mode
    with database(home) as running:
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert "on" == one(running.dsn, f"SHOW {name}")
        assert "" == one(running.dsn, "SHOW listen_addresses")
        assert "countmein" == one(running.dsn, "SELECT current_user")
        assert "off" == one(running.dsn, "SHOW is_superuser")
        assert "on" == one(running.superuser_dsn, "SHOW is_superuser")
        do(running.dsn, "CREATE TABLE own AS SELECT 1 AS n")
    assert "there before" == (home / "photo").read_text()
    assert above == home.parent.stat().st_mode
    for private in ("pg18", "socket", "log"):
        assert 0o700 == (home / private).stat().st_mode & 0o777
    if os.geteuid() == 0:
        assert 0o711 == home.stat().st_mode & 0o777


def test_the_next_start_finds_the_rows_of_the_last(lived_in: Path) -> None:
    with database(lived_in) as running:
        do(running.dsn, "CREATE TABLE own AS SELECT 7 AS n")
    assert not running.alive()
    with database(lived_in) as running:
        assert 7 == one(running.dsn, "SELECT n FROM own")


def attachers(home: Path, *, count: int) -> list[list[str]]:
    command = [sys.executable, "-c", ATTACHER, str(home)]
    pipe = subprocess.PIPE
    crowd = [
        subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True)
        for _ in range(count)
    ]
    said = [process.stdout.readline().split(maxsplit=1) for process in crowd if process.stdout]
    for process in crowd:
        process.communicate(timeout=20)
    return said


def test_eight_processes_starting_at_once_get_one_server(home: Path) -> None:
    said = attachers(home, count=8)
    assert ["guest"] * 7 + ["owner"] == sorted(role for role, _ in said)
    assert 1 == len({born_at for _, born_at in said})


def test_without_a_common_lock_two_starts_get_two_servers(home: Path, lived_in: Path) -> None:
    with database(home) as one_server, database(lived_in) as other_server:
        born_at = "SELECT pg_postmaster_start_time()"
        assert one(one_server.dsn, born_at) != one(other_server.dsn, born_at)


def write_until_killed(running: Running, *, commit: str, enough: int) -> set[int]:
    """Four writers insert rows; kill -9 the postmaster; answer what was acknowledged."""
    acknowledged: set[int] = set()

    def write(lane: int) -> None:
        with (
            contextlib.suppress(psycopg.Error),
            psycopg.connect(running.dsn, autocommit=True) as connection,
        ):
            connection.execute(f"SET synchronous_commit = {commit}")
            for number in range(lane, 1_000_000, 4):
                connection.execute("INSERT INTO promise VALUES (%s)", [number])
                acknowledged.add(number)

    do(running.dsn, "DROP TABLE IF EXISTS promise")
    do(running.dsn, "CREATE TABLE promise (n int)")
    writers = [threading.Thread(target=write, args=[lane]) for lane in range(4)]
    for writer in writers:
        writer.start()
    assert until(lambda: len(acknowledged) >= enough)
    assert running.process is not None
    running.process.kill()
    for writer in writers:
        writer.join()
    return acknowledged


def test_killing_the_postmaster_under_writes_loses_no_acknowledged_row(lived_in: Path) -> None:
    with database(lived_in) as running:
        acknowledged = write_until_killed(running, commit="on", enough=500)
        assert until(lambda: not running.alive())
    with database(lived_in) as running, psycopg.connect(running.dsn) as connection:
        kept = {n for (n,) in connection.execute("SELECT n FROM promise")}
    assert set() == acknowledged - kept


def test_the_same_kill_loses_rows_when_commits_do_not_wait_for_the_disk(lived_in: Path) -> None:
    with database(lived_in) as running:
        # The WAL writer would otherwise save most of them five times a second.
        do(running.superuser_dsn, "ALTER SYSTEM SET wal_writer_delay = '10s'")
        do(running.superuser_dsn, "SELECT pg_reload_conf()")
        acknowledged = write_until_killed(running, commit="off", enough=500)
    with database(lived_in) as running, psycopg.connect(running.dsn) as connection:
        kept = {n for (n,) in connection.execute("SELECT n FROM promise")}
    assert acknowledged - kept


def test_a_role_for_which_commits_do_not_wait_is_refused(home: Path) -> None:
    with database(home) as running:
        do(running.superuser_dsn, "ALTER ROLE countmein SET synchronous_commit = off")
    assert "synchronous_commit is off and must be on" in refusal(home)


def test_a_killed_owner_takes_its_server_along_and_the_next_start_owns(lived_in: Path) -> None:
    command = [sys.executable, "-c", ATTACHER, str(lived_in)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=CHECKOUT, stdin=pipe, stdout=pipe, text=True) as owner:
        assert owner.stdout is not None
        assert "owner" == owner.stdout.readline().split()[0]
        owner.kill()
    with database(lived_in) as running:
        assert running.process is not None


def test_a_stale_pid_file_harms_nobody_who_has_that_number_now(lived_in: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        stale = (
            f"{bystander.pid}\n{lived_in / 'pg18'}\n1\n5432\n{lived_in / 'socket'}\n\n 1 1\nready\n"
        )
        (lived_in / "pg18" / "postmaster.pid").write_text(stale)
        (lived_in / "socket" / ".s.PGSQL.5432.lock").write_text(stale)
        with database(lived_in) as running:
            assert running.alive()
        assert bystander.poll() is None
        bystander.terminate()


def test_a_garbled_pid_file_does_not_stop_the_start(lived_in: Path) -> None:
    (lived_in / "pg18" / "postmaster.pid").write_text("12")
    with database(lived_in) as running:
        assert running.alive()


def test_a_half_made_cluster_is_made_anew(home: Path) -> None:
    (home / "pg.new" / "global").mkdir(parents=True)
    (home / "pg.new" / "PG_VERSION").write_text("18\n")
    with database(home) as running:
        assert "countmein" == one(running.dsn, "SELECT current_database()")
    assert not (home / "pg.new").exists()


def test_a_broken_cluster_is_refused_and_left_as_it_is(home: Path) -> None:
    (home / "pg18" / "base").mkdir(parents=True)
    assert "is not a whole database" in refusal(home)
    assert (home / "pg18" / "base").is_dir()


def test_a_cluster_of_an_older_major_is_refused(home: Path) -> None:
    (home / "pg16").mkdir(parents=True)
    assert "was made by PostgreSQL 16" in refusal(home)


def test_a_home_that_cannot_be_written_is_refused(home: Path) -> None:
    home.write_text("a file where a directory should be")
    assert "set COUNTMEIN_HOME" in refusal(home)
    assert "set COUNTMEIN_HOME" in refusal(home / "below")


def test_binaries_that_are_not_there_are_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PG_BINDIR", str(home / "nowhere"))
    assert "there is no initdb in it" in refusal(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the database as another user")
def test_below_a_closed_directory_the_cluster_alone_goes_to_the_state_directory(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = home.parent / "state"
    monkeypatch.setenv("STATE_DIRECTORY", str(state))
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    lines: list[str] = []
    for _ in range(2):
        running = start(closed / "home", log=lines.append)
        assert running.alive()
        running.stop()
    assert 1 == len(lines)
    assert 1 == len(list(state.glob("home-*/pg18")))
    assert 0o700 == closed.stat().st_mode & 0o777
    closed.chmod(0o755)  # a way opened later must not turn a full site into an empty one
    with database(closed / "home"):
        assert not (closed / "home" / "pg18").exists()


def test_a_variable_of_somebodys_shell_does_not_lead_elsewhere(
    lived_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("PGDATA", "/nowhere")
    with database(lived_in) as running:
        assert "5432" == one(running.dsn, "SHOW port")


def test_stopping_twice_and_stopping_a_dead_server_is_harmless(lived_in: Path) -> None:
    running = start(lived_in, log=print)
    assert running.process is not None
    running.process.send_signal(signal.SIGKILL)
    running.stop()
    running.stop()
    assert not running.alive()
