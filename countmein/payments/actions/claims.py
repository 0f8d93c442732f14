"""Claiming what is due, writing each outside call down before and after it is made, and booking.

Every outside call is an intent row before it and a result row after it, and never inside a
transaction; who dies holding a claim loses it.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Final, cast

from django.conf import settings
from django.db import connection, connections, transaction

from countmein.base.clock import real_now, site_now
from countmein.base.ids import uuid7
from countmein.ledger import actions as ledger
from countmein.payments.models import Attempt, Charge, Dispute, Outcome, Payout, Refund
from countmein.payments.providers import Outcome as ProviderOutcome
from countmein.payments.providers import Result

#: How long an unknown outcome rests before we ask the provider what became of it.
UNKNOWN_RESTS = timedelta(seconds=2)
#: A claim older than this belongs to a worker that died: look the outcome up before any new try.
CLAIM_LASTS = timedelta(seconds=30)
BATCH = 100
THREADS = 8
#: A batch is no more than the provider lets us do in this time, well within the claim.
_BATCH_SECONDS = 10
#: How a try stands of which nobody knows yet what came of it.
OPEN_TRY: Final = (Outcome.STARTED, Outcome.UNKNOWN)
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


def paced_turn(model: Any, one: Callable[[Any], None]) -> None:
    """The same within the provider's allowance, for calls that it counts."""
    pace = allowance()

    def paced(row: Any) -> None:
        pace.wait()
        one(row)

    for rows in paced_batches(model):
        _in_threads(paced, rows)


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


def begin(
    row: Charge | Refund | Payout, *, was: str = "doing", **facts: Any
) -> tuple[Attempt | None, bool]:
    """Write down the try before it is made, and tell whether it is a new one.

    An earlier try without an answer is taken up again under its own number, so its key stays the
    same and the provider can recognise it. None if the row is no longer claimed.
    """
    with transaction.atomic():
        held = type(row).objects.filter(lane=row.lane, id=row.id, state=was)
        if not held.select_for_update().exists():
            return None, False
        if (open_try := open_attempt(row)) is not None:
            return open_try, False
        attempt = Attempt(
            lane=row.lane,
            id=uuid7(),
            campaign_id=row.campaign_id,
            about_id=row.id,
            number=row.attempt + 1,
            started_at=real_now(),
            **facts,
        )
        attempt.save(force_insert=True)
        held.update(attempt=attempt.number)
        return attempt, True


def open_attempt(row: Charge | Refund | Payout) -> Attempt | None:
    """The last try, if nobody knows yet what came of it."""
    return Attempt.objects.filter(
        lane=row.lane,
        about_id=row.id,
        number=row.attempt,
        outcome__in=OPEN_TRY,
    ).first()


def close(attempt: Attempt, result: Result) -> None:
    """Write down what came of a try."""
    Attempt.objects.filter(lane=attempt.lane, id=attempt.id).update(
        outcome=outcome_of(result), code=result.code, finished_at=real_now()
    )


def outcome_of(result: Result) -> Outcome:
    """What is written of a try; one that may still come to something stays open under its key."""
    unclear = Outcome.REFUSED if result.needs_new_key else Outcome.UNKNOWN
    return {
        ProviderOutcome.DONE: Outcome.DONE,
        ProviderOutcome.REFUSED: Outcome.REFUSED,
    }.get(result.outcome, unclear)


def is_news(row: Charge | Refund | Payout, attempt: Attempt, result: Result) -> bool:
    """Whether an answer still says something. Call in the transaction that records it.

    A worker that slept through its claim may come with an old answer, after another one has had it
    and gone on to the next try; a no would call off what that one is just doing. That something
    was done always counts: it is found under the row's own reference, whichever try did it.
    """
    tries = Attempt.objects.filter(lane=row.lane, about_id=row.id, outcome__in=OPEN_TRY)
    held = set(tries.order_by("id").select_for_update().values_list("id", flat=True))
    if result.outcome == ProviderOutcome.DONE:
        tries.filter(id__in=held - {attempt.id}).update(
            outcome=Outcome.REFUSED, code="done_otherwise", finished_at=real_now()
        )
        return True
    return attempt.id in held


def rest(row: Charge | Refund, result: Result, *, until: datetime) -> None:
    """Neither done nor refused: stay claimed, and ask again what became of it."""
    update(row, was="doing", due_at=until, code=result.code)


def book(kind: str, row: Charge | Refund | Dispute) -> None:
    """Enter in the books what became of a row; call in the transaction that records it."""
    ledger.post(
        lane=row.lane,
        campaign_id=row.campaign_id,
        kind=kind,
        about=row.id,
        parts=row.parts,
        currency=row.currency,
        at=site_now(),
    )


def book_all(kind: str, rows: Iterable[Charge | Refund], *, at: datetime) -> None:
    """The same for many, in a constant number of statements."""
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
