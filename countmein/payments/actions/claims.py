"""Claiming what is due, at the provider's pace, and booking what came of it.

Who dies holding a claim loses it. How the calls are written down is in `tries`.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.db import connection, connections, transaction

from countmein.base.clock import site_now
from countmein.ledger import actions as ledger
from countmein.payments.models import Charge, Dispute, Refund

#: How long an unknown outcome rests before we ask the provider what became of it.
UNKNOWN_RESTS = timedelta(seconds=2)
#: A claim older than this belongs to a worker that died: look the outcome up before any new try.
CLAIM_LASTS = timedelta(seconds=30)
BATCH = 100
THREADS = 8
#: A batch is no more than the provider lets us do in this time: one waits while another is made,
#: and both have to end well within their claims.
_BATCH_SECONDS = 5
#: A job's turn: long enough to be worth its start, short enough to stop for in good order.
TURN_SECONDS = 20.0


class Pace:
    """The provider's allowance, shared by all who call it: each waits for the next free moment.

    Moments that nobody used are not made up for, so no second has more calls than are allowed.
    """

    def __init__(self, *, per_second: int) -> None:
        self._apart_seconds = 1 / per_second
        self._next = time.monotonic()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Come back when the next call may be made."""
        with self._lock:
            mine = max(self._next, time.monotonic())
            self._next = mine + self._apart_seconds
        while (early := mine - time.monotonic()) > 0:
            time.sleep(early)


def turn(model: Any, one: Callable[[Any], None]) -> None:
    """Do what is due of one kind for a turn, as fast as it goes; the sweep hands out the rest."""
    ends = time.monotonic() + TURN_SECONDS
    while time.monotonic() < ends and (keys := claim(model, None)):
        _in_threads(one, model.objects.filter(pk__in=keys))


def allowance() -> Pace:
    """What the provider allows us now."""
    return Pace(per_second=settings.CHARGES_PER_SECOND)


def paced_batches(model: Any) -> Iterator[list[Any]]:
    """What is due of one kind, claimed batch by batch for a turn."""
    ends = time.monotonic() + TURN_SECONDS
    most = min(BATCH, settings.CHARGES_PER_SECOND * _BATCH_SECONDS)
    while time.monotonic() < ends and (keys := claim(model, "doing", most=most)):
        yield list(model.objects.filter(pk__in=keys))


def claim(model: Any, claimed: str | None, *, most: int = BATCH) -> list[tuple[int, uuid.UUID]]:
    """Take the next due rows and push their due time out: who dies holding them loses them.

    `due_at` runs on the site's clock, for dunning does. Moving the sandbox's clock can end a lease
    early; two workers then repeat one try under one key, which the provider does once.
    """
    table = model._meta.db_table
    new_state = ", state = %(claimed)s, claimed_at = clock_timestamp()" if claimed else ""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE {table} t SET due_at = %(now)s + %(lease)s {new_state}
            FROM (SELECT lane, id FROM {table}
                  WHERE state = ANY(%(states)s) AND due_at <= %(now)s
                  ORDER BY due_at LIMIT %(batch)s FOR UPDATE SKIP LOCKED) due
            WHERE t.lane = due.lane AND t.id = due.id RETURNING t.lane, t.id
            """,
            # One interval and one array: psycopg adapts both, whatever Django's stubs list.
            cast(
                "dict[str, Any]",
                {
                    "now": site_now(),
                    "lease": CLAIM_LASTS,
                    "claimed": claimed,
                    "states": list(model.work_states),
                    "batch": most,
                },
            ),
        )
        return [(lane, id) for lane, id in cursor.fetchall()]


def _in_threads(one: Callable[[Any], None], rows: Iterable[Any]) -> None:
    """Do the outside calls of a batch side by side; each thread gives its connection back."""
    whole = list(rows)

    def call(share: list[Any]) -> None:
        try:
            for row in share:
                one(row)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(THREADS) as pool:
        shares = [whole[start::THREADS] for start in range(THREADS)]
        for done in [pool.submit(call, share) for share in shares if share]:
            done.result()


def update(row: Any, *, was: str, **fields: Any) -> bool:
    """Compare and set: a row that has moved on meanwhile is left as it is."""
    return bool(type(row).objects.filter(lane=row.lane, id=row.id, state=was).update(**fields))


def book(kind: str, row: Charge | Refund | Dispute) -> None:
    """Enter in the books what became of a row; call in the transaction that records it."""
    book_all(kind, [row], at=site_now())


def book_all(kind: str, rows: Iterable[Charge | Refund | Dispute], *, at: datetime) -> None:
    """The same for many, in one statement."""
    events = (
        ledger.Event(
            lane=row.lane,
            campaign_id=row.campaign_id,
            about=row.id,
            parts=row.parts,
            currency=row.currency,
        )
        for row in rows
    )
    ledger.post_all(events, kind=kind, at=at)
