"""Paying out: an organiser's payout is passed on by the provider, once, whatever happens."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.payments.actions.claims import UNKNOWN_RESTS, turn, update
from countmein.payments.actions.payouts import came_back, paid
from countmein.payments.actions.tries import Answered, Try, begin, close, news_of
from countmein.payments.models import Attempt, Payout, PayoutKind, PayoutState, ProviderLine
from countmein.payments.providers import PROVIDERS, LineKind, TransferResult
from countmein.payments.providers import Outcome as ProviderOutcome

#: How long a payout waits that the provider does not make now; then it is judged anew.
_REFUSED_RESTS = timedelta(minutes=10)


@job(name="payments.pay_due", queue="money")
def pay_due() -> None:
    """Pay what may be paid now."""
    turn(Payout, _one_payout)


def _one_payout(payout: Payout) -> None:
    with transaction.atomic():
        tries = begin([payout], on={payout.id: None}, was=PayoutState.SENDING)
    for tried in tries:
        _record(Answered(tried=tried, result=_ask(tried)))


def _ask(tried: Try[Payout, None]) -> TransferResult:
    """See what came of a try without an answer; one that is new or never arrived is made.

    It is made under its own key, so the provider does it once however often it is repeated.
    """
    provider, payout, reference = PROVIDERS["stripe"], tried.row, str(tried.row.id)
    if not tried.is_new:
        found = provider.find_transfer(account_id=payout.destination, reference=reference)
        if found is not None:
            return found
    return provider.transfer(
        account_id=payout.destination,
        amount_minor=payout.amount_minor,
        currency=payout.currency,
        reference=reference,
        key=key_of(payout, tried.attempt),
    )


def key_of(payout: Payout, attempt: Attempt) -> str:
    """What the provider knows one try by: the same at each repetition of it."""
    return f"payout:{payout.id}:attempt:{attempt.number}"


def _record(answer: Answered[Payout, None, TransferResult]) -> None:
    """Record what came of a try; the money and its entry in the books commit together."""
    now, payout, result = site_now(), answer.tried.row, answer.result
    with transaction.atomic():
        if not news_of([answer]):
            return
        close([answer])
        if result.outcome == ProviderOutcome.DONE:
            paid(payout, reference=result.transfer_id)
        elif result.outcome == ProviderOutcome.REFUSED:
            # Nothing was paid. It is judged again before the next try, for much may have changed.
            update(
                payout,
                was=PayoutState.SENDING,
                state=PayoutState.ASKED,
                code=result.code,
                agreed_at=None,
                due_at=None if result.permanent else now + _REFUSED_RESTS,
            )
        else:
            until = now + UNKNOWN_RESTS
            update(payout, was=PayoutState.SENDING, due_at=until, code=result.code)


def take_back_payouts() -> None:
    """Note the payouts that the provider's statement says have come back to us whole."""
    lines = ProviderLine.objects.filter(
        kind=LineKind.TRANSFER, amount_minor__gt=0, matched_id__isnull=False
    )
    back = {line.matched_id: line for line in lines}
    rows = Payout.objects.filter(
        lane__in={line.matched_lane for line in lines},
        id__in=back,
        kind=PayoutKind.ORGANISER,
        state=PayoutState.PAID,
    )
    for payout in rows:
        if back[payout.id].amount_minor == payout.amount_minor:
            came_back(payout, note="reversed")
