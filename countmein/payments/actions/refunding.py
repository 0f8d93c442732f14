"""Refunding: what goes back, once per cause, paced like the charges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import defer, job
from countmein.payments.actions.claims import (
    UNKNOWN_RESTS,
    begin,
    book,
    close,
    open_attempt,
    paced_turn,
    rest,
    update,
)
from countmein.payments.actions.disputes import look_soon
from countmein.payments.models import (
    BANK,
    Attempt,
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
    """Give back the refunds that are due, paced like the charges."""
    paced_turn(Refund, _one_refund)


def _one_refund(refund: Refund) -> None:
    charge = Charge.objects.get(lane=refund.lane, id=refund.charge_id)
    if open_attempt(refund) is None and _is_disputed(refund):
        return
    attempt, is_new = begin(refund)
    if attempt is None:
        return
    provider, reference = PROVIDERS["stripe"], str(refund.id)
    result = (
        None
        if is_new
        else provider.find_refund(charge_id=charge.provider_charge_id, reference=reference)
    )
    if result is None:
        # A try that never arrived is repeated under its own key, so the provider does it once.
        result = provider.refund(
            charge_id=charge.provider_charge_id,
            amount_minor=refund.amount_minor,
            currency=refund.currency,
            reference=reference,
            key=f"refund:{refund.id}:attempt:{attempt.number}",
        )
    _record(refund, attempt, result)


def _record(refund: Refund, attempt: Attempt, result: RefundResult) -> None:
    """Record what came of a try; the money and its entry in the books commit together."""
    now = site_now()
    with transaction.atomic():
        close(attempt, result)
        if result.outcome == ProviderOutcome.DONE:
            done = update(
                refund,
                was=RefundState.DOING,
                state=RefundState.DONE,
                provider_refund_id=result.refund_id,
            )
            if done:
                book("refund", refund)
        elif result.outcome == ProviderOutcome.REFUSED and result.code == _DISPUTED:
            # The dispute may be news to us.
            _wait(refund)
            look_soon()
        elif result.outcome == ProviderOutcome.REFUSED and result.permanent:
            update(refund, was=RefundState.DOING, state=RefundState.STUCK, code=result.code)
        elif result.outcome == ProviderOutcome.REFUSED:
            rest(refund, result, until=now + _UNCOVERED_RESTS)
        else:
            rest(refund, result, until=now + UNKNOWN_RESTS)


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


def _is_disputed(refund: Refund) -> bool:
    """Leave a refund alone whose charge is disputed: it waits, or is moot once that is lost.

    The charge is held meanwhile, so that the dispute's end cannot slip in between.
    """
    with transaction.atomic():
        Charge.objects.filter(lane=refund.lane, id=refund.charge_id).select_for_update().get()
        states = set(
            Dispute.objects.filter(lane=refund.lane, charge_id=refund.charge_id).values_list(
                "state", flat=True
            )
        )
        if DisputeState.OPEN in states:
            _wait(refund)
        elif DisputeState.LOST in states:
            update(refund, was=RefundState.DOING, state=RefundState.MOOT, code="dispute_lost")
        else:
            return False
    return True


def _wait(refund: Refund) -> None:
    update(
        refund,
        was=RefundState.DOING,
        state=RefundState.DUE,
        due_at=site_now() + _DISPUTED_RESTS,
        code=_DISPUTED,
    )


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
