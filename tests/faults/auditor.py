"""An auditor who reads the books in one snapshot after the other while things die (R10).

It is a program of its own, with a connection of its own, and knows nothing of the site's code:
whatever is committed must balance, by currency and by event, at every instant. Started as
`python -m tests.faults.auditor DSN`, it reads until its input is closed and then says what it saw.
"""

from __future__ import annotations

import json
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

PAUSE_SECONDS = 0.05
_CHECKOUT = Path(__file__).parents[2]

#: Every row that one of these answers is wrong.
UNBALANCED = (
    # By campaign and currency, what left accounts is what reached others, and by positive amounts.
    """SELECT 'currency', campaign_id::text, currency FROM (
         SELECT campaign_id, currency, -amount_minor AS moved FROM ledger_transfer
         UNION ALL SELECT campaign_id, currency, amount_minor FROM ledger_transfer) legs
       GROUP BY 2, 3 HAVING sum(moved) <> 0 OR min(abs(moved)) <= 0""",
    # One event is of one kind and one currency, and its legs are numbered without a gap.
    """SELECT 'entry', entry_id::text, min(kind) FROM ledger_transfer
       GROUP BY 2 HAVING count(DISTINCT currency) > 1 OR count(DISTINCT kind) > 1
          OR count(DISTINCT leg) <> count(*)""",
    # A charge or refund is in the books as a whole as soon as it is made, and only then.
    """SELECT 'event', coalesce(b.source_ref, c.id)::text, '' FROM (
         SELECT source_ref, sum(amount_minor) AS amount, count(*) AS legs
         FROM ledger_transfer t WHERE kind IN ('charge', 'refund')
           AND NOT EXISTS (SELECT FROM ledger_transfer x WHERE x.lane = t.lane
                           AND x.source_ref = t.source_ref AND x.kind = 'refund_back')
         GROUP BY 1) b
       FULL JOIN (
         SELECT id, amount_minor, (SELECT count(*) FROM jsonb_object_keys(parts)) AS legs
         FROM payments_charge WHERE state = 'paid'
         UNION ALL
         SELECT id, amount_minor, (SELECT count(*) FROM jsonb_object_keys(parts))
         FROM payments_refund WHERE state = 'done') c ON c.id = b.source_ref
       WHERE b.amount IS DISTINCT FROM c.amount_minor OR b.legs IS DISTINCT FROM c.legs""",
)


def unbalanced(connection: psycopg.Connection[Any]) -> list[tuple[Any, ...]]:
    """What is wrong in one snapshot."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        found: list[tuple[Any, ...]] = []
        for statement in UNBALANCED:
            found += cursor.execute(statement).fetchall()
        return found


@dataclass(slots=True, kw_only=True)
class Audit:
    """What an auditor has seen; complete when the audit is over."""

    reads: int = 0
    #: Readings that the server's death broke off: they say nothing.
    broken: int = 0
    wrong: list[list[Any]] = field(default_factory=list)


def own_dsn() -> str:
    """The database of the tests that run inside this process."""
    from django.db import connection

    wanted = connection.get_connection_params()
    names = ("dbname", "user", "password", "host", "port")
    return make_conninfo(**{name: wanted[name] for name in names if wanted.get(name)})


@contextmanager
def audited(dsn: str, *, is_control: bool = False) -> Iterator[Audit]:
    """Have the books read every 50 ms meanwhile; they must balance each time.

    A control expects that they do not, and looks for itself.
    """
    audit = Audit()
    with subprocess.Popen(
        [sys.executable, "-m", __spec__.name, dsn],
        cwd=_CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout is not None
        try:
            assert "reading\n" == reader.stdout.readline()
            yield audit
        finally:
            said, _ = reader.communicate(timeout=60)
            for name, value in json.loads(said or "{}").items():
                setattr(audit, name, value)
    assert audit.reads > 0
    assert is_control or [] == audit.wrong


def _read_on(dsn: str) -> Audit:
    """Read until the input is closed, or until something is wrong."""
    audit, connection, is_told = Audit(), None, False
    is_last = False
    while not is_last or not audit.reads:
        # Once more after the end: what was committed last must be seen, too.
        is_last = bool(select.select([sys.stdin], [], [], PAUSE_SECONDS)[0])
        try:
            connection = connection or psycopg.connect(dsn, connect_timeout=5)
            audit.wrong += [list(row) for row in unbalanced(connection)]
            audit.reads += 1
        except psycopg.OperationalError:
            audit.broken += 1
            if connection is not None:
                connection.close()
            connection = None
        if audit.reads and not is_told:
            print("reading", flush=True)
            is_told = True
        if audit.wrong:
            break
    return audit


if __name__ == "__main__":
    seen = _read_on(sys.argv[1])
    said = {"reads": seen.reads, "broken": seen.broken, "wrong": seen.wrong[:20]}
    print(json.dumps(said), flush=True)
