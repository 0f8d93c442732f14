"""Transfers that are awaited: members are reminded, and those who did not pay are given up."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, Max, OuterRef, QuerySet

from countmein.base.clock import site_now
from countmein.base.jobs import job
from countmein.payments.actions.bank_match import hold_bank
from countmein.payments.bank.matching import Act, Verdict
from countmein.payments.bank_models import BankEntry, BankStatement, EntryState
from countmein.payments.models import Charge, ChargeState
from countmein.rules.awaiting import BOOKED_WITHIN, next_reminder

SLICE: Final = 500


def to_remind() -> bool:
    """Whether a member is to be reminded now."""
    return bool(_to_remind(site_now()).exists())


def _to_remind(now: datetime) -> Any:
    return Charge.objects.all_lanes().filter(state=ChargeState.AWAITED, remind_at__lte=now)


@job(name="payments.remind_awaited", queue="money")
def remind_awaited() -> None:
    """Have those reminded whose transfer has not come: the campaign asks them, as for a card."""
    while _remind_slice(site_now()):
        pass


def _remind_slice(now: datetime) -> bool:
    with transaction.atomic():
        rows = list(_to_remind(now).order_by("lane", "id")[:SLICE].select_for_update())
        for row in rows:
            row.asks += 1
            row.remind_at = next_reminder(row.due_at, now=now)
        Charge.objects.bulk_update(rows, ["asks", "remind_at"])
    return bool(rows)


def to_give_up() -> bool:
    """Whether the last day of a transfer is over, and the bank has been looked at since; or money
    waits for one that was given up otherwise."""
    return bool(_to_give_up().exists()) or _left_behind().exists()


def waiting_for_a_look() -> int:
    """How many transfers cannot be judged before a statement of these days is imported."""
    over = Charge.objects.all_lanes().filter(
        state=ChargeState.AWAITED, due_at__lte=site_now() - BOOKED_WITHIN
    )
    return int(over.count() - _to_give_up().count())


def _to_give_up() -> Any:
    """Awaited charges whose day is over, by what the bank has told and not by our clock alone.

    Money may lie in the queue that a person finds to be theirs: then they are waited for.
    """
    told_until = _told_until()
    if told_until is None:
        return Charge.objects.all_lanes().none()
    # All that was booked on the last day on which it counts has been told.
    day_ends = datetime.combine(told_until + timedelta(days=1), time.min, tzinfo=UTC)
    over = Charge.objects.all_lanes().filter(
        state=ChargeState.AWAITED,
        due_at__lte=site_now() - BOOKED_WITHIN,
        due_at__lt=day_ends - BOOKED_WITHIN,
    )
    if not over.exists() or BankEntry.objects.filter(state=EntryState.NEW).exists():
        return over.none()
    queued = BankEntry.objects.filter(state=EntryState.QUEUED).exclude(verdict=Verdict.PARTIAL)
    maybe_theirs, about = set[str](), set[Any]()
    for candidates, charge_id in queued.values_list("candidates", "charge_id"):
        maybe_theirs |= set(candidates)
        about.add(charge_id)
    return over.exclude(id__in=about - {None}).exclude(reference__in=maybe_theirs)


def _told_until() -> date | None:
    """The last day of which the bank has told us; not the day on which we heard it."""
    closing: date | None = BankStatement.objects.aggregate(last=Max("closing_on"))["last"]
    if closing is not None:
        return closing
    booked: date | None = BankEntry.objects.aggregate(last=Max("booked_on"))["last"]
    return booked


@job(name="payments.give_up_awaited", queue="money")
def give_up_awaited() -> None:
    """Give up what was not transferred in time; parts that came go back."""
    while _give_up_slice():
        pass


def _give_up_slice() -> bool:
    with transaction.atomic():
        hold_bank()
        rows = list(_to_give_up().order_by("lane", "id")[:SLICE].select_for_update())
        now = site_now()
        Charge.objects.filter(
            lane__in={row.lane for row in rows},
            id__in=[row.id for row in rows],
            state=ChargeState.AWAITED,
        ).update(
            state=ChargeState.FAILED, code="not_transferred", first_failed_at=now, remind_at=None
        )
        _left_behind().update(verdict=Verdict.LATE, act=Act.RETURN_ALL, decided_at=now)
    return bool(rows)


def _left_behind() -> QuerySet[BankEntry]:
    """Money that waits for a charge which was given up, or called off, meanwhile: it goes back."""
    ended = Charge.objects.get_queryset().filter(
        lane=OuterRef("charge_lane"), id=OuterRef("charge_id"), state=ChargeState.FAILED
    )
    return BankEntry.objects.filter(
        state=EntryState.QUEUED, verdict__in=[Verdict.PARTIAL, Verdict.OVER]
    ).filter(Exists(ended))
