"""Outside calls, each a row before it and a result after it: written down together, made side by
side, and what came of them written down together.

The statements are a fixed number, however many calls there are; one call is a list of one. Who is
killed on the way leaves tries that were begun and have no answer: the next worker looks up what
became of them, under their own key. None of it happens inside a transaction with a call.
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from django.db import connection
from django.db.models import F

from countmein.base.clock import real_now
from countmein.base.ids import uuid7
from countmein.payments.actions.claims import CLAIM_LASTS, THREADS, Pace
from countmein.payments.models import Attempt, Charge, Outcome, Payout, Refund
from countmein.payments.providers import Outcome as ProviderOutcome
from countmein.payments.providers import Result

Row = TypeVar("Row", Charge, Refund, Payout)
#: What a call is made on: the card that is charged, the charge that is given back.
On = TypeVar("On")
R = TypeVar("R", bound=Result)

#: How a try stands of which nobody knows yet what came of it.
OPEN_TRY: Final = (Outcome.STARTED, Outcome.UNKNOWN)
#: No call of a batch begins later than this after its claim: it has to end before the claim does.
_LAST_CALL_SECONDS = CLAIM_LASTS.total_seconds() / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Try(Generic[Row, On]):
    """One outside call that is written down; a new one cannot have been made before."""

    row: Row
    on: On
    attempt: Attempt
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[Row, On, R]):
    """A try, and what came of it."""

    tried: Try[Row, On]
    result: R


def among(rows: Iterable[Any]) -> dict[str, Any]:
    """The look-up of just these rows."""
    whole = list(rows)
    return {"lane__in": {row.lane for row in whole}, "id__in": [row.id for row in whole]}


def hold(rows: Sequence[Row], *, was: str = "doing") -> list[Row]:
    """Hold those of these rows that are still in this state, as they stand now.

    Call inside a transaction. Everybody who holds many takes them in one order.
    """
    if not rows:
        return []
    still = type(rows[0]).objects.filter(**among(rows), state=was)
    return list(still.order_by("lane", "id").select_for_update())


def set_each(rows: Sequence[Row], *fields: str, was: str = "doing") -> list[Row]:
    """Write these fields of the rows that are still in this state, in one statement.

    Compare and set: returns the rows that were, and a row that has moved on is left as it is.
    """
    if not rows:
        return []
    meta = type(rows[0])._meta
    columns = [meta.get_field(name) for name in fields]
    # Text, so that what is too long is refused and not cut.
    types = [(each.db_type(connection) or "").replace("varchar", "text ") for each in columns]
    arrays = "".join(f", %s::{kind.split(' (')[0]}[]" for kind in types)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""UPDATE {meta.db_table} t SET {", ".join(f"{f} = v.{f}" for f in fields)}
                FROM unnest(%s::int[], %s::uuid[]{arrays}) AS v (lane, id, {", ".join(fields)})
                WHERE t.lane = v.lane AND t.id = v.id AND t.state = %s RETURNING t.id""",
            [
                [row.lane for row in rows],
                [row.id for row in rows],
                *([getattr(row, name) for row in rows] for name in fields),
                was,
            ],
        )
        done = {id for (id,) in cursor.fetchall()}
    return [row for row in rows if row.id in done]


def open_tries(rows: Sequence[Any]) -> dict[uuid.UUID, Attempt]:
    """The last try of each row, by the row, if nobody knows yet what came of it."""
    if not rows:
        return {}
    numbers = {row.id: row.attempt for row in rows}
    found = Attempt.objects.filter(
        lane__in={row.lane for row in rows}, about_id__in=list(numbers), outcome__in=OPEN_TRY
    )
    return {each.about_id: each for each in found if each.number == numbers[each.about_id]}


def begin(
    rows: Sequence[Row],
    *,
    on: Mapping[uuid.UUID, On],
    was: str = "doing",
    facts: Callable[[Row], dict[str, Any]] = lambda _row: {},
) -> list[Try[Row, On]]:
    """Write these tries down before they are made, each with what it is made on, by its row.

    A row that is no longer claimed is left out. An earlier try without an answer is taken up again
    under its own number, so its key stays the same and the provider can recognise it. Call inside
    a transaction.
    """
    held = hold(rows, was=was)
    again, now = open_tries(held), real_now()
    fresh = {
        row.id: Attempt(
            lane=row.lane,
            id=uuid7(),
            campaign_id=row.campaign_id,
            about_id=row.id,
            number=row.attempt + 1,
            started_at=now,
            **facts(row),
        )
        for row in held
        if row.id not in again
    }
    if fresh:
        Attempt.objects.bulk_create(fresh.values())
        begun = [row for row in held if row.id in fresh]
        type(begun[0]).objects.filter(**among(begun)).update(attempt=F("attempt") + 1)
        for row in begun:
            row.attempt += 1
    return [
        Try(
            row=row,
            on=on[row.id],
            attempt=fresh.get(row.id) or again[row.id],
            is_new=row.id in fresh,
        )
        for row in held
    ]


