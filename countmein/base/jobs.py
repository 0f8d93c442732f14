"""Jobs: the back doors of verbs. A job's row commits, or vanishes, with the data it is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from procrastinate import RetryStrategy, exceptions, jobs
from procrastinate.contrib.django import app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.manager import JobManager
from procrastinate.retry import RetryDecision
from procrastinate.tasks import Task

#: Queues by promise: what is counted, what is carried out, what touches money, what somebody waits
#: for at the screen, what is sent to people, the rest.
QUEUES = ("counting", "settling", "money", "awaited", "sends", "chores")
#: How many jobs of these queues run side by side. Each group has places of its own: a backlog of
#: mails keeps no campaign from being counted. Counting is one job a campaign, so one into which
#: people pour takes one place; four kinds of jobs about money may take a long turn, each at most
#: once at a time.
GROUPS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("counting",), 4),
    (("settling",), 3),
    (("money", "chores"), 5),
    (("awaited",), 2),
    (("sends",), 3),
)
#: Where one worker takes everything, a backlog of mails must not stand before the rest.
PRIORITIES = {"counting": 3, "awaited": 2, "settling": 2, "money": 1}


class _Retry(RetryStrategy):
    """A job that fails is tried again after 1, 2, 4 … seconds, unless the sweep finds its work.

    Work with a name may have been enqueued again meanwhile. The failed job could not go back to
    the queue then; it would stay `doing`, and its lock would stop that work for good.
    """

    def get_retry_decision(
        self, *, exception: BaseException, job: jobs.Job
    ) -> RetryDecision | None:
        if job.queueing_lock is not None:
            return None
        return super().get_retry_decision(exception=exception, job=job)


_RETRY = _Retry(max_attempts=6, exponential_wait=2)
_OURS = JobManager(DjangoConnector())


#: The jobs of which some are waited for: what tells them by their arguments.
_AWAITED: dict[str, Callable[[dict[str, Any]], bool]] = {}


def job(
    *, name: str, queue: str, is_awaited: Callable[[dict[str, Any]], bool] | None = None
) -> Callable[[Callable[..., None]], Task[..., None, ...]]:
    """Declare a verb's job under a name that outlives moves of its code.

    `is_awaited` tells by its arguments whether somebody waits for this one: it goes first.
    """
    if queue not in QUEUES:
        raise ValueError(f"there is no queue {queue}")
    if is_awaited is not None:
        _AWAITED[name] = is_awaited
    return app.task(name=name, queue=queue, retry=_RETRY, priority=PRIORITIES.get(queue, 0))


def defer(task: Task[..., None, ...], *, once: str | None = None, **ids: Any) -> bool:
    """Enqueue a job with ids for arguments; tell whether it was not already waiting.

    `once` names the work: while a job of that name waits, another is not added, and two of that
    name never run at the same time. The insert has a savepoint of its own, because a refused one
    would otherwise leave the caller's transaction aborted and silently discard its rows.
    """
    if once is None:
        _enqueue(task, ids)
        return True
    if _is_waiting(once):
        return False
    try:
        with transaction.atomic():
            _enqueue(task, ids, lock=once, queueing_lock=once)
    except exceptions.AlreadyEnqueued:
        return False
    return True


def _enqueue(task: Task[..., None, ...], ids: dict[str, Any], **options: Any) -> None:
    """Insert the row by the connection that writes the data.

    In a worker the app has another one: a job inserted there could run before the data it is about
    is committed, and would stay when that is rolled back.
    """
    is_awaited = _AWAITED.get(task.name)
    if is_awaited is not None and is_awaited(ids):
        options |= {"queue": "awaited", "priority": PRIORITIES["awaited"]}
    deferrer = task.configure(**options)
    deferrer.job_manager = _OURS
    deferrer.defer(**ids)


def _is_waiting(once: str) -> bool:
    """A look before the insert spares the database an error on nearly every repeat."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM procrastinate_jobs WHERE queueing_lock = %s AND status = 'todo'", [once]
        )
        return cursor.fetchone() is not None
