"""How charges fare: of one campaign, and of the whole site."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any, Final, cast

from django.core.cache import cache
from django.db import connection
from django.db.models import Count, Q, QuerySet

from countmein.base.clock import site_now
from countmein.payments.bank.matching import Verdict
from countmein.payments.bank_models import BankEntry, EntryState
from countmein.payments.models import BANK, CHARGE_OPEN, Charge, ChargeState

#: How far back the site looks to tell how many cards fail, and for how long it trusts the answer.
_LOOKS_BACK = timedelta(days=365)
_TRUSTED_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the money of a campaign stands, per kind of pledge, in minor units.

    `collecting` was never refused yet, `failing` was; `awaited` is the part of `collecting` that
    members are to transfer. `paid` is all that ever was, of which `refunded` went back by us and
    `disputed` was taken away. `untried` counts charges of cards, not money.
    """

    collecting: Counter[str] = field(default_factory=Counter)
    failing: Counter[str] = field(default_factory=Counter)
    awaited: Counter[str] = field(default_factory=Counter)
    paid: Counter[str] = field(default_factory=Counter)
    refunded: Counter[str] = field(default_factory=Counter)
    disputed: Counter[str] = field(default_factory=Counter)
    untried: int = 0


#: Which sum an event of the books moves, and by which sign. A lost dispute was counted when it was
#: opened.
_MOVES: Final = {
    "charge": ("paid", 1),
    "refund": ("refunded", 1),
    "refund_back": ("refunded", -1),
    "dispute": ("disputed", 1),
    "dispute_won": ("disputed", -1),
}


def standing(*, lane: int, campaign_id: uuid.UUID) -> Standing:
    """How the money of a campaign stands: one statement, so one instant.

    Read one after the other, a charge that is paid meanwhile would be in none of the sums, or in
    two of them, and they would not add up to what was accepted.
    """
    found = Standing()
    untried = 0
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT t.kind, CASE WHEN t.kind IN ('charge', 'refund_back', 'dispute_won')
                   THEN t.destination ELSE t.source END, NULL::bool, NULL::bool, sum(t.amount_minor)
               FROM ledger_transfer t
               WHERE t.lane = %(lane)s AND t.campaign_id = %(id)s AND t.kind = ANY(%(moves)s)
               GROUP BY 1, 2
               UNION ALL
               SELECT 'owed', part.key, c.first_failed_at IS NULL, c.state = 'awaited',
                   sum(part.value::bigint)
               FROM payments_charge c, jsonb_each_text(c.parts) part
               WHERE c.lane = %(lane)s AND c.campaign_id = %(id)s AND c.state = ANY(%(open)s)
               GROUP BY 1, 2, 3, 4
               UNION ALL
               SELECT 'untried', '', NULL, NULL, count(*) FROM payments_charge c
               WHERE c.lane = %(lane)s AND c.campaign_id = %(id)s AND c.state = ANY(%(open)s)
               AND c.state <> 'awaited' AND c.first_failed_at IS NULL""",
            # psycopg adapts lists, whatever Django's stubs list.
            cast(
                "dict[str, Any]",
                {"lane": lane, "id": campaign_id, "moves": [*_MOVES], "open": [*CHARGE_OPEN]},
            ),
        )
        for what, account, is_untried, is_awaited, amount in cursor.fetchall():
            if what == "untried":
                untried = int(amount)
            elif what == "owed":
                (found.collecting if is_untried else found.failing)[account] += int(amount)
                found.awaited[account] += int(amount) if is_awaited else 0
            else:
                name, sign = _MOVES[what]
                getattr(found, name)[account.removeprefix("held:")] += sign * int(amount)
    return replace(found, untried=untried)


def progress(*, lane: int, campaign_id: uuid.UUID) -> dict[str, int]:
    """How far the charging of one campaign's cards has come: in all, paid, failing, given up."""
    rows = Charge.objects.filter(lane=lane, campaign_id=campaign_id).exclude(provider=BANK)
    found: dict[str, int] = rows.aggregate(
        all=Count("id"),
        paid=Count("id", filter=Q(state=ChargeState.PAID)),
        failing=Count("id", filter=Q(state__in=CHARGE_OPEN, first_failed_at__isnull=False)),
        failed=Count("id", filter=Q(state=ChargeState.FAILED)),
    )
    return found


def parts_waiting() -> QuerySet[BankEntry]:
    """What came by bank as a part of a charge, and waits for the rest of it."""
    return BankEntry.objects.filter(
        state=EntryState.QUEUED, verdict=Verdict.PARTIAL, charge_id__isnull=False
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a transfer that has come, and on which day."""

    amount_minor: int
    booked_on: date


def parts_arrived(charge_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Part]]:
    """What has come by bank for these charges and waits for the rest, by day."""
    rows = parts_waiting().filter(charge_id__in=charge_ids).order_by("booked_on", "entry_id")
    found: dict[uuid.UUID, list[Part]] = {}
    for charge_id, amount, day in rows.values_list("charge_id", "amount_minor", "booked_on"):
        if charge_id is not None:
            found.setdefault(charge_id, []).append(Part(amount_minor=amount, booked_on=day))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """How many charges have come to an end, and how many of them were paid."""

    charged: int
    paid: int


def outcomes() -> Outcomes:
    """How the site's charges of the last year ended; looked up every ten minutes."""
    known = cache.get("payments.outcomes")
    if known is None:
        since = site_now() - _LOOKS_BACK
        ended = Charge.objects.all_lanes().filter(
            provider="stripe",
            state__in=[ChargeState.PAID, ChargeState.FAILED],
            due_at__gt=since,
        )
        known = ended.aggregate(
            charged=Count("id"), paid=Count("id", filter=Q(state=ChargeState.PAID))
        )
        cache.set("payments.outcomes", known, _TRUSTED_SECONDS)
    return Outcomes(charged=known["charged"], paid=known["paid"])
