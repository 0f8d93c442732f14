"""What the books say."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import Any

from django.db import connection
from django.db.models import Sum

from countmein.ledger.models import CAME_BACK, Transfer


def balances(*, lane: int, campaign_id: uuid.UUID) -> dict[tuple[str, str], int]:
    """Return the balance of each (account, currency) of a campaign, minor units.

    What leaves an account lowers it, what arrives raises it; over all accounts they add up to 0,
    at any moment: it is one statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT account, currency, sum(moved)
               FROM ledger_transfer, LATERAL (VALUES (source, -amount_minor),
                   (destination, amount_minor)) leg (account, moved)
               WHERE lane = %s AND campaign_id = %s GROUP BY 1, 2""",
            [lane, campaign_id],
        )
        return {
            (account, currency): int(balance) for account, currency, balance in cursor.fetchall()
        }


def totals(*, lane: int, campaign_id: uuid.UUID) -> Counter[str]:
    """The balance of each account of a campaign, which has one currency; 0 for any other."""
    found = balances(lane=lane, campaign_id=campaign_id)
    sums = Counter[str]()
    for (account, _currency), balance in found.items():
        sums[account] += balance
    return sums


def by_event(*, lane: int, campaign_id: uuid.UUID) -> Counter[str]:
    """How much each kind of event has moved in a campaign, minor units."""
    rows = Transfer.objects.filter(lane=lane, campaign_id=campaign_id)
    moved: list[tuple[str, int]] = list(rows.values_list("kind").annotate(Sum("amount_minor")))
    return Counter(dict(moved))


def came_back_count(*, lane: int, campaign_id: uuid.UUID) -> int:
    """How often money came back to a campaign by other ways than from its members."""
    rows = Transfer.objects.filter(lane=lane, campaign_id=campaign_id, kind__in=CAME_BACK)
    return int(rows.count())


def taken_for(*, lane: int, kind: str, about: uuid.UUID) -> dict[str, int]:
    """What one event took of what is held, by kind of pledge, to give it back likewise."""
    rows = Transfer.objects.filter(lane=lane, kind=kind, source_ref=about)
    found = rows.values_list("source", "amount_minor")
    return {account.removeprefix("held:"): amount for account, amount in found}


def entries(
    *, lane: int, campaign_id: uuid.UUID, after: uuid.UUID | None, limit: int
) -> tuple[list[dict[str, Any]], uuid.UUID | None]:
    """Return up to `limit` transfers after an id, shown as postings, and where to go on."""
    rows = Transfer.objects.filter(lane=lane, campaign_id=campaign_id).order_by("id")
    if after is not None:
        rows = rows.filter(id__gt=after)
    page = list(rows[: limit + 1])
    more = page[limit - 1].id if len(page) > limit else None
    return [_shown(row) for row in page[:limit]], more


def _shown(row: Transfer) -> dict[str, Any]:
    return {
        "id": str(row.entry_id),
        "at": row.at,
        "kind": row.kind,
        "postings": [
            {"account": account, "amount_minor": sign * row.amount_minor, "currency": row.currency}
            for account, sign in ((row.source, -1), (row.destination, 1))
        ],
    }