def news_of(answers: Sequence[Answered[Row, On, R]]) -> list[Answered[Row, On, R]]:
    """The answers that still say something. Call in the transaction that records them.

    A worker that slept through its claim may come with an old answer, after another one has had it
    and gone on to the next try; a no would call off what that one is just doing. That something
    was done always counts: it is found under the row's own reference, whichever try did it.
    """
    rows = [each.tried.row for each in answers]
    tries = Attempt.objects.filter(
        lane__in={row.lane for row in rows},
        about_id__in=[row.id for row in rows],
        outcome__in=OPEN_TRY,
    )
    held = {each.id: each for each in tries.order_by("lane", "id").select_for_update()}
    done = [each.tried for each in answers if each.result.outcome == ProviderOutcome.DONE]
    finished = {tried.row.id for tried in done}
    own = {tried.attempt.id for tried in done}
    others = [each for each in held.values() if each.about_id in finished and each.id not in own]
    if others:
        Attempt.objects.filter(**among(others)).update(
            outcome=Outcome.REFUSED, code="done_otherwise", finished_at=real_now()
        )
    return [
        each for each in answers if each.tried.row.id in finished or each.tried.attempt.id in held
    ]


def close(answers: Iterable[Answered[Row, On, R]]) -> None:
    """Write down what came of these tries."""
    alike = defaultdict[tuple[str, str], list[Attempt]](list)
    for each in answers:
        alike[outcome_of(each.result), each.result.code].append(each.tried.attempt)
    now = real_now()
    for (outcome, code), attempts in alike.items():
        Attempt.objects.filter(**among(attempts)).update(
            outcome=outcome, code=code, finished_at=now
        )


def outcome_of(result: Result) -> Outcome:
    """What is written of a try; one that may still come to something stays open under its key."""
    unclear = Outcome.REFUSED if result.needs_new_key else Outcome.UNKNOWN
    return {
        ProviderOutcome.DONE: Outcome.DONE,
        ProviderOutcome.REFUSED: Outcome.REFUSED,
    }.get(result.outcome, unclear)


@dataclass(frozen=True, slots=True, kw_only=True)
class _UnderWay(Generic[Row, On, R]):
    """A batch of which the calls are being made, and where each of them will answer."""

    tries: Sequence[Try[Row, On]]
    answers: Sequence[Future[R | None]]


class Calls:
    """The outside calls of one turn: some side by side, together at the provider's allowance.

    Nothing in here touches the database. Threads stay for the whole turn, and with them the
    connections to the provider.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._pool = ThreadPoolExecutor(THREADS)

    def __enter__(self) -> Calls:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def of(
        self,
        batches: Iterable[Sequence[Try[Row, On]]],
        ask: Callable[[Try[Row, On]], R],
        then: Callable[[list[Answered[Row, On, R]]], None],
    ) -> None:
        """Make the calls of batch after batch, and hand on what came of each batch at once.

        While the calls of one batch are made, the next one is written down and the one before is
        recorded: the provider never waits for our rows. A call that broke in our own code is
        raised once the others are handed on.
        """
        before: _UnderWay[Row, On, R] | None = None
        try:
            for tries in batches:
                ended, before = before, self._begin(tries, ask)
                if ended is not None:
                    _hand_on(ended, then)
        finally:
            if before is not None:
                _hand_on(before, then)

    def _begin(
        self, tries: Sequence[Try[Row, On]], ask: Callable[[Try[Row, On]], R]
    ) -> _UnderWay[Row, On, R]:
        """Have these calls made. A try that would come too late for its claim is not made; it is
        looked up like one whose answer was lost."""
        last = time.monotonic() + _LAST_CALL_SECONDS

        def call(tried: Try[Row, On]) -> R | None:
            self._pace.wait()
            return ask(tried) if time.monotonic() < last else None

        return _UnderWay(tries=tries, answers=[self._pool.submit(call, each) for each in tries])


def _hand_on(
    ended: _UnderWay[Row, On, R], then: Callable[[list[Answered[Row, On, R]]], None]
) -> None:
    answers, broken = list[Answered[Row, On, R]](), list[Exception]()
    for tried, future in zip(ended.tries, ended.answers, strict=True):
        try:
            result = future.result()
        except Exception as error:
            broken.append(error)
            continue
        if result is not None:
            answers.append(Answered(tried=tried, result=result))
    then(answers)
    if broken:
        raise broken[0]
