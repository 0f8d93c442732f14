"""Verbs about money's way: make mandates, charge, refund, forget. Every outside call is an intent
row before it and a result row after it, and never inside a transaction."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.models import F

from countmein.base.clock import real_now, site_now
from countmein.base.ids import uuid7
from countmein.base.jobs import defer, job
from countmein.ledger import actions as ledger
from countmein.payments.models import (
    Attempt,
    Charge,
    ChargeState,
    Mandate,
    MandateState,
    Outcome,
    Refund,
    RefundState,
)
from countmein.payments.providers import PROVIDERS, ChargeResult, ForgetFailed, RefundResult
from countmein.payments.providers import Outcome as ProviderOutcome

log = logging.getLogger(__name__)

#: Tries after a soft decline, counted from the first failure (spec: the HTTP contract).
RETRY_AFTER = (timedelta(hours=48), timedelta(hours=96), timedelta(hours=144), timedelta(hours=168))
#: How long an unknown outcome rests before we ask the provider what became of it.
UNKNOWN_RESTS = timedelta(seconds=2)
#: A claim older than this belongs to a worker that died: look the outcome up before any new try.
CLAIM_LASTS = timedelta(seconds=30)
BATCH = 100
_THREADS = 8
#: A job's turn: long enough to be worth its start, short enough to stop for in good order.
TURN_SECONDS = 20.0


def want_mandates(rows: Sequence[Mandate]) -> None:
    """Record that these pledges are to be secured; call in the transaction that writes them."""
    Mandate.objects.bulk_create(rows)
    defer(make_mandates, once="payments.make_mandates")


def forget_mandates(*, lane: int, pledge_ids: Iterable[uuid.UUID]) -> None:
    """Let the cards of these pledges go: the provider is told to delete them."""
    rows = Mandate.objects.filter(lane=lane, pledge_id__in=list(pledge_ids))
    # A mandate whose time to be made was never pushed on was never asked for: nobody knows it.
    rows.filter(state=MandateState.WANTED, due_at=F("wanted_at")).update(
        state=MandateState.FORGOTTEN
    )
    touched = rows.filter(state__in=[MandateState.WANTED, MandateState.MADE]).update(
        state=MandateState.FORGETTING, due_at=real_now()
    )
    if touched:
        defer(make_mandates, once="payments.make_mandates")


@job(name="payments.make_mandates", queue="money")
def make_mandates() -> None:
    """Ask the provider for every mandate that is wanted, and to forget those let go."""
    ends = time.monotonic() + TURN_SECONDS
    while time.monotonic() < ends and (
        keys := _claim("payments_mandate", ("wanted", "forgetting"), None)
    ):
        _in_threads(_one_mandate, Mandate.objects.filter(pk__in=keys))


def _one_mandate(row: Mandate) -> None:
    """Make a mandate, or have it forgotten; one that may have been made is looked up first.

    To ask again under the same key is to look it up, so a card that was let go while it was being
    saved, or by a worker that died, is deleted too.
    """
    provider, reference = PROVIDERS[row.provider], row.provider_reference
    if not reference:
        result = provider.mandate(
            reference=str(row.pledge_id),
            payment_method=row.payment_method,
            currency=row.currency,
            key=f"mandate:{row.id}",
        )
        if result.outcome == ProviderOutcome.DONE:
            reference = result.mandate
            _update(row, was=MandateState.WANTED, state=MandateState.MADE, **_made(reference))
        elif result.outcome == ProviderOutcome.REFUSED or result.needs_new_key:
            _update(row, was=MandateState.WANTED, state=MandateState.REFUSED, code=result.code)
        else:
            return  # the same key is safe to send again, and the claim comes due by itself
    if row.state != MandateState.FORGETTING:
        return
    if reference:
        try:
            provider.forget(mandate=reference)
        except ForgetFailed:
            log.warning("a card is not forgotten yet", extra={"mandate": str(row.id)})
            return
    _update(row, was=MandateState.FORGETTING, state=MandateState.FORGOTTEN)


def _made(reference: str) -> dict[str, str]:
    return {"provider_reference": reference, "code": ""}


def _update(row: Any, *, was: str, **fields: Any) -> bool:
    """Compare and set: a row that has moved on meanwhile is left as it is."""
    return bool(type(row).objects.filter(lane=row.lane, id=row.id, state=was).update(**fields))


@job(name="payments.charge_due", queue="money")
def charge_due() -> None:
    """Try the charges that are due, paced to the provider's allowance."""
    _paced("payments_charge", Charge, _one_charge)


