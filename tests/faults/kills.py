"""Killing the work at any instant: a child process does it and dies at its n-th statement.

The child stands for a worker: it dies without a word, its open transaction is rolled back by the
database, and whatever it had said to the outside stays said.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from django.db import connection, connections

#: What a child that died as planned answers; 0 is a child that came to the end.
KILLED = 77


def run_and_die(work: Callable[[], Any], *, at: int | None) -> bool:
    """Do `work` in a child that dies just before its `at`-th statement; tell whether it died.

    None lets it live. Statements of the threads that it starts count too.
    """
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        _child(work, at)
    _pid, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED), f"the child failed with {code}"
    return code == KILLED


def statements_of(work: Callable[[], Any]) -> int:
    """How many statements `work` takes; it is done for real, in this process."""
    count = 0

    def counted(execute: Any, *args: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*args)

    with connection.execute_wrapper(counted):
        work()
    return count


def _child(work: Callable[[], Any], at: int | None) -> None:
    try:
        _arm(at)
        work()
    except BaseException:
        traceback.print_exc(file=sys.stderr)
        os._exit(1)
    os._exit(0)


def _arm(at: int | None) -> None:
    """Count every statement of every connection that this process opens from now on."""
    from django.db.backends.signals import connection_created

    left = at

    def lethal(execute: Any, *args: Any) -> Any:
        nonlocal left
        if left is not None:
            left -= 1
            if left < 0:
                os._exit(KILLED)
        return execute(*args)

    def arm(connection: Any, **_: Any) -> None:
        if lethal not in connection.execute_wrappers:
            connection.execute_wrappers.append(lethal)

    connection_created.connect(arm, weak=False)
