"""Refunding: what goes back, once per cause, paced like the charges."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.payments.actions.claims import (
    UNKNOWN_RESTS,
    allowance,
    book,
    book_all,
    paced_batches,
    update,
)
from countmein.payments.actions.disputes import look_soon
from countmein.payments.actions.tries import (
    Answered,
    Calls,
    Try,
    among,
    begin,
    close,
    news_of,
    open_tries,
    set_each,
)
from countmein.payments.models import (
    BANK,
    Charge,
    Dispute,
    DisputeState,
    Refund,
    RefundState,
)
from countmein.payments.providers import PROVIDERS, RefundResult
from countmein.payments.providers import Outcome as ProviderOutcome

#: How long a refund waits that the provider cannot pay yet, because our balance there is too low.
_UNCOVERED_RESTS = timedelta(minutes=10)
#: How long a refund of a disputed charge waits if nobody wakes it; the dispute's end does.
_DISPUTED_RESTS = timedelta(days=1)
#: How the provider says that it gives nothing back of a charge because of a dispute.
_DISPUTED = "charge_disputed"


@job(name="payments.refund_due", queue="money")
def refund_due() -> None:
    """Give back the refunds that are due, a batch at a time, paced like the charges."""
    with Calls(allowance()) as calls:
        calls.of(map(_begin, paced_batches(Refund)), _ask, _record)


def _begin(refunds: Sequence[Refund]) -> list[Try[Refund, Charge]]:
    """Write down the tries that are made now; a refund whose charge is disputed is left alone.

    The charges are held meanwhile, so that a dispute's end cannot slip in between. A try without an
    answer is followed up first, whatever became of its charge.
    """
    with transaction.atomic():
        rows = Charge.objects.filter(
            lane__in={refund.lane for refund in refunds},
            id__in=[refund.charge_id for refund in refunds],
        )
        charges = {row.id: row for row in rows.order_by("lane", "id").select_for_update()}
        begun = open_tries(refunds)
        disputed = _leave_disputed([refund for refund in refunds if refund.id not in begun])
        left = [row for row in refunds if row.id not in disputed]
        return begin(left, on={row.id: charges[row.charge_id] for row in left})


def _leave_disputed(refunds: Sequence[Refund]) -> set[uuid.UUID]:
    """Those whose charge is disputed: they wait, or are moot once that is lost."""
    found: dict[str, set[uuid.UUID]] = {state: set() for state in DisputeState}
    for charge_id, state in Dispute.objects.filter(
        lane__in={refund.lane for refund in refunds},
        charge_id__in=[refund.charge_id for refund in refunds],
    ).values_list("charge_id", "state"):
        found[state].add(charge_id)
    waiting = [row for row in refunds if row.charge_id in found[DisputeState.OPEN]]
    lost = found[DisputeState.LOST] - found[DisputeState.OPEN]
    moot = [row for row in refunds if row.charge_id in lost]
    _move(waiting, **_waits())
    _move(moot, state=RefundState.MOOT, code="dispute_lost")
    return {row.id for row in (*waiting, *moot)}


def _waits() -> dict[str, Any]:
    due_at = site_now() + _DISPUTED_RESTS
    return {"state": RefundState.DUE, "due_at": due_at, "code": _DISPUTED}


def _move(refunds: Sequence[Refund], **fields: Any) -> None:
    """Compare and set: those that have moved on meanwhile are left as they are."""
    if refunds:
        Refund.objects.filter(**among(refunds), state=RefundState.DOING).update(**fields)


def _ask(tried: Try[Refund, Charge]) -> RefundResult:
    """See what came of a try without an answer; one that is new or never arrived is made.

    It is made under its own key, so the provider does it once however often it is repeated.
    """
    provider, refund, reference = PROVIDERS["stripe"], tried.row, str(tried.row.id)
    charge_id = tried.on.provider_charge_id
    if not tried.is_new:
        found = provider.find_refund(charge_id=charge_id, reference=reference)
        if found is not None:
            return found
    return provider.refund(
        charge_id=charge_id,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        reference=reference,
        key=f"refund:{refund.id}:attempt:{tried.attempt.number}",
    )


def _record(answers: Sequence[Answered[Refund, Charge, RefundResult]]) -> None:
    """Record what came of these tries; the money and its entries in the books commit together."""
    with transaction.atomic():
        answers = news_of(answers)
        close(answers)
        _book_done([each for each in answers if each.result.outcome == ProviderOutcome.DONE])
        alike = defaultdict[tuple[str, bool, str], list[Refund]](list)
        for each in answers:
            said = each.result
            if said.outcome != ProviderOutcome.DONE:
                alike[said.outcome, said.permanent, said.code].append(each.tried.row)
        for (outcome, is_permanent, code), refunds in alike.items():
            _move(refunds, **_after(outcome, code, is_permanent=is_permanent))


def _after(outcome: str, code: str, *, is_permanent: bool) -> dict[str, Any]:
    """What becomes of a refund that was not made."""
    if outcome != ProviderOutcome.REFUSED:
        return {"due_at": site_now() + UNKNOWN_RESTS, "code": code}
    if code == _DISPUTED:
        # The dispute may be news to us.
        look_soon()
        return _waits()
    if is_permanent:
        return {"state": RefundState.STUCK, "code": code}
    return {"due_at": site_now() + _UNCOVERED_RESTS, "code": code}


def _book_done(answers: Sequence[Answered[Refund, Charge, RefundResult]]) -> None:
    """Those that were made; who recorded one first has booked it."""
    for each in answers:
        each.tried.row.state = RefundState.DONE
        each.tried.row.provider_refund_id = each.result.refund_id
    done = set_each([each.tried.row for each in answers], "state", "provider_refund_id")
    book_all("refund", done, at=site_now())


def take_back(refunds: Iterable[Refund]) -> None:
    """Note that these refunds, which were made, have come back from the card's bank.

    Then the money is ours to hold again, the books say so, and a person has to find another way.
    """
    for refund in refunds:
        with transaction.atomic():
            is_back = update(
                refund, was=RefundState.DONE, state=RefundState.STUCK, code="came_back"
            )
            if is_back:
                book("refund_back", refund)


def want_refunds(
    *,
    charges: Iterable[Charge],
    reason: str,
    parts: Callable[[Charge], Mapping[str, int]],
    stage: int = 0,
) -> None:
    """Record refunds of these charges; each (charge, reason, stage) is given back once."""
    now = site_now()
    rows = []
    for charge in charges:
        share = {kind: amount for kind, amount in parts(charge).items() if amount}
        if not share:
            continue
        rows.append(
            Refund(
                lane=charge.lane,
                campaign_id=charge.campaign_id,
                pledge_id=charge.pledge_id,
                charge_id=charge.id,
                reason=reason,
                stage=stage,
                amount_minor=sum(share.values()),
                currency=charge.currency,
                parts=share,
                state=RefundState.BY_BANK if charge.provider == BANK else RefundState.DUE,
                due_at=now,
            )
        )
    Refund.objects.bulk_create(rows, ignore_conflicts=True)
    if any(row.state == RefundState.DUE for row in rows):
        defer(refund_due, once="payments.refund_due")