@job(name="payments.refund_due", queue="money")
def refund_due() -> None:
    """Give back the refunds that are due, paced like the charges."""
    _paced("payments_refund", Refund, _one_refund)


def _paced(table: str, model: Any, one: Callable[[Any], None]) -> None:
    """One turn of a job; what is left after it the sweep hands out again."""
    ends = time.monotonic() + TURN_SECONDS
    while (began := time.monotonic()) < ends:
        keys = _claim(table, ("due", "doing"), "doing")
        if not keys:
            return
        _in_threads(one, model.objects.filter(pk__in=keys))
        # The allowance is per second over the whole batch; a slow provider has paced us already.
        time.sleep(max(0.0, len(keys) / settings.CHARGES_PER_SECOND - time.monotonic() + began))


def _claim(table: str, states: tuple[str, ...], claimed: str | None) -> list[tuple[int, uuid.UUID]]:
    """Take the next due rows and push their due time out: who dies holding them loses them.

    `due_at` runs on the site's clock, for dunning does. Moving the sandbox's clock can end a lease
    early; two workers then repeat one try under one key, which the provider does once.
    """
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
                    "states": list(states),
                    "batch": BATCH,
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

    with ThreadPoolExecutor(_THREADS) as pool:
        shares = [whole[start::_THREADS] for start in range(_THREADS)]
        for done in [pool.submit(call, share) for share in shares if share]:
            done.result()


def _one_charge(charge: Charge) -> None:
    attempt, is_new = _begin(charge, charge.campaign_id)
    if attempt is None:
        return
    mandate = Mandate.objects.filter(
        lane=charge.lane, pledge_id=charge.pledge_id, state=MandateState.MADE
    ).first()
    if mandate is None:
        refused = ChargeResult(outcome=ProviderOutcome.REFUSED, permanent=True, code="no_mandate")
        _record_charge(charge, attempt, refused)
        return
    provider, card, reference = PROVIDERS[mandate.provider], mandate.provider_reference, charge.id
    result = None if is_new else provider.find_charge(mandate=card, reference=str(reference))
    if result is None:
        result = provider.charge(
            mandate=card,
            amount_minor=charge.amount_minor,
            currency=charge.currency,
            reference=str(reference),
            key=f"pledge:{charge.pledge_id}:attempt:{attempt.number}",
        )
    _record_charge(charge, attempt, result)


def _begin(row: Charge | Refund, campaign_id: uuid.UUID) -> tuple[Attempt | None, bool]:
    """Write down the try before it is made, and tell whether it is a new one.

    An earlier try without an answer is taken up again under its own number, so its key stays the
    same and the provider can recognise it.
    """
    with transaction.atomic():
        held = type(row).objects.filter(lane=row.lane, id=row.id, state="doing")
        if not held.select_for_update().exists():
            return None, False
        open_try = Attempt.objects.filter(
            lane=row.lane,
            about_id=row.id,
            number=row.attempt,
            outcome__in=[Outcome.STARTED, Outcome.UNKNOWN],
        ).first()
        if open_try:
            return open_try, False
        attempt = Attempt(
            lane=row.lane,
            id=uuid7(),
            campaign_id=campaign_id,
            about_id=row.id,
            number=row.attempt + 1,
            started_at=real_now(),
        )
        attempt.save(force_insert=True)
        held.update(attempt=attempt.number)
        return attempt, True


def _record_charge(charge: Charge, attempt: Attempt, result: ChargeResult) -> None:
    """Record what came of a try; the money and its entry in the books commit together."""
    now = site_now()
    with transaction.atomic():
        _close(attempt, result)
        if result.outcome == ProviderOutcome.DONE:
            paid = _update(
                charge,
                was=ChargeState.DOING,
                state=ChargeState.PAID,
                provider_charge_id=result.charge_id,
                code="",
            )
            if paid:
                _book("charge", charge, charge.id, now)
        elif result.outcome == ProviderOutcome.REFUSED:
            _update(charge, was=ChargeState.DOING, code=result.code, **_next(charge, result, now))
        else:
            _rest(charge, result, now)


