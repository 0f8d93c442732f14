"""Many outside calls in one go: written down together, made side by side, written down together.

The statements of a batch are a fixed number, however many calls are in it. Who is killed on the way
leaves tries that were begun and have no answer, like any other (`claims`).
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db.models import F

from countmein.base.clock import real_now
from countmein.base.ids import uuid7
from countmein.payments.actions.claims import (
    CLAIM_LASTS,
    OPEN_TRY,
    THREADS,
    Pace,
    outcome_of,
)
from countmein.payments.models import Attempt, Charge, Outcome, Refund, RefundState
from countmein.payments.providers import Outcome as ProviderOutcome
from countmein.payments.providers import Result

R = TypeVar("R", bound=Result)

#: No call of a batch begins later than this after its claim: it has to end before the claim does.
_LAST_CALL_SECONDS = CLAIM_LASTS.total_seconds() / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One outside call that is written down; a new one cannot have been made before."""

    row: Refund
    charge: Charge
    attempt: Attempt
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Generic[R]):
    """A try, and what came of it."""

    tried: Try
    result: R


def among(rows: Iterable[Any]) -> dict[str, Any]:
    """The look-up of just these rows."""
    whole = list(rows)
    return {"lane__in": {row.lane for row in whole}, "id__in": [row.id for row in whole]}


def open_attempts(rows: Sequence[Any]) -> dict[Any, Attempt]:
    """The last try of each row, if nobody knows yet what came of it (`claims.open_attempt`)."""
    numbers = {row.id: row.attempt for row in rows}
    found = Attempt.objects.filter(
        lane__in={row.lane for row in rows}, about_id__in=list(numbers), outcome__in=OPEN_TRY
    )
    return {each.about_id: each for each in found if each.number == numbers[each.about_id]}


def begin_all(rows: Sequence[Refund], charges: Mapping[uuid.UUID, Charge]) -> list[Try]:
    """Write all these tries down before they are made, as `claims.begin` does each.

    A row that is no longer claimed is left out. Call inside a transaction.
    """
    claimed = Refund.objects.filter(**among(rows), state=RefundState.DOING)
    held = list(claimed.order_by("lane", "id").select_for_update())
    again, now = open_attempts(held), real_now()
    fresh = {
        row.id: Attempt(
            lane=row.lane,
            id=uuid7(),
            campaign_id=row.campaign_id,
            about_id=row.id,
            number=row.attempt + 1,
            started_at=now,
        )
        for row in held
        if row.id not in again
    }
    Attempt.objects.bulk_create(fresh.values())
    begun = Refund.objects.filter(**among(row for row in held if row.id in fresh))
    begun.update(attempt=F("attempt") + 1)
    return [
        Try(
            row=row,
            charge=charges[row.charge_id],
            attempt=fresh.get(row.id) or again[row.id],
            is_new=row.id in fresh,
        )
        for row in held
    ]


def news_of(answers: Sequence[Answered[R]]) -> list[Answered[R]]:
    """The answers that still say something, as `claims.is_news` tells of each. Call in the
    transaction that records them."""
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
    Attempt.objects.filter(**among(others)).update(
        outcome=Outcome.REFUSED, code="done_otherwise", finished_at=real_now()
    )
    return [
        each for each in answers if each.tried.row.id in finished or each.tried.attempt.id in held
    ]


def close_all(answers: Iterable[Answered[R]]) -> None:
    """Write down what came of many tries, as `claims.close` does of each."""
    alike = defaultdict[tuple[str, str], list[Attempt]](list)
    for each in answers:
        alike[outcome_of(each.result), each.result.code].append(each.tried.attempt)
    now = real_now()
    for (outcome, code), attempts in alike.items():
        Attempt.objects.filter(**among(attempts)).update(
            outcome=outcome, code=code, finished_at=now
        )


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
        tries: Sequence[Try],
        ask: Callable[[Try], R],
        then: Callable[[list[Answered[R]]], None],
    ) -> None:
        """Make these calls and hand on what came of them, all at once.

        A try that came too late for its claim is not made; it is looked up like one whose answer
        was lost. A call that broke in our own code is raised once the others are handed on.
        """
        last = time.monotonic() + _LAST_CALL_SECONDS

        def call(tried: Try) -> R | None:
            self._pace.wait()
            return ask(tried) if time.monotonic() < last else None

        answers, broken = list[Answered[R]](), list[Exception]()
        for tried, done in [(tried, self._pool.submit(call, tried)) for tried in tries]:
            try:
                result = done.result()
            except Exception as error:
                broken.append(error)
                continue
            if result is not None:
                answers.append(Answered(tried=tried, result=result))
        then(answers)
        if broken:
            raise broken[0]
