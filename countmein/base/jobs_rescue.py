"""Giving back the jobs of a worker that died, at once instead of at the minute's sweep.

A worker notes its number in Procrastinate's table in a file named after its process, so that
whoever reaps the process knows which jobs were its own.
"""

import os
from pathlib import Path

import psycopg
from psycopg import errors

_ALL_DOING = "SELECT id FROM procrastinate_jobs WHERE status = 'doing' ORDER BY id"
_ITS_DOING = (
    "SELECT id FROM procrastinate_jobs WHERE status = 'doing' AND worker_id = ANY (%s) ORDER BY id"
)
_RETRY = "SELECT procrastinate_retry_job_v1(%s, clock_timestamp(), NULL, NULL, NULL)"
_FINISH = "SELECT procrastinate_finish_job_v1(%s, 'failed', false)"


def note_worker(*, worker_id: int) -> None:
    """Note, in the worker's own process, under which number it takes jobs.

    Call it before the first job is taken. Without a supervisor there is nobody to tell.
    """
    if run_dir := os.environ.get("COUNTMEIN_RUN_DIR"):
        with _note(Path(run_dir), os.getpid()).open("a") as note:
            note.write(f"{worker_id}\n")


def rescue_jobs(dsn: str, *, run_dir: Path, worker_pid: int | None) -> int:
    """Return the `doing` jobs of a dead worker to `todo` and answer how many there were.

    With `worker_pid` None every `doing` job counts as abandoned: only for a caller that knows
    that no worker lives, because it has just started the database. Raises psycopg.Error.
    """
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        try:
            if worker_pid is None:
                rows = connection.execute(_ALL_DOING).fetchall()
            else:
                rows = connection.execute(_ITS_DOING, [_noted(run_dir, worker_pid)]).fetchall()
        except errors.UndefinedTable:
            return 0
        for (job_id,) in rows:
            give_back(connection, job_id=job_id)
    for note in run_dir.glob("worker-*") if worker_pid is None else [_note(run_dir, worker_pid)]:
        note.unlink(missing_ok=True)
    return len(rows)


def has_note(*, run_dir: Path, worker_pid: int) -> bool:
    """Whether that process ever said under which number it takes jobs."""
    return _note(run_dir, worker_pid).exists()


def give_back(connection: psycopg.Connection[tuple[int]], *, job_id: int) -> None:
    """Return one `doing` job to `todo`; the connection is in autocommit mode."""
    try:
        connection.execute(_RETRY, [job_id])
    except errors.UniqueViolation:
        # The same work was enqueued again while this run was under way; that one will do it.
        connection.execute(_FINISH, [job_id])
    except errors.RaiseException:
        pass  # no longer `doing`: the minute's sweep was faster


def _note(run_dir: Path, pid: int) -> Path:
    return run_dir / f"worker-{pid}"


def _noted(run_dir: Path, pid: int) -> list[int]:
    try:
        return [int(line) for line in _note(run_dir, pid).read_text().split()]
    except FileNotFoundError:
        return []