def _close(attempt: Attempt, result: ChargeResult | RefundResult) -> None:
    """Write what came of a try; one that may still come to something stays open under its key."""
    outcome = {
        ProviderOutcome.DONE: Outcome.DONE,
        ProviderOutcome.REFUSED: Outcome.REFUSED,
    }.get(result.outcome, Outcome.REFUSED if result.needs_new_key else Outcome.UNKNOWN)
    Attempt.objects.filter(lane=attempt.lane, id=attempt.id).update(
        outcome=outcome, code=result.code, finished_at=real_now()
    )


def _rest(row: Charge | Refund, result: ChargeResult | RefundResult, now: datetime) -> None:
    """Neither done nor refused: stay claimed, and ask again soon what became of it."""
    _update(row, was="doing", due_at=now + UNKNOWN_RESTS, code=result.code)


def _next(charge: Charge, result: ChargeResult, now: datetime) -> dict[str, Any]:
    """When to try a declined charge again, or that it has failed for good."""
    first = charge.first_failed_at or now
    left = [first + pause for pause in RETRY_AFTER if first + pause > now]
    if result.permanent or not left:
        return {"state": ChargeState.FAILED, "first_failed_at": first}
    return {"state": ChargeState.DUE, "first_failed_at": first, "due_at": left[0]}


def _book(kind: str, row: Charge | Refund, about: uuid.UUID, now: datetime) -> None:
    ledger.post(
        lane=row.lane,
        campaign_id=row.campaign_id,
        kind=kind,
        about=about,
        parts=row.parts,
        currency=row.currency,
        at=now,
    )


def _one_refund(refund: Refund) -> None:
    charge = Charge.objects.get(lane=refund.lane, id=refund.charge_id)
    attempt, _is_new = _begin(refund, refund.campaign_id)
    if attempt is None:
        return
    # An unanswered try is repeated under its own key, so the provider does it once.
    result: RefundResult = PROVIDERS["stripe"].refund(
        charge_id=charge.provider_charge_id,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        reference=str(refund.id),
        key=f"refund:{refund.id}:attempt:{attempt.number}",
    )
    now = site_now()
    with transaction.atomic():
        _close(attempt, result)
        if result.outcome == ProviderOutcome.DONE:
            done = _update(
                refund,
                was=RefundState.DOING,
                state=RefundState.DONE,
                provider_refund_id=result.refund_id,
            )
            if done:
                _book("refund", refund, refund.id, now)
        elif result.outcome == ProviderOutcome.REFUSED and result.permanent:
            _update(refund, was=RefundState.DOING, state=RefundState.STUCK, code=result.code)
        else:
            _rest(refund, result, now)


def want_refunds(
    *, charges: Iterable[Charge], reason: str, parts: Callable[[Charge], Mapping[str, int]]
) -> None:
    """Record refunds of these charges; each (charge, reason) is given back once."""
    now = site_now()
    rows = []
    for charge in charges:
        share = dict(parts(charge))
        rows.append(
            Refund(
                lane=charge.lane,
                campaign_id=charge.campaign_id,
                pledge_id=charge.pledge_id,
                charge_id=charge.id,
                reason=reason,
                amount_minor=sum(share.values()),
                currency=charge.currency,
                parts=share,
                due_at=now,
            )
        )
    Refund.objects.bulk_create(rows, ignore_conflicts=True)
    if rows:
        defer(refund_due, once="payments.refund_due")


def has_due() -> dict[str, bool]:
    """Which kinds of work are due now, for the sweep."""
    mandates = Mandate.objects.all_lanes().filter(state__in=["wanted", "forgetting"])
    charges = Charge.objects.all_lanes().filter(state__in=["due", "doing"])
    refunds = Refund.objects.all_lanes().filter(state__in=["due", "doing"])
    now = site_now()
    return {
        "mandates": mandates.filter(due_at__lte=now).exists(),
        "charges": charges.filter(due_at__lte=now).exists(),
        "refunds": refunds.filter(due_at__lte=now).exists(),
    }
