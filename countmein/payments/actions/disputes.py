"""Disputes: what a member's bank takes back, booked the day we learn of it.

An event only makes us look sooner; what the provider shows when we look decides. Looking again
changes nothing, so events may be lost, doubled or late: the poll comes every hour.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import transaction

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.payments.actions.claims import book
from countmein.payments.models import (
    Charge,
    ChargeState,
    Dispute,
    DisputeState,
    Refund,
    RefundState,
    Statement,
)
from countmein.payments.providers import PROVIDERS, DisputeSeen, DisputeStatus, LookUpFailed
from countmein.rules.money import hamilton

log = logging.getLogger(__name__)

_EVERY = timedelta(hours=1)
#: How soon a poll that got no answer is repeated.
_FAILED_RESTS = timedelta(minutes=1)
#: How far behind the newest known dispute the poll looks: a charge whose answer we still wait for
#: may be disputed before we know its name.
_OVERLAP = timedelta(days=1)


def look_soon() -> None:
    """Have the disputes looked at now; an event or a refusal says that there is news."""
    now = site_now()
    Statement.objects.filter(disputes_due_at__gt=now).update(disputes_due_at=now)


@job(name="payments.read_disputes", queue="money")
def read_disputes() -> None:
    """Look for new disputes, and how those that are open stand."""
    for statement in Statement.objects.filter(disputes_due_at__lte=site_now()):
        _due_again(statement, _FAILED_RESTS)
        try:
            look(statement)
        except LookUpFailed as failed:
            log.warning("disputes could not be read: %s", failed)
        else:
            _due_again(statement, _EVERY)


def _due_again(statement: Statement, rests: timedelta) -> None:
    Statement.objects.filter(provider=statement.provider).update(disputes_due_at=site_now() + rests)


def look(statement: Statement) -> None:
    """Ask the provider and record what it shows. Raises LookUpFailed."""
    provider = PROVIDERS[statement.provider]
    known = Dispute.objects.all_lanes()
    newest = known.order_by("-opened_at").values_list("opened_at", flat=True).first()
    since = max(statement.began_at, newest - _OVERLAP) if newest else statement.began_at
    for seen in provider.disputes(since=since):
        record(seen)
    still_open = known.filter(state=DisputeState.OPEN).values_list("provider_dispute_id", flat=True)
    for dispute_id in list(still_open):
        record(provider.dispute(dispute_id=dispute_id))


def record(seen: DisputeSeen) -> bool:
    """Carry what the provider shows over to our books; tell whether it is about a charge of ours.

    A dispute only goes from open to won or lost, so an older look changes nothing.
    """
    if seen.status is DisputeStatus.INQUIRY:
        return True
    charge = (
        Charge.objects.all_lanes()
        .filter(provider_charge_id=seen.charge_id, state=ChargeState.PAID)
        .exclude(provider_charge_id="")
        .first()
    )
    if charge is None or charge.currency != seen.amount.currency:
        return False
    with transaction.atomic():
        Charge.objects.filter(lane=charge.lane, id=charge.id).select_for_update().get()
        dispute = Dispute.objects.filter(
            lane=charge.lane, provider_dispute_id=seen.dispute_id
        ).first() or _open(charge, seen)
        if dispute.state == DisputeState.OPEN and seen.status is not DisputeStatus.OPEN:
            _close(dispute, is_won=seen.status is DisputeStatus.WON)
    return True


def _open(charge: Charge, seen: DisputeSeen) -> Dispute:
    dispute = Dispute(
        lane=charge.lane,
        campaign_id=charge.campaign_id,
        pledge_id=charge.pledge_id,
        charge_id=charge.id,
        provider_dispute_id=seen.dispute_id,
        amount_minor=seen.amount.amount_minor,
        currency=charge.currency,
        parts=_parts(charge, seen.amount.amount_minor),
        reason=seen.reason[:64],
        opened_at=seen.opened_at,
        answer_by=seen.answer_by,
    )
    dispute.save(force_insert=True)
    book("dispute", dispute)
    return dispute


def _parts(charge: Charge, amount_minor: int) -> dict[str, int]:
    """The disputed amount by kind of pledge, in proportion to what is left of the charge."""
    left = dict(charge.parts)
    gone = [
        *Refund.objects.filter(
            lane=charge.lane, charge_id=charge.id, state=RefundState.DONE
        ).values_list("parts", flat=True),
        *Dispute.objects.filter(lane=charge.lane, charge_id=charge.id)
        .exclude(state=DisputeState.WON)
        .values_list("parts", flat=True),
    ]
    for parts in gone:
        for kind, amount in parts.items():
            left[kind] -= amount
    weights = left if sum(left.values()) >= amount_minor else charge.parts
    return hamilton(weights, total=amount_minor, seed=str(charge.id))


def _close(dispute: Dispute, *, is_won: bool) -> None:
    """Book the end; refunds that waited for it go on, or have become moot."""
    now = site_now()
    Dispute.objects.filter(lane=dispute.lane, id=dispute.id).update(
        state=DisputeState.WON if is_won else DisputeState.LOST, closed_at=now
    )
    book("dispute_won" if is_won else "dispute_lost", dispute)
    waiting = Refund.objects.filter(
        lane=dispute.lane, charge_id=dispute.charge_id, state=RefundState.DUE
    )
    if is_won:
        waiting.update(due_at=now)
    else:
        waiting.update(state=RefundState.MOOT, code="dispute_lost")
