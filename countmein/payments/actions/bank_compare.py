"""Comparing our books with the bank's statements: each credit accounted for, each day joined up.

Like the comparison with the provider it changes nothing; what differs has an age and an owner.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

from django.db import connection
from django.db.models import Max, Min, Q, QuerySet, Sum

from countmein.base.jobs import job
from countmein.payments.actions.reconcile import Difference, reconcile
from countmein.payments.bank.entries import Direction
from countmein.payments.bank_models import BankEntry, BankStatement, EntryState
from countmein.payments.models import BANK, Discrepancy

#: More differences than this are one fault of ours, not so many of the bank's.
_AT_MOST: Final = 10_000
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Of each charge, what is booked and what came for it; of each refund, what is booked and what the
# statement shows to have left; of each credit, how much of it is accounted for.
_COMPARED: Final = """
WITH charged AS (
    SELECT t.source_ref AS about, t.currency, sum(t.amount_minor) AS amount
    FROM ledger_transfer t JOIN payments_charge c ON c.lane = t.lane AND c.id = t.source_ref
    WHERE t.kind = 'charge' AND c.provider = 'bank' GROUP BY 1, 2),
came AS (
    SELECT charge_id AS about, currency, sum(booked_minor) AS amount
    FROM payments_bankentry WHERE booked_minor > 0 GROUP BY 1, 2),
refunded AS (
    SELECT t.source_ref AS about, t.currency,
           sum(CASE t.kind WHEN 'refund' THEN t.amount_minor ELSE -t.amount_minor END) AS amount
    FROM ledger_transfer t WHERE t.kind IN ('refund', 'refund_back')
      AND EXISTS (SELECT FROM payments_banktransfer b WHERE b.about_id = t.source_ref)
    GROUP BY 1, 2 HAVING sum(CASE t.kind WHEN 'refund' THEN 1 ELSE -1 END) <> 0),
went AS (
    SELECT b.about_id AS about, e.currency, sum(e.amount_minor) AS amount
    FROM payments_banktransfer b JOIN payments_bankentry e ON e.id = b.entry_id
    WHERE b.kind = 'refund' AND b.state = 'done' GROUP BY 1, 2)
SELECT 'charge', about::text, currency, charged.amount, came.amount
FROM charged FULL JOIN came USING (about, currency)
WHERE charged.amount IS DISTINCT FROM came.amount
UNION ALL
SELECT 'refund', about::text, currency, refunded.amount, went.amount
FROM refunded FULL JOIN went USING (about, currency)
WHERE refunded.amount IS DISTINCT FROM went.amount
UNION ALL
SELECT 'entry', e.id::text, e.currency, e.booked_minor, e.amount_minor
FROM payments_bankentry e
WHERE e.direction = 'credit' AND NOT e.reversal AND (
      e.state = 'booked' AND e.booked_minor <> e.amount_minor
   OR e.state IN ('queued', 'noted', 'new') AND e.booked_minor <> 0
   OR e.state = 'left' AND e.amount_minor <> 0
   OR e.state IN ('returning', 'returned') AND NOT EXISTS (
      SELECT FROM payments_banktransfer b WHERE b.kind = 'return' AND b.about_id = e.id
      AND b.amount_minor = e.amount_minor - e.booked_minor))
LIMIT %s"""


def differences() -> list[Difference]:
    """Where our books and what the bank told differ."""
    with connection.cursor() as cursor:
        cursor.execute(_COMPARED, [_AT_MOST])
        rows = cursor.fetchall()
    found = [
        _difference(event, about, currency, ours, theirs, since=_LONG_AGO)
        for event, about, currency, ours, theirs in rows
    ]
    return [*found, *_balances()]


def _difference(
    event: str,
    about: str,
    currency: str,
    ours: int | None,
    theirs: int | None,
    *,
    since: datetime,
) -> Difference:
    return Difference(
        event=event,
        about=about,
        currency=currency,
        ours_minor=None if ours is None else int(ours),
        theirs_minor=None if theirs is None else int(theirs),
        since=since,
    )


def _balances() -> Iterator[Difference]:
    """Accounts of which a statement is missing: from the first balance the entries must lead to
    the last one."""
    whole = BankStatement.objects.filter(
        opening_minor__isnull=False, closing_on__isnull=False, opening_on__isnull=False
    ).exclude(currency="")
    for account, currency, first_on, last_on in (
        whole.values_list("account", "currency")
        .annotate(Min("opening_on"), Max("closing_on"))
        .order_by("account", "currency")
    ):
        of_it = whole.filter(account=account, currency=currency)
        if (found := _balance(of_it, account, currency, first_on, last_on)) is not None:
            yield found


def _balance(
    statements: QuerySet[BankStatement], account: str, currency: str, first_on: date, last_on: date
) -> Difference | None:
    """A day may have several statements: then one of its balances is where it begins or ends."""
    entries = BankEntry.objects.filter(account=account, currency=currency, is_proved=True)
    sums = entries.aggregate(
        came=Sum("amount_minor", filter=Q(direction=Direction.CREDIT)),
        left=Sum("amount_minor", filter=Q(direction=Direction.DEBIT)),
    )
    moved = (sums["came"] or 0) - (sums["left"] or 0)
    in_order = statements.order_by("imported_at", "id")
    openings = [row.opening_minor or 0 for row in in_order.filter(opening_on=first_on)]
    closings = [row.closing_minor or 0 for row in in_order.filter(closing_on=last_on)]
    if {opening + moved for opening in openings} & set(closings):
        return None
    newest = entries.order_by("-id").values_list("id", flat=True).first()
    return _difference(
        "balance",
        f"{account[:2]}…{account[-4:]}",
        currency,
        openings[0] + moved,
        closings[-1],
        # While a file is imported its entries stand there before its balances.
        since=_LONG_AGO if newest is None else _kept_at(newest),
    )


def _kept_at(entry: uuid.UUID) -> datetime:
    """When a row was written in real time, which its id tells."""
    return datetime.fromtimestamp((entry.int >> 80) / 1000, UTC)


def queue() -> Iterator[Difference]:
    """What waits for a person: money, or an entry, that nothing of ours stands against yet."""
    rows = BankEntry.objects.filter(state=EntryState.QUEUED).order_by("id")[:_AT_MOST]
    for row in rows:
        yield _difference(
            "queued", str(row.id), row.currency, None, row.amount_minor, since=_LONG_AGO
        )


@job(name="payments.compare_bank", queue="money")
def compare_bank() -> None:
    """Open what differs and what waits for a person, and close what does not any more."""
    reconcile_bank()


def reconcile_bank() -> list[Discrepancy]:
    """The same, and return what is open."""
    return reconcile(BANK, found=[*differences(), *queue()])
