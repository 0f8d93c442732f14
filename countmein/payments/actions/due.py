"""Which kinds of work on money are due now, for the sweep and for whoever waits for rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db.models import Q

from countmein.base.clock import real_now, site_now
from countmein.payments.actions.awaited import (
    give_up_awaited,
    remind_awaited,
    to_give_up,
    to_remind,
)
from countmein.payments.actions.bank_compare import compare_bank
from countmein.payments.actions.bank_match import match_entries
from countmein.payments.actions.bank_orders import gather_refunds, to_gather
from countmein.payments.actions.charging import charge_due
from countmein.payments.actions.disputes import read_disputes
from countmein.payments.actions.mandates import make_mandates
from countmein.payments.actions.pages import read_pages
from countmein.payments.actions.paying import pay_due
from countmein.payments.actions.reconcile import compare
from countmein.payments.actions.refunding import refund_due
from countmein.payments.actions.statement import begin_statement, read_statement
from countmein.payments.bank_models import BankEntry, EntryState
from countmein.payments.models import (
    Attempt,
    Charge,
    HostedPage,
    Mandate,
    Payout,
    Refund,
    Statement,
)

#: The job that does each kind of work, and the rows that it is found in.
_WORK: Final[Mapping[str, tuple[Any, Any]]] = {
    "cards": (make_mandates, Mandate),
    "pages": (read_pages, HostedPage),
    "charges": (charge_due, Charge),
    "refunds": (refund_due, Refund),
    "payouts": (pay_due, Payout),
}
#: States in which it has been begun: that is not rest, whenever it comes due again.
_BEGUN: Final = {
    "cards": ("wanted", "forgetting"),
    "pages": ("closing",),
    "charges": ("doing",),
    "refunds": ("doing",),
    "payouts": ("sending",),
}


def due_jobs() -> list[Any]:
    """The jobs that have something to do now."""
    now = site_now()
    return [
        task
        for task, model in _WORK.values()
        if model.objects.all_lanes().filter(state__in=model.work_states, due_at__lte=now).exists()
    ] + [*_of_statement(), *_by_bank().values()]


def _by_bank() -> dict[str, Any]:
    """The jobs about transfers that have something to do now, by what they do."""
    looks: tuple[tuple[str, Any, Callable[[], bool]], ...] = (
        ("bank entries", match_entries, BankEntry.objects.filter(state=EntryState.NEW).exists),
        ("reminders", remind_awaited, to_remind),
        ("transfers that did not come", give_up_awaited, to_give_up),
        ("refunds by bank", gather_refunds, to_gather),
    )
    return {name: task for name, task, is_due in looks if is_due()}


def _of_statement() -> list[Any]:
    """What is to be read of the provider's statement, which begins with our first call."""
    statement = Statement.objects.first()
    if statement is None:
        if Attempt.objects.all_lanes().exists():
            begin_statement()
        return []
    site = site_now()
    dues = (
        (read_statement, statement.lines_due_at, real_now()),
        (read_disputes, statement.disputes_due_at, site),
        (compare, statement.compare_due_at, site),
    )
    found = [task for task, due_at, now in dues if due_at <= now]
    return [*found, compare_bank] if compare in found else found


def unfinished() -> list[str]:
    """The kinds of work that are due or under way; what waits for its day, or a member, is not."""
    now = site_now()
    return [
        name
        for name, (_task, model) in _WORK.items()
        if model.objects.all_lanes()
        # Without a due time it is not ours to do: a bank was ordered to.
        .filter(
            Q(state__in=model.work_states, due_at__lte=now)
            | Q(state__in=_BEGUN[name], due_at__isnull=False)
        )
        .exists()
    ] + [*_by_bank()]
